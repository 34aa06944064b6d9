"""A small declarative decoder: each predicate lists its members, and gets both directions and every error.

A leaf decoder takes one JSON value and returns the typed value or raises ``Refused``. A ``Record`` decodes an
object strictly: unknown members are refused, and *all* errors are reported at once, each with its path, so that
whoever made the statement repairs it in one go. The number and kind of the refusal are those of the first error.

Rules S20 to S28 of ``spec/statement.md`` §4.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, slots=True)
... class Point:
...     x: int
...     y: int | None = None
>>> point = Record(Point, x=count(), y=optional(count()))
>>> point.decode({"x": 1}), point.encode(Point(1, 2))
(Point(x=1, y=None), {'x': 1, 'y': 2})
>>> point.decode({"y": "two", "z": 0})
Traceback (most recent call last):
...
detente.statement.fields.FieldsRefused: S22 malformed: got x: nothing, y: 'two', z: a member; expected x: present, \
y: a whole number, z: no member of this name; correct 3 members
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Generic, NamedTuple, TypeVar

from detente.base.digest import Digest, parse_digest
from detente.base.errors import RefusalKind, Refused, shown
from detente.base.identity import Party, PublicKey, parse_key, parse_party, show_key
from detente.base.instant import INSTANT_MAX, Instant
from detente.base.quantity import parse_decimal, show_decimal
from detente.base.strict_json import INT_MAX

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LIST_MAX: Final = 256
"""Longest list in a predicate. 256 digests of 67 bytes fit an envelope three times over."""
TEXT_MAX: Final = 1_024
"""Longest free text in a predicate, in characters; longer evidence is named by digest."""
NAME_MAX: Final = 128
PROBLEMS_MAX: Final = 16
"""Most errors one refusal quotes: hostile input must not buy a long message."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}\Z", re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{32}\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Missing:
    """The type of ``MISSING``: a member that is not there, which is not the same as ``null``."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: where, which rule, what stood there, what should."""

    path: str
    rule: str
    kind: RefusalKind
    got: str
    expected: str


class FieldsRefused(Refused):
    """Every error of one record; ``rule`` and ``kind`` are those of the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        quoted = problems[:PROBLEMS_MAX]
        more = f" and {len(problems) - PROBLEMS_MAX} more" if len(problems) > PROBLEMS_MAX else ""
        super().__init__(
            problems[0].rule,
            problems[0].kind,
            got=", ".join(f"{problem.path}: {problem.got}" for problem in quoted) + more,
            expected=", ".join(f"{problem.path}: {problem.expected}" for problem in quoted) + more,
            todo="" if len(problems) == 1 else f"correct {len(problems)} members",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (FieldsRefused, (self.problems,))


class Codec(NamedTuple, Generic[T]):
    """Both directions of one member. ``decode`` raises ``Refused``; ``encode`` gives a JSON value."""

    decode: Callable[[Any], T]
    encode: Callable[[T], Any]


def _same(value: Any) -> Any:
    return value


def _decode_digest(value: Any) -> Digest:
    return parse_digest(value)


DIGEST: Final[Codec[Digest]] = Codec(_decode_digest, _same)
PARTY: Final[Codec[Party]] = Codec(parse_party, _same)
KEY: Final[Codec[PublicKey]] = Codec(parse_key, show_key)


def _decode_decimal(value: Any) -> Decimal:
    return parse_decimal(value)


def _decode_amount(value: Any) -> Decimal:
    amount = parse_decimal(value)
    if amount.is_signed():
        raise Refused("S24", "limit", got=shown(value), expected="not below 0")
    return amount


DECIMAL: Final[Codec[Decimal]] = Codec(_decode_decimal, show_decimal)
AMOUNT: Final[Codec[Decimal]] = Codec(_decode_amount, show_decimal)
"""A decimal that cannot be negative: FLOP, FLOP per second."""


def _decode_flag(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Refused("S21", "wrong-type", got=shown(value), expected="true or false")


FLAG: Final[Codec[bool]] = Codec(_decode_flag, _same)


def _decode_nonce(value: Any) -> str:
    if type(value) is str and _NONCE.match(value):
        return value
    raise Refused("S23", "malformed", got=shown(value), expected="32 lower-case hexadecimal characters")


NONCE: Final[Codec[str]] = Codec(_decode_nonce, _same)


def count(least: int = 0, most: int = INT_MAX) -> Codec[int]:
    """A whole number from ``least`` to ``most``, both included."""

    def decode(value: Any) -> int:
        if type(value) is not int:
            raise Refused("S21", "wrong-type", got=shown(value), expected="a whole number")
        if value < least or value > most:
            raise Refused("S24", "limit", got=shown(value), expected=f"{least} to {most}")
        return value

    return Codec(decode, _same)


def _decode_instant(value: Any) -> Instant:
    if type(value) is not int:
        raise Refused("S21", "wrong-type", got=shown(value), expected="whole seconds since 1970")
    if value < 0 or value >= INSTANT_MAX:
        raise Refused("S24", "limit", got=shown(value), expected="seconds since 1970, below 2**40")
    return Instant(value)


INSTANT: Final[Codec[Instant]] = Codec(_decode_instant, _same)


def _decode_name(value: Any) -> str:
    if type(value) is not str:
        raise Refused("S21", "wrong-type", got=shown(value), expected="a name")
    if not _NAME.match(value):
        raise Refused("S23", "malformed", got=shown(value), expected="a name: letters, digits and ._:/@+- , ≤ 128")
    return value


def is_name(value: str | None) -> bool:
    """Is it spelled as a name?"""
    return value is not None and _NAME.match(value) is not None


def parse_name(value: Any) -> str:
    """A name as members hold it; raises ``Refused`` S21, S23."""
    return _decode_name(value)


NAME: Final[Codec[str]] = Codec(_decode_name, _same)


def text(most: int = TEXT_MAX) -> Codec[str]:
    """1 to ``most`` characters of prose. Control and bidirectional characters would lie on a reviewer's screen."""

    def decode(value: Any) -> str:
        if type(value) is not str:
            raise Refused("S21", "wrong-type", got=shown(value), expected="text")
        if not 0 < len(value) <= most:
            raise Refused("S25", "oversized", got=f"{len(value)} characters", expected=f"1 to {most}")
        if _CONTROL.search(value):
            raise Refused("S23", "malformed", got=shown(value), expected="text without control characters")
        return value

    return Codec(decode, _same)


