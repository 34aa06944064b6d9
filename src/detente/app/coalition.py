"""Whose log is whose, who mirrors, and how many cosignatures make a quorum: read from the terms in force.

Decides what a node takes from the chain of terms. Leaves out how that chain is verified (``accord``): only terms of a
fold may be given here.

- Keys of logs and mirrors of earlier terms stay known, so that what was signed under them can still be read; quorum,
  caps and the set of mirrors are those of the terms in force.
- Successors (``accord.successors``) are logs besides those of the terms; a party speaks in its last one. ``closed`` logs get
  no more entries and no more cosignatures.
- One key is one cosigner: a name listed for two keys, or a key for two parties, was refused by the terms' reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detente.accord.successors import Succession
from detente.accord.terms import Terms
from detente.base.identity import Party
from detente.log.cosignature import cosigner_key
from detente.log.mirror import DailyCap
from detente.log.note import ED25519, NoteKey

NO_SUCCESSION = Succession()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOf:
    """A log of the accord: its key (whose name is the origin) and who operates it."""

    key: NoteKey
    operator: Party
    successor: bool = False
    """Was it opened by the party's root keys after another one?"""
    since: int = 0
    """The witnessed time at which a successor was opened."""

    @property
    def origin(self) -> str:
        """The log's origin line."""
        return self.key.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalition:
    """What the terms say about logs and mirrors. ``cosigners`` are all ever named, ``mirrors`` those that count now."""

    terms: Terms
    logs: Mapping[str, LogOf]
    cosigners: Mapping[NoteKey, Party]
    mirrors: frozenset[Party]
    closed: frozenset[str] = frozenset()

    @property
    def cap(self) -> DailyCap:
        """What one log may add in a day."""
        return DailyCap(self.terms.mirrors.day_entries, self.terms.mirrors.day_bytes)

    def own_log(self, party: Party, *, settled_by: int | None = None) -> LogOf | None:
        """The log in which a party speaks: its last successor, else that of the terms.

        With ``settled_by``, successors whose opening had not settled at that instant are left out.
        """
        own = [log for log in self.logs.values() if log.operator == party]
        settle_s = self.terms.mirrors.settle_s
        successors = (
            log for log in reversed(own) if log.successor and (settled_by is None or log.since + settle_s <= settled_by)
        )
        first = next((log for log in own if not log.successor), None)
        return next(successors, first)

    def is_quorum(self, parties: Iterable[Party], operator: Party) -> bool:
        """Do the cosignatures of these parties witness a head of the log of ``operator``?

        Where the terms say that a party witnesses itself, its own cosignature is what counts, and is marked so.
        """
        rule = self.terms.mirrors
        if rule.self_witnessed:
            return operator in parties
        return len(self.mirrors.intersection(parties) - {operator}) >= rule.witness

    def log_cosigners(self) -> dict[NoteKey, Party]:
        """The mirrors whose cosignatures count on heads of this operator's log, as ``verify_witnessed`` takes them."""
        return {key: party for key, party in self.cosigners.items() if party in self.mirrors}


def coalition_of(chain: Iterable[Terms], succession: Succession = NO_SUCCESSION) -> Coalition:
    """Read the chain, oldest first; the last are the terms in force. ``succession`` is that of the same fold."""
    logs: dict[str, LogOf] = {}
    cosigners: dict[NoteKey, Party] = {}
    terms: Terms | None = None
    for terms in chain:
        for party, keys in terms.keys.items():
            if keys.log is not None:
                logs.setdefault(keys.log.name, LogOf(key=NoteKey(keys.log.name, ED25519, keys.log.key), operator=party))
            if keys.mirror is not None:
                cosigners.setdefault(cosigner_key(keys.mirror.name, keys.mirror.key), party)
    assert terms is not None, "a chain has its founding terms"
    for one in succession.successors:
        key = NoteKey(one.origin, ED25519, one.key)
        logs.setdefault(one.origin, LogOf(key=key, operator=one.party, successor=True, since=one.since))
    return Coalition(
        terms=terms,
        logs=logs,
        cosigners=cosigners,
        mirrors=frozenset(terms.mirrors.parties),
        closed=frozenset(succession.closed),
    )
