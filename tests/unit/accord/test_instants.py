"""Every deadline that terms can set, one second before it, at it and one second after it; a new one without a case fails."""

from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import get_args, get_type_hints

import pytest

from detente.accord.change import change_of
from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.escalation import escalation_of
from detente.accord.status import change_standing, run_standing
from detente.accord.terms import Terms, parse_terms
from detente.base.instant import Instant, show_instant
from detente.statement.audit import Audit
from detente.statement.challenge import Challenge
from detente.statement.commitment import Committed
from detente.statement.facility import Facility
from tests.accord_play import BODY, DAY, PARTIES, SETTLE, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "")
"""No measurement falls overdue while these cases wait."""
ALONE = QUIET.replace("{role: developer, at_least: 2}", "{role: developer, at_least: 1}")
FORCE = T0 + SETTLE
YEAR = 365 * DAY
CASES = {}
ELSEWHERE = {
    "ClosedCosignature.time_s": "a time that was counted and is frozen, no deadline: test_time_and_order",
    "AfterEntry.delay_s": "how a moment is spelled; the members that hold one have cases",
    "Span.begins": "the same, of every rule with a span",
    "Span.ends": "the same",
    "ScreeningTerms.per_s": "in what time so many decisions are expected, no deadline",
    "ScreeningTerms.window_s": "when a word on a seeded change is too old: test_screening",
}


def deadline(*members):
    """The case asks something of instants around a deadline that these members of the terms set."""

    def take(case):
        for member in members:
            CASES.setdefault(member, []).append(case)
        return case

    return take


def edited(*edits, text=QUIET):
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def play(text=QUIET):
    return Play(founding(text)).begin()


def call(found, at, *, number=0):
    """Two votes to pause, the second witnessed at ``at``."""
    for party, before in (("aud-1", 1), ("auth-1", 0)):
        found.vote(party, "pause", at - before, number=number)
    return found


def lift(found, at, *, more=(), **vote):
    """Three votes to lift, the last witnessed at ``at``; it takes effect once that has settled."""
    for party, before in (("aud-2", 2), ("auth-1", 1), ("auth-2", 0)):
        found.vote(party, "lift", at - before, **vote)
    return at + SETTLE


def paused(found, party="dev-a"):
    return lambda at: bool(found.paused(at, party))


def stands(found, run):
    return lambda at: run_standing(found.state, run, at).outcome


def finding(text):
    found = play(text)
    return found, found.find("aud-2", "dev-b", T0 + 200)


def rule(found, accusation, at, *, outcome="no_breach"):
    for party, before in (("auth-1", 1), ("auth-2", 0)):
        found.rule(party, accusation, "dev-b", at - before, outcome=outcome)


def case_of(found):
    return lambda at: found.at(at).findings[0].state


def bound(found, party):
    return lambda at: party in found.at(at).bound


# Joining, leaving, and what waits until it has settled.


@deadline("MirrorTerms.settle_s")
def enters_into_force():
    found = Play(founding(QUIET))
    found.accede("dev-a", "dev-b")
    return lambda at: found.at(at).phase, FORCE, ["before", "in_force", "in_force"]


@deadline("MirrorTerms.settle_s")
def accession_binds():
    found = Play(founding(ALONE))
    found.accede("dev-a")
    found.accede("dev-b", at=T0 + 500)
    return bound(found, "dev-b"), T0 + 500 + SETTLE, [False, True, True]


@deadline("MirrorTerms.settle_s")
def lift_takes_effect():
    found = call(play(), T0 + 100)
    return paused(found), lift(found, T0 + 200), [True, False, False]


@deadline("MirrorTerms.settle_s")
def approval_of_a_run_counts():
    found = play()
    run = found.run("dev-a", T0 + 200, flop="2e22")
    for party in ("auth-1", "auth-2"):
        found.approve(party, run, T0 + 300)
    return stands(found, run), T0 + 300 + SETTLE, ["held", "free", "free"]


