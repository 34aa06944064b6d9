"""Why something is so: one sentence, the statements it rests on, and where they stand.

Decides how a reason is spelled. Leaves out what is so (``status``).

>>> Reason("dev-a is bound", (), ()).as_json()
{'text': 'dev-a is bound', 'cites': [], 'places': []}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detente.base.digest import Digest


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """An entry of a log: the log's origin and the entry's index from 0."""

    origin: str
    index: int

    def __str__(self) -> str:
        return f"{self.origin}#{self.index}"


@dataclass(frozen=True, slots=True)
class Reason:
    """``text`` in plain English; ``cites`` statement ids; ``places`` one entry for each that stands in a log."""

    text: str
    cites: tuple[Digest, ...] = ()
    places: tuple[Place, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "cites": list(self.cites), "places": [str(place) for place in self.places]}
