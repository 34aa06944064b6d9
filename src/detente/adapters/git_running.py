"""Run git on a repository that nobody vouches for.

Decides how git is started: which programs it may run (none), what it may read and fetch, how much it may say and for how
long. Leaves out what is asked of it: ``git_history`` and ``git_objects``. Rules A01 and A04 of ``spec/measure-authorship.md``.

A repository's own configuration can name programs, ask for fetches through any URL, and change what a count is. So history
and objects are read through a *bare stand-in*: a fresh folder with a configuration of ours, no hooks, no refs, no attributes,
no remotes, and the repository's objects (``GIT_OBJECT_DIRECTORY``) below it. What follows:

* no program that the repository names can run, and nothing can be fetched: to the stand-in an absent object is just absent;
* attributes, working tree, grafts, replace refs and the commit-graph, which can make history look other than it is, are not
  read: a bare clone, a checkout and a linked working tree of the same commit give the same numbers;
* neither is the user's and the machine's configuration, nor any ``GIT_*`` variable: two people measure the same.

Only finding the repository and its refs (``rev-parse``, ``for-each-ref``, ``update-ref``: they start no program) uses its own folder.
Ownership by another user is no obstacle (``safe.directory``): what that guards against is the list above.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from detente.base.errors import Refused, Unavailable, shown

CHUNK = 1 << 18
ANSWER_MAX = 1 << 26
"""Bytes of one short answer: 64 MiB hold the names of a million refs."""
ANSWER_S = 300.0
"""Seconds for one short answer; listing the refs of the largest mirrors takes under ten."""
SILENCE_S = 1800.0
"""Seconds without a byte after which a stream has hung: rename detection in one huge commit takes minutes, not half an hour."""
BIG_FILE = "64m"
"""Above this git takes a file for binary instead of loading it twice: bounds its memory on hostile blobs."""

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=false",
    "core.sshCommand=false",
    "core.commitGraph=false",
    "protocol.allow=never",
    "safe.directory=*",
    "safe.bareRepository=all",
)
_STAND_IN = """[core]
\trepositoryformatversion = 1
\tbare = true
\tbigFileThreshold = {big}
\tquotePath = false
\tpackedGitWindowSize = 16m
\tpackedGitLimit = 96m
\tdeltaBaseCacheLimit = 64m
[extensions]
\tobjectFormat = {format}
[advice]
\tgraftFileDeprecated = false
"""
_KEPT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")


class GitFailed(Unavailable):
    """git ended with an error; ``said`` is the beginning of what it wrote about it."""

    def __init__(self, code: int, said: str) -> None:
        self.code = code
        self.said = said.strip()
        super().__init__(code, said)

    def __str__(self) -> str:
        return f"git ended with {self.code}: {shown(self.said, 300)}"


class Repository(NamedTuple):
    """A repository that was found. ``shallow`` are the commits whose parents were cut off, ``partial`` that objects may be absent.

    ``quarantine`` is where git keeps the objects of a push that its hooks have not let in yet.
    """

    path: Path
    git_dir: Path
    common_dir: Path
    id_length: int
    bare: bool
    shallow: frozenset[str]
    partial: bool
    quarantine: Path | None = None


def open_repository(path: Path) -> Repository:
    """The repository at or above ``path``: a working tree, a linked one, a bare repository or a ``.git`` folder.

    Refuses A01 where there is none; ``Unavailable`` where git itself is not there.
    """
    if not path.exists():
        raise Refused("A01", "not-found", got=f"no file or folder {shown(str(path))}", expected="a git repository")
    path = path.absolute()  # git is started elsewhere
    place = path if path.is_dir() else path.parent
    wanted = ["--path-format=absolute", "--absolute-git-dir", "--git-common-dir"]
    kinds = ["--is-bare-repository", "--is-shallow-repository", "--show-object-format"]
    try:
        answer = _run([_git(), "-C", str(place), *_options(), "rev-parse", *wanted, *kinds], _environment(None))
    except GitFailed as error:
        raise Refused(
            "A01",
            "not-found",
            got=f"{shown(str(path))}, of which git says {shown(error.said, 200)}",
            expected="a git repository or a folder inside one",
        ) from error
    lines = answer.decode("utf-8", "surrogateescape").splitlines()
    if len(lines) != 5:
        raise Refused("A01", "not-found", got=shown(answer, 200), expected="five lines from git rev-parse")
    git_dir, common = Path(lines[0]), Path(lines[1])
    shallow = _read_shallow(common) if lines[3] == "true" else frozenset()
    return Repository(
        path=path,
        git_dir=git_dir,
        common_dir=common,
        id_length=64 if lines[4] == "sha256" else 40,
        bare=lines[2] == "true",
        shallow=shallow,
        partial=_has_promisor(common),
    )


def ask_refs(repository: Repository, *arguments: str) -> bytes:
    """What ``git arguments`` says in the repository's own folder: for the names of commits, nothing else."""
    return _run([_git(), *_options(), *arguments], _environment(repository.git_dir))


