"""Everything that is figured about one reviewer, for that reviewer: as values, as JSON, and in sentences.

Decides which decisions each figure is over. Leaves out who may see them (``app.review_notes``). ``spec/review.md`` §4.

- Time, files, overlap and load are over the reviewer's own decisions, seeded changes included: when they were read nobody knew.
- Agreement is over proposals that another reviewer decided on too, seeded changes left out.
- A word that is not known counts as unknown, never for or against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detente.measure.review.agreement import CONFIDENCE, Agreement, agreement_of, pairs_of
from detente.measure.review.attention import Attention, measure_attention
from detente.measure.review.catch import Caught, count_caught
from detente.measure.review.decision import Decided, percent, show_between


@dataclass(frozen=True, slots=True)
class Figures:
    """One reviewer's figures."""

    attention: Attention
    agreement: Agreement
    caught: Caught

    def as_json(self) -> dict[str, Any]:
        return {
            "attention": self.attention.as_json(),
            "agreement": self.agreement.as_json(),
            "seeded": self.caught.as_json(),
            "says": list(self.says()),
        }

    def says(self) -> tuple[str, ...]:
        """The figures in sentences, each with what it cannot show."""
        return (*_attention(self.attention), *_agreement(self.agreement), self.caught.spelled())


def figures_of(decisions: Sequence[Decided], reviewer: tuple[str, str]) -> Figures:
    """The figures of one reviewer, out of everybody's decisions."""
    own = [each for each in decisions if each.reviewer == reviewer]
    return Figures(measure_attention(own), agreement_of(pairs_of(decisions, reviewer)), count_caught(own))


def _attention(found: Attention) -> list[str]:
    if found.decisions == found.all_shown.unknown:  # of 0 too
        said = ["how they were read is not recorded: no note with figures"] if found.decisions else []
        return [*said, *_load(found)]
    said = []
    for bound, part in found.surely_faster.items():
        active = found.active_faster[bound]
        said.append(
            f"faster than {bound} lines an hour: {part.spelled()} over the whole time open, {active.spelled()} over the time active"
        )
    said.append(f"all files were shown: {found.all_shown.spelled()}")
    said.append(f"open beside another proposal: {found.overlapping.spelled()}")
    if pairs := len(found.impossible):
        pair = "pair was" if pairs == 1 else "pairs were"
        said.append(f"{pairs} {pair} active for longer than both together were open: one person cannot have been")
    return [*said, *_load(found)]


def _load(found: Attention) -> list[str]:
    if found.busiest_day is None:
        return []
    lines = f"; at most {found.most_lines_a_day} recorded lines in a day" if found.most_lines_a_day else ""
    return [f"most in a day: {found.most_a_day}, on {found.busiest_day}{lines}"]


def _agreement(found: Agreement) -> list[str]:
    agree, pairs = found.raw
    if not pairs:
        return ["agreement with others: nobody else decided on the same proposals"]
    said = f"agreement with others: {agree} of {pairs}, the true share {show_between(found.raw_between)} ({percent(CONFIDENCE)} confidence)"
    beyond = (
        "beyond chance: not determined, since every decision was the same"
        if found.alpha is None or found.alpha_between is None
        else f"beyond chance: alpha {found.alpha:.2f}, between {found.alpha_between[0]:.2f} and {found.alpha_between[1]:.2f}"
    )
    follows = f"; in {found.after} of them the second may have known the first" if found.after else ""
    return [said + follows, beyond]
