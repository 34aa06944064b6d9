"""When a breach that nobody mends releases the others from what was latched for all.

Decides since when, and against whom, from how cases stand. Leaves whom a pause covers to ``status``. ``spec/accord.md`` §8.4.

- It begins so long after a ruling of breach had settled and the time to challenge was over, and lasts while the breach stands.
- It ends on receipt: by words of a quorum of adjudicators that it is cured or was no breach, or by a refutation of the finding.
- Nobody against whom a ruling of breach stands is ever released, and nobody is released from what they are stopped for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detente.accord.adjudication import Case, refutes
from detente.accord.fold import AccordState
from detente.accord.quorum import missing
from detente.accord.records import Item
from detente.accord.standing import TimedRelease
from detente.accord.terms import Reciprocity, Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration
from detente.statement.ruling import Ruling


@dataclass(frozen=True, slots=True)
class OthersReleased:
    """Who is released, since when, and by the breach of whom: everybody but those in breach."""

    since: int
    breach_of: tuple[Party, ...]
    in_breach: frozenset[Party]
    uncured_s: int
    cited: tuple[Digest, ...]

    def frees(self, party: Party) -> bool:
        """Is the party released?"""
        return party not in self.in_breach

    def release(self) -> TimedRelease:
        """As something that time, and nobody, released."""
        whose = " and ".join(self.breach_of)
        text = f"all others are released from what is latched for all: {whose} did not cure a breach for {show_duration(self.uncured_s)}"
        return TimedRelease("others_released", text, Instant(self.since), self.cited)


def released_others(
    state: AccordState, terms: Terms, cases: Iterable[Case], at: int, *, heard: bool
) -> OthersReleased | None:  # fmt: skip
    """The release that is in effect at ``at``; None where the terms have none, or no breach has lasted long enough."""
    rules = terms.reciprocity
    if rules is None:
        return None
    cases = list(cases)
    found = [
        (since, case)
        for case in cases
        if (since := _released_from(terms, rules, case)) is not None
        and since <= at
        and not _is_cured(state, terms, case, at, heard=heard)
    ]
    if not found:
        return None
    return OthersReleased(
        min(since for since, _ in found),
        tuple(sorted({case.about for _, case in found})),
        frozenset(case.about for case in cases if case.state == "breach"),
        rules.uncured_s,
        tuple(dict.fromkeys(cited for _, case in found for cited in case.cited)),
    )


def _released_from(terms: Terms, rules: Reciprocity, case: Case) -> int | None:
    """What a ruling of breach permits others waits until it has settled and has consequences."""
    if case.state != "breach" or case.ruled_at is None or case.sanctioned_at is None:
        return None
    if not terms.among(case.about, rules.of):
        return None
    return max(case.ruled_at + terms.mirrors.settle_s, case.sanctioned_at) + rules.uncured_s


def _is_cured(state: AccordState, terms: Terms, case: Case, at: int, *, heard: bool) -> bool:
    """Does enough say so, settled or not? That the others must stop again restricts them, so it counts on receipt."""
    for other in _known(state.index.get(("finding",), ()), at, heard=heard):
        if refutes(other, case.finding) and other.order > case.finding.order:
            return True
    latest: dict[Party, str] = {}
    for item in _known(state.index.get(("ruling", case.finding.id), ()), at, heard=heard):
        if isinstance(item.body, Ruling):
            latest[item.party] = item.body.outcome
    mended = [party for party, outcome in latest.items() if outcome != "breach"]
    return terms.adjudication is not None and not missing(terms.adjudication.votes, mended, terms.parties)


def _known(items: Iterable[Item], at: int, *, heard: bool) -> Iterator[Item]:
    """In fold order what was witnessed by ``at`` and, with ``heard``, everything else that is held."""
    for item in items:
        if heard or (item.time is not None and item.time <= at):
            yield item
