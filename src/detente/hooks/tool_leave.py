"""Leave for one call of an agent's tool: the core that each agent's hook wraps.

Decides, from a policy and a call, why it may not be made. Leaves out hosts (``claude_code``, ``openai_agents``, ``langgraph``,
``inspect``), the policy's own words (``tool_calls``), and asking (``app.asking``). ``spec/asking.md`` §6, rule J22.

- Nothing is raised: what goes wrong is a reason.
- A call that has an id of its own is let through once, whatever runs it again: an approved state that is resumed twice, a step that
  is done anew after a crash. J02 then.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from detente.base.errors import DetenteError, Refused
from detente.base.visible import visible
from detente.hooks.tool_calls import DEFAULT_POLICY, POLICY_MAX, Call, Rule, areas_of, parse_policy, rule_for

if TYPE_CHECKING:
    from detente.app.asking import Question
    from detente.guard.answer import Answer

ANSWER_S: Final = 8.0
POLICY_FILE: Final = "agent-policy.toml"


def refusal_of(
    call: Call,
    *,
    asker: str,
    home: str | Path | None,
    policy: Path | None = None,
    within_s: float = ANSWER_S,
    call_id: str | None = None,
    observe: bool = False,
    tell: Callable[[str], None] | None = None,
) -> str:
    """Why the call may not be made; empty where it may, or is nothing to the accord. ``asker`` names the host.

    ``call_id`` is the host's own id of the call, where it has one that is the same when it is run again. With ``observe`` nothing is
    refused: what would have been answered is recorded, and given to ``tell``, by default a line on stderr.
    """
    if observe:
        _observed(call, asker, home, policy, within_s, tell or say)
        return ""
    try:
        return check_call(call, asker=asker, home=home, policy=policy, within_s=within_s, call_id=call_id)
    except DetenteError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must not go on because of it
        return f"the hook failed: {error!r}"


def check_call(
    call: Call, *, asker: str, home: str | Path | None, policy: Path | None, within_s: float, call_id: str | None = None
) -> str:  # fmt: skip
    """As ``refusal_of``, for a host that tells errors apart; raises ``Refused`` J02, J20, J21, J22, ``Unavailable``, ``OSError``."""
    rule = rule_for(parse_policy(_policy(home, policy)), call)
    if rule is None:
        return ""
    if rule.refuse:
        return f"refused by the policy: {rule.name}"
    answer = _asked(call, rule, asker, home, within_s, call_id)
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


def _observed(
    call: Call, asker: str, home: str | Path | None, policy: Path | None, within_s: float, tell: Callable[[str], None]
) -> None:  # fmt: skip
    """What would have become of the call, recorded and told; the call goes on whatever happens here."""
    about = f"the call of {visible(call.tool)}"
    try:
        from detente.app.asking import held
        from detente.app.observed_asking import observe, record, spoken
        from detente.guard.answer import Answer, digest_act

        try:
            rule = rule_for(parse_policy(_policy(home, policy)), call)
            if rule is None:
                return
            about += f", which {visible(rule.name)}"
            question = _question(call, rule, asker, None)
            if rule.refuse:
                denied = Answer(verdict="deny", act=question.act, reasons=("refused by the policy",))
                answer = record(denied, asker=asker, about=about, home=home)
            else:
                answer = observe(question, asker=asker, about=about, home=home, within_s=within_s)
        except (DetenteError, OSError) as error:
            answer = record(held(digest_act(asker, {}), str(error)), asker=asker, about=about, home=home)
        tell(spoken(answer, about))
    except Exception as error:  # noqa: BLE001 - observing changes nothing for the host, whatever becomes of it
        tell(f"not enforced: observing {about} failed: {error!r}")


def say(line: str) -> None:
    """Tell the person who watches the host: one line on stderr."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"detente: {line}\n")
        sys.stderr.flush()


def _asked(
    call: Call, rule: Rule, asker: str, home: str | Path | None, within_s: float, call_id: str | None
) -> Answer:  # fmt: skip
    from detente.app.asking import ask, use, use_for_call

    question = _question(call, rule, asker, call_id)
    answer = ask(question, home=home, within_s=within_s)
    if answer.allowed:
        if call_id is None:
            use(answer, act=question.act, home=home, once=rule.propose)
        else:
            use_for_call(answer, call_id, asker=asker, act=question.act, home=home, once=rule.propose)
    return answer


def _question(call: Call, rule: Rule, asker: str, call_id: str | None) -> Question:
    from detente.app.asking import Question
    from detente.app.holding import made_proposal
    from detente.guard.answer import digest_act

    said = {"tool": call.tool, "arguments": call.arguments}
    act = digest_act(asker, {**said, "call": call_id})
    question = Question(
        activity=rule.activity, act=act, run=f"agent-{rule.activity.replace('_', '-')}", once=rule.propose
    )
    if rule.propose:
        change = json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False).encode()
        summary = f"call of the tool {call.tool[:100]}, which {rule.name}"
        proposal = made_proposal(
            change, touches=sorted(areas_of(call)), summary=summary, proposed_by=("model", asker)
        )  # fmt: skip
        question = replace(question, proposal=proposal, change=change)
    return question


def _policy(home: str | Path | None, given: Path | None) -> bytes:
    """The policy's bytes: as given, else the home's, else the default. One that was given must be there, else the home itself.

    A home that is gone has not the default policy: its own may hold what that one passes over.
    """
    if home is None:
        from detente.app.config import find_home  # heavy: an installed command names its home

        home = find_home()
    path = given or Path(home) / POLICY_FILE
    try:
        with path.open("rb") as file:
            return file.read(POLICY_MAX + 1)
    except FileNotFoundError:
        if given is not None:
            raise
        if not (Path(home) / "config.toml").exists():
            from detente.app.config import load_config

            load_config(Path(home))
        return DEFAULT_POLICY
