"""Strict CBOR, as far as authenticators use it: whole numbers, bytes, text, lists, maps, true, false and null.

Decides what a run of bytes says, or refuses it. Leaves out what it means (``webauthn``, ``attestation``) and writing.

- Definite lengths and the shortest spelling of every number (CTAP2 canonical form, RFC 8949 §4.2.1), except that the order
  of a map's members is free: with each key once, no order says anything else.
- No tags, floats or other simple values: nothing in an attestation needs them.
- At most 16 KiB, 4 levels and 64 items of a list or map: an attestation has 3 levels, and a chain a handful of certificates.

Rule S32; ``spec/statement.md`` §8.2.

>>> decode(bytes.fromhex("a2616101622d3182f5f6"))
{'a': 1, '-1': [True, None]}
>>> decode(bytes.fromhex("1801"))
Traceback (most recent call last):
...
detente.base.errors.Refused: S32 malformed: got a number in a longer spelling at byte 0; expected strict CBOR
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from detente.base.errors import Refused

SIZE_MAX: Final = 16_384
DEPTH_MAX: Final = 4
ITEMS_MAX: Final = 64
_SIMPLE: Final = {20: False, 21: True, 22: None}


def decode(data: bytes) -> Any:
    """The one value that ``data`` is; raises ``Refused`` S32, also for anything that follows it."""
    value, end = decode_first(data)
    if end != len(data):
        _refuse(f"{len(data) - end} bytes after the value")
    return value


def decode_first(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends; raises ``Refused`` S32."""
    if len(data) > SIZE_MAX:
        _refuse(f"{len(data)} bytes, above {SIZE_MAX}")
    return _value(data, at, 0)


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH_MAX:
        _refuse(f"more than {DEPTH_MAX} levels")
    start = at
    major, number, at = _head(data, at)
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in {2, 3}:
        if number > len(data) - at:
            _refuse(f"a length beyond the end at byte {start}")
        octets = data[at : at + number]
        return (octets if major == 2 else _text(octets, start)), at + number
    if major == 7:
        if number not in _SIMPLE or data[start] & 31 > 23:
            _refuse(f"a value of another kind at byte {start}")
        return _SIMPLE[number], at
    if major == 6 or number > ITEMS_MAX:
        _refuse(f"{'a tag' if major == 6 else f'more than {ITEMS_MAX} items'} at byte {start}")
    return _list(data, at, number, depth) if major == 4 else _map(data, at, number, depth)


def _list(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[int | str, Any], int]:
    members: dict[int | str, Any] = {}
    for _ in range(count):
        start = at
        key, at = _value(data, at, depth + 1)
        if type(key) not in {int, str}:
            _refuse(f"a key that is neither a number nor text at byte {start}")
        if key in members:
            _refuse(f"a key twice at byte {start}")
        members[key], at = _value(data, at, depth + 1)
    return members, at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, number and where the rest begins."""
    if at >= len(data):
        _refuse(f"nothing at byte {at}")
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        _refuse(f"an indefinite or reserved length at byte {at}")
    width = 1 << (short - 24)
    if at + 1 + width > len(data):
        _refuse(f"nothing at byte {len(data)}")
    number = int.from_bytes(data[at + 1 : at + 1 + width], "big")
    if number < (24 if width == 1 else 1 << (4 * width)):
        _refuse(f"a number in a longer spelling at byte {at}")
    return major, number, at + 1 + width


def _text(octets: bytes, at: int) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(f"text that is not UTF-8 at byte {at}")


def _refuse(got: str) -> NoReturn:
    raise Refused("S32", "malformed", got=got, expected="strict CBOR")
