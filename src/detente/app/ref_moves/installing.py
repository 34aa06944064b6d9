"""Put the hook into a repository, look whether it is still there and saw everything, and take it away.

Decides what stands where. Leaves out what the hook does (``hooks.git``). ``spec/asking.md`` §4, rules J12 and J13.

- The script goes where git looks for hooks of this repository; one that is there already is kept beside it and run first.
- What was installed, with the script's digest, is kept in the guard's home: who changes the script must change that too.
- ``inspect`` asks git itself where it looks now, so that a later ``core.hooksPath`` is seen.
- Installing again keeps what was seen; refs that were never seen start where they stand.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from detente.adapters.files import store_file
from detente.adapters.git_history import head_branch, list_refs
from detente.adapters.git_running import Repository, find_hook, open_repository
from detente.adapters.interpreter import package_folders
from detente.app.ref_moves.journal import LET_THROUGH, OBSERVE, Journal, repository_folder
from detente.app.ref_moves.policy import REPLACED, Policy
from detente.app.ref_moves.touching import read_policy
from detente.base.digest import sha256_hex
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.strict_json import parse_json

HOOKS: Final = ("reference-transaction", "pre-receive")
MARK: Final = "# detente: holds moves of refs that touch training, architecture or evaluation until they are approved."
BEFORE: Final = ".before-detente"
KEPT: Final = ("refs/heads/", "refs/tags/", REPLACED)
"""The refs whose moves are kept: the script names them too."""
RECORD_MAX: Final = 65_536
HARD_S: Final = 40
"""The script ends the hook after so long, whatever it does; it answers within half of that by itself."""
_START: Final = (
    "import os, sys; sys.path += [each for each in {folders} if each not in sys.path]; "
    "from detente.hooks.git import main; os._exit(main(sys.argv[1:]))"
)
"""What Python is begun with: isolated, without ``site``, and without taking itself down at the end: each move would wait for that."""
_PACKAGE: Final = Path(__file__).absolute().parents[2]
_SCRIPT: Final = """#!/bin/sh
{mark}
# `detente hook git status` says whether this file is as it was installed; `detente hook git remove` takes it away.
moves=$({cat}) || {{
  echo "detente: {unread}" >&2
  exit {then}
}}
case "$moves" in *' refs/heads/'*|*' refs/tags/'*|*' refs/replace/'*) ours=yes ;; *) ours=no ;; esac
{note}previous={previous}
if [ -x "$previous" ]; then
  printf '%s\\n' "$moves" | "$previous" "$@" || exit $?
fi
[ "$ours" = yes ] || exit 0
{ask}"""
_NOTE: Final = """if [ "$1" = committed ] && [ "$ours" = yes ] && [ "$({git} rev-parse --git-common-dir)" -ef {common} ]; then
  printf '%s\\n' "$moves" >> {journal}
fi
[ "$1" = prepared ] || ours=no
"""
_OBSERVE: Final = """answer=$(printf '%s\\n' "$moves" | {command})
code=$?
[ "$code" = 0 ] && [ "$answer" = {let_through} ] ||
  echo "detente: not enforced: the hook gave no answer (exit $code), and the move is made" >&2
exit 0
"""
_UNREAD: Final = ("the hook cannot read what git says: the move is held", 1)
_UNREAD_OBSERVED: Final = ("not enforced: the hook cannot read what git says, and the move is made", 0)
_ONLY_ONCE: Final = """# Only observed: the move itself is asked about, once, by reference-transaction.
exit 0
"""
_ASK: Final = """answer=$(printf '%s\\n' "$moves" | {command})
code=$?
[ "$code" = 0 ] && [ "$answer" = {let_through} ] && exit 0
[ "$code" = 1 ] || echo "detente: the hook gave no answer (exit $code): the move is held. See: detente hook git status" >&2
exit 1
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """What was put where: each hook's path and the digest of its script; the branch whose policy counts; the interpreter, this package.

    ``observes``: it holds nothing. ``held_before``: it did, before it was installed to observe.
    """

    common_dir: str
    trunk: str
    scripts: dict[str, str]
    digests: dict[str, str]
    python: str
    package: str
    observes: bool = False
    held_before: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was installed, or that went past the hook."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where}"


