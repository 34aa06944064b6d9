"""The ``keys`` section: founding keys with their proofs of possession, read and written.

Decides how keys stand in terms. Leaves out what they may sign (``statement.kinds``) and whether one is in force
(``fold``). Normative: ``spec/terms.md`` §2 (T16 to T19).

- Every key passes the enrolment gate with its own proof; one public key stands once in the whole file.
- Parties named in ``parties`` without a ``keys`` block are refused, except in a template.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detente.accord.document import Node
from detente.accord.fields import Fields, listed, positive, text
from detente.accord.terms import NamedKey, PartyKeys, RootKeys
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey, parse_key, show_key
from detente.statement.fields import is_name
from detente.statement.keys import verify_possession
from detente.statement.kinds import Use

REVIEWERS_MAX = 64
"""Reviewers' keys of one party in terms: each costs the gate about 2 ms. More of them come by ``keys`` statements."""


@dataclass(frozen=True, slots=True)
class ProvenKey:
    """A key with its proof of possession, and the name that its use needs: in signed notes, or a reviewer's."""

    use: Use
    key: PublicKey
    proof: bytes
    name: str | None = None


def spell_keys(threshold: Mapping[Party, int], keys: Mapping[Party, tuple[ProvenKey, ...]]) -> str:
    """The ``keys`` section that ``read_keys`` reads, to be appended to a template. A log's name is its origin.

    >>> key = ProvenKey("root", PublicKey(bytes(31) + bytes([1])), bytes(64))
    >>> print(spell_keys({Party("dev-a"): 1}, {Party("dev-a"): (key,)})[:43])
    keys:
      dev-a:
        root:
          threshold: 1
    """
    lines = ["keys:"]
    for party, proven in keys.items():
        lines.append(f"  {party}:")
        lines += ["    root:", f"      threshold: {threshold[party]}", "      keys:"]
        lines += [_item(key, 8) for key in proven if key.use == "root"]
        for use in ("statement", "guard"):
            found = [key for key in proven if key.use == use]
            if found:
                lines.append(f"    {use}:")
                lines += [_item(key, 6) for key in found]
        reviewers = [key for key in proven if key.use == "reviewer"]
        if reviewers:
            lines.append("    reviewer:")
            lines += [f"      - {{name: {key.name}, {_pair(key)}}}" for key in reviewers]
        for key in proven:
            if key.use in {"log", "mirror", "witness", "permit"}:
                label = "" if key.name is None else f"{'origin' if key.use == 'log' else 'name'}: {key.name}, "
                lines.append(f"    {key.use}: {{{label}{_pair(key)}}}")
    return "\n".join(lines) + "\n"


def _pair(key: ProvenKey) -> str:
    return f'key: "{show_key(key.key)}", proof: "{base64.b64encode(key.proof).decode()}"'


def _item(key: ProvenKey, indent: int) -> str:
    return f"{' ' * indent}- {{{_pair(key)}}}"


@dataclass(slots=True)
class KeySection:
    """What was read: the parties' keys, and every proven key for the ring of keys ever enrolled."""

    parties: dict[Party, PartyKeys]
    proven: dict[Party, tuple[ProvenKey, ...]]


