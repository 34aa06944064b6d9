"""Work on the text of an accord before anybody signs it: start one, read one, compare two.

Decides where a draft comes from and that a draft may lack its keys. What the text means is decided in ``accord``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.claim import Claim
from detente.accord.checking.outages import Outages
from detente.accord.checking.side_by_side import check_together
from detente.accord.difference import compare_terms
from detente.accord.document import BYTES_MAX
from detente.accord.fields import TermsRefused
from detente.accord.member_difference import Change
from detente.accord.terms import Terms, parse_terms
from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file
from detente.app.init import shipped_accord
from detente.base.errors import Misuse, Refused
from detente.base.instant import parse_duration

STARTERS = ("coordinated-pause", "screened-review", "solo")


def read_draft(path: Path) -> Terms:
    """The terms in a file, with keys or without; raises ``TermsRefused`` with every error in the file."""
    data = read_text(path)
    try:
        return parse_terms(data, template=True)
    except TermsRefused as refused:
        raise in_file(path, refused) from None


def read_text(path: Path) -> bytes:
    """The bytes of a file of terms or scenarios, one more than are allowed at most; raises ``Misuse`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None


def in_file(path: Path, refused: TermsRefused) -> TermsRefused:
    """The same refusal with the file's name before each line and column."""
    found = tuple(
        Refused(each.rule, each.kind, got=f"{path}:{each.got}", expected=each.expected, todo=each.todo)
        for each in refused.all
    )
    first = found[0]
    return TermsRefused(first.rule, first.kind, got=first.got, expected=first.expected, todo=first.todo, found=found)


def compare_drafts(old: Path, new: Path) -> tuple[Change, ...]:
    """What the second file changes in the first."""
    return compare_terms(read_draft(old), read_draft(new))


@dataclass(frozen=True, slots=True)
class Assumed:
    """What a check is told: outages, and in what time the limited capability doubles, with the source of that number."""

    outages: Outages
    doubling: str | None = None
    doubling_source: str = "given"


def check_draft(path: Path, assumed: Assumed) -> tuple[Claim, ...]:
    """Every claim about the terms in a file, as of today."""
    doubling_s = None if assumed.doubling is None else parse_duration(assumed.doubling)
    at = SystemClock().now()
    return check_terms(read_draft(path), Assumptions(assumed.outages, doubling_s, assumed.doubling_source, at))


def check_drafts(paths: Sequence[Path]) -> tuple[Claim, ...]:
    """Every claim about several accords side by side; each by the name of its file. What each is by itself is not asked."""
    names = [path.name.removesuffix(path.suffix) for path in paths]
    if len(set(names)) < len(names):
        raise Misuse(f"two files of one name: {', '.join(names)}; what is claimed names each accord by its file")
    return check_together({name: read_draft(path) for name, path in zip(names, paths, strict=True)})


def write_starter(path: Path, *, like: str) -> Path:
    """Write a commented text to begin with; never over a file that is there."""
    if path.exists():
        raise Refused(
            "T60",
            "conflict",
            got=f"{path}, which is there",
            expected="a file that is not there yet",
            todo="choose another name",
        )
    store_file(path, shipped_accord(f"{like}.yaml"), mode=0o644)
    return path
