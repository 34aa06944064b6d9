"""Re-hash everything that a store holds: ``detente log fsck``.

Decides what is looked at and what is called damage. Leaves out mending (``recovering``) and what statements mean.
Rule C25 of ``spec/store.md``.

1. SQLite's own structure.
2. Every entry of every log: there, and with the hash that was stored beside it.
3. Every head that was seen, up to what is stored: its root is that of the entries, or the log told two stories.
4. Every signature of these heads, the log's and each cosignature that is counted.
5. The file of the last signed head: not ahead of the store, and of the same root.

It opens the store for reading only, so that a node may run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.accord.reason import Place
from detente.accord.successors import Succession
from detente.accord.terms import parse_terms
from detente.adapters.files import HeadMark, peek_mark
from detente.adapters.store import HeadRow, LogRow, Store
from detente.app.coalition import Coalition, LogOf, coalition_of
from detente.app.config import Config, load_config
from detente.app.own_log import log_head_path
from detente.base.errors import Refused
from detente.log.checkpoint import verify_checkpoint
from detente.log.cosignature import collect_cosignatures
from detente.log.merkle import EMPTY_ROOT, CompactTree, leaf_hash

STEP = 4_096


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong: in which log (empty: the database), at which entry or size, and what."""

    origin: str
    at: int | None
    what: str

    def as_json(self) -> dict[str, Any]:
        return {"origin": self.origin, "at": self.at, "what": self.what}

    def __str__(self) -> str:
        place = f"{self.origin or 'database'}{'' if self.at is None else f' at {self.at}'}"
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What was looked at, and every damage that was found."""

    logs: int
    entries: int
    heads: int
    damages: tuple[Damage, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "logs": self.logs,
            "entries": self.entries,
            "heads": self.heads,
            "damages": [damage.as_json() for damage in self.damages],
        }


def check_home(home: Path) -> StoreCheck:
    """Check the store of a home; raises ``Refused`` C11, C12, N01, N02, ``Unavailable`` when it cannot be opened."""
    config = load_config(home)
    founding = config.read_terms()
    coalition = coalition_of((parse_terms(founding),))
    store = Store(config.store_path, read_only=True)
    try:
        if any(row.origin not in coalition.logs for row in store.logs()):
            coalition = coalition_of((parse_terms(founding),), _succession_in(store, founding))
        return _check(config, store, coalition)
    finally:
        store.close()


def _succession_in(store: Store, founding: bytes) -> Succession:
    """Which logs were opened by root keys, as the entries and cosignatures stored say, damaged or not."""
    evidence = Evidence(founding)
    for row in store.logs():
        for start in range(0, row.size, STEP):
            for index, _, data in store.rows(row.id, start, min(row.size, start + STEP)):
                evidence.add_entry(Place(row.origin, index), data)
        for seen in store.cosignatures(row.id):
            evidence.add_cosignature(row.origin, seen.mirror, seen.size, seen.time_s)
    return fold(evidence).succession


def refuse_damage(check: StoreCheck) -> None:
    """Raise ``Refused`` C25 if anything is damaged."""
    if check.damages:
        more = f", and {len(check.damages) - 1} more" if len(check.damages) > 1 else ""
        raise Refused(
            "C25",
            "corrupt",
            got=f"{check.damages[0]}{more}",
            expected="every entry, head and signature as it was stored",
            todo="run `detente log recover`: it fetches from peers what does not hash any more",
        )


def damaged_entries(store: Store, log: LogRow) -> Iterator[int]:
    """Indexes of entries that are missing or do not have the hash stored beside them."""
    for start in range(0, log.size, STEP):
        end = min(log.size, start + STEP)
        found = {index: leaf_hash(data) == leaf for index, leaf, data in store.rows(log.id, start, end)}
        yield from (index for index in range(start, end) if not found.get(index, False))


def _check(config: Config, store: Store, coalition: Coalition) -> StoreCheck:
    damages = [Damage("", None, said) for said in store.check_structure()]  # 1
    entries = heads = 0
    for row in store.logs():
        about = coalition.logs.get(row.origin)
        bad = list(damaged_entries(store, row))  # 2
        damages += [Damage(row.origin, index, "an entry that is missing or has another hash") for index in bad]
        seen = sorted(store.heads(row.id, most=2**31), key=lambda head: head.size)
        own = about is not None and about.operator == config.party
        mark = peek_mark(log_head_path(config, about)) if own and about is not None else None
        damages += _check_heads(store, row, seen, mark)  # 3, 5
        if about is not None:
            damages += [damage for head in seen for damage in _check_signatures(head, about, coalition)]  # 4
        entries += row.size
        heads += len(seen)
    return StoreCheck(len(store.logs()), entries, heads, tuple(damages))


def _check_heads(store: Store, log: LogRow, heads: list[HeadRow], mark: HeadMark | None) -> Iterator[Damage]:
    """Step 3 and 5: one pass over the leaf hashes, made from the entries and not from what is stored beside them."""
    wanted: dict[int, list[tuple[bytes, str]]] = {}
    # Of a log that is proven to contradict itself, heads of the story that is not stored are kept: they are no damage.
    for head in () if store.proofs(log.origin) else heads:
        wanted.setdefault(head.size, []).append((head.root, "a head with another root than the entries below it"))
    if mark is not None:
        if mark.size > log.size:
            yield Damage(log.origin, mark.size, f"the last signed head is ahead of the {log.size} entries stored")
        what = "the last signed head has another root than the entries below it"
        wanted.setdefault(mark.size, []).append((bytes.fromhex(mark.root), what))
    tree = CompactTree()
    for root, what in wanted.pop(0, []):
        if root != EMPTY_ROOT:
            yield Damage(log.origin, 0, what)
    for start in range(0, log.size, STEP):
        for index, _, data in store.rows(log.id, start, min(log.size, start + STEP)):
            tree.append(leaf_hash(data))
            for root, what in wanted.get(index + 1, ()):
                if tree.root() != root:
                    yield Damage(log.origin, index + 1, what)


def _check_signatures(head: HeadRow, about: LogOf, coalition: Coalition) -> Iterator[Damage]:
    try:
        verify_checkpoint(head.note, about.key)
        collect_cosignatures(head.note, coalition.cosigners)
    except Refused as refused:
        yield Damage(about.origin, head.size, f"a signature of a head does not verify: {refused.rule}")


__all__ = ["Damage", "StoreCheck", "check_home", "damaged_entries", "refuse_damage"]
