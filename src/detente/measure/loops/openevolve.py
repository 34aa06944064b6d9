"""OpenEvolve: the union over all checkpoints of a run, and its evolution trace where there is one.

Decides which programs there were and what came from what. A checkpoint keeps only the programs alive in it, so that one
alone has parents that it does not hold; the union over all has none. Source: ``Program`` and ``EvolutionTrace`` of
algorithmicsuperintelligence/openevolve, with and without the members of newer releases.

1. Every ``checkpoints/checkpoint_<n>/programs/<id>.json`` counts, and every line of ``evolution_trace.jsonl``.
2. The same id told twice with another parent keeps both as possible parents, and is counted.
3. A program with its parent's text (a migrant, the first program on another island) is the same program again: no
   version, and its children are its parent's.
4. The score is ``combined_score``; without one the mean of all numeric metrics, as the loop itself ranks.
5. What the program is for is not recorded: touches nothing declared.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from detente.base.errors import Refused
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import maybe, member, parse_concatenated, parse_foreign
from detente.measure.loops.record import Loop, LoopVersion, Tally, as_decimal, at_second
from detente.measure.loops.source import Source

KIND: Final = "openevolve"
_PROGRAMS: Final = ("*programs/*.json",)
_TRACES: Final = ("*evolution_trace.jsonl", "*evolution_trace.jsonl.gz")
_TRACE_MAX: Final = 1_073_741_824
"""Bytes of a trace when unpacked: one with all prompts of 10,000 iterations is about 500 MB."""
_METADATA: Final = "metadata.json"
_SUMMARIES: Final = ("*best_program_info.json",)


def recognise(source: Source) -> bool:
    """A checkpoint with its programs, a trace, or a summary of the best program."""
    if source.matching(*_TRACES, *_SUMMARIES):
        return True
    folders = {name.removesuffix(_METADATA) for name in source.matching(f"*checkpoint_*/{_METADATA}", _METADATA)}
    return any(name.rpartition("programs/")[0] in folders for name in source.matching(*_PROGRAMS))


@dataclass(slots=True)
class _Program:
    parents: set[str | None] = field(default_factory=set)
    generation: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    time: Any = None
    text: str | None = None


def import_loop(source: Source) -> Loop:
    """The loop that checkpoints and a trace record; raises ``Refused`` I03, I04, I05."""
    tally = Tally()
    programs: dict[str, _Program] = {}
    files = source.matching(*_PROGRAMS)
    for name in files:
        _take_program(programs, parse_foreign(source.files.read(name), name), name, tally)
    for name in source.matching(*_TRACES):
        for record in parse_concatenated(_unpacked(source.files.read(name), name), name):
            _take_trace(programs, record, name, tally)
    if not programs:  # only a summary of the best is left
        for name in source.matching(*_SUMMARIES):
            _take_program(programs, parse_foreign(source.files.read(name), name), name, tally)
    if not programs:
        raise Refused("I05", "not-found", got="no program", expected="checkpoints/checkpoint_<n>/programs/<id>.json")
    copies = _copies(programs, tally)
    versions = tuple(_versions(programs, copies, tally))
    best, remarks = _best(source, copies)
    checkpoints = {name.rsplit("/programs/", 1)[0] for name in files}
    return Loop(
        kind=KIND,
        name=source.name,
        versions=versions,
        direction="higher",
        score_name="combined_score",
        evidence="recorded",
        rules=("every program after the first is a model's answer", f"union of {len(checkpoints)} checkpoints"),
        best=best,
        attempts=len(versions),
        remarks=remarks,
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _unpacked(data: bytes, name: str) -> bytes:
    """A trace as text; raises ``Refused`` I02 (a bomb), I03 (cut short, or no gzip)."""
    if not name.endswith(".gz"):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(data, _TRACE_MAX)
    except zlib.error as error:
        raise Refused("I03", "malformed", got=f"{name}: {error}", expected="gzip") from None
    if unpacker.unconsumed_tail:
        raise Refused("I02", "oversized", got=f"{name}: more than {_TRACE_MAX} bytes", expected="a smaller trace")
    if not unpacker.eof:
        raise Refused("I03", "malformed", got=f"{name} ends early", expected="gzip", todo="copy it again")
    return text


def _take_program(programs: dict[str, _Program], record: Any, name: str, tally: Tally) -> None:
    version = member(record, "id", str, name)
    parent = maybe(record, "parent_id", str, name)
    metrics = maybe(record, "metrics", Mapping, name) or {}
    known = programs.get(version)
    program = programs.setdefault(version, _Program())
    if known is not None and parent not in program.parents:
        tally.leave_out("ids told twice", "two checkpoints give different parents; both may be", version)
    program.parents.add(parent)
    program.generation = maybe(record, "generation", int, name) or 0
    program.metrics = metrics
    program.time = record.get("timestamp")
    program.text = maybe(record, "code", str, name)


def _take_trace(programs: dict[str, _Program], record: Any, name: str, tally: Tally) -> None:
    version, parent = member(record, "child_id", str, name), member(record, "parent_id", str, name)
    if version in programs:
        if parent not in programs[version].parents:
            tally.leave_out("ids told twice", "trace and checkpoint give different parents; both may be", version)
        programs[version].parents.add(parent)
        return
    metrics = maybe(record, "child_metrics", Mapping, name) or {}
    generation = maybe(record, "generation", int, name) or 0
    programs[version] = _Program({parent}, generation, metrics, record.get("timestamp"))
    before = maybe(record, "parent_metrics", Mapping, name) or {}
    if parent not in programs and (record.get("generation") in {1, None}):
        programs[parent] = _Program({None}, 0, before)


def _score(metrics: Mapping[str, Any], version: str, tally: Tally) -> Decimal | None:
    if "combined_score" in metrics:
        return tally.score(metrics["combined_score"], version)
    numbers = [number for number in map(as_decimal, metrics.values()) if number is not None]
    return sum(numbers, Decimal(0)) / len(numbers) if numbers else None


def _copies(programs: Mapping[str, _Program], tally: Tally) -> dict[str, str]:
    """Copy → the program that it is a copy of."""
    copies: dict[str, str] = {}
    for version in programs:
        seen, at = {version}, version
        while (
            len(programs[at].parents) == 1
            and (parent := next(iter(programs[at].parents))) in programs
            and parent is not None
            and parent not in seen
            and programs[at].text is not None
            and programs[parent].text == programs[at].text
        ):
            seen.add(parent)
            at = parent
        if at != version:
            copies[version] = at
            tally.leave_out("island copies", "the same program on another island is no version", version)
    return copies


def _versions(programs: Mapping[str, _Program], copies: Mapping[str, str], tally: Tally) -> Iterator[LoopVersion]:
    for version, program in sorted(programs.items(), key=lambda item: (item[1].generation, item[0])):
        if version in copies:
            continue
        named = {copies.get(parent, parent) for parent in program.parents if parent is not None} - {version}
        agreed = len(program.parents) == 1
        yield LoopVersion(
            id=version,
            parents=tuple(sorted(named)) if agreed else (),
            perhaps=() if agreed else tuple(sorted(named)),
            proposer="model" if named else "undeclared",
            generation=program.generation,
            score=_score(program.metrics, version, tally),
            time=at_second(program.time),
        )


def _best(source: Source, copies: Mapping[str, str]) -> tuple[str | None, tuple[Remark, ...]]:
    """What the last checkpoint calls best."""
    found: tuple[int, str] | None = None
    for name in source.matching(f"*checkpoint_*/{_METADATA}", _METADATA):
        record = parse_foreign(source.files.read(name), name)
        best, last = maybe(record, "best_program_id", str, name), maybe(record, "last_iteration", int, name)
        if best is not None and (found is None or (last or 0) >= found[0]):
            found = (last or 0, best)
    if found is None:
        return None, (Remark("no-best", "note", "no checkpoint names its best program"),)
    return copies.get(found[1], found[1]), ()
