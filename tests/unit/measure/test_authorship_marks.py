"""The table of marks against real commits, and against those that only look like marked ones."""

import json

import pytest

from detente.measure.authorship.marks import INVOLVEMENT, MARKS
from detente.measure.authorship.matching import agent_in, match_marks, plain_commit
from detente.measure.history import Commit, Identity
from tests.shared_data import shared

WEAK = {"committed-only", "ambiguous"}


def _commits() -> list[dict]:
    return [json.loads(line) for line in shared("authorship/commits.jsonl").read_text("utf-8").splitlines()]


def _as_commit(row: dict) -> Commit:
    author = Identity(row["author_name"], row["author_email"])
    committer = Identity(row["committer_name"], row["committer_email"])
    return Commit(row["sha"], (), author, committer, author, committer, None, None, row["message"])


def _with(kind: str, value: str) -> Commit:
    """An otherwise plain commit with ``value`` in the field that ``kind`` names."""
    ada = Identity("Ada", "ada@example.org")
    if kind in {"author_email", "bot_login"}:
        return plain_commit(author=Identity("Ada", value), committer=ada)
    if kind == "author_name":
        return plain_commit(author=Identity(value, "ada@example.org"), committer=ada)
    if kind == "committer_name":
        return plain_commit(author=ada, committer=Identity(value, "ada@example.org"))
    if kind == "committer_email":
        return plain_commit(author=ada, committer=Identity("GitHub", value))
    if kind == "coauthor_email":
        return plain_commit(message=f"change\n\nCo-authored-by: Codex <{value}>\n")
    if kind == "trailer_key":
        return plain_commit(message=f"change\n\n{value}: Ada <ada@example.org>\n")
    assert kind == "body_line"
    return plain_commit(message=f"change\n\n{value}\n")


def test_all_sampled_commits_carry_exactly_their_marks():
    """Every mark of the 400 real commits is found, and no other that counts."""
    wrong = []
    for row in _commits():
        matches = match_marks(_as_commit(row))
        strong = {match.mark.id for match in matches if match.claims in INVOLVEMENT}
        weak = {match.mark.id for match in matches if match.claims in WEAK}
        if strong != set(row["marks"]) or bool(strong) != row["ai_marked"] or not set(row["weak_marks"]) <= weak:
            wrong.append((row["sha"][:12], strong ^ set(row["marks"]), weak ^ set(row["weak_marks"])))
    assert not wrong


def test_false_positives_get_their_verdict():
    """Employees, namesakes, other bots and prose carry no mark; a review bot's co-authorship is a suggestion."""
    cases = json.loads(shared("authorship/false_positives.json").read_text("utf-8"))["cases"]
    assert len(cases) == 24
    for case in cases:
        claims = {match.claims for match in match_marks(_with(case["kind"], case["value"]))}
        expected = {
            "no_match": set(),
            "no_match_or_unverified": set(),
            "no_authorship_claim": set(),
            "suggestion_not_authored": {"suggestion"},
            "weak_mark_only": {"committed-only"},
        }[case["expect"]]
        assert claims == expected, case["id"]


def test_every_mark_of_the_data_is_in_the_table_and_matches_its_own_pattern():
    """The table knows each mark by its id, with the agent and the claim that the data states."""
    for row in json.loads(shared("authorship/marks.json").read_text("utf-8"))["marks"]:
        mark = MARKS[row["id"]]
        assert mark.agent == row["agent"]
        assert mark.claims.replace("-", "_") == row["claims"]
        assert mark.pattern.casefold() == row["pattern"].casefold() or row["kind"] == "bot_login"


@pytest.mark.parametrize("mark", MARKS.values(), ids=lambda mark: mark.id)
def test_each_mark_is_found_where_it_says(mark):
    """No row of the table is dead: a commit that carries the mark alone yields it."""
    name = {"claude": "Claude Opus 4.6", "codex": "Codex", "aider": "aider (m)"}.get(mark.agent, "Agent")
    ada = Identity("Ada", "ada@example.org")
    branch = ""
    message = "change\n"
    author = committer = ada
    match mark.where:
        case "person-email" | "any-email" | "any-login":
            author = Identity(name, mark.pattern)
        case "coauthor-email":
            message = f"change\n\nCO-AUTHORED-BY: {name} <{mark.pattern.upper()}>\n"
        case "any-name":
            author = Identity(mark.pattern.upper(), ada.email)
        case "author-suffix":
            author = Identity(f"Ada{mark.pattern}", ada.email)
        case "committer-suffix":
            committer = Identity(f"Ada{mark.pattern}", ada.email)
        case "trailer":
            message = f"change\n\n{mark.pattern.lower()}: {mark.value or 'https://example.org/1'}\n\nSigned-off-by: Ada <a@b>\n"
        case "line":
            message = f"change\n\n* {mark.pattern}.\n"
        case "subject-prefix":
            message = f"{mark.pattern}change\n"
        case "branch":
            branch = f"{mark.pattern}fix"
    matches = match_marks(plain_commit(author=author, committer=committer, message=message), branch=branch)
    assert mark.id in {match.mark.id for match in matches}


def test_a_shared_account_number_is_no_mark():
    """41898282 is github-actions: only the whole address of the agent counts."""
    assert not match_marks(_with("author_email", "41898282+github-actions[bot]@users.noreply.github.com"))
    assert match_marks(_with("author_email", "41898282+claude[bot]@users.noreply.github.com"))


def test_a_stranger_under_the_agents_address_is_no_mark():
    """The address of Claude under another name is not Claude's trailer."""
    assert not match_marks(plain_commit(message="change\n\nCo-authored-by: Ada <noreply@anthropic.com>\n"))


def test_an_accepted_autofix_is_a_suggestion_under_the_same_address():
    """Copilot's address with the name of its autofix claims a suggestion, not authorship."""
    line = "Co-authored-by: Copilot Autofix powered by AI <175728472+Copilot@users.noreply.github.com>"
    (match,) = match_marks(plain_commit(message=f"change\n\n{line}\n"))
    assert match.claims == "suggestion"


def test_a_replit_author_counts_only_as_agent():
    """The same trailer names a person where its value is not Agent."""
    assert not match_marks(plain_commit(message="change\n\nReplit-Commit-Author: Deployment\n"))


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("Claude:claude-opus-4-6 coccinelle", "claude"),
        ("Opus 4.6 via Claude Code", "claude"),
        ("Google Antigravity with Gemini", "gemini"),
        ("GitHub Copilot", "copilot"),
        ("somebody", "any"),
    ],
)
def test_assistance_names_its_agent_leniently(text, agent):
    """Forms in the wild do not follow the kernel's: the first word that names an agent counts."""
    (match,) = match_marks(plain_commit(message=f"change\n\nAssisted-by: {text}\n"))
    assert (match.agent, match.claims, match.value) == (agent, "assisted", text)
    assert agent_in(text) == agent


def test_counts_of_interventions_keep_their_number():
    """Claude-Steers counts what humans did: the number is kept for the measure of oversight."""
    (match,) = match_marks(plain_commit(message="change\n\nClaude-Steers: 3\n"))
    assert (match.claims, match.value) == ("oversight", "3")
