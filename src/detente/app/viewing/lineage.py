"""Versions as they are shown: one by one, in the line behind a change, and as a tree around one of them.

Decides which versions stand in a picture and what of each. Leaves depths and cumulative FLOP to ``lineage``, by way of the accord's
ancestry at the instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from detente.accord.explaining.constraint import spelled
from detente.accord.records import Item
from detente.accord.standing import Standing
from detente.accord.status import change_standing, release_standing
from detente.app.viewing.overview import heading
from detente.app.viewing.sight import Sight, Value, when
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.quantity import Interval, show_decimal
from detente.lineage.depth import DepthInterval
from detente.statement.audit import Audit
from detente.statement.change import ProposedBy
from detente.statement.deployment import Deployment
from detente.statement.measurement import Measurement
from detente.statement.version import Version

LINE_MAX: Final = 24
"""Versions of the line behind a change: depths say how long it is in all."""
TREE_UP, TREE_DOWN, TREE_MAX = 6, 4, 60
"""Generations above and below, and versions in all, of a picture that fits a screen."""


def versions_of(sight: Sight) -> dict[Digest, list[Item]]:
    """Every version with its statements, in fold order."""

    def gather() -> dict[Digest, list[Item]]:
        found: dict[Digest, list[Item]] = {}
        for item, _ in sight.state.upto(("version",), sight.at, heard=True):
            if isinstance(item.body, Version):
                found.setdefault(item.body.version, []).append(item)
        return found

    return sight.keep("versions", gather)


def children_of(sight: Sight) -> dict[Digest, list[Digest]]:
    """The versions that name each as a parent."""

    def gather() -> dict[Digest, list[Digest]]:
        found: dict[Digest, list[Digest]] = {}
        for version, items in versions_of(sight).items():
            for parent in parents_of(items):
                found.setdefault(parent, []).append(version)
        return found

    return sight.keep("children", gather)


def measured_of(sight: Sight, version: Digest) -> list[Value]:
    """What was measured of a version, the latest first."""

    def gather() -> dict[Digest, list[Item]]:
        found: dict[Digest, list[Item]] = {}
        for item in sight.state.items.values():
            if (
                isinstance(item.body, Measurement)
                and item.body.about is not None
                and item.body.about.version is not None
            ):
                found.setdefault(item.body.about.version, []).append(item)
        return found

    items = sight.keep("measured", gather).get(version, [])
    return [_measurement(item, item.body) for item in reversed(items[-32:]) if isinstance(item.body, Measurement)]


def parents_of(items: list[Item]) -> list[Digest]:
    """The parents that any statement of a version names."""
    return list(
        dict.fromkeys(parent for item in items if isinstance(item.body, Version) for parent in item.body.parents)
    )


def version_row(sight: Sight, version: Digest) -> Value:
    """A version as one row; one that nobody stated is nothing but its digest."""
    items = versions_of(sight).get(version, [])
    bodies = [item.body for item in items if isinstance(item.body, Version)]
    if not bodies:
        return {"version": version, "stated": False, "parents": [], "statements": [], "score": None}
    first = bodies[0]
    scores = list(dict.fromkeys(show_decimal(body.score) for body in bodies if body.score is not None))
    return {
        "version": version,
        "stated": True,
        "party": items[0].party,
        "proposed_by": proposed_by(first.proposed_by),
        "touches": sorted({touch for body in bodies for touch in body.touches}),
        "score": scores[0] if len(scores) == 1 else None,
        "own_flop": None if first.own_flop is None else show_decimal(first.own_flop),
        "changed_lines": first.changed_lines,
        "parents": parents_of(items),
        "looked_at": spelled(sight.ancestry.is_significant(version)),
        "witnessed_at": when(items[0].time),
        "statements": [{"statement": item.id} for item in items],
    }


def line_behind(sight: Sight, version: Digest | None) -> list[Value]:
    """The line of first parents that ends in ``version``, oldest first, at most ``LINE_MAX``."""
    found: list[Value] = []
    seen: set[Digest] = set()
    while version is not None and version not in seen and len(found) < LINE_MAX:
        seen.add(version)
        row = version_row(sight, version)
        found.append(row)
        version = row["parents"][0] if row["parents"] else None
    return found[::-1]


def depths(sight: Sight, version: Digest) -> Value:
    """Both depths of a version, with the chain that makes the longest upper end."""
    ai, own = sight.ancestry.depths_of(version)
    return {"ai_proposed_depth": _depth(ai), "self_depth": _depth(own), "chain": list(ai.chain[-LINE_MAX:])}


def view_version(sight: Sight, version: Digest) -> Value:
    """A version: what was stated, what it came from and led to, how far it is from a person's look, whether it may be released."""
    items = versions_of(sight).get(version, [])
    known = bool(items) or version in children_of(sight)
    if not known:
        raise Refused(
            "N61", "not-found", got=f"version {version}", expected="the digest of a version that was stated here"
        )
    row = version_row(sight, version)
    standing = release_standing(sight.state, version, sight.at)
    proposals = list(dict.fromkeys(filter(None, (getattr(item.body, "proposal", None) for item in items))))
    value: Value = {
        **heading(sight),
        **row,
        "runs": [
            {"run": run} for run in dict.fromkeys(filter(None, (getattr(item.body, "run", None) for item in items)))
        ],
        "proposals": [{"proposal": each} for each in proposals],
        "children": [version_row(sight, each) for each in children_of(sight).get(version, [])[:TREE_MAX]],
        "tree": tree_around(sight, version),
        "cumulative_flop": _interval(sight.ancestry.flop_of(version)),
        **depths(sight, version),
        "line": line_behind(sight, version),
        "measured": measured_of(sight, version),
        "audits": [
            _audit(item, item.body)
            for item, _ in sight.state.upto(("audit", version), sight.at)
            if isinstance(item.body, Audit)
        ],
        "deployments": list(_deployments(sight, version)),
        "training": _standing(change_standing(sight.state, version, sight.at)),
        "release": _standing(standing),
    }
    return sight.with_entries(value)


