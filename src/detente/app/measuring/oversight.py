"""Measure oversight: read a history and an export of pull requests, judge, add up.

``gather_review`` is what ``app.measuring.changes`` shares: for each commit whether it is marked, by which pull request it came in, and
what that one got. Leaves out every judgement (``measure.oversight``) and all reading of formats (``adapters``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from detente.adapters.forge_export import ReadExport, read_export
from detente.adapters.git_history import read_history, resolve_commit
from detente.adapters.git_objects import read_blobs
from detente.adapters.git_running import Repository, open_repository
from detente.app.measuring.ledgers import read_ledgers
from detente.base.errors import Refused, shown
from detente.base.instant import Instant
from detente.measure.authorship.git_ai_note import Attested as AttestedLines
from detente.measure.authorship.git_ai_note import parse_note
from detente.measure.history import Commit
from detente.measure.indicator import LISTED, Exclusion, Result
from detente.measure.oversight.judging import Answer, judge_pull
from detente.measure.oversight.linking import Trail, link_pulls
from detente.measure.oversight.marking import Attested, Marked, is_machine, mark_of, mark_of_pull
from detente.measure.oversight.people import address_of, find_people, tied_accounts
from detente.measure.oversight.pulls import Export, Pull
from detente.measure.oversight.review_trailers import read_said
from detente.measure.oversight.tally import JudgedPull, LooseCommit, answer_of_loose, tally_oversight

Progress = Callable[[int], None]
"""Called now and then with how many commits have been read."""
NOTE_BYTES_MAX = 4 << 20
"""One note of a line ledger; the largest of the 10,685 in the reference has a few hundred kilobytes."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which commits count: those committed from ``since_s`` on and before ``until_s``."""

    since_s: Instant | None = None
    until_s: Instant | None = None

    def holds(self, at_s: int | None) -> bool:
        """A time that nobody knows lies in every window: to leave it out would be to drop it silently."""
        if at_s is None:
            return True
        return (self.since_s is None or at_s >= self.since_s) and (self.until_s is None or at_s < self.until_s)


@dataclass(slots=True)
class Ledgered:
    """What a repository's own line ledgers say, by commit, and what of them could not be read."""

    attested: dict[str, Attested] = field(default_factory=dict)
    unread: int = 0
    exclusions: tuple[Exclusion, ...] = ()

    def put(self, commit: str, lines: Iterable[AttestedLines], operators: frozenset[str]) -> None:
        """Take in what one ledger ascribes in a commit; what tools for trying out ledgers claim is noise."""
        agents = {one.agent for one in lines if one.kind == "ai" and one.lines and not one.is_test}
        if agents:
            old = self.attested.get(commit, Attested(()))
            self.attested[commit] = Attested(tuple(sorted({*old.agents, *agents})), old.operators | operators)

    def excluded(self) -> list[Exclusion]:
        found = list(self.exclusions)
        if self.unread:
            found.append(Exclusion("notes of the line ledger", "not a note, absent, or too large", self.unread))
        return found


@dataclass(slots=True)
class Review:
    """What is known of review before a history is walked for its content."""

    export: ReadExport | None
    pull_of: Mapping[str, Pull]
    judged: Mapping[int, JudgedPull]
    ledger: Ledgered
    numbers: frozenset[int] = frozenset()

    @property
    def complete(self) -> bool:
        return self.export is not None and self.export.export.complete

    def of(self, commit: Commit) -> tuple[Pull | None, Answer, str]:
        """By which pull request the commit came in, whether that was approved, and why that is the answer."""
        pull = self.pull_of.get(commit.id)
        if pull is not None:
            judgement = self.judged[pull.number].judgement
            return pull, judgement.approved, " ".join(judgement.why)
        if not self.complete:
            return None, "unknown", "not-in-export"
        return None, *answer_of_loose(self.loose(commit, Marked("none", ())), complete=True)

    def loose(self, commit: Commit, marked: Marked) -> LooseCommit:
        said = read_said(commit, is_machine)
        return LooseCommit(commit.id, commit.committed_s, marked, said, said.pull in self.numbers)


def measure_oversight(
    path: Path,
    *,
    ref: str = "HEAD",
    forge: Path | None = None,
    forge_complete: bool = False,
    since: Instant | None = None,
    until: Instant | None = None,
    progress: Progress | None = None,
) -> Result:
    """What human review AI-made changes on ``ref`` got. ``forge`` is an export; without one, review is unknown.

    Refusals: A01 to A04 of the repository, O01 to O09 and B10 to B14 of the export.
    """
    repository = open_repository(path)
    tip = resolve_commit(repository, ref)
    window = Window(since, until)
    review = gather_review(repository, tip, forge=forge, forge_complete=forge_complete)
    loose: list[LooseCommit] = []
    seen_pulls: set[int] = set()
    changes_seen = outside = unmarked = 0
    for number, commit in enumerate(_commits(repository, tip), 1):
        if progress is not None and number % 500 == 0:
            progress(number)
        pull = review.pull_of.get(commit.id)
        if not window.holds(commit.committed_s if pull is None else pull.merged_s):
            outside += not commit.is_merge
        elif pull is not None:
            changes_seen += pull.number not in seen_pulls
            seen_pulls.add(pull.number)
        elif not commit.is_merge:
            changes_seen += 1
            marked = mark_of(commit, review.ledger.attested.get(commit.id))
            if marked is not None:
                loose.append(review.loose(commit, marked))
            else:
                unmarked += 1
    exported = review.export is not None
    pulls = [judged for number, judged in sorted(review.judged.items()) if number in seen_pulls]
    found = tally_oversight(pulls, loose, exported=exported, complete=review.complete, changes_seen=changes_seen)
    return Result(
        "oversight",
        subject=shown_path(path),
        indicators=found.indicators,
        remarks=found.remarks,
        exclusions=(*found.exclusions, *_excluded(review, seen_pulls, outside, unmarked)),
        ledgers=found.ledgers,
        series=found.series,
        inputs=inputs(ref, tip, review),
        parameters=parameters(window, review),
    )


