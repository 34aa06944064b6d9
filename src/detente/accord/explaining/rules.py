"""What terms hold in readiness: for each clause whom it concerns, what sets it off, what it does and what ends it, in words.

Decides the words, from the terms alone. Leaves out what is so (``binding``). Normative text: ``spec/accord.md`` §10.1.

- A rule either *binds*, or gives a *power* (a vote, an approval, a ruling), or lays a *duty* on somebody (a report that is owed,
  a refusal after a ruling).
- Asked for a party, only the rules are told that concern it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from detente.accord.explaining.aloud import (
    certified,
    hold_asks,
    joined,
    may_be_unknown,
    need,
    plural,
    quorum,
    role,
    say,
)
from detente.accord.explaining.constraint import Subject
from detente.accord.span import ALWAYS, Span, show_moment
from detente.accord.terms import INSPECTORS, Checkpoint, Indicator, Limit, RoleQuorum, Terms, Trigger
from detente.accord.voters import list_callers, list_confirmers, list_lifters
from detente.base.identity import Party
from detente.base.instant import show_duration, show_instant
from detente.base.quantity import show_decimal

Sort = Literal["binds", "power", "duty"]
_ACTS = {"refuse_compute": "refuses compute to", "refuse_deployment": "refuses deployment to", "publish": "publishes"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One clause. ``who`` None is everybody who is bound; ``ends`` are the ways in which what it does ends."""

    sort: Sort
    section: str
    id: str
    who: tuple[Party, ...] | None
    starts: str
    does: str
    ends: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "sort": self.sort,
            "section": self.section,
            "id": self.id,
            "who": None if self.who is None else list(self.who),
            "starts": self.starts,
            "does": self.does,
            "ends": list(self.ends),
        }


def rules(terms: Terms, subject: Subject | None = None) -> tuple[Rule, ...]:
    """Every rule of the terms, or those that concern a party or a trigger."""
    every = tuple(_every(terms))
    if subject is None or subject.kind == "accord":
        return every
    if subject.kind == "party":
        return tuple(rule for rule in every if rule.who is None or subject.id in rule.who)
    return tuple(rule for rule in every if subject.kind == "trigger" and rule.id == subject.id)


def _every(terms: Terms) -> Iterator[Rule]:
    yield _entry(terms)
    for limit in terms.limits:
        yield _limit(terms, limit)
    for hold in terms.hold_points:
        what = "trained further" if hold.on == "version.train" else "deployed"
        unknown = (
            " (or may be so: what is not declared holds)"
            if hold.unknown == "holds" and may_be_unknown(hold.when)
            else ""
        )
        ends = (f"it is approved by {hold_asks(hold)}", _amended(terms))
        yield Rule("binds", "hold_points", hold.id, None, f"{_spanned(hold.span)}{say(hold.when)}{unknown}",
                   f"the change may not be {what} before it is approved", ends)  # fmt: skip
    for checkpoint in terms.checkpoints:
        yield _checkpoint(terms, checkpoint)
    for trigger in terms.triggers:
        yield _trigger(terms, trigger)
    yield _leaving(terms)
    yield from _powers(terms)
    yield from _duties(terms)


def _entry(terms: Terms) -> Rule:
    force = terms.entry_into_force
    before = joined(f"{name.replace('_', '-')} is {'refused' if policy == 'refuse' else 'free'}"
                    for name, policy in force.before.items())  # fmt: skip
    renewed = "" if terms.renewal is None else f", unless {quorum(terms.renewal.votes)} renew it"
    ends = [] if terms.expires is None else [f"it expires at {show_instant(terms.expires)}{renewed}"]
    does = "the accord is in force for everybody who has acceded" + (f"; before that {before}" if before else "")
    return Rule("binds", "entry_into_force", "entry_into_force", None, say(force.when), does, (*ends, _amended(terms)))


def _limit(terms: Terms, limit: Limit) -> Rule:
    unknown = ", or that is not known" if limit.unknown == "holds" and may_be_unknown(limit.when) else ""
    during = "" if limit.during is None else f"while `{limit.during}` is on, "
    starts = f"{during}{_spanned(limit.span)}{say(limit.when)}{unknown}"
    if limit.refuse or limit.need is None:
        return Rule("binds", "limits", limit.id, None, starts, "the run is refused", (_amended(terms),))
    return Rule("binds", "limits", limit.id, None, starts, f"the run waits for {need(limit.need)}",
                (f"{need(limit.need)} is there and has settled", _amended(terms)))  # fmt: skip


