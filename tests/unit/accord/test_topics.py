"""Under which topics a statement is found, and the instants at which it may change an answer: none too few."""

import pytest

from detente.accord.topics import (
    FINDING,
    LINEAGE,
    MEMBER,
    ballot_topic,
    fulfilment_topic,
    measure_topic,
    measured_topic,
    request_topic,
    topics_of,
    vote_topic,
    wakes_of,
)
from detente.statement.audit import Audit
from detente.statement.challenge import Challenge
from detente.statement.finding import Finding
from tests.accord_play import BODY, DAY, T0, Play, founding

RULES = "adjudication: {challenge_within: 100 s, rule_within: 200 s, appeal_within: 50 s,"
DUTIES = """\
duties:
  - {id: inspected, of: developer, found_by: auditor, by: {after_entry: 10 d}, every: 1000 s}
  - {id: shown, of: developer, found_by: auditor, on_request: {by: authority, within: 400 s}}
"""
TEXT = (
    BODY.replace("adjudication: {challenge_within: 72 h, rule_within: 5 d,", RULES)
    .replace("notice: 365 d", "notice: 500 s")
    .replace("triggers:\n", f"{DUTIES}triggers:\n")
)
AT = T0 + 200


@pytest.fixture(scope="module")
def play():
    return Play(founding(TEXT)).begin()


def item(play, statement):
    return play.state.items[statement]


def wakes(play, statement, *, chain=None):
    """Offsets from the statement's time, by topic."""
    terms = [link.terms for link in play.state.chain] if chain is None else chain
    found = {}
    for topic, instant in wakes_of(item(play, statement), AT, terms):
        found.setdefault(topic, set()).add(instant - AT)
    return found


def last(play, kind):
    return next(reversed([each.id for each in play.state.items.values() if each.kind == kind]))


def test_a_vote_is_found_by_its_ballot_and_wakes_until_it_expires(play):
    """At its time, once it has settled, and when it runs out."""
    vote = play.vote("aud-1", "lift", AT, number=2, expires=AT + 900)
    assert topics_of(item(play, vote)) == (vote_topic("call", "all"), ballot_topic("call", "all", 2, "lift"))
    assert wakes(play, vote) == {vote_topic("call", "all"): {0, 60, 900}}


def test_a_measurement_is_found_by_author_and_subject_and_wakes_when_the_next_is_overdue(play):
    """About a party it is that party's; about nothing else it is its author's own. Seven days, settling, and a second.

    It wakes whoever asks about anything, and who asks about that party; what is over another party sleeps on.
    """
    own = play.measure("dev-a", 2, AT)
    assert topics_of(item(play, own)) == (
        measured_topic("spread", "", "dev-a"),
        measured_topic("spread", "dev-a", "dev-a"),
    )
    times = {0, 60, 7 * DAY + 61}
    assert wakes(play, own) == {measure_topic("spread"): times, measure_topic("spread", "dev-a"): times}
    about = play.measure("aud-1", 2, AT, indicator="doubling", unit="d", about="dev-b")
    assert topics_of(item(play, about))[1] == measured_topic("doubling", "dev-b", "aud-1")
    assert set(wakes(play, about)) == {measure_topic("doubling"), measure_topic("doubling", "dev-b")}


def test_a_withdrawal_wakes_when_its_notice_has_run(play):
    """And an accession only when it has settled."""
    play.withdraw("dev-b", AT)
    assert wakes(play, last(play, "withdrawal")) == {MEMBER: {0, 60, 500}}
    [accession] = [each for each in play.state.items.values() if (each.kind, each.party) == ("accession", "dev-a")]
    assert {instant - T0 for _, instant in wakes_of(accession, T0, [play.state.chain[0].terms])} == {0, 60}


FINDS = [
    ("trains on", "confirmed", FINDING),
    ("fulfils inspected", "confirmed", fulfilment_topic("dev-a", "inspected")),
    ("fulfils inspected", "refuted", fulfilment_topic("dev-a", "inspected")),
    ("asks shown", "inconclusive", request_topic("dev-a", "shown")),
]


@pytest.mark.parametrize(("claim", "result", "topic"), FINDS)
def test_a_finding_is_found_by_its_duty_too_and_wakes_at_every_deadline_of_its_case(play, claim, result, topic):
    """The time to challenge, to rule on it, to do it again, to let it happen: whatever of these it turns out to begin."""
    by = "auth-1" if claim.startswith("asks") else "aud-1"
    found = play.find(by, "dev-a", AT, claim=claim, result=result)
    assert topics_of(item(play, found)) == ((FINDING,) if topic == FINDING else (FINDING, topic))
    assert wakes(play, found) == {FINDING: {0, 60, 100, 300, 460, 1_060}}


def test_a_ruling_wakes_when_it_can_be_appealed_against_no_more_and_a_challenge_once_it_settled(play):
    """Both change a case, so they wake what findings do; a ruling is found by the finding that it is about."""
    found = play.find("aud-2", "dev-a", AT)
    ruling = play.rule("auth-1", found, "dev-a", AT)
    challenge = play.say("dev-a", "challenge", Challenge(found, "no"), AT)
    assert topics_of(item(play, ruling)) == (("ruling", found),)
    assert wakes(play, ruling) == {FINDING: {0, 60, 110}}
    assert wakes(play, challenge) == {FINDING: {0, 60}}


def test_the_lineage_is_woken_by_whatever_is_stated_or_decided_about_versions(play):
    """Runs, versions, proposals, approvals; an approval is found by what it is of, too."""
    run = play.run("dev-a", AT)
    change = play.propose("dev-a", AT)
    approval = play.approve("aud-1", change, AT)
    assert [topics_of(item(play, each)) for each in (run, change, approval)] == [
        (("run",), LINEAGE), (("proposal",), LINEAGE), (("approval", change), LINEAGE),
    ]  # fmt: skip
    assert [wakes(play, each) for each in (run, change, approval)] == [{LINEAGE: {0, 60}}] * 3


def test_what_no_trigger_asks_about_wakes_nothing(play):
    """A halt and a certification are found by what they are of, and asked about at the instant of asking."""
    run = play.run("dev-a", AT, name="run-2")
    halted = play.halt("dev-a", run, AT)
    audit = play.say("aud-1", "audit", Audit(run, "all", (), (), "pass", ("honest",)), AT)
    assert [topics_of(item(play, each)) for each in (halted, audit)] == [(("halt", run),), (("audit", run),)]
    assert [wakes(play, each) for each in (halted, audit)] == [{}, {}]


def test_every_text_of_the_chain_wakes_by_its_own_times(play):
    """Whichever terms are in effect when an instant comes, it is looked at."""
    first = play.state.chain[0].terms
    other = Play(founding(TEXT.replace("settle: 60 s", "settle: 90 s").replace("notice: 500 s", "notice: 700 s")))
    play.withdraw("dev-a", AT)
    chain = [first, other.state.chain[0].terms]
    assert wakes(play, last(play, "withdrawal"), chain=chain) == {MEMBER: {0, 60, 90, 500, 700}}


def test_a_finding_that_is_not_about_a_duty_opens_no_topic_of_one():
    """Only the exact spelling names a duty."""
    play = Play(founding(TEXT)).begin()
    found = play.say("aud-1", "finding", Finding("dev-a", "it fulfils inspected", "confirmed", (), None, None), AT)
    assert topics_of(item(play, found)) == (FINDING,)