def tree_around(sight: Sight, version: Digest) -> list[Value]:
    """Versions some generations above and below, each with its generation (0 is the version) and its parents in the picture."""
    generation: dict[Digest, int] = {version: 0}
    edge = [version]
    for level in range(1, TREE_UP + 1):
        edge = [each for below in edge for each in version_row(sight, below)["parents"] if each not in generation]
        for each in edge[: TREE_MAX - len(generation)]:
            generation.setdefault(each, -level)
    edge = [each for each, level in generation.items() if level == 0]
    for level in range(1, TREE_DOWN + 1):
        edge = [each for above in edge for each in children_of(sight).get(above, []) if each not in generation]
        for each in edge[: max(0, TREE_MAX - len(generation))]:
            generation.setdefault(each, level)
    return [
        {
            "version": each,
            "generation": level,
            "parents": [parent for parent in version_row(sight, each)["parents"] if parent in generation],
            "proposer": _proposer(sight, each),
            "looked_at": spelled(sight.ancestry.is_significant(each)),
            "score": version_row(sight, each)["score"],
        }
        for each, level in sorted(generation.items(), key=lambda pair: (pair[1], pair[0]))
    ]


def proposed_by(by: ProposedBy) -> Value:
    """Who proposed, as a value."""
    return {"kind": by.kind, "id": by.id}


def _proposer(sight: Sight, version: Digest) -> str:
    row = version_row(sight, version)
    return str(row["proposed_by"]["kind"]) if row["stated"] else "not stated"


def _standing(standing: Standing) -> Value:
    return standing.as_json()


def _deployments(sight: Sight, version: Digest) -> Iterator[Value]:
    for item, _ in sight.state.upto(("deployment",), sight.at):
        if isinstance(item.body, Deployment) and item.body.version == version:
            yield {"statement": item.id, "by": item.party, "where": item.body.where, "witnessed_at": when(item.time)}


def _audit(item: Item, body: Audit) -> Value:
    return {
        "statement": item.id,
        "by": item.party,
        "scope": body.scope,
        "outcome": body.outcome,
        "evaluations": [{"name": each.name, "result": each.result} for each in body.evaluations],
        "conditions": list(body.conditions),
        "certifies": list(body.certifies or ()),
    }


def _measurement(item: Item, body: Measurement) -> Value:
    return {
        "statement": item.id,
        "indicator": body.indicator,
        **_interval(Interval(body.low, body.high)),
        "unit": body.unit,
        "method": body.method,
        "by": item.party,
        "witnessed_at": when(item.time),
        "evidence": list(body.evidence),
    }


def _interval(value: Interval) -> Value:
    ends = {"low": value.low, "high": value.high}
    return {name: None if end is None else show_decimal(end) for name, end in ends.items()}


def _depth(depth: DepthInterval) -> Value:
    return {"low": depth.low, "high": depth.high}
