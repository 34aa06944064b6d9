"""In place of the Agent SDK's host, which is a program of its own: a transport that says what the host would, and reads what the SDK answers.

The SDK's client, its dispatch and its callbacks are the package's own. What the host does with an answer is what its documentation says.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count


class Transport:
    """What ``ClaudeSDKClient`` takes as its transport. ``written`` is everything that the SDK wrote."""

    def __init__(self) -> None:
        self.written: list[dict] = []
        self._said: asyncio.Queue[dict] = asyncio.Queue()
        self._awaited: dict[str, asyncio.Future[dict]] = {}
        self._numbers = count(1)

    async def ask(self, request: dict) -> dict:
        """The SDK's ``control_response`` to a request of the host."""
        name = f"request-{next(self._numbers)}"
        answer = self._awaited[name] = asyncio.get_running_loop().create_future()
        self._said.put_nowait({"type": "control_request", "request_id": name, "request": request})
        return await answer

    @property
    def matcher(self) -> dict:
        """The hooks before a call, as the SDK told the host of them when they met."""
        begun = next(each for each in self.written if each.get("type") == "control_request")
        (matcher,) = begun["request"]["hooks"]["PreToolUse"]
        return matcher

    async def asked_before(self, tool: str, arguments: dict, call_id: str) -> dict:
        """The ``control_response`` to the host's question before it calls a tool; it waits no longer than it was told to."""
        given = {
            "session_id": "s",
            "transcript_path": "/t",
            "cwd": "/",
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": arguments,
            "tool_use_id": call_id,
        }
        request = {"subtype": "hook_callback", "callback_id": self.matcher["hookCallbackIds"][0], "input": given}
        request["tool_use_id"] = call_id
        return await asyncio.wait_for(self.ask(request), self.matcher["timeout"])

    async def connect(self) -> None:
        pass

    async def write(self, data: str) -> None:
        told = json.loads(data)
        self.written.append(told)
        if told.get("type") == "control_request":
            answer = {"hook_on_failure_supported": True, "commands": []}
            response = {"subtype": "success", "request_id": told["request_id"], "response": answer}
            self._said.put_nowait({"type": "control_response", "response": response})
        elif told.get("type") == "control_response":
            self._awaited[told["response"]["request_id"]].set_result(told["response"])

    async def read_messages(self) -> AsyncIterator[dict]:
        while True:
            yield await self._said.get()

    async def close(self) -> None:
        pass

    def is_ready(self) -> bool:
        return True

    async def end_input(self) -> None:
        pass
