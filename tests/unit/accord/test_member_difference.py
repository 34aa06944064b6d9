"""How one member of terms that differs is told, and what that does to the parties."""

from decimal import Decimal

import pytest

from detente.accord.conditions import Compare
from detente.accord.member_difference import condition, is_later, narrower, number, optional, span, word
from detente.accord.span import AfterEntry, Span
from detente.base.instant import Instant, show_duration

DAY = 86_400
NEW_YEAR = Instant(1_798_761_600)


def told(changes):
    return [(each.text, each.effect) for each in changes]


@pytest.mark.parametrize(
    ("old", "new", "rise", "text", "effect"),
    [
        (1, 2, True, "raises it from 1 to 2", "tightens"),
        (2, 1, True, "lowers it from 2 to 1", "loosens"),
        (1, 2, False, "raises it from 1 to 2", "loosens"),
        (2, 1, False, "lowers it from 2 to 1", "tightens"),
        (1, 2, None, "raises it from 1 to 2", "changes"),
    ],
)
def test_a_number_rose_or_fell(old, new, rise, text, effect):
    """Whether that tightens depends on what it counts; the same number is told by nothing."""
    assert told(number("pause", "it", old, new, rise=rise)) == [(text, effect)]
    assert told(number("pause", "it", old, old, rise=rise)) == []


@pytest.mark.parametrize(
    ("old", "new", "text", "effect"),
    [
        (None, DAY, "sets it to 1 d", "tightens"),
        (DAY, None, "drops it, which was 1 d", "loosens"),
        (DAY, 2 * DAY, "raises it from 1 d to 2 d", "loosens"),
        (2 * DAY, DAY, "lowers it from 2 d to 1 d", "tightens"),
    ],
)
def test_a_time_that_may_be_absent_tightens_when_it_is_set_or_shorter(old, new, text, effect):
    """And where having one does not restrict, each way turns round."""
    other = {"tightens": "loosens", "loosens": "tightens"}
    assert told(optional("pause", "it", old, new, spelled=show_duration, sets=True)) == [(text, effect)]
    assert told(optional("pause", "it", old, new, spelled=show_duration, sets=False)) == [(text, other[effect])]
    assert told(optional("pause", "it", old, old, spelled=show_duration, sets=True)) == []


@pytest.mark.parametrize(
    ("old", "new", "effect"), [("x", "holds", "tightens"), ("holds", "x", "loosens"), ("x", "y", "changes")]
)
def test_a_word_tightens_towards_the_one_that_restricts(old, new, effect):
    """Without one of them, nothing is known."""
    assert told(word("limits", "it", old, new, tight="holds")) == [(f"changes it from {old} to {new}", effect)]
    assert told(word("limits", "it", old, new)) == [(f"changes it from {old} to {new}", "changes")]


@pytest.mark.parametrize(("true_restricts", "effect"), [(True, "loosens"), (False, "tightens")])
def test_a_condition_that_is_harder_loosens_where_it_being_true_restricts(true_restricts, effect):
    """It names whose condition it is."""
    old, new = (Compare("depth", "at_least", Decimal(bound), "") for bound in (3, 5))
    assert told(condition("triggers", "unattended", old, new, true_restricts=true_restricts)) == [
        ("unattended: raises the bound of depth from 3 to 5", effect)
    ]


@pytest.mark.parametrize(
    ("old", "new", "text", "effect"),
    [
        (Span(), Span(begins=NEW_YEAR), "gives it a beginning, 2027-01-01", "loosens"),
        (Span(), Span(ends=NEW_YEAR), "gives it an end, 2027-01-01", "loosens"),
        (Span(begins=NEW_YEAR), Span(), "takes the beginning from it, which was 2027-01-01", "tightens"),
        (Span(ends=NEW_YEAR), Span(), "takes the end from it, which was 2027-01-01", "tightens"),
        (Span(begins=AfterEntry(DAY)), Span(begins=AfterEntry(2 * DAY)),
         "moves the beginning of it from 1 d after entry into force to 2 d after entry into force", "loosens"),
        (Span(ends=AfterEntry(DAY)), Span(ends=AfterEntry(2 * DAY)),
         "moves the end of it from 1 d after entry into force to 2 d after entry into force", "tightens"),
        (Span(ends=NEW_YEAR), Span(ends=AfterEntry(DAY)),
         "moves the end of it from 2027-01-01 to 1 d after entry into force", "changes"),
    ],
)  # fmt: skip
def test_less_time_for_a_rule_loosens(old, new, text, effect):
    """A date and a span from entry into force cannot be held against each other."""
    assert told(span("limits", "it", old, new)) == [(text, effect)]


def test_dates_are_later_or_not():
    """Between two of a kind only."""
    later = Instant(NEW_YEAR + 1)
    assert (is_later(NEW_YEAR, later), is_later(later, NEW_YEAR)) == (True, False)
    assert is_later(NEW_YEAR, AfterEntry(10**12)) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (set(), {"a"}, True),
        ({"a", "b"}, {"a"}, True),
        ({"a"}, set(), False),
        ({"a"}, {"a", "b"}, False),
        ({"a", "b"}, {"b", "c"}, None),
    ],
)
def test_fewer_may_when_all_of_the_new_could_before(old, new, expected):
    """No names mean everybody."""
    assert narrower(old, new) is expected
