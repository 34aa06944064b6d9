"""A guard's session: leave comes from m issuers, is renewed, and ends by lapse, by more than f of them, or by a denial."""

import asyncio
import random
from decimal import Decimal
from typing import Self

import pytest

from detente.adapters.rundir import GuardMemory, RunFolder
from detente.app.guarding import Denied, GuardSession
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.guard.notice import Notice, seal_notice
from tests.integration.guard_issuers import LIFE_S, Issuers
from tests.unit.guard import messages as m


class Clock:
    """Seconds since boot as the test says, and which boot it is."""

    def __init__(self) -> None:
        self.now_s, self.boot = 1_000.0, "boot-1"

    def boottime_s(self) -> float:
        return self.now_s

    def boot_id(self) -> str:
        return self.boot


class Guard:
    """A session over those issuers, with its folder on a real disk."""

    def __init__(self, place, issuers: Issuers | None = None) -> None:
        self.issuers = issuers or Issuers()
        self.clock = Clock()
        self.changes: list = []
        folder = RunFolder(place, "run")
        folder.take()
        self.memory = GuardMemory(folder)
        self.folder = folder
        self.session = GuardSession(
            intent=m.INTENT,
            terms=m.TERMS,
            trust=m.TRUST,
            signer=m.GUARD,
            channel=self.issuers,
            clock=self.clock,
            memory=self.memory,
            entropy=random.Random(7),
            on_change=self.changes.append,
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.session.run())
        await self.until(lambda: self.session.leave.given and len(self.issuers.streams) == 4)
        return self

    async def __aexit__(self, *_error) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.folder.release()

    async def until(self, condition, tries: int = 2_000) -> None:
        for _ in range(tries):
            if condition():
                return
            await asyncio.sleep(0.001)
        pytest.fail("it did not come about")

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0.001)


def play(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario, 90))


def test_leave_lasts_for_the_life_of_the_permit_from_before_it_was_asked_for(tmp_path):
    """The lease counts from sending, and the epoch is on disk before the job may use it."""

    async def scenario() -> None:
        guard = Guard(tmp_path)
        guard.issuers.before_signing = lambda _issuer: setattr(guard.clock, "now_s", 1_005.0)
        async with guard:
            assert guard.session.leave.until_s == 1_000.0 + LIFE_S
            assert guard.memory.load() == ({m.ORIGIN: m.signed_head(7).head}, 1)

    play(scenario())


@pytest.mark.parametrize("silent", [(), ("iss-3",)])
def test_a_silent_issuer_changes_nothing(tmp_path, silent):
    """m = 3 of 4 are enough."""

    async def scenario() -> None:
        issuers = Issuers()
        issuers.silent |= set(silent)
        async with Guard(tmp_path, issuers) as guard:
            assert guard.session.permit is not None
            assert len(guard.session.permit.issuers) == 3

    play(scenario())


def test_two_silent_issuers_are_too_many_and_are_named(tmp_path):
    """Nobody denied anything: that is the world's fault, not a denial."""

    async def scenario() -> None:
        guard = Guard(tmp_path)
        guard.issuers.silent |= {"iss-2", "iss-3"}
        with pytest.raises(Unavailable, match="iss-2: iss-2 is silent; iss-3"):
            await guard.session.acquire()
        assert not guard.session.leave.given
        assert guard.memory.load() == ({}, 0)

    play(scenario())


def test_a_denial_says_what_holds(tmp_path):
    """A denial is a value with reasons, not an error."""

    async def scenario() -> None:
        guard = Guard(tmp_path)
        for name in ("iss-1", "iss-2"):
            guard.issuers.offers[name] = {"allowed": False, "rate": Decimal(0), "life_s": 0, "held_by": ("call",)}
        outcome = await guard.session.acquire()
        assert isinstance(outcome, Denied)
        assert (outcome.deniers, outcome.held_by) == (("iss-1", "iss-2"), ("call",))
        assert not guard.session.leave.given

    play(scenario())


