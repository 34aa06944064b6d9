"""The committed vectors of the log and of the mirror: each `_fail` gives its number, each other is accepted."""

import json
from pathlib import Path

import pytest

from detente.base.errors import Refused
from tests.vectors import make_log_vectors
from tests.vectors.log_cases import Answered, Case

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
CASES = sorted(path.parent for room in ("log", "mirror") for path in (VECTORS / room).glob("*/case.json"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_each_vector_has_its_verdict(folder):
    """`_fail` is refused with the number, and the status, of expect.json; the others pass."""
    path = folder / "expect.json"
    expected = json.loads(path.read_text("utf-8")) if path.exists() else {}
    rule, status = None, None
    try:
        status = Case(folder).run()
    except Refused as refused:
        rule = refused.rule
    except Answered as answered:
        rule, status = answered.refused.rule, answered.status
    assert rule == expected.get("rule")
    assert folder.name.endswith("_fail") == (rule is not None)
    if "status" in expected:
        assert status == expected["status"]


def test_the_vectors_are_what_their_maker_makes(tmp_path):
    """A vector that was edited by hand, or a maker that changed, is seen."""
    make_log_vectors.write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(VECTORS): path.read_bytes() for case in CASES for path in case.iterdir()}
    assert made == kept
    assert len(CASES) > 50
