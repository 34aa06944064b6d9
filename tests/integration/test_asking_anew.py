"""An act whose proposal nobody approved in time is proposed anew when it is asked for again: it is not held for ever."""

import time
from pathlib import Path

from detente.app.asking import Question, ask
from detente.app.holding import made_proposal
from detente.guard.answer import Answer, digest_act
from detente.guard.decide import LAPSED
from tests.integration.asking_rig import WITHIN_S, solo

SOON = ("    need: {humans: 1,", "    decide_within: 2 s\n    need: {humans: 1,")


def asked(home: Path) -> Answer:
    change = b"deeper"
    question = Question(
        activity="self_improvement",
        act=digest_act("test", {"do": 1}),
        run="lapsing",
        planned_flop="1e15",
        proposal=made_proposal(change, touches=("architecture",), summary="deeper", proposed_by=("model", None)),
        change=change,
    )
    return ask(question, home=home, within_s=60)


def test_what_has_lapsed_is_proposed_anew_when_it_is_asked_again(tmp_path: Path):
    """The answer says that it lapsed; the next one is about another proposal of the same change, which waits for people."""
    home = solo(tmp_path / "home", SOON)
    first = asked(home)
    assert (first.verdict, first.held_by) == ("hold", ("self-modification",))
    end, again = time.monotonic() + WITHIN_S, first
    while LAPSED not in again.held_by:
        assert again.proposal == first.proposal, "it is still the one that waits"
        assert time.monotonic() < end
        again = asked(home)
    assert again.verdict == "hold"
    assert any("lapsed at" in reason for reason in again.reasons)
    anew = asked(home)
    assert (anew.held_by, anew.proposal == first.proposal) == (("self-modification",), False)
