"""Notes: form, bounds, which keys count."""

import pytest

from detente.base.errors import Refused
from detente.log.cosignature import cosigner_key, sign_cosignature
from detente.log.note import (
    ECDSA,
    ED25519,
    ML_DSA,
    NoteKey,
    NoteSignature,
    SignedNote,
    add_signatures,
    encode_note,
    encode_signature_line,
    encode_vkey,
    parse_note,
    parse_signature_lines,
    parse_vkey,
    sign_note,
    verify_note,
)
from detente.log.spelling import show_base64
from tests.unit.log.logbook import MIRROR_KEYS, MIRRORS, NOW, book, seeded

TEXT = b"hello\n\nworld\n"
KEY = NoteKey("a.example", ED25519, seeded(1).public_key)
LINE = sign_note(TEXT, name="a.example", signer=seeded(1))
NOTE = SignedNote(TEXT, (LINE,))


def test_what_is_encoded_reads_back():
    """Text with blank lines, several signatures, and keys of types we do not know."""
    stranger = NoteSignature("b.example", b"\0\1\2\3", b"post-quantum" * 200)
    note = SignedNote(TEXT, (LINE, stranger))
    assert parse_note(encode_note(note)) == note
    key = NoteKey("pq.example", ML_DSA, bytes(1312))
    assert parse_vkey(encode_vkey(key)) == key


def test_sixteen_signatures_are_accepted_and_sixty_five_refused():
    """C2SP asks for 16; 64 is our bound; a post-quantum line is 3.3 kB."""
    lines = [NoteSignature(f"k{at}.example", b"id%02d" % at, bytes(2428)) for at in range(15)]
    data = encode_note(SignedNote(TEXT, (*lines, LINE)))
    assert len(verify_note(parse_note(data), [KEY])) == 1
    many = [NoteSignature(f"k{at}.example", b"id%02d" % at, bytes(64)) for at in range(65)]
    with pytest.raises(Refused) as refused:
        encode_note(SignedNote(TEXT, tuple(many)))
    assert refused.value.rule == "L11"


def test_signatures_by_others_are_ignored():
    """A line that shares the name or the id with a known key, but not both, is somebody else's."""
    same_name = NoteSignature("a.example", b"\0\0\0\0", bytes(64))
    same_id = NoteSignature("b.example", KEY.key_id, bytes(64))
    verified = verify_note(SignedNote(TEXT, (same_name, same_id, LINE)), [KEY])
    assert [one.signature for one in verified] == [LINE]


def test_a_failing_signature_by_a_known_key_refuses_the_note():
    """Even beside a good one: signed-note §Signatures."""
    bad = NoteSignature(LINE.name, LINE.key_id, bytes(64))
    with pytest.raises(Refused) as refused:
        verify_note(SignedNote(TEXT, (LINE, bad)), [KEY])
    assert refused.value.rule == "L15"


def test_keys_of_other_types_are_left_aside():
    """An ML-DSA or ECDSA key is carried; its signature is not counted."""
    for kind in (ML_DSA, ECDSA):
        other = NoteKey("pq.example", kind, bytes(1312))
        line = NoteSignature("pq.example", other.key_id, bytes(100))
        assert len(verify_note(SignedNote(TEXT, (LINE, line)), [KEY, other])) == 1
        with pytest.raises(Refused) as refused:
            verify_note(SignedNote(TEXT, (line,)), [other])
        assert refused.value.rule == "L16"


def test_two_keys_of_one_name_and_id_are_refused():
    """An id is four bytes; a collision makes the note ambiguous, so it is not guessed."""
    one, other = (NoteKey("a.example", ED25519, number.to_bytes(32, "big")) for number in (38_170, 78_965))
    assert one.key_id == other.key_id == bytes.fromhex("82d8ce72")
    with pytest.raises(Refused) as refused:
        verify_note(NOTE, [one, other])
    assert refused.value.rule == "L17"
    assert verify_note(NOTE, [one, KEY])[0].key == KEY


