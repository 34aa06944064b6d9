r"""The C2SP mirror: store every entry of a log, then cosign the head above them.

Decides what a mirror stores, when it may cosign, and how it answers. Leaves out storage and signing: a step
returns actions and the next state. The order is law: store the entries durably, persist the state, and only
then sign and answer. *Checked* means size and Merkle hash only; nobody here reads an entry, so an entry that
nobody can parse cannot stop a log.

- Requests have their form: M10, M16, M19. A pending head exists: M11. The end is one of the known heads: M12.
- The end is not below what is mirrored: M13; the start leaves no gap: M14; little is sent twice: M15.
- Every package hashes up to the head: M17. The terms' cap on entries and bytes per log and day: M18.

Source: c2sp.org/tlog-mirror at revision 5ba5ee83, without pruning and sign-subtree; its ticket stays empty,
because the state keeps the last pending heads. Section 2 of ``spec/mirror.md``.

>>> list(package_ranges(300, 600))
[(256, 300, 512), (512, 512, 600)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from detente.base.errors import Refused, shown
from detente.base.instant import Instant
from detente.log.checkpoint import SignedCheckpoint
from detente.log.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    SIZE_MAX,
    NodeSource,
    build_subtree_consistency_proof,
    leaf_hash,
    root_of,
    verify_subtree_consistency,
)
from detente.log.note import NoteKey
from detente.log.spelling import read_base64, read_decimal, show_base64
from detente.log.tiles import TILE_WIDTH, encode_entry, read_entry
from detente.log.witness import AddCheckpoint, Reply, Status, check_add_checkpoint, refuse

PACKAGES_MAX = 32
"""Packages handled in one request: C2SP's advice to clients; what is sent beyond is asked for again."""
PENDING_MAX = 8
"""Pending heads remembered: a log signs a few a second at most, and an upload takes seconds."""
EXCESS_MAX = PACKAGES_MAX * TILE_WIDTH
"""Entries that a client may send again: one request's worth."""
HEADER_MAX = 2 + 65_535 + 16 + 2 + 65_535
"""Bytes: two length-prefixed strings and two sizes."""
PACKAGE_MAX = TILE_WIDTH * (2 + 65_535) + 1 + 63 * HASH_SIZE
"""Bytes of the largest package."""
DAY_S = 86_400
INFO_TYPE = "text/x.tlog.mirror-info"


@dataclass(frozen=True, slots=True)
class DailyCap:
    """What the terms let one log add in a day (UTC): entries, and bytes of entries."""

    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DayUse:
    """What a log has added on ``day`` (days since the Epoch)."""

    day: int = 0
    entries: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class MirrorState:
    """What a mirror must never forget of one log.

    ``mirror`` is the head it last cosigned; ``pending`` are the last heads taken in, oldest first, at or above it;
    ``next_entry`` is the first index not durably stored.
    """

    origin: str
    log_key: NoteKey
    mirror: SignedCheckpoint | None = None
    pending: tuple[SignedCheckpoint, ...] = ()
    next_entry: int = 0
    use: DayUse = field(default_factory=DayUse)

    @property
    def mirror_size(self) -> int:
        """Entries below the head last cosigned."""
        return self.mirror.size if self.mirror else 0

    @property
    def mirror_root(self) -> bytes:
        """Root of the head last cosigned."""
        return self.mirror.root if self.mirror else EMPTY_ROOT

    @property
    def latest(self) -> SignedCheckpoint | None:
        """The newest head taken in: pending if there is one, else the mirrored one."""
        return self.pending[-1] if self.pending else self.mirror


@dataclass(frozen=True, slots=True)
class AddEntries:
    """The header of an upload of entries ``[start, end)`` under the head of size ``end``."""

    origin: str
    start: int
    end: int
    ticket: bytes = b""


@dataclass(frozen=True, slots=True)
class EntryPackage:
    """Up to 256 entries from index ``start`` on, and the proof that they lie under the head."""

    start: int
    entries: tuple[bytes, ...]
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StoreEntries:
    """Store these entries from index ``start`` on, durably, before anything that follows.

    After a crash between storing and persisting the state, the same entries are asked to be stored again: both times
    they were proven under consistent heads, so the store keeps either copy.
    """

    start: int
    entries: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Cosign:
    """Everything below is stored: sign this head, and answer with the line."""

    checkpoint: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class MirrorOutcome:
    """Do ``actions`` in order; persist ``state`` after the last StoreEntries and before any Cosign; then reply.

    The body of a 200 reply is empty here: it is the cosignature line that the caller makes from ``Cosign``.
    """

    state: MirrorState | None
    actions: tuple[StoreEntries | Cosign, ...]
    reply: Reply


