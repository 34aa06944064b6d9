r"""Which calls of an agent's tools are activities under the accord: a small policy, and one call judged by it.

Decides from a call's name and arguments. Leaves out the host (``claude_code``) and asking (``app.asking``). ``spec/asking.md`` §6,
rules J20 and J21.

- The first rule that fits decides; where none fits there is no opinion.
- Words are looked for in every text of the arguments, wherever it stands. Whoever wants to hide a word from this can: a shell
  offers many ways. It is for honest mistakes and runaway automation, and never the only gate.

>>> policy = parse_policy(b'[[rule]]\ntools = ["Bash"]\nwords = ["torchrun"]\nactivity = "training"\n')
>>> rule_for(policy, Call("Bash", {"command": "cd x; torchrun train.py"}, "/")).activity
'training'
>>> rule_for(policy, Call("Bash", {"command": "ls"}, "/")) is None
True
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from detente.base.errors import Refused, shown
from detente.base.strict_json import parse_foreign_json

CALL_MAX: Final = 8 << 20
"""Bytes of one call: a file that is written whole stands in it."""
POLICY_MAX: Final = 65_536
RULES_MAX: Final = 64
WORDS_MAX: Final = 200_000
DEPTH_MAX: Final = 64
AREAS: Final = ("training", "architecture", "data", "configuration", "evaluation")
PATH_MEMBERS: Final = ("file_path", "notebook_path", "path")
_MEMBERS: Final = frozenset({"name", "tools", "words", "areas", "activity", "propose", "refuse"})
_WORD: Final = re.compile(r"[^\s;|&()<>$`\"'=,{}\\]+")

DEFAULT_POLICY: Final = b"""\
[[rule]]
name = "the guard's own home, keys and hooks"
tools = ["*"]
words = ["*.detente", "*.detente/*", "*hooksPath*", "*hookspath*", "*/.git/hooks*", ".git/hooks*"]
refuse = true

[[rule]]
name = "starts training"
tools = ["Bash"]
words = ["torchrun", "*/torchrun", "deepspeed", "accelerate", "sbatch", "srun", "train*.py", "*/train*.py", "*train*.sh"]
activity = "training"

[[rule]]
name = "edits training, architecture or evaluation"
tools = ["Edit", "MultiEdit", "Write", "NotebookEdit"]
areas = ["training", "architecture", "evaluation"]
activity = "self_improvement"
"""
"""What holds where no policy is given."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, before it is made: the tool's name, its arguments as JSON, and the folder that it is made in."""

    tool: str
    arguments: dict[str, Any]
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What fits, and what then: ``refuse``, or leave for ``activity``, with ``propose`` as a change of its own."""

    name: str
    tools: tuple[str, ...]
    words: tuple[str, ...]
    areas: tuple[str, ...]
    activity: Literal["training", "self_improvement"]
    propose: bool
    refuse: bool


def parse_policy(data: bytes) -> tuple[Rule, ...]:
    """Read a policy; raises ``Refused`` J20."""
    if len(data) > POLICY_MAX:
        raise _wrong(f"{len(data)} bytes", f"at most {POLICY_MAX}")
    try:
        value = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(str(error), "TOML 1.0") from None
    rules = value.get("rule")
    if set(value) != {"rule"} or not isinstance(rules, list) or not 0 < len(rules) <= RULES_MAX:
        raise _wrong(f"members {', '.join(sorted(value)) or 'none'}", f"1 to {RULES_MAX} [[rule]]")
    return tuple(_rule(each, number) for number, each in enumerate(rules, 1))


def _rule(value: Any, number: int) -> Rule:
    where = f"rule {number}"
    if not isinstance(value, dict) or set(value) - _MEMBERS:
        got = sorted(set(value) - _MEMBERS) if isinstance(value, dict) else [shown(value)]
        raise _wrong(f"{where} with {', '.join(got)}", "only " + ", ".join(sorted(_MEMBERS)))
    tools, words, areas = (_texts(value, name, where) for name in ("tools", "words", "areas"))
    if not tools:
        raise _wrong(f"{where} without tools", 'names of tools, or ["*"]')
    if strange := [area for area in areas if area not in AREAS]:
        raise _wrong(f"{where} with area {shown(strange[0])}", "some of " + ", ".join(AREAS))
    flags = {name: value.get(name, False) for name in ("propose", "refuse")}
    if any(type(flag) is not bool for flag in flags.values()):
        raise _wrong(f"{where} with propose or refuse that is no yes or no", "true or false")
    activity = value.get("activity")
    if flags["refuse"] and (activity is not None or flags["propose"]):
        raise _wrong(f"{where} that refuses and asks", "one of the two")
    if not flags["refuse"] and activity not in {"training", "self_improvement"}:
        raise _wrong(f"{where} with activity {shown(activity)}", "training or self_improvement, or refuse = true")
    name = value.get("name", where)
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise _wrong(f"{where} with name {shown(name)}", "a short text")
    return Rule(
        name=name,
        tools=tools,
        words=words,
        areas=areas,
        activity=activity or "training",
        propose=flags["propose"],
        refuse=flags["refuse"],
    )


def _texts(value: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    texts = value.get(name, [])
    if not isinstance(texts, list) or len(texts) > RULES_MAX:
        raise _wrong(f"{where}: {name} = {shown(texts)}", f"a list of at most {RULES_MAX} texts")
    if odd := [text for text in texts if not isinstance(text, str) or not 0 < len(text) <= 200]:
        raise _wrong(f"{where}: {name} with {shown(odd[0])}", "texts of at most 200 characters")
    return tuple(texts)


def parse_call(data: bytes) -> Call:
    """Read what a host says before a call; raises ``Refused`` J21. Members that are not known are the host's own."""
    try:
        value = parse_foreign_json(data, limit=CALL_MAX)
    except Refused as refused:
        raise _unread(refused.got) from None
    if not isinstance(value, dict):
        raise _unread(shown(value))
    tool, arguments, folder = value.get("tool_name"), value.get("tool_input"), value.get("cwd", "/")
    event = value.get("hook_event_name")
    if event != "PreToolUse":
        raise _unread(f"hook_event_name {shown(event)}")
    if not isinstance(tool, str) or not 0 < len(tool) <= 512 or not isinstance(arguments, dict):
        raise _unread(f"tool_name {shown(tool)}, tool_input {shown(arguments)}")
    if not isinstance(folder, str) or "\0" in folder:
        raise _unread(f"cwd {shown(folder)}")
    return Call(tool, arguments, folder)