@deadline("MirrorTerms.settle_s")
def approval_of_a_change_counts():
    found = play()
    change = found.propose("dev-a", T0 + 100)
    for reviewer in ("r-1", "r-2"):
        found.approve("aud-1", change, T0 + 200, reviewer=reviewer)
    return (
        lambda at: change_standing(found.state, change, at).outcome,
        T0 + 200 + SETTLE,
        ["held", "free", "free"],
    )


CHECKPOINT = "checkpoints:\n  - id: capable\n    on: run.start\n    when: {at_least: [spread, 5 x]}\n    need: {certifications: [honest], by: [auditor], count: 1}\n"
CHECKED = edited(
    ("when: {at_least: [spread, 5 x]}", "when: {at_least: [spread, 50 x]}"), ("triggers:\n", CHECKPOINT + "triggers:\n")
)


def capable(text=CHECKED):
    """A run that a checkpoint holds, since a capability was measured at its bound."""
    found = play(text)
    found.measure("dev-a", 5, T0 + 90)
    return found, found.run("dev-a", T0 + 100)


@deadline("MirrorTerms.settle_s")
def certification_counts():
    found, run = capable()
    found.say("aud-1", "audit", Audit(run, "all", (), (), "pass", ("honest",)), T0 + 200)
    return stands(found, run), T0 + 200 + SETTLE, ["held", "free", "free"]


@deadline("MirrorTerms.settle_s")
def measurement_replaces_an_earlier_one():
    found, run = capable()
    found.measure("dev-a", 4, T0 + 200)
    return stands(found, run), T0 + 200 + SETTLE, ["held", "free", "free"]


@deadline("MirrorTerms.settle_s")
def bound_of_a_hidden_plan_counts():
    found = play()
    run = found.run("dev-a", T0 + 100, flop=Committed("c" * 64))
    found.find("aud-1", "dev-a", T0 + 200, claim="below 1e21 FLOP", run=run)
    return stands(found, run), T0 + 200 + SETTLE, ["refused", "free", "free"]


@deadline("MirrorTerms.settle_s")
def halt_is_confirmed():
    found = play()
    run = found.run("dev-a", T0 + 80)
    call(found, T0 + 100)
    halted = found.halt("dev-a", run, T0 + 200)
    found.find("aud-1", "dev-a", T0 + 300, claim="it stopped", run=run, confirms=halted)
    return lambda at: found.at(at).halts[0].state, T0 + 300 + SETTLE, ["declared", "confirmed", "confirmed"]


@deadline("MirrorTerms.settle_s")
def ruling_of_no_breach_counts():
    found, accusation = finding(QUIET)
    rule(found, accusation, T0 + 300)
    return case_of(found), T0 + 300 + SETTLE, ["open", "no_breach", "no_breach"]


@deadline("MirrorTerms.settle_s", "PermitTerms.calm_s")
def amendment_takes_effect():
    """So much later than it has settled that every permit under the terms before has lapsed."""
    found = play()
    found.amend(founding(edited(("version: 1\n", "version: 2\n"))), T0 + 1_000)
    effect = T0 + 1_000 + SETTLE + 6 * 3_600
    return lambda at: found.state.terms_at(at).version, effect, [1, 2, 2]


@deadline("PermitTerms.alert_s", "PermitTerms.calm_s")
def alert_ends_with_the_vote_that_gave_it():
    found = play()
    found.vote("aud-1", "pause", T0 + 100, expires=T0 + 1_000)
    return lambda at: found.at(at).life_s, T0 + 1_000, [600, 21_600, 21_600]


@deadline("Terms.withdrawal_notice_s")
def notice_has_run():
    found = play()
    found.withdraw("dev-b", T0 + 200)
    return bound(found, "dev-b"), T0 + 200 + YEAR, [True, False, False]


@deadline("Terms.withdrawal_notice_s", "MirrorTerms.settle_s")
def notice_is_no_shorter_than_settling():
    found = play(edited(("notice: 365 d", "notice: 30 s")))
    found.withdraw("dev-b", T0 + 200)
    return bound(found, "dev-b"), T0 + 200 + SETTLE, [True, False, False]


