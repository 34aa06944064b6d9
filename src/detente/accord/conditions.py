"""Conditions: trees of ``all``, ``any``, ``not`` and ``at_least k of`` over typed atoms, in Kleene's three values.

Decides how a tree combines and how it is printed. Leaves the atoms' values to a ``View``. There is no expression
engine: a condition can be printed, compared, explained and model-checked. Normative text: ``spec/terms.md`` §3.

- *true*, *false*, or unknown (``None``); ``not`` of unknown is unknown.
- Where several sources disagree about one atom, the answer that restricts wins: outside ``not`` the truest, inside
  the falsest. So a source can only ever add a restriction to what another said.

>>> tree = All((Votes(("auditor",), 2), Not(OpenFinding(("auditor",), 1))))
>>> tree.spelled()
'all of (2 votes of auditor; not (1 open finding by auditor))'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from detente.base.quantity import Interval, show_decimal

Truth: TypeAlias = bool | None
Comparison = Literal["at_least", "more_than", "at_most", "less_than"]
SIGNS: dict[str, str] = {"at_least": "≥", "more_than": ">", "at_most": "≤", "less_than": "<"}


@dataclass(frozen=True, slots=True)
class Compare:
    """An indicator, or a property of the run in question, against a number with its unit."""

    what: str
    how: Comparison
    bound: Decimal
    unit: str

    def spelled(self) -> str:
        return f"{self.what} {SIGNS[self.how]} {show_decimal(self.bound)} {self.unit}".rstrip()

    def of(self, value: Interval) -> Truth:
        """The answer for one interval, exactly.

        >>> from detente.base.quantity import exactly
        >>> Compare("run.cumulative_flop", "more_than", Decimal("1e25"), "FLOP").of(exactly(Decimal("1e25")))
        False
        """
        if self.how == "at_least":
            return value.at_least(self.bound)
        if self.how == "at_most":
            return value.at_most(self.bound)
        if self.how == "more_than":
            return value.more_than(self.bound)
        return kleene_not(value.at_least(self.bound))


@dataclass(frozen=True, slots=True)
class Votes:
    """So many distinct parties among roles or parties have a standing vote to pause."""

    of: tuple[str, ...]
    at_least: int

    def spelled(self) -> str:
        return f"{self.at_least} vote{'s' if self.at_least > 1 else ''} of {', '.join(self.of)}"


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """So many confirmed findings by these roles or parties wait for a ruling."""

    by: tuple[str, ...]
    at_least: int

    def spelled(self) -> str:
        return f"{self.at_least} open finding by {', '.join(self.by)}"


@dataclass(frozen=True, slots=True)
class NoneOpen:
    """No finding that concerns the pause is open."""

    def spelled(self) -> str:
        return "no finding is open"


@dataclass(frozen=True, slots=True)
class Breach:
    """A ruling of breach stands."""

    def spelled(self) -> str:
        return "a ruling of breach stands"


@dataclass(frozen=True, slots=True)
class Overdue:
    """A duty is overdue: of the party in question, or of any that has it."""

    duty: str

    def spelled(self) -> str:
        return f"{self.duty} is overdue"


@dataclass(frozen=True, slots=True)
class AccededCount:
    """So many parties of a role (or of any, where it is empty) have acceded."""

    role: str
    at_least: int

    def spelled(self) -> str:
        return f"{self.at_least} {self.role or ('party' if self.at_least == 1 else 'parties')} acceded"


@dataclass(frozen=True, slots=True)
class AccededParties:
    """Each of these parties has acceded."""

    parties: tuple[str, ...]

    def spelled(self) -> str:
        return f"{', '.join(self.parties)} acceded"


@dataclass(frozen=True, slots=True)
class AccededCountries:
    """Developers of so many countries have acceded."""

    at_least: int

    def spelled(self) -> str:
        return f"parties of {self.at_least} {'country' if self.at_least == 1 else 'countries'} acceded"


@dataclass(frozen=True, slots=True)
class AccededShare:
    """Those who acceded hold this share of registered compute; unknown while none is registered."""

    at_least: Decimal

    def spelled(self) -> str:
        return f"{show_decimal(self.at_least * 100)} % of registered compute acceded"


@dataclass(frozen=True, slots=True)
class Touches:
    """The change touches any of these parts."""

    parts: tuple[str, ...]

    def spelled(self) -> str:
        return f"the change touches {' or '.join(self.parts)}"


@dataclass(frozen=True, slots=True)
class Proposer:
    """Who proposed the change; an undeclared proposer makes it unknown."""

    kind: Literal["model", "human"]

    def spelled(self) -> str:
        return f"a {self.kind} proposed the change"


@dataclass(frozen=True, slots=True)
class RunActivity:
    """What the run is for."""

    activity: str

    def spelled(self) -> str:
        return f"the run is {self.activity}"


Atom: TypeAlias = (
    Compare | Votes | OpenFinding | NoneOpen | Breach | AccededCount | AccededParties | AccededCountries | AccededShare
    | Touches | Proposer | RunActivity | Overdue
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is."""

    parts: tuple[Condition, ...]

    def spelled(self) -> str:
        return f"all of ({'; '.join(part.spelled() for part in self.parts)})"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one part is."""

    parts: tuple[Condition, ...]

    def spelled(self) -> str:
        return f"any of ({'; '.join(part.spelled() for part in self.parts)})"


@dataclass(frozen=True, slots=True)
class Not:
    """True when its part is false."""

    part: Condition

    def spelled(self) -> str:
        return f"not ({self.part.spelled()})"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """True when so many parts are."""

    count: int
    parts: tuple[Condition, ...]

    def spelled(self) -> str:
        return f"at least {self.count} of ({'; '.join(part.spelled() for part in self.parts)})"


Condition: TypeAlias = Atom | All | AnyOf | Not | AtLeast


class View(Protocol):
    """What gives an atom its value at an instant."""

    def value(self, atom: Atom, *, restricting: bool) -> Truth:
        """The atom's value; ``restricting`` says that true is what restricts, false inside an odd number of ``not``."""
        ...


