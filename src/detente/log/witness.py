r"""The C2SP witness: one step from the latest cosigned head to the next, and the statuses it may answer.

Decides whether a submitted head may be cosigned. Leaves out storage: the step returns the next state, and the
caller makes it durable, in one atomic compare-and-swap, *before* it sends the reply that goes with it.

- The request has its form, at most 63 proof lines: M01, M02. The origin is known: M03, status 404.
- The log's own signature verifies: M04, status 403. Old size ≤ size: M05, status 400.
- Old size is the latest cosigned: M06, status 409 with that size.
- The new head continues the old one; a proof from size zero is empty: M07, status 422.

Source: c2sp.org/tlog-witness@v1.0.0, at revision 5ba5ee83, without sign-subtree. Section 1 of ``spec/mirror.md``.

>>> parse_add_checkpoint(b"old 0\n\nnote\n").old
0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from detente.base.errors import Refused, shown
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint
from detente.log.cosignature import sign_cosignature
from detente.log.head import parse_checkpoint
from detente.log.merkle import EMPTY_ROOT, verify_consistency
from detente.log.note import (
    NOTE_MAX,
    NoteKey,
    SignedNote,
    add_signatures,
    encode_note,
    encode_signature_line,
    parse_note,
    verify_note,
)
from detente.log.spelling import read_decimal, read_hash, show_base64
from detente.statement.signing import Signer

PROOF_LINES_MAX = 63
REQUEST_MAX = NOTE_MAX + PROOF_LINES_MAX * 45 + 32
"""Bytes of an add-checkpoint request: a note, its proof and the first line."""
TEXT = "text/plain; charset=utf-8"
SIZE_TYPE = "text/x.tlog.size"


class Status(IntEnum):
    """Every outcome of a witness or mirror step, as the HTTP status that C2SP gives it. A closed list."""

    OK = 200
    ACCEPTED = 202
    MALFORMED = 400
    FORBIDDEN = 403
    UNKNOWN_LOG = 404
    CONFLICT = 409
    INCONSISTENT = 422
    TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A submitted head as read; ``note`` is bytes of which nothing is believed yet."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    @property
    def origin(self) -> str:
        """The first line of the note, to look the log up by; undecodable bytes match no log."""
        return self.note.partition(b"\n")[0].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class WitnessState:
    """What a witness must never forget of one log: the latest head it cosigned (``size`` 0: none yet).

    ``note`` is that head with the log's signature and the witness's own, to be served to monitors.
    """

    origin: str
    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. ``refused`` says why not; ``checkpoint`` is the log's signed head, if its signature verified.

    A signed head beside ``INCONSISTENT`` may prove equivocation: keep it (``equivocation``).
    """

    status: Status
    body: bytes = b""
    content_type: str = TEXT
    refused: Refused | None = None
    checkpoint: SignedCheckpoint | None = None


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read an add-checkpoint request; raises ``Refused`` M01 (form) or M02 (too long), both status 400."""
    if len(data) > REQUEST_MAX:
        raise Refused("M02", "oversized", got=f"{len(data)} bytes", expected=f"at most {REQUEST_MAX}")
    head, blank, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise _malformed(head) from None
    old = read_decimal(first.removeprefix("old ")) if first.startswith("old ") else None
    if not blank or not note or old is None:
        raise _malformed(head)
    if len(lines) > PROOF_LINES_MAX:
        raise Refused("M02", "oversized", got=f"{len(lines)} proof lines", expected=f"at most {PROOF_LINES_MAX}")
    hashes = [read_hash(line) for line in lines]
    proof = tuple(hash_ for hash_ in hashes if hash_ is not None)
    if len(proof) != len(lines):
        raise _malformed(head)
    return AddCheckpoint(old, proof, note)


def encode_add_checkpoint(request: AddCheckpoint) -> bytes:
    """The body that ``parse_add_checkpoint`` reads; raises its refusals for a request that it would refuse."""
    lines = [f"old {request.old}", *map(show_base64, request.proof), "", ""]
    data = "\n".join(lines).encode() + request.note
    if parse_add_checkpoint(data) != request:
        raise _malformed(data)
    return data


def parse_size_reply(body: bytes) -> int:
    """The size that a 409 answer of a witness carries; raises ``Refused`` M08."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    size = read_decimal(text.removesuffix("\n")) if text.endswith("\n") else None
    if size is None:
        raise Refused("M08", "malformed", got=shown(body, 40), expected="a size in decimal and a newline")
    return size


