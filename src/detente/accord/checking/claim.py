"""What a check says: claims that hold, that are broken, or that a reader should know.

>>> Claim("quorum", "mirrors", "holds", "q + m > n + f").as_json()["verdict"]
'holds'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["holds", "broken", "on purpose", "listed", "not shown"]
"""``broken`` comes with a trace where a course of events leads there; ``on purpose``: the terms say that they want it;
``listed``: neither good nor bad, to be known before signing; ``not shown``: the bound was reached or the model lacks it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about terms. ``id`` is a constant word, ``section`` the member of the terms that a person would change."""

    id: str
    section: str
    verdict: Verdict
    text: str
    trace: tuple[str, ...] = ()
    bound: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "section": self.section,
            "verdict": self.verdict,
            "text": self.text,
            "trace": list(self.trace),
            "bound": self.bound,
        }
