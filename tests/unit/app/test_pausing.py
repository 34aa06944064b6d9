"""Who votes when the caller does not say, and what a node's status says about a vote."""

from __future__ import annotations

import pytest

from detente.app.pausing import choose_voter, note_on, round_of
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.base.identity import Party

RESEARCH, SAFETY, BOARD = Party("research"), Party("safety"), Party("board")


def test_the_first_party_of_the_home_with_a_vote_is_chosen():
    """The order is the home's; parties without a vote are passed over."""
    assert choose_voter([RESEARCH, SAFETY, BOARD], [BOARD, SAFETY], "pause", "call") == SAFETY


def test_a_home_without_a_vote_names_who_has_one():
    """Refused before anything is signed."""
    with pytest.raises(Misuse, match="the terms give it to safety, board: run this where its keys are"):
        choose_voter([RESEARCH], [SAFETY, BOARD], "pause", "call")


def test_a_note_about_a_statement_is_found_among_others():
    """What the node holds without effect is said with the rule's number."""
    mine, other = Digest("a" * 64), Digest("b" * 64)
    notes = [{"statement": other, "rule": "F02", "text": "another"}, {"statement": mine, "rule": "F05", "text": "no"}]
    assert note_on({"notes": notes}, mine) == "F05: no"
    assert note_on({"notes": notes[:1]}, mine) == ""


def test_limits_that_a_trigger_brought_into_effect_are_lifted_in_their_own_round():
    """What stops nobody is latched all the same: a vote to lift it names the round it is in."""
    status = {"measures": [{"trigger": "emergency", "round": 2}]}
    assert round_of(status, "emergency", "lift") == 2
    with pytest.raises(Misuse, match="there is nothing to lift"):
        round_of(status, "call", "lift")
