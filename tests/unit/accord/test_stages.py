"""Rules that begin and end: at a date, or so long after the accord entered into force. Each at its instant."""

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.explain import explain
from detente.accord.reading import TermsRefused
from detente.accord.status import change_standing, run_standing
from detente.accord.terms import parse_terms
from detente.base.instant import show_instant
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

FORCE = T0 + 60
"""In force once both accessions have settled."""
LIMIT = "  - id: too-large\n"
HOLD = "    on: version.train\n"
CALL = "  - id: call\n"


QUIET = BODY.replace("every: 7 d, ", "")
"""No measurement falls overdue while these tests wait."""


def body(*edits):
    text = QUIET
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def staged(before, span):
    """The terms with a span on the rule that begins with ``before``."""
    return body((before, f"{before}    {span}\n"))


def play(text):
    return Play(founding(text)).begin()


def called(text, at):
    found = play(text)
    for offset, party in enumerate(("aud-1", "auth-1")):
        found.vote(party, "pause", at + offset)
    return found


@pytest.mark.parametrize("span", ["from: {after_entry: 10 d}", f"from: {show_instant(FORCE + 10 * DAY)}"])
def test_a_limit_begins_at_its_instant_and_binds_what_was_declared_before(span):
    """One second before it a run is free, at it refused; a span and a date that name the same instant do the same."""
    found = play(staged(LIMIT, span))
    run = found.run("dev-a", T0 + 200, flop="1e25")
    found.run("dev-b", T0 + 300)
    for party in ("auth-1", "auth-2"):
        found.approve(party, run, T0 + 400)
    begins = FORCE + 10 * DAY
    assert [run_standing(found.state, run, at).outcome for at in (begins - 1, begins, begins + 1)] == [
        "free", "refused", "refused",
    ]  # fmt: skip


def test_a_limit_that_ended_binds_nobody_and_is_listed_as_released_by_time():
    """Refused one second before, free at the instant; the status says that nobody decided that."""
    found = play(staged(LIMIT, "until: {after_entry: 10 d}"))
    run = found.run("dev-a", T0 + 200, flop="1e25")
    for party in ("auth-1", "auth-2"):
        found.approve(party, run, T0 + 400)
    ends = FORCE + 10 * DAY
    assert [run_standing(found.state, run, at).outcome for at in (ends - 1, ends)] == ["refused", "free"]
    assert found.at(ends - 1).released_by_time == ()
    [release] = found.at(ends).released_by_time
    assert (release.what, release.at) == ("rule_ended", ends)
    assert "too-large" in release.text
    assert any("too-large" in reason.text for reason in explain(found.at(ends - 1)))


def test_what_counts_from_entry_into_force_waits_for_it():
    """Before force a span has not begun, however long ago the statements were made, and no instant of it is known."""
    found = Play(founding(staged(LIMIT, "from: {after_entry: 10 d}")))
    found.accede("dev-a")
    run = found.run("dev-a", T0 + 200, flop="1e25")
    for party in ("auth-1", "auth-2"):
        found.approve(party, run, T0 + 400)
    assert run_standing(found.state, run, T0 + 50 * DAY).outcome == "free"
    [rule] = found.at(T0 + 50 * DAY).schedule
    assert (rule.rule, rule.state, rule.begins_at) == ("too-large", "coming", None)
    found.accede("dev-b", at=T0 + 60 * DAY)
    begins = T0 + 60 * DAY + 60 + 10 * DAY
    assert [run_standing(found.state, run, at).outcome for at in (begins - 1, begins)] == ["free", "refused"]


def test_a_hold_point_holds_within_its_span_only():
    """Free one second before it begins and at its end; held in between."""
    found = play(staged(HOLD, "from: {after_entry: 1 d}\n    until: {after_entry: 2 d}"))
    proposal = found.propose("dev-a", T0 + 200)
    instants = (FORCE + DAY - 1, FORCE + DAY, FORCE + 2 * DAY - 1, FORCE + 2 * DAY)
    assert [change_standing(found.state, proposal, at).outcome for at in instants] == ["free", "held", "held", "free"]


def test_no_hold_point_that_ended_makes_an_approval_look_significant():
    """One approval of the two that it asked for does not break the chain of versions, whatever the date."""

    def depths(text):
        found = play(text)
        parents = []
        for number in range(4):
            proposal = found.propose("dev-a", T0 + 200 + 3 * number)
            found.approve("aud-1", proposal, T0 + 201 + 3 * number)
            parents = [found.model("dev-a", f"m{number}", T0 + 202 + 3 * number, parents=parents, proposal=proposal)]
        return found.paused(T0 + 30 * DAY, activity="self_improvement")

    assert depths(staged(HOLD, "until: {after_entry: 1 d}")) == depths(QUIET) == ("unattended",)


def test_a_trigger_latches_at_the_instant_at_which_it_begins():
    """Votes that were cast before it began and still stand latch it then, and the latch is of that instant."""
    found = called(staged(CALL, "from: {after_entry: 10 d}"), T0 + 100)
    begins = FORCE + 10 * DAY
    assert found.paused(begins - 1) == ()
    assert found.paused(begins) == ("call",)
    [pause] = found.at(begins + DAY).pauses
    assert pause.since == begins
    assert pause.witnessed


def test_a_vote_that_expired_before_the_trigger_began_starts_nothing():
    """What does not stand at the first instant at which the trigger applies does not count."""
    found = play(staged(CALL, "from: {after_entry: 10 d}"))
    begins = FORCE + 10 * DAY
    found.vote("aud-1", "pause", T0 + 100, expires=begins)
    found.vote("auth-1", "pause", T0 + 101)
    assert found.paused(begins) == ()


