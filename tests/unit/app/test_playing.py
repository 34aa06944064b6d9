"""Random play: invariants hold under the shipped terms, are found broken where they are, and a broken play is a table."""

from pathlib import Path

import pytest

from detente.accord.scenario_reading import read_scenarios
from detente.accord.terms import parse_terms
from detente.app import invariants
from detente.app.playing import play_at_random, save_table
from detente.app.simulating import simulate
from detente.app.staging import Heard
from detente.base.errors import Refused

ACCORDS = Path(__file__).parents[3] / "accords"
TERMS = ACCORDS / "coordinated-pause.yaml"


@pytest.mark.parametrize("accord", ["solo", "coordinated-pause"])
def test_no_invariant_breaks_under_shipped_terms(accord: str):
    """In a few plays, in which there was something to ask: runs that might go on, and runs under a witnessed pause."""
    plays = list(play_at_random(ACCORDS / f"{accord}.yaml", plays=6, steps=30, seed=3))
    assert [play.breach for play in plays] == [None] * 6
    assert sum(play.tally.allowed for play in plays) > 20
    assert sum(play.tally.under_pause for play in plays) > 20
    assert {habit for play in plays for habit in play.habits.values()} == {"honest", "silent", "lying", "late"}


def test_no_invariant_breaks_in_the_shipped_scenarios():
    """Watched at every step, they pass as they do unwatched."""
    assert all(
        played.passed for played in simulate(ACCORDS / "solo.yaml", [ACCORDS / "solo.scenarios.yaml"], watch=True)
    )


def test_the_same_seed_draws_the_same_plays():
    """And another seed others."""
    first, again, other = (
        [play.as_json() for play in play_at_random(ACCORDS / "solo.yaml", plays=2, steps=10, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def allow_anything(monkeypatch):
    """Issuers who look at nothing."""
    real = invariants.decide

    def decide(state, intent, at):
        decision = real(state, intent, at)
        return type(decision)(**{name: getattr(decision, name) for name in decision.__slots__} | {"allowed": True})

    monkeypatch.setattr(invariants, "decide", decide)


def forget_what_was_heard(monkeypatch):
    """Evidence that loses statements in no log when it arrives in another order."""
    monkeypatch.setattr(Heard, "feed", lambda self, evidence: None)


def release_at_the_third_vote(monkeypatch):
    """A fold that forgets every pause once three votes to pause are held."""
    real = invariants._held

    def held(state, at):
        votes = [item for item in state.items.values() if item.kind == "vote" and item.restricting]
        return real(state, at) if len(votes) < 3 else invariants._Held(frozenset(), frozenset())

    monkeypatch.setattr(invariants, "_held", held)


@pytest.mark.parametrize(
    ("spoil", "invariant", "most"),
    [(allow_anything, "permit", 6), (forget_what_was_heard, "order", 3), (release_at_the_third_vote, "late", 7)],
)
def test_what_breaks_is_found_and_cut_down_to_a_table_that_breaks_it(monkeypatch, tmp_path, spoil, invariant, most):
    """The table reads back, holds few steps, breaks the same invariant when it is watched, and none without the fault."""
    with monkeypatch.context() as spoiled:
        spoil(spoiled)
        play = next(p for p in play_at_random(TERMS, plays=20, steps=40, seed=0) if p.breach is not None)
        assert play.breach.invariant == invariant
        path = tmp_path / "broken.yaml"
        save_table(path, play.table)
        (scenario,) = read_scenarios(path.read_bytes(), parse_terms(TERMS.read_bytes(), template=True)).scenarios
        assert len(scenario.steps) - 1 <= most
        (played,) = simulate(TERMS, [path], watch=True)
        assert played.breach is not None
        assert played.breach.invariant == invariant
    (played,) = simulate(TERMS, [path], watch=True)
    assert played.passed


def test_a_table_is_never_written_over_another_file(tmp_path: Path):
    """X09, and what was there is there."""
    path = tmp_path / "a.yaml"
    path.write_text("mine", "utf-8")
    with pytest.raises(Refused) as caught:
        save_table(path, "other")
    assert caught.value.rule == "X09"
    assert path.read_text("utf-8") == "mine"
