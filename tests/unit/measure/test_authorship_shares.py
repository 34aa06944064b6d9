"""From commits to shares: which lines count, whose they are known to be, when marks have disappeared."""

import json
from decimal import Decimal

import pytest

from detente.measure.authorship.disappearance import AUTHOR_MIN, Z_AUTHOR, find_falls, wilson
from detente.measure.authorship.facts import Facts, as_row, facts_of, from_row, pseudonym
from detente.measure.authorship.git_ai_note import Attested
from detente.measure.authorship.left_out_paths import left_out
from detente.measure.authorship.line_sets import count, intersection, subtract, union
from detente.measure.authorship.matching import plain_commit
from detente.measure.authorship.shares import measure_shares
from detente.measure.authorship.sums import half_year, sum_facts
from detente.measure.history import Change, Identity
from detente.measure.indicator import Result

AT_S = 1_750_000_000
CLAUDE = "change\n\nCo-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>\n"
SUGGESTED = "change\n\nCo-authored-by: g <176961590+gemini-code-assist[bot]@users.noreply.github.com>\n"
HELPED = "change\n\nAssisted-by: Claude:claude-opus-4-6\n"


def _commit(message="change\n", changes=(("a.py", 10),), *, number=0, at_s=AT_S, author="ada@example.org", **more):
    commit = plain_commit(author=Identity("Ada", author), message=message)
    files = tuple(Change(path, added, 0) for path, added in changes)
    return commit._replace(id=f"{number:040x}", committed_s=at_s, changes=files, **more)


def _measured(*facts: Facts, **bounds) -> Result:
    return measure_shares(sum_facts(facts, **bounds), subject="r", inputs={}, parameters={})


def _value(result: Result, name: str):
    found = next(one for one in result.indicators if one.name == f"authorship.{name}")
    return (found.low, found.high)


def _ends(low: str, high: str):
    return (Decimal(low), Decimal(high))


def test_a_mark_credits_its_commit_and_the_rest_is_unknown():
    """Low: lines of marked commits. High: everything, since nothing says human."""
    result = _measured(
        facts_of(_commit(CLAUDE, [("a.py", 30)])), facts_of(_commit("change\n", [("b.py", 70)], number=1))
    )
    assert _value(result, "ai_line_share") == _ends("0.3", "1")
    assert _value(result, "ai_commit_share") == _ends("0.5", "1")


def test_without_any_evidence_nothing_is_known():
    """No mark is no human: from nothing to everything, of class none, with a warning."""
    result = _measured(facts_of(_commit()))
    assert _value(result, "ai_line_share") == _ends("0", "1")
    assert result.indicators[0].evidence_class == "none"
    assert [remark.kind for remark in result.remarks] == ["no-evidence"]


def test_an_empty_history_has_no_share():
    """Nothing of nothing is not zero."""
    assert _value(_measured(), "ai_line_share") == (None, None)


@pytest.mark.parametrize("message", [SUGGESTED, HELPED])
def test_suggestions_and_help_are_involvement_not_authorship(message):
    """They mark the commit and leave its lines unknown."""
    result = _measured(facts_of(_commit(message)))
    assert _value(result, "ai_line_share") == _ends("0", "1")
    assert _value(result, "ai_commit_share") == _ends("0", "1")
    assert _value(result, "ai_involved_commit_share") == _ends("1", "1")
    assert _value(result, "marked_commits") == _ends("1", "1")


def test_a_ledger_attests_ai_and_human_lines_of_an_unmarked_commit():
    """AI lines raise the lower end, human lines lower the upper one, the others are unknown."""
    attested = [Attested("a.py", "ai", "claude", ((1, 3),)), Attested("a.py", "human", "", ((4, 5),))]
    result = _measured(facts_of(_commit(changes=[("a.py", 10)]), attested))
    assert _value(result, "ai_line_share") == _ends("0.3", "0.8")
    assert result.indicators[0].evidence_class == "line-attested"


