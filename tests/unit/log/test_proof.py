"""Proofs as text: one entry, one place, one head."""

import pytest

from detente.base.errors import Refused
from detente.log.proof import InclusionProof, encode_proof, parse_proof, verify_logged, verify_proof
from tests.unit.log.logbook import LOG_KEY, PARTIES, book

LOGS = book(11)


def _proof(index, *, note=None, extra=None):
    hashes = tuple(LOGS.tree.inclusion_proof(index, 11))
    return InclusionProof(index, hashes, LOGS.cosigned() if note is None else note, extra)


def _verify(proof, entry, *, quorum=3):
    return verify_proof(proof, entry, log_key=LOG_KEY, mirrors=PARTIES, operator=None, quorum=quorum)


def test_every_entry_is_proven():
    """The text reads back and verifies, with and without extra data."""
    for index, entry in enumerate(LOGS.entries):
        for extra in (None, b"", b"context"):
            proof = _proof(index, extra=extra)
            assert parse_proof(encode_proof(proof)) == proof
            included = _verify(proof, entry)
            assert (included.entry, included.index, included.witnessed.signed) == (entry, index, included.checkpoint)


def test_the_log_s_word_alone_is_marked_so():
    """Enough to acknowledge: no witnessed head comes with it."""
    included = verify_logged(_proof(3, note=LOGS.note()), LOGS.entries[3], log_key=LOG_KEY)
    assert (included.index, included.witnessed) == (3, None)
    with pytest.raises(Refused) as refused:
        _verify(_proof(3, note=LOGS.note()), LOGS.entries[3])
    assert refused.value.rule == "L24"


def test_another_entry_or_place_is_refused():
    """The hash binds the entry, the path its place."""
    for proof, entry in (
        (_proof(3), LOGS.entries[4]),
        (InclusionProof(2, _proof(3).hashes, _proof(3).checkpoint), LOGS.entries[3]),
    ):
        with pytest.raises(Refused) as refused:
            _verify(proof, entry)
        assert refused.value.rule == "L04"
    with pytest.raises(Refused) as refused:
        _verify(InclusionProof(3, _proof(3).hashes[:-1], _proof(3).checkpoint), LOGS.entries[3])
    assert refused.value.rule == "L03"


GOOD = encode_proof(_proof(3))


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("L50", b""),
        ("L50", GOOD.replace(b"@v1", b"@v2")),
        ("L50", GOOD.replace(b"index 3", b"index 03")),
        ("L50", GOOD.replace(b"index 3", b"extra !\nindex 3")),
        ("L50", GOOD.replace(b"index 3\n", b"index 3\nAAAA\n")),
        ("L50", GOOD.replace(b"index 3\n", b"index 3\n\xff\n")),
        ("L50", GOOD[: GOOD.index(b"\n\n") + 2]),
        ("L51", GOOD.replace(b"index 3\n", b"index 3\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 63)),
        ("L51", GOOD + b"x" * 70_000),
        ("L51", GOOD + b"x" * 300_000),
    ],
)
def test_what_is_no_proof_is_refused(rule, data):
    """Form and bounds."""
    with pytest.raises(Refused) as refused:
        parse_proof(data)
    assert refused.value.rule == rule
    assert _verify(parse_proof(GOOD), LOGS.entries[3])


def test_extra_data_is_bounded():
    """It is not authenticated, so it must not cost much either."""
    with pytest.raises(Refused) as refused:
        encode_proof(_proof(3, extra=bytes(65_537)))
    assert refused.value.rule == "L51"
