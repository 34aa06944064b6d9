"""From evidence to state: a pure function of the set of evidence, computed anew only where it changed.

Decides which statements count, in which order, under which terms and keys. Leaves what is so at an instant to
``status``. Normative text: ``spec/accord.md``.

- A state never changes. Another fold after more evidence gives another state, which shares what did not change.
- Whatever arrived in whatever order, equal evidence gives states of equal ``digest``.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from copy import copy
from decimal import Decimal
from operator import attrgetter
from typing import Any

from detente.accord.admission import Admission
from detente.accord.chain import Link, build_chain, epochs_of
from detente.accord.evidence import Epoch, Evidence
from detente.accord.keychain import KeyBook
from detente.accord.records import Item
from detente.accord.standing import FoldNote
from detente.accord.successors import Succession, find_successors
from detente.accord.terms import Terms
from detente.accord.topics import Topic, topics_of, wakes_of
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.base.strict_json import encode_json
from detente.statement.kinds import Use
from detente.statement.version import Version

_ORDER = attrgetter("order")
ROUNDS_MAX = 128
"""Mirrors change a few times in the life of an accord, and a party opens two logs at most; more would be our own mistake."""


class AccordState:
    """What the evidence means. Ask it by ``status.status(state, at)`` and by the methods here."""

    __slots__ = (
        "_digest", "_poisoned", "accord", "book", "chain", "epochs", "index", "items", "keep", "noted",
        "notes_of_chain", "progress", "settles", "succession", "wakes",
    )  # fmt: skip

    def __init__(self, evidence: Evidence, chain: tuple[Link, ...], book: KeyBook) -> None:
        self.accord = evidence.accord
        self.chain = chain
        self.book = book
        self.epochs: tuple[Epoch, ...] = evidence.epochs
        self.settles = frozenset(link.terms.mirrors.settle_s for link in chain)
        self.items: dict[Digest, Item] = {}
        self.index: dict[Topic, list[Item]] = {}
        self.wakes: dict[Topic, list[int]] = {}
        self.noted: dict[Digest, FoldNote] = {}
        self.notes_of_chain: tuple[FoldNote, ...] = ()
        self.succession = Succession()
        self.progress: dict[tuple[Digest, Party], Decimal] = {}
        self._poisoned: tuple[FoldNote, ...] = ()
        self._digest: Digest | None = None
        self.keep: dict[str, Any] = {}
        """Results that ``sweep`` and ``status`` keep for this state; never part of what it means."""

    @property
    def founding(self) -> Terms:
        """The founding terms."""
        return self.chain[0].terms

    @property
    def notes(self) -> tuple[FoldNote, ...]:
        """What is stored and cited and has no effect, in a fixed order."""
        of_items = (self.noted[statement] for statement in sorted(self.noted))
        return (*self._poisoned, *self.notes_of_chain, *of_items)

    @property
    def digest(self) -> Digest:
        """Digest of everything decisions depend on: equal for equal evidence."""
        if self._digest is None:
            content = {
                "accord": self.accord,
                "chain": [[link.terms.digest, link.settled, link.since] for link in self.chain],
                "keys": self.book.spelled(),
                "items": [
                    [i.id, i.time, [[s.party, s.key.hex(), s.use] for s in sorted(i.signers, key=_signer)]]
                    for i in sorted(self.items.values(), key=_ORDER)
                ],
                "notes": [note.as_json() for note in self.notes],
                "progress": sorted([run, party, str(flop)] for (run, party), flop in self.progress.items()),
            }
            if self.succession.successors or self.succession.closed:
                opened = [[one.party, one.origin, one.since] for one in self.succession.successors]
                content["logs"] = [opened, sorted([origin, at] for origin, at in self.succession.closed.items())]
            self._digest = Digest(hashlib.sha256(encode_json(content)).hexdigest())
        return self._digest

    def link_at(self, at: int) -> Link:
        """The link of the chain in effect."""
        last = self.chain[-1]
        return last if last.since <= at else next(link for link in reversed(self.chain) if link.since <= at)

    def terms_at(self, at: int) -> Terms:
        """The terms in effect."""
        return self.link_at(at).terms

    def acceptable_terms(self, at: Instant) -> tuple[Digest, ...]:
        """What a permit may name: the terms in effect first, then settled ones that are about to take effect."""
        coming = [link.terms.digest for link in self.chain if link.settled <= at < link.since]
        return (self.terms_at(at).digest, *coming)

    def key_in_force(self, key: PublicKey, party: Party, use: Use, at: Instant) -> bool:
        """Is the key enrolled for that use by that party at ``at``, and not revoked?"""
        return self.book.in_force(party, use, key, at)

    def keys_in_force(self, party: Party, use: Use, at: Instant) -> tuple[PublicKey, ...]:
        """The party's keys for a use at ``at``."""
        return self.book.keys(party, use, at)

    def log_of(self, party: Party, at: int) -> str | None:
        """Origin of the log in which the party speaks at ``at``; None where it has none."""
        opened = [one.origin for one in self.succession.successors if one.party == party and one.since <= at]
        keys = self.terms_at(at).keys.get(party)
        return opened[-1] if opened else (None if keys is None or keys.log is None else keys.log.name)

    def get(self, statement: Digest) -> Item | None:
        """An admitted statement by its id; None if it is not held or has no effect."""
        return None if statement in self.noted else self.items.get(statement)

    def stated(self, version: Digest) -> tuple[Item, ...]:
        """Every admitted statement of the version with that digest, witnessed or not, in fold order."""
        found: dict[Digest, tuple[Item, ...]] | None = self.keep.get("stated")
        if found is None:
            found = {}
            for item in self.index.get(("version",), ()):
                if isinstance(item.body, Version):
                    found[item.body.version] = (*found.get(item.body.version, ()), item)
            self.keep["stated"] = found
        return found.get(version, ())

    def developing_since(self) -> dict[Party, int]:
        """When each party's first run or version was witnessed; later than every instant where none of them was."""
        found: dict[Party, int] | None = self.keep.get("developing")
        if found is None:
            found = {}
            for topic in (("run",), ("version",)):
                for item in self.index.get(topic, ()):
                    first = item.order[0]
                    found[item.party] = min(found.get(item.party, first), first)
            self.keep["developing"] = found
        return found

    def upto(self, topic: Topic, at: int, *, heard: bool = False) -> Iterator[tuple[Item, int]]:
        """Admitted statements of a topic witnessed at or before ``at``, each with the time at which it counts.

        With ``heard``, every other restricting one follows, counting at ``at``: not witnessed yet, or witnessed by a clock
        that is ahead of ours (a mirror may lie about time; what restricts binds on receipt all the same). Whether a
        permitting one has settled is for the reader to ask.
        """
        items = self.index.get(topic)
        if not items:
            return
        end = bisect_right(items, (at, 2, ""), key=_ORDER)
        for item in items[:end]:
            if item.time is not None:
                yield item, item.time
        if heard:
            for item in items[end:]:
                if item.restricting:
                    yield item, at

    def holds_more(self, topic: Topic, at: int) -> bool:
        """Does ``upto`` give more of the topic at ``at`` with ``heard`` than without?"""
        items = self.index.get(topic, ())
        return any(item.restricting for item in items[bisect_right(items, (at, 2, ""), key=_ORDER) :])

    def latest(self, topic: Topic, at: int, *, heard: bool = False) -> Iterator[tuple[Item, int]]:
        """What ``upto`` gives, the last first, so that a reader of the latest need not pass all the earlier ones."""
        items = self.index.get(topic)
        if not items:
            return
        end = bisect_right(items, (at, 2, ""), key=_ORDER)
        if heard:
            for item in reversed(items[end:]):
                if item.restricting:
                    yield item, at
        for number in range(end - 1, -1, -1):
            item = items[number]
            if item.time is not None:
                yield item, item.time

    def next_wake(self, topics: tuple[Topic, ...], after: int) -> int | None:
        """The first instant after ``after`` at which evidence of these topics may change something."""
        found = []
        for topic in topics:
            wakes = self.wakes.get(topic)
            if wakes:
                at = bisect_right(wakes, after)
                if at < len(wakes):
                    found.append(wakes[at])
        return min(found, default=None)

    def note_poisoned(self, notes: tuple[FoldNote, ...]) -> None:
        """Set once, while the state is being built."""
        self._poisoned = notes

    def inherit(self, other: AccordState) -> None:
        """Start from another state of the same governance; containers are copied before they are changed."""
        self.items = dict(other.items)
        self.index = dict(other.index)
        self.wakes = dict(other.wakes)
        self.noted = dict(other.noted)

    def supposing(self, items: Iterable[Item], link: Link | None = None) -> AccordState:
        """What the state would be with these statements too, which nobody signed, and with one more text in the chain.

        For explanations alone: nothing is admitted or verified, and this state stays as it is.
        """
        other = copy(self)
        other.keep, other._digest = {}, None
        other.inherit(self)
        if link is not None:
            other.chain = (*self.chain, link)
            other.settles = self.settles | {link.terms.mirrors.settle_s}
        owned: set[Topic] = set()
        for item in items:
            other.replace(item, self.items.get(item.id), None, owned)
        return other

    def as_of(self, at: int) -> AccordState:
        """What the state would be without anything that was not witnessed by ``at``: for looking back."""
        other = copy(self)
        other.keep, other._digest = {}, None
        other.inherit(self)
        owned: set[Topic] = set()
        for item in self.items.values():
            if item.time is None or item.time > at:
                other.replace(None, item, None, owned)
        return other

    def replace(self, item: Item | None, was: Item | None, note: FoldNote | None, owned: set[Topic]) -> int:
        """Put one statement in place of its former self; returns the earliest instant that this can change."""
        times = []
        statement = (item or was).id  # type: ignore[union-attr]
        if was is not None and statement not in self.noted:
            times += self._remove(was, owned)
        self.noted.pop(statement, None)
        if item is None:
            self.items.pop(statement, None)
            return min(times, default=2**62)
        self.items[statement] = item
        if note is not None:
            self.noted[statement] = note
        else:
            times += self._insert(item, owned)
        return min(times, default=2**62)

    def _own(self, topic: Topic, owned: set[Topic]) -> tuple[list[Item], list[int]]:
        if topic not in owned:
            owned.add(topic)
            self.index[topic] = list(self.index.get(topic, ()))
            self.wakes[topic] = list(self.wakes.get(topic, ()))
        return self.index[topic], self.wakes[topic]

    def _insert(self, item: Item, owned: set[Topic]) -> list[int]:
        for topic in topics_of(item):
            items, _ = self._own(topic, owned)
            items.insert(bisect_right(items, item.order, key=_ORDER), item)
        for topic, instant in self._wakes(item):
            _, wakes = self._own(topic, owned)
            wakes.insert(bisect_right(wakes, instant), instant)
        return [] if item.time is None else [item.time]

    def _remove(self, item: Item, owned: set[Topic]) -> list[int]:
        for topic in topics_of(item):
            items, _ = self._own(topic, owned)
            del items[bisect_left(items, item.order, key=_ORDER)]
        for topic, instant in self._wakes(item):
            _, wakes = self._own(topic, owned)
            del wakes[bisect_left(wakes, instant)]
        return [] if item.time is None else [item.time]

    def _wakes(self, item: Item) -> Iterator[tuple[Topic, int]]:
        return iter(()) if item.time is None else wakes_of(item, item.time, [link.terms for link in self.chain])


