"""Everything one node has heard: entries at places, cosignatures, statements in no log yet, texts of terms.

Decides nothing by itself: it only grows, and the order in which it grew is forgotten. ``fold`` reads it.
Normative text: ``spec/accord.md`` §1 and §2.

- Copies and further signatures of a statement merge under its id; every copy keeps its own place and signers.
- An entry that nobody can read is kept as a cited no-op (F01) and tried again when a key of its party, or one that it
  hints at, becomes known: so it does not matter whether an entry or the key that signed it came first.
- Statements without consequence (progress, observations…) are counted and not kept: only the furthest progress
  of each run is.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from detente.accord.credentials import checked
from detente.accord.keychain import EverEnrolled, proven_keys
from detente.accord.reason import Place
from detente.accord.records import GOVERNING, NEUTRAL, Item, Record, class_of, named, needs_named
from detente.accord.standing import FoldNote
from detente.accord.terms import ClosedLog, Terms, parse_terms
from detente.accord.unclear import UNCLEAR_RULES, Unclear
from detente.accord.witness import LogTimes, Witnesses
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.base.quantity import ZERO
from detente.statement.approval import Approval
from detente.statement.keys import EnrolledKeys, KeyRotation, verify_possession
from detente.statement.kinds import Use
from detente.statement.progress import Progress
from detente.statement.statement import VerifiedStatement, verify_envelope

__all__ = ["Epoch", "Evidence", "Place"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """Who witnesses from ``since`` on, and the heads at which the epoch before closed."""

    rule: Witnesses
    since: int
    closes: tuple[ClosedLog, ...]


@dataclass(slots=True)
class _Log:
    """What is held of one log: cosignatures, entries that matter, and how far it is held without a gap."""

    times: LogTimes = field(default_factory=LogTimes)
    entries: list[tuple[int, Digest]] = field(default_factory=list)
    size: int = 0
    beyond: set[int] = field(default_factory=set)

    def hold(self, index: int) -> None:
        if index == self.size:
            self.size += 1
            while self.beyond and self.size in self.beyond:
                self.beyond.remove(self.size)
                self.size += 1
        elif index > self.size:
            self.beyond.add(index)


class Evidence:
    """A set of evidence that only grows. The same set folds to the same state, however it arrived."""

    def __init__(self, founding: bytes | Terms) -> None:
        """``founding`` is the exact bytes of the founding terms, or what they say; their digest is the accord's id."""
        self.founding = founding if isinstance(founding, Terms) else parse_terms(founding)
        self.texts: dict[Digest, Terms] = {self.founding.digest: self.founding}
        self._ring = EverEnrolled()
        self._logs: dict[str, _Log] = {}
        self.records: dict[Digest, Record] = {}
        self.governing: dict[Digest, None] = {}
        """Statements of terms and of keys, in the order in which they came."""
        self.progress: dict[tuple[Digest, Party], Decimal] = {}
        self._poisoned: dict[tuple[Place, str], FoldNote] = {}
        self._poisoned_notes: tuple[FoldNote, ...] | None = ()
        self._unclear = Unclear()
        self._named_by: dict[Digest, set[Digest]] = {}
        self._tried: set[Digest] = set()
        self.unproven: set[Digest] = set()
        self.changed: set[Digest] = set()
        self.revision = 0
        m = self.founding.mirrors
        self.epochs: tuple[Epoch, ...] = (Epoch(Witnesses(m.parties, m.witness, m.self_witnessed), 0, ()),)
        self.operators: dict[str, Party] = {}
        self._opened: dict[str, Party] = {}
        self.closed: dict[str, int] = {}
        self.kept: Any = None
        self.kept_revision = -1
        self.know_operators(self.founding)
        for party, use, key in proven_keys(self.founding.keys):
            self._ring.add(party, use, key)

    @property
    def accord(self) -> Digest:
        """The accord's id."""
        return self.founding.digest

    @property
    def keys(self) -> EnrolledKeys:
        """Every key ever enrolled, for ``verify_envelope``."""
        return self._ring

    def add_terms(self, data: bytes | Terms) -> Terms:
        """Keep the text of an amendment, to be found by its digest; raises ``TermsRefused``.

        Reading a large text takes seconds: whoever serves others meanwhile reads it elsewhere, and gives the ``Terms``.
        """
        terms = data if isinstance(data, Terms) else parse_terms(data)
        if terms.digest not in self.texts:
            self.texts[terms.digest] = terms
            self.revision += 1
            self._try_again([proven for proven in proven_keys(terms.keys) if self._ring.add(*proven)])
            self.changed |= {i for i, record in self.records.items() if record.statement.kind == "terms"}
        return terms

    def add_entry(self, place: Place, data: bytes) -> VerifiedStatement | None:
        """Verify and keep an entry of a log. One that nobody can read is kept as a cited no-op (F01): None."""
        try:
            verified = verify_envelope(data, self._ring)
        except Refused as refused:
            self.revision += 1
            self._log(place.origin).hold(place.index)
            self._refuse(place, data, refused)
            return None
        self._add(place, verified)
        return verified

    def add_verified(self, place: Place, verified: VerifiedStatement) -> None:
        """Keep an entry that was verified with ``keys`` before."""
        if not _is_light(verified.statement.kind) and _has_unknown_signature(verified):
            # Whose that signature is may have become known since.
            self.add_entry(place, verified.envelope_bytes)
        else:
            self._add(place, verified)

    @property
    def again(self) -> tuple[Place, ...]:
        """Entries whose bytes were not kept and that a key which became known since may make clear: see ``read_again``."""
        return tuple(sorted(self._unclear.again))

    def read_again(self, place: Place, data: bytes) -> None:
        """The bytes of an entry of ``again``, as they were added before. ``fold`` waits for all of them."""
        found, statement = self._unclear.take_again(place, data)
        if found:
            self._reverify(place, data, statement)

    def _add(self, place: Place, verified: VerifiedStatement) -> None:
        self.revision += 1
        log = self._logs.get(place.origin) or self._log(place.origin)
        log.hold(place.index)
        statement = verified.statement
        kind = statement.kind
        if _is_light(kind):
            self._neutral(place, verified)
            return
        insort(log.entries, (place.index, statement.id))
        self._keep(place, verified)

    def receive(self, data: bytes | VerifiedStatement) -> VerifiedStatement:
        """Keep a statement that stands in no log yet: it counts only if it restricts. Raises ``Refused`` S…."""
        verified = data if isinstance(data, VerifiedStatement) else verify_envelope(data, self._ring)
        self.revision += 1
        if _is_light(verified.statement.kind):
            self._neutral(None, verified)
        else:
            self._keep(None, verified)
        return verified

    def add_cosignature(self, origin: str, mirror: Party, size: int, time_s: Instant) -> None:
        """Keep one verified cosignature of ``mirror`` over the checkpoint of ``size`` entries of log ``origin``."""
        log = self._log(origin)
        lowered = log.times.add(mirror, size, time_s)
        if lowered is None:
            return
        self.revision += 1
        first, end = lowered
        entries = log.entries
        for index, statement in entries[bisect_left(entries, (first, "")) :]:
            if index >= end:
                break
            self._touch(statement)

    def witnessed_time(self, statement: Digest) -> Instant | None:
        """The least witnessed time over every place of the statement; None while no quorum cosigned any."""
        record = self.records.get(statement)
        times = [] if record is None else [self._time(place) for place in record.copies if place is not None]
        return min((time for time in times if time is not None), default=None)

    def place_time(self, place: Place) -> Instant | None:
        """The witnessed time of an entry, whatever it says."""
        return self._time(place)

    def seen_by(self, place: Place) -> tuple[tuple[Party, Instant], ...]:
        """Each mirror that cosigned a head over the entry, with the least time at which it did, the earliest first."""
        times = self._logs[place.origin].times if place.origin in self._logs else LogTimes()
        found = [(time, mirror) for mirror in times.mirrors() if (time := times.least(mirror, place.index)) is not None]
        return tuple((mirror, time) for time, mirror in sorted(found))

    def size(self, origin: str) -> int:
        """How many entries of a log are held without a gap, from 0."""
        return self._logs[origin].size if origin in self._logs else 0

    def know_operators(self, terms: Terms) -> None:
        """Learn whose log is whose from terms of the chain."""
        for party, keys in terms.keys.items():
            if keys.log is not None:
                self.operators.setdefault(keys.log.name, party)

    def has_logs(self, opened: Mapping[str, Party], closed: Mapping[str, int]) -> bool:
        """Are these the logs besides those of the terms, and the instants at which logs closed?"""
        return (dict(opened), dict(closed)) == (self._opened, self.closed)

    def set_logs(self, opened: Mapping[str, Party], closed: Mapping[str, int]) -> None:
        """Other logs besides those of the terms, and other instants at which logs closed: entries are timed anew."""
        if not self.has_logs(opened, closed):
            self._opened, self.closed = dict(opened), dict(closed)
            self.changed |= self.records.keys()

    def set_epochs(self, epochs: tuple[Epoch, ...]) -> None:
        """Other mirrors, another clock: every entry is timed anew."""
        if epochs != self.epochs:
            self.epochs = epochs
            self.changed |= self.records.keys()

    def clock(self) -> tuple[Any, ...]:
        """Everything but cosignatures that the witnessed times of entries rest on, to be compared with what it was."""
        return self.epochs, dict(self.operators), dict(self._opened), dict(self.closed)

    def resting_on(self, keys: Collection[PublicKey]) -> set[Digest]:
        """The statements that one of these keys signed, as an envelope's signer or as the reviewer in an approval."""
        if not keys:
            return set()
        found = set()
        for statement, record in self.records.items():
            body = record.statement.body
            reviewer = body.assertion.key if isinstance(body, Approval) and body.assertion is not None else None
            if reviewer in keys or any(signer.key in keys for signer in record.signers):
                found.add(statement)
        return found

    def item(self, statement: Digest) -> Item:
        """The statement as the fold sees it, timed after everything it names."""
        return self._item(statement, frozenset())

    def _item(self, statement: Digest, above: frozenset[Digest]) -> Item:
        record = self.records[statement]
        timed = sorted(
            (when, place) for place in record.copies if place is not None and (when := self._time(place)) is not None
        )
        time: Instant | None = timed[0][0] if timed else None
        placed = [place for place in record.copies if place is not None]
        for other in named(record.statement.body):
            if other in above:
                continue
            known = self.records.get(other)
            if known is None:
                if needs_named(record.statement.body):
                    time = None
                continue
            of_named = self._item(other, above | {statement}).time
            time = None if time is None or of_named is None else max(time, of_named)
        header = record.statement.header
        return Item(
            statement,
            record.statement.kind,
            header.party,
            record.statement.body,
            header.nonce,
            record.kind_class == "restricting",
            time,
            timed[0][1] if timed else min(placed, default=None),
            header.terms,
            record.signers,
            tuple((when, record.copies[place]) for when, place in timed),
        )

    def cosignatures(self) -> list[tuple[str, list[tuple[str, int, int]]]]:
        """Every cosignature that says something, sorted: for the digest of a state."""
        return [(origin, log.times.spelled()) for origin, log in sorted(self._logs.items()) if log.times.spelled()]

    def poisoned_notes(self) -> tuple[FoldNote, ...]:
        """The note on every entry that has no effect as it stands, in a fixed order."""
        if self._poisoned_notes is None:
            self._poisoned_notes = tuple(self._poisoned[key] for key in sorted(self._poisoned))
        return self._poisoned_notes

    def _poison(self, place: Place, data: bytes, note: FoldNote) -> None:
        # By digest: whoever fills a log with junk must not fill our memory with it, nor our time with sorting it.
        self._poisoned[(place, sha256_hex(data))] = note
        self._poisoned_notes = None

    def _log(self, origin: str) -> _Log:
        return self._logs.setdefault(origin, _Log())

    def _neutral(self, place: Place | None, verified: VerifiedStatement) -> None:
        statement = verified.statement
        if statement.header.accord != self.accord:
            if place is not None:
                note = FoldNote("F02", statement.id, place, "it speaks of another accord")
                self._poison(place, verified.envelope_bytes, note)
            return
        body = statement.body
        if isinstance(body, Progress):
            key = (body.run, statement.header.party)
            if body.flop > self.progress.get(key, ZERO):
                self.progress[key] = body.flop

    def _keep(self, place: Place | None, verified: VerifiedStatement) -> None:
        statement = verified.statement
        record = self.records.get(statement.id)
        if record is None:
            record = self.records[statement.id] = Record(statement, class_of(statement.body, statement.kind))
            if statement.kind in GOVERNING:
                self.governing[statement.id] = None
            for other in named(statement.body):
                self._named_by.setdefault(other, set()).add(statement.id)
        signers = record.copies.get(place, frozenset()) | frozenset(verified.signers)
        if record.copies.get(place) != signers:
            record.copies[place] = signers
            self._touch(statement.id)
        if _has_unknown_signature(verified):
            # Whose it is may turn up, and may change what this copy says.
            self._unclear.keep(place, verified.envelope_bytes, statement.id)
        if isinstance(statement.body, KeyRotation) and statement.id not in self._tried:
            self._tried.add(statement.id)
            self._enrol(statement.id, statement.header.party, statement.body)

    def _enrol(self, statement: Digest, party: Party, body: KeyRotation) -> None:
        fresh = []
        for enrolment in body.enrol:
            try:
                verify_possession(party, enrolment.use, enrolment.key, enrolment.proof, enrolment.name)
            except Refused:
                self.unproven.add(statement)  # The fold notes it as F21.
                continue
            if self._ring.add(party, enrolment.use, enrolment.key):
                fresh.append((party, enrolment.use, enrolment.key))
        if any(checked(credential, self.accord, party) is None for credential in body.credentials):
            self.unproven.add(statement)
        self._try_again(fresh)

    def _try_again(self, fresh: Sequence[tuple[Party, Use, PublicKey]]) -> None:
        for place, data, statement in self._unclear.affected_by((party, key) for party, _, key in fresh):
            self._reverify(place, data, statement)

    def _reverify(self, place: Place | None, data: bytes, statement: Digest | None) -> None:
        self.revision += 1
        try:
            verified = verify_envelope(data, self._ring)
        except Refused as refused:
            if statement is not None:
                # It was readable only while a key it hints at was unknown: out it goes, whatever came first.
                self.records[statement].copies.pop(place, None)
                self._touch(statement)
            self._refuse(place, data, refused)
            return
        if place is not None:
            self._poisoned.pop((place, sha256_hex(data)), None)
            self._poisoned_notes = None
            if statement is None:
                insort(self._log(place.origin).entries, (place.index, verified.statement.id))
        if _is_light(verified.statement.kind):
            self._neutral(place, verified)
        else:
            self._keep(place, verified)

    def _refuse(self, place: Place | None, data: bytes, refused: Refused) -> None:
        if place is not None:
            self._poison(place, data, FoldNote("F01", None, place, f"an entry that was refused: {refused.rule}"))
        if refused.rule in UNCLEAR_RULES:
            self._unclear.keep(place, data, None)

    def _touch(self, statement: Digest) -> None:
        waiting = [statement]
        seen = {statement}
        while waiting:
            current = waiting.pop()
            self.changed.add(current)
            fresh = self._named_by.get(current, set()) - seen
            seen |= fresh
            waiting.extend(fresh)

    def _time(self, place: Place) -> Instant | None:
        """The witnessed time of a place, none later than its log closed."""
        time = self._open_time(place)
        closed = self.closed.get(place.origin)
        return None if time is None or (closed is not None and time > closed) else time

    def _open_time(self, place: Place) -> Instant | None:
        log = self._logs.get(place.origin)
        operator = self.operators.get(place.origin) or self._opened.get(place.origin)
        if log is None or operator is None:
            return None
        for epoch, following in zip(self.epochs, (*self.epochs[1:], None), strict=True):
            if following is not None:
                for closed in following.closes:
                    if closed.origin == place.origin and place.index < closed.size:
                        return frozen_times(closed).time_of(place.index, epoch.rule, operator)
            time = log.times.time_of(place.index, epoch.rule, operator)
            if following is None or (time is not None and time < following.since):
                return time
        return None


def _is_light(kind: str) -> bool:
    """Is it counted, and not kept?"""
    return kind == "progress" or kind in NEUTRAL


def _has_unknown_signature(verified: VerifiedStatement) -> bool:
    return verified.envelope_bytes.count(b'"sig"') > len({signer.key for signer in verified.signers})


def frozen_times(closed: ClosedLog) -> LogTimes:
    """The cosignatures that were counted when an epoch closed."""
    times = LogTimes()
    for cosigned in closed.cosigned:
        times.add(cosigned.mirror, cosigned.size, cosigned.time_s)
    return times
