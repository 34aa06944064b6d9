"""Ways out of a pause, a limit or a hold point that the terms do not give: each is tried, and fails."""

import hashlib

from detente.accord.status import change_standing, run_standing
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.accession import BoundCondition, HaltedCondition
from detente.statement.approval import Approval, sign_approval
from detente.statement.commitment import Committed
from tests.accord_play import BODY, DAY, T0, Play, founding, signer

LIFTERS = ("aud-2", "auth-1", "auth-2")
BY_DEVELOPERS = BODY.replace("votes: {of: [auditor, authority], at_least: 2}", "votes: {of: [developer], at_least: 2}")
"""Those who call are not among those who lift: so no caller's own lift is in play."""


def called(terms=None):
    play = Play(terms).begin()
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)
    return play


def test_acceding_anew_on_a_condition_does_not_release_from_a_pause():
    """Nobody lifts alone: a condition agreed to after a pause latched releases nobody from it."""
    play = called()
    assert play.paused(T0 + 200) == ("call",)
    play.accede("dev-a", at=T0 + 300, conditions=[HaltedCondition(1, ("dev-b",), True)])
    [pause] = play.at(T0 + 2 * DAY).pauses
    assert (pause.parties, pause.released) == (("dev-a", "dev-b"), ())


def test_acceding_anew_before_a_pause_adds_no_condition():
    """Whoever is bound leaves by withdrawal and its notice: a later accession may drop conditions, and adds none."""
    play = Play().begin()
    play.accede("dev-a", at=T0 + 100, conditions=[HaltedCondition(1, ("dev-b",), True)])
    play.vote("aud-1", "pause", T0 + DAY)
    play.vote("auth-1", "pause", T0 + DAY)
    assert play.paused(T0 + 2 * DAY) == ("call",)


def test_acceding_anew_on_others_is_no_way_round_the_notice():
    """The same with a condition to be bound, which nobody will meet."""
    play = Play().begin()
    play.accede("dev-a", at=T0 + 100, conditions=[BoundCondition(2, ("aud-1", "aud-2"))])
    assert "dev-a" in play.at(T0 + DAY).bound


def test_leaving_and_acceding_anew_on_a_condition_does_not_release_from_a_pause_before():
    """Withdrawal never releases from a pause latched before its effective time, nor does what comes after it."""
    body = BODY.replace("longest: 180 d", "longest: 900 d")
    play = called(founding(body))
    play.withdraw("dev-a", T0 + 300)
    play.accede("dev-a", at=T0 + 400 * DAY, conditions=[HaltedCondition(1, ("dev-b",), True)])
    assert "call" in play.paused(T0 + 401 * DAY)


def test_lifts_filed_before_a_pause_do_not_end_it():
    """A lift answers the evidence up to its last vote: votes in the drawer answer none of what comes later."""
    play = Play(founding(BY_DEVELOPERS)).begin()
    for offset, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 70 + offset)
    play.vote("dev-a", "pause", T0 + 1_000)
    play.vote("dev-b", "pause", T0 + 1_001)
    assert play.paused(T0 + 1_001) == ("call",)
    assert play.paused(T0 + 1_002) == ("call",)
    assert play.paused(T0 + 5_000) == ("call",)


def test_votes_to_pause_while_a_lift_settles_open_the_next_round():
    """Votes witnessed after a lift's last vote are later evidence, as measurements are."""
    play = Play(founding(BY_DEVELOPERS)).begin()
    play.vote("dev-a", "pause", T0 + 100)
    play.vote("dev-b", "pause", T0 + 101)
    for offset, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 300 + offset)
    play.vote("dev-a", "pause", T0 + 330)
    play.vote("dev-b", "pause", T0 + 331)
    [pause] = play.at(T0 + 500).pauses
    assert (pause.trigger, pause.round) == ("call", 1)


def test_a_lift_that_waits_for_a_figure_does_not_take_silence_for_it():
    """A condition of the lift that was not measured since the last round is unknown: it does not permit."""
    body = BODY.replace("when: {none_open: finding}", "when: {at_most: [spread, 2 x]}")
    play = Play(founding(body)).begin(supply=False)
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)
    for offset, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 300 + offset)
    assert "call" in play.paused(T0 + 1_000)


def decided(play, party, proposal, decision, *, reviewer="r-1"):
    """A reviewer's word that stands in no log yet."""
    nonce = hashlib.sha256(f"{party} {reviewer} {decision}".encode()).hexdigest()[:32]
    body = Approval(proposal, decision, reviewer, party, None, False, "yes")
    hand = signer(f"{party}/{reviewer}", "reviewer")
    signed = sign_approval(body, hand, accord=play.evidence.accord, nonce=nonce)
    return play.hear(party, "approval", signed, nonce=nonce)


def test_a_rejection_counts_when_it_is_heard():
    """What restricts binds on receipt: a reviewer's no takes their approval back before mirrors have witnessed it."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100)
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert change_standing(play.state, proposal, T0 + 500).outcome == "free"
    decided(play, "auth-1", proposal, "reject")
    assert change_standing(play.state, proposal, T0 + 500).outcome == "held"


def test_an_approval_that_was_only_heard_permits_nothing():
    """The other half of the asymmetry."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100)
    for number in (1, 2):
        decided(play, "auth-1", proposal, "approve", reviewer=f"r-{number}")
    assert change_standing(play.state, proposal, T0 + 500).outcome == "held"


