"""LiteLLM's proxy: requests are refused and open streams ended while there is no leave to serve.

Decides what LiteLLM is told: 503 before a model is called, and an error in the place of a stream's next piece. Leaves out leave itself
(``app.kept_leave``): it is kept in memory and compared, never asked for, on the way of a request; and the end of what LiteLLM shows its
callbacks no pieces of (``hooks.under_way``). ``spec/serving.md`` §1, rule J36.

A file beside LiteLLM's configuration, ``detente_gate.py``, which that names under ``litellm_settings`` as ``callbacks: detente_gate.gate``::

    from detente.hooks.litellm import held

    gate = held("<digest of the version>", home="/srv/brake")

LiteLLM looks at what the class itself defines, not at what it inherits, so the hooks stand in the class that is handed over. It starts no
proxy whose callback does not import. Leave is looked at where a request begins, and again before each call of a model: what LiteLLM calls
models for by itself, or on a route that it asks no callback about, has no leave of its own. What only cancels goes on without leave. The packages ``litellm`` and ``fastapi`` are whoever's uses them; nothing of them is imported before.
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
from detente.hooks.under_way import LOOK_S, STATUS, Ended, EndsWithLeave, note

PROXY: Final = "litellm.proxy.proxy_server"


def held(
    version: str, *, home: str | Path | None = None, developer: str | None = None, observe: bool = False
) -> Any:  # fmt: skip
    """A callback for LiteLLM that serves ``version``, its digest or the file or folder that it is, only with leave.

    Leave is kept from now on, in this process, and what is under way in its proxy ends with it. Raises ``Misuse`` where ``version`` is none, ``Unavailable`` without LiteLLM.
    """
    kept = KeptLeave(version_of(version), developer=developer, home=home, observe=observe, asker="litellm")
    gate = make_callback(kept)
    end_with_leave(importlib.import_module(PROXY).app, kept)
    kept.start()
    if observe:
        sys.stderr.write(f"detente: not enforced: observing what serves version {kept.version[:16]}\n")
        sys.stderr.flush()
    return gate


def end_with_leave(proxy: Any, kept: Leave) -> None:
    """Stand around LiteLLM's application: it reads its callbacks when its own layers stand already."""
    if proxy.middleware_stack is None:
        proxy.middleware_stack = proxy.build_middleware_stack()
    proxy.middleware_stack = EndsWithLeave(proxy.middleware_stack, kept)


def make_callback(kept: Leave) -> Any:
    """The callback over leave that is kept elsewhere."""
    try:
        logger: Any = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
        refusing: Any = importlib.import_module("fastapi").HTTPException
    except ImportError:
        raise Unavailable("this is a callback of LiteLLM's proxy: pip install 'litellm[proxy]'") from None

    def refused(said: str) -> Exception:
        answer: Exception = refusing(
            STATUS, detail={"error": said, "code": "detente_held"}, headers={"retry-after": "5"}
        )
        return answer

    class Held(logger):  # type: ignore[misc]
        """Refuses by leave alone; reads nothing of a request."""

        enforces_request_content = True  # So that LiteLLM asks it in every place where it asks anything.

        async def async_pre_call_hook(
            self,
            user_api_key_dict: Any,  # noqa: ARG002 - LiteLLM's signature
            cache: Any,  # noqa: ARG002
            data: Any,  # noqa: ARG002
            call_type: Any,
        ) -> None:
            if _cancels(call_type):
                return
            if said := kept.refusal():
                raise refused(said)
            note()  # Not before: how a refusal is written is LiteLLM's.

        async def async_pre_call_deployment_hook(self, kwargs: Any, call_type: Any) -> None:  # noqa: ARG002
            if not kept.holds and not _cancels(call_type) and (said := kept.refusal()):
                raise refused(said)

        async def async_post_call_streaming_iterator_hook(
            self,
            user_api_key_dict: Any,  # noqa: ARG002
            response: Any,
            request_data: Any,  # noqa: ARG002
        ) -> AsyncIterator[Any]:
            note(asked=False)  # LiteLLM writes the end of these in the form of their clients.
            async for piece in while_held(response, kept):
                yield piece

    return Held()


def _cancels(call_type: Any) -> bool:
    """Does it end what runs at a provider? LiteLLM names it so, not its client."""
    return str(getattr(call_type, "value", call_type)).startswith(("acancel_", "cancel_"))


async def while_held(response: Any, kept: Leave) -> AsyncIterator[Any]:
    """The pieces of a stream, leave looked at before each, before its end, and every ``LOOK_S`` of silence; raises ``Ended``."""
    pieces = aiter(response)
    waiting: asyncio.Future[Any] | None = None
    try:
        while True:
            waiting = asyncio.ensure_future(anext(pieces))
            while True:
                if not kept.holds:
                    raise Ended(kept.why or "the permit lapsed")
                if waiting.done():
                    break
                await asyncio.wait({waiting}, timeout=LOOK_S)
            try:
                piece = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield piece
    finally:
        if waiting is not None:
            waiting.cancel()
            with contextlib.suppress(BaseException):
                await waiting
        with contextlib.suppress(Exception):
            await pieces.aclose()
