"""Predicate ``deployment``: a version was released, and where.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.digest import Digest
from detente.statement.fields import DIGEST, Record, text


@dataclass(frozen=True, slots=True)
class Deployment:
    """``version`` (its digest) is in use at ``where``."""

    version: Digest
    where: str


DEPLOYMENT = Record(Deployment, version=DIGEST, where=text(256))
