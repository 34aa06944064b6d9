"""What a statement concerns, and when it may change something: the index of the fold.

Decides under which topics a statement is found, and at which instants the triggers that read a topic must look again.
Leaves what they then see to ``view``. An instant too many costs a look; one too few would miss a latch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from detente.accord.records import Item, claimed_duty, requested_duty
from detente.accord.terms import HoldPoint, Terms
from detente.base.identity import Party, PublicKey
from detente.statement.approval import Approval
from detente.statement.assertion import counter_of
from detente.statement.audit import Audit
from detente.statement.challenge import Challenge
from detente.statement.facility import Facility
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.measurement import Measurement
from detente.statement.resumed import Resumed
from detente.statement.ruling import Ruling
from detente.statement.screening import Screening
from detente.statement.vote import Vote

Topic: TypeAlias = tuple[str, ...]

FINDING: Topic = ("finding",)
LINEAGE: Topic = ("lineage",)
MEMBER: Topic = ("member",)
COMMITS: Topic = ("screening", "commits")
"""Commitments to seeded changes."""
SEEDS: Topic = ("screening", "reveals")
"""Reveals of seeded changes."""


def vote_topic(trigger: str, scope: str) -> Topic:
    """Votes on one trigger and scope."""
    return ("vote", trigger, scope)


def ballot_topic(trigger: str, scope: str, number: int, choice: str) -> Topic:
    """Votes of one choice in one round of a trigger and scope."""
    return ("vote", trigger, scope, str(number), choice)


def measure_topic(indicator: str, subject: str = "") -> Topic:
    """Measurements of one indicator, about one party or about anything."""
    return ("measure", indicator, subject)


def measured_topic(indicator: str, subject: str, author: str) -> Topic:
    """Measurements of one indicator by one author about one party, or with an empty subject about anything."""
    return ("measure", indicator, subject, author)


def facility_topic(party: str) -> Topic:
    """What one party registers."""
    return ("facility", party)


def seed_topic(change: str) -> Topic:
    """Reveals that one change was seeded."""
    return ("screening", "reveals", change)


def fulfilment_topic(party: str, duty: str) -> Topic:
    """Findings that one party did, or did not do, what a duty asks."""
    return ("fulfils", party, duty)


def request_topic(party: str, duty: str) -> Topic:
    """Requests that one party do what it must do when asked."""
    return ("asks", party, duty)


def asserted_topic(key: PublicKey) -> Topic:
    """Approvals by one authenticator that counts its signatures."""
    return ("asserted", key.hex())


def topics_of(item: Item) -> tuple[Topic, ...]:
    """Under which topics the statement is found."""
    body = item.body
    if isinstance(body, Vote):
        return (
            vote_topic(body.trigger, body.scope),
            ballot_topic(body.trigger, body.scope, body.round, body.choice),
        )
    if isinstance(body, Measurement):
        return (
            measured_topic(body.indicator, "", item.party),
            measured_topic(body.indicator, _subject_of(item, body), item.party),
        )
    if isinstance(body, Approval):
        topics: tuple[Topic, ...] = (("approval", body.proposal), LINEAGE)
        return (
            (*topics, asserted_topic(body.assertion.key)) if body.assertion and counter_of(body.assertion) else topics
        )
    if isinstance(body, Ruling):
        return (("ruling", body.finding),)
    if isinstance(body, Audit):
        return (("audit", body.version),)
    if isinstance(body, Screening):
        if body.reveal is None:
            return (COMMITS,)
        return (SEEDS, seed_topic(body.reveal.change), LINEAGE)
    if isinstance(body, Challenge):
        return (("challenge", body.finding),)
    if isinstance(body, Halted | Resumed):
        return (("halt", body.run),)
    if item.kind in {"version", "run", "proposal"}:
        return ((item.kind,), LINEAGE)
    if item.kind in {"accession", "withdrawal"}:
        return (MEMBER,)
    if isinstance(body, Facility):
        return ((item.kind,), facility_topic(item.party))
    if isinstance(body, Finding):
        asked = requested_duty(body)
        if asked is not None:
            return (FINDING, request_topic(body.about, asked))
        duty = claimed_duty(body.claim)
        return (FINDING,) if duty is None else (FINDING, fulfilment_topic(body.about, duty))
    return ((item.kind,),)


def _subject_of(item: Item, body: Measurement) -> Party:
    """Whom a measurement is about: one that names a run or version and no party is its author's own."""
    return body.about.party if body.about is not None and body.about.party is not None else item.party


