"""The mirror's and the witness's half of a node: take heads in, take entries in, cosign.

Decides the order of effects around the pure steps of ``log.mirror`` and ``log.witness``: store the entries durably,
persist the state, and only then sign and answer (contracts §2). Leaves out the steps' own rules (M numbers) and how
bytes arrive (``server``).

- Every cosignature that is made is kept and served.
- A closed log is not cosigned any more: N20. A node whose party is no mirror answers N23.
- Entries that came another way (``following``) are cosigned by the same rule: all below is stored, with its root.

The witness is another cosigner with a key of its own; it keeps only heads, and never speaks for the mirror.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from detente.adapters.clock import WallClock
from detente.adapters.store import Store, Transaction
from detente.adapters.store_writer import StoreWriter
from detente.app.logbook import HeldLog, Line, LogBook, SeenHead, check_open, write_head
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.strict_json import encode_json, parse_json
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint
from detente.log.cosignature import sign_cosignature
from detente.log.mirror import (
    AddEntries,
    Cosign,
    DailyCap,
    DayUse,
    EntryPackage,
    MirrorState,
    StoreEntries,
    mirror_add_checkpoint,
    mirror_add_entries,
    parse_add_entries_header,
    read_packages,
)
from detente.log.note import encode_signature_line
from detente.log.witness import (
    REQUEST_MAX,
    Reply,
    Status,
    WitnessState,
    parse_add_checkpoint,
    refuse,
    witness_step,
)
from detente.statement.signing import Signer

STATE_MAX = 16 * REQUEST_MAX
"""Bytes of a stored state: at most nine notes in base64."""


class Mirror:
    """The mirror of one party, over all logs of the book. Also used, without a key, to refuse by name."""

    def __init__(
        self,
        *,
        party: Party,
        name: str,
        signer: Signer | None,
        store: Store,
        writer: StoreWriter,
        book: LogBook,
        clock: WallClock,
    ) -> None:
        self.party = party
        self._name = name
        self._signer = signer
        self._store = store
        self._writer = writer
        self._book = book
        self._clock = clock
        self._states: dict[str, MirrorState] = {}

    @property
    def acts(self) -> bool:
        """Is this party a mirror with a key here?"""
        return self._signer is not None and self.party in self._book.coalition.mirrors

    def mirrors(self, log: HeldLog) -> bool:
        """Does this mirror cosign that log? Its own only where the terms say that a party witnesses itself."""
        return self.acts and (log.operator != self.party or self._book.coalition.terms.mirrors.self_witnessed)

    # C2SP

    async def add_checkpoint(self, body: bytes) -> Reply:
        """C2SP add-checkpoint: take a head in as pending; nothing is signed here."""
        try:
            request = parse_add_checkpoint(body)
        except Refused as refused:
            return refuse(Status.MALFORMED, refused)
        log = self._book.logs.get(request.origin)
        if log is None or not self.mirrors(log):
            return (
                mirror_add_checkpoint(None, request)[1]
                if log is None
                else refuse(Status.UNKNOWN_LOG, self._no_mirror())
            )
        async with log.lock:
            try:
                check_open(log)
            except Refused as refused:
                return refuse(Status.INCONSISTENT, refused)
            before = self._state(log)
            state, reply = mirror_add_checkpoint(before, request)
            if reply.checkpoint is not None:
                # Kept even when it is refused: a signed head that fits nothing may be half of a proof.
                head = self._book.head_of(log, reply.checkpoint)
                known = head.body in log.seen

                def persist(transaction: Transaction) -> None:
                    if not known:
                        write_head(transaction, log.number, head, ())
                    if state is not None and state != before:
                        transaction.put_mirror(log.number, encode_state(state))

                if not known or state != before:
                    await self._writer.write(persist)
                if not known:
                    self._book.count(log, head)
            if state is not None:
                self._states[log.origin] = state
        return reply

    async def add_entries(self, body: bytes) -> Reply:
        """C2SP add-entries: store what hashes up to a known head, then cosign it."""
        try:
            header, offset = parse_add_entries_header(body)
            log = self._book.logs.get(header.origin)
            if log is None:
                return refuse(
                    Status.UNKNOWN_LOG, Refused("N21", "not-found", got="that log", expected="one of the accord")
                )
            if not self.mirrors(log):
                return refuse(Status.UNKNOWN_LOG, self._no_mirror())
            packages = read_packages(header, body, offset)
        except Refused as refused:
            return refuse(Status.MALFORMED, refused)
        new = [entry for package in packages for entry in package.entries[max(0, log.size - package.start) :]]
        checked = await self._book.feed.check_all(new) if new else []
        # The check may have been of entries that somebody else stores meanwhile; it is looked up by the bytes.
        by_entry = dict(zip(new, checked, strict=True))
        async with log.lock:
            try:
                check_open(log)
            except Refused as refused:
                return refuse(Status.INCONSISTENT, refused)
            outcome = mirror_add_entries(
                self._state(log),
                header,
                packages,
                nodes=log.tree,
                cap=self._cap(log, header),
                at=self._clock.now(),
            )
            state = outcome.state
            entries = [
                entry for action in outcome.actions if isinstance(action, StoreEntries) for entry in action.entries
            ]
            if state is not None and (entries or state != self._state(log)):
                encoded = encode_state(state)
                await self._book.extend(
                    log,
                    log.size,
                    entries,
                    beside=lambda transaction: transaction.put_mirror(log.number, encoded),
                    checked=[by_entry.get(entry) for entry in entries],
                )
                self._states[log.origin] = state
            for action in outcome.actions:
                if isinstance(action, Cosign):
                    line = await self._cosign(log, action.checkpoint)
                    return replace(outcome.reply, body=line)
        return outcome.reply

    async def cosign_stored(self, log: HeldLog) -> bool:
        """Cosign the stored head of a log, however its entries came; true if that was new. ``log.lock`` is free."""
        if not self.mirrors(log):
            return False
        async with log.lock:
            head = log.stored
            if head is None or log.closed or self.party in head.parties:
                return False
            state = self._state(log)
            if head.size < state.mirror_size:
                return False
            pending = tuple(one for one in state.pending if one.size > head.size)
            state = replace(state, mirror=head.signed, pending=pending, next_entry=log.size)
            encoded = encode_state(state)
            await self._writer.write(lambda transaction: transaction.put_mirror(log.number, encoded))
            self._states[log.origin] = state
            await self._cosign(log, head.signed)
        return True

    # State

    def _state(self, log: HeldLog) -> MirrorState:
        state = self._states.get(log.origin)
        if state is None:
            stored = self._store.mirror(log.number)
            fresh = MirrorState(log.origin, log.about.key)
            state = fresh if stored is None else decode_state(stored, log)
        # Entries may have come another way than by this mirror's own endpoint.
        return state if state.next_entry == log.size else replace(state, next_entry=log.size)

    def _cap(self, log: HeldLog, header: AddEntries) -> DailyCap | None:
        """The day's cap, unless others have witnessed that head already: then it was within theirs."""
        witnessed = log.witnessed
        return None if witnessed is not None and witnessed.size >= header.end else self._book.coalition.cap

    async def _cosign(self, log: HeldLog, checkpoint: SignedCheckpoint) -> bytes:
        """Sign with the clock of this moment, keep the line durably, count it; returns the line."""
        assert self._signer is not None, "mirrors() was asked first"
        time_s = self._clock.now()
        signature = sign_cosignature(checkpoint.body, time_s=time_s, name=self._name, signer=self._signer)
        line = encode_signature_line(signature)
        head = self._book.head_of(log, checkpoint)
        lines: list[Line] = [(line, self.party, Instant(time_s))]
        await self._writer.write(lambda transaction: write_head(transaction, log.number, head, lines))
        self._book.count(log, head, lines)
        return line

    def _no_mirror(self) -> Refused:
        return Refused(
            "N23",
            "unknown-role",
            got=f"{self.party}, which does not mirror that log",
            expected="a party that the terms name as mirror, and not the log's own operator",
        )


