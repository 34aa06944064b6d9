"""The process of a coding agent's ``PreToolUse`` hook: one call on standard input, one answer on standard output.

Decides what the host is told. Leaves out leave itself (``tool_leave``). ``spec/asking.md`` §6.

- The answer is ``deny`` with the reason, or nothing at all: leave of the accord is not the user's, whose own permissions decide then.
- Whatever goes wrong is a deny. Where even that cannot be written the process ends with 2, which the host takes for one; so does the
  installed command, for every way in which this process does not come to answer, one that says something else included.
- With ``--observe`` it denies nothing: what would have been answered is recorded, and shown to the user as the host's warning.
- It answers after ``ANSWER_S`` at the latest: what a host does with a hook that takes too long is to go on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Final

from detente.base.errors import Refused
from detente.hooks.tool_calls import CALL_MAX, parse_call
from detente.hooks.tool_leave import ANSWER_S, refusal_of

LAST_WORD_S: Final = 2.0
HARD_MORE_S: Final = 7
"""So much later than its own deadline the command ends the process; the settings have the host wait twice as long as that."""
ASKER: Final = "claude-code"
WITHIN_MAX_S: Final = 600.0
REASON_MAX: Final = 2_000
BLOCKS: Final = 2
OBSERVE: Final = "--observe"
NO_OPINION: Final = "no-opinion"
"""What the process says where it has nothing to say: silence and an exit code alone could be any program's."""
_COMMAND: Final = (
    'said=$({hook}) && case "$said" in {nothing}) exit 0 ;; '
    "{begins}*) printf '%s\\n' \"$said\" && exit 0 ;; esac; {failed}"
)
GONE: Final = "not enforced: the hook gave no answer, and the call goes on"


class Reply:
    """The one answer of this process; the first who speaks is heard."""

    def __init__(self) -> None:
        self.said = False
        self._lock = threading.Lock()

    def deny(self, reason: str) -> int:
        """Tell the host; returns the exit code."""
        return 0 if self._say(denial(reason)) else BLOCKS

    def warn(self, line: str) -> int:
        """Tell the user, and decide nothing; returns the exit code."""
        self._say(warning(line))
        return 0

    def pass_over(self, nothing: str) -> int:
        """No opinion; returns the exit code."""
        return 0 if self._say(nothing) else BLOCKS

    def _say(self, answer: dict[str, Any] | str) -> bool:
        """Was it heard, or something before it?"""
        with self._lock:
            if self.said:
                return True
            self.said = True
            try:
                sys.stdout.write(answer if isinstance(answer, str) else json.dumps(answer) + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                return False
            return True


def denial(reason: str) -> dict[str, Any]:
    """The host's form of a refusal."""
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": f"détente: {reason}"[:REASON_MAX],
        }
    }


def warning(line: str) -> dict[str, Any]:
    """The host's form of a word to its user: no decision."""
    return {"systemMessage": f"détente: {line}"[:REASON_MAX]}


def settings(
    home: Path, *, policy: Path | None = None, within_s: float = ANSWER_S, observe: bool = False
) -> dict[str, Any]:
    """What to put into the host's settings: a command that blocks for every way in which it could fail.

    With ``observe`` one that blocks for none.
    """
    import shlex

    words = [sys.executable, "-I", "-m", "detente.hooks.claude_code", "--home", str(home.resolve())]
    words += [] if policy is None else ["--policy", str(policy.resolve())]
    words += [] if within_s == ANSWER_S else ["--within", str(within_s)]
    words += [OBSERVE] if observe else []
    hard_s = int(within_s) + HARD_MORE_S
    decided = json.dumps(warning("") if observe else denial(""))
    command = _COMMAND.format(
        hook=f"timeout -k 1 {hard_s} {shlex.join(words)}",
        nothing=NO_OPINION,
        begins=shlex.quote(decided[: decided.index("d\\u00e9tente")]),
        failed=f"printf '%s\\n' {shlex.quote(json.dumps(warning(GONE)))}" if observe else f"exit {BLOCKS}",
    )
    hook = {"type": "command", "command": command, "timeout": 2 * hard_s}
    return {"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [hook]}]}}


def run(
    *, home: str | None, policy: Path | None, within_s: float = ANSWER_S, observe: bool = False, nothing: str = ""
) -> int:
    """Read one call, answer it, return the exit code. ``nothing`` is said where there is no opinion."""
    reply = Reply()
    _end_after(within_s + LAST_WORD_S, reply, observe=observe)
    try:
        data = sys.stdin.buffer.read(CALL_MAX + 1)
        call = parse_call(data)
    except Refused as refused:
        reason = str(refused)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must not go on because of it
        reason = f"the hook failed: {error!r}"
    else:
        told: list[str] = []
        reason = refusal_of(
            call, asker=ASKER, home=home, policy=policy, within_s=within_s, observe=observe, tell=told.append
        )
        if told:
            return reply.warn(told[0])
    if reason:
        return reply.warn(f"{GONE}: {reason}") if observe else reply.deny(reason)
    return reply.pass_over(nothing)


def _end_after(seconds: float, reply: Reply, *, observe: bool) -> None:
    def end() -> None:
        late = f"no answer within {seconds:.0f} s"
        os._exit(reply.warn(f"{GONE}: {late}") if observe else reply.deny(late))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def main(arguments: list[str]) -> int:
    """The installed command: ``--home DIR``, and perhaps ``--policy FILE``, ``--within SECONDS``, and last ``--observe``."""
    observe = arguments[-1:] == [OBSERVE]
    arguments = arguments[:-1] if observe else arguments
    named: dict[str, str] = dict(zip(arguments[::2], arguments[1::2], strict=False))
    policy = named.get("--policy")
    try:
        within_s = float(named.get("--within", ANSWER_S))
    except ValueError:
        within_s = -1.0
    if len(arguments) % 2 or set(named) - {"--home", "--policy", "--within"} or not 0 < within_s <= WITHIN_MAX_S:
        return Reply().deny(f"the hook was installed with {arguments}, which it does not know")
    return run(
        home=named.get("--home"),
        policy=None if policy is None else Path(policy),
        within_s=within_s,
        observe=observe,
        nothing=f"{NO_OPINION}\n",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