def choice(options: tuple[str, ...]) -> Codec[Any]:
    """One of a closed list of words."""
    allowed = frozenset(options)

    def decode(value: Any) -> str:
        if type(value) is str and value in allowed:
            return value
        raise Refused("S23", "malformed", got=shown(value), expected="one of " + " | ".join(options))

    return Codec(decode, _same)


def decode_base64(value: Any, most: int) -> bytes:
    """Strict base64, standard alphabet or URL-safe, as DSSE 1.0.2 demands; raises S21, S23, S25."""
    if type(value) is not str:
        raise Refused("S21", "wrong-type", got=shown(value), expected="base64 text")
    if len(value) > most * 4 // 3 + 4:
        raise Refused("S25", "oversized", got=f"{len(value)} characters", expected=f"at most {most} bytes in base64")
    try:
        if "-" in value or "_" in value:
            if "+" in value or "/" in value:
                raise Refused("S23", "malformed", got=shown(value), expected="one base64 alphabet, not two")
            value = value.replace("-", "+").replace("_", "/")
        return binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError):
        raise Refused("S23", "malformed", got=shown(value), expected="base64") from None


def encode_base64(data: bytes) -> str:
    """Standard alphabet, padded."""
    return base64.b64encode(data).decode("ascii")


def octets(least: int, most: int) -> Codec[bytes]:
    """``least`` to ``most`` bytes in base64."""

    def decode(value: Any) -> bytes:
        data = decode_base64(value, most)
        if not least <= len(data) <= most:
            raise Refused("S25", "oversized", got=f"{len(data)} bytes", expected=f"{least} to {most} bytes")
        return data

    return Codec(decode, encode_base64)


def optional(inner: Codec[T]) -> Codec[T | None]:
    """A member that may be absent, and then reads as ``None``. ``null`` is refused: one spelling for one meaning."""
    inner_decode = inner.decode

    def decode(value: Any) -> T | None:
        return None if value is MISSING else inner_decode(value)

    def encode(value: T | None) -> Any:
        return MISSING if value is None else inner.encode(value)

    return Codec(decode, encode)


def nullable(inner: Codec[T]) -> Codec[T | None]:
    """A member that must be present, where ``null`` says "not known" or "none" in so many words."""
    inner_decode = inner.decode

    def decode(value: Any) -> T | None:
        return None if value is None else inner_decode(value)

    def encode(value: T | None) -> Any:
        return None if value is None else inner.encode(value)

    return Codec(decode, encode)


def listing(inner: Codec[T], least: int = 0, most: int = LIST_MAX, *, distinct: bool = False) -> Codec[tuple[T, ...]]:
    """A list of ``least`` to ``most`` items; ``distinct`` refuses an item that stands twice."""
    inner_decode = inner.decode

    def decode(value: Any) -> tuple[T, ...]:
        if type(value) is not list:
            raise Refused("S21", "wrong-type", got=shown(value), expected="a list")
        if not least <= len(value) <= most:
            raise Refused("S25", "oversized", got=f"{len(value)} items", expected=f"{least} to {most} items")
        try:
            items = tuple([inner_decode(item) for item in value])
        except Refused:
            raise FieldsRefused(tuple(_item_problems(value, inner_decode))) from None
        if distinct and len(set(items)) != len(items):
            twice = next(item for number, item in enumerate(items) if item in items[:number])
            raise Refused("S26", "duplicate-key", got=f"{shown(twice)} twice", expected="each item once")
        return items

    def encode(value: tuple[T, ...]) -> Any:
        return [inner.encode(item) for item in value]

    return Codec(decode, encode)