def _signer(signer: Any) -> tuple[str, bytes, str]:
    return (signer.party, signer.key, signer.use)


def fold(evidence: Evidence) -> AccordState:
    """The state of the evidence as it stands; costs what changed since the last fold of this evidence.

    Raises ``Misuse`` while entries must be read again (``Evidence.read_again``): what they say may restrict.

    1. If terms or keys changed: the chain anew, the mirrors' epochs with it. Where the chain, the clock and the logs came out as they
       were, then the statements that changed, and those that a key signed which is now in force at other times; else every one.
    2. Otherwise only the statements that changed, and those that name them.
    """
    if evidence.again:
        raise Misuse(f"{len(evidence.again)} entries must be read again first, the first {evidence.again[0]}")
    last: AccordState | None = evidence.kept
    if last is not None and evidence.kept_revision == evidence.revision:
        return last
    keeps = True
    if last is None or any(statement in evidence.governing for statement in evidence.changed):  # 1
        state, changed, keeps = _governed(evidence, last)
    else:  # 2
        state = AccordState(evidence, last.chain, last.book)
        state.notes_of_chain = last.notes_of_chain
        state.succession = last.succession
        state.inherit(last)
        changed = evidence.changed
    horizon = _apply(evidence, state, changed)
    state.progress = dict(evidence.progress)
    state.note_poisoned(evidence.poisoned_notes())
    if last is not None and keeps:
        sweep, before = last.keep.get("inherited", (None, 2**62))
        state.keep["inherited"] = (last.keep.get("sweep", sweep), min(horizon, before))
    evidence.kept, evidence.kept_revision, evidence.changed = state, evidence.revision, set()
    return state


