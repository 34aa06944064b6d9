"""What an act waits for: a git move that touches nothing and one that is let through, a coding agent's call, a release.

    python bench/asking_bench.py

Each as processes, interpreter included, in a fresh home of one organisation; beside them git's commit without a hook and Python's start.

Target: at most 100 ms for what is not asked about.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import machine

from detente.app.init import make_solo
from detente.app.ref_moves.installing import install
from detente.hooks.claude_code import settings

ROUNDS = 15
GIT = shutil.which("git") or "git"
PERSON = {f"GIT_{who}_{what}": "bench@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENVIRONMENT = {**os.environ, **PERSON, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(repository: Path, *arguments: str) -> None:
    subprocess.run([GIT, "-C", str(repository), *arguments], check=True, capture_output=True, env=ENVIRONMENT)


def made(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "train.py").write_text("DEPTH = 8\n")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "-m", "begin")
    return path


def commits_ms(repository: Path) -> list[float]:
    """A commit of a text that touches nothing, each time."""
    taken = []
    for number in range(ROUNDS):
        (repository / "README.md").write_text(f"{number}\n")
        git(repository, "add", "README.md")
        began = time.perf_counter()
        git(repository, "commit", "--quiet", "-m", "words")
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def runs_ms(command: list[str], given: bytes = b"") -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, input=given, capture_output=True, check=True)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def call(command: str) -> bytes:
    said = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": command}, "cwd": "/"}
    return json.dumps(said).encode()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        asyncio.run(make_solo(home, port=0))
        plain, hooked = made(folder, "plain"), made(folder, "hooked")
        install(hooked, home)
        hook = settings(home)["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
        gate = [sys.executable, "-m", "detente", "gate", "a" * 64, "--home", str(home)]
        rows = [
            ("python -I -c pass", runs_ms([sys.executable, "-I", "-c", "pass"])),
            ("git commit, no hook", commits_ms(plain)),
            ("git commit, touches nothing", commits_ms(hooked)),
            ("a call that no rule names", runs_ms(["sh", "-c", hook], call("ls"))),
            ("a call that is asked and allowed", runs_ms(["sh", "-c", hook], call("torchrun train.py"))),
            ("detente gate, allowed", runs_ms(gate)),
        ]
    print(f"{machine()}, {ROUNDS} rounds; milliseconds")
    print(f"{'':36}{'median':>9}{'least':>9}{'most':>9}")
    for what, taken in rows:
        print(f"{what:36}{statistics.median(taken):9.0f}{min(taken):9.0f}{max(taken):9.0f}")
    added = statistics.median(rows[2][1]) - statistics.median(rows[1][1])
    slowest = max(added, statistics.median(rows[3][1]))
    print(f"target 100 ms for what is not asked about: {'met' if slowest <= 100 else 'MISSED'} ({slowest:.0f} ms)")


if __name__ == "__main__":
    main()
