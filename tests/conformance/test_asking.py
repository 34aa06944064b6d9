"""Every adapter that asks before a single act, by its real host: paused, forged at, broken, cut off, and observed."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.conformance.asking import ADAPTERS
from tests.conformance.asking_rig import LATER, WRONG_ANSWERS, Asker, Host, Scene, has_compiler, jumped


@dataclass(frozen=True)
class Stage:
    """An adapter installed in a scene."""

    scene: Scene
    host: Host

    def held(self, what: str) -> str:
        """It is not done, whoever waits for the hook has not given it up, and it is said why."""
        act = self.host.act(what)
        assert not act.done, act
        assert act.took_s < self.host.deadline_s, act
        return act.said

    def done(self, what: str) -> str:
        """It is done, once."""
        act = self.host.act(what)
        assert act.done, act
        return act.said

    def play(self, scenario: str, usual: Callable[[], str]) -> str:
        """The words of the cell: of the driver's own play where it has one."""
        own: Callable[[], str] | None = getattr(self.host, "plays", {}).get(scenario)
        return (own or usual)()


@pytest.fixture(scope="module", params=ADAPTERS, ids=lambda each: each.key)
def adapter(request) -> Asker:
    """One adapter after another."""
    if request.param.absent:
        pytest.skip(request.param.absent)
    return request.param


@pytest.fixture
def due(adapter) -> Callable[[str], None]:
    """Skip what this run of the tests leaves to ``make conformance``."""

    def check(scenario: str) -> None:
        if not adapter.due(scenario):
            pytest.skip(LATER)

    return check


@pytest.fixture(scope="module")
def stage(adapter, tmp_path_factory):
    """Terms under which the act needs leave, and no approval."""
    with Scene(tmp_path_factory.mktemp("free"), *adapter.free) as scene:
        yield Stage(scene, adapter.open(scene))


@pytest.fixture(scope="module")
def approving(adapter, tmp_path_factory):
    """Terms under which the act waits for people."""
    if not (adapter.due("again") or adapter.due("edited")):
        pytest.skip(LATER)
    with Scene(tmp_path_factory.mktemp("approving"), *adapter.approving) as scene:
        yield Stage(scene, adapter.open(scene))


@pytest.fixture(scope="module")
def observed(adapter, tmp_path_factory):
    """Installed to observe."""
    if not adapter.due("observe"):
        pytest.skip(LATER)
    with Scene(tmp_path_factory.mktemp("observed"), *adapter.free) as scene:
        yield Stage(scene, adapter.open(scene, observe=True))


def test_an_act_that_has_leave_is_done(due, stage, shown):
    """Once, and by a permit that was signed for it."""
    due("allowed")

    def usual() -> str:
        stage.done("allowed")
        assert stage.scene.proxy.nonces
        return "done"

    shown("allowed", stage.play("allowed", usual))


def test_an_act_in_a_pause_is_held_and_done_after_the_lift(due, stage, shown):
    """Held with the pause's name, and nothing of it is left over; of ten that are queued not one is done."""
    due("paused")

    def paused() -> str:
        signed = len(stage.scene.proxy.nonces)
        assert "call" in stage.held("paused")
        assert len(stage.scene.proxy.nonces) == signed
        return "held"

    def queue() -> str:
        for number in range(10):
            stage.held(f"queued-{number}")
        return "held"

    stage.scene.pause()
    shown("paused", stage.play("paused", paused))
    shown("queue", stage.play("queue", queue))
    stage.scene.lift()
    stage.done("paused")


def test_an_approved_act_is_not_done_a_second_time(due, approving, shown):
    """One approval, one act; the second waits for people again."""
    due("again")

    def usual() -> str:
        approving.held("again")
        approving.scene.approve_all()
        approving.done("again")
        approving.held("again")
        approving.scene.approve_all()
        approving.done("again")
        return "held"

    shown("again", approving.play("again", usual))


def test_an_approval_is_for_exactly_these_arguments(due, approving, shown):
    """Other arguments are another act; the approval of the first stays for the first."""
    due("edited")

    def usual() -> str:
        approving.held("edited")
        approving.scene.approve_all()
        approving.held("other")
        approving.done("edited")
        return "held"

    shown("edited", approving.play("edited", usual))


def test_an_answer_that_is_not_the_one_asked_for_is_no_leave(due, stage, shown):
    """Changed on its way, or signed by the issuer's own key and yet of another text, request, epoch or time; or a yes where it said no."""
    due("permits")
    proxy = stage.scene.proxy

    def usual() -> str:
        stage.done("genuine")
        for way in WRONG_ANSWERS:
            touched = proxy.touched
            with proxy.being(way):
                stage.held(way)
            assert proxy.touched > touched, way
        stage.scene.pause()
        touched = proxy.touched
        with proxy.being("lied"):
            stage.held("lied")
        assert proxy.touched > touched
        stage.scene.lift()
        stage.done("lied")
        return "held"

    shown("permits", stage.play("permits", usual))


@pytest.mark.parametrize("way", ["crash", "hang", "missing", "garbage"])
def test_an_act_whose_hook_is_broken_is_held(due, stage, shown, way):
    """Whatever the hook does in place of answering; mended, it lets the act through."""
    due(way)

    def usual() -> str:
        with stage.host.broken(way):
            stage.held(way)
        stage.done(way)
        return "held"

    shown(way, stage.play(way, usual))


def test_an_act_whose_issuers_cannot_be_reached_is_held(due, stage, shown):
    """Refused connections, ones that are never answered, and nonsense; within the deadline of whoever waits."""
    due("partition")

    def usual() -> str:
        for mode in ("dead", "hang", "garbage"):
            with stage.scene.proxy.being(mode):
                assert stage.held(f"cut off: {mode}")
        stage.done("cut off: dead")
        return "held"

    shown("partition", stage.play("partition", usual))


@pytest.mark.skipif(not has_compiler(), reason="no C compiler here to build the shim that moves the wall clock")
def test_a_wall_clock_that_jumps_by_a_day_changes_nothing(due, stage, shown):
    """In the middle of the asking, forth and back: what has leave is done, and what has none is held."""
    due("clock")

    def usual() -> str:
        for jump_s in (86_400, -86_400):
            with jumped(stage.scene, jump_s):
                stage.done(f"jump {jump_s}")
                stage.scene.pause()
                stage.held(f"paused jump {jump_s}")
                stage.scene.lift()
        return "unmoved"

    shown("clock", stage.play("clock", usual))


def test_an_act_that_is_observed_is_done_and_the_record_says_what_would_have_been(observed, shown):
    """In a pause, with no issuer, with a broken hook: the act goes on, loudly; each line says that nothing was enforced."""
    scene = observed.scene

    def usual() -> str:
        observed.done("free")
        scene.pause()
        assert "not enforced" in observed.done("paused")
        with scene.proxy.being("dead"):
            assert "not enforced" in observed.done("dead")
        for way in ("garbage", "missing"):
            with observed.host.broken(way):
                observed.done(way)
        assert scene.waiting() == []
        lines = scene.observed()
        assert {line["enforced"] for line in lines} == {False}
        each = getattr(observed.host, "questions", 1)
        verdicts = [verdict for verdict in ("allow", "deny", "hold") for _ in range(each)]
        assert [line["verdict"] for line in lines[: len(verdicts)]] == verdicts
        return "unmoved"

    shown("observe", observed.play("observe", usual))