def kleene_not(value: Truth) -> Truth:
    """Unknown stays unknown."""
    return None if value is None else not value


def kleene_all(values: Iterable[Truth]) -> Truth:
    """False if one is false, else unknown if one is unknown, else true.

    >>> [kleene_all(v) for v in ((True, None), (False, None), (True, True), ())]
    [None, False, True, True]
    """
    result: Truth = True
    for value in values:
        if value is False:
            return False
        if value is None:
            result = None
    return result


def kleene_any(values: Iterable[Truth]) -> Truth:
    """True if one is true, else unknown if one is unknown, else false.

    >>> [kleene_any(v) for v in ((True, None), (False, None), (False, False), ())]
    [True, None, False, False]
    """
    result: Truth = False
    for value in values:
        if value is True:
            return True
        if value is None:
            result = None
    return result


def kleene_at_least(count: int, values: Iterable[Truth]) -> Truth:
    """True if ``count`` are true, false if fewer could be, else unknown.

    >>> [kleene_at_least(2, v) for v in ((True, True, None), (True, None), (False, None, False))]
    [True, None, False]
    """
    known = possible = 0
    for value in values:
        known += value is True
        possible += value is not False
    if known >= count:
        return True
    return False if possible < count else None


def evaluate(condition: Condition, view: View, *, restricting: bool = True) -> Truth:
    """The value of a tree, atoms asked of ``view``."""
    if isinstance(condition, All):
        return kleene_all(evaluate(part, view, restricting=restricting) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return kleene_any(evaluate(part, view, restricting=restricting) for part in condition.parts)
    if isinstance(condition, AtLeast):
        return kleene_at_least(
            condition.count, (evaluate(part, view, restricting=restricting) for part in condition.parts)
        )
    if isinstance(condition, Not):
        return kleene_not(evaluate(condition.part, view, restricting=not restricting))
    return view.value(condition, restricting=restricting)


def atoms(condition: Condition) -> Iterator[Atom]:
    """Every atom of a tree, left to right."""
    if isinstance(condition, All | AnyOf | AtLeast):
        for part in condition.parts:
            yield from atoms(part)
    elif isinstance(condition, Not):
        yield from atoms(condition.part)
    else:
        yield condition
