"""To whom a change that waits was escalated, since when, and whether they owe an answer.

Decides whether silence or a reviewer's decision put a change before further parties, and whether these answered in time. Leaves out what a
change lacks because of it (``lacking``). Nothing here permits, and no permit waits for it. Normative text: ``spec/accord.md`` §7.2 rule 7.

- By silence: by the time that the terms name too few had approved, and nobody who may decide had said otherwise.
- By decision: a reviewer whom the hold point accepts decided to escalate. That lasts whatever the same reviewer says later.
- An answer is a decision of a reviewer of those parties who did not escalate it, later than what it answers; it need not settle, since it
  permits nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from detente.accord.approvals import Counting, decided_otherwise
from detente.accord.change import Change
from detente.accord.fold import AccordState
from detente.accord.lacking import approvals_lacking, escalated_at, escalation_parties, proposed_at
from detente.accord.terms import HoldPoint, Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.statement.approval import Approval

CALENDAR_END: Final = 253_402_300_799
"""The last second of the year 9999: what an instant can be spelled as."""
Why = Literal["silence", "decision"]
EscalationState = Literal["open", "answered", "overdue"]
NO_ESCALATION: Final = "none"
"""Where a change was not escalated, or waits no more."""


@dataclass(frozen=True, slots=True)
class Escalated:
    """A change was put before ``to`` at a hold point, ``since`` then; an answer is ``due`` by then. ``by`` escalated it, nobody by silence.

    While several are unanswered, the earliest of them is told.
    """

    hold: str
    to: tuple[Party, ...]
    why: Why
    by: tuple[str, ...]
    since: int
    due: int
    state: EscalationState
    cited: tuple[Digest, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As a flat JSON object."""
        return {
            "hold_point": self.hold,
            "to": list(self.to),
            "why": self.why,
            "by": list(self.by),
            "since": shown_at(self.since),
            "due": shown_at(self.due),
            "state": self.state,
        }


def shown_at(at: int | None) -> str | None:
    """An instant as text; None for one that no calendar reaches."""
    return None if at is None or at > CALENDAR_END else show_instant(Instant(at))


@dataclass(frozen=True, slots=True)
class _Asked:
    """``since`` when it was escalated; what was said later than ``after`` answers it."""

    since: int
    after: int
    why: Why
    by: str = ""
    cited: Digest | None = None


def escalation_of(
    state: AccordState, terms: Terms, change: Change, hold: HoldPoint, at: int, *, heard: bool = True
) -> Escalated | None:  # fmt: skip
    """How the change was escalated at the hold point, if it was."""
    rules = hold.escalation
    if rules is None or change.proposal is None:
        return None
    asked = _asked(state, terms, change, hold, at, heard=heard)
    if not asked:
        return None
    to = escalation_parties(terms, change, hold)
    last = max(_answers(state, terms, change, hold, at, heard=heard), default=-1)
    left = [each for each in asked if last <= each.after]
    told = left or asked
    first = min(told, key=lambda each: (each.since, each.why))
    due = first.since + rules.within_s
    overdue = bool(left) and at >= due + terms.mirrors.settle_s
    return Escalated(
        hold.id,
        to,
        first.why,
        tuple(sorted({each.by for each in told if each.by})),
        first.since,
        due,
        "overdue" if overdue else "open" if left else "answered",
        tuple(each.cited for each in told if each.cited is not None),
    )


def _asked(
    state: AccordState, terms: Terms, change: Change, hold: HoldPoint, at: int, *, heard: bool
) -> list[_Asked]:  # fmt: skip
    now = Counting(at, heard, terms.mirrors.settle_s)
    asked = [
        _Asked(time, time, "decision", f"{item.party}/{body.reviewer}", item.id)
        for item, body, time in decided_otherwise(state, terms, change, hold.need, now)
        if body.decision == "escalate"
    ]
    silent = _silent_since(state, terms, change, hold)
    if silent is not None and at >= silent:
        asked.append(_Asked(silent, -1, "silence"))
    return asked


def _silent_since(state: AccordState, terms: Terms, change: Change, hold: HoldPoint) -> int | None:
    """From when on silence escalates the change; None where somebody decided in time.

    What approved it by then was in time, and it takes as long to settle until that is seen.
    """
    proposed = proposed_at(state, change)
    if proposed is None or hold.escalation is None:
        return None
    then = Counting(proposed + hold.escalation.after_s, heard=False, settle_s=0)
    if any(decided_otherwise(state, terms, change, hold.need, then)):
        return None
    return then.at + terms.mirrors.settle_s if approvals_lacking(state, terms, change, hold, then) else None


def _answers(
    state: AccordState, terms: Terms, change: Change, hold: HoldPoint, at: int, *, heard: bool
) -> list[int]:  # fmt: skip
    """When reviewers of the parties that it was escalated to decided, without those who escalated it."""
    to = escalation_parties(terms, change, hold)
    _, out = escalated_at(state, terms, change, hold, Counting(at, heard, terms.mirrors.settle_s))
    return [
        time
        for item, time in state.upto(("approval", change.proposal or ""), at, heard=heard)
        if isinstance(item.body, Approval) and item.body.decision != "escalate" and item.party in to
        and (item.party, item.body.reviewer) not in out
        and not (hold.need.author_excluded and change.is_by(item, item.body))
    ]  # fmt: skip
