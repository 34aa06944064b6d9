"""A job that gets no leave is refused by number, with what holds it; a loop that waits for a decision waits as long as it said."""

import asyncio
import random
from decimal import Decimal

import pytest

from detente.adapters.clock import SystemClock
from detente.app.guarding import GuardSession
from detente.app.holding import NoMemory, await_decision
from detente.app.outfit import first_leave
from detente.base.errors import Refused
from detente.guard.decide import LAPSED
from detente.guard.permit import VerifiedPermit
from tests.integration.guard_issuers import Issuers
from tests.unit.guard import messages as m

HELD = {"allowed": False, "rate": Decimal(0), "life_s": 0, "held_by": ("review",)}


def denying() -> Issuers:
    issuers = Issuers()
    issuers.offers = {str(name): dict(HELD) for name in m.ISSUERS}
    return issuers


def session_of(issuers: Issuers) -> GuardSession:
    return GuardSession(
        intent=m.INTENT,
        terms=m.TERMS,
        trust=m.TRUST,
        signer=m.GUARD,
        channel=issuers,
        clock=SystemClock(),
        memory=NoMemory(),
        entropy=random.Random(7),
    )


def decided(issuers: Issuers, timeout_s: float | None) -> VerifiedPermit:
    async def scenario() -> VerifiedPermit:
        async with asyncio.timeout(90):
            return await await_decision(
                intent=m.INTENT,
                terms=m.TERMS,
                trust=m.TRUST,
                signer=m.GUARD,
                channel=issuers,
                clock=SystemClock(),
                timeout_s=timeout_s,
            )

    return asyncio.run(scenario())


def test_a_job_that_is_held_does_not_start():
    """G43: a denial ends the wait at once, names what holds, and nothing was signed."""
    issuers = denying()

    async def scenario() -> None:
        session = session_of(issuers)
        task = asyncio.create_task(session.run())
        try:
            async with asyncio.timeout(90):
                with pytest.raises(Refused, match="review") as refused:
                    await first_leave(session, wait_s=20, patient=False)
            assert (refused.value.rule, refused.value.kind) == ("G43", "held")
            assert not session.leave.given
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert issuers.epochs == {}


def test_a_patient_job_starts_when_the_hold_is_over():
    """`--hold` waits through a denial and says what it waits for."""
    issuers = denying()
    said: list[str] = []

    async def scenario() -> None:
        session = session_of(issuers)
        task = asyncio.create_task(session.run())

        def say(line: str) -> None:
            said.append(line)
            issuers.allow()

        try:
            async with asyncio.timeout(90):
                leave = await first_leave(session, wait_s=20, patient=True, say=say)
            assert leave.given
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert len(said) == 1
    assert "review" in said[0]


def test_a_loop_waits_for_a_decision_no_longer_than_it_said():
    """G44: what is still missing is named, and no issuer signed anything."""
    issuers = denying()
    with pytest.raises(Refused, match="review") as refused:
        decided(issuers, 0.3)
    assert (refused.value.rule, refused.value.kind) == ("G44", "held")
    assert issuers.quoted > 4, "it asked more than once"
    assert issuers.epochs == {}


def test_a_loop_does_not_wait_for_a_proposal_that_has_lapsed():
    """G45: nothing that anybody says can let it pass any more; the loop is told to propose anew, however long it would wait."""
    issuers = denying()
    for offer in issuers.offers.values():
        offer["held_by"] = ("review", LAPSED)
    with pytest.raises(Refused, match="propose it anew") as refused:
        decided(issuers, None)
    assert (refused.value.rule, refused.value.kind) == ("G45", "expired")
    assert issuers.epochs == {}


def test_one_issuer_that_may_lie_ends_no_wait():
    """Of four issuers one may lie: its word alone that the proposal has lapsed changes nothing."""
    issuers = denying()
    issuers.offers[str(min(m.ISSUERS))]["held_by"] = ("review", LAPSED)
    with pytest.raises(Refused) as refused:
        decided(issuers, 0.3)
    assert refused.value.rule == "G44"


def test_a_decision_that_comes_in_time_is_a_permit():
    """The wait ends with the permit that the issuers signed."""
    issuers = denying()
    quote = issuers.quote

    async def decide_after_a_look(issuer, request):
        offer = await quote(issuer, request)
        issuers.offers.pop(issuer, None)
        return offer

    issuers.quote = decide_after_a_look
    assert decided(issuers, None).permit.rate == 1
