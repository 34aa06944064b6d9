"""How far each party's versions went since a human last really looked: depths, time, FLOP and changed lines.

Decides nothing: no condition reads these, except that the depths are those of the triggers before any lift. Beside the status
and not in it, because no permit waits for them. Normative text: ``spec/accord.md`` §9, ``spec/lineage.md`` §3 and §4.

A version came to be when it was witnessed; one that was only heard came to be at an unknown time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detente.accord.fold import AccordState
from detente.accord.sweep import sweep_of
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import Interval, show_decimal
from detente.lineage.depth import DepthInterval
from detente.lineage.since import SinceApproval


@dataclass(frozen=True, slots=True)
class Oversight:
    """One party at an instant; ``cited`` are its version statements, each greatest over all its versions."""

    party: Party
    versions: int
    ai_proposed_depth: DepthInterval
    self_depth: DepthInterval
    since: SinceApproval
    cited: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party,
            "versions": self.versions,
            "ai_proposed_depth": {"low": self.ai_proposed_depth.low, "high": self.ai_proposed_depth.high},
            "self_depth": {"low": self.self_depth.low, "high": self.self_depth.high},
            "chain": list(self.ai_proposed_depth.chain),
            "since_approval": {
                "time_s": _interval(self.since.time_s),
                "flop": _interval(self.since.flop),
                "changed_lines": _interval(self.since.changed_lines),
            },
            "cites": list(self.cited),
        }


def oversight(state: AccordState, at: Instant) -> tuple[Oversight, ...]:
    """Every party that stated a version, as the lineage stands at ``at``; what was heard counts."""
    ancestry = sweep_of(state).ancestry_at(at)
    found = []
    for party in ancestry.parties():
        items, ai, own, since = ancestry.unapproved(party, at)
        found.append(Oversight(party, len(items), ai, own, since, tuple(sorted(item.id for item in items))))
    return tuple(found)


def _interval(value: Interval) -> dict[str, str | None]:
    ends = {"low": value.low, "high": value.high}
    return {name: None if end is None else show_decimal(end) for name, end in ends.items()}