def find_hook(repository: Repository, name: str) -> Path:
    """Where git looks for this hook when a user runs it: by the whole configuration, ``core.hooksPath`` included."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {"LC_ALL": "C"}
    asked = ["rev-parse", "--path-format=absolute", "--git-path", f"hooks/{name}"]
    answer = _run([_git(), "-C", str(repository.git_dir), "-c", "safe.directory=*", *asked], environment)
    return Path(os.fsdecode(answer.rstrip(b"\n")))


def keep_ref(repository: Repository, ref: str, commit: str) -> None:
    """Set a ref of our own name, so that what it names is not lost; no hook is run. Raises ``GitFailed``."""
    ask_refs(repository, "update-ref", "--end-of-options", ref, commit)


def run_git(repository: Repository, *arguments: str, stdin: bytes | None = None) -> bytes:
    """What ``git arguments`` says, whole. Refuses A04 above ``ANSWER_MAX``; raises ``GitFailed``, ``Unavailable``."""
    with _stand_in(repository) as environment:
        return _run([_git(), *_options(), *arguments], environment, stdin=stdin)


def stream_git(repository: Repository, *arguments: str, stdin: bytes | None = None) -> Generator[bytes]:
    """What ``git arguments`` says, in pieces as they come; ``GitFailed`` after the last piece if it ended badly.

    Closing the generator ends git.
    """
    with start_git(repository, *arguments, stdin=stdin) as process:
        yield from _pieces(process, SILENCE_S)
        _check_end(process)


class Running(NamedTuple):
    """A git that runs: its pipes, and the file that holds its complaints."""

    process: subprocess.Popen[bytes]
    complaints: IO[bytes]

    @property
    def out(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise Unavailable("git was started without a pipe to read from")
        return self.process.stdout

    @property
    def into(self) -> IO[bytes]:
        if self.process.stdin is None:
            raise Unavailable("git was started without a pipe to write to")
        return self.process.stdin

    def said(self) -> str:
        self.complaints.seek(0)
        return self.complaints.read(4096).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def start_git(
    repository: Repository, *arguments: str, stdin: bytes | None = None, talk: bool = False
) -> Iterator[Running]:
    """git as a process that ends with the block. ``stdin`` is given to it as a file; with ``talk`` it reads from a pipe."""
    with (
        _stand_in(repository) as environment,
        _started([_git(), *_options(), *arguments], environment, stdin=stdin, talk=talk) as running,
    ):
        yield running


@contextlib.contextmanager
def _stand_in(repository: Repository) -> Iterator[dict[str, str]]:
    """The environment that makes git see the stand-in; it is gone after the block."""
    with tempfile.TemporaryDirectory(prefix="detente-git-") as name:
        folder = Path(name)
        kind = "sha256" if repository.id_length == 64 else "sha1"
        (folder / "config").write_text(_STAND_IN.format(big=BIG_FILE, format=kind), "utf-8")
        (folder / "HEAD").write_text("ref: refs/heads/none\n", "ascii")
        (folder / "refs").mkdir()
        if repository.shallow:
            (folder / "shallow").write_text("".join(f"{one}\n" for one in sorted(repository.shallow)), "ascii")
        objects = {"GIT_OBJECT_DIRECTORY": str(repository.common_dir / "objects")}
        if repository.quarantine is not None:
            objects["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(repository.quarantine)
        yield _environment(folder) | objects


def _run(command: list[str], environment: dict[str, str], *, stdin: bytes | None = None) -> bytes:
    parts: list[bytes] = []
    size = 0
    until = time.monotonic() + ANSWER_S
    with _started(command, environment, stdin=stdin, talk=False) as running:
        for piece in _pieces(running, ANSWER_S):
            parts.append(piece)
            size += len(piece)
            if size > ANSWER_MAX:
                raise Refused("A04", "oversized", got=f"over {ANSWER_MAX} bytes from git", expected="a short answer")
            if time.monotonic() > until:
                raise Unavailable(f"git did not finish within {ANSWER_S:.0f} s")
        _check_end(running)
    return b"".join(parts)


@contextlib.contextmanager
def _started(command: list[str], environment: dict[str, str], *, stdin: bytes | None, talk: bool) -> Iterator[Running]:
    with contextlib.ExitStack() as stack:
        complaints = stack.enter_context(tempfile.TemporaryFile())
        source: int | IO[bytes] = subprocess.PIPE if talk else subprocess.DEVNULL
        if stdin is not None:
            source = stack.enter_context(tempfile.TemporaryFile())
            source.write(stdin)
            source.seek(0)
        try:
            process = stack.enter_context(
                subprocess.Popen(
                    command, cwd="/", env=environment, stdin=source, stdout=subprocess.PIPE, stderr=complaints
                )
            )
        except OSError as error:
            raise Unavailable(f"git cannot be started: {error.strerror}") from error
        try:
            yield Running(process, complaints)
        finally:
            if process.poll() is None:
                process.kill()
            with contextlib.suppress(OSError):
                if process.stdin is not None:
                    process.stdin.close()


def _pieces(running: Running, silence_s: float) -> Iterator[bytes]:
    out = running.out.fileno()
    poll = select.poll()
    poll.register(out, select.POLLIN | select.POLLHUP)
    while True:
        if not poll.poll(silence_s * 1000):
            raise Unavailable(f"git said nothing for {silence_s:.0f} s")
        piece = os.read(out, CHUNK)
        if not piece:
            return
        yield piece


def _check_end(running: Running) -> None:
    code = running.process.wait(timeout=ANSWER_S)
    if code != 0:
        raise GitFailed(code, running.said())


@functools.cache
def _git() -> str:
    found = shutil.which("git")
    if found is None:
        raise Unavailable("git is not on PATH; install git 2.39 or later")
    return os.path.abspath(found)  # noqa: PTH100  # resolving links would lose a wrapper's own name


def _options() -> tuple[str, ...]:
    settings = (part for setting in _SETTINGS for part in ("-c", setting))
    return ("--no-pager", "--no-replace-objects", "--literal-pathspecs", *settings)


def _environment(git_dir: Path | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    fixed = {
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return kept | fixed | ({} if git_dir is None else {"GIT_DIR": str(git_dir)})


def _read_shallow(common: Path) -> frozenset[str]:
    try:
        return frozenset((common / "shallow").read_text("ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            "A01", "not-found", got=f"a shallow repository without its list: {error}", expected="one"
        ) from error


def _has_promisor(common: Path) -> bool:
    """Was this cloned with a filter? Then packs carry a mark; what is absent was left out on purpose."""
    packs = common / "objects" / "pack"
    with contextlib.suppress(OSError):
        return any(name.endswith(".promisor") for name in os.listdir(packs))  # noqa: PTH208  # names are all it needs
    return False
