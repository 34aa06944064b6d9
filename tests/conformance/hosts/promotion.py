"""What promotes or publishes a model: MLflow's own client before the gate and a real server, and uploads by the Hub's own client.

Their packages need not be in this environment: ``DETENTE_MLFLOW_PYTHON`` and ``DETENTE_HUB_PYTHON`` name a Python that has them.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import httpx

from detente.adapters.listing import list_folder
from tests.conformance.asking_rig import QUOTE, WITHIN_S, Act, Asker, Interpreter, Scene, timed
from tests.conformance.hosts.commands import HOLDS_RELEASES
from tests.integration import hub_rig, mlflow_rig
from tests.integration.asking_rig import detente
from tests.integration.serving_rig import wait_until

JOB = Path(__file__).resolve().parents[1] / "jobs" / "mlflow_alias.py"
API = "/api/2.0/mlflow/registered-models"
ANSWER_S = 30
"""So that a loaded machine answers in time; what an installation has by itself is 8."""
HUNG_S = 3
APART = ("edited", "other")
"""Acts with a version of MLflow's registry of their own, which nobody has approved before; all others are with the first."""


class Released(ABC):
    """What both have: an approval is of a version, not of one act with it."""

    deadline_s = 120.0
    scene: Scene
    plays: Mapping[str, Callable[[], str]]

    @abstractmethod
    def act(self, what: str) -> Act:
        """Publish or promote it, once, to the end."""

    @abstractmethod
    def listing(self, what: str) -> bytes:
        """Of the files of the version that ``act(what)`` is about."""

    def again(self) -> str:
        """Each act asks for itself; nobody is asked to approve the same bytes twice."""
        self.scene.approve_version(self.listing("again"))
        before = len(self.scene.proxy.nonces)
        assert self.act("again").done
        asked = len(self.scene.proxy.nonces) - before
        assert asked
        assert self.act("again").done
        new = self.scene.proxy.nonces[before:]
        assert len(new) == len(set(new)) == 2 * asked
        return "asked anew; the version stays approved"

    def edited(self) -> str:
        """Other files are another version."""
        assert not self.act("edited").done, "nobody has approved it"
        self.scene.approve_version(self.listing("edited"))
        assert not self.act("other").done
        assert self.act("edited").done
        return "held"