# Rules that begin and end.


def spans(before, span):
    return edited((before, f"{before}    {span}\n"))


def limited(span):
    found = play(spans("  - id: too-large\n", span))
    return found, found.run("dev-a", T0 + 100, flop="1e25")


@deadline("Limit.span")
def limit_begins_after_entry():
    found, run = limited("from: {after_entry: 10 d}")
    return stands(found, run), FORCE + 10 * DAY, ["held", "refused", "refused"]


@deadline("Limit.span")
def limit_ends_at_a_date():
    found, run = limited(f"until: {show_instant(T0 + 10 * DAY)}")
    return stands(found, run), T0 + 10 * DAY, ["refused", "held", "held"]


def kept(span):
    found = play(spans("    on: version.train\n", span))
    change = found.propose("dev-a", T0 + 100)
    return lambda at: change_standing(found.state, change, at).outcome


@deadline("HoldPoint.span")
def hold_point_begins_at_a_date():
    return kept(f"from: {show_instant(T0 + DAY)}"), T0 + DAY, ["free", "held", "held"]


@deadline("HoldPoint.span")
def hold_point_ends_after_entry():
    return kept("until: {after_entry: 1 d}"), FORCE + DAY, ["held", "free", "free"]


HUMANS = "    need: {humans: 2, "


def proposed(times):
    """A change that waits at a hold point with these members."""
    found = play(edited((HUMANS, f"    {times}\n{HUMANS}")))
    return found, found.propose("dev-a", T0 + 100)


def held(found, change):
    return lambda at: change_standing(found.state, change, at).outcome


def approved(found, change, at, *, party="aud-1"):
    for reviewer, before in (("r-1", 1), ("r-2", 0)):
        found.approve(party, change, at - before, reviewer=reviewer)


@deadline("HoldPoint.approved_for_s")
def approval_expires():
    """The first of the two that were needed ends it."""
    found, change = proposed("approved_for: 7 d")
    approved(found, change, T0 + 200)
    return held(found, change), T0 + 199 + 7 * DAY, ["free", "held", "held"]


@deadline("HoldPoint.approved_for_s", "MirrorTerms.settle_s")
def approval_that_settles_as_it_expires_never_counts():
    found, change = proposed("approved_for: 60 s")
    approved(found, change, T0 + 200)
    return held(found, change), T0 + 200 + SETTLE, ["held", "held", "held"]


@deadline("HoldPoint.decide_within_s")
def approval_was_in_time():
    def ask(at):
        found, change = proposed("decide_within: 14 d")
        approved(found, change, at)
        return held(found, change)(T0 + 20 * DAY)

    return ask, T0 + 100 + 14 * DAY, ["free", "free", "held"]


@deadline("HoldPoint.decide_within_s", "MirrorTerms.settle_s")
def proposal_lapses():
    found, change = proposed("decide_within: 14 d")

    def lapsed(at):
        return "lapsed" in change_standing(found.state, change, at).reasons[0].text

    return lapsed, T0 + 100 + 14 * DAY + SETTLE, [False, True, True]


ESCALATION = "escalation: {to: [auth-1], after: 2 d, within: 3 d}"


def escalated(found, change):
    def ask(at):
        hold, terms = found.state.terms_at(at).hold_points[0], found.state.terms_at(at)
        told = escalation_of(found.state, terms, change_of(found.state, change), hold, at)
        return None if told is None else told.state

    return ask


@deadline("EscalationTerms.after_s", "MirrorTerms.settle_s")
def silence_escalates():
    ask = escalated(*proposed(ESCALATION))
    return ask, T0 + 100 + 2 * DAY + SETTLE, [None, "open", "open"]


@deadline("EscalationTerms.after_s")
def enough_approved_before_it_was_escalated():
    def ask(at):
        found, change = proposed(ESCALATION)
        approved(found, change, at)
        return escalated(found, change)(T0 + 3 * DAY)

    return ask, T0 + 100 + 2 * DAY, [None, None, "open"]


