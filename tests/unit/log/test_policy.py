"""Policies: the specification's two-level example, and every way to write a wrong one."""

from itertools import chain, combinations

import pytest

from detente.base.errors import Refused
from detente.log.cosignature import cosigner_key
from detente.log.note import ML_DSA, NoteKey, encode_vkey
from detente.log.policy import encode_policy, parse_policy, quorum_met, verify_policy
from tests.unit.log.logbook import LOG_KEY, MIRROR_KEYS, Logbook, book, seeded

KEYS = {name: cosigner_key(f"{name}.example", seeded(30 + at).public_key) for at, name in enumerate("UVWXYZ")}
LOG_LINE = f"log {encode_vkey(LOG_KEY)}\n"


def _witnesses(names):
    return "".join(f"witness {name} {encode_vkey(KEYS[name])}\n" for name in names)


EXAMPLE = (
    LOG_LINE
    + "\n# the documented example\n"
    + _witnesses("UVW")
    + "group X-witnesses 2 U V W\n"
    + _witnesses("XYZ")
    + "\tgroup Y-witnesses  any X Y Z \ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
).encode()


def test_two_of_one_side_and_one_of_the_other():
    """tlog-policy, Example policy: all 64 sets of witnesses."""
    policy = parse_policy(EXAMPLE)
    for names in chain.from_iterable(combinations("UVWXYZ", count) for count in range(7)):
        expected = len(set(names) & set("UVW")) >= 2 and bool(set(names) & set("XYZ"))
        assert quorum_met(policy, {KEYS[name].key for name in names}) == expected


def test_a_policy_reads_back():
    """Comments and spaces go, the meaning stays; names are octets."""
    for data in (EXAMPLE, b"quorum none\n", EXAMPLE.replace(b"X-witnesses", "grüße".encode())):
        assert parse_policy(encode_policy(parse_policy(data))) == parse_policy(data)


def test_keys_of_types_we_cannot_verify_are_carried():
    """An ML-DSA witness may be listed; nothing makes it count here."""
    key = NoteKey("pq.example", ML_DSA, bytes(1312))
    policy = parse_policy(EXAMPLE.replace(b"quorum", b"witness pq " + encode_vkey(key).encode() + b"\nquorum"))
    assert policy.witnesses[-1].key == key


def test_a_head_is_held_against_the_policy():
    """A listed log and a quorum of listed witnesses; one cosignature fewer refuses."""
    log = book(5)
    lines = "".join(f"witness {name} {encode_vkey(key)}\n" for name, key in MIRROR_KEYS.items())
    policy = parse_policy(f"{LOG_LINE}{lines}group all-three 3 {' '.join(MIRROR_KEYS)}\nquorum all-three\n".encode())
    assert verify_policy(log.cosigned(), policy).size == 5
    with pytest.raises(Refused) as refused:
        verify_policy(log.cosigned(mirrors=("mirror-a", "mirror-b")), policy)
    assert refused.value.rule == "L66"
    with pytest.raises(Refused) as refused:
        verify_policy(Logbook([b"x"], origin="b.example").note(), policy)
    assert refused.value.rule == "L22"


def test_a_log_with_two_keys_is_accepted_under_either():
    """While a log changes its key, both are listed; a wrong signature under one of them refuses."""
    new = NoteKey(LOG_KEY.name, 1, seeded(8).public_key)
    policy = parse_policy(f"{LOG_LINE}log {encode_vkey(new)}\nquorum none\n".encode())
    assert verify_policy(book(5).note(), policy).log_key == LOG_KEY
    assert verify_policy(Logbook(book(5).entries, signer=seeded(8)).note(), policy).log_key == new


TWICE = f"witness again {encode_vkey(cosigner_key('another.example', KEYS['U'].key))}\n"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("L60", "quorum none"),
        ("L60", "quorum none\r\n"),
        ("L60", "mirror x\nquorum none\n"),
        ("L60", f"witness U\n{_witnesses('U')}quorum U\n"),
        ("L60", f"witness U {encode_vkey(LOG_KEY)}\nquorum U\n"),
        ("L60", f"log {encode_vkey(KEYS['U'])}\nquorum none\n"),
        ("L60", "log a b c\nquorum none\n"),
        ("L60", f"{_witnesses('U')}group g any\nquorum U\n"),
        ("L13", "log nothing\nquorum none\n"),
        ("L61", f"{LOG_LINE}{LOG_LINE}quorum none\n"),
        ("L61", f"{_witnesses('U')}{TWICE}quorum U\n"),
        ("L62", f"{_witnesses('UU')}quorum U\n".replace(encode_vkey(KEYS["U"]), encode_vkey(KEYS["V"]), 1)),
        ("L62", "group g any U\nquorum g\n"),
        ("L62", f"{_witnesses('U')}group g any U U\nquorum g\n"),
        ("L62", f"{_witnesses('U')}group g any U\ngroup h any U\nquorum h\n"),
        ("L62", f"{_witnesses('U')}group g any U none\nquorum g\n"),
        ("L62", f"{_witnesses('U')}group none any U\nquorum none\n"),
        ("L62", "quorum U\n"),
        ("L63", f"{_witnesses('UV')}group g 3 U V\nquorum g\n"),
        ("L63", f"{_witnesses('UV')}group g 0 U V\nquorum g\n"),
        ("L63", f"{_witnesses('UV')}group g most U V\nquorum g\n"),
        ("L64", LOG_LINE),
        ("L64", "quorum none\nquorum none\n"),
        ("L65", "# " + "x" * 65_536 + "\nquorum none\n"),
        ("L65", "".join(f"log {encode_vkey(NoteKey(f'l{at}', 1, at.to_bytes(32, 'big')))}\n" for at in range(257))),
    ],
)
def test_a_wrong_policy_is_refused(rule, text):
    """Each rule of the format has its number; the example still reads."""
    with pytest.raises(Refused) as refused:
        parse_policy(text.encode())
    assert refused.value.rule == rule
    assert parse_policy(EXAMPLE).quorum == "X-and-Y"
