"""The checkpoint receipt: what a job says about a checkpoint that it has made durable, and how that is checked.

Decides whether the bytes of a checkpoint are the ones that the receipt names, and whether an answer belongs to the
question that was asked. Leaves out how the bytes are hashed and read (an adapter), what is inside a checkpoint
(the job's own matter), and whether the job told the truth about anything but its bytes: a receipt is *declared*.

Rules (``spec/receipt.md``): W01 to W12. Pause requests and rate caps, the other two files of the control directory,
are parsed here too.

>>> from detente.base.digest import sha256_hex
>>> receipt = Receipt(run="r", step=3, checkpoint="a", size=2, sha256=sha256_hex(b"ab"), exact=True, pid=7)
>>> parse_receipt(encode_receipt(receipt)) == receipt
True
>>> verify_checkpoint(receipt, size=1, sha256=sha256_hex(b"a"))
Traceback (most recent call last):
...
detente.base.errors.Refused: W08 corrupt: got 1 bytes; expected 2 bytes, as the receipt says; use an older checkpoint
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused, shown
from detente.base.instant import Instant, parse_instant, show_instant
from detente.base.quantity import parse_decimal, show_decimal
from detente.base.strict_json import encode_json, parse_json

RECEIPT_FORMAT = "detente/checkpoint-receipt/1"
RECEIPT_MAX = 16_384
"""Bytes. The longest honest receipt is about 1,000: names and a reason are bounded below."""
REQUEST_MAX = 4_096
RATE_MAX = 1_024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}\Z", re.ASCII)
_REQUEST = re.compile(r"[A-Za-z0-9._-]{1,128}\Z", re.ASCII)
_WHY_MAX = 500
_DIRECTORY_MAX = 4_096

_REQUIRED = frozenset({"format", "run", "step", "checkpoint", "bytes", "sha256", "exact", "pid"})
_OPTIONAL = frozenset({"why_not_exact", "request", "directory", "weights_sha256", "flop", "made_at", "ranks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One checkpoint, as its job declares it.

    ``size`` in bytes; ``flop`` the job's own count since step 0; ``exact`` says that resuming gives bit-equal
    weights on the same hardware; ``ranks`` how many processes took part. ``request`` and ``directory`` stand in
    an answer to a pause request only.
    """

    run: str
    step: int
    checkpoint: str
    size: int
    sha256: Digest
    exact: bool
    pid: int
    why_not_exact: str = ""
    request: str = ""
    directory: str = ""
    weights_sha256: Digest | None = None
    flop: int | None = None
    made_at: Instant | None = None
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.exact == bool(self.why_not_exact):
            raise Refused(
                "W05",
                "inconsistent",
                got=f"exact: {self.exact}, why_not_exact: {shown(self.why_not_exact)}",
                expected="a reason where a resume is not exact, and none where it is",
            )


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint whose bytes were hashed and are those of its receipt. Only ``verify_checkpoint`` makes one."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """What a supervisor asks: save, answer with ``request``, then exit 75 or hold in memory."""

    request: str
    then: Literal["exit", "hold"] = "exit"


def parse_run(text: object) -> str:
    """Check the spelling of a run's name; raises ``Refused`` W03."""
    return _matching({"run": text}, "run", _RUN, "1 to 128 of letters, digits and ._:@/-")


def encode_receipt(receipt: Receipt) -> bytes:
    """The bytes of ``receipt.json``; members that say nothing are left out.

    Raises ``Refused`` for what ``parse_receipt`` would refuse: a receipt that nobody can read loses a checkpoint.
    """
    value: dict[str, Any] = {
        "format": RECEIPT_FORMAT,
        "run": receipt.run,
        "step": receipt.step,
        "checkpoint": receipt.checkpoint,
        "bytes": receipt.size,
        "sha256": receipt.sha256,
        "exact": receipt.exact,
        "pid": receipt.pid,
        "ranks": receipt.ranks,
    }
    if receipt.why_not_exact:
        value["why_not_exact"] = receipt.why_not_exact
    if receipt.request:
        value["request"] = receipt.request
    if receipt.directory:
        value["directory"] = receipt.directory
    if receipt.weights_sha256 is not None:
        value["weights_sha256"] = receipt.weights_sha256
    if receipt.flop is not None:
        value["flop"] = show_decimal(Decimal(receipt.flop))
    if receipt.made_at is not None:
        value["made_at"] = show_instant(receipt.made_at)
    data = encode_json(value) + b"\n"
    parse_receipt(data)
    return data


