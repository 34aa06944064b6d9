"""How long an answer lasts: what was found of a run or a change at one instant, used again until something may differ.

Decides until when the standing of a run, a change or a release stays as it was found, and keeps it that long, per state.
Leaves what it is to ``status``. Normative text: ``spec/accord.md`` §9, which knows nothing of this: an answer that was kept
is the one that would be found anew.

- A state never changes, so an answer differs only where the instant of asking does: where a statement counts, settles or falls
  away, where a rule begins or ends, and where other terms, another entry into force or another pause is in effect.
- An answer of which more can change than that (one about indicators, or about certifications that somebody gave) lasts for
  its own instant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TypeAlias

from detente.accord.fold import AccordState
from detente.accord.span import Span
from detente.accord.standing import Standing
from detente.accord.terms import Terms
from detente.accord.topics import FINDING, LINEAGE
from detente.base.digest import Digest
from detente.base.identity import Party

KEPT_MAX = 4_096
"""Answers kept per state: every run and change that an issuer of a large coalition is asked about within one permit life."""
NEVER = 2**62
_ORDER = attrgetter("order")

Question: TypeAlias = tuple[str, Digest, Decimal | None]
"""At what (``run.start``, ``version.train``, ``version.deploy``), of what, and for how many FLOP."""
Under: TypeAlias = tuple[Terms, int | None, frozenset[tuple[str, Party]]]
"""The terms in effect, since when the accord is in force, and which latched trigger covers which party."""


@dataclass(slots=True)
class Answer:
    """A standing found at ``since`` under what was in effect then; ``asked`` is the last instant at which it was right."""

    standing: Standing
    since: int
    until: int
    under: Under
    asked: int


def kept_answer(state: AccordState, question: Question, at: int) -> Answer | None:
    """What was last found, where it may still be so at ``at``; certainly, where ``asked`` is ``at``."""
    kept: dict[Question, Answer] | None = state.keep.get("answers")
    answer = None if kept is None else kept.get(question)
    return answer if answer is not None and answer.since <= at < answer.until else None


def keep_answer(state: AccordState, question: Question, answer: Answer) -> None:
    """Keep it in place of an older one, and of the oldest of all where there are too many."""
    kept: dict[Question, Answer] = state.keep.setdefault("answers", {})
    if question not in kept and len(kept) >= KEPT_MAX:
        del kept[next(iter(kept))]
    kept[question] = answer


def next_difference(
    state: AccordState, subject: Digest, at: int, spans: Iterable[Span], in_force_since: int | None
) -> int:  # fmt: skip
    """The first instant after ``at`` at which the lineage, a finding, a halt of ``subject`` or one of ``spans`` may say otherwise."""
    found = [state.next_wake((LINEAGE, FINDING), at)]
    halts = state.index.get(("halt", subject), ())
    halted = bisect_right(halts, (at, 2, ""), key=_ORDER)
    if halted < len(halts):
        found.append(halts[halted].time)
    for span in spans:
        found += [span.begins_at(in_force_since), span.ends_at(in_force_since)]
    return min((instant for instant in found if instant is not None and instant > at), default=NEVER)
