"""Successor logs: which log of a party follows which, and from when on a log counts no more.

Decides, from the chain of terms and the ``keys`` statements that count, which logs there are besides those of the terms, and
at which instant a log closes. Leaves out why a party opens one (mostly because its log told two stories, ``log.equivocation``,
or because its key was lost) and who cosigns what. Normative text: ``spec/accord.md`` §2, ``spec/log.md`` §10.

- A ``keys`` statement that enrols a key for the use ``log``, with an origin as its name, opens a log: only a party's root
  threshold can. Every earlier log of that party closes at that instant, as it does when its key is revoked.
- What a closed log holds up to that instant keeps its witnessed time. What comes later has none there: what permits never
  counts, what restricts binds as if it were merely heard.
- An origin, and a key, is one log's for good: nothing reopens a closed one. Such ``keys`` open no log (F22).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from detente.accord.chain import Link
from detente.accord.keychain import KeyBook
from detente.accord.records import Item
from detente.accord.standing import FoldNote
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import INSTANT_MAX
from detente.log.note import is_key_name
from detente.statement.keys import Enrolment, KeyRotation

SUCCESSORS_MAX = 2
"""Of one party: 16 parties with three logs each leave room for a second story of every party among the 64 heads of a permit."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A log that a party's root keys opened at ``since``."""

    party: Party
    origin: str
    key: PublicKey
    since: int
    statement: Digest


@dataclass(frozen=True, slots=True)
class Succession:
    """All successors, oldest first; the last instant at which each closed log counts; and what opened nothing."""

    successors: tuple[Successor, ...] = ()
    closed: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[FoldNote, ...] = ()


def find_successors(
    chain: Sequence[Link], book: KeyBook, notes: Iterable[FoldNote], items: Iterable[Item]
) -> Succession:
    """The logs that ``keys`` opened, and the logs that closed; ``notes`` are those on ``items`` that have no effect.

    1. Logs of the terms come first; each is its party's.
    2. In the order in which they took effect: an origin that fits a signed note and was no log's before, a key that was no
       log's before, at most ``SUCCESSORS_MAX`` of a party. Otherwise F22.
    3. A log closes when a later one of its party opens, or when its own key is revoked.
    """
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for party, use, key, first, end in book.spelled():
        if use == "log":
            spans.setdefault((party, key), (first, end))
    logs: dict[str, tuple[Party, PublicKey]] = {}
    for link in chain:  # 1
        for party, keys in link.terms.keys.items():
            if keys.log is not None:
                logs.setdefault(keys.log.name, (party, keys.log.key))
    successors: list[Successor] = []
    closed: dict[str, int] = {}
    refused: list[FoldNote] = []
    for since, item, enrolment in _opening(spans, {note.statement for note in notes}, items):  # 2
        why = _fault(enrolment, logs, sum(one.party == item.party for one in successors))
        if why:
            refused.append(FoldNote("F22", item.id, item.place, f"it opens no log: {why}"))
            continue
        for earlier, (operator, _) in logs.items():  # 3
            if operator == item.party:
                closed[earlier] = min(since, closed.get(earlier, since))
        origin = enrolment.name or ""
        logs[origin] = (item.party, enrolment.key)
        successors.append(Successor(item.party, origin, enrolment.key, since, item.id))
    for origin, (operator, of_log) in logs.items():
        revoked = spans.get((operator, of_log.hex()), (0, INSTANT_MAX))[1]
        if revoked < INSTANT_MAX:
            closed[origin] = min(revoked, closed.get(origin, revoked))
    return Succession(tuple(successors), closed, tuple(refused))


def _opening(
    spans: Mapping[tuple[str, str], tuple[int, int]], silent: Container[Digest | None], items: Iterable[Item]
) -> list[tuple[int, Item, Enrolment]]:
    """Every enrolment of a log's key that counts, in the order in which they took effect."""
    found = [
        (spans[item.party, enrolment.key.hex()][0], item, enrolment)
        for item in items
        if isinstance(item.body, KeyRotation) and item.time is not None and item.id not in silent
        for enrolment in item.body.enrol
        if enrolment.use == "log" and (item.party, enrolment.key.hex()) in spans
    ]
    return sorted(found, key=lambda each: (each[0], each[1].order, each[2].key))


def _fault(enrolment: Enrolment, logs: Mapping[str, tuple[Party, PublicKey]], count: int) -> str:
    origin = enrolment.name
    if origin is None or not is_key_name(origin):
        return "its key has no origin that a signed note could carry"
    if origin in logs:
        return f"{origin} is or was a log"
    if any(enrolment.key == key for _, key in logs.values()):
        return "its key is or was another log's"
    return "its party has opened as many as it may" if count >= SUCCESSORS_MAX else ""
