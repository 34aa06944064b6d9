"""Group commit: writes share a transaction, and one that fails takes only itself out."""

import asyncio
from pathlib import Path

import pytest

from detente.adapters.store import Store, commit_durably
from detente.adapters.store_writer import StoreWriter
from detente.base.errors import Refused, Unavailable


def test_writes_that_wait_share_one_commit(tmp_path: Path):
    """A busy node syncs far less often than it is asked to."""
    commits = []

    def commit(connection):
        commits.append(1)
        commit_durably(connection)

    async def work():
        store = Store(tmp_path / "node.db", commit=commit)
        writer = StoreWriter(store)
        await asyncio.gather(*(writer.write(lambda t, n=n: t.put_meta(f"x{n}", b"1")) for n in range(200)))
        await asyncio.to_thread(writer.close)
        assert all(store.meta(f"x{n}") == b"1" for n in range(200))
        store.close()

    asyncio.run(work())
    assert len(commits) < 50


def test_a_write_that_is_refused_takes_only_itself_out(tmp_path: Path):
    """Neighbours in the same group are durable all the same."""

    def refuse(transaction):
        transaction.put_meta("mine", b"1")
        raise Refused("C05", "conflict", got="a", expected="b")

    async def work():
        store = Store(tmp_path / "node.db")
        writer = StoreWriter(store)
        outcomes = await asyncio.gather(
            *(writer.write(lambda t, n=n: t.put_meta(f"x{n}", b"1")) for n in range(5)),
            writer.write(refuse),
            *(writer.write(lambda t, n=n: t.put_meta(f"y{n}", b"1")) for n in range(5)),
            return_exceptions=True,
        )
        await asyncio.to_thread(writer.close)
        assert [type(each) for each in outcomes if each is not None] == [Refused]
        assert store.meta("mine") is None
        assert store.meta("x4") == store.meta("y4") == b"1"
        store.close()

    asyncio.run(work())


def test_what_follows_a_commit_runs_after_it(tmp_path: Path):
    """The head file is written once the entries are durable, and not if they are not."""

    async def work():
        store = Store(tmp_path / "node.db")
        writer = StoreWriter(store)
        seen = await writer.write_then(lambda t: t.put_meta("x", b"1"), lambda _: store.meta("x"))
        assert seen == b"1"
        called = []
        with pytest.raises(ZeroDivisionError):
            await writer.write_then(lambda _t: 1 // 0, called.append)
        assert called == []
        await asyncio.to_thread(writer.close)
        with pytest.raises(Unavailable):
            await writer.write(lambda t: t.put_meta("x", b"2"))
        store.close()

    asyncio.run(work())
