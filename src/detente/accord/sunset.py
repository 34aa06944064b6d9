"""When the accord expires by its own date: its sunset, and how votes to renew put it off.

Decides until when an accord lasts at an instant, from votes to renew ``accord``. Leaves what expiry means to ``membership`` and
``sweep``. Normative text: ``spec/accord.md`` §6.8.

- The sunset of round r is ``expires`` plus r times the renewal's length, r at most as often as the terms allow.
- A renewal counts if a quorum's votes of that round have settled no later than the sunset that they put off. Later is too late.
- It is neither early nor undone: votes count from the sunset before on, and a round that was renewed stays so.
- A vote speaks of the terms under which it was cast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detente.accord.fold import AccordState
from detente.accord.quorum import missing
from detente.accord.records import Item
from detente.accord.standing import FoldNote, Renewal
from detente.accord.terms import SUNSET, RenewalTerms, Terms
from detente.accord.topics import vote_topic
from detente.accord.view import distinct_voices
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.vote import Vote


@dataclass(frozen=True, slots=True)
class Sunset:
    """The sunset of the round that an instant is in, and the renewal that would put it off (None: it cannot be)."""

    at: int
    renewal: Renewal | None


def sunset_of(state: AccordState, terms: Terms, at: int) -> Sunset | None:
    """The sunset as far as votes up to ``at`` have put it off; None where the terms have none."""
    if terms.expires is None:
        return None
    rules = terms.renewal
    if rules is None:
        return Sunset(terms.expires, None)
    begun = 0
    for number in range(rules.at_most):
        ends = terms.expires + number * rules.length_s
        votes = _votes(state, terms, number, begun)
        if not _is_renewed(votes, terms, rules, min(at, ends)):
            return Sunset(ends, _progress(votes, terms, rules, number, min(at, ends)))
        begun = ends
    return Sunset(terms.expires + rules.at_most * rules.length_s, None)


def is_expired(state: AccordState, terms: Terms, at: int) -> bool:
    """Is the accord over by its own date?"""
    if terms.expires is None or at < terms.expires:
        return False
    if terms.renewal is None:
        return True
    # What a sweep asks at many instants depends on what had settled by each sunset alone.
    kept: dict[tuple[str, int], bool] = state.keep.setdefault("renewed", {})
    begun = 0
    for number in range(terms.renewal.at_most):
        ends = terms.expires + number * terms.renewal.length_s
        if at < ends:
            return False
        key = (terms.digest, number)
        if key not in kept:
            kept[key] = _is_renewed(_votes(state, terms, number, begun), terms, terms.renewal, ends)
        if not kept[key]:
            return True
        begun = ends
    return at >= terms.expires + terms.renewal.at_most * terms.renewal.length_s


def sunset_instants(terms: Terms) -> Iterator[int]:
    """Every instant at which these terms may expire."""
    if terms.expires is not None:
        yield int(terms.expires)
        if terms.renewal is not None:
            yield from (terms.expires + n * terms.renewal.length_s for n in range(1, terms.renewal.at_most + 1))


def late_renewals(state: AccordState, terms: Terms, at: int) -> Iterator[FoldNote]:
    """Votes to renew the accord that put nothing off: settled too late, or witnessed before their round had begun (F24)."""
    if terms.expires is None or terms.renewal is None:
        return
    for item, time in state.upto(vote_topic(SUNSET, "all"), at):
        body = item.body
        if not isinstance(body, Vote) or body.choice != "renew" or item.terms_version != terms.version:
            continue
        ends = terms.expires + body.round * terms.renewal.length_s
        if time + terms.mirrors.settle_s > ends:
            yield FoldNote("F24", item.id, item.place, f"it had not settled by the sunset of round {body.round}")
        elif body.round and time < ends - terms.renewal.length_s:
            yield FoldNote("F24", item.id, item.place, f"round {body.round} had not begun")


def _votes(state: AccordState, terms: Terms, number: int, begun: int) -> list[tuple[int, Item, Vote]]:
    """The votes of a round under these terms, each with the instant at which it has settled, in that order."""
    found = [
        (item.time + terms.mirrors.settle_s, item, item.body)
        for item in state.index.get(vote_topic(SUNSET, "all"), ())
        if isinstance(item.body, Vote)
        and item.time is not None
        and item.time >= begun
        and item.body.round == number
        and item.terms_version == terms.version
    ]
    return sorted(found, key=lambda vote: (vote[0], vote[1].order))


def _standing(votes: list[tuple[int, Item, Vote]], at: int) -> dict[Party, Item]:
    """Each party's latest settled word, where that is a vote to renew which has not expired."""
    latest: dict[Party, tuple[Item, Vote]] = {}
    for settled, item, body in votes:
        if settled <= at:
            latest[item.party] = (item, body)
    return {party: item for party, (item, body) in latest.items() if body.choice == "renew" and at < body.expires_at}


def _is_renewed(votes: list[tuple[int, Item, Vote]], terms: Terms, rules: RenewalTerms, upto: int) -> bool:
    """Was there an instant, no later than ``upto``, at which the quorum stood?"""
    for settled, _, body in votes:
        if settled <= upto and body.choice == "renew":
            voices = distinct_voices(_standing(votes, settled).values())
            if voices and not missing(rules.votes, voices, terms.parties):
                return True
    return False


def _progress(
    votes: list[tuple[int, Item, Vote]], terms: Terms, rules: RenewalTerms, number: int, at: int
) -> Renewal:  # fmt: skip
    voices = distinct_voices(_standing(votes, at).values())
    until = Instant((terms.expires or 0) + (number + 1) * rules.length_s)
    return Renewal(number, voices, missing(rules.votes, voices, terms.parties), until)
