"""One set of facts through terms: triggered, held, unknown, silent; who owes what is missing; on what it rests."""

import pytest

from detente.accord.comparison import Compared, compare_facts
from detente.accord.facts_reading import read_facts
from detente.accord.terms import Terms, parse_terms
from detente.accord.vocabulary import Vocabulary, known, read_vocabulary
from detente.base.instant import parse_date

TERMS = """\
accord: NAME
version: 1
parties:
  DEVELOPER: {country: US, roles: [developer, research]}
  judge: {country: US, roles: [auditor, safety, adjudicator]}
mirrors: self
limits:
  - {id: big, when: {more_than: [run.cumulative_flop, 1e25 FLOP]}, then: refuse}
hold_points:
  - id: self
    on: version.train
    when: {all: [{change.touches: [training]}, {change.proposer: model}]}
    need: {humans: 1, device: software, by: [safety]}
indicators:
  owed: {supplied_by: auditor, every: 30 d, unit: x}
  offered: {supplied_by: developer, unit: x, unknown: silent}
triggers:
  - {id: pace, when: {at_least: [owed, 2 x]}, then: pause, scope: party}
  - {id: offer, when: {at_least: [offered, 2 x]}, then: pause, scope: party, unknown: silent}
  - {id: call, when: {votes: {of: [safety], at_least: 1}}, then: pause, scope: all}
  - {id: both, when: {all: [{at_least: [owed, 2 x]}, {open_finding: {by: [auditor]}}]}, then: pause, scope: party}
pause: {activities: [training], halt_within: 15 min}
lift: {votes: {safety: 1}}
permits: {life: {calm: 1 h, alert: 1 min}}
"""
WORDS = read_vocabulary(
    b"{subjects: [{id: a, title: how fast, asks: [owed, offered]}, {id: b, title: chips, asks: [chips]},"
    b" {id: c, title: calls, asks: ['ours:triggers.call']}]}"
)


def terms(name: str = "ours", developer: str = "dev") -> Terms:
    return parse_terms(TERMS.replace("NAME", name).replace("DEVELOPER", developer).encode(), template=True)


def run(
    *gives: str, accords: tuple[Terms, ...] = (), at: str | None = None, words: Vocabulary = WORDS
) -> tuple[Compared, ...]:
    """Each text is ``about|what it gives``, one a day from 1 June on."""
    accords = accords or (terms(),)
    items = "".join(
        f"  - {{date: 2026-06-{day:02}, says: s{day}, source: https://e.org/{day}, grade: S{f', about: {about}' if about else ''}, gives: [{given}]}}\n"
        for day, text in enumerate(gives or ("|",), 1)
        for about, _, given in [text.partition("|")]
    )
    facts = read_facts(f"facts: f\nitems:\n{items}".encode(), known(words, accords))
    return compare_facts(facts, accords, words, at=None if at is None else parse_date(at))


def states(compared: Compared) -> dict[str, str]:
    return {each.clause.partition(".")[2]: each.state for each in compared.outcomes}


def test_nothing_is_known_where_nothing_is_said_and_who_owes_it_is_named():
    """Each missing input, by whom it is owed under these terms, or that nobody owes it."""
    (compared,) = run()
    assert set(states(compared).values()) == {"unknown"}
    owed = {each.clause.partition(".")[2]: [(m.name, m.owed) for m in each.missing] for each in compared.outcomes}
    assert owed == {
        "big": [("run.cumulative_flop", "owed")],
        "self": [("change.touches", "owed"), ("change.proposer", "owed")],
        "pace": [("owed", "owed")],
        "offer": [("offered", "nobody")],
        "call": [("1 vote of safety", "nobody")],
        "both": [("owed", "owed"), ("1 open finding by auditor", "nobody")],
    }
    assert compared.nobody_owes == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [("1.999999 x", "held"), ("2 x", "triggered"), ("2.000001 x", "triggered")],
)
def test_a_threshold_decides_below_at_and_above(given: str, expected: str):
    """Exactly as its condition says."""
    (compared,) = run(f"|{{indicator: owed, value: {given}}}")
    assert states(compared)["pace"] == expected


def test_an_interval_over_the_line_is_unknown_and_nobody_is_to_blame():
    """A value that is there and does not decide is said to be so; it is not missing."""
    (compared,) = run("|{indicator: offered, low: 1 x, high: 3 x}")
    outcome = next(each for each in compared.outcomes if each.clause == "triggers.offer")
    assert (outcome.state, [m.owed for m in outcome.missing], outcome.nobody_owes) == ("unknown", ["imprecise"], False)
    assert outcome.rests_on[0].says == "s1"


def test_false_decides_an_all_whatever_else_is_unknown():
    """Kleene's tables: the finding need not be known."""
    (compared,) = run("|{indicator: owed, value: 1 x}")
    outcome = next(each for each in compared.outcomes if each.clause == "triggers.both")
    assert (outcome.state, outcome.missing) == ("held", ())


def test_what_terms_say_about_unknown_is_not_asked():
    """`unknown: silent` lets a pause not start; here the reader is told that it is not known."""
    assert states(run()[0])["offer"] == "unknown"


def test_a_run_is_judged_by_what_went_into_it_and_is_open_above():
    """At least its own; not known to be under a limit while nobody says what its parents took."""
    assert states(run("dev|{run: a, planned_flop: 1.1e25 FLOP}")[0])["big"] == "triggered"
    assert states(run("dev|{run: a, planned_flop: 1e25 FLOP}")[0])["big"] == "unknown"
    assert states(run("dev|{run: a, planned_flop: 1e25 FLOP, cumulative_flop: 1e25 FLOP}")[0])["big"] == "held"


