"""LangGraph: inside a node, before its effect, leave or an interrupt.

Decides that resuming asks again: what a graph is resumed with is an agent's or an operator's word, and no approval. Leaves out which calls
are asked for (``tool_leave``).

::

    def promote(state: State, config: RunnableConfig) -> State:
        await_leave("promote", {"version": state["version"]}, call_id=state["step"], home=".detente")
        ...  # the effect: a node runs again from its top after every interrupt, so it stands below

A node that is run again after its effect finds its call spent (J02) and is interrupted for good: the effect is not done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from detente.base.errors import Unavailable
from detente.hooks.tool_calls import Call
from detente.hooks.tool_leave import ANSWER_S, refusal_of

ASKER: Final = "langgraph"


def await_leave(
    tool: str,
    arguments: Mapping[str, Any],
    *,
    call_id: str | None,
    home: str | Path | None = None,
    policy: Path | None = None,
    within_s: float = ANSWER_S,
    observe: bool = False,
) -> None:
    """Return where the act may be done now; interrupt the graph where it may not. Raises ``Unavailable`` without LangGraph.

    ``call_id`` names this act and no other, the same each time the node is run for it; None where it may be done any number of times.
    With ``observe`` it returns always: what would have been answered is recorded, and said on stderr.
    """
    try:
        from langgraph.types import interrupt
    except ImportError:
        raise Unavailable("await_leave is for nodes of a graph: pip install langgraph") from None
    call = Call(tool, dict(arguments), str(Path.cwd()))
    while reason := refusal_of(
        call, asker=ASKER, home=home, policy=policy, within_s=within_s, call_id=call_id, observe=observe
    ):  # fmt: skip
        interrupt({"held": tool, "why": reason})
