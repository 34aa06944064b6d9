"""How a node fares, for people and for whoever looks for a served one: no secret and no statement.

Decides what is shown. Leaves out how it is asked for (``server``) and what an accord's state is (``accord.status``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detente.app.node import Node


def health_of(node: Node) -> dict[str, object]:
    """Who this is, which logs it holds how far, whether it signs, who answers it."""
    log = node.sequencer.log if node.sequencer is not None else None
    return {
        "party": node.party,
        "accord": node.evidence.accord,
        "terms": {"version": node.coalition.terms.version, "digest": node.coalition.terms.digest},
        "self_witnessed": node.terms_self_witnessed,
        "log": None
        if log is None
        else {
            "origin": log.origin,
            "size": log.size,
            "signed": log.stored.size if log.stored else 0,
            "witnessed": log.witnessed.size if log.witnessed else 0,
            "signs": node.sequencer is not None and node.sequencer.ahead is None and node.cleared,
            "closed": log.closed,
        },
        "logs": {
            origin: {"size": held.size, "witnessed": held.witnessed.size if held.witnessed else 0}
            for origin, held in sorted(node.book.logs.items())
        },
        "peers": {party: node.follower.heard_of.get(party, False) for party in sorted(node.peers)},
        "listeners": len(node.hub),
        "notices": node.notices.sequence,
        "hook_findings": len(node.upkeep.hook_findings),
    }
