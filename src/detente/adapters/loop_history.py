"""The branch of an autoresearch repository: its own commits, and the tables of results at its head.

Decides how git is asked: as a process without configuration of the user's, hooks, pagers, replacement or network, with
every answer bounded. Leaves out what a commit means (``measure.loops.autoresearch``). Rules I02, I05.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from detente.base.errors import Misuse, Refused, Unavailable, shown
from detente.measure.loops.source import Commit, History

COMMITS_MAX = 100_000
TABLE_MAX = 16_777_216
TIMEOUT_S = 120
_TRUNKS = ("main", "master", "origin/main", "origin/master")
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")


def is_repository(path: Path) -> bool:
    """A work tree or a bare repository."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def loop_branches(path: Path) -> list[str]:
    """Branches ``autoresearch/<tag>``, here or of a remote."""
    refs = _git(path, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes").split("\n")
    local = [ref for ref in refs if ref.startswith("autoresearch/")]
    return local or [ref for ref in refs if "/autoresearch/" in ref]


def read_history(path: Path, branch: str) -> History:
    """The commits of ``branch`` since it left the trunk, oldest first; raises ``Refused`` I02, I05, ``Unavailable``."""
    if branch.startswith("-") or not _exists(path, branch):
        raise Refused(
            "I05", "not-found", got=f"no branch {shown(branch)}", expected="a branch of the repository", todo="--branch"
        )
    trunks = [trunk for trunk in _TRUNKS if trunk != branch and _exists(path, trunk)]
    outside = ["--not", *trunks] if trunks else []
    text = _git(
        path,
        "log",
        "--reverse",
        "--topo-order",
        f"--max-count={COMMITS_MAX + 1}",
        "--numstat",
        "--no-renames",
        "-z",
        "--diff-merges=first-parent",
        "--format=%x01%H%x02%P%x02%ct%x02%s%x03",
        branch,
        *outside,
        "--",
    )
    commits = tuple(_commit(part) for part in text.split("\x01")[1:])
    if len(commits) > COMMITS_MAX:
        raise Refused("I02", "oversized", got=f"more than {COMMITS_MAX} commits", expected="the branch of one run")
    return History(branch, commits, _tables(path, branch))


def checked_out(path: Path) -> str:
    """The branch of the work tree; empty for none."""
    return _git(path, "rev-parse", "--abbrev-ref", "HEAD").strip() if (path / ".git").exists() else ""


def _commit(part: str) -> Commit:
    head, _, tail = part.partition("\x03")
    commit, parents, at, subject = head.split("\x02", 3)
    changes: dict[str, tuple[int | None, int | None]] = {}
    for line in tail.split("\0"):
        cells = line.strip("\n").split("\t", 2)
        if len(cells) == 3:
            added, deleted = (None if cell == "-" else int(cell) for cell in cells[:2])
            changes[cells[2]] = (added, deleted)
    return Commit(commit, tuple(parents.split()), int(at), subject, changes)


def _tables(path: Path, branch: str) -> dict[str, bytes]:
    """Tables at the root of the newest commit of the branch that has any."""
    last = _git(path, "log", "--max-count=1", "--diff-filter=AM", "--format=%H", branch, "--", ":(glob)*.tsv").strip()
    if not last:
        return {}
    names = [name for name in _git(path, "ls-tree", "--name-only", "-z", last).split("\0") if name.endswith(".tsv")]
    return {name: _git_bytes(path, "show", f"{last}:{name}", most=TABLE_MAX) for name in names}


def _exists(path: Path, ref: str) -> bool:
    try:
        _git(path, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    except (Unavailable, Refused):
        return False
    return True


def _git(path: Path, *arguments: str) -> str:
    return _git_bytes(path, *arguments, most=COMMITS_MAX * 4_096).decode("utf-8", "replace")


def _git_bytes(path: Path, *arguments: str, most: int) -> bytes:
    command: Sequence[str] = ("git", *_SAFE, "-C", str(path), *arguments)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise Misuse("git is not installed: a branch cannot be read without it") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"git did not answer within {TIMEOUT_S} s in {path}") from None
    if done.returncode != 0:
        raise Unavailable(f"git {arguments[0]} in {path}: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
    if len(done.stdout) > most:
        raise Refused(
            "I02", "oversized", got=f"{len(done.stdout)} bytes from git {arguments[0]}", expected=f"at most {most}"
        )
    return done.stdout
