"""What a change lacks at a hold point: humans, organisations, an approval of whom it was escalated to, or a new proposal.

Decides how many approvals are missing, and that a proposal has lapsed. Leaves out which approvals count (``approvals``) and what a hold
point is asked about (``holds``). Normative text: ``spec/accord.md`` §7.2.

- Distinct reviewers with distinct keys; distinct organisations.
- Since a reviewer whom the hold point accepts decided to escalate, one reviewer of the parties named there must approve after that, besides
  all others. Nothing that the reviewer who escalated says later undoes it.
- A proposal that too few had approved by its deadline has lapsed, whatever else was said of it and whatever is said later. So no word
  keeps it open, and no delay of one.

>>> Lacking(2, 1).spelled()
'2 more human approvals and approvals of 1 more organisation(s)'
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from detente.accord.approvals import Counted, Counting, count_approvals, decided_otherwise
from detente.accord.authenticators import Device
from detente.accord.change import Change
from detente.accord.fold import AccordState
from detente.accord.terms import HoldNeed, HoldPoint, Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration, show_instant
from detente.statement.threshold import count_distinct

ASIDE_MAX = 4
"""Approvals that are set aside by name in one line."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """So many humans and organisations are missing at a hold point; ``given`` counted, by (organisation, reviewer).

    ``device`` is what they must decide with; ``aside`` says of approvals that do not count for it why. Of ``escalated_to``, where there are
    any, one reviewer's approval is missing besides, none of those who ``escalated`` it; ``answered`` is whose counted for that. ``lapsed`` says
    that and when the proposal lapsed.
    """

    humans: int
    organisations: int
    given: tuple[tuple[Party, str], ...] = ()
    cited: tuple[Digest, ...] = ()
    unmeetable: str = ""
    device: Device = "software"
    aside: tuple[str, ...] = ()
    escalated_to: tuple[Party, ...] = ()
    escalated: frozenset[tuple[Party, str]] = frozenset()
    answered: tuple[tuple[Party, str], ...] = ()
    lapsed: str = ""

    def __bool__(self) -> bool:
        return bool(self.humans or self.organisations or self.unmeetable or self.escalated_to or self.lapsed)

    def spelled(self) -> str:
        """What is missing, in words."""
        if self.lapsed:
            return f"a new proposal: this one {self.lapsed}"
        lacking = [self.unmeetable] if self.unmeetable else []
        if self.humans:
            kind = {"software": "", "passkey": " by a passkey or security key", "attested": " by an attested passkey"}
            lacking.append(f"{self.humans} more human approval{'s' if self.humans > 1 else ''}{kind[self.device]}")
        if self.organisations:
            lacking.append(f"approvals of {self.organisations} more organisation(s)")
        if self.escalated_to:
            lacking.append(f"an approval of {' or '.join(self.escalated_to)}, to whom it was escalated")
        return " and ".join(lacking) + (f" ({'; '.join(self.aside)})" if self.aside else "")


def lacking_at(
    state: AccordState,
    terms: Terms,
    change: Change,
    hold: HoldPoint,
    at: int,
    *,
    heard: bool,
    expires: bool = True,
) -> Lacking:
    """What the change lacks at the hold point. Without ``expires``, what was approved once is asked, however long ago."""
    lasts_s = hold.approved_for_s if expires else None
    found = approvals_lacking(state, terms, change, hold, Counting(at, heard, terms.mirrors.settle_s, lasts_s))
    lapse = lapse_of(state, terms, change, hold, at)
    if lapse is None:
        return found
    within = show_duration(hold.decide_within_s or 0)
    return replace(found, lapsed=f"was not approved within {within} and lapsed at {show_instant(Instant(lapse))}")


def approvals_lacking(
    state: AccordState, terms: Terms, change: Change, hold: HoldPoint, counting: Counting
) -> Lacking:  # fmt: skip
    """The approvals that are missing, and those that counted.

    1. Distinct reviewers with distinct keys; distinct organisations.
    2. Once it was escalated, one more, of a party that it was escalated to, given after that, by somebody else than who escalated it; nobody
       counts for both.
    """
    need = hold.need
    if need.device == "attested" and not terms.authenticators:
        return Lacking(0, 0, unmeetable="an attested authenticator, and these terms name none that they believe")
    counted, aside = count_approvals(state, terms, change, need, counting)
    asked, escalated = escalated_at(state, terms, change, hold, counting)
    to = escalation_parties(terms, change, hold) if asked is not None else ()
    answers: list[Counted] = []
    if asked is not None and hold.escalation is not None:  # 2
        by = replace(need, by=hold.escalation.to)
        answers = [
            each
            for each in count_approvals(state, terms, change, by, counting)[0]
            if each.since > asked and (each.party, each.reviewer) not in escalated
        ]
    answer, rest = _set_apart(need, counted, answers)
    humans, organisations = _short(need, rest)  # 1
    missing = to if asked is not None and answer is None else ()
    nobody = (
        "an approval of whom it was escalated to, and nobody of them is left" if asked is not None and not to else ""
    )
    return Lacking(
        humans,
        organisations,
        tuple((each.party, each.reviewer) for each in rest),
        tuple(cite for each in (*rest, *([] if answer is None else [answer])) for cite in each.cited),
        unmeetable=nobody,
        device=need.device,
        aside=tuple(sorted(aside)[:ASIDE_MAX]),
        escalated_to=missing,
        escalated=escalated,
        answered=() if answer is None else ((answer.party, answer.reviewer),),
    )


def _short(need: HoldNeed, counted: list[Counted]) -> tuple[int, int]:
    return (
        max(0, need.humans - count_distinct((each.human, each.key) for each in counted)),
        max(0, need.organisations - count_distinct((each.party, each.key) for each in counted)),
    )


def _set_apart(
    need: HoldNeed, counted: list[Counted], answers: list[Counted]
) -> tuple[Counted | None, list[Counted]]:  # fmt: skip
    """The answer to an escalation that leaves least to be lacking, and everybody who is left without them."""
    best: tuple[int, Counted, list[Counted]] | None = None
    for answer in answers:
        rest = [each for each in counted if each.human != answer.human and each.key != answer.key]
        short = sum(_short(need, rest))
        if best is None or short < best[0]:
            best = (short, answer, rest)
        if not short:
            break
    return (None, counted) if best is None else best[1:]


def escalated_at(
    state: AccordState, terms: Terms, change: Change, hold: HoldPoint, counting: Counting
) -> tuple[int | None, frozenset[tuple[Party, str]]]:
    """When a reviewer whom the hold point accepts last decided to escalate, and all who did; None where the hold point names nobody to."""
    if hold.escalation is None:
        return None, frozenset()
    said = [
        each for each in decided_otherwise(state, terms, change, hold.need, counting) if each[1].decision == "escalate"
    ]
    return max((time for *_, time in said), default=None), frozenset(
        (item.party, body.reviewer) for item, body, _ in said
    )


def escalation_parties(terms: Terms, change: Change, hold: HoldPoint) -> tuple[Party, ...]:
    """Whom a change is escalated to: without its author, where the author is excluded."""
    if hold.escalation is None:
        return ()
    out = change.authors if hold.need.author_excluded else frozenset[Party]()
    return tuple(party for party in terms.parties if party not in out and terms.among(party, hold.escalation.to))


def deadline_of(state: AccordState, change: Change, hold: HoldPoint) -> int | None:
    """Until when what approves the proposal must be witnessed; None: for ever, or it is not known since when it is there."""
    proposed = proposed_at(state, change)
    return None if proposed is None or hold.decide_within_s is None else proposed + hold.decide_within_s


def proposed_at(state: AccordState, change: Change) -> int | None:
    """When the proposal was witnessed first."""
    item = None if change.proposal is None else state.get(change.proposal)
    return None if item is None else item.time


def lapse_of(state: AccordState, terms: Terms, change: Change, hold: HoldPoint, at: int) -> int | None:
    """The deadline by which too few had approved; None while it may still be met, and where it was.

    What was witnessed by then is in time, and takes as long to settle as everything that permits.
    """
    deadline = deadline_of(state, change, hold)
    if deadline is None or at < deadline + terms.mirrors.settle_s:
        return None
    in_time = approvals_lacking(state, terms, change, hold, Counting(deadline, heard=False, settle_s=0))
    return deadline if in_time else None