class KeyReader:
    """Reads the section party by party, remembering every key to refuse a second appearance (T16)."""

    def __init__(self, errors: list[Refused]) -> None:
        self.errors = errors
        self.first: dict[PublicKey, str] = {}

    def read(self, node: Node, parties: Mapping[Party, Any]) -> KeySection:
        """Every party's keys; T17 for a key block of nobody, T18 for a party without one."""
        section = KeySection({}, {})
        Fields(node, self.errors)
        for name, entry in node.entries.items():
            if name not in parties:
                line, column = node.keys[name]
                got = f"{line}:{column} keys of {shown(name)}"
                self.errors.append(Refused("T17", "unknown-party", got=got, expected="a party of `parties`"))
                continue
            party = Party(name)
            proven: list[ProvenKey] = []
            keys = self._party(party, entry, proven)
            if keys is not None:
                section.parties[party] = keys
                section.proven[party] = tuple(proven)
        for party in parties:
            if party not in node.entries:
                self.errors.append(
                    Refused(
                        "T18", "unknown-key", got=f"{node.where} no keys of {party}", expected="keys of every party"
                    )
                )
        return section

    def _party(self, party: Party, node: Node, proven: list[ProvenKey]) -> PartyKeys | None:
        before = len(self.errors)
        fields = Fields(node, self.errors)

        def keys_for(use: Use) -> Any:
            return listed(lambda item: self._key(party, use, item, proven), 1, 32)

        def named(use: Use, label: str) -> Any:
            return lambda item: self._named(party, use, label, item, proven)

        root = fields.take("root", lambda item: self._root(party, item, proven))
        statement = fields.take("statement", keys_for("statement"))
        guard = fields.take("guard", keys_for("guard"), ())
        log = fields.take("log", named("log", "origin"), None)
        mirror = fields.take("mirror", named("mirror", "name"), None)
        witness = fields.take("witness", named("witness", "name"), None)
        permit = fields.take("permit", lambda item: self._key(party, "permit", item, proven), None)
        reviewers = fields.take(
            "reviewer", listed(lambda item: self._named(party, "reviewer", "name", item, proven), 1, REVIEWERS_MAX), ()
        )
        fields.done()
        if len(self.errors) > before:
            return None
        return PartyKeys(root, statement, guard, log, mirror, witness, permit, reviewers)

    def _root(self, party: Party, node: Node, proven: list[ProvenKey]) -> RootKeys:
        errors: list[Refused] = []
        fields = Fields(node, errors)
        threshold = fields.take("threshold", positive)
        keys = fields.take("keys", listed(lambda item: self._key(party, "root", item, proven), 1, 32))
        fields.done()
        if errors:
            raise errors[0]
        if threshold > len(keys):
            raise Refused(
                "T19", "terms-unsound", got=f"{node.where} {threshold} of {len(keys)} root keys", expected="at most all"
            )
        return RootKeys(threshold, keys)

    def _named(self, party: Party, use: Use, label: str, node: Node, proven: list[ProvenKey]) -> NamedKey:
        errors: list[Refused] = []
        name = Fields(node, errors).take(label, text)
        if errors:
            raise errors[0]
        rest = Node("mapping", node.line, node.column)
        for member, value in node.entries.items():
            if member != label:
                rest.entries[member] = value
                rest.keys[member] = node.keys[member]
        if any(char in name for char in " +\n\r\t"):
            raise Refused("T08", "malformed", got=f"{node.where} {name!r}", expected="a name without spaces or +")
        if use == "reviewer" and not is_name(name):
            raise Refused(
                "T08", "malformed", got=f"{node.where} {name!r}", expected="a pseudonym: letters, digits, ._:/@-"
            )
        return NamedKey(name, self._key(party, use, rest, proven, name))

    def _key(
        self, party: Party, use: Use, node: Node, proven: list[ProvenKey], name: str | None = None
    ) -> PublicKey:  # fmt: skip
        """One key: spelled right, seen for the first time (T16), strong and proven (B08, B09, K01 become T08)."""
        errors: list[Refused] = []
        fields = Fields(node, errors)
        key = fields.take("key", lambda item: parse_key(text(item)))
        proof = fields.take("proof", _proof)
        fields.done()
        if errors:
            raise errors[0]
        role = f"{party} {use}"
        if key in self.first:
            raise Refused(
                "T16",
                "duplicate-key",
                got=f"{node.where} {show_key(key)} as {role}, already {self.first[key]}",
                expected="each public key once",
            )
        self.first[key] = role
        verify_possession(party, use, key, proof, name)
        proven.append(ProvenKey(use, key, proof, name))
        return PublicKey(key)


def _proof(node: Node) -> bytes:
    try:
        proof = base64.b64decode(text(node), validate=True)
    except (binascii.Error, ValueError):
        proof = b""
    if len(proof) != 64:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="64 bytes in base64")
    return proof
