"""Durations, dates and the time of a rule, as terms spell them."""

import pytest

from detente.accord.document import read_document
from detente.accord.fields import Fields
from detente.accord.span import AfterEntry, Span
from detente.accord.span_reading import read_day, read_duration, read_moment, read_span
from detente.base.errors import Refused

NEW_YEAR = 1_798_761_600


def node(text):
    return read_document(text.encode())


@pytest.mark.parametrize(("text", "seconds"), [("15 min", 900), ("6 h", 21_600), ("90 d", 7_776_000)])
def test_a_duration_is_in_seconds(text, seconds):
    """With its unit, as a person says it."""
    assert read_duration(node(text)) == seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-01", NEW_YEAR),
        ("2027-01-01T00:00:01Z", NEW_YEAR + 1),
        ("{after_entry: 10 d}", AfterEntry(864_000)),
    ],
)
def test_a_moment_is_a_date_an_instant_or_so_long_after_entry_into_force(text, moment):
    """A date is its first second."""
    assert read_moment(node(text)) == moment


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{after_entry: 10 d, more: 1}", "T06"),
        ("{}", "T07"),
        ("{after_entry: soon}", "T08"),
        ("[2027-01-01]", "T07"),
    ],
)
def test_what_is_no_moment_is_refused_by_number(text, rule):
    """And never read as something near it."""
    with pytest.raises(Refused) as refused:
        read_moment(node(text))
    assert refused.value.rule == rule


@pytest.mark.parametrize("text", ["2027-13-01", "2027-1-1", "tomorrow", "2027-01-01T00:00:01"])
def test_what_is_no_day_is_refused(text):
    """Neither a month that does not exist nor an instant without a zone."""
    with pytest.raises(Refused):
        read_day(node(text))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("{}", Span(None, None)),
        ("{from: 2027-01-01}", Span(NEW_YEAR, None)),
        ("{until: {after_entry: 1 d}}", Span(None, AfterEntry(86_400))),
        ("{from: 2027-01-01, until: 2027-01-02}", Span(NEW_YEAR, NEW_YEAR + 86_400)),
    ],
)
def test_a_rule_has_a_beginning_an_end_both_or_neither(text, span):
    """What is absent limits nothing."""
    errors: list[Refused] = []
    fields = Fields(node(text), errors)
    assert read_span(fields) == span
    fields.done()
    assert errors == []


def test_an_error_in_a_span_is_recorded_with_its_place():
    """So that one reading finds every error of the file."""
    errors: list[Refused] = []
    read_span(Fields(node("{from: never, until: 2027-01-01}"), errors))
    assert [(error.rule, error.got[:4]) for error in errors] == [("T08", "1:8 ")]
