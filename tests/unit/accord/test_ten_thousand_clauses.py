"""Terms of ten thousand clauses: read, compared, folded, decided and checked, in work that grows as they do."""

import sys
from collections import Counter
from dataclasses import replace

import pytest

from detente.accord import soundness
from detente.accord.checking import powers
from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.reading import TermsRefused, read_terms
from detente.accord.terms import parse_terms
from detente.guard.decide import decide
from detente.guard.intent import Intent
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

ASSUMED = Assumptions(Outages(1, 3_600))


def body(limits, indicators, triggers, *, duties=0):
    """The usual terms with so many clauses more; each trigger asks for an indicator and, if there are any, for a duty."""
    more_limits = "".join(
        f"  - {{id: l-{n}, when: {{more_than: [run.cumulative_flop, {n + 2}e24 FLOP]}}, then: refuse}}\n"
        for n in range(limits)
    )
    more_indicators = "".join(
        f"  i-{n}: {{supplied_by: auditor, every: 90 d, overdue: silent, unknown: silent, unit: d}}\n"
        for n in range(indicators)
    )
    more_triggers = "".join(
        f"  - {{id: t-{n}, when: {{at_least: [i-{n % indicators}, 60 d]}}, then: pause, scope: all}}\n"
        if not duties or n % 2
        else f"  - {{id: t-{n}, when: {{overdue: d-{n % duties}}}, then: pause, scope: all}}\n"
        for n in range(triggers)
    )
    more_duties = "".join(
        f"  - {{id: d-{n}, of: developer, by: 2027-06-01, found_by: auditor}}\n" for n in range(duties)
    )
    return (
        BODY.replace("hold_points:\n", more_limits + "hold_points:\n")
        .replace("triggers:\n", more_indicators + (f"duties:\n{more_duties}" if duties else "") + "triggers:\n")
        .replace("pause: {activities", more_triggers + "pause: {activities")
    )


@pytest.fixture(scope="module")
def data():
    return founding(body(3_400, 3_300, 3_300))


@pytest.fixture(scope="module")
def terms(data):
    return parse_terms(data)