class Witness:
    """A plain C2SP witness under its own key: evidence against equivocation, no quorum (contracts §2)."""

    def __init__(
        self, *, name: str, signer: Signer | None, store: Store, writer: StoreWriter, book: LogBook, clock: WallClock
    ) -> None:
        self._name = name
        self._signer = signer
        self._store = store
        self._writer = writer
        self._book = book
        self._clock = clock

    async def add_checkpoint(self, body: bytes) -> Reply:
        """C2SP add-checkpoint of a witness: check, persist, then answer with the cosignature."""
        try:
            request = parse_add_checkpoint(body)
        except Refused as refused:
            return refuse(Status.MALFORMED, refused)
        log = self._book.logs.get(request.origin)
        if log is None or self._signer is None:
            return refuse(
                Status.UNKNOWN_LOG,
                Refused("N21", "not-found", got="that log, or a witness here", expected="a log of the accord"),
            )
        async with log.lock:
            stored = self._store.witness(request.origin)
            before = WitnessState(request.origin, *stored) if stored else WitnessState(request.origin)
            after, reply = witness_step(
                before,
                request,
                log_keys=(log.about.key,),
                name=self._name,
                signer=self._signer,
                time_s=self._clock.now(),
            )
            if reply.status is Status.OK and after is not None:
                await self._writer.write(
                    lambda t: t.put_witness(after.origin, after.size, after.root, after.note, was=before.size)
                )
        return reply

    def checkpoint(self, log: HeldLog) -> bytes:
        """The head last cosigned for a log, for monitors; raises ``Refused`` N24."""
        stored = self._store.witness(log.origin)
        if stored is None:
            raise Refused("N24", "not-found", got=f"no head of {log.origin}", expected="one that was cosigned here")
        return stored[2]


def encode_state(state: MirrorState) -> bytes:
    """A mirror's state of one log, without what the log itself tells (its key, and how many entries are stored)."""
    return encode_json(
        {
            "mirror": None if state.mirror is None else base64.b64encode(state.mirror.note).decode(),
            "pending": [base64.b64encode(head.note).decode() for head in state.pending],
            "use": [state.use.day, state.use.entries, state.use.bytes],
        }
    )


def decode_state(data: bytes, log: HeldLog) -> MirrorState:
    """Read ``encode_state``; every head is verified again. Raises ``Refused`` C24 for a state that nobody wrote."""
    try:
        value: dict[str, Any] = parse_json(data, limit=STATE_MAX)
        heads = list(_heads(value, log))
        mirror = heads.pop(0) if value["mirror"] is not None else None
        use = DayUse(*(int(number) for number in value["use"]))
    except (Refused, KeyError, TypeError, ValueError) as error:
        raise Refused(
            "C24",
            "corrupt",
            got=f"the mirror's state of {log.origin}: {error}",
            expected="what this node stored",
            todo="run `detente log fsck`",
        ) from None
    return MirrorState(log.origin, log.about.key, mirror, tuple(heads), log.size, use)


def _heads(value: dict[str, Any], log: HeldLog) -> Iterator[SignedCheckpoint]:
    notes = [value["mirror"], *value["pending"]] if value["mirror"] is not None else value["pending"]
    for note in notes:
        yield verify_checkpoint(base64.b64decode(note, validate=True), log.about.key)


__all__ = ["EntryPackage", "Mirror", "SeenHead", "Witness", "decode_state", "encode_state"]