def test_one_notice_stops_nobody_and_a_second_issuers_does(tmp_path):
    """f + 1 = 2 distinct issuers: one of them is honest. The same one twice is still one."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            for name in ("iss-1", "iss-2"):
                guard.issuers.offers[name] = {"allowed": False, "rate": Decimal(0), "life_s": 0}
            guard.issuers.push("iss-1", 1)
            guard.issuers.push("iss-1", 2)
            await guard.settled()
            assert guard.session.leave.given
            guard.issuers.push("iss-2", 1)
            await guard.until(lambda: not guard.session.leave.given)
            assert (guard.session.leave.why, guard.session.leave.held_by) == ("pause", ("call",))

    play(scenario())


@pytest.mark.parametrize(
    "changes",
    [{"scope": "dev-b"}, {"activities": ("deployment",)}, {"accord": "f" * 64}],
    ids=["another party", "another activity", "another accord"],
)
def test_a_notice_that_does_not_concern_the_guard_stops_it_not(tmp_path, changes):
    """Notices are signed for a scope, and count for no other."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            for name in ("iss-0", "iss-1", "iss-2", "iss-3"):
                guard.issuers.push(name, **changes)
            await guard.settled()
            assert guard.session.leave.given

    play(scenario())


def test_a_forged_notice_stops_nobody(tmp_path):
    """Anyone can open a connection; only permit keys are heard."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            for name in ("iss-0", "iss-1", "iss-2"):
                notice = Notice(
                    accord=m.ACCORD,
                    issuer=Party(name),
                    scope="all",
                    activities=("training",),
                    sequence=1,
                    cause="call",
                )
                guard.issuers.streams[name].put_nowait(seal_notice(notice, m.signer("stranger")))
                guard.issuers.streams[name].put_nowait(b"garbage")
            await guard.settled()
            assert guard.session.leave.given

    play(scenario())


def test_leave_comes_back_after_a_lift_and_old_notices_do_not_stop_it_again(tmp_path):
    """An offer that allows answers the notices up to the number it names; replaying them changes nothing."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            names = ("iss-0", "iss-1", "iss-2", "iss-3")
            for name in names:
                guard.issuers.offers[name] = {"allowed": False, "rate": Decimal(0), "life_s": 0}
                guard.issuers.push(name)
            await guard.until(lambda: not guard.session.leave.given)
            guard.issuers.offers = {name: {"notices": 1} for name in names}
            guard.clock.now_s += 10  # a guard that was stopped does not ask again at once
            guard.issuers.streams["iss-0"].put_nowait(b"")  # an event: something moved
            await guard.until(lambda: guard.session.leave.given)
            assert guard.session.leave.epoch == 2
            for name in names:
                guard.issuers.push(name, 1)
            await guard.settled()
            assert guard.session.leave.given

    play(scenario())


def test_notices_heard_while_there_is_no_leave_stand_in_the_way_of_leave(tmp_path):
    """A stopped guard reads them before it goes on: a permit asked for before a second pause must not carry it through."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            names = ("iss-0", "iss-1", "iss-2", "iss-3")
            for name in names:
                guard.issuers.offers[name] = {"allowed": False, "rate": Decimal(0), "life_s": 0}
                guard.issuers.push(name, 1)
            await guard.until(lambda: not guard.session.leave.given)
            for name in ("iss-0", "iss-1"):
                guard.issuers.push(name, 2)
            await guard.settled()
            permits = guard.session.permits_seen
            guard.issuers.offers = {name: {"notices": 1} for name in names}
            guard.clock.now_s += 10
            guard.issuers.streams["iss-0"].put_nowait(b"")
            await guard.until(lambda: guard.session.permits_seen > permits)
            assert not guard.session.leave.given
            guard.issuers.offers = {name: {"notices": 2} for name in names}
            guard.clock.now_s += 10
            guard.issuers.streams["iss-0"].put_nowait(b"")
            await guard.until(lambda: guard.session.leave.given)

    play(scenario())


def test_a_renewal_that_fails_matters_only_at_the_lapse(tmp_path):
    """Issuers that go away do not end leave; time does, and by the clock since boot alone."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            guard.issuers.silent |= set(m.ISSUERS)
            guard.session.ask_now()
            await guard.settled()
            assert guard.session.leave.given
            guard.clock.now_s = 1_000.0 + LIFE_S - 0.5
            guard.session.ask_now()
            await guard.settled()
            assert guard.session.leave.given
            guard.clock.now_s = 1_000.0 + LIFE_S
            await guard.until(lambda: not guard.session.leave.given)
            assert guard.session.leave.why == "lapse"

    play(scenario())


