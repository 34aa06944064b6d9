"""Who may approve: reviewers whose keys the root keys of their organisation enrolled, and never the author."""

import pytest

from detente.accord.key_reading import spell_keys
from detente.accord.reading import TermsRefused, read_terms
from detente.accord.status import change_standing, run_standing
from detente.base.errors import Refused
from detente.statement.keys import Enrolment, KeyRotation, prove_possession, verify_possession
from tests.accord_play import BODY, PARTIES, T0, Play, founding, keys_text, proven, signer

LATER = T0 + 500


def proposed(body=BODY, by="dev-a", **more):
    play = Play(founding(body)).begin()
    return play, play.propose(by, T0 + 100, **more)


def outcome(play, proposal):
    return change_standing(play.state, proposal, LATER).outcome


def reviewer_enrolment(party, reviewer, hand):
    proof = prove_possession(party, "reviewer", hand, reviewer)
    return Enrolment("reviewer", hand.public_key, proof, reviewer)


def enrol(play, party, reviewer, hand, at, *, sequence=1, previous=None, claimed=None):
    """A keys statement of the party's root that makes ``hand`` the key of one reviewer."""
    enrolment = reviewer_enrolment(claimed or party, reviewer, hand)
    return play.say(party, "keys", KeyRotation(sequence, previous, (enrolment,), ()), at)


def test_a_statement_key_invents_no_reviewer():
    """An approval by a key that nobody enrolled is stored, cited as F20 and counts for nothing, however it is signed."""
    play, proposal = proposed()
    for number in range(3):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"invented-{number}")
    assert outcome(play, proposal) == "held"
    assert play.rules() == ["F20"] * 3


def test_two_enrolled_reviewers_pass_a_hold_point_that_asks_for_two():
    """The rule itself: enrolled, in force, distinct."""
    play, proposal = proposed()
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert outcome(play, proposal) == "free"


def test_an_enrolled_key_speaks_for_its_own_reviewer_only():
    """The pseudonym is bound to the key: under another name the same key approves nothing."""
    play, proposal = proposed()
    play.approve("auth-1", proposal, T0 + 110, reviewer="r-1")
    play.approve("auth-1", proposal, T0 + 111, reviewer="r-2", key="r-1")
    assert outcome(play, proposal) == "held"
    assert play.rules() == ["F20"]


def test_a_reviewer_of_one_organisation_is_none_of_another():
    """What auth-1 enrolled, auth-2 cannot put forward as its own."""
    play, proposal = proposed()
    play.approve("auth-1", proposal, T0 + 110, reviewer="r-1")
    play.approve("auth-2", proposal, T0 + 111, reviewer="r-1", hand=signer("auth-1/r-1", "reviewer"))
    assert outcome(play, proposal) == "held"
    assert play.rules() == ["F20"]


def test_a_statement_key_is_no_reviewers_key():
    """The node's key around an approval adds no authority, and none inside it either."""
    play, proposal = proposed()
    play.approve("auth-1", proposal, T0 + 110, hand=signer("auth-1"))
    assert play.rules() == ["F20"]


