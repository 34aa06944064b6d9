"""What every measurement gives back: indicators, remarks, exclusions, and the evidence below them.

Decides the shape of a result and nothing about its content. Source: contracts §1 (``measurement``); ``spec/measure.md`` §1.

1. An *indicator* is an interval; a side that is ``None`` is not known. One false number is never given for a range.
2. Its evidence class is that of the weakest evidence without which the number would be another.
3. Whatever was left out is an *exclusion*: counted, with a reason and some of its names.
4. What a reader should notice beside the numbers is a *remark*; ``alarm`` is for what may be hidden on purpose.
5. An indicator names the *ledger* whose rows it was computed from, so that each number leads down to its evidence.

>>> share = Indicator(
...     name="authorship.ai_line_share", low=Decimal("0.25"), high=Decimal("0.75"), unit="share",
...     method="AI / total to (AI + unknown) / total, over added lines", evidence_class="trailer", n=8, ledger="commits")
>>> str(share.interval)
'[0.25, 0.75]'
>>> Result("authorship", subject="example", indicators=(share,)).as_json()["indicators"][0]["high"]
'0.75'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final, Literal, get_args

from detente.base.digest import Digest, sha256_hex
from detente.base.instant import Instant
from detente.base.quantity import Interval, show_decimal
from detente.base.strict_json import encode_json
from detente.statement.measurement import About, Measurement

EvidenceClass = Literal[
    "metered",  # read off an instrument or a counter
    "line-attested",  # a ledger says it of single lines
    "session-attested",  # a record of the agent's own session says it of a commit
    "trailer",  # a trailer or an identity on the commit
    "branch",  # the name of a branch
    "mention",  # words in a message
    "recorded",  # written down by the loop, forge or evaluation that is measured
    "published",  # a table that its author published
    "declared",  # a configuration or statement of the developer's
    "none",  # nothing supports a narrower interval
]
"""From the strongest to the weakest, as far as they compare (the five in the middle do: reference/measurement §1.5)."""
STRENGTH: Final[tuple[EvidenceClass, ...]] = get_args(EvidenceClass)

_DOWN: Final = Context(prec=20, rounding=ROUND_FLOOR)
_UP: Final = Context(prec=20, rounding=ROUND_CEILING)
"""Twenty digits: within what ``base.quantity`` reads, more than any measurement deserves."""

Weight = Literal["note", "warning", "alarm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """``name`` lies between ``low`` and ``high``, in ``unit``.

    ``unit`` is ``share`` (0 to 1), ``count``, ``FLOP``, ``minutes``, ``days``, ``seconds``, ``versions`` or another plain word. ``n`` is
    how many items the number rests on, ``ledger`` the name of the ``Ledger`` that lists them, ``about`` a version, run or
    party where the number is not about the whole subject, ``label`` what a person calls it.
    """

    name: str
    low: Decimal | None
    high: Decimal | None
    unit: str
    method: str
    evidence_class: EvidenceClass
    label: str = ""
    n: int | None = None
    ledger: str | None = None
    evidence: tuple[Digest, ...] = ()
    about: About | None = None

    @property
    def interval(self) -> Interval:
        """The value; raises ``Refused`` B05 if its ends are the wrong way round."""
        return Interval(self.low, self.high)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label or self.name,
            "low": _text(self.low),
            "high": _text(self.high),
            "unit": self.unit,
            "method": self.method,
            "evidence_class": self.evidence_class,
            "n": self.n,
            "ledger": self.ledger,
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a reader should notice: ``kind`` is a constant word for machines, ``text`` a sentence for people."""

    kind: str
    weight: Weight
    text: str
    ledger: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "weight": self.weight, "text": self.text, "ledger": self.ledger}


