"""Strict JSON: UTF-8, no duplicate member, no float, no NaN, bounded depth and size.

Duplicate members parse silently elsewhere (``vote: pause, vote: lift`` reads as lift), and large numbers
lose digits, so both are refused here, once, for every format.

>>> parse_json(b'{"vote": "pause", "vote": "lift"}', limit=100)
Traceback (most recent call last):
...
detente.base.errors.Refused: B12 duplicate-key: got two members named 'vote'; expected each name once
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from detente.base.errors import Refused, shown

DEPTH_MAX = 16
"""Deepest statement today is 7; a parser bomb needs thousands."""
FOREIGN_DEPTH_MAX = 64
"""Objects of Kubernetes have some twenty levels, with the names of who manages which field."""
INT_MAX = 2**53 - 1
"""Every JSON reader agrees up to here (RFC 8259 §6)."""


def parse_json(data: bytes, *, limit: int) -> Any:
    """Parse ``data`` of at most ``limit`` bytes.

    Refusals: B10 size, B11 not UTF-8 or not JSON, B12 duplicate member, B13 a float or a number out of
    ±(2**53 − 1), B14 depth.
    """
    if len(data) > limit:
        raise Refused("B10", "oversized", got=f"{len(data)} bytes", expected=f"at most {limit} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("B11", "malformed", got=f"byte {error.start} is not UTF-8", expected="UTF-8") from None
    _check_depth(text)
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise Refused(
            "B11", "malformed", got=f"{error.msg} at line {error.lineno} column {error.colno}", expected="JSON"
        ) from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def parse_foreign_json(data: bytes, *, limit: int) -> Any:
    """Parse what another program's format says: as ``parse_json``, with finite floats and ``FOREIGN_DEPTH_MAX`` levels.

    For formats that are not ours, such as an object of Kubernetes; nothing of ours is written with it. Refusals B10 to B14.

    >>> parse_foreign_json(b'{"fraction": 0.5}', limit=100)
    {'fraction': 0.5}
    """
    if len(data) > limit:
        raise Refused("B10", "oversized", got=f"{len(data)} bytes", expected=f"at most {limit} bytes")
    try:
        value = _FOREIGN.decode(data.decode("utf-8"))
    except RecursionError:
        raise _deep(FOREIGN_DEPTH_MAX) from None
    except ValueError as error:  # Not UTF-8, not JSON, or digits without end.
        raise Refused("B11", "malformed", got=str(error)[:200], expected="JSON in UTF-8") from None
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > FOREIGN_DEPTH_MAX:
            raise _deep(FOREIGN_DEPTH_MAX)
        level = [member for each in level for member in (each.values() if isinstance(each, dict) else each)]
    if b"\\u" in data:
        _check_surrogates(value)
    return value


def encode_json(value: Any) -> bytes:
    """Compact JSON with sorted members. Not a canonical form: what was signed is kept as bytes."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Refused("B12", "duplicate-key", got=f"two members named {shown(name)}", expected="each name once")
            seen.add(name)
    return result


def _refuse_float(text: str) -> NoReturn:
    raise Refused("B13", "wrong-type", got=shown(text), expected="whole numbers, or decimals in strings")


def _parse_int(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > INT_MAX:
        raise Refused("B13", "wrong-type", got=shown(text), expected="a whole number within ±(2**53 − 1)")
    return number


def _deep(most: int) -> Refused:
    return Refused("B14", "oversized", got="deeper nesting", expected=f"at most {most} levels")


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse_float(text)
    return number


# One decoder for all: ``json.loads`` with hooks builds a new one for each text, a third of a small statement's cost.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_refuse_float, parse_int=_parse_int, parse_constant=_refuse_float
)
_FOREIGN = json.JSONDecoder(object_pairs_hook=_object, parse_float=_parse_float, parse_constant=_refuse_float)


def _decode(text: str) -> Any:
    # ``decode`` looks for white space around the value before and after; signed JSON has none.
    if text[:1] == "{" and text[-1:] == "}":
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def _check_depth(text: str) -> None:
    # The count of openers bounds the depth; only a text that could be too deep pays for the exact walk.
    if text.count("{") + text.count("[") <= DEPTH_MAX:
        return
    depth, inside, escaped = 0, False, False
    for char in text:
        if inside:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "{[":
            depth += 1
            if depth > DEPTH_MAX:
                raise _deep(DEPTH_MAX)
        elif char in "}]":
            depth -= 1


def _check_surrogates(value: Any) -> None:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Refused("B11", "malformed", got="a lone surrogate", expected="Unicode text") from None
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_surrogates(name)
            _check_surrogates(member)
    elif isinstance(value, list):
        for member in value:
            _check_surrogates(member)