def _checkpoint(terms: Terms, checkpoint: Checkpoint) -> Rule:
    unknown = ", or that is not known" if checkpoint.unknown == "holds" and may_be_unknown(checkpoint.when) else ""
    what = {"run.start": "the run", "version.train": "training", "version.deploy": "deployment"}[checkpoint.on]
    asked = certified(checkpoint.need)
    starts = f"{_spanned(checkpoint.span)}{say(checkpoint.when)}{unknown}"
    return Rule("binds", "checkpoints", checkpoint.id, None, starts, f"{what} waits for {asked}",
                (f"there is {asked}, once it has settled", _amended(terms)))  # fmt: skip


def _spanned(span: Span) -> str:
    """The time of a rule, before its condition; empty where it always applies."""
    return "" if span == ALWAYS else f"{span.spelled()}, if "


def _trigger(terms: Terms, trigger: Trigger) -> Rule:
    unknown = ", or that is not known" if trigger.unknown == "holds" and may_be_unknown(trigger.when) else ""
    activities = joined(name.replace("_", "-") for name in terms.pause.activities)
    whose = "everybody who is bound" if trigger.scope == "all" else "the party concerned"
    if trigger.then == "pause":
        does = f"{activities} of {whose} {'stop' if len(terms.pause.activities) > 1 else 'stops'}, with a checkpoint, within {show_duration(terms.pause.halt_within_s)}"
    elif trigger.then == "limits":
        named = joined(limit.id for limit in terms.limits if limit.during == trigger.id)
        does = f"for {whose} these limits come into effect: {named}"
    else:
        does = f"{activities} of {whose} {'go' if len(terms.pause.activities) > 1 else 'goes'} on at {show_decimal(terms.slowdown_rate * 100)} % at most"
    alone = sum(terms.lift.votes.groups.values()) == 1
    lift = f"{quorum(terms.lift.votes)} {'votes' if alone else 'vote'} to lift it"
    if terms.lift.when is not None:
        lift += f" and {say(terms.lift.when)}"
    settle_s = terms.mirrors.settle_s
    ends = [f"{lift}, once that has settled for {show_duration(settle_s)}" if settle_s else lift]
    if trigger.lapse is not None:
        after = show_duration(trigger.lapse.after_s)
        unless = "" if trigger.lapse.unless is None else f", unless {quorum(trigger.lapse.unless)} confirm it"
        ends.append(f"it lapses {after} after it began{unless}")
    if terms.pause.longest_s is not None:
        ends.append(
            f"it lapses {show_duration(terms.pause.longest_s)} after the last evidence for it, unless those who lift renew it"
        )
    return Rule(
        "binds",
        "triggers",
        trigger.id,
        None,
        f"{_spanned(trigger.span)}{say(trigger.when)}{unknown}",
        does,
        (*ends, _amended(terms)),
    )


def _leaving(terms: Terms) -> Rule:
    if terms.withdrawal_notice_s is None:
        return Rule(
            "binds", "withdrawal", "withdrawal", None, "a party would leave", "it stays: no withdrawal is provided for"
        )
    notice = show_duration(max(terms.withdrawal_notice_s, terms.mirrors.settle_s))
    return Rule("binds", "withdrawal", "withdrawal", None, "a party withdraws",
                f"it is bound for {notice} more, and by every pause that began before that until it ends")  # fmt: skip