@deadline("EscalationTerms.within_s", "MirrorTerms.settle_s")
def answer_is_overdue():
    ask = escalated(*proposed(ESCALATION))
    return ask, T0 + 100 + 5 * DAY + 2 * SETTLE, ["open", "overdue", "overdue"]


@deadline("EscalationTerms.within_s")
def answer_to_a_decision_is_overdue():
    found, change = proposed(ESCALATION)
    found.approve("aud-1", change, T0 + 300, decision="escalate")
    return escalated(found, change), T0 + 300 + 3 * DAY + SETTLE, ["open", "overdue", "overdue"]


@deadline("Checkpoint.span")
def checkpoint_begins_after_entry():
    found, run = capable(CHECKED.replace("  - id: capable\n", "  - id: capable\n    from: {after_entry: 1 d}\n"))
    return stands(found, run), FORCE + DAY, ["free", "held", "held"]


@deadline("Checkpoint.span")
def checkpoint_ends_at_a_date():
    found, run = capable(
        CHECKED.replace("  - id: capable\n", f"  - id: capable\n    until: {show_instant(T0 + DAY)}\n")
    )
    return stands(found, run), T0 + DAY, ["held", "free", "free"]


@deadline("Trigger.span")
def trigger_begins_after_entry():
    """What was so before it began starts it at its first instant."""
    found = call(play(spans("  - id: call\n", "from: {after_entry: 1 d}")), T0 + 100)
    return paused(found), FORCE + DAY, [False, True, True]


@deadline("Trigger.span")
def trigger_ends_at_a_date():
    """Votes witnessed a second before still start it, at its end no more."""

    def ask(at):
        return paused(call(play(spans("  - id: call\n", f"until: {show_instant(T0 + DAY)}")), at))(at + DAY)

    return ask, T0 + DAY, [True, False, False]


# What must be done, said or halted by when.

DUTY = "duties:\n  - {{id: done, of: developer, {what}, {when}}}\n"
REGISTER = "register: {more_than: 1000 H100e}"


def owing(when, what=REGISTER):
    return play(QUIET.replace("triggers:\n", DUTY.format(what=what, when=when) + "triggers:\n"))


def register(found, at):
    above = Decimal(1000) * Decimal("9.9e14")
    found.say("dev-a", "facility", Facility("one", "US", 1, Decimal("1e20"), above), at)


def duty(found, party="dev-a"):
    return lambda at: next(each.state for each in found.at(at).duties if each.party == party)


@deadline("Duty.by")
def duty_is_overdue_after_entry():
    return duty(owing("by: {after_entry: 1 d}")), FORCE + DAY + SETTLE, ["open", "overdue", "overdue"]


@deadline("Duty.by")
def duty_is_overdue_at_a_date():
    return duty(owing(f"by: {show_instant(T0 + DAY)}")), T0 + DAY + SETTLE, ["open", "overdue", "overdue"]


@deadline("Duty.by")
def what_fulfils_it_was_witnessed_in_time():
    def ask(at):
        found = owing("by: {after_entry: 1 d}")
        register(found, at)
        return duty(found)(FORCE + DAY + SETTLE)

    return ask, FORCE + DAY, ["fulfilled", "fulfilled", "overdue"]


@deadline("MirrorTerms.settle_s")
def registration_counts():
    found = owing("by: {after_entry: 1 d}")
    register(found, T0 + 200)
    return duty(found), T0 + 200 + SETTLE, ["open", "fulfilled", "fulfilled"]


@deadline("Duty.every_s")
def duty_is_due_again():
    found = owing("by: {after_entry: 1 d}, every: 30 d")
    register(found, T0 + 200)
    return duty(found), T0 + 200 + 30 * DAY + SETTLE, ["fulfilled", "overdue", "overdue"]


@deadline("Duty.until")
def duty_ends():
    found = owing("by: {after_entry: 1 d}, until: {after_entry: 30 d}")
    return duty(found), FORCE + 30 * DAY, ["overdue", "ended", "ended"]


INSPECTION = "on_request: {by: auth-1, within: 1 d, most: {number: 1, every: 10 d}}"


