"""Scenario tables: the shipped ones hold, fail where the terms are others, and are refused with every error at its place."""

from pathlib import Path

import pytest

from detente.accord.act_reading import read_moment
from detente.accord.difference import compare_terms
from detente.accord.fields import TermsRefused
from detente.accord.scenario_reading import read_scenarios
from detente.accord.scenario_writing import spell_step
from detente.accord.terms import parse_terms
from detente.app.simulating import simulate
from detente.app.troupe import Troupe
from detente.base.errors import Refused

ACCORDS = Path(__file__).parents[3] / "accords"
TERMS = ACCORDS / "coordinated-pause.yaml"
SHIPPED = sorted(path.name.removesuffix(".scenarios.yaml") for path in ACCORDS.glob("*.scenarios.yaml"))
HEAD = "accord: coordinated-pause\nstart: 2027-01-01\nscenarios:\n"


def table(tmp_path: Path, *steps: str, name: str = "a", head: str = HEAD) -> Path:
    """A table of one scenario with these steps, the first on line 6."""
    path = tmp_path / "table.yaml"
    lines = "".join(f"      - {step}\n" for step in steps)
    path.write_text(f"{head}  - name: {name}\n    steps:\n{lines}", "utf-8")
    return path


def edited(tmp_path: Path, old: str, new: str, accord: str = "coordinated-pause") -> Path:
    """The shipped terms with one thing changed."""
    text = (ACCORDS / f"{accord}.yaml").read_text("utf-8")
    assert old in text, old
    path = tmp_path / "terms.yaml"
    path.write_text(text.replace(old, new), "utf-8")
    return path


def refusals(tmp_path: Path, *steps: str) -> list[tuple[str, str]]:
    """Number and place of every error of a table with these steps."""
    with pytest.raises(TermsRefused) as caught:
        list(simulate(TERMS, [table(tmp_path, *steps)]))
    return [(each.rule, each.got.split("table.yaml:")[1].split(" ")[0]) for each in caught.value.all]


@pytest.mark.parametrize("accord", SHIPPED)
def test_shipped_scenarios_hold(accord: str):
    """Every expectation of every table beside shipped terms is met."""
    played = list(simulate(ACCORDS / f"{accord}.yaml", [ACCORDS / f"{accord}.scenarios.yaml"]))
    assert played
    failed = [(p.scenario.name, j.expectation.spelled(), j.got) for p in played for j in p.judged if not j.met]
    assert not failed


STAGED = """\
duties:
  - {id: register-largest, of: developer, register: {more_than: 10000 H100e}, by: {after_entry: 1 d}}
  - {id: consolidate, of: developer, found_by: auditor, by: {after_entry: 120 d}}

triggers:
  - id: unregistered
    when: {overdue: register-largest}
    then: pause
    scope: party
  - id: emergency
    when: {votes: {of: [auth-1], at_least: 1}}
    then: slowdown
    scope: all
    until: {after_entry: 200 d}
    lapses: {after: 30 d, unless: {auditor: 1, authority: 1}}
"""


