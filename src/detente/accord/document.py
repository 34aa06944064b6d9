"""YAML 1.2 as a tree of texts with their places: no anchors, no tags, no directives, no duplicate keys.

Decides what is readable at all. Leaves the meaning of every text to ``reading``: nothing is guessed to be a number, a
date or a boolean, so the country ``NO`` stays a country. Normative text: ``spec/terms.md`` §1 (T01 to T05).

- At most 4 MiB, 24 levels, 200,000 nodes, one document.
- Aliases are refused before anything is composed, so no text can grow by reading it.

>>> read_document(b"a: [1, no]").entries["a"].items[1].text
'no'
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from detente.base.errors import Refused, shown

BYTES_MAX = 4 * 2**20
"""Contracts §3."""
DEPTH_MAX = 24
"""The deepest shipped terms use 9 levels; the bound only has to stop a bomb."""
NODES_MAX = 200_000
"""Ten thousand clauses of twenty nodes."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node: a text, a list (``items``) or a mapping (``entries``), with its line and column from 1."""

    kind: str
    line: int
    column: int
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Line and column, as in a compiler's message."""
        return f"{self.line}:{self.column}"

    def __str__(self) -> str:
        return shown(self.text) if self.kind == "text" else f"a {self.kind}"


def read_document(data: bytes) -> Node:
    """The tree of one document; raises ``Refused`` T01 to T05.

    1. At most 4 MiB: T01.
    2. UTF-8 and YAML, one document: T02.
    3. No anchor, alias, tag or directive: T04. At most 24 levels and 200,000 nodes: T05.
    4. Every key is a text and stands once in its mapping: T03.
    """
    if len(data) > BYTES_MAX:  # 1
        raise Refused("T01", "oversized", got=f"{len(data)} bytes", expected=f"at most {BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("T02", "malformed", got=f"byte {error.start} is not UTF-8", expected="UTF-8") from None
    try:  # 2
        return _document(iter(YAML(typ="safe", pure=True).parse(text)))
    except YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f"{mark.line + 1}:{mark.column + 1} " if mark is not None else ""
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise Refused("T02", "malformed", got=f"{where}{problem}", expected="YAML 1.2") from None


def _document(events: Iterator[Any]) -> Node:
    counter = [0]
    root: Node | None = None
    for event in events:
        if isinstance(event, StreamEndEvent):
            break
        if isinstance(event, DocumentStartEvent):
            if root is not None or event.tags or event.version is not None:
                where = _where(event)
                raise Refused("T04", "malformed", got=f"{where} a directive or second document", expected="one, plain")
            root = _node(next(events), events, 0, counter)
    if root is None:
        raise Refused("T02", "malformed", got="an empty file", expected="a mapping")
    return root


def _where(event: Any) -> str:
    return f"{event.start_mark.line + 1}:{event.start_mark.column + 1}"


def _node(event: Any, events: Iterator[Any], depth: int, counter: list[int]) -> Node:
    counter[0] += 1
    where = _where(event)
    if isinstance(event, AliasEvent) or getattr(event, "anchor", None):  # 3
        raise Refused("T04", "malformed", got=f"{where} an anchor or alias", expected="each thing written out")
    if getattr(event, "tag", None) is not None:
        raise Refused("T04", "malformed", got=f"{where} a tag {shown(str(event.tag))}", expected="no tags")
    if depth > DEPTH_MAX or counter[0] > NODES_MAX:
        raise Refused(
            "T05", "oversized", got=f"{where} deeper or more", expected=f"{DEPTH_MAX} levels, {NODES_MAX} nodes"
        )
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if isinstance(event, ScalarEvent):
        return Node("text", line, column, text=str(event.value))
    if isinstance(event, SequenceStartEvent):
        items: list[Node] = []
        while (following := next(events)).__class__.__name__ != "SequenceEndEvent":
            items.append(_node(following, events, depth + 1, counter))
        return Node("list", line, column, items=tuple(items))
    if isinstance(event, MappingStartEvent):
        return _mapping(Node("mapping", line, column), events, depth, counter)
    raise Refused("T02", "malformed", got=f"{where} {shown(event.__class__.__name__)}", expected="a value")


def _mapping(node: Node, events: Iterator[Any], depth: int, counter: list[int]) -> Node:
    while (following := next(events)).__class__.__name__ != "MappingEndEvent":
        key = _node(following, events, depth + 1, counter)
        if key.kind != "text":  # 4
            raise Refused("T03", "duplicate-key", got=f"{key.where} a {key.kind} as a key", expected="a name, once")
        if key.text in node.entries:
            raise Refused("T03", "duplicate-key", got=f"{key.where} {shown(key.text)} again", expected="each name once")
        node.keys[key.text] = (key.line, key.column)
        node.entries[key.text] = _node(next(events), events, depth + 1, counter)
    return node