def asked(*instants):
    found = owing(INSPECTION, "found_by: auditor")
    for at in instants:
        found.find("auth-1", "dev-a", at, claim="asks done", result="inconclusive")
    return found


@deadline("OnRequest.within_s")
def request_is_overdue():
    return duty(asked(T0 + 200)), T0 + 200 + DAY + SETTLE, ["open", "overdue", "overdue"]


@deadline("OnRequest.within_s")
def request_was_answered_in_time():
    def ask(at):
        found = asked(T0 + 200)
        found.find("aud-1", "dev-a", at, claim="fulfils done")
        return duty(found)(T0 + 200 + DAY + SETTLE)

    return ask, T0 + 200 + DAY, ["fulfilled", "fulfilled", "overdue"]


@deadline("AtMost.every_s")
def another_request_counts():
    def ask(at):
        found = asked(T0 + 200, at)
        found.find("aud-1", "dev-a", T0 + 300, claim="fulfils done")
        return duty(found)(at + DAY)

    return ask, T0 + 200 + 10 * DAY, ["fulfilled", "open", "open"]


@deadline("Indicator.every_s")
def measurement_is_overdue():
    """Not overdue at the last second at which a timely one has settled; from the next on."""
    found = play(BODY)
    return paused(found), FORCE + 7 * DAY + SETTLE, [False, False, True]


@deadline("Indicator.every_s")
def measurement_is_overdue_after_the_last():
    found = play(BODY)
    found.measure("dev-a", 1, T0 + 5 * DAY)
    return paused(found), T0 + 12 * DAY + SETTLE, [False, False, True]


@deadline("Indicator.every_s")
def measurement_of_who_joined_later_is_overdue():
    found = Play(founding(ALONE.replace("supplied_by: developer, ", "supplied_by: developer, every: 7 d, ")))
    found.accede("dev-a")
    found.accede("dev-b", at=T0 + 3 * DAY)
    return paused(found, "dev-b"), T0 + 10 * DAY + 2 * SETTLE, [False, False, True]


@deadline("Indicator.every_s")
def measurement_is_overdue_after_a_lift():
    found = play(BODY)
    late = T0 + 8 * DAY
    found.measure("dev-b", 1, T0 + 7 * DAY)
    effective = lift(found, late, trigger="spreading", scope="dev-a")
    return paused(found), effective + 7 * DAY + SETTLE, [False, False, True]


@deadline("Indicator.every_s")
def a_checkpoint_holds_what_was_not_measured_in_time():
    found, run = capable(CHECKED.replace("supplied_by: developer, ", "supplied_by: developer, every: 7 d, "))
    found.measure("dev-a", 4, T0 + DAY)
    return stands(found, run), T0 + 8 * DAY + SETTLE, ["free", "free", "held"]


@deadline("PauseTerms.halt_within_s")
def run_must_have_halted():
    found = play()
    found.run("dev-a", T0 + 80)
    call(found, T0 + 100)
    return lambda at: found.at(at).halts[0].state, T0 + 100 + 900, ["running", "running", "overdue"]


# Pauses that end by time.


@deadline("PauseTerms.longest_s")
def pause_lapses():
    return paused(call(play(), T0 + 100)), T0 + 100 + 180 * DAY, [True, False, False]


@deadline("PauseTerms.longest_s")
def pause_is_renewed_in_time():
    def ask(at):
        found = call(play(), T0 + 100)
        for party, before in (("aud-2", 2), ("auth-1", 1), ("auth-2", 0)):
            found.vote(party, "renew", at - before)
        return paused(found)(T0 + 110 + 180 * DAY)

    return ask, T0 + 100 + 180 * DAY, [True, True, False]


EMERGENCY = """\
triggers:
  - id: emergency
    when: {votes: {of: [auth-1], at_least: 1}}
    then: pause
    scope: all
    alone_on_purpose: [auth-1]
    lapses: {after: 30 d, unless: {auditor: 1, authority: 1}, again_after: 10 d}
"""
BEGAN = T0 + 100


