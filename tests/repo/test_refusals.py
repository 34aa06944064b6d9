"""A stranger can find any refusal of ``spec/`` in code by its number."""

from pathlib import Path
from typing import get_args

import pytest

from detente.base.errors import RefusalKind
from tests.repo import refusals
from tests.repo.tree import ROOT

KINDS = set(get_args(RefusalKind))


def test_specification_code_and_tests_name_the_same_refusals():
    """Each number has one row in spec/, is raised with that row's kind, and is tried by a test or a vector."""
    found = refusals.complaints(ROOT, KINDS)
    assert not found, "\n" + "\n".join(found)


def test_the_check_found_what_it_reads():
    """An empty reading would agree with everything."""
    assert refusals.raised(ROOT)
    assert refusals.specified(ROOT)


def _tree(root: Path, *, spec: str, code: str, test: str) -> Path:
    for name, text in (("spec/x.md", spec), ("src/detente/x.py", code), ("tests/unit/test_x.py", test)):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
    (root / "vectors").mkdir()
    return root


GOOD = {
    "spec": "| Number | Kind | When |\n| --- | --- | --- |\n| Z01 | stale | a thing |\n| F01 | conflict | a note |\n",
    "code": 'raise Refused(\n    "Z01",\n    "stale",\n    got="a",\n)\nNOTE = "F01"\n',
    "test": "RULES = ['Z01', 'F01']\n",
}


def test_a_tree_that_agrees_has_no_complaint(tmp_path: Path):
    """A call over several lines and a note of the fold are both found."""
    assert refusals.complaints(_tree(tmp_path, **GOOD), KINDS) == []


@pytest.mark.parametrize(
    ("part", "old", "new", "expected"),
    [
        ("code", '"stale"', '"expired"', "Z01 is stale in spec/ and expired at src/detente/x.py:1"),
        ("code", '"Z01"', '"Z02"', "Z01 stale stands in spec/x.md and no code raises it"),
        ("code", '"Z01"', '"Z02"', "Z02 stale is raised at src/detente/x.py:1 and stands in no table of spec/"),
        ("code", "raise Refused(", "raise TermsRefused(", None),
        (
            "code",
            '"Z01",\n    "stale"',
            'rule="Z02", kind="stale"',
            "Z01 stale stands in spec/x.md and no code raises it",
        ),
        ("code", '"F01"', '"F02"', "F01 conflict stands in spec/x.md and no code raises it"),
        (
            "spec",
            "| Z01 | stale |",
            "| Z01 | rotten |",
            "Z01 in spec/x.md has the kind 'rotten', which RefusalKind lacks",
        ),
        ("spec", "| F01 | conflict", "| Z01 | stale", "Z01 stands twice in spec/, again in spec/x.md"),
        ("test", "'Z01'", "'XZ01'", "Z01 is named by no test and no vector"),
    ],
)
def test_a_tree_that_disagrees_is_named(tmp_path: Path, part: str, old: str, new: str, expected: str | None):
    """Each disagreement gives its own line; a subclass of Refused counts as a refusal."""
    assert old in GOOD[part]
    found = refusals.complaints(_tree(tmp_path, **GOOD | {part: GOOD[part].replace(old, new)}), KINDS)
    assert (expected in found) if expected else (found == [])


def test_a_vector_counts_as_a_trial(tmp_path: Path):
    """The folder of a vector names its number."""
    root = _tree(tmp_path, **GOOD | {"test": "RULES = ['F01']\n"})
    (root / "vectors" / "x" / "Z01-old_fail").mkdir(parents=True)
    assert refusals.complaints(root, KINDS) == []
