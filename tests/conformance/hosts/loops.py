"""Self-improvement programs as hosts, each from its authors' own working tree: one generation is one act."""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.conformance.asking_rig import QUOTE, WITHIN_S, Act, Asker, Scene, jumped, timed
from tests.conformance.hosts.git import Commit, Git
from tests.integration.asking_rig import Repository
from tests.integration.loop_programs import IDEA, Dgm, OpenEvolve, Program, Shinka
from tests.integration.loops_rig import AUTORESEARCH_POLICY, PROGRAMS, Running, level_to, program, running, scripted

HELD = re.compile(r"^detente: \w+: .* (?:waits|may not begin): ", re.MULTILINE)
LOOK_S = 0.1


def tree_of(name: str) -> tuple[str, dict[str, str]]:
    """Why there is no working tree of the program, or the commit that stands in it."""
    found = Path(os.environ.get(PROGRAMS) or "nowhere") / name
    if not found.is_dir():
        return f"no working tree of {name} below the folder of {PROGRAMS}", {}
    told = subprocess.run(["git", "-C", found, "rev-parse", "--short=12", "HEAD"], capture_output=True, check=True)
    return "", {name: told.stdout.decode().strip()}


class Autoresearch(Commit):
    """The agent of its ``program.md``, by script: it tunes ``train.py`` and commits; git's own hook holds the commit.

    The training between a commit and keeping it, five minutes of a GPU, is left out.
    """

    branch = "autoresearch/run"

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        made = Repository(scene.place / "repo")
        subprocess.run(["git", "clone", "--quiet", str(program("autoresearch")), str(made.path)], check=True)
        made.git("checkout", "--quiet", "-b", self.branch)
        (made.path / "detente-hook.toml").write_text(AUTORESEARCH_POLICY)
        made.git("add", "detente-hook.toml")
        made.commit("what is held here")
        Git.__init__(self, scene, made, made, observe=observe)

    def change(self, what: str) -> str:
        text, found = re.subn(r"^DEPTH = .*", f"DEPTH = 8  # {what}", self._source().read_text(), flags=re.MULTILINE)
        assert found == 1
        return text

    def _source(self) -> Path:
        return self.work.path / "train.py"

    def _again(self) -> str:
        """An approval is for one tree after one commit. What did not help goes back unasked; from there the same tree is the one approved."""
        first = self.held.at(self.branch)
        assert not self.act("a").done
        self.scene.approve_all()
        assert self.act("a").done
        self.work.git("reset", "--quiet", "--hard", "HEAD~1")
        assert self.held.at(self.branch) == first
        assert self.act("a").done
        assert not self.act("a, and more").done, "after another commit it is another change"
        return "dropped, the same tree again: done"