def test_a_marked_commit_loses_only_lines_attested_to_a_human():
    """The union of both kinds of evidence counts."""
    attested = [Attested("a.py", "ai", "claude", ((1, 3),)), Attested("a.py", "human", "", ((4, 5),))]
    result = _measured(facts_of(_commit(CLAUDE), attested))
    assert _value(result, "ai_line_share") == _ends("0.8", "0.8")


def test_a_commit_wholly_attested_to_a_human_leaves_the_upper_end():
    """The only thing that proves a human."""
    result = _measured(facts_of(_commit(), [Attested("a.py", "human", "", ((1, 10),))]), facts_of(_commit(number=1)))
    assert _value(result, "ai_commit_share") == _ends("0", "0.5")
    assert _value(result, "ai_line_share") == _ends("0", "0.5")


def test_no_file_is_attested_beyond_what_the_commit_added():
    """A note that claims 268,860 lines of a file of ten cannot make the share exceed one."""
    attested = [Attested("a.py", "ai", "claude", ((1, 268_860),)), Attested("a.py", "human", "", ((300_000, 400_000),))]
    facts = facts_of(_commit(), attested)
    assert facts.areas == ((".", 10, 10, 0),)
    assert facts.ledger_agents == (("claude", 10),)


def test_a_line_ascribed_to_both_is_nobodys():
    """Contested lines are neither in the lower end nor out of the upper one."""
    attested = [Attested("a.py", "ai", "claude", ((1, 6),)), Attested("a.py", "human", "", ((5, 8),))]
    assert facts_of(_commit(), attested).areas == ((".", 10, 4, 2),)


def test_tools_for_trying_ledgers_out_are_noise_and_counted():
    """Their lines are unknown, and the exclusion says how many commits."""
    result = _measured(facts_of(_commit(), [Attested("a.py", "ai", "mock_ai", ((1, 10),))]))
    assert _value(result, "ai_line_share") == _ends("0", "1")
    assert any("trying the ledger out" in one.why and one.count == 1 for one in result.exclusions)


def test_unresolved_ids_are_unknown_and_counted():
    """Whatever the word is."""
    result = _measured(facts_of(_commit(), [Attested("a.py", "unresolved", "", ((1, 10),))]))
    assert _value(result, "ai_line_share") == _ends("0", "1")
    assert any("nothing in it explains" in one.why for one in result.exclusions)


def test_attested_lines_of_untouched_files_count_nothing_and_are_told():
    """A ledger that speaks of another file is no evidence for this commit's."""
    facts = facts_of(_commit(), [Attested("other.py", "ai", "claude", ((1, 7),))])
    assert facts.areas == ((".", 10, 0, 0),)
    assert facts.stray_lines == 7


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("uv.lock", "lock"),
        ("web/package-lock.json", "lock"),
        ("go.sum", "lock"),
        ("vendor/x/y.go", "vendored"),
        ("a/node_modules/b/index.js", "vendored"),
        ("third_party/z.c", "vendored"),
        ("api/v1/x.pb.go", "generated"),
        ("proto/x_pb2.py", "generated"),
        ("dist/app.min.js", "generated"),
        ("tests/__snapshots__/a.ts", "generated"),
        ("nb/explore.ipynb", "notebook"),
        ("data/x.CSV", "data"),
        ("src/vendor.py", None),
        ("src/generate.py", None),
        ("src/lock.rs", None),
        ("docs/third_party.md", None),
        ("README.md", None),
    ],
)
def test_files_that_nobody_wrote_are_left_out_by_path(path, reason):
    """Lock, vendored and generated files, notebooks, tables: by whole folder and file names, not by words in them."""
    assert left_out(path) == reason


