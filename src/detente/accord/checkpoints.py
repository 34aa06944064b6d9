"""Capability checkpoints: whoever has a capability goes on only with the certifications that the terms ask for.

Decides which certifications count, of what, and what is missing. (Checkpoints of a log and of a training run are other
things: ``log.checkpoint``, ``halted``.) Normative text: ``spec/accord.md`` §7.6.

- The condition is asked of the party that acts: its indicators, its run, its change. Unknown holds.
- A certification is an ``audit`` with outcome ``pass`` that names it, settled, by a party that the terms name. Each party's
  latest word counts; one of theirs that does not pass holds at once, whoever else certifies.
- It is of the thing itself or of everything that it starts from. A version to be released is certified itself.
- Nobody certifies what is their own, and nothing counts that an open finding, or a ruling of breach, says is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from detente.accord.adjudication import cases_at
from detente.accord.ancestry import Ancestry
from detente.accord.change import change_of
from detente.accord.conditions import Atom, Compare, Proposer, RunActivity, Touches, Truth, atoms, evaluate
from detente.accord.fold import AccordState
from detente.accord.limits import run_view
from detente.accord.membership import Members
from detente.accord.reason import Reason
from detente.accord.records import Item
from detente.accord.standing import Standing
from detente.accord.terms import CertificationNeed, Checkpoint, Terms, Trigger
from detente.accord.tree_reading import RUN
from detente.accord.view import View, distinct_voices
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.audit import Audit
from detente.statement.finding import Finding
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.version import Version


@dataclass(frozen=True, slots=True)
class Seen:
    """What the conditions of checkpoints are asked of, at one instant."""

    state: AccordState
    terms: Terms
    members: Members
    ancestry: Ancestry
    at: int


@dataclass(frozen=True, slots=True)
class Missing:
    """One certification of one thing that is missing: ``more`` of who ``may``, and all of who ``withhold`` it."""

    certification: str
    subject: Digest
    more: int
    may: tuple[Party, ...]
    withhold: tuple[Party, ...]
    text: str


@dataclass(frozen=True, slots=True)
class CheckpointAtWork:
    """A checkpoint that holds a thing. ``meets`` None is unknown. ``itself`` or ``parents`` must be certified; the second is None
    where nothing is started from.
    """

    checkpoint: Checkpoint
    item: Item
    meets: Truth
    sight: SightOf
    itself: tuple[Missing, ...]
    parents: tuple[Missing, ...] | None
    why: Reason


def checkpoints_at_work(
    seen: Seen, on: str, items: tuple[Item, ...], *, flop: Decimal | None = None
) -> Iterator[CheckpointAtWork]:
    """Each checkpoint at ``on`` that holds a run, a proposal or the statements of one version, and for which of them."""
    for checkpoint in seen.terms.checkpoints:
        if checkpoint.on != on or not checkpoint.span.applies(seen.at, seen.members.in_force_since):
            continue
        for item in items:
            sight = _sight(seen, checkpoint, item, flop)
            meets = evaluate(checkpoint.when, sight)
            if meets is False or (meets is None and checkpoint.unknown == "silent"):
                continue
            found = _lacking(seen, checkpoint, item)
            if found is not None:
                itself, parents, cited = found
                why = "" if meets else f" (whether {checkpoint.when.spelled()} is not known, and unknown holds)"
                lacking = "; ".join(missing.text for missing in itself)
                reason = Reason(f"{checkpoint.id} lacks {lacking}{why}", (item.id, *cited))
                yield CheckpointAtWork(checkpoint, item, meets, sight, itself, parents, reason)


def checkpoint_standing(seen: Seen, on: str, items: tuple[Item, ...], *, flop: Decimal | None = None) -> Standing:
    """How the checkpoints at ``on`` let a run, a proposal or the statements of one version stand; the strictest counts."""
    found = tuple(checkpoints_at_work(seen, on, items, flop=flop))
    if not found:
        return Standing("free", (), ())
    held = dict.fromkeys(each.checkpoint.id for each in found)
    return Standing("held", tuple(held), tuple(each.why for each in found))


def rests_on_lineage(state: AccordState, terms: Terms, on: str, items: tuple[Item, ...]) -> bool:
    """Is all that the checkpoints at ``on`` ask of these a matter of the lineage, and of findings about the run?

    So it is where no condition asks an indicator, a finding, a vote or a duty, and nobody has certified anything of theirs.
    """
    checkpoints = [checkpoint for checkpoint in terms.checkpoints if checkpoint.on == on]
    subjects = {subject for item in items for part in _subjects(item, on) for subject in part}
    return all(_is_own(atom) for checkpoint in checkpoints for atom in atoms(checkpoint.when)) and not (
        checkpoints and any(("audit", subject) in state.index for subject in subjects)
    )


def _is_own(atom: Atom) -> bool:
    """Is it asked of the run or the change itself, and of nothing else?"""
    return isinstance(atom, Touches | Proposer | RunActivity) or (isinstance(atom, Compare) and atom.what in RUN)


@dataclass(frozen=True, slots=True)
class SightOf:
    """The atoms of a checkpoint's condition, each asked of what it is about."""

    seen: Seen
    item: Item
    flop: Decimal | None
    view: View

    def value(self, atom: Atom, *, restricting: bool) -> Truth:
        if isinstance(atom, Touches | Proposer):
            change = change_of(self.seen.state, self.item.id)
            return None if change is None else change.value(atom, restricting=restricting)
        if _is_own(atom):
            body = self.item.body
            if not isinstance(body, Run):
                return None
            seen = self.seen
            figures, _ = run_view(seen.state, seen.terms, self.item, body, seen.ancestry, seen.at, self.flop)
            return figures.value(atom, restricting=restricting)
        return self.view.value(atom, restricting=restricting)


