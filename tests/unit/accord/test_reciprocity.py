"""A breach that nobody cures releases the others, never who is in breach; each deadline at its instant."""

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.explain import explain
from detente.accord.reading import TermsRefused
from detente.accord.terms import parse_terms
from detente.statement.accession import HaltedCondition
from detente.statement.ruling import Ruling
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

RULES = "reciprocity: {when: {ruling: breach, uncured_for: 7 d}, then: release_others}\n"
QUIET = BODY.replace("every: 7 d, ", "")
TEXT = QUIET + RULES
FOUND = T0 + 200
EFFECTIVE = FOUND + 3 * DAY
"""The time to challenge the finding is over: the ruling has consequences."""
FREE = EFFECTIVE + 7 * DAY


def breached(text=TEXT, *, ruled=T0 + 300, against="dev-b"):
    """Both are paused; then two adjudicators rule that one of them broke the accord."""
    play = Play(founding(text)).begin()
    for offset, party in enumerate(("aud-1", "auth-1")):
        play.vote(party, "pause", T0 + 100 + offset)
    finding = play.find("aud-2", against, FOUND)
    rule(play, finding, ruled, against=against)
    return play, finding


def rule(play, finding, at, *, outcome="breach", who=("auth-1", "auth-2"), against="dev-b"):
    for offset, party in enumerate(who):
        play.rule(party, finding, against, at + offset, outcome=outcome)


def test_the_others_are_released_at_the_instant_and_not_a_second_before():
    """Seven days after the ruling had consequences; the one in breach stays paused; it is listed and says why."""
    play, _ = breached()
    assert [play.paused(at) for at in (FREE - 1, FREE)] == [("call",), ()]
    assert play.paused(FREE + DAY, party="dev-b") == ("call",)
    now = play.at(FREE)
    assert (now.pauses[0].freed, now.pauses[0].parties) == (("dev-a",), ("dev-b",))
    [release] = now.released_by_time
    assert (release.what, release.at) == ("others_released", FREE)
    assert any("released since another's breach is not cured: dev-a" in reason.text for reason in explain(now))


@pytest.mark.parametrize(("ruled", "free"), [(EFFECTIVE - 62, FREE), (EFFECTIVE, FREE + 61)])
def test_what_a_ruling_permits_others_waits_until_it_has_settled(ruled, free):
    """Of the ruling's settling and the end of the time to challenge the later one counts."""
    play, _ = breached(ruled=ruled)
    assert [play.paused(at) for at in (free - 1, free)] == [("call",), ()]


def test_a_ruling_that_is_only_heard_releases_nobody():
    """It restricts whom it is against on receipt; for others it is no evidence until it is witnessed."""
    play = Play(founding(TEXT)).begin()
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 100)
    finding = play.find("aud-2", "dev-b", FOUND)
    for party in ("auth-1", "auth-2"):
        play.hear(party, "ruling", Ruling(finding, "dev-b", "breach", "stop"))
    assert [each.state for each in play.at(FREE + DAY).findings] == ["breach"]
    assert play.paused(FREE + DAY) == ("call",)


def test_a_breach_that_is_cured_binds_the_others_again_on_receipt():
    """One second before the words of the quorum they are free, at its last word they must stop: witnessed or heard."""
    play, finding = breached()
    rule(play, finding, FREE + DAY, outcome="cured")
    assert [bool(play.was(FREE + DAY + after).pauses_of("dev-a", "training")) for after in (0, 1)] == [False, True]
    heard, finding = breached()
    for party in ("auth-1", "auth-2"):
        heard.hear(party, "ruling", Ruling(finding, "dev-b", "cured", "done"))
    assert heard.paused(FREE + DAY) == ("call",)
    assert heard.was(FREE + DAY).pauses_of("dev-a", "training") == ()


def test_a_cure_in_time_prevents_the_release():
    """Cured at the last second, nobody is released at the next; one adjudicator alone cures nothing."""
    play, finding = breached()
    rule(play, finding, FREE - 1, outcome="cured", who=("auth-1",))
    assert play.paused(FREE) == ()
    rule(play, finding, FREE - 1, outcome="cured", who=("auth-2",))
    assert play.paused(FREE) == ("call",)


def test_a_cured_finding_has_no_consequences_any_more_once_that_has_settled():
    """For whom it is against the cure permits: it waits, while it binds the others at once."""
    play, finding = breached()
    cured = FREE + DAY
    rule(play, finding, cured, outcome="cured")
    settled = cured + 1 + 60
    assert [each.state for each in play.at(settled - 1).findings] == ["breach"]
    assert play.at(settled - 1).sanctions
    assert [each.state for each in play.at(settled).findings] == ["cured"]
    assert play.at(settled).sanctions == ()


