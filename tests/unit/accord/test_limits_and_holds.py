"""Limits on runs, hold points, depths, findings and their consequences."""

from decimal import Decimal

import pytest

from detente.accord.status import change_standing, proposals_waiting, release_standing, run_standing
from detente.statement.commitment import Committed
from tests.accord_play import BODY, DAY, T0, Play, founding

NOW = T0 + 1_000


def stands(play, run, at=NOW, **more):
    found = run_standing(play.state, run, at, **more)
    return found.outcome, found.held_by


@pytest.mark.parametrize(
    ("flop", "outcome", "held_by"),
    [
        ("9999999999999999999999", "free", ()),
        ("1e22", "free", ()),
        ("10000000000000000000001", "held", ("report-first",)),
        ("1e24", "held", ("report-first",)),
        ("1000000000000000000000001", "refused", ("report-first", "too-large")),
        ("1e25", "refused", ("report-first", "too-large")),
    ],
)
def test_limits_are_exact_at_their_boundary(flop, outcome, held_by):
    """more_than: one below, equal, one above; no float is involved."""
    play = Play().begin()
    assert stands(play, play.run("dev-a", T0 + 100, flop=flop)) == (outcome, held_by)


def test_the_amount_asked_for_counts_if_it_is_larger_than_the_plan():
    """An intent cannot ask for more than was declared and be judged by less."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 100, flop="1e20")
    assert stands(play, run) == ("free", ())
    assert stands(play, run, flop=Decimal("2e24"))[0] == "refused"


def test_parents_count_and_distillation_sums():
    """Cumulative FLOP are the run's own and everything that went into its parents."""
    play = Play().begin()
    first = play.model("dev-a", "one", T0 + 80, by="human", flop="6e23")
    second = play.model("dev-a", "two", T0 + 81, by="human", flop="6e23")
    assert stands(play, play.run("dev-a", T0 + 100, flop="1e20", parents=(first,)))[0] == "held"
    assert stands(play, play.run("dev-a", T0 + 101, flop="1e20", parents=(first, second)))[0] == "refused"


def test_an_unknown_parent_holds():
    """What nobody stated may be anything: unknown, and unknown holds."""
    play = Play().begin()
    assert stands(play, play.run("dev-a", T0 + 100, flop="1e20", parents=("e" * 64,)))[0] == "refused"


def test_named_parties_must_both_approve_and_approvals_settle():
    """Two named authorities; an approval taken back no longer counts."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 100, flop="1e23")
    play.approve("auth-1", run, T0 + 200)
    assert stands(play, run)[0] == "held"
    play.approve("auth-2", run, T0 + 300)
    assert stands(play, run, T0 + 359)[0] == "held"
    assert stands(play, run, T0 + 360) == ("free", ())
    play.approve("auth-1", run, T0 + 400, decision="reject")
    assert stands(play, run, T0 + 400)[0] == "held"


def test_a_committed_plan_is_held_until_an_inspector_bounds_it():
    """Below 1e22 FLOP, found by another party with the role, and settled."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 100, flop=Committed("c" * 64))
    assert stands(play, run)[0] == "refused"
    play.find("aud-1", "dev-a", T0 + 200, claim="below 1e22 FLOP", run=run)
    assert stands(play, run, T0 + 259)[0] == "refused"
    assert stands(play, run, T0 + 260) == ("free", ())
    assert play.at(T0 + 260).findings == ()


def test_an_undeclared_run_is_held():
    """There is nothing to judge."""
    assert stands(Play().begin(), "e" * 64) == ("held", ("declaration",))


def holds(play, proposal, at=NOW):
    return change_standing(play.state, proposal, at).outcome


