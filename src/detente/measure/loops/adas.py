"""ADAS: an archive of agent designs, which records no parent.

Decides which designs there were. Source: ``search.py`` of ShengranHu/ADAS.

1. ``<name>_run_archive.json`` is a list of ``{name, code, thought, fitness, generation}``, generation a number or "initial".
2. Every design is made from the whole archive before it: all earlier ones are possible parents. For the longest chain
   only the one before it matters, so that is the one named.
3. ``fitness`` is a sentence with a bootstrap interval and a median in per cent; the median is the score.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, shown
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import maybe, member, parse_foreign
from detente.measure.loops.record import NOTHING_TOUCHED, Loop, LoopVersion, Tally
from detente.measure.loops.source import Source
from detente.statement.change import Touch

KIND: Final = "adas"
_ARCHIVES: Final = ("*_run_archive.json",)
_MEDIAN: Final = re.compile(r"Median:\s*(-?\d+(?:\.\d+)?)\s*%")
_DESIGN: Final[frozenset[Touch]] = frozenset({"architecture"})


def recognise(source: Source) -> bool:
    """A file ``…_run_archive.json``."""
    return bool(source.matching(*_ARCHIVES))


def import_loop(source: Source) -> Loop:
    """The loop that an archive records; raises ``Refused`` I03, I04, I05."""
    names = source.matching(*_ARCHIVES)
    if len(names) != 1:
        raise Refused(
            "I05",
            "not-found",
            got=f"{len(names)} archives",
            expected="one <name>_run_archive.json",
            todo="name one file instead of the folder",
        )
    [name] = names
    archive = parse_foreign(source.files.read(name), name)
    if not isinstance(archive, list):
        raise Refused("I04", "wrong-type", got=f"{name}: {shown(archive, limit=40)}", expected="a list of designs")
    tally = Tally()
    scope = sha256_hex(f"{name}\n{len(archive)}".encode())[:16]
    versions: list[LoopVersion] = []
    for number, design in enumerate(archive):
        versions.append(_version(number, design, versions, scope, name, tally))
    text = "the archive records no parents: a design may come from any before it; lower ends count none"
    return Loop(
        kind=KIND,
        name=source.name,
        versions=tuple(versions),
        direction="higher",
        score_name="median accuracy in per cent",
        evidence="recorded",
        rules=("every design after the initial ones is a model's answer to the whole archive",),
        attempts=len(versions),
        remarks=(Remark("no-parents", "warning", text),),
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _version(number: int, design: Any, before: list[LoopVersion], scope: str, name: str, tally: Tally) -> LoopVersion:
    member(design, "name", str, name)
    generation = design.get("generation") if isinstance(design, Mapping) else None
    initial = generation == "initial"
    if not initial and (not isinstance(generation, int) or isinstance(generation, bool)):
        raise Refused(
            "I04",
            "wrong-type",
            got=f"{name}: generation {shown(generation)}",
            expected='a number or "initial"',
            todo="nothing of this run was read",
        )
    version = f"{number}"
    return LoopVersion(
        id=version,
        scope=scope,
        perhaps=() if initial or not before else (before[-1].id,),
        proposer="undeclared" if initial else "model",
        touches=NOTHING_TOUCHED if initial else _DESIGN,
        generation=0 if initial else generation,
        score=_median(maybe(design, "fitness", str, name), version, tally),
        status="initial" if initial else "",
    )


def _median(fitness: str | None, version: str, tally: Tally) -> Decimal | None:
    if fitness is None:
        return None
    match = _MEDIAN.search(fitness)
    if match is None:
        tally.leave_out("scores", "a fitness without a median", version)
        return None
    return tally.score(match[1], version)
