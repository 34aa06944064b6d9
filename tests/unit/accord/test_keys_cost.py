"""A statement of root keys costs what it changes: only what rests on those keys is judged anew, and the state is the same."""

import pytest

from detente.accord.admission import Admission
from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.accord.status import status
from detente.base.digest import sha256_hex
from detente.statement.keys import Enrolment, KeyRotation
from tests.accord_play import T0, Play, proven, signer

LATER = T0 + 100_000


@pytest.fixture
def judged(monkeypatch) -> list:
    """The statements that were judged, in their order."""
    seen = []
    note = Admission.note

    def noted(self, item, *more):
        seen.append(item.id)
        return note(self, item, *more)

    monkeypatch.setattr(Admission, "note", noted)
    return seen


def busy() -> Play:
    """Many statements of several parties, folded."""
    play = Play().begin()
    for number in range(60):
        play.measure(("dev-a", "dev-b")[number % 2], 1, T0 + 100 + number)
    play.vote("aud-1", "pause", T0 + 300)
    status(fold(play.evidence), LATER)
    return play


def anew(play: Play) -> Evidence:
    """The same evidence, folded once at the end."""
    evidence = Evidence(play.terms)
    for what, *rest in play.log:
        {"entry": evidence.add_entry, "cosign": evidence.add_cosignature, "hear": evidence.receive}[what](*rest)
    return evidence


def same(play: Play) -> bool:
    kept, fresh = fold(play.evidence), fold(anew(play))
    return kept.digest == fresh.digest and all(
        status(kept, at).as_json() == status(fresh, at).as_json() for at in (T0 + 200, T0 + 700, LATER)
    )


def rotation(sequence=1, previous=None, *, enrol=(), revoke=()) -> KeyRotation:
    enrolments = tuple(Enrolment(use, each.key, each.proof) for use, each in enrol)
    return KeyRotation(sequence, previous, enrolments, tuple(revoke))


def test_keys_that_enrol_a_new_key_judge_nobody_elses_statements(judged: list):
    """A party's root keys cannot cost every node a whole fold as often as they like."""
    play = busy()
    judged.clear()
    first = play.say("aud-2", "keys", rotation(enrol=[("statement", proven("aud-2", "statement", 7))]), T0 + 500)
    fold(play.evidence)
    assert judged == [first]
    assert same(play)


def test_keys_without_effect_cost_no_more(judged: list):
    """One that follows nothing is noted, and that is all."""
    play = busy()
    judged.clear()
    for number in range(5):
        play.say("aud-2", "keys", rotation(9, sha256_hex(b"nothing")), T0 + 500 + number)
        fold(play.evidence)
    assert len(judged) == 5
    assert same(play)


def test_a_revocation_judges_what_that_key_signed(judged: list):
    """Its statements are judged anew, those of others are not; one witnessed after it has no effect."""
    play = busy()
    late = play.measure("dev-a", 9, T0 + 600)
    fold(play.evidence)
    judged.clear()
    play.say("dev-a", "keys", rotation(revoke=[signer("dev-a", "statement").public_key]), T0 + 550, log="cloud")
    state = fold(play.evidence)
    parties = {play.evidence.records[one].statement.header.party for one in judged}
    assert parties == {"dev-a"}
    assert state.noted[late].rule == "F04"
    assert same(play)


def test_a_root_key_that_goes_takes_what_it_said_along(judged: list):
    """An accession rests on root keys at the time at which it was said; what is kept of who was bound is not used again."""
    play = busy()
    root = signer("dev-b", "root").public_key
    new = rotation(enrol=[("root", proven("dev-b", "root", 5))], revoke=[root])
    play.say("dev-b", "keys", new, T0 - 50, log="buyer")
    fold(play.evidence)
    assert same(play)
    assert "dev-b" not in status(fold(play.evidence), LATER).bound


def test_a_late_copy_of_keys_moves_them_and_what_rests_on_them():
    """The same keys witnessed earlier than was known: what they enrolled counts from then on."""
    play = busy()
    key = signer("aud-2", "statement", 7)
    data = play.sign("aud-2", "keys", rotation(enrol=[("statement", proven("aud-2", "statement", 7))]))
    play.place(data, T0 + 800)
    early = play.say("aud-2", "vote", play_vote(), T0 + 650, signers=(key,))
    assert fold(play.evidence).noted[early].rule == "F04"
    play.place(data, T0 + 640, log="buyer")
    assert early not in fold(play.evidence).noted
    assert same(play)


def play_vote():
    from detente.statement.vote import Vote

    return Vote("pause", "call", 0, "all", T0 + 900_000)
