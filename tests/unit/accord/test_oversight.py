"""What stands beside a status: how far a party's versions went since a human last really looked."""

import hashlib
from decimal import Decimal

from detente.accord.fold import fold
from detente.accord.oversight import oversight
from detente.base.quantity import Interval, exactly
from detente.cli.status import lines
from detente.statement.change import ProposedBy
from detente.statement.version import Version
from tests.accord_play import T0, Play


def _at(play, at):
    return {each.party: each for each in oversight(fold(play.evidence), at)}


def _chain(play, start):
    """A base by a human and two versions by models, ten seconds apart, each of 5 FLOP."""
    base = play.model("dev-a", "base", start, by="human", flop="7")
    first = play.model("dev-a", "one", start + 10, parents=(base,), flop="5")
    return play.model("dev-a", "two", start + 20, parents=(first,), flop="5")


def test_depths_time_and_flop_run_from_the_last_version_that_a_human_answers_for():
    """Nobody's approval is recorded: from the human's base on, and changed lines that nobody stated are unknown."""
    play = Play().begin()
    _chain(play, T0 + 100)
    found = _at(play, T0 + 1_000)
    assert set(found) == {"dev-a"}
    dev = found["dev-a"]
    assert (dev.versions, dev.ai_proposed_depth.high, dev.self_depth.high) == (3, 2, 2)
    assert dev.since.time_s.high == 900  # since the base was witnessed
    assert dev.since.flop.high == 10
    assert dev.since.changed_lines.high is None


def test_a_significant_approval_starts_them_again_once_it_has_settled():
    """Two humans looked at the last version: depth nothing, FLOP nothing, and time since it."""
    play = Play().begin()
    parent = _chain(play, T0 + 100)
    proposal = play.propose("dev-a", T0 + 200, parent=parent)
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 200 + number, reviewer=f"r-{number}")
    play.model("dev-a", "seen", T0 + 400, parents=(parent,), proposal=proposal, flop="5")
    early, late = (_at(play, at)["dev-a"] for at in (T0 + 399, T0 + 1_000))
    assert early.ai_proposed_depth.high == 2
    assert late.ai_proposed_depth.high == 2  # what was made before it was never approved
    assert (late.since.flop.high, late.since.time_s.high) == (0, 600)
    play.model("dev-a", "next", T0 + 500, parents=(hashlib.sha256(b"seen").hexdigest(),), flop="3")
    after = _at(play, T0 + 1_000)["dev-a"]
    assert (after.since.flop.high, after.since.time_s.high) == (3, 600)


def test_a_humans_version_on_top_answers_for_nothing_before_it():
    """Anybody can state one: only a significant approval makes what was spent before it count no more."""
    play = Play().begin()
    parent = _chain(play, T0 + 100)
    before = _at(play, T0 + 1_000)["dev-a"]
    play.model("dev-a", "mine", T0 + 400, parents=(parent,), by="human")
    after = _at(play, T0 + 1_000)["dev-a"]
    assert after.since == before.since


def test_a_version_that_was_only_heard_widens_and_never_narrows():
    """It came to be at an unknown time and of an unknown parent: upper ends are unknown, lower ends stay."""
    play = Play().begin()
    _chain(play, T0 + 100)
    before = _at(play, T0 + 1_000)["dev-a"]
    body = Version("d" * 64, ("e" * 64,), ProposedBy("model"), ("training",), Decimal(1))
    play.hear("dev-a", "version", body)
    after = _at(play, T0 + 1_000)["dev-a"]
    assert (after.versions, after.ai_proposed_depth.high, after.since.flop.high, after.since.time_s.high) == (
        4,
        None,
        None,
        None,
    )
    assert after.since.flop.low == before.since.flop.low


def test_a_status_says_so_in_words():
    """Two lines for a party with versions, open sides as words; none for others."""
    play = Play().begin()
    _chain(play, T0 + 100)
    said = {
        **play.at(T0 + 8_000).as_json(),
        "oversight": [each.as_json() for each in oversight(fold(play.evidence), T0 + 8_000)],
    }
    shown = list(lines(said, served="", why=False))
    [depth] = [line for line in shown if line.startswith("depth")]
    assert depth == "depth  dev-a: AI-proposed 0 to 2, self 0 to 2"
    assert any("since the last significant approval" in line and "changed lines" in line for line in shown)


def test_an_answer_by_a_lift_is_no_approval():
    """What a lift forgave, no human saw: the depth still counts from the base."""
    play = Play().begin()
    parent = _chain(play, T0 + 100)
    play.model("dev-a", "three", T0 + 130, parents=(parent,), flop="5")
    for offset, party in enumerate(("aud-2", "auth-1", "auth-2")):
        play.vote(party, "lift", T0 + 200 + offset, trigger="unattended", scope="dev-a")
    assert play.paused(T0 + 300) == ()
    found = _at(play, T0 + 300)["dev-a"]
    assert found.ai_proposed_depth.high == 3
    assert found.since.flop == Interval(found.since.flop.low, Decimal(15)) != exactly(Decimal(0))