def _item_problems(value: list[Any], decode: Callable[[Any], Any]) -> Iterable[Problem]:
    for number, item in enumerate(value):
        try:
            decode(item)
        except Refused as refused:
            yield from at_path(f"[{number}]", refused)


def at_path(path: str, refused: Refused) -> tuple[Problem, ...]:
    """The problems of ``refused``, seen from one level further out."""
    if isinstance(refused, FieldsRefused):
        return tuple(
            Problem(
                path + (inner.path if inner.path.startswith("[") else f".{inner.path}"),
                inner.rule,
                inner.kind,
                inner.got,
                inner.expected,
            )
            for inner in refused.problems
        )
    return (Problem(path, refused.rule, refused.kind, refused.got, refused.expected),)


class Record(Generic[T]):
    """A JSON object with exactly these members, as a dataclass with attributes of the same names.

    ``check`` sees the decoded value and raises ``Refused`` when two members contradict each other.
    """

    __slots__ = ("_check", "_cls", "_members", "_names", "_plan", "decode")

    def __init__(self, cls: type[T], *, check: Callable[[T], None] | None = None, **members: Codec[Any]) -> None:
        self._cls: Callable[..., T] = cls
        self._check = check
        self._members: Mapping[str, Codec[Any]] = members
        self._names = frozenset(members)
        self._plan = tuple((name, codec.decode) for name, codec in members.items())
        self.decode: Callable[[Any], T] = self._decode

    def _decode(self, value: Any) -> T:
        # The fast path decodes each member once; only a refusal walks them again to collect every error.
        if type(value) is not dict:
            raise Refused("S21", "wrong-type", got=shown(value), expected="an object")
        get = value.get
        try:
            decoded = [decode(get(name, MISSING)) for name, decode in self._plan]
        except Refused:
            raise self._refusal(value) from None
        if not value.keys() <= self._names:
            raise self._refusal(value)
        result = self._cls(*decoded)
        if self._check is not None:
            self._check(result)
        return result

    def encode(self, value: T) -> dict[str, Any]:
        """The members as JSON values; absent optional members are left out."""
        encoded = {name: codec.encode(getattr(value, name)) for name, codec in self._members.items()}
        return {name: member for name, member in encoded.items() if member is not MISSING}

    def _refusal(self, value: dict[str, Any]) -> FieldsRefused:
        problems: list[Problem] = []
        for name, decode in self._plan:
            member = value.get(name, MISSING)
            try:
                decode(member)
            except Refused as refused:
                absent = Refused("S22", "malformed", got="nothing", expected="present")
                problems.extend(at_path(name, absent if member is MISSING else refused))
        for name in value:
            if name not in self._names:
                unknown = Refused("S20", "unknown-field", got="a member", expected="no member of this name")
                problems.extend(at_path(shown(name, 40) if not _NAME.match(name) else name, unknown))
        return FieldsRefused(tuple(problems))


def record_codec(record: Record[T]) -> Codec[T]:
    """A record as a member of another."""
    return Codec(record.decode, record.encode)


def tagged(choices: Mapping[str, Codec[Any]], tag_of: Callable[[Any], str]) -> Codec[Any]:
    """An object with exactly one member, whose name says what its value is."""

    def decode(value: Any) -> Any:
        if type(value) is not dict or len(value) != 1:
            raise Refused("S21", "wrong-type", got=shown(value), expected="one of " + " | ".join(choices))
        [(tag, inner)] = value.items()
        codec = choices.get(tag)
        if codec is None:
            raise Refused("S20", "unknown-field", got=shown(tag), expected="one of " + " | ".join(choices))
        try:
            return codec.decode(inner)
        except Refused as refused:
            raise FieldsRefused(at_path(tag, refused)) from None

    def encode(value: Any) -> Any:
        tag = tag_of(value)
        return {tag: choices[tag].encode(value)}

    return Codec(decode, encode)


def contradiction(path: str, got: str, expected: str) -> FieldsRefused:
    """Two members that cannot both be meant: S27."""
    refused = Refused("S27", "inconsistent", got=got, expected=expected)
    return FieldsRefused(at_path(path, refused))


U = TypeVar("U")


def joined(head: Record[T], body: Record[U]) -> Record[tuple[T, U]]:
    """One flat object that holds the members of both records."""
    split = len(head._members)

    def build(*decoded: Any) -> tuple[T, U]:
        return head._cls(*decoded[:split]), body._cls(*decoded[split:])

    def check(both: tuple[T, U]) -> None:
        if body._check is not None:
            body._check(both[1])

    record: Record[Any] = Record(tuple, check=check if body._check else None, **head._members, **body._members)
    record._cls = build
    return record
