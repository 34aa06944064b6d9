"""The abstract play of one trigger: who can do what until it latches, and until it is lifted.

Decides which moves there are in a coalition under given terms, for one trigger and one party that it is about. Leaves
exploring to ``explore`` and what is claimed to ``powers``. ``spec/check.md`` §2 says what is abstracted:

- One round, from in force until a lift. Time passes as a move: an indicator falls overdue.
- A party votes, files one finding, and reports of each indicator one value from each side of every bound, the bounds
  themselves, or an interval that says nothing.
- The developer that the trigger is about states versions that meet a condition over the lineage, or hides them.
- A duty falls overdue, left undone or not found done, if need be asked for, and is fulfilled late by whoever can.
- Adjudicators rule together. Parties that the terms do not tell apart are interchangeable, and of a class beyond what any
  number of the terms asks for only so many play.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from typing import Final, NamedTuple

from detente.accord.conditions import (
    AccededCount,
    Atom,
    Breach,
    Compare,
    Condition,
    NoneOpen,
    OpenFinding,
    Overdue,
    Truth,
    Votes,
    atoms,
    evaluate,
    kleene_all,
    kleene_any,
)
from detente.accord.quorum import missing
from detente.accord.requests import askers
from detente.accord.terms import INSPECTORS, Indicator, Terms, Trigger
from detente.accord.tree_reading import LINEAGE
from detente.base.identity import Party
from detente.base.quantity import Interval, exactly

NOTHING, PAUSE, LIFT = 0, 1, 2
ABSENT: Final = -1


class Local(NamedTuple):
    """What one party has said: its vote, whether a finding of its is open, and a value of each indicator."""

    vote: int
    finding: bool
    readings: tuple[int, ...]


class State(NamedTuple):
    """Where the play stands: what each class of parties has said, and what follows from it. ``owed``: duties overdue."""

    said: tuple[tuple[Local, ...], ...]
    lineage: Truth = False
    overdue: tuple[bool, ...] = ()
    owed: tuple[bool, ...] = ()
    breach: bool = False
    latched: bool = False
    lifted: bool = False


@dataclass(frozen=True, slots=True)
class Players:
    """Parties that the terms do not tell apart, as far as this trigger and its lift go."""

    members: tuple[Party, ...]
    votes: bool
    lifts: bool
    inspects: bool
    supplies: tuple[bool, ...]

    @property
    def spelled(self) -> str:
        """Their names."""
        if len(self.members) == 1:
            return self.members[0]
        return f"one of {', '.join(self.members[:4])}{', …' if len(self.members) > 4 else ''}"


class Play:
    """The moves of one trigger's play. ``subject`` is the developer it is about; parties in ``apart`` stand alone."""

    def __init__(self, terms: Terms, trigger: Trigger, subject: Party, *, apart: Collection[Party] = ()) -> None:
        self.terms = terms
        self.trigger = trigger
        self.subject = subject
        self._lift_when = terms.lift.when
        self._asked = tuple(atoms(trigger.when))
        self._lifting = () if self._lift_when is None else tuple(atoms(self._lift_when))
        self.indicators = self._named(self._asked + self._lifting)
        self._kept = tuple(indicator in self._named(self._lifting) for indicator in self.indicators)
        self.values = tuple(self._samples(indicator) for indicator in self.indicators)
        # What nothing asks about changes no answer, so it is not played: cases before the latch, cases after, rulings of breach.
        self._cases = any(isinstance(atom, Breach | OpenFinding) for atom in self._asked)
        self._cases_kept = any(isinstance(atom, NoneOpen | Breach) for atom in self._lifting)
        self._breaches = any(isinstance(atom, Breach) for atom in self._asked + self._lifting)
        asked = self._asked + self._lifting
        self.duties = tuple(dict.fromkeys(atom.duty for atom in asked if isinstance(atom, Overdue)))
        self._owed_kept = tuple(any(atom == Overdue(duty) for atom in self._lifting) for duty in self.duties)
        self._seats: dict[frozenset[Party], bool] = {}
        self._settling: dict[State, State] = {}
        self._lineage = any(isinstance(atom, Compare) and atom.what in LINEAGE for atom in self._asked)
        self.players = self._classes(frozenset(apart) | {subject})
        self.first = self._quiet()

    def moves(
        self, state: State, *, silent: Collection[Party] = (), only: Party | None = None
    ) -> Iterator[tuple[str, State]]:
        """What may happen next. Parties in ``silent`` do nothing any more; with ``only`` nobody else does anything new."""
        if state.lifted:
            return
        for number, players in enumerate(self.players):
            if any(party in silent for party in players.members):
                continue
            if only is not None and only not in players.members:
                continue
            yield from self._told(state, number, players)
        yield from self._time(state, silent=silent, only=only)
        yield from self._duties(state, silent=silent, only=only)
        if only is None or self._judges({only}, None):
            yield from self._rulings(state, silent=silent, only=only)
        if state.latched and self._can_lift(state):
            yield "the lift takes effect", state._replace(lifted=True)

    def holds(self, state: State) -> bool:
        """Is the trigger's condition not false, as the terms read unknown?"""
        value = evaluate(self.trigger.when, _Seen(self, state, lifting=False))
        return value is True or (value is None and self.trigger.unknown == "holds")

    # What a class may do

    def _told(self, state: State, number: int, players: Players) -> Iterator[tuple[str, State]]:
        locals_ = state.said[number]
        for place, local in enumerate(locals_):
            if place and local == locals_[place - 1]:
                continue  # interchangeable with the one before
            for what, after in self._acts(state, players, local):
                said = tuple(sorted((*locals_[:place], after, *locals_[place + 1 :])))
                yield (
                    f"{players.spelled} {what}",
                    self._settled(state._replace(said=(*state.said[:number], said, *state.said[number + 1 :]))),
                )
        if self._lineage and self.subject in players.members and not state.latched and state.lineage is False:
            yield (
                f"{self.subject} states versions that meet {self.trigger.id}",
                self._settled(state._replace(lineage=True)),
            )
            yield f"{self.subject} leaves out who proposed its versions", self._settled(state._replace(lineage=None))

    def _acts(self, state: State, players: Players, local: Local) -> Iterator[tuple[str, Local]]:
        if players.votes and not state.latched and local.vote != PAUSE:
            yield "votes to pause", local._replace(vote=PAUSE)
        if players.lifts and state.latched:
            if local.vote == LIFT:
                yield "takes its vote to lift back", local._replace(vote=NOTHING)
            else:
                yield "votes to lift", local._replace(vote=LIFT)
        if players.inspects and (self._cases_kept if state.latched else self._cases):
            if local.finding:
                yield "refutes its own finding", local._replace(finding=False)
            else:
                yield "files a finding", local._replace(finding=True)
        for index, indicator in enumerate(self.indicators):
            if not players.supplies[index] or (state.latched and not self._kept[index]):
                continue
            for value, (spelled, _) in enumerate(self.values[index]):
                if local.readings[index] != value:
                    readings = (*local.readings[:index], value, *local.readings[index + 1 :])
                    yield f"measures {indicator.name} {spelled}", local._replace(readings=readings)

    def _time(self, state: State, *, silent: Collection[Party], only: Party | None) -> Iterator[tuple[str, State]]:
        for index, indicator in enumerate(self.indicators):
            suppliers = self._suppliers(indicator)
            # Who plays alone can only be silent alone: everybody else goes on measuring.
            silence = suppliers <= ({only} if only is not None else set(silent)) or (only is None and not silent)
            if (
                indicator.every_s is None
                or state.overdue[index]
                or not silence
                or (state.latched and not self._kept[index])
            ):
                continue
            overdue = (*state.overdue[:index], True, *state.overdue[index + 1 :])
            yield f"{indicator.name} falls overdue", self._settled(state._replace(overdue=overdue))

    def _duties(self, state: State, *, silent: Collection[Party], only: Party | None) -> Iterator[tuple[str, State]]:
        """A duty is let slip by those who could fulfil it, and fulfilled late by any of them."""
        for index, named in enumerate(self.duties):
            able = self._able(named)
            if not able or (state.latched and not self._owed_kept[index]):
                continue
            late = state.owed[index]
            owed = (*state.owed[:index], not late, *state.owed[index + 1 :])
            acting = able - set(silent) if only is None else able & {only}
            if late and acting:
                yield f"{named} is fulfilled late", self._settled(state._replace(owed=owed))
            # Who plays alone lets slip only what nobody else would do; otherwise it may have been left undone.
            elif not late and (only is None or able <= {only}) and self._asked_for(named, silent=silent, only=only):
                yield f"{named} falls overdue", self._settled(state._replace(owed=owed))

    def _asked_for(self, named: str, *, silent: Collection[Party], only: Party | None) -> bool:
        """Can what is owed on request alone be asked for by somebody who still speaks?"""
        duty = self.terms.duty(named)
        if duty is None or duty.on_request is None:
            return True
        who = set(askers(self.terms, duty.on_request, self.subject))
        return bool(who - set(silent) if only is None else who & {only})

    def _able(self, named: str) -> set[Party]:
        """Who can fulfil a duty of the subject: itself, or those who may find that it is done."""
        duty = self.terms.duty(named)
        if duty is None or not self.terms.among(self.subject, duty.of):
            return set()
        if not duty.found_by:
            return {self.subject}
        inspectors = (p for p in self.terms.parties if p != self.subject and self.terms.among(p, duty.found_by))
        return {party for party in inspectors if self.terms.among(party, INSPECTORS)}

    def _rulings(self, state: State, *, silent: Collection[Party], only: Party | None) -> Iterator[tuple[str, State]]:
        if not (self._cases_kept if state.latched else self._cases):
            return
        judges = {only} if only is not None else set(self.terms.parties) - set(silent)
        for number, players in enumerate(self.players):
            place = next((place for place, local in enumerate(state.said[number]) if local.finding), None)
            if place is None or not self._judges(judges, players):
                continue
            local = state.said[number][place]._replace(finding=False)
            said = tuple(sorted((*state.said[number][:place], local, *state.said[number][place + 1 :])))
            after = state._replace(said=(*state.said[:number], said, *state.said[number + 1 :]))
            yield f"the adjudicators rule that the finding of {players.spelled} is no breach", self._settled(after)
            yield (
                f"the adjudicators rule that the finding of {players.spelled} is a breach",
                self._settled(after._replace(breach=True)),
            )

    def _judges(self, judges: Iterable[Party], author: Players | None) -> bool:
        """Can these adjudicators decide a case of one of the author's class against the subject?"""
        rules = self.terms.adjudication
        if rules is None:
            return False
        barred = {self.subject} | ({author.members[0]} if author is not None else set())
        sitting = [p for p in judges if p not in barred and self.terms.among(p, ("adjudicator",))]
        return not missing(rules.votes, sitting, self.terms.parties)

    def _can_lift(self, state: State) -> bool:
        voters = [
            party
            for players, said in zip(self.players, state.said, strict=True)
            for party, local in zip(players.members, said, strict=False)
            if local.vote == LIFT
        ]
        who = frozenset(voters)
        if who not in self._seats:
            self._seats[who] = not missing(self.terms.lift.votes, who, self.terms.parties)
        if not self._seats[who]:
            return False
        condition = self._lift_when
        return condition is None or evaluate(condition, _Seen(self, state, lifting=True), restricting=False) is True

    def _settled(self, state: State) -> State:
        """Latch if the condition holds. What no lift asks about is forgotten then: it can matter no more."""
        if state.latched:
            return state
        found = self._settling.get(state)
        if found is None:
            found = self._settling[state] = self._latched(state) if self.holds(state) else state
        return found

    def _latched(self, state: State) -> State:
        said = tuple(
            tuple(
                sorted(
                    Local(
                        NOTHING,
                        local.finding and self._cases_kept,
                        tuple(v if kept else ABSENT for v, kept in zip(local.readings, self._kept, strict=True)),
                    )
                    for local in group
                )
            )
            for group in state.said
        )
        overdue = tuple(late and kept for late, kept in zip(state.overdue, self._kept, strict=True))
        owed = tuple(late and kept for late, kept in zip(state.owed, self._owed_kept, strict=True))
        return state._replace(said=said, overdue=overdue, owed=owed, latched=True, lineage=False)

    # Set-up

    def _named(self, asked: Iterable[Atom]) -> tuple[Indicator, ...]:
        names = dict.fromkeys(atom.what for atom in asked if isinstance(atom, Compare))
        return tuple(
            self.terms.indicators[name]
            for name in names
            if name in self.terms.indicators and self.terms.indicators[name].supplied_by
        )

    def _samples(self, indicator: Indicator) -> tuple[tuple[str, Interval], ...]:
        """A value from each side of every bound, every bound, and an interval over all of them."""
        asked = (*self._asked, *self._lifting)
        bounds = sorted({atom.bound for atom in asked if isinstance(atom, Compare) and atom.what == indicator.name})
        points = [bounds[0] - 1, *bounds, bounds[-1] + 1]
        points += [(low + high) / 2 for low, high in pairwise(bounds)]
        spelled = [(f"at {_plain(point)}", exactly(point)) for point in sorted(points)]
        spelled.append(("without saying much", Interval(bounds[0] - 1, bounds[-1] + 1)))
        # Values to which every atom gives the same answer are one value, told by the first of them.
        different: dict[tuple[Truth, ...], tuple[str, Interval]] = {}
        compared = [atom for atom in asked if isinstance(atom, Compare) and atom.what == indicator.name]
        for name, value in spelled:
            different.setdefault(tuple(atom.of(value) for atom in compared), (name, value))
        return tuple(different.values())

    def _suppliers(self, indicator: Indicator) -> set[Party]:
        subject = self.subject if indicator.about == "party" else None
        return set(self.terms.suppliers(indicator, subject))

    def _classes(self, apart: frozenset[Party]) -> tuple[Players, ...]:
        callers = [atom.of for atom in self._asked if isinstance(atom, Votes)]
        finders = [atom.by for atom in self._asked if isinstance(atom, OpenFinding)]
        quorums = [
            self.terms.lift.votes.groups,
            *([self.terms.adjudication.votes.groups] if self.terms.adjudication else []),
        ]
        roles = {role for groups in quorums for role in groups}
        found: dict[object, list[Party]] = {}
        for party, about in self.terms.parties.items():
            signature = (
                party if party in apart else "",
                *(self.terms.among(party, names) for names in (*callers, *finders, INSPECTORS)),
                *(party in self._suppliers(indicator) for indicator in self.indicators),
                *(party in self._able(duty) for duty in self.duties),
                *(self._asked_for(duty, silent=(), only=party) for duty in self.duties),
                about.roles & roles,
            )
            found.setdefault(signature, []).append(party)
        most = self._most()
        return tuple(self._players(members[:most]) for members in found.values())

    def _most(self) -> int:
        """More of one class than every number of the terms asks for together add nothing."""
        counts = [atom.at_least for atom in self._asked if isinstance(atom, Votes | OpenFinding | AccededCount)]
        counts += self.terms.lift.votes.groups.values()
        if self.terms.adjudication is not None:
            counts += self.terms.adjudication.votes.groups.values()
        return max(counts, default=1) + 1

    def _players(self, members: list[Party]) -> Players:
        party = members[0]
        callers = any(self.terms.among(party, atom.of) for atom in self._asked if isinstance(atom, Votes))
        groups = self.terms.lift.votes.groups
        return Players(
            tuple(members),
            votes=callers,
            lifts="any" in groups or not self.terms.parties[party].roles.isdisjoint(groups),
            inspects=self.terms.among(party, INSPECTORS),
            supplies=tuple(party in self._suppliers(indicator) for indicator in self.indicators),
        )

    def _quiet(self) -> State:
        """Nobody has said anything that restricts: every supplier reports values under which the trigger does not hold."""
        for readings in product(*(self._harmless_first(index) for index in range(len(self.indicators)))):
            state = self._opening(readings)
            if not self.holds(state):
                return state
        return self._settled(self._opening((0,) * len(self.values)))

    def _harmless_first(self, index: int) -> list[int]:
        """The values of an indicator, those that the fewest comparisons of the trigger are true of first."""
        name = self.indicators[index].name
        compared = [atom for atom in self._asked if isinstance(atom, Compare) and atom.what == name]
        values = self.values[index]
        return sorted(range(len(values)), key=lambda value: sum(a.of(values[value][1]) is not False for a in compared))

    def _opening(self, readings: tuple[int, ...]) -> State:
        """The first state in which every supplier reports these values."""
        return State(
            tuple(
                tuple(
                    Local(
                        NOTHING,
                        finding=False,
                        readings=tuple(v if own else ABSENT for v, own in zip(readings, players.supplies, strict=True)),
                    )
                    for _ in players.members
                )
                for players in self.players
            ),
            overdue=(False,) * len(self.indicators),
            owed=(False,) * len(self.duties),
        )


