"""Measure the lineage of one or more runs: read their records, make one graph, compute depths and rates.

Decides what a path is (a repository with a branch, a folder, a file, a database) and joins readers and importers. Leaves
out what records mean (``measure.loops``) and how results are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from detente.adapters.loop_database import database_digest, is_database, open_database
from detente.adapters.loop_files import FolderFiles, Progress
from detente.adapters.loop_history import checked_out, is_repository, loop_branches, read_history
from detente.app.measuring.loop_statements import is_log, read_envelopes, read_logs
from detente.base.digest import sha256_hex
from detente.base.errors import Misuse, Unavailable
from detente.measure.indicator import Exclusion, Result
from detente.measure.loops import statements
from detente.measure.loops.approvals import NOBODY, parse_approvals
from detente.measure.loops.kinds import KINDS, Kind, kind_named, kind_of
from detente.measure.loops.measuring import Judged, judge, measure_loops
from detente.measure.loops.record import Loop
from detente.measure.loops.source import Files, HeldFiles, Source, Tables
from detente.measure.loops.weaving import Woven, weave
from detente.statement.change import Touch

ENVELOPES_MAX = 20_000
"""Files of a folder that are looked at for statements: a log's own files hold more in one."""
_DATABASES = (".sqlite", ".sqlite3", ".db")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What was found: the result, and what it rests on, for pictures and exports."""

    result: Result
    judged: Judged

    @property
    def woven(self) -> Woven:
        """The graph with the records behind it."""
        return self.judged.woven


def measure_lineage(
    paths: Sequence[str],
    *,
    kind: str | None = None,
    branch: str | None = None,
    approvals: str | None = None,
    touches: Sequence[Touch] = (),
) -> Result:
    """The result of ``detente measure lineage``; see ``read_lineage``."""
    return read_lineage(paths, kind=kind, branch=branch, approvals=approvals, touches=touches).result


def read_lineage(
    paths: Sequence[str],
    *,
    kind: str | None = None,
    branch: str | None = None,
    approvals: str | None = None,
    touches: Sequence[Touch] = (),
    progress: Progress | None = None,
) -> Lineage:
    """Read every run and measure all together. ``approvals`` is a table, or ``none``: nobody approved anything.

    ``touches`` states what changes of a loop touch that does not say so itself. Raises ``Refused`` I01 to I07, ``Misuse``,
    ``Unavailable``; then nothing of any run is used.
    """
    if not paths:
        raise Misuse("name at least one run")
    wanted = None if kind is None else kind_named(kind)
    loops: list[Loop] = []
    for path in paths:
        with ExitStack() as stack:
            for source in _sources(Path(path), branch, stack, progress):
                source = _with_statements(source, wanted)  # noqa: PLW2901  # the same run, looked at again
                loop = (wanted or kind_of(source)).import_loop(source)
                loops.append(_with_reading(_stated(loop, frozenset(touches)), source))
    if progress is not None:
        progress(1, 1)
    said, words = _approvals(approvals)
    judged = judge(weave(loops), said)
    subject = ", ".join(loop.name for loop in loops)
    return Lineage(measure_loops(judged, subject=subject, approvals=words), judged)


def _approvals(named: str | None) -> tuple[Mapping[str, bool | None], str]:
    if named is None:
        return {}, "what the records say, which is mostly nothing"
    if named == "none":
        return NOBODY, "stated by the caller: none"
    path = Path(named)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    return parse_approvals(data, path.name), f"stated in {path.name}, sha256 {sha256_hex(data)}"


def _stated(loop: Loop, touches: frozenset[Touch]) -> Loop:
    """What the caller states about versions that do not say what they touch; the first of a record changes nothing."""
    if not touches:
        return loop
    versions = tuple(
        replace(version, touches=touches) if not version.touches and (version.parents or version.perhaps) else version
        for version in loop.versions
    )
    return replace(
        loop, versions=versions, rules=(*loop.rules, f"stated by the caller: touches {', '.join(sorted(touches))}")
    )


def _with_reading(loop: Loop, source: Source) -> Loop:
    """What was read, by digest, and what was passed over."""
    if source.unread:
        unread = Exclusion("entries", "no statements of this version's form", source.unread)
        loop = replace(loop, exclusions=(*loop.exclusions, unread))
    if not isinstance(source.files, FolderFiles):
        return loop
    if source.files.read_digests:
        loop = replace(loop, inputs={**loop.inputs, source.name: source.files.digest()})
    skipped = source.files.skipped
    if not skipped:
        return loop
    left = Exclusion(
        "files",
        "links out of the run, links to folders, special files, folders too deep: not followed",
        len(skipped),
        tuple(skipped[:3]),
    )
    return replace(loop, exclusions=(*loop.exclusions, left))


def _with_statements(source: Source, wanted: Kind | None) -> Source:
    """Look for envelopes in the files of a run that is nothing else, or said to be statements."""
    files = source.files
    if source.statements or not isinstance(files, FolderFiles) or len(files.names) > ENVELOPES_MAX:
        return source
    if wanted is None and any(kind.recognise(source) for kind in KINDS):
        return source
    if wanted is not None and wanted.name != statements.KIND:
        return source
    claims, unread = read_envelopes(files)
    return replace(source, statements=claims, unread=unread if claims else 0)


def _sources(path: Path, branch: str | None, stack: ExitStack, progress: Progress | None) -> Iterator[Source]:
    """The runs that a path names: one for each loop branch of a repository, else one."""
    if not path.exists():
        raise Unavailable(f"{path} is not there")
    name = path.resolve().name
    if path.is_dir() and is_repository(path):
        branches = [branch] if branch is not None else loop_branches(path)
        for each in branches:
            yield _of_branch(path, name, each)
        if branches:
            return
    if branch is not None:
        raise Misuse(f"{path} is no git repository: --branch has no meaning for it")
    if path.is_dir() and is_log(path):
        claims, unread = read_logs(path)
        yield Source(name, HeldFiles({}), statements=claims, unread=unread)
        return
    files: Files = FolderFiles(path, progress=progress)
    names = [each for each in files.names if each.lower().endswith(_DATABASES)]
    if path.is_file() and is_database(path):
        names = [path.name]
    folder = path if path.is_dir() else path.parent
    databases: dict[str, Tables] = {
        each: stack.enter_context(open_database(folder / each)) for each in names if is_database(folder / each)
    }
    if path.is_file() and databases:
        files = HeldFiles({})
    inputs = {each: f"sha256 {database_digest(folder / each)}" for each in databases}
    yield Source(name, files, databases, inputs=inputs)


def _of_branch(path: Path, name: str, branch: str) -> Source:
    history = read_history(path, branch)
    files: Files = HeldFiles({})
    if checked_out(path) == branch:
        folder = FolderFiles(path)  # results.tsv is not committed while the loop runs
        files = HeldFiles(
            {each: folder.read(each) for each in folder.names if each.endswith(".tsv") and "/" not in each}
        )
    head = history.commits[-1].id if history.commits else "no commit of its own"
    return Source(f"{name}@{branch}", files, history=history, inputs={f"{name}@{branch}": head})


def write_text(path: str, text: str) -> None:
    """Write a picture or an export; raises ``Unavailable`` where that cannot be."""
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
