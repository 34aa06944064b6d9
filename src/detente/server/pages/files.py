"""Files of the package that pages are made of or load: assets, by paths that name their content, and templates.

Decides which assets there are. Leaves out templates' words (``rendering``); needs no extra.

>>> asset_path("page.js").startswith("/assets/page.js?v=")
True
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "passkey.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The assets there are, and their types."""
IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""How long an asset may be kept: its path changes with it."""


def packaged(folder: str, name: str) -> bytes:
    """A file that came with the pages."""
    return (files("detente.server.pages") / folder / name).read_bytes()


@cache
def asset(name: str) -> bytes:
    """The bytes of an asset of ``KINDS``."""
    return packaged("assets", name)


@cache
def asset_path(name: str) -> str:
    """The path of an asset; it names the content, so that it may be kept for ever."""
    return f"/assets/{name}?v={sha256(asset(name)).hexdigest()[:16]}"
