"""Successor logs: who opens one, what counts in it, and what no longer counts in the log that closed."""

import random
from decimal import Decimal

import pytest

from detente.accord.successors import SUCCESSORS_MAX
from detente.statement.run import Run
from detente.statement.withdrawal import Withdrawal
from tests.accord_play import DAY, SETTLE, T0, Play, fold, founding, origin, signer

NEXT = "dev-a-2"
"""The successor of dev-a's log, under the origin that ``origin(NEXT)`` gives."""


@pytest.fixture
def play():
    """In force; dev-a's log closed when its successor was opened, at T0 + 100."""
    play = Play().begin()
    play.opened = play.open_log("dev-a", T0 + 100, name=NEXT)
    return play


def test_a_developer_whose_log_closed_speaks_again_in_the_successor(play):
    """Its statements there have a witnessed time as any other's."""
    run = play.say("dev-a", "run", Run("run-1", "training", Decimal("1e20"), (), ()), T0 + 300, log=NEXT)
    assert play.state.get(run).time == T0 + 300
    assert [one.origin for one in play.state.succession.successors] == [origin(NEXT)]


def test_what_was_witnessed_before_the_log_closed_counts_on(play):
    """Entries up to the last head with a quorum keep their time."""
    before = {item.id: item.time for item in Play().begin().state.items.values()}
    after = {item.id: item.time for item in play.state.items.values()}
    assert before.items() <= after.items()
    assert play.at(T0 + DAY).phase == "in_force"


def test_what_permits_and_comes_later_in_a_closed_log_never_counts(play):
    """A withdrawal that a closed log carries has no witnessed time, whoever cosigned it."""
    left = play.say("dev-b", "withdrawal", Withdrawal("no longer"), T0 + 500, log="dev-a")
    assert play.state.items[left].time is None
    assert play.state.succession.closed == {origin("dev-a"): T0 + 100}


def test_what_restricts_and_comes_later_in_a_closed_log_binds_all_the_same(play):
    """Law 1: closing a log cannot be a way to lose a pause that was said there."""
    for party in ("auth-1", "auth-2"):
        play.vote(party, "pause", T0 + 500, log="dev-a")
    assert play.state.items
    assert play.paused(T0 + 10 * SETTLE) == ("call",)


def test_nobody_but_the_root_threshold_opens_a_successor():
    """F13: one key of a threshold of two opens nothing, and the log stays open."""
    play = Play(founding(roots=2, threshold=2))
    play.open_log("dev-a", T0 + 100, name=NEXT, signers=(signer("dev-a", "root", 0),))
    play.open_log("dev-a", T0 + 101, name=NEXT, signers=(signer("dev-b", "root", 0), signer("dev-b", "root", 1)))
    assert play.state.succession.successors == ()
    assert play.state.succession.closed == {}
    assert "F13" in play.rules()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param("dev-a", 2, id="the closed log's own origin"),
        pytest.param("dev-b", 2, id="another party's origin"),
        pytest.param("x y", 2, id="an origin that no note can carry"),
        pytest.param(None, 2, id="no origin"),
        pytest.param("dev-a-3", 0, id="the closed log's key"),
    ],
)
def test_a_closed_log_is_not_reopened(play, name, number):
    """F22: an origin and a key are one log's for good."""
    play.open_log("dev-a", T0 + 300, name=name, number=number, sequence=2, previous=play.opened)
    assert [one.origin for one in play.state.succession.successors] == [origin(NEXT)]
    assert play.state.succession.closed == {origin("dev-a"): T0 + 100}
    assert "F22" in play.rules()


def test_a_party_opens_so_many_logs_and_no_more(play):
    """F22: a permit names at most 64 heads, and no party may use them up."""
    previous = play.opened
    for number in range(2, SUCCESSORS_MAX + 3):
        previous = play.open_log(
            "dev-a", T0 + 100 * number, name=f"dev-a-{number + 1}", number=number, sequence=number, previous=previous
        )
    assert len(play.state.succession.successors) == SUCCESSORS_MAX
    assert "F22" in play.rules()


def test_a_revoked_log_key_closes_its_log():
    """Whoever stole it speaks there no more."""
    play = Play().begin()
    play.rotate("dev-a", T0 + 100, revoke=(signer("dev-a", "log").public_key,))
    assert play.state.succession.closed == {origin("dev-a"): T0 + 100}


def test_a_successor_opened_in_the_log_that_it_closes_is_opened():
    """The statement stands at the last instant at which that log counts: it does not take itself back."""
    play = Play().begin()
    play.open_log("dev-a", T0 + 100, name=NEXT, log="dev-a")
    assert play.state.succession.closed == {origin("dev-a"): T0 + 100}


def test_any_order_of_arrival_gives_the_same_logs(play):
    """Law 5: the same evidence, the same successors, the same times."""
    play.vote("auth-1", "pause", T0 + 500, log="dev-a")
    play.vote("auth-2", "pause", T0 + 600, log=NEXT)
    expected = play.state.digest
    for seed in range(12):
        order = list(play.log)
        random.Random(seed).shuffle(order)
        assert fold(play.replayed(order)).digest == expected
