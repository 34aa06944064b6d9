"""Predicate ``challenge``: somebody disputes a finding.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.digest import Digest
from detente.statement.fields import DIGEST, Record, text


@dataclass(frozen=True, slots=True)
class Challenge:
    """``finding`` is a statement id. A challenge does not suspend what the finding restricts."""

    finding: Digest
    grounds: str


CHALLENGE = Record(Challenge, finding=DIGEST, grounds=text())
