"""A Slurm cluster of one node for tests: munged, slurmctld and slurmd of Debian's packages, without systemd.

Its own folder, its own ports, its own munge key. It ends the processes that it started, by their ids, and no others.
Steps and jobs are real; the node says that it has more CPUs than the machine, so that queues can be watched on a small one.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.integration.node_rig import free_ports

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
CPUS = 8
PATIENCE_S = 90.0
NODE = "hold"

CONF = """
ClusterName=detente
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=2
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=1000,bf_interval=1,batch_sched_delay=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
{more}
"""


def absent() -> str:
    """Why no cluster is brought up here; empty where one is."""
    if not os.environ.get("DETENTE_SLURM"):
        return "a cluster is brought up by `make slurm-test` alone"
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    missing = [each for each in PROGRAMS if shutil.which(each, path=path) is None]
    if missing:
        return f"no {', '.join(missing)} here: apt-get install slurm-wlm munge liblua5.3-0"
    if os.geteuid() != 0:
        return "slurmd starts jobs as their users, which only root can do"
    return ""


class Cluster:
    """One node, one partition; ``more`` are further lines of slurm.conf, with ``{folder}`` for the cluster's own."""

    def __init__(self, folder: Path, *, more: str = "", environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._more = more
        self._started: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "DETENTE"))},
            "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin",
            "SLURM_CONF": str(self.conf),
            **(environment or {}),
        }

    def write(self) -> None:
        """slurm.conf and what it names. Call ``start`` after everything that it names is there."""
        host = socket.gethostname().split(".")[0]
        controller_port, node_port = free_ports(2)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        fields = {
            "host": host,
            "controller_port": controller_port,
            "node_port": node_port,
            "folder": self.folder,
            "node": NODE,
            "cpus": CPUS,
        }
        self.conf.write_text(CONF.format(**fields, more=self._more.format(folder=self.folder)))
        # "disabled" is unknown to the Slurm of Debian 12, and without a word slurmd asks for systemd's control groups.
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")

    def start(self) -> None:
        """Until the node is idle."""
        self._start_munge()
        self.start_controller()
        self._begin("slurmd", "-D", "-N", NODE)
        self.until(lambda: self.said("sinfo", "-h", "-o", "%T").strip() == "idle", "the node is idle")

    def start_controller(self) -> None:
        """slurmctld, new or again with the state that it saved."""
        self._begin("slurmctld", "-D")
        self.until(lambda: self.run("scontrol", "ping").returncode == 0, "the controller answers")

    def stop_controller(self) -> None:
        """End slurmctld, and nothing else."""
        for each in [each for each in self._started if "slurmctld" in str(each.args[0])]:
            _end(each)
            self._started.remove(each)

    def run(self, *command: str, **how) -> subprocess.CompletedProcess[str]:
        """A Slurm command, as a user of this cluster types it."""
        how.setdefault("env", self.environment)
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **how)

    def said(self, *command: str, **how) -> str:
        """What a command prints that must succeed."""
        done = self.run(*command, **how)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def submit(self, script: str, *options: str, cpus: int = 1, **how) -> str:
        """A batch job; returns its id."""
        how.setdefault("cwd", self.folder)
        text = script if script.startswith("#!") else f"#!/bin/bash\n{script}\n"
        return self.said("sbatch", "--parsable", f"-c{cpus}", *options, input=text, **how).strip()

    def job(self, number: str) -> dict[str, str]:
        """What the controller says of a job."""
        text = self.said("scontrol", "show", "job", "-o", number)
        return dict(word.partition("=")[::2] for word in text.split() if "=" in word)

    def state(self, number: str) -> str:
        return self.job(number)["JobState"]

    def until(self, holds: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait for a state, with the ends of the logs where it does not come."""
        end = time.monotonic() + within_s
        while True:
            with contextlib.suppress(AssertionError):
                if holds():
                    return
            if time.monotonic() > end:
                raise AssertionError(f"not within {within_s:.0f} s: {what}\n{self.logs()}")
            time.sleep(0.05)

    def until_state(self, number: str, *states: str) -> None:
        self.until(lambda: self.state(number) in states, f"job {number} is {' or '.join(states)}")

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        found = [self.folder / f"{name}.log" for name in ("slurmctld", "slurmd")]
        return "\n".join(path.read_text(errors="replace")[-3_000:] for path in found if path.exists())

    def stop(self) -> None:
        """End all jobs, then the daemons."""
        if self.conf.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("scancel", "--signal=KILL", "--full", "--user=root")
                self.run("scancel", "--user=root")
                end = time.monotonic() + 15
                while time.monotonic() < end and self.run("squeue", "-h").stdout.strip():
                    time.sleep(0.1)
        for each in reversed(self._started):
            _end(each)
        self._started.clear()

    def _start_munge(self) -> None:
        """munged refuses root: it runs as its own user, in a folder of that user that nobody else can write."""
        user = pwd.getpwnam("munge")
        place = self.folder / "munge"
        place.mkdir(mode=0o755)
        (place / "key").write_bytes(os.urandom(128))
        (place / "key").chmod(0o400)
        for path in (place, place / "key"):
            os.chown(path, user.pw_uid, user.pw_gid)
        link = self.folder / "munge.socket"
        link.symlink_to(place / "socket")
        options = [f"--{name}={place / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        command = ["munged", "--foreground", f"--key-file={place / 'key'}", "--num-threads=2", *options]
        self._begin(*command, user=user.pw_uid, group=user.pw_gid, extra_groups=[])
        self.until((place / "socket").exists, "munged listens")

    def _begin(self, *command: str, **how) -> None:
        with (self.folder / f"{Path(command[0]).name}.out").open("ab") as out:
            self._started.append(
                subprocess.Popen(
                    command, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", **how
                )
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every user may look into: pytest's own are closed to munge and to the jobs of other users."""
    folder = Path(tempfile.mkdtemp(prefix="detente-slurm-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