def test_a_heard_rejection_takes_the_approval_of_a_limit_back():
    """The same where a limit needs an authority's approval."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 100, flop="1e23")
    for party in ("auth-1", "auth-2"):
        play.approve(party, run, T0 + 110)
    assert run_standing(play.state, run, T0 + 500).outcome == "free"
    decided(play, "auth-2", run, "reject")
    assert run_standing(play.state, run, T0 + 500).outcome == "held"


def test_a_rejection_of_a_run_outweighs_an_earlier_approval_of_its_proposal():
    """A party's latest word counts, whether it is about the run or about the proposal that it carries out."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100, by="human", asked="1e23")
    for party in ("auth-1", "auth-2"):
        play.approve(party, proposal, T0 + 110)
    run = play.run("dev-a", T0 + 120, flop="1e23", proposal=proposal)
    assert run_standing(play.state, run, T0 + 190).outcome == "free"
    play.approve("auth-2", run, T0 + 200, decision="reject")
    assert run_standing(play.state, run, T0 + 500).outcome == "held"


def test_an_approval_of_anothers_proposal_frees_nobodys_run():
    """The approval is of what one party asked for: another cannot carry it out over a limit or past a hold point."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100, asked="1e23")
    for number, party in enumerate(("auth-1", "auth-2")):
        play.approve(party, proposal, T0 + 110 + number)
        play.approve(party, proposal, T0 + 114 + number, reviewer="r-2")
    run = play.run("dev-b", T0 + 120, flop="1e23", proposal=proposal)
    assert run_standing(play.state, run, T0 + 500).outcome == "held"
    small = play.run("dev-b", T0 + 130, flop="1e20", proposal=proposal, name="run-2")
    intent = Intent(activity="training", party="dev-b", run=small, proposal=proposal)
    decision = decide(play.state, intent, T0 + 500)
    assert not decision.allowed


def test_an_approval_of_a_small_proposal_frees_no_large_run():
    """What was put to them was ``asked_flop``: a run that plans more needs an approval of its own."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100, by="human", asked="1e20")
    for party in ("auth-1", "auth-2"):
        play.approve(party, proposal, T0 + 110)
    run = play.run("dev-a", T0 + 120, flop="9e23", proposal=proposal)
    assert run_standing(play.state, run, T0 + 500).outcome == "held"


def test_a_bound_that_its_inspector_took_back_satisfies_no_limit():
    """A bound of a committed plan that its finder refuted is unknown again: at once, and unknown holds."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 100, flop=Committed("c" * 64))
    play.find("aud-1", "dev-a", T0 + 110, claim="below 1e21 FLOP", run=run)
    assert run_standing(play.state, run, T0 + 500).outcome == "free"
    play.find("aud-1", "dev-a", T0 + 600, claim="below 1e21 FLOP", run=run, result="refuted")
    assert run_standing(play.state, run, T0 + 610).outcome != "free"


def test_an_old_refutation_does_not_answer_a_finding_that_is_heard_later():
    """What restricts binds on receipt: a new finding of the same claim is open though nobody has witnessed it yet."""
    play = Play().begin()
    play.find("aud-1", "dev-a", T0 + 100)
    play.find("aud-1", "dev-a", T0 + 200, result="refuted")
    assert play.at(T0 + 400).open_findings == ()
    play.find("aud-1", "dev-a", None)
    assert len(play.at(T0 + 400).open_findings) == 1


def test_a_revoked_reviewers_key_approves_nothing_later():
    """The organisation's root keys revoke a reviewer's key: what it signs afterwards counts for nothing."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100)
    stolen = signer("auth-1/r-1", "reviewer").public_key
    play.rotate("auth-1", T0 + 105, revoke=(stolen,))
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert change_standing(play.state, proposal, T0 + 500).outcome == "held"


def test_deploying_under_anothers_name_is_no_way_round_a_ruling():
    """A relying party that names somebody who never stated the version does not get past the sanction on who did."""
    play = Play().begin()
    version = play.model("dev-a", "one", T0 + 80, by="human")
    finding = play.find("aud-1", "dev-a", T0 + 100)
    for number, party in enumerate(("auth-1", "auth-2")):
        play.rule(party, finding, "dev-a", T0 + 200 + number)
    later = T0 + 5 * DAY
    for name in ("dev-a", "dev-b"):
        intent = Intent(activity="deployment", party="buyer", version=version, on_behalf_of=name)
        assert not decide(play.state, intent, later).allowed, name


def test_a_former_auditor_blocks_no_lift():
    """Who may file findings is what the terms in effect say: one party removed from them has no veto any more."""
    play = called()
    text = founding(BODY.replace("version: 1", "version: 2")).replace(
        b"aud-1:  {country: CA, roles: [auditor, mirror, adjudicator]}",
        b"aud-1:  {country: CA, roles: [mirror, adjudicator]}",
    )
    play.amend(text, T0 + 200)
    later = T0 + 2 * DAY
    play.find("aud-1", "dev-a", later)
    for offset, party in enumerate(LIFTERS):
        play.vote(party, "lift", later + 10 + offset)
    assert play.paused(later + DAY) == ()
