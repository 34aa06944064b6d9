"""What changes from one version of terms to another, said as a person would, and whether it tightens or loosens.

Decides how two readable texts differ in meaning: comments, order and spelling are nothing. Leaves out whether an
amendment is valid (``chain``), whether the new terms are sound (``soundness``), how one member is told (``member_difference``) and what hold points ask
(``hold_difference``). ``spec/terms.md`` §5.

1. *Tightens*: something that could be done without leave cannot any more, or more people must agree to let it go on.
2. *Loosens*: the reverse. What has both sides, or whose effect depends on the rest, only *changes*: a reader should look.
3. Items with an id (limits, hold points, checkpoints, triggers, indicators) are paired by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from detente.accord.hold_difference import compare_hold_points
from detente.accord.member_difference import (
    Change,
    Effect,
    condition,
    effect_of,
    is_later,
    narrower,
    number,
    optional,
    span,
    word,
    yes,
)
from detente.accord.request_difference import compare_requests
from detente.accord.screening import compare_screening
from detente.accord.span import ALWAYS, Span, show_moment
from detente.accord.terms import (
    Checkpoint,
    Duty,
    Indicator,
    Lapse,
    LiftTerms,
    Limit,
    RenewalTerms,
    RoleQuorum,
    Terms,
    Trigger,
)
from detente.base.instant import Instant, show_duration, show_instant
from detente.base.quantity import show_compute_rate, show_decimal


def compare_terms(old: Terms, new: Terms) -> tuple[Change, ...]:
    """Every difference in meaning from ``old`` to ``new``, in the order of the file's sections."""
    return tuple(
        change
        for part in (
            _header,
            _parties,
            _mirrors,
            _entry,
            _limits,
            _hold_points,
            _checkpoints,
            _indicators,
            _duties,
            _triggers,
            _pause,
            _lift,
            _permits,
            _consequences,
            _adjudication,
            _reciprocity,
            _screening,
            _leaving,
            _keys,
            _confidential,
            _authenticators,
            _sources,
        )
        for change in part(old, new)
    )


def _header(old: Terms, new: Terms) -> Iterator[Change]:
    yield from word("accord", "the name", old.accord, new.accord)
    yield from number("version", "the version", old.version, new.version)
    yield from optional(
        "review_by", "the review date", _later(old.review_by), _later(new.review_by), spelled=_day, sets=None
    )
    yield from optional("expires", "the sunset", _later(old.expires), _later(new.expires), spelled=_day, sets=False)
    yield from _renewal(old.renewal, new.renewal)


def _renewal(a: RenewalTerms | None, b: RenewalTerms | None) -> Iterator[Change]:
    """How the sunset can be put off. The longer and the easier that is, the tighter."""
    section = "renewal"
    if a is None or b is None:
        if a != b:
            text = "the accord can be renewed" if a is None else "the accord cannot be renewed any more"
            yield Change(section, text, effect_of(tighter=a is None))
        return
    yield from number(section, "the time for which a renewal lasts", a.length_s, b.length_s, spelled=show_duration, rise=True)  # fmt: skip
    yield from number(section, "the number of renewals", a.at_most, b.at_most, rise=True)
    yield from _quorum(section, "to renew the accord", a.votes, b.votes, rise=False)


def _later(at: Instant | None) -> int | None:
    return None if at is None else int(at)


def _day(at: int) -> str:
    return show_instant(Instant(at))[:10]


def _parties(old: Terms, new: Terms) -> Iterator[Change]:
    for party in sorted(old.parties.keys() - new.parties.keys()):
        roles = ", ".join(sorted(old.parties[party].roles))
        yield Change("parties", f"removes {party} ({roles})", "changes")
    for party in sorted(new.parties.keys() - old.parties.keys()):
        roles = ", ".join(sorted(new.parties[party].roles))
        yield Change("parties", f"adds {party} of {new.parties[party].country} ({roles})", "changes")
    for party in sorted(old.parties.keys() & new.parties.keys()):
        before, after = old.parties[party], new.parties[party]
        yield from word("parties", f"the country of {party}", before.country, after.country)
        for role in sorted(before.roles - after.roles):
            yield Change("parties", f"takes the role {role} from {party}", "changes")
        for role in sorted(after.roles - before.roles):
            yield Change("parties", f"gives {party} the role {role}", "changes")


