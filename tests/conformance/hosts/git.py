"""Git as a host: a commit below ``reference-transaction``, and a push into a bare repository with ``pre-receive``."""

import contextlib
from abc import abstractmethod
from pathlib import Path

from detente.app.ref_moves.installing import HARD_S
from tests.conformance.asking_rig import Act, Asker, Interpreter, Scene, timed
from tests.integration.asking_rig import CLAUDE, PERSON, Repository, repository

PAGE = "hold-git-changes.md"


class Git:
    """What both have: an interpreter of the hook's own, a working tree, and the repository whose ``main`` is held."""

    branch = "main"
    deadline_s = 2 * HARD_S
    """A bare repository runs two hooks for a push."""

    def __init__(self, scene: Scene, held: Repository, work: Repository, *, observe: bool) -> None:
        self.scene, self.held, self.work = scene, held, work
        self.python = Interpreter(scene.place / "python")
        command = [self.python.path, "-m", "detente", "hook", "git", "install", held.path, "--home", scene.home]
        done = scene.run([*command, *(["--observe"] if observe else [])])
        assert done.returncode == 0, done.stdout.decode()
        self.plays = {"again": self._again}

    @abstractmethod
    def _move(self) -> tuple[int, str]:
        """Try to move the held ref: the exit code, and what git said."""

    def change(self, what: str) -> str:
        """What ``train.py`` says after this act."""
        return f"DEPTH = {what!r}\n"

    def act(self, what: str) -> Act:
        before = self.held.at(self.branch)
        if self.work is self.held:
            self.work.git("read-tree", "--reset", "-u", "HEAD")  # moves no ref, so it runs no hook
        else:
            self.work.git("reset", "--quiet", "--hard", before)
        text = self.change(what)
        self.work.write(train__py=text)

        def move() -> tuple[bool, str]:
            said = self._move()[1]
            moved = self.held.at(self.branch) != before
            assert not moved or self.held.git("show", f"{self.branch}:train.py") == text.strip()
            return moved, said

        return timed(move)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Git in the working tree, as the scene's environment has it."""
        done = self.scene.run(["env", *(f"{k}={v}" for k, v in PERSON.items()), "git", *arguments], cwd=self.work.path)
        return done.returncode, done.stdout.decode(errors="replace")

    @contextlib.contextmanager
    def broken(self, way: str):
        """The interpreter that the installed script names; git and the script stay as they are."""
        script = next(self.hooks().glob("reference-transaction"))
        kept = [
            (path, path.read_text()) for path in self.hooks().iterdir() if str(self.python.path) in path.read_text()
        ]
        assert script in [path for path, _ in kept]
        with self.python.broken(way):
            for path, text in kept if way == "hang" else []:  # its 40 seconds, made short
                path.write_text(text.replace(f"timeout -k 2 {HARD_S}", "timeout -k 2 2"))
            yield
        for path, text in kept:
            path.write_text(text)

    def hooks(self) -> Path:
        return Path(self.held.git("rev-parse", "--path-format=absolute", "--git-path", "hooks"))

    def _again(self) -> str:
        """An approval is for one tree after one commit: there it is done, and the way back is a change of its own."""
        first = self.held.at("main")
        self.act("a")
        self.scene.approve_all()
        assert self.act("a").done
        asked = len(self.scene.proxy.nonces)
        assert not self.act("a").done, "there is nothing to be done"
        assert len(self.scene.proxy.nonces) == asked
        back = ["update-ref", "refs/heads/main", first]
        if self.held is not self.work:
            back = ["push", "--force", str(self.held.path), f"{first}:refs/heads/main"]
        code, said = self.run(*back)
        assert code != 0
        assert "held: refs/heads/main touches training" in said
        return "nothing to do; the way back held"


class Commit(Git):
    """``git commit`` on ``main``."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        made = repository(scene.place / "repo")
        super().__init__(scene, made, made, observe=observe)

    def _move(self) -> tuple[int, str]:
        return self.run("commit", "--quiet", "--allow-empty-message", "-m", "deeper" + CLAUDE)


class Push(Git):
    """``git push`` to a bare repository's ``main``, from a clone without a hook."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        clone = repository(scene.place / "clone")
        server = Repository(scene.place / "server.git")
        clone.git("clone", "--quiet", "--bare", ".", str(server.path))
        super().__init__(scene, server, clone, observe=observe)

    def _move(self) -> tuple[int, str]:
        self.run("commit", "--quiet", "-m", "deeper" + CLAUDE)
        return self.run("push", str(self.held.path), "main")


ADAPTERS = (
    Asker(
        key="git-commit",
        name="git: a commit",
        page=PAGE,
        open=Commit,
        always=frozenset({"allowed", "paused", "queue", "permits", "crash", "hang", "missing", "garbage"}),
    ),
    Asker(key="git-push", name="git: a push, `pre-receive`", page=PAGE, open=Push),
)
