"""Renewing a pause and an accord: only before the lapse, and said so when it is too late. Each deadline at its instant."""

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.explain import explain
from detente.accord.reading import TermsRefused
from detente.accord.terms import parse_terms
from detente.base.instant import show_instant
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "")
SUNSET = T0 + 100 * DAY
YEAR = 365 * DAY
RENEWAL = "{for: 365 d, at_most: 2, votes: {developer: 1, authority: 1}}"


def body(renewal=RENEWAL):
    head = f"version: 1\nexpires: {show_instant(SUNSET)}\n" + (f"renewal: {renewal}\n" if renewal else "")
    return QUIET.replace("version: 1\n", head).replace(
        "after_expiry: {training: free,", "after_expiry: {training: refuse,"
    )


def play(**more):
    return Play(founding(body(**more))).begin()


def renew(found, *parties, at, number=0, choice="renew", **more):
    for offset, party in enumerate(parties):
        found.vote(party, choice, at + offset, trigger="accord", number=number, **more)


def test_an_accord_expires_at_its_sunset_and_not_a_second_before():
    """In force until then; listed as released by time; the phase says what is so afterwards."""
    found = play()
    assert [found.at(at).phase for at in (SUNSET - 1, SUNSET, SUNSET + 1)] == ["in_force", "expired", "expired"]
    now = found.at(SUNSET)
    assert [(release.what, release.at) for release in now.released_by_time] == [("accord_expired", SUNSET)]
    assert now.policy("training") == "refuse"


@pytest.mark.parametrize(("last", "renewed"), [(SUNSET - 61, True), (SUNSET - 60, True), (SUNSET - 59, False)])
def test_votes_renew_it_if_they_have_settled_no_later_than_the_sunset(last, renewed):
    """Witnessed 61 or 60 s before, it settles in time; a second later it is too late, and the status says so (F24)."""
    found = play()
    renew(found, "dev-a", at=T0 + DAY)
    renew(found, "auth-1", at=last)
    now = found.at(SUNSET + DAY)
    assert now.phase == ("in_force" if renewed else "expired")
    assert now.expires == (SUNSET + YEAR if renewed else SUNSET)
    assert [note.rule for note in now.notes] == ([] if renewed else ["F24"])


def test_a_renewed_accord_goes_on_with_its_pauses_and_expires_a_year_later():
    """A pause that is on outlasts the first sunset and ends at the next; round by round, as often as the terms allow."""
    found = play()
    found.vote("aud-1", "pause", SUNSET - 2 * DAY)
    found.vote("auth-1", "pause", SUNSET - 2 * DAY + 1)
    renew(found, "dev-a", "auth-1", at=SUNSET - DAY)
    assert found.paused(SUNSET + DAY) == ("call",)
    assert [found.at(SUNSET + YEAR + after).phase for after in (-1, 0)] == ["in_force", "expired"]
    renew(found, "dev-b", "auth-2", at=SUNSET + YEAR - DAY, number=1)
    assert found.at(SUNSET + YEAR).phase == "in_force"
    renew(found, "dev-b", "auth-2", at=SUNSET + 2 * YEAR - DAY, number=2)
    assert [found.at(SUNSET + 2 * YEAR + after).phase for after in (-1, 0)] == ["in_force", "expired"]


def test_it_is_not_renewed_in_advance_for_years():
    """Votes for a round count from the sunset before on: earlier they have no effect, and it is said."""
    found = play()
    renew(found, "dev-a", "auth-1", at=T0 + DAY)
    renew(found, "dev-a", "auth-1", at=T0 + 2 * DAY, number=1)
    now = found.at(SUNSET + DAY)
    assert (now.expires, [note.rule for note in now.notes]) == (SUNSET + YEAR, ["F24", "F24"])
    assert found.at(SUNSET + YEAR).phase == "expired"


def test_the_quorum_is_the_terms_own_and_others_have_no_vote():
    """An auditor has none here (F05); without `votes`, whoever amends renews."""
    found = play()
    renew(found, "dev-a", "aud-1", at=T0 + DAY)
    assert found.rules() == ["F05"]
    assert found.at(SUNSET).phase == "expired"
    found = play(renewal="{for: 365 d, at_most: 2}")
    renew(found, "dev-a", "auth-1", at=T0 + DAY)
    assert found.at(T0 + 2 * DAY).renewal.missing == "1 more authority"
    renew(found, "auth-2", at=T0 + 2 * DAY)
    assert found.at(SUNSET).phase == "in_force"


def test_only_a_renewal_can_be_voted_on_the_accord_itself():
    """There is no pause of `accord` (F11), and none of it at all where the terms cannot be renewed."""
    found = play()
    renew(found, "auth-1", at=T0 + DAY, choice="pause")
    assert found.rules() == ["F11"]
    found = play(renewal=None)
    renew(found, "dev-a", "auth-1", at=T0 + DAY)
    assert found.rules() == ["F11", "F11"]
    assert found.at(SUNSET).phase == "expired"


def test_a_retracted_or_expired_vote_renews_nothing_and_a_renewal_is_not_undone():
    """Both must stand at one instant; once they did, nobody takes the renewal back."""
    found = play()
    renew(found, "dev-a", at=T0 + DAY)
    renew(found, "dev-a", at=T0 + 2 * DAY, choice="retract")
    renew(found, "auth-1", at=T0 + 3 * DAY)
    assert found.at(SUNSET).phase == "expired"
    found = play()
    renew(found, "dev-a", at=T0 + DAY, expires=T0 + 3 * DAY)
    renew(found, "auth-1", at=T0 + 3 * DAY)
    assert found.at(SUNSET).phase == "expired"
    found = play()
    renew(found, "dev-a", "auth-1", at=T0 + DAY)
    renew(found, "dev-a", "auth-1", at=T0 + 2 * DAY, choice="retract")
    assert found.at(SUNSET).phase == "in_force"