def test_a_models_change_waits_for_two_humans_who_are_not_its_author():
    """Two distinct reviewers, settled; the waiting list names what is missing."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100, author="r-3")
    [(waiting, party, standing)] = proposals_waiting(play.state, NOW)
    assert (waiting, party, standing.held_by) == (proposal, "dev-a", ("self-modification",))
    play.approve("auth-1", proposal, T0 + 200, reviewer="r-3")
    play.approve("auth-1", proposal, T0 + 201, reviewer="r-1")
    assert holds(play, proposal) == "held"
    play.approve("auth-1", proposal, T0 + 202, reviewer="r-2")
    assert holds(play, proposal, T0 + 261) == "held"
    assert holds(play, proposal, T0 + 262) == "free"


@pytest.mark.parametrize(
    "second",
    [
        {"reviewer": "r-1"},
        {"reviewer": "r-2", "key": "r-1"},
        {"reviewer": "r-2", "same_host": True},
        {"reviewer": "r-2", "decision": "changes"},
        {"reviewer": "r-2", "decision": "escalate"},
    ],
)
def test_what_does_not_count_as_a_second_human(second):
    """The same reviewer, another name over the same key, a page from the guarded host, anything but an approval."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100)
    play.approve("auth-1", proposal, T0 + 200, reviewer="r-1")
    play.approve("auth-1", proposal, T0 + 201, **second)
    assert holds(play, proposal) == "held"


def test_a_reviewer_who_changes_their_mind_holds_it_again():
    """At once: taking back restricts."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100)
    play.approve("auth-1", proposal, T0 + 200, reviewer="r-1")
    play.approve("auth-1", proposal, T0 + 201, reviewer="r-2")
    assert holds(play, proposal) == "free"
    play.approve("auth-1", proposal, T0 + 300, reviewer="r-2", decision="reject")
    assert holds(play, proposal, T0 + 300) == "held"


def test_approvals_that_are_not_what_they_say_have_no_effect():
    """F14 for another organisation, F15 for an assertion that does not verify, F08 for nothing held."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100)
    play.approve("auth-1", proposal, T0 + 200, organisation="aud-1")
    play.approve("auth-1", proposal, T0 + 201, spoil=True)
    play.approve("auth-1", "e" * 64, T0 + 202)
    assert sorted(play.rules()) == ["F08", "F14", "F15"]
    assert holds(play, proposal) == "held"


def test_a_humans_change_and_one_that_touches_data_only_pass():
    """The condition is false; an undeclared proposer is unknown and holds."""
    play = Play().begin()
    assert holds(play, play.propose("dev-a", T0 + 100, by="human")) == "free"
    assert holds(play, play.propose("dev-a", T0 + 101, touches=("data",))) == "free"
    assert holds(play, play.propose("dev-a", T0 + 102, by="undeclared")) == "held"
    assert holds(play, play.propose("dev-a", T0 + 103, touches=())) == "held"
    assert holds(play, "e" * 64) == "held"


def test_a_version_is_judged_by_the_proposal_it_names():
    """And by none it is held; deployment has its own hold points."""
    play = Play(founding(BODY + "")).begin()
    proposal = play.propose("dev-a", T0 + 100)
    passed = play.model("dev-a", "passed", T0 + 110, proposal=proposal)
    bare = play.model("dev-a", "bare", T0 + 120)
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 200 + number, reviewer=f"r-{number}")
    assert holds(play, passed) == "free"
    assert holds(play, bare) == "held"
    assert release_standing(play.state, bare, NOW).outcome == "free"


def test_an_attested_device_cannot_be_met_by_software_keys():
    """What this version cannot verify must not look like an approval."""
    play = Play(founding(BODY.replace("device: software", "device: attested"))).begin()
    proposal = play.propose("dev-a", T0 + 100)
    for number in (1, 2, 3):
        play.approve("auth-1", proposal, T0 + 200 + number, reviewer=f"r-{number}")
    assert holds(play, proposal) == "held"


def chain(play, length, start=T0 + 100, *, parent=None, prefix="v", party="dev-a"):
    at = start
    if parent is None:
        parent = play.model(party, f"{prefix}-base", at, by="human")
    for number in range(length):
        at += 10
        parent = play.model(party, f"{prefix}{number}", at, parents=(parent,))
    return parent, at


def test_the_depth_trigger_latches_at_the_third_version_without_a_human():
    """AI-proposed depth 3, for that developer only; the version that crossed it is cited."""
    play = Play().begin()
    parent, at = chain(play, 2)
    assert play.paused(at + 5) == ()
    play.model("dev-a", "v2", at + 10, parents=(parent,))
    [pause] = play.at(at + 20).pauses
    assert (pause.trigger, pause.parties, pause.since) == ("unattended", ("dev-a",), at + 10)
    assert len(pause.cited) == 1


