"""The write path under failure: each write lost, and done but reported lost; nothing acknowledged is ever missing."""

import asyncio
import errno
import os
import sqlite3
from pathlib import Path

import pytest

from detente.adapters.files import HeadFile
from detente.adapters.store import Store, commit_durably
from detente.app.log_checking import check_home, refuse_damage
from detente.app.node import open_node
from detente.base.errors import Refused, Unavailable
from tests import node_coalition as rig

SOLO = rig.TERMS.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}", "mirrors: self")


class Faults:
    """A store and a head file that fail the ``nth`` write from now on, ``lost`` or ``done``."""

    def __init__(self, where: str, how: str) -> None:
        self.where, self.how = where, how
        self.left: int | None = None

    def _due(self, where: str) -> bool:
        if where != self.where or self.left is None:
            return False
        self.left -= 1
        return self.left == 0

    def store(self, path: Path) -> Store:
        def commit(connection: sqlite3.Connection) -> None:
            due = self._due("commit")
            if not due or self.how == "done":
                commit_durably(connection)
            if due:
                raise sqlite3.OperationalError("arranged")

        return Store(path, commit=commit)

    def head_file(self, path: Path, origin: str) -> HeadFile:
        def sync(handle: int) -> None:
            if self._due("swap"):
                if self.how == "lost":
                    size = os.fstat(handle).st_size
                    os.pwrite(handle, self.before, 0)
                    assert os.fstat(handle).st_size == size
                raise OSError(errno.EIO, "arranged")
            os.fdatasync(handle)
            self.before = os.pread(handle, 8_192, 0)

        self.before = b"\0" * 8_192
        return HeadFile(path, origin, sync=sync)


@pytest.mark.parametrize("where", ["commit", "swap"])
@pytest.mark.parametrize("how", ["lost", "done"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_every_write_fails_twice_and_nothing_acknowledged_is_lost(tmp_path: Path, where: str, how: str, nth: int):
    """Contracts §2: after the failure a retry works, the home opens again, and the store re-hashes."""
    coalition = rig.found(tmp_path, text=SOLO)
    home = coalition.home("dev-a")
    faults = Faults(where, how)
    envelopes = [coalition.vote("aud-1") for _ in range(6)]
    acknowledged = {}

    async def work():
        node = open_node(home, store=faults.store, head_file=faults.head_file)
        faults.left = nth
        failed = 0
        try:
            for envelope in envelopes:
                try:
                    receipt = await node.submit(envelope)
                except Unavailable:
                    failed += 1
                    receipt = await node.submit(envelope)
                acknowledged[receipt.place.index] = envelope
        finally:
            await node.close()
        return failed

    # The second commit keeps the line of a head for its readers. It can be made again, so nobody waits for it, unless it
    # shares the commit with what somebody waits for.
    assert asyncio.run(work()) in ({0, 1} if (where, nth) == ("commit", 2) else {1})
    assert [acknowledged[index] for index in sorted(acknowledged)] == envelopes
    refuse_damage(check_home(home))

    async def look():
        node = open_node(home)
        try:
            log = node.sequencer.log
            assert node.book.entries(log, 0, log.size) == envelopes
            assert log.witnessed.size == 6
        finally:
            await node.close()

    asyncio.run(look())


def test_a_crash_between_store_and_head_file_is_taken_up(tmp_path: Path):
    """The store may be ahead of the mark, never behind it: what was stored and not signed is signed at the next start."""
    coalition = rig.found(tmp_path, text=SOLO)
    home = coalition.home("dev-a")
    faults = Faults("swap", "lost")

    async def crash():
        node = open_node(home, store=faults.store, head_file=faults.head_file)
        await node.submit(coalition.vote("aud-1"))
        faults.left = 1
        with pytest.raises(Unavailable):
            await node.submit(coalition.vote("aud-1"))
        await node.close()

    asyncio.run(crash())

    async def look():
        node = open_node(home)
        try:
            assert node.sequencer.log.size == 2
            await node.sequencer.catch_up()
            assert node.sequencer.log.stored.size == 2
        finally:
            await node.close()

    asyncio.run(look())


def test_a_full_disk_is_refused_by_name_and_a_retry_works(tmp_path: Path):
    """C10: from SQLite's own SQLITE_FULL; what was acknowledged stays, and the same statement goes in later."""
    coalition = rig.found(tmp_path, text=SOLO)

    async def work():
        node = open_node(coalition.home("dev-a"))
        try:
            kept = await node.submit(coalition.vote("aud-1"))
            node.store.limit_pages(1)
            envelopes = [coalition.vote("aud-1") for _ in range(40)]
            refusals = [each for each in await node.submit_all(envelopes) if isinstance(each, Refused)]
            assert {each.rule for each in refusals} == {"C10"}
            assert node.sequencer.log.size == 1
            node.store.limit_pages(2**30)
            places = await node.submit_all(envelopes)
            assert sorted(place.index for place in places) == list(range(1, 41))
            assert node.find_statement(kept.statement).places == (kept.place,)
        finally:
            await node.close()

    asyncio.run(work())


def test_a_missing_head_file_is_refused(tmp_path: Path):
    """C22: a store with signed heads and no mark cannot know what it signed last."""
    coalition = rig.found(tmp_path, text=SOLO)
    home = coalition.home("dev-a")

    async def work():
        node = open_node(home)
        await node.submit(coalition.vote("aud-1"))
        await node.close()

    asyncio.run(work())
    (home / "head").unlink()
    with pytest.raises(Refused) as refused:
        open_node(home)
    assert refused.value.rule == "C22"


def test_entries_with_another_root_than_was_signed_are_refused(tmp_path: Path):
    """C23: the mark's root is compared, not only its size."""
    coalition = rig.found(tmp_path, text=SOLO)
    home = coalition.home("dev-a")

    async def work():
        node = open_node(home)
        await node.submit(coalition.vote("aud-1"))
        await node.close()

    asyncio.run(work())
    database = sqlite3.connect(home / "node.db")
    database.execute("UPDATE entries SET leaf = zeroblob(32)")
    database.commit()
    database.close()
    with pytest.raises(Refused) as refused:
        open_node(home)
    assert refused.value.rule == "C23"


def test_a_gap_in_a_log_is_refused(tmp_path: Path):
    """C20: entries are counted, not only the size that is said of them."""
    coalition = rig.found(tmp_path, text=SOLO)
    home = coalition.home("dev-a")

    async def work():
        node = open_node(home)
        await node.submit_all([coalition.vote("aud-1") for _ in range(3)])
        await node.close()

    asyncio.run(work())
    database = sqlite3.connect(home / "node.db")
    database.execute("DELETE FROM entries WHERE id & 1099511627775 = 1")
    database.commit()
    database.close()
    with pytest.raises(Refused) as refused:
        open_node(home)
    assert refused.value.rule == "C20"


def test_the_terms_cap_per_day_is_kept(tmp_path: Path):
    """M18: mirrors would not take more, so the own log does not either; the count survives a restart."""
    text = rig.TERMS.replace("settle: 0 s}", "settle: 0 s, day: {entries: 3, bytes: 100000}}")
    coalition = rig.found(tmp_path, text=text)

    async def work(expected):
        node = open_node(coalition.home("dev-a"))
        node.voice.cleared.set()
        try:
            results = await node.submit_all([coalition.vote("aud-1") for _ in range(2)])
            assert [isinstance(each, Refused) for each in results] == expected
            assert {each.rule for each in results if isinstance(each, Refused)} <= {"M18"}
        finally:
            await node.close()

    asyncio.run(work([False, False]))
    asyncio.run(work([False, True]))
