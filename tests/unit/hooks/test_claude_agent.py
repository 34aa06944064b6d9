"""The Agent SDK's callbacks refuse or have no opinion; whatever goes wrong is a refusal."""

import asyncio
import dataclasses
import sys
import types

import pytest

from detente.base.errors import Unavailable
from detente.hooks import claude_agent
from detente.hooks.claude_agent import accord_hooks, accord_permission

GIVEN = {
    "hook_event_name": "PreToolUse",
    "tool_name": "promote",
    "tool_input": {"version": "v2"},
    "tool_use_id": "t1",
    "cwd": "/",
}


@dataclasses.dataclass
class Matcher:
    """What the SDK calls a matcher of hooks."""

    matcher: str | None = None
    hooks: list = dataclasses.field(default_factory=list)
    timeout: float | None = None
    on_failure: str | None = None


@dataclasses.dataclass
class Allowed:
    behavior: str = "allow"


@dataclasses.dataclass
class Denied:
    message: str = ""
    interrupt: bool = False


@pytest.fixture
def sdk(monkeypatch):
    made = types.SimpleNamespace(HookMatcher=Matcher, PermissionResultAllow=Allowed, PermissionResultDeny=Denied)
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", made)
    return made


@pytest.fixture
def answers(monkeypatch):
    """What the accord's leave says; each asking is kept."""
    kept = types.SimpleNamespace(reason="", asked=[])

    def refusal_of(call, **named):
        kept.asked.append((call, named))
        return kept.reason() if callable(kept.reason) else kept.reason

    monkeypatch.setattr(claude_agent, "refusal_of", refusal_of)
    return kept


def told(given, tool_use_id="t1", **named):
    """What the host's hook is told for one call."""
    (matcher,) = accord_hooks(**named)["PreToolUse"]
    (callback,) = matcher.hooks
    return asyncio.run(callback(given, tool_use_id, None))


def test_the_hook_refuses_or_has_no_opinion(sdk, answers):
    """Leave of the accord is not the user's: nothing is said where it is given."""
    assert told(GIVEN) == {}
    answers.reason = "paused"
    said = told(GIVEN)["hookSpecificOutput"]
    assert (said["permissionDecision"], said["hookEventName"]) == ("deny", "PreToolUse")
    assert "paused" in said["permissionDecisionReason"]
    call, named = answers.asked[0]
    assert (call.tool, call.arguments, call.folder, named["call_id"]) == ("promote", {"version": "v2"}, "/", "t1")


def test_a_hook_that_fails_blocks(sdk):
    """The option that makes it so is set, and the host waits longer than the callback does."""
    (matcher,) = accord_hooks(within_s=8.0)["PreToolUse"]
    assert (matcher.on_failure, matcher.matcher) == ("block", None)
    assert matcher.timeout > 8.0 + claude_agent.LAST_WORD_S


@pytest.mark.parametrize("given", [None, [], {}, {**GIVEN, "tool_name": 7}, {**GIVEN, "tool_input": []}])
def test_a_call_that_does_not_read_is_refused(sdk, answers, given):
    """Nobody is asked about what nobody can name."""
    assert told(given)["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert answers.asked == []


def test_a_call_without_an_id_is_refused(sdk, answers):
    """It could be made again and not be told apart."""
    given = {name: value for name, value in GIVEN.items() if name != "tool_use_id"}
    assert "no id" in told(given, None)["hookSpecificOutput"]["permissionDecisionReason"]


def test_an_error_and_a_hang_are_refusals(sdk, answers, monkeypatch):
    """The callback never raises, and answers under its own deadline."""
    answers.reason = lambda: 1 / 0
    assert "ZeroDivisionError" in told(GIVEN)["hookSpecificOutput"]["permissionDecisionReason"]

    async def hang(_work, _seconds):
        _work.close()
        raise TimeoutError

    monkeypatch.setattr(asyncio, "wait_for", hang)
    assert "no answer within" in told(GIVEN)["hookSpecificOutput"]["permissionDecisionReason"]


def test_a_permission_without_leave_is_denied_and_ends_the_turn(sdk, answers):
    """With leave the next one is asked; without a next one the call is allowed."""
    context = types.SimpleNamespace(tool_use_id="t1")

    async def user(*_a):
        return "asked the user"

    answers.reason = "paused"
    assert asyncio.run(accord_permission()("promote", {}, context)) == Denied("détente: paused", interrupt=True)
    assert not asyncio.run(accord_permission(interrupt=False)("promote", {}, context)).interrupt
    answers.reason = ""
    assert asyncio.run(accord_permission()("promote", {}, context)) == Allowed()
    assert asyncio.run(accord_permission(then=user)("promote", {}, context)) == "asked the user"


def test_a_release_that_cannot_block_is_refused(sdk, monkeypatch):
    """Its failing hooks would let the call be made."""
    monkeypatch.setattr(sdk, "HookMatcher", dataclasses.make_dataclass("Old", ["matcher", "hooks", "timeout"]))
    with pytest.raises(Unavailable, match="on_failure"):
        accord_hooks()
    del sdk.PermissionResultDeny
    with pytest.raises(Unavailable, match="PermissionResultDeny"):
        accord_permission()


def test_without_the_package_the_options_are_not_made(monkeypatch):
    """Said when the agent is built, not at its first call."""
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    with pytest.raises(Unavailable, match="pip install"):
        accord_hooks()


# observed


def test_a_call_that_is_observed_is_no_business_of_the_host(sdk, answers, capsys):
    """Asked and recorded elsewhere; the SDK hears no opinion, whatever fails, and waits for none."""
    assert told(GIVEN, observe=True) == {}
    assert answers.asked[0][1]["observe"] is True
    for given in ({**GIVEN, "tool_input": []}, {}):
        assert told(given, observe=True) == {}
    assert told({**GIVEN, "tool_use_id": None}, None, observe=True) == {}

    def fails():
        raise RuntimeError("broken")

    answers.reason = fails
    assert told(GIVEN, observe=True) == {}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("detente: not enforced: would have refused a call: ") for line in lines)
    (matcher,) = accord_hooks(observe=True)["PreToolUse"]
    assert matcher.on_failure is None


def test_observing_asks_no_release_of_the_sdk_that_can_block(sdk):
    """Nothing is blocked: an older one is observed as well."""

    @dataclasses.dataclass
    class Older:
        matcher: str | None = None
        hooks: list = dataclasses.field(default_factory=list)
        timeout: float | None = None

    sdk.HookMatcher = Older
    assert len(accord_hooks(observe=True)["PreToolUse"]) == 1
    with pytest.raises(Unavailable):
        accord_hooks()
