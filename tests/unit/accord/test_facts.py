"""Files of facts: each value in the unit that is asked for, with date, source and grade; every error at once with its place."""

import re
from decimal import Decimal

import pytest

from detente.accord.facts import GRADES, Thing, said_until
from detente.accord.facts_reading import FACTS_MAX, read_facts
from detente.accord.fields import TermsRefused
from detente.accord.vocabulary import Known
from detente.base.instant import parse_date
from detente.base.quantity import Interval, exactly

KNOWN = Known(
    {"pace": "x", "depth": "", "run.planned_flop": "FLOP", "run.cumulative_flop": "FLOP", "run.spent_flop": "FLOP"},
    {"ours": frozenset({"triggers.call", "limits.big", "duties.register"})},
)
HEAD = "facts: a\ncovers_to: 2026-10-06\nitems:\n"


def item(date: str = "2026-06-02", gives: str = "[]", **members: str) -> str:
    said = {"says": "it is so", "source": "https://example.org", "grade": "S"} | members
    rest = "".join(f", {name}: {value}" for name, value in said.items() if value)
    return f"  - {{date: {date}{rest}, gives: {gives}}}\n"


def read(*items: str):
    return read_facts((HEAD + "".join(items)).encode(), KNOWN)


def refused(*items: str) -> list[tuple[str, str]]:
    """Number of each refusal, and the text that stands at its place, up to the next sign."""
    with pytest.raises(TermsRefused) as caught:
        read(*items)
    lines = (HEAD + "".join(items)).splitlines()
    found = []
    for each in caught.value.all:
        line, column = map(int, each.got.split()[0].split(":"))
        found.append((each.rule, re.match(r"[{]?[^:,}]*", lines[line - 1][column - 1 :])[0]))
    return found


def test_a_value_is_an_interval_in_the_unit_that_terms_ask_for():
    """One number, two ends, or one end with the other not known."""
    facts = read(
        item(gives="[{indicator: pace, value: 1.5 x}, {indicator: depth, low: 2}]"),
        item("2026-06-03", gives="[{run: big, planned_flop: 1e25 FLOP, spent_flop: [unknown, 2e25 FLOP]}]"),
    )
    pace, depth = facts.facts[0].gives
    assert (pace.value, pace.unit) == (exactly(Decimal("1.5")), "x")
    assert (depth.value, depth.unit) == (Interval(Decimal(2), None), "")
    (run,) = facts.facts[1].gives
    assert run.figure("run.spent_flop") == Interval(None, Decimal("2e25"))


def test_what_went_into_a_run_is_at_least_its_own_and_unknown_above():
    """No parent is no parent known: only a figure that is given has an upper end."""
    (run,) = read(item(gives="[{run: big, planned_flop: 1e25 FLOP}]")).facts[0].gives
    assert run.figure("run.cumulative_flop") == Interval(Decimal("1e25"), None)
    (given,) = read(item(gives="[{run: big, cumulative_flop: 1e25 FLOP}]")).facts[0].gives
    assert given.figure("run.cumulative_flop") == exactly(Decimal("1e25"))
    assert given.figure("run.planned_flop") is None


def test_the_latest_value_of_a_thing_stands_and_others_stay():
    """A later value replaces an earlier one of the same thing and developer, and no other."""
    facts = read(
        item("2026-06-02", gives="[{indicator: pace, value: 1 x}]", about="alpha"),
        item("2026-06-02", gives="[{indicator: pace, value: 2 x}]", about="beta"),
        item("2026-07-01", gives="[{indicator: pace, value: 3 x}]", about="alpha"),
    )
    at = parse_date("2026-06-30")
    assert said_until(facts, at)[Thing("pace", "alpha")].given.value == exactly(Decimal(1))
    assert said_until(facts, None)[Thing("pace", "alpha")].given.value == exactly(Decimal(3))
    assert said_until(facts, None)[Thing("pace", "beta")].given.value == exactly(Decimal(2))