def gather_review(
    repository: Repository, tip: str, *, forge: Path | None = None, forge_complete: bool = False
) -> Review:
    """Read the export and the ledger, and judge every merged pull request that is part of the history of ``tip``."""
    ledger = read_ledger(repository, tip)
    if forge is None:
        return Review(None, {}, {}, ledger)
    read = read_export(forge, complete=forge_complete)
    trail = Trail()
    marks: dict[str, Marked] = {}
    for commit in _commits(repository, tip):
        trail.add(commit)
        if marked := mark_of(commit, ledger.attested.get(commit.id)):
            marks[commit.id] = marked
    linked = link_pulls(read.export, trail)
    if not linked:
        raise Refused(
            "O07",
            "out-of-scope",
            got=f"an export of {shown(read.export.repository or 'an unnamed repository')} with no pull request that was merged here",
            expected="pull requests whose merge commits or commits are part of the measured history",
            todo="compare the export's repository and the branch given with --ref",
        )
    numbers = frozenset(pull.number for pull in read.export.pulls)
    return Review(read, linked, _judge_all(read.export, linked, marks, ledger), ledger, numbers)


def read_ledger(repository: Repository, tip: str) -> Ledgered:
    """Which commits have lines that a ledger ascribes to an agent, and who ran it: Git AI notes and Agent Trace records.

    A note that is none is counted.
    """
    known = read_ledgers(repository, tip)
    ledger = Ledgered(exclusions=known.exclusions)
    for commit, attested in known.traced.items():
        ledger.put(commit, attested, frozenset())
    commits_of: dict[str, list[str]] = defaultdict(list)
    for commit, note_blob in known.notes.items():
        commits_of[note_blob].append(commit)
    if not commits_of:
        return ledger
    with closing(read_blobs(repository, commits_of, size_max=NOTE_BYTES_MAX)) as blobs:
        for blob in blobs:
            try:
                note = parse_note("" if blob.data is None else blob.data.decode("utf-8"))
            except (Refused, ValueError):
                ledger.unread += len(commits_of[blob.id])
                continue
            for commit in commits_of[blob.id]:
                ledger.put(commit, note.attested, frozenset(map(address_of, note.operators)))
    return ledger


def inputs(ref: str, tip: str, review: Review) -> dict[str, str]:
    """What was read, for a result."""
    found = {ref: tip}
    if review.export is not None:
        found["export"] = review.export.digest
    if review.ledger.attested:
        found["line ledgers"] = f"{len(review.ledger.attested)} commits with AI lines"
    return found


def parameters(window: Window, review: Review) -> dict[str, str]:
    """Every choice that changes a number, for a result."""
    found = {
        "since": "" if window.since_s is None else str(window.since_s),
        "until": "" if window.until_s is None else str(window.until_s),
        "forge": "none" if review.export is None else review.export.export.form,
        "forge_complete": str(review.complete).lower(),
    }
    return {name: value for name, value in found.items() if value}


def shown_path(path: Path) -> str:
    """The last part of the path, for a result that leaves this machine."""
    return path.resolve().name or "/"


def _commits(repository: Repository, tip: str) -> Iterator[Commit]:
    """The history without its differences."""
    with closing(read_history(repository, (tip,), counts=False)) as history:
        yield from history


def _judge_all(
    export: Export, linked: Mapping[str, Pull], marks: Mapping[str, Marked], ledger: Ledgered
) -> dict[int, JudgedPull]:
    tied = tied_accounts(export)
    commits_of: dict[int, list[str]] = defaultdict(list)
    for commit, pull in linked.items():
        commits_of[pull.number].append(commit)
    judged = {}
    for number, commits in commits_of.items():
        pull = linked[commits[0]]
        attested = (ledger.attested[commit] for commit in commits if commit in ledger.attested)
        people = find_people(pull, tied, frozenset(address for one in attested for address in one.operators))
        judged[number] = JudgedPull(
            judge_pull(pull, people), pull.merged_s, mark_of_pull(pull, (marks.get(commit) for commit in commits))
        )
    return judged


def _excluded(review: Review, seen: set[int], outside: int, unmarked: int) -> list[Exclusion]:
    found = []
    if unmarked:
        found.append(Exclusion("commits", "nothing marks them as AI-made, which does not make them human", unmarked))
    if outside:
        found.append(Exclusion("commits", "outside the dates asked for", outside))
    found += review.ledger.excluded()
    if review.export is not None:
        pulls = review.export.export.pulls
        unmerged = [f"#{pull.number}" for pull in pulls if pull.merged_s is None]
        elsewhere = [f"#{pull.number}" for pull in pulls if pull.merged_s is not None and pull.number not in seen]
        for what, why, count, examples in (
            ("pull requests", "not merged", len(unmerged), tuple(unmerged[:LISTED])),
            (
                "merged pull requests",
                "not part of the measured history or outside the dates",
                len(elsewhere),
                tuple(elsewhere[:LISTED]),
            ),
            (
                "files of the export",
                "no part of a pull request by their name",
                review.export.unread,
                review.export.unread_examples,
            ),
        ):
            if count:
                found.append(Exclusion(what, why, count, examples))
    return found
