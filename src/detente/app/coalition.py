"""Whose log is whose, who mirrors, and how many cosignatures make a quorum: read from the terms in force.

Decides what a node takes from the chain of terms. Leaves out how that chain is verified (``accord``): only terms of a
fold may be given here.

- Keys of logs and mirrors of earlier terms stay known, so that what was signed under them can still be read; quorum,
  caps and the set of mirrors are those of the terms in force.
- One key is one cosigner: a name listed for two keys, or a key for two parties, was refused by the terms' reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detente.accord.terms import Terms
from detente.base.identity import Party
from detente.log.cosignature import cosigner_key
from detente.log.mirror import DailyCap
from detente.log.note import ED25519, NoteKey


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOf:
    """A log of the accord: its key (whose name is the origin) and who operates it."""

    key: NoteKey
    operator: Party

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

    @property
    def cap(self) -> DailyCap:
        """What one log may add in a day."""
        return DailyCap(self.terms.mirrors.day_entries, self.terms.mirrors.day_bytes)

    def own_log(self, party: Party) -> LogOf | None:
        """The log of a party."""
        return next((log for log in self.logs.values() if log.operator == party), None)

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


def coalition_of(chain: Iterable[Terms]) -> Coalition:
    """Read the chain, oldest first; the last are the terms in force."""
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
    return Coalition(terms=terms, logs=logs, cosigners=cosigners, mirrors=frozenset(terms.mirrors.parties))