def test_a_significant_approval_that_passes_the_hold_point_starts_the_count_again():
    """Two humans who looked at the middle version keep the chain at 1."""
    play = Play().begin()
    parent, at = chain(play, 1)
    proposal = play.propose("dev-a", at + 1, parent=parent)
    for number in (1, 2):
        play.approve("auth-1", proposal, at + 1 + number, reviewer=f"r-{number}")
    parent = play.model("dev-a", "seen", at + 100, parents=(parent,), proposal=proposal)
    chain(play, 2, at + 200, parent=parent, prefix="w")
    assert play.paused(at + 300) == ()


def test_one_significant_approval_does_not_stand_in_for_a_hold_point_that_asks_for_two():
    """A change that bypassed its hold point was not approved."""
    play = Play().begin()
    parent, at = chain(play, 1)
    proposal = play.propose("dev-a", at + 1, parent=parent)
    play.approve("auth-1", proposal, at + 2, reviewer="r-1")
    parent = play.model("dev-a", "bypassed", at + 100, parents=(parent,), proposal=proposal)
    chain(play, 1, at + 200, parent=parent, prefix="w")
    assert play.paused(at + 300) == ("unattended",)


def test_after_a_lift_depth_counts_from_the_answered_versions():
    """Two more versions are depth 2, the third latches round 1."""
    play = Play().begin()
    parent, at = chain(play, 3)
    for offset, party in enumerate(("aud-2", "auth-1", "auth-2")):
        play.vote(party, "lift", at + 100 + offset, trigger="unattended", scope="dev-a")
    free = at + 162
    assert play.paused(free) == ()
    parent, last = chain(play, 2, free + 10, parent=parent, prefix="x")
    assert play.paused(last + 5) == ()
    play.model("dev-a", "x2", last + 10, parents=(parent,))
    assert [(p.trigger, p.round) for p in play.at(last + 20).pauses] == [("unattended", 1)]


def test_a_version_that_was_only_heard_counts():
    """It restricts, so it binds on receipt."""
    play = Play().begin()
    parent, at = chain(play, 2)
    from detente.statement.change import ProposedBy
    from detente.statement.version import Version

    body = Version("d" * 64, (parent,), ProposedBy("model", parent), ("training",), Decimal(1))
    assert play.paused(at + 5) == ()
    play.hear("dev-a", "version", body)
    assert play.paused(at + 5) == ("unattended",)


def breach(play, *, challenge_at=None, at=T0 + 1_000, who=("auth-1", "auth-2")):
    finding = play.find("aud-1", "dev-b", T0 + 100)
    if challenge_at is not None:
        from detente.statement.challenge import Challenge

        play.say("dev-b", "challenge", Challenge(finding, "no"), challenge_at)
    for offset, judge in enumerate(who):
        play.rule(judge, finding, "dev-b", at + offset)
    return finding


def acts(play, at):
    return sorted((s.act, s.by, s.against) for s in play.at(at).sanctions)


def test_a_ruling_of_breach_has_consequences_once_the_time_to_challenge_is_over():
    """72 h after the finding: the provider refuses compute, the relying party deployment, everybody publishes."""
    play = Play().begin()
    breach(play)
    over = T0 + 100 + 72 * 3_600
    assert acts(play, over - 1) == []
    assert [f.state for f in play.at(over - 1).findings] == ["breach"]
    assert acts(play, over) == [
        ("publish", None, "dev-b"),
        ("refuse_compute", "cloud", "dev-b"),
        ("refuse_deployment", "buyer", "dev-b"),
    ]
    assert [s.act for s in play.at(over).sanctions_by("cloud", "dev-b")] == ["refuse_compute"]
    assert play.at(over).sanctions_by("cloud", "dev-a") == ()


