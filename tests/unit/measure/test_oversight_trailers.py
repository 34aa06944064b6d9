"""What a commit's own text says about review, and who may count."""

import pytest

from detente.measure.authorship.matching import plain_commit
from detente.measure.history import Identity
from detente.measure.oversight.marking import Attested, agent_account, is_machine, mark_of
from detente.measure.oversight.people import account_of
from detente.measure.oversight.pulls import Account
from detente.measure.oversight.review_trailers import Said, read_said


def _said(*lines: str, subject: str = "Fix", committer: Identity | None = None) -> Said:
    return read_said(plain_commit(message=f"{subject}\n\n" + "\n".join(lines), committer=committer), is_machine)


@pytest.mark.parametrize(
    ("line", "reviewed", "acked"),
    [
        ("Reviewed-by: Bob <bob@example.org>", True, False),
        ("reviewed-by: Bob", True, False),
        ("Approved-by: Bob <bob@example.org>", True, False),
        ("Acked-by: Bob <bob@example.org>", False, True),
        ("Tested-by: Bob <bob@example.org>", False, False),
        ("Signed-off-by: Bob <bob@example.org>", False, False),
        ("Reviewed-by: Ada <other@example.org>", False, False),
        ("Reviewed-by: Somebody <ADA@example.org>", False, False),
        ("Reviewed-by: Claude <noreply@anthropic.com>", False, False),
        ("Reviewed-by: reviewer[bot] <9+reviewer[bot]@users.noreply.github.com>", False, False),
    ],
)
def test_only_another_person_counts_as_reviewer(line: str, reviewed: bool, acked: bool):
    """Neither the author under another address or name, nor an agent, nor a bot; consent is counted apart."""
    said = _said(line)
    assert (said.reviewed, said.acked) == (reviewed, acked)


def test_a_co_author_reviews_nothing():
    """Whoever made it does not count, wherever the lines stand."""
    assert not _said("Reviewed-by: Bob <bob@example.org>", "Co-authored-by: Bob <b@example.org>").reviewed


def test_an_agent_that_signs_or_reviews_is_noted():
    """A sign-off is a person's to give, and so is a review."""
    said = _said("Signed-off-by: Claude <noreply@anthropic.com>", "Reviewed-by: Claude <noreply@anthropic.com>")
    assert (said.agent_signed_off, said.agent_reviewed) == (True, True)


@pytest.mark.parametrize(
    ("subject", "email", "through", "pull"),
    [
        ("Fix (#12)", "noreply@github.com", True, 12),
        ("Fix (#12)", "bob@example.org", False, 12),
        ("Fix #12", "noreply@github.com", False, None),
        ("(#12) Fix", "noreply@github.com", False, None),
    ],
)
def test_the_way_through_the_web_has_both_signs(subject: str, email: str, through: bool, pull: int | None):
    """The forge's committer and a number at the end of the subject."""
    said = _said(subject=subject, committer=Identity("x", email))
    assert (said.through_web, said.pull) == (through, pull)


def test_interventions_are_counted_from_their_trailers():
    """Numbers only: text, signs and a number of ten digits are none."""
    said = _said(
        "Claude-Steers: 3", "Claude-Escapes: 0", "Claude-Permission-Prompts: many", "Claude-Steers: 9999999999"
    )
    assert said.interventions == (("claude-steers", 3), ("claude-escapes", 0))


def test_a_ledger_marks_a_commit_that_carries_no_mark():
    """AI lines by the word of a ledger are the strongest evidence of the two."""
    assert mark_of(plain_commit()) is None
    marked = mark_of(plain_commit(), Attested(("claude",)))
    assert marked is not None
    assert (marked.evidence_class, marked.agents) == ("line-attested", ("claude",))


@pytest.mark.parametrize(
    "message",
    ["x\n\nCo-authored-by: gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@users.noreply.github.com>\n"],
)
def test_an_accepted_suggestion_is_not_authorship(message: str):
    """As in the measure of authorship."""
    assert mark_of(plain_commit(message=message)) is None


@pytest.mark.parametrize(
    ("account", "agent"),
    [
        (Account("copilot", "bot"), "copilot"),
        (Account("copilot", "user"), None),
        (Account("devin-ai-integration[bot]", "bot"), "devin"),
        (Account("dependabot[bot]", "bot"), None),
        (Account("ada", "user"), None),
    ],
)
def test_the_account_of_a_coding_agent(account: Account, agent: str | None):
    """By its name and by what the forge calls it; other bots are bots."""
    assert agent_account(account) == agent


def test_an_address_leads_to_an_account_only_by_the_forges_form_or_a_tie():
    """The part before an ordinary address's sign is nobody's account name."""
    assert account_of("12+Ada@users.noreply.github.com", {}) == "ada"
    assert account_of("ada@users.noreply.github.com", {}) == "ada"
    assert account_of("ada@example.org", {}) is None
    assert account_of("ADA@example.org", {"ada@example.org": "a"}) == "a"