def _mirrors(old: Terms, new: Terms) -> Iterator[Change]:
    a, b = old.mirrors, new.mirrors
    for party in sorted(set(a.parties) - set(b.parties)):
        yield Change("mirrors", f"removes the mirror {party}", "changes")
    for party in sorted(set(b.parties) - set(a.parties)):
        yield Change("mirrors", f"adds the mirror {party}", "changes")
    yield from word("mirrors", "self-witnessing", yes(a.self_witnessed), yes(b.self_witnessed), tight="no")
    yield from number("mirrors", "the number of mirrors that may lie or fail", a.may_fail, b.may_fail)
    yield from number("mirrors", "the cosignatures that witness an entry", a.witness, b.witness, rise=True)
    yield from number("mirrors", "the issuers a permit needs", a.issue, b.issue, rise=True)
    yield from number("mirrors", "the settling time", a.settle_s, b.settle_s, spelled=show_duration, rise=True)
    yield from number("mirrors", "the entries a log may have in a day", a.day_entries, b.day_entries)
    yield from number("mirrors", "the bytes a log may have in a day", a.day_bytes, b.day_bytes)
    if a.closes != b.closes:
        yield Change("mirrors", "closes an epoch: times below the heads it names are frozen", "changes")


def _entry(old: Terms, new: Terms) -> Iterator[Change]:
    a, b = old.entry_into_force, new.entry_into_force
    yield from condition("entry_into_force", "to enter into force", a.when, b.when, true_restricts=True)
    for when, before, after in (("before force", a.before, b.before), ("after expiry", a.after_expiry, b.after_expiry)):
        for activity in before:
            yield from word("entry_into_force", f"{activity} {when}", before[activity], after[activity], tight="refuse")


def _paired(
    section: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    differ: Callable[[str, Any, Any], Iterator[Change]],
    *,
    adding: Effect = "tightens",
    dropping: Effect = "loosens",
) -> Iterator[Change]:
    """Additions and removals, and what ``differ`` says of each pair that differs."""
    for key in sorted(old.keys() - new.keys()):
        yield Change(section, f"removes {key}", dropping)
    for key in new:
        if key not in old:
            yield Change(section, f"adds {key}{_gist(new[key])}", adding)
        elif old[key] != new[key]:
            yield from differ(key, old[key], new[key])


def _gist(item: Any) -> str:
    if isinstance(item, Duty):
        return f": {item.spelled()}"
    when, span = getattr(item, "when", None), getattr(item, "span", ALWAYS)
    return (f": when {when.spelled()}" if when is not None else "") + (f", {span.spelled()}" if span != ALWAYS else "")


def _by_id(items: tuple[Any, ...]) -> dict[str, Any]:
    return {item.id: item for item in items}


