"""A guard that waits at a hold point hears of the decision: it does not wait for its next turn, and news permits nothing."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from detente.accord.terms import parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app import holding
from detente.app.holding import await_decision, made_proposal
from detente.app.notices import Hub
from detente.base.identity import Party
from detente.base.quantity import parse_decimal
from detente.guard.intent import Intent
from detente.guard.permit import VerifiedPermit
from detente.guard.trust import trust_of
from detente.statement.run import Run
from detente.testing.coalition import Coalition
from detente.testing.loopback import Loopback
from tests.integration.guard_issuers import Issuers
from tests.integration.reviewer_of_auditor import approval_envelope
from tests.unit.guard import messages as m

PROPOSAL = "a" * 64
NEVER_S = 3_600.0


@pytest.fixture
def only_news(monkeypatch):
    """Nobody asks a second time unless news comes."""
    monkeypatch.setattr(holding, "ASK_FIRST_S", NEVER_S)
    monkeypatch.setattr(holding, "ASK_MOST_S", NEVER_S)


def waiting_intent() -> Intent:
    return Intent(
        activity="self_improvement", party=m.INTENT.party, run=m.INTENT.run, proposal=PROPOSAL, flop=Decimal(1)
    )


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - everything is in this process, one turn of the loop after another
        await asyncio.sleep(0)


async def decided(issuers: Issuers, timeout_s: float | None = None) -> VerifiedPermit:
    return await await_decision(
        intent=waiting_intent(),
        terms=m.TERMS,
        trust=m.TRUST,
        signer=m.GUARD,
        channel=issuers,
        clock=SystemClock(),
        timeout_s=timeout_s,
    )


def test_news_makes_a_guard_ask_at_once_and_only_issuers_permit(only_news):
    """News while the issuers still deny changes nothing; news once they allow ends the wait."""
    issuers = Issuers()
    issuers.offers = {
        str(name): {"allowed": False, "rate": Decimal(0), "life_s": 0, "held_by": ("review",)} for name in m.ISSUERS
    }

    async def scenario() -> None:
        async with asyncio.timeout(90):
            wait = asyncio.create_task(decided(issuers))
            await until(lambda: len(issuers.decided) == len(m.ISSUERS) and issuers.quoted > 0)
            asked = issuers.quoted
            next(iter(issuers.decided.values())).put_nowait(None)
            await until(lambda: issuers.quoted >= asked + len(m.ISSUERS))
            assert not wait.done()
            assert issuers.epochs == {}
            issuers.offers = {}
            next(iter(issuers.decided.values())).put_nowait(None)
            assert isinstance(await wait, VerifiedPermit)

    asyncio.run(scenario())


def test_a_listener_for_a_decision_is_told_at_once_and_names_that_are_none_are_not_awaited():
    """Whoever comes late asks once and knows; a name from outside never becomes an event."""
    hub = Hub(clients_max=4, events_max=4)
    listener = hub.subscribe(only=frozenset({f"decision:{PROPOSAL}"}))
    hub.subscribe(only=frozenset({"decision:x\nevent: notice", "decision:" + "A" * 64}))
    assert list(listener.waiting) == [f"event: decision:{PROPOSAL}\ndata: {{}}\n\n".encode()]
    assert hub.awaited() == {f"decision:{PROPOSAL}"}


def test_a_decision_ends_the_wait_of_a_guard_at_four_nodes(tmp_path: Path, only_news):
    """With a settling time of a second: told when the approval is witnessed, and again when it counts."""
    coalition = Coalition(seed=5, developers=1, mirrors=4, f=1, settle_s=1)
    developer, auditor = coalition.developers[0], coalition.mirrors[0]
    with Loopback(tmp_path / "nodes", coalition) as nodes:
        permit = asyncio.run(wait_through(nodes, coalition, developer, auditor))
    assert permit.permit.intent.activity == "self_improvement"


async def wait_through(nodes: Loopback, coalition: Coalition, developer: Party, auditor: Party) -> VerifiedPermit:
    await nodes.accede()
    flop = parse_decimal("1e18")
    run = Run(run="loop", activity="self_improvement", planned_flop=flop, parents=(), data=())
    declared = (await nodes.submit(developer, "run", run)).statement
    body = made_proposal(b"wider", touches=["architecture"], summary="wider", proposed_by=("model", "m1"), run=declared)
    proposal = (await nodes.submit(developer, "proposal", body)).statement
    terms = parse_terms(coalition.founding)
    channel = HttpChannel(nodes.url(developer), {party: nodes.url(party) for party in coalition.mirrors})
    wait = asyncio.create_task(
        await_decision(
            intent=Intent(activity="self_improvement", party=developer, run=declared, proposal=proposal, flop=flop),
            terms=terms.digest,
            trust=trust_of(coalition.accord, terms),
            signer=coalition.signer(developer, "guard"),
            channel=channel,
            clock=SystemClock(),
            timeout_s=None,
        )
    )
    envelope = approval_envelope(coalition, proposal)
    client = NodeClient(nodes.url(auditor))
    try:
        done, _ = await asyncio.wait([wait], timeout=1.0)
        assert not done, "nobody has decided"
        await client.submit(envelope)
        async with asyncio.timeout(90):
            return await wait
    finally:
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)
        await client.close()
        await channel.close()
