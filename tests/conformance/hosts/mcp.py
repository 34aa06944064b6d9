"""An agent that asks over the Model Context Protocol: the official client, the server as a process, and an act that is the client's own.

The server holds nothing by itself: what is seen here is what a client that keeps to the answers does.
"""

import asyncio
import contextlib
import json
import os

from tests.conformance.asking_rig import Act, Asker, Interpreter, Scene, timed
from tests.conformance.hosts.commands import Published

HUNG_S = 3.0


class Client:
    """Proposes a change and makes it where the answer is ``allow``; whatever else it hears, or does not hear, is no leave."""

    deadline_s = 120.0

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        assert not observe or scene
        self.scene, self.published = scene, Published(scene.place)
        self.python = Interpreter(scene.place / "python")
        self.patience_s = self.deadline_s / 2
        self.plays = {"again": self._again, "observe": self._observe}

    def act(self, what: str) -> Act:
        before = len(self.published)

        def run() -> tuple[bool, str]:
            said = self._asked(what)
            if said.get("verdict") == "allow":
                with self.published.path.open("a") as file:
                    file.write(f"{what}\n")
            return self.published.since(before, what), json.dumps(said)

        return timed(run)

    def _asked(self, what: str) -> dict:
        async def ask() -> dict:
            import mcp
            from mcp.client.stdio import stdio_client

            server = mcp.StdioServerParameters(
                command=str(self.python.path),
                args=["-m", "detente", "hook", "mcp", "--home", str(self.scene.home)],
                env={**os.environ, **self.scene.environment},
            )
            async with stdio_client(server) as (read, write), mcp.ClientSession(read, write) as session:
                await session.initialize()
                said = await session.call_tool(
                    "propose", {"change": what, "summary": what, "touches": ["training"], "model": "m-1"}
                )
                return json.loads(said.content[0].text)

        try:
            return asyncio.run(asyncio.wait_for(ask(), self.patience_s))
        except Exception as error:  # noqa: BLE001 - to a client everything that is no answer is none
            return {"no answer": repr(error)[:300]}

    @contextlib.contextmanager
    def broken(self, way: str):
        """The server's interpreter; a client that hears nothing gives up."""
        with self.python.broken(way):
            if way == "hang":
                self.patience_s = HUNG_S
            try:
                yield
            finally:
                self.patience_s = self.deadline_s / 2

    def _again(self) -> str:
        """An answer is no permit and nothing is spent: whoever acts asks through a guard."""
        assert not self.act("again").done
        self.scene.approve_all()
        assert self.act("again").done
        assert self.act("again").done
        assert "permit" not in self._asked("again")
        return "allowed again: it is no permit"

    def _observe(self) -> str:
        done = self.scene.run([self.python.path, "-m", "detente", "hook", "mcp", "--observe"])
        assert done.returncode == 2
        assert b"No such option" in done.stdout
        return "does not apply: it holds nothing"


ADAPTERS = (
    Asker(
        key="mcp",
        name="an agent over MCP that keeps to the answer",
        page="give-an-agent-the-tools.md",
        open=Client,
        needs="mcp",
        packages=("mcp",),
    ),
)
