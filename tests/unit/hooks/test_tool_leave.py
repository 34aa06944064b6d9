"""Leave for one call: nothing is raised, everything that goes wrong is a reason."""

import asyncio
import dataclasses
import json
from dataclasses import dataclass

import pytest

from detente.app import asking
from detente.base.digest import Digest
from detente.base.errors import Misuse, Unavailable
from detente.guard.answer import Allowance, Answer
from detente.hooks import openai_agents, tool_leave
from detente.hooks.openai_agents import held
from detente.hooks.tool_calls import DEFAULT_POLICY, Call
from detente.hooks.tool_leave import refusal_of

TRAINS = Call("Bash", {"command": "torchrun train.py"}, "/")


LOOKS = Call("Bash", {"command": "ls"}, "/")


def test_a_call_that_no_rule_names_is_nothing_to_ask_about(tmp_path):
    """By the default policy, where the home has none of its own, and by one that is given, whatever has become of the home."""
    (tmp_path / "config.toml").write_text("")
    assert refusal_of(LOOKS, asker="test", home=tmp_path) == ""
    policy = tmp_path / "given.toml"
    policy.write_bytes(DEFAULT_POLICY)
    assert refusal_of(LOOKS, asker="test", home=tmp_path / "none", policy=policy) == ""
    assert "J22 held" in refusal_of(TRAINS, asker="test", home=tmp_path / "none", policy=policy)


@pytest.mark.parametrize("call", [TRAINS, LOOKS])
def test_without_a_home_every_call_is_refused(tmp_path, call):
    """Nobody can say what the policy in it holds: a home that is gone does not leave the looser default behind."""
    assert "run `detente init`" in refusal_of(call, asker="test", home=tmp_path / "none")


def test_an_error_of_ours_is_a_reason(tmp_path, monkeypatch):
    """A host must not go on because its hook has a bug."""
    monkeypatch.setattr(tool_leave, "check_call", lambda *_a, **_k: 1 / 0)
    assert "ZeroDivisionError" in refusal_of(TRAINS, asker="test", home=tmp_path)


def test_an_answer_that_could_not_be_used_does_not_use_up_the_call(tmp_path, monkeypatch):
    """The call was not made: the same step, under the same id, may ask again, and is let through once then."""
    used = iter([Unavailable("the disk"), None])

    def use(*_arguments, **_named):
        if (error := next(used)) is not None:
            raise error

    allowance = Allowance(act=Digest("0" * 64), salt="", permit=b"", boot_id="", sent_at_ms=0)
    monkeypatch.setattr(
        asking, "ask", lambda each, **_named: Answer(verdict="allow", act=each.act, allowance=allowance)
    )
    monkeypatch.setattr(asking, "use", use)
    (tmp_path / "config.toml").write_text("")
    asked = {"asker": "test", "home": tmp_path, "call_id": "step-1"}
    assert "the disk" in refusal_of(TRAINS, **asked)
    assert refusal_of(TRAINS, **asked) == ""
    assert "J02" in refusal_of(TRAINS, **asked)
    assert next(used, "untouched") == "untouched"


@dataclass
class Tool:
    """What the SDK calls a function tool, as far as it is looked at."""

    name: str
    on_invoke_tool: object
    description: str = "a tool"


class Context:
    def __init__(self, tool_call_id):
        self.tool_call_id = tool_call_id


def invoked(arguments, *, call_id="call-1", reason="", monkeypatch=None):
    """What the wrapped tool says, and what the real one was called with."""
    real = []

    async def on_invoke_tool(_context, given):
        real.append(given)
        return "done"

    monkeypatch.setattr(openai_agents, "refusal_of", lambda *_a, **_k: reason)
    tool = held(Tool("promote", on_invoke_tool))
    assert (tool.name, tool.description) == ("promote", "a tool")
    return asyncio.run(tool.on_invoke_tool(Context(call_id), arguments)), real


def test_a_wrapped_tool_runs_only_with_leave(monkeypatch):
    """The very arguments go through, or the model is told why not and nothing runs."""
    arguments = json.dumps({"version": "v2"})
    assert invoked(arguments, monkeypatch=monkeypatch) == ("done", [arguments])
    assert invoked(arguments, reason="paused", monkeypatch=monkeypatch) == ("not done: paused", [])


@pytest.mark.parametrize(("arguments", "call_id"), [("{", "c"), ("[1]", "c"), ("{}", None), ("{}", ""), ("{}", 7)])
def test_a_call_that_cannot_be_told_from_another_is_not_made(arguments, call_id, monkeypatch):
    """Arguments that do not read, or no id: nothing runs."""
    said, real = invoked(arguments, call_id=call_id, monkeypatch=monkeypatch)
    assert said.startswith("not done")
    assert real == []


def test_what_is_no_tool_is_a_misuse():
    """A function, a class: said when the agent is built."""
    for each in (print, Tool, object()):
        with pytest.raises(Misuse):
            held(each)
    assert dataclasses.is_dataclass(Tool)
