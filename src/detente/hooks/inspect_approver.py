"""Inspect AI: an approver that asks the accord before a model's tool call.

Decides that a call without leave is rejected with the reason. Leaves out which calls are asked for (``tool_leave``).

::

    from detente.hooks.inspect_approver import accord_approver

    task = Task(..., approval=[ApprovalPolicy(accord_approver(home=".detente"), "*")])

``then`` says what becomes of every other call: ``approve`` where this is the only approver, ``escalate`` to the next one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final, Literal

from detente.base.errors import Unavailable
from detente.hooks.tool_calls import Call
from detente.hooks.tool_leave import ANSWER_S, refusal_of

ASKER: Final = "inspect"


def accord_approver(
    *,
    home: str | Path | None = None,
    policy: Path | None = None,
    within_s: float = ANSWER_S,
    then: Literal["approve", "escalate"] = "approve",
    observe: bool = False,
) -> Any:
    """An ``Approver`` of Inspect; raises ``Unavailable`` where Inspect is not installed.

    With ``observe`` nothing is rejected: what would have been answered is recorded, and said on stderr.
    """
    try:
        from inspect_ai.approval import Approval, approver
    except ImportError:
        raise Unavailable("an approver is for Inspect: pip install inspect-ai") from None

    @approver(name="detente")  # type: ignore[untyped-decorator]
    def detente() -> Any:
        async def approve(_message: str, call: Any, _view: Any, _history: Any) -> Any:
            asked = Call(str(call.function), dict(call.arguments), str(Path.cwd()))
            reason = await asyncio.to_thread(
                refusal_of,
                asked,
                asker=ASKER,
                home=home,
                policy=policy,
                within_s=within_s,
                call_id=str(call.id),
                observe=observe,
            )
            if reason:
                return Approval(decision="reject", explanation=reason)
            return Approval(decision=then, explanation="nothing in the accord is against it")

        return approve

    return detente()
