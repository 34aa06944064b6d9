r"""A server of the Model Context Protocol over standard input and output: an agent asks ``may_i``, ``propose`` and ``status``.

Decides the small part of the protocol that three tools need, read strictly, and what the tools say. Leaves out asking (``app.asking``).
There is no tool that approves, and an answer over this protocol is no evidence of a human: the client speaks for an agent.

- One JSON-RPC 2.0 message a line, at most ``MESSAGE_MAX`` bytes; nothing but messages goes to standard output.
- Both forms of the protocol: the handshake of 2025-11-25 and before (``initialize``), and the stateless one of 2026-07-28
  (``server/discover``, versions in ``_meta``). Source: modelcontextprotocol.io, specification of those dates.
- What an agent proposes is filed as a model's, whatever it says of itself.
- An answer of ``may_i`` is no permit: whoever acts asks through a guard, which holds one.

>>> handle({"jsonrpc": "2.0", "id": 1, "method": "ping"}, Tools(home=None))["result"]
{}
>>> handle({"jsonrpc": "2.0", "id": 2, "method": "approve"}, Tools(home=None))["error"]["code"]
-32601
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from detente.base.digest import parse_digest
from detente.base.errors import DetenteError, Misuse, shown

MESSAGE_MAX: Final = 4 << 20
CHANGE_MAX: Final = 1 << 20
ANSWER_S: Final = 15.0
MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
PARSE, REQUEST, METHOD, PARAMS, VERSION = -32700, -32600, -32601, -32602, -32022
INSTRUCTIONS: Final = (
    "Ask may_i before training, self-modification or deployment, and propose before a change to training, architecture or evaluation. "
    "hold and deny both mean: do not act. No tool here approves anything; people decide elsewhere."
)
_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TOOLS: Final[list[dict[str, Any]]] = [
    {
        "name": "may_i",
        "description": "Ask the accord's issuers whether an act is allowed now. The answer is allow, hold or deny, with reasons; it is not a permit.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "activity": {"type": "string", "enum": ["training", "self_improvement", "deployment"]},
                "planned_flop": {"type": "string", "description": "A decimal such as 1e18, for training."},
                "version": {**_ID, "description": "SHA-256 of what would be deployed."},
                "proposal": {**_ID, "description": "Id of the proposal that would be carried out."},
            },
            "required": ["activity"],
            "additionalProperties": False,
        },
    },
    {
        "name": "propose",
        "description": "File a change that waits for people to decide on it. Returns the proposal's id and what it waits for.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "change": {"type": "string", "description": "The change itself, best as a unified diff."},
                "summary": {"type": "string", "maxLength": 1000},
                "touches": {
                    "type": "array",
                    "items": {
                        "type": "string",
                        "enum": ["training", "architecture", "data", "configuration", "evaluation"],
                    },
                },
                "model": {"type": "string", "maxLength": 100, "description": "Which model proposes."},
            },
            "required": ["change", "summary", "touches"],
            "additionalProperties": False,
        },
    },
    {
        "name": "status",
        "description": "What is so now: phase of the accord, pauses, and what waits for a decision.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
    },
]


class Wrong(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        self.code, self.message, self.data = code, message, data
        super().__init__(code, message)


@dataclass(frozen=True, slots=True)
class Tools:
    """The three tools over one home."""

    home: str | None

    def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a tool says; raises ``Wrong`` for a tool that is none, ``Misuse`` for arguments that are none of its."""
        tool: Callable[[Mapping[str, Any]], dict[str, Any]] | None = {
            "may_i": self._may_i,
            "propose": self._propose,
            "status": self._status,
        }.get(name)
        if tool is None:
            raise Wrong(PARAMS, f"no tool {shown(name)}")
        schema = next(each["inputSchema"] for each in _TOOLS if each["name"] == name)
        if missing := [each for each in schema.get("required", ()) if each not in arguments]:
            raise Misuse(f"{name} needs {missing[0]}")
        if unknown := sorted(set(arguments) - set(schema["properties"])):
            raise Misuse(f"{name} has no argument {shown(unknown[0])}")
        return tool(arguments)

    def _may_i(self, said: Mapping[str, Any]) -> dict[str, Any]:
        from detente.app.asking import Question, ask
        from detente.guard.answer import digest_act

        activity = said["activity"]
        if str(activity) not in {"training", "self_improvement", "deployment"}:
            raise Misuse(f"got the activity {shown(activity)}; expected training, self_improvement or deployment")
        version, filed = _digest(said, "version"), _digest(said, "proposal")
        question = Question(
            activity=activity,
            act=digest_act("mcp", {"may_i": dict(said)}),
            run="" if activity == "deployment" else f"agent-{activity.replace('_', '-')}",
            planned_flop=_text(said, "planned_flop", 40, "0"),
            version=version,
            filed=filed,
        )
        return ask(question, home=self.home, within_s=ANSWER_S).as_json()

    def _propose(self, said: Mapping[str, Any]) -> dict[str, Any]:
        from detente.app.asking import Question, ask
        from detente.app.holding import made_proposal
        from detente.guard.answer import digest_act

        touches = said["touches"]
        if not isinstance(touches, list) or not all(isinstance(each, str) for each in touches):
            raise Misuse(f"got touches {shown(touches)}; expected a list of areas")
        change = _text(said, "change", CHANGE_MAX).encode()
        proposal = made_proposal(
            change,
            touches=touches,
            summary=_text(said, "summary", 1_000),
            proposed_by=("model", _text(said, "model", 100, "unnamed")),
        )
        act = digest_act("mcp", {"propose": proposal.change})
        question = Question(
            activity="self_improvement", act=act, run="agent-self-improvement", proposal=proposal, change=change
        )
        return ask(question, home=self.home, within_s=ANSWER_S).as_json()

    def _status(self, _said: Mapping[str, Any]) -> dict[str, Any]:
        return asyncio.run(_status_of(self.home))