def test_a_table_asks_for_duties_and_for_what_is_latched(tmp_path: Path):
    """Registered in time by two of three; an emergency that nobody confirmed; what inspectors found; what ended by itself."""
    terms = edited(tmp_path, "triggers:\n", STAGED)
    played = table(
        tmp_path,
        "{by: [dev-a, dev-b, dev-c, aud-1, auth-1], accede: {}}",
        "{by: [dev-a, dev-b], register: {flop_s: 20000 H100e, complete_above: 10000 H100e}}",
        "{by: dev-c, register: {flop_s: 20000 H100e}}",
        "{at: +1 d + 119 s, expect: {not_paused: {party: dev-c, by: unregistered}, duty: {duty: register-largest, party: dev-c, is: open}}}",
        "{at: +1 d + 120 s, expect: {paused: {party: dev-c, by: unregistered}, duty: [{duty: register-largest, party: dev-c, is: overdue}, "
        "{duty: register-largest, party: dev-a, is: fulfilled}], latched: {trigger: unregistered, scope: dev-c, round: 0}}}",
        "{at: +2 d, by: auth-1, vote: {pause: emergency}}",
        "{expect: {latched: {trigger: emergency}, slowed: {party: dev-a, by: emergency}, not_latched: {trigger: call}}}",
        "{at: +32 d, expect: {not_latched: {trigger: emergency}, lapsed: {trigger: emergency}, released_by_time: pause_lapsed}}",
        "{by: aud-1, find: {name: done, about: dev-a, claim: fulfils consolidate}}",
        "{at: +33 d, expect: {duty: {duty: consolidate, party: dev-a, is: fulfilled}, not_released_by_time: rule_ended}}",
        "{at: +201 d, expect: {released_by_time: rule_ended, duty: {duty: consolidate, party: dev-b, is: overdue}}}",
    )
    [result] = simulate(terms, [played])
    assert [(judged.expectation.spelled(), judged.got) for judged in result.judged if not judged.met] == []
    assert len(result.judged) > 15


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{role: developer, at_least: 3}", "{role: developer, at_least: 2}"),
        ("at_least: 80 %", "at_least: 81 %"),
        ("settle: 60 s", "settle: 61 s"),
        ("run.cumulative_flop, 1e22 FLOP", "run.planned_flop, 1e22 FLOP"),
        ("more_than: [run.cumulative_flop, 1e24 FLOP]", "at_least: [run.cumulative_flop, 1e24 FLOP]"),
        ("approval_of: [auth-1, auth-2]", "approval_of: [auth-1]"),
        ("same_host: refuse", "same_host: accept"),
        ("at_least: [ai_proposed_depth, 3]", "at_least: [ai_proposed_depth, 4]"),
        ("at_most: [doubling_days, 60 d]", "less_than: [doubling_days, 60 d]"),
        ("halt_within: 15 min", "halt_within: 16 min"),
        ("longest: 180 d", "longest: 181 d"),
        ("votes: {auditor: 1, authority: 2}", "votes: {authority: 2}"),
        ("  when: {none_open: finding}\n", ""),
        ("challenge_within: 72 h", "challenge_within: 71 h"),
        ("notice: 365 d", "notice: 366 d"),
        ("expires: 2029-06-01", "expires: 2029-06-02"),
        ("after_expiry: {training: free", "after_expiry: {training: refuse"),
    ],
)
def test_other_terms_fail_a_shipped_scenario(tmp_path: Path, old: str, new: str):
    """Whatever number or rule of the model accord is changed, some expectation of its table is not met."""
    terms = edited(tmp_path, old, new).rename(tmp_path / "other.yaml")
    assert any(not played.passed for played in simulate(terms, [ACCORDS / "coordinated-pause.scenarios.yaml"]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("humans: 2, organisations: 2", "humans: 3, organisations: 2"),
        (", screened: yes", ""),
        ("caught: 80 %", "caught: 79 %"),
        ("caught: 80 %", "caught: 81 %"),
        ("window: 182 d", "window: 183 d"),
        ("by: [auditor]\n  rate", "by: [auditor, authority]\n  rate"),
        ("confidence: 95 %}", "confidence: 95 %, unshown: silent}"),
        ("settle: 10 min", "settle: 9 min"),
        ("at_least: [ai_proposed_depth, 3]", "at_least: [ai_proposed_depth, 4]"),
        ("votes: {auditor: 1, authority: 2}", "votes: {authority: 2}"),
    ],
)
def test_other_terms_fail_a_scenario_of_screened_review(tmp_path: Path, old: str, new: str):
    """As above, of what its reviewers must be shown to catch."""
    terms = edited(tmp_path, old, new, "screened-review").rename(tmp_path / "other.yaml")
    assert any(not played.passed for played in simulate(terms, [ACCORDS / "screened-review.scenarios.yaml"]))


def test_acts_of_seeding_are_spelled_as_they_are_read():
    """With the flaw where it is not the one that a table means by default."""
    steps = (
        "{at: +1 h, by: aud-1, seed: {name: seeds, proposals: [bad, worse]}}",
        "{at: +2 h, by: dev-a, propose: {name: bad, proposed_by: model, touches: [training], flop: 1 FLOP}}",
        "{at: +3 h, by: aud-1, reveal: {proposal: bad, seeds: seeds}}",
        "{at: +4 h, by: aud-1, reveal: {proposal: bad, seeds: seeds, flaw: hook-removed}}",
    )
    text = HEAD.replace("coordinated-pause", "screened-review") + "  - name: a\n    steps:\n"
    text += "".join(f"      - {step}\n" for step in (*steps, "{at: +5 h, expect: {seeds: {open: 1}}}"))
    shape = parse_terms((ACCORDS / "screened-review.yaml").read_bytes(), template=True)
    table = read_scenarios(text.encode(), shape)
    assert tuple(spell_step(step) for step in table.scenarios[0].steps[:-1]) == steps


