"""Seeded changes: committed to before, revealed after, never permitted, and what reviewers made of them."""

from decimal import Decimal

import pytest

from detente.accord.explaining.subject import change_subject
from detente.accord.fold import fold
from detente.accord.oversight import oversight
from detente.accord.screened import screened_at, seeds_at
from detente.accord.status import change_standing, proposals_waiting, run_standing
from detente.accord.terms import parse_terms
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.change import ProposedBy
from detente.statement.proposal import Proposal
from detente.statement.version import Version
from tests.accord_play import BODY, DAY, SETTLE, T0, founding
from tests.screening_play import Screened
from tests.ways_out import explained

SCREENING = "screening: {by: [auditor], rate: 5 %, decisions: {count: 10, per: 7 d}, window: 365 d}\n"
SCREENED = BODY + SCREENING
DEMANDING = BODY.replace("device: software", "device: software, screened: yes") + SCREENING.replace(
    "window: 365 d", "window: 365 d, minimum: {caught: 50 %, confidence: 80 %}"
)
SILENT = DEMANDING.replace("confidence: 80 %", "confidence: 80 %, unshown: silent")


def played(body=SCREENED):
    return Screened(founding(body)).begin()


def outcome(play, change, at):
    found = change_standing(play.state, change, at)
    return found.outcome, found.held_by


def noted(play, statement):
    return [note.rule for note in play.state.notes if note.statement == statement]


def test_an_approved_seed_is_never_permitted_once_it_is_revealed():
    """Approved by everybody it needs, revealed before that settles: held for good, and it waits no more."""
    play = played()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    play.approve_all(proposal, T0 + 300)
    settled = T0 + 301 + SETTLE
    assert outcome(play, proposal, settled) == ("free", ())
    play.reveal("bad", proposal, commitment, T0 + 310)
    assert outcome(play, proposal, settled) == ("held", ("screening",))
    assert outcome(play, proposal, T0 + 900 * DAY) == ("held", ("screening",))
    assert proposals_waiting(play.state, settled) == ()
    [seed] = seeds_at(play.state, settled)
    assert [body.reviewer for _, body in seed.words] == ["r-1", "r-2"]


def test_a_reveal_binds_on_receipt():
    """Heard, in no log, it stops what it names at once."""
    play = played()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    play.approve_all(proposal, T0 + 300)
    play.reveal("bad", proposal, commitment, None)
    assert outcome(play, proposal, T0 + 301 + SETTLE) == ("held", ("screening",))


def test_no_permit_is_given_for_a_seed_or_a_run_that_names_it():
    """The decision names why and rests on the reveal; the same proposal of another change is free."""
    play = played()
    commitment = play.commit("bad")
    bad, good = play.put("bad", T0 + 200), play.put("good", T0 + 201)
    for proposal in (bad, good):
        play.approve_all(proposal, T0 + 300)
    reveal = play.reveal("bad", bad, commitment, T0 + 320)
    now = T0 + 1_000
    for proposal, allowed in ((bad, False), (good, True)):
        run = play.run("dev-a", T0 + 400, name=f"run-{allowed}", proposal=proposal)
        for named in (proposal, None):
            found = decide(
                play.state, Intent(activity="training", party="dev-a", run=run, proposal=named), Instant(now)
            )
            assert found.allowed is allowed
            if not allowed:
                assert found.held_by == ("screening",)
                assert reveal in found.reasons[0].cites


def test_the_same_change_put_again_is_held_too():
    """Known bad is known bad, under whatever statement."""
    play = played()
    commitment = play.commit("bad")
    first, again = play.put("bad", T0 + 200), play.put("bad", T0 + 201, touches=("training", "data"))
    play.approve_all(again, T0 + 300)
    assert outcome(play, again, T0 + 500) == ("free", ())
    play.reveal("bad", first, commitment, T0 + 400)
    assert outcome(play, again, T0 + 500) == ("held", ("screening",))


