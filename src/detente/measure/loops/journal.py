"""AIDE and AI-Scientist-v2: journals of solution trees.

Decides which solutions there were and what came from what. Source: ``aide/journal.py``, ``utils/serialize.py`` and ``utils/metric.py``
of WecoAI/aideml, ``ai_scientist/treesearch`` of SakanaAI/AI-Scientist-v2.

1. A journal is one object with ``nodes``, ``node2parent`` (child → parent) and ``__version`` "2".
2. AI-Scientist-v2 keeps one journal for each stage; the same node in two stages is one version.
3. A node without parent is a draft: the model wrote it from the task alone. It comes from the state before the loop.
4. ``metric`` is a value with its direction; several data sets make several values, of which the loop ranks the mean.
5. ``is_buggy`` says that a node did not run or gave no metric: it may still have children that mend it, but is never best.
6. What is written is code that trains a model: it touches training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, shown
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import maybe, member, parse_foreign
from detente.measure.loops.record import Direction, Loop, LoopVersion, Tally, as_decimal, at_second
from detente.measure.loops.source import Source
from detente.statement.change import Touch

KIND: Final = "journal"
TASK: Final = "task"
"""The id of the state before the first draft."""
_NAMES: Final = ("*journal.json",)
_VERSION: Final = "2"
_TRAINING: Final[frozenset[Touch]] = frozenset({"training"})


def recognise(source: Source) -> bool:
    """A file ``journal.json`` that speaks of nodes: others keep journals too."""
    return any(b'"nodes"' in source.files.read(name) for name in source.matching(*_NAMES))


def import_loop(source: Source) -> Loop:
    """The loop that one or more journals record; raises ``Refused`` I03, I04, I05."""
    tally = Tally()
    nodes: dict[str, Mapping[str, Any]] = {}
    parents: dict[str, set[str]] = {}
    names = source.matching(*_NAMES)
    for name in names:
        _take(source, name, nodes, parents, tally)
    if not names:
        raise Refused("I05", "not-found", got="no journal", expected="journal.json")
    directions = {_direction(node) for node in nodes.values()} - {None}
    scope = sha256_hex("\n".join(sorted(nodes)).encode())[:16]
    versions = [LoopVersion(id=TASK, scope=scope, proposer="undeclared"), *_versions(nodes, parents, scope, tally)]
    remarks = []
    if len(directions) > 1:
        remarks.append(
            Remark("score-direction", "warning", "nodes disagree whether a larger metric is better: no rates")
        )
    buggy = sum(node.get("is_buggy") is True for node in nodes.values())
    if buggy:
        remarks.append(Remark("buggy", "note", f"{buggy} of {len(nodes)} nodes are buggy by the loop's own word"))
    return Loop(
        kind=KIND,
        name=source.name,
        versions=tuple(versions),
        direction=directions.pop() if len(directions) == 1 else None,
        score_name="metric",
        evidence="recorded",
        rules=("every node is a model's answer; stages are judged by a model", f"union of {len(names)} journals"),
        attempts=len(nodes),
        remarks=tuple(remarks),
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _take(
    source: Source, name: str, nodes: dict[str, Mapping[str, Any]], parents: dict[str, set[str]], tally: Tally
) -> None:
    journal = parse_foreign(source.files.read(name), name)
    listed, edges = member(journal, "nodes", list, name), member(journal, "node2parent", Mapping, name)
    if journal.get("__version") != _VERSION:
        raise Refused(
            "I04",
            "wrong-type",
            got=f"{shown(name)}: __version {shown(journal.get('__version'))}",
            expected=f"a journal of version {_VERSION}",
            todo="nothing of this run was read",
        )
    for node in listed:
        version = member(node, "id", str, name)
        if version in nodes and nodes[version] != node:
            tally.leave_out("ids told twice", "two journals tell of one node; the last counts", version)
        nodes[version] = node
        parents.setdefault(version, set())
    for child in edges:
        parents.setdefault(child, set()).add(member(edges, child, str, name))


def _versions(
    nodes: Mapping[str, Mapping[str, Any]], parents: Mapping[str, set[str]], scope: str, tally: Tally
) -> Iterator[LoopVersion]:
    for version, node in sorted(nodes.items(), key=lambda item: (_step(item[1]), item[0])):
        above = parents[version] or {TASK}
        buggy = maybe(node, "is_buggy", bool, version) is True
        yield LoopVersion(
            id=version,
            scope=scope,
            parents=tuple(above) if len(above) == 1 else (),
            perhaps=() if len(above) == 1 else tuple(sorted(above)),
            touches=_TRAINING,
            generation=_step(node),
            score=_score(node, version, tally),
            status="buggy" if buggy else "good",
            ranked=not buggy,
            time=at_second(node.get("ctime")),
        )


def _step(node: Mapping[str, Any]) -> int:
    step = node.get("step")
    return step if isinstance(step, int) else 0


def _score(node: Mapping[str, Any], version: str, tally: Tally) -> Decimal | None:
    metric = maybe(node, "metric", Mapping, version) or {}
    value = metric.get("value")
    if isinstance(value, Mapping):
        value = _mean(list(_final_values(value)))
    return tally.score(value, version)


def _final_values(value: Mapping[str, Any]) -> Iterator[Any]:
    """The single values of a metric of several data sets, in either form that the loop writes."""
    if isinstance(entries := value.get("metric_names"), list):
        for entry in entries:
            for each in entry.get("data") or () if isinstance(entry, Mapping) else ():
                yield each.get("final_value") if isinstance(each, Mapping) else None
        return
    yield from value.values()


def _mean(values: Sequence[Any]) -> Decimal | None:
    numbers = [as_decimal(value) for value in values]
    known = [number for number in numbers if number is not None]
    return sum(known, Decimal(0)) / len(known) if known and len(known) == len(numbers) else None


def _direction(node: Mapping[str, Any]) -> Direction | None:
    metric = node.get("metric")
    if not isinstance(metric, Mapping):
        return None
    maximize = metric.get("maximize")
    value = metric.get("value")
    if maximize is None and isinstance(value, Mapping) and isinstance(entries := value.get("metric_names"), list):
        lower = {entry.get("lower_is_better") for entry in entries if isinstance(entry, Mapping)}
        maximize = not lower.pop() if len(lower) == 1 and lower <= {True, False} else None
    return None if not isinstance(maximize, bool) else "higher" if maximize else "lower"
