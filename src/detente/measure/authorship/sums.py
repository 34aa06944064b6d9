"""Sum the facts of commits: over all, by half-year, by agent, by area, by author; one pass, memory by distinct keys.

Decides what of a commit counts as AI, as human, as unknown. Leaves to ``shares`` what is reported.

1. A mark that claims authorship credits all counted lines of the commit to AI, but for those that a ledger attests to a human.
   (Marks speak of commits. Where lines are attested too, the union counts: neither is the whole truth.)
2. Without such a mark, the lines that a ledger attests to AI are AI, those that it attests to a human are human.
3. All other lines are unknown. Suggestions and declared help leave lines unknown.
4. A commit is human only if a ledger attests every counted line of it to a human and it carries no mark.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

from detente.measure.authorship.facts import Facts
from detente.measure.indicator import LISTED, EvidenceClass


@dataclass(slots=True)
class Part:
    """Commits and lines of one part of a history. ``involved``: AI-marked, or a ledger names AI; ``authored``: AI wrote some of it."""

    commits: int = 0
    marked: int = 0
    involved: int = 0
    authored: int = 0
    human_commits: int = 0
    lines: int = 0
    ai_lines: int = 0
    human_lines: int = 0
    attested_lines: int = 0

    @property
    def ai_lines_high(self) -> int:
        """AI and unknown lines."""
        return self.lines - self.human_lines


@dataclass(slots=True)
class Agent:
    """Commits that carry marks of one agent, by the strongest claim, and lines that ledgers attest to it."""

    commits: int = 0
    authored: int = 0
    suggestion: int = 0
    assisted: int = 0
    ledger_lines: int = 0


@dataclass(slots=True)
class Sums:
    """Everything that the shares rest on. ``rows`` is the ledger of commits."""

    total: Part = field(default_factory=Part)
    halves: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    areas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    agents: dict[str, Agent] = field(default_factory=lambda: defaultdict(Agent))
    ledger_agents: Counter[str] = field(default_factory=Counter)
    authors: dict[str, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(dict))
    under_ledger: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    ledger_says: Counter[str] = field(default_factory=Counter)
    marked_under: Counter[str] = field(default_factory=Counter)
    attested_in_marked: int = 0
    classes: Counter[EvidenceClass] = field(default_factory=Counter)
    weak: Counter[str] = field(default_factory=Counter)
    out: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    out_examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    merges: int = 0
    undated: int = 0
    stray_lines: int = 0
    rows: list[tuple[str | int | None, ...]] = field(default_factory=list)
    """Unsorted until ``sum_facts`` is done."""
    has_rows: bool = True

    def add(self, facts: Facts) -> None:
        """Count one commit."""
        if facts.merge:
            self.merges += 1
            self._name("merge", facts)
            return
        date, half = _day(facts.at_s)
        marked, credited = facts.is_marked, facts.is_credited
        lines = attested = human = 0
        for area, added, ai, by_human in facts.areas:
            lines += added
            attested += ai
            human += by_human
            place = self.areas[area]
            place[0] += added
            place[1] += added - by_human if credited else ai
            place[2] += by_human
        ai_lines = lines - human if credited else attested
        by_ledger = facts.ledger == "ai"
        evidence = _evidence(facts) if marked or by_ledger else None
        whole_human = not marked and not by_ledger and 0 < lines == human
        for part in (self.total, self.halves[half]) if half else (self.total,):
            part.commits += 1
            part.marked += marked
            part.involved += marked or by_ledger
            part.authored += credited or by_ledger
            part.human_commits += whole_human
            part.lines += lines
            part.ai_lines += ai_lines
            part.human_lines += human
            part.attested_lines += attested
        self.undated += not half
        if not half:
            self._name("undated", facts)
        if evidence:
            self.classes[evidence] += 1
        self._add_agents(facts)
        self._add_ledger(facts, half, marked=marked, attested=attested)
        if half:
            mine = self.authors[facts.author].setdefault(half, [0, 0])
            mine[0] += 1
            mine[1] += marked
        for reason, files, left in facts.out:
            self.out[reason][0] += files
            self.out[reason][1] += left
            self._name(reason, facts)
        if not self.has_rows:
            return
        row = (facts.id, date or None, _words(facts.marks), _words(facts.claims), _words(facts.agents), facts.ledger)
        self.rows.append((*row, lines, ai_lines, lines - human, evidence))

    def _name(self, reason: str, facts: Facts) -> None:
        """Keep the commit among those named for this reason: the first by their ids, so that the order of reading tells nothing."""
        named, one = self.out_examples[reason], facts.id[:12]
        if len(named) < LISTED or one < named[-1]:
            insort(named, one)
            del named[LISTED:]

    def as_state(self) -> dict[str, Any]:
        """All but the rows, as plain values that JSON can carry: a kept scan goes on from there."""
        return {
            "total": astuple(self.total),
            "halves": {half: astuple(part) for half, part in self.halves.items()},
            "agents": {name: astuple(agent) for name, agent in self.agents.items()},
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The sums that ``as_state`` made, without rows. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for another shape."""
        sums = cls(total=Part(*state["total"]), has_rows=False)
        sums.halves.update({half: Part(*part) for half, part in state["halves"].items()})
        sums.agents.update({name: Agent(*agent) for name, agent in state["agents"].items()})
        for name in _PLAIN:
            value = state[name]
            if isinstance(value, dict):
                getattr(sums, name).update(value)
            else:
                setattr(sums, name, int(value))
        return sums

    def _add_agents(self, facts: Facts) -> None:
        if not facts.marks:
            return
        claims: dict[str, set[str]] = defaultdict(set)
        for called, claim in zip(facts.agents, facts.claims, strict=True):
            claims[called].add(claim)
        for name, said in claims.items():
            if said <= {"committed-only", "ambiguous", "branch"}:
                continue
            agent = self.agents[name]
            agent.commits += 1
            authored = bool(said & {"authored", "session", "oversight"})
            agent.authored += authored
            agent.suggestion += not authored and "suggestion" in said
            agent.assisted += not authored and "suggestion" not in said
        if not facts.is_marked:
            self.weak.update(facts.marks)

    def _add_ledger(self, facts: Facts, half: str, *, marked: bool, attested: int) -> None:
        self.stray_lines += facts.stray_lines
        self.ledger_says[facts.ledger] += 1
        self.marked_under[facts.ledger] += marked
        if facts.ledger == "ai":
            self.attested_in_marked += attested if marked else 0
            for name, count in facts.ledger_agents:
                self.ledger_agents[name] += count
            if half:
                self.under_ledger[half][0] += 1
                self.under_ledger[half][1] += marked