def test_what_is_left_out_is_counted_with_its_reason():
    """Lines of lock files, binaries and files at a shallow edge are no lines of anybody, and no silence."""
    changes = (Change("uv.lock", 500, 0), Change("logo.png", None, None), Change("gone.py", None, None, unread=True))
    whole = _commit()._replace(changes=(*changes, Change("a.py", 1, 0)))
    cut = _commit(number=1, cut=True)
    result = _measured(facts_of(whole), facts_of(cut), facts_of(_commit(number=2, unread=True, changes=[])))
    assert result.indicators[0].n == 1
    told = {one.why: (one.count, one.what) for one in result.exclusions}
    assert told["lock files: a tool writes them"] == (1, "files (500 added lines)")
    assert sum("absent or damaged" in why for why in told) == 1
    assert sum("shallow" in why for why in told) == 1


def test_merges_are_counted_out():
    """Their lines stand in what they merge."""
    result = _measured(facts_of(_commit(parents=("1", "2"))))
    assert result.indicators[0].n == 0
    assert result.exclusions[0].count == 1


def test_bounds_are_by_the_committers_date():
    """The first inclusive, the second not; a commit without a date is outside of any bounds."""
    facts = [facts_of(_commit(number=n, at_s=at)) for n, at in enumerate((99, 100, 199, 200, None))]
    assert sum_facts(facts, since_s=100, until_s=200).total.commits == 2
    assert sum_facts(facts).undated == 1


def test_agents_count_their_commits_by_claim():
    """A commit with marks of two agents counts for both; the ledger's own names stand beside."""
    both = CLAUDE + "Co-authored-by: Cursor <cursoragent@cursor.com>\n"
    result = _measured(facts_of(_commit(both)), facts_of(_commit(SUGGESTED, number=1)))
    rows = {row[0]: row[1:] for row in result.ledger("agents").rows}
    assert rows == {"claude": (1, 1, 0, 0, 0), "cursor": (1, 1, 0, 0, 0), "gemini": (1, 0, 1, 0, 0)}


def test_what_marks_miss_of_a_ledger_is_an_indicator_both_ways():
    """Where two kinds of evidence stand side by side each is measured by the other."""
    ai = [Attested("a.py", "ai", "claude", ((1, 10),))]
    facts = [facts_of(_commit(CLAUDE), ai), facts_of(_commit(number=1), ai), facts_of(_commit(CLAUDE, number=2))]
    result = _measured(*facts, facts_of(_commit(number=3)))
    assert _value(result, "marks_found_of_ledger_commits") == _ends("0.5", "0.5")
    assert _value(result, "marks_found_of_ledger_lines") == _ends("0.5", "0.5")
    assert _value(result, "ledger_found_of_marked_commits") == _ends("0.5", "0.5")
    assert _value(result, "ai_line_share") == _ends("0.75", "1")


def test_facts_survive_being_kept():
    """What a kept scan gives back counts the same."""
    attested = [Attested("src/a.py", "ai", "claude", ((1, 3),))]
    commit = _commit(CLAUDE, [("src/a.py", 5), ("uv.lock", 9)], number=7)
    for facts in (
        facts_of(commit, attested, evidence="abc"),
        facts_of(_commit()),
        facts_of(_commit(parents=("1", "2"), at_s=None)),
        facts_of(_commit(changes=[], at_s=None)),
    ):
        back = from_row(as_row(facts))
        assert _measured(back).as_json() == _measured(facts).as_json()
        assert (back.id, back.evidence) == (facts.id, facts.evidence)


def test_no_address_reaches_a_result():
    """Authors are pseudonyms: the same for one address in any spelling of case."""
    facts = [facts_of(_commit(CLAUDE, number=n)) for n in range(3)]
    assert "example.org" not in json.dumps(_measured(*facts).as_json())
    assert pseudonym("Ada@Example.org") == pseudonym("ada@example.org")


def _history(*parts, author="ada@example.org", first=0):
    """Facts for (half-year, commits, marked), by one author, or without one by as many as there are commits."""
    days = {"2025H1": 1_740_000_000, "2025H2": 1_755_000_000, "2026H1": 1_770_000_000, "2026H2": 1_785_000_000}
    facts = []
    for half, commits, marked in parts:
        assert half_year(days[half]) == half
        for number in range(commits):
            message = CLAUDE if number < marked else "change\n"
            who = author or f"{len(facts)}@example.org"
            facts.append(facts_of(_commit(message, number=first + len(facts), at_s=days[half], author=who)))
    return facts


