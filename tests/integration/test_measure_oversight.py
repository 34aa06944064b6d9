"""Oversight of a real repository, with and without an export of its pull requests."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.app.measuring.oversight import measure_oversight
from detente.base.errors import Refused
from detente.cli import main
from detente.measure.indicator import Indicator, Result
from tests.forge_shapes import HEAD, account, pushed, record, review
from tests.repositories import Built

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"
WEB = ("GitHub", "noreply@github.com")


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """Four commits: one plain, one AI-made through the web (#7), one AI-made with a reviewer named, one AI-made without."""
    repository = Built(tmp_path / "model")
    repository.commit("Begin", {"train.py": "A = 1\n"})
    repository.commit(f"Widen (#7){CLAUDE}", {"train.py": "A = 2\n"}, committer=WEB)
    repository.commit(f"Deepen{CLAUDE}Reviewed-by: Bob <bob@example.org>\n", {"train.py": "A = 3\n"})
    repository.commit(f"Warm up{CLAUDE}Reviewed-by: Ada Lovelace <other@example.org>\n", {"train.py": "A = 4\n"})
    return repository


def _named(result: Result, name: str) -> Indicator:
    return next(indicator for indicator in result.indicators if indicator.name == f"oversight.{name}")


def _ends(result: Result, name: str) -> tuple[str | None, str | None]:
    found = _named(result, name)
    return (None if found.low is None else f"{found.low:.3f}", None if found.high is None else f"{found.high:.3f}")


def _export(tmp_path: Path, *records: dict) -> Path:
    path = tmp_path / "pulls.json"
    path.write_text(json.dumps(list(records)))
    return path


def test_without_an_export_review_is_unknown(built: Built):
    """Neither zero nor all: the interval is everything, and its evidence class is none."""
    result = measure_oversight(built.path)
    assert _ends(result, "human_approved_head") == ("0.000", "1.000")
    assert _named(result, "human_approved_head").evidence_class == "none"
    assert _ends(result, "ai_changes") == ("3.000", "4.000")
    assert {remark.kind for remark in result.remarks} == {"no-export"}


def test_git_alone_shows_claims(built: Built):
    """One of three through the web, one of three with a reviewer who did not make it; the author under another address is none."""
    result = measure_oversight(built.path)
    assert _ends(result, "through_web") == ("0.333", "0.333")
    assert _ends(result, "trailer_review") == ("0.333", "0.333")


def test_an_export_narrows_the_interval(built: Built, tmp_path: Path):
    """Pull request 7 was approved; the two other AI-made commits are in no export, hence still unknown."""
    merge = built.git("rev-parse", "HEAD~2")
    path = _export(tmp_path, record(7, merge_commit_sha=merge, commits=[pushed(message=f"Widen{CLAUDE}")]))
    result = measure_oversight(built.path, forge=path)
    assert _ends(result, "human_approved_head") == ("0.333", "1.000")
    whole = measure_oversight(built.path, forge=path, forge_complete=True)
    assert _ends(whole, "human_approved_head") == ("0.333", "0.333")


def test_a_number_in_a_subject_borrows_no_approval(built: Built, tmp_path: Path):
    """Pull request 7 brought in another commit: the one that only names it is unknown, not approved."""
    merge = built.git("rev-parse", "HEAD~1")
    path = _export(tmp_path, record(7, merge_commit_sha=merge, commits=[pushed(message=f"Deepen{CLAUDE}")]))
    result = measure_oversight(built.path, forge=path, forge_complete=True)
    ledger = result.ledger("commits")
    assert ledger is not None
    answers = {row[0]: (row[4], row[5]) for row in ledger.rows}
    assert answers[built.git("rev-parse", "HEAD~2")] == ("unknown", "claims-a-pull-request")
    assert answers[built.git("rev-parse", "HEAD")] == ("no", "no-pull-request")


def test_a_rebase_merge_is_followed_to_its_first_commit(tmp_path: Path):
    """Three commits written anew belong to the pull request whose last one was merged."""
    repository = Built(tmp_path / "model")
    repository.commit("Begin", {"a": "0"})
    for number in range(3):
        repository.commit(f"Step {number}{CLAUDE}", {"a": str(number + 1)})
    tip = repository.git("rev-parse", "HEAD")
    commits = [pushed(str(number) * 40, message=f"Step {number}{CLAUDE}") for number in range(3)]
    one = record(
        7,
        merge_commit_sha=tip,
        commits=commits,
        head={"sha": "2" * 40, "ref": "t"},
        reviews=[review("bob", commit_id="2" * 40)],
    )
    one["pull"]["commits"] = 3
    result = measure_oversight(repository.path, forge=_export(tmp_path, one), forge_complete=True)
    assert (_named(result, "human_approved_head").n, _ends(result, "human_approved_head")) == (1, ("1.000", "1.000"))


def test_reading_speed_is_a_bound_and_never_a_guess(built: Built, tmp_path: Path):
    """100 lines opened at noon and approved ten minutes later: 6 s a line at most, surely faster than 500 lines an hour."""
    merge = built.git("rev-parse", "HEAD~2")
    fast = review("bob", submitted_at="2026-03-01T12:10:00Z")
    path = _export(tmp_path, record(7, merge_commit_sha=merge, commits=[pushed(message=f"x{CLAUDE}")], reviews=[fast]))
    result = measure_oversight(built.path, forge=path)
    assert _ends(result, "seconds_per_line.p50") == (None, "6.000")
    assert _ends(result, "faster_than_500_lines_per_hour") == ("1.000", None)
    assert _ends(result, "first_review.p50") == ("10.000", "10.000")


def test_a_pull_request_opened_by_a_coding_agent_is_ai_made(built: Built, tmp_path: Path):
    """No commit of it is marked; the account that opened it is the agent's."""
    merge = built.git("rev-parse", "HEAD~3")
    path = _export(tmp_path, record(9, merge_commit_sha=merge, user=account("Copilot", "Bot")))
    assert _named(measure_oversight(built.path, forge=path), "ai_changes").low == Decimal(4)


def test_an_export_of_another_repository_is_refused(built: Built, tmp_path: Path):
    """O07: none of its pull requests was merged here, so it says nothing about this history."""
    with pytest.raises(Refused) as refusal:
        measure_oversight(built.path, forge=_export(tmp_path, record(7)))
    assert refusal.value.rule == "O07"


def test_who_ran_the_agent_by_the_ledger_cannot_approve(built: Built, tmp_path: Path):
    """The line ledger names bob as the person at the keyboard: his approval is not independent."""
    merge = built.git("rev-parse", "HEAD~2")
    facts = {
        "schema_version": "authorship/3.0.0",
        "sessions": {"s_1": {"agent_id": {"tool": "claude"}, "human_author": "Bob <1+bob@users.noreply.github.com>"}},
    }
    built.note(merge, f"train.py\n  s_1::t_1 1\n---\n{json.dumps(facts)}")
    path = _export(tmp_path, record(7, merge_commit_sha=merge))
    result = measure_oversight(built.path, forge=path, forge_complete=True)
    ledger = result.ledger("pulls")
    assert ledger is not None
    assert ledger.rows[0][2:6] == ("line-attested", "claude", "no", "not-independent")


def test_commits_that_share_a_note_are_both_marked(tmp_path: Path):
    """Two notes of the same text are one object; each of its commits has AI lines. A note that is none is counted."""
    repository = Built(tmp_path / "model")
    facts = {"schema_version": "authorship/3.0.0", "sessions": {"s_1": {"agent_id": {"tool": "claude"}}}}
    for number, note in enumerate((f"a\n  s_1::t_1 1\n---\n{json.dumps(facts)}",) * 2 + ("no note",)):
        repository.note(repository.commit("Go on", {"a": str(number)}), note)
    result = measure_oversight(repository.path)
    assert _ends(result, "ai_changes") == ("2.000", "3.000")
    assert [(e.what, e.count) for e in result.exclusions if "notes" in e.what] == [("notes of the line ledger", 1)]


def test_no_name_or_address_of_a_person_leaves(built: Built, tmp_path: Path):
    """Ledgers and remarks carry numbers of pull requests and ids of commits, never people."""
    merge = built.git("rev-parse", "HEAD~2")
    path = _export(tmp_path, record(7, merge_commit_sha=merge, commits=[pushed(HEAD, message=f"x{CLAUDE}")]))
    said = json.dumps(measure_oversight(built.path, forge=path).as_json()).lower()
    assert not [name for name in ("ada", "bob", "example.org", "lovelace") if name in said.replace("example/", "")]


def test_the_command_prints_the_result(built: Built):
    """As text and as JSON; a refusal has an exit code of its own."""
    runner = CliRunner()
    shown = runner.invoke(main, ["measure", "oversight", str(built.path), "--evidence"])
    told = runner.invoke(main, ["measure", "oversight", str(built.path), "--json", "--since", "2025-01-01"])
    refused = runner.invoke(main, ["measure", "oversight", str(built.path), "--forge", str(built.path)])
    assert "approved by an independent human, as merged" in shown.output
    assert json.loads(told.output)["measure"] == "oversight"
    assert "O08 not-found" in refused.output
    assert (shown.exit_code, told.exit_code, refused.exit_code > 9) == (0, 0, True)