def test_approvals_of_a_seed_count_for_nothing_at_a_limit():
    """A run above the bound that carries out a seed still lacks the approvals of its proposal."""
    play = played()
    commitment = play.commit("bad")
    body = Proposal(play.change("bad"), None, ProposedBy("model", None), ("training",), Decimal("1e23"), "wider layers")
    proposal = play.say("dev-a", "proposal", body, T0 + 200)
    run = play.run("dev-a", T0 + 250, flop="1e23", proposal=proposal)
    for party in ("auth-1", "auth-2"):
        play.approve(party, proposal, T0 + 300)
    assert run_standing(play.state, run, T0 + 500).outcome == "free"
    play.reveal("bad", proposal, commitment, T0 + 320)
    assert run_standing(play.state, run, T0 + 500).held_by == ("report-first",)


@pytest.mark.parametrize("approved", [False, True])
def test_seeds_stay_out_of_every_depth(approved):
    """With or without the seed, its approvals and its reveal, lineage and depths are the same."""
    with_seed, without = played(), played()
    for play in (with_seed, without):
        first = play.model("dev-a", "one", T0 + 80, by="human")
        play.model("dev-a", "two", T0 + 90, parents=(first,))
    commitment = with_seed.commit("bad", at=T0 + 100)
    proposal = with_seed.put("bad", T0 + 200)
    if approved:
        with_seed.approve_all(proposal, T0 + 300)
    with_seed.reveal("bad", proposal, commitment, T0 + 400)
    at = Instant(T0 + 1_000)
    assert oversight(with_seed.state, at) == oversight(without.state, at)


def test_a_version_of_a_seed_that_was_made_all_the_same_counts_and_nobody_approved_it():
    """Revealing hides no version: ignoring evidence must never permit. Before the reveal its approval would have counted."""
    play = played()
    commitment = play.commit("bad")
    root = play.model("dev-a", "one", T0 + 80, by="human")
    body = Proposal(play.change("bad"), root, ProposedBy("model", None), ("training",), Decimal("1e20"), "wider layers")
    proposal = play.say("dev-a", "proposal", body, T0 + 200)
    play.approve_all(proposal, T0 + 210)
    made = Version("c" * 64, (root,), ProposedBy("model", root), ("training",), Decimal(1), proposal=proposal)
    play.say("dev-a", "version", made, T0 + 400)
    at = Instant(T0 + 1_000)
    assert oversight(play.state, at)[0].ai_proposed_depth.low == 0
    play.reveal("bad", proposal, commitment, T0 + 500)
    assert oversight(play.state, at)[0].ai_proposed_depth.low == 1
    assert oversight(fold(play.evidence), at)[0].versions == 2


@pytest.mark.parametrize(
    ("rule", "act"),
    [
        ("F05", lambda p, c, s: p.reveal("bad", s, c, T0 + 300, party="auth-1")),
        ("F05", lambda p, c, s: p.commit("other", at=T0 + 300, party="dev-b")),
        ("F08", lambda p, c, s: p.reveal("bad", "e" * 64, c, T0 + 300)),
        ("F08", lambda p, c, s: p.reveal("bad", s, "e" * 64, T0 + 300)),
        ("F08", lambda p, c, s: p.reveal("bad", s, s, T0 + 300)),
        ("F08", lambda p, c, s: p.reveal("bad", c, c, T0 + 300)),
        ("F14", lambda p, c, s: p.reveal("bad", s, c, T0 + 300, party="aud-2")),
        ("F30", lambda p, c, s: p.reveal("bad", s, c, T0 + 300, salt=bytes(32))),
        ("F30", lambda p, c, s: p.reveal("bad", s, c, T0 + 300, change="f" * 64)),
        ("F30", lambda p, c, s: p.reveal("other", s, c, T0 + 300)),
    ],
)
def test_a_reveal_that_does_not_fit_changes_nothing(rule, act):
    """Stored and cited under its number; what was proposed passes as before."""
    play = played()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    play.approve_all(proposal, T0 + 210)
    said = act(play, commitment, proposal)
    assert noted(play, said) == [rule]
    assert outcome(play, proposal, T0 + 400) == ("free", ())