class _Seen:
    """The atoms' values in one state."""

    def __init__(self, play: Play, state: State, *, lifting: bool) -> None:
        self._play = play
        self._state = state
        self._lifting = lifting

    def value(self, atom: Atom, *, restricting: bool) -> Truth:
        play, state = self._play, self._state
        match atom:
            case Votes(of, at_least):
                return (
                    sum(
                        local.vote == PAUSE
                        for players, said in zip(play.players, state.said, strict=True)
                        if play.terms.among(players.members[0], of)
                        for local in said
                    )
                    >= at_least
                )
            case OpenFinding(by, at_least):
                return self._open(by) >= at_least
            case NoneOpen():
                return self._open(INSPECTORS) == 0
            case Breach():
                return state.breach
            case Overdue(duty):
                return state.owed[play.duties.index(duty)]
            case Compare():
                return self._compare(atom, restricting=restricting)
        return None

    def _open(self, by: tuple[str, ...]) -> int:
        play = self._play
        return sum(
            local.finding
            for players, said in zip(play.players, self._state.said, strict=True)
            if play.terms.among(players.members[0], by)
            for local in said
        )

    def _compare(self, atom: Compare, *, restricting: bool) -> Truth:
        play, combine = self._play, kleene_any if restricting else kleene_all
        values: list[Truth] = []
        if atom.what in LINEAGE:
            known = self._state.lineage
            indicator = play.terms.indicators.get(atom.what)
            silent = known is None and indicator is not None and indicator.unknown == "silent" and not self._lifting
            values.append(not restricting if silent else known)
        for index, indicator in enumerate(play.indicators):
            if indicator.name == atom.what:
                values.append(self._measured(atom, index, indicator, restricting=restricting))
        return combine(values) if values else not restricting

    def _measured(self, atom: Compare, index: int, indicator: Indicator, *, restricting: bool) -> Truth:
        combine = kleene_any if restricting else kleene_all
        values: list[Truth] = []
        for players, said in zip(self._play.players, self._state.said, strict=True):
            if players.supplies[index]:
                for local in said:
                    if local.readings[index] != ABSENT:
                        answer = atom.of(self._play.values[index][local.readings[index]][1])
                        if answer is None and indicator.unknown == "silent" and not self._lifting:
                            answer = not restricting
                        values.append(answer)
        if not values and self._lifting:
            values.append(None)
        answer = combine(values) if values else not restricting
        if self._state.overdue[index] and indicator.overdue == "holds":
            answer = combine([answer, None])
        return answer


def _plain(value: Decimal) -> str:
    return f"{value:f}" if abs(value) < 10**6 else f"{value.normalize():E}"


def asks_lineage(condition: Condition | None) -> bool:
    """Does the condition ask about the lineage, which this play does not let anybody mend?"""
    return condition is not None and any(
        isinstance(atom, Compare) and atom.what in LINEAGE for atom in atoms(condition)
    )
