"""Expiry, lapse and escalation, for whatever is said whenever: what permits is never missed, and silence opens nothing."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.accord.change import change_of
from detente.accord.escalation import escalation_of
from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.accord.status import change_standing
from tests.accord_play import BODY, DAY, SETTLE, T0, Play, founding

TIMES = """\
    approved_for: 3 d
    decide_within: 5 d
    escalation: {to: [authority], after: 1 d, within: 2 d}
"""
NEED = "    need: {humans: 2, "
TERMS = founding(BODY.replace("every: 7 d, ", "").replace(NEED, f"{TIMES}    need: {{humans: 1, by: [auditor], "))
BEGIN = T0 + 100
WORDS = st.lists(
    st.tuples(
        st.integers(0, 8 * 24),
        st.sampled_from(("aud-1", "aud-2", "auth-1", "dev-a")),
        st.sampled_from(("r-1", "r-2")),
        st.sampled_from(("approve", "approve", "approve", "reject", "escalate")),
    ),
    max_size=8,
    unique_by=lambda word: word[0],
)
"""Who says what so many hours after it was proposed, at most one an hour."""
LOOKS = st.integers(0, 12 * 24)


def played(words, *, without=None):
    """A change and what was said of it; ``without`` leaves one word out."""
    play = Play(TERMS).begin()
    change = play.propose("dev-a", BEGIN)
    for number, (hour, party, reviewer, decision) in enumerate(sorted(words)):
        at = BEGIN + 60 + hour * 3_600
        if number == without:
            play.nonce += 1  # the same nonces follow, with or without
        else:
            play.approve(party, change, at, reviewer=reviewer, decision=decision)
    return play, change


def outcome(play, change, at):
    return change_standing(play.state, change, at).outcome


def fingered(words):
    """The number of each word that approves."""
    return [number for number, word in enumerate(sorted(words)) if word[3] == "approve"]


@settings(max_examples=60, deadline=None)
@given(WORDS, LOOKS, st.data())
def test_leaving_out_what_permits_never_permits_more(words, hours, data):
    """Whatever is held with an approval is held without it, at every instant."""
    permitting = fingered(words)
    if not permitting:
        return
    at = BEGIN + hours * 3_600
    with_it, change = played(words)
    without, same = played(words, without=data.draw(st.sampled_from(permitting)))
    assert change == same
    if outcome(with_it, change, at) == "held":
        assert outcome(without, change, at) == "held"


@settings(max_examples=60, deadline=None)
@given(WORDS, LOOKS)
def test_nothing_opens_by_silence(words, hours):
    """What is held and stays unspoken of is held later, too: only an approval that settles lets a change pass."""
    play, change = played(words)
    at = BEGIN + hours * 3_600
    spoken = [BEGIN + 60 + hour * 3_600 + SETTLE for hour, *_ in words]
    later = min((each for each in spoken if each > at), default=BEGIN + 20 * DAY) - 1
    if later > at and outcome(play, change, at) == "held":
        assert outcome(play, change, later) == "held"


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(1, 6 * 24))
def test_delaying_every_word_lets_nothing_pass_longer_than_the_terms_say(words, hours):
    """However late what is said comes, it passes until no later than the last approval and the time that it counts."""
    late = [(hour + hours, *rest) for hour, *rest in words]
    play, change = played(late)
    approvals = [hour for hour, _, _, decision in late if decision == "approve"]
    last = max(approvals, default=0)
    assert outcome(play, change, BEGIN + 60 + last * 3_600 + 3 * DAY) == "held"
    if all(hour > 5 * 24 for hour in approvals):
        assert all(outcome(play, change, BEGIN + day * DAY) == "held" for day in range(15))


@settings(max_examples=60, deadline=None)
@given(WORDS, LOOKS)
def test_an_escalation_never_lets_a_change_pass(words, hours):
    """Under the same terms without it, whatever it holds may be free; what it lets pass would pass there, too."""
    play, change = played(words)
    bare = Play(TERMS.replace(b"    escalation: {to: [authority], after: 1 d, within: 2 d}\n", b"")).begin()
    same = bare.propose("dev-a", BEGIN)
    for hour, party, reviewer, decision in sorted(words):
        bare.approve(party, same, BEGIN + 60 + hour * 3_600, reviewer=reviewer, decision=decision)
    at = BEGIN + hours * 3_600
    if outcome(play, change, at) == "free":
        assert outcome(bare, same, at) == "free"


@settings(max_examples=40, deadline=None)
@given(WORDS, LOOKS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(words, hours, source: random.Random):
    """Standings and escalations are those of the same evidence in any order."""
    play, change = played(words)
    evidence, log, at = Evidence(play.terms), list(play.log), BEGIN + hours * 3_600
    source.shuffle(log)
    for kind, *what in log:
        evidence.add_entry(*what) if kind == "entry" else evidence.add_cosignature(*what)
    state = fold(evidence)
    assert change_standing(state, change, at) == change_standing(play.state, change, at)
    told = [
        escalation_of(each, each.terms_at(at), change_of(each, change), each.terms_at(at).hold_points[0], at)
        for each in (state, play.state)
    ]
    assert told[0] == told[1]


@settings(max_examples=40, deadline=None)
@given(WORDS, st.lists(LOOKS, min_size=2, max_size=6))
def test_an_answer_that_was_kept_is_the_one_that_is_found_anew(words, looks):
    """Asking of one state at several instants, in any order, gives what a fresh state gives."""
    play, change = played(words)
    state = play.state
    for hours in looks:
        at = BEGIN + hours * 3_600 + 60
        fresh, same = played(words)
        assert change_standing(state, change, at) == change_standing(fresh.state, same, at)