LISTED: Final = 20
"""Names under one exclusion: what a person looks through before running the command that lists all."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """``count`` items of one kind that the numbers do not rest on, why, and the names of at most ``LISTED`` of them.

    A name may be that of the commit in which the item is: ``commit c0ffee``.
    """

    what: str
    why: str
    count: int
    examples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "why": self.why, "count": self.count, "examples": list(self.examples)}


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows below a number. Cells are text, numbers, booleans or ``None``; the first column identifies the row.

    Names and addresses of people do not belong here: a digest or a pseudonym does.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | bool | None, ...], ...]

    def digest(self) -> Digest:
        """SHA-256 of ``encode()``."""
        return sha256_hex(self.encode())

    def encode(self) -> bytes:
        """The ledger as one JSON array per line, headed by its columns: ``spec/measure.md`` §2."""
        lines = [encode_json(list(self.columns)), *(encode_json([_cell(cell) for cell in row]) for row in self.rows)]
        return b"\n".join(lines) + b"\n"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "digest": self.digest(),
        }


@dataclass(frozen=True, slots=True)
class Series:
    """Points to plot, oldest first: ``at`` is an ISO date or a label, ``low`` and ``high`` the interval there.

    ``n`` is how many items the points rest on, ``ledger`` names the rows of those items. Series of one ``stack`` are parts of one
    whole and drawn on top of one another.
    """

    name: str
    title: str
    unit: str
    points: tuple[tuple[str, float | None, float | None], ...]
    n: int | None = None
    ledger: str | None = None
    stack: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "n": self.n,
            "ledger": self.ledger,
            "stack": self.stack,
            "points": [list(p) for p in self.points],
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What one measurement found about one subject. ``inputs`` names what was read: path or ref → digest or commit."""

    measure: str
    subject: str
    indicators: tuple[Indicator, ...] = ()
    remarks: tuple[Remark, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    series: tuple[Series, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def ledger(self, name: str) -> Ledger | None:
        """The ledger of that name."""
        return next((ledger for ledger in self.ledgers if ledger.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Everything, for ``--json``: quantities are decimal strings, as in statements."""
        return {
            "measure": self.measure,
            "subject": self.subject,
            "inputs": dict(self.inputs),
            "parameters": dict(self.parameters),
            "indicators": [indicator.as_json() for indicator in self.indicators],
            "remarks": [remark.as_json() for remark in self.remarks],
            "exclusions": [exclusion.as_json() for exclusion in self.exclusions],
            "series": [series.as_json() for series in self.series],
            "ledgers": [ledger.as_json() for ledger in self.ledgers],
        }


def measurements(result: Result, *, taken_at: Instant) -> tuple[Measurement, ...]:
    """The result as statement bodies, one per indicator; the digests of its ledgers are the evidence.

    An end of more digits than a statement holds is rounded outwards.
    """
    digests = {ledger.name: ledger.digest() for ledger in result.ledgers}
    bodies = []
    for indicator in result.indicators:
        own = (digests[indicator.ledger],) if indicator.ledger in digests else ()
        bodies.append(
            Measurement(
                indicator=indicator.name,
                low=None if indicator.low is None else _DOWN.plus(indicator.low),
                high=None if indicator.high is None else _UP.plus(indicator.high),
                unit=indicator.unit,
                method=indicator.method,
                evidence=tuple(dict.fromkeys((*own, *indicator.evidence))),
                taken_at=taken_at,
                about=indicator.about,
                evidence_class=indicator.evidence_class,
            )
        )
    return tuple(bodies)


def weakest(classes: Sequence[EvidenceClass]) -> EvidenceClass:
    """The weakest of several classes of evidence; ``none`` of no class at all.

    >>> weakest(["line-attested", "branch", "trailer"])
    'branch'
    """
    return max(classes, key=STRENGTH.index, default="none")


def share(part: int, whole: int) -> Decimal | None:
    """``part / whole`` to six decimals, or ``None`` of nothing.

    >>> share(1, 3), share(0, 0)
    (Decimal('0.333333'), None)
    """
    return None if whole == 0 else (Decimal(part) / Decimal(whole)).quantize(Decimal("0.000001"))


def _text(value: Decimal | None) -> str | None:
    return None if value is None else show_decimal(value)


def _cell(cell: str | float | bool | None) -> Any:  # a cell is data
    return repr(cell) if isinstance(cell, float) else cell
