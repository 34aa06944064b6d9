"""Predicate ``facility``: compute that a party registers.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.statement.fields import AMOUNT, NAME, Record, count, optional, text


@dataclass(frozen=True, slots=True)
class Facility:
    """A place with ``chips`` accelerators that together do ``peak_flop_s`` FLOP per second.

    With ``complete_above`` its author says that every facility of its that does more FLOP per second than this is registered.
    """

    facility: str
    country: str
    chips: int
    peak_flop_s: Decimal
    complete_above: Decimal | None = None


FACILITY = Record(
    Facility,
    facility=NAME,
    country=text(64),
    chips=count(),
    peak_flop_s=AMOUNT,
    complete_above=optional(AMOUNT),
)
