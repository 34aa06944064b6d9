"""Bring a home back that was restored from an old copy, or was damaged: ``detente log recover``.

Decides what may be believed of what peers hold of our log, and when the home may sign again. Leaves out fetching
(``following``). Rules C26 to C28 of ``spec/store.md``.

1. Own the home: C04. No node runs.
2. Entries that do not hash any more are fetched again; the log's signed head says whether they are the right ones: C28.
3. Ask the mirrors for the greatest head under our own key. As many must answer as a quorum of any earlier head is
   sure to be met by: ``Unavailable``. Nothing but our own signature is believed.
4. Fetch every entry below the greatest, from whoever serves it, and hash it up to that head.
5. What the file of the last signed head names is reached and has its root: C26, else the log has forked or is lost.
6. Write the file anew: the node may sign from there.

Terms that are self-witnessed have no mirrors: then only steps 1, 2, 5 and 6 are done, and a copy that is behind its
file cannot be brought back (C27).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from detente.adapters.clock import SystemClock, WallClock
from detente.adapters.files import HeadFile, HeadMark, HomeLock, peek_mark
from detente.adapters.store import LogRow, Store, Transaction
from detente.app.clearing import answers_needed
from detente.app.config import load_config
from detente.app.following import RemoteLog
from detente.app.log_checking import damaged_entries
from detente.app.logbook import HeldLog
from detente.app.node import Node
from detente.app.own_log import log_head_path
from detente.base.errors import DetenteError, Refused, Unavailable, shown
from detente.base.identity import Party
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint
from detente.log.merkle import CompactTree, leaf_hash
from detente.log.tiles import TILE_WIDTH

TRIES, TRY_S = 20, 0.5
"""Mirrors are asked for ten seconds."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done: entries mended and fetched, who was asked, and the head from which the node signs on."""

    origin: str
    mended: int
    fetched: int
    asked: tuple[Party, ...]
    size: int
    root: str

    def as_json(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "mended": self.mended,
            "fetched": self.fetched,
            "asked": list(self.asked),
            "size": self.size,
            "root": self.root,
        }


async def recover_home(home: Path, *, clock: WallClock | None = None) -> Recovered:
    """Do the steps of the module; raises ``Refused`` C04, C26 to C28, N01, N02, N27, ``Unavailable``."""
    config = load_config(home)
    founding = config.read_terms()
    lock = HomeLock(home)
    lock.take()  # 1
    try:
        node = Node(config, founding, clock=clock or SystemClock(), store=Store(config.store_path))
        node.on_closed(lock.release)
    except BaseException:
        lock.release()
        raise
    try:
        mended = await _mend(node)  # 2
        node.load_logs()
        return await _recover(node, mended)
    finally:
        await node.close()


async def _recover(node: Node, mended: int) -> Recovered:
    own = node.coalition.own_log(node.party)
    if own is None:
        raise Refused(
            "N27", "unknown-role", got=f"{node.party}, which keeps no log", expected="a party with a log in the terms"
        )
    log = node.book.find(own.origin)
    before = log.size
    path = log_head_path(node.config, own)
    mark = peek_mark(path)
    heads = await _ask(node, log)  # 3
    for signed in sorted(heads.values(), key=lambda each: each.size):
        head = node.book.count(log, node.book.head_of(log, signed))
        if head.fit is None:
            await node.follower.fetch(log, head, sorted(heads, key=lambda party: -heads[party].size))  # 4
        if not head.fit:
            raise _forked(log, head.size)
    _check_mark(log, mark, alone=not heads)  # 5
    file = HeadFile(path, log.origin)
    try:
        _open_quietly(file)
        file.reset(log.size, log.root_at(log.size) or b"")  # 6
    finally:
        file.close()
    root = log.root_at(log.size) or b""
    return Recovered(log.origin, mended, log.size - before, tuple(sorted(heads)), log.size, root.hex())


def _open_quietly(file: HeadFile) -> None:
    try:
        file.open()
    except Refused as refused:
        if refused.rule not in {"C06", "C07"}:
            raise


def _check_mark(log: HeldLog, mark: HeadMark | None, *, alone: bool) -> None:
    if mark is None or mark.origin != log.origin:
        return
    if mark.size > log.size:
        raise Refused(
            "C27",
            "rollback",
            got=f"{log.size} entries, with {'nobody to ask' if alone else 'everybody asked'}",
            expected=f"the {mark.size} under the last signed head",
            todo="find the newer database; without it, root keys open a successor log",
        )
    root = log.root_at(mark.size)
    if root is None or root.hex() != mark.root:
        raise _forked(log, mark.size)


