"""What the files of one commit touch, taken together: a value that is kept between scans.

Decides how verdicts on files become one on their commit, and how that is spelt in a row. Leaves out who made the commit and who
looked (``tally``), and what a row may be kept for (``app.measuring.change_scan``). It follows from the commit and the rules
alone, unless something of the commit could not be read.

>>> judged = Judged("c0ffee", undetermined=True)
>>> from_row(as_row(judged)) == judged, as_row(Judged("c0ffee"))
(True, ['c0ffee'])
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from detente.base.visible import visible
from detente.measure.changes.areas import Area, Label
from detente.measure.changes.filing import FileVerdict

RULES: Final = 1
"""Raised with every change of this package that judges some commit otherwise; ``rules.rules_digest`` covers the tables."""
UNITS_SHOWN: Final = 12
"""Names in one row of the ledger; the rest is counted."""
EXAMPLES: Final = 3
"""Names that one commit keeps for one reason."""
UNKNOWN_TREE: Final = "whose tree is absent or damaged: undetermined"
PAST_FILES: Final = "past the number of files kept of one commit"


Some: TypeAlias = tuple[int, list[str]]
"""How many, and the names of a few."""


@dataclass(slots=True)
class Judged:
    """One commit: what it touches for sure, whether it may touch more, and which of its files were left out or not read.

    ``left_out`` and ``unread`` hold for each reason how many files, and a few of their names. ``skipped`` says why nothing of it is known.
    """

    id: str
    areas: set[Area] = field(default_factory=set)
    labels: set[Label] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    units: list[str] = field(default_factory=list)
    units_count: int = 0
    files: int = 0
    added: int = 0
    undetermined: bool = False
    declared: bool = False
    evaluator_edited: bool = False
    skipped: str = ""
    left_out: dict[str, Some] = field(default_factory=dict)
    unread: dict[str, Some] = field(default_factory=dict)

    def add(self, verdict: FileVerdict, added: int, *, new: bool) -> None:
        """Take in one file with the lines added to it; ``new`` if it was not there before."""
        self._note(verdict)
        if not verdict.areas and not verdict.undetermined:
            return
        self.evaluator_edited = self.evaluator_edited or ("evaluation" in verdict.areas and not new)
        self.areas.update(verdict.areas)
        self.undetermined = self.undetermined or verdict.undetermined
        self.declared = self.declared or verdict.declared
        if verdict.areas:
            self.files += 1
            self.added += added
            self.labels.update(verdict.labels)
        for unit in verdict.units:
            self.kinds.add(unit.kind)
            self.units_count += 1
            if len(self.units) < UNITS_SHOWN:
                self.units.append(f"{legible(unit.name)}{f' {unit.values}' if unit.values else ''}")
        if not verdict.units:
            self.kinds.add("file")

    def drop(self, files: int) -> None:
        """So many files were not even listed."""
        self.unread[PAST_FILES] = (files, [])
        self.undetermined = True

    def skip(self) -> None:
        """Its tree cannot be read."""
        self.skipped, self.undetermined = UNKNOWN_TREE, True

    def _note(self, verdict: FileVerdict) -> None:
        for why, under in ((verdict.left_out, self.left_out), (verdict.unread, self.unread)):
            if why:
                count, examples = under.get(why, (0, []))
                more = [legible(verdict.path)] if len(examples) < EXAMPLES else []
                under[why] = (count + 1, [*examples, *more])


def as_row(judged: Judged) -> list[Any]:
    """The commit's id, and what differs from a commit that touches nothing."""
    values = {
        "a": sorted(judged.areas),
        "l": sorted(judged.labels),
        "k": sorted(judged.kinds),
        "u": judged.units,
        "n": judged.units_count,
        "f": judged.files,
        "+": judged.added,
        "?": judged.undetermined,
        "d": judged.declared,
        "e": judged.evaluator_edited,
        "s": judged.skipped,
        "o": {why: list(some) for why, some in judged.left_out.items()},
        "r": {why: list(some) for why, some in judged.unread.items()},
    }
    said = {name: value for name, value in values.items() if value}
    return [judged.id, said] if said else [judged.id]


def from_row(row: list[Any]) -> Judged:
    """Read what ``as_row`` made; raises ``KeyError``, ``TypeError``, ``ValueError`` or ``IndexError`` for anything else."""
    said: dict[str, Any] = row[1] if len(row) > 1 else {}
    return Judged(
        str(row[0]),
        set(said.get("a", ())),
        set(said.get("l", ())),
        set(said.get("k", ())),
        [str(name) for name in said.get("u", ())],
        int(said.get("n", 0)),
        int(said.get("f", 0)),
        int(said.get("+", 0)),
        bool(said.get("?")),
        bool(said.get("d")),
        bool(said.get("e")),
        str(said.get("s", "")),
        _some(said.get("o", {})),
        _some(said.get("r", {})),
    )


def _some(given: dict[str, Any]) -> dict[str, Some]:
    return {str(why): (int(count), [str(name) for name in names]) for why, (count, names) in given.items()}


def legible(text: str) -> str:
    """A name from a repository, cut, without what could steer a terminal."""
    return visible(text[:120])