WRONG = [
    ("a fact before the one above it", (item("2026-06-02"), item("2026-06-01")), [("Y01", "{date")]),
    ("a fact after what they cover", (item("2026-10-07"),), [("Y01", "{date")]),
    ("a day that is none", (item("2026-06-31"),), [("T08", "2026-06-31")]),
    ("no source", (item(source=""),), [("T07", "{date")]),
    ("no grade", (item(grade=""),), [("T07", "{date")]),
    ("a grade that is none", (item(grade="A"),), [("T08", "A")]),
    ("a value of two things", (item(gives="[{indicator: pace, run: big, value: 1 x}]"),), [("Y02", "{indicator")]),
    ("a value of nothing", (item(gives="[{value: 1 x}]"),), [("Y02", "{value")]),
    ("a value and its ends", (item(gives="[{indicator: pace, value: 1 x, low: 1 x}]"),), [("Y02", "{indicator")]),
    ("no value", (item(gives="[{indicator: pace}]"),), [("Y02", "{indicator")]),
    ("a run without figures", (item(gives="[{run: big}]"),), [("Y02", "{run")]),
    ("ends that are swapped", (item(gives="[{indicator: pace, low: 2 x, high: 1 x}]"),), [("T08", "{indicator")]),
    ("an indicator of nobody", (item(gives="[{indicator: haste, value: 1 x}]"),), [("Y03", "haste")]),
    ("a run's figure as an indicator", (item(gives="[{indicator: run.spent_flop, value: 1 FLOP}]"),), [("Y03", "run.spent_flop")]),
    ("an accord that is not there", (item(gives="[{votes: 0, in: theirs, clause: triggers.call}]"),), [("Y03", "theirs")]),
    ("a clause that is not there", (item(gives="[{votes: 0, in: ours, clause: triggers.cull}]"),), [("Y03", "triggers.cull")]),
    ("a duty as a clause", (item(gives="[{votes: 0, in: ours, clause: duties.register}]"),), [("Y03", "duties.register")]),
    ("a clause as a duty", (item(gives="[{overdue: yes, in: ours, duty: triggers.call}]"),), [("Y03", "triggers.call")]),
    ("another unit", (item(gives="[{indicator: pace, value: 2}]"),), [("Y04", "2")]),
    ("a share for a multiple", (item(gives="[{indicator: pace, value: 200 %}]"),), [("Y04", "200 %")]),
    ("two values on one date",
     (item(gives="[{indicator: pace, value: 1 x}]"), item(gives="[{indicator: pace, value: 2 x}]")), [("Y05", "{date")]),
    ("several at once", (item(grade="A", gives="[{indicator: haste, value: 1 x}, {run: big}]"),),
     [("T08", "A"), ("Y03", "haste"), ("Y02", "{run")]),
    ("a label that no column holds", (item(label="x" * 29),), [("T08", "x" * 29)]),
]  # fmt: skip


@pytest.mark.parametrize(("items", "expected"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_refused_with_its_place(items, expected):
    """Y01 to Y05, and T01 to T08 as of terms; all errors of a file together."""
    assert refused(*items) == expected


def test_an_alias_and_a_duplicate_key_are_refused_as_in_terms():
    """T03 and T04: facts are read by the reader of terms."""
    for text, rule in (
        (HEAD + "  - &a {date: 2026-06-02}\n", "T04"),
        (HEAD.replace("items:", "facts: b\nitems:"), "T03"),
    ):
        with pytest.raises(TermsRefused) as caught:
            read_facts(text.encode(), KNOWN)
        assert caught.value.rule == rule


def test_more_facts_than_people_read_are_refused():
    """The bound of a file of facts."""
    with pytest.raises(TermsRefused) as caught:
        read_facts((HEAD + "  - x\n" * (FACTS_MAX + 1)).encode(), KNOWN)
    assert [each.rule for each in caught.value.all] == ["T07"]


@pytest.mark.parametrize("grade", list(GRADES))
def test_every_grade_of_evidence_is_read_and_kept(grade: str):
    """The tag that a fact has is the tag that is shown."""
    assert read(item(grade=f'"{grade}"')).facts[0].as_json()["grade"] == grade