def test_a_trigger_starts_nothing_from_its_end_on():
    """The vote that completes it one second before the end pauses; at the end it does not, heard or witnessed."""
    ends = FORCE + 10 * DAY
    text = staged(CALL, "until: {after_entry: 10 d}")
    assert called(text, ends - 2).paused(ends + DAY) == ("call",)
    assert called(text, ends - 1).paused(ends + DAY) == ()
    late = play(text)
    for party in ("aud-1", "auth-1"):
        late.vote(party, "pause", None)
    assert late.paused(ends - 1) == ("call",)
    assert late.paused(ends) == ()


def test_a_pause_outlasts_the_end_of_its_trigger_and_lapses_by_what_came_before():
    """The end of a rule frees nobody whom it had paused; what is said later puts off no lapse."""
    found = called(staged(CALL, "until: {after_entry: 10 d}"), T0 + 100)
    ends = FORCE + 10 * DAY
    found.vote("aud-2", "pause", ends + DAY)
    lapses = T0 + 101 + 180 * DAY
    assert found.at(ends).pauses[0].lapses_at == lapses
    assert found.paused(lapses - 1) == ("call",)
    assert found.paused(lapses) == ()
    assert {release.what for release in found.at(lapses).released_by_time} == {"rule_ended", "pause_lapsed"}


def test_late_evidence_from_before_the_end_still_pauses():
    """A vote that was witnessed in time and learnt of later counts at its time."""
    found = play(staged(CALL, "until: {after_entry: 10 d}"))
    ends = FORCE + 10 * DAY
    found.vote("aud-1", "pause", T0 + 100)
    assert found.paused(ends + DAY) == ()
    found.vote("auth-1", "pause", ends - 1, log="dev-b")
    assert found.paused(ends + DAY) == ("call",)


def test_a_rule_that_has_no_instant_is_refused():
    """T30, for a date as for a span; a date against a span cannot be told and is let pass."""
    for span in ("from: 2027-01-02, until: 2027-01-01", "from: {after_entry: 9 d}, until: {after_entry: 9 d}"):
        text = body((LIMIT, f"{LIMIT}    {span.replace(', ', chr(10) + '    ')}\n"))
        with pytest.raises(TermsRefused) as refused:
            parse_terms((text + PARTIES).encode(), template=True)
        assert [each.rule for each in refused.value.all] == ["T30"]
    mixed = body((LIMIT, f"{LIMIT}    from: {{after_entry: 9 d}}\n    until: 2027-01-01\n"))
    assert parse_terms((mixed + PARTIES).encode(), template=True).limits[1].span.begins is not None


CHANGES = [
    ("", "from: 2027-01-01", "loosens", "gives too-large a beginning, 2027-01-01"),
    ("", "until: 2027-01-01", "loosens", "gives too-large an end, 2027-01-01"),
    ("from: 2027-01-01", "from: 2027-02-01", "loosens", "moves the beginning of too-large from 2027-01-01 to 2027-02-01"),
    ("until: 2027-01-01", "until: 2027-02-01", "tightens", "moves the end of too-large from 2027-01-01 to 2027-02-01"),
    ("from: 2027-01-01", "from: {after_entry: 1 d}", "changes",
     "moves the beginning of too-large from 2027-01-01 to 1 d after entry into force"),
]  # fmt: skip
BACK = {"loosens": "tightens", "tightens": "loosens", "changes": "changes"}


@pytest.mark.parametrize(("old", "new", "effect", "text"), CHANGES)
def test_a_difference_of_span_is_told_with_its_effect(old, new, effect, text):
    """Less time is looser; taking it back has the opposite effect."""
    one, other = (
        parse_terms((staged(LIMIT, span) if span else QUIET).encode() + PARTIES.encode(), template=True)
        for span in (old, new)
    )
    assert [(each.effect, each.text) for each in compare_terms(one, other)] == [(effect, text)]
    assert [each.effect for each in compare_terms(other, one)] == [BACK[effect]]


def claims(text, kind):
    terms = parse_terms((text + PARTIES).encode(), template=True)
    return [claim for claim in check_terms(terms, Assumptions(Outages(12, 1_800))) if claim.id == kind]


def test_check_lists_what_ends_and_what_begins_later_and_objects_to_what_never_does():
    """An end is a release by time; a beginning is none; one after the sunset is a dead rule."""
    assert [c.section for c in claims(staged(CALL, "until: 2029-01-01"), "released-by-time") if "2029" in c.text] == [
        "triggers"
    ]
    assert not [c for c in claims(staged(LIMIT, "from: 2029-01-01"), "released-by-time") if "2029" in c.text]
    [later] = claims(staged(LIMIT, "from: 2029-01-01"), "begins-later")
    assert later.verdict == "listed"
    sunset = body((LIMIT, f"{LIMIT}    from: 2029-01-01\n"), ("version: 1\n", "version: 1\nexpires: 2029-01-01\n"))
    assert [c.verdict for c in claims(sunset, "dead-rule")] == ["broken"]


def test_a_limit_is_overruled_only_by_one_that_applies_whenever_it_does():
    """`report-first` is dead beside a limit that refuses the same at all times, and not beside one that begins later."""
    wide = "more_than: [run.cumulative_flop, 1e21 FLOP]"
    shadow = body(("more_than: [run.cumulative_flop, 1e24 FLOP]", wide))
    assert len(claims(shadow, "dead-rule")) == 1
    later = shadow.replace(LIMIT, f"{LIMIT}    from: {{after_entry: 1 d}}\n")
    assert claims(later, "dead-rule") == []
