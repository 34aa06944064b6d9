"""The Darwin Gödel Machine and the Huxley Gödel Machine: agents that rewrite their own code.

Decides which agents there were, what came from what, and that each was proposed by the agent it came from, since the
parent's own code runs to change itself. Source: ``DGM_outer.py`` and ``self_improve_step.py`` of jennyzzt/dgm, ``hgm.py`` and
``tree.py`` of metauto-ai/HGM.

1. ``dgm_metadata.jsonl`` and ``hgm_metadata.jsonl`` are objects one after another, each over many lines; not JSON Lines.
2. DGM: the parent of a child is ``parent_commit`` of its ``metadata.json``, else the parent of its entry in the
   generation's ``selfimprove_entries`` (that list and ``children`` run in parallel); if they differ, both may be.
3. DGM: a child outside the last archive was dropped, unless nothing says what the archive is.
4. HGM: the last object holds every node but the first; ``parent_id`` is a node's number, 0 being ``initial``. A mean
   over no evaluation is written as Infinity, and is no score.
5. Names of children are local times of making; the place is not recorded, so that each is known to 26 hours.
6. Every accepted change rewrites the agent itself: it touches its architecture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, shown
from detente.base.quantity import Interval
from detente.lineage.graph import UNKNOWN
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import maybe, member, parse_concatenated, parse_foreign
from detente.measure.loops.record import Loop, LoopVersion, Tally
from detente.measure.loops.source import Source
from detente.statement.change import Touch

DGM: Final = "dgm"
HGM: Final = "hgm"
INITIAL: Final = "initial"
_ITSELF: Final[frozenset[Touch]] = frozenset({"architecture"})
_ZERO: Final = Decimal(0)
_TIME: Final = re.compile(r"(\d{8}_\d{6})_\d{6}", re.ASCII)


def recognise_dgm(source: Source) -> bool:
    """The record of the outer loop, or the first agent's own."""
    if source.matching("dgm_metadata.jsonl"):
        return True
    first = () if source.matching("hgm_metadata.jsonl") else source.matching(f"{INITIAL}/metadata.json")
    return any(b'"overall_performance"' in source.files.read(name) for name in first)


def recognise_hgm(source: Source) -> bool:
    """The record of the outer loop."""
    return bool(source.matching("hgm_metadata.jsonl"))


def import_dgm(source: Source) -> Loop:
    """The loop that a run folder of DGM records; raises ``Refused`` I03, I04, I05."""
    tally = Tally()
    parents, archive, attempts = _outer(source)
    own: dict[str, Mapping[str, Any]] = {}
    for name in source.matching("*/metadata.json"):
        version, _, rest = name.partition("/")
        if rest == "metadata.json":
            record = parse_foreign(source.files.read(name), name)
            own[version] = record if isinstance(record, Mapping) else member({}, "run_id", str, name)
            if (parent := maybe(record, "parent_commit", str, name)) is not None:
                parents.setdefault(version, set()).add(parent)
    if not own and not parents:
        raise Refused("I05", "not-found", got="no agent", expected="dgm_metadata.jsonl, <child>/metadata.json")
    scope = _scope(source, own)
    names = sorted({*own, *parents} - {INITIAL})  # names are times: in the order in which they were made
    if INITIAL in own or parents:
        names.insert(0, INITIAL)
    versions = [
        _agent(source, version, scope, parents.get(version, set()), own.get(version), archive, tally)
        for version in names
    ]
    return _loop(DGM, "accuracy_score", source, versions, attempts, tally)


def _outer(source: Source) -> tuple[dict[str, set[str]], frozenset[str] | None, int]:
    """Child → parents as the outer loop recorded them, the last archive, and how many children it asked for."""
    parents: dict[str, set[str]] = {}
    archive: frozenset[str] | None = None
    attempts = 0
    for name in source.matching("dgm_metadata.jsonl"):
        for record in parse_concatenated(source.files.read(name), name):
            entries = member(record, "selfimprove_entries", list, name)
            children = member(record, "children", list, name)
            archive = frozenset(map(str, member(record, "archive", list, name)))
            attempts += len(entries)
            if len(entries) != len(children):
                continue  # An attempt that failed left no child: the lists no longer run in parallel.
            for entry, child in zip(entries, children, strict=True):
                if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
                    raise Refused(
                        "I04",
                        "wrong-type",
                        got=f"{name}: an entry {shown(entry, limit=40)}",
                        expected="[parent, entry]",
                        todo="nothing of this run was read",
                    )
                parents.setdefault(str(child), set()).add(entry[0])
    return parents, archive, attempts


def _scope(source: Source, own: Mapping[str, Any]) -> str:
    """Two runs both begin with ``initial``: what tells them apart is their children's names, which are times."""
    return sha256_hex("\n".join([*sorted(own), *source.matching("*_metadata.jsonl")]).encode())[:16]