def _governed(evidence: Evidence, last: AccordState | None) -> tuple[AccordState, set[Digest], bool]:
    """The state with its chain and keys, which statements to judge under them, and whether what ``sweep`` keeps still holds.

    A key bears on a statement by having signed it (``admission``). What ``sweep`` asks of keys is who acceded, by root keys.
    """
    touched, clock = set(evidence.changed), evidence.clock()
    chain, book, notes, logs = _govern(evidence)
    state = AccordState(evidence, chain, book)
    state.notes_of_chain = (*notes, *logs.notes)
    state.succession = logs
    if last is None or (last.chain, last.succession, clock) != (chain, logs, evidence.clock()):
        return state, set(evidence.records), False
    state.inherit(last)
    return state, touched | evidence.resting_on(book.differing(last.book)), book.has_roots_of(last.book)


def _govern(evidence: Evidence) -> tuple[tuple[Link, ...], KeyBook, tuple[FoldNote, ...], Succession]:
    """The chain under its own clock: repeated, since an amendment of the mirrors, or another log, changes when entries count.

    Each round fixes at least one more change of the clock or of the logs: what a change rests on is not later than it.
    """
    evidence.set_epochs(evidence.epochs[:1])
    evidence.set_logs({}, {})
    for _ in range(ROUNDS_MAX):
        chain, book, notes = _chain(evidence)
        for link in chain:
            evidence.know_operators(link.terms)
        epochs = epochs_of(chain)
        succession = find_successors(chain, book, notes, _governing_items(evidence))
        opened = {one.origin: one.party for one in succession.successors}
        if epochs == evidence.epochs and evidence.has_logs(opened, succession.closed):
            return chain, book, notes, succession
        evidence.set_epochs(epochs)
        evidence.set_logs(opened, succession.closed)
    raise Misuse("the chain of terms and its clock do not settle")