def parse_receipt(data: bytes) -> Receipt:
    """The receipt that ``data`` spells; raises ``Refused``.

    1. Strict JSON of at most 16 KiB (B10 to B14), an object with the format's tag: W01.
    2. Every required member, no unknown one: W02.
    3. Each member of its type and within its bound: W03.
    4. ``checkpoint`` is a plain file name, never a path: W04.
    5. ``exact`` and ``why_not_exact`` agree: W05.
    """
    value = _object(parse_json(data, limit=RECEIPT_MAX), RECEIPT_FORMAT)  # 1
    _check_members(value, required=_REQUIRED, optional=_OPTIONAL)  # 2
    made_at = value.get("made_at")
    weights = value.get("weights_sha256")
    flop = value.get("flop")
    exact = value["exact"]
    if not isinstance(exact, bool):  # 3
        raise _wrong("exact", exact, "true or false")
    return Receipt(
        run=parse_run(value["run"]),
        step=_whole(value, "step", least=0),
        checkpoint=_file_name(value["checkpoint"]),  # 4
        size=_whole(value, "bytes", least=0),
        sha256=parse_digest(value["sha256"]),
        exact=exact,
        pid=_whole(value, "pid", least=1),
        why_not_exact=_line(value, "why_not_exact", _WHY_MAX),  # 5, in the constructor
        request=_matching(value, "request", _REQUEST, "1 to 128 of letters, digits and ._-")
        if "request" in value
        else "",
        directory=_line(value, "directory", _DIRECTORY_MAX),
        weights_sha256=None if weights is None else parse_digest(weights),
        flop=None if flop is None else _whole_decimal(flop),
        made_at=None if made_at is None else parse_instant(made_at),
        ranks=_whole(value, "ranks", least=1) if "ranks" in value else 1,
    )


def verify_checkpoint(receipt: Receipt, *, size: int, sha256: Digest) -> VerifiedCheckpoint:
    """Compare what was measured of the file with what the receipt says; raises ``Refused``.

    1. The size: W08 (a truncated save).
    2. The SHA-256 of all its bytes: W09.
    """
    if size != receipt.size:  # 1
        raise Refused(
            "W08",
            "corrupt",
            got=f"{size} bytes",
            expected=f"{receipt.size} bytes, as the receipt says",
            todo="use an older checkpoint",
        )
    if sha256 != receipt.sha256:  # 2
        raise Refused(
            "W09",
            "corrupt",
            got=f"SHA-256 {sha256}",
            expected=f"{receipt.sha256}, as the receipt says",
            todo="use an older checkpoint",
        )
    return VerifiedCheckpoint(receipt)


def verify_answer(receipt: Receipt, *, run: str, request: str, least_step: int = 0) -> Receipt:
    """Is this receipt the answer to ``request`` by ``run``? Raises ``Refused``.

    1. It speaks of this run: W06.
    2. It answers this request, not an earlier one: W07.
    3. It is not behind ``least_step``, the newest step that is already trusted: W11.
    """
    if receipt.run != run:  # 1
        raise Refused("W06", "out-of-scope", got=f"a receipt of run {shown(receipt.run)}", expected=f"run {shown(run)}")
    if receipt.request != request:  # 2
        raise Refused(
            "W07",
            "replayed",
            got=f"an answer to request {shown(receipt.request)}",
            expected=f"an answer to {shown(request)}",
            todo="wait for the job to answer, and stop it at the deadline",
        )
    if receipt.step < least_step:  # 3
        raise Refused(
            "W11",
            "rollback",
            got=f"a checkpoint of step {receipt.step}",
            expected=f"step {least_step} or later, which this run has already shown",
        )
    return receipt


