"""From when and until when a rule of the terms applies: at a date, or so long after the accord entered into force.

Decides at which instants a rule applies. Leaves when the accord entered into force to ``membership``. ``spec/terms.md`` §2.

- A rule applies from its first instant on and no longer at its last: ``from`` ≤ t < ``until``.
- What counts from entry into force has not come while the accord is not in force.
- Beginning later, or ending, only ever depends on witnessed accessions and on the instant of asking.

>>> span = Span(AfterEntry(864_000), None)
>>> [span.applies(at, 1_000) for at in (864_999, 865_000)], span.applies(10**9, None)
([False, True], False)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from detente.base.instant import Instant, show_duration, show_instant


@dataclass(frozen=True, slots=True)
class AfterEntry:
    """So many seconds after the accord entered into force."""

    delay_s: int


Moment: TypeAlias = Instant | AfterEntry


def moment_at(moment: Moment, in_force_since: int | None) -> int | None:
    """The instant of a moment in seconds since the Epoch; None while it is not known, since the accord is not in force."""
    if not isinstance(moment, AfterEntry):
        return int(moment)
    return None if in_force_since is None else in_force_since + moment.delay_s


def show_moment(moment: Moment) -> str:
    """How a person says it.

    >>> show_moment(AfterEntry(864_000)), show_moment(Instant(1_798_761_600)), show_moment(Instant(1_798_761_601))
    ('10 d after entry into force', '2027-01-01', '2027-01-01T00:00:01Z')
    """
    if isinstance(moment, AfterEntry):
        return f"{show_duration(moment.delay_s)} after entry into force"
    spelled = show_instant(moment)
    return spelled.removesuffix("T00:00:00Z")


@dataclass(frozen=True, slots=True)
class Span:
    """When a rule applies; None stands for from the beginning, and for without an end."""

    begins: Moment | None = None
    ends: Moment | None = None

    def begins_at(self, in_force_since: int | None) -> int | None:
        """Its first instant, where it has one that is known."""
        return None if self.begins is None else moment_at(self.begins, in_force_since)

    def ends_at(self, in_force_since: int | None) -> int | None:
        """The first instant at which it applies no more, where there is one that is known."""
        return None if self.ends is None else moment_at(self.ends, in_force_since)

    def applies(self, at: int, in_force_since: int | None) -> bool:
        """Does the rule apply at ``at``, in an accord in force since then (None: not in force)?"""
        begins, ends = self.begins_at(in_force_since), self.ends_at(in_force_since)
        if self.begins is not None and (begins is None or at < begins):
            return False
        return ends is None or at < ends

    def covers(self, other: Span) -> bool:
        """Does it apply whenever ``other`` does, as far as that can be told without knowing the entry into force?"""
        return _no_later(self.begins, other.begins) and _no_later(other.ends, self.ends, never_last=True)

    def is_empty(self) -> bool:
        """Can it be seen that there is no instant at which it applies?"""
        begins, ends = self.begins, self.ends
        if isinstance(begins, AfterEntry) and isinstance(ends, AfterEntry):
            return ends.delay_s <= begins.delay_s
        if begins is None or ends is None or isinstance(begins, AfterEntry) or isinstance(ends, AfterEntry):
            return False
        return ends <= begins

    def spelled(self) -> str:
        """A phrase to put after the rule's name; empty where it always applies."""
        said = [] if self.begins is None else [f"from {show_moment(self.begins)}"]
        if self.ends is not None:
            said.append(f"until {show_moment(self.ends)}")
        return " ".join(said)


ALWAYS = Span()


def _no_later(one: Moment | None, other: Moment | None, *, never_last: bool = False) -> bool:
    """Is ``one`` never after ``other``? None is before everything or, with ``never_last``, after everything."""
    if never_last and (other is None or one is None):
        return other is None
    if one is None:
        return True
    if isinstance(one, AfterEntry) and isinstance(other, AfterEntry):
        return one.delay_s <= other.delay_s
    if other is None or isinstance(one, AfterEntry) or isinstance(other, AfterEntry):
        return False
    return one <= other