def _governing_items(evidence: Evidence) -> list[Item]:
    return [
        evidence.item(statement)
        for statement in evidence.governing
        if (record := evidence.records[statement]).copies and record.statement.header.accord == evidence.accord
    ]


def _chain(evidence: Evidence) -> tuple[tuple[Link, ...], KeyBook, tuple[FoldNote, ...]]:
    return build_chain(evidence.founding, evidence.texts, _governing_items(evidence), evidence.unproven)


def _apply(evidence: Evidence, state: AccordState, changed: set[Digest]) -> int:
    admission = Admission(state.accord, [link.terms for link in state.chain], state.book, state.succession)
    fresh: dict[Digest, Item | None] = {}
    for statement in changed:
        record = evidence.records.get(statement)
        if record is not None:
            fresh[statement] = evidence.item(statement) if record.copies else None

    def lookup(statement: Digest) -> Item | None:
        return fresh[statement] if statement in fresh else state.items.get(statement)

    owned: set[Topic] = set()
    horizon = 2**62
    for statement in sorted(fresh):
        item = fresh[statement]
        was = state.items.get(statement)
        if item is None and was is None:
            continue
        note = None
        if item is not None:
            note = admission.note(item, evidence.records[statement].statement.header.accord, lookup)
        horizon = min(horizon, state.replace(item, was, note, owned))
    return horizon
