"""An agent of a framework in a process of its own: for each line that it reads a scripted model calls the tool ``promote`` with that version.

The tool writes a line into a file. On standard output: for each call what the model, or the graph's caller, was told.
"""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

WITHIN_S = 30.0
"""What a call waits for its answer: longer than the 8 seconds of an installation, so that a loaded machine answers in time."""


def openai_agents(home: str, promote: Callable[[str], str], *, observe: bool) -> Callable[[str], str]:
    """Each version in a run of its own; the model says what came of its call."""
    import agents
    from agents.items import ModelResponse
    from agents.models.interface import Model
    from agents.usage import Usage
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    from detente.hooks.openai_agents import held

    class Scripted(Model):
        def __init__(self, version: str) -> None:
            self.version = version

        async def get_response(self, *_a, **given):
            items = given["input"] if isinstance(given["input"], list) else []
            outputs = [item for item in items if isinstance(item, dict) and item.get("type") == "function_call_output"]
            if outputs:
                text = ResponseOutputText(annotations=[], text=str(outputs[-1]["output"]), type="output_text")
                said = ResponseOutputMessage(
                    id="m", content=[text], role="assistant", status="completed", type="message"
                )
            else:
                said = ResponseFunctionToolCall(
                    id="f",
                    call_id=unique(),
                    name="promote",
                    arguments=json.dumps({"version": self.version}),
                    type="function_call",
                )
            return ModelResponse(output=[said], usage=Usage(), response_id=None)

        def stream_response(self, *_a, **_k):
            raise AssertionError("nothing is streamed here")

    agents.set_tracing_disabled(True)
    tool = held(
        agents.function_tool(promote, name_override="promote"), home=home, within_s=WITHIN_S, observe=observe
    )  # fmt: skip

    async def run(version: str) -> str:
        agent = agents.Agent(name="loop", model=Scripted(version), tools=[tool])
        return str((await agents.Runner.run(agent, "go")).final_output)

    return lambda version: asyncio.run(run(version))


def langgraph(home: str, promote: Callable[[str], str], *, observe: bool) -> Callable[[str], str]:
    """A graph of one node, above whose effect leave is awaited."""
    from langgraph.graph import END, START, StateGraph

    from detente.hooks.langgraph import await_leave

    def node(state: dict) -> dict:
        await_leave(
            "promote",
            {"version": state["version"]},
            call_id=state["id"],
            home=home,
            within_s=WITHIN_S,
            observe=observe,
        )
        return {**state, "said": promote(state["version"])}

    from langgraph.checkpoint.memory import InMemorySaver

    graph = StateGraph(dict)
    graph.add_node("promote", node)
    graph.add_edge(START, "promote")
    graph.add_edge("promote", END)
    compiled = graph.compile(checkpointer=InMemorySaver())

    def run(version: str) -> str:
        end = compiled.invoke({"version": version, "id": unique()}, {"configurable": {"thread_id": unique()}})
        waits = end.get("__interrupt__")
        return str(waits[0].value["why"]) if waits else str(end["said"])

    return run


def inspect(home: str, promote: Callable[[str], str], *, observe: bool) -> Callable[[str], str]:
    """The package's own execution of a model's tool calls, with the approver in force."""
    from inspect_ai.approval import ApprovalPolicy
    from inspect_ai.model import ChatMessageAssistant, execute_tools
    from inspect_ai.tool import Tool, ToolCall, tool

    from detente.hooks.inspect_approver import accord_approver

    @tool(name="promote")
    def promoting() -> Tool:
        async def execute(version: str) -> str:
            """Promote a version.

            Args:
                version: which.
            """
            return promote(version)

        return execute

    async def run(version: str) -> str:
        approval = [ApprovalPolicy(accord_approver(home=home, within_s=WITHIN_S, observe=observe), "*")]
        call = ToolCall(id=unique(), function="promote", arguments={"version": version})
        asked = [ChatMessageAssistant(content="", tool_calls=[call])]
        done = await execute_tools(asked, [promoting()], approval=approval)
        return " ".join(str(message.error.message if message.error else message.text) for message in done.messages)

    return lambda version: asyncio.run(run(version))


def claude_agent(home: str, promote: Callable[[str], str], *, observe: bool) -> Callable[[str], str]:
    """The package's own client and dispatch; in place of its host a transport that calls the tool as the host is documented to."""
    import claude_agent_sdk
    from claude_host import Transport

    from detente.hooks.claude_agent import accord_hooks

    observing = {"observe": True} if observe else {}

    async def run(version: str) -> str:
        options = claude_agent_sdk.ClaudeAgentOptions(hooks=accord_hooks(home=home, within_s=WITHIN_S, **observing))
        host = Transport()
        client = claude_agent_sdk.ClaudeSDKClient(options, transport=host)
        await client.connect()
        try:
            answer = await host.asked_before("promote", {"version": version}, unique())
        except TimeoutError:
            return "blocked: no answer in time"  # `onFailure`
        finally:
            await client.disconnect()
        if answer["subtype"] != "success":
            return f"blocked: {answer['error']}"  # `onFailure`
        said = answer["response"].get("hookSpecificOutput", {})
        return str(said["permissionDecisionReason"]) if said.get("permissionDecision") == "deny" else promote(version)

    return lambda version: asyncio.run(run(version))


def unique() -> str:
    """A host's id of a call."""
    return secrets.token_hex(8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=["openai_agents", "langgraph", "inspect", "claude_agent"])
    parser.add_argument("--home", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--observe", action="store_true")
    given = parser.parse_args()

    def promote(version: str) -> str:
        """Promote a version."""
        with given.out.open("a") as file:
            file.write(f"{version}\n")
        return f"promoted {version}"

    call = globals()[given.framework](given.home, promote, observe=given.observe)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps({"said": call(line.strip())}), flush=True)


if __name__ == "__main__":
    main()
