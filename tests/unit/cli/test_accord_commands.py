"""`detente accord`: texts of terms, with no keys, node or set-up."""

import json
from pathlib import Path

from click.testing import CliRunner

from detente.cli import main

ACCORDS = Path(__file__).parents[3] / "accords"


def called(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_new_text_can_be_read_and_differs_in_nothing_from_what_it_is_like(tmp_path: Path):
    """What `new` writes is sound, commented, and the same as the shipped terms."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    assert called("accord", "new", first).exit_code == 0
    assert called("accord", "new", second, "--like", "coordinated-pause").exit_code == 0
    assert first.read_text("utf-8").startswith("#")
    assert "no difference" in called("accord", "diff", first, second).output


def test_a_new_text_is_never_written_over_another(tmp_path: Path):
    """T60, and what was there is there."""
    path = tmp_path / "a.yaml"
    path.write_text("mine", "utf-8")
    result = called("accord", "new", path, "--json")
    assert json.loads(result.stdout)["refused"]["rule"] == "T60"
    assert path.read_text("utf-8") == "mine"


def test_every_error_of_a_file_is_told_at_once_with_its_place(tmp_path: Path):
    """Name, line and column of each, and the exit code of the first."""
    good, bad = tmp_path / "a.yaml", tmp_path / "b.yaml"
    called("accord", "new", good)
    bad.write_text(good.read_text("utf-8").replace("6 h", "six").replace("[provider]", "[cloud]"), "utf-8")
    result = called("accord", "diff", good, bad)
    assert result.exit_code not in {0, 1, 2}
    places = [line.split(" got ")[1].split(" ")[0] for line in result.stderr.splitlines()]
    text = bad.read_text("utf-8").splitlines()
    expected = [
        f"{bad}:{number}:{line.index(word) + 1}"
        for word in ("cloud]", "six")
        for number, line in enumerate(text, 1)
        if word in line
    ]
    assert places == expected


def test_a_difference_is_json_where_a_machine_reads(tmp_path: Path):
    """Section, text and effect of each change."""
    old, new = tmp_path / "a.yaml", tmp_path / "b.yaml"
    called("accord", "new", old)
    new.write_text(old.read_text("utf-8").replace("calm: 6 h", "calm: 12 h"), "utf-8")
    assert json.loads(called("accord", "diff", old, new, "--json").stdout) == {
        "changes": [
            {"section": "permits", "text": "raises the life of a permit in calm from 6 h to 12 h", "effect": "loosens"}
        ]
    }


def test_a_check_ends_with_1_where_something_is_broken_and_0_where_nothing_is(tmp_path: Path):
    """Shipped terms pass; without the veto that they name on purpose they do not."""
    path = tmp_path / "a.yaml"
    called("accord", "new", path)
    assert called("accord", "check", path).exit_code == 0
    path.write_text(path.read_text("utf-8").replace("  veto_on_purpose: [auth-1, auth-2]\n", ""), "utf-8")
    result = called("accord", "check", path, "--json")
    assert result.exit_code == 1
    broken = [claim for claim in json.loads(result.stdout)["claims"] if claim["verdict"] == "broken"]
    assert {claim["id"] for claim in broken} == {"blocks-lift"}
    assert all(claim["trace"] and claim["bound"] for claim in broken)


def test_an_interval_of_doubling_is_spelled_as_a_duration(tmp_path: Path):
    """B03 and not a traceback."""
    path = tmp_path / "a.yaml"
    called("accord", "new", path)
    assert "B03" in called("accord", "check", path, "--doubling", "four months").stderr


def test_a_simulation_ends_with_1_where_an_expectation_is_not_met(tmp_path: Path):
    """Got, expected and reasons, for people and for machines; 0 where all are met."""
    terms, scenarios = tmp_path / "a.yaml", tmp_path / "s.yaml"
    called("accord", "new", terms)
    text = (
        "{accord: coordinated-pause, start: 2027-01-01, scenarios: [{name: one, steps: [\n"
        "  {at: +0 s, by: dev-a, accede: {}},\n  {at: +1 h, expect: {bound: dev-a}}]}]}\n"
    )
    scenarios.write_text(text, "utf-8")
    assert called("accord", "simulate", terms, "--scenario", scenarios).exit_code == 0
    scenarios.write_text(text.replace("bound: dev-a", "bound: dev-b"), "utf-8")
    result = called("accord", "simulate", terms, "--scenario", scenarios)
    assert result.exit_code == 1
    assert "expected" not in result.stderr
    assert f"got: dev-b is not bound  [{scenarios}:3:30]" in result.stdout
    told = json.loads(called("accord", "simulate", terms, "--scenario", scenarios, "--json").stdout)
    (asked,) = told["scenarios"][0]["expectations"]
    assert (asked["met"], asked["expected"], asked["got"]) == (False, "dev-b is bound", "dev-b is not bound")


FACTS = """\
facts: a-year
covers_to: 2026-10-06
items:
  - {date: 2026-08-18, says: nobody pauses, source: https://example.org/<b>, grade: S,
     gives: [{votes: 0, in: openai-pause-2026, clause: triggers.breach-by-agents}]}
  - {date: 2026-08-20, says: it pauses, source: a newspaper, grade: "1",
     gives: [{votes: 1, in: openai-pause-2026, clause: triggers.breach-by-agents}]}
"""


def test_a_comparison_names_state_clause_source_fact_and_grade(tmp_path: Path):
    """For people on stdout, the number of facts and their end on stderr; as of a date what was said by then."""
    facts = tmp_path / "facts.yaml"
    facts.write_text(FACTS, "utf-8")
    text = ACCORDS / "openai-pause-2026.yaml"
    result = called("accord", "compare", facts, text)
    assert result.exit_code == 0
    assert "■ triggered  triggers.breach-by-agents: 1 vote of openai" in result.stdout
    assert "announcement (secondary)" in result.stdout
    assert "[1] 2026-08-20 it pauses; a newspaper" in result.stdout
    assert "– silent     compute of training; the pace of AI research and development;" in result.stdout
    assert "2 of 2 facts, known to 2026-10-06" in result.stderr
    before = json.loads(called("accord", "compare", facts, text, "--at", "2026-08-19", "--json").stdout)
    (clause,) = before["accords"][0]["clauses"]
    assert (clause["state"], clause["cases"][0]["facts"][0]["grade"]) == ("held", "S")


def test_without_texts_every_shipped_accord_is_compared(tmp_path: Path):
    """Each with what is unknown because nobody owes the input."""
    facts = tmp_path / "facts.yaml"
    facts.write_text(FACTS, "utf-8")
    compared = json.loads(called("accord", "compare", facts, "--json").stdout)["accords"]
    shipped = {path.name.removesuffix(".scenarios.yaml") for path in ACCORDS.glob("*.scenarios.yaml")}
    assert {each["accord"] for each in compared} == shipped
    policy = next(each for each in compared if each["accord"] == "anthropic-rsp-3.4")
    assert policy["unknown_owed_by_nobody"] == 2


def test_a_page_of_a_comparison_escapes_what_it_shows(tmp_path: Path):
    """An address is a link and no markup; states are words."""
    facts = tmp_path / "facts.yaml"
    facts.write_text(FACTS, "utf-8")
    page = called("accord", "compare", facts, ACCORDS / "openai-pause-2026.yaml", "--at", "2026-08-19", "--html").stdout
    assert "○ held" in page
    assert "https://example.org/&lt;b&gt;" in page
    assert "<b>" not in page.replace("<b>triggers.breach-by-agents</b>", "")


def test_facts_that_cannot_be_read_are_refused_with_their_place(tmp_path: Path):
    """Y03, with file, line and column, and nothing compared."""
    facts = tmp_path / "facts.yaml"
    facts.write_text(FACTS.replace("in: openai-pause-2026", "in: nobody", 1), "utf-8")
    result = called("accord", "compare", facts)
    assert f"Y03 not-found: got {facts}:5:29 'nobody'" in result.stderr
    assert result.stdout == ""
