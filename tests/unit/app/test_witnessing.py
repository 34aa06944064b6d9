"""Logs that lie and mirrors that do not: which story is read, and what a forgery or a hidden entry comes to."""

from pathlib import Path

import pytest

from detente.accord.fold import fold
from detente.accord.scenario_reading import read_scenarios
from detente.accord.scenario_writing import spell_step
from detente.accord.status import status
from detente.accord.terms import parse_terms
from detente.app.simulating import simulate
from detente.app.staging import Stage
from detente.app.troupe import Troupe
from detente.base.errors import Refused

TERMS = Path(__file__).parents[3] / "accords" / "coordinated-pause.yaml"
SHAPE = parse_terms(TERMS.read_bytes(), template=True)
TROUPE = Troupe(TERMS.read_bytes(), seed=0, reviewers={})
HEAD = "accord: coordinated-pause\nstart: 2027-01-01\nscenarios:\n  - name: a\n    steps:\n"
BEGIN = (
    "{at: +0 s, by: [dev-a, dev-b, dev-c], accede: {}}",
    "{at: +0 s, by: [dev-a, dev-b, dev-c], register: {flop_s: 1e20 FLOP/s}}",
)
MIRRORS = "aud-1, aud-2, auth-1, auth-2"


def text(*steps: str) -> str:
    """A table of these steps."""
    return HEAD + "".join(f"      - {step}\n" for step in steps)


def staged(*steps: str) -> Stage:
    """A stage on which these were played."""
    last = "{at: +400 d, expect: {phase: in_force}}"
    table = read_scenarios(text(*BEGIN, *steps, last).encode(), SHAPE)
    stage = Stage(TROUPE, table.start)
    for step in table.scenarios[0].steps[:-1]:
        stage.perform(step)
    return stage


def test_what_is_said_aside_to_a_quorum_is_what_everybody_reads():
    """Three of four mirrors cosign the second story: its version latches, and that of the first story was only heard."""
    stage = staged(
        "{at: +1 h, by: dev-a, fork: {to: [aud-1, aud-2, auth-1]}}",
        "{at: +2 h, by: dev-a, version: {name: told, proposed_by: human}}",
        "{at: +2 h, by: dev-a, run: {name: aside, flop: 1e20 FLOP}, aside: yes}",
    )
    state = fold(stage.evidence)
    assert stage.logs.logs["dev-a"].witnessed == 1
    assert state.get(stage.named["aside"]).time is not None
    assert [item.time for item in state.items.values() if item.kind == "version"] == [None]
    assert stage.logs.doubled == []


def test_two_stories_told_to_two_mirrors_each_are_both_unwitnessed():
    """With one mirror that cosigns both, neither story reaches three, and what restricts in either binds on receipt."""
    stage = staged(
        "{at: +1 h, by: dev-a, fork: {to: [aud-1]}}",
        "{at: +1 h, by: auth-2, lie: {clock: -1 h}}",
        "{at: +1 h, by: aud-2, silent: {}}",
        "{at: +2 h, by: dev-a, find: {name: first, about: dev-b, claim: x}}",
        "{at: +2 h, by: dev-a, vote: {pause: call}, aside: yes}",
    )
    assert [len(by) for by in stage.logs.logs["dev-a"].beyond] == [2, 2]
    at = stage.start + 7_300
    late = [item for item in fold(stage.evidence).items.values() if item.kind in {"finding", "vote"}]
    assert [item.time for item in late] == [None, None]
    assert status(fold(stage.evidence), at, witnessed_only=True).pauses == ()


def test_a_liars_clock_does_not_move_a_witnessed_time():
    """Of four mirrors one says that it cosigned a day before; the third smallest time is an honest one's."""
    stage = staged(
        "{at: +1 d, by: aud-1, lie: {clock: -1 d}}",
        "{at: +2 d, by: dev-a, version: {name: one, proposed_by: human}}",
    )
    (version,) = [item for item in fold(stage.evidence).items.values() if item.kind == "version"]
    assert version.time == stage.start + 2 * 86_400


