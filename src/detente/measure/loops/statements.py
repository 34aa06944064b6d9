"""Our own statements: what ``version``, ``proposal`` and ``approval`` statements of a log say about lineage.

Decides which claims they make. Leaves out signatures and whether an approval counts: that is for the accord's terms
(``detente status``), and an approval that was not judged under them lowers no upper end.

1. A version's parents are its own and its proposal's. If it names none, and is not a human's, its history is missing.
2. An approval by somebody is shown and counted; the version stays one of which nobody says whether it was approved.
"""

from __future__ import annotations

from typing import Final

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.measure.indicator import Remark
from detente.measure.loops.record import Loop, LoopVersion
from detente.measure.loops.source import Source
from detente.statement.approval import Approval
from detente.statement.proposal import Proposal
from detente.statement.version import Version

KIND: Final = "statements"


def recognise(source: Source) -> bool:
    """A version is among the statements that were read: approvals and proposals alone tell of no loop."""
    return any(isinstance(body, Version) for _, body, _ in source.statements)


def import_loop(source: Source) -> Loop:
    """What the statements say; raises ``Refused`` I05 where none is of a version."""
    proposals = {digest: body for _, body, digest in source.statements if isinstance(body, Proposal)}
    approved = [body for _, body, _ in source.statements if isinstance(body, Approval)]
    versions = [
        _version(body, proposals.get(body.proposal) if body.proposal is not None else None)
        for _, body, _ in source.statements
        if isinstance(body, Version)
    ]
    if not versions:
        raise Refused("I05", "not-found", got="no version statement", expected="statements of versions")
    remarks = [Remark("not-verified", "note", "signatures were not checked here: `detente log verify` does")]
    if approved:
        text = f"{len(approved)} approvals are stated; whether they count is for the terms (`detente status`): here they lower nothing"
        remarks.append(Remark("approvals-not-judged", "note", text))
    scored = any(version.score is not None for version in versions)
    return Loop(
        kind=KIND,
        name=source.name,
        versions=tuple(versions),
        direction="higher" if scored else None,
        score_name="score" if scored else "",
        evidence="declared",
        rules=("as stated; a larger score is taken to be better",) if scored else ("as stated",),
        attempts=len(versions),
        remarks=tuple(remarks),
        inputs=source.inputs,
    )


def _version(body: Version, proposal: Proposal | None) -> LoopVersion:
    perhaps: set[Digest] = set()
    if proposal is not None and proposal.parent is not None and proposal.parent not in body.parents:
        perhaps.add(proposal.parent)
    proposer = body.proposed_by
    differ = proposal is not None and proposal.proposed_by.kind != proposer.kind
    return LoopVersion(
        id=body.version,
        digest=body.version,
        parents=body.parents,
        perhaps=tuple(sorted(perhaps)),
        proposer="undeclared" if differ else proposer.kind,
        proposed_by=proposer.id if proposer.kind == "model" and not differ else None,
        touches=frozenset(body.touches),
        score=body.score,
        own_flop=body.own_flop,
        changed_lines=body.changed_lines,
    )
