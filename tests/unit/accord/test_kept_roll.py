"""The roll-call of a pause, step by step: what was kept of it is what would be found anew from the same evidence."""

from decimal import Decimal

import pytest

from detente.accord.fold import fold
from detente.accord.status import status
from detente.statement.progress import Progress
from detente.statement.resumed import Resumed
from tests.accord_play import BODY, T0, Play, founding

HALT_BY = T0 + 210 + 15 * 60
LIMITLESS = BODY.replace(BODY[BODY.index("limits:") : BODY.index("hold_points:")], "")


def paused(body=BODY):
    play = Play(founding(body)).begin()
    play.named = {
        "plain": play.run("dev-a", T0 + 70),
        "large": play.run("dev-a", T0 + 71, flop="1e23", name="run-2"),
        "of-proposal": play.run("dev-b", T0 + 73, name="run-3", proposal=play.propose("dev-b", T0 + 72)),
        "tuned": play.run("dev-b", T0 + 75, name="run-4", parents=(play.model("dev-b", "base", T0 + 74),)),
    }
    for voter, at in (("aud-1", 200), ("auth-1", 210)):
        play.vote(voter, "pause", T0 + at)
    return play


def roll(play, at):
    """How each run stands, after the state that was kept and a fresh one agreed on it."""
    kept, anew = status(play.state, at), status(fold(play.replayed(play.log)), at)
    assert kept.as_json() == anew.as_json()
    states = {halt.run: halt.state for halt in kept.halts}
    return {name: states.get(run) for name, run in play.named.items()}


@pytest.mark.parametrize("body", [BODY, LIMITLESS], ids=["with limits", "without"])
def test_every_step_shows_the_roll_that_is_found_anew(body):
    """Running, overdue a second after the deadline and no sooner, declared, resumed; whatever was asked before."""
    play = paused(body)
    held = None if body is BODY else "running"
    assert roll(play, T0 + 300) == {"plain": "running", "large": held, "of-proposal": None, "tuned": "running"}
    assert roll(play, HALT_BY)["plain"] == "running"
    assert roll(play, HALT_BY + 1)["plain"] == "overdue"
    assert roll(play, HALT_BY)["plain"] == "running"  # Looking back.
    play.halt("dev-a", play.named["plain"], T0 + 400)
    assert roll(play, T0 + 500)["plain"] == "declared"
    play.say("dev-a", "resumed", Resumed(play.named["plain"], 10, "c" * 64, 2), T0 + 510)
    assert roll(play, T0 + 520)["plain"] == "running"


def test_a_run_that_spends_more_than_a_limit_stays_on_the_roll():
    """Below the limit it may run; above, it shows that it runs; and what was found below is not what is found above."""
    play = paused()
    assert roll(play, T0 + 300)["plain"] == "running"
    for number, flop in enumerate(("1e21", "1e23")):
        said = Progress(play.named["plain"], number + 1, Decimal(flop), "d" * 64)
        play.say("dev-a", "progress", said, T0 + 310 + number)
        assert roll(play, T0 + 320)["plain"] == "running"


def test_other_terms_are_other_limits():
    """An amendment that loosens a limit lets a run be on the roll that was held, and the kept roll with it."""
    play = paused()
    assert roll(play, T0 + 300)["large"] is None
    play.amend(founding(BODY.replace("version: 1", "version: 2").replace("1e22 FLOP", "1e24 FLOP")), T0 + 400)
    assert roll(play, T0 + 400 + 2 * 86_400)["large"] == "overdue"