def test_a_time_is_a_sum_of_durations_with_their_signs():
    """Anything else is none."""
    assert read_moment("+1 d") == 86_400
    assert read_moment("+180 d + 1 h - 1 s") == 180 * 86_400 + 3_599
    assert [read_moment(text) for text in ("1 d", "+1 day", "+", "", "+1 d 2 h", "+1.5 d")] == [None] * 6


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("{at: +1 h, by: dev-x, accede: {}}", "X01"),
        ("{at: +1 h, expect: {paused: {party: dev-x}}}", "X01"),
        ("{at: 1 h, expect: {phase: before}}", "X02"),
        ("{at: 2026-12-31T23:59:59Z, expect: {phase: before}}", "X02"),
        ("{at: +0 s, expect: {phase: before}}", "X02"),
        ("{at: +1 h, by: dev-a}", "X03"),
        ("{at: +1 h, by: dev-a, accede: {}, withdraw: {}}", "X03"),
        ("{at: +1 h, by: aud-1, vote: {pause: call, lift: call}}", "X03"),
        ("{at: +1 h, expect: {}}", "X03"),
        ("{at: +1 h, expect: {paused: []}}", "X03"),
        ("{at: +1 h, by: dev-a, halt: {run: nothing}}", "X04"),
        ("{at: +1 h, by: aud-1, refute: first}", "X04"),
        ("{at: +1 h, by: aud-1, reveal: {proposal: first, seeds: first}}", "X04"),
        ("{at: +1 h, by: dev-a, run: {name: first, flop: 1 FLOP}}", "X05"),
        ("{at: +1 h, by: [dev-a, dev-b], run: {name: second, flop: 1 FLOP}}", "X05"),
        ("{at: +1 h, by: aud-1, vote: {pause: cal}}", "X06"),
        ("{at: +1 h, by: aud-1, vote: {pause: unattended}}", "X06"),
        ("{at: +1 h, expect: {not_paused: {party: dev-a, by: cal}}}", "X06"),
        ("{at: +1 h, expect: {not_lifted: {trigger: unattended}}}", "X06"),
        ("{at: +1 h, expect: {held: {run: first, by: too-big}}}", "X06"),
        ("{at: +1 h, by: aud-1, measure: {indicator: doubling_days, low: 1 d, high: 2 h}}", "X08"),
        ("{at: +1 h, by: dev-a, run: {name: second, flop: 1 d}}", "T08"),
        ("{at: +1 h, expect: {phase: after}}", "T08"),
        ("{at: +1 h, expect: {phases: before}}", "T06"),
        ("{at: +1 h, by: dev-a, accede: yes}", "T07"),
        ("{at: +1 h, by: dev-a, fork: {to: [aud-9]}}", "X01"),
        ("{at: +1 h, by: dev-a, accede: {}, forged_by: nobody}", "X01"),
        ("{at: +1 h, by: aud-1, lie: {clock: 1 h}}", "X02"),
        ("{at: +1 h, by: dev-a, hide: {}}", "T07"),
    ],
)
def test_a_step_that_means_nothing_is_refused_at_its_place(tmp_path: Path, step: str, rule: str):
    """By its number, with the line; nothing is played."""
    first = "{at: +1 min, by: dev-a, run: {name: first, flop: 1 FLOP}}"
    found = refusals(tmp_path, first, step, "{at: +2 h, expect: {phase: before}}")
    assert (rule, "7") in {(number, place.split(":")[0]) for number, place in found}


