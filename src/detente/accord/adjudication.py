"""Findings, challenges and rulings: what is open, what is breach, and from when a breach has consequences.

Decides how one confirmed finding stands at an instant. Leaves what a consequence stops to ``status`` and to whoever
obeys it. Normative text: ``spec/accord.md`` §8.

- A confirmed finding is open until a quorum of adjudicators rules on it, or its author refutes it.
- Each adjudicator's latest ruling counts; one of breach at its time, any other once settled. A ruling stands until
  a quorum rules otherwise.
- What a ruling permits (that it was no breach, or is cured) waits for ``appeal_within``. A timely appeal, a further challenge by the
  accused or by the finding's author, voids it until a second ruling, which waits no more; a ruling of breach stands meanwhile.
- Where the terms let a finding fall, it does when nobody ruled in time; rulings that come later have no effect.
- A breach has consequences when the time to challenge is over; after a timely challenge by the accused only rulings
  made after the challenge count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from detente.accord.fold import AccordState
from detente.accord.quorum import missing
from detente.accord.records import BOUND, Item, claimed_duty, requested_duty
from detente.accord.standing import CaseState
from detente.accord.terms import INSPECTORS, Terms
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.quantity import parse_decimal
from detente.statement.finding import Finding
from detente.statement.ruling import Ruling, RulingOutcome


@dataclass(frozen=True, slots=True)
class Case:
    """One confirmed finding at an instant; ``sanctioned_at`` is when its breach began to have consequences.

    ``challenged_at`` is the time of the accused's challenge that counts: only rulings from then on do.
    """

    finding: Item
    about: Party
    claim: str
    state: CaseState
    since: int
    challenged: bool
    ruled_at: int | None
    sanctioned_at: int | None
    cited: tuple[Digest, ...]
    challenged_at: int | None = None


def claimed_bound(claim: str) -> Decimal | None:
    """The bound of a claim ``below 1e25 FLOP``, by which an inspector satisfies a limit over a committed value.

    >>> claimed_bound("below 1e25 FLOP"), claimed_bound("hidden cluster")
    (Decimal('1E+25'), None)
    """
    match = BOUND.match(claim)
    if match is None:
        return None
    try:
        return parse_decimal(match[1])
    except Refused:
        return None


def opens_case(body: object) -> bool:
    """Does the finding open an issue? One that confirms a halt, a bound or a duty done is good news, one that asks finds nothing."""
    return (
        isinstance(body, Finding)
        and body.result == "confirmed"
        and body.confirms is None
        and BOUND.match(body.claim) is None
        and claimed_duty(body.claim) is None
        and requested_duty(body) is None
    )


def cases_at(state: AccordState, terms: Terms, at: int, *, heard: bool) -> Iterator[Case]:
    """Every confirmed finding up to ``at`` and how it stands; by whom the terms of its time let inspect."""
    for item, time in state.upto(("finding",), at, heard=heard):
        if opens_case(item.body) and state.terms_at(time).among(item.party, INSPECTORS):
            yield _case(state, terms, item, time, at, heard=heard)


def _case(state: AccordState, terms: Terms, item: Item, time: int, at: int, *, heard: bool) -> Case:
    """How one finding stands.

    1. Refuted by its author later, once settled.
    2. A timely challenge by the accused, once settled.
    3. Where the terms let it fall, it has if no quorum ruled in time.
    4. The ruling that stands, if a quorum agreed on one that takes effect.
    """
    body = item.body
    if not isinstance(body, Finding):
        raise TypeError(item.kind)
    settle_s = terms.mirrors.settle_s
    rules = terms.adjudication

    def case(
        outcome: CaseState,
        *cited: Digest,
        ruled_at: int | None = None,
        sanctioned_at: int | None = None,
    ) -> Case:
        when = None if challenge is None else challenge[1]
        return Case(
            item, body.about, body.claim, outcome, time, when is not None, ruled_at, sanctioned_at, (item.id, *cited), when
        )  # fmt: skip

    challenge = None
    if rules is not None:  # 2
        challenge = next(
            (
                (challenger, when)
                for challenger, when in state.upto(("challenge", item.id), at)
                if challenger.party == body.about and when <= time + rules.challenge_within_s and when + settle_s <= at
            ),
            None,
        )
    for other, when in state.upto(("finding",), at):  # 1
        # A finding that nobody has witnessed yet may be newer than the refutation: it stays open.
        if refutes(other, item) and when + settle_s <= at and item.time is not None and other.order > item.order:
            return case("refuted", other.id)
    if rules is None:
        return case("open")
    after = None if challenge is None else challenge[1]
    first = _decided_first(state, terms, item, at, after=after)
    falls = time + rules.challenge_within_s + rules.rule_within_s
    if rules.unruled == "falls" and item.time == time and falls <= at and (first is None or first > falls):  # 3
        return case("fallen", ruled_at=falls)
    ruled = _ruled(state, terms, item, at, heard=heard, after=after, appeal=_appeal(state, terms, item, first, at))  # 4
    if ruled is None:
        return case("open")
    outcome, met, cited = ruled
    if outcome != "breach":
        return case(outcome, *cited, ruled_at=met)
    effective = met if challenge is not None else max(met, time + rules.challenge_within_s)
    return case("breach", *cited, ruled_at=met, sanctioned_at=effective if effective <= at else None)


def _ruled(
    state: AccordState, terms: Terms, item: Item, at: int, *, heard: bool, after: int | None, appeal: int | None
) -> tuple[RulingOutcome, int, tuple[Digest, ...]] | None:
    """The ruling that stands, since when, and the statements it consists of; None before a quorum agreed.

    Each adjudicator's latest word counts, and a ruling stands until a quorum rules otherwise: one who changes their mind
    overturns nothing alone.
    """
    latest: dict[Party, tuple[Ruling, Digest]] = {}
    standing: tuple[RulingOutcome, int, tuple[Digest, ...]] | None = None
    for counts, ruling, given in _words(state, terms, item.id, at, heard=heard, after=after, appeal=appeal):
        latest[ruling.party] = (given, ruling.id)
        agreeing = {p: cited for p, (said, cited) in latest.items() if said.outcome == given.outcome}
        agreed = terms.adjudication is not None and not missing(terms.adjudication.votes, agreeing, terms.parties)
        if agreed and (standing is None or standing[0] != given.outcome):
            standing = (given.outcome, counts, tuple(sorted(agreeing.values())))
    return standing


def _words(
    state: AccordState,
    terms: Terms,
    finding: Digest,
    at: int,
    *,
    heard: bool,
    after: int | None,
    appeal: int | None,
) -> list[tuple[int, Item, Ruling]]:
    """The rulings on a finding that count by ``at``, in the order in which they count."""
    words: list[tuple[int, Item, Ruling]] = []
    for ruling, when in state.upto(("ruling", finding), at, heard=heard):
        given = ruling.body
        if isinstance(given, Ruling) and (after is None or when >= after):
            counts = when
            if given.outcome != "breach":
                if appeal is not None and when < appeal:
                    continue
                window_s = (
                    terms.adjudication.appeal_within_s if terms.adjudication is not None and appeal is None else 0
                )
                counts = when + terms.mirrors.settle_s + window_s
            if counts <= at:
                words.append((counts, ruling, given))
    return sorted(words, key=lambda word: (word[0], word[2].outcome == "breach", word[1].order))


def latest_words(state: AccordState, terms: Terms, case: Case, at: int) -> dict[Party, str]:
    """Each adjudicator's latest word on a case that counts at ``at``."""
    first = _decided_first(state, terms, case.finding, at, after=case.challenged_at)
    appeal = _appeal(state, terms, case.finding, first, at)
    words = _words(state, terms, case.finding.id, at, heard=True, after=case.challenged_at, appeal=appeal)
    return {ruling.party: given.outcome for _, ruling, given in words}


