"""Whether runs have stopped under a pause, and whose promise to stop depends on it.

Decides from ``halted``, ``resumed`` and inspectors' findings how each run stands. Leaves whether a pause is on to ``tracks``.
Normative text: ``spec/accord.md`` §7.5.

- *declared* is the developer's word; *confirmed* needs a settled finding, by another party, that names the statement.
- A run that may not have started (held, refused) and shows no trace of running is not listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from detente.accord.fold import AccordState
from detente.accord.limits import meets_no_limit
from detente.accord.membership import Members
from detente.accord.records import Item
from detente.accord.standing import Halt, HaltState
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import ZERO
from detente.statement.accession import Accession, HaltedCondition
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.run import Run


def last_halt(state: AccordState, run: Digest, at: int, settle_s: int) -> tuple[Item, int] | None:
    """The standing ``halted`` of a run, with its time; None where it runs.

    With ``settle_s`` both ``halted`` and ``resumed`` count once they have settled: that another's run goes on releases who
    stops only if the others do. Without it both count when witnessed, to show how the run stands.
    """
    found: tuple[Item, int] | None = None
    for item, time in state.upto(("halt", run), at):
        if time + settle_s <= at:
            found = (item, time) if isinstance(item.body, Halted) else None
    return found


def confirmed_by(state: AccordState, halted: Item, at: int, settle_s: int) -> Digest | None:
    """The settled finding of another party that confirms the halt."""
    for item, time in state.upto(("finding",), at):
        body = item.body
        if (
            isinstance(body, Finding)
            and body.result == "confirmed"
            and body.confirms == halted.id
            and item.party != halted.party
            and time + settle_s <= at
        ):
            return item.id
    return None


def halt_of(
    state: AccordState, terms: Terms, run: Item, name: str, halt_by: int, at: int, *, may_run: bool
) -> Halt | None:  # fmt: skip
    """How the run stands under a pause that asks it to stop by ``halt_by``; None for one that ended or never began."""
    told = bool(state.index.get(("halt", run.id)))
    if not told and (run.id, run.party) not in state.progress and not may_run:
        return None
    halted = last_halt(state, run.id, at, 0) if told else None
    deadline = Instant(halt_by)
    if halted is None:
        state_now: HaltState = "overdue" if at > halt_by else "running"
        return Halt(run.id, name, run.party, state_now, deadline, (run.id,))
    item, _ = halted
    if isinstance(item.body, Halted) and item.body.why == "finished":
        return None
    confirmed = confirmed_by(state, item, at, terms.mirrors.settle_s)
    if confirmed is not None:
        return Halt(run.id, name, run.party, "confirmed", deadline, (run.id, item.id, confirmed))
    return Halt(run.id, name, run.party, "declared", deadline, (run.id, item.id))


@dataclass(slots=True)
class Roll:
    """Runs that nobody said anything of but that they run, as they were last shown: most runs of a pause's first minutes.

    ``free`` keeps the spent FLOP by which a run met no limit of ``terms``, and ``shown`` how it stood. Both are what would be found anew.
    """

    terms: Terms | None = None
    free: dict[Digest, Decimal] = field(default_factory=dict)
    shown: dict[Digest, Halt] = field(default_factory=dict)

    def under(self, terms: Terms) -> Roll:
        """The roll, emptied if other terms are in effect than before."""
        if self.terms is not terms:
            self.terms, self.free, self.shown = terms, {}, {}
        return self

    def running(self, state: AccordState, terms: Terms, run: Item, body: Run, halt_by: int, at: int) -> Halt | None:
        """How the run stands, if it certainly may run and nobody said that it stopped; None where a closer look is needed."""
        if body.proposal is not None or ("halt", run.id) in state.index:
            return None
        spent = state.progress.get((run.id, run.party), ZERO)
        if self.free.get(run.id) != spent:
            if not meets_no_limit(terms, body, spent):
                return None
            self.free[run.id] = spent
        now: HaltState = "overdue" if at > halt_by else "running"
        shown = self.shown.get(run.id)
        if shown is None or shown.state != now or shown.halt_by != halt_by:
            shown = self.shown[run.id] = Halt(run.id, body.run, run.party, now, Instant(halt_by), (run.id,))
        return shown


def met_halted_conditions(
    state: AccordState, terms: Terms, members: Members, party: Party, since: int, at: int
) -> bool:  # fmt: skip
    """Do the conditions "I stop when these others verifiably do" of the party hold for a pause since ``since``?"""
    member = members.members.get(party)
    body = None if member is None else member.accession.body
    if not isinstance(body, Accession):
        return True
    return all(
        sum(_has_halted(state, terms, other, since, at, confirmed=condition.confirmed) for other in condition.of)
        >= condition.at_least
        for condition in body.conditions
        if isinstance(condition, HaltedCondition)
    )


def _has_halted(
    state: AccordState, terms: Terms, party: Party, since: int, at: int, *, confirmed: bool
) -> bool:  # fmt: skip
    """Has every run of the party that showed itself before the pause stopped, and at least one of them under it?

    A party that never declared a run has shown nothing, so it has not verifiably halted.
    """
    settle_s = terms.mirrors.settle_s
    stopped = 0
    for run, time in state.upto(("run",), at):
        if run.party != party or time > since:
            continue
        halted = last_halt(state, run.id, at, settle_s)
        if halted is None:
            return False
        item, when = halted
        if when < since:
            continue  # It had stopped before the pause began, for whatever reason.
        if confirmed and confirmed_by(state, item, at, settle_s) is None:
            return False
        stopped += 1
    return stopped > 0
