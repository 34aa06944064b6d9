"""SICA, the self-improving coding agent: a folder for each agent, and no record of what came from what.

Decides which agent each was made from by the loop's own rule, recomputed from the scores that it left. Source: ``runner.py``
(``select_base_agent``, ``run_meta_agent_benchmark``) and ``archive_analysis.py`` of MaximeRobeyns/self_improving_coding_agent.

1. An agent's score is the mean of ``avg_score`` over its benchmarks' ``perf.json``.
2. The lower bound of the best agent (first of equals) is its score less 1.96 s / √n over all single scores that are
   no nulls, with s the sample deviation. Without two single scores there is no bound.
3. Agent i + 1 was made from the newest of the agents 0 to i whose score reaches that bound, judged as things stood then.
4. It was proposed by the best of the agents 0 to i, which runs to change the copy.
5. Both are recomputed, not recorded: the parent is a possible one. Where scores are missing, every earlier agent is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import maybe, member, parse_concatenated, parse_foreign
from detente.measure.loops.record import NOTHING_TOUCHED, Loop, LoopVersion, Tally
from detente.measure.loops.source import Source
from detente.statement.change import Touch

KIND: Final = "sica"
_AGENT: Final = re.compile(r"agent_(0|[1-9]\d{0,5})/", re.ASCII)
_ITSELF: Final[frozenset[Touch]] = frozenset({"architecture"})
_Z: Final = Decimal("1.96")


@dataclass(slots=True)
class _Agent:
    averages: list[Decimal] = field(default_factory=list)
    singles: list[Decimal] = field(default_factory=list)

    @property
    def score(self) -> Decimal | None:
        return sum(self.averages, Decimal(0)) / len(self.averages) if self.averages else None

    @property
    def lower_bound(self) -> Decimal | None:
        n = len(self.singles)
        if self.score is None or n < 2:
            return None
        mean = sum(self.singles, Decimal(0)) / n
        deviation = (sum(((single - mean) ** 2 for single in self.singles), Decimal(0)) / (n - 1)).sqrt()
        return self.score - _Z * deviation / Decimal(n).sqrt()


def recognise(source: Source) -> bool:
    """Folders of agents with their own code."""
    return bool(source.matching("agent_0/agent_code/*", "agent_0/benchmarks/*/perf.json"))


def import_loop(source: Source) -> Loop:
    """The loop that ``run_<id>`` records; raises ``Refused`` I03, I04, I05."""
    numbers = sorted({int(match[1]) for name in source.files.names if (match := _AGENT.match(name))})
    if not numbers:
        raise Refused("I05", "not-found", got="no agent", expected="agent_<i>/agent_code, agent_<i>/benchmarks")
    tally = Tally()
    agents = {number: _Agent() for number in numbers}
    for name in source.matching("agent_*/benchmarks/*/perf.json", "agent_*/benchmarks/*/results.jsonl"):
        if (match := _AGENT.match(name)) and name.count("/") == 3:
            _take(agents[int(match[1])], source, name, tally)
    scope = sha256_hex("\n".join(name for name in source.files.names if "/benchmarks/" in name).encode())[:16]
    versions = [_version(number, agents, scope) for number in numbers]
    unscored = [number for number in numbers if agents[number].score is None]
    remarks = []
    if unscored:
        remarks.append(Remark("unscored", "note", f"agents without scores: {', '.join(map(str, unscored[:10]))}"))
    text = "the loop does not record parents: they are recomputed from its scores by its own rule, and count in upper ends only"
    remarks.append(Remark("recomputed-parents", "note", text))
    return Loop(
        kind=KIND,
        name=source.name,
        versions=tuple(versions),
        direction="higher",
        score_name="mean_score",
        evidence="recorded",
        rules=("each agent was made from the newest agent within the best one's bound, by the best agent",),
        attempts=max(numbers),
        remarks=tuple(remarks),
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _take(agent: _Agent, source: Source, name: str, tally: Tally) -> None:
    data = source.files.read(name)
    if name.endswith("/perf.json"):
        value = tally.score(member(parse_foreign(data, name), "avg_score", (int, Decimal), name), name)
        if value is not None:
            agent.averages.append(value)
        return
    last: dict[str, Decimal] = {}  # the loop keeps the last result of a problem
    for record in parse_concatenated(data, name):
        problem, raw = member(record, "problem_id", str, name), maybe(record, "score", (int, Decimal), name)
        value = tally.score(raw, f"{name}: {problem}")
        if value is not None:
            last[problem] = value
    agent.singles.extend(last.values())


def _version(number: int, agents: Mapping[int, _Agent], scope: str) -> LoopVersion:
    earlier = [each for each in sorted(agents) if each < number]
    if number == 0 or not earlier:
        return LoopVersion(
            id=f"agent_{number}",
            scope=scope,
            perhaps=tuple(f"agent_{each}" for each in range(number)[-1:]),
            proposer="undeclared",
            generation=number,
            score=agents[number].score,
            touches=NOTHING_TOUCHED if number == 0 else _ITSELF,
        )
    base, best = base_agent({each: agents[each] for each in earlier})
    return LoopVersion(
        id=f"agent_{number}",
        scope=scope,
        perhaps=tuple(f"agent_{each}" for each in ([base] if base is not None else earlier)),
        proposed_by=None if best is None else f"agent_{best}",
        generation=number,
        score=agents[number].score,
        touches=_ITSELF,
    )


def base_agent(agents: Mapping[int, _Agent]) -> tuple[int | None, int | None]:
    """Which agent the next one was made from, and which made it; None where the scores do not say.

    >>> def agent(*singles):
    ...     return _Agent([sum(map(Decimal, singles)) / len(singles)], [Decimal(each) for each in singles])
    >>> base_agent({0: agent(0, 0, 1, 0), 1: agent(1, 1, 1, 0), 2: agent(0, 1, 0, 1)})
    (2, 1)
    """
    scores = {number: agent.score for number, agent in agents.items() if agent.score is not None}
    if len(scores) != len(agents):
        return None, None
    best = max(sorted(scores), key=lambda number: scores[number])
    bound = agents[best].lower_bound
    if bound is None:
        return None, best
    return next(number for number in sorted(scores, reverse=True) if scores[number] >= bound), best
