"""A drill's cast follows from its options alone, and its terms are terms like any others."""

from __future__ import annotations

from pathlib import Path

import pytest

from detente.accord.difference import compare_terms
from detente.accord.terms import parse_terms
from detente.app.drill.coalition import configure, found_coalition, spell_terms
from detente.app.drill.jobs import checkpoints_of, final_of
from detente.app.drill.plan import JOBS_MAX, PARTIES_MAX, WAYS, Options, make_plan
from detente.app.drill.run import MARK, run_drill
from detente.app.drill.scene import halt_of, pauses_of
from detente.app.init import shipped_accord
from detente.base.digest import sha256_hex
from detente.base.errors import Misuse


def test_the_same_options_make_the_same_plan() -> None:
    """A drill can be run again as it was."""
    assert make_plan(Options(seed=5)) == make_plan(Options(seed=5))


def test_each_way_of_hiding_is_drawn_by_some_seed() -> None:
    """Four seeds in a row exercise all four."""
    assert {make_plan(Options(seed=seed)).cheat.way for seed in range(4)} == set(WAYS)


def test_who_cheats_bypasses_and_is_cut_off_are_three_developers() -> None:
    """Otherwise one failure would hide another."""
    plan = make_plan(Options())
    assert len({plan.cheat.party, plan.bypasser, plan.isolated}) == 3
    assert next(job for job in plan.jobs if job.name == plan.cheat.job).kind == "train"


@pytest.mark.parametrize("jobs", range(2, JOBS_MAX + 1))
@pytest.mark.parametrize("parties", [3, PARTIES_MAX])
def test_every_developer_has_one_loop_and_every_job_its_own_name_and_seed(parties: int, jobs: int) -> None:
    """Two jobs of one seed would end with the same weights, and a mix-up would pass."""
    plan = make_plan(Options(parties=parties, jobs=jobs))
    assert len({job.name for job in plan.jobs}) == len({job.seed for job in plan.jobs}) == parties * jobs
    assert len({job.lane for job in plan.jobs}) == parties * jobs
    for developer in plan.developers:
        assert [job.kind for job in plan.jobs_of(developer)].count("loop") == 1


@pytest.mark.parametrize(("name", "value"), [("parties", 2), ("parties", 9), ("jobs", 1), ("jobs", 5)])
def test_options_out_of_bounds_are_misuse(name: str, value: int) -> None:
    """The message names the option and its bounds."""
    with pytest.raises(Misuse, match=f"--{name} {value}"):
        Options(**{name: value})  # type: ignore[arg-type]


def test_the_terms_of_a_drill_are_sound_and_name_everybody(tmp_path: Path) -> None:
    """They pass the reader that every accord passes, with keys that were proven."""
    plan = make_plan(Options(parties=4))
    ports = {member.name: 9_000 + number for number, member in enumerate(plan.parties)}
    coalition = found_coalition(plan, tmp_path, ports)
    terms = parse_terms(coalition.terms_bytes)
    assert sha256_hex(coalition.terms_bytes) == coalition.accord
    assert set(terms.parties) == set(ports) == set(coalition.seats)
    assert terms.mirrors.parties == plan.mirrors
    assert (terms.mirrors.may_fail, terms.mirrors.witness, terms.mirrors.issue) == (1, 3, 3)
    assert "at_least: 4" in spell_terms(plan)


def test_a_drill_changes_in_the_model_accord_what_it_says_and_nothing_else() -> None:
    """As many developers as it has, lives of seconds, a smaller limit, one reviewer, a pause for all, and no releases."""
    shipped = parse_terms(shipped_accord("coordinated-pause.yaml"), template=True)
    changes = compare_terms(shipped, parse_terms(spell_terms(make_plan(Options())).encode(), template=True))
    assert {change.section for change in changes} == {
        "mirrors", "entry_into_force", "limits", "hold_points", "checkpoints", "triggers", "pause", "permits", "adjudication",
        "sources",
    }  # fmt: skip
    assert len(changes) == 12


def test_the_keys_of_a_drill_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """Even toy keys are kept as real ones are."""
    plan = make_plan(Options())
    coalition = found_coalition(plan, tmp_path, {member.name: 1 for member in plan.parties})
    seat = coalition.seat("aud-1")
    configure(coalition, seat, {})
    keys = list((seat.home / "keys").iterdir())
    assert {path.stem for path in keys} == {"root", "statement", "log", "mirror", "permit", "reviewer"}
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_a_folder_that_no_drill_made_is_left_alone(tmp_path: Path) -> None:
    """``--out`` is made anew, so it must not be somebody's work."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Misuse, match="no drill made"):
        run_drill(Options(), tmp_path, tell=lambda _line: None)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / MARK).exists()


def test_a_job_that_has_not_finished_has_no_result(tmp_path: Path) -> None:
    """A half-written or absent result is not a result."""
    assert final_of(tmp_path) is None
    (tmp_path / "final.json").write_text('{"weights_sha256": "ab')
    assert final_of(tmp_path) is None


def test_checkpoints_are_found_oldest_first(tmp_path: Path) -> None:
    """Their names carry the step, so names sort as steps do."""
    (tmp_path / "checkpoints").mkdir()
    for step in (100, 25, 50):
        (tmp_path / "checkpoints" / f"step-{step:09d}.ckpt").write_bytes(b"x")
    assert [path.stem[-3:] for path in checkpoints_of(tmp_path)] == ["025", "050", "100"]


def test_a_status_is_read_for_pauses_and_halts_alone() -> None:
    """Slowdowns are no pauses, and a run that nobody mentions has no state."""
    status = {
        "pauses": [{"effect": "pause", "trigger": "call"}, {"effect": "slowdown", "trigger": "slow"}],
        "halts": [{"run": "a", "state": "overdue"}],
    }
    assert [pause["trigger"] for pause in pauses_of(status)] == ["call"]
    assert (halt_of(status, "a"), halt_of(status, "b")) == ("overdue", "")
