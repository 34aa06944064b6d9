"""Which keys of a YAML, TOML or JSON file differ, and which options of a shell script. Nothing is built or expanded.

A key is the path to a scalar, such as ``optimizer.lr`` or ``mixture[].weight``; positions in a list are not kept, since an entry
moves. YAML is read as a graph of nodes: tags are text, aliases are walked again within ``LEAVES_MAX``, so that neither a tag nor
an expanding alias does anything. A shell script gives its ``--options`` and its assignments, by their spelling alone.

>>> before, after = document_keys("a.yaml", b"optim: {lr: 0.1}"), document_keys("a.yaml", b"optim: {lr: 0.2, wd: 0}")
>>> [(change.name, change.how, change.values) for change in changed_keys(before, after)]
[('optim.lr', 'changed', '0.1→0.2'), ('optim.wd', 'added', None)]
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from detente.measure.changes.python_units import UnitChange, Unreadable

DOCUMENT_BYTES_MAX: Final = 1024 * 1024
YAML_BYTES_MAX: Final = 32 * 1024
"""The YAML reader is written in Python: a second for this much on an idle machine. Configurations are a tenth of it."""
TOML_BYTES_MAX: Final = 128 * 1024
DOTS_MAX: Final = 100
"""On one line of TOML: the time for a dotted key grows with the square of its parts."""
LEAVES_MAX: Final = 20_000
DEPTH_MAX: Final = 60
KINDS: Final[Mapping[str, str]] = {
    "json": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "toml": "toml",
    "sh": "shell",
    "slurm": "shell",
    "sbatch": "shell",
}
"""Endings that are read, and as what."""

Keys = Mapping[str, tuple[str, ...]]
"""Key → every scalar there, in order, as text."""

_NUMBER = re.compile(r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?")
_FLOW = re.compile(r"[\[\]{}]")
_OPTION = re.compile(r"(?<![\w-])--([A-Za-z][\w.-]{0,79})(?:[= ]+((?!-)[^\s\\;|&]{1,80}))?")
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w{0,79})=([^\s;|&]{0,80})", re.MULTILINE)


def document_keys(path: str, text: bytes) -> Keys:
    """The keys of a document; its kind is its ending's. Raises ``Unreadable``; an ending of no kind is ``Unreadable``."""
    kind = KINDS.get(path.rpartition(".")[2].lower())
    if kind is None:
        raise Unreadable("no structure is known for this ending")
    if len(text) > {"yaml": YAML_BYTES_MAX, "toml": TOML_BYTES_MAX}.get(kind, DOCUMENT_BYTES_MAX):
        raise Unreadable("larger than the bound for a document")
    try:
        source = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None
    try:
        leaves = _LEAVES[kind](source)
        return _gathered(leaves)
    except (RecursionError, MemoryError):
        raise Unreadable("nested too deeply") from None
    except (ValueError, YAMLError):  # the decoders of JSON and TOML raise a ValueError
        raise Unreadable(f"not the syntax of {kind}") from None


def changed_keys(before: Keys, after: Keys) -> tuple[UnitChange, ...]:
    """Keys added, removed or changed."""
    changes = []
    for key, values in after.items():
        if key not in before:
            changes.append(UnitChange(key, "key", "added"))
        elif before[key] != values:
            changes.append(UnitChange(key, "key", "changed", _numbers(before[key], values)))
    changes += [UnitChange(key, "key", "removed") for key in before if key not in after]
    return tuple(changes)


def _gathered(leaves: Iterator[tuple[str, str]]) -> Keys:
    keys: dict[str, list[str]] = defaultdict(list)
    for count, (key, value) in enumerate(leaves):
        if count >= LEAVES_MAX:
            raise Unreadable("more keys than the bound")
        keys[key].append(value)
    return {key: tuple(values) for key, values in keys.items()}


def _numbers(before: tuple[str, ...], after: tuple[str, ...]) -> str | None:
    if len(before) == len(after) == 1 and all(map(_NUMBER.fullmatch, (*before, *after))):
        return f"{before[0]}→{after[0]}"
    return None


def _json(source: str) -> Iterator[tuple[str, str]]:
    pairs = json.loads(source, object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=str)
    return _plain(pairs, "", 0)


def _toml(source: str) -> Iterator[tuple[str, str]]:
    if any(line.count(".") > DOTS_MAX for line in source.split("\n")):
        raise Unreadable("nested too deeply")
    return _plain(tomllib.loads(source, parse_float=str), "", 0)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object as they stand: a name given twice is kept twice."""


def _plain(value: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEPTH_MAX:
        raise Unreadable("nested too deeply")
    if isinstance(value, dict | _Pairs):
        for name, member in value.items() if isinstance(value, dict) else value:
            yield from _plain(member, f"{key}.{name}" if key else name, depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _plain(member, f"{key}[]", depth + 1)
    else:
        yield key, str(value)


def _yaml(source: str) -> Iterator[tuple[str, str]]:
    depth = 0
    for match in _FLOW.finditer(
        source
    ):  # crude, since quotes mean little in YAML; the reader's time grows with the square
        depth = depth + 1 if match[0] in "[{" else max(0, depth - 1)
        if depth > DEPTH_MAX:
            raise Unreadable("nested too deeply")
    for document in YAML(typ="safe", pure=True).compose_all(source):
        yield from _nodes(document, "", 0)


def _nodes(node: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEPTH_MAX:
        raise Unreadable("nested too deeply")
    if isinstance(node, MappingNode):
        for name, member in node.value:
            said = name.value if isinstance(name, ScalarNode) else "?"
            yield from _nodes(member, f"{key}.{said}" if key else str(said), depth + 1)
    elif isinstance(node, SequenceNode):
        for member in node.value:
            yield from _nodes(member, f"{key}[]", depth + 1)
    elif isinstance(node, ScalarNode):
        yield key, str(node.value)


def _shell(source: str) -> Iterator[tuple[str, str]]:
    for match in _OPTION.finditer(source):
        yield match[1], match[2] or ""
    for match in _ASSIGNMENT.finditer(source):
        yield match[1], match[2]


_LEAVES: Final = {"json": _json, "yaml": _yaml, "toml": _toml, "shell": _shell}
