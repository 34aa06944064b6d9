"""Who proposed a change and what it touches: shared by ``version`` and ``proposal``.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.statement.fields import NAME, Record, choice, contradiction, listing, optional, record_codec

ProposerKind = Literal["model", "human", "undeclared"]
Touch = Literal["training", "architecture", "data", "configuration", "evaluation"]
PROPOSER_KINDS: Final[tuple[ProposerKind, ...]] = get_args(ProposerKind)
TOUCHES: Final[tuple[Touch, ...]] = get_args(Touch)


@dataclass(frozen=True, slots=True)
class ProposedBy:
    """The author of a change. ``id`` is a version digest where a model of this accord proposed it, or a name."""

    kind: ProposerKind
    id: str | None = None


def _check(proposer: ProposedBy) -> None:
    if proposer.kind == "undeclared" and proposer.id is not None:
        raise contradiction("id", proposer.id, "no id for an undeclared proposer")


PROPOSED_BY = record_codec(Record(ProposedBy, check=_check, kind=choice(PROPOSER_KINDS), id=optional(NAME)))
TOUCHED = listing(choice(TOUCHES), distinct=True)
"""An empty list says nothing was declared; ``lineage`` then counts the change in its upper bound."""
