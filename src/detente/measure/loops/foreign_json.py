r"""JSON as other programs write it: NaN and Infinity, floats, several objects in a row. Never as loose as they are.

Decides how foreign JSON becomes values: floats as ``Decimal`` so that a score keeps its digits, NaN and the infinities as
``Decimal`` too, so that nobody mistakes them for numbers later. Refuses (I03) what is no JSON, and (I04) a member of
another type than the format has.

>>> parse_foreign(b'{"score": 0.970000001, "worst": NaN}', "a.json")
{'score': Decimal('0.970000001'), 'worst': Decimal('NaN')}
>>> [each["generation"] for each in parse_concatenated(b'{"generation": 0}\n{\n "generation": 1\n}\n', "dgm_metadata.jsonl")]
[0, 1]
>>> parse_foreign(rb'"\ud83d\ude00 \ud800"', "a.json") == "\U0001f600 \ufffd"
True
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from detente.base.errors import Refused, shown

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal)


def parse_foreign(data: bytes, name: str) -> Any:
    """One value; raises ``Refused`` I03."""
    values = parse_concatenated(data, name)
    if len(values) != 1:
        raise Refused("I03", "malformed", got=f"{len(values)} values in {shown(name)}", expected="one JSON value")
    return values[0]


def parse_concatenated(data: bytes, name: str) -> list[Any]:
    """Values one after another, with white space between, on any number of lines; raises ``Refused`` I03."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            "I03", "malformed", got=f"byte {error.start} of {shown(name)} is not UTF-8", expected="UTF-8"
        ) from None
    values: list[Any] = []
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at == len(text):
            return values
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError, ArithmeticError) as error:
            where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else shown(str(error), limit=40)
            raise Refused(
                "I03",
                "malformed",
                got=f"{shown(name)}: no JSON at {where}",
                expected="JSON",
                todo="the file may be cut short; nothing of this run was read",
            ) from None
        values.append(_whole(value) if _SURROGATE.search(text) else value)


def _whole(value: Any) -> Any:
    """Half a surrogate pair, which models write now and then, becomes a replacement character: no UTF-8 can hold it."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value


def member(record: Any, key: str, kind: type | tuple[type, ...], name: str) -> Any:
    """The member ``key`` of an object; raises ``Refused`` I04 where it is absent or of another type."""
    value = record.get(key) if isinstance(record, Mapping) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise Refused(
            "I04",
            "wrong-type",
            got=f"{shown(name)}: {key} is {shown(value, limit=40)}",
            expected=" or ".join(each.__name__ for each in kinds),
            todo="nothing of this run was read",
        )
    return value


def maybe(record: Any, key: str, kind: type | tuple[type, ...], name: str) -> Any:
    """The same where the member may be absent or null."""
    if isinstance(record, Mapping) and record.get(key) is None:
        return None
    return member(record, key, kind, name)