def _sight(seen: Seen, checkpoint: Checkpoint, item: Item, flop: Decimal | None) -> SightOf:
    asked = Trigger(checkpoint.id, checkpoint.when, "pause", "party", checkpoint.unknown)
    view = View(
        seen.state, seen.terms, asked, item.party, 0, 0, 0, seen.at, True, seen.members, seen.ancestry
    )  # fmt: skip
    return SightOf(seen, item, flop, view)


def _lacking(
    seen: Seen, checkpoint: Checkpoint, item: Item
) -> tuple[tuple[Missing, ...], tuple[Missing, ...] | None, tuple[Digest, ...]] | None:
    """What is missing, of the thing and of what it starts from, and the audits that counted; None where nothing is.

    1. Every certification is held by the thing itself;
    2. or, where it is not a release, by each of the versions that it starts from, of which there is at least one.
    """
    itself, parents = _subjects(item, checkpoint.on)
    missing, cited = _of_each(seen, checkpoint.need, itself, item.party)  # 1
    if not missing:
        return None
    if not parents:
        return missing, None, cited
    of_parents, cited_parents = _of_each(seen, checkpoint.need, parents, item.party)  # 2
    return (missing, of_parents, (*cited, *cited_parents)) if of_parents else None


def _subjects(item: Item, on: str) -> tuple[tuple[Digest, ...], tuple[Digest, ...]]:
    """The thing itself, and the versions that it starts from."""
    body = item.body
    if isinstance(body, Version):
        return (body.version,), () if on == "version.deploy" else body.parents
    if isinstance(body, Proposal):
        return (item.id,), () if body.parent is None else (body.parent,)
    return (item.id,), body.parents if isinstance(body, Run) else ()


def _of_each(
    seen: Seen, need: CertificationNeed, subjects: tuple[Digest, ...], actor: Party
) -> tuple[tuple[Missing, ...], tuple[Digest, ...]]:  # fmt: skip
    lacking: list[Missing] = []
    cited: list[Digest] = []
    for subject in subjects:
        for certification in need.certifications:
            missing, found = _certified(seen, need, certification, subject, actor)
            cited += found
            if missing is not None:
                lacking.append(missing)
    return tuple(lacking), tuple(cited)


def _certified(
    seen: Seen, need: CertificationNeed, certification: str, subject: Digest, actor: Party
) -> tuple[Missing | None, tuple[Digest, ...]]:
    """What one certification of one thing lacks, and the audits that speak of it.

    1. The latest word of each party that may certify it and whose own it is not.
    2. One that does not pass holds, whoever it is.
    3. Enough parties that can be told apart certify it, and no case is against what they said.
    """
    own = {actor, *_authors(seen.state, subject)}
    words = {
        party: item
        for party, item in _latest(seen, certification, subject)
        if party not in own and seen.terms.among(party, need.by)
    }  # 1
    against = tuple(party for party, item in words.items() if item.restricting)
    disputed = _disputed(seen)
    standing = [item for item in words.values() if item.id not in disputed and not item.restricting]
    voices = distinct_voices(standing)  # 3
    more = max(0, need.count - len(voices))
    may = tuple(p for p in seen.terms.parties if p not in own and p not in voices and seen.terms.among(p, need.by))
    of = f"the certification {certification} of {subject[:12]}…: "
    if against:  # 2
        text = f"{of}{' and '.join(against)} withholds it"
        return Missing(certification, subject, more, may, against, text), tuple(words[p].id for p in against)
    cited = tuple(item.id for item in words.values())
    if not more:
        return None, cited
    disputes = [item.party for item in words.values() if item.id in disputed]
    text = f"{of}{more} more of {', '.join(need.by)}"
    text += f" (a finding is against that of {' and '.join(disputes)})" if disputes else ""
    return Missing(certification, subject, more, may, (), text), cited


def _latest(seen: Seen, certification: str, subject: Digest) -> Iterator[tuple[Party, Item]]:
    """Each party's latest word on it; one that passes is none before it has settled."""
    latest: dict[Party, Item] = {}
    for item, time in seen.state.upto(("audit", subject), seen.at, heard=True):
        body = item.body
        if (
            isinstance(body, Audit)
            and certification in (body.certifies or ())
            and (item.restricting or time + seen.terms.mirrors.settle_s <= seen.at)
        ):
            latest[item.party] = item
    return iter(latest.items())


def _authors(state: AccordState, subject: Digest) -> Iterator[Party]:
    stated = state.get(subject)
    if stated is not None:
        yield stated.party
    yield from (item.party for item in state.stated(subject))


def _disputed(seen: Seen) -> frozenset[Digest]:
    """The audits that an open finding, or one that was ruled a breach, is about."""
    return frozenset(
        case.finding.body.audit
        for case in cases_at(seen.state, seen.terms, seen.at, heard=True)
        if case.state in {"open", "breach"}
        and isinstance(case.finding.body, Finding)
        and case.finding.body.audit is not None
    )
