r"""Reading members of a YAML mapping one by one, keeping every error instead of stopping at the first.

Decides how an error is located and collected. Leaves out which members there are (``reading``).

>>> from detente.accord.document import read_document
>>> errors: list[Refused] = []
>>> fields = Fields(read_document(b"{a: 1, b: 2}"), errors)
>>> fields.take("a", whole), fields.done(), errors[0].got
(1, None, "1:8 'b'")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Self, TypeVar

from detente.accord.document import Node
from detente.base.errors import RefusalKind, Refused, shown
from detente.base.quantity import EXACT, H100E_FLOP_S, parse_decimal

T = TypeVar("T")
_ABSENT: Any = object()
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?\Z", re.ASCII)
_UNIT = re.compile(r"[!-~]+(?: [!-~]+)*\Z", re.ASCII)
_QUANTITY = re.compile(r"(\S+?) ?(%|[A-Za-z][A-Za-z0-9_/]{0,15})?\Z", re.ASCII)


class TermsRefused(Refused):
    """Terms that cannot be read. It is the first error of the file; ``all`` holds every one that was found."""

    def __init__(
        self, rule: str, kind: RefusalKind, *, got: str, expected: str, todo: str = "", found: tuple[Refused, ...] = ()
    ) -> None:  # fmt: skip
        super().__init__(rule, kind, got=got, expected=expected, todo=todo)
        self.all: tuple[Refused, ...] = found or (self,)

    @classmethod
    def of(cls, errors: Sequence[Refused]) -> Self:
        """The refusal of a file in which these errors were found, at least one."""
        first = errors[0]
        return cls(first.rule, first.kind, got=first.got, expected=first.expected, todo=first.todo, found=tuple(errors))


class Fields:
    """The members of one mapping. What cannot be read is recorded in ``errors`` and comes out as None."""

    def __init__(self, node: Node, errors: list[Refused]) -> None:
        self.errors = errors
        self.node = node
        self.seen: set[str] = set()
        if node.kind != "mapping":
            errors.append(Refused("T07", "wrong-type", got=f"{node.where} {node}", expected="a mapping"))

    def take(self, name: str, read: Callable[[Node], T], default: Any = _ABSENT) -> Any:
        """The member ``name`` read by ``read``; absent: ``default``, or T07 when there is none."""
        self.seen.add(name)
        node = self.node.entries.get(name)
        if node is None:
            if default is not _ABSENT:
                return default
            if self.node.kind == "mapping":
                self.errors.append(
                    Refused("T07", "wrong-type", got=f"{self.node.where} no {name!r}", expected=f"a member {name!r}")
                )
            return None
        return self.guard(node, read)

    def guard(self, node: Node, read: Callable[[Node], T]) -> T | None:
        """``read(node)``, any refusal recorded with its place."""
        try:
            return read(node)
        except Refused as refused:
            self.errors.append(located(node, refused))
            return None

    def done(self) -> None:
        """Record every member that nobody asked for: T06."""
        for name, (line, column) in self.node.keys.items():
            if name not in self.seen:
                self.errors.append(
                    Refused(
                        "T06",
                        "unknown-field",
                        got=f"{line}:{column} {shown(name)}",
                        expected="one of " + ", ".join(sorted(self.seen)),
                    )
                )


def located(node: Node, refused: Refused) -> Refused:
    """The refusal with line and column; one that is not of a file of terms, scenarios or facts (T, X, Y) becomes T08."""
    if refused.rule[0] in "TXY":
        return refused
    return Refused("T08", "malformed", got=f"{node.where} {refused.got}", expected=refused.expected, todo=refused.todo)


def text(node: Node) -> str:
    """A text of 1 to 1,024 characters."""
    if node.kind != "text" or not 1 <= len(node.text) <= 1024:
        raise Refused("T07", "wrong-type", got=f"{node.where} {node}", expected="a text of 1 to 1024 characters")
    return node.text


def name(node: Node) -> str:
    """An identifier in ASCII, so that no look-alike passes for another: a-z, 0-9, inner ``_ . -``."""
    return identifier(text(node), node.where)


def identifier(value: str, where: str) -> str:
    """What ``name`` reads, where it is the key of a mapping that stands at ``where``."""
    if not _NAME.match(value):
        raise Refused("T08", "malformed", got=f"{where} {shown(value)}", expected="a name: a-z, 0-9, inner _ . -")
    return value


def unit(node: Node) -> str:
    """A unit of measurement in printable ASCII, so that two that look the same are the same."""
    value = text(node)
    if not _UNIT.match(value):
        raise Refused(
            "T08", "malformed", got=f"{node.where} {shown(value)}", expected="a unit in ASCII, such as FLOP/s"
        )
    return value


def whole(node: Node, least: int = 0, most: int = 2**31) -> int:
    """A whole number within bounds."""
    value = text(node)
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", value, re.ASCII) or not least <= int(value) <= most:
        raise Refused(
            "T08", "malformed", got=f"{node.where} {shown(value)}", expected=f"a whole number from {least} to {most}"
        )
    return int(value)


def positive(node: Node) -> int:
    """A whole number from 1 to 10,000: a count of parties, humans or parts."""
    return whole(node, 1, 10_000)


def flag(node: Node) -> bool:
    """``yes`` or ``no`` (``true`` and ``false`` too)."""
    value = {"yes": True, "true": True, "no": False, "false": False}.get(text(node))
    if value is None:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="yes or no")
    return value


def one_of(*choices: str) -> Callable[[Node], Any]:
    """One of some words."""

    def read(node: Node) -> str:
        value = text(node)
        if value not in choices:
            raise Refused(
                "T08", "malformed", got=f"{node.where} {shown(value)}", expected="one of " + ", ".join(choices)
            )
        return value

    return read


def listed(read: Callable[[Node], T], least: int = 0, most: int = 10_000) -> Callable[[Node], tuple[T, ...]]:
    """A list, each of whose items ``read`` reads."""

    def read_list(node: Node) -> tuple[T, ...]:
        if node.kind != "list" or not least <= len(node.items) <= most:
            raise Refused("T07", "wrong-type", got=f"{node.where} {node}", expected=f"a list of {least} to {most}")
        result = []
        for item in node.items:
            try:
                result.append(read(item))
            except Refused as refused:
                raise located(item, refused) from None
        return tuple(result)

    return read_list


def quantity(node: Node) -> tuple[Decimal, str]:
    """A decimal and its unit: ``1e24 FLOP``, ``80 %``, ``3``."""
    match = _QUANTITY.match(text(node))
    if match is None:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="a number and a unit, like 1e24 FLOP")
    return parse_decimal(match[1]), match[2] or ""


def compute_rate(node: Node) -> Decimal:
    """What a facility computes, in FLOP per second: ``1e18 FLOP/s``, or ``10000 H100e``."""
    value, unit = quantity(node)
    if unit not in {"FLOP/s", "H100e"} or value < 0:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="a number of FLOP/s or of H100e")
    return EXACT.multiply(value, H100E_FLOP_S) if unit == "H100e" else value


def share(node: Node) -> Decimal:
    """A percentage from 0 % to 100 %, as a number from 0 to 1."""
    value, unit = quantity(node)
    if unit != "%" or not 0 <= value <= 100:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="a share from 0 % to 100 %")
    return EXACT.scaleb(value, -2)