def test_after_a_timely_challenge_only_rulings_made_after_it_count():
    """And then at once; rulings before it wait for nobody's answer."""
    play = Play().begin()
    breach(play, challenge_at=T0 + 2_000)
    over = T0 + 100 + 72 * 3_600
    assert acts(play, over) == []
    finding = play.at(over).findings[0]
    assert (finding.state, finding.challenged) == ("open", True)
    play.rule("auth-1", finding.finding, "dev-b", T0 + 3_000)
    play.rule("auth-2", finding.finding, "dev-b", T0 + 3_001)
    assert len(acts(play, T0 + 3_001)) == 3


def test_a_late_challenge_or_one_by_somebody_else_suspends_nothing():
    """Only the accused, only in time."""
    over = T0 + 100 + 72 * 3_600
    play = Play().begin()
    breach(play, challenge_at=over + 1)
    assert len(acts(play, over + 1_000)) == 3


def test_one_adjudicator_twice_is_not_two_and_nobody_judges_their_own_case():
    """F05: the finder (an adjudicator too) and anybody without the role have no say."""
    play = Play().begin()
    finding = breach(play, who=("auth-1", "auth-1", "aud-1", "aud-2", "dev-a"))
    assert [f.state for f in play.at(T0 + 2_000).findings] == ["open"]
    assert play.rules() == ["F05", "F05", "F05"]
    play.rule("auth-2", finding, "dev-a", T0 + 3_000)
    play.rule("auth-2", "e" * 64, "dev-b", T0 + 3_001)
    assert sorted(play.rules()) == ["F05", "F05", "F05", "F08", "F14"]


def test_a_later_ruling_of_no_breach_overturns():
    """Each adjudicator's latest ruling counts, that of no breach once settled."""
    play = Play().begin()
    finding = breach(play)
    over = T0 + 100 + 72 * 3_600
    play.rule("auth-1", finding, "dev-b", over + 10, outcome="no_breach")
    play.rule("auth-2", finding, "dev-b", over + 11, outcome="no_breach")
    assert len(acts(play, over + 70)) == 3
    assert acts(play, over + 71) == []
    assert [f.state for f in play.at(over + 71).findings] == ["no_breach"]


def test_a_finding_by_somebody_without_the_role_is_a_cited_no_op():
    """F05; and F08 for a confirmation of no halt."""
    play = Play().begin()
    play.find("dev-a", "dev-b", T0 + 100)
    play.find("aud-1", "dev-b", T0 + 101, confirms="e" * 64)
    assert sorted(play.rules()) == ["F05", "F08"]
    assert play.at(NOW).findings == ()


def test_the_finders_own_refutation_closes_a_finding_once_settled():
    """The same author, party and claim; somebody else's does not."""
    play = Play().begin()
    play.find("aud-1", "dev-b", T0 + 100)
    play.find("aud-2", "dev-b", T0 + 200, result="refuted")
    assert [f.state for f in play.at(NOW).findings] == ["open"]
    play.find("aud-1", "dev-b", T0 + 300, result="refuted")
    assert [f.state for f in play.at(T0 + 359).findings] == ["open"]
    assert [f.state for f in play.at(T0 + 360).findings] == ["refuted"]


def test_entry_into_force_by_countries_parties_and_compute_share():
    """Each atom exactly; unknown compute is not yet in force."""
    when = "when: {all: [{acceded: {countries: 2}}, {acceded: {parties: [dev-a]}}, {acceded: {share_of: registered_compute, at_least: 80 %}}]}"
    play = Play(founding(BODY.replace("when: {acceded: {role: developer, at_least: 2}}", when, 1)))
    from detente.statement.facility import Facility

    play.accede("dev-a", "dev-b")
    assert play.at(T0 + 100).phase == "before"
    play.say("cloud", "facility", Facility("two", "US", 1, Decimal(21)), T0 + 200)
    play.say("dev-a", "facility", Facility("one", "US", 1, Decimal(79)), T0 + 201)
    assert play.at(T0 + 300).phase == "before"
    play.say("dev-b", "facility", Facility("three", "GB", 1, Decimal(5)), T0 + 400)
    assert play.at(T0 + 459).phase == "before"
    assert play.at(T0 + 460).phase == "in_force"
    assert play.at(T0 + 460 + 9 * DAY).phase_since == T0 + 460
