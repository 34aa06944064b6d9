"""Read Agent Trace records: which lines of which files, at which revision, an agent or a human contributed to.

Decides the form (version 0.1, the required fields) and which contributor a range has; leaves to ``app`` the way from the
revision's lines to the commits that added them (git blame). Source: Agent Trace specification, Cursor, CC BY 4.0. Rule A06.

1. ``version``, ``id``, ``timestamp`` and ``files`` are required; fragments of a record are refused.
2. A range's own contributor counts before its conversation's. ``mixed`` and ``unknown`` say that nobody can tell: unresolved.
3. Line numbers hold at ``vcs.revision`` alone. A record without one says that there was an agent, not where.

>>> record = parse_trace('{"version":"0.1.0","id":"550e8400-e29b-41d4-a716-446655440000","timestamp":"2026-01-25T10:00:00Z",'
...     '"files":[{"path":"a.ts","conversations":[{"contributor":{"type":"ai"},"ranges":[{"start_line":1,"end_line":50}]}]}]}')
>>> record.revision, record.attested
('', (Attested(path='a.ts', kind='ai', agent='unnamed', lines=((1, 50),)),))
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any, Final, NamedTuple

from detente.base.errors import Refused, shown
from detente.measure.authorship.git_ai_note import LINE_MAX, Attested, Kind
from detente.measure.authorship.line_sets import union

_VERSION = re.compile(r"\d+\.\d+\.\d+\Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_KINDS: Final[dict[str, Kind]] = {"ai": "ai", "human": "human", "mixed": "unresolved", "unknown": "unresolved"}


class Trace(NamedTuple):
    """One record. ``revision`` is the commit at which the lines hold, empty where none is named or it is not git's."""

    id: str
    revision: str
    attested: tuple[Attested, ...]


def parse_trace(text: str) -> Trace:
    """One record (a line of ``.agent-trace/traces.jsonl``); refuses A06 what is not one."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(text, "a JSON object") from error
    if not isinstance(record, dict):
        raise _malformed(text, "a JSON object")
    for name, form in (("version", _VERSION), ("id", _UUID), ("timestamp", _TIME)):
        value = record.get(name)
        if not isinstance(value, str) or not form.match(value):
            raise _malformed(value, f"{name} as the specification has it")
    tool = record.get("tool")
    called = tool.get("name") if isinstance(tool, dict) else None
    named = called[:80] if isinstance(called, str) else "unnamed"
    ranges: dict[tuple[str, Kind, str], list[tuple[int, int]]] = defaultdict(list)
    for file in _list(record, "files"):
        path = _text(file, "path")
        for conversation in _list(file, "conversations"):
            for part in _list(conversation, "ranges"):
                kind = _contributor(part, conversation)
                ranges[path, kind, named if kind == "ai" else ""].append(_range(part))
    attested = tuple(Attested(*key, union(several)) for key, several in ranges.items())
    return Trace(record["id"], _revision(record.get("vcs")), attested)


def _contributor(part: dict[str, Any], conversation: dict[str, Any]) -> Kind:
    contributor = part.get("contributor", conversation.get("contributor"))
    if contributor is None:
        return "unresolved"
    kind = _KINDS.get(contributor.get("type", "")) if isinstance(contributor, dict) else None
    if kind is None:
        raise _malformed(contributor, "a contributor of type human, ai, mixed or unknown")
    return kind


def _range(part: dict[str, Any]) -> tuple[int, int]:
    first, last = part.get("start_line"), part.get("end_line")
    if type(first) is int and type(last) is int and 1 <= first <= last <= LINE_MAX:
        return first, last
    raise _malformed(part, "start_line and end_line, from 1")


def _revision(vcs: Any) -> str:
    if vcs is None:
        return ""
    if not isinstance(vcs, dict) or not isinstance(vcs.get("type"), str) or not isinstance(vcs.get("revision"), str):
        raise _malformed(vcs, "vcs with type and revision")
    revision: str = vcs["revision"].lower()
    return revision if vcs["type"] == "git" and _COMMIT.match(revision) else ""


def _list(value: Any, name: str) -> list[dict[str, Any]]:
    items = value.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _malformed(items, f"{name} as a list of objects")
    return items


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise _malformed(text, f"{name} as text")
    return text


def _malformed(got: object, expected: str) -> Refused:
    return Refused("A06", "malformed", got=shown(got), expected=expected)
