"""Every vector says why it stands there and which refusal it expects, and some test reads its room."""

import json
import re
from pathlib import Path

import pytest

from tests.repo import refusals
from tests.repo.tree import ROOT

ROOM_BYTES_MAX = 300_000
"""Vectors are read by people; a room that needs more is re-created by a script."""


def complaints(root: Path, numbers: set[str]) -> list[str]:
    """Each vector that is incomplete, and each room that is too large or that no test reads."""
    found = []
    texts = [
        path.read_text("utf-8") for path in (root / "tests").rglob("*.py") if "repo" not in path.relative_to(root).parts
    ]
    readers = [text for text in texts if "vectors" in text]
    for room in sorted(path for path in (root / "vectors").glob("*") if path.is_dir()):
        if (size := sum(path.stat().st_size for path in room.rglob("*") if path.is_file())) > ROOM_BYTES_MAX:
            found.append(f"vectors/{room.name} holds {size} bytes; at most {ROOM_BYTES_MAX}")
        if not any(re.search(rf"[\"'/]{room.name}[\"'/]", text) for text in readers):
            found.append(f"vectors/{room.name} is read by no test")
        for case in sorted(path for path in room.iterdir() if path.is_dir()):
            found += [f"vectors/{room.name}/{case.name} {what}" for what in _case(case, numbers)]
    return found


def _case(case: Path, numbers: set[str]) -> list[str]:
    found = []
    if not (case / "README.md").is_file() or not (case / "README.md").read_text("utf-8").strip():
        found.append("lacks a README.md that says why")
    if not any(path.name not in {"README.md", "expect.json"} for path in case.iterdir()):
        found.append("holds no input")
    if not case.name.endswith("_fail"):
        return found
    if not (case / "expect.json").is_file():
        return [*found, "lacks expect.json"]
    rule = json.loads((case / "expect.json").read_text("utf-8")).get("rule")
    if rule not in numbers:
        found.append(f"expects {rule}, which stands in no table of spec/")
    if case.name.split("-")[0] != rule:
        found.append(f"does not begin with its number {rule}")
    return found


def test_every_vector_is_complete():
    """A `_fail` names its refusal; every case says why; every room is read."""
    found = complaints(ROOT, {number for number, _, _ in refusals.specified(ROOT)})
    assert not found, "\n" + "\n".join(found)


def test_every_number_of_the_fold_has_a_vector():
    """What is stored and has no effect is nowhere refused: another implementation learns it from its cases alone."""
    folded = {number for number, _, page in refusals.specified(ROOT) if page == "spec/accord.md" and number[0] == "F"}
    shown = {
        case.name.split("-")[0] for room in ("accord", "accord-members") for case in (ROOT / "vectors" / room).iterdir()
    }
    assert folded
    assert folded <= shown


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One complete vector, and a test that reads its room."""
    case = tmp_path / "vectors" / "log" / "Z01-old_fail"
    case.mkdir(parents=True)
    (case / "README.md").write_text("An old head.\n", "utf-8")
    (case / "expect.json").write_text('{"rule": "Z01"}', "utf-8")
    (case / "note").write_text("x", "utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_log.py").write_text('CASES = ROOT / "vectors" / "log"\n', "utf-8")
    return tmp_path


def test_a_complete_vector_has_no_complaint(tree: Path):
    """The example below differs from this one by one thing each."""
    assert complaints(tree, {"Z01"}) == []


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda tree, case: (case / "README.md").unlink(), "lacks a README.md that says why"),
        (lambda tree, case: (case / "note").unlink(), "holds no input"),
        (lambda tree, case: (case / "expect.json").unlink(), "lacks expect.json"),
        (lambda tree, case: case.rename(case.parent / "old_fail"), "does not begin with its number Z01"),
        (
            lambda tree, case: (case / "expect.json").write_text('{"rule": "Z02"}'),
            "expects Z02, which stands in no table of spec/",
        ),
        (lambda tree, case: (tree / "tests" / "test_log.py").unlink(), "is read by no test"),
        (lambda tree, case: (case / "note").write_text("x" * 300_001), "bytes; at most 300000"),
    ],
)
def test_a_spoiled_vector_is_named(tree: Path, spoil, expected: str):
    """Each thing that a vector may lack gives its own line."""
    spoil(tree, tree / "vectors" / "log" / "Z01-old_fail")
    assert any(expected in line for line in complaints(tree, {"Z01"}))
