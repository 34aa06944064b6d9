"""Stand-in for the Docker client: an image is a folder with the program's code, and a container a copy of it."""

import io
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from docker import errors
from docker.models.containers import Container as Kind

CODE = ("*.py", "*.txt", "*.ini", "tools", "utils", "prompts", "tests")
GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]


@dataclass
class Done:
    """What came of a command."""

    exit_code: int
    output: bytes


class Container(Kind):
    """A folder in which commands run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = Path(tempfile.mkdtemp(prefix="container-", dir=os.environ["STAND_IN_PLACE"]))
        (self.root / "dgm").mkdir()

    def start(self) -> None:
        """It runs nothing by itself."""

    def stop(self) -> None:
        """It runs nothing by itself."""

    def remove(self) -> None:
        shutil.rmtree(self.root)

    def exec_run(self, cmd, environment=None, workdir="/") -> Done:
        """The command, in this folder: paths of the container are paths below it."""
        words = shlex.split(cmd) if isinstance(cmd, str) else list(cmd)
        if "pip" in words:
            return Done(0, b"")
        if "/dgm/coding_agent.py" in words:
            return self._agent(words)
        mapped = [re.sub(r"(?<![\w.])/(?=dgm|testbed|eval)", f"{self.root}/", word) for word in words]
        done = subprocess.run(
            mapped,
            cwd=self._inside(workdir),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **{name: value for name, value in (environment or {}).items() if value}},
        )
        return Done(done.returncode, done.stdout.replace(f"{self.root}/".encode(), b"/"))

    def put_archive(self, path: str, data: bytes) -> bool:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(self._inside(path), filter="data")
        return True

    def get_archive(self, path: str):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as tar:
            tar.add(self._inside(path), arcname=Path(path).name)
        return [held.getvalue()], {"name": Path(path).name}

    def _inside(self, path: str) -> Path:
        return self.root / str(path).lstrip("/")

    def _agent(self, words: list[str]) -> Done:
        """In place of the coding agent: it changes itself, or, where it is measured, notes which of its selves did."""
        code = self._inside("/dgm/coding_agent.py")
        place = Path(os.environ["STAND_IN_PLACE"])
        if "--self_improve" in words:
            with (place / "improved").open("a") as file:
                file.write("x\n")
            name = os.environ.get("STAND_IN_SELF") or len((place / "improved").read_text().split())
            code.write_text(f"# self {name}\n" + code.read_text())
            patch = subprocess.run(
                [*GIT, "diff", "HEAD"], cwd=self._inside("/dgm"), capture_output=True, check=True
            ).stdout
        else:
            found = re.match(r"# self (.*)\n", code.read_text())
            with (place / "measured").open("a") as file:
                file.write(f"{found[1] if found else 0}\n")
            patch = b"--- a/x\n+++ b/x\n"
        self._inside("/dgm/model_patch.diff").write_bytes(patch)
        chat = words[words.index("--chat_history_file") + 1]
        self._inside(chat).write_text("stand-in\n")
        return Done(0, b"stand-in")


class Images:
    """Images by their tag: each is the folder that it was built of. None is there before."""

    built: dict[str, Path] = {}  # noqa: RUF012 - one daemon

    def list(self) -> list:
        return []

    def build(self, path: str, tag: str, **_named):
        self.built[tag] = Path(path)
        return tag, []


class Containers:
    """Containers by their name; none is there before it is made."""

    def get(self, name: str):
        raise errors.NotFound(name)

    def run(self, *, image: str, name: str, detach: bool) -> Container:
        assert detach
        made = Container(name)
        inside = made.root / "dgm"
        for pattern in CODE:
            for path in Images.built[image].glob(pattern):
                if path.is_dir():
                    shutil.copytree(path, inside / path.name)
                else:
                    shutil.copy(path, inside)
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "image"]):
            subprocess.run([*GIT, *words], cwd=inside, check=True)
        return made


class Client:
    """What ``from_env`` gives."""

    images = Images()
    containers = Containers()


def from_env() -> Client:
    """The client."""
    return Client()
