"""Batches of envelopes verified with the help of other processes: the same answers, whatever becomes of the helpers."""

import contextlib
import os
import signal
import time

import pytest

from detente.app.batch_checking import WORKERS_FROM, BatchChecking, check_one
from detente.base.errors import Refused
from detente.base.identity import show_key
from detente.statement.envelope import Envelope, EnvelopeSignature, encode_envelope, sign_payload
from detente.statement.keys import KeyRing, prove_possession
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload
from detente.statement.vote import Vote

OURS, THEIRS, STRANGER = (SoftwareSigner(bytes([number]) * 32) for number in (1, 2, 3))
VOTE = Vote("pause", "self-depth", 0, "all", 1_800_086_400)


@pytest.fixture(scope="module")
def ring():
    made = KeyRing()
    for party, signer in (("authority-a", OURS), ("authority-b", THEIRS)):
        made.enrol(party, "statement", signer.public_key, prove_possession(party, "statement", signer))
    return made


@pytest.fixture(scope="module")
def batch():
    """Envelopes of every sort in turn: good ones of both parties, and each way to be refused or to need more than one trial."""
    return [_envelope(number) for number in range(WORKERS_FROM)]


def _payload(number, party):
    return make_payload("vote", Header("a" * 64, 1, party, f"{number:032x}", 1_800_000_000), (), VOTE)


def _envelope(number):
    payload = _payload(number, ("authority-a", "authority-b")[number % 2])
    good = sign_payload(payload, (OURS, THEIRS)[number % 2])
    (signature,) = good.signatures
    match number % 9:
        case 0:  # a signature that does not verify
            signatures = (EnvelopeSignature(signature.keyid, bytes(64)),)
        case 1:  # one without a hint: tried under every key of the party
            signatures = (EnvelopeSignature(None, signature.sig),)
        case 2:  # the hint names the other party's key: refused, or found under a second key
            signatures = (EnvelopeSignature(show_key((OURS, THEIRS)[number % 2 - 1].public_key), signature.sig),)
        case 3:  # by nobody known, and then by the party
            signatures = (*sign_payload(payload, STRANGER).signatures, signature)
        case 4:  # signed by a stranger alone
            signatures = sign_payload(payload, STRANGER).signatures
        case 5:  # of a length that no Ed25519 signature has
            signatures = (EnvelopeSignature(signature.keyid, signature.sig[:40]),)
        case 6:
            return encode_envelope(good)[:-9]
        case _:
            return encode_envelope(good)
    return encode_envelope(Envelope(good.payload_type, payload, signatures))


def _said(found):
    return str(found) if isinstance(found, Refused) else (found.statement, found.signers, found.envelope_bytes)


@pytest.fixture
def checking(ring):
    """A checking whose workers are ready; skipped on a machine with one core."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores: with one, no workers are started")
    made = BatchChecking(ring)
    made._start()
    try:
        assert made._workers
        while not all(worker.can_take() for worker in made._workers):
            time.sleep(0.01)
        yield made
    finally:
        made.close()


def _all_given_away(made):
    """Let this process do nothing of a batch itself, so that every answer is a worker's."""
    turn = made._turn

    def patient(waiting, *, wait=False):
        turn(waiting, wait=wait)
        while waiting and made._workers:
            turn(waiting, wait=True)

    made._turn = patient


def test_workers_say_what_this_process_would(checking, ring, batch):
    """Whoever checks a signature: every statement and every refusal is the one that ``verify_envelope`` gives."""
    expected = [_said(check_one(entry, ring)) for entry in batch]
    _all_given_away(checking)
    assert [_said(found) for found in checking.check(batch)] == expected
    assert checking._workers, "the workers answered"


def test_a_batch_is_shared_with_whoever_is_free(checking, ring, batch):
    """Without patience, this process takes its share; the answers are the same and in order."""
    assert [_said(found) for found in checking.check(batch)] == [_said(check_one(entry, ring)) for entry in batch]


def test_a_killed_worker_is_not_missed(checking, ring, batch):
    """What it held is verified here, now and later."""
    _all_given_away(checking)
    expected = [_said(check_one(entry, ring)) for entry in batch]
    for worker in checking._workers:
        worker._process.kill()
        worker._process.wait()
    assert [_said(found) for found in checking.check(batch)] == expected
    assert not checking._workers
    assert [_said(found) for found in checking.check(batch)] == expected


def test_a_worker_ends_with_the_process_it_works_for(checking):
    """Its socket closes when that process is gone, killed or not: no worker outlives its node."""
    for worker in checking._workers:
        worker._socket.close()
        assert worker._process.wait(30) == 0


def test_an_interrupt_is_not_for_a_worker(checking, ring, batch):
    """The terminal sends it to the whole group; the node ends its workers when it has finished."""
    for worker in checking._workers:
        worker._process.send_signal(signal.SIGINT)
    _all_given_away(checking)
    checking.check(batch)
    assert all(worker._process.poll() is None for worker in checking._workers)


def test_small_batches_start_nothing(ring, batch):
    """A worker costs more to start than it saves on a few."""
    made = BatchChecking(ring)
    with contextlib.closing(made):
        made.check(batch[: WORKERS_FROM - 1])
        assert not made._workers
