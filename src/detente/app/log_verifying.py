"""Verify a log from its static files alone: heads, tiles, entries, statements; no node, no database.

Decides the order of the checks and what a person is told. Leaves out each check (``log``, ``statement``) and what the
statements amount to (``accord``). A log is read through a ``Source``: a folder that ``detente log export`` wrote, a node's
URL, or a node's own store.

>>> show_counts({"vote": 2, "run": 1})
'1 run, 2 vote'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.accord.reason import Place
from detente.accord.terms import Terms, parse_terms
from detente.app.coalition import Coalition, LogOf, coalition_of
from detente.base.digest import Digest
from detente.base.errors import Refused, Unavailable, shown
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint, verify_witnessed
from detente.log.cosignature import collect_cosignatures
from detente.log.equivocation import parse_equivocation, verify_equivocation
from detente.log.head import parse_checkpoint
from detente.log.merkle import CompactTree, leaf_hash
from detente.log.note import NOTE_MAX, parse_note
from detente.log.tiles import (
    ENTRY_MAX,
    TILE_WIDTH,
    bundle_path,
    bundles_for,
    check_bundle,
    parse_bundle,
    parse_tile,
    tile_path,
    tiles_for,
)

FILE_MAX = TILE_WIDTH * (2 + ENTRY_MAX)
"""Bytes of the largest file of a log: a full entry bundle."""


class Source(Protocol):
    """Where the files of one log are read from; paths as in C2SP tlog-tiles."""

    def read(self, path: str) -> bytes:
        """The bytes of ``checkpoint`` or ``tile/…``; raises ``Unavailable`` or ``Refused`` (not-found)."""
        ...


class FolderSource:
    """A log as static files below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes:
        """One file, bounded; raises ``Unavailable`` where it is not there."""
        try:
            with (self.folder / path).open("rb") as file:
                data = file.read(FILE_MAX + 1)
        except OSError as error:
            raise Unavailable(f"cannot read {self.folder / path}: {error.strerror}") from None
        if len(data) > FILE_MAX:
            raise Refused("L44", "oversized", got=f"{path} of more than {FILE_MAX} bytes", expected="a file of a log")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLog:
    """A log whose every byte was checked. ``witnesses`` is empty where only the log's own word is there."""

    origin: str
    operator: Party
    size: int
    root: Digest
    witnesses: tuple[Party, ...]
    self_witnessed: bool
    kinds: Mapping[str, int]
    unread: tuple[tuple[int, str], ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "origin": self.origin,
            "operator": self.operator,
            "size": self.size,
            "root": self.root,
            "witnesses": list(self.witnesses),
            "self_witnessed": self.self_witnessed,
            "statements": dict(self.kinds),
            "unread": [{"index": index, "why": why} for index, why in self.unread],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A log that was proven to contradict itself: two heads, each its size and root."""

    origin: str
    operator: Party
    heads: tuple[tuple[int, str], tuple[int, str]]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        heads = [{"size": size, "root": root} for size, root in self.heads]
        return {"origin": self.origin, "operator": self.operator, "heads": heads}


def verify_contradiction(proof: bytes, texts: Sequence[bytes]) -> Contradiction:
    """Check a proof of equivocation, for a log that the terms name under the key that they name; raises ``Refused``.

    1. It has its form: L70. Its log, by origin and key, is one of the terms: L22.
    2. Both heads are that log's, and contradict each other: L15, L16, L71.
    """
    coalition = coalition_of([parse_terms(text) for text in texts])
    equivocation = parse_equivocation(proof)  # 1
    about = coalition.logs.get(equivocation.log_key.name)
    if about is None or about.key != equivocation.log_key:
        raise _other_log(equivocation.log_key.name, coalition)
    first, second = verify_equivocation(equivocation)  # 2
    heads = ((first.size, first.root.hex()), (second.size, second.root.hex()))
    return Contradiction(origin=about.origin, operator=about.operator, heads=heads)


def verify_logs(sources: Sequence[Source], founding: bytes, *, amendments: tuple[bytes, ...] = ()) -> list[VerifiedLog]:
    """``verify_log`` for logs that belong together: ``keys`` in one may have opened another.

    Those of the terms come first; what they say, timed by the cosignatures of their checkpoints, tells of successors.
    Raises as ``verify_log``, L22 for a log that nobody of the accord opened.
    """
    chain = [parse_terms(founding), *(parse_terms(text) for text in amendments)]
    evidence = _evidence_of(founding, amendments)
    left, verified = list(sources), {}
    coalition = coalition_of(chain)
    while left:
        known = [source for source in left if _origin_of(source) in coalition.logs]
        for source in known or left[:1]:
            found = verify_log(source, founding, amendments=amendments, coalition=coalition)
            verified[id(source)] = found
            _testify(evidence, coalition, source, found)
        left = [source for source in left if id(source) not in verified]
        if left:
            coalition = coalition_of(chain, fold(evidence).succession)
    return [verified[id(source)] for source in sources]


def _evidence_of(founding: bytes, amendments: Iterable[bytes]) -> Evidence:
    evidence = Evidence(founding)
    for text in amendments:
        evidence.add_terms(text)
    return evidence


def _testify(evidence: Evidence, coalition: Coalition, source: Source, found: VerifiedLog) -> None:
    """Give the evidence what a verified log says, and when its checkpoint was cosigned."""
    for index, entry in enumerate(_entries(source, found.size, CompactTree())):
        evidence.add_entry(Place(found.origin, index), entry)
    note = source.read("checkpoint")[:NOTE_MAX]
    cosigners = coalition.log_cosigners()
    for cosigned in collect_cosignatures(note, cosigners):
        evidence.add_cosignature(found.origin, cosigners[cosigned.key], found.size, Instant(cosigned.time_s))


def _origin_of(source: Source) -> str:
    return parse_checkpoint(parse_note(source.read("checkpoint")[:NOTE_MAX]).text).origin


def verify_log(
    source: Source, founding: bytes, *, amendments: tuple[bytes, ...] = (), coalition: Coalition | None = None
) -> VerifiedLog:
    """Check a whole log against the founding terms of its accord; ``coalition`` knows of successors.

    1. The terms are terms, and name the log's origin, or its party's root keys opened it: T…, L22.
    2. The log signed the checkpoint: L10 to L22, L15, L16.
    3. A quorum of mirrors other than its operator cosigned it: L24 (self-witnessed logs say so instead).
    4. Every bundle's entries hash to the leaves of its tile: L43 and kin.
    5. The leaves hash to the checkpoint's root: L45.
    6. Every tile above level 0 is what its leaves make it.
    7. Every entry is a statement that verifies, or is listed with the reason why it was not read: such an entry is
       stored and cited and has no effect, and does not make the log wrong.
    """
    chain = [parse_terms(founding), *(parse_terms(text) for text in amendments)]  # 1
    coalition = coalition or coalition_of(chain)
    note = source.read("checkpoint")[:NOTE_MAX]
    about = _log_named(coalition, note)
    signed = verify_checkpoint(note, about.key)  # 2
    witnesses = _witnesses(coalition, about, note)  # 3
    tree = CompactTree()
    evidence = _evidence_of(founding, amendments)
    entries = list(_entries(source, signed.size, tree))  # 4
    if tree.root() != signed.root:  # 5
        raise Refused(
            "N38",
            "corrupt",
            got=f"entries of {about.origin} with root {tree.root().hex()}",
            expected=f"the checkpoint's root {signed.root.hex()}",
            todo="fetch the files again from the log or from a mirror",
        )
    _check_upper_tiles(source, signed, entries)  # 6
    kinds, unread = _statements(evidence, about.origin, entries)  # 7
    return VerifiedLog(
        origin=about.origin,
        operator=about.operator,
        size=signed.size,
        root=Digest(signed.root.hex()),
        witnesses=witnesses,
        self_witnessed=chain[-1].mirrors.self_witnessed,
        kinds=kinds,
        unread=unread,
    )


def export_log(source: Source, folder: Path) -> int:
    """Copy the checkpoint, tiles and entry bundles of a log to ``folder`` as static files; returns its size.

    The checkpoint is written last: a folder with one is whole. Raises ``Unavailable`` from the disk.
    """
    note = source.read("checkpoint")[:NOTE_MAX]
    size = parse_checkpoint(parse_note(note).text).size
    paths = [tile_path(tile) for tile in tiles_for(size)] + [bundle_path(bundle) for bundle in bundles_for(size)]
    try:
        for path in paths:
            _write(folder / path, source.read(path))
        _write(folder / "checkpoint", note)
    except OSError as error:
        raise Unavailable(f"cannot write below {folder}: {error.strerror}") from None
    return size


def show_counts(kinds: Mapping[str, int]) -> str:
    """How many statements of each kind, for people."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no statements"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _log_named(coalition: Coalition, note: bytes) -> LogOf:
    origin = parse_checkpoint(parse_note(note).text).origin
    about = coalition.logs.get(origin)
    if about is None:
        raise _other_log(origin, coalition)
    return about


def _other_log(origin: str, coalition: Coalition) -> Refused:
    return Refused(
        "L22",
        "out-of-scope",
        got=f"the log {shown(origin)}",
        expected=f"a log of the accord under its key: {', '.join(sorted(coalition.logs))}",
        todo="give the founding terms of the accord that this log belongs to, and for a successor the logs that opened it",
    )


def _witnesses(coalition: Coalition, about: LogOf, note: bytes) -> tuple[Party, ...]:
    terms: Terms = coalition.terms
    witnessed = verify_witnessed(
        note,
        about.key,
        mirrors=coalition.log_cosigners(),
        operator=None if terms.mirrors.self_witnessed else about.operator,
        quorum=terms.mirrors.witness,
    )
    return tuple(sorted(witnessed.parties))


def _entries(source: Source, size: int, tree: CompactTree) -> Iterator[bytes]:
    """Every entry below ``size``, its leaf hash appended to ``tree`` once its bundle agrees with its tile."""
    tiles = {tile.index: tile for tile in tiles_for(size) if tile.level == 0}
    for bundle in bundles_for(size):
        entries = parse_bundle(source.read(bundle_path(bundle)), count=bundle.width)
        leaves = parse_tile(source.read(tile_path(tiles[bundle.index])), width=bundle.width)
        check_bundle(entries, leaves)
        tree.extend(leaf_hash(entry) for entry in entries)
        yield from entries


def _check_upper_tiles(source: Source, signed: SignedCheckpoint, entries: list[bytes]) -> None:
    hashes = [leaf_hash(entry) for entry in entries]
    level = 0
    for tile in sorted(tiles_for(signed.size), key=lambda each: (each.level, each.index)):
        while level < tile.level:
            hashes = [
                _root_of(hashes[at : at + TILE_WIDTH]) for at in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)
            ]
            level += 1
        first = tile.index * TILE_WIDTH
        if parse_tile(source.read(tile_path(tile)), width=tile.width) != tuple(hashes[first : first + tile.width]):
            raise Refused("N38", "corrupt", got=tile_path(tile), expected="the hashes of what lies below it")


def _root_of(leaves: list[bytes]) -> bytes:
    tree = CompactTree()
    tree.extend(leaves)
    return tree.root()


def _statements(
    evidence: Evidence, origin: str, entries: list[bytes]
) -> tuple[Mapping[str, int], tuple[tuple[int, str], ...]]:
    """Twice: keys that this log enrols late may have signed what stands before."""
    kinds: Counter[str] = Counter()
    unread = []
    for index, entry in enumerate(entries):
        evidence.add_entry(Place(origin, index), entry)
    for index, entry in enumerate(entries):
        try:
            kinds[evidence.receive(entry).statement.kind] += 1
        except Refused as refused:
            unread.append((index, str(refused)))
    return dict(kinds), tuple(unread)


__all__ = [
    "FolderSource",
    "Source",
    "VerifiedLog",
    "export_log",
    "show_counts",
    "verify_contradiction",
    "verify_log",
    "verify_logs",
]