_PLAIN = (
    "areas", "ledger_agents", "authors", "under_ledger", "ledger_says", "marked_under", "attested_in_marked", "classes", "weak", "out",
    "out_examples", "merges", "undated", "stray_lines",
)  # fmt: skip

COLUMNS = (
    "commit", "date", "marks", "claims", "agents", "ledger_says", "lines", "ai_lines_low", "ai_lines_high", "evidence_class",
)  # fmt: skip
"""Of ``Sums.rows``."""


def sum_facts(
    many: Iterable[Facts], *, since_s: int | None = None, until_s: int | None = None, rows: bool = True
) -> Sums:
    """The sums over commits that were committed at or after ``since_s`` and before ``until_s``; undated ones only without bounds.

    Without ``rows`` the ledger of commits is left out: at a million commits it is most of the memory.
    """
    sums = Sums(has_rows=rows)
    bounded = since_s is not None or until_s is not None
    first, last = since_s if since_s is not None else 0, until_s if until_s is not None else 1 << 62
    for facts in many:
        if not bounded or (facts.at_s is not None and first <= facts.at_s < last):
            sums.add(facts)
    # By date and id: the same rows in the same order, in whatever order a kept scan hands them over.
    sums.rows.sort(key=lambda row: (row[1] or "", row[0]), reverse=True)
    return sums


@cache
def _days(day: int) -> tuple[str, str]:
    date = datetime.fromtimestamp(day * 86_400, UTC)
    return f"{date.year:04d}-{date.month:02d}-{date.day:02d}", f"{date.year:04d}H{1 if date.month < 7 else 2}"


def _day(at_s: int | None) -> tuple[str, str]:
    """The date and the half-year of an instant in UTC, both empty for none."""
    return ("", "") if at_s is None else _days(at_s // 86_400)


def half_year(at_s: int | None) -> str:
    """The half-year of an instant in UTC, empty for none.

    >>> half_year(1_750_000_000), half_year(None)
    ('2025H1', '')
    """
    return _day(at_s)[1]


def _evidence(facts: Facts) -> EvidenceClass:
    """The strongest evidence for AI that this commit has."""
    if facts.ledger == "ai":
        return "line-attested"
    return "session-attested" if "session" in facts.claims else "trailer"


def _words(parts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(parts))
