"""A mirror and issuer in memory: stores, cosigns, folds, offers and signs, by the real steps; or lies.

Decides the order of durable writes around the steps of ``log.mirror`` and ``guard.issue``. Everything that must
survive a restart goes through ``Disk``; everything else is rebuilt by ``restart``.

A liar is a set of habits, ``lies``:

* ``no-store`` cosigns heads without having stored anything below, and claims to have;
* ``withhold`` stores and cosigns, then serves nobody and offers nothing;
* ``stale`` offers heads and decisions as of the moment it began to lie;
* ``signs-anything`` allows every intent and signs every body;
* ``false-time`` cosigns with a time ``false_time_s`` away from its clock;
* ``silent`` answers nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import AccordState, fold
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.guard.issue import IssueReply, IssuerState, Signed, quote_heads, sign_permit
from detente.guard.notice import Notice, seal_notice
from detente.guard.permit import (
    Head,
    HeadsOffer,
    SignedHead,
    parse_ask,
    parse_request,
    seal_offer,
    sign_permit_body,
)
from detente.log.checkpoint import SignedCheckpoint, parse_checkpoint, verify_checkpoint
from detente.log.cosignature import Cosignature, cosigner_key, sign_cosignature, verify_cosignature
from detente.log.merkle import leaf_hash, root_of
from detente.log.mirror import (
    AddEntries,
    Cosign,
    EntryPackage,
    MirrorState,
    StoreEntries,
    mirror_add_checkpoint,
    mirror_add_entries,
)
from detente.log.note import NoteSignature, parse_note
from detente.log.witness import AddCheckpoint
from detente.testing.coalition import Coalition
from detente.testing.disk import Disk
from detente.testing.party_log import Branch

Lie = Literal["no-store", "withhold", "stale", "signs-anything", "false-time", "silent"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a mirror stands with a log: the size to prove consistency from, and the first entry not stored."""

    size: int = 0
    next_entry: int = 0


