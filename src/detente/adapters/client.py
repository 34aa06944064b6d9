"""Every call that one node, guard or tool makes to a node, over HTTP.

Decides paths, sizes and how an answer becomes a value or an error. Believes nothing: what comes back is bytes for the
rooms that verify. Leaves out the event stream of guards (``adapters.events``). The interface is ``docs/reference/http-api.md``.

- An answer with a refusal raises that ``Refused``; a peer that cannot be reached, answers 5xx or says too much raises
  ``Unavailable``.
- Every body is read up to a stated bound and no further.

>>> origin_hash("dev-a.example/log")[:8]
'a171146d'
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import quote, urlencode

import httpx

from detente.accord.reason import Place
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import RefusalKind, Refused, Unavailable, shown
from detente.base.identity import Party, show_key
from detente.base.instant import Instant
from detente.base.strict_json import parse_json
from detente.log.note import NOTE_MAX
from detente.log.proof import PROOF_MAX
from detente.statement.signing import Signer

JSON_MAX = 8 * 2**20
"""Bytes of a JSON answer: a page of 256 notes of 16 kB in base64, with room."""
ANSWER_MAX = 262_144
"""Bytes of a small answer: an envelope in base64 inside JSON, a proof, a refusal."""
BUNDLE_MAX = 256 * (2 + 65_535)
CONNECT_S, ANSWER_S = 3.0, 15.0
GOSSIP_PAGE = 256
BLOB_HEADER = "detente-signed"
_KINDS = frozenset(get_args(RefusalKind))


@dataclass(frozen=True, slots=True)
class Receipt:
    """A node's word that it holds a statement. ``proof`` is a C2SP tlog-proof; ``witnessed``: under a quorum's head."""

    statement: Digest
    place: Place
    witnessed: bool
    proof: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: ``notice`` with a sealed notice, ``head`` with JSON, or another that may be ignored."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What a peer has seen since a number of its own: checkpoint notes, and the number to ask with next."""

    next: int
    notes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A C2SP answer, to be read by its caller."""

    status: int
    body: bytes


def blob_message(digest: Digest) -> bytes:
    """What an enrolled key signs to store a blob: ``spec/node.md`` §7."""
    return f"detente-blob/v1\n{digest}\n".encode()


def blob_leave(digest: Digest, signer: Signer) -> str:
    """The value of ``BLOB_HEADER``: the key in whose name a blob is stored, and its signature."""
    return f"{show_key(signer.public_key)} {base64.b64encode(signer.sign(blob_message(digest))).decode()}"


def blob_reading_message(digest: Digest, node: Party, at: Instant) -> bytes:
    """What an enrolled key signs to be given a blob that terms keep for auditors, by one node, at about one time."""
    return f"detente-read-blob/v1\n{digest}\n{node}\n{at}\n".encode()


def blob_reading(digest: Digest, node: Party, at: Instant, signer: Signer) -> str:
    """The value of ``BLOB_HEADER`` with which a blob is asked for: the key, the time, and the signature."""
    signature = base64.b64encode(signer.sign(blob_reading_message(digest, node, at))).decode()
    return f"{show_key(signer.public_key)} {at} {signature}"


def origin_hash(origin: str) -> Digest:
    """The name of a log in a path: the SHA-256 of its origin."""
    return sha256_hex(origin.encode())


class NodeClient:
    """A client of one node. Close it when done; it keeps connections."""

    def __init__(
        self, url: str, *, answer_s: float = ANSWER_S, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=httpx.Timeout(answer_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=8),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    # Statements

    async def submit(self, envelope: bytes, *, witnessed: bool = True) -> Receipt:
        """File a statement; ``witnessed`` waits for the quorum as long as the node does."""
        wait = "witnessed" if witnessed else "logged"
        value = await self._json("POST", f"/v1/statements?wait={wait}", content=envelope, kind=_JSON)
        try:
            return Receipt(
                parse_digest(value["statement"]),
                Place(str(value["origin"]), int(value["index"])),
                value["witnessed"] is True,
                str(value["proof"]).encode()[:PROOF_MAX],
            )
        except (KeyError, TypeError, ValueError):
            raise self._strange(shown(value)) from None

    async def hear(self, envelope: bytes) -> None:
        """Tell a restricting statement that stands in no log yet."""
        await self._json("POST", "/v1/heard", content=envelope, kind=_JSON)

    async def find_statement(self, statement: Digest) -> bytes:
        """The envelope of a statement; raises ``Refused`` (not-found)."""
        value = await self._json("GET", f"/v1/statements/{statement}")
        try:
            return base64.b64decode(value["envelope"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise self._strange(shown(value)) from None

    # Permits

    async def quote(self, request: bytes) -> bytes:
        """Round 1: a sealed request in, a sealed offer out."""
        return await self._bytes("POST", "/v1/permits/heads", content=request, kind=_JSON, most=ANSWER_MAX)

    async def sign(self, ask: bytes) -> bytes:
        """Round 2: a sealed ask in, an encoded reply out."""
        return await self._bytes("POST", "/v1/permits", content=ask, kind=_JSON, most=ANSWER_MAX)

    async def decide(self, intent: Mapping[str, Any]) -> dict[str, Any]:
        """What this node would decide now; signs nothing."""
        return await self._json("POST", "/v1/decide", content=json.dumps(dict(intent)).encode(), kind=_JSON)

    # State

    async def status(self, *, why: bool = False) -> dict[str, Any]:
        """The node's status, with reasons if asked."""
        return await self._json("GET", "/v1/status?why=1" if why else "/v1/status")

    async def proposals(self) -> dict[str, Any]:
        """Proposals waiting at a hold point."""
        return await self._json("GET", "/v1/proposals")

    async def proposal(self, proposal: Digest) -> dict[str, Any]:
        """One proposal: what it says and lacks, and the decisions on it."""
        return await self._json("GET", f"/v1/proposals/{proposal}")

    async def health(self) -> dict[str, Any]:
        """Who the node is, and how it fares."""
        return await self._json("GET", "/healthz")

    async def find_blob(self, digest: Digest, *, most: int, reading: str = "") -> bytes:
        """A blob, not yet checked against its digest. ``reading`` (``blob_reading``) asks for one that is kept for auditors."""
        headers = {BLOB_HEADER: reading} if reading else None
        return await self._bytes("GET", f"/v1/blobs/{digest}", most=most, headers=headers)

    async def store_blob(self, data: bytes, signer: Signer) -> Digest:
        """Store a blob in the name of an enrolled statement or guard key; returns its digest."""
        digest = sha256_hex(data)
        headers = {BLOB_HEADER: blob_leave(digest, signer)}
        await self._json("PUT", f"/v1/blobs/{digest}", content=data, kind=_OCTETS, headers=headers)
        return digest

    async def keep_note(self, note: bytes) -> Digest:
        """Keep a decision's note at the node; returns its salted digest."""
        value = await self._json("POST", "/v1/notes", content=note, kind=_JSON)
        return parse_digest(value.get("note"))

    async def erase_note(self, note: Digest, organisation: str, reviewer: str, signed: str) -> None:
        """Erase a note in the name of its reviewer."""
        about = urlencode({"organisation": organisation, "reviewer": reviewer})
        await self._json("DELETE", f"/v1/notes/{note}?{about}", headers={BLOB_HEADER: signed})

    async def review(self, organisation: str, reviewer: str, signed: str) -> dict[str, Any]:
        """A reviewer's own figures."""
        return await self._json("GET", f"/v1/reviewers/{organisation}/{quote(reviewer)}", headers={BLOB_HEADER: signed})

    async def change(self, change: Digest) -> dict[str, Any]:
        """Who put a change, and what was decided on it."""
        return await self._json("GET", f"/v1/changes/{change}")

    async def waiting(self, organisation: str | None = None) -> dict[str, Any]:
        """What waits at a hold point, for one organisation or for anybody."""
        return await self._json("GET", f"/v1/waiting?for={quote(organisation)}" if organisation else "/v1/waiting")

    async def screening(self) -> dict[str, Any]:
        """What seeded changes have shown so far."""
        return await self._json("GET", "/v1/screening")

    async def events(self) -> AsyncIterator[Event]:
        """Events as they come, until the node ends; keep-alives are left out."""
        timeout = httpx.Timeout(60.0, connect=CONNECT_S)
        try:
            async with self._http.stream("GET", "/v1/events", timeout=timeout) as response:
                if response.status_code != 200:
                    raise self._error(response.status_code, await _bounded(response, ANSWER_MAX, self.url))
                name, data = "", b""
                async for line in response.aiter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        data = line.removeprefix("data: ").encode()
                    elif not line and name:
                        yield Event(name, data)
                        name, data = "", b""
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    # Logs and mirrors

    async def checkpoint(self, origin: str) -> bytes:
        """The checkpoint that the node publishes for a log."""
        return await self._bytes("GET", f"/log/{origin_hash(origin)}/checkpoint", most=NOTE_MAX)

    async def latest(self, origin: str) -> bytes:
        """The greatest head of a log that the node has seen, stored or not."""
        return await self._bytes("GET", f"/log/{origin_hash(origin)}/latest", most=NOTE_MAX)

    async def tile(self, origin: str, path: str) -> bytes:
        """A tile or entry bundle (``tile/…``) of a log."""
        return await self._bytes("GET", f"/log/{origin_hash(origin)}/{path}", most=BUNDLE_MAX)

    async def gossip(self, since: int) -> Page:
        """Heads and cosignatures that the node has seen since its number ``since``."""
        value = await self._json("GET", f"/v1/gossip?since={since}", most=JSON_MAX)
        try:
            notes = tuple(base64.b64decode(note, validate=True) for note in value["notes"])
            return Page(int(value["next"]), notes[:GOSSIP_PAGE])
        except (KeyError, TypeError, ValueError):
            raise self._strange(shown(value)) from None

    async def add_checkpoint(self, body: bytes, *, witness: bool = False) -> Answer:
        """C2SP add-checkpoint, to the mirror or to the witness."""
        return await self._answer(
            "/witness/add-checkpoint" if witness else "/mirror/add-checkpoint", body, "text/plain"
        )

    async def add_entries(self, body: bytes) -> Answer:
        """C2SP add-entries. A large body travels compressed, as C2SP advises."""
        if len(body) > 16_384:
            # 4 MiB take some 50 ms: in a thread, since zlib lets the others run.
            packed = await asyncio.to_thread(gzip.compress, body, 1)
            return await self._answer("/mirror/add-entries", packed, _OCTETS, encoding="gzip")
        return await self._answer("/mirror/add-entries", body, _OCTETS)

    async def add_cosigned(self, notes: bytes) -> None:
        """Tell cosigned checkpoints: notes joined by their lengths (``encode_notes``)."""
        await self._json("POST", "/mirror/cosigned", content=notes, kind=_OCTETS)

    # How

    async def _answer(self, path: str, body: bytes, kind: str, *, encoding: str = "") -> Answer:
        headers = {"content-type": kind, **({"content-encoding": encoding} if encoding else {})}
        try:
            async with self._http.stream("POST", path, content=body, headers=headers) as response:
                answer = Answer(response.status_code, await _bounded(response, ANSWER_MAX, self.url))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if answer.status >= 500:
            raise Unavailable(f"{self.url} answered {answer.status}: {shown(answer.body)}")
        return answer

    async def _bytes(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str = "",
        most: int = ANSWER_MAX,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        sent = {**({"content-type": kind} if kind else {}), **(headers or {})}
        try:
            async with self._http.stream(method, path, content=content, headers=sent) as response:
                body = await _bounded(response, most if response.status_code < 300 else ANSWER_MAX, self.url)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.status_code >= 300:
            raise self._error(response.status_code, body)
        return body

    async def _json(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str = "",
        most: int = JSON_MAX,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        body = await self._bytes(method, path, content=content, kind=kind, most=most, headers=headers)
        try:
            value = parse_json(body, limit=most)
        except Refused as refused:
            raise self._strange(refused.got) from None
        if not isinstance(value, dict):
            raise self._strange(shown(value))
        return value

    def _error(self, status: int, body: bytes) -> Refused | Unavailable:
        """The refusal that the node sent; everything else is its trouble."""
        try:
            value = parse_json(body, limit=ANSWER_MAX)
        except Refused:
            value = None
        if isinstance(value, dict) and value.get("kind") in _KINDS:
            said = {name: str(value.get(name, ""))[:2_000] for name in ("rule", "got", "expected", "todo")}
            return Refused(said["rule"], value["kind"], got=said["got"], expected=said["expected"], todo=said["todo"])
        why = value.get("unavailable") if isinstance(value, dict) else None
        return Unavailable(f"{self.url} answered {status}: {why or shown(body)}")

    def _unreachable(self, error: httpx.HTTPError) -> Unavailable:
        return Unavailable(f"cannot reach {self.url}: {type(error).__name__} {error}".rstrip())

    def _strange(self, got: str) -> Unavailable:
        return Unavailable(f"{self.url} answered what no node answers: {got}")


_JSON = "application/json"
_OCTETS = "application/octet-stream"


async def _bounded(response: httpx.Response, most: int, url: str) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > most:
            raise Unavailable(f"{url} answered more than {most} bytes")
        parts.append(part)
    return b"".join(parts)


def encode_notes(notes: list[bytes]) -> bytes:
    """Notes, each after its length as a big-endian uint32."""
    return b"".join(len(note).to_bytes(4, "big") + note for note in notes)
