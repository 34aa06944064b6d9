"""Bind a party to an accord, let it leave, and register its compute: ``detente accord join | leave | register``.

Decides what the statement says and who signs it. Leaves out what it comes to: whether a party is bound, when its notice
has run and when the accord enters into force are ``accord.membership``. Normative: ``spec/accord.md`` §6.

1. Accession and withdrawal are said by a party's root keys, a facility by its statement key.
2. An accession names the text that is in force, or the founding one before there is any.
3. Where the threshold takes more root keys than lie here, the statement is written to a file, and each of the others signs
   the same one (``sign_also``): copies merge.
4. It is filed with the party's own node. What the node then says of it is part of the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file
from detente.adapters.keys import read_key
from detente.app.door import Door
from detente.app.pausing import note_on
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Misuse
from detente.base.identity import Party, parse_party
from detente.statement.accession import Accession, AccessionCondition, BoundCondition, HaltedCondition
from detente.statement.envelope import encode_envelope, parse_envelope, sign_payload, statement_id
from detente.statement.facility import Facility
from detente.statement.kinds import Kind
from detente.statement.statement import Body, Header, make_payload, parse_statement
from detente.statement.withdrawal import Withdrawal


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement of a party: made, and perhaps filed. ``without_effect`` is why the node gives it none."""

    statement: Digest
    kind: str
    party: Party
    envelope: bytes
    filed: bool = False
    witnessed: bool = False
    without_effect: str = ""
    phase: str = ""
    bound: tuple[Party, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "statement": self.statement,
            "kind": self.kind,
            "party": self.party,
            "filed": self.filed,
            "witnessed": self.witnessed,
            "counts": self.filed and not self.without_effect,
            "without_effect": self.without_effect,
            "phase": self.phase,
            "bound": list(self.bound),
        }


def read_condition(text: str, *, halted: bool, confirmed: bool = False) -> AccessionCondition:
    """``K:PARTY,PARTY…`` as a condition; raises ``Misuse``.

    >>> read_condition("1:dev-b,dev-c", halted=False)
    BoundCondition(at_least=1, of=('dev-b', 'dev-c'))
    """
    count, _, names = text.partition(":")
    of = tuple(parse_party(name.strip()) for name in names.split(",")) if names else ()
    if not count.isdecimal() or not 0 < int(count) <= len(of) or len(set(of)) < len(of):
        raise Misuse(
            f"got the condition {text!r}; expected a number and at least as many parties, such as 2:dev-b,dev-c"
        )
    return HaltedCondition(int(count), of, confirmed) if halted else BoundCondition(int(count), of)


async def prepare_accession(
    door: Door, party: Party, *, conditions: Sequence[AccessionCondition], roots: Sequence[Path], apart: bool
) -> Said:
    """An accession, signed by the root keys given; ``apart`` where others will sign too."""
    terms = (await door.status())["terms"]
    body = Accession(parse_digest(terms["digest"]), tuple(conditions))
    return _signed(door, party, "accession", body, int(terms["version"]), roots, apart=apart)


async def prepare_withdrawal(door: Door, party: Party, *, reason: str, roots: Sequence[Path], apart: bool) -> Said:
    """A withdrawal, signed by the root keys given; raises ``Misuse`` where there is nothing to leave."""
    if door.terms.withdrawal_notice_s is None:
        raise Misuse("the terms have no `withdrawal`: nobody can leave before they expire")
    status = await door.status()
    if not any(each["party"] == party and each["why"]["cites"] for each in status["bindings"]):
        raise Misuse(f"{party} has not acceded, or that has not settled: there is nothing to leave")
    terms = status["terms"]
    return _signed(door, party, "withdrawal", Withdrawal(reason), int(terms["version"]), roots, apart=apart)


async def register_facility(door: Door, party: Party, *, facility: str, chips: int, peak_flop_s: Decimal) -> Said:
    """File that a party has compute: what entry into force and slowdowns count shares of."""
    body = Facility(facility, door.terms.parties[_known(door, party)].country, chips, peak_flop_s)
    made, envelope = door.speaker(party).state("facility", body)
    return await file_statement(door, Said(statement=made, kind="facility", party=party, envelope=envelope))


def sign_also(path: Path, roots: Sequence[Path]) -> Said:
    """The statement in a file that ``keep_statement`` wrote, with the signatures of these root keys alone.

    Raises ``Refused`` S…, C01, C02, ``Misuse`` for a statement of another kind.
    """
    try:
        given = parse_envelope(path.read_bytes())
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    statement = parse_statement(given)
    if not isinstance(statement.body, Accession | Withdrawal):
        raise Misuse(f"{path} is a {statement.kind}, not an accession or a withdrawal")
    envelope = sign_payload(given.payload, *(read_key(root) for root in roots))
    return Said(
        statement=statement_id(envelope),
        kind=statement.kind,
        party=statement.header.party,
        envelope=encode_envelope(envelope),
    )


def keep_statement(path: Path, said: Said) -> None:
    """Write it for the holders of further root keys."""
    store_file(path, said.envelope, mode=0o644)


async def file_statement(door: Door, said: Said) -> Said:
    """File it with the home's node, and look at what that node says then."""
    receipt = await door.submit(said.envelope)
    status: Mapping[str, Any] = await door.status()
    return replace(
        said,
        filed=True,
        witnessed=receipt.witnessed,
        without_effect=note_on(status, said.statement),
        phase=str(status["phase"]["now"]),
        bound=tuple(Party(each["party"]) for each in status["bindings"] if each["bound"]),
    )


def _signed(
    door: Door, party: Party, kind: Kind, body: Body, version: int, roots: Sequence[Path], *, apart: bool
) -> Said:
    threshold = door.terms.keys[_known(door, party)].root.threshold
    paths = list(roots) or [door.config.key_path("root", party)]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise Misuse(
            f"no root key of {party} at {missing[0]}: put it back there for this, or name its file with --root"
        )
    if len(paths) < threshold and not apart:
        raise Misuse(
            f"{party} speaks by {threshold} root keys and {len(paths)} is here: name each with --root, or write the "
            "statement with --out FILE and let the others sign it with --sign FILE"
        )
    header = Header(
        accord=door.config.accord,
        terms=version,
        party=party,
        nonce=secrets.token_hex(16),
        made_at=SystemClock().now(),
    )
    envelope = sign_payload(make_payload(kind, header, (), body), *(read_key(path) for path in paths))
    return Said(statement=statement_id(envelope), kind=kind, party=party, envelope=encode_envelope(envelope))


def _known(door: Door, party: Party) -> Party:
    if party not in door.terms.keys:
        raise Misuse(f"got the party {party!r}; the terms have: {', '.join(sorted(door.terms.keys))}")
    return party
