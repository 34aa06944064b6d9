"""Hold points: whether a change may pass, and what keeps it.

Decides which hold points of the terms a change meets and has not passed, and whether humans really looked. Leaves out which change is
asked about (``change``), which approvals count (``approvals``) and what is missing (``lacking``). Normative text: ``spec/accord.md`` §7.2.

- Approvals of what was revealed as a seeded change count for nothing here; where a hold point asks for screened reviewers, they must be shown to
  catch enough (``screened``). How far a version was looked at does not hang on that, nor on how long ago it was approved.
- A hold point holds while its span lasts. Whether humans really looked asks about every hold point, whatever the date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from detente.accord.approvals import Counting, latest_words
from detente.accord.change import Change, of_version
from detente.accord.conditions import Truth, evaluate
from detente.accord.fold import AccordState
from detente.accord.lacking import Lacking, lacking_at
from detente.accord.reason import Reason
from detente.accord.records import Item
from detente.accord.screened import lacking_minimum, reveal_of
from detente.accord.standing import Standing
from detente.accord.terms import HoldPoint, Terms
from detente.statement.version import Version

FREE = Standing("free", (), ())


def matching_holds(terms: Terms, change: Change, on: str) -> Iterator[tuple[HoldPoint, Truth]]:
    """The hold points that the change meets, whatever their span: true, or unknown where unknown holds."""
    for hold in terms.hold_points:
        if hold.on == on:
            meets = evaluate(hold.when, change)
            if meets is True or (meets is None and hold.unknown == "holds"):
                yield hold, meets


@dataclass(frozen=True, slots=True)
class HoldAtWork:
    """A hold point that a change has not passed, and what it lacks. ``meets`` None is unknown."""

    hold: HoldPoint
    meets: Truth
    lacking: Lacking
    why: Reason


def holds_at_work(
    state: AccordState, terms: Terms, change: Change, on: str, at: int, *, in_force_since: int | None
) -> Iterator[HoldAtWork]:  # fmt: skip
    """Each hold point that keeps the change, whose span it is, in the order of the terms."""
    matching = (
        (hold, meets) for hold, meets in matching_holds(terms, change, on) if hold.span.applies(at, in_force_since)
    )
    return _at_work(state, terms, change, at, matching, heard=True, now=True)


def hold_standing(
    state: AccordState, terms: Terms, change: Change, on: str, at: int, *, in_force_since: int | None
) -> Standing:  # fmt: skip
    """Free, or held with what each hold point lacks whose span it is."""
    return _standing(holds_at_work(state, terms, change, on, at, in_force_since=in_force_since))


def _at_work(
    state: AccordState,
    terms: Terms,
    change: Change,
    at: int,
    matching: Iterable[tuple[HoldPoint, Truth]],
    *,
    heard: bool,
    now: bool,
) -> Iterator[HoldAtWork]:
    """With ``now``, approvals may have expired, and a hold point may also lack reviewers who catch enough."""
    for hold, meets in matching:
        lacking = lacking_at(state, terms, change, hold, at, heard=heard, expires=now)
        shown = lacking_minimum(state, terms, at, hold.need.by) if now and hold.need.screened else None
        if shown is not None and not lacking.unmeetable:
            lacking = replace(lacking, unmeetable=shown.text, cited=(*lacking.cited, *shown.cites))
        if lacking:
            why = "" if meets else " (what it changes or who proposed it is not declared, and unknown holds)"
            reason = Reason(f"{hold.id} lacks {lacking.spelled()}{why}", (*change.cited, *lacking.cited))
            yield HoldAtWork(hold, meets, lacking, reason)


def _standing(at_work: Iterable[HoldAtWork]) -> Standing:
    found = tuple(at_work)
    if not found:
        return FREE
    return Standing("held", tuple(each.hold.id for each in found), tuple(each.why for each in found))


def significant(state: AccordState, terms: Terms, item: Item, at: int, *, heard: bool) -> bool | None:
    """Was the version approved by a human who really looked? The ``significant`` of ``lineage.Depths``.

    True: an approval that says so, by somebody else than the author, and every hold point that the change meets is
    passed. False: a reviewer refused it or says they did not look. Otherwise unknown: an unrecorded approval is not
    a missing one. With ``heard``, a refusal counts on receipt.
    """
    if not isinstance(item.body, Version):
        return None
    change = of_version(state, item, item.body)
    if reveal_of(state, change.proposal, at, heard=heard) is not None:
        return False  # Whoever carried it out all the same: no human approved it as what it is.
    matching = list(matching_holds(terms, change, "version.train"))
    on_purpose = any(not hold.need.author_excluded for hold, _ in matching)
    words = latest_words(state, change, Counting(at, heard, terms.mirrors.settle_s))
    looked = [
        word.body
        for word in words
        if word.approves and word.body.significant == "yes" and (on_purpose or not change.is_by(word.item, word.body))
    ]
    if looked and not any(_at_work(state, terms, change, at, matching, heard=heard, now=False)):
        return True
    refused = any(not word.approves or word.body.significant == "no" for word in words)
    return False if refused else None
