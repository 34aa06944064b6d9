"""Agents of four frameworks, each with a real run of the real package in a process of its own, and a scripted model.

The Claude Agent SDK's host is a program of its own, and has not been run: a transport stands in its place.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conformance.asking_rig import QUOTE, WITHIN_S, Act, Asker, Scene, timed
from tests.conformance.hosts.commands import PROMOTES, Published

JOB = Path(__file__).resolve().parents[1] / "jobs" / "framework_tool.py"
PAGE = "hold-an-agents-framework.md"
RUN = "agent-self-improvement"


class Framework:
    """One framework's agent. The hook lives in the agent's own process: breaking it is done to that process, or to the home."""

    framework = ""
    deadline_s = 120.0
    """Nobody else waits: the hook's own 30 seconds, and what it takes to import a framework on a loaded machine."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        self.scene, self.published = scene, Published(scene.place)
        self.more = ["--home", str(scene.home), *(["--observe"] if observe else [])]
        self.policy = scene.home / "agent-policy.toml"
        self.policy.write_text(PROMOTES.replace('words = ["promote"]\n', ""))

        self.job: subprocess.Popen[bytes] | None = None
        self._begun: dict[str, str] = {}
        scene.cleanup(self._end)

    def act(self, what: str) -> Act:
        before = len(self.published)

        def run() -> tuple[bool, str]:
            said = self._told(what)
            return self.published.since(before, what), said

        return timed(run)

    def _told(self, what: str) -> str:
        """Everything that came of one call, up to the answer or to the process's end."""
        if self.job is None or self.job.poll() is not None or self._begun != self.scene.environment:
            self._begin()
        job = self.job
        assert job is not None
        assert job.stdin is not None
        assert job.stdout is not None
        job.stdin.write(f"{what}\n".encode())
        job.stdin.flush()
        said = ""
        while line := job.stdout.readline().decode(errors="replace"):
            said += line
            if line.startswith('{"said": '):
                break
        else:
            job.wait(WITHIN_S)
        return said

    def _begin(self) -> None:
        """A new process, with the framework imported before it is asked for anything."""
        self._end()
        self._begun = dict(self.scene.environment)
        self.job = subprocess.Popen(
            [sys.executable, str(JOB), self.framework, *self.more, "--out", str(self.published.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.scene.environment},
        )
        assert self.job.stdout is not None
        assert self.job.stdout.readline() == b"ready\n"

    def _end(self) -> None:
        if self.job is not None:
            self.job.kill()
            self.job.communicate()
            self.job = None

    @contextlib.contextmanager
    def broken(self, way: str):
        """``crash``: the process is killed while it asks. ``hang``: a lock that it needs never comes free. ``missing``: the home is gone.

        ``garbage``: the policy does not read.
        """
        with contextlib.ExitStack() as stack:
            if way == "crash":
                stack.enter_context(self._killed())
            elif way == "hang":
                lock = stack.enter_context((self.scene.home / "runs" / RUN / "lock").open("rb+"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            elif way == "missing":
                config = self.scene.home / "config.toml"
                kept = config.rename(config.with_suffix(".kept"))
                stack.callback(kept.rename, config)
            else:
                text = self.policy.read_text()
                self.policy.write_bytes(b"\x00\xff garbage ]]")
                stack.callback(self.policy.write_text, text)
            yield

    @contextlib.contextmanager
    def _killed(self):
        proxy = self.scene.proxy
        proxy.before = lambda path: self.job.kill() if path == QUOTE and self.job else None
        try:
            yield
            assert self.job is not None
            assert self.job.returncode == -signal.SIGKILL
        finally:
            proxy.before = lambda _path: None


class OpenAIAgents(Framework):
    framework = "openai_agents"


class LangGraph(Framework):
    framework = "langgraph"


class Inspect(Framework):
    framework = "inspect"


class ClaudeAgent(Framework):
    framework = "claude_agent"


ADAPTERS = (
    Asker(
        key="openai-agents",
        name="OpenAI Agents SDK",
        page=PAGE,
        open=OpenAIAgents,
        needs="agents",
        packages=("openai-agents",),
    ),
    Asker(key="langgraph", name="LangGraph", page=PAGE, open=LangGraph, needs="langgraph", packages=("langgraph",)),
    Asker(key="inspect", name="Inspect AI", page=PAGE, open=Inspect, needs="inspect_ai", packages=("inspect-ai",)),
    Asker(
        key="claude-agent-sdk",
        name="Claude Agent SDK, in place of its host a transport",
        page=PAGE,
        open=ClaudeAgent,
        needs="claude_agent_sdk",
        packages=("claude-agent-sdk",),
    ),
)