def emergency():
    found = play(QUIET.replace("triggers:\n", EMERGENCY))
    found.vote("auth-1", "pause", BEGAN, trigger="emergency")
    return found


@deadline("Lapse.after_s")
def emergency_lapses():
    return paused(emergency()), BEGAN + 30 * DAY, [True, False, False]


@deadline("Lapse.after_s")
def emergency_was_confirmed_in_time():
    def ask(at):
        found = emergency()
        found.vote("aud-1", "renew", BEGAN + DAY, trigger="emergency")
        found.vote("auth-2", "renew", at, trigger="emergency")
        return paused(found)(BEGAN + 31 * DAY)

    return ask, BEGAN + 30 * DAY, [True, True, False]


@deadline("Lapse.again_after_s")
def emergency_can_be_started_again():
    """Votes for the next round that stand all the while start it at that instant."""
    found = emergency()
    found.vote("auth-1", "pause", BEGAN + 35 * DAY, trigger="emergency", number=1)
    return paused(found), BEGAN + 40 * DAY, [False, True, True]


# The accord's own end.

SUNSET = T0 + 100 * DAY
RENEWAL = "renewal: {for: 365 d, at_most: 2, votes: {developer: 1, authority: 1}}\n"


def ending(more=""):
    text = QUIET.replace("version: 1\n", f"version: 1\nexpires: {show_instant(SUNSET)}\n{more}")
    return play(text)


def phase(found):
    return lambda at: found.at(at).phase


@deadline("Terms.expires")
def sunset():
    return phase(ending()), SUNSET, ["in_force", "expired", "expired"]


@deadline("Terms.expires", "RenewalTerms.length_s")
def sunset_is_put_off_in_time():
    """The last vote has settled no later than the sunset."""

    def ask(at):
        found = ending(RENEWAL)
        for party, before in (("dev-a", 1), ("auth-1", 0)):
            found.vote(party, "renew", at - before, trigger="accord")
        return phase(found)(SUNSET + DAY)

    return ask, SUNSET - SETTLE, ["in_force", "in_force", "expired"]


@deadline("RenewalTerms.length_s")
def sunset_that_was_put_off():
    found = ending(RENEWAL)
    for party in ("dev-a", "auth-1"):
        found.vote(party, "renew", T0 + DAY, trigger="accord")
    return phase(found), SUNSET + YEAR, ["in_force", "expired", "expired"]


def claims(text, *, doubling_s=None, at=None):
    terms = parse_terms((text + PARTIES).encode(), template=True)
    return check_terms(terms, Assumptions(Outages(12, 1_800), doubling_s, "given", at))


def reviewed(at, *, expires=None):
    more = f"review_by: {show_instant(Instant(at))}\n" + (
        f"expires: {show_instant(Instant(expires))}\n" if expires else ""
    )
    return edited(("version: 1\n", f"version: 1\n{more}"))


@deadline("Terms.review_by", "Terms.expires")
def review_is_no_later_than_the_sunset():
    def ask(at):
        return [claim.id for claim in claims(reviewed(at, expires=SUNSET)) if claim.section == "review_by"]

    return ask, SUNSET, [[], [], ["deadline-feasible"]]


@deadline("Terms.review_by")
def review_comes_within_one_doubling():
    """So much time is left until it as the capability takes to double, and no more."""

    def ask(at):
        found = claims(reviewed(at), doubling_s=90 * DAY, at=Instant(T0))
        return [claim.verdict for claim in found if claim.id == "review-in-time"]

    return ask, T0 + 90 * DAY, [["holds"], ["holds"], ["broken"]]


@deadline("Terms.review_by")
def review_is_over():
    def ask(at):
        found = claims(reviewed(T0), doubling_s=90 * DAY, at=Instant(at))
        return [claim.verdict for claim in found if claim.id == "review-in-time"]

    return ask, T0, [["holds"], ["holds"], ["broken"]]


# Findings and rulings.

RULES = "adjudication: {challenge_within: 72 h, rule_within: 5 d, votes: {adjudicator: 2}"
FALLS = edited((RULES, f"{RULES}, unruled: falls"))
APPEAL = edited((RULES, f"{RULES}, appeal_within: 2 d"))
FOUND = T0 + 200


