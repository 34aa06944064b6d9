r"""Where a file of settings (YAML, TOML, JSON) can be made known-bad: one key, on one line.

Decides by the keys and values that ``measure.changes.document_keys`` reads: a spoilt text must read, and differ in exactly one key.

- ``limit-raised``: a limit, budget, threshold or timeout is multiplied by ten.
- ``evaluation-disabled``: a switch whose key is about evaluating, testing or checking is turned off.

>>> text = "train:\n  max_steps: 500\neval:\n  enabled: true\n"
>>> [(flaw.name, flaw.instead) for flaw in find_setting_flaws("config.yaml", text)]
[('limit-raised', '5000'), ('evaluation-disabled', 'false')]
"""

from __future__ import annotations

import re
from typing import Final

from detente.measure.changes.document_keys import changed_keys, document_keys
from detente.measure.changes.python_units import SOURCE_BYTES_MAX, Unreadable
from detente.measure.changes.rules import words_of
from detente.measure.seeding.flaws import EVALUATES, LIMITS, Flaw

SUFFIXES: Final = (".yaml", ".yml", ".toml", ".json")
_LINE = re.compile(
    r"^(?P<lead>[ \t]*(?:- )?\"?(?P<key>[A-Za-z_][\w.-]*)\"?\s*[:=]\s*)(?P<value>[0-9]+(?:\.[0-9]+)?|true|True|yes|on)(?=\s*,?\s*(?:#.*)?$)",
    re.ASCII | re.MULTILINE,
)
_OFF: Final = {"true": "false", "True": "False", "yes": "no", "on": "off"}


def find_setting_flaws(path: str, text: str) -> tuple[Flaw, ...]:
    """Every line that can be spoilt; none where the file cannot be read."""
    return tuple(flaw for flaw in list_setting_places(path, text) if is_setting_spoilt(path, text, flaw))


def list_setting_places(path: str, text: str) -> tuple[Flaw, ...]:
    """The same without reading the file; whether exactly one key differs then is for ``is_setting_spoilt``."""
    if not path.endswith(SUFFIXES) or len(text.encode("utf-8", "replace")) > SOURCE_BYTES_MAX:
        return ()
    found = []
    for match in _LINE.finditer(text):
        value = match["value"]
        line = text.count("\n", 0, match.start()) + 1
        if value in _OFF:
            if not EVALUATES.isdisjoint(_about(text, match)):
                found.append(Flaw("evaluation-disabled", line, match.start("value"), match.end("value"), _OFF[value]))
        elif not LIMITS.isdisjoint(words_of(match["key"])) and float(value):
            found.append(Flaw("limit-raised", line, match.start("value"), match.end("value"), _tenfold(value)))
    return tuple(found)


def is_setting_spoilt(path: str, text: str, flaw: Flaw) -> bool:
    """Does the file read before and with the flaw, and differ in exactly one key?"""
    try:
        before, after = document_keys(path, text.encode()), document_keys(path, flaw.spoil(text).encode())
    except Unreadable:
        return False
    return len(changed_keys(before, after)) == 1


def _about(text: str, match: re.Match[str]) -> frozenset[str]:
    """The words of the key, and of the nearest key above that is indented less."""
    words = set(words_of(match["key"]))
    indent = len(match["lead"]) - len(match["lead"].lstrip())
    for line in reversed(text[: match.start()].splitlines()):
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            words |= set(words_of(line.strip().strip('{[:"= ')))
            break
    return frozenset(words)


def _tenfold(value: str) -> str:
    return f"{value}0" if "." not in value else repr(float(value) * 10)
