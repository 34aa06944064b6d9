"""Predicate ``terms``: a new link of the version-rising chain of an accord's texts.

The founding terms need no statement: their digest is the accord's id. A link counts only where root keys of the
parties that the text before demands have signed it; ``accord`` decides that.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.digest import Digest
from detente.statement.fields import (
    DIGEST,
    Record,
    contradiction,
    count,
    text,
)


@dataclass(frozen=True, slots=True)
class TermsLink:
    """``digest`` names the exact bytes of the new text, ``previous`` those it replaces."""

    version: int
    digest: Digest
    previous: Digest
    reason: str


def _check(link: TermsLink) -> None:
    if link.digest == link.previous:
        raise contradiction("previous", "the digest of the new text", "the text that it replaces")


TERMS = Record(
    TermsLink,
    check=_check,
    version=count(2),
    digest=DIGEST,
    previous=DIGEST,
    reason=text(),
)
