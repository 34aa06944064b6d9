r"""Text from outside made visible: what a reader could not see, or would be misled by, shows as its code.

Decides which characters do something else than stand where they are: controls, bidirectional overrides, invisible and
unassigned ones, fillers that look like spaces, and long piles of combining marks. Leaves out letters that look like other letters.

- Nothing is dropped: every character of the text is in the result, as itself or as its code.
- The marks are plain text, so that they are safe wherever text is; ``pieces`` tells which parts are marks.

>>> visible("safe\u202eelif\x1b[2K")
'safe\\u202eelif\\x1b[2K'
>>> list(pieces("a\u200bb"))
[('a', False), ('\\u200b', True), ('b', False)]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

PILE_MAX: Final = 4
"""Combining marks on one letter: Vietnamese and Hebrew take up to three; more hide what is around them."""
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f")
"""Printable for Unicode, blank or invisible for a reader."""
_PLAIN: Final = re.compile(r"[ -~]*\Z")
_NAMED: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_VARIATIONS: Final = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))


def visible(text: str, keep: str = "") -> str:
    """The text with its marks; ``keep`` are characters that stay as they are where they have their usual meaning, such as a tab."""
    if _PLAIN.match(text):
        return text
    return "".join(piece for piece, _ in pieces(text, keep))


def pieces(text: str, keep: str = "") -> Iterator[tuple[str, bool]]:
    """Runs of the text as it is, and the marks between them, each with whether it is a mark."""
    plain: list[str] = []
    pile = 0
    for character in text:
        if " " <= character <= "~":
            plain.append(character)
            pile = 0
            continue
        pile = pile + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if character in keep or (_is_seen(character) and pile <= PILE_MAX):
            plain.append(character)
            continue
        if plain:
            yield "".join(plain), False
            plain = []
        yield code_of(character), True
    if plain:
        yield "".join(plain), False


def code_of(character: str) -> str:
    r"""How a character is spelled that is not shown as itself.

    >>> code_of("\x1b"), code_of("é")
    ('\\x1b', '\\xe9')
    """
    if character in _NAMED:
        return _NAMED[character]
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _is_seen(character: str) -> bool:
    if character in _FILLERS or any(low <= ord(character) <= high for low, high in _VARIATIONS):
        return False
    return character.isprintable()
