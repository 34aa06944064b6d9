r"""Read what a Git AI note attests: which lines of which files an agent, or a known human, wrote.

Decides the form and resolves ids; leaves out what the lines count for (``facts``). Source: Git AI Standard 3.0.0 and notes seen
in the wild; the JSON form of version 0.0.1 is read too. Rule A05; ``spec/measure-authorship.md`` §3.

1. An attestation, a line ``---``, a JSON object. A file's path stands alone, in quotes if it has spaces; below it, two spaces in,
   an id and ranges of lines.
2. ``s_…`` (with or without ``::t_…``) is looked up in ``sessions``, ``h_…`` is a known human, anything else is looked up in
   ``prompts``. An id that is in no table is *unresolved*: nobody knows who it is, however it is spelt.
3. Ranges of one file overlap in real notes. They are kept as sets: adding them up counts lines twice.
4. A line that no entry names is untracked. It is not human.

>>> note = parse_note('a.py\n  s_1::t_1 1-5,3-8\n  h_1 9\n---\n{"schema_version":"authorship/3.0.0","sessions":'
...                   '{"s_1":{"agent_id":{"tool":"claude","model":"m"}}}}')
>>> union_lines(note)
{'ai': 8, 'human': 1}
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from detente.base.errors import Refused, shown
from detente.measure.authorship.line_sets import Lines, count, union

Kind = Literal["ai", "human", "unresolved"]
LINE_MAX: Final = 1 << 31
"""No file that git compares has more lines."""
TEST_TOOL: Final = re.compile(r"(mock|test|fake|dummy)([-_ ].*)?\Z", re.IGNORECASE)
"""Tools by which the makers of a ledger try it out (``mock_ai``, ``test-agent``): noise, not authorship."""

_ENTRY = re.compile(r" {2}(\S+) ([0-9,\- ]+)\Z")
_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?\Z")


class Attested(NamedTuple):
    """Lines of one file that a ledger ascribes; ``agent`` is the tool's name as written, empty for a human or nobody known."""

    path: str
    kind: Kind
    agent: str
    lines: Lines

    @property
    def is_test(self) -> bool:
        return bool(TEST_TOOL.match(self.agent))


class Note(NamedTuple):
    """One note. ``agents`` are the tools of all its sessions and prompts, also of those that no line names.

    ``operators`` are the people, as written, whom sessions and prompts name as having run the agent.
    """

    version: str
    attested: tuple[Attested, ...]
    agents: tuple[str, ...]
    operators: tuple[str, ...] = ()


def parse_note(text: str) -> Note:
    """The note; refuses A05 what is not one."""
    if text.lstrip().startswith("{"):
        return _parse_json_form(text)
    head, separator, tail = ("\n" + text).partition("\n---\n")
    if not separator:
        raise _malformed(text, "an attestation, a line `---`, a JSON object")
    facts = _parse_json(tail)
    version = facts.get("schema_version")
    if not isinstance(version, str) or not version.startswith("authorship/3."):
        raise _malformed(version, "schema_version authorship/3.x")
    sessions, prompts = _table(facts, "sessions"), _table(facts, "prompts")
    ranges: dict[tuple[str, Kind, str], list[tuple[int, int]]] = defaultdict(list)
    path = ""
    for line in head.split("\n"):
        if not line.strip():
            continue
        if not line.startswith(" "):
            path = _unquoted(line.rstrip("\r"))
            continue
        entry = _ENTRY.match(line.rstrip("\r "))
        if entry is None or not path:
            raise _malformed(line, "a path, and below it two spaces, an id and ranges")
        kind, agent = _resolved(entry[1], sessions, prompts)
        ranges[path, kind, agent].extend(_parse_range(part) for part in entry[2].split(",") if part.strip())
    attested = tuple(Attested(*key, union(several)) for key, several in ranges.items() if several)
    entries = (*sessions.values(), *prompts.values())
    agents = sorted({_tool(entry) for entry in entries} - {""})
    return Note(version, attested, tuple(agents), tuple(sorted({_operator(entry) for entry in entries} - {""})))


