"""The store: what a transaction promises, and what SQLite's troubles are called."""

import sqlite3
from pathlib import Path

import pytest

from detente.adapters.store import LOGS_MAX, Store, commit_durably, entry_id
from detente.base.errors import Refused
from detente.log.merkle import leaf_hash


@pytest.fixture
def store(tmp_path: Path):
    """An empty store."""
    made = Store(tmp_path / "node.db")
    yield made
    made.close()


def append(store: Store, start: int, *entries: bytes, origin: str = "log.example") -> None:
    """Entries of one log at a size."""

    def work(transaction):
        log = transaction.open_log(origin)
        transaction.append(log.id, start, entries, [leaf_hash(entry) for entry in entries])

    store.transact(work)


def test_only_its_owner_reads_a_store(store: Store):
    """Fields that terms keep back may stand in entries; SQLite's own files beside it take after it."""
    append(store, 0, b"a")
    assert {each.stat().st_mode & 0o077 for each in store.path.parent.glob("node.db*")} == {0}


def test_entries_come_back_in_order_and_apart_from_other_logs(store: Store):
    """The row id holds log and index."""
    append(store, 0, b"a", b"b")
    append(store, 0, b"x", origin="other.example")
    append(store, 2, b"c")
    first, other = store.logs()
    assert store.entries(first.id, 0, 9) == [b"a", b"b", b"c"]
    assert store.entries(other.id, 0, 9) == [b"x"]
    assert store.leaves(first.id, 1, 2) == [leaf_hash(b"b")]


@pytest.mark.parametrize("start", [0, 3])
def test_an_append_at_another_size_is_refused(store: Store, start: int):
    """C05: the log's size is compared and swapped in the transaction."""
    append(store, 0, b"a", b"b")
    with pytest.raises(Refused) as refused:
        append(store, start, b"c")
    assert refused.value.rule == "C05"
    assert [row.size for row in store.logs()] == [2]


def test_a_transaction_that_raises_leaves_nothing(store: Store):
    """All or none, also of what was written before the error."""
    append(store, 0, b"a")
    with pytest.raises(ZeroDivisionError):
        store.transact_all([lambda t: t.put_meta("x", b"1"), lambda _t: 1 // 0])
    assert store.meta("x") is None


@pytest.mark.parametrize(("how", "sizes"), [("lost", [1]), ("done", [2])])
def test_a_commit_reported_lost_may_be_done(tmp_path: Path, how: str, sizes: list[int]):
    """Each write fails twice; the store itself says which it was, and goes on."""
    failing = [False]

    def commit(connection: sqlite3.Connection) -> None:
        if failing[0]:
            failing[0] = False
            if how == "done":
                commit_durably(connection)
            raise sqlite3.OperationalError("arranged")
        commit_durably(connection)

    store = Store(tmp_path / "node.db", commit=commit)
    append(store, 0, b"a")
    failing[0] = True
    with pytest.raises(Exception, match="arranged"):
        append(store, 1, b"b")
    assert [row.size for row in store.logs()] == sizes
    append(store, sizes[0], b"c")
    store.close()


def test_a_full_disk_is_named_and_nothing_is_lost(store: Store):
    """C10 from SQLite's own SQLITE_FULL; what was there stays, and the write works once there is room."""
    append(store, 0, b"a" * 1_000)
    store.limit_pages(1)
    with pytest.raises(Refused) as refused:
        append(store, 1, *[b"b" * 60_000] * 50)
    assert (refused.value.rule, refused.value.kind) == ("C10", "full")
    assert [row.size for row in store.logs()] == [1]
    store.limit_pages(2**30)
    append(store, 1, *[b"b" * 60_000] * 50)
    assert [row.size for row in store.logs()] == [51]


def test_another_layout_is_refused(tmp_path: Path):
    """C12: a file of another version is not touched."""
    Store(tmp_path / "node.db").close()
    database = sqlite3.connect(tmp_path / "node.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Refused) as refused:
        Store(tmp_path / "node.db")
    assert refused.value.rule == "C12"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    """C11."""
    (tmp_path / "node.db").write_bytes(b"\xff" * 8_192)
    with pytest.raises(Refused) as refused:
        Store(tmp_path / "node.db")
    assert refused.value.rule == "C11"


@pytest.mark.parametrize(("log", "index"), [(1, 2**40), (0, 0), (LOGS_MAX, 0), (1, -1)])
def test_numbers_beyond_the_layout_are_refused(log: int, index: int):
    """C13: no entry of one log may take the place of another's."""
    with pytest.raises(Refused) as refused:
        entry_id(log, index)
    assert refused.value.rule == "C13"


def test_a_witness_head_follows_the_one_before(store: Store):
    """C05: check and persist are one step."""
    store.transact(lambda t: t.put_witness("log.example", 3, bytes(32), b"note", was=0))
    with pytest.raises(Refused) as refused:
        store.transact(lambda t: t.put_witness("log.example", 5, bytes(32), b"note", was=0))
    assert refused.value.rule == "C05"
    assert store.witness("log.example") == (3, bytes(32), b"note")


def test_heads_are_told_since_a_number(store: Store):
    """Gossip: a head comes again when it got another line."""

    def work(transaction):
        log = transaction.open_log("log.example")
        head = transaction.add_head(log.id, 1, bytes(32), b"body\n")
        transaction.add_line(head, "", 0, b"own\n")
        return head

    head = store.transact(work)
    since, heads = store.heads_since(0, 256)
    assert [each.note for each in heads] == [b"body\n\nown\n"]
    assert store.heads_since(since, 256) == (since, [])
    store.transact(lambda t: t.add_line(head, "aud-1", 7, b"cosigned\n"))
    _, heads = store.heads_since(since, 256)
    assert [each.note for each in heads] == [b"body\n\nown\ncosigned\n"]
