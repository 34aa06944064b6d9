"""Read the history of a repository: commits with the lines that they added, newest first, as a stream.

Decides how git's answer is cut into commits and what happens where objects are absent or damaged. Leaves out how git is
started (``git_running``) and what a commit means (``measure``). Rules A02 and A03 of ``spec/measure-authorship.md``.

* A commit's header cannot break the framing: git puts NUL between records, no part of a record can hold one, and what is
  checked for being a new record is only what stands where a file's counts could stand.
* Where git gives up on a difference (a blob that a partial clone left out, a damaged tree), reading goes on with less: first
  which files changed, with counts wherever both blobs are there; then commits alone. What is missing is marked ``unread``.
* Memory is bounded: one commit at a time, of a message its two ends, of a commit at most ``FILES_MAX`` files.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

from detente.adapters.git_objects import find_absent
from detente.adapters.git_running import GitFailed, Repository, ask_refs, run_git, stream_git
from detente.base.errors import Refused, shown
from detente.measure.history import GITLINK_MODE, Change, Commit, Identity

TOKEN_MAX = 1 << 20
"""Bytes of one message that are kept: its two halves. The longest message of the Linux kernel has 46 KiB."""
FILES_MAX = 200_000
"""Files of one commit that are kept; the rest is counted. The first commit of the Linux kernel has 17,291."""
_BATCH: Final = 500
_FIELDS: Final = 14  # of _FORMAT
_PATHS_MAX: Final = 100_000  # bytes of paths on one command line; Linux allows 128 KiB for one argument, 2 MiB for all
_FORMAT = "%x01%H%n%P%n%at%n%ct%n%e%n%an%n%ae%n%aN%n%aE%n%cn%n%ce%n%cN%n%cE%n%B"
_LOG = (
    "log",
    "-z",
    "--no-color",
    "--no-notes",
    "--no-show-signature",
    "--encoding=none",
    f"--format=tformat:{_FORMAT}",
)
_DIFF = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-relative",
    "--no-diff-merges",
    "--diff-algorithm=myers",
    "--ignore-submodules=none",
    "--submodule=short",
    "-O/dev/null",
    "-l1000",
)
_COUNTS = (*_DIFF, "--numstat", "-M50%")
_FILES = (*_DIFF, "--raw", "--no-abbrev", "-M100%")
_BOTH = (*_DIFF, "--raw", "--no-abbrev", "--numstat", "-M50%")
_CODECS = frozenset(
    "iso8859-1 iso8859-2 iso8859-9 iso8859-15 cp1250 cp1251 cp1252 koi8-r koi8-u shift_jis cp932 euc_jp gbk gb18030 gb2312 "
    "big5 euc_kr".split()
)


def resolve_commit(repository: Repository, name: str = "HEAD") -> str:
    """The id of the commit that ``name`` stands for; refuses A02 where there is none."""
    try:
        answer = ask_refs(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except (GitFailed, ValueError) as error:  # ValueError: a NUL in the name
        raise Refused(
            "A02",
            "not-found",
            got=f"no commit named {shown(name)}",
            expected="a branch, tag or commit",
            todo="see `git branch -a`",
        ) from error
    return answer.decode("ascii").strip()


def head_branch(repository: Repository) -> str:
    """The full name of the branch that ``HEAD`` stands for; refuses A02 where it stands for none."""
    try:
        answer = ask_refs(repository, "symbolic-ref", "--quiet", "HEAD")
    except GitFailed as error:
        raise Refused(
            "A02",
            "not-found",
            got="a HEAD that stands for no branch",
            expected="a checked-out branch",
            todo="`git switch` to the branch that the others are judged by",
        ) from error
    return answer.decode("utf-8", "surrogateescape").strip()


def list_refs(repository: Repository, *prefixes: str, peeled: bool = True) -> dict[str, str]:
    """Full names of refs → ids of the commits (or other objects) that they and annotated tags point to.

    Not ``peeled``, an annotated tag is its own object.
    """
    form = "--format=%(objectname) %(*objectname) %(refname)"
    refs = {}
    for line in ask_refs(repository, "for-each-ref", form, *(prefixes or ("refs/",))).split(b"\n"):
        if line:
            own, beneath, name = line.split(b" ", 2)
            refs[name.decode("utf-8", "backslashreplace")] = ((peeled and beneath) or own).decode("ascii")
    return refs


def list_commits(repository: Repository, tips: Sequence[str], *, without: Sequence[str] = ()) -> list[str]:
    """Ids of the commits reachable from ``tips`` and from none of ``without``, newest first."""
    asked = "".join(f"{tip}\n" for tip in (*tips, *(f"^{tip}" for tip in without)))
    try:
        return run_git(repository, "rev-list", "--stdin", stdin=asked.encode()).decode("ascii").split()
    except GitFailed as error:
        raise _corrupt(error) from error


def read_history(
    repository: Repository,
    tips: Sequence[str],
    *,
    without: Sequence[str] = (),
    blobs: bool = False,
    counts: bool = True,
    skip: int = 0,
) -> Generator[Commit]:
    """The commits reachable from ``tips`` and from none of ``without``, newest first; merges too, without changes.

    ``blobs`` adds modes and blob ids, ``counts=False`` leaves all differences out; ``skip`` is how many commits an earlier
    reading had, since the order is always the same. Refuses A03 where history itself cannot be walked.
    """
    asked = "".join(f"{tip}\n" for tip in (*tips, *(f"^{tip}" for tip in without))).encode()
    log = ("-c", f"mailmap.blob={tips[0]}:.mailmap", *_LOG) if tips else _LOG
    done = skip
    if counts:
        try:
            for commit in _stream(
                repository, (*log, *(_BOTH if blobs else _COUNTS), f"--skip={skip}", "--stdin"), asked
            ):
                yield commit
                done += 1
            return
        except GitFailed:
            pass  # go on below, with less, at the commit that failed
    if counts:
        rest = (*log, *_FILES, f"--skip={done}", "--stdin")
        try:
            for batch in _batches(_stream(repository, rest, asked)):
                yield from _count_where_possible(repository, batch, log, blobs=blobs)
                done += len(batch)
            return
        except GitFailed:
            pass  # trees are absent too
    try:
        for commit in _stream(repository, (*log, "--no-patch", f"--skip={done}", "--stdin"), asked):
            yield commit._replace(unread=counts and not commit.is_merge)
    except GitFailed as error:
        raise _corrupt(error) from error


def read_commits(
    repository: Repository, ids: Iterable[str], *, mailmap_of: str = "", blobs: bool = False
) -> Generator[Commit]:
    """Exactly the commits ``ids``, in no promised order, with changes; what cannot be read is marked as in ``read_history``.

    ``mailmap_of`` is the commit whose ``.mailmap`` counts.
    """
    log = ("-c", f"mailmap.blob={mailmap_of}:.mailmap", *_LOG) if mailmap_of else _LOG
    waiting = iter(ids)
    while batch := list(islice(waiting, _BATCH)):
        yield from _read_batch(repository, batch, log, blobs=blobs)


def _read_batch(repository: Repository, ids: Sequence[str], log: Sequence[str], *, blobs: bool) -> list[Commit]:
    """All at once; if that fails, one by one, and a failing one with less."""
    asked = "".join(f"{one}\n" for one in ids).encode()
    walk = ("--no-walk=unsorted", "--stdin")
    try:
        return list(_stream(repository, (*log, *(_BOTH if blobs else _COUNTS), *walk), asked))
    except GitFailed as error:
        if len(ids) > 1:
            middle = len(ids) // 2
            return [
                *_read_batch(repository, ids[:middle], log, blobs=blobs),
                *_read_batch(repository, ids[middle:], log, blobs=blobs),
            ]
        try:
            files = list(_stream(repository, (*log, *_FILES, *walk), asked))
            return [commit._replace(changes=tuple(c._replace(unread=True) for c in commit.changes)) for commit in files]
        except GitFailed:
            try:
                return [
                    c._replace(unread=not c.is_merge) for c in _stream(repository, (*log, "--no-patch", *walk), asked)
                ]
            except GitFailed:
                raise _corrupt(error) from error


def _count_where_possible(
    repository: Repository, batch: Sequence[Commit], log: Sequence[str], *, blobs: bool
) -> Iterator[Commit]:
    """Commits that are known by their files: those whose blobs are all there are read again with counts."""
    ids = {blob for commit in batch for change in commit.changes for blob in _blobs(change)}
    absent = find_absent(repository, ids) if ids else frozenset()
    whole = [c.id for c in batch if c.changes and not any(b in absent for change in c.changes for b in _blobs(change))]
    counted = {commit.id: commit for commit in _read_batch(repository, whole, log, blobs=blobs)} if whole else {}
    for commit in batch:
        if commit.id in counted:
            yield counted[commit.id]
        else:
            yield _count_what_is_there(repository, commit, absent, log)


def _count_what_is_there(repository: Repository, commit: Commit, absent: frozenset[str], log: Sequence[str]) -> Commit:
    """A commit with absent blobs: counts for its other files, asked for by path; the rest is unread."""
    there = [change.path for change in commit.changes if not any(blob in absent for blob in _blobs(change))]
    counts: dict[str, Change] = {}
    if there and sum(map(len, there)) < _PATHS_MAX:
        one = (*log, *_DIFF, "--numstat", "--no-renames", "--no-walk", commit.id, "--", *there)
        try:
            counts = {change.path: change for again in _stream(repository, one, b"") for change in again.changes}
        except GitFailed:
            counts = {}
    changes = []
    for change in commit.changes:
        count = None if change.old_path else counts.get(change.path)
        if count is not None:
            changes.append(change._replace(added=count.added, deleted=count.deleted))
        else:
            changes.append(change._replace(unread=not _is_exact(change)))
    return commit._replace(changes=tuple(changes))


def _blobs(change: Change) -> tuple[str, ...]:
    sides = ((change.old_mode, change.old_blob), (change.new_mode, change.new_blob))
    return tuple(blob for mode, blob in sides if blob and mode != GITLINK_MODE)


def _is_exact(change: Change) -> bool:
    """A file that only moved, or changed its mode, added nothing, whatever it holds."""
    return change.old_blob == change.new_blob


def _batches(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    waiting = iter(commits)
    try:
        while batch := list(islice(waiting, _BATCH)):
            yield batch
    finally:
        if isinstance(waiting, Generator):
            waiting.close()


def _stream(repository: Repository, arguments: Sequence[str], asked: bytes) -> Generator[Commit]:
    """Commits out of one ``git log``. A token is what stands between two NULs."""
    tokens = _tokens(stream_git(repository, *arguments, stdin=asked))
    header: bytes | None = None
    changes: list[Change] = []
    dropped = 0
    shallow = repository.shallow
    try:
        for token in tokens:
            if token.startswith(b"\x01"):
                if header is not None:
                    yield _commit(header, changes, dropped, shallow)
                header, changes, dropped = token, [], 0
                continue
            token = token.removeprefix(b"\n")  # noqa: PLW2901  # git ends the header with it
            if not token:
                continue
            try:
                change = _raw(token, tokens) if token.startswith(b":") else _numstat(token, tokens)
            except ValueError as error:
                raise Refused("A03", "corrupt", got=shown(token), expected="git's counts of a file") from error
            if len(changes) < FILES_MAX:
                changes.append(change)
            else:
                dropped += 1
        if header is not None:
            yield _commit(header, changes, dropped, shallow)
    finally:
        tokens.close()


def _tokens(pieces: Generator[bytes]) -> Generator[bytes]:
    """What stands between NULs; of a token above ``TOKEN_MAX`` the two ends, so that a message keeps subject and trailers."""
    half = TOKEN_MAX // 2
    left = b""
    head = b""
    try:
        for piece in pieces:
            parts = (left + piece).split(b"\0")
            left = parts.pop()
            if head and parts:
                parts[0] = head + b"\n[...]\n" + parts[0][-half:]
                head = b""
            yield from parts
            if len(left) > TOKEN_MAX:
                head = head or left[:half]
                left = left[-half:]
    finally:
        pieces.close()


def _numstat(token: bytes, tokens: Iterator[bytes]) -> Change:
    added, deleted, path = token.split(b"\t", 2)
    if path and added != b"-":
        return Change(_text(path), int(added), int(deleted))
    old = None
    if not path:
        old, path = _text(next(tokens, b"")), next(tokens, b"")
    binary = added == b"-"
    return Change(_text(path), None if binary else int(added), None if binary else int(deleted), old)


def _raw(token: bytes, tokens: Iterator[bytes]) -> Change:
    old_mode, new_mode, old_blob, new_blob, status = token[1:].decode("ascii").split(" ")
    letter = status[:1]
    path = _text(next(tokens, b""))
    old = None
    if letter in {"R", "C"}:
        old, path = path, _text(next(tokens, b""))
    blobs = [blob if blob.strip("0") else "" for blob in (old_blob, new_blob)]
    same = blobs[0] == blobs[1]
    count = 0 if same else None
    return Change(path, count, count, old, False, letter, old_mode, new_mode, blobs[0], blobs[1])


def _commit(header: bytes, changes: list[Change], dropped: int, shallow: frozenset[str]) -> Commit:
    try:
        fields = header[1:].decode("utf-8").split("\n", _FIELDS - 1)  # nearly always: one decoding for all of them
    except UnicodeDecodeError:
        parts = header[1:].split(b"\n", _FIELDS - 1)
        encoding = parts[4].decode("ascii", "replace") if len(parts) > 4 else ""
        fields = [_text(part, encoding) for part in parts]
    fields += [""] * (_FIELDS - len(fields))
    name, parents, authored, committed, _, an, ae, aa, ab, cn, ce, ca, cb, message = fields
    return Commit(
        name,
        tuple(parents.split()),
        _identity(an, ae),
        _identity(cn, ce),
        _identity(aa, ab),
        _identity(ca, cb),
        _seconds(authored),
        _seconds(committed),
        message,
        _merged(changes),
        name in shallow,
        False,
        dropped,
    )


@lru_cache(maxsize=1 << 14)
def _identity(name: str, email: str) -> Identity:
    """One object for all commits of a person."""
    return Identity(name, email)


def _merged(changes: list[Change]) -> tuple[Change, ...]:
    """Raw entries come first, then counts for the same files in the same order: one change each."""
    if not changes or not changes[0].status:
        return tuple(changes)
    raw = [change for change in changes if change.status]
    counted = {(change.path, change.old_path): change for change in changes if not change.status}
    if not counted:
        return tuple(raw)
    both = []
    for change in raw:
        count = counted.get((change.path, change.old_path))
        both.append(change if count is None else change._replace(added=count.added, deleted=count.deleted))
    return tuple(both)


def _text(raw: bytes, encoding: str = "") -> str:
    """UTF-8, else what the commit declares if that is a plain table of characters, else UTF-8 with the odd bytes escaped."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if encoding:
            try:
                known = codecs.lookup(encoding).name
                if known in _CODECS:
                    return raw.decode(known)
            except (LookupError, UnicodeDecodeError, ValueError):
                pass
        return raw.decode("utf-8", "backslashreplace")


def _seconds(field: str) -> int | None:
    """Seconds since 1970; ``None`` of what is no date of this era (before 1970 or after the year 9999)."""
    try:
        value = int(field)
    except ValueError:
        return None
    return value if 0 < value < 253_402_300_800 else None


def _corrupt(error: GitFailed) -> Refused:
    return Refused(
        "A03",
        "corrupt",
        got=f"a history that cannot be walked: {shown(error.said, 200)}",
        expected="every commit between the tips and the roots",
        todo="see `git fsck`",
    )
