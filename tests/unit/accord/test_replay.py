"""A year of facts through terms: which dates, what changes, what nobody owes; the shipped year with source and grade."""

from pathlib import Path

import pytest

from detente.accord.facts import GRADES
from detente.accord.facts_reading import read_facts
from detente.accord.replay import replay_facts
from detente.accord.vocabulary import known, read_vocabulary
from detente.adapters.plots import can_draw
from detente.app.comparing import replay
from detente.base.errors import Misuse
from detente.base.instant import parse_date
from tests.unit.accord.test_comparison import WORDS, terms

TIMELINE = Path(__file__).parents[3] / "accords" / "timeline-2026.yaml"
YEAR = """\
facts: f
covers_to: 2026-10-06
items:
  - {date: 2026-06-01, says: a, source: s, grade: P, label: one, gives: [{indicator: owed, value: 1 x}]}
  - {date: 2026-06-01, says: b, source: s, grade: S, label: two}
  - {date: 2026-07-01, says: c, source: s, grade: B, gives: [{indicator: owed, value: 2 x}, {indicator: chips, value: 3}]}
  - {date: 2026-08-01, says: d, source: s, grade: "?"}
"""


def played():
    words = read_vocabulary(b"{subjects: [], indicators: {chips: {is: chips, baseline: none}}}")
    accords = (terms(),)
    return replay_facts(read_facts(YEAR.encode(), known(words, accords)), accords, WORDS)


def test_each_date_is_looked_at_once_and_only_what_changes_is_told():
    """Two facts of one day are one date; a fact that gives nothing changes nothing."""
    found = [(day.label, [change.spelled() for change in changes]) for day, changes in played().changes()]
    assert found == [
        ("one; two", []),
        ("", ["ours triggers.pace: held → triggered", "ours triggers.both: held → unknown"]),
        ("", []),
    ]


def test_unknowns_are_counted_at_the_end_and_those_whose_input_nobody_owes_apart():
    """Run, change and lineage are owed by whoever asks leave; an offer, a vote and a finding by nobody."""
    told = played().as_json()
    assert (told["unknown"], told["unknown_owed_by_nobody"], told["asked_by_no_clause"]) == (5, 3, ["chips"])
    assert told["covers_to"] == "2026-10-06"


def test_the_shipped_year_has_a_source_and_a_grade_for_every_fact_and_says_where_it_ends():
    """From the order of 2 June to the end of what is known; every label fits its column."""
    year = replay(TIMELINE)
    assert year.facts.covers_to == parse_date("2026-10-06")
    assert all(fact.source and fact.grade in GRADES for fact in year.facts.facts)
    labels = " ".join(day.label for day in year.days)
    for event in ("US order", "When AI builds itself", "breach by agents", "pauses RL", "OpenAI's index", "Anthropic's index",
                  "card", "White House accord", "antitrust suit"):  # fmt: skip
        assert event in labels


def test_in_the_shipped_year_one_clause_was_triggered_and_by_the_pause_of_august():
    """No framework's threshold is shown as crossed, since no developer declared a crossing and no number was published."""
    triggered = {
        (each.accord, each.clause, day.label)
        for day in replay(TIMELINE).days
        for compared in day.compared
        for each in compared.outcomes
        if each.state == "triggered"
    }
    assert {(accord, clause) for accord, clause, _ in triggered} == {("openai-pause-2026", "triggers.breach-by-agents")}


def test_indices_that_were_published_are_asked_for_by_no_clause():
    """Shares of work and workdays of agents are in no text; no figure is read as another."""
    assert set(replay(TIMELINE).unasked) == {
        "merged_code_by_ai",
        "agent_workdays",
        "work_at_al4_or_more",
        "work_at_al5",
    }


@pytest.mark.skipif(not can_draw(), reason="no matplotlib here: the extra `measure` brings it")
@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_year_draws_the_same_bytes(tmp_path: Path, ending: str):
    """No date and no chance in a picture."""
    one, other = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    for path in (one, other):
        replay(TIMELINE, figure=path)
    assert one.read_bytes() == other.read_bytes()


def test_a_picture_of_another_kind_is_refused(tmp_path: Path):
    """And nothing is written."""
    with pytest.raises(Misuse, match=r"svg or \.png"):
        replay(TIMELINE, figure=tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == []
