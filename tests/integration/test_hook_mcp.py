"""An agent asks over the Model Context Protocol; nothing that it says there approves anything."""

import asyncio
import json
import subprocess
import sys

import pytest

from tests.integration.asking_rig import approve, detente, pause, said, solo, waiting

WITHIN_S = 120
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


def talk(home, *messages) -> list[dict]:
    """Every answer to these lines, a message or raw bytes each."""
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in messages]
    done = detente("hook", "mcp", home=home, given=b"\n".join(lines) + b"\n")
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(method, number=1, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def called(home, name, **arguments) -> dict:
    """What a tool says."""
    (answer,) = talk(home, request("tools/call", name=name, arguments=arguments))
    result = answer["result"]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    return {**result["structuredContent"], "is_error": result["isError"]}


def test_both_forms_of_the_protocol_are_spoken(home):
    """The handshake of earlier revisions, and the stateless requests of 2026-07-28; another version is named as unsupported."""
    first, found, listed, odd = talk(
        home,
        request("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t", "version": "1"}),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request("server/discover", 2, _meta=MODERN),
        request("tools/list", 3, _meta=MODERN),
        request("tools/list", 4, _meta={"io.modelcontextprotocol/protocolVersion": "1900-01-01"}),
    )
    assert first["result"]["protocolVersion"] == "2025-06-18"
    assert found["result"]["supportedVersions"][0] == "2026-07-28"
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["may_i", "propose", "status"]
    assert listed["result"]["resultType"] == "complete"
    assert odd["error"]["code"] == -32022


def test_there_is_no_tool_that_approves(home):
    """Whatever an agent calls, a decision is a reviewer's."""
    for name in ("approve", "decide", "hold_decide", "lift"):
        (answer,) = talk(home, request("tools/call", name=name, arguments={}))
        assert answer["error"]["code"] == -32602


def test_may_i_says_allow_and_during_a_pause_deny(home):
    """With the reasons, and without a permit that could be carried away."""
    assert called(home, "may_i", activity="training", planned_flop="1e15")["verdict"] == "allow"
    pause(home)
    answer = called(home, "may_i", activity="training", planned_flop="1e15")
    assert (answer["verdict"], answer["answered"]) == ("deny", True)
    assert "permit" not in answer


def test_a_proposal_is_the_models_and_waits_for_people(home):
    """Filed as a model's whatever it says; held until approved elsewhere; then it may be carried out."""
    answer = called(home, "propose", change="--- wider", summary="wider", touches=["architecture"], model="m-2")
    assert answer["verdict"] == "hold"
    (one,) = waiting(home)
    assert answer["proposal"] == one["proposal"]
    assert said(home, one["proposal"])["proposed_by"] == "model m-2"
    assert called(home, "may_i", activity="self_improvement", proposal=one["proposal"])["verdict"] == "hold"
    assert [each["proposal"] for each in called(home, "status")["waiting"]] == [one["proposal"]]
    approve(home, one["proposal"])
    assert called(home, "may_i", activity="self_improvement", proposal=one["proposal"])["verdict"] == "allow"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("may_i", {}),
        ("may_i", {"activity": "everything"}),
        ("may_i", {"activity": []}),
        ("may_i", {"activity": {"training": True}}),
        ("may_i", {"activity": "training", "planned_flop": 1.5}),
        ("may_i", {"activity": "training", "planned_flop": "much"}),
        ("may_i", {"activity": "deployment"}),
        ("may_i", {"activity": "training", "proposal": "../x"}),
        ("may_i", {"activity": "training", "force": True}),
        ("propose", {"change": "", "summary": "x", "touches": []}),
        ("propose", {"change": "x", "summary": "x", "touches": ["everything"]}),
        ("propose", {"change": "x", "summary": "x", "touches": "training"}),
        ("propose", {"change": "x", "summary": "x" * 2_000, "touches": []}),
    ],
)
def test_wrong_arguments_are_a_hold(home, name, arguments):
    """An error that a client might pass over still reads as a hold."""
    assert called(home, name, **arguments)["verdict"] == "hold"


def test_garbage_is_answered_and_the_next_message_heard(home):
    """No JSON, no request, no method, an id that is none: each its own error, and the server stays."""
    answers = talk(
        home,
        b"garbage",
        b"\xff",
        b"[]",
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": NaN}',
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        request("nothing"),
        request("tools/call", name="may_i", arguments=[]),
        {"jsonrpc": "2.0", "id": 9, "result": {}},
        request("ping", "last"),
    )
    codes = [answer["error"]["code"] for answer in answers[:-1]]
    assert codes == [-32700, -32700, -32600, -32700, -32600, -32600, -32601, -32602]
    assert answers[-1] == {"jsonrpc": "2.0", "id": "last", "result": {}}


def test_a_message_without_end_is_not_kept(home):
    """Past its bound the server says so and ends."""
    process = subprocess.run(
        [sys.executable, "-m", "detente", "hook", "mcp", "--home", str(home)],
        input=b"x" * (5 << 20),
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )
    (answer,) = (json.loads(line) for line in process.stdout.splitlines())
    assert answer["error"]["code"] == -32700


def test_without_a_home_everything_is_held(tmp_path):
    """No issuer, no leave."""
    for name, arguments in (("may_i", {"activity": "training"}), ("status", {})):
        assert called(tmp_path / "nowhere", name, **arguments)["verdict"] == "hold"


def test_the_protocols_own_client_is_served(home):
    """The official client library as peer: it lists the tools, proposes, asks, and finds nothing that approves."""
    mcp = pytest.importorskip("mcp", reason="the client library is not installed: pip install mcp")
    from mcp.client.stdio import stdio_client

    async def scenario():
        server = mcp.StdioServerParameters(
            command=sys.executable, args=["-m", "detente", "hook", "mcp", "--home", str(home)]
        )
        async with stdio_client(server) as (read, write), mcp.ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            asked = await session.call_tool("may_i", {"activity": "training"})
            proposed = await session.call_tool(
                "propose", {"change": "x", "summary": "wider", "touches": ["architecture"]}
            )
            return tools, asked, proposed

    tools, asked, proposed = asyncio.run(asyncio.wait_for(scenario(), WITHIN_S))
    assert tools == {"may_i", "propose", "status"}
    assert json.loads(asked.content[0].text)["verdict"] == "allow"
    assert json.loads(proposed.content[0].text)["verdict"] == "hold"


@pytest.mark.parametrize("mode", ["auto", "2026-07-28", "legacy"])
def test_the_client_of_either_form_is_served(home, mode):
    """The official client that probes for the stateless form, or is told which to speak, hears the same three tools."""
    mcp = pytest.importorskip("mcp", reason="the client library is not installed: pip install mcp")
    from mcp.client.stdio import stdio_client

    async def scenario():
        server = mcp.StdioServerParameters(
            command=sys.executable, args=["-m", "detente", "hook", "mcp", "--home", str(home)]
        )
        async with mcp.Client(stdio_client(server), mode=mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            asked = await client.call_tool("may_i", {"activity": "training"})
            return client.protocol_version, tools, asked

    version, tools, asked = asyncio.run(asyncio.wait_for(scenario(), WITHIN_S))
    assert version == {"legacy": "2025-11-25"}.get(mode, "2026-07-28")
    assert tools == {"may_i", "propose", "status"}
    assert json.loads(asked.content[0].text)["verdict"] == "allow"
