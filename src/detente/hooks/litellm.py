"""LiteLLM's proxy: requests are refused and open streams ended while there is no leave to serve.

Decides what LiteLLM is told: 503 before a model is called, and an error in the place of a stream's next piece. Leaves out leave itself
(``app.kept_leave``): it is kept in memory and compared, never asked for, on the way of a request. ``spec/serving.md`` §1, rule J36.

A file beside LiteLLM's configuration, ``detente_gate.py``, which that names under ``litellm_settings`` as ``callbacks: detente_gate.gate``::

    from detente.hooks.litellm import held

    gate = held("<digest of the version>", home="/srv/brake")

LiteLLM looks at what the class itself defines, not at what it inherits, so both hooks stand in the class that is handed over. It starts no
proxy whose callback does not import. The packages ``litellm`` and ``fastapi`` are whoever's uses them; nothing of them is imported before.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from detente.app.gating import version_of
from detente.app.kept_leave import KeptLeave
from detente.base.errors import Unavailable
from detente.hooks.relay import Leave

LOOK_S: Final = 0.05
"""How often leave is looked at while a stream is silent."""
STATUS: Final = 503


class Ended(Exception):
    """Leave has ended in the middle of a stream. LiteLLM writes ``message`` as the stream's last event, in its client's form."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = STATUS


def held(
    version: str, *, home: str | Path | None = None, developer: str | None = None, observe: bool = False
) -> Any:  # fmt: skip
    """A callback for LiteLLM that serves ``version``, its digest or the file or folder that it is, only with leave.

    Leave is kept from now on, in this process. Raises ``Misuse`` where ``version`` is none, ``Unavailable`` without LiteLLM.
    """
    kept = KeptLeave(version_of(version), developer=developer, home=home, observe=observe, asker="litellm")
    gate = make_callback(kept)
    kept.start()
    if observe:
        sys.stderr.write(f"detente: not enforced: observing what serves version {kept.version[:16]}\n")
        sys.stderr.flush()
    return gate


def make_callback(kept: Leave) -> Any:
    """The callback over leave that is kept elsewhere."""
    try:
        logger: Any = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
        refusing: Any = importlib.import_module("fastapi").HTTPException
    except ImportError:
        raise Unavailable("this is a callback of LiteLLM's proxy: pip install 'litellm[proxy]'") from None

    class Held(logger):  # type: ignore[misc]
        """Refuses by leave alone; reads nothing of a request."""

        enforces_request_content = True  # So that LiteLLM asks it in every place where it asks anything.

        async def async_pre_call_hook(
            self,
            user_api_key_dict: Any,  # noqa: ARG002 - LiteLLM's signature
            cache: Any,  # noqa: ARG002
            data: Any,  # noqa: ARG002
            call_type: Any,  # noqa: ARG002
        ) -> None:
            if said := kept.refusal():
                raise refusing(STATUS, detail={"error": said, "code": "detente_held"}, headers={"retry-after": "5"})

        async def async_post_call_streaming_iterator_hook(
            self,
            user_api_key_dict: Any,  # noqa: ARG002
            response: Any,
            request_data: Any,  # noqa: ARG002
        ) -> AsyncIterator[Any]:
            async for piece in while_held(response, kept):
                yield piece
            if not kept.holds:
                raise Ended(kept.why or "the permit lapsed")

    return Held()


async def while_held(response: Any, kept: Leave) -> AsyncIterator[Any]:
    """The pieces of a stream for as long as there is leave, looked at before each and every ``LOOK_S`` of silence."""
    pieces = aiter(response)
    waiting: asyncio.Future[Any] | None = None
    try:
        while kept.holds:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(pieces))
            await asyncio.wait({waiting}, timeout=LOOK_S)
            if not waiting.done():
                continue
            try:
                piece = waiting.result()
            except StopAsyncIteration:
                waiting = None
                return
            waiting = None
            if kept.holds:
                yield piece
    finally:
        if waiting is not None:
            waiting.cancel()
            with contextlib.suppress(BaseException):
                await waiting
        with contextlib.suppress(Exception):
            await pieces.aclose()
