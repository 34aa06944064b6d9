"""What every importer gives back: the versions of one loop, in one vocabulary, whatever the loop calls them.

Decides the shape and how a version gets its digest. Leaves out what it all amounts to (``measuring``).

1. ``parents`` are those that the loop recorded. ``perhaps`` are those that only its rules or the order of its rows
   give: they count in upper ends, never in lower ones.
2. ``proposer`` is ``model`` only where the loop itself calls the model; ``undeclared`` counts as a model in upper ends.
3. ``touches`` is empty where nobody said what the loop changes.
4. ``kept`` is False only where the loop's own rules say that the version was dropped; None where its word is not one
   of the loop's.

>>> version_digest("dgm", "", "initial") == version_digest("dgm", "", "initial"), len(version_digest("dgm", "", "x"))
(True, 64)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from detente.base.digest import Digest, sha256_hex
from detente.base.quantity import Interval
from detente.lineage.graph import UNKNOWN
from detente.measure.indicator import LISTED, EvidenceClass, Exclusion, Remark
from detente.statement.change import ProposerKind, Touch

Direction = Literal["higher", "lower"]
VERSIONS_MAX: Final = 200_000
"""Versions of one run: thirty times the largest public one (6,860 programs); the graph of as many needs about 1 GB."""
EXAMPLES_MAX: Final = LISTED
SCORE_DIGITS: Final = 40
NOTHING_TOUCHED: Final[frozenset[Touch]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopVersion:
    """One version as the loop recorded it; ids are the loop's own, ``scope`` tells equal ids of different runs apart.

    ``ranked`` is False where the loop itself would never call the version its best (it is wrong, say). ``generation`` is the loop's own number. ``approved`` is what the record itself says of a significant human approval,
    nearly always nothing. ``digest`` is the version's own, where it has one.
    """

    id: str
    scope: str = ""
    parents: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    proposer: ProposerKind = "model"
    proposed_by: str | None = None
    touches: frozenset[Touch] = NOTHING_TOUCHED
    steps: int | None = 1
    generation: int | None = None
    score: Decimal | None = None
    status: str = ""
    kept: bool | None = True
    ranked: bool = True
    time: Interval = UNKNOWN
    own_flop: Decimal | None = None
    changed_lines: int | None = None
    approved: bool | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One run. ``attempts`` is how many experiments the record lists; ``best`` the version that the loop calls best."""

    kind: str
    name: str
    versions: tuple[LoopVersion, ...]
    direction: Direction | None
    score_name: str
    evidence: EvidenceClass
    rules: tuple[str, ...] = ()
    best: str | None = None
    attempts: int | None = None
    remarks: tuple[Remark, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


def version_digest(kind: str, scope: str, version: str) -> Digest:
    """The digest under which a version of a loop stands in the graph: SHA-256 over domain, kind, scope and id."""
    parts = ("detente-loop/v1", kind, scope, version)
    return sha256_hex(b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts))


class Tally:
    """What an importer leaves out while it reads: counted by what and why, with a few names."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], list[str]] = {}

    def leave_out(self, what: str, why: str, example: str, *, count: int = 1) -> None:
        """One more, or ``count`` more, of this kind."""
        key = (what, why)
        self._counts[key] = self._counts.get(key, 0) + count
        kept = self._examples.setdefault(key, [])
        if len(kept) < EXAMPLES_MAX:
            kept.append(example[:80])

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Everything that was left out."""
        return tuple(
            Exclusion(what, why, count, tuple(self._examples[what, why])) for (what, why), count in self._counts.items()
        )

    def score(self, value: Any, example: str, *, least: Decimal | None = None) -> Decimal | None:
        """A score as recorded; what is no finite number, or below what the score can be, is left out and counted.

        >>> tally = Tally()
        >>> tally.score("68.6%", "row 1"), tally.score("NaN", "row 2"), tally.score(-1, "row 3", least=Decimal(0))
        (Decimal('68.6'), None, None)
        >>> [(each.count, each.why) for each in tally.exclusions()]
        [(1, 'not a finite number'), (1, 'below 0, which this score cannot be')]
        """
        if value is None or isinstance(value, bool) or (isinstance(value, str) and value.strip() in {"", "-"}):
            return None
        number = as_decimal(value)
        if number is None:
            self.leave_out("scores", "not a finite number", example)
            return None
        if least is not None and number < least:
            self.leave_out("scores", f"below {least}, which this score cannot be", example)
            return None
        return number


def as_decimal(value: Any) -> Decimal | None:
    """A finite number of at most forty digits, also of a text with a per cent sign; None of anything else."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%").strip()
        if len(value) > SCORE_DIGITS:
            return None
    elif isinstance(value, float):
        value = repr(value)
    elif isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    if not number.is_finite() or (number != 0 and not -30 <= number.adjusted() <= 60):
        return None
    return number if len(number.as_tuple().digits) <= SCORE_DIGITS else None


def at_second(value: Any) -> Interval:
    """The instant of a time in seconds since the Epoch; unknown if it is none within the years 1990 to 2200."""
    number = as_decimal(value)
    if number is None or not 631_152_000 <= number <= 7_258_118_400:
        return UNKNOWN
    return Interval(number, number)