@deadline("Adjudication.challenge_within_s")
def breach_has_consequences():
    found, accusation = finding(QUIET)
    rule(found, accusation, T0 + 300, outcome="breach")
    return lambda at: bool(found.at(at).sanctions), FOUND + 3 * DAY, [False, True, True]


@deadline("Adjudication.challenge_within_s")
def challenge_is_in_time():
    def ask(at):
        found, accusation = finding(QUIET)
        rule(found, accusation, T0 + 300, outcome="breach")
        found.say("dev-b", "challenge", Challenge(accusation, "it is wrong"), at)
        return bool(found.at(FOUND + 4 * DAY).sanctions)

    return ask, FOUND + 3 * DAY, [False, False, True]


@deadline("Adjudication.rule_within_s", "Adjudication.challenge_within_s")
def finding_falls():
    found, _ = finding(FALLS)
    return case_of(found), FOUND + 8 * DAY, ["open", "fallen", "fallen"]


@deadline("Adjudication.rule_within_s")
def ruling_is_in_time():
    def ask(at):
        found, accusation = finding(FALLS)
        rule(found, accusation, at, outcome="breach")
        return case_of(found)(FOUND + 9 * DAY)

    return ask, FOUND + 8 * DAY, ["breach", "breach", "fallen"]


@deadline("Adjudication.appeal_within_s")
def ruling_waits_for_an_appeal():
    found, accusation = finding(APPEAL)
    rule(found, accusation, T0 + 4 * DAY)
    return case_of(found), T0 + 6 * DAY + SETTLE, ["open", "no_breach", "no_breach"]


@deadline("Adjudication.appeal_within_s")
def appeal_is_in_time():
    def ask(at):
        found, accusation = finding(APPEAL)
        rule(found, accusation, T0 + 4 * DAY)
        found.say("aud-2", "challenge", Challenge(accusation, "it is wrong"), at)
        return case_of(found)(T0 + 9 * DAY)

    return ask, T0 + 6 * DAY, ["open", "open", "no_breach"]


@deadline("Reciprocity.uncured_s")
def others_are_released():
    text = QUIET + "reciprocity: {when: {ruling: breach, uncured_for: 7 d}, then: release_others}\n"
    found = call(play(text), T0 + 100)
    accusation = found.find("aud-2", "dev-b", FOUND)
    rule(found, accusation, T0 + 300, outcome="breach")
    return paused(found), FOUND + 10 * DAY, [True, False, False]


# Votes that expire, that come too early, and that are taken back.


@deadline("Vote.expires_at")
def vote_to_pause_expires():
    """The second vote meets the first up to a second before that one expires."""

    def ask(at):
        found = play()
        found.vote("aud-1", "pause", T0 + 100, expires=T0 + 500)
        found.vote("auth-1", "pause", at)
        return paused(found)(T0 + 600)

    return ask, T0 + 500, [True, False, False]


@deadline("Vote.expires_at")
def vote_to_lift_expires():
    """It must not have expired at the instant at which the lift takes effect."""

    def ask(at):
        found = call(play(), T0 + 100)
        found.vote("aud-2", "lift", T0 + 150, expires=at)
        for party in ("auth-1", "auth-2"):
            found.vote(party, "lift", T0 + 200)
        return paused(found)(T0 + 200 + SETTLE)

    return ask, T0 + 200 + SETTLE, [True, True, False]


@deadline("Vote.expires_at")
def vote_to_confirm_expires():
    def ask(at):
        found = emergency()
        found.vote("aud-1", "renew", BEGAN + DAY, trigger="emergency", expires=BEGAN + 5 * DAY)
        found.vote("auth-2", "renew", at, trigger="emergency")
        return paused(found)(BEGAN + 31 * DAY)

    return ask, BEGAN + 5 * DAY, [True, False, False]