def lines(act):
    """How many lines of Python were run: the same on any machine, whatever else it does."""
    count = 0

    def trace(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def grows(work, size=40):
    """How much more the second doubling of the clauses costs than the first: 2 where work grows with them, 4 with their square."""
    one, two, four = (work(size * times) for times in (1, 2, 4))
    return (four - two) / (two - one)


def test_ten_thousand_clauses_are_read(terms):
    """All of them, within four mebibytes and 200,000 nodes."""
    assert len(terms.limits) + len(terms.indicators) + len(terms.triggers) > 10_000
    assert terms.trigger("t-3299").when.spelled() == "i-3299 ≥ 60 d"


def test_every_one_of_ten_thousand_clauses_can_be_refused_at_once():
    """All errors, each with its place, and none twice."""
    text = (BODY + PARTIES).replace(
        "limits:\n", "limits:\n" + "".join(f"  - {{id: l-{n}, colour: red}}\n" for n in range(3_000))
    )
    with pytest.raises(TermsRefused) as caught:
        read_terms(text.encode(), template=True)
    assert Counter(each.rule for each in caught.value.all)["T06"] == 3_000
    assert len({each.got for each in caught.value.all if each.rule == "T06"}) == 3_000


def test_two_texts_of_ten_thousand_clauses_are_compared(terms):
    """Every change is found, and nothing else."""
    other = replace(
        terms,
        limits=terms.limits[:-1],
        triggers=tuple(replace(trigger, scope="party") for trigger in terms.triggers),
    )
    found = Counter((change.section, change.effect) for change in compare_terms(terms, other))
    changed = sum(trigger.scope == "all" for trigger in terms.triggers)
    assert found == {("limits", "loosens"): 1, ("triggers", "loosens"): changed}


def test_under_ten_thousand_clauses_a_run_is_decided_and_the_last_of_them_binds(data):
    """Free while nothing restricts; paused by the last trigger of the file; refused by what exceeds the last limits."""
    play = Play(data).begin()
    small, large = play.run("dev-a", T0 + 80), play.run("dev-a", T0 + 80, flop="1e30", name="run-2")
    now = T0 + 500
    assert decide(play.state, Intent(activity="training", party="dev-a", run=small), now).allowed
    assert not decide(play.state, Intent(activity="training", party="dev-a", run=large), now).allowed
    play.measure("aud-1", 60, T0 + 600, indicator="i-3299", unit="d")
    assert play.paused(T0 + 700) == ("t-3299",)
    assert not decide(play.state, Intent(activity="training", party="dev-a", run=small), T0 + 700).allowed


def test_ten_thousand_clauses_are_checked_up_to_the_named_bounds(terms, monkeypatch):
    """What was not looked at is said with its bound, and no claim speaks for it."""
    monkeypatch.setattr(powers, "STATES_IN_ALL", 400)
    explored = []
    explore = powers.explore

    def counted(*args, **more):
        graph = explore(*args, **more)
        explored.append(len(graph.reached))
        return graph

    monkeypatch.setattr(powers, "explore", counted)
    claims = check_terms(terms, ASSUMED)
    once = 3 * len(terms.parties) * powers.STATES_MAX
    assert 400 <= sum(explored) < 400 + once
    unexplored = [claim for claim in claims if claim.id == "unexplored"]
    assert [claim.verdict for claim in unexplored] == ["not shown"]
    assert unexplored[0].text.startswith(f"what {len(terms.triggers) - 1} triggers from fast on")
    assert unexplored[0].bound.endswith("of at most 400")
    assert [claim.verdict for claim in claims if claim.id == "dead-rule" and claim.section == "limits"] == ["not shown"]
    assert not [claim for claim in claims if claim.id == "prevents-pause" and claim.verdict == "holds"]


def test_reading_costs_as_much_more_as_there_is_more_to_read():
    """Twice the clauses, twice the work: triggers, indicators, duties and limits alike."""

    def work(size):
        text = (body(size, size, size, duties=size) + PARTIES).encode()
        return lines(lambda: read_terms(text, template=True))

    assert grows(work) < 2.5


def test_ids_are_compared_with_few_others():
    """T22 without comparing each id with each: equality of ids is asked about as often as there are ids, not pairs."""
    asked = 0

    class Id(str):
        __slots__ = ()

        def __eq__(self, other):
            nonlocal asked
            asked += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    twice = [Id(f"id-{n}") for n in range(1_000)] * 2
    assert len(list(soundness._once("1:1", twice))) == 1_000  # its work is the point
    assert asked < 10 * len(twice)


def test_comparing_costs_as_much_more_as_there_is_more_to_compare():
    """Items are paired by id."""

    def work(size):
        one = read_terms((body(size, size, size) + PARTIES).encode(), template=True)
        other = replace(one, triggers=tuple(replace(each, unknown="silent") for each in one.triggers))
        return lines(lambda: compare_terms(one, other))

    assert grows(work) < 2.5


def test_deciding_costs_as_much_more_as_there_are_more_clauses():
    """A trigger looks at what it asks for, and at no indicator of another."""

    def work(size):
        play = Play(founding(body(size, size, size, duties=size))).begin()
        run = play.run("dev-a", T0 + 80)
        state = play.state
        return lines(lambda: decide(state, Intent(activity="training", party="dev-a", run=run), T0 + 3 * DAY))

    assert grows(work) < 2.5


def test_sources_of_many_clauses_cost_as_much_more_as_there_are_more():
    """Finding the clause that a source is of is not a search through all."""

    def work(size):
        notes = "".join(f"  limits.l-{n}: {{our_choice: so}}\n" for n in range(size))
        text = (body(size, 1, 1) + PARTIES + "sources:\n" + notes).encode()
        return lines(lambda: read_terms(text, template=True))

    assert grows(work) < 2.5