class Upload(Released):
    """``detente hook hf-upload`` of a folder to a small constructed Hub. Done is what a commit names."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        self.scene = scene
        self.hub = scene.enter(hub_rig.small_hub())
        self.python = Interpreter(scene.place / "python", of=hub_rig.PYTHON)
        self.patience_s = 110
        self.folder = scene.place / "checkpoint"
        self.folder.mkdir()
        self.more = ["--observe"] if observe else []
        store = ("hook", "hf-upload", "--store-token", "--endpoint", self.hub.url)
        stored = detente(*store, home=scene.home, given=f"{hub_rig.TOKEN}\n".encode())
        assert stored.returncode == 0, stored.stderr.decode()
        self.replaced = False
        self.plays = {
            "again": self.again,
            "edited": self.edited,
            "garbage": self._garbage,
            "observe": self._observe,
        }

    def act(self, what: str) -> Act:
        before = len(self.hub.commits)
        self.listing(what)
        command = ["env", "HF_HUB_DISABLE_PROGRESS_BARS=1", "timeout", str(self.patience_s)]
        command += [self.python.path, "-m", "detente", "hook", "hf-upload", "lab/lm", self.folder, "--message", what]
        command += ["--home", self.scene.home, "--within", str(ANSWER_S), *self.more]

        def upload() -> tuple[bool, str]:
            ran = self.scene.run(command)
            new = self.hub.commits[before:]
            assert new in ([], [what]), new
            assert self.replaced or bool(new) == (ran.returncode == 0), ran.stdout
            assert not new or self.hub.files == {"config.json": what.encode()}
            return bool(new), ran.stdout.decode(errors="replace")

        return timed(upload)

    def listing(self, what: str) -> bytes:
        (self.folder / "config.json").write_text(what)
        return list_folder(self.folder)

    @contextlib.contextmanager
    def broken(self, way: str) -> Iterator[None]:
        """The interpreter; whoever waits for an upload that hangs is made impatient."""
        with self.python.broken(way):
            patience_s, self.patience_s = self.patience_s, HUNG_S if way == "hang" else self.patience_s
            self.replaced = True
            try:
                yield
            finally:
                self.patience_s, self.replaced = patience_s, False

    def _garbage(self) -> str:
        """Nothing is published; whoever believes the exit code of what stands in its place is told otherwise."""
        with self.broken("garbage"):
            assert not self.act("garbage").done
        assert self.act("garbage").done
        return "held; its exit code is garbage"

    def _observe(self) -> str:
        """In a pause, and with no issuer, it is published; the command that publishes cannot do so when it is gone."""
        scene = self.scene
        assert self.act("free").done
        scene.pause()
        for what in ("paused", "dead"):
            with scene.proxy.being("dead" if what == "dead" else "pass"):
                act = self.act(what)
            assert act.done, act.said
            assert "not enforced" in act.said
        for way in ("garbage", "missing"):
            with self.broken(way):
                assert not self.act(way).done
        assert scene.waiting() == []
        lines = scene.observed()
        assert {line["enforced"] for line in lines} == {False}
        assert [line["verdict"] for line in lines] == ["allow", "deny", "hold"]
        return "unmoved; broken, it publishes nothing"


class Promotion(Released):
    """An alias of a version, set by MLflow's client through the gate. Done is what the server says of it behind the gate."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        self.scene = scene
        self.server = scene.enter(mlflow_rig.mlflow_server(scene.place / "server"))
        self.python = Interpreter(scene.place / "python")
        self.log = scene.place / "gate.log"
        self.more = ["--observe"] if observe else []
        self.patience_s = 110
        self.gate: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._begun: dict[str, str] = {}
        folder = scene.place / "client"
        folder.mkdir()
        self.client = subprocess.Popen(
            [mlflow_rig.PYTHON, str(JOB)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
        )
        scene.cleanup(self._end)
        self.runs = [self._tell(self.server.url, register=text) for text in ("one", *APART)]
        self._begin()
        self.plays = {"again": self.again, "edited": self.edited}

    def act(self, what: str) -> Act:
        if self.gate is None or self._begun != self.scene.environment:
            self._begin()
        alias = re.sub(r"\W+", "-", what)
        if alias in self._aliases():
            asked = {"name": "lm", "alias": alias}
            assert httpx.request("DELETE", f"{self.server.url}{API}/alias", json=asked).status_code == 200
        before, length = self._aliases(), len(self.log.read_text())

        def promote() -> tuple[bool, str]:
            said = self._tell(self.url, alias=alias, version=self._version(what))
            new = {name: version for name, version in self._aliases().items() if name not in before}
            assert new in ({}, {alias: self._version(what)}), new
            return bool(new), f"{said} {self.log.read_text()[length:]}"

        return timed(promote)

    def listing(self, what: str) -> bytes:
        run = self.runs[int(self._version(what)) - 1]
        return list_folder(next(self.server.artifacts.rglob(f"{run}/artifacts/model")))

    @contextlib.contextmanager
    def broken(self, way: str) -> Iterator[None]:
        """``crash``: the gate is killed while it asks. ``hang``: it stands still. ``missing``: the home is gone. ``garbage``: it does not read."""
        config = self.scene.home / "config.toml"
        assert self.gate is not None
        with contextlib.ExitStack() as stack:
            if way == "crash":
                stack.enter_context(self._killed(self.gate))
            elif way == "hang":
                self.gate.send_signal(signal.SIGSTOP)
                stack.callback(self.gate.send_signal, signal.SIGCONT)
                self.patience_s = HUNG_S
            elif way == "missing":
                stack.callback(config.rename(config.with_suffix(".kept")).rename, config)
            else:
                stack.callback(config.write_text, config.read_text())
                config.write_bytes(b"\x00\xff garbage ]]")
            try:
                yield
            finally:
                self.patience_s = 110

    @contextlib.contextmanager
    def _killed(self, gate: subprocess.Popen[bytes]) -> Iterator[None]:
        self.scene.proxy.before = lambda path: gate.kill() if path == QUOTE else None
        try:
            yield
            assert gate.wait(WITHIN_S) == -signal.SIGKILL
            self.gate = None
        finally:
            self.scene.proxy.before = lambda _path: None

    @staticmethod
    def _version(what: str) -> str:
        return str(APART.index(what) + 2) if what in APART else "1"

    def _aliases(self) -> dict[str, str]:
        said = httpx.get(f"{self.server.url}{API}/get", params={"name": "lm"}).json()
        return {each["alias"]: each["version"] for each in said["registered_model"].get("aliases", [])}

    def _tell(self, url: str, **asked: str) -> str:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(json.dumps({"url": url, "within_s": self.patience_s, **asked}).encode() + b"\n")
        self.client.stdin.flush()
        return str(json.loads(self.client.stdout.readline()))

    def _begin(self) -> None:
        self._end_gate()
        self._begun = dict(self.scene.environment)
        command = [self.python.path, "-m", "detente", "hook", "mlflow", "--to", self.server.url, "--port", "0"]
        command += ["--artifacts", self.server.artifacts, "--home", self.scene.home, "--within", str(ANSWER_S)]
        with self.log.open("wb") as log:
            gate = self.gate = subprocess.Popen(
                [*command, *self.more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.scene.environment},
            )
        wait_until(lambda: gate.poll() is not None or "in front of" in self.log.read_text(), within_s=WITHIN_S)
        assert gate.poll() is None, self.log.read_text()
        (self.url,) = re.findall(r"http://127\.0\.0\.1:\d+(?=, in front of)", self.log.read_text())

    def _end_gate(self) -> None:
        if self.gate is not None:
            self.gate.kill()
            self.gate.wait(WITHIN_S)
            self.gate = None

    def _end(self) -> None:
        self._end_gate()
        self.client.kill()
        self.client.communicate()


@cache
def versions(python: str, *packages: str) -> dict[str, str]:
    """Of packages in another Python, and its own."""
    ask = "import json, platform, sys; from importlib.metadata import version as v; "
    ask += "print(json.dumps({'Python': platform.python_version(), **{name: v(name) for name in sys.argv[1:]}}))"
    done = subprocess.run([python, "-c", ask, *packages], capture_output=True, check=True)
    return json.loads(done.stdout)


def elsewhere(python: str, variable: str, package: str) -> tuple[str, Mapping[str, str]]:
    """Why a host of ``package`` cannot run here, or its versions."""
    if not python:
        return f"no {package}: {variable} names a Python that has it", {}
    return "", versions(python, package)


ADAPTERS = (
    Asker(
        key="mlflow",
        name="MLflow: a promotion",
        page="hold-mlflow.md",
        open=Promotion,
        other=lambda: elsewhere(mlflow_rig.PYTHON, "DETENTE_MLFLOW_PYTHON", "mlflow"),
        free=(),
        approving=(HOLDS_RELEASES,),
    ),
    Asker(
        key="hf-upload",
        name="Hugging Face Hub: an upload",
        page="hold-hub-uploads.md",
        open=Upload,
        other=lambda: elsewhere(hub_rig.PYTHON, "DETENTE_HUB_PYTHON", "huggingface_hub"),
        free=(),
        approving=(HOLDS_RELEASES,),
    ),
)