async def _status_of(home: str | None) -> dict[str, Any]:
    from detente.app.door import open_door

    async with asyncio.timeout(ANSWER_S):
        door = await open_door(home)
        said = await door.status()
        waiting = await door.waiting()
    names = ("name", "accord", "phase", "pauses", "slowdowns", "permit_life_s")
    return {**{name: said[name] for name in names if name in said}, "waiting": waiting}


def handle(message: Any, tools: Tools) -> dict[str, Any] | None:
    """The answer to one message; None where there is none to give."""
    number = message.get("id") if isinstance(message, dict) else None
    try:
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise Wrong(REQUEST, "expected one JSON-RPC 2.0 message")
        if "method" not in message:
            return None  # An answer to a question that was never asked.
        if "id" not in message:
            return None
        if not isinstance(number, str | int) or isinstance(number, bool):
            number = None
            raise Wrong(REQUEST, "expected an id that is a text or a whole number")
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise Wrong(PARAMS, "expected params that are an object")
        return {"jsonrpc": "2.0", "id": number, "result": _result(message["method"], params, tools)}
    except Wrong as wrong:
        error: dict[str, Any] = {"code": wrong.code, "message": wrong.message}
        if wrong.data is not None:
            error["data"] = wrong.data
        return {"jsonrpc": "2.0", "id": number, "error": error}


def _result(method: Any, params: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    modern = _check_version(params)
    if method == "initialize":
        asked = params.get("protocolVersion")
        version = asked if asked in LEGACY else LEGACY[0]
        return {"protocolVersion": version, **_about()}
    if method == "server/discover":
        return {"resultType": "complete", "supportedVersions": [MODERN, *LEGACY], **_about(), **_CACHED}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": _TOOLS} | ({"resultType": "complete", **_CACHED} if modern else {})
    if method == "tools/call":
        return _called(params, tools) | ({"resultType": "complete"} if modern else {})
    raise Wrong(METHOD, f"no method {shown(method)}")


_CACHED: Final = {"ttlMs": 0, "cacheScope": "private"}


def _about() -> dict[str, Any]:
    from detente import __version__

    return {
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "detente", "version": __version__},
        "instructions": INSTRUCTIONS,
    }


def _check_version(params: Mapping[str, Any]) -> bool:
    """Does the request speak the stateless form? Refuses a version that is neither."""
    meta = params.get("_meta")
    version = meta.get(META_VERSION) if isinstance(meta, dict) else None
    if version is None:
        return False
    if version != MODERN and version not in LEGACY:
        raise Wrong(VERSION, "unsupported protocol version", {"supported": [MODERN, *LEGACY], "requested": version})
    return bool(version == MODERN)


def _called(params: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise Wrong(PARAMS, "expected a name and arguments")
    try:
        said, failed = tools.call(name, arguments), False
    except Wrong:
        raise
    except Exception as error:  # noqa: BLE001 - one call that fails, whatever of, ends neither the server nor in an answer that is none
        known = isinstance(error, DetenteError | TimeoutError | OSError | ValueError)
        why = (str(error) if known else repr(error)[:500]) or type(error).__name__
        said, failed = {"verdict": "hold", "answered": False, "reasons": [why]}, True
    text = json.dumps(said, ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}], "structuredContent": said, "isError": failed}


def serve(tools: Tools, *, into: IO[bytes], out: IO[bytes]) -> None:
    """Answer message after message until the other side closes."""
    while line := into.readline(MESSAGE_MAX + 1):
        if len(line) > MESSAGE_MAX:
            _send(out, {"jsonrpc": "2.0", "id": None, "error": {"code": PARSE, "message": "a message too long"}})
            return  # What follows is the rest of it.
        if not line.strip():
            continue
        try:
            message = json.loads(line.decode("utf-8"), parse_constant=_constant)
        except (ValueError, RecursionError):
            _send(out, {"jsonrpc": "2.0", "id": None, "error": {"code": PARSE, "message": "no JSON"}})
            continue
        answer = handle(message, tools)
        if answer is not None:
            _send(out, answer)


def _send(out: IO[bytes], message: Mapping[str, Any]) -> None:
    out.write(
        json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"
    )
    out.flush()


def _constant(name: str) -> Any:
    raise ValueError(f"got {name}; expected JSON")


def _digest(said: Mapping[str, Any], name: str) -> Any:
    value = said.get(name)
    return None if value is None else parse_digest(value)


def _text(said: Mapping[str, Any], name: str, most: int, default: str = "") -> str:
    value = said.get(name, default)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise Misuse(f"got {name} {shown(value)}; expected a text of 1 to {most} characters")
    return value


def run(home: str | None) -> None:
    """Serve on this process's own pipes; what anybody prints goes to stderr."""
    out = sys.stdout.buffer
    sys.stdout = sys.stderr
    serve(Tools(home), into=sys.stdin.buffer, out=out)