@dataclass(frozen=True, slots=True)
class MirrorInfo:
    """What a 202 or 409 answer tells the client: a pending size, the next entry wanted, an opaque ticket."""

    size: int
    next_entry: int
    ticket: bytes = b""


def mirror_add_checkpoint(state: MirrorState | None, request: AddCheckpoint) -> tuple[MirrorState | None, Reply]:
    """Take in a head as pending, exactly as a witness would, but sign nothing.

    Statuses and refusals are those of ``check_add_checkpoint`` against the newest head taken in. The caller
    persists the state before it answers.
    """
    if state is None:
        return None, refuse(Status.UNKNOWN_LOG, _unknown(request.origin))
    latest = state.latest
    checked = check_add_checkpoint(
        request,
        origin=state.origin,
        size=latest.size if latest else 0,
        root=latest.root if latest else EMPTY_ROOT,
        log_keys=(state.log_key,),
    )
    if isinstance(checked, Reply):
        return state, checked
    if latest is None or checked.size > latest.size:
        state = replace(state, pending=(*state.pending, checked)[-PENDING_MAX:])
    return state, Reply(Status.OK, checkpoint=checked)


def mirror_add_entries(
    state: MirrorState | None,
    header: AddEntries,
    packages: Iterable[EntryPackage],
    *,
    nodes: NodeSource,
    cap: DailyCap | None,
    at: Instant,
) -> MirrorOutcome:
    """Take in uploaded packages; ``nodes`` gives the leaf hashes already stored.

    1. The log is known (404, M03), and a head was taken in (422, M11).
    2. The end is a head we know (409, M12), not below the mirrored one (409, M13).
    3. The start leaves no gap (409, M14) and repeats little (409, M15).
    4. Each package is the next of the canonical sequence: 400, M16.
    5. Its entries, after those already stored of its 256, hash into the head: 422, M17.
    6. The day's cap holds: 429, M18. ``cap`` is None while catching up below a head that is already witnessed.
    7. Entries not yet stored are to be stored. When all up to the end are there, the head is to be cosigned.

    Packages before a failing one are kept, as C2SP asks. May be called package by package while a body arrives.
    """
    if state is None:  # 1
        return MirrorOutcome(None, (), refuse(Status.UNKNOWN_LOG, _unknown(header.origin)))
    head = _choose_head(state, header)
    if isinstance(head, Reply):
        return MirrorOutcome(state, (), head)
    actions: list[StoreEntries | Cosign] = []
    at_index, taken = header.start, 0
    given = iter(packages)
    for aligned, start, end in package_ranges(header.start, header.end):
        package = next(given, None) if taken < PACKAGES_MAX else None
        if package is None:
            break
        try:
            check_package(package, head, nodes=nodes, aligned=aligned, start=start, end=end)  # 4, 5
            new = package.entries[max(0, state.next_entry - start) :]
            use = count_use(state.use, new, cap=cap, at=at)  # 6
        except Refused as refused:
            status = {"M17": Status.INCONSISTENT, "M18": Status.TOO_MANY}.get(refused.rule, Status.MALFORMED)
            return MirrorOutcome(state, tuple(actions), refuse(status, refused, head))
        if new:  # 7
            actions.append(StoreEntries(end - len(new), new))
        state = replace(state, next_entry=max(state.next_entry, end), use=use)
        at_index, taken = end, taken + 1
    if at_index < header.end:
        if not taken:
            why = Refused("M16", "malformed", got="no whole package", expected="the next package of the sequence")
            return MirrorOutcome(state, (), refuse(Status.MALFORMED, why))
        return MirrorOutcome(state, tuple(actions), _info_reply(Status.ACCEPTED, header.end, state, None))
    actions.append(Cosign(head))
    return MirrorOutcome(_commit(state, head), tuple(actions), Reply(Status.OK, checkpoint=head))


