"""A node looked at once: its state at an instant, kept for a moment so that many readers cost what one does.

Decides how old what a page shows may be: ``KEPT_S``, and never older than the last change of the state. Every value says the
instant it is of. Leaves out what is shown (the modules beside this one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from detente.accord.ancestry import Ancestry
from detente.accord.fold import AccordState
from detente.accord.reason import Place
from detente.accord.records import Item
from detente.accord.standing import Status
from detente.accord.status import standpoint, status
from detente.accord.sweep import Standpoint, sweep_of
from detente.accord.terms import Terms
from detente.adapters.client import origin_hash
from detente.app.node import Node
from detente.app.viewing.telling import tell
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.instant import Instant, show_instant

Value = dict[str, Any]
T = TypeVar("T")

CITING: Final = frozenset({"cites", "cited"})
NAMING: Final = frozenset({"finding", "run", "statement", "proposal", "first"})
"""Members that hold the ids of statements: a list of them, or one."""
KEPT_S: Final = 5
"""Seconds for which a look is kept while nothing arrives: what only the passing of time changes shows that much later."""


@dataclass(slots=True)
class Sight:
    """One look. ``now`` is the status at ``at``; ``kept`` holds values that were made of it."""

    node: Node
    state: AccordState
    at: Instant
    now: Status
    terms: Terms
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def point(self) -> Standpoint:
        """What the triggers see."""
        return standpoint(self.state, self.at, heard=True)

    @property
    def ancestry(self) -> Ancestry:
        """The lineage."""
        return sweep_of(self.state).ancestry_at(self.at)

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """A value made once of this look."""
        if name not in self.kept:
            self.kept[name] = make()
        value: T = self.kept[name]
        return value

    def find(self, statement: Digest, kind: str) -> Item:
        """A statement of a kind that counts here; raises ``Refused`` N61."""
        item = self.state.get(statement)
        if item is None or item.kind != kind:
            got = f"{statement}, which is {'not known or without effect here' if item is None else f'a {item.kind}'}"
            raise Refused("N61", "not-found", got=got, expected=f"the statement id of a {kind} that this node holds")
        return item

    def entries(self, statements: Iterable[Digest]) -> dict[str, Value]:
        """What a reader needs to follow each statement to its entry; one that is without effect says so."""
        return {str(each): self.entry(each) for each in dict.fromkeys(statements)}

    def with_entries(self, value: Value) -> Value:
        """The value, and in ``entries`` every statement that it names."""
        return {**value, "entries": self.entries(cited_in(value))}

    def entry(self, statement: Digest) -> Value:
        """One statement as it is cited."""
        item = self.state.items.get(statement)
        if item is None:
            place = next(iter(self.node.feed.places.get(statement, ())), None)
            return {"kind": None, "party": None, "witnessed_at": None, "says": "", **placed(place)}
        return {
            "kind": item.kind,
            "party": item.party,
            "witnessed_at": when(item.time),
            "says": tell(item.body),
            **placed(item.place),
        }


class Lookout:
    """Looks at a node; a look is kept for some seconds if nothing arrives."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._last: Sight | None = None

    def look(self) -> Sight:
        """The node's state now, or the look of some seconds ago if nothing has arrived since."""
        state, now = self.node.state(), self.node.clock.now()
        last = self._last
        if last is None or last.state is not state or not 0 <= now - last.at < KEPT_S:
            last = self._last = Sight(self.node, state, now, status(state, now), state.terms_at(now))
        return last


def cited_in(value: object) -> Iterator[Digest]:
    """Every statement that a value names, in whatever depth, in order."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name in CITING and isinstance(part, list):
                yield from part
            elif name in NAMING and isinstance(part, str) and len(part) == 64:
                yield Digest(part)
            else:
                yield from cited_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from cited_in(part)


def placed(place: Place | None) -> Value:
    """Where an entry stands: its log's origin and the SHA-256 of that, by which paths name logs."""
    if place is None:
        return {"origin": None, "log": None, "index": None}
    return {"origin": place.origin, "log": origin_hash(place.origin), "index": place.index}


def when(at: int | None) -> str | None:
    """An instant as it is written, or nothing."""
    return None if at is None else show_instant(Instant(at))
