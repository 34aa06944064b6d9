"""Heads: who signed, who witnessed, and that only a verifier makes the types that say so."""

import pytest

from detente.base.errors import Misuse, Refused
from detente.log.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    WitnessedCheckpoint,
    encode_checkpoint,
    parse_checkpoint,
    verify_checkpoint,
    verify_witnessed,
)
from detente.log.cosignature import collect_cosignatures, cosigner_key, sign_cosignature, verify_cosignature
from detente.log.merkle import EMPTY_ROOT
from detente.log.note import ED25519, NoteKey, NoteSignature, add_signatures
from detente.log.spelling import show_base64
from tests.unit.log.logbook import LOG, LOG_KEY, MIRROR_KEYS, MIRRORS, NOW, ORIGIN, PARTIES, Logbook, book, seeded

LOGS = book(9)
ROOT64 = show_base64(LOGS.tree.root())


def _witnessed(note, *, quorum=3, operator=None, mirrors=PARTIES):
    return verify_witnessed(note, LOG_KEY, mirrors=mirrors, operator=operator, quorum=quorum)


def test_a_signed_head_keeps_its_note():
    """The verified value names origin, size and root, and keeps the bytes it was read from."""
    head = LOGS.head(7)
    assert (head.origin, head.size, head.root) == (ORIGIN, 7, LOGS.tree.root(7))
    assert head.note == LOGS.note(7)
    assert head.body + b"\n" == head.note[: len(head.body) + 1]


def test_three_mirrors_of_three_parties_witness():
    """The cosignatures that count come back with their times."""
    witnessed = _witnessed(LOGS.cosigned(time_s=NOW))
    assert witnessed.parties == {"party-a", "party-b", "party-c"}
    assert {one.time_s for one in witnessed.cosignatures} == {NOW}


def test_the_operator_s_own_mirror_does_not_count():
    """The same three cosignatures are one too few when the operator is among them."""
    note = LOGS.cosigned()
    with pytest.raises(Refused) as refused:
        _witnessed(note, operator="party-a")
    assert refused.value.rule == "L24"
    assert _witnessed(note, operator="party-a", quorum=2).parties == {"party-b", "party-c"}


def test_two_keys_of_one_party_count_once():
    """A party that rotates its mirror key does not become two parties."""
    both = dict.fromkeys(MIRROR_KEYS.values(), "party-a")
    with pytest.raises(Refused) as refused:
        _witnessed(LOGS.cosigned(), mirrors=both, quorum=2)
    assert refused.value.rule == "L24"


def test_one_key_under_two_names_is_refused():
    """The trap measured in two well-known libraries: one key listed twice met a threshold of two."""
    key = MIRROR_KEYS["mirror-a"].key
    twice = {cosigner_key("mirror-a", key): "party-a", cosigner_key("mirror-x", key): "party-x"}
    with pytest.raises(Refused) as refused:
        _witnessed(LOGS.cosigned(), mirrors=twice, quorum=2)
    assert refused.value.rule == "L25"


def test_the_log_s_key_is_no_mirror():
    """A log cannot witness itself under its own key."""
    with pytest.raises(Refused) as refused:
        _witnessed(LOGS.cosigned(), mirrors={cosigner_key("mirror-z", LOG.public_key): "party-z"}, quorum=1)
    assert refused.value.rule == "L25"


@pytest.mark.parametrize(
    ("mirrors", "quorum"), [({NoteKey("mirror-a", ED25519, seeded(10).public_key): "party-a"}, 1), (PARTIES, 0)]
)
def test_a_table_or_quorum_that_means_nothing_is_refused(mirrors, quorum):
    """Mirrors have cosigner keys; a quorum is at least one."""
    with pytest.raises(Refused) as refused:
        _witnessed(LOGS.cosigned(), mirrors=mirrors, quorum=quorum)
    assert refused.value.rule == "L26"


def test_a_bad_cosignature_refuses_the_note():
    """A line that names a known mirror and does not verify spoils the note, however many others are good."""
    key = MIRROR_KEYS["mirror-d"]
    bad = NoteSignature(key.name, key.key_id, NOW.to_bytes(8, "big") + bytes(64))
    with pytest.raises(Refused) as refused:
        _witnessed(add_signatures(LOGS.cosigned(), [bad]))
    assert refused.value.rule == "L15"


