"""Before a log signs its first new head: which of its heads did the mirrors see last?

Decides how many mirrors must have answered, and that a restored home signs nothing. Leaves out bringing it back
(``recovering``) and how one mirror is asked (``pushing.find_ahead``). ``spec/store.md`` §3.

A quorum of the n mirrors other than the operator took q cosignatures, f of them perhaps by liars, so q − f honest mirrors hold
its head. Of any n − (q − f) + 1 answers one comes from such a mirror.

>>> answers_needed(mirrors=4, quorum=3, may_fail=1)
3
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from detente.adapters.client import NodeClient
from detente.app.coalition import Coalition
from detente.app.logbook import HeldLog
from detente.app.pushing import find_ahead
from detente.base.errors import DetenteError, Refused
from detente.base.identity import Party

ASK_AGAIN_S = 0.25


def answers_needed(*, mirrors: int, quorum: int, may_fail: int) -> int:
    """How many of ``mirrors`` (without the operator) must have answered."""
    return mirrors - (quorum - may_fail) + 1


async def ask_mirrors(
    log: HeldLog, own: Party, coalition: Coalition, peers: Mapping[Party, NodeClient]
) -> Refused | None:
    """Ask until enough have answered; the refusal C21 if one showed a later head under the log's own key."""
    rule = coalition.terms.mirrors
    others = coalition.mirrors - {own}
    needed = answers_needed(mirrors=len(others), quorum=rule.witness, may_fail=rule.may_fail)
    waiting = sorted(others & set(peers))
    ahead: Refused | None = None
    answered = 0
    while True:
        said = await asyncio.gather(*(_ask(log, peers[party]) for party in waiting))
        ahead = ahead or next((refused for answers, refused in said if answers and refused is not None), None)
        waiting = [party for party, (answers, _) in zip(waiting, said, strict=True) if not answers]
        answered += len(said) - len(waiting)
        if answered >= needed:
            return ahead
        await asyncio.sleep(ASK_AGAIN_S)


async def _ask(log: HeldLog, client: NodeClient) -> tuple[bool, Refused | None]:
    """Whether the mirror answered, and C21 if it has a later head of ours."""
    try:
        return True, await find_ahead(log, client)
    except (DetenteError, OSError):
        return False, None
