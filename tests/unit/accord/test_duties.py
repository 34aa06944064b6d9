"""What must be registered, or found done, by when; each deadline at its instant, from the witnessed entry into force."""

from decimal import Decimal

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.explain import explain
from detente.accord.reading import TermsRefused
from detente.accord.terms import parse_terms
from detente.statement.facility import Facility
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "")
FORCE = T0 + 60
H100E = Decimal("9.9e14")
DUTIES = """\
duties:
  - {id: register-largest, of: developer, register: {more_than: 10000 H100e}, by: {after_entry: 1 d}}
  - {id: register-large, of: developer, register: {more_than: 1000 H100e}, by: {after_entry: 10 d}}
  - {id: consolidate, of: developer, found_by: auditor, by: {after_entry: 120 d}}
"""
TRIGGER = """\
  - id: unregistered
    when: {overdue: register-largest}
    then: pause
    scope: party
"""


def body(duties=DUTIES, trigger=TRIGGER, **edits):
    text = QUIET.replace("triggers:\n", f"{duties}triggers:\n{trigger}")
    for old, new in edits.get("more", ()):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def play(text=None, **more):
    return Play(founding(text or body(**more))).begin()


def register(found, party, at, *, above="10000", flop_s="1e20", **where):
    complete = None if above is None else Decimal(above) * H100E
    found.say(party, "facility", Facility("one", "US", 1, Decimal(flop_s), complete), at, **where)


def state_of(found, duty, at, party="dev-a"):
    return next(each.state for each in found.at(at).duties if (each.duty, each.party) == (duty, party))


DUE = FORCE + DAY + 60
"""Witnessed by a day after entry into force, and settled."""


def test_a_duty_is_overdue_from_the_first_second_after_its_deadline_has_settled():
    """Open one second before what was in time has settled, overdue from that second on: counted from the witnessed entry into force."""
    found = play()
    assert [state_of(found, "register-largest", at) for at in (DUE - 1, DUE, DUE + 1)] == ["open", "overdue", "overdue"]
    assert any("register-largest of dev-a is overdue" in reason.text for reason in explain(found.at(DUE + 1)))


@pytest.mark.parametrize(("at", "in_time"), [(FORCE + DAY - 1, True), (FORCE + DAY, True), (FORCE + DAY + 1, False)])
def test_what_was_witnessed_by_the_deadline_is_in_time(at, in_time):
    """One second before and at the deadline: never overdue. One second after: overdue until it has settled."""
    found = play()
    register(found, "dev-a", at)
    assert state_of(found, "register-largest", DUE) == ("fulfilled" if in_time else "overdue")
    assert found.paused(DUE) == (() if in_time else ("unregistered",))
    assert state_of(found, "register-largest", DUE + 1) == "fulfilled"


def test_registering_something_is_not_the_word_that_everything_larger_is_registered():
    """A facility alone, or one with a higher bound, fulfils nothing; the exact bound does, and so does a lower one."""
    for above, state in ((None, "overdue"), ("10001", "overdue"), ("10000", "fulfilled"), ("0", "fulfilled")):
        found = play()
        register(found, "dev-a", T0 + 100, above=above)
        assert state_of(found, "register-largest", DUE + 1) == state


def test_nobody_registers_for_another():
    """dev-b's word is about dev-b's facilities."""
    found = play()
    register(found, "dev-b", T0 + 100)
    assert [state_of(found, "register-largest", DUE + 1, party) for party in ("dev-a", "dev-b")] == [
        "overdue",
        "fulfilled",
    ]


def test_an_overdue_duty_starts_what_the_terms_say_at_its_second_and_for_its_party_alone():
    """The trigger latches at the first overdue second, without anybody saying anything, and not for who fulfilled it."""
    found = play()
    register(found, "dev-b", T0 + 100)
    assert found.paused(DUE - 1) == ()
    assert found.paused(DUE) == ("unregistered",)
    [pause] = found.at(DUE + DAY).pauses
    assert (pause.since, pause.parties) == (DUE, ("dev-a",))
    assert "every facility of more than" in pause.why[0].text


def test_what_is_only_heard_fulfils_nothing():
    """A registration permits: it counts once a quorum has witnessed it and it has settled."""
    found = play()
    found.hear("dev-a", "facility", Facility("one", "US", 1, Decimal(1), Decimal(0)))
    assert state_of(found, "register-largest", DUE + 1) == "overdue"


def test_a_registration_from_a_late_log_shows_that_nothing_was_overdue():
    """Witnessed in time and learnt of later: what permits counts from when it was witnessed and had settled."""
    found = play()
    assert found.paused(DUE + DAY) == ("unregistered",)
    register(found, "dev-a", FORCE + DAY, log="dev-b")
    assert found.paused(DUE + DAY) == ()