def test_a_finding_that_its_author_takes_back_ends_the_release_on_receipt():
    """There is nothing to cure."""
    play, _ = breached()
    assert play.paused(FREE) == ()
    play.find("aud-2", "dev-b", None, result="refuted")
    assert play.paused(FREE) == ("call",)


def test_nobody_in_breach_is_released_by_the_breach_of_another():
    """Two in breach, one of them for long: neither goes free."""
    play, _ = breached()
    other = play.find("aud-2", "dev-a", FREE - DAY, claim="hides a cluster")
    rule(play, other, FREE - DAY + 10, against="dev-a")
    assert play.paused(FREE) == ("call",)
    assert play.paused(FREE, party="dev-b") == ("call",)


def test_what_stops_a_party_for_its_own_doing_releases_nobody():
    """A pause over one party goes on whatever others do."""
    play, _ = breached()
    play.measure("dev-a", 6, T0 + 400)
    assert play.paused(FREE + DAY) == ("spreading",)


def test_a_breach_of_somebody_who_is_not_named_releases_nobody():
    """By default of developers: an auditor's breach is no reason to train."""
    play, _ = breached(against="aud-1")
    assert play.paused(FREE + 30 * DAY) == ("call",)
    named, _ = breached(QUIET + RULES.replace("breach, ", "breach, of: auditor, "), against="aud-1")
    assert named.paused(FREE) == ()


def test_it_composes_with_an_accession_on_the_condition_that_others_halt():
    """Released until others halt, and released by a breach, are told apart; cured, the first still stands."""
    play = Play(founding(TEXT))
    play.accede("dev-a", conditions=(HaltedCondition(1, ("dev-b",), confirmed=False),))
    play.accede("dev-b")
    for party in ("dev-a", "dev-b"):
        play.measure(party, 1, T0)
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 100)
    finding = play.find("aud-2", "dev-b", FOUND)
    rule(play, finding, T0 + 300)
    [pause] = play.at(FREE - 1).pauses
    assert (pause.released, pause.freed, pause.parties) == (("dev-a",), (), ("dev-b",))
    [pause] = play.at(FREE).pauses
    assert (pause.released, pause.freed, pause.parties) == (("dev-a",), ("dev-a",), ("dev-b",))
    rule(play, finding, FREE + DAY, outcome="cured")
    [pause] = play.at(FREE + 2 * DAY).pauses
    assert (pause.released, pause.freed) == (("dev-a",), ())


def test_reciprocity_needs_somebody_who_rules():
    """T13: without adjudication there is no ruling."""
    judged = [line for line in QUIET.splitlines(keepends=True) if line.startswith("adjudication")]
    text = QUIET.replace(judged[0], "").split("consequences:")
    bare = text[0] + text[1][text[1].index("withdrawal:") :] + RULES + PARTIES
    with pytest.raises(TermsRefused) as refused:
        parse_terms(bare.encode(), template=True)
    assert [each.rule for each in refused.value.all] == ["T13"]


def claims(text):
    return check_terms(parse_terms((text + PARTIES).encode(), template=True), Assumptions(Outages(12, 1_800)))


def test_check_lists_the_release_and_objects_to_one_who_could_bring_it_about():
    """Released by time; one adjudicator of one would free everybody by a ruling."""
    found = claims(TEXT)
    assert [claim.section for claim in found if "not cured for 7 d" in claim.text] == ["reciprocity"]
    assert [claim.verdict for claim in found if claim.id == "releases-others"] == ["holds"]
    lone = claims(TEXT.replace("votes: {adjudicator: 2}", "votes: {adjudicator: 1}"))
    assert {claim.verdict for claim in lone if claim.id == "releases-others"} == {"broken"}


CHANGES = [
    ("", RULES, "loosens", "an uncured breach releases the others"),
    (RULES, RULES.replace("7 d", "8 d"), "tightens",
     "raises the time after which an uncured breach releases the others from 7 d to 8 d"),
    (RULES.replace("breach, ", "breach, of: [developer, auditor], "), RULES, "tightens",
     "changes whose breach releases the others from developer, auditor to developer"),
]  # fmt: skip
BACK = {"loosens": "tightens", "tightens": "loosens"}


@pytest.mark.parametrize(("old", "new", "effect", "text"), CHANGES)
def test_a_difference_of_reciprocity_is_told_with_its_effect(old, new, effect, text):
    """What releases, or sooner, or by more, is looser."""
    one, other = (parse_terms((QUIET + each + PARTIES).encode(), template=True) for each in (old, new))
    assert [(each.effect, each.text) for each in compare_terms(one, other)] == [(effect, text)]
    assert [each.effect for each in compare_terms(other, one)] == [BACK[effect]]
