"""What restricts binds on receipt and is not lost; what permits waits: the corners where the two meet."""

from detente.accord.status import change_standing
from detente.statement.accession import HaltedCondition
from detente.statement.resumed import Resumed
from tests.accord_play import BODY, DAY, T0, Play, founding

LIFTERS = ("aud-2", "auth-1", "auth-2")


def heard_decision(play, party, proposal, decision, *, reviewer="r-1"):
    """A reviewer's word that stands in no log yet."""
    return play.approve(party, proposal, None, reviewer=reviewer, decision=decision)


def lifting():
    """A pause of round 0 whose lift has its last vote at T0 + 302 and takes effect at T0 + 362."""
    play = Play().begin()
    for number, party in enumerate(("aud-1", "auth-1")):
        play.vote(party, "pause", T0 + 100 + number)
    for number, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 300 + number)
    return play


def test_a_lift_without_later_evidence_ends_the_pause():
    """The ground on which the next tests stand."""
    assert lifting().paused(T0 + 400) == ()


def test_a_vote_heard_while_a_lift_settles_counts_in_the_next_round():
    """It was no part of what the lift answered: nobody has witnessed it before the lift's last vote."""
    play = lifting()
    for party in ("aud-1", "dev-a", "aud-2"):
        play.vote(party, "pause", None)
    [pause] = play.at(T0 + 400).pauses
    assert (pause.trigger, pause.round, pause.witnessed) == ("call", 1, False)


def test_a_vote_heard_while_a_lift_settled_is_not_lost_when_mirrors_witness_it_later():
    """More cosignatures loosen nothing: witnessed after the lift took effect, the same votes still open the next round."""
    play = lifting()
    for party in ("aud-1", "aud-2"):
        play.vote(party, "pause", T0 + 500)
    [pause] = play.at(T0 + 501).pauses
    assert (pause.trigger, pause.round, pause.since) == ("call", 1, T0 + 500)
    assert "F09" not in [note.rule for note in play.at(T0 + 501).notes]


def test_a_vote_that_a_lift_answered_opens_no_round():
    """Votes witnessed before the lift's last vote are answered, however many copies turn up later."""
    play = Play().begin()
    data = [play.sign(party, "vote", body) for party, body in pausing(("aud-1", "auth-1"))]
    for envelope in data:
        play.place(envelope, T0 + 100)
    for number, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 300 + number)
    for envelope in data:
        play.place(envelope, T0 + 500)
    assert play.paused(T0 + 600) == ()


def pausing(parties, number=0):
    from detente.statement.vote import Vote

    return [(party, Vote("pause", "call", number, "all", T0 + 900 * DAY)) for party in parties]


def test_a_vote_of_two_rounds_ago_is_over():
    """F09: a vote counts in the round it names and, unanswered, in the next; no further."""
    play = lifting()
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 1_000, number=1)
    for number, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 1_300 + number, number=1)
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 2_000)
    now = play.at(T0 + 2_100)
    assert now.pauses == ()
    assert [note.rule for note in now.notes] == ["F09", "F09"]


def test_a_vote_of_the_round_before_is_an_alert():
    """It stands: permits are short while one more vote would pause."""
    play = lifting()
    play.vote("aud-1", "pause", None)
    assert play.at(T0 + 400).alert


def test_a_late_pause_of_a_voter_takes_their_lift_back():
    """A voter's pause that names the round before, seen after their lift, has the last word."""
    play = lifting()
    for party in ("aud-1", "aud-2"):
        play.vote(party, "pause", T0 + 500)
    for number, party in enumerate(LIFTERS):
        play.vote(party, "lift", T0 + 600 + number, number=1)
    play.vote("auth-2", "pause", T0 + 640)
    assert "call" in play.paused(T0 + 2_000)