def install(path: Path, home: Path, *, observe: bool = False) -> Installed:
    """Install into the repository at ``path``; raises ``Refused`` A01, J12, ``Unavailable``. Again is the same as once.

    With ``observe`` it holds nothing. A hook that held before and only observes now is a finding, until it holds again.
    """
    repository = open_repository(path)
    home = home.resolve()
    folder = repository_folder(home, repository.common_dir)
    names = HOOKS if repository.bare else HOOKS[:1]
    trunk = _trunk(repository, folder)
    scripts: dict[str, str] = {}
    digests: dict[str, str] = {}
    held_before = observe and _held_before(folder)
    start = _START.format(folders=ascii(package_folders()))
    for name in names:
        target = find_hook(repository, name)
        script = _script(
            name, target, repository.common_dir, home=home, folder=folder, trunk=trunk, observe=observe, start=start
        )
        _keep_previous(target)
        store_file(target, script, mode=0o755)
        scripts[name], digests[name] = str(target), sha256_hex(script)
    place = str(repository.common_dir.resolve())
    made = Installed(place, trunk, scripts, digests, sys.executable, str(_PACKAGE), observe, held_before)
    store_file(folder / "installed.json", json.dumps(asdict(made), sort_keys=True).encode())
    journal = Journal(folder)
    seen: dict[str, str] = {}
    stood: dict[str, str] = {}
    with contextlib.suppress(Refused):
        seen, stood = journal.last_seen(), journal.last_stood()
    known = set(seen)
    for ref, commit in list_refs(repository, *KEPT).items():
        if ref not in known:
            seen[ref] = commit
    journal.store(seen, repository.id_length, stood=stood)
    return made


def remove(path: Path, home: Path) -> list[str]:
    """Take the hooks away and put back what was there before; returns the paths. Raises ``Refused`` J12, J13."""
    _, folder, made = _record(path, home)
    for name, place in made.scripts.items():
        target = Path(place)
        if target.exists() and sha256_hex(target.read_bytes()) != made.digests[name]:
            raise Refused(
                "J12",
                "conflict",
                got=f"{target}, which is not what was installed",
                expected="the hook as it was installed",
                todo="look at it, then remove it by hand, and run this again",
            )
    for place in made.scripts.values():
        target = Path(place)
        target.unlink(missing_ok=True)
        before = target.with_name(target.name + BEFORE)
        if before.exists():
            before.rename(target)
    (folder / "installed.json").unlink()
    (folder / "moves").unlink(missing_ok=True)
    return list(made.scripts.values())


def inspect(path: Path, home: Path) -> list[Finding]:
    """What is not as it should be, nothing where all is well; raises ``Refused`` A01, J13 where nothing is installed."""
    repository, folder, made = _record(path, home)
    findings = [*_of_hooks(repository, made), *_of_refs(repository, Journal(folder), made.trunk)]
    then = "nothing is observed" if made.observes else "everything is held"
    for what, place in (("interpreter", made.python), ("package", made.package)):
        if not Path(place).exists():
            findings.append(Finding(f"the {what} that the hook runs is gone, so {then}", place))
    if made.held_before:
        findings.append(Finding("the hook only observes now: it was installed to hold before", made.common_dir))
    return findings


def observes(path: Path, home: Path) -> bool:
    """Was the hook of the repository at ``path`` installed to observe, holding nothing? Raises as ``inspect``."""
    return _record(path, home)[2].observes


def inspect_all(home: Path) -> dict[str, list[Finding]]:
    """For each repository that this home has hooks in: what is not as it should be."""
    found: dict[str, list[Finding]] = {}
    for record in sorted((home / "git").glob("*/installed.json")):
        try:
            place = _read(record).common_dir
        except DetenteError as error:
            found[str(record)] = [Finding("the record does not read", str(error))]
            continue
        try:
            found[place] = inspect(Path(place), home)
        except (DetenteError, OSError) as error:
            found[place] = [Finding("the repository cannot be looked at", str(error))]
    return found


def _of_hooks(repository: Repository, made: Installed) -> Iterator[Finding]:
    for name, place in made.scripts.items():
        target, now = Path(place), find_hook(repository, name)
        if now.resolve() != target.resolve():
            yield Finding(f"git runs no longer the hook {name} that was installed (core.hooksPath)", str(now))
        if not target.is_file():
            yield Finding(f"the hook {name} was removed", place)
        elif sha256_hex(target.read_bytes()) != made.digests[name]:
            yield Finding(f"the hook {name} was changed", place)
        elif not os.access(target, os.X_OK):
            yield Finding(f"the hook {name} is not executable, so git does not run it", place)


def _of_refs(repository: Repository, journal: Journal, trunk: str) -> Iterator[Finding]:
    try:
        seen = journal.last_seen()
    except Refused as refused:
        yield Finding("the record of moves is gone", refused.got)
        return
    there = list_refs(repository, *KEPT)
    tags = list_refs(repository, "refs/tags/", peeled=False)  # Git tells a hook the tag's own id.
    policy = read_policy(repository, journal.last_stood().get(trunk, ""))
    for ref, commit in sorted(seen.items()):
        now = there.get(ref, "")
        if commit not in {now, tags.get(ref, now)} and _matters(ref, policy, trunk):
            yield Finding(f"{ref} went past the hook", f"seen at {commit or 'nothing'}, stands at {now or 'nothing'}")
    for ref, commit in sorted(there.items()):
        if ref not in seen and _matters(ref, policy, trunk):
            yield Finding(f"{ref} came past the hook", f"stands at {commit}")


