r"""The frame of one self-contained HTML page, and text made safe for it.

Decides the head of every page that the project writes: language, character set, what it may load (nothing), its title. Leaves
out what a page shows and how it looks. A page from here runs no script and fetches nothing, even if a text in it asked to.

>>> safe("<b>\u202e")
'&lt;b&gt;\\u202e'
>>> frame("A & B", "p {}", "<p>x</p>").startswith("<!doctype html>")
True
"""

from __future__ import annotations

from html import escape
from typing import Final

from detente.base.visible import visible

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""What a page may load: its own style sheet, and pictures that stand in it."""


def safe(value: object, most: int = 400) -> str:
    """Escaped text of at most ``most`` characters; what is not printable, direction marks included, shows as its code."""
    text = str(value)
    if len(text) > most:
        text = text[: most - 1] + "…"
    return escape(visible(text))


def frame(title: str, style: str, body: str) -> str:
    """A whole page. ``style`` and ``body`` are made by us and are not escaped; ``title`` is."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
            f"<title>{safe(title)}</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{style}</style></head><body>",
            body,
            "</body></html>",
            "",
        ]
    )
