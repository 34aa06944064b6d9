"""The error tree: who is wrong decides the class, and a number leads to the clause that was broken.

::

    DetenteError
    ├── Refused      the evidence is wrong: carries the number of the rule in ``spec/`` and a closed kind
    ├── Unavailable  the world is wrong: a disk, a network, a peer
    └── Misuse       the caller is wrong: a programming or usage mistake

A denial is not an error: ``guard.decide`` returns a ``Decision``. Only ``cli`` turns these into exit
codes and only ``server`` into HTTP statuses.

>>> error = Refused("S04", "duplicate-key", got="two members named 'party'", expected="each name once")
>>> print(error)
S04 duplicate-key: got two members named 'party'; expected each name once
>>> error.as_json()["kind"]
'duplicate-key'
"""

from __future__ import annotations

from typing import Literal

RefusalKind = Literal[
    "malformed",  # not the format at all
    "oversized",  # over a stated bound
    "duplicate-key",  # one JSON or YAML key, or one public key, named twice
    "unknown-field",  # a member the format does not have
    "wrong-type",  # a value of another type, a float where a quantity is meant
    "bad-signature",  # a signature that does not verify
    "unknown-key",  # signed by nobody that was ever enrolled
    "weak-key",  # fails the enrolment gate
    "key-not-in-force",  # enrolled, but not at this place
    "unknown-party",
    "unknown-role",  # the party may not say this
    "wrong-accord",
    "wrong-terms",
    "out-of-scope",
    "stale",  # older than something already known
    "future-dated",
    "expired",
    "replayed",
    "conflict",  # contradicts what the same signer said, or a concurrent writer
    "inconsistent",  # two signed heads that cannot both be true, a proof that does not lead there
    "corrupt",  # bytes that no longer match their digest
    "rollback",  # trusted state is ahead of what is offered
    "quorum",  # too few, or not distinct
    "terms-unsound",  # terms that break an inequality or a rule of the language
    "limit",  # over a limit that the terms set
    "rate",  # too many requests, entries or bytes
    "held",  # a human decision is missing
    "paused",
    "not-found",
    "busy",  # another process owns it
    "full",  # the disk is full
]


class DetenteError(Exception):
    """Root of every error that this package raises on purpose."""


class Refused(DetenteError):
    """The evidence is wrong. ``rule`` is the number in ``spec/``, ``kind`` one of ``RefusalKind``."""

    def __init__(self, rule: str, kind: RefusalKind, *, got: str, expected: str, todo: str = "") -> None:
        self.rule = rule
        self.kind: RefusalKind = kind
        self.got = got
        self.expected = expected
        self.todo = todo
        super().__init__(rule, kind, got, expected, todo)

    def __str__(self) -> str:
        tail = f"; {self.todo}" if self.todo else ""
        return f"{self.rule} {self.kind}: got {self.got}; expected {self.expected}{tail}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_refused, (type(self), self.rule, self.kind, self.got, self.expected, self.todo))

    def as_json(self) -> dict[str, str]:
        """The refusal as a flat JSON object: rule, kind, got, expected, todo."""
        return {
            "rule": self.rule,
            "kind": self.kind,
            "got": self.got,
            "expected": self.expected,
            "todo": self.todo,
        }


def _rebuild_refused(cls: type[Refused], rule: str, kind: RefusalKind, got: str, expected: str, todo: str) -> Refused:
    return cls(rule, kind, got=got, expected=expected, todo=todo)


class Unavailable(DetenteError):
    """The world is wrong: a peer is silent, a disk is full, a file is gone. Trying again may help."""


class Misuse(DetenteError):
    """The caller is wrong: no evidence will change that."""


def shown(value: object, limit: int = 80) -> str:
    """``repr`` cut to ``limit`` characters: a refusal quotes hostile input and must stay one short line.

    >>> shown("x" * 200, limit=10)
    "'xxxxxx..."
    """
    if isinstance(value, (str, bytes)) and len(value) > limit:
        value = value[: limit + 1]  # never repr megabytes to show a few characters
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
