"""Hosts that run a command and read its answer: a pipeline with ``detente gate``, and Claude Code with its ``PreToolUse`` hook.

Claude Code itself cannot run here. ``ClaudeCode`` does what its documentation says the host does with a hook's exit code and output, and
with one that takes too long: it goes on.
"""

import contextlib
import json
import subprocess
from itertools import count
from pathlib import Path

from detente.hooks.claude_code import HARD_MORE_S
from tests.conformance.asking_rig import Act, Asker, Interpreter, Scene, timed

BLOCKS = 2
ANSWER_S = 60
"""So that a loaded machine answers in time; what an installation has by itself is 8."""
HOLDS_RELEASES = ("    on: version.train", "    on: version.deploy")
PROMOTES = (
    '[[rule]]\nname = "promotes"\ntools = ["*"]\nwords = ["promote"]\nactivity = "self_improvement"\npropose = true\n'
)


class Published:
    """What was done in the world: a line for each act in a file that only the act writes."""

    def __init__(self, place: Path) -> None:
        self.path = place / "published"
        self.path.touch()

    def since(self, before: int, what: str) -> bool:
        """Was the act done once since then?"""
        new = self.path.read_text().splitlines()[before:]
        assert new in ([], [what]), new
        return bool(new)

    def __len__(self) -> int:
        return len(self.path.read_text().splitlines())


class Pipeline:
    """Two steps of a pipeline, the second of which is not begun where the first fails or does not say that it is allowed."""

    deadline_s = 120.0

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        self.scene, self.published = scene, Published(scene.place)
        self.python = Interpreter(scene.place / "python")
        self.patience_s = 90
        self.steps = scene.place / "steps.sh"
        gate = f'timeout "$2" "{self.python.path}" -m detente gate "$1" --within 60 --home "{scene.home}"'
        word = f"case \"$({gate})\" in 'allowed: version '*) ;; *) exit 1 ;; esac"
        asks = f"{gate} --observe || true" if observe else word
        self.steps.write_text(f'set -e\n{asks}\ncat "$1" >> "{self.published.path}"\n')
        self.plays = {"again": self._again, "edited": self._edited}

    def act(self, what: str) -> Act:
        model, before = self.scene.place / "model", len(self.published)
        model.write_text(f"{what}\n")

        def release() -> tuple[bool, str]:
            done = self.scene.run(["sh", self.steps, model, str(self.patience_s)])
            released = self.published.since(before, what)
            assert released == (done.returncode == 0)
            return released, done.stdout.decode(errors="replace")

        return timed(release)

    @contextlib.contextmanager
    def broken(self, way: str):
        """The interpreter; the pipeline's own patience with a step that hangs is made short."""
        with self.python.broken(way):
            self.patience_s = 2 if way == "hang" else 90
            try:
                yield
            finally:
                self.patience_s = 90

    def _edited(self) -> str:
        assert not self.act("edited").done, "nobody has approved it"
        self.scene.approve_version(b"edited\n")
        assert not self.act("other").done
        assert self.act("edited").done
        return "held"

    def _again(self) -> str:
        """An approval is of a version, not of one release of it; each run asks for itself all the same."""
        self.scene.approve_version(b"again\n")
        before = len(self.scene.proxy.nonces)
        assert self.act("again").done
        assert self.act("again").done
        new = self.scene.proxy.nonces[before:]
        assert len(new) == len(set(new)) == 2
        return "asked anew; the version stays approved"


class ClaudeCode:
    """The host as its documentation describes it: exit 2 and a JSON ``deny`` block the call; everything else lets it proceed."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        self.scene, self.published = scene, Published(scene.place)
        self.python = Interpreter(scene.place / "python")
        (scene.home / "agent-policy.toml").write_text(PROMOTES)
        command = [self.python.path, "-m", "detente", "hook", "claude-code", "--settings", "--home", scene.home]
        command += ["--within", str(ANSWER_S)]
        done = scene.run([*command, *(["--observe"] if observe else [])])
        assert done.returncode == 0, done.stdout.decode()
        (group,) = json.loads(done.stdout)["hooks"]["PreToolUse"]
        (self.hook,) = group["hooks"]
        self.deadline_s = float(self.hook["timeout"])
        self.command = self.hook["command"]
        self._calls = count(1)
        self.warned = ""

    @contextlib.contextmanager
    def broken(self, way: str):
        """The interpreter; the command's own limit is made short for one that hangs."""
        with self.python.broken(way):
            if way == "hang":
                self.command = self.command.replace(f"-k 1 {ANSWER_S + HARD_MORE_S} ", "-k 1 2 ")
                assert self.command != self.hook["command"]
            try:
                yield
            finally:
                self.command = self.hook["command"]

    def act(self, what: str) -> Act:
        before = len(self.published)

        def call() -> tuple[bool, str]:
            said = self._hook(what)
            if said is None:
                with self.published.path.open("a") as file:
                    file.write(f"{what}\n")
            return self.published.since(before, what), said or self.warned

        return timed(call)

    def _hook(self, what: str) -> str | None:
        """Why the call is blocked; None where the host goes on."""
        call = {
            "session_id": "s-1",
            "cwd": str(self.scene.place),
            "hook_event_name": "PreToolUse",
            "tool_name": "Bash",
            "tool_input": {"command": f"promote {what}"},
            "tool_use_id": f"toolu_{next(self._calls)}",
        }
        try:
            done = self.scene.run(
                ["sh", "-c", self.command],
                given=json.dumps(call).encode(),
                within_s=self.deadline_s,
                apart=True,
            )
        except subprocess.TimeoutExpired:
            return None
        self.warned = ""
        if done.returncode == BLOCKS:
            return done.stderr.decode(errors="replace") or "blocked"
        if done.returncode == 0:
            try:
                answer = json.loads(done.stdout)
                self.warned = str(answer.get("systemMessage", ""))
                decision = answer.get("hookSpecificOutput", {})
            except (ValueError, AttributeError):
                return None
            if decision.get("permissionDecision") == "deny":
                return str(decision["permissionDecisionReason"])
        return None


ADAPTERS = (
    Asker(
        key="gate",
        name="`detente gate` in a pipeline",
        page="gate-a-release.md",
        open=Pipeline,
        free=(),
        approving=(HOLDS_RELEASES,),
    ),
    Asker(
        key="claude-code",
        name="Claude Code's `PreToolUse` hook, its host played as documented",
        page="hold-an-agents-tools.md",
        open=ClaudeCode,
        always=frozenset({"allowed", "permits", "crash", "hang", "missing", "garbage"}),
    ),
)
