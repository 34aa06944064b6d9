"""What one commit contributes to the measure: its marks, its lines by area, and what a ledger attests of them.

Decides which lines count and whose they are known to be; leaves summing up to ``shares``. A ``Facts`` is small and made of plain
values, so that a scan can be kept and only new commits be read. ``spec/measure-authorship.md`` §4 and §5.

1. A file that ``left_out_paths`` names, that git counts no lines for, or that could not be read is left out, with its reason.
2. A ledger attests at most the lines that the commit added to a file. A line that it ascribes to both an agent and a human is
   nobody's. What tools for trying out ledgers claim is noise.
3. Whether a commit is AI-marked follows from its marks alone, whether a ledger names AI in it from the ledger alone.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from detente.measure.authorship.git_ai_note import Attested
from detente.measure.authorship.left_out_paths import area_of, left_out
from detente.measure.authorship.line_sets import Lines, count, intersection, subtract, union
from detente.measure.authorship.marks import AUTHORSHIP, INVOLVEMENT
from detente.measure.authorship.matching import match_marks
from detente.measure.history import Change, Commit

LedgerSays = Literal["", "empty", "unresolved", "test", "human", "ai", "unreadable"]
"""What a ledger says of the commit as a whole: the first of ai, human, unresolved, test that it attests any line for."""

AREAS_MAX: Final = 400
"""Areas of one commit that are told apart; further ones are one area ``…``."""
_SHORTEST: Final = 3


class Facts(NamedTuple):
    """One commit. ``areas`` holds (area, added lines, attested AI, attested human); ``out`` holds (reason, files, lines).

    ``claims`` and ``agents`` belong to ``marks`` by position. ``evidence`` names the ledger entries that were used, so that a scan
    knows when they have changed.
    """

    id: str
    at_s: int | None
    merge: bool
    author: str = ""
    marks: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    ledger: LedgerSays = ""
    ledger_agents: tuple[tuple[str, int], ...] = ()
    areas: tuple[tuple[str, int, int, int], ...] = ()
    out: tuple[tuple[str, int, int], ...] = ()
    stray_lines: int = 0
    evidence: str = ""

    @property
    def lines(self) -> int:
        """Added lines that count."""
        return sum(area[1] for area in self.areas)

    @property
    def is_marked(self) -> bool:
        """AI-marked: at least one mark claims authorship, a session, oversight, a suggestion or help."""
        return any(claim in INVOLVEMENT for claim in self.claims)

    @property
    def is_credited(self) -> bool:
        """A mark credits the commit's lines to an agent."""
        return any(claim in AUTHORSHIP for claim in self.claims)


def facts_of(commit: Commit, attested: Sequence[Attested] = (), *, says: LedgerSays = "", evidence: str = "") -> Facts:
    """The facts of a commit; ``attested`` is all that ledgers ascribe in it, ``says`` the word for a ledger that could not be used."""
    if commit.is_merge:
        return Facts(commit.id, commit.committed_s, merge=True)
    matches = match_marks(commit)
    areas, out, agents, stray = _lines(commit, attested)
    return Facts(
        id=commit.id,
        at_s=commit.committed_s,
        merge=False,
        author=pseudonym(commit.author_known_as.email),
        marks=tuple(match.mark.id for match in matches),
        claims=tuple(match.claims for match in matches),
        agents=tuple(match.agent for match in matches),
        ledger=_says(attested) or says,
        ledger_agents=tuple(sorted(agents.items())),
        areas=tuple((area, added, ai, human) for area, (added, ai, human) in areas.items()),
        out=tuple((reason, files, lines) for reason, (files, lines) in sorted(out.items())),
        stray_lines=stray,
        evidence=evidence,
    )


@lru_cache(maxsize=1 << 14)
def pseudonym(email: str) -> str:
    """Twelve hexadecimal digits that stand for an address: the same for the same one, and no address in any output.

    Whoever knows an address can compute it: it keeps people out of ledgers, it is no secret.
    """
    return hashlib.sha256(b"detente authorship\0" + email.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:12]


def as_row(facts: Facts) -> list[Any]:
    """The facts as a JSON array; ``from_row`` reads it back. Empty ends are cut off."""
    row = list(facts)
    while len(row) > _SHORTEST and not row[-1]:
        row.pop()
    return row


def from_row(row: Sequence[Any]) -> Facts:
    """The facts out of an array that ``as_row`` made. Nested arrays stay lists: they are only read."""
    return Facts(*row)


def _lines(
    commit: Commit, attested: Iterable[Attested]
) -> tuple[dict[str, list[int]], dict[str, list[int]], dict[str, int], int]:
    ascribed: dict[str, list[Attested]] = defaultdict(list)
    for one in attested:
        ascribed[one.path].append(one)
    areas: dict[str, list[int]] = {}
    out: dict[str, list[int]] = {}
    agents: dict[str, int] = defaultdict(int)
    for change in commit.changes:
        added = change.added or 0
        ledger = ascribed.pop(change.path, ()) if ascribed else ()
        reason = _reason(change, cut=commit.cut)
        if reason is not None:
            numbers = out.setdefault(reason, [0, 0])
            numbers[0] += 1
            numbers[1] += added
            continue
        area = area_of(change.path)
        if area not in areas and len(areas) >= AREAS_MAX:
            area = "…"
        totals = areas.setdefault(area, [0, 0, 0])
        totals[0] += added
        if ledger:
            ai, human = _attested_lines(ledger, added, agents)
            totals[1] += ai
            totals[2] += human
    if commit.unread or commit.files_dropped:
        out["unread" if commit.unread else "dropped"] = [commit.files_dropped, 0]
    stray = sum(count(one.lines) for several in ascribed.values() for one in several if one.kind != "unresolved")
    return areas, out, agents, stray


def _reason(change: Change, *, cut: bool) -> str | None:
    if cut:
        return "cut"
    if change.unread:
        return "unread"
    if change.added is None:
        return "binary"
    return left_out(change.path)


def _attested_lines(ledger: Iterable[Attested], added: int, agents: dict[str, int]) -> tuple[int, int]:
    """AI and human lines of one file, within what the commit added; ``agents`` gets each agent's own."""
    by_agent: dict[str, Lines] = {}
    human: Lines = ()
    for one in ledger:
        if one.kind == "human":
            human = union((*human, *one.lines))
        elif one.kind == "ai" and not one.is_test:
            by_agent[one.agent] = union((*by_agent.get(one.agent, ()), *one.lines))
    everyone = union(part for lines in by_agent.values() for part in lines)
    contested = intersection(everyone, human)
    ai = min(count(subtract(everyone, contested)), added)
    for agent, lines in by_agent.items():
        agents[agent] += min(count(subtract(lines, contested)), added)
    return ai, min(count(subtract(human, contested)), added - ai)


def _says(attested: Iterable[Attested]) -> LedgerSays:
    kinds = {"test" if one.kind == "ai" and one.is_test else one.kind for one in attested if one.lines}
    order: tuple[LedgerSays, ...] = ("ai", "human", "unresolved", "test")
    return next((kind for kind in order if kind in kinds), "")
