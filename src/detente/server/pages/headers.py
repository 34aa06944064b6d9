"""What a browser may do with an answer: headers of pages, and of everything else.

Decides the policies. Leaves out what is answered. Source of the names: W3C Content Security Policy Level 3, Fetch and HTML standards.

- A page loads only its own style sheet, scripts and pictures, talks only to this node, and stands in no frame: what is clicked on
  it is what is seen on it (clickjacking).
- Whatever is not a page may do nothing at all, should a browser be talked into showing it: evidence is other people's bytes.
- A request that changes something and comes from another site's page is refused (N62): forms and scripts there carry no authority
  anyway, since nothing here trusts a cookie, and they have nothing to ask for.

>>> b"frame-ancestors 'none'" in dict(EVERYTHING)[b"content-security-policy"]
True
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any, Final

from detente.base.errors import Refused, shown

Header = tuple[bytes, bytes]

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types detente"
)
_ALWAYS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
EVERYTHING: Final[tuple[Header, ...]] = (
    *_ALWAYS,
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox",
    ),
)
PAGES: Final[tuple[Header, ...]] = (
    *_ALWAYS,
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (
        b"permissions-policy",
        b"publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
    ),
)
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def headers_for(content_type: bytes) -> tuple[Header, ...]:
    """What to add to an answer of this type."""
    return PAGES if content_type.startswith(b"text/html") else EVERYTHING


def add_headers(start: MutableMapping[str, Any]) -> None:
    """Add them to the message with which an answer starts."""
    given = start.get("headers") or []
    kind = next((value for name, value in given if name == b"content-type"), b"")
    start["headers"] = [*given, *headers_for(kind)]


def check_site(method: str, headers: Iterable[Header], own: str) -> None:
    """Refuse (N62) a request that may change something and that another site's page sent.

    1. A browser's own word, ``Sec-Fetch-Site``, which no page can forge, decides where it is given.
    2. Otherwise ``Origin``, which must be ``own`` (where browsers see the pages) or the host that was asked.
    3. A program sends neither.
    """
    if method in _READING:
        return
    given = dict(headers)
    site, origin = given.get(b"sec-fetch-site"), given.get(b"origin")
    if site is not None:  # 1
        fits = site in {b"same-origin", b"none"}
    else:  # 2, 3
        host = given.get(b"host", b"")
        fits = origin is None or origin in {own.encode(), b"http://" + host, b"https://" + host}
    if not fits:
        raise Refused(
            "N62",
            "out-of-scope",
            got=f"a {method} from {shown((origin or site or b'').decode('latin-1'))}",
            expected="one of this node's own pages, or of a program",
        )