def encode_request(request: PauseRequest) -> bytes:
    """The bytes of the file ``pause``; raises ``Refused`` W10 for a name that no job could answer."""
    data = encode_json({"request": request.request, "then": request.then}) + b"\n"
    parse_request(data)
    return data


def parse_request(data: bytes) -> PauseRequest:
    """The request that ``data`` spells; raises ``Refused`` W10. A job that cannot read one pauses all the same."""
    value = parse_json(data, limit=REQUEST_MAX)
    expected = 'an object with "request" (1 to 128 of letters, digits and ._-) and perhaps "then": "exit" or "hold"'
    if not isinstance(value, dict) or not value.keys() <= {"request", "then"}:
        raise Refused("W10", "malformed", got=shown(value), expected=expected)
    request, then = value.get("request"), value.get("then", "exit")
    if not isinstance(request, str) or not _REQUEST.match(request) or then not in ("exit", "hold"):
        raise Refused("W10", "malformed", got=shown(value), expected=expected)
    return PauseRequest(request, then)


def encode_rate(fraction: Decimal) -> bytes:
    """The bytes of ``rate.json``: the share of its time that a job may compute, from 0 to 1."""
    if not fraction.is_finite() or not 0 <= fraction <= 1:
        raise Refused("W12", "malformed", got=str(fraction), expected="a fraction from 0 to 1")
    return encode_json({"fraction": show_decimal(fraction)}) + b"\n"


def parse_rate(data: bytes) -> Decimal:
    """The fraction that ``rate.json`` caps a job to; raises ``Refused`` W12. A job that cannot read it holds."""
    value = parse_json(data, limit=RATE_MAX)
    if not isinstance(value, dict) or value.keys() != {"fraction"}:
        raise Refused("W12", "malformed", got=shown(value), expected='an object with "fraction" alone')
    fraction = parse_decimal(value["fraction"])
    if not 0 <= fraction <= 1:
        raise Refused("W12", "malformed", got=str(fraction), expected="a fraction from 0 to 1")
    return fraction


def _object(value: object, tag: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.get("format") != tag:
        raise Refused("W01", "malformed", got=shown(value), expected=f'an object whose "format" is "{tag}"')
    return value


def _check_members(value: Mapping[str, Any], *, required: frozenset[str], optional: frozenset[str]) -> None:
    if missing := sorted(required - value.keys()):
        raise Refused("W02", "unknown-field", got=f"no member {shown(missing[0])}", expected="every required member")
    if unknown := sorted(value.keys() - required - optional):
        raise Refused(
            "W02", "unknown-field", got=f"a member {shown(unknown[0])}", expected="members of the format only"
        )


def _wrong(name: str, got: object, expected: str) -> Refused:
    return Refused("W03", "wrong-type", got=f"{name}: {shown(got)}", expected=expected)


def _whole(value: Mapping[str, Any], name: str, *, least: int) -> int:
    number = value[name]
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise _wrong(name, number, f"a whole number, at least {least}")
    return number


def _whole_decimal(text: object) -> int:
    number = parse_decimal(text)
    if number < 0 or number != number.to_integral_value():
        raise _wrong("flop", text, "a whole number in a string, at least 0")
    return int(number)


def _matching(value: Mapping[str, Any], name: str, pattern: re.Pattern[str], expected: str) -> str:
    text = value[name]
    if not isinstance(text, str) or not pattern.match(text):
        raise _wrong(name, text, expected)
    return text


def _line(value: Mapping[str, Any], name: str, limit: int) -> str:
    text = value.get(name, "")
    if not isinstance(text, str) or len(text) > limit or any(ord(char) < 32 for char in text):
        raise _wrong(name, text, f"one line of at most {limit} characters")
    return text


def _file_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.match(name):
        raise Refused(
            "W04",
            "out-of-scope",
            got=f"checkpoint: {shown(name)}",
            expected="a plain file name of 1 to 128 letters, digits and ._-, beside the receipt",
        )
    return name
