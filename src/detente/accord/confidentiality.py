"""Which fields of statements the terms keep for auditors, or kept back behind a commitment, and who may read what.

Decides which fields can be kept and how, whether a statement spells out what had to be committed to, and which parties may be
given bytes whose digest stands in a field that is kept for auditors. Leaves serving them to whoever has them
(``app.blobs``). A digest itself is public: only what it is of is kept. Normative text: ``spec/terms.md`` §2.2,
``spec/accord.md`` §7.7 (T43, T44, F23).

>>> [(name, cls) for name in ("run.code", "run.planned_flop") for cls in CLASSES if can_be(name, cls)]
[('run.code', 'public'), ('run.code', 'auditor-only'), ('run.planned_flop', 'public'), ('run.planned_flop', 'committed')]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias, get_args

from detente.accord.document import Node
from detente.accord.fields import Fields, one_of
from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party
from detente.statement.commitment import Committed
from detente.statement.statement import Body

Confidentiality: TypeAlias = Literal["public", "auditor-only", "committed"]
CLASSES: Final[tuple[Confidentiality, ...]] = get_args(Confidentiality)
READER: Final = "auditor"
"""The role that is given what is ``auditor-only``."""

EVIDENCE: Final = (
    "run.code", "run.config", "run.data", "version.version", "proposal.change", "halted.checkpoint", "resumed.checkpoint",
    "measurement.evidence", "finding.evidence",
)  # fmt: skip
"""Members that are digests of bytes kept elsewhere: these can be kept for auditors."""
TEXTS: Final = "terms.digest"
"""The texts of amendments, which everybody has to read."""
AMOUNTS: Final = ("run.planned_flop",)
"""Members that can hold a commitment instead of their value."""
KNOWN: Final = (*EVIDENCE, *AMOUNTS)


def can_be(name: str, confidentiality: str) -> bool:
    """Can the field be kept like that?"""
    kept = "auditor-only" if name in EVIDENCE else "committed"
    return name in KNOWN and confidentiality in {"public", kept}


def read_confidential(node: Node, errors: list[Refused]) -> dict[str, Confidentiality]:
    """The member ``confidential``; errors are added: T43 for an unknown field, T44 for a class that it cannot have."""
    fields = Fields(node, errors)
    found: dict[str, Confidentiality] = {}
    for name, entry in node.entries.items():
        if name not in KNOWN:
            line, column = node.keys[name]
            errors.append(
                Refused("T43", "unknown-field", got=f"{line}:{column} {shown(name)}", expected="one of " + ", ".join(KNOWN))
            )  # fmt: skip
            continue
        kept = fields.guard(entry, one_of(*CLASSES))
        if kept is not None and not can_be(name, kept):
            able = [each for each in CLASSES if can_be(name, each)]
            errors.append(
                Refused("T44", "out-of-scope", got=f"{entry.where} {name}: {kept}", expected=" or ".join(able))
            )
        elif kept is not None:
            found[name] = kept
    return found


def disclosed(confidential: Mapping[str, Confidentiality], kind: str, body: Body) -> Iterator[str]:
    """The fields that the statement spells out and that had to be committed to."""
    for name in AMOUNTS:
        of, _, member = name.partition(".")
        if of == kind and confidential.get(name) == "committed" and not isinstance(getattr(body, member), Committed):
            yield name


def named_evidence(kind: str, body: Body) -> Iterator[tuple[str, Digest]]:
    """Every digest of evidence in the statement, with its field."""
    for name in (*EVIDENCE, TEXTS):
        of, _, member = name.partition(".")
        if of == kind:
            value = getattr(body, member)
            for digest in value if isinstance(value, tuple) else () if value is None else (value,):
                yield name, digest


class Readers:
    """Who may be given which bytes, under one text of terms and what was said so far.

    1. Where the terms keep nothing for auditors: anybody.
    2. What is named in a field that is kept: auditors, and the party that named it if no other party did. Whoever repeats
       somebody else's digest gains nothing, and neither then reads it.
    3. What is named in other fields only: anybody.
    4. What nobody named: auditors, since the statement that names it may not have been heard of here yet.
    """

    def __init__(self, auditors: frozenset[Party], confidential: Mapping[str, Confidentiality]) -> None:
        self._auditors = auditors
        self._kept = frozenset(name for name, kept in confidential.items() if kept == "auditor-only")
        self._named: dict[Digest, tuple[bool, set[Party]]] = {}

    @property
    def keeps(self) -> bool:
        """Is anything kept for auditors at all?"""
        return bool(self._kept)

    def add(self, kind: str, party: Party, body: Body) -> None:
        """Take in a statement."""
        for name, digest in named_evidence(kind, body):
            kept, parties = self._named.get(digest, (False, set()))
            self._named[digest] = (kept or name in self._kept, parties | {party})

    def of(self, digest: Digest) -> frozenset[Party] | None:
        """The parties that may be given the bytes; None: anybody."""
        if not self._kept:  # 1
            return None
        kept, parties = self._named.get(digest, (True, set()))  # 4
        if not kept:  # 3
            return None
        return self._auditors | (parties if len(parties) == 1 else frozenset())  # 2
