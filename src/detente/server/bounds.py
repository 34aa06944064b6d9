"""How a request is bounded before anything reads it, and which status an error has.

Decides sizes, compression, rates per address, and the status of each kind of refusal. Leaves out what requests mean.

- ``Content-Length`` over the bound is refused before a byte is read; a body without one is cut off at the bound: N10.
- A compressed body is bounded by what it unpacks to, and refused when it does not unpack: N10, N11.
- Requests of one address are counted: N12. A body that dawdles is given up: N13.
- Large bodies wait for one of a few slots, of which one address holds at most half: whoever dawdles keeps nobody else out.
- Every error is ``Refused.as_json`` with the status of its kind, or ``{"unavailable": …}`` with 503.

>>> status_of(Refused("N10", "oversized", got="2", expected="1"))
413
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from detente.base.errors import DetenteError, RefusalKind, Refused, Unavailable
from detente.log.mirror import HEADER_MAX, PACKAGE_MAX
from detente.log.note import NOTE_MAX

BODY_S = 30.0
"""Seconds in which a body must have arrived: 17 MB at 5 Mbit/s."""
BLOB_S = 120.0
"""Seconds in which a blob must have arrived: 64 MiB at 5 Mbit/s."""

UPLOAD_MAX = HEADER_MAX + PACKAGE_MAX + 65_536
"""Bytes of an add-entries body: one package of the largest entries must fit; larger uploads come in several."""
NOTES_MAX = 64 * (4 + NOTE_MAX)
"""Bytes of a body of 64 notes, each after its length."""
INTENT_MAX = 4_096

STATUSES: dict[RefusalKind, int] = {
    "malformed": 400,
    "oversized": 413,
    "duplicate-key": 400,
    "unknown-field": 400,
    "wrong-type": 400,
    "bad-signature": 403,
    "unknown-key": 403,
    "weak-key": 403,
    "key-not-in-force": 403,
    "unknown-party": 403,
    "unknown-role": 403,
    "wrong-accord": 403,
    "wrong-terms": 409,
    "out-of-scope": 403,
    "stale": 409,
    "future-dated": 400,
    "expired": 409,
    "replayed": 409,
    "conflict": 409,
    "inconsistent": 409,
    "corrupt": 422,
    "rollback": 503,
    "quorum": 409,
    "terms-unsound": 422,
    "limit": 403,
    "rate": 429,
    "held": 403,
    "paused": 403,
    "not-found": 404,
    "busy": 503,
    "full": 507,
}


def status_of(error: DetenteError) -> int:
    """The HTTP status of an error."""
    return STATUSES[error.kind] if isinstance(error, Refused) else 503


def error_response(error: DetenteError) -> Response:
    """An error as JSON."""
    content = error.as_json() if isinstance(error, Refused) else {"unavailable": str(error)}
    headers = {"retry-after": "1"} if status_of(error) in {429, 503} else {}
    return JSONResponse(content, status_of(error), headers)


class Slots:
    """Large bodies at once: ``most`` of them, one address at most half."""

    def __init__(self, most: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._each = max(1, most // 2)
        self._by_address: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[None]:
        """Hold a slot; waits for one."""
        address = request.client.host if request.client is not None else "local"
        own = self._by_address.setdefault(address, asyncio.Semaphore(self._each))
        async with own, self._all:
            yield


async def read_body(request: Request, most: int) -> bytes:
    """The whole body, at most ``most`` bytes after unpacking; raises ``Refused`` N10, N11, N13, ``Unavailable``."""
    async with in_time(BODY_S):
        parts = [part async for part in body_parts(request, most)]
    return b"".join(parts)


@contextlib.asynccontextmanager
async def in_time(most_s: float) -> AsyncIterator[None]:
    """Give up (N13) a body that has not arrived after so many seconds."""
    try:
        async with asyncio.timeout(most_s):
            yield
    except TimeoutError:
        raise Refused("N13", "rate", got=f"no whole body in {most_s:.0f} s", expected="a body without delay") from None


async def body_parts(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body as it arrives, bounded; raises as ``read_body``."""
    length = request.headers.get("content-length", "")
    if length and (not length.isdigit() or len(length) > 18 or int(length) > most):
        raise _oversized(f"Content-Length {length[:20]}", most)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise _malformed(f"Content-Encoding {encoding[:40]!r}")
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == "gzip" else None
    taken = size = 0
    try:
        async for part in request.stream():
            taken += len(part)
            if taken > most:
                raise _oversized(f"more than {most} bytes", most)
            if unpack is None:
                yield part
                continue
            try:
                plain = unpack.decompress(part, most + 1 - size)
            except zlib.error:
                raise _malformed("a body that does not unpack") from None
            size += len(plain)
            if size > most or unpack.unconsumed_tail:
                raise _oversized(f"more than {most} bytes unpacked", most)
            yield plain
    except ClientDisconnect:
        raise Unavailable("the client went away") from None
    if unpack is not None and not unpack.eof:
        raise _malformed("a compressed body that ends too early")


def _oversized(got: str, most: int) -> Refused:
    return Refused("N10", "oversized", got=got, expected=f"at most {most} bytes", todo="send less at a time")


def _malformed(got: str) -> Refused:
    return Refused("N11", "malformed", got=got, expected="a plain body, or one whole gzip stream")
