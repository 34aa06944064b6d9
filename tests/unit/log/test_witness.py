"""The witness: every status of the protocol, and that a refusal moves nothing."""

import pytest

from detente.base.errors import Refused
from detente.log.checkpoint import verify_checkpoint
from detente.log.cosignature import collect_cosignatures, verify_cosignature
from detente.log.note import NoteSignature, add_signatures, parse_signature_lines
from detente.log.witness import (
    SIZE_TYPE,
    AddCheckpoint,
    Status,
    WitnessState,
    encode_add_checkpoint,
    parse_add_checkpoint,
    parse_size_reply,
    witness_step,
)
from tests.unit.log.logbook import LOG_KEY, MIRROR_KEYS, MIRRORS, NOW, ORIGIN, Logbook, book, seeded

LOGS, FORK = book(20), book(20, salt=b"other ")
NAME = "mirror-a"


def _step(state, request, keys=(LOG_KEY,)):
    return witness_step(state, request, log_keys=keys, name=NAME, signer=MIRRORS[NAME], time_s=NOW)


def _request(old, size, *, log=LOGS):
    proof = tuple(log.tree.consistency_proof(old, size)) if old else ()
    return AddCheckpoint(old, proof, log.note(size))


def _state(size):
    return _step(WitnessState(ORIGIN), _request(0, size))[0]


def test_a_first_head_is_cosigned():
    """From size zero no proof is needed; the reply is a cosignature that verifies."""
    state, reply = _step(WitnessState(ORIGIN), _request(0, 7))
    assert (reply.status, state.size, state.root) == (Status.OK, 7, LOGS.tree.root(7))
    (line,) = parse_signature_lines(reply.body)
    assert verify_cosignature(LOGS.head(7).body, line, MIRROR_KEYS[NAME]).time_s == NOW


def test_a_later_head_needs_the_proof_from_the_latest():
    """Every pair of sizes to 20, empty trees included."""
    for old in range(1, 21):
        for size in range(old, 21):
            state, reply = _step(_state(old), _request(old, size))
            assert (reply.status, state.size) == (Status.OK, size)
    state, reply = _step(WitnessState(ORIGIN), _request(0, 0))
    assert (reply.status, state.size) == (Status.OK, 0)


def test_the_kept_note_carries_both_signatures_and_no_stranger_s():
    """What monitors are served: the log's line and the witness's own, however many lines were submitted."""
    request = _request(0, 7)
    strangers = [NoteSignature(f"s{at}.example", b"%04d" % at, bytes(64)) for at in range(63)]
    state, reply = _step(WitnessState(ORIGIN), AddCheckpoint(0, (), add_signatures(request.note, strangers)))
    assert reply.status == Status.OK
    assert verify_checkpoint(state.note, LOG_KEY).size == 7
    assert len(collect_cosignatures(state.note, MIRROR_KEYS.values())) == 1
    assert len(parse_signature_lines(state.note.partition(b"\n\n")[2])) == 2


OTHER_KEY = Logbook([b"x"], signer=seeded(9))


def _altered(size):
    note = LOGS.note(size)
    return add_signatures(note, [NoteSignature(ORIGIN, LOG_KEY.key_id, bytes(64))])


@pytest.mark.parametrize(
    ("status", "rule", "request_"),
    [
        (404, "M03", AddCheckpoint(8, (), Logbook([b"x"], origin="b.example").note())),
        (403, "M04", AddCheckpoint(8, (), OTHER_KEY.note())),
        (403, "M04", AddCheckpoint(8, (), _altered(8))),
        (400, "L10", AddCheckpoint(8, (), ORIGIN.encode() + b"\n")),
        (400, "L20", AddCheckpoint(8, (), LOGS.note(8).replace(b"\n8\n", b"\n08\n"))),
        (422, "L21", AddCheckpoint(8, (), LOGS.note(8).replace(b"\n8\n", b"\n0\n"))),
        (400, "M05", AddCheckpoint(8, (), LOGS.note(7))),
        (409, "M06", _request(7, 9)),
        (409, "M06", _request(0, 9)),
        (422, "M07", _request(8, 9, log=FORK)),
        (422, "M07", _request(8, 8, log=FORK)),
        (422, "M07", AddCheckpoint(8, (bytes(32),), LOGS.note(8))),
        (422, "M07", AddCheckpoint(8, (), LOGS.note(9))),
    ],
)
def test_each_refusal_has_its_status_and_moves_nothing(status, rule, request_):
    """The protocol's table, from a witness that has cosigned size 8."""
    before = _state(8)
    state, reply = _step(before, request_)
    assert (reply.status, reply.refused.rule) == (status, rule)
    assert state is before


def test_a_proof_from_size_zero_must_be_empty():
    """The one exception to L06 is a first head without proof."""
    before = WitnessState(ORIGIN)
    state, reply = _step(before, AddCheckpoint(0, (bytes(32),), LOGS.note(3)))
    assert (reply.status, reply.refused.rule, state) == (Status.INCONSISTENT, "M07", before)


def test_a_conflict_tells_the_size_to_prove_from():
    """409 carries the size, in its own media type; the client can go on from there."""
    _, reply = _step(_state(8), _request(0, 9))
    assert (parse_size_reply(reply.body), reply.content_type) == (8, SIZE_TYPE)
    state, reply = _step(_state(8), _request(8, 9))
    assert (reply.status, state.size) == (Status.OK, 9)


def test_a_fork_leaves_its_evidence():
    """The signed head that contradicts ours comes back with the refusal."""
    _, reply = _step(_state(8), _request(8, 8, log=FORK))
    assert reply.checkpoint.root == FORK.tree.root(8)


def test_an_unknown_log_is_404():
    """No state, or no key, is no log."""
    assert _step(None, _request(0, 3))[1].status == Status.UNKNOWN_LOG
    state, reply = _step(WitnessState(ORIGIN), _request(0, 3), keys=())
    assert (reply.status, state.size) == (Status.UNKNOWN_LOG, 0)


def test_a_request_reads_back():
    """Encoding and parsing are inverse."""
    request = _request(5, 20)
    assert parse_add_checkpoint(encode_add_checkpoint(request)) == request


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("M01", b""),
        ("M01", b"old 5\n"),
        ("M01", b"old 05\n\nnote\n"),
        ("M01", b"new 5\n\nnote\n"),
        ("M01", b"old 5\nAAAA\n\nnote\n"),
        ("M01", b"old \xff\n\nnote\n"),
        ("M02", b"old 5\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\nnote\n"),
        ("M02", b"old 5\n\n" + b"x" * 70_000),
    ],
)
def test_what_is_no_request_is_refused(rule, data):
    """Form and bounds, before anything is looked up."""
    with pytest.raises(Refused) as refused:
        parse_add_checkpoint(data)
    assert refused.value.rule == rule


@pytest.mark.parametrize("body", [b"", b"8", b"08\n", b"\xff\n", b"8\n8\n"])
def test_what_is_no_size_is_refused(body):
    """A 409 without a size in plain decimal tells the client nothing."""
    with pytest.raises(Refused) as refused:
        parse_size_reply(body)
    assert refused.value.rule == "M08"