def unattended():
    """Three versions in a row that models proposed, the second approved as significant."""
    play = Play().begin()
    parents, proposals = (play.model("dev-a", "base", T0 + 70, by="human"),), []
    for number in range(3):
        at = T0 + 100 + 200 * number
        proposal = play.propose("dev-a", at, parent=parents[0])
        proposals.append(proposal)
        if number == 1:
            for reviewer in ("r-1", "r-2"):
                play.approve("auth-1", proposal, at + 10, reviewer=reviewer)
        parents = (play.model("dev-a", f"v{number}", at + 150, parents=parents, proposal=proposal),)
    return play, proposals[1]


def test_a_heard_rejection_raises_a_depth():
    """A reviewer's no, in no log yet, takes the approval away that started a depth again: the trigger latches on receipt."""
    play, proposal = unattended()
    assert "unattended" not in play.paused(T0 + 1_000)
    heard_decision(play, "auth-1", proposal, "reject")
    assert change_standing(play.state, proposal, T0 + 1_000).outcome == "held"
    assert "unattended" in play.paused(T0 + 1_000)
    assert play.was(T0 + 1_000).pauses == ()


def test_a_rejection_witnessed_by_a_fast_clock_raises_a_depth_now():
    """The same for one whose witnessed time is ahead of ours."""
    play, proposal = unattended()
    play.approve("auth-1", proposal, T0 + 10 * DAY, decision="reject")
    assert "unattended" in play.paused(T0 + 1_000)


def resumed(play, party, run, at):
    return play.say(party, "resumed", Resumed(run, 10, "c" * 64, 2), at)


def conditional():
    """dev-b stops when dev-a has verifiably halted; dev-a has, under the pause."""
    play = Play()
    play.accede("dev-a")
    play.accede("dev-b", conditions=[HaltedCondition(1, ("dev-a",), confirmed=False)])
    for party in ("dev-a", "dev-b"):
        play.measure(party, 1, T0)
    run = play.run("dev-a", T0 + 70)
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 100)
    play.halt("dev-a", run, T0 + 200)
    return play, run


def test_a_conditional_party_is_held_once_the_others_halt_has_settled():
    """The ground on which the next two stand."""
    play, _ = conditional()
    assert play.paused(T0 + 259, "dev-b") == ()
    assert play.paused(T0 + 260, "dev-b") == ("call",)


def test_anothers_resumption_releases_a_conditional_party_only_once_settled():
    """It permits: what was witnessed a second ago, or only heard, releases nobody from a pause."""
    play, run = conditional()
    resumed(play, "dev-a", run, T0 + 400)
    assert play.paused(T0 + 459, "dev-b") == ("call",)
    assert play.paused(T0 + 460, "dev-b") == ()


def test_a_resumption_of_anothers_run_is_nobodys():
    """Only whose run it is says that it goes on (F14)."""
    play, run = conditional()
    resumed(play, "dev-b", run, T0 + 400)
    assert play.paused(T0 + 1_000, "dev-b") == ("call",)
    assert "F14" in play.rules()


def test_a_rival_measures_nothing_about_another():
    """Where developers supply an indicator of each party, each speaks of itself alone (F14)."""
    play = Play().begin()
    play.measure("dev-b", 9, T0 + 100, about="dev-a")
    assert "spreading" not in play.paused(T0 + 200)
    assert play.rules() == ["F14"]


def test_a_rival_fulfils_nobodys_duty():
    """Nor does it keep another's figure from being overdue."""
    play = Play().begin()
    for day in range(1, 10):
        play.measure("dev-b", 1, T0 + day * DAY)
        play.measure("dev-b", 1, T0 + day * DAY, about="dev-a")
    assert "spreading" in play.paused(T0 + 9 * DAY)


def test_an_auditor_whom_the_terms_name_measures_about_a_developer():
    """A role that is not measured itself supplies of anybody."""
    body = BODY.replace("spread: {supplied_by: developer,", "spread: {supplied_by: [developer, auditor], about: party,")
    play = Play(founding(body)).begin()
    play.measure("aud-1", 9, T0 + 100, about="dev-a")
    play.measure("dev-b", 9, T0 + 100, about="dev-a")
    assert "spreading" in play.paused(T0 + 200)
    assert "spreading" not in play.paused(T0 + 200, "dev-b")
    assert play.rules() == ["F14"]