def test_a_reboot_ends_leave(tmp_path):
    """Seconds since boot mean nothing after another boot."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            guard.issuers.silent |= set(m.ISSUERS)
            guard.clock.boot = "boot-2"
            await guard.until(lambda: not guard.session.leave.given)

    play(scenario())


def test_renewal_is_asked_for_at_a_third_of_the_life(tmp_path):
    """Not before nine tenths of a third, so that a partition is noticed with two thirds to spare."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            quoted = guard.issuers.quoted
            guard.clock.now_s = 1_000.0 + LIFE_S / 3 * 0.89
            await asyncio.sleep(1.1)
            assert guard.issuers.quoted == quoted
            guard.clock.now_s = 1_000.0 + LIFE_S / 3
            await guard.until(lambda: guard.session.leave.epoch == 2)
            assert guard.session.leave.until_s == pytest.approx(1_000.0 + LIFE_S / 3 + LIFE_S)

    play(scenario())


def test_a_denied_renewal_stops_at_once(tmp_path):
    """More than f issuers that deny are as good as their notices: one of them is honest."""

    async def scenario() -> None:
        async with Guard(tmp_path) as guard:
            for name in ("iss-1", "iss-2"):
                guard.issuers.offers[name] = {"allowed": False, "rate": Decimal(0), "life_s": 0, "held_by": ("call",)}
            guard.session.ask_now()
            await guard.until(lambda: not guard.session.leave.given)
            assert (guard.session.leave.why, guard.session.leave.held_by) == ("denied", ("call",))

    play(scenario())


def test_after_a_restart_a_stale_state_is_refused(tmp_path):
    """What the guard has seen is on disk: issuers that show it an older head get no running job out of it."""

    async def scenario() -> None:
        guard = Guard(tmp_path)
        for name in m.ISSUERS:
            guard.issuers.offers[name] = {"heads": (m.signed_head(9),)}
        await guard.session.acquire()
        guard.folder.release()
        again = Guard(tmp_path)
        with pytest.raises(Refused) as caught:
            await again.session.acquire()
        assert caught.value.rule == "P14"
        assert not again.session.leave.given
        assert again.memory.load() == ({m.ORIGIN: m.signed_head(9).head}, 1)
        again.folder.release()

    play(scenario())


def test_after_a_restart_the_epoch_still_rises(tmp_path):
    """Issuers that forgot their epochs do not make the guard forget its own."""

    async def scenario() -> None:
        guard = Guard(tmp_path)
        guard.issuers.epochs = dict.fromkeys(m.ISSUERS, 41)
        await guard.session.acquire()
        assert guard.session.leave.epoch == 42
        guard.folder.release()
        again = Guard(tmp_path)
        await again.session.acquire()
        assert again.session.leave.epoch == 43
        again.folder.release()

    play(scenario())


def test_a_memory_that_does_not_read_permits_nothing(tmp_path):
    """G41: forgetting what was seen is how a stale permit would get in."""
    guard = Guard(tmp_path)
    guard.folder.store("memory.json", b'{"heads": [], "epoch": "none"}')
    guard.folder.release()
    with pytest.raises(Refused) as caught:
        Guard(tmp_path)
    assert caught.value.rule == "G41"


def test_one_run_has_one_guard(tmp_path):
    """G40: two guards of one run would overwrite each other's memory."""
    guard = Guard(tmp_path)
    with pytest.raises(Refused) as caught:
        RunFolder(tmp_path, "run").take()
    assert caught.value.rule == "G40"
    guard.folder.release()
    RunFolder(tmp_path, "run").take()