def test_a_lift_answers_what_was_overdue_and_a_condition_of_the_lift_can_insist_on_it():
    """The duty that a lift answered does not latch again; a lift that asks for it waits until it is done."""

    def lifted(text):
        found = play(text)
        for offset, party in enumerate(("aud-2", "auth-1", "auth-2")):
            found.vote(party, "lift", DUE + 100 + offset, trigger="unregistered", scope="dev-a")
        return found

    free = lifted(body())
    assert free.paused(DUE + 5 * DAY) == ()
    assert state_of(free, "register-largest", DUE + 5 * DAY) == "overdue"
    strict = lifted(
        body(more=[("{none_open: finding}", "{all: [{none_open: finding}, {not: {overdue: register-largest}}]}")])
    )
    assert strict.paused(DUE + 5 * DAY) == ("unregistered",)
    register(strict, "dev-a", DUE + 6 * DAY)
    assert [strict.paused(DUE + 6 * DAY + after) for after in (59, 60)] == [("unregistered",), ()]


def test_a_party_that_joins_later_has_as_long_as_the_others_had():
    """Where the deadline counts from entry into force, it counts from joining for who joins later; a date stays a date."""
    dated = DUTIES.replace(
        "{more_than: 1000 H100e}, by: {after_entry: 10 d}", "{more_than: 1000 H100e}, by: 2027-01-16"
    )
    found = play(body(dated).replace("{role: developer, at_least: 2}", "{role: developer, at_least: 1}"))
    joined = T0 + 40 * DAY + 60
    late = Play(founding(body(dated).replace("{role: developer, at_least: 2}", "{role: developer, at_least: 1}")))
    late.accede("dev-a")
    late.accede("dev-b", at=joined - 60)
    due = joined + DAY + 60
    states = [state_of(late, "register-largest", at, "dev-b") for at in (due - 1, due)]
    assert states == ["open", "overdue"]
    assert [state_of(late, "register-large", joined + after, "dev-b") for after in (59, 60)] == ["open", "overdue"]
    assert state_of(found, "register-large", joined, "dev-a") == "overdue"


def test_an_inspector_finds_that_it_is_done_and_opens_no_case_by_that():
    """Settled, by another party whom the terms name; the finding is good news and blocks no lift."""
    found = play()
    at = FORCE + 120 * DAY
    found.find("aud-1", "dev-a", at, claim="fulfils consolidate")
    assert [state_of(found, "consolidate", at + after) for after in (59, 60)] == ["open", "fulfilled"]
    assert found.at(at + 61).findings == ()
    assert state_of(found, "consolidate", at + 61, "dev-b") == "overdue"


@pytest.mark.parametrize(("by", "claim"), [("auth-1", "fulfils consolidate"), ("aud-1", "fulfils something-else")])
def test_a_finding_of_somebody_else_or_of_something_else_fulfils_nothing(by, claim):
    """Only who is named in `found_by`, and only the duty's own name."""
    found = play()
    found.find(by, "dev-a", T0 + 100, claim=claim)
    assert state_of(found, "consolidate", FORCE + 120 * DAY + 61) == "overdue"


def test_an_inspector_who_takes_it_back_makes_it_overdue_on_receipt():
    """The refutation counts when it is heard; overdue since then, not since the deadline that was met."""
    found = play()
    found.find("aud-1", "dev-a", T0 + 100, claim="fulfils consolidate")
    later = FORCE + 200 * DAY
    assert state_of(found, "consolidate", later) == "fulfilled"
    found.find("aud-1", "dev-a", None, claim="fulfils consolidate", result="refuted")
    [standing] = [each for each in found.at(later).duties if (each.duty, each.party) == ("consolidate", "dev-a")]
    assert (standing.state, standing.since) == ("overdue", later)


def test_a_duty_with_every_is_due_again_after_the_last_time():
    """Fulfilled at one second for 90 days and the time to settle, overdue at the next, and the trigger latches by itself."""
    again = DUTIES.replace("by: {after_entry: 1 d}", "by: {after_entry: 1 d}, every: 90 d")
    found = play(body(again))
    register(found, "dev-a", T0 + 1000)
    due = T0 + 1000 + 90 * DAY + 60
    assert [state_of(found, "register-largest", at) for at in (due - 1, due)] == ["fulfilled", "overdue"]
    assert [found.paused(at) for at in (due - 1, due)] == [(), ("unregistered",)]
    assert found.at(due + DAY).pauses_of("dev-a", "training")[0].since == due


def test_a_duty_that_ended_is_owed_by_nobody_and_listed():
    """Overdue one second before the end and ended at it; released by the passing of time."""
    ends = DUTIES.replace("by: {after_entry: 1 d}", "by: {after_entry: 1 d}, until: {after_entry: 30 d}")
    found = play(body(ends, ""))
    end = FORCE + 30 * DAY
    assert [state_of(found, "register-largest", at) for at in (end - 1, end)] == ["overdue", "ended"]
    assert [release.what for release in found.at(end).released_by_time] == ["rule_ended"]