def wakes_of(item: Item, time: int, chain: Sequence[Terms]) -> Iterator[tuple[Topic, int]]:
    """The instants at which what the statement says may change an answer, for every terms of the chain."""
    for topic in _woken(item):
        yield from ((topic, instant) for instant in _instants_of(item, time, chain))


def _instants_of(item: Item, time: int, chain: Sequence[Terms]) -> Iterator[int]:
    settles = {terms.mirrors.settle_s for terms in chain}
    body = item.body
    yield time
    for settle_s in settles - {0}:
        yield time + settle_s
    if isinstance(body, Vote):
        yield body.expires_at
    elif isinstance(body, Measurement):
        for terms in chain:
            indicator = terms.indicators.get(body.indicator)
            if indicator is not None and indicator.every_s is not None:
                yield time + indicator.every_s + terms.mirrors.settle_s + 1
    elif item.kind in {"accession", "withdrawal"}:
        # A root threshold may be met only by a later copy.
        for said in {max(time, when) for when, _ in item.copies}:
            for terms in chain:
                yield said + terms.mirrors.settle_s
                if item.kind == "withdrawal" and terms.withdrawal_notice_s is not None:
                    yield said + max(terms.withdrawal_notice_s, terms.mirrors.settle_s)
    elif item.kind == "approval":
        # What was said of a seeded change counts for so long, and so does an approval at a hold point.
        yield from (time + terms.screening.window_s for terms in chain if terms.screening is not None)
        yield from (time + each.approved_for_s for each in _holds(chain) if each.approved_for_s is not None)
    elif item.kind == "proposal":
        yield from _of_a_proposal(time, chain)
    elif item.kind in {"finding", "ruling"}:
        yield from _of_a_case(item, time, chain)
    if item.kind in {"finding", "facility"}:
        yield from _due_again(time, chain)


def _holds(chain: Sequence[Terms]) -> Iterator[HoldPoint]:
    return (hold for terms in chain for hold in terms.hold_points)


def _of_a_proposal(time: int, chain: Sequence[Terms]) -> Iterator[int]:
    """When a proposal that was not approved has lapsed."""
    for terms in chain:
        for hold in terms.hold_points:
            if hold.decide_within_s is not None:
                yield time + hold.decide_within_s + terms.mirrors.settle_s


def _of_a_case(item: Item, time: int, chain: Sequence[Terms]) -> Iterator[int]:
    """When the time to challenge or to rule on a finding is over, and that to appeal against a ruling."""
    for terms in chain:
        rules = terms.adjudication
        if rules is None:
            continue
        if item.kind == "ruling":
            yield time + terms.mirrors.settle_s + rules.appeal_within_s
        else:
            yield time + rules.challenge_within_s
            yield time + rules.challenge_within_s + rules.rule_within_s


def _due_again(time: int, chain: Sequence[Terms]) -> Iterator[int]:
    """When a duty that was fulfilled, or asked for, at ``time`` falls overdue."""
    for terms in chain:
        for duty in terms.duties:
            if duty.on_request is not None:
                yield time + duty.on_request.within_s + terms.mirrors.settle_s
            if duty.every_s is not None:
                yield time + duty.every_s + terms.mirrors.settle_s


def _woken(item: Item) -> tuple[Topic, ...]:
    """The topics whose readers look again; none where nothing that triggers ask of depends on the statement."""
    if item.kind in {"finding", "ruling", "challenge"}:
        return (FINDING,)
    if item.kind in {"version", "run", "proposal", "approval"}:
        return (LINEAGE,)
    if isinstance(item.body, Screening):
        return () if item.body.reveal is None else (LINEAGE,)
    if item.kind in {"accession", "withdrawal", "facility"}:
        return (MEMBER,)
    if isinstance(item.body, Measurement):
        indicator = item.body.indicator
        return (measure_topic(indicator), measure_topic(indicator, _subject_of(item, item.body)))
    if item.kind == "vote":
        return topics_of(item)[:1]
    return ()
