"""The lineage as it stood at an instant: what has been stated by then, and what a lift has answered."""

import pytest

from detente.accord.ancestry import Ancestry
from detente.base.digest import sha256_hex
from tests.accord_play import SETTLE, T0, Play

BASE, ONE, TWO = T0 + 100, T0 + 110, T0 + 120


@pytest.fixture
def play():
    """A base by a human and two versions by models, each of the one before."""
    made = Play().begin()
    base = made.model("dev-a", "base", BASE, by="human", flop="7")
    one = made.model("dev-a", "one", ONE, parents=(base,), flop="5")
    made.model("dev-a", "two", TWO, parents=(one,), flop="3")
    return made


def seen(play, at, *, heard_at=None):
    found = Ancestry(play.state, heard_at=heard_at)
    found.advance(play.state, at)
    return found


def depth(ancestry, cut=0):
    return ancestry.greatest("ai_proposed_depth", "dev-a", cut)[0].high


def test_a_version_counts_from_the_instant_at_which_it_was_witnessed(play):
    """Depths and FLOP grow one version at a time, whether one ancestry moves on or each instant gets its own."""
    moving = Ancestry(play.state, heard_at=None)
    for at, deep, flop in ((BASE - 1, 0, 0), (BASE, 0, 7), (ONE, 1, 12), (TWO - 1, 1, 12), (TWO, 2, 15)):
        moving.advance(play.state, at)
        for ancestry in (moving, seen(play, at)):
            assert (depth(ancestry), ancestry.greatest("cumulative_flop", "dev-a", 0)[0].high) == (deep, flop)
    assert moving.parties() == ["dev-a"]


def test_the_greatest_names_the_statement_it_rests_on_and_when_that_was(play):
    """Of the FLOP of the whole chain it is the last version's."""
    _, cited, last = seen(play, TWO).greatest("cumulative_flop", "dev-a", 0)
    two = [item.id for item in play.state.index["version",] if item.time == TWO]
    assert (list(cited), last) == (two, TWO)


def test_what_a_lift_has_answered_is_deep_no_more(play):
    """From a cut on, a chain is as long as what was stated since."""
    ancestry = seen(play, TWO)
    assert [depth(ancestry, cut) for cut in (0, TWO, TWO + 1)] == [2, 1, 0]


def test_the_instant_is_that_of_the_last_thing_taken_in(play):
    """What comes in late, for an instant between the two, is still to be taken in."""
    ancestry = seen(play, TWO + 1_000)
    assert ancestry.at == TWO
    play.model("dev-a", "late", TWO + 10, parents=(), flop="1")
    ancestry.advance(play.state, TWO + 1_001)
    assert ancestry.at == TWO + 10
    assert len(ancestry.unapproved("dev-a", TWO + 1_001)[0]) == 4


def test_a_version_that_was_only_heard_stands_in_it_where_that_is_asked(play):
    """What restricts counts on receipt: its depth is there before anybody has witnessed it."""
    two = next(item.body.version for item in play.state.index["version",] if item.time == TWO)
    play.model("dev-a", "heard", None, parents=(two,), flop="1")
    assert depth(seen(play, TWO)) == 2
    assert depth(seen(play, TWO, heard_at=TWO)) == 3


def test_an_approval_makes_a_version_significant_once_it_has_settled(play):
    """Not before: what permits counts only then."""
    change = play.propose("dev-a", TWO + 10)
    for number in (1, 2):
        play.approve("auth-1", change, TWO + 20, reviewer=f"r-{number}")
    version = play.model("dev-a", "looked at", TWO + 15, parents=(sha256_hex(b"base"),), proposal=change)
    ancestry = seen(play, TWO + 19 + SETTLE)
    assert (ancestry.is_significant(version), ancestry.depths_of(version)[0].high) == (None, 1)
    ancestry.advance(play.state, TWO + 20 + SETTLE)
    assert ancestry.is_significant(version) is True
    assert ancestry.depths_of(version)[0].high == 0