def test_a_developer_does_not_approve_itself():
    """Without ``by``, the reviewers of whoever proposed are still not asked: the author never approves."""
    play, proposal = proposed()
    for number in (1, 2):
        play.approve("dev-a", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert outcome(play, proposal) == "held"


def test_terms_may_let_the_author_approve_on_purpose():
    """``author_excluded: no`` says so in so many words."""
    play, proposal = proposed(BODY.replace("author_excluded: yes", "author_excluded: no"))
    for number in (1, 2):
        play.approve("dev-a", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert outcome(play, proposal) == "free"


def test_a_self_approval_does_not_restart_a_depth():
    """Three versions in a row that only their own developer's reviewers looked at are unattended."""
    play = Play().begin()
    parents = (play.model("dev-a", "base", T0 + 70, by="human"),)
    for number in range(3):
        at = T0 + 100 + 100 * number
        proposal = play.propose("dev-a", at, parent=parents[0])
        for reviewer in ("r-1", "r-2"):
            play.approve("dev-a", proposal, at + 10, reviewer=reviewer)
        parents = (play.model("dev-a", f"v{number}", at + 80, parents=parents, proposal=proposal),)
    assert "unattended" in play.paused(T0 + 1_000)


def test_a_reviewer_enrolled_later_counts_from_then_on():
    """Enrolment by the root keys takes effect at its witnessed time, and not for what was said before."""
    play, proposal = proposed()
    hand = signer("auth-1/r-9", "reviewer")
    play.approve("auth-1", proposal, T0 + 110, reviewer="r-1")
    play.approve("auth-1", proposal, T0 + 111, reviewer="r-9", hand=hand)
    enrol(play, "auth-1", "r-9", hand, T0 + 120)
    assert outcome(play, proposal) == "held"
    play.approve("auth-1", proposal, T0 + 130, reviewer="r-9", hand=hand)
    assert outcome(play, proposal) == "free"


def test_a_revoked_reviewer_approves_nothing_afterwards():
    """Revocation as for other uses: at that instant the key is out."""
    play, proposal = proposed()
    play.rotate("auth-1", T0 + 105, revoke=(signer("auth-1/r-1", "reviewer").public_key,))
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert outcome(play, proposal) == "held"
    assert play.rules() == ["F20"]


def test_two_names_of_one_key_are_one_human():
    """Distinct humans need distinct key bytes: a key that has a name gets no second one (F19)."""
    play, proposal = proposed()
    hand = signer("auth-1/r-1", "reviewer")
    enrol(play, "auth-1", "r-9", hand, T0 + 105)
    play.approve("auth-1", proposal, T0 + 110, reviewer="r-1")
    play.approve("auth-1", proposal, T0 + 111, reviewer="r-9", hand=hand)
    assert outcome(play, proposal) == "held"
    assert play.rules() == ["F19", "F20"]


def test_one_key_is_not_the_reviewer_of_two_organisations():
    """Across organisations humans are distinct too: a key enrolled once serves nobody else (F19)."""
    play, proposal = proposed(BODY.replace("organisations: 1", "organisations: 2"))
    hand = signer("auth-1/r-1", "reviewer")
    enrol(play, "auth-2", "r-1x", hand, T0 + 105)
    play.approve("auth-1", proposal, T0 + 110, reviewer="r-1")
    play.approve("auth-2", proposal, T0 + 111, reviewer="r-1x", hand=hand)
    assert outcome(play, proposal) == "held"
    assert "F19" in play.rules()


def test_an_approval_of_a_limit_needs_an_enrolled_reviewer_too():
    """The same where a limit asks for an authority's approval."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 100, flop="1e23")
    for party in ("auth-1", "auth-2"):
        play.approve(party, run, T0 + 110, reviewer="invented")
    assert run_standing(play.state, run, LATER).outcome == "held"


def test_a_statement_key_takes_no_reviewers_word_back():
    """A rejection under a reviewer's name by a key that is not theirs is nobody's word."""
    play, proposal = proposed()
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    play.approve("auth-1", proposal, T0 + 120, decision="reject", hand=signer("auth-1"))
    assert outcome(play, proposal) == "free"


def test_the_proof_of_a_reviewers_key_is_over_the_name():
    """Whoever holds the key agrees to the pseudonym: a proof for another name is refused (K01)."""
    hand = signer("auth-1/r-1", "reviewer")
    proof = prove_possession("auth-1", "reviewer", hand, "r-1")
    verify_possession("auth-1", "reviewer", hand.public_key, proof, "r-1")
    with pytest.raises(Refused) as refused:
        verify_possession("auth-1", "reviewer", hand.public_key, proof, "r-2")
    assert refused.value.rule == "K01"


def test_a_proof_for_another_party_enrols_no_reviewer():
    """A keys statement with a proof that was made for somebody else enrols nobody."""
    play, proposal = proposed()
    hand = signer("auth-1/r-9", "reviewer")
    enrol(play, "auth-1", "r-9", hand, T0 + 105, claimed="auth-2")
    play.approve("auth-1", proposal, T0 + 110, reviewer="r-1")
    play.approve("auth-1", proposal, T0 + 111, reviewer="r-9", hand=hand)
    assert outcome(play, proposal) == "held"


def test_terms_name_reviewers_by_pseudonym_and_key():
    """The card of a party may hold reviewers; each is read with its name."""
    terms = read_terms(founding())
    assert [named.name for named in terms.keys["auth-1"].reviewers] == ["r-1", "r-2", "r-3"]


def test_a_reviewer_with_a_strange_name_is_refused_in_terms():
    """A pseudonym is a name as in an approval: what no approval could say is refused (T08)."""
    text = spell_keys({"dev-a": 1}, {"dev-a": (proven("dev-a", "root"), proven("dev-a", "statement"))})
    assert "reviewer" not in text
    broken = (BODY + PARTIES + keys_text()).replace("name: r-1,", "name: 'r 1',", 1)
    with pytest.raises(TermsRefused) as refused:
        read_terms(broken.encode())
    assert refused.value.rule == "T08"


@pytest.mark.parametrize(
    ("asked", "stated"),
    [
        ({"by": "human"}, {}),
        ({"touches": ("data",)}, {}),
        ({}, {"touches": ("training", "architecture")}),
        ({}, {"touches": ()}),
        ({}, {"party": "dev-b"}),
        ({"parent": "a" * 64}, {"parents": ("b" * 64,)}),
    ],
)
def test_an_approval_of_something_else_passes_no_version(asked, stated):
    """What humans looked at: the same party's change, by the same kind of proposer, of the same parent, touching no more."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + 100, **asked)
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    version = play.model(stated.pop("party", "dev-a"), "one", T0 + 200, proposal=proposal, **stated)
    assert outcome(play, version) == "held"


def test_an_approved_proposal_passes_the_version_that_carries_it_out():
    """The ground of the test above."""
    play, proposal = proposed()
    for number in (1, 2):
        play.approve("auth-1", proposal, T0 + 110 + number, reviewer=f"r-{number}")
    assert outcome(play, play.model("dev-a", "one", T0 + 200, proposal=proposal)) == "free"