def check_package(
    package: EntryPackage, head: SignedCheckpoint, *, nodes: NodeSource, aligned: int, start: int, end: int
) -> None:
    """Refuse unless the package is exactly entries ``[start, end)`` under ``head``: M16 (range), M17 (hashes)."""
    if package.start != start or len(package.entries) != end - start:
        got = f"{len(package.entries)} entries from {package.start}"
        raise Refused("M16", "malformed", got=got, expected=f"entries {start} to {end}")
    leaves = [nodes.node(0, index) for index in range(aligned, start)]
    leaves += [leaf_hash(entry) for entry in package.entries]
    try:
        verify_subtree_consistency(
            start=aligned,
            end=end,
            size=head.size,
            subtree_root=root_of(leaves),
            root=head.root,
            proof=package.proof,
        )
    except Refused as refused:
        got = f"entries {start} to {end} that do not lead to the head ({refused.rule})"
        raise Refused("M17", "inconsistent", got=got, expected=f"the entries under size {head.size}") from None


def count_use(use: DayUse, entries: Sequence[bytes], *, cap: DailyCap | None, at: Instant) -> DayUse:
    """The day's use after these entries; raises ``Refused`` M18 when the cap would be passed."""
    today = use if use.day == at // DAY_S else DayUse(at // DAY_S)
    after = DayUse(today.day, today.entries + len(entries), today.bytes + sum(map(len, entries)))
    if cap is not None and (after.entries > cap.entries or after.bytes > cap.bytes):
        raise Refused(
            "M18",
            "rate",
            got=f"{after.entries} entries and {after.bytes} bytes today",
            expected=f"at most {cap.entries} entries and {cap.bytes} bytes a day",
            todo="wait for the next day (UTC), or amend the terms",
        )
    return after


