"""Seeded changes, for whatever is said in whatever order: a reveal never loosens, and equal evidence gives equal states."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.accord.oversight import oversight
from detente.accord.screened import screened_at
from detente.accord.status import change_standing, proposals_waiting
from detente.accord.terms import parse_terms
from detente.base.instant import Instant
from tests.accord_play import SETTLE, T0, founding
from tests.screening_play import Screened
from tests.unit.accord.test_screening import SCREENED

NAMES = ("a", "b", "c")
AT = T0 + 10_000
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.sampled_from(NAMES), st.sampled_from(("aud-1", "aud-2", "dev-b"))),
        st.tuples(st.just("put"), st.sampled_from(NAMES), st.sampled_from(("dev-a", "dev-b"))),
        st.tuples(st.just("decide"), st.integers(0, 5), st.sampled_from(("approve", "reject"))),
        st.tuples(st.just("reveal"), st.integers(0, 5), st.integers(0, 5)),
    ),
    max_size=14,
)


def played(deeds, *, reveals=True):
    """Each deed a hundred seconds after the one before; reveals by whoever committed."""
    play = Screened(founding(SCREENED)).begin()
    commits, proposals = [], []
    for number, (deed, first, second) in enumerate(deeds):
        at = T0 + 200 + 100 * number
        if deed == "commit":
            commits.append((first, second, play.commit(first, at=at, party=second)))
        elif deed == "put":
            proposals.append((first, play.put(first, at, party=second)))
        elif deed == "decide" and proposals:
            _, proposal = proposals[first % len(proposals)]
            for reviewer in ("r-1", "r-2"):
                play.approve("auth-1", proposal, at, decision=second, reviewer=reviewer)
        elif deed == "reveal" and proposals and commits:
            name, proposal = proposals[first % len(proposals)]
            _, party, commitment = commits[second % len(commits)]
            said = play.reveal(name, proposal, commitment, at, party=party) if reveals else None
            play.nonce += said is None  # the same nonces follow, with or without
    return play, [proposal for _, proposal in proposals]


@settings(max_examples=60, deadline=None)
@given(DEEDS)
def test_a_reveal_never_lets_anything_pass(deeds):
    """Whatever was held without the reveals is held with them; what is revealed does not wait."""
    with_them, proposals = played(deeds)
    without, same = played(deeds, reveals=False)
    assert proposals == same
    waiting = {proposal for proposal, _, _ in proposals_waiting(with_them.state, AT)}
    for proposal in proposals:
        found = change_standing(with_them.state, proposal, AT)
        if change_standing(without.state, proposal, AT).outcome != "free":
            assert found.outcome != "free"
        if found.held_by == ("screening",):
            assert proposal not in waiting
    assert oversight(with_them.state, Instant(AT)) == oversight(without.state, Instant(AT))


@settings(max_examples=40, deadline=None)
@given(DEEDS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(deeds, source: random.Random):
    """States, catch rates and standings."""
    play, proposals = played(deeds)
    evidence = Evidence(play.terms)
    log = list(play.log)
    source.shuffle(log)
    for kind, *what in log:
        if kind == "entry":
            evidence.add_entry(*what)
        elif kind == "cosign":
            evidence.add_cosignature(*what)
    state, terms = fold(evidence), parse_terms(play.terms)
    assert state.digest == play.state.digest
    assert screened_at(state, terms, AT) == screened_at(play.state, terms, AT)
    for proposal in proposals:
        assert change_standing(state, proposal, AT) == change_standing(play.state, proposal, AT)


@settings(max_examples=40, deadline=None)
@given(DEEDS, st.integers(0, 2_000))
def test_catches_and_misses_are_counted_of_no_more_than_was_decided(deeds, late):
    """Never more caught than decided, never more decided than reveals with decisions; and time alone only settles."""
    play, _ = played(deeds)
    terms = parse_terms(play.terms)
    found, later = (screened_at(play.state, terms, at) for at in (T0 + late, T0 + late + SETTLE))
    assert 0 <= found.caught <= found.decided
    assert later.decided >= found.decided
    assert found.open >= 0