def _agent(
    source: Source,
    version: str,
    scope: str,
    parents: set[str],
    record: Mapping[str, Any] | None,
    archive: frozenset[str] | None,
    tally: Tally,
) -> LoopVersion:
    name = f"{version}/metadata.json"
    performance = {} if record is None else maybe(record, "overall_performance", Mapping, name) or {}
    agreed = len(parents) == 1
    first = version == INITIAL and not parents
    return LoopVersion(
        id=version,
        scope=scope,
        parents=tuple(parents) if agreed else (),
        perhaps=() if agreed else tuple(sorted(parents)),
        proposer="undeclared" if first else "model",
        proposed_by=next(iter(parents)) if agreed else None,
        touches=frozenset() if first else _ITSELF,
        score=tally.score(performance.get("accuracy_score"), version, least=_ZERO),
        kept=True if first else None if archive is None else version in archive,
        time=_made_at(version),
        changed_lines=_patch_lines(source, f"{version}/model_patch.diff"),
    )


def _made_at(name: str) -> Interval:
    """When an agent was made, from its name: a local time of an unknown place on Earth, UTC - 12 h to UTC + 14 h.

    >>> made = _made_at("20250301_120000_000123")
    >>> (made.high - made.low) / 3_600
    Decimal('26')
    """
    match = _TIME.match(name)
    try:
        at = None if match is None else datetime.strptime(match[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        at = None
    if at is None:
        return UNKNOWN
    local = Decimal(int(at.timestamp()))
    return Interval(local - 14 * 3_600, local + 12 * 3_600)


def _patch_lines(source: Source, name: str) -> int | None:
    """Lines added and deleted by a patch; None where there is none."""
    if name not in source.files.names:
        return None
    lines = source.files.read(name).splitlines()
    return sum(line[:1] in {b"+", b"-"} and line[:3] not in {b"+++", b"---"} for line in lines)


def import_hgm(source: Source) -> Loop:
    """The loop that a run folder of HGM records; raises ``Refused`` I03, I04, I05."""
    tally = Tally()
    name = source.matching("hgm_metadata.jsonl")[0] if recognise_hgm(source) else ""
    records = parse_concatenated(source.files.read(name), name) if name else []
    if not records:
        raise Refused("I05", "not-found", got="no node", expected="hgm_metadata.jsonl with at least one object")
    nodes = _nodes(records, name, tally)
    scope = sha256_hex("\n".join(node["commit_id"] for node in nodes.values()).encode())[:16]
    by_number = {0: INITIAL, **{number: node["commit_id"] for number, node in nodes.items()}}
    versions = [LoopVersion(id=INITIAL, scope=scope, proposer="undeclared", score=_initial_score(source, tally))]
    for node in nodes.values():
        parent = maybe(node, "parent_id", int, name)
        parent_name = None if parent is None else by_number.get(parent, f"node {parent}")
        counted = maybe(node, "num_evals", int, name)
        versions.append(
            LoopVersion(
                id=node["commit_id"],
                scope=scope,
                parents=() if parent_name is None else (parent_name,),
                proposed_by=parent_name,
                touches=_ITSELF,
                score=None if counted == 0 else tally.score(node.get("mean_utility"), node["commit_id"], least=_ZERO),
                time=_made_at(node["commit_id"]),
                changed_lines=_patch_lines(source, f"{node['commit_id']}/model_patch.diff"),
            )
        )
    return _loop(HGM, "mean_utility", source, versions, len(nodes), tally)


def _nodes(records: list[Any], name: str, tally: Tally) -> dict[int, Mapping[str, Any]]:
    """Node number → node, from all snapshots: the last that tells of a node is the one that counts."""
    nodes: dict[int, Mapping[str, Any]] = {}
    for record in records:
        for node in member(record, "nodes", list, name):
            number, commit = member(node, "id", int, name), member(node, "commit_id", str, name)
            before = nodes.get(number)
            if before is not None and (before["commit_id"], before.get("parent_id")) != (commit, node.get("parent_id")):
                tally.leave_out("ids told twice", "two snapshots disagree about a node; the last counts", commit)
            if commit != "failed":
                nodes[number] = node
            else:
                tally.leave_out("attempts", "failed before there was an agent", str(number))
    return nodes


def _initial_score(source: Source, tally: Tally) -> Decimal | None:
    name = "initial/metadata.json"
    if name not in source.files.names:
        return None
    performance = maybe(parse_foreign(source.files.read(name), name), "overall_performance", Mapping, name) or {}
    return tally.score(performance.get("accuracy_score"), INITIAL, least=_ZERO)


def _loop(kind: str, score_name: str, source: Source, versions: list[LoopVersion], attempts: int, tally: Tally) -> Loop:
    return Loop(
        kind=kind,
        name=source.name,
        versions=tuple(versions),
        direction="higher",
        score_name=score_name,
        evidence="recorded",
        rules=("each agent was proposed by the agent that it came from, run on a model outside the record",),
        attempts=attempts or len(versions) - 1,
        remarks=tuple(_remarks(versions)),
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _remarks(versions: list[LoopVersion]) -> Iterator[Remark]:
    unscored = sum(version.score is None for version in versions)
    if unscored:
        yield Remark("unscored", "note", f"{unscored} of {len(versions)} agents have no score")
