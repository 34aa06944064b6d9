"""Where the files of a log can be read from: a folder, a node's URL, or the store of a home, with no node running.

Decides which of the three a text names, and how each gives the same paths. Leaves out every check (``log_verifying``).

>>> is_url("https://node.example/log/ab"), is_url("drill/logs")
(True, False)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from detente.accord.terms import Terms
from detente.adapters.client import ANSWER_S, BUNDLE_MAX, CONNECT_S, origin_hash
from detente.adapters.store import HeadRow, LogRow, Store
from detente.app.coalition import Coalition, coalition_of
from detente.app.config import CONFIG_NAME, load_config
from detente.app.log_verifying import FolderSource, Source
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.identity import Party
from detente.base.strict_json import parse_json
from detente.log.merkle import MerkleTree
from detente.log.note import parse_note
from detente.log.tiles import TILE_WIDTH, Bundle, encode_bundle, parse_tile_path, read_tile

CHECKPOINT = "checkpoint"


def is_url(target: str) -> bool:
    """Does the text name a node over HTTP?"""
    return target.startswith(("http://", "https://"))


class UrlSource:
    """A log as a node or a static web server serves it; ``url`` ends where ``checkpoint`` would follow."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        self._url = url.rstrip("/")
        self._http = http

    def read(self, path: str) -> bytes:
        """One file, bounded; raises ``Unavailable``, or ``Refused`` N39 where there is none."""
        try:
            with self._http.stream("GET", f"{self._url}/{path}") as response:
                if response.status_code == 404:
                    raise Refused("N39", "not-found", got=f"nothing at {self._url}/{path}", expected="a file of a log")
                if response.status_code != 200:
                    raise Unavailable(f"{self._url}/{path} answered {response.status_code}")
                data = b""
                for part in response.iter_bytes():
                    data += part
                    if len(data) > BUNDLE_MAX:
                        raise Unavailable(f"{self._url}/{path} is more than {BUNDLE_MAX} bytes")
        except httpx.HTTPError as error:
            raise Unavailable(f"cannot reach {self._url}: {error}") from None
        return data


class StoreSource:
    """A log out of the store of a home: its greatest head with a quorum, else its greatest head."""

    def __init__(self, store: Store, row: LogRow, coalition: Coalition) -> None:
        self._store = store
        self._row = row
        self._head = _best_head(store, row, coalition)
        self._tree = MerkleTree()
        self._tree.extend(store.leaves(row.id, 0, self._head.size))

    def read(self, path: str) -> bytes:
        """``checkpoint`` or ``tile/…``; raises ``Refused`` N39, L40, L02."""
        if path == CHECKPOINT:
            return self._head.note
        tile = parse_tile_path(path)
        if not isinstance(tile, Bundle):
            return read_tile(self._tree, tile)
        first = tile.index * TILE_WIDTH
        entries = self._store.entries(self._row.id, first, first + tile.width)
        if len(entries) != tile.width:
            raise Refused("N39", "not-found", got=path, expected="a file of a log")
        return encode_bundle(entries)


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A log that a text names: what to call it, and where to read it."""

    name: str
    source: Source


def _best_head(store: Store, row: LogRow, coalition: Coalition) -> HeadRow:
    heads = [head for head in store.heads(row.id, most=256) if head.size <= row.size]
    about = coalition.logs.get(row.origin)
    operator = Party("") if about is None else about.operator  # Of a successor nobody says yet whose it is.
    by_id = {(key.name, key.key_id): party for key, party in coalition.cosigners.items()}
    for head in heads:
        lines = parse_note(head.note).signatures
        parties = {by_id[line.name, line.key_id] for line in lines if (line.name, line.key_id) in by_id}
        if coalition.is_quorum(parties, operator):
            return head
    if not heads:
        raise Refused("N39", "not-found", got=f"no head of {row.origin}", expected="a log with a signed head")
    return heads[0]


@contextmanager
def find_logs(target: str, chain: tuple[Terms, ...], *, origin: str | None = None) -> Iterator[list[FoundLog]]:
    """The logs that a text names: the files of one, a folder of several, a home, or a URL of a node or of one log.

    Raises ``Misuse`` when there is none, ``Unavailable``, ``Refused``. ``origin`` narrows a home or a node to one log.
    """
    coalition = coalition_of(chain)
    if is_url(target):
        with httpx.Client(timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), trust_env=False) as http:
            yield list(_at_url(target, http, coalition, origin))
        return
    folder = Path(target)
    if (folder / CHECKPOINT).is_file():
        yield [FoundLog(str(folder), FolderSource(folder))]
    elif (folder / CONFIG_NAME).is_file():
        store = Store(load_config(folder).store_path, read_only=True)
        try:
            yield [
                FoundLog(row.origin, StoreSource(store, row, coalition))
                for row in store.logs()
                if origin in {None, row.origin} and store.heads(row.id, most=1)
            ]
        finally:
            store.close()
    else:
        found = sorted(path.parent for path in folder.glob(f"*/{CHECKPOINT}"))
        if not found:
            raise Misuse(f"{target} is no log: expected static files with a checkpoint, a home, or a URL")
        yield [FoundLog(str(path), FolderSource(path)) for path in found]


def _logs_told(url: str, http: httpx.Client) -> list[str]:
    """The origins that a node says it holds: successors are not in the terms. What is wrong there is found out later."""
    try:
        said = parse_json(UrlSource(url, http).read("healthz"), limit=BUNDLE_MAX)
    except (Refused, Unavailable):
        return []  # A static web server has no such page.
    logs = said.get("logs") if isinstance(said, dict) else None
    return [str(name) for name in logs][:256] if isinstance(logs, dict) else []


def _at_url(target: str, http: httpx.Client, coalition: Coalition, origin: str | None) -> Iterator[FoundLog]:
    url = target.rstrip("/")
    if "/log/" in url:
        yield FoundLog(url, UrlSource(url, http))
        return
    for each in sorted({*coalition.logs, *_logs_told(url, http)}):
        if origin in {None, each}:
            source = UrlSource(f"{url}/log/{origin_hash(each)}", http)
            try:
                source.read(CHECKPOINT)
            except Refused as refused:
                if refused.kind != "not-found" or origin is not None:
                    raise
                continue  # A log that nobody has written in yet has no head.
            yield FoundLog(each, source)