def test_a_cosignature_states_its_time():
    """Type 04: the time is inside what is signed."""
    body = book(3).head().body
    line = sign_cosignature(body, time_s=NOW, name="mirror-a", signer=MIRRORS["mirror-a"])
    verified = verify_note(SignedNote(body, (line,)), [MIRROR_KEYS["mirror-a"]])
    assert verified[0].time_s == NOW
    later = NoteSignature(line.name, line.key_id, (NOW + 1).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(Refused) as refused:
        verify_note(SignedNote(body, (later,)), [MIRROR_KEYS["mirror-a"]])
    assert refused.value.rule == "L15"


@pytest.mark.parametrize("time_s", [0, 2**40, 2**63])
def test_a_cosignature_without_a_sane_time_is_refused(time_s):
    """A signature that is otherwise good cannot place a checkpoint at the beginning of time."""
    body, signer, key = book(3).head().body, MIRRORS["mirror-a"], MIRROR_KEYS["mirror-a"]
    blob = time_s.to_bytes(8, "big") + signer.sign(b"cosignature/v1\ntime %d\n" % time_s + body)
    with pytest.raises(Refused) as refused:
        verify_note(SignedNote(body, (NoteSignature(key.name, key.key_id, blob),)), [key])
    assert refused.value.rule == "L15"
    with pytest.raises(Refused) as refused:
        sign_cosignature(body, time_s=time_s, name="mirror-a", signer=signer)
    assert refused.value.rule == "L30"


def test_adding_a_line_twice_adds_it_once():
    """Merging what several mirrors answer is idempotent."""
    data = encode_note(NOTE)
    other = sign_note(TEXT, name="b.example", signer=seeded(2))
    once = add_signatures(data, [other])
    assert add_signatures(once, [other, LINE]) == once
    assert parse_signature_lines(encode_signature_line(LINE) + encode_signature_line(other)) == (LINE, other)


GOOD = encode_note(NOTE)


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("L10", b""),
        ("L10", b"text\n"),
        ("L10", b"text\n\n"),
        ("L10", GOOD[:-1]),
        ("L10", GOOD.replace(b"hello", b"hel\tlo")),
        ("L10", GOOD.replace(b"hello", b"hel\rlo")),
        ("L10", GOOD.replace(b"hello", b"hel\xfflo")),
        ("L11", b"x" * 65_536 + GOOD),
        ("L12", GOOD.replace("— ".encode(), b"- ")),
        ("L12", GOOD + "— a.example\n".encode()),
        ("L12", GOOD.replace(b"a.example ", b"a+example ")),
        ("L12", GOOD.replace(b"a.example ", "a\u00a0example ".encode())),
        ("L12", GOOD.replace(b"a.example ", b"a.example  ")),
        ("L12", GOOD.replace(b"=\n", b"\n")),
        ("L12", GOOD + "— b.example AAAA\n".encode()),
    ],
)
def test_what_is_no_note_is_refused(rule, data):
    """Each way to break the form has its number; the good note still reads afterwards."""
    with pytest.raises(Refused) as refused:
        parse_note(data)
    assert refused.value.rule == rule
    assert parse_note(GOOD) == NOTE


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("L13", "a.example+530d903a"),
        ("L13", "a.example+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
        ("L13", "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
        ("L13", f"a.example+530d903a+{show_base64(bytes([1]) + bytes(31))}"),
        ("L13", f"a.example+530d903a+{show_base64(bytes([0]) + bytes(32))}"),
        ("L13", "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
        ("L14", "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
    ],
)
def test_what_is_no_verifier_key_is_refused(rule, text):
    """Form, length and id are checked; the same key in its right spelling still reads."""
    with pytest.raises(Refused) as refused:
        parse_vkey(text)
    assert refused.value.rule == rule
    assert parse_vkey(encode_vkey(KEY)) == KEY


def test_a_cosigner_and_a_log_of_one_key_have_different_ids():
    """The type byte is in the id, so neither signature can be read as the other's."""
    assert cosigner_key("a.example", KEY.key).key_id != KEY.key_id