def _decided_first(state: AccordState, terms: Terms, item: Item, at: int, *, after: int | None) -> int | None:
    """When a quorum first agreed on anything, by the times at which its words were witnessed."""
    latest: dict[Party, RulingOutcome] = {}
    for ruling, when in state.upto(("ruling", item.id), at):
        given = ruling.body
        if isinstance(given, Ruling) and (after is None or when >= after):
            latest[ruling.party] = given.outcome
            agreeing = [party for party, outcome in latest.items() if outcome == given.outcome]
            if terms.adjudication is not None and not missing(terms.adjudication.votes, agreeing, terms.parties):
                return when
    return None


def _appeal(state: AccordState, terms: Terms, item: Item, first: int | None, at: int) -> int | None:
    """The time of a settled appeal of either side against the first ruling, within the time for one."""
    rules, body = terms.adjudication, item.body
    if rules is None or first is None or not isinstance(body, Finding):
        return None
    return next(
        (
            when
            for appeal, when in state.upto(("challenge", item.id), at)
            if appeal.party in {body.about, item.party}
            and first <= when <= first + rules.appeal_within_s
            and rules.appeal_within_s
            and when + terms.mirrors.settle_s <= at
        ),
        None,
    )


def refutes(other: Item, item: Item) -> bool:
    """Does the other finding take this one back: its author's, on the same claim?"""
    a, b = other.body, item.body
    return (
        isinstance(a, Finding)
        and isinstance(b, Finding)
        and a.result == "refuted"
        and other.party == item.party
        and (a.about, a.claim, a.run, a.audit) == (b.about, b.claim, b.run, b.audit)
    )
