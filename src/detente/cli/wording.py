"""Numbers of things, as people say them."""

from __future__ import annotations


def counted(number: int, one: str, more: str = "") -> str:
    """A number and the word for so many.

    >>> counted(1, "entry", "entries"), counted(2_000, "log")
    ('1 entry', '2,000 logs')
    """
    return f"{number:,} {one if number == 1 else more or one + 's'}"