def union_lines(note: Note) -> dict[Kind, int]:
    """Lines by kind, each line of a file once per kind; what adding up the ranges gets wrong."""
    sets: dict[tuple[str, Kind], list[tuple[int, int]]] = defaultdict(list)
    for one in note.attested:
        sets[one.path, one.kind].extend(one.lines)
    totals: dict[Kind, int] = {}
    for (_, kind), ranges in sets.items():
        totals[kind] = totals.get(kind, 0) + count(union(ranges))
    return totals


def _resolved(name: str, sessions: Mapping[str, Any], prompts: Mapping[str, Any]) -> tuple[Kind, str]:
    session = name.partition("::")[0]
    if session in sessions:
        return "ai", _tool(sessions[session])
    if name.startswith("h_"):
        return "human", ""
    if name in prompts:
        return "ai", _tool(prompts[name])
    return "unresolved", ""


def _tool(entry: Any) -> str:
    agent = entry.get("agent_id") if isinstance(entry, dict) else None
    tool = agent.get("tool") if isinstance(agent, dict) else None
    return tool[:80] if isinstance(tool, str) else "unnamed"


def _operator(entry: Any) -> str:
    person = entry.get("human_author") if isinstance(entry, dict) else None
    return person[:320] if isinstance(person, str) else ""


def _parse_range(text: str) -> tuple[int, int]:
    match = _RANGE.match(text.strip())
    first = int(match[1]) if match else 0
    last = int(match[2]) if match and match[2] else first
    if not 1 <= first <= last <= LINE_MAX:
        raise _malformed(text, "a line number or a range, from 1")
    return first, last


def _unquoted(line: str) -> str:
    if len(line) >= 2 and line.startswith('"') and line.endswith('"'):
        return re.sub(r"\\(.)", r"\1", line[1:-1])
    return line


def _parse_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(text, "a JSON object") from error
    if not isinstance(value, dict):
        raise _malformed(text, "a JSON object")
    return value


def _table(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = facts.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(value, f"{name} as an object")
    return value


def _parse_json_form(text: str) -> Note:
    """Version 0.0.1: ``files.<path>.authors[]`` with ``lines`` of numbers and pairs.

    An author is a name. With metadata of an agent beside it, or by the name of one, it is AI; a name alone may be anybody.
    """
    facts = _parse_json(text)
    files = _table(facts, "files")
    ranges: dict[tuple[str, Kind, str], list[tuple[int, int]]] = defaultdict(list)
    for path, entry in files.items():
        authors = entry.get("authors") if isinstance(entry, dict) else None
        if not isinstance(authors, list):
            raise _malformed(entry, "authors as a list")
        for author in authors:
            if not isinstance(author, dict) or not isinstance(author.get("lines"), list):
                raise _malformed(author, "an author with lines")
            name = author.get("author")
            known = isinstance(name, str) and name.casefold() in _KNOWN
            kind: Kind = "ai" if known or author.get("agent_metadata") else "unresolved"
            agent = name.casefold()[:80] if isinstance(name, str) and kind == "ai" else ""
            ranges[path, kind, agent].extend(_parse_pair(item) for item in author["lines"])
    version = facts.get("schema_version")
    attested = tuple(Attested(*key, union(several)) for key, several in ranges.items() if several)
    agents = tuple(sorted({one.agent for one in attested if one.agent}))
    return Note(version if isinstance(version, str) else "authorship/0.0.1", attested, agents)


_KNOWN = frozenset(
    {"claude", "copilot", "codex", "cursor", "devin", "gemini", "amp", "aider", "opencode", "junie", "windsurf"}
)


def _parse_pair(item: Any) -> tuple[int, int]:
    first, last = item if isinstance(item, list) and len(item) == 2 else (item, item)
    if type(first) is int and type(last) is int and 1 <= first <= last <= LINE_MAX:
        return first, last
    raise _malformed(item, "a line number or a pair of them, from 1")


def _malformed(got: object, expected: str) -> Refused:
    return Refused("A05", "malformed", got=shown(got), expected=expected)
