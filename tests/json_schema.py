"""Enough of JSON Schema 2020-12 to hold a file against ``spec/terms.schema.json``, and to read YAML as an editor types it.

A keyword that is not known here fails: what a test does not understand it must not pass over.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from ruamel.yaml import YAML

NOTES = {"$schema", "$defs", "title", "description"}
WITH_IF = {"if", "then", "else"}


def typed(data: bytes) -> Any:
    """The file with its scalars typed by YAML 1.2; a date stays a text, as in an editor."""
    return _plain(YAML(typ="safe", pure=True).load(data.decode("utf-8")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def problems(value: Any, schema: Any, root: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every place at which the value is not what the schema says."""
    if schema is True:
        return
    if schema is False:
        yield f"{path}: not allowed here"
        return
    for keyword, wanted in schema.items():
        if keyword in NOTES:
            continue
        if keyword in WITH_IF:
            if keyword == "if":
                met = not any(problems(value, wanted, root, path))
                yield from problems(value, schema.get("then" if met else "else", True), root, path)
            continue
        yield from KEYWORDS[keyword](value, wanted, schema, root, path)


def _ref(value, wanted, _schema, root, path):
    yield from problems(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, path)


def _type(value, wanted, _schema, _root, path):
    names = [wanted] if isinstance(wanted, str) else wanted
    if not any(_is(value, name) for name in names):
        yield f"{path}: {value!r} is no {' or '.join(names)}"


def _is(value, name):
    if isinstance(value, bool) or value is None:
        return name == ("boolean" if isinstance(value, bool) else "null")
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(
        value, {"string": str, "number": (int, float), "object": dict, "array": list, "boolean": bool}[name]
    )


def _enum(value, wanted, _schema, _root, path):
    if not any(type(value) is type(each) and value == each for each in wanted):
        yield f"{path}: {value!r} is none of {wanted}"


def _const(value, wanted, *rest):
    yield from _enum(value, [wanted], *rest)


def _bounded(kinds, measure, fits):
    def check(value, wanted, _schema, _root, path):
        if isinstance(value, kinds) and not isinstance(value, bool) and not fits(measure(value), wanted):
            yield f"{path}: {value!r} against {wanted}"

    return check


def _at_least(found, wanted):
    return found >= wanted


def _at_most(found, wanted):
    return found <= wanted


def _itself(value):
    return value


def _items(value, wanted, schema, root, path):
    if isinstance(value, list):
        for number, each in enumerate(value[len(schema.get("prefixItems", [])) :]):
            yield from problems(each, wanted, root, f"{path}[{number}]")


def _prefix_items(value, wanted, _schema, root, path):
    if isinstance(value, list):
        for number, (each, one) in enumerate(zip(value, wanted, strict=False)):
            yield from problems(each, one, root, f"{path}[{number}]")


def _properties(value, wanted, _schema, root, path):
    if isinstance(value, dict):
        for name in value.keys() & wanted.keys():
            yield from problems(value[name], wanted[name], root, f"{path}.{name}")


def _additional(value, wanted, schema, root, path):
    if isinstance(value, dict):
        for name in value.keys() - schema.get("properties", {}).keys():
            yield from problems(value[name], wanted, root, f"{path}.{name}")


def _names(value, wanted, _schema, root, path):
    if isinstance(value, dict):
        for name in value:
            yield from problems(name, wanted, root, f"{path}.{name} as a name")


def _required(value, wanted, _schema, _root, path):
    if isinstance(value, dict):
        yield from (f"{path}: no {name!r}" for name in wanted if name not in value)


def _any_of(value, wanted, _schema, root, path):
    if all(any(problems(value, each, root, path)) for each in wanted):
        yield f"{path}: none of {len(wanted)} shapes"


def _one_of(value, wanted, _schema, root, path):
    if sum(not any(problems(value, each, root, path)) for each in wanted) != 1:
        yield f"{path}: not exactly one of {len(wanted)} shapes"


def _not(value, wanted, _schema, root, path):
    if not any(problems(value, wanted, root, path)):
        yield f"{path}: {value!r} is what it must not be"


KEYWORDS = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _bounded(str, _itself, lambda found, wanted: re.search(wanted, found) is not None),
    "minLength": _bounded(str, len, _at_least),
    "maxLength": _bounded(str, len, _at_most),
    "minimum": _bounded((int, float), _itself, _at_least),
    "maximum": _bounded((int, float), _itself, _at_most),
    "items": _items,
    "prefixItems": _prefix_items,
    "minItems": _bounded(list, len, _at_least),
    "maxItems": _bounded(list, len, _at_most),
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "minProperties": _bounded(dict, len, _at_least),
    "maxProperties": _bounded(dict, len, _at_most),
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
}