REFUSED = [
    ("T32", DUTIES, TRIGGER.replace("register-largest", "register-all")),
    ("T30", DUTIES.replace("by: {after_entry: 1 d}", "by: {after_entry: 1 d}, until: {after_entry: 1 d}"), TRIGGER),
    ("T22", DUTIES.replace("register-large,", "register-largest,"), TRIGGER),
    ("T07", DUTIES.replace("found_by: auditor, ", ""), TRIGGER),
    ("T07", DUTIES.replace("found_by: auditor", "found_by: auditor, register: {more_than: 1 H100e}"), TRIGGER),
    ("T08", DUTIES.replace("10000 H100e", "10000 FLOP"), TRIGGER),
    ("T09", DUTIES.replace("of: developer, found", "of: producer, found"), TRIGGER),
]


@pytest.mark.parametrize(("rule", "duties", "trigger"), REFUSED)
def test_duties_that_cannot_be_meant_are_refused(rule, duties, trigger):
    """Each by its number, and nothing else."""
    with pytest.raises(TermsRefused) as refused:
        parse_terms((body(duties, trigger) + PARTIES).encode(), template=True)
    assert {each.rule for each in refused.value.all} == {rule}


def claims(text):
    terms = parse_terms((text + PARTIES).encode(), template=True)
    return check_terms(terms, Assumptions(Outages(12, 1_800)))


def test_check_explores_a_duty_that_its_party_lets_slip():
    """Of its own party it is nobody's power over others; for all, one developer stops everybody by doing nothing."""
    own = [claim for claim in claims(body()) if "unregistered" in claim.text]
    assert "broken" not in {claim.verdict for claim in own}
    assert {claim.verdict for claim in own if claim.id == "lift-reachable"} == {"holds"}
    everybody = body(trigger=TRIGGER.replace("scope: party", "scope: all"))
    [claim] = [claim for claim in claims(everybody) if claim.id == "forces-pause" and "unregistered" in claim.text]
    assert (claim.verdict, claim.trace) == ("broken", ("register-largest falls overdue",))


def test_check_sees_that_a_lift_waits_for_a_duty_which_the_party_may_never_do():
    """Whoever must do it can keep the pause up by not doing it; who else is silent cannot."""
    text = body(more=[("{none_open: finding}", "{not: {overdue: register-largest}}")])
    found = [claim for claim in claims(text) if claim.id == "blocks-lift" and claim.verdict == "broken"]
    assert all(claim.text.startswith("without dev-a") for claim in found if "unregistered" in claim.text)
    assert [claim for claim in found if "unregistered" in claim.text]


def test_check_lists_a_duty_that_starts_nothing_and_refutes_one_that_nobody_can_find_done():
    """`register-large` is only shown; where the buyer alone may find it done, nobody can: a buyer is no inspector."""
    assert "register-large: that it is overdue is shown, and starts nothing" in {
        claim.text for claim in claims(body()) if claim.id == "only-shown"
    }
    broken = claims(body(DUTIES.replace("found_by: auditor", "found_by: buyer")))
    assert [claim.section for claim in broken if claim.id == "unfulfillable"] == ["duties"]


CHANGES = [
    ("by: {after_entry: 1 d}", "by: {after_entry: 2 d}", "loosens",
     "moves the deadline of register-largest from 1 d after entry into force to 2 d after entry into force"),
    ("10000 H100e", "9000 H100e", "tightens",
     "lowers the facilities that register-largest lets be from 10000 H100e to 9000 H100e"),
    ("found_by: auditor", "found_by: [auditor, authority]", "loosens",
     "changes who may find that consolidate is done from auditor to auditor, authority"),
    ("of: developer, found_by", "of: [developer, cloud], found_by", "tightens",
     "changes who has the duty consolidate from developer to developer, cloud"),
    ("by: {after_entry: 120 d}", "by: {after_entry: 120 d}, every: 30 d", "tightens",
     "sets how often consolidate is due again to 30 d"),
    ("by: {after_entry: 120 d}", "by: {after_entry: 120 d}, until: 2029-01-01", "loosens",
     "gives consolidate an end, 2029-01-01"),
]  # fmt: skip
BACK = {"loosens": "tightens", "tightens": "loosens"}


@pytest.mark.parametrize(("old", "new", "effect", "text"), CHANGES)
def test_a_difference_of_duties_is_told_with_its_effect(old, new, effect, text):
    """More to do, sooner, by more, is tighter."""
    one, other = (
        parse_terms((each + PARTIES).encode(), template=True) for each in (body(), body(DUTIES.replace(old, new)))
    )
    assert [(each.effect, each.text) for each in compare_terms(one, other)] == [(effect, text)]
    assert [each.effect for each in compare_terms(other, one)] == [BACK[effect]]
    dropped = parse_terms((body(DUTIES.replace(DUTIES.splitlines()[2] + "\n", "")) + PARTIES).encode(), template=True)
    assert [each.effect for each in compare_terms(one, dropped)] == ["loosens"]