def rule_for(policy: tuple[Rule, ...], call: Call) -> Rule | None:
    """The first rule that fits; raises ``Refused`` J21 for a call of more words than anybody looks through."""
    words: list[str] | None = None
    for rule in policy:
        if not any(fnmatchcase(call.tool, pattern) for pattern in rule.tools):
            continue
        if not rule.words and not rule.areas:
            return rule
        if rule.words:
            words = _words(call) if words is None else words
            if any(fnmatchcase(word, pattern) for pattern in rule.words for word in words):
                return rule
        if rule.areas and areas_of(call) & set(rule.areas):
            return rule
    return None


def areas_of(call: Call) -> set[str]:
    """The areas that the call's path lies in, as named and as it resolves."""
    from detente.measure.changes.paths import path_verdict

    found: set[str] = set()
    for member in PATH_MEMBERS:
        given = call.arguments.get(member)
        if isinstance(given, str) and given and "\0" not in given:
            named = os.path.normpath(Path(call.folder) / given)
            for path in {named, os.path.realpath(named)}:
                area = path_verdict(_in_repository(Path(path))).area
                if area is not None:
                    found.add("training" if area == "optimisation" else area)
    return found


def _in_repository(path: Path) -> str:
    """The path as its repository names it; outside of one, the name and its folder: those above say nothing of this project."""
    for folder in path.parents:
        if (folder / ".git").exists():
            return path.relative_to(folder).as_posix()
    return "/".join(path.parts[-2:]).lstrip("/")


def _words(call: Call) -> list[str]:
    words: list[str] = []
    for text in _texts_in(call.arguments, 0):
        words += _WORD.findall(text)
        if len(words) > WORDS_MAX:
            raise _unread(f"over {WORDS_MAX} words")
    return list(dict.fromkeys(words))


def _texts_in(value: Any, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise _unread(f"more than {DEPTH_MAX} levels")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts_in(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _texts_in(member, depth + 1)


def _unread(got: str) -> Refused:
    return Refused("J21", "malformed", got=got, expected="a call of a tool, as the host describes it before it is made")


def _wrong(got: str, expected: str) -> Refused:
    return Refused("J20", "malformed", got=got[:300], expected=expected, todo="see docs/guides/hold-an-agents-tools.md")
