"""Where the clauses of terms come from: document, version and article, what the text says, what it leaves open.

Decides what may be said of a clause's origin, and that it is said of a clause that these terms have. Nothing here has any
effect on a decision: ``fold`` and ``decide`` never read it. Leaves how members are read to ``reading``. Normative text:
``spec/terms.md`` §2.1 (T40, T41).

1. A clause is named as it stands in the file: ``lift``, ``pause.halt_within``, ``limits.report-first``, ``indicators.depth``.
2. A note names a document and its article, or says that the clause is our own choice, or both.
3. What a document asks and these terms do not hold stands under ``not_expressed``, with the reason.

>>> from detente.accord.document import read_document
>>> text = b"{limits: [{id: big, on: run.start}], pause: {halt_within: 1 h}}"
>>> [has_clause(read_document(text), c) for c in ("limits.big", "limits.big.on", "pause.halt_within", "limits.small")]
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
    for clause, entry in node.entries.items():
        if clause == NOT_EXPRESSED:
            continue
        if not has_clause(root, clause):  # 1
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


def has_clause(root: Node, clause: str) -> bool:
    """Does the tree of terms have ``clause``? A part of a list is named by its id; a name may hold dots itself."""
    return not clause.startswith("sources") and _within(root, clause)


def _within(node: Node, path: str) -> bool:
    if node.kind == "list":
        parts: Mapping[str, Node] = {
            item.entries["id"].text: item for item in node.items if item.kind == "mapping" and "id" in item.entries
        }
    else:
        parts = node.entries
    return path in parts or any(
        _within(part, path[len(key) + 1 :]) for key, part in parts.items() if path.startswith(key + ".")
    )


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
