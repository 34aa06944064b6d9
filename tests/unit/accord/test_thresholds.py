"""Root thresholds and keys at their place: nothing that comes later reaches back, and no key speaks twice."""

import pytest

from detente.accord.keychain import said_at
from detente.statement.accession import Accession
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.terms import TermsLink
from detente.statement.withdrawal import Withdrawal
from tests.accord_play import BODY, DAY, NAMES, PARTIES, T0, Play, founding, keys_text, origin, signer
from tests.unit.accord.test_time_and_order import _new_mirrors

AMENDED = BODY.replace("version: 1", "version: 2")


def two_roots(threshold=2):
    return founding(roots=2, threshold=threshold)


def roots(*parties):
    return tuple(signer(party, "root", number) for party in parties for number in (0, 1))


def both_accede(play):
    for party in ("dev-a", "dev-b"):
        play.say(party, "accession", Accession(play.evidence.accord, ()), T0, signers=roots(party))
    for party in ("dev-a", "dev-b"):
        play.measure(party, 1, T0)
    return play


def amended(play, text, at):
    """The amendment of these bytes, by both root keys of everybody who is needed."""
    play.log.append(("terms", text))
    terms = play.evidence.add_terms(text)
    link = TermsLink(terms.version, terms.digest, play.evidence.accord, "agreed")
    return play.say("dev-a", "terms", link, at, signers=roots("dev-a", "auth-1", "auth-2"))


def test_a_lowered_threshold_does_not_reach_back():
    """A withdrawal that one of two keys signed stays without effect when an amendment lets one key suffice."""
    play = both_accede(Play(two_roots()))
    play.withdraw("dev-a", T0 + 200)
    amended(play, founding(AMENDED, roots=2, threshold=1), T0 + 300)
    later = T0 + 300 + 60 + 6 * 3600
    assert play.at(later).terms_version == 2
    assert play.rules() == ["F13"]
    assert next(b for b in play.at(later + 400 * DAY).bindings if b.party == "dev-a").bound
    play.withdraw("dev-a", later + 10)
    assert next(b for b in play.at(later + 400 * DAY).bindings if b.party == "dev-a").leaves_at is not None


def test_a_raised_threshold_takes_nothing_back():
    """What one key said while one sufficed still counts when an amendment asks for two."""
    play = Play(two_roots(threshold=1)).begin()
    amended(play, founding(AMENDED, roots=2, threshold=2), T0 + 300)
    later = T0 + 300 + 60 + 6 * 3600
    now = play.at(later)
    assert (now.terms_version, now.phase) == (2, "in_force")
    assert {"dev-a", "dev-b"} <= set(now.bound)
    play.withdraw("dev-b", later + 10)
    assert play.rules() == ["F13"]


def test_signatures_handed_in_later_displace_nothing():
    """Of two keys statements of one sequence the one whose signatures sufficed first counts, not the one that was first made."""
    play = both_accede(Play(two_roots()))

    def keys(number):
        hand = signer("aud-1", "statement", number)
        enrolment = Enrolment("statement", hand.public_key, prove_possession("aud-1", "statement", hand))
        return KeyRotation(1, None, (enrolment,), ())

    nonce = "a" * 32
    half = play.say("aud-1", "keys", keys(5), T0 + 100, signers=(signer("aud-1", "root"),), nonce=nonce)
    play.say("aud-1", "keys", keys(6), T0 + 200, signers=roots("aud-1"))
    before = play.state.book.spelled()
    whole = play.say("aud-1", "keys", keys(5), T0 + 300, signers=roots("aud-1"), nonce=nonce)
    assert whole == half
    assert said_at(play.state.items[half]) == [T0 + 100, T0 + 300]
    assert play.state.book.spelled() == before
    assert play.rules() == ["F06"]


def test_an_accession_that_sufficed_later_is_not_ended_by_an_earlier_withdrawal():
    """Root statements take effect in the order in which their signatures sufficed."""
    play = both_accede(Play(two_roots()))
    nonce = "b" * 32
    body = Accession(play.evidence.accord, ())
    play.say("aud-1", "accession", body, T0 + 100, signers=(signer("aud-1", "root"),), nonce=nonce)

    play.say("aud-1", "withdrawal", Withdrawal("no"), T0 + 200, signers=roots("aud-1"))
    play.say("aud-1", "accession", body, T0 + 300, signers=roots("aud-1"), nonce=nonce)
    assert "aud-1" in play.at(T0 + 500 * DAY).bound


def test_one_root_key_of_two_parties_is_one_voice_in_an_amendment():
    """auth-2 hands its root over to auth-1's key: the keys statement has no effect, and the amendment lacks an authority."""
    play = Play().begin()
    shared = signer("auth-1", "root")
    proof = prove_possession("auth-2", "root", shared)
    play.say("auth-2", "keys", KeyRotation(1, None, (Enrolment("root", shared.public_key, proof),), ()), T0 + 100)
    play.amend(founding(AMENDED), T0 + 200, by=("dev-a", "auth-1"))
    assert sorted(play.rules()) == ["F18", "F19"]
    assert len(play.state.chain) == 1


def test_keys_without_a_proof_of_possession_enrol_nothing():
    """F21: a permit key that its holder never showed to hold issues nothing, though root keys name it."""
    play = Play().begin()
    hand = signer("aud-1", "permit", 9)
    play.say("aud-1", "keys", KeyRotation(1, None, (Enrolment("permit", hand.public_key, b"0" * 64),), ()), T0 + 100)
    assert play.rules() == ["F21"]
    assert not play.state.key_in_force(hand.public_key, "aud-1", "permit", T0 + 200)


def test_a_new_party_brings_no_key_of_another():
    """An amendment whose new party's card repeats a key that was enrolled by a keys statement is no amendment (F19)."""
    play = Play().begin()
    hand = signer("dev-c", "statement")
    enrolment = Enrolment("statement", hand.public_key, prove_possession("dev-a", "statement", hand))
    play.say("dev-a", "keys", KeyRotation(1, None, (enrolment,), ()), T0 + 100)

    parties = PARTIES + "  dev-c:  {country: FR, roles: [developer]}\n"
    play.amend((AMENDED + parties + keys_text((*NAMES, "dev-c"))).encode(), T0 + 200)
    assert play.rules() == ["F19"]


def test_heads_without_cosignatures_close_no_epoch():
    """F16: a head named with fewer cosignatures than the quorum would take every time below it away."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100)
    size = play.sizes["dev-a"]
    heads = "  closes:\n" + "".join(
        f"    - {{origin: {origin(p)}, size: {size if p == 'dev-a' else 0}, root: '{'0' * 64}', cosigned: []}}\n"
        for p in ("dev-a", "dev-b", "aud-1", "aud-2", "auth-1", "auth-2", "cloud", "buyer")
    )
    play.amend(_new_mirrors(heads), T0 + 1_000)
    assert play.rules() == ["F16"]
    assert play.at(T0 + 2_000).phase == "in_force"


@pytest.mark.parametrize("drawn", range(8))
def test_two_keys_statements_of_one_second_count_in_their_own_order(drawn: int):
    """A statement never folds before the one it names: a revocation is not lost because its id happens to sort first."""
    play = Play().begin()
    play.nonce += 100 * drawn
    first = play.rotate("dev-a", T0 + 200, enrol=(("guard", 5),))
    play.rotate("dev-a", T0 + 200, sequence=2, previous=first, revoke=(signer("dev-a", "guard", 5).public_key,))
    assert "F06" not in play.rules()
