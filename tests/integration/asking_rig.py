"""A home of one organisation and a git repository for tests of what asks once: real git, real processes."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from detente.app import init
from detente.app.init import shipped_accord
from tests.integration.node_rig import free_ports

PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"
WITHIN_S = 120


def solo(folder: Path, *replaced: tuple[str, str]) -> Path:
    """A home of one organisation, self-witnessed; ``research-team`` develops, ``safety-team`` reviews.

    ``replaced``: what stands in its terms in place of what the shipped ones say.
    """
    text = shipped_accord("solo.yaml").decode()
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(init, "shipped_accord", lambda _name: text.encode())
        asyncio.run(init.make_solo(folder, port=free_ports(1)[0]))
    return folder


def detente(
    *arguments: str, home: Path, given: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """A command, as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "detente", *arguments, "--home", str(home)],
        input=given,
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
        cwd=cwd,
    )


def approve(home: Path, proposal: str) -> None:
    """A reviewer looked, and decided."""
    done = detente("hold", "decide", proposal, "--decision", "approve", "--significant", "yes", home=home)
    assert done.returncode == 0, done.stderr.decode()


def waiting(home: Path) -> list[dict]:
    """What waits at a hold point."""
    done = detente("hold", "list", "--json", home=home)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)["proposals"]


def said(home: Path, proposal: str) -> dict:
    """What a proposal says."""
    done = detente("hold", "show", proposal, "--json", home=home)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def pause(home: Path) -> None:
    """The safety side stops everything."""
    done = detente("pause", "--trigger", "call", "--as", "safety-team", home=home)
    assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def served(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The home's node as a process of its own."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "detente", "node", "serve", "--home", str(home), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert popen.stdout is not None
        assert b"serving" in popen.stdout.readline()
        yield popen
    finally:
        popen.terminate()
        popen.stdout.close()
        popen.wait(WITHIN_S)


@dataclass
class Repository:
    """A working tree, or a bare repository."""

    path: Path

    def git(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """What git says, both pipes together; fails the test where it ends otherwise than expected."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WITHIN_S,
            check=False,
            env={**os.environ, **PERSON, **environment},
        )
        text = done.stdout.decode()
        assert (done.returncode != 0) == fails, text
        return text.strip()

    def write(self, **files: str) -> None:
        """Files by their name, a double underscore for a dot; all are added."""
        for name, text in files.items():
            path = self.path / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")

    def commit(self, message: str, *, fails: bool = False) -> str:
        return self.git("commit", "--quiet", "-m", message, fails=fails)

    def at(self, ref: str = "HEAD") -> str:
        return self.git("rev-parse", ref)


def repository(path: Path) -> Repository:
    """One commit on ``main``: a training script, and a README."""
    path.mkdir()
    made = Repository(path)
    made.git("init", "--quiet", "--initial-branch=main")
    made.write(train__py="DEPTH = 8\n", README__md="A project.\n")
    made.commit("begin")
    return made


def proposal_in(text: str) -> str:
    """The id that a person is told."""
    lines = [line for line in text.splitlines() if "  proposal  " in line]
    assert lines, text
    return lines[0].split()[-1]
