"""Scan a history of 100,000 commits for authorship: against ``git log --numstat``, in memory, and again after new commits.

``python bench/authorship_bench.py [COMMITS]``. The repository is made with ``git fast-import``, seeded: files of a few hundred lines
in a tree of folders, one commit in twelve with a mark, one in fifty a lock file. Each scan is the whole command as a process of its own,
the start of the interpreter included. Its memory is the largest resident size of the process and of git, each. Files lie below
DETENTE_BENCH_DIR, else in the working folder.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from timing import machine

GIT = shutil.which("git") or "git"
COMMITS = 100_000
NEW = 200
FILES = 3_000
ROUNDS = 3
START_S = 1_600_000_000


def main() -> None:
    commits = int(sys.argv[1]) if len(sys.argv) > 1 else COMMITS
    folder = Path(tempfile.mkdtemp(prefix="authorship-bench-", dir=os.environ.get("DETENTE_BENCH_DIR") or Path.cwd()))
    try:
        measure(folder, commits)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, commits: int) -> None:
    repository = folder / "repository"
    git(folder, "init", "-q", "--bare", "-b", "main", str(repository))
    history = History()
    grow(repository, history, commits)
    git(repository, "repack", "-adq")
    log = [GIT, "-C", str(repository), "log", "--numstat", "main"]
    scan = [sys.executable, "-m", "detente", "measure", "authorship", "--ref", "main", str(repository)]
    cached = [*scan, "--cache", str(folder / "cache")]
    plain, whole = [], []
    for _ in range(ROUNDS):
        plain.append(timed(log))
        shutil.rmtree(folder / "cache", ignore_errors=True)
        whole.append(timed(cached))
    again = [timed(cached) for _ in range(ROUNDS)]
    added = []
    for _ in range(ROUNDS):
        grow(repository, history, NEW)
        added.append(timed(cached))
    print(f"{machine()}, {git(folder, 'version')}")
    print(f"history: {commits} commits, {FILES} files; the least of {ROUNDS} rounds")
    row("git log --numstat", plain, "")
    row("full scan, kept", whole, f"{least(whole) / least(plain):.2f} × git log (at most 1.3)")
    row("scan again, nothing new", again, f"{least(again) / least(whole):.1%} of a full one")
    row(f"scan again, {NEW} new commits", added, f"{least(added) / least(whole):.1%} of a full one (at most 5 %)")
    peak = max(run[2] for run in whole)
    print(f"{'memory of the largest process':<32}{peak / 1024:>8.0f} MiB   (at most 300 MB at 100,000 commits)")


def least(runs: list[tuple[float, float, int]]) -> float:
    return min(run[0] for run in runs)


class History:
    """What the next commit builds on."""

    def __init__(self) -> None:
        self.random = random.Random(7)
        self.files: dict[str, list[str]] = {}
        self.count = 0


def grow(repository: Path, history: History, commits: int) -> None:
    """Add commits to the branch ``main``."""
    with subprocess.Popen([GIT, "fast-import", "--quiet"], cwd=repository, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for part in written(history, commits):
            process.stdin.write(part)
        process.stdin.close()
        assert process.wait() == 0


def written(history: History, commits: int) -> Iterator[bytes]:
    choose = history.random
    first = history.count
    for number in range(first, first + commits):
        changed = {}
        for _ in range(choose.choice((1, 1, 1, 2, 3))):
            name = choose.randrange(FILES)
            path = f"src/part{name % 40}/sub{name % 7}/file{name}.py"
            lines = history.files.setdefault(path, [])
            at = choose.randrange(len(lines) + 1)
            lines[at : at + choose.randrange(8)] = [
                f"value_{number}_{n} = {choose.random()}" for n in range(choose.randrange(1, 14))
            ]
            del lines[300:]
            changed[path] = "\n".join(lines) + "\n"
        if number % 50 == 0:
            changed["uv.lock"] = "\n".join(str(choose.random()) for _ in range(100)) + "\n"
        trailer = "\nCo-Authored-By: Claude <noreply@anthropic.com>\n" if number % 12 == 0 else ""
        message = f"Change {number}\n\nBecause of {choose.random()}, which somebody explains in a sentence or two.\n{trailer}".encode()
        who = f"Author {number % 60} <author{number % 60}@example.org> {START_S + number * 1_000} +0000"
        parts = [f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n".encode(), message, b"\n"]
        if number == first and number:
            parts.append(b"from refs/heads/main^0\n")
        for path, text in changed.items():
            data = text.encode()
            parts += [f"M 100644 inline {path}\ndata {len(data)}\n".encode(), data, b"\n"]
        yield b"".join(parts)
    history.count = first + commits


def timed(command: list[str]) -> tuple[float, float, int]:
    """Wall seconds of the command, seconds of processor, and the largest resident size, in KiB, of any process below it."""
    watcher = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", watcher, *command], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    cpu, largest = done.stdout.split()
    return seconds, float(cpu), int(largest)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run([GIT, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def row(name: str, runs: list[tuple[float, float, int]], remark: str) -> None:
    cpu = min(run[1] for run in runs)
    print(f"{name:<32}{least(runs):>8.2f} s   {cpu:>7.2f} s of processor   {remark}")


if __name__ == "__main__":
    main()
