"""The OpenAI Agents SDK: a tool that asks the accord at each call, and makes an approved call once.

Decides nothing of its own: which calls are asked for and what is answered is ``tool_leave``'s. Leaves out the SDK's own approvals, which
go before: an approved state that is resumed twice makes the same call twice there, and here it is refused the second time (J02).

::

    from detente.hooks.openai_agents import held

    agent = Agent(name="loop", tools=[held(promote, home=".detente")])

The package ``openai-agents`` is whoever's uses it; nothing of it is imported here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from detente.base.errors import Misuse
from detente.hooks.tool_calls import Call
from detente.hooks.tool_leave import ANSWER_S, refusal_of

ASKER: Final = "openai-agents"


def held(
    tool: Any,
    *,
    home: str | Path | None = None,
    policy: Path | None = None,
    within_s: float = ANSWER_S,
    observe: bool = False,
) -> Any:
    """A function tool like ``tool`` that is run only with leave; otherwise the model is told why not. Raises ``Misuse``.

    With ``observe`` it is run all the same: what would have been answered is recorded, and said on stderr.
    """
    invoke = getattr(tool, "on_invoke_tool", None)
    if invoke is None or not dataclasses.is_dataclass(tool) or isinstance(tool, type):
        raise Misuse(f"got {type(tool).__name__}; expected a function tool of the OpenAI Agents SDK")

    name = str(getattr(tool, "name", ""))

    async def on_invoke_tool(context: Any, arguments: str) -> Any:
        said, call_id = _members(arguments), getattr(context, "tool_call_id", None)
        if said is None and not observe:
            return "not done: the arguments are no JSON object"
        if (not isinstance(call_id, str) or not call_id) and not observe:
            return "not done: the call has no id, so it could not be told from another"
        call = Call(name, said or {}, str(Path.cwd()))
        reason = await asyncio.to_thread(
            refusal_of,
            call,
            asker=ASKER,
            home=home,
            policy=policy,
            within_s=within_s,
            call_id=call_id,
            observe=observe,
        )
        return f"not done: {reason}" if reason else await invoke(context, arguments)

    return dataclasses.replace(tool, on_invoke_tool=on_invoke_tool)


def _members(arguments: str) -> dict[str, Any] | None:
    """The arguments of a call; None where they are no object."""
    try:
        said = json.loads(arguments) if arguments else {}
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
