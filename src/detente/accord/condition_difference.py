"""What changed between two conditions, in words, and whether the new one is easier to be true.

Decides how two trees are paired and told. Leaves what an easier condition means for a party (``difference``).

1. The same tree says nothing.
2. Atoms of one kind about one thing are told by their numbers: "raises … from … to …".
3. In ``all`` and ``any`` parts are paired by what they are about; what is left over is added or dropped.
4. Anything else is told whole: the old condition is replaced by the new one.

A change whose effect cannot be told from its shape has the ease ``None``.

>>> from decimal import Decimal
>>> old = Compare("run.cumulative_flop", "more_than", Decimal("1e24"), "FLOP")
>>> [(step.text, step.easier) for step in compare_conditions(old, Compare(old.what, old.how, Decimal("1e25"), "FLOP"))]
[('raises the bound of run.cumulative_flop from 1e24 to 1e25 FLOP', False)]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from detente.accord.conditions import (
    AccededCount,
    AccededCountries,
    AccededParties,
    AccededShare,
    All,
    AnyOf,
    AtLeast,
    Atom,
    Compare,
    Condition,
    Not,
    OpenFinding,
    Touches,
    Votes,
    kleene_not,
)
from detente.base.quantity import show_decimal

_RISING: Final = {"at_least", "more_than"}


@dataclass(frozen=True, slots=True)
class Step:
    """One change. ``easier``: can the condition now be true where it was not (and never the reverse)?"""

    text: str
    easier: bool | None


def compare_conditions(old: Condition, new: Condition) -> list[Step]:
    """Every change from ``old`` to ``new``; empty when they are the same tree."""
    if old == new:  # 1
        return []
    if isinstance(old, All | AnyOf) and type(old) is type(new):  # 3
        return list(_parts(old.parts, new.parts, every=isinstance(old, All)))
    if isinstance(old, AtLeast) and isinstance(new, AtLeast):
        steps = list(_parts(old.parts, new.parts, every=False))
        if old.count != new.count:
            steps.append(
                Step(_moved("the parts that must hold", str(old.count), str(new.count)), new.count < old.count)
            )
        return steps
    if isinstance(old, Not) and isinstance(new, Not):
        return [Step(step.text, kleene_not(step.easier)) for step in compare_conditions(old.part, new.part)]
    if not isinstance(old, All | AnyOf | AtLeast | Not) and not isinstance(new, All | AnyOf | AtLeast | Not):
        told = _atoms(old, new)  # 2
        if told is not None:
            return told
    return [Step(f"replaces “{old.spelled()}” by “{new.spelled()}”", None)]  # 4


def _parts(old: Sequence[Condition], new: Sequence[Condition], *, every: bool) -> Iterator[Step]:
    gone = [part for part in old if part not in new]
    come = [part for part in new if part not in old]
    for part in list(gone):
        match = next((other for other in come if _subject(other) == _subject(part)), None)
        if match is not None:
            gone.remove(part)
            come.remove(match)
            yield from compare_conditions(part, match)
    for part in gone:
        yield Step(f"{'no longer asks for' if every else 'no longer counts'} “{part.spelled()}”", every)
    for part in come:
        yield Step(f"{'also asks for' if every else 'also counts'} “{part.spelled()}”", not every)


def _subject(condition: Condition) -> object:
    """What a part is about, its numbers left out: parts of one subject are told as one that changed."""
    match condition:
        case Compare(what, how, _, unit):
            return ("compare", what, how in _RISING, unit)
        case Votes() | OpenFinding() | Touches() | AccededParties() | AccededCountries() | AccededShare():
            return type(condition)
        case AccededCount(role, _):
            return ("acceded", role)
        case All(parts) | AnyOf(parts) | AtLeast(_, parts):
            return (type(condition), tuple(sorted(map(repr, map(_subject, parts)))))
        case Not(part):
            return ("not", _subject(part))
    return condition


def _atoms(old: Atom, new: Atom) -> list[Step] | None:
    match old, new:
        case Compare(), Compare() if old.what == new.what and old.unit == new.unit:
            return _comparison(old, new)
        case Votes(), Votes():
            return [*_counted("votes asked for", old.at_least, new.at_least), *_set("votes of", old.of, new.of)]
        case OpenFinding(), OpenFinding():
            return [*_counted("open findings", old.at_least, new.at_least), *_set("findings by", old.by, new.by)]
        case AccededCount(role, before), AccededCount(other, after) if role == other:
            return _counted(f"number of {role or 'parties'} that must accede", before, after)
        case AccededCountries(before), AccededCountries(after):
            return _counted("number of countries that must accede", before, after)
        case AccededShare(before), AccededShare(after):
            spelled = (f"{show_decimal(before * 100)} %", f"{show_decimal(after * 100)} %")
            return [Step(_moved("the share of registered compute that must accede", *spelled, up=after > before), after < before)]  # fmt: skip
        case AccededParties(before), AccededParties(after):
            return [
                *(Step(f"no longer asks for {party} to accede", easier=True) for party in before if party not in after),
                *(Step(f"also asks for {party} to accede", easier=False) for party in after if party not in before),
            ]
        case Touches(before), Touches(after):
            return _set("changes of", before, after)
    return None


def _comparison(old: Compare, new: Compare) -> list[Step] | None:
    if (old.how in _RISING) != (new.how in _RISING):
        return None
    steps = []
    if old.bound != new.bound:
        up = new.bound > old.bound
        values = (show_decimal(old.bound), f"{show_decimal(new.bound)} {new.unit}".rstrip())
        steps.append(Step(_moved(f"the bound of {old.what}", *values, up=up), up != (old.how in _RISING)))
    if old.how != new.how:
        inclusive = new.how in {"at_least", "at_most"}
        steps.append(
            Step(f"{'now counts' if inclusive else 'no longer counts'} {new.what} at exactly the bound", inclusive)
        )
    return steps


def _counted(what: str, old: int, new: int) -> list[Step]:
    return [] if old == new else [Step(_moved(f"the {what}", str(old), str(new), up=new > old), new < old)]


def _set(what: str, old: Sequence[str], new: Sequence[str]) -> list[Step]:
    return [
        *(Step(f"no longer counts {what} {each}", easier=False) for each in old if each not in new),
        *(Step(f"also counts {what} {each}", easier=True) for each in new if each not in old),
    ]


def _moved(what: str, old: str, new: str, *, up: bool | None = None) -> str:
    verb = "changes" if up is None else "raises" if up else "lowers"
    return f"{verb} {what} from {old} to {new}"
