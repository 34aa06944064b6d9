"""The process of a coding agent's ``PreToolUse`` hook: one call on standard input, one answer on standard output.

Decides what the host is told. Leaves out which calls are looked at (``tool_calls``) and asking (``app.asking``). ``spec/asking.md`` §6.

- The answer is ``deny`` with the reason, or nothing at all: leave of the accord is not the user's, whose own permissions decide then.
- Whatever goes wrong is a deny. Where even that cannot be written the process ends with 2, which the host takes for one; so does the
  installed command, for every way in which this process does not come to answer.
- It answers after ``ANSWER_S`` at the latest: what a host does with a hook that takes too long is to go on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from detente.base.errors import DetenteError, Refused
from detente.hooks.tool_calls import (
    CALL_MAX,
    DEFAULT_POLICY,
    POLICY_MAX,
    Call,
    Rule,
    areas_of,
    parse_call,
    parse_policy,
    rule_for,
)

if TYPE_CHECKING:
    from detente.guard.answer import Answer

ANSWER_S: Final = 8.0
LAST_WORD_S: Final = 2.0
HARD_S: Final = 15
HOST_S: Final = 30
"""What the settings allow: twice as long as the process can live."""
POLICY_FILE: Final = "agent-policy.toml"
PROPOSER: Final = "claude-code"
REASON_MAX: Final = 2_000
BLOCKS: Final = 2


class Reply:
    """The one answer of this process; the first who speaks is heard."""

    def __init__(self) -> None:
        self.said = False
        self._lock = threading.Lock()

    def deny(self, reason: str) -> int:
        """Tell the host; returns the exit code."""
        with self._lock:
            if self.said:
                return 0
            self.said = True
            try:
                sys.stdout.write(json.dumps(denial(reason)) + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                return BLOCKS
            return 0


def denial(reason: str) -> dict[str, Any]:
    """The host's form of a refusal."""
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": f"détente: {reason}"[:REASON_MAX],
        }
    }


def settings(home: Path, *, policy: Path | None = None) -> dict[str, Any]:
    """What to put into the host's settings: a command that blocks for every way in which it could fail."""
    import shlex

    words = [sys.executable, "-I", "-m", "detente.hooks.claude_code", "--home", str(home.resolve())]
    words += [] if policy is None else ["--policy", str(policy.resolve())]
    command = f"timeout -k 1 {HARD_S} {shlex.join(words)} || exit {BLOCKS}"
    hook = {"type": "command", "command": command, "timeout": HOST_S}
    return {"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [hook]}]}}


def run(*, home: str | None, policy: Path | None, within_s: float = ANSWER_S) -> int:
    """Read one call, answer it, return the exit code."""
    reply = Reply()
    _end_after(within_s + LAST_WORD_S, reply)
    try:
        data = sys.stdin.buffer.read(CALL_MAX + 1)
        reason = judge(data, home=home, policy=policy, within_s=within_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must not go on because of it
        reason = f"the hook failed: {error!r}" if not isinstance(error, DetenteError) else str(error)
    if reason:
        return reply.deny(reason)
    reply.said = True
    return 0


def judge(data: bytes, *, home: str | None, policy: Path | None, within_s: float) -> str:
    """Why the call may not be made; empty where it may, or is nothing to the accord. Raises ``Refused`` J20, J21, J22, ``Unavailable``."""
    call = parse_call(data)
    rule = rule_for(parse_policy(_policy(home, policy)), call)
    if rule is None:
        return ""
    if rule.refuse:
        return f"refused by the policy: {rule.name}"
    answer = _ask(call, rule, home, within_s)
    if answer.allowed:
        return ""
    more = ""
    if answer.proposal is not None:
        more = f"; filed as proposal {answer.proposal[:16]}, which `detente hold show {answer.proposal[:16]}` shows"
    raise Refused(
        "J22",
        "held",
        got=f"{call.tool}, which {rule.name}: {answer.verdict}: {answer.why}{more}",
        expected="leave of the accord",
        todo="a person can see why with `detente status --why`; the same call may be made again once that has changed",
    )


def _ask(call: Call, rule: Rule, home: str | None, within_s: float) -> Answer:
    from dataclasses import replace

    from detente.app.asking import Question, ask, use
    from detente.app.holding import made_proposal
    from detente.guard.answer import digest_act

    said = {"tool": call.tool, "arguments": call.arguments}
    act = digest_act(PROPOSER, said)
    question = Question(
        activity=rule.activity, act=act, run=f"agent-{rule.activity.replace('_', '-')}", once=rule.propose
    )
    if rule.propose:
        change = json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False).encode()
        summary = f"call of the tool {call.tool[:100]}, which {rule.name}"
        proposal = made_proposal(
            change, touches=sorted(areas_of(call)), summary=summary, proposed_by=("model", PROPOSER)
        )  # fmt: skip
        question = replace(question, proposal=proposal, change=change)
    answer = ask(question, home=home, within_s=within_s)
    if answer.allowed:
        use(answer, act=act, home=home, once=rule.propose)
    return answer


def _policy(home: str | None, given: Path | None) -> bytes:
    """The policy's bytes: as given, else the home's, else the default. One that was given must be there."""
    if home is None:
        from detente.app.config import find_home  # heavy: the installed command names its home

        home = str(find_home())
    path = given or Path(home) / POLICY_FILE
    try:
        with path.open("rb") as file:
            return file.read(POLICY_MAX + 1)
    except FileNotFoundError:
        if given is None:
            return DEFAULT_POLICY
        raise


def _end_after(seconds: float, reply: Reply) -> None:
    def end() -> None:
        os._exit(reply.deny(f"no answer within {seconds:.0f} s"))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def main(arguments: list[str]) -> int:
    """The installed command: ``--home DIR`` and perhaps ``--policy FILE``."""
    named: dict[str, str] = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if len(arguments) % 2 or set(named) - {"--home", "--policy"}:
        return Reply().deny(f"the hook was installed with {arguments}, which it does not know")
    policy = named.get("--policy")
    return run(home=named.get("--home"), policy=None if policy is None else Path(policy))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
