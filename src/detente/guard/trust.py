"""What a guard pins: the accord, the issuers under each text of the terms that it accepts, the keys of the logs.

Decides who may issue under given terms. Leaves out how terms are verified as a chain from the founding text
(``accord``): only terms that came out of that check may be given here.

Rules (``spec/permit.md`` §5): the issuers of a text are its mirrors with a permit key; m of them, f of whom may lie;
no life above the calm one; two texts at a changeover, each with its own issuers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.log.note import ED25519, NoteKey


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSet:
    """Who may issue under one text of the terms: m = ``needed`` distinct parties, of whom f = ``may_fail`` may lie.

    ``life_max_s`` is the longest life of a permit, in seconds.
    """

    issuers: Mapping[PublicKey, Party]
    needed: int
    may_fail: int
    life_max_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerTrust:
    """The accord, the issuers under each terms digest accepted, and the key of each log by its origin."""

    accord: Digest
    sets: Mapping[Digest, IssuerSet]
    logs: Mapping[str, NoteKey] = field(default_factory=dict)


def trust_of(accord: Digest, *texts: Terms) -> IssuerTrust:
    """The trust in the issuers of these texts: one in force, or two at a changeover (the order does not matter)."""
    return IssuerTrust(
        accord=accord,
        sets={terms.digest: issuer_set(terms) for terms in texts},
        logs={
            keys.log.name: NoteKey(keys.log.name, ED25519, keys.log.key)
            for terms in sorted(texts, key=lambda terms: terms.version)
            for keys in terms.keys.values()
            if keys.log is not None
        },
    )


def issuer_set(terms: Terms) -> IssuerSet:
    """The issuers that these terms name: every mirror with a permit key."""
    issuers = {}
    for party in terms.mirrors.parties:
        keys = terms.keys.get(party)
        if keys is not None and keys.permit is not None:
            issuers[keys.permit] = party
    return IssuerSet(
        issuers=issuers,
        needed=terms.mirrors.issue,
        may_fail=terms.mirrors.may_fail,
        life_max_s=terms.permits.calm_s,
    )


def all_issuers(trust: IssuerTrust) -> dict[PublicKey, Party]:
    """The issuers under any terms that the guard accepts."""
    return {key: party for issuers in trust.sets.values() for key, party in issuers.issuers.items()}
