"""Read the fields of an exported object, and say by its path what is wrong with one.

Refusals of ``spec/measure-oversight.md``: O03 a value of another type, O04 a member that the form does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from detente.base.errors import Refused, shown

T = TypeVar("T")
LIST_MAX: Final = 10_000
"""Reviews, comments or commits of one pull request; GitHub lists at most 250 commits and 3,000 files."""
TEXT_CHARACTERS_MAX: Final = 1 << 20
INTEGER_MAX: Final = 2**53 - 1
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})\Z", re.ASCII)


class Node:
    """An object of the export and where it stands."""

    def __init__(self, value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(at, value, "an object")
        self.value: Mapping[str, Any] = value
        self.at = at

    def only(self, *names: str) -> None:
        """Refuse any other member: in our own form a word that is not understood could mean anything."""
        for name in self.value:
            if name not in names:
                raise Refused("O04", "unknown-field", got=f"{self.at}.{shown(name)}", expected=", ".join(names))

    def text(self, name: str) -> str:
        value = self.value.get(name)
        if not isinstance(value, str) or len(value) > TEXT_CHARACTERS_MAX:
            raise _wrong(f"{self.at}.{name}", value, "text")
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self.value.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        value = self.value.get(name, False)
        if not isinstance(value, bool):
            raise _wrong(f"{self.at}.{name}", value, "true or false")
        return value

    def number(self, name: str, *, least: int = 0) -> int:
        value = self.value.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= INTEGER_MAX:
            raise _wrong(f"{self.at}.{name}", value, f"a whole number from {least}")
        return value

    def maybe_number(self, name: str) -> int | None:
        return None if self.value.get(name) is None else self.number(name)

    def commit(self, name: str) -> str | None:
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _COMMIT.match(value.lower()):
            raise _wrong(f"{self.at}.{name}", value, "the whole id of a commit, or null")
        return value.lower()

    def instant(self, name: str) -> int:
        value = self.value.get(name)
        if isinstance(value, str) and _INSTANT.match(value):
            try:
                return int(datetime.fromisoformat(value).astimezone(UTC).timestamp())
            except (ValueError, OverflowError):
                pass
        raise _wrong(f"{self.at}.{name}", value, "an instant like 2026-11-24T00:00:00Z")

    def maybe_instant(self, name: str) -> int | None:
        return None if self.value.get(name) is None else self.instant(name)

    def one_of(self, name: str, words: Sequence[str]) -> str:
        value = self.value.get(name)
        if value not in words or not isinstance(value, str):
            raise _wrong(f"{self.at}.{name}", value, " or ".join(words))
        return value

    def below(self, name: str) -> Node:
        return Node(self.value.get(name), f"{self.at}.{name}")

    def maybe(self, name: str, read: Callable[[Node], T]) -> T | None:
        return None if self.value.get(name) is None else read(self.below(name))

    def each(self, name: str, read: Callable[[Node], T]) -> tuple[T, ...] | None:
        """A list of objects; ``None`` where it was not exported."""
        return None if self.value.get(name) is None else each(self.value[name], f"{self.at}.{name}", read)


def each(value: Any, at: str, read: Callable[[Node], T]) -> tuple[T, ...]:
    """Every object of a list."""
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise _wrong(
            at, value if not isinstance(value, list) else f"{len(value)} entries", f"a list of at most {LIST_MAX}"
        )
    return tuple(read(Node(entry, f"{at}[{number}]")) for number, entry in enumerate(value))


def _wrong(at: str, value: object, expected: str) -> Refused:
    return Refused("O03", "wrong-type", got=f"{at}: {shown(value)}", expected=expected)
