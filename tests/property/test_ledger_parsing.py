"""Whatever text stands where a ledger should: it is read, or refused by its number. Nothing else happens."""

import json

from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.measure.authorship.agent_trace import parse_trace
from detente.measure.authorship.git_ai_note import parse_note, union_lines
from detente.measure.authorship.matching import match_marks, plain_commit
from detente.measure.history import Identity

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["version", "id", "timestamp", "files", "path", "conversations", "ranges", "contributor", "type", "vcs", "schema_version", "sessions",
     "prompts", "authors", "lines", "author", "agent_id", "tool"]
)  # fmt: skip
_NEAR = st.recursive(
    _JSON, lambda inner: st.dictionaries(_NAMES, inner | st.lists(inner, max_size=2), max_size=5), max_leaves=9
)
_PIECES = (
    "a.py", "  s_1 1-4,3-9", "  h_1 2", "  x 5", "---", "", '"b c"', " s", "{}",
    '{"schema_version":"authorship/3.0.0","sessions":{"s_1":{}}}',
)  # fmt: skip
_LINES = st.lists(st.sampled_from(_PIECES), max_size=7).map("\n".join)


@given(st.text(max_size=60) | _LINES | _NEAR.map(json.dumps))
def test_a_note_is_read_or_refused(text):
    """A05 or a note whose lines are counted once."""
    rule, note = _outcome(parse_note, text)
    assert rule == "A05" if note is None else all(lines > 0 for lines in union_lines(note).values())


@given(st.text(max_size=60) | _NEAR.map(json.dumps))
def test_a_trace_record_is_read_or_refused(text):
    """A06 or a record."""
    rule, trace = _outcome(parse_trace, text)
    assert rule == "A06" if trace is None else trace.id


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=200))
def test_no_text_breaks_the_matching(name, email, message):
    """Marks are found or not, in any text."""
    matches = match_marks(plain_commit(author=Identity(name, email), message=message))
    assert len({match.mark.id for match in matches}) == len(matches)


def _outcome(parse, text):
    try:
        return "", parse(text)
    except Refused as refused:
        return refused.rule, None
