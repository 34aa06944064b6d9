"""The graph as PROV-JSON: W3C PROV words, and three of the project's own where PROV has none.

Decides how versions, proposers, approvals and evaluations are spelled. Leaves out what follows from them. Source: PROV-DM and
the PROV-JSON submission (W3C, 2013). A version is an entity; what proposed it, and the human whose approval is stated, are
agents without names of people; each making and each evaluation is an activity.

| Relation | Says |
| --- | --- |
| ``wasDerivedFrom`` | a recorded parent; with ``detente:possible`` true, one that only the loop's rules or order give |
| ``wasGeneratedBy`` | the step of the loop that made the version |
| ``wasAttributedTo`` | the model, human or undeclared proposer |
| ``detente:proposedBy`` | the proposer, as a version where it is one |
| ``detente:approvedBy`` | a human, where a significant approval is stated |
| ``detente:evaluatedBy`` | the loop's evaluator, with the score |
"""

from __future__ import annotations

from typing import Any, Final

from detente.base.digest import Digest
from detente.base.instant import Instant, show_instant
from detente.base.quantity import show_decimal
from detente.lineage.graph import model_of
from detente.measure.loops.measuring import Judged
from detente.measure.loops.record import LoopVersion
from detente.statement.change import ProposedBy

PREFIXES: Final = {"detente": "urn:detente:prov:v1:", "version": "urn:sha256:", "loop": "urn:detente:loop:"}


def prov_document(judged: Judged) -> dict[str, Any]:
    """Everything that the graph holds, as one PROV-JSON document."""
    document: dict[str, Any] = {
        "prefix": dict(PREFIXES),
        "entity": {},
        "agent": {},
        "activity": {},
        "wasDerivedFrom": {},
        "wasGeneratedBy": {},
        "wasAttributedTo": {},
        "detente:proposedBy": {},
        "detente:approvedBy": {},
        "detente:evaluatedBy": {},
    }
    for digest in judged.woven.order:
        _add_version(document, judged, digest)
    for digest, name in sorted(judged.woven.missing.items()):
        document["entity"].setdefault(f"version:{digest}", {"detente:id": name, "detente:recorded": False})
    return {name: members for name, members in document.items() if members}


def _add_version(document: dict[str, Any], judged: Judged, digest: Digest) -> None:
    woven = judged.woven
    version, loop = woven.versions[digest], woven.loop_of[digest]
    claims = woven.graph.claims(digest)
    name, making = f"version:{digest}", f"loop:{loop.kind}/making/{digest[:16]}"
    document["entity"][name] = _entity(version, loop.kind)
    document["activity"][making] = {"prov:type": "detente:making", **_times(version)}
    document["wasGeneratedBy"][f"_:g{digest[:16]}"] = {"prov:entity": name, "prov:activity": making}
    for parent in woven.parents[digest]:
        relation: dict[str, Any] = {"prov:generatedEntity": name, "prov:usedEntity": f"version:{parent}"}
        if parent not in claims.agreed_parents:
            relation["detente:possible"] = True
        document["wasDerivedFrom"][f"_:d{digest[:16]}-{parent[:16]}"] = relation
    for number, proposer in enumerate(sorted(claims.proposers, key=str)):
        agent = _agent(document, proposer)
        document["wasAttributedTo"][f"_:a{digest[:16]}-{number}"] = {"prov:entity": name, "prov:agent": agent}
        document["detente:proposedBy"][f"_:p{digest[:16]}-{number}"] = {"prov:entity": name, "prov:agent": agent}
    if judged.approved.get(digest):
        document["agent"].setdefault("detente:human", {"prov:type": "prov:Person"})
        document["detente:approvedBy"][f"_:s{digest[:16]}"] = {"prov:entity": name, "prov:agent": "detente:human"}
    if version.score is not None:
        evaluation = f"loop:{loop.kind}/evaluation/{digest[:16]}"
        document["activity"][evaluation] = {"prov:type": "detente:evaluation"}
        document["detente:evaluatedBy"][f"_:e{digest[:16]}"] = {
            "prov:entity": name,
            "prov:activity": evaluation,
            "detente:scoreName": loop.score_name,
            "detente:score": show_decimal(version.score),
        }


def _entity(version: LoopVersion, kind: str) -> dict[str, Any]:
    entity: dict[str, Any] = {"prov:type": "detente:version", "detente:loop": kind, "detente:id": version.id}
    if version.status:
        entity["detente:status"] = version.status
    if version.kept is not None:
        entity["detente:kept"] = version.kept
    if version.touches:
        entity["detente:touches"] = sorted(version.touches)
    if version.own_flop is not None:
        entity["detente:ownFlop"] = show_decimal(version.own_flop)
    if version.changed_lines is not None:
        entity["detente:changedLines"] = version.changed_lines
    return entity


def _times(version: LoopVersion) -> dict[str, str]:
    low, high = version.time.low, version.time.high
    if low is None or high is None:
        return {}
    return {"prov:startTime": show_instant(Instant(int(low))), "prov:endTime": show_instant(Instant(int(high)))}


def _agent(document: dict[str, Any], proposer: ProposedBy) -> str:
    model = model_of(proposer)
    if model is not None:
        name = f"version:{model}"
        document["agent"].setdefault(name, {"prov:type": "prov:SoftwareAgent"})
        return name
    kinds = {"human": "prov:Person", "model": "prov:SoftwareAgent"}
    name = f"detente:{proposer.kind}"
    document["agent"].setdefault(name, {"prov:type": kinds.get(proposer.kind, "detente:undeclared")})
    return name