def _powers(terms: Terms) -> Iterator[Rule]:
    for trigger in terms.triggers:
        callers = list_callers(terms, trigger.id)
        if callers:
            yield Rule("power", "triggers", trigger.id, callers, "at any time", f"votes to pause by `{trigger.id}`")
        confirmers = list_confirmers(terms, trigger.id)
        if confirmers:
            yield Rule(
                "power", "triggers", trigger.id, confirmers, "before it lapses", "votes to renew, which confirms it"
            )
    lifters = list_lifters(terms)
    if lifters and terms.triggers:
        yield Rule("power", "lift", "lift", lifters, "while something is paused or slowed",
                   f"votes to lift it ({quorum(terms.lift.votes)} are needed)")  # fmt: skip
    for limit in terms.limits:
        if limit.need is not None and limit.need.approval_of:
            yield Rule(
                "power", "limits", limit.id, limit.need.approval_of, "a run waits for it", "approves or refuses the run"
            )
    for hold in terms.hold_points:
        by = tuple(party for party in terms.parties if not hold.need.by or terms.among(party, hold.need.by))
        yield Rule(
            "power", "hold_points", hold.id, by, "a change waits there", "its reviewers approve or refuse the change"
        )
        if hold.escalation is not None:
            yield Rule("power", "hold_points", hold.id, by, "a change waits there", f"its reviewers escalate it to {joined((role(name, 2) for name in hold.escalation.to), 'or')}, one of whom must then approve it too")  # fmt: skip
    if terms.screening is not None:
        seeds = tuple(party for party in terms.parties if terms.among(party, terms.screening.by))
        yield Rule("power", "screening", "screening", seeds, "before it is proposed", "chooses known-bad changes, which nothing permits once it has revealed them")  # fmt: skip
    for checkpoint in terms.checkpoints:
        by = tuple(party for party in terms.parties if terms.among(party, checkpoint.need.by))
        yield Rule(
            "power", "checkpoints", checkpoint.id, by, "something waits there", "certifies it, or withholds that"
        )
    for duty in terms.duties:
        if duty.on_request is not None:
            by = tuple(party for party in terms.parties if terms.among(party, duty.on_request.by))
            most = "" if duty.on_request.most is None else f", of each at most {duty.on_request.most.spelled()}"
            yield Rule(
                "power", "duties", duty.id, by, "at any time", f"asks others among {joined(duty.of)} for it{most}"
            )
    inspectors = tuple(party for party in terms.parties if terms.among(party, INSPECTORS))
    if inspectors:
        yield Rule("power", "adjudication", "findings", inspectors, "at any time", "files findings about others")
    if terms.adjudication is not None:
        limit_s = show_duration(terms.adjudication.challenge_within_s)
        yield Rule("power", "adjudication", "rulings", terms.with_role("adjudicator"), "a finding of another about another is open",
                   f"rules on it ({quorum(terms.adjudication.votes)} are needed; the accused has {limit_s} to challenge it)")  # fmt: skip
    signers = _holders(terms, terms.amendment)
    yield Rule("power", "amendment", "amendment", signers, "at any time",
               f"signs an amendment ({quorum(terms.amendment)} are needed)")  # fmt: skip


def _duties(terms: Terms) -> Iterator[Rule]:
    for indicator in terms.indicators.values():
        if indicator.supplied_by:
            yield _report(terms, indicator)
    for duty in terms.duties:
        by = tuple(party for party in terms.parties if terms.among(party, duty.of))
        every = "" if duty.every_s is None else f", and every {show_duration(duty.every_s)} after that"
        ends = () if duty.until is None else (show_moment(duty.until),)
        yield Rule("duty", "duties", duty.id, by, f"{duty.due()}{every}", f"sees to it that {duty.asks()}", ends)
    for hold in terms.hold_points:
        if hold.escalation is not None:
            by = tuple(party for party in terms.parties if terms.among(party, hold.escalation.to))
            when = f"a change was escalated to it, because nobody decided for {show_duration(hold.escalation.after_s)} or a reviewer asked"
            yield Rule("duty", "hold_points", hold.id, by, when, f"has its reviewers decide on it within {show_duration(hold.escalation.within_s)}")  # fmt: skip
    for consequence in terms.consequences:
        who = tuple(terms.parties) if consequence.party is None else (consequence.party,)
        whom = "the ruling" if consequence.act == "publish" else "the party in breach"
        yield Rule("duty", "consequences", consequence.act, who, "a ruling of breach stands and the time to challenge is over",
                   f"{_ACTS[consequence.act]} {whom}", ("the adjudicators rule otherwise, or the finding is refuted",))  # fmt: skip
    if not terms.mirrors.self_witnessed:
        m = terms.mirrors
        yield Rule("duty", "mirrors", "mirrors", m.parties, "a log grows",
                   f"stores and cosigns it ({plural(m.witness, 'mirror')} of {len(m.parties)} make a statement witnessed, {m.issue} issue a permit)")  # fmt: skip


def _report(terms: Terms, indicator: Indicator) -> Rule:
    who = tuple(party for party in terms.parties if terms.among(party, indicator.supplied_by))
    every = "when it can" if indicator.every_s is None else f"every {show_duration(indicator.every_s)}"
    whose = "of each bound developer" if indicator.about == "party" else ""
    silence = (
        "silence means nothing"
        if indicator.overdue == "silent" or indicator.every_s is None
        else "what is overdue holds"
    )
    return Rule(
        "duty", "indicators", indicator.name, who, every, f"reports {indicator.name} {whose}".rstrip() + f"; {silence}"
    )


def _amended(terms: Terms) -> str:
    return f"{quorum(terms.amendment)} amend the terms"


def _holders(terms: Terms, votes: RoleQuorum) -> tuple[Party, ...]:
    groups = votes.groups
    return tuple(p for p, about in terms.parties.items() if "any" in groups or not about.roles.isdisjoint(groups))
