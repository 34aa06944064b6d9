"""From when on an authenticator is known to be two, which is when one value of its counter stands over two decisions."""

import pytest

from detente.accord.cloning import cloned_from, is_cloned
from detente.testing.authenticator import Passkey
from tests.accord_play import BODY, T0, Play, founding

TERMS = founding(BODY.replace("device: software", "device: passkey"))
LATER = T0 + 10_000


def played(*approvals):
    """One passkey's approvals of as many proposals: the counter and the time of each, None for one that was only heard."""
    play, key = Play(TERMS).begin(), Passkey()
    play.enrol_device("auth-1", key, T0 + 80)
    ids = [
        play.approve("auth-1", play.propose("dev-a", T0 + 90), at, device=key, counter=counter)
        for counter, at in approvals
    ]
    [credential] = [known for _, known in play.state.book.credentials.at(LATER)]
    return play, [play.state.get(each) for each in ids], credential.credential.key


@pytest.mark.parametrize("counters", [(1, 2), (2, 1), (0, 0)])
def test_counters_that_differ_or_are_none_are_of_one_device(counters):
    """0 is an authenticator that does not count."""
    play, items, key = played(*zip(counters, (T0 + 100, T0 + 110), strict=True))
    assert cloned_from(play.state, key, LATER, heard=True) is None
    assert not any(is_cloned(play.state, item, LATER, heard=True) for item in items)


def test_it_is_two_from_the_earlier_of_both_uses_on():
    """Whatever it approved before that stays; what comes at that instant or later does not count."""
    play, items, key = played((4, T0 + 100), (5, T0 + 110), (5, T0 + 120), (9, T0 + 130))
    assert cloned_from(play.state, key, LATER, heard=False) == T0 + 110
    assert [is_cloned(play.state, item, LATER, heard=False) for item in items] == [False, True, True, True]


def test_the_second_use_counts_when_it_is_witnessed_or_heard():
    """Asked of an instant before, or of what is witnessed alone, nothing is known yet."""
    play, _, key = played((5, T0 + 110), (5, T0 + 120))
    assert cloned_from(play.state, key, T0 + 119, heard=False) is None
    assert cloned_from(play.state, key, T0 + 120, heard=False) == T0 + 110
    play, _, key = played((5, T0 + 110), (5, None))
    assert cloned_from(play.state, key, LATER, heard=False) is None
    assert cloned_from(play.state, key, LATER, heard=True) == T0 + 110


def test_another_key_is_not_touched():
    """Nobody else's device is suspected, nor a software key, which has no counter."""
    play, _, _ = played((5, T0 + 110), (5, T0 + 120))
    assert cloned_from(play.state, Passkey("other").key, LATER, heard=True) is None
    soft = play.approve("aud-1", play.propose("dev-a", T0 + 130), T0 + 140)
    assert not is_cloned(play.state, play.state.get(soft), LATER, heard=True)