def test_a_cosignature_of_another_head_does_not_verify():
    """The line of size 8 says nothing about size 9."""
    line = sign_cosignature(LOGS.head(8).body, time_s=NOW, name="mirror-a", signer=MIRRORS["mirror-a"])
    key = MIRROR_KEYS["mirror-a"]
    assert verify_cosignature(LOGS.head(8).body, line, key).size == 8
    with pytest.raises(Refused) as refused:
        verify_cosignature(LOGS.head(9).body, line, key)
    assert refused.value.rule == "L15"
    with pytest.raises(Refused) as refused:
        verify_cosignature(LOGS.head(8).body, line, LOG_KEY)
    assert refused.value.rule == "L30"


def test_all_cosignatures_of_a_mirror_are_kept():
    """Witnessed time takes the earliest, so two times of one mirror are two facts."""
    note = add_signatures(
        LOGS.cosigned(mirrors=["mirror-a"], time_s=NOW + 5),
        [sign_cosignature(LOGS.head().body, time_s=NOW, name="mirror-a", signer=MIRRORS["mirror-a"])],
    )
    assert sorted(one.time_s for one in collect_cosignatures(note, MIRROR_KEYS.values())) == [NOW, NOW + 5]
    with pytest.raises(Refused):
        _witnessed(note, quorum=2)


def test_another_log_s_head_is_refused():
    """By its origin, and by its key under the same origin."""
    with pytest.raises(Refused) as refused:
        verify_checkpoint(Logbook([b"x"], origin="dev-b.example/log").note(), LOG_KEY)
    assert refused.value.rule == "L22"
    with pytest.raises(Refused) as refused:
        verify_checkpoint(Logbook([b"x"], signer=seeded(9)).note(), LOG_KEY)
    assert refused.value.rule == "L16"


def test_nobody_else_makes_a_verified_head():
    """The types are the proof that somebody checked."""
    with pytest.raises(Misuse):
        SignedCheckpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), b"", LOG_KEY, object())
    with pytest.raises(Misuse):
        WitnessedCheckpoint(LOGS.head(), (), frozenset(), object())


def test_extension_lines_are_carried():
    """They are covered by every signature and mean nothing."""
    checkpoint = Checkpoint(ORIGIN, 1, LOGS.tree.root(1), ("something", "more"))
    assert parse_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("L20", f"{ORIGIN}\n9\n"),
        ("L20", f"\n9\n{ROOT64}\n"),
        ("L20", f"{ORIGIN}\n09\n{ROOT64}\n"),
        ("L20", f"{ORIGIN}\n-9\n{ROOT64}\n"),
        ("L20", f"{ORIGIN}\n９\n{ROOT64}\n"),
        ("L20", f"{ORIGIN}\n9223372036854775808\n{ROOT64}\n"),
        ("L20", f"{ORIGIN}\n9\n{ROOT64[:-4]}\n"),
        ("L20", f"{ORIGIN}\n9\n{ROOT64}\n\n"),
        ("L20", f"{ORIGIN}\n9\n{ROOT64}"),
        ("L21", f"{ORIGIN}\n0\n{ROOT64}\n"),
    ],
)
def test_what_is_no_checkpoint_is_refused(rule, text):
    """Each way to break the three lines; the good text still reads."""
    with pytest.raises(Refused) as refused:
        parse_checkpoint(text.encode())
    assert refused.value.rule == rule
    assert parse_checkpoint(f"{ORIGIN}\n9\n{ROOT64}\n".encode()).size == 9


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("", 1, bytes(32)),
        Checkpoint(ORIGIN, 1, bytes(31)),
        Checkpoint(ORIGIN, 2**63, bytes(32)),
        Checkpoint(ORIGIN, 1, bytes(32), ("",)),
        Checkpoint("\ud800", 1, bytes(32)),
    ],
)
def test_a_head_that_cannot_be_read_back_is_not_written(checkpoint):
    """An encoder never makes what the reader refuses."""
    with pytest.raises(Refused) as refused:
        encode_checkpoint(checkpoint)
    assert refused.value.rule == "L20"
