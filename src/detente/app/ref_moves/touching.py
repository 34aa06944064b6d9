"""What a move of a ref touches: the files that differ between two trees, and which of them are held.

Leaves out the words of a proposal (``proposing``) and git's own process (``adapters.git_running``: nothing that the repository names is
run). Imported for each move, so that it imports little. ``spec/asking.md`` §4.

- A path in a known place is held by its place, whatever the change in it: a comment too.
- One in no known place is judged by its contents; what cannot be read, and links and submodules, are held.
- Where part of the change is undetermined, no area is declared: unknown holds, and a short list would hold less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from detente.adapters.git_objects import read_blobs
from detente.adapters.git_running import GitFailed, Repository, run_git
from detente.app.ref_moves.policy import POLICY_FILE, POLICY_MAX, Policy, parse_policy, policy_of
from detente.base.visible import visible
from detente.measure.changes.paths import path_verdict
from detente.measure.changes.rules import SETTINGS

TEXTS_MAX: Final = 2_000
TEXT_BYTES_MAX: Final = 1 << 20
SHOWN: Final = 8
EMPTY_TREES: Final = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""Git knows the tree of nothing without having it."""
UNDETERMINED: Final = "undetermined"
NAMED: Final = "named by the policy"
_LINKS: Final = frozenset({"120000", "160000"})
DIFF: Final = ("diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "-O/dev/null")


class Entry(NamedTuple):
    """One path that differs between two trees."""

    path: str
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str


class Touched:
    """Paths by area. ``held`` says whether any of them is held under the policy; ``undetermined`` that something could not be told."""

    __slots__ = ("areas", "held", "undetermined")

    def __init__(self) -> None:
        self.areas: dict[str, list[str]] = defaultdict(list)
        self.held = False
        self.undetermined = False

    def add(self, area: str, path: str, *, held: bool) -> None:
        """One path of an area."""
        self.areas[area].append(path)
        self.held = self.held or held
        self.undetermined = self.undetermined or area in {UNDETERMINED, NAMED}

    @property
    def declared(self) -> frozenset[str]:
        """The areas in the words of a proposal; none where part of it is undetermined."""
        if self.undetermined:
            return frozenset()
        return frozenset("training" if area == "optimisation" else area for area in self.areas)

    def spelled(self) -> str:
        """For people: each area with some of its paths."""
        parts = []
        for area, paths in self.areas.items():
            more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
            parts.append(f"{area} ({', '.join(visible(path[:120]) for path in paths[:SHOWN])}{more})")
        return "; ".join(parts)


def read_policy(repository: Repository, commit: str) -> Policy:
    """The policy in the tree of a commit; empty for nothing. Absent, the defaults; unreadable, everything is held.

    A commit that is not there has no policy that is absent: it does not read.
    """
    if not commit:
        return Policy()
    return policy_of(_policy_bytes(repository, commit))


def check_new_policy(repository: Repository, commit: str) -> None:
    """Refuse (J11) a commit whose policy does not read: after it everything would be held."""
    data = _policy_bytes(repository, commit)
    if data is not None:
        parse_policy(data)


def _policy_bytes(repository: Repository, commit: str) -> bytes | None:
    tree, blob = read_blobs(repository, [f"{commit}^{{tree}}", f"{commit}:{POLICY_FILE}"], size_max=POLICY_MAX)
    if blob.size is None:
        return b"\0" if tree.size is None else None
    return blob.data or b"\0"


def changed_entries(repository: Repository, base: str, new: str) -> list[Entry]:
    """Every path that differs between two trees; raises ``GitFailed`` where one cannot be read."""
    answer = run_git(repository, *DIFF, "-z", "--raw", "--no-abbrev", "--end-of-options", base, new)
    fields = answer.decode("utf-8", "backslashreplace").split("\0")
    entries = []
    for facts, path in zip(islice(fields, 0, None, 2), islice(fields, 1, None, 2), strict=False):
        old_mode, new_mode, old_blob, new_blob, _ = facts.lstrip(":").split(" ")
        entries.append(Entry(path, old_mode, new_mode, _side(old_blob), _side(new_blob)))
    return entries


def touched_by(repository: Repository, entries: Iterable[Entry], policy: Policy) -> Touched:
    """What the differing paths are for, and whether one of them is held."""
    touched = Touched()
    by_contents: list[Entry] = []
    for entry in entries:
        if entry.path == POLICY_FILE:
            touched.add("evaluation", entry.path, held=True)
        elif policy.names(entry.path):
            touched.add(NAMED, entry.path, held=True)
        elif {entry.old_mode, entry.new_mode} & _LINKS:
            touched.add(UNDETERMINED, entry.path, held=True)
        else:
            place = path_verdict(entry.path, policy.evaluators)
            if place.area is not None:
                touched.add(place.area, entry.path, held=policy.holds_area(place.area))
            elif not place.left_out and _can_be_read(entry.path):
                by_contents.append(entry)
    for entry in by_contents[TEXTS_MAX:]:
        touched.add(UNDETERMINED, entry.path, held=True)
    _judge_contents(repository, by_contents[:TEXTS_MAX], policy, touched)
    return touched


def _judge_contents(repository: Repository, entries: Sequence[Entry], policy: Policy, touched: Touched) -> None:
    if not entries:
        return
    from detente.measure.changes.filing import FileChange, judge_file  # heavy, and seldom needed

    wanted = [blob for entry in entries for blob in (entry.old_blob, entry.new_blob) if blob]
    texts = {blob.id: blob for blob in read_blobs(repository, wanted, size_max=TEXT_BYTES_MAX)}
    for entry in entries:
        sides = [None if not blob else texts[blob].data for blob in (entry.old_blob, entry.new_blob)]
        absent = any(blob and texts[blob].data is None for blob in (entry.old_blob, entry.new_blob))
        if absent:
            touched.add(UNDETERMINED, entry.path, held=True)
            continue
        verdict = judge_file(FileChange(entry.path, sides[0], sides[1]), evaluators=policy.evaluators)
        for area in verdict.areas:
            touched.add(area, entry.path, held=policy.holds_area(area))
        if verdict.undetermined:
            touched.add(UNDETERMINED, entry.path, held=True)


def is_within(repository: Repository, commit: str, tips: Sequence[str]) -> bool:
    """Is the commit, with all that it stands on, in the history of these already?"""
    if not tips:
        return False
    answer = run_git(repository, "rev-list", "--max-count=1", "--stdin", stdin=_asked([commit], tips))
    return not answer.strip()


def nearest(repository: Repository, commit: str, tips: Sequence[str]) -> str:
    """The commit of these tips' histories that the given one stands on; empty where there is none."""
    if not tips:
        return ""
    try:
        answer = run_git(repository, "merge-base", "--end-of-options", commit, *tips)
    except GitFailed:
        return ""
    return answer.decode("ascii").strip()


def _asked(tips: Iterable[str], without: Iterable[str]) -> bytes:
    return "".join([*(f"{tip}\n" for tip in tips), *(f"^{tip}\n" for tip in without)]).encode()


def _can_be_read(path: str) -> bool:
    """Can such a file be taken apart? Others say nothing by their contents."""
    suffix = path.rpartition(".")[2].lower()
    return suffix in {"py", "pyi"} or suffix in SETTINGS


def _side(blob: str) -> str:
    return "" if not blob.strip("0") else blob
