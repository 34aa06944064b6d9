"""The real packages, driven offline by scripted models: a call without leave is not made, an approved one is made once."""

import asyncio
import json

import pytest

from tests.conformance.jobs.claude_host import Transport
from tests.integration.asking_rig import approve, pause, solo, waiting

WITHIN_S = 120
PROMOTES = '[[rule]]\nname = "promotes"\ntools = ["promote"]\nactivity = "self_improvement"\n'


@pytest.fixture
def home(tmp_path):
    made = solo(tmp_path / "home")
    (made / "agent-policy.toml").write_text(PROMOTES)
    return made


def awaited(work):
    return asyncio.run(asyncio.wait_for(work, WITHIN_S))


# OpenAI Agents


def agent_of(home, calls: list, *, needs_approval: bool):
    """An agent whose model always calls `promote` once, then says what came of it."""
    agents = pytest.importorskip("agents", reason="openai-agents is not installed: pip install openai-agents")
    from agents.items import ModelResponse
    from agents.models.interface import Model
    from agents.usage import Usage
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    from detente.hooks.openai_agents import held

    class Scripted(Model):
        async def get_response(self, *, input, **_k):  # noqa: A002 - the name that the package gives it
            items = input if isinstance(input, list) else []
            outputs = [item for item in items if isinstance(item, dict) and item.get("type") == "function_call_output"]
            if outputs:
                text = ResponseOutputText(annotations=[], text=str(outputs[-1]["output"]), type="output_text")
                said = ResponseOutputMessage(
                    id="m", content=[text], role="assistant", status="completed", type="message"
                )
            else:
                said = ResponseFunctionToolCall(
                    id="f",
                    call_id="call-1",
                    name="promote",
                    arguments=json.dumps({"version": "v2"}),
                    type="function_call",
                )
            return ModelResponse(output=[said], usage=Usage(), response_id=None)

        def stream_response(self, *_a, **_k):
            raise AssertionError("nothing is streamed here")

    @agents.function_tool(needs_approval=needs_approval)
    def promote(version: str) -> str:
        """Promote a version."""
        calls.append(version)
        return f"promoted {version}"

    agents.set_tracing_disabled(True)
    return agents, agents.Agent(name="loop", model=Scripted(), tools=[held(promote, home=home, within_s=90)])


def test_an_agents_tool_runs_with_leave_and_not_in_a_pause(home):
    """The model is told why not, and goes on without."""
    calls: list = []
    agents, agent = agent_of(home, calls, needs_approval=False)
    assert awaited(agents.Runner.run(agent, "go")).final_output == "promoted v2"
    pause(home)
    assert "not done: J22 held" in awaited(agents.Runner.run(agent, "go")).final_output
    assert calls == ["v2"]


def test_an_approved_state_that_is_resumed_twice_makes_its_call_once(home):
    """The package runs it again; here the second run finds the call spent."""
    calls: list = []
    agents, agent = agent_of(home, calls, needs_approval=True)
    result = awaited(agents.Runner.run(agent, "go"))
    assert len(result.interruptions) == 1
    state = result.to_state()
    state.approve(result.interruptions[0])
    kept = state.to_string()
    said = []
    for _ in range(2):

        async def resumed():
            again = await agents.RunState.from_string(agent, kept)
            return (await agents.Runner.run(agent, again)).final_output

        said.append(awaited(resumed()))
    assert said[0] == "promoted v2"
    assert "J02 replayed" in said[1]
    assert calls == ["v2"]


# LangGraph


def graph_of(home, calls: list):
    pytest.importorskip("langgraph", reason="langgraph is not installed: pip install langgraph")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, StateGraph

    from detente.hooks.langgraph import await_leave

    def promote(state: dict) -> dict:
        await_leave("promote", {"version": state["version"]}, call_id=None, home=home, within_s=90)
        calls.append(state["version"])
        return state

    graph = StateGraph(dict)
    graph.add_node("promote", promote)
    graph.add_edge(START, "promote")
    graph.add_edge("promote", END)
    return graph.compile(checkpointer=InMemorySaver())


def test_a_graph_is_interrupted_until_people_have_approved_and_no_answer_to_it_counts(home):
    """Resuming with a yes asks again; the effect comes once, after the approval."""
    (home / "agent-policy.toml").write_text(PROMOTES + "propose = true\n")
    calls: list = []
    graph = graph_of(home, calls)
    from langgraph.types import Command

    config = {"configurable": {"thread_id": "t"}}
    held = graph.invoke({"version": "v2"}, config)
    assert "filed as proposal" in held["__interrupt__"][0].value["why"]
    assert "__interrupt__" in graph.invoke(Command(resume="approved, go on"), config)
    assert calls == []
    (one,) = waiting(home)
    approve(home, one["proposal"])
    graph.invoke(Command(resume="again"), config)
    assert calls == ["v2"]


# Inspect


def test_an_approver_rejects_what_has_no_leave(home):
    """Called as the package calls it, with its own types; other tools pass, or go to the next approver."""
    pytest.importorskip("inspect_ai", reason="inspect-ai is not installed: pip install inspect-ai")
    from inspect_ai.tool import ToolCall, ToolCallView

    from detente.hooks.inspect_approver import accord_approver

    def decision(tool, number, **more):
        call = ToolCall(id=f"call-{number}", function=tool, arguments={"version": "v2"})
        return awaited(accord_approver(home=home, within_s=90, **more)("", call, ToolCallView(), []))

    assert decision("promote", 1).decision == "approve"
    again = decision("promote", 1)
    assert (again.decision, "J02" in again.explanation) == ("reject", True)
    assert decision("search", 2, then="escalate").decision == "escalate"
    pause(home)
    rejected = decision("promote", 3)
    assert (rejected.decision, "J22" in rejected.explanation) == ("reject", True)


# The Claude Agent SDK


def asked_by_the_host(home, number: int) -> dict:
    """What the SDK itself answers, through its own dispatch, when the host is about to call the tool."""
    sdk = pytest.importorskip(
        "claude_agent_sdk", reason="claude-agent-sdk is not installed: pip install claude-agent-sdk"
    )
    from detente.hooks.claude_agent import accord_hooks, accord_permission

    async def dispatched():
        options = sdk.ClaudeAgentOptions(
            hooks=accord_hooks(home=home, within_s=90), can_use_tool=accord_permission(home=home, within_s=90)
        )
        host = Transport()
        client = sdk.ClaudeSDKClient(options, transport=host)
        await client.connect()
        assert host.matcher["onFailure"] == "block"
        tool, call_id = {"version": "v2"}, f"call-{number}"
        permission = {"subtype": "can_use_tool", "tool_name": "promote", "input": tool}
        permission |= {"permission_suggestions": [], "tool_use_id": call_id}
        hook = await host.asked_before("promote", tool, call_id)
        permitted = await host.ask(permission)
        await client.disconnect()
        return {"hook": hook["response"], "permission": permitted["response"]}

    return awaited(dispatched())


def test_the_agent_sdk_blocks_a_call_without_leave_and_ends_the_turn(home):
    """Through the package's own dispatch: no opinion with leave, a second run of the same call refused, a pause denied and interrupted."""
    with_leave = asked_by_the_host(home, 1)
    assert with_leave["hook"] == {}
    assert with_leave["permission"]["behavior"] == "allow"
    again = asked_by_the_host(home, 1)
    assert "J02" in again["hook"]["hookSpecificOutput"]["permissionDecisionReason"]
    pause(home)
    held = asked_by_the_host(home, 2)
    assert held["hook"]["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert (held["permission"]["behavior"], held["permission"]["interrupt"]) == ("deny", True)
