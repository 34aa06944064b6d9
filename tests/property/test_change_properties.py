"""What holds for every text, path and count when changes are judged."""

import itertools
import json
from collections.abc import Callable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.measure.changes.document_keys import KINDS, document_keys
from detente.measure.changes.filing import FileChange, judge_file
from detente.measure.changes.paths import path_verdict
from detente.measure.changes.python_units import Unreadable, changed_units, python_units
from detente.measure.changes.tally import share_between
from detente.measure.oversight.bundle import SCHEMA, parse_bundle
from detente.measure.oversight.github import parse_github

ANSWERS = st.sampled_from(["yes", "no", "unknown"])
PIECES = st.sampled_from(
    [b"x", b"(", b")", b"[", b"\n", b" ", b"def f(x):\n ", b"return 1", b"'", b'"""', b"#", b"=", b"-", b"import torch\n", b"\xff", b"\0", b"\\", b"@", b"class A:\n ", b"lr: ", b"&a ", b"*a", b"{", b"}", b":", b",", b"--x "]
)  # fmt: skip
TEXTS = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=40).map(b"".join))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["schema", "pulls", "pull", "number", "user", "head", "base", "reviews", "commits", "state"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(TEXTS)
def test_python_is_taken_apart_or_unreadable(text: bytes):
    """No text raises anything else, and a text differs from itself in nothing."""
    try:
        found = python_units(text)
    except Unreadable:
        return
    assert changed_units(found, python_units(text)) == ()


@given(st.sampled_from(sorted(KINDS)), TEXTS)
def test_a_document_has_keys_or_is_unreadable(ending: str, text: bytes):
    """No text of any kind raises anything else."""
    try:
        document_keys(f"a.{ending}", text)
    except Unreadable:
        return


@given(st.text(max_size=60), TEXTS, TEXTS)
def test_every_file_gets_a_verdict(path: str, before: bytes, after: bytes):
    """Whatever its name and its texts; a file whose path is left out touches nothing."""
    verdict = judge_file(FileChange(f"{path}.py", before, after))
    if path_verdict(f"{path}.py").left_out:
        assert (verdict.areas, verdict.undetermined) == ((), False)


@given(st.lists(st.tuples(st.booleans(), ANSWERS), max_size=7))
def test_a_share_holds_every_way_to_settle_what_is_open(items: list[tuple[bool, str]]):
    """Settle each unknown answer and each undetermined change in every way: the least and the greatest share are the ends."""
    ways = []
    for sure, answer in items:
        truths = [True] if answer == "yes" else [False] if answer == "no" else [True, False]
        ways.append([*truths, *([] if sure else [None])])
    shares = set()
    for settled in itertools.product(*ways):
        counted = [one for one in settled if one is not None]
        if counted:
            shares.add((Decimal(sum(counted)) / len(counted)).quantize(Decimal("0.000001")))
    low, high = share_between(items)  # type: ignore[arg-type]
    if not shares:
        assert (low, high) == (None, None)
    else:
        assert (low, high) == (min(shares), max(shares))


def _refused(read: Callable[[], object]) -> str | None:
    """The number of the refusal; it can be said as JSON."""
    try:
        read()
    except Refused as refusal:
        json.dumps(refusal.as_json())
        return refusal.rule
    return None


@given(VALUES)
def test_an_export_is_read_or_refused(value: object):
    """Any JSON value as a record or as our own form is an export or a numbered refusal."""
    for read in (lambda: parse_github([value], complete=False), lambda: parse_bundle([value])):  # type: ignore[list-item]
        assert _refused(read) in {None, "O03", "O04", "O05", "O07"}


@given(VALUES)
def test_a_pull_request_of_our_own_form_is_read_or_refused(value: object):
    """Whatever stands in its place."""
    assert _refused(lambda: parse_bundle([{"schema": SCHEMA, "pulls": [value]}])) in {None, "O03", "O04"}