def _forked(log: HeldLog, size: int) -> Refused:
    return Refused(
        "C26",
        "inconsistent",
        got=f"entries of {log.origin} that contradict its own signed head of size {size}",
        expected="entries below every head that this log signed",
        todo="this log has signed two stories: it stays closed, and root keys open a successor",
    )


async def _ask(node: Node, log: HeldLog) -> dict[Party, SignedCheckpoint]:
    """The greatest head under our key that each mirror shows; raises ``Unavailable`` when too few answer."""
    rule = node.coalition.terms.mirrors
    if rule.self_witnessed:
        return {}
    waiting = {party for party in node.peers if party in node.coalition.mirrors}
    others = len(node.coalition.mirrors - {node.party})
    needed = answers_needed(mirrors=others, quorum=rule.witness, may_fail=rule.may_fail)
    found: dict[Party, SignedCheckpoint] = {}
    answered = 0
    for _ in range(TRIES):
        for party in sorted(waiting):
            try:
                found[party] = verify_checkpoint(await node.peers[party].latest(log.origin), log.about.key)
            except Refused as refused:
                if refused.kind != "not-found":
                    continue  # Bytes that are not our own head say nothing: this mirror has not answered.
            except (Unavailable, OSError):
                continue
            waiting.discard(party)
            answered += 1
        if answered >= needed:
            return found
        await asyncio.sleep(TRY_S)
    raise Unavailable(f"{answered} mirrors answered; {needed} are needed to be sure that none holds a later head")


async def _mend(node: Node) -> int:
    """Step 2, on the store itself: nothing was loaded yet."""
    mended = 0
    for row in node.store.logs():
        bad = set(damaged_entries(node.store, row))
        if bad:
            await _mend_log(node, row, bad)
            mended += len(bad)
    return mended


async def _mend_log(node: Node, row: LogRow, bad: set[int]) -> None:
    heads = [head for head in node.store.heads(row.id, most=256) if head.size <= row.size]
    about = node.coalition.logs.get(row.origin)
    if about is None or not heads or heads[0].size <= max(bad):
        raise Refused(
            "C28",
            "corrupt",
            got=f"{len(bad)} damaged entries of {row.origin}, and no signed head above them",
            expected="a head that says what they were",
            todo="restore the database from a backup, then run this again",
        )
    head = heads[0]
    said: list[str] = []
    for party, client in node.peers.items():
        try:
            entries = await _fetch_bundles(RemoteLog(client, row.origin), sorted(bad), head.size)
        except (DetenteError, OSError) as error:
            said.append(f"{party}: {shown(str(error), 120)}")
            continue
        if _root_with(node.store, row, entries, head.size) == head.root:
            node.store.transact(partial(_put_back, log=row.id, entries=entries))
            return
        said.append(f"{party}: entries that do not lead to the signed head")
    raise Unavailable(f"nobody serves the damaged entries of {row.origin}: {'; '.join(said) or 'no peer is known'}")


def _put_back(transaction: Transaction, *, log: int, entries: dict[int, bytes]) -> None:
    for index, entry in entries.items():
        transaction.mend(log, index, entry, leaf_hash(entry))


async def _fetch_bundles(remote: RemoteLog, bad: Iterable[int], size: int) -> dict[int, bytes]:
    wanted = set(bad)
    found: dict[int, bytes] = {}
    for bundle in sorted({index // TILE_WIDTH for index in wanted}):
        first = bundle * TILE_WIDTH
        entries = await remote.entries(first, min(size, first + TILE_WIDTH))
        found |= {index: entry for index, entry in enumerate(entries, first) if index in wanted}
    return found


def _root_with(store: Store, row: LogRow, entries: dict[int, bytes], size: int) -> bytes:
    """The root at ``size`` with these entries in the place of what is stored."""
    tree = CompactTree()
    for start in range(0, size, 4_096):
        stored = {index: data for index, _, data in store.rows(row.id, start, min(size, start + 4_096))}
        for index in range(start, min(size, start + 4_096)):
            data = entries.get(index, stored.get(index))
            if data is None:
                return b""
            tree.append(leaf_hash(data))
    return tree.root()