def _alarms(result: Result) -> list[str]:
    return [remark.kind for remark in result.remarks if remark.weight == "alarm"]


def test_marks_that_disappear_are_an_alarm():
    """52 % to 18 %, as seen in a repository where the ledger shows that agents went on."""
    result = _measured(*_history(("2026H1", 100, 52), ("2026H2", 50, 9)))
    assert "mark-disappearance" in _alarms(result)
    text = next(remark.text for remark in result.remarks if remark.kind == "mark-disappearance")
    assert "52% in 2026H1 (52 of 100) to 18% in 2026H2 (9 of 50)" in text


@pytest.mark.parametrize(
    "parts",
    [
        (("2026H1", 100, 15), ("2026H2", 100, 14)),
        (("2026H1", 100, 52), ("2026H2", 19, 0)),
        (("2026H1", 19, 19), ("2026H2", 100, 0)),
        (("2026H1", 20, 2), ("2026H2", 20, 0)),
        (("2026H1", 100, 60), ("2026H2", 100, 31)),
        (("2025H2", 100, 10), ("2026H1", 100, 40), ("2026H2", 20, 19)),
        (("2026H1", 100, 0), ("2026H2", 100, 0)),
    ],
    ids=["steady", "few after", "few before", "chance", "less than half gone", "rising", "never any"],
)
def test_other_histories_are_no_alarm(parts):
    """Too few commits, a difference that chance explains, a share that did not halve."""
    assert _alarms(_measured(*_history(*parts, author=None))) == []


def test_a_slow_fall_is_compared_with_the_peak():
    """No single step halves it, and it is gone all the same."""
    periods = {"2025H1": (100, 60), "2025H2": (100, 40), "2026H1": (100, 27), "2026H2": (100, 15)}
    assert [(fall.before, fall.after) for fall in find_falls(periods)] == [("2025H1", "2026H1"), ("2025H1", "2026H2")]


def test_an_author_whose_marks_disappear_is_an_alarm_of_its_own():
    """Others who started to mark must not hide it; the author stands by pseudonym."""
    ada = _history(("2026H1", 20, 20), ("2026H2", 20, 0))
    bob = _history(("2026H1", 20, 0), ("2026H2", 20, 20), author="bob@example.org", first=100)
    result = _measured(*ada, *bob)
    assert _alarms(result) == ["mark-disappearance-authors"]
    assert [row[0] for row in result.ledger("fallen_authors").rows] == [pseudonym("ada@example.org")]


def test_an_author_with_few_commits_is_none():
    """Nine commits say nothing."""
    periods = {"2026H1": (AUTHOR_MIN - 1, AUTHOR_MIN - 1), "2026H2": (30, 0)}
    assert find_falls(periods, enough=AUTHOR_MIN, z=Z_AUTHOR) == ()


def test_marks_that_disappear_under_a_ledger_are_the_strongest_sign():
    """The ledger says that agents went on; the marks did not."""
    ai = [Attested("a.py", "ai", "claude", ((1, 10),))]
    facts = []
    for half_at, marked in ((1_770_000_000, 25), (1_785_000_000, 2)):
        for number in range(30):
            commit = _commit(CLAUDE if number < marked else "change\n", number=len(facts), at_s=half_at)
            facts.append(facts_of(commit, ai))
    assert "mark-disappearance-under-ledger" in _alarms(_measured(*facts))


def test_the_score_interval_is_wilsons():
    """Against the published closed form: 9 of 50 at 95 %."""
    low, high = wilson(9, 50)
    assert (round(low, 4), round(high, 4)) == (0.0977, 0.3080)


def test_a_large_intersection_costs_ranges_not_lines():
    """Sets of lines are ranges, whatever they span."""
    huge = union([(1, 268_860)])
    assert count(subtract(huge, intersection(huge, union([(5, 5), (7, 9)])))) == 268_856