def _matters(ref: str, policy: Policy, trunk: str) -> bool:
    return policy.holds_ref(ref) or ref == trunk or ref.startswith(REPLACED)


def _record(path: Path, home: Path) -> tuple[Repository, Path, Installed]:
    repository = open_repository(path)
    folder = repository_folder(home.resolve(), repository.common_dir)
    return repository, folder, _read(folder / "installed.json")


def _read(path: Path) -> Installed:
    try:
        value: Any = parse_json(path.read_bytes()[: RECORD_MAX + 1], limit=RECORD_MAX)
        scripts = {str(name): str(place) for name, place in value["scripts"].items()}
        digests = {name: str(value["digests"][name]) for name in scripts}
        place, trunk, python = (str(value[name]) for name in ("common_dir", "trunk", "python"))
        package = str(value.get("package", _PACKAGE))  # what was installed before asks its interpreter
        flags = [value.get(name, False) is True for name in ("observes", "held_before")]
        return Installed(place, trunk, scripts, digests, python, package, *flags)
    except FileNotFoundError:
        raise Refused(
            "J13",
            "inconsistent",
            got=f"no hook of this home in that repository: {path} is not there",
            expected="one that was installed",
            todo="`detente hook git install`",
        ) from None
    except (Refused, KeyError, TypeError, AttributeError, OSError) as error:
        raise Refused(
            "J13", "inconsistent", got=f"{path}, which does not read: {error}", expected="what installing wrote"
        ) from None


def _held_before(folder: Path) -> bool:
    """Did a hook of this home hold this repository's refs before? A record that does not read is taken for one that did."""
    if not (folder / "installed.json").exists():
        return False
    try:
        made = _read(folder / "installed.json")
    except Refused:
        return True
    return made.held_before or not made.observes


def _script(
    name: str, target: Path, common_dir: Path, *, home: Path, folder: Path, trunk: str, observe: bool, start: str
) -> bytes:  # fmt: skip
    limit = [_program("timeout"), "-k", "2", str(HARD_S)]
    command = [*limit, sys.executable, "-I", "-S", "-c", start, name, str(home), str(folder), trunk]
    command += [OBSERVE] if observe else []
    form = _OBSERVE if observe else _ASK
    if observe and name != HOOKS[0]:
        form = _ONLY_ONCE
    asked = f"PATH={shlex.quote(_search_path())} {shlex.join(command)}"
    ask = form.format(command=asked, let_through=LET_THROUGH)
    note = ""
    if name == HOOKS[0]:
        common = shlex.quote(str(common_dir.resolve()))
        git = shlex.quote(_program("git"))
        note = _NOTE.format(journal=shlex.quote(str(folder / "moves")), git=git, common=common)
    previous = shlex.quote(str(target.with_name(target.name + BEFORE)))
    cat, unread, then = shlex.quote(_program("cat")), *(_UNREAD_OBSERVED if observe else _UNREAD)
    text = _SCRIPT.format(mark=MARK, cat=cat, unread=unread, then=then, note=note, previous=previous, ask=ask)
    return text.encode("utf-8", "surrogateescape")


def _program(name: str) -> str:
    """Where a program lies now: the script names it so, and whoever sets PATH later does not speak for it."""
    found = shutil.which(name, path=_search_path())
    if found is None:
        raise Unavailable(
            f"{name} is not on PATH, and the hook's script needs it (git, and cat and timeout of coreutils)"
        )
    return found


def _search_path() -> str:
    """The PATH of installing, without what depends on where one stands."""
    return os.pathsep.join(each for each in os.get_exec_path() if Path(each).is_absolute())


def _trunk(repository: Repository, folder: Path) -> str:
    """The branch whose policy counts: that of the first installation, whatever is checked out when it is done again."""
    with contextlib.suppress(Refused):
        return _read(folder / "installed.json").trunk
    return head_branch(repository)


def _keep_previous(target: Path) -> None:
    """Whatever is there is run first from now on; ours is replaced."""
    if not (target.exists() or target.is_symlink()):
        return
    if target.is_file() and MARK.encode() in target.read_bytes():
        return
    before = target.with_name(target.name + BEFORE)
    if before.exists():
        raise Refused(
            "J12",
            "conflict",
            got=f"both {target} and {before}",
            expected="one hook that was there before",
            todo="put the two together, and leave one",
        )
    target.rename(before)