def package_ranges(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The canonical packages of an upload ``[start, end)``: (aligned start, start, end) of each."""
    aligned = start - start % TILE_WIDTH
    while aligned < end and start < end:
        stop = min(end, aligned + TILE_WIDTH)
        yield aligned, max(start, aligned), stop
        aligned += TILE_WIDTH


def build_packages(
    nodes: NodeSource, read_entries: Callable[[int, int], Sequence[bytes]], start: int, end: int
) -> Iterator[EntryPackage]:
    """The packages of an upload ``[start, end)``, for a client that holds the tree and the entries of the log."""
    for aligned, first, stop in package_ranges(start, end):
        proof = build_subtree_consistency_proof(nodes, aligned, stop, end)
        yield EntryPackage(first, tuple(read_entries(first, stop)), tuple(proof))


def parse_add_entries_header(data: bytes) -> tuple[AddEntries, int]:
    """The header of an add-entries body and the offset after it; raises ``Refused`` M10."""
    origin, at = _read_string(data, 0)
    sizes, at = data[at : at + 16], at + 16
    ticket, after = _read_string(data, at)
    start, end = int.from_bytes(sizes[:8], "big"), int.from_bytes(sizes[8:], "big")
    if not start <= end <= SIZE_MAX:
        raise _bad_header(f"start {start}, end {end}")
    try:
        return AddEntries(origin.decode("utf-8"), start, end, ticket), after
    except UnicodeDecodeError:
        raise _bad_header(shown(origin, 40)) from None


def encode_add_entries_header(header: AddEntries) -> bytes:
    """The bytes that ``parse_add_entries_header`` reads; M10 for a header that it would refuse."""
    origin = header.origin.encode()
    if max(len(origin), len(header.ticket)) > 65_535 or not 0 <= header.start <= header.end <= SIZE_MAX:
        raise _bad_header(f"start {header.start}, end {header.end}")
    return b"".join(
        (
            len(origin).to_bytes(2, "big"),
            origin,
            header.start.to_bytes(8, "big"),
            header.end.to_bytes(8, "big"),
            len(header.ticket).to_bytes(2, "big"),
            header.ticket,
        )
    )


def parse_package(data: bytes, offset: int, *, start: int, end: int) -> tuple[EntryPackage, int] | None:
    """The package of entries ``[start, end)`` at ``offset`` and the offset after it; None while it is cut off.

    Raises ``Refused`` M16 for more than 63 hashes.
    """
    entries: list[bytes] = []
    at = offset
    for _ in range(start, end):
        found = read_entry(data, at)
        if found is None:
            return None
        entry, at = found
        entries.append(entry)
    if at >= len(data):
        return None
    count, at = data[at], at + 1
    if count > 63:
        raise Refused("M16", "malformed", got=f"{count} hashes", expected="at most 63")
    after = at + count * HASH_SIZE
    if after > len(data):
        return None
    proof = tuple(data[one : one + HASH_SIZE] for one in range(at, after, HASH_SIZE))
    return EntryPackage(start, tuple(entries), proof), after


def read_packages(header: AddEntries, data: bytes, offset: int) -> tuple[EntryPackage, ...]:
    """The whole packages of a body from ``offset`` on, 32 at most; what is cut off is left out, as C2SP asks."""
    packages: list[EntryPackage] = []
    for _, start, end in package_ranges(header.start, header.end):
        found = parse_package(data, offset, start=start, end=end) if len(packages) < PACKAGES_MAX else None
        if found is None:
            break
        package, offset = found
        packages.append(package)
    return tuple(packages)


def encode_package(package: EntryPackage) -> bytes:
    """The bytes that ``parse_package`` reads: entries after their lengths, a count, the hashes; L42, M16."""
    if len(package.proof) > 63 or any(len(hash_) != HASH_SIZE for hash_ in package.proof):
        raise Refused("M16", "malformed", got=f"{len(package.proof)} hashes", expected="at most 63, of 32 bytes")
    return b"".join((*map(encode_entry, package.entries), bytes([len(package.proof)]), *package.proof))


def encode_mirror_info(info: MirrorInfo) -> bytes:
    """The body of a 202 or 409 answer: three lines."""
    return f"{info.size}\n{info.next_entry}\n{show_base64(info.ticket)}\n".encode()


def parse_mirror_info(body: bytes) -> MirrorInfo:
    """Read the body of a 202 or 409 answer; raises ``Refused`` M19."""
    try:
        lines = body.decode("ascii").split("\n")
    except UnicodeDecodeError:
        lines = []
    if len(lines) == 4 and not lines[3]:
        size, next_entry, ticket = read_decimal(lines[0]), read_decimal(lines[1]), read_base64(lines[2])
        if size is not None and next_entry is not None and ticket is not None and len(ticket) <= 65_535:
            return MirrorInfo(size, next_entry, ticket)
    raise Refused("M19", "malformed", got=shown(body, 40), expected="size, next entry and base64 ticket, a line each")


def _choose_head(state: MirrorState, header: AddEntries) -> SignedCheckpoint | Reply:
    latest = state.latest
    if header.origin != state.origin:
        return refuse(Status.UNKNOWN_LOG, _unknown(header.origin))
    if latest is None:
        why = Refused("M11", "not-found", got="entries", expected="a head first", todo="send add-checkpoint")
        return refuse(Status.INCONSISTENT, why)
    known = state.pending if state.mirror is None else (state.mirror, *state.pending)
    heads: dict[int, SignedCheckpoint] = {head.size: head for head in known}
    head = heads.get(header.end)
    if header.end < state.mirror_size:
        why = Refused("M13", "stale", got=f"end {header.end}", expected=f"at least {state.mirror_size}")
        return _info_reply(Status.CONFLICT, latest.size, state, why)
    if head is None:
        why = Refused("M12", "stale", got=f"end {header.end}", expected=f"one of {sorted(heads)}")
        return _info_reply(Status.CONFLICT, latest.size, state, why)
    if header.start > state.next_entry:
        why = Refused("M14", "conflict", got=f"start {header.start}", expected=f"at most {state.next_entry}")
        return _info_reply(Status.CONFLICT, head.size, state, why)
    excess = min(header.end, state.next_entry) - header.start
    if excess > EXCESS_MAX:
        why = Refused("M15", "limit", got=f"{excess} entries sent again", expected=f"at most {EXCESS_MAX}")
        return _info_reply(Status.CONFLICT, head.size, state, why)
    return head


def _commit(state: MirrorState, head: SignedCheckpoint) -> MirrorState:
    pending = tuple(one for one in state.pending if one.size > head.size)
    return replace(state, mirror=head, pending=pending)


def _info_reply(status: Status, size: int, state: MirrorState, refused: Refused | None) -> Reply:
    return Reply(status, encode_mirror_info(MirrorInfo(size, state.next_entry)), INFO_TYPE, refused)


def _read_string(data: bytes, at: int) -> tuple[bytes, int]:
    found = read_entry(data, at)
    if found is None:
        raise _bad_header(f"{len(data)} bytes")
    return found


def _unknown(origin: str) -> Refused:
    return Refused("M03", "not-found", got=f"origin {shown(origin)}", expected="a log of the accord")


def _bad_header(got: str) -> Refused:
    return Refused("M10", "malformed", got=got, expected="origin, start ≤ end < 2**63, ticket")