@pytest.mark.parametrize("late", [0, 50])
def test_nobody_can_void_what_was_proposed_before_it_was_committed_to(late):
    """F31, at the same second too: an auditor that waits for a proposal and then commits to it stops nothing."""
    play = played()
    proposal = play.put("bad", T0 + 200)
    commitment = play.commit("bad", at=T0 + 200 + late)
    play.approve_all(proposal, T0 + 210)
    said = play.reveal("bad", proposal, commitment, T0 + 300)
    assert noted(play, said) == ["F31"]
    assert outcome(play, proposal, T0 + 400) == ("free", ())


def test_a_party_does_not_reveal_what_it_proposed_itself():
    """F14: whoever proposes must not have chosen which are bad."""
    play = Screened(founding(SCREENED.replace("by: [auditor]", "by: [auditor, dev-a]"))).begin()
    commitment = play.commit("bad", party="dev-a")
    proposal = play.put("bad", T0 + 200)
    assert noted(play, play.reveal("bad", proposal, commitment, T0 + 300, party="dev-a")) == ["F14"]


def test_without_terms_that_ask_for_it_nobody_seeds():
    """F11, of commitments and reveals."""
    play = Screened(founding(BODY)).begin()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    reveal = play.reveal("bad", proposal, commitment, T0 + 300)
    assert noted(play, commitment) == ["F11"]
    assert noted(play, reveal) == ["F11"]


def test_the_order_in_which_evidence_arrives_changes_nothing():
    """Reveal first, then what it names."""
    play = played()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    play.approve_all(proposal, T0 + 210)
    play.reveal("bad", proposal, commitment, T0 + 300)
    for backwards in (False, True):
        again = played_back(play, backwards=backwards)
        assert fold(again).digest == play.state.digest


def played_back(play, *, backwards):
    from detente.accord.evidence import Evidence

    evidence = Evidence(play.terms)
    for kind, *what in reversed(play.log) if backwards else play.log:
        if kind == "entry":
            evidence.add_entry(*what)
        elif kind == "cosign":
            evidence.add_cosignature(*what)
    return evidence


def test_first_words_until_the_reveal_count_and_the_authors_own_do_not():
    """A second thought, a word after the reveal and a reviewer of the proposing party count for nothing; a tie counts."""
    play = played()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    play.approve("auth-1", proposal, T0 + 210, decision="approve")
    play.approve("auth-1", proposal, T0 + 220, decision="reject")
    play.approve("dev-a", proposal, T0 + 221, decision="reject", reviewer="r-3")
    play.approve("aud-2", proposal, T0 + 230, decision="changes")
    play.reveal("bad", proposal, commitment, T0 + 230)
    play.approve("auth-2", proposal, T0 + 231, decision="reject")
    found = screened_at(play.state, parse_terms(play.terms), T0 + 1_000)
    assert (found.caught, found.decided, found.void, found.open) == (1, 2, 0, 0)


def test_a_seed_revealed_before_anybody_decided_is_void_and_said():
    """Nobody was tested; and commitments that nobody revealed are counted."""
    play = played()
    commitment = play.commit("bad", "kept-back")
    proposal = play.put("bad", T0 + 200)
    play.reveal("bad", proposal, commitment, T0 + 210)
    play.approve("auth-1", proposal, T0 + 220, decision="reject")
    found = screened_at(play.state, parse_terms(play.terms), T0 + 1_000)
    assert (found.caught, found.decided, found.void, found.open) == (0, 0, 1, 1)


def test_a_miss_counts_at_once_and_a_catch_once_it_has_settled():
    """What permits waits."""
    play = played()
    commitment = play.commit("missed", "caught")
    play.seed("missed", T0 + 200, "approve", commitment=commitment)
    play.seed("caught", T0 + 300, "reject", commitment=commitment)
    terms = parse_terms(play.terms)
    at = T0 + 320 + SETTLE
    assert (screened_at(play.state, terms, at - 1).caught, screened_at(play.state, terms, at - 1).decided) == (0, 1)
    assert (screened_at(play.state, terms, at).caught, screened_at(play.state, terms, at).decided) == (1, 2)
    late = T0 + 210 + 365 * DAY
    assert screened_at(play.state, terms, late - 1).decided == 2
    assert screened_at(play.state, terms, late).decided == 1


