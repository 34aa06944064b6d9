"""Where the clauses of terms come from: document, version and article, what the text says, what it leaves open.

Decides what may be said of a clause's origin, and that it is said of a clause that these terms have. Nothing here has any
effect on a decision: ``fold`` and ``decide`` never read it. Leaves how members are read to ``reading``. Normative text:
``spec/terms.md`` §2.1 (T40, T41).

1. A clause is named as it stands in the file: ``lift``, ``pause.halt_within``, ``limits.report-first``, ``indicators.depth``.
2. A note names a document and its article, or says that the clause is our own choice, or both.
3. What a document asks and these terms do not hold stands under ``not_expressed``, with the reason.

>>> from detente.accord.document import read_document
>>> text = b"{limits: [{id: big, on: run.start}], pause: {halt_within: 1 h}}"
>>> [Parts(read_document(text)).has(c) for c in ("limits.big", "limits.big.on", "pause.halt_within", "limits.small")]
[True, True, True, False]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from detente.accord.document import Node
from detente.accord.fields import Fields, listed, name, one_of, text
from detente.base.errors import Refused, shown

Wording = Literal["primary", "secondary", "reading"]
"""``primary``: the document's own wording was read; ``secondary``: somebody's account of it; ``reading``: our interpretation."""

NOT_EXPRESSED = "not_expressed"
CLAUSE_MAX = 1_024
"""Characters of the name of a clause: as many as a text has."""


@dataclass(frozen=True, slots=True)
class Source:
    """One note on a clause. ``of`` is a document and its version; ``rules`` are ids of a table of rules kept elsewhere."""

    of: str = ""
    clause: str = ""
    wording: Wording | None = None
    url: str = ""
    rules: tuple[str, ...] = ()
    says: str = ""
    leaves_open: str = ""
    our_choice: str = ""


@dataclass(frozen=True, slots=True)
class NotExpressed:
    """What ``clause`` of the document asks and these terms do not hold, and why."""

    of: str
    clause: str
    why: str
    url: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Notes by clause of these terms, and what they do not express."""

    clauses: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    not_expressed: tuple[NotExpressed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses or self.not_expressed)

    def rules(self) -> frozenset[str]:
        """Every rule id that some clause, or some reason why not, speaks of."""
        expressed = (rule for notes in self.clauses.values() for note in notes for rule in note.rules)
        return frozenset([*expressed, *(rule for each in self.not_expressed for rule in each.rules)])


def read_sources(node: Node, root: Node, errors: list[Refused]) -> Sources:
    """The member ``sources`` of the terms whose tree is ``root``; what is wrong is added to ``errors``.

    1. Every key but ``not_expressed`` is a clause of these terms: T40.
    2. Each note is of its shape (T06 to T08) and names a document with article and wording, or our choice: T41.
    """
    Fields(node, errors)
    clauses: dict[str, tuple[Source, ...]] = {}
    parts = Parts(root)
    for clause, entry in node.entries.items():
        if clause == NOT_EXPRESSED:
            continue
        if not parts.has(clause):  # 1
            line, column = node.keys[clause]
            errors.append(
                Refused(
                    "T40",
                    "not-found",
                    got=f"{line}:{column} {shown(clause)}",
                    expected="a clause of these terms, such as limits.<id>, pause.halt_within or lift",
                    todo=f"what a document asks and these terms lack stands under {NOT_EXPRESSED}",
                )
            )
        items = entry.items if entry.kind == "list" else (entry,)
        clauses[clause] = tuple(_source(item, errors) for item in items)  # 2
    fields = Fields(node, errors) if NOT_EXPRESSED in node.entries else None
    absent = fields.take(NOT_EXPRESSED, listed(lambda item: item), ()) if fields is not None else ()
    return Sources(clauses, tuple(_not_expressed(item, errors) for item in absent or ()))


class Parts:
    """The clauses that a tree of terms has. A part of a list is named by its id; a name may hold dots itself."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._of: dict[int, Mapping[str, Node]] = {}

    def has(self, clause: str) -> bool:
        """Does the tree have ``clause``?"""
        return len(clause) <= CLAUSE_MAX and not clause.startswith("sources") and self._within(self._root, clause)

    def _within(self, node: Node, path: str) -> bool:
        parts = self._parts(node)
        if path in parts:
            return True
        dots = [place for place, char in enumerate(path) if char == "."]
        return any(path[:dot] in parts and self._within(parts[path[:dot]], path[dot + 1 :]) for dot in dots)

    def _parts(self, node: Node) -> Mapping[str, Node]:
        """By name, worked out once for each list: every clause of thousands may have its sources."""
        if node.kind != "list":
            return node.entries
        if id(node) not in self._of:
            self._of[id(node)] = {
                item.entries["id"].text: item for item in node.items if item.kind == "mapping" and "id" in item.entries
            }
        return self._of[id(node)]


def _source(node: Node, errors: list[Refused]) -> Source:
    fields = Fields(node, errors)
    of = fields.take("of", text, "")
    source = Source(
        of or "",
        fields.take("clause", text, "") or "",
        fields.take("wording", one_of("primary", "secondary", "reading"), None),
        fields.take("url", _url, "") or "",
        fields.take("rules", listed(name, 1, 64), ()) or (),
        fields.take("says", text, "") or "",
        fields.take("leaves_open", text, "") or "",
        fields.take("our_choice", text, "") or "",
    )
    fields.done()
    named = "of" in node.entries
    whole = named and {"clause", "wording"} <= node.entries.keys()
    if node.kind == "mapping" and not whole and (named or "our_choice" not in node.entries):
        errors.append(
            Refused(
                "T41",
                "wrong-type",
                got=f"{node.where} a note with {', '.join(node.entries) or 'nothing'}",
                expected="of, clause and wording together, or our_choice",
            )
        )
    return source


def _not_expressed(node: Node, errors: list[Refused]) -> NotExpressed:
    fields = Fields(node, errors)
    values: tuple[Any, ...] = (
        fields.take("of", text),
        fields.take("clause", text),
        fields.take("why", text),
        fields.take("url", _url, ""),
        fields.take("rules", listed(name, 1, 64), ()),
    )
    fields.done()
    return NotExpressed(*values)


def _url(node: Node) -> str:
    value = text(node)
    if not value.startswith(("https://", "http://")):
        raise Refused("T08", "malformed", got=f"{node.where} {shown(value)}", expected="an address: https://…")
    return value
