"""A decision's note: what it may hold, and that its digest needs the salt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.measure.review.note import (
    NOTE_BYTES_MAX,
    READING,
    Reading,
    ReviewNote,
    encode_note,
    note_digest,
    parse_note,
)

FIGURES = {"open_s": 60, "active_s": 30, "files": 3, "files_shown": 2, "changed_lines": 10}


def encoded(value: object) -> bytes:
    import json

    return json.dumps(value).encode()


@given(
    st.one_of(st.none(), st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=200)),
    st.tuples(*[st.integers(0, 2**31)] * 5),
)
def test_a_note_is_read_as_it_was_written(reason, figures):
    """Every reason and every reading that is one."""
    opened, active, files, shown, lines = figures
    note = ReviewNote(
        reason, Reading(max(opened, active), min(opened, active), max(files, shown), min(files, shown), lines)
    )
    assert parse_note(encode_note(note)) == note


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({}, "Z07"),
        ({"reason": ""}, "S25"),
        ({"reason": "x" * 4_097}, "S25"),
        ({"reason": "hidden \u202e text"}, "S23"),
        ({"reason": "bell \x07"}, "S23"),
        ({"reason": "who", "name": "somebody"}, "S20"),
        ({"reading": {**FIGURES, "active_s": 61}}, "S27"),
        ({"reading": {**FIGURES, "files_shown": 4}}, "S27"),
        ({"reading": {**FIGURES, "open_s": -1}}, "S24"),
        ({"reading": {**FIGURES, "mouse": 1}}, "S20"),
        ({"reading": dict.fromkeys(READING[1:], 1)}, "S22"),
        ({"reading": {**FIGURES, "open_s": 1.5}}, "B13"),
    ],
)
def test_what_is_no_note_is_refused_by_name(value, rule):
    """Members, bounds and contradictions."""
    with pytest.raises(Refused) as refused:
        parse_note(encoded(value))
    assert refused.value.rule == rule


def test_a_note_over_its_bound_is_refused_before_it_is_read():
    """Z01."""
    with pytest.raises(Refused) as refused:
        parse_note(b"[" * (NOTE_BYTES_MAX + 1))
    assert refused.value.rule == "Z01"


def test_the_digest_hangs_on_salt_and_record():
    """Neither a byte moved between the two nor another salt gives the same digest."""
    base = note_digest(b"a" * 32, b"bc")
    assert base not in {note_digest(b"b" * 32, b"bc"), note_digest(b"a" * 32, b"cb"), note_digest(b"a" * 33, b"c")}