def witness_step(
    state: WitnessState | None,
    request: AddCheckpoint,
    *,
    log_keys: Sequence[NoteKey],
    name: str,
    signer: Signer,
    time_s: int,
) -> tuple[WitnessState | None, Reply]:
    """Answer one request; ``state`` is None for an origin that is not known.

    1. Check the head against the state: see ``check_add_checkpoint``.
    2. Cosign it and move on. The caller persists the state, then sends the reply: never the other way round.

    A refusal returns the state unchanged.
    """
    if state is None:
        return None, refuse(Status.UNKNOWN_LOG, _unknown(request.origin))
    checked = check_add_checkpoint(request, origin=state.origin, size=state.size, root=state.root, log_keys=log_keys)
    if isinstance(checked, Reply):  # 1
        return state, checked
    signature = sign_cosignature(checked.body, time_s=time_s, name=name, signer=signer)  # 2
    after = WitnessState(state.origin, checked.size, checked.root, add_signatures(checked.note, (signature,)))
    return after, Reply(Status.OK, encode_signature_line(signature), checkpoint=checked)


def check_add_checkpoint(
    request: AddCheckpoint, *, origin: str, size: int, root: bytes, log_keys: Sequence[NoteKey]
) -> SignedCheckpoint | Reply:
    """The signed head if it may follow (size, root), else the reply that refuses it.

    1. The note names this origin, and there is a key for it: 404, M03.
    2. It is a note and a checkpoint: 400 (L10 to L12, L20); an empty tree has the empty root: 422 (L21).
    3. A known key of the log signed it, and none that failed: 403, M04. Other signatures are dropped.
    4. Old size ≤ new size: 400, M05.
    5. Old size is the one we hold: 409 and our size, M06.
    6. From zero the proof is empty; else it proves consistency, and equal sizes mean equal roots: 422, M07.
    """
    if request.origin != origin or not log_keys:  # 1
        return refuse(Status.UNKNOWN_LOG, _unknown(request.origin))
    try:
        parsed = parse_note(request.note)  # 2
        parse_checkpoint(parsed.text)
        own = verify_note(parsed, log_keys)  # 3
        # A stranger's 63 signature lines would leave no room for a cosignature, so only the log's are kept.
        bare = encode_note(SignedNote(parsed.text, tuple(one.signature for one in own)))
        head = verify_checkpoint(bare, own[0].key)
    except Refused as refused:
        if refused.rule in {"L15", "L16", "L17", "L22"}:
            why = Refused(
                "M04", "bad-signature", got=f"{refused.rule}: {refused.got}", expected="a head signed by the log"
            )
            return refuse(Status.FORBIDDEN, why)
        return refuse(Status.INCONSISTENT if refused.rule == "L21" else Status.MALFORMED, refused)
    if request.old > head.size:  # 4
        why = Refused("M05", "malformed", got=f"old {request.old}, size {head.size}", expected="old ≤ size")
        return refuse(Status.MALFORMED, why, head)
    if request.old != size:  # 5
        why = Refused("M06", "stale", got=f"old {request.old}", expected=f"old {size}", todo="prove from that size")
        return Reply(Status.CONFLICT, b"%d\n" % size, SIZE_TYPE, why, head)
    try:
        if request.old:  # 6
            verify_consistency(request.old, head.size, root, head.root, request.proof)
        elif request.proof:
            return refuse(Status.INCONSISTENT, _inconsistent("a proof from size 0"), head)
    except Refused as refused:
        return refuse(Status.INCONSISTENT, _inconsistent(f"{refused.rule}: {refused.got}"), head)
    return head


def refuse(status: Status, refused: Refused, checkpoint: SignedCheckpoint | None = None) -> Reply:
    """A refusal with its reason as one line of text."""
    return Reply(status, f"{refused}\n".encode(), TEXT, refused, checkpoint)


def _unknown(origin: str) -> Refused:
    return Refused("M03", "not-found", got=f"origin {shown(origin)}", expected="a log of the accord")


def _inconsistent(got: str) -> Refused:
    return Refused("M07", "inconsistent", got=got, expected="a head that continues the one we hold")


def _malformed(head: bytes) -> Refused:
    return Refused("M01", "malformed", got=shown(head, 40), expected="old <size>, base64 hashes, a blank line, a note")