def test_every_error_of_a_table_is_told_at_once(tmp_path: Path):
    """Two steps, three errors, each at its line and column."""
    first = "{at: +1 h, by: nobody, vote: {pause: cal}}"
    second = "{at: +2 h, expect: {phase: gone}}"
    assert refusals(tmp_path, first, second) == [
        ("X01", f"6:{9 + first.index('nobody')}"),
        ("X06", f"6:{9 + first.index('cal')}"),
        ("T08", f"7:{9 + second.index('gone')}"),
    ]


def test_a_table_of_another_accord_or_that_expects_nothing_is_refused(tmp_path: Path):
    """X07 and X03; a scenario twice is X05."""
    terms = parse_terms(TERMS.read_bytes(), template=True)
    text = (
        HEAD.replace("coordinated-pause", "other") + "  - {name: a, steps: [{at: +1 h, by: dev-a, accede: {}}]}\n" * 2
    )
    with pytest.raises(TermsRefused) as caught:
        read_scenarios(text.encode(), terms)
    assert [each.rule for each in caught.value.all] == ["X07", "X03", "X05", "X03"]


def test_what_cannot_be_done_is_refused_at_its_place(tmp_path: Path):
    """X08: only a mirror's silence is heard, a halt that nobody declared is not confirmed, a promise asks for at most all."""
    run = "{at: +1 h, by: dev-a, run: {name: first, flop: 1 FLOP}}"
    end = "{at: +3 h, expect: {phase: before}}"
    for step in (
        "{at: +2 h, by: dev-a, silent: {}}",
        "{at: +2 h, by: aud-1, confirm: first}",
        "{at: +2 h, by: dev-a, accede: {bound: {at_least: 2, of: [dev-b]}}}",
        "{at: +2 h, by: aud-1, measure: {indicator: doubling_days, low: 2 d, high: 1 d}}",
    ):
        with pytest.raises(Refused) as caught:
            list(simulate(TERMS, [table(tmp_path, run, step, end)]))
        assert caught.value.rule == "X08"
        assert f"{tmp_path / 'table.yaml'}:7:9 " in caught.value.got


def test_what_is_not_met_is_told_with_what_was_got_and_the_acts_it_rests_on(tmp_path: Path):
    """The reasons cite statements by whom they are and where in the table they were made."""
    path = table(
        tmp_path,
        "{at: +0 s, by: [dev-a, dev-b, dev-c], accede: {}}",
        "{at: +0 s, by: dev-a, register: {flop_s: 1 FLOP/s}}",
        "{at: +1 h, by: [aud-1, auth-1], vote: {pause: call}}",
        "{at: +2 h, expect: {not_paused: {party: dev-a, activity: training}}}",
    )
    (played,) = simulate(TERMS, [path])
    (judged,) = played.judged
    assert not played.passed
    assert judged.got == "training of dev-a is paused by call round 0 since 2027-01-01T01:00:00Z"
    assert judged.expectation.where.startswith("9:")
    assert {played.said[cite] for cite in judged.reasons[0].cites} == {"aud-1: vote (8:9)", "auth-1: vote (8:9)"}


def test_the_same_seed_gives_the_same_result_and_another_one_other_statements(tmp_path: Path):
    """Everything told is equal; under another seed what is met is the same, by other statements."""
    path = table(tmp_path, "{at: +0 s, by: dev-a, accede: {}}", "{at: +1 h, expect: {bound: dev-a, phase: before}}")
    first, again, other = (
        [played.as_json() for played in simulate(TERMS, [path], seed=seed)] for seed in (1, 1, 2)
    )  # fmt: skip
    assert first == again
    assert first[0]["said"].keys().isdisjoint(other[0]["said"])
    assert first[0]["passed"] is other[0]["passed"] is True


def test_keys_that_stand_in_the_terms_are_not_needed():
    """They are replaced by made ones, wherever the section stands; all else is the same."""
    template = parse_terms(TERMS.read_bytes(), template=True)
    signed = Troupe(TERMS.read_bytes(), seed=1, reviewers={}).founding
    keys = signed[signed.index(b"\nkeys:\n") :]
    for text in (signed, keys.strip(b"\n") + b"\n" + TERMS.read_bytes()):
        other = Troupe(text, seed=2, reviewers={})
        assert other.terms.keys["dev-a"] != parse_terms(signed).keys["dev-a"]
        assert compare_terms(template, other.terms) == compare_terms(template, parse_terms(signed))
