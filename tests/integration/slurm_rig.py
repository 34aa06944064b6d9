"""A cluster under an accord, for tests: one organisation's home, its gate in front of a real Slurm, and who posts leave."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.integration.asking_rig import pause, served, solo
from tests.integration.slurm_cluster import PATIENCE_S, Cluster, folder_for_all

ROOT = Path(__file__).resolve().parents[2]
GATED = """
JobSubmitPlugins=lua
PrologSlurmctld={folder}/gate/prolog
TaskProlog={folder}/gate/task-prolog
"""


class Site:
    """The folder of all, its ``home``, ``gate`` and ``cluster``, and the processes that were started for them."""

    def __init__(self, folder: Path, *replaced: tuple[str, str], environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.gate = folder / "gate"
        self.cluster = Cluster(folder, more=GATED, environment=environment)
        self.home = solo(folder / "home", *replaced)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def open(self) -> None:
        """Everything up, and leave posted."""
        self.cluster.write()
        made = self.json("slurm", "install", "--conf-dir", str(self.folder), "--slurm-user", "root", home=True)
        lines = self.cluster.conf.read_text().splitlines()
        assert [line for line in made["slurm_conf"] if line not in lines] == []
        self.start("watch")
        self.until_leave()
        self.cluster.start()

    def start(self, name: str, *options: str, environment: dict[str, str] | None = None) -> None:
        """``watch`` or ``keep``, until ``end``."""
        home = ["--home", str(self.home)] if name == "watch" else []
        with (self.folder / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "detente", "slurm", name, "--gate", str(self.gate), *home, *options],
                env=self.environment | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )

    def end(self, name: str, *, kill: bool = False) -> None:
        """End one of those, the hard way or not."""
        popen = self._running.pop(name)
        (popen.kill if kill else popen.terminate)()
        popen.wait(PATIENCE_S)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text()

    @property
    def environment(self) -> dict[str, str]:
        return self.cluster.environment | {"PYTHONUNBUFFERED": "1"}

    def detente(self, *arguments: str, home: bool = False) -> subprocess.CompletedProcess[str]:
        """A command, as an operator types it."""
        where = ["--home", str(self.home)] if home else []
        gate = ["--gate", str(self.gate)] if arguments[0] == "slurm" or "--slurm" in arguments else []
        return subprocess.run(
            [sys.executable, "-m", "detente", *arguments, *gate, *where],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
            cwd=self.folder,
        )

    def json(self, *arguments: str, home: bool = False, code: int = 0) -> dict:
        """What a command answers a program."""
        done = self.detente(*arguments, "--json", home=home)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr, self.cluster.logs())
        return json.loads(done.stdout)

    def leave(self) -> str:
        path = self.gate / "leave"
        return path.read_text() if path.exists() else ""

    def until_leave(self) -> None:
        self.cluster.until(lambda: "\npermit " in self.leave(), "leave is posted")

    def until_none(self) -> None:
        self.cluster.until(lambda: "\npermit " not in self.leave(), "the end of leave is posted")

    def call(self) -> None:
        """The accord pauses, and the cluster's leave is gone."""
        pause(self.home)
        self.until_none()

    def lift_accord(self) -> None:
        """The accord lifts, and the cluster has leave again."""
        done = self.detente("lift", "--trigger", "call", "--as", "safety-team", home=True)
        assert done.returncode == 0, done.stderr
        self.until_leave()

    def guarded(self, name: str, *options: str, steps: int = 100_000, **how) -> str:
        """A job that listens, as NumPy's loop of the conformance suite; returns its id."""
        raise NotImplementedError

    def listening(self, job: str) -> bool:
        return (self.gate / "jobs" / job / "listening").exists()

    def close(self) -> None:
        for name in list(self._running):
            self.end(name)
        self.cluster.stop()


@contextlib.contextmanager
def site(*replaced: tuple[str, str], environment: dict[str, str] | None = None) -> Iterator[Site]:
    """A whole site, torn down whatever happens."""
    with folder_for_all() as folder:
        made = Site(folder, *replaced, environment=environment)
        with served(made.home):
            try:
                made.open()
                yield made
            finally:
                made.close()


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