def test_the_strictest_run_counts_and_each_is_told():
    """One run over the line triggers the clause, however many are under it."""
    (compared,) = run("dev|{run: a, cumulative_flop: 1 FLOP}, {run: b, cumulative_flop: 2e25 FLOP}")
    outcome = next(each for each in compared.outcomes if each.clause == "limits.big")
    assert {case.about: case.state for case in outcome.cases} == {"a of dev": "held", "b of dev": "triggered"}
    assert outcome.state == "triggered"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("touches: [training], proposer: model", "triggered"),
        ("touches: [data], proposer: model", "held"),
        ("touches: [training], proposer: human", "held"),
        ("touches: [training], proposer: undeclared", "unknown"),
        ("touches: [training]", "unknown"),
        ("proposer: human", "held"),
    ],
)
def test_a_change_is_judged_by_what_it_touches_and_who_proposed_it(change: str, expected: str):
    """An undeclared proposer is not known to be a human."""
    assert states(run(f"dev|{{change: c, {change}}}")[0])["self"] == expected


def test_votes_findings_and_rulings_count_for_the_accord_that_they_are_under():
    """A vote under one text says nothing under another."""
    ours, theirs = run(
        "dev|{votes: 1, in: ours, clause: triggers.call}, {open_findings: 0, in: theirs}",
        accords=(terms(), terms("theirs")),
    )
    assert (states(ours)["call"], states(theirs)["call"]) == ("triggered", "unknown")
    assert (states(ours)["both"], states(theirs)["both"]) == ("unknown", "held")


def test_facts_about_one_developer_say_nothing_of_another():
    """Terms that name a developer hear of it alone; terms that name none hear of each."""
    named, general = run(
        "alpha|{indicator: owed, value: 3 x}",
        "beta|{indicator: owed, value: 1 x}",
        accords=(terms("of-beta", "beta"), terms("general")),
    )
    assert states(named)["pace"] == "held"
    outcome = next(each for each in general.outcomes if each.clause == "triggers.pace")
    assert {case.about: case.state for case in outcome.cases} == {"alpha": "triggered", "beta": "held"}


def test_a_date_leaves_out_what_was_said_later():
    """What stands is the latest of those on or before it."""
    gives = ("|{indicator: owed, value: 1 x}", "|{indicator: owed, value: 2 x}")
    assert states(run(*gives, at="2026-06-01")[0])["pace"] == "held"
    assert states(run(*gives, at="2026-06-02")[0])["pace"] == "triggered"


def test_terms_are_silent_on_a_subject_that_no_clause_of_theirs_is_on():
    """A subject is its names, or clauses that are listed."""
    ours, theirs = run("|", accords=(terms(), terms("theirs")))
    assert (ours.silent, theirs.silent) == (("chips",), ("chips", "calls"))


def test_one_name_is_never_compared_with_another():
    """A pace against one baseline says nothing about a pace against another."""
    (compared,) = run("|{indicator: owed, value: 9 x}")
    assert (states(compared)["pace"], states(compared)["offer"]) == ("triggered", "unknown")


@pytest.mark.parametrize("over", ["1e25", str(10**25 + 1), "9e99"])
def test_numbers_beyond_a_float_are_compared_exactly(over: str):
    """At 1e25 a limit of more than 1e25 is held; one operation more triggers it."""
    (compared,) = run(f"dev|{{run: a, cumulative_flop: {over} FLOP}}")
    assert states(compared)["big"] == ("held" if over == "1e25" else "triggered")


@pytest.mark.parametrize(
    ("at", "expected"), [("2026-06-01", "silent"), ("2026-06-02", "triggered"), ("2026-06-04", "silent")]
)
def test_a_clause_that_does_not_apply_at_the_date_is_silent(at: str, expected: str):
    """From its first day on, and no longer at its last; its subject has no clause then."""
    text = (
        TERMS.replace("NAME", "ours")
        .replace("DEVELOPER", "dev")
        .replace("{id: call,", "{id: call, from: 2026-06-02, until: 2026-06-04,")
    )
    ours = parse_terms(text.encode(), template=True)
    (compared,) = run("|{votes: 1, in: ours, clause: triggers.call}", accords=(ours,), at=at)
    assert states(compared)["call"] == expected
    assert ("calls" in compared.silent) == (expected == "silent")


def test_a_duty_is_asked_of_each_developer_and_a_finding_of_it_is_owed_by_nobody():
    """A registration is owed by whoever has the duty; that something was done on the ground, by nobody."""
    text = TERMS.replace("NAME", "ours").replace("DEVELOPER", "dev").replace(
        "triggers:\n",
        "duties:\n"
        "  - {id: listed, of: developer, register: {more_than: 16 H100e}, by: {after_entry: 1 d}}\n"
        "  - {id: moved, of: developer, found_by: auditor, by: {after_entry: 1 d}}\n"
        "triggers:\n"
        "  - {id: unlisted, when: {overdue: listed}, then: pause, scope: party}\n"
        "  - {id: unmoved, when: {overdue: moved}, then: pause, scope: party}\n",
    )  # fmt: skip
    ours = parse_terms(text.encode(), template=True)
    (compared,) = run(
        "a|{overdue: yes, in: ours, duty: duties.listed}",
        "b|{overdue: no, in: ours, duty: duties.listed}",
        accords=(ours,),
    )
    outcomes = {each.clause: each for each in compared.outcomes}
    assert {case.about: case.state for case in outcomes["triggers.unlisted"].cases} == {"a": "triggered", "b": "held"}
    assert [m.owed for m in outcomes["triggers.unmoved"].missing] == ["nobody"]
    (empty,) = run(accords=(ours,))
    assert {each.clause: [m.owed for m in each.missing] for each in empty.outcomes}["triggers.unlisted"] == ["owed"]
