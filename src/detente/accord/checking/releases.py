"""What the mere passing of time, or silence, releases: to be read before signing, since nobody decides it then.

``spec/check.md`` §4. Nothing here is a fault; each is listed so that it was wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.checking.claim import Claim
from detente.accord.conditions import Votes, atoms
from detente.accord.quorum import missing
from detente.accord.schedule import spanned_rules
from detente.accord.span import AfterEntry
from detente.accord.terms import Terms
from detente.base.instant import show_duration, show_instant


def list_releases(terms: Terms) -> Iterator[Claim]:
    """Every way in which these terms let go by themselves."""
    for section, text in (*_texts(terms), *_ends(terms), *_falls(terms)):
        yield Claim("released-by-time", section, "listed", text)


def list_beginnings(terms: Terms) -> Iterator[Claim]:
    """What does not apply from the first day on; a rule that begins after the sunset never does."""
    for section, rule, span in spanned_rules(terms):
        begins = span.begins
        if begins is None:
            continue
        if not isinstance(begins, AfterEntry) and terms.expires is not None and begins >= terms.expires:
            yield Claim("dead-rule", section, "broken", f"{rule} begins at or after the sunset: {span.spelled()}")
        else:
            yield Claim("begins-later", section, "listed", f"{rule} does not apply before that: {span.spelled()}")


def _texts(terms: Terms) -> Iterator[tuple[str, str]]:
    force = terms.entry_into_force
    if terms.expires is not None:
        free = ", ".join(sorted(name for name, policy in force.after_expiry.items() if policy == "free")) or "nothing"
        yield (
            "expires",
            f"at the sunset, {show_instant(terms.expires)}, every pause ends; then free: {free}{_unless_renewed(terms)}",
        )
    if terms.pause.longest_s is not None:
        yield (
            "pause",
            f"a pause lapses {show_duration(terms.pause.longest_s)} after its last evidence unless the lifters renew it",
        )
    if terms.withdrawal_notice_s is not None:
        yield (
            "withdrawal",
            f"a party is free {show_duration(terms.withdrawal_notice_s)} after it withdrew, except from a pause before that",
        )
    free = ", ".join(sorted(name for name, policy in force.before.items() if policy == "free"))
    if free:
        yield "entry_into_force", f"until “{force.when.spelled()}” nothing is in force; free: {free}"
    for indicator in terms.indicators.values():
        for what, policy in (("unknown", indicator.unknown), ("overdue", indicator.overdue)):
            if policy == "silent" and indicator.supplied_by:
                yield "indicators", f"{indicator.name}: a value that is {what} starts nothing"
    for trigger in terms.triggers:
        if trigger.unknown == "silent":
            yield "triggers", f"{trigger.id}: a condition that is not known starts nothing"
        if any(isinstance(atom, Votes) for atom in atoms(trigger.when)):
            yield (
                "triggers",
                f"{trigger.id}: a vote counts until the expiry that it names; a pause that has begun outlasts it",
            )
    gates = (
        ("limits", terms.limits, "a run about which it is not known"),
        ("hold_points", terms.hold_points, "a change about which it is not known"),
        ("checkpoints", terms.checkpoints, "whoever is not known to have the capability"),
    )
    for section, rules, who in gates:
        yield from ((section, f"{rule.id}: {who} is let pass") for rule in rules if rule.unknown == "silent")


def list_reciprocity(terms: Terms) -> Iterator[Claim]:
    """What the breach of one lets the others do; and that no one party can bring that about by itself."""
    rules, judged = terms.reciprocity, terms.adjudication
    if rules is None or judged is None:
        return
    who, after = ", ".join(rules.of), show_duration(rules.uncured_s)
    text = f"a breach by {who} that is not cured for {after} releases all others from pauses and slowdowns of all"
    yield Claim("released-by-time", "reciprocity", "listed", text)
    alone = [party for party in terms.parties if not missing(judged.votes, (party,), terms.parties)]
    for party in alone:
        trace = (f"{party} rules that another breached", f"{after} go by")
        yield Claim(
            "releases-others", "reciprocity", "broken", f"{party} alone can release the others, by a ruling", trace
        )
    if not alone:
        yield Claim("releases-others", "reciprocity", "holds", f"no single party can release the others by a ruling: {judged.votes.spelled()}")  # fmt: skip


def _unless_renewed(terms: Terms) -> str:
    if terms.renewal is None:
        return ""
    times = f"{terms.renewal.at_most} time{'s' if terms.renewal.at_most > 1 else ''}"
    return f"; unless {terms.renewal.votes.spelled()} renew it, for {show_duration(terms.renewal.length_s)}, at most {times}"


def _falls(terms: Terms) -> Iterator[tuple[str, str]]:
    rules = terms.adjudication
    if rules is not None and rules.unruled == "falls":
        after = show_duration(rules.challenge_within_s + rules.rule_within_s)
        yield (
            "adjudication",
            f"a finding on which adjudicators have not ruled {after} after it falls: {rules.votes.spelled()} need only be silent",
        )


def _ends(terms: Terms) -> Iterator[tuple[str, str]]:
    for trigger in terms.triggers:
        lapse = trigger.lapse
        if lapse is None:
            continue
        unless = "; nobody can keep it" if lapse.unless is None else f" unless {lapse.unless.spelled()} confirm it"
        again = f", and {trigger.id} starts nothing for {show_duration(lapse.again_after_s)} then" if lapse.again_after_s else ", and can be started again at once"  # fmt: skip
        yield "triggers", f"{trigger.id}: lapses {show_duration(lapse.after_s)} after it began{unless}{again}"
    for section, rule, span in spanned_rules(terms):
        if span.ends is not None:
            keeps = "; a pause that it began goes on" if section == "triggers" else ""
            yield section, f"{rule} ends by itself: {span.spelled()}{keeps}"