def test_what_a_log_hides_is_witnessed_once_it_shows_it():
    """Hidden from two of four mirrors, an entry has no time; shown, it has that of the showing."""
    hidden = (
        "{at: +1 h, by: dev-a, hide: {from: [aud-1, aud-2]}}",
        "{at: +2 h, by: dev-a, run: {name: one, flop: 1e20 FLOP}}",
    )
    stage = staged(*hidden)
    assert fold(stage.evidence).get(stage.named["one"]).time is None
    stage = staged(*hidden, "{at: +3 h, by: dev-a, show: {}}")
    assert fold(stage.evidence).get(stage.named["one"]).time == stage.start + 3 * 3_600


def test_two_forged_votes_do_not_pause():
    """One liar speaks for two auditors: it is cited without effect, and nobody is paused; two real votes do pause."""
    forged = "{at: +1 h, by: [aud-1, auth-1], vote: {pause: call}, forged_by: aud-2}"
    stage = staged(forged)
    at = stage.start + 3_700
    assert status(fold(stage.evidence), at).pauses == ()
    assert len(stage.forged) == 2
    assert stage.forged.isdisjoint(fold(stage.evidence).items)
    assert [p.trigger for p in status(fold(staged(forged.replace(", forged_by: aud-2", "")).evidence), at).pauses] == [
        "call"
    ]


@pytest.mark.parametrize(
    "step",
    [
        "{at: +1 h, by: dev-a, withdraw: {}, aside: yes}",
        "{at: +1 h, by: dev-a, fork: {to: [dev-b]}}",
        "{at: +1 h, by: aud-1, hide: {from: [aud-1]}}",
        "{at: +1 h, by: dev-a, lie: {}}",
        "{at: +1 h, by: cloud, silent: {}}",
    ],
)
def test_what_nobody_can_do_is_refused_at_its_place(tmp_path: Path, step: str):
    """X08: nothing is said aside before a fork, nobody misleads who does not witness, and only mirrors cosign."""
    path = tmp_path / "table.yaml"
    path.write_text(text(step, "{at: +2 h, expect: {phase: before}}"), "utf-8")
    with pytest.raises(Refused) as caught:
        list(simulate(TERMS, [path]))
    assert (caught.value.rule, "table.yaml:6" in caught.value.got) == ("X08", True)


def test_a_log_forks_once(tmp_path: Path):
    """X08, at the second fork."""
    fork = f"{{at: +1 h, by: dev-a, fork: {{to: [{MIRRORS}]}}}}"
    path = tmp_path / "table.yaml"
    path.write_text(text(fork, fork, "{at: +2 h, expect: {phase: before}}"), "utf-8")
    with pytest.raises(Refused, match="X08") as caught:
        list(simulate(TERMS, [path]))
    assert "table.yaml:7" in caught.value.got


def test_lies_are_spelled_as_they_are_read():
    """Each act and mark of a liar comes back the same from its own spelling."""
    steps = (
        "{at: +1 h, by: dev-a, fork: {to: [aud-1, aud-2]}}",
        "{at: +1 h, by: dev-a, vote: {pause: call}, aside: yes}",
        "{at: +1 h, by: dev-a, hide: {from: [aud-1]}}",
        "{at: +1 h, by: dev-a, show: {}}",
        "{at: +1 h, by: aud-1, lie: {clock: -1 h}}",
        "{at: +1 h, by: aud-1, lie: {}}",
        "{at: +1 h, by: [aud-1, aud-2], vote: {lift: call}, forged_by: auth-1}",
    )
    table = read_scenarios(text(*steps, "{at: +2 h, expect: {phase: before}}").encode(), SHAPE)
    assert tuple(spell_step(step) for step in table.scenarios[0].steps[:-1]) == steps
