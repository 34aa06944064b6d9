"""Random play: invariants hold under the shipped terms, are found broken where they are, and a broken play is a table."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from detente.accord.scenario_reading import read_scenarios
from detente.accord.terms import parse_terms
from detente.app import invariants
from detente.app.drawing import HABITS
from detente.app.playing import play_at_random, save_table
from detente.app.simulating import simulate
from detente.app.staging import Stage
from detente.app.witnessing import Heard, Logs
from detente.base.errors import Misuse, Refused

ACCORDS = Path(__file__).parents[3] / "accords"
TERMS = ACCORDS / "coordinated-pause.yaml"


@pytest.mark.parametrize("accord", ["solo", "coordinated-pause", "screened-review"])
def test_no_invariant_breaks_under_shipped_terms(accord: str):
    """In a few plays, in which there was something to ask: runs that might go on, runs under a witnessed pause, liars."""
    heard = []
    found = play_at_random(ACCORDS / f"{accord}.yaml", plays=12, steps=30, seed=3, told=heard.append)
    assert found.broken is None
    assert heard == list(range(1, found.played + 1))
    assert found.tally.allowed > 20
    assert found.tally.under_pause > 20
    assert found.tally.forged > 0
    assert set(found.habits) == set(HABITS)


def test_no_invariant_breaks_in_the_shipped_scenarios():
    """Watched at every step, they pass as they do unwatched."""
    assert all(
        played.passed for played in simulate(ACCORDS / "solo.yaml", [ACCORDS / "solo.scenarios.yaml"], watch=True)
    )


def test_the_same_seed_draws_the_same_plays():
    """And another seed others."""
    first, again, other = (
        play_at_random(ACCORDS / "solo.yaml", plays=3, steps=10, seed=seed).as_json() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_without_hypothesis_it_is_said_what_to_install(monkeypatch):
    """The library is an extra: who plays tables only need not have it."""
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(Misuse, match=r"pip install 'detente\[simulate\]'"):
        play_at_random(TERMS, plays=1, steps=1, seed=0)


def allow_anything(monkeypatch):
    """Issuers who look at nothing."""
    real = invariants.decide

    def decide(state, intent, at):
        return replace(real(state, intent, at), allowed=True)

    monkeypatch.setattr(invariants, "decide", decide)


def forget_what_was_heard(monkeypatch):
    """Evidence that loses statements in no log when it arrives in another order."""
    real = Heard.feed
    monkeypatch.setattr(Heard, "feed", lambda self, evidence: None if evidence.revision > 3 else real(self, evidence))


def release_at_the_third_vote(monkeypatch):
    """A fold that forgets every pause once three votes to pause are held."""
    real = invariants._held

    def held(state, at):
        votes = [item for item in state.items.values() if item.kind == "vote" and item.restricting]
        return real(state, at) if len(votes) < 3 else invariants._Held(frozenset(), frozenset())

    monkeypatch.setattr(invariants, "_held", held)


def lose_pauses_after_an_hour(monkeypatch):
    """A status that forgets a pause an hour after it latched."""
    real = invariants.status

    def status(state, at, **how):
        now = real(state, at, **how)
        return replace(now, pauses=tuple(pause for pause in now.pauses if at < pause.since + 3_600))

    monkeypatch.setattr(invariants, "status", status)


def lift_by_one_vote_fewer(monkeypatch):
    """Lifts that rest on all of their votes but one."""
    real = invariants.status

    def status(state, at, **how):
        now = real(state, at, **how)
        return replace(now, ended=tuple(replace(e, cited=e.cited[1:]) if e.how == "lift" else e for e in now.ended))

    monkeypatch.setattr(invariants, "status", status)


def believe_forgeries(monkeypatch):
    """Forgers who hold the keys of those in whose name they speak."""
    real = Stage._say

    def say(stage, party, kind, body, at, step):
        statement = real(stage, party, kind, body, at, replace(step, forged_by=None))
        if step.forged_by is not None:
            stage.forged.add(statement)
        return statement

    monkeypatch.setattr(Stage, "_say", say)


def cosign_every_story(monkeypatch):
    """Mirrors that all cosign whatever they are shown."""
    monkeypatch.setattr(Logs, "_shown", lambda self, party, log, mirror: (0,) if log.forked_at is None else (0, 1))


@pytest.mark.parametrize(
    ("spoil", "invariant", "accord", "most"),
    [
        (allow_anything, "permit", "solo", 3),
        (forget_what_was_heard, "order", "solo", 5),
        (release_at_the_third_vote, "late", "solo", 6),
        (lose_pauses_after_an_hour, "latch", "solo", 4),
        (lift_by_one_vote_fewer, "quorum", "solo", 4),
        (believe_forgeries, "forgery", "coordinated-pause", 2),
        (cosign_every_story, "story", "coordinated-pause", 4),
    ],
)
def test_what_breaks_is_found_and_made_a_small_table_that_breaks_it(
    monkeypatch, tmp_path, spoil, invariant, accord, most
):
    """The table reads back, holds few steps, breaks the same invariant when it is watched, and none without the fault."""
    terms = ACCORDS / f"{accord}.yaml"
    with monkeypatch.context() as spoiled:
        spoil(spoiled)
        broken = play_at_random(terms, plays=200, steps=16, seed=0).broken
        assert broken is not None
        assert broken.breach.invariant == invariant
        path = tmp_path / "broken.yaml"
        save_table(path, broken.table)
        (scenario,) = read_scenarios(path.read_bytes(), parse_terms(terms.read_bytes(), template=True)).scenarios
        assert len(scenario.steps) - 1 <= most
        (played,) = simulate(terms, [path], watch=True)
        assert played.breach is not None
        assert played.breach.invariant == invariant
    (played,) = simulate(terms, [path], watch=True)
    assert played.passed


def test_a_table_is_never_written_over_another_file(tmp_path: Path):
    """X09, and what was there is there."""
    path = tmp_path / "a.yaml"
    path.write_text("mine", "utf-8")
    with pytest.raises(Refused) as caught:
        save_table(path, "other")
    assert caught.value.rule == "X09"
    assert path.read_text("utf-8") == "mine"
