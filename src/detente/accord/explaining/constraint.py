"""One thing that binds: the clause, its effect, since when, on which entries, and the ways in which it ends, as values.

Decides the shape of an explanation. Leaves out how any of it is found. Normative text: ``spec/accord.md`` §10.

- An act is one statement that any ``count`` of ``hands`` would file; a way is a set of acts that is enough from ``at`` on,
  if they are done now, and of which nothing can be left out. A way without acts is the mere passing of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from detente.accord.conditions import Truth
from detente.accord.reason import Place, Reason
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.statement.approval import Approval
from detente.statement.kinds import Kind
from detente.statement.statement import Body

SubjectKind = Literal["accord", "party", "run", "change", "trigger"]
ClauseKind = Literal[
    "phase",
    "membership",
    "pause",
    "slowdown",
    "measure",
    "limit",
    "hold_point",
    "screening",
    "checkpoint",
    "declaration",
    "consequence",
    "trigger",
]
Means = Literal["any", "page", "terminal"]
Effect = Literal["refused", "held", "paused", "capped", "bound", "free"]
EFFECTS: tuple[Effect, ...] = ("refused", "paused", "held", "capped", "bound", "free")
"""From what leaves least to what leaves most."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what is asked about. ``id`` is the party, trigger, statement or version; ``label`` what people call it."""

    kind: SubjectKind
    id: str = ""
    label: str = ""

    def __str__(self) -> str:
        return "the accord" if self.kind == "accord" else f"{self.kind} {self.label or self.id}"

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "id": self.id, "label": self.label or self.id}


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the terms: its kind, its id in the file, and what it says in words."""

    kind: ClauseKind
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """One atom of the clause's condition and its value now; None is unknown."""

    text: str
    value: Truth

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "value": spelled(self.value)}


@dataclass(frozen=True, slots=True)
class Hand:
    """Who files a statement: a party, for an approval by one of its reviewers."""

    party: Party
    reviewer: str = ""

    def __str__(self) -> str:
        return f"{self.party}/{self.reviewer}" if self.reviewer else self.party


@dataclass(frozen=True, slots=True)
class Act:
    """Any ``count`` of ``hands``, with ``apart`` of distinct parties, file a statement of ``kind`` that says ``body``.

    ``means`` is how an approval is made, on a page or in a terminal; ``again``, by the same hands as the act before it, in their order.
    ``body`` None is ``kind`` ``terms``, an amendment to ``after``, or the witnessing of the statement ``about``. ``who`` and
    ``does`` are its words, a verb for one and for several.
    """

    kind: Kind | Literal["witness"]
    hands: tuple[Hand, ...]
    count: int
    who: str
    does: tuple[str, str]
    body: Body | None = None
    apart: bool = True
    after: Terms | None = field(default=None, compare=False)
    about: Digest | None = None
    means: Means = "any"
    again: bool = False

    @property
    def text(self) -> str:
        """The act in words."""
        return f"{self.who} {self.does[self.count != 1]}"

    def is_like(self, other: Act) -> bool:
        """Do both say the same by the same means, so that nobody files one for the other?"""
        same = self.kind == other.kind and self.body == other.body
        return same and (self.means == other.means or "any" in {self.means, other.means})

    def said_by(self, hand: Hand) -> Body | None:
        """The body as this hand files it."""
        if isinstance(self.body, Approval):
            return replace(self.body, organisation=hand.party, reviewer=hand.reviewer)
        return self.body

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.kind,
            "count": self.count,
            "of": [str(hand) for hand in self.hands],
            "text": self.text,
        }


Plan: TypeAlias = tuple[Act, ...]
How = Literal["acts", "lift", "lapse", "expiry", "amendment", "span", "settling"]


@dataclass(frozen=True, slots=True)
class Way:
    """Acts that are enough from ``at`` on if done at once; without acts, what time brings at ``at``, and ``how``."""

    acts: Plan
    at: Instant
    how: How
    text: str

    def as_json(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "at": show_instant(self.at),
            "acts": [act.as_json() for act in self.acts],
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Constraint:
    """What binds ``about`` now. ``scope`` is the scope of a trigger, or the statement that a clause is judged on.

    ``witnessed`` is false where it rests on what was heard only; ``since`` is then the instant of asking. ``verdict`` is the
    condition's value now: a latched trigger goes on when it is false again. ``more`` says that the search for ways ended at
    its bound.
    """

    clause: Clause
    effect: Effect
    about: Subject
    scope: str
    since: Instant | None
    reason: Reason
    witnessed: bool = True
    verdict: Truth = True
    judged: tuple[Judgement, ...] = ()
    activities: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    ways: tuple[Way, ...] = ()
    more: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same constraint in another state."""
        return (self.clause.kind, self.clause.id, self.scope)

    def as_json(self) -> dict[str, Any]:
        return {
            "clause": {"kind": self.clause.kind, "id": self.clause.id, "text": self.clause.text},
            "effect": self.effect,
            "about": self.about.as_json(),
            "scope": self.scope,
            "activities": list(self.activities),
            "since": None if self.since is None else show_instant(self.since),
            "witnessed": self.witnessed,
            "verdict": spelled(self.verdict),
            "judged": [each.as_json() for each in self.judged],
            "why": self.reason.as_json(),
            "facts": dict(self.facts),
            "ways_out": [way.as_json() for way in self.ways],
            "more_ways": self.more,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement on which something rests. ``said`` is where a scenario's table makes it."""

    statement: Digest
    kind: str
    party: Party
    witnessed_at: Instant | None
    place: Place | None
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "kind": self.kind,
            "party": self.party,
            "witnessed_at": None if self.witnessed_at is None else show_instant(self.witnessed_at),
            "place": None if self.place is None else str(self.place),
            "said": self.said,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that binds a subject at an instant, the strictest first; ``left_out`` runs and changes were not looked at.

    ``entries`` are those on which it rests, in fold order. ``self_witnessed``: nobody else vouches for any time.
    """

    accord: str
    terms_version: int
    subject: Subject
    at: Instant
    phase: str
    constraints: tuple[Constraint, ...]
    entries: tuple[Entry, ...] = ()
    left_out: int = 0
    self_witnessed: bool = False

    @property
    def outcome(self) -> Effect:
        """The strictest effect."""
        return min((each.effect for each in self.constraints), key=EFFECTS.index, default="free")

    def as_json(self) -> dict[str, Any]:
        return {
            "accord": self.accord,
            "terms_version": self.terms_version,
            "subject": self.subject.as_json(),
            "at": show_instant(self.at),
            "phase": self.phase,
            "outcome": self.outcome,
            "self_witnessed": self.self_witnessed,
            "constraints": [each.as_json() for each in self.constraints],
            "entries": [each.as_json() for each in self.entries],
            "left_out": self.left_out,
        }


def spelled(value: Truth) -> str:
    """A value of Kleene's logic as a word.

    >>> [spelled(value) for value in (True, False, None)]
    ['true', 'false', 'unknown']
    """
    return "unknown" if value is None else "true" if value else "false"