@deadline("Vote.expires_at")
def vote_to_renew_a_pause_expires():
    def ask(at):
        found = call(play(), T0 + 100)
        for party in ("aud-2", "auth-1"):
            found.vote(party, "renew", T0 + 10 * DAY, expires=T0 + 20 * DAY)
        found.vote("auth-2", "renew", at)
        return paused(found)(T0 + 110 + 180 * DAY)

    return ask, T0 + 20 * DAY, [True, False, False]


@deadline("Vote.expires_at")
def vote_to_renew_the_accord_expires():
    """It stands at the instant at which the last of the quorum has settled, or it renews nothing."""

    def ask(at):
        found = ending(RENEWAL)
        found.vote("dev-a", "renew", T0 + DAY, trigger="accord", expires=at)
        found.vote("auth-1", "renew", T0 + 2 * DAY, trigger="accord")
        return phase(found)(SUNSET + DAY)

    return ask, T0 + 2 * DAY + SETTLE, ["expired", "expired", "in_force"]


@deadline("Vote.time")
def lift_is_later_than_the_latch():
    """A vote to lift that was witnessed no later than the pause had begun lifts nothing."""

    def ask(at):
        found = call(play(), T0 + 100)
        found.vote("aud-2", "lift", at)
        for party in ("auth-1", "auth-2"):
            found.vote(party, "lift", T0 + 200)
        return paused(found)(T0 + 300)

    return ask, T0 + 100, [True, True, False]


@deadline("Vote.time")
def lift_is_taken_back_before_it_takes_effect():
    def ask(at):
        found = call(play(), T0 + 100)
        effective = lift(found, T0 + 200)
        found.vote("auth-1", "retract", at)
        return paused(found)(effective + 10)

    return ask, T0 + 200 + SETTLE, [True, True, False]


@deadline("Vote.time")
def retraction_is_no_earlier_than_the_vote():
    """Of a vote and its retraction at one second the retraction has the last word; one from before takes nothing back."""

    def ask(at):
        found = call(play(), T0 + 100)
        found.vote("auth-1", "retract", at)
        lift(found, T0 + 201)
        return paused(found)(T0 + 300)

    return ask, T0 + 200, [False, True, True]


@deadline("Vote.time")
def evidence_is_answered_by_a_lift():
    """What was witnessed before the last vote of a lift is answered; from that second on it opens a new round."""

    def ask(at):
        found = play()
        found.measure("dev-a", 9, T0 + 100)
        effective = lift(found, T0 + 200, trigger="spreading", scope="dev-a")
        found.measure("dev-a", 8, at)
        return paused(found)(effective + 10)

    return ask, T0 + 200, [False, True, True]


@pytest.mark.parametrize(
    "case", dict.fromkeys(each for cases in CASES.values() for each in cases), ids=lambda case: case.__name__
)
def test_what_is_so_before_at_and_after_the_second_of_a_deadline(case):
    """Each deadline that terms or votes set: asked a second before, at, and a second after."""
    ask, instant, expected = case()
    assert [ask(instant + beside) for beside in (-1, 0, 1)] == expected


def kinds(of, found):
    """Every data class of the accord that a member of it can hold, itself among them."""
    for held in (of, *get_args(of)) if not isinstance(of, type) or get_args(of) else (of,):
        if isinstance(held, type) and is_dataclass(held) and held.__module__.startswith("detente.accord."):
            if held not in found:
                found.add(held)
                for hint in get_type_hints(held).values():
                    kinds(hint, found)
        elif held is not of:
            kinds(held, found)
    return found


def test_no_deadline_of_the_language_is_forgotten():
    """Every member that is a time, of whatever terms can hold, has a case here: a new one without fails."""
    found = {
        f"{kind.__name__}.{member.name}"
        for kind in kinds(Terms, set())
        for member in fields(kind)
        if member.name.endswith("_s") or {"Moment", "Instant", "Span"} & set(str(member.type).split(" | "))
    }
    assert {"Duty.by", "Lapse.after_s", "AtMost.every_s"} <= found
    assert found == {member for member in CASES if not member.startswith("Vote.")} | set(ELSEWHERE)