class MirrorNode:
    """One mirror. ``clock_skew_s`` is how far its clock is from the world's."""

    def __init__(self, coalition: Coalition, party: Party) -> None:
        self.coalition = coalition
        self.party = party
        self.name = coalition.mirror_name(party)
        self.signer = coalition.signer(party, "mirror")
        self.permit_signer = coalition.signer(party, "permit")
        self.disk = Disk()
        self.lies: set[Lie] = set()
        self.false_time_s = 0
        self.clock_skew_s = 0
        self.equivocations: list[tuple[bytes, bytes]] = []
        self._log_keys = coalition.log_keys()
        self._mirror_keys = coalition.mirror_keys()
        self._old: tuple[AccordState, tuple[SignedHead, ...]] | None = None
        self.restart()

    # Durable state.

    def restart(self) -> None:
        """Forget everything but the disk, and rebuild: entries, trees, evidence, issued epochs."""
        self.evidence = Evidence(self.coalition.founding)
        self.branches: dict[str, Branch] = {origin: Branch() for origin in self._log_keys}
        self.states: dict[str, MirrorState] = {}
        self.issuer: IssuerState = self.disk.read("issuer", IssuerState())
        self._counted: set[tuple[str, Party, int, int]] = set()
        for origin, key in self._log_keys.items():
            self.states[origin] = self.disk.read(f"mirror/{origin}", MirrorState(origin, key))
            stored = self.disk.read(f"entries/{origin}", ())[: self.states[origin].next_entry]
            self._fold_in(origin, stored)
        for entry in self.disk.read("heard", ()):
            self._hear(entry)
        self._count_cosignatures()

    @property
    def state(self) -> AccordState:
        """What this mirror's evidence means."""
        return fold(self.evidence)

    def clock(self, at: Instant) -> Instant:
        """The mirror's own clock when the world's says ``at``."""
        return Instant(at + self.clock_skew_s)

    def lie(self, *habits: Lie) -> None:
        """Begin to lie; a stale liar freezes what it knows now."""
        self._old = (self.state, self.heads())
        self.lies.update(habits)

    # Mirroring.

    def take(
        self, request: AddCheckpoint, header: AddEntries, packages: Iterable[EntryPackage], at: Instant
    ) -> NoteSignature | Standing | None:
        """One upload. A cosignature, or where the mirror stands so that the log can do better, or nothing."""
        if "silent" in self.lies:
            return None
        if "no-store" in self.lies:
            return self._cosign_blindly(request.note, at)
        origin = request.origin
        state, reply = mirror_add_checkpoint(self.states.get(origin), request)
        if state is None:
            return None
        if reply.refused is not None:
            if reply.checkpoint is not None and reply.refused.rule == "M07" and state.latest is not None:
                self.equivocations.append((state.latest.note, reply.checkpoint.note))
            return self._standing(origin)
        self._keep_state(state)
        outcome = mirror_add_entries(
            state, header, packages, nodes=self.branches[origin].tree, cap=None, at=self.clock(at)
        )
        cosign: SignedCheckpoint | None = None
        for action in outcome.actions:
            match action:
                case StoreEntries(start, entries):
                    held = self.disk.read(f"entries/{origin}", ())
                    self.disk.write(f"entries/{origin}", (*held[:start], *entries))
                case Cosign(checkpoint):
                    cosign = checkpoint
        if outcome.state is not None:
            self._keep_state(outcome.state)
            size = len(self.branches[origin].entries)
            self._fold_in(origin, self.disk.read(f"entries/{origin}", ())[size : outcome.state.next_entry])
            self._count_cosignatures()
        return self._standing(origin) if cosign is None else self._cosign(cosign, at)

    def _standing(self, origin: str) -> Standing:
        state = self.states[origin]
        return Standing(state.latest.size if state.latest is not None else 0, state.next_entry)

    def _keep_state(self, state: MirrorState) -> None:
        if state != self.states[state.origin]:
            self.disk.write(f"mirror/{state.origin}", state)
            self.states[state.origin] = state

    def _cosign(self, checkpoint: SignedCheckpoint, at: Instant) -> NoteSignature:
        time_s = self.clock(at) + (self.false_time_s if "false-time" in self.lies else 0)
        line = sign_cosignature(checkpoint.body, time_s=max(1, time_s), name=self.name, signer=self.signer)
        # A cosignature is kept before it is sent: witnessed time needs the earliest, and a mirror serves them all.
        self.hear_cosignatures(
            [verify_cosignature(checkpoint.body, line, cosigner_key(self.name, self.signer.public_key))]
        )
        return line

    def _cosign_blindly(self, note: bytes, at: Instant) -> NoteSignature:
        text = parse_note(note).text
        self.disk.write(f"claimed/{parse_checkpoint(text).origin}", note)
        time_s = self.clock(at) + (self.false_time_s if "false-time" in self.lies else 0)
        return sign_cosignature(text, time_s=max(1, time_s), name=self.name, signer=self.signer)

    def hear_cosignatures(self, cosignatures: Iterable[Cosignature]) -> None:
        """Keep verified cosignatures; they count once everything below them is stored on the same branch."""
        kept: frozenset[Cosignature] = self.disk.read("cosignatures", frozenset())
        new = frozenset(one for one in cosignatures if one.key in self._mirror_keys) - kept
        if new:
            self.disk.write("cosignatures", kept | new)
            self._count_cosignatures()

    def cosignatures(self) -> frozenset[Cosignature]:
        """Every cosignature made or heard; a mirror serves them all, unless it withholds."""
        if self.lies & {"silent", "withhold"}:
            return frozenset()
        kept: frozenset[Cosignature] = self.disk.read("cosignatures", frozenset())
        return kept

    def _count_cosignatures(self) -> None:
        kept: frozenset[Cosignature] = self.disk.read("cosignatures", frozenset())
        for one in kept:
            mark = (one.origin, self._mirror_keys[one.key], one.size, one.time_s)
            if mark not in self._counted and self.root_at(one.origin, one.size) == one.root.hex():
                self._counted.add(mark)
                self.evidence.add_cosignature(one.origin, mark[1], one.size, one.time_s)

    def _fold_in(self, origin: str, entries: Iterable[bytes]) -> None:
        branch = self.branches[origin]
        for entry in entries:
            place = Place(origin, len(branch.entries))
            branch.extend([entry])
            self.evidence.add_entry(place, entry)

    # Reading what others named.

    def serve(self, head: Head) -> tuple[bytes, ...] | None:
        """The entries below a head, if they are stored and this mirror does not withhold."""
        if self.lies & {"silent", "withhold", "no-store"} or self.root_at(head.origin, head.size) != head.root:
            return None
        return tuple(self.branches[head.origin].entries[: head.size])

    def read_up_to(self, signed: SignedHead, entries: tuple[bytes, ...], at: Instant) -> bool:
        """Take entries that a claimant served for a head: as mirrored, or, on another branch, as heard."""
        head = signed.head
        key = self._log_keys.get(head.origin)
        if key is None or root_of([leaf_hash(entry) for entry in entries]).hex() != head.root:
            return False
        try:
            if parse_checkpoint(verify_checkpoint(signed.note, key).body).size != head.size:
                return False
        except Refused:
            return False
        own = self.branches[head.origin].entries
        if tuple(own) == entries[: len(own)]:
            state, story = self.states[head.origin], Branch()
            story.extend(entries)
            old = state.latest.size if state.latest is not None else 0
            if old <= head.size:
                proof = tuple(story.tree.consistency_proof(old, head.size)) if 0 < old else ()
                start = state.next_entry
                self.take(
                    AddCheckpoint(old, proof, signed.note),
                    AddEntries(head.origin, start, head.size),
                    story.packages(start, head.size),
                    at,
                )
        if self.root_at(head.origin, head.size) != head.root:
            heard = self.disk.read("heard", ())
            self.disk.write("heard", (*heard, *(entry for entry in entries if entry not in heard)))
            self.disk.write("read", self.disk.read("read", frozenset()) | {head})
            for entry in entries:
                self._hear(entry)
        return True

    def _hear(self, entry: bytes) -> None:
        try:
            self.evidence.receive(entry)
        except Refused:
            return  # nobody can parse it: nothing was said

    # Holdings, as ``guard.issue`` asks for them.

    def heads(self) -> tuple[SignedHead, ...]:
        """The greatest head of each log below which everything is stored and folded."""
        found = []
        for origin, state in self.states.items():
            if state.mirror is not None and state.mirror.size:
                head = Head(origin, state.mirror.size, Digest(state.mirror.root.hex()))
                found.append(SignedHead(head, state.mirror.note))
        return tuple(found)

    def root_at(self, origin: str, size: int) -> Digest | None:
        """The root of what is stored of a log, at a size."""
        branch = self.branches.get(origin)
        if branch is None or size > branch.tree.size:
            return None
        return Digest(branch.tree.root(size).hex())

    def has_read(self, head: Head) -> bool:
        """Whether a contradicting branch was read up to this head."""
        return head in self.disk.read("read", frozenset())

    # Issuing.

    def offer(self, request: bytes, at: Instant) -> bytes | None:
        """Round 1."""
        if self.lies & {"silent", "withhold"}:
            return None
        if self.lies & {"no-store", "signs-anything", "stale"}:
            return self._lying_offer(request, at)
        self.issuer, answer = quote_heads(
            self.issuer,
            request,
            party=self.party,
            signer=self.permit_signer,
            state=self.state,
            at=self.clock(at),
            holdings=self,
        )
        return answer

    def answer(self, ask: bytes, at: Instant) -> IssueReply | None:
        """Round 2; the new state is durable before the answer leaves."""
        if self.lies & {"silent", "withhold"}:
            return None
        if self.lies & {"no-store", "signs-anything", "stale"}:
            return Signed(sign_permit_body(parse_ask(ask)[1].body, self.permit_signer))
        after, reply = sign_permit(
            self.issuer,
            ask,
            party=self.party,
            signer=self.permit_signer,
            state=self.state,
            at=self.clock(at),
            holdings=self,
        )
        if after != self.issuer:
            self.disk.write("issuer", after)
            self.issuer = after
        return reply

    def notice(self, *, scope: str, activities: tuple[str, ...], cause: str, cites: tuple[Digest, ...]) -> bytes:
        """A stop notice with the next number."""
        after = replace(self.issuer, notices=self.issuer.notices + 1)
        self.disk.write("issuer", after)
        self.issuer = after
        notice = Notice(
            accord=self.coalition.accord,
            issuer=self.party,
            scope=scope,
            activities=tuple(activity for activity in ("training", "self_improvement") if activity in activities),
            sequence=after.notices,
            cause=cause,
            cites=cites,
        )
        return seal_notice(notice, self.permit_signer)

    def _lying_offer(self, request: bytes, at: Instant) -> bytes:
        parsed = parse_request(request)
        state, heads = self._old if self._old is not None else (self.state, self.heads())
        if "no-store" in self.lies:
            heads = tuple(self._claimed())
        terms = state.terms_at(at)
        return seal_offer(
            HeadsOffer(
                request=parsed.id,
                accord=parsed.accord,
                terms=terms.digest,
                terms_version=terms.version,
                issuer=self.party,
                heads=heads,
                allowed=True,
                rate=Decimal(1),
                life_s=terms.permits.calm_s,
                epoch=0,
                notices=self.issuer.notices,
            ),
            self.permit_signer,
        )

    def _claimed(self) -> Iterable[SignedHead]:
        for name in self.disk.names("claimed/"):
            note = self.disk.read(name, b"")
            checkpoint = parse_checkpoint(parse_note(note).text)
            if checkpoint.size:
                yield SignedHead(Head(checkpoint.origin, checkpoint.size, Digest(checkpoint.root.hex())), note)
