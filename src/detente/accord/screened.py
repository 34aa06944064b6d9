"""Seeded changes in a state: which proposals were revealed as known bad, what reviewers made of them, and what that shows.

Decides when a change counts as a seeded one, which decisions on it count, and whether they show the minimum that the terms ask. Leaves out
whether a reveal has an effect at all (``admission``, F30 and F31) and what a hold point makes of it (``holds``). Normative text: ``spec/review.md`` §5.

- Revealed is revealed: on receipt, for good, for every proposal of the same change. A seeded change never passes, and whatever
  humans said of it counts for the catch rate alone.
- A miss counts once witnessed; a catch, which permits, once it and its reveal have settled.
- A reviewer's first word counts, if it was witnessed before the reveal: afterwards everybody knew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from detente.accord.fold import AccordState
from detente.accord.reason import Reason
from detente.accord.records import Item
from detente.accord.screening import Minimum, ScreeningTerms, percent
from detente.accord.standing import Standing
from detente.accord.terms import Terms
from detente.accord.topics import COMMITS, SEEDS, seed_topic
from detente.base.binomial import TRIALS_MAX, lower_bound, shows_at_least, shows_below
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import show_duration
from detente.statement.approval import Approval
from detente.statement.proposal import Proposal
from detente.statement.screening import Reveal, Screening, commit_change

HELD_BY = "screening"
"""What a permit says that holds a seeded change."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A reveal that has an effect: its statement, what it says, and the first words on its proposal, each with its reviewer."""

    item: Item
    reveal: Reveal
    words: tuple[tuple[Item, Approval], ...]
    said: tuple[Item, ...]
    """Every decision on it, counted or not."""

    @property
    def void(self) -> bool:
        """Was nobody asked before it was revealed?"""
        return not self.words


def reveal_of(state: AccordState, proposal: Digest | None, at: int, *, heard: bool = True) -> Item | None:
    """The reveal that says that what the proposal puts was seeded, if there is one."""
    if proposal is None or SEEDS not in state.index:
        return None
    item = state.get(proposal)
    if item is None or not isinstance(item.body, Proposal):
        return None
    return next((found for found, _ in state.upto(seed_topic(item.body.change), at, heard=heard)), None)


def seeded_standing(state: AccordState, proposal: Digest | None, at: int) -> Standing | None:
    """Held for good, if what the proposal puts was revealed as a seeded change."""
    found = reveal_of(state, proposal, at)
    if found is None or not isinstance(found.body, Screening) or found.body.reveal is None:
        return None
    text = f"this is a seeded change ({found.body.reveal.flaw}), known bad, which nothing permits"
    return Standing("held", (HELD_BY,), (Reason(text, (found.id, found.body.reveal.proposal)),))


def seeds_at(state: AccordState, at: int, *, heard: bool = True) -> Iterator[Seed]:
    """Every seeded change revealed by ``at``, in fold order."""
    for item, time in state.upto(SEEDS, at, heard=heard):
        if isinstance(item.body, Screening) and item.body.reveal is not None:
            reveal = item.body.reveal
            said = tuple(state.index.get(("approval", reveal.proposal), ()))
            yield Seed(item, reveal, tuple(_first_words(state, reveal.proposal, item.party, time)), said)


def _first_words(
    state: AccordState, proposal: Digest, chosen_by: Party, before: int
) -> Iterator[tuple[Item, Approval]]:
    made = state.get(proposal)
    seen: set[tuple[Party, str]] = set()
    for item, time in state.upto(("approval", proposal), before):
        body = item.body
        if isinstance(body, Approval) and (item.party, body.reviewer) not in seen and time <= before:
            seen.add((item.party, body.reviewer))
            if made is not None and item.party not in {made.party, chosen_by}:  # Both may know.
                yield item, body


@dataclass(frozen=True, slots=True)
class Screened:
    """``caught`` of ``decided`` first words on seeded changes, ``void`` seeds, and commitments that nobody revealed yet."""

    caught: int
    decided: int
    void: int
    open: int
    cited: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        return {"caught": self.caught, "decided": self.decided, "void": self.void, "open": self.open}


def screened_at(state: AccordState, terms: Terms, at: int, *, by: tuple[str, ...] = ()) -> Screened:
    """What reviewers (of these roles or parties; empty: of any) made of seeded changes within the window."""
    window_s = at if terms.screening is None else terms.screening.window_s
    settle_s = terms.mirrors.settle_s
    counted: list[tuple[int, bool, Digest]] = []
    void = 0
    opened: set[Digest] = set()
    for seed in seeds_at(state, at):
        opened.add(commit_change(accord=state.accord, salt=seed.reveal.salt, change=seed.reveal.change))
        void += seed.void
        for item, body in seed.words:
            if item.time is None or item.time <= at - window_s or (by and not terms.among(item.party, by)):
                continue
            caught = body.decision != "approve"
            later = max(item.time, at if seed.item.time is None else seed.item.time)
            if not caught or later + settle_s <= at:
                counted.append((item.time, caught, item.id))
    counted = sorted(counted)[-TRIALS_MAX:]
    committed = {
        commitment
        for item, _ in state.upto(COMMITS, at)
        if isinstance(item.body, Screening)
        for commitment in item.body.commits or ()
    }
    return Screened(
        sum(caught for _, caught, _ in counted),
        len(counted),
        void,
        len(committed - opened),
        tuple(cited for _, caught, cited in counted if not caught),
    )


def lacking_minimum(state: AccordState, terms: Terms, at: int, by: tuple[str, ...]) -> Reason | None:
    """Why the reviewers' catch rate does not let them pass a change; None where it does."""
    rules = terms.screening
    if rules is None or rules.minimum is None:
        return Reason("a minimum catch rate that the terms do not set")
    found, minimum = screened_at(state, terms, at, by=by), rules.minimum
    if _passes(found, minimum):
        return None
    return Reason(_told(found, minimum, rules), found.cited)


def _passes(found: Screened, minimum: Minimum) -> bool:
    if minimum.unshown == "silent":
        return not shows_below(found.caught, found.decided, minimum.caught, minimum.confidence)
    return shows_at_least(found.caught, found.decided, minimum.caught, minimum.confidence)


def _told(found: Screened, minimum: Minimum, rules: ScreeningTerms) -> str:
    shown = percent(lower_bound(found.caught, found.decided, minimum.confidence))
    return (
        f"a shown catch rate of {percent(minimum.caught)}: {found.caught} of {found.decided} seeded changes were caught within "
        f"{show_duration(rules.window_s)}, which shows at least {shown} with {percent(minimum.confidence)} confidence"
    )