def put_good(play, at):
    proposal = play.put(f"good-{at}", at)
    play.approve_all(proposal, at + 10)
    return proposal


def test_a_hold_point_may_ask_for_a_shown_catch_rate():
    """Above 50 % with 80 % confidence takes three caught in a row; two are not enough, and a miss takes it away again."""
    play = played(DEMANDING)
    good = put_good(play, T0 + 5_000)
    at = T0 + 6_000
    assert outcome(play, good, at) == ("held", ("self-modification",))
    for number in range(3):
        play.seed(f"bad-{number}", T0 + 1_000 + 100 * number, "reject")
        expected = ("free", ()) if number == 2 else ("held", ("self-modification",))
        assert outcome(play, good, at) == expected
    play.seed("missed", T0 + 2_000, "approve")
    found = change_standing(play.state, good, at)
    assert found.outcome == "held"
    assert "3 of 4 seeded changes were caught" in found.reasons[0].text
    assert outcome(play, good, T0 + 3_000 + 366 * DAY)[0] == "held"


def test_silent_holds_only_once_the_opposite_is_shown():
    """No seeds, no hold; one missed seed of two shows nothing against 50 %, three missed in a row do."""
    play = played(SILENT)
    good = put_good(play, T0 + 5_000)
    at = T0 + 6_000
    assert outcome(play, good, at) == ("free", ())
    for number in range(3):
        play.seed(f"bad-{number}", T0 + 1_000 + 100 * number, "approve")
        assert outcome(play, good, at)[0] == ("held" if number == 2 else "free")


def test_an_answer_that_was_kept_is_the_one_found_anew_when_a_word_leaves_the_window():
    """Nothing is said between the two instants; only time passes."""
    play = played(DEMANDING)
    for number in range(3):
        play.seed(f"bad-{number}", T0 + 1_000 + 100 * number, "reject")
    good = put_good(play, T0 + 5_000)
    leaves = T0 + 1_010 + 365 * DAY
    assert outcome(play, good, leaves - 1) == ("free", ())
    assert outcome(play, good, leaves) == ("held", ("self-modification",))
    assert outcome(play, good, leaves - 1) == ("free", ())


def test_why_says_that_it_is_seeded_and_tells_no_way_out():
    """What is known bad has none: not by votes, not by time."""
    play = played()
    commitment = play.commit("bad")
    proposal = play.put("bad", T0 + 200)
    reveal = play.reveal("bad", proposal, commitment, T0 + 300)
    found = explained(play, T0 + 400, change_subject(play.state, proposal, {}))
    [seeded] = [each for each in found.constraints if each.clause.kind == "screening"]
    assert seeded.effect == "held"
    assert reveal in seeded.reason.cites
    assert seeded.since == T0 + 300
    assert seeded.ways == ()


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("T08", "rate: 5 %", "rate: 0 %"),
        ("T08", "rate: 5 %", "rate: 51 %"),
        ("T08", "window: 365 d", "window: 0 s"),
        ("T08", "confidence: 80 %", "confidence: 100 %"),
        ("T08", "confidence: 80 %", "confidence: 49 %"),
        ("T06", "window: 365 d", "window: 365 d, colour: red"),
        ("T06", "caught: 50 %", "caught: 50 %, often: yes"),
        ("T07", "rate: 5 %, ", ""),
        ("T09", "by: [auditor]", "by: [auditors]"),
        ("T50", ", minimum: {caught: 50 %, confidence: 80 %}", ""),
        ("T51", "by: [auditor]", "by: [dev-a]"),
    ],
)
def test_terms_that_do_not_say_it_right_are_refused(rule, old, new):
    """Each by its number."""
    assert old in DEMANDING
    with pytest.raises(Refused) as refused:
        parse_terms(founding(DEMANDING.replace(old, new)))
    assert rule in {error.rule for error in getattr(refused.value, "errors", (refused.value,))}
