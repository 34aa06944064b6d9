"""Whether the times at a hold point leave room to pass it, and whether whom it escalates to can answer. ``spec/check.md`` §7.

Decides from the terms alone. Leaves out who may approve at all (``rules``).
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.checking.claim import Claim
from detente.accord.terms import EscalationTerms, HoldPoint, Terms
from detente.base.instant import show_duration

SECTION = "hold_points"


def check_hold_times(terms: Terms) -> Iterator[Claim]:
    """Of every hold point with a time: can an approval count, does what is escalated come before it lapses, is somebody left to answer?"""
    for hold in terms.hold_points:
        if hold.approved_for_s is not None or hold.decide_within_s is not None:
            yield _times(terms, hold)
        if hold.escalation is not None:
            yield _escalation(terms, hold, hold.escalation)


def _times(terms: Terms, hold: HoldPoint) -> Claim:
    settle_s, lasts_s, within_s = terms.mirrors.settle_s, hold.approved_for_s, hold.decide_within_s
    told = []
    if lasts_s is not None:
        told.append(f"an approval counts for {show_duration(lasts_s)}, and takes {show_duration(settle_s)} to settle")
        if lasts_s <= settle_s:
            trace = ("enough reviewers approve", "what they said settles", "it has expired by then: nobody can pass it")
            return Claim("hold-times", SECTION, "broken", f"{hold.id}: {told[0]}", trace)
        told.append("what passed is held again after that, and a run under way stops")
    if within_s is not None:
        told.append(f"what is not approved {show_duration(within_s)} after it was proposed lapses")
        if within_s == 0:
            at_once = ("anybody proposes a change", "it has lapsed: nobody can pass it")
            return Claim("hold-times", SECTION, "broken", f"{hold.id}: {told[-1]}", at_once)
    return Claim("hold-times", SECTION, "holds", f"{hold.id}: {'; '.join(told)}")


def _escalation(terms: Terms, hold: HoldPoint, rules: EscalationTerms) -> Claim:
    for author in terms.with_role("developer"):
        out = {author} if hold.need.author_excluded else set()
        if not [party for party in terms.parties if party not in out and terms.among(party, rules.to)]:
            text = f"{hold.id}: a change of {author}'s is escalated to {', '.join(rules.to)}, of whom nobody is left but its author"
            trace = (f"{author} proposes a change", "a reviewer escalates it", "nobody can pass it any more")
            return Claim("escalation-answers", SECTION, "broken", text, trace)
    due_s = rules.after_s + terms.mirrors.settle_s + rules.within_s
    text = f"{hold.id}: what nobody decided on is escalated {rules.spelled()}"
    if hold.decide_within_s is not None and due_s > hold.decide_within_s:
        lapses = f"{text}: it lapses {show_duration(hold.decide_within_s)} after it was proposed, before that"
        trace = ("anybody proposes a change", "nobody decides", "it lapses before an answer is due")
        return Claim("escalation-answers", SECTION, "broken", lapses, trace)
    return Claim("escalation-answers", SECTION, "holds", f"{text}; it adds to what is needed, and lets nobody pass")