def test_votes_that_are_only_heard_renew_nothing():
    """A renewal permits as well as restricts: it waits until a quorum of mirrors has witnessed it and it has settled."""
    from detente.statement.vote import Vote

    found = play()
    for party in ("dev-a", "auth-1"):
        found.hear(party, "vote", Vote("renew", "accord", 0, "all", T0 + 900 * DAY))
    assert found.at(SUNSET).phase == "expired"


def test_a_vote_from_a_late_log_that_was_witnessed_in_time_renews():
    """The state is of the evidence: what was taken for over goes on, and nobody is released by not having heard."""
    found = play()
    renew(found, "dev-a", at=T0 + DAY)
    assert found.at(SUNSET + DAY).phase == "expired"
    renew(found, "auth-1", at=T0 + 2 * DAY, log="dev-b")
    assert found.at(SUNSET + DAY).phase == "in_force"


def test_a_vote_speaks_of_the_terms_under_which_it_was_cast():
    """Votes under the first version do not renew what an amendment made of it."""
    found = play()
    renew(found, "dev-a", "auth-1", at=T0 + DAY)
    amended = founding(body().replace("version: 1", "version: 2"))
    found.amend(amended, T0 + 2 * DAY)
    assert found.at(T0 + 5 * DAY).terms_version == 2
    assert found.at(SUNSET).phase == "expired"
    found.version = 2
    renew(found, "dev-a", "auth-1", at=T0 + 6 * DAY)
    assert found.at(SUNSET).phase == "in_force"


def test_the_status_says_what_a_renewal_lacks_and_until_when_it_would_last():
    """Who has voted, what is missing, and the next sunset."""
    found = play()
    renew(found, "dev-a", at=T0 + DAY)
    now = found.at(T0 + 2 * DAY)
    assert (now.renewal.round, now.renewal.voted, now.renewal.missing) == (0, ("dev-a",), "1 more authority")
    assert now.as_json()["phase"]["renewal"]["until"] == show_instant(SUNSET + YEAR)
    assert any("to renew it until" in reason.text and "1 more authority" in reason.text for reason in explain(now))


@pytest.mark.parametrize(("after", "kept"), [(-1, True), (0, True), (1, False)])
def test_a_pause_is_renewed_by_the_lifting_quorum_no_later_than_its_lapse(after, kept):
    """The last vote one second before, at, and after the lapse; after it, it names a round that is over (F09)."""
    found = Play(founding(QUIET)).begin()
    found.vote("aud-1", "pause", T0 + 100)
    found.vote("auth-1", "pause", T0 + 101)
    lapses = T0 + 101 + 180 * DAY
    for party in ("aud-2", "auth-1"):
        found.vote(party, "renew", lapses - DAY)
    found.vote("auth-2", "renew", lapses + after)
    now = found.at(lapses + DAY)
    assert [pause.lapses_at for pause in now.pauses] == ([lapses + after + 180 * DAY] if kept else [])
    assert [note.rule for note in now.notes] == ([] if kept else ["F09"])


def test_terms_whose_renewal_cannot_be_meant_are_refused():
    """T33: without a sunset, for no time, or beside a trigger of that name."""
    for text in (
        QUIET.replace("version: 1\n", f"version: 1\nrenewal: {RENEWAL}\n"),
        body("{for: 0 d, at_most: 1}"),
        body().replace("  - id: call\n", "  - id: accord\n"),
    ):
        with pytest.raises(TermsRefused) as refused:
            parse_terms((text + PARTIES).encode(), template=True)
        assert [each.rule for each in refused.value.all] == ["T33"]


CHANGES = [
    (None, RENEWAL, "tightens", "the accord can be renewed"),
    (RENEWAL, RENEWAL.replace("365 d", "730 d"), "tightens", "raises the time for which a renewal lasts from 365 d to 730 d"),
    (RENEWAL, RENEWAL.replace("at_most: 2", "at_most: 3"), "tightens", "raises the number of renewals from 2 to 3"),
    (RENEWAL, RENEWAL.replace("developer: 1", "developer: 2"), "loosens",
     "raises the votes of developer to renew the accord from 1 to 2"),
]  # fmt: skip
BACK = {"loosens": "tightens", "tightens": "loosens"}


@pytest.mark.parametrize(("old", "new", "effect", "text"), CHANGES)
def test_a_difference_of_renewal_is_told_with_its_effect(old, new, effect, text):
    """What lets the accord last is tighter."""
    one, other = (parse_terms((body(each) + PARTIES).encode(), template=True) for each in (old, new))
    assert [(each.effect, each.text) for each in compare_terms(one, other)] == [(effect, text)]
    assert [each.effect for each in compare_terms(other, one)] == [BACK[effect]]


def test_check_says_who_can_put_the_sunset_off_and_who_can_block_that():
    """In the list of what time releases, and among the quorums."""
    terms = parse_terms((body() + PARTIES).encode(), template=True)
    claims = check_terms(terms, Assumptions(Outages(12, 1_800)))
    [sunset] = [claim for claim in claims if claim.id == "released-by-time" and claim.section == "expires"]
    assert "unless 1 developer and 1 authority renew it, for 365 d, at most 2 times" in sunset.text
    assert [claim.verdict for claim in claims if claim.section == "renewal"] == ["holds"]
