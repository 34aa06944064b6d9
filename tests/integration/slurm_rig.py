"""A cluster under an accord, for tests: one organisation's home, its gate in front of a real Slurm, and who posts leave."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.integration.asking_rig import pause, served, solo
from tests.integration.slurm_cluster import PATIENCE_S, Cluster, folder_for_all

JOBS = Path(__file__).resolve().parents[1] / "conformance" / "jobs"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2")
COUNT = "n=0; while sleep 0.2; do n=$((n+1)); echo $n > {place}/count-$SLURM_JOB_ID; done"
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

    def listening(self, job: str) -> bool:
        return (self.gate / "jobs" / job / "listening").exists()

    def close(self) -> None:
        for name in list(self._running):
            self.end(name)
        self.cluster.stop()

    def clear(self) -> None:
        """No job, no pause."""
        self.cluster.run("scancel", "--signal=KILL", "--full", "--user=root")
        self.cluster.run("scancel", "--user=root")
        for name in ("closed", "paused.json"):
            (self.gate / name).unlink(missing_ok=True)
        self.cluster.run("scontrol", "delete", "ReservationName=detente-pause")
        self.cluster.until(lambda: not self.cluster.said("squeue", "-h").strip(), "no job is left")


@contextlib.contextmanager
def site(
    *replaced: tuple[str, str], environment: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[Site]:
    """A whole site, in ``folder`` where one is given; torn down whatever happens."""
    with contextlib.nullcontext(folder) if folder else folder_for_all() as place:
        made = Site(place, *replaced, environment=environment)
        with served(made.home):
            try:
                made.open()
                yield made
            finally:
                made.close()


class Loop:
    """A guarded loop of the conformance suite as a job, that stays at its steps until it is let go.

    ``ranks``: two ranks of torchrun with PyTorch, instead of NumPy in one process.
    """

    def __init__(self, place: Site, name: str, *stays: int, ranks: bool = False) -> None:
        self.site = place
        self.folder = place.folder / name
        self.folder.mkdir()
        program = [str(JOBS / "torch_loop.py"), "--ranks"] if ranks else [str(JOBS / "numpy_loop.py")]
        places = [word for stay in stays for word in ("--stay", f"step:{stay}")]
        words = [sys.executable, *(TORCHRUN if ranks else ()), *program, "--out", str(self.folder / "out"), *places]
        options = ("--open-mode=append", f"--output={self.folder}/log")
        self.job = place.cluster.submit("exec " + " ".join(words), *options, cpus=2 if ranks else 1)

    def reached(self, step: int) -> bool:
        return (self.folder / "places" / f"step-{step}.reached").exists()

    def let(self, step: int, word: str) -> None:
        """``pause``: go on once the gate of its guard is closed; ``on``: go on."""
        new = self.folder / "places" / "new"
        new.write_text(word)
        new.replace(self.folder / "places" / f"step-{step}.go")

    def starts(self) -> list[int]:
        """The step of each start."""
        return [int(line) for line in (self.folder / "out" / "began").read_text().split()]

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def done(self) -> bool:
        return (self.folder / "out" / "final.json").exists()

    @property
    def weights(self) -> str:
        return json.loads((self.folder / "out" / "final.json").read_text())["weights"]


def counter(place: Site) -> str:
    """A job that has never heard of a guard; returns its id once it counts."""
    job = place.cluster.submit(COUNT.format(place=place.folder), "--output=/dev/null")
    place.cluster.until((place.folder / f"count-{job}").exists, "it counts")
    return job


def counters(place: Site, number: int) -> list[str]:
    """So many of them, started together."""
    jobs = [place.cluster.submit(COUNT.format(place=place.folder), "--output=/dev/null") for _ in range(number)]
    place.cluster.until(lambda: all((place.folder / f"count-{job}").exists() for job in jobs), "all of them count")
    return jobs


def counted(place: Site, job: str) -> str:
    """How far it has counted."""
    return (place.folder / f"count-{job}").read_text()
