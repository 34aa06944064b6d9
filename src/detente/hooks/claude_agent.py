"""The Claude Agent SDK: a ``PreToolUse`` callback that blocks without leave, and a ``can_use_tool`` that ends the turn.

Decides nothing of its own: which calls are asked for and what is answered is ``tool_leave``'s. ``spec/asking.md`` §6.

::

    from detente.hooks.claude_agent import accord_hooks

    options = ClaudeAgentOptions(hooks=accord_hooks(home=".detente"))

- The callback is put in with ``on_failure="block"``: without it the SDK takes one that fails for one without an opinion. A release of the SDK
  that does not know the option is refused when the options are made.
- It refuses, or has no opinion: leave of the accord is not the user's, whose own permissions decide then.
- ``can_use_tool`` is asked only where the host would ask the user: never for what ``allowed_tools``, a permission mode or the settings let through.
  So it is no gate by itself.
- A call is let through once for its id (J02), by each of the two for itself.
- The callback that observes has no opinion whatever would have been answered, and is put in without ``on_failure``. ``can_use_tool`` is in the place of the
  user's own word, so there is nothing of it to observe.

The package ``claude-agent-sdk`` is whoever's uses it; it is imported when the options are made.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from detente.base.errors import Unavailable
from detente.hooks.claude_code import denial
from detente.hooks.tool_calls import Call
from detente.hooks.tool_leave import ANSWER_S, refusal_of, say

HOOK: Final = "claude-agent-sdk"
PERMISSION: Final = "claude-agent-sdk-permission"
LAST_WORD_S: Final = 2.0
HOST_MORE_S: Final = 30.0
"""So much longer than the callback's own deadline the host waits: what a host does after its own is not ours to say."""
NEEDED: Final = (
    "a release of claude-agent-sdk whose HookMatcher takes on_failure: pip install --upgrade claude-agent-sdk"
)

Permission = Callable[[str, dict[str, Any], Any], Awaitable[Any]]


def accord_hooks(
    *,
    home: str | Path | None = None,
    policy: Path | None = None,
    within_s: float = ANSWER_S,
    observe: bool = False,
) -> dict[str, list[Any]]:
    """The ``hooks`` of ``ClaudeAgentOptions``: every call of a tool asks first. Raises ``Unavailable`` where the SDK cannot block.

    With ``observe`` no call is refused: what would have been answered is recorded, and said on stderr.
    """
    matcher = _of_the_sdk("HookMatcher")
    if not observe and "on_failure" not in {field.name for field in dataclasses.fields(matcher)}:
        raise Unavailable(f"got a HookMatcher without on_failure; expected {NEEDED}")

    async def before_a_call(given: Any, tool_use_id: str | None, _context: Any) -> dict[str, Any]:
        reason = await _refusal(
            _member(given, "tool_name"),
            _member(given, "tool_input"),
            folder=_member(given, "cwd"),
            call_id=tool_use_id or _member(given, "tool_use_id"),
            asker=HOOK,
            home=home,
            policy=policy,
            within_s=within_s,
            observe=observe,
        )
        if observe and reason:
            say(f"not enforced: would have refused a call: {reason}")
        return denial(reason) if reason and not observe else {}

    blocking = {} if observe else {"on_failure": "block"}
    made = matcher(matcher=None, hooks=[before_a_call], timeout=within_s + HOST_MORE_S, **blocking)
    return {"PreToolUse": [made]}


def accord_permission(
    *,
    home: str | Path | None = None,
    policy: Path | None = None,
    within_s: float = ANSWER_S,
    interrupt: bool = True,
    then: Permission | None = None,
) -> Permission:
    """A ``can_use_tool`` that denies without leave, and with ``interrupt`` ends the turn as well.

    ``then`` is asked for every other call, such as the one that asks the user; without it the call is allowed. Raises ``Unavailable``.
    """
    allow, deny = _of_the_sdk("PermissionResultAllow"), _of_the_sdk("PermissionResultDeny")

    async def can_use_tool(tool: str, arguments: dict[str, Any], context: Any) -> Any:
        reason = await _refusal(
            tool,
            arguments,
            folder=None,
            call_id=getattr(context, "tool_use_id", None),
            asker=PERMISSION,
            home=home,
            policy=policy,
            within_s=within_s,
        )
        if reason:
            return deny(message=f"détente: {reason}", interrupt=interrupt)
        return allow() if then is None else await then(tool, arguments, context)

    return can_use_tool


async def _refusal(
    tool: Any,
    arguments: Any,
    *,
    folder: Any,
    call_id: Any,
    asker: str,
    home: str | Path | None,
    policy: Path | None,
    within_s: float,
    observe: bool = False,
) -> str:
    """Why the call may not be made; empty where it may, or where what would have been answered is recorded (``observe``). Never raises but to be cancelled, and answers under its own deadline."""
    if not isinstance(tool, str) or not tool or not isinstance(arguments, dict):
        return "the call has no tool or no arguments"
    if (not isinstance(call_id, str) or not call_id) and not observe:
        return "the call has no id, so it could not be told from another"
    call = Call(tool, arguments, folder if isinstance(folder, str) and folder else str(Path.cwd()))
    asked = asyncio.to_thread(
        refusal_of,
        call,
        asker=asker,
        home=home,
        policy=policy,
        within_s=within_s,
        call_id=call_id,
        observe=observe,
    )
    try:
        return await asyncio.wait_for(asked, within_s + LAST_WORD_S)
    except TimeoutError:
        return f"no answer within {within_s + LAST_WORD_S:.0f} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must not go on because of it
        return f"the hook failed: {error!r}"


def _member(given: Any, name: str) -> Any:
    return given.get(name) if isinstance(given, dict) else None


def _of_the_sdk(name: str) -> Any:
    try:
        import claude_agent_sdk
    except ImportError:
        raise Unavailable("these are options of the Claude Agent SDK: pip install claude-agent-sdk") from None
    found = getattr(claude_agent_sdk, name, None)
    if found is None:
        raise Unavailable(f"got a claude-agent-sdk without {name}; expected {NEEDED}")
    return found
