"""Entries whose signer nobody knows yet: tried again when it matters, bounded in memory and in time."""

import pytest

from detente.accord import evidence as evidence_module
from detente.accord import unclear as unclear_module
from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.base.errors import Misuse
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.vote import Vote
from tests.accord_play import DAY, T0, Play, feed, signer

VOTE = Vote("pause", "call", 0, "all", T0 + 900 * DAY)


def play_with_junk(number=40, party="aud-2"):
    """Junk that is said to be of ``party``, a vote of aud-1 by a key that a later keys statement enrols, and that."""
    play = Play().begin()
    strange = signer("stranger")
    for _ in range(number):
        play.say(party, "vote", VOTE, T0 + 100, signers=(strange,))
    fresh = signer("aud-1", "statement", 1)
    play.say("aud-1", "vote", VOTE, T0 + 200, signers=(fresh,))
    enrolment = Enrolment("statement", fresh.public_key, prove_possession("aud-1", "statement", fresh))
    play.say("aud-1", "keys", KeyRotation(1, None, (enrolment,), ()), T0 + 150, log="dev-b")
    play.vote("auth-1", "pause", T0 + 210)
    return play


def calls_to_verify(monkeypatch):
    seen = []
    real = evidence_module.verify_envelope

    def counted(data, keys):
        seen.append(data)
        return real(data, keys)

    monkeypatch.setattr(evidence_module, "verify_envelope", counted)
    return seen


def test_a_key_of_one_party_tries_no_strangers_junk_again(monkeypatch):
    """A fresh key concerns what its own party is said to say, and nothing else: junk costs one trial, not one a key."""
    seen = calls_to_verify(monkeypatch)
    play = play_with_junk()
    entries = sum(step[0] == "entry" for step in play.log)
    assert len(seen) == entries + 1
    assert play.paused(T0 + 300) == ("call",)


def test_junk_takes_bounded_memory(monkeypatch):
    """Beyond the bound the bytes of what nobody can read are not kept, though their places are."""
    monkeypatch.setattr(unclear_module, "KEPT_MAX", 4_000)
    play = play_with_junk()
    assert len(play.evidence._unclear) == 40
    assert play.evidence._unclear.kept <= 4_000


def test_what_was_not_kept_is_read_again_and_says_the_same(monkeypatch):
    """With hardly any memory the same evidence folds to the same state, once its entries were given again."""
    want = play_with_junk(party="aud-1").state.digest
    monkeypatch.setattr(unclear_module, "KEPT_MAX", 0)
    play = play_with_junk(party="aud-1")
    entries = {step[1]: step[2] for step in play.log if step[0] == "entry"}
    for order in (play.log, play.log[::-1]):
        evidence = Evidence(play.terms)
        for step in order:
            feed(evidence, step)
        while evidence.again:
            for place in evidence.again:
                evidence.read_again(place, entries[place])
        assert fold(evidence).digest == want


def test_a_fold_waits_for_what_must_be_read_again(monkeypatch):
    """Ignoring evidence never permits: there is no state while an entry that a new key may make clear was not read."""
    monkeypatch.setattr(unclear_module, "KEPT_MAX", 0)
    play = play_with_junk(party="aud-1")
    with pytest.raises(Misuse):
        play.at(T0 + 300)
    place = play.evidence.again[0]
    play.evidence.read_again(place, b"something else")
    assert place in play.evidence.again


def test_a_signer_who_became_known_while_an_entry_was_being_checked_counts():
    """An entry that was verified against an older ring is looked at again: order changes nothing."""
    play = Play().begin()
    fresh = signer("auth-1", "root", 1)
    enrolment = Enrolment("root", fresh.public_key, prove_possession("auth-1", "root", fresh))
    data = play.sign("auth-1", "vote", VOTE, signers=(signer("auth-1"), fresh))
    from tests.accord_play import verify_envelope

    verified = verify_envelope(data, play.evidence.keys)
    link = play.sign("auth-1", "keys", KeyRotation(1, None, (enrolment,), ()))
    one, other = Evidence(play.terms), Evidence(play.terms)
    one.add_entry(Place("dev-a.example/log", 0), link)
    one.add_verified(Place("dev-a.example/log", 1), verified)
    other.add_verified(Place("dev-a.example/log", 1), verified)
    other.add_entry(Place("dev-a.example/log", 0), link)
    assert fold(one).digest == fold(other).digest
