r"""What the change of one file touches: the path's answer, made finer by what differs inside.

1. A path that is left out (``paths``) touches nothing, whatever stands in the file.
2. Python: the units that differ. None differ: layout and comments only, nothing is touched. A unit's area is that of its name
   (``rules.NAMES``), else the path's; all units of an evaluator are evaluation. A file in no known place counts only if it imports a
   machine-learning framework; a unit of such a file that no rule names leaves the change *undetermined*. A text in which no
   framework's name stands imports none, whatever else it is: it is not taken apart.
3. YAML, TOML, JSON and shell: the keys that differ, in the same way; in no known place, a key that a rule names leaves the change
   undetermined, since such words are common elsewhere.
4. Anything else, and a text that cannot be read or is not there: the path alone, and the reason is kept. Python in no known place
   is then undetermined, never "touches nothing".

>>> verdict = judge_file(FileChange("train.py", b"DEPTH = 8\n", b"DEPTH = 9\n"))
>>> verdict.areas, [(unit.name, unit.values) for unit in verdict.units]
(('architecture',), [('DEPTH', '8→9')])
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from detente.measure.changes.areas import AREAS, Area, Label
from detente.measure.changes.document_keys import KINDS, Keys, changed_keys, document_keys
from detente.measure.changes.paths import PathVerdict, path_verdict
from detente.measure.changes.python_units import (
    NOTHING,
    PythonFile,
    UnitChange,
    Unreadable,
    changed_units,
    python_units,
)
from detente.measure.changes.rules import FRAMEWORKS, name_rule

Basis = Literal["path", "python", "keys", "none"]
REMEMBERED_BYTES: Final = 16 << 20
"""Twice that is held, since units keep their text: the files that a month of commits goes back to."""
WEAK_PLACES: Final = frozenset({"imports", "statements"})
"""Kinds of unit whose name says nothing."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file before and after; ``None`` where it did not exist. ``absent`` says why a text is not at hand."""

    path: str
    before: bytes | None
    after: bytes | None
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedUnit:
    """One differing unit or key, and the area of its name."""

    name: str
    kind: str
    how: str
    values: str | None
    area: Area | None
    label: Label | None


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """``areas`` in the order of ``AREAS``; ``undetermined`` if the change may touch one that is not among them."""

    path: str
    basis: Basis
    areas: tuple[Area, ...] = ()
    labels: tuple[Label, ...] = ()
    units: tuple[JudgedUnit, ...] = ()
    undetermined: bool = False
    left_out: str | None = None
    unread: str | None = None
    declared: bool = False


Reader = Callable[[bytes], PythonFile]
"""``python_units``, or the same with a memory of versions already taken apart."""


def judge_file(change: FileChange, *, evaluators: tuple[str, ...] = (), reader: Reader = python_units) -> FileVerdict:
    """The verdict on one file. Never raises for what a file holds."""
    place = path_verdict(change.path, evaluators)
    if place.left_out:
        labels = (place.label,) if place.label else ()
        return FileVerdict(change.path, "none", left_out=place.left_out, labels=labels)
    suffix = change.path.rpartition(".")[2].lower()
    if change.absent is None and suffix in {"py", "pyi"}:
        if place.area is None and not (_may_import(change.before) or _may_import(change.after)):
            return FileVerdict(change.path, "none")
        try:
            before = NOTHING if change.before is None else reader(change.before)
            after = NOTHING if change.after is None else reader(change.after)
            return _python(
                change.path, place, changed_units(before, after), before.machine_learning or after.machine_learning
            )
        except Unreadable as why:
            return _by_path(change.path, place, unread=str(why), code=True)
    if change.absent is None and suffix in KINDS:
        try:
            keys = changed_keys(_keys(change.path, change.before), _keys(change.path, change.after))
        except Unreadable as why:
            return _by_path(change.path, place, unread=str(why), code=False)
        return _document(change.path, place, keys)
    return _by_path(change.path, place, unread=change.absent, code=suffix in {"py", "pyi"})


def _may_import(text: bytes | None) -> bool:
    """Can this text import a machine-learning framework? Not if it is ASCII and none of their names stands in it anywhere.

    Other letters may be read as these (Python folds compatibility forms of names), so such a text is taken apart.
    """
    return text is not None and (not text.isascii() or _FRAMEWORK.search(text) is not None)


_FRAMEWORK: Final = re.compile(rb"|".join(re.escape(name.encode()) for name in sorted(FRAMEWORKS)))


def _keys(path: str, text: bytes | None) -> Keys:
    return {} if text is None else document_keys(path, text)


def _python(path: str, place: PathVerdict, changes: Sequence[UnitChange], machine_learning: bool) -> FileVerdict:
    if place.area is None and not machine_learning:
        return FileVerdict(path, "none")
    units = [_judged(change, place) for change in changes]
    telling = [unit for unit in units if unit.kind not in WEAK_PLACES] or units
    undetermined = place.area is None and any(unit.area is None for unit in telling)
    return _verdict(path, "python", place, units, telling, undetermined=undetermined)


def _document(path: str, place: PathVerdict, changes: Sequence[UnitChange]) -> FileVerdict:
    units = [_judged(change, place) for change in changes]
    if place.area is None:
        named = any(unit.area is not None for unit in units)
        return FileVerdict(path, "keys", units=tuple(units) if named else (), undetermined=named)
    return _verdict(path, "keys", place, units, units, undetermined=False)


def _judged(change: UnitChange, place: PathVerdict) -> JudgedUnit:
    area, label = place.area, place.label
    rule = None if change.kind in WEAK_PLACES or place.area == "evaluation" else name_rule(change.name)
    if rule is not None and rule.area is not None:
        area, label = rule.area, rule.label
    return JudgedUnit(change.name, change.kind, change.how, change.values, area, label)


def _verdict(
    path: str,
    basis: Basis,
    place: PathVerdict,
    units: Sequence[JudgedUnit],
    telling: Sequence[JudgedUnit],
    *,
    undetermined: bool,
) -> FileVerdict:
    found = {unit.area for unit in telling}
    return FileVerdict(
        path,
        basis,
        areas=tuple(area for area in AREAS if area in found),
        labels=tuple(dict.fromkeys(unit.label for unit in telling if unit.label)),
        units=tuple(units),
        undetermined=undetermined,
        declared=place.declared and bool(units),
    )


def _by_path(path: str, place: PathVerdict, *, unread: str | None, code: bool) -> FileVerdict:
    return FileVerdict(
        path,
        "path",
        areas=(place.area,) if place.area else (),
        labels=(place.label,) if place.label else (),
        undetermined=code and place.area is None,
        unread=unread,
        declared=place.declared,
    )


class RememberingReader:
    """``python_units`` with the last versions in memory: what one commit leaves is what the next one changes.

    Holds at most ``REMEMBERED_BYTES`` of source text, the oldest going first.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, PythonFile] = OrderedDict()
        self._bytes = 0

    def __call__(self, text: bytes) -> PythonFile:
        found = self._known.get(text)
        if found is None:
            found = python_units(text)
            self._known[text] = found
            self._bytes += len(text)
            while self._bytes > REMEMBERED_BYTES:
                oldest, _ = self._known.popitem(last=False)
                self._bytes -= len(oldest)
        else:
            self._known.move_to_end(text)
        return found