class Generations:
    """A program below ``detente hook loop``, started anew for each act: one generation, whose child is named by ``what``.

    A loop that is held waits for ever. Once it has said so, it is killed, and what it had run by then counts. The model is a script behind the
    address that the program's own client asks.
    """

    deadline_s = WITHIN_S / 2
    """Nobody waits for a loop: two askings of 20 seconds, and what the program itself takes on a loaded machine."""
    questions = 2
    """May it begin, and may the child be taken over?"""

    def __init__(self, make: Callable[[Path], Program], scene: Scene, *, observe: bool = False) -> None:
        self.scene, self._make = scene, make
        self._options = ["--observe"] if observe else []
        self._what = ""
        self._acts = 0
        self._run: Running | None = None
        self._when_asked: Callable[[], object] = lambda: None
        """Called while the generation is under way: after its beginning, before its child is known."""
        self._model = scene.enter(scripted(self._answer))
        self.plays = {"clock": self._clock}

    def _clock(self) -> str:
        """The jump stays, and the child is proposed after it: no issuer takes a statement of tomorrow. It goes through once the clock is right."""
        for jump_s in (86_400, -86_400):
            what = f"jump {jump_s}"
            with jumped(self.scene, jump_s):
                act = self.act(what)
                assert act.done == (jump_s < 0), act
                assert act.done or "set the clock of the machine that signs" in act.said, act
                self.scene.pause()
                assert not self.act(f"paused {what}").done
                self.scene.lift()
        assert self.act("jump 86400").done
        return "a day ahead: held; a day behind: unmoved"

    def _answer(self, _number: int, told: str) -> str:
        self._when_asked()
        return IDEA if "implementation_suggestion" in told else level_to(repr(self._what), told)

    def act(self, what: str) -> Act:
        self._what = what
        self._acts += 1
        made = self._make(self.scene.place / f"{self._make.__name__.lower()}-{self._acts}")

        def play() -> tuple[bool, str]:
            said = self._played(made)
            assert made.evaluated().count(what) <= 1, made.evaluated()
            return what in made.evaluated(), said

        return timed(play)

    def _played(self, made: Program) -> str:
        """Everything that the program said until it ended, or was held and then killed."""
        address = self._model.address
        environment = {**made.environment(address), **self.scene.environment, "STAND_IN_SELF": self._what}
        command = made.command(address, generations=1)
        with running(
            made.name, *command, home=self.scene.home, cwd=made.place, options=self._options, **environment
        ) as run:
            self._run = run
            until = time.monotonic() + WITHIN_S
            while run.popen.poll() is None and (self._options or not HELD.search(run.said())):
                assert time.monotonic() < until, run.said()
                time.sleep(LOOK_S)
            self._run = None
        return run.said()

    @contextlib.contextmanager
    def broken(self, way: str) -> Iterator[None]:
        """In a generation that has begun. ``crash``: the process that asks for the child is killed. ``missing``, ``garbage``: so is the home's configuration.

        ``hang``: a lock that asking needs never comes free.
        """
        with contextlib.ExitStack() as stack:
            if way == "crash":
                stack.enter_context(self._killed())
            elif way == "hang":
                (lock,) = self.scene.home.glob("runs/loop-*/lock")
                fcntl.flock(stack.enter_context(lock.open("rb+")), fcntl.LOCK_EX)
            else:
                stack.enter_context(self._without_configuration(way))
            yield

    @contextlib.contextmanager
    def _without_configuration(self, way: str) -> Iterator[None]:
        config = self.scene.home / "config.toml"
        kept = config.read_bytes()
        hit: list[str] = []

        def hits() -> None:
            hit.append(way)
            if way == "missing":
                config.unlink(missing_ok=True)
            else:
                config.write_bytes(b"\x00\xff garbage ]]")

        self._when_asked = hits
        try:
            yield
            assert hit
        finally:
            self._when_asked = lambda: None
            config.write_bytes(kept)

    @contextlib.contextmanager
    def _killed(self) -> Iterator[None]:
        begun: list[str] = []
        killed: list[int] = []

        def kills(path: str) -> None:
            if path == QUOTE and begun and self._run is not None:
                killed.append(asking(self._run.popen.pid))
                os.kill(killed[-1], signal.SIGKILL)

        self._when_asked = lambda: begun.append("a generation")
        self.scene.proxy.before = kills
        try:
            yield
            assert killed
        finally:
            self._when_asked = lambda: None
            self.scene.proxy.before = lambda _path: None


def asking(pid: int) -> int:
    """The process of this program that asks: its worker, or where there is none itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    workers = [int(each) for each in children if b"detente" in Path(f"/proc/{each}/cmdline").read_bytes()]
    return workers[0] if workers else pid


ADAPTERS = (
    Asker(
        key="autoresearch",
        name="autoresearch, `detente hook git`",
        page="hold-autoresearch.md",
        open=Autoresearch,
        other=partial(tree_of, "autoresearch"),
    ),
    Asker(
        key="openevolve",
        name="OpenEvolve",
        page="hold-openevolve.md",
        open=partial(Generations, OpenEvolve),
        other=partial(tree_of, "openevolve"),
    ),
    Asker(
        key="shinka",
        name="ShinkaEvolve",
        page="hold-shinka.md",
        open=partial(Generations, Shinka),
        other=partial(tree_of, "ShinkaEvolve"),
    ),
    Asker(
        key="dgm",
        name="DGM, in place of its containers and its benchmark stand-ins",
        page="hold-dgm.md",
        open=partial(Generations, Dgm),
        other=partial(tree_of, "dgm"),
    ),
)