def _limits(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _paired("limits", _by_id(old.limits), _by_id(new.limits), _limit)


def _limit(key: str, a: Limit, b: Limit) -> Iterator[Change]:
    yield from condition("limits", key, a.when, b.when, true_restricts=True)
    yield from word("limits", f"unknown in {key}", a.unknown, b.unknown, tight="holds")
    yield from span("limits", key, a.span, b.span)
    if a.during != b.during:
        told = [
            f"while {during} is latched" if during is not None else "at all times" for during in (a.during, b.during)
        ]
        tighter = None if a.during is not None and b.during is not None else b.during is None
        yield Change("limits", f"{key}: applies {told[1]} instead of {told[0]}", effect_of(tighter=tighter))
    if a.refuse != b.refuse:
        text = (
            f"{key}: refuses instead of asking for approval"
            if b.refuse
            else f"{key}: can be approved instead of being refused"
        )
        yield Change("limits", text, effect_of(tighter=b.refuse))
    elif a.need is not None and b.need is not None:
        for party in sorted(set(a.need.approval_of) - set(b.need.approval_of)):
            yield Change("limits", f"{key}: no longer needs the approval of {party}", "loosens")
        for party in sorted(set(b.need.approval_of) - set(a.need.approval_of)):
            yield Change("limits", f"{key}: also needs the approval of {party}", "tightens")
        yield from word("limits", f"the declaration asked for by {key}", yes(a.need.declaration), yes(b.need.declaration), tight="yes")  # fmt: skip


def _hold_points(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _paired("hold_points", _by_id(old.hold_points), _by_id(new.hold_points), compare_hold_points)


def _checkpoints(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _paired("checkpoints", _by_id(old.checkpoints), _by_id(new.checkpoints), _checkpoint)


def _checkpoint(key: str, a: Checkpoint, b: Checkpoint) -> Iterator[Change]:
    section = "checkpoints"
    yield from condition(section, key, a.when, b.when, true_restricts=True)
    yield from span(section, key, a.span, b.span)
    yield from word(section, f"the place of {key}", a.on, b.on)
    yield from word(section, f"unknown in {key}", a.unknown, b.unknown, tight="holds")
    before, after = set(a.need.certifications), set(b.need.certifications)
    for certification in sorted(before - after):
        yield Change(section, f"{key}: no longer needs the certification {certification}", "loosens")
    for certification in sorted(after - before):
        yield Change(section, f"{key}: also needs the certification {certification}", "tightens")
    yield from number(section, f"the parties that must certify at {key}", a.need.count, b.need.count, rise=True)
    if set(a.need.by) != set(b.need.by):
        spelled = [", ".join(sorted(need.by)) for need in (a.need, b.need)]
        # Fewer who may certify are fewer who may withhold, too.
        yield Change(section, f"changes who may certify at {key} from {spelled[0]} to {spelled[1]}", "changes")


def _indicators(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _paired("indicators", old.indicators, new.indicators, _indicator, adding="changes", dropping="changes")


def _indicator(key: str, a: Indicator, b: Indicator) -> Iterator[Change]:
    section = "indicators"
    yield from word(section, f"who supplies {key}", ", ".join(a.supplied_by) or "nobody", ", ".join(b.supplied_by) or "nobody")  # fmt: skip
    yield from optional(section, f"how often {key} is due", a.every_s, b.every_s, spelled=show_duration, sets=True)
    yield from word(section, f"what {key} is about", a.about, b.about)
    yield from word(section, f"an unknown {key}", a.unknown, b.unknown, tight="holds")
    yield from word(section, f"an overdue {key}", a.overdue, b.overdue, tight="holds")
    yield from word(section, f"the unit of {key}", a.unit or "none", b.unit or "none")


def _duties(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _paired("duties", _by_id(old.duties), _by_id(new.duties), _duty)


def _duty(key: str, a: Duty, b: Duty) -> Iterator[Change]:
    section = "duties"
    if set(a.of) != set(b.of):
        spelled = [", ".join(of) for of in (a.of, b.of)]
        fewer = narrower(set(a.of), set(b.of))
        yield Change(section, f"changes who has the duty {key} from {spelled[0]} to {spelled[1]}", effect_of(tighter=None if fewer is None else not fewer))  # fmt: skip
    if a.by is None or b.by is None:
        yield from (Change(section, text, effect_of(tighter=tighter)) for text, tighter in compare_requests(key, a, b))
    elif a.by != b.by:
        later = is_later(a.by, b.by)
        text = f"moves the deadline of {key} from {show_moment(a.by)} to {show_moment(b.by)}"
        yield Change(section, text, effect_of(tighter=None if later is None else not later))
    if a.register_above is not None and b.register_above is not None:
        yield from number(section, f"the facilities that {key} lets be", a.register_above, b.register_above, spelled=show_compute_rate, rise=False)  # fmt: skip
    elif (a.register_above is None) != (b.register_above is None):
        yield Change(section, f"{key}: asks that {b.asks()}, instead of that {a.asks()}", "changes")
    elif set(a.found_by) != set(b.found_by):
        spelled = [", ".join(found_by) for found_by in (a.found_by, b.found_by)]
        fewer = narrower(set(a.found_by), set(b.found_by))
        yield Change(section, f"changes who may find that {key} is done from {spelled[0]} to {spelled[1]}", effect_of(tighter=fewer))  # fmt: skip
    yield from optional(
        section, f"how often {key} is due again", a.every_s, b.every_s, spelled=show_duration, sets=True
    )
    yield from span(section, key, Span(None, a.until), Span(None, b.until))


def _triggers(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _paired("triggers", _by_id(old.triggers), _by_id(new.triggers), _trigger)


def _trigger(key: str, a: Trigger, b: Trigger) -> Iterator[Change]:
    section = "triggers"
    yield from condition(section, key, a.when, b.when, true_restricts=True)
    yield from word(section, f"what {key} starts", a.then, b.then, tight="pause")
    yield from word(section, f"whom {key} binds", a.scope, b.scope, tight="all")
    yield from word(section, f"unknown in {key}", a.unknown, b.unknown, tight="holds")
    yield from span(section, key, a.span, b.span)
    yield from _lapse(section, key, a.lapse, b.lapse)
    yield from _on_purpose(section, key, a, b)


def _lapse(section: str, key: str, a: Lapse | None, b: Lapse | None) -> Iterator[Change]:
    """What ends by itself unless confirmed. The sooner and the harder to keep, the looser."""
    if a is None or b is None:
        if a != b:
            found = a or b
            after = "" if found is None else show_duration(found.after_s)
            text = f"what {key} starts {'now lapses after ' if a is None else 'no longer lapses after '}{after}"
            yield Change(section, text, effect_of(tighter=b is None))
        return
    what = f"what {key} starts"
    yield from number(section, f"the time after which {what} lapses", a.after_s, b.after_s, spelled=show_duration, rise=True)  # fmt: skip
    yield from number(section, f"the time for which {key} starts nothing after that", a.again_after_s, b.again_after_s, spelled=show_duration, rise=False)  # fmt: skip
    if a.unless is not None and b.unless is not None:
        yield from _quorum(section, f"to confirm {what}", a.unless, b.unless, rise=False)
    elif a.unless is not None:
        yield Change(section, f"nobody can confirm {what} any more", "loosens")
    elif b.unless is not None:
        yield Change(section, f"{b.unless.spelled()} can confirm {what}", "tightens")


def _pause(old: Terms, new: Terms) -> Iterator[Change]:
    a, b = old.pause, new.pause
    for activity in sorted(set(a.activities) - set(b.activities)):
        yield Change("pause", f"a pause no longer stops {activity}", "loosens")
    for activity in sorted(set(b.activities) - set(a.activities)):
        yield Change("pause", f"a pause also stops {activity}", "tightens")
    yield from number("pause", "the time to halt", a.halt_within_s, b.halt_within_s, spelled=show_duration, rise=False)
    yield from optional("pause", "the longest pause", a.longest_s, b.longest_s, spelled=show_duration, sets=False)
    yield from number("slowdown", "the rate of a slowdown", old.slowdown_rate, new.slowdown_rate, spelled=lambda rate: f"{show_decimal(rate * 100)} %", rise=False)  # fmt: skip


def _lift(old: Terms, new: Terms) -> Iterator[Change]:
    yield from _quorum("lift", "to lift", old.lift.votes, new.lift.votes)
    before, after = old.lift.when, new.lift.when
    if before is not None and after is not None:
        yield from condition("lift", "to lift", before, after, true_restricts=False)
    elif before is not None:
        yield Change("lift", f"lifting no longer asks for “{before.spelled()}”", "loosens")
    elif after is not None:
        yield Change("lift", f"lifting also asks for “{after.spelled()}”", "tightens")
    eligible = [_eligible(terms, terms.lift.votes) for terms in (old, new)]
    for party in sorted(eligible[0] - eligible[1]):
        yield Change("lift", f"removes {party}, one of {len(eligible[0])} who can vote to lift", "tightens")
    for party in sorted(eligible[1] - eligible[0]):
        yield Change("lift", f"lets {party} vote to lift, one of {len(eligible[1])}", "loosens")
    yield from _on_purpose("lift", "a lift", old.lift, new.lift)


def _on_purpose(section: str, what: str, a: LiftTerms | Trigger, b: LiftTerms | Trigger) -> Iterator[Change]:
    """Powers that somebody has alone by design. Saying so changes no state: what else changed is told beside it."""
    for told, before, after in (
        (f"can prevent {what} on purpose", a.veto_on_purpose, b.veto_on_purpose),
        (f"can bring about {what} alone on purpose", a.alone_on_purpose, b.alone_on_purpose),
    ):
        for party in sorted(set(before) - set(after)):
            yield Change(section, f"no longer says that {party} {told}", "changes")
        for party in sorted(set(after) - set(before)):
            yield Change(section, f"says that {party} {told}", "changes")


def _eligible(terms: Terms, quorum: RoleQuorum) -> set[str]:
    return {
        party for party, about in terms.parties.items() if "any" in quorum.groups or about.roles & quorum.groups.keys()
    }


def _quorum(section: str, what: str, a: RoleQuorum, b: RoleQuorum, *, rise: bool = True) -> Iterator[Change]:
    for role in dict.fromkeys([*a.groups, *b.groups]):
        yield from number(
            section, f"the votes of {role} {what}", a.groups.get(role, 0), b.groups.get(role, 0), rise=rise
        )


def _permits(old: Terms, new: Terms) -> Iterator[Change]:
    for when, before, after in (
        ("calm", old.permits.calm_s, new.permits.calm_s),
        ("alert", old.permits.alert_s, new.permits.alert_s),
    ):
        yield from number(
            "permits", f"the life of a permit in {when}", before, after, spelled=show_duration, rise=False
        )


def _consequences(old: Terms, new: Terms) -> Iterator[Change]:
    spelled = {c: c.act if c.party is None else f"{c.party} {c.act}" for c in (*old.consequences, *new.consequences)}
    for each in old.consequences:
        if each not in new.consequences:
            yield Change("consequences", f"a breach no longer leads to {spelled[each]}", "loosens")
    for each in new.consequences:
        if each not in old.consequences:
            yield Change("consequences", f"a breach also leads to {spelled[each]}", "tightens")


def _adjudication(old: Terms, new: Terms) -> Iterator[Change]:
    a, b = old.adjudication, new.adjudication
    if a is None or b is None:
        if a != b:
            yield Change("adjudication", "adds adjudication" if a is None else "removes adjudication", "changes")
        return
    yield from number("adjudication", "the time to challenge a finding", a.challenge_within_s, b.challenge_within_s, spelled=show_duration)  # fmt: skip
    yield from number("adjudication", "the time to rule", a.rule_within_s, b.rule_within_s, spelled=show_duration)
    yield from _quorum("adjudication", "to rule", a.votes, b.votes)
    yield from word("adjudication", "what becomes of a finding on which nobody rules", a.unruled, b.unruled, tight="stands")  # fmt: skip
    yield from number("adjudication", "the time to appeal", a.appeal_within_s, b.appeal_within_s, spelled=show_duration, rise=True)  # fmt: skip


def _reciprocity(old: Terms, new: Terms) -> Iterator[Change]:
    a, b, section = old.reciprocity, new.reciprocity, "reciprocity"
    if a is None or b is None:
        if a != b:
            text = (
                "an uncured breach releases the others" if a is None else "an uncured breach releases nobody any more"
            )
            yield Change(section, text, effect_of(tighter=b is None))
        return
    yield from number(section, "the time after which an uncured breach releases the others", a.uncured_s, b.uncured_s, spelled=show_duration, rise=True)  # fmt: skip
    if set(a.of) != set(b.of):
        spelled = [", ".join(of) for of in (a.of, b.of)]
        text = f"changes whose breach releases the others from {spelled[0]} to {spelled[1]}"
        yield Change(section, text, effect_of(tighter=narrower(set(a.of), set(b.of))))


def _screening(old: Terms, new: Terms) -> Iterator[Change]:
    for text, tighter in compare_screening(old.screening, new.screening):
        yield Change("screening", text, effect_of(tighter=tighter))


def _leaving(old: Terms, new: Terms) -> Iterator[Change]:
    a, b = old.withdrawal_notice_s, new.withdrawal_notice_s
    if a != b and (a is None or b is None):
        text = "lets parties withdraw with notice of " + show_duration(b) if b is not None else "lets nobody withdraw before the sunset"  # fmt: skip
        yield Change("withdrawal", text, effect_of(tighter=b is None))
    elif a is not None and b is not None:
        yield from number("withdrawal", "the notice of a withdrawal", a, b, spelled=show_duration, rise=True)
    yield from _quorum("amendment", "to amend", old.amendment, new.amendment)


def _keys(old: Terms, new: Terms) -> Iterator[Change]:
    for party in sorted(old.keys.keys() & new.keys.keys()):
        before, after = old.keys[party], new.keys[party]
        uses = [f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name)]
        if uses:
            yield Change("keys", f"changes the {', '.join(uses)} keys of {party}", "changes")


def _confidential(old: Terms, new: Terms) -> Iterator[Change]:
    """Who reads what changes no leave; that a plan must be committed to means that it can no longer be declared openly."""
    a, b = old.confidential, new.confidential
    for name in sorted(a.keys() | b.keys()):
        before, after = a.get(name, "public"), b.get(name, "public")
        yield from word("confidential", f"who learns {name}", before, after, tight="committed" if "committed" in {before, after} else None)  # fmt: skip


def _authenticators(old: Terms, new: Terms) -> Iterator[Change]:
    """Whoever is believed less lets fewer approve, where a hold point asks for it."""
    for name, what in (("attestation_roots", "makers' root"), ("test_devices", "test devices of the model")):
        before, after = set(getattr(old.authenticators, name)), set(getattr(new.authenticators, name))
        yield from (
            Change("authenticators", f"no longer takes the {what} {each}", "tightens")
            for each in sorted(before - after)
        )
        yield from (
            Change("authenticators", f"also takes the {what} {each}", "loosens") for each in sorted(after - before)
        )


def _sources(old: Terms, new: Terms) -> Iterator[Change]:
    """What is said about where a clause comes from: no decision reads it."""
    a, b = old.sources, new.sources
    for clause in sorted(a.clauses.keys() - b.clauses.keys()):
        yield Change("sources", f"no longer says where {clause} comes from", "changes")
    for clause in sorted(b.clauses.keys() - a.clauses.keys()):
        yield Change("sources", f"says where {clause} comes from", "changes")
    for clause in sorted(a.clauses.keys() & b.clauses.keys()):
        if a.clauses[clause] != b.clauses[clause]:
            yield Change("sources", f"says otherwise where {clause} comes from", "changes")
    before = {(each.of, each.clause): each for each in a.not_expressed}
    after = {(each.of, each.clause): each for each in b.not_expressed}
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            yield Change("sources", f"no longer says that {key[1]} of {key[0]} is not expressed", "changes")
        elif key not in before:
            yield Change("sources", f"says that {key[1]} of {key[0]} is not expressed", "changes")
        elif before[key] != after[key]:
            yield Change("sources", f"says otherwise why {key[1]} of {key[0]} is not expressed", "changes")
