"""What a trigger sees at an instant: the value of every atom, from the evidence that no lift has answered.

Decides the value of votes, measurements, depths, findings and rulings. Leaves the tree to ``conditions`` and what follows
to ``tracks``. Normative text: ``spec/accord.md`` §7.

- In round r > 0 only evidence at or after the cut counts, only votes that name the round, and silence counts from the
  start of the round. Votes to pause that name the round before and that its lift did not answer are such evidence too:
  while a lift settles there is no later round to name.
- Of several suppliers, the answer that restricts wins. A later measurement replaces an earlier one of the same supplier
  only once it has settled; until then both speak.
- An indicator without any measurement is unknown; where terms say ``every``, it is awaited until then, and overdue after.
- The condition of a lift permits only by what is known: there, no measurement is unknown, and nothing unknown is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from detente.accord.adjudication import Case, cases_at
from detente.accord.ancestry import Ancestry
from detente.accord.conditions import (
    Atom,
    Breach,
    Compare,
    NoneOpen,
    OpenFinding,
    Overdue,
    Truth,
    Votes,
    atoms,
    kleene_all,
    kleene_any,
)
from detente.accord.duties import bound_by, duty_instants, duty_standing
from detente.accord.fold import AccordState
from detente.accord.membership import Members
from detente.accord.records import Item
from detente.accord.terms import Indicator, Terms, Trigger
from detente.accord.topics import ballot_topic, measured_topic, vote_topic
from detente.accord.tree_reading import LINEAGE
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.quantity import Interval
from detente.statement.measurement import Measurement
from detente.statement.threshold import count_distinct
from detente.statement.vote import Vote


def distinct_voices(items: Iterable[Item]) -> tuple[Party, ...]:
    """The parties among the speakers that can be told apart by party and by public key."""
    chosen: list[Party] = []
    pairs: list[tuple[Party, PublicKey]] = []
    for item in sorted(items, key=lambda item: (item.party, item.id)):
        own = [(item.party, signer.key) for signer in item.signers if signer.party == item.party]
        if count_distinct([*pairs, *own]) > len(chosen):
            pairs += own
            chosen.append(item.party)
    return tuple(chosen)


@dataclass(slots=True)
class View:
    """A trigger's sight at ``at``. What made an atom not false is collected in ``cited`` and ``marks``;
    ``moments`` are instants at which silence became overdue.
    """

    state: AccordState
    terms: Terms
    trigger: Trigger
    scope: str
    round: int
    cut: int
    started: int
    at: int
    heard: bool
    members: Members
    ancestry: Ancestry
    lifting: bool = False
    cited: list[tuple[Digest, int]] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)

    def value(self, atom: Atom, *, restricting: bool) -> Truth:
        """The atom's value at ``at``; see the module."""
        if isinstance(atom, Votes):
            return self._votes(atom)
        if isinstance(atom, Compare):
            return self._compare(atom, restricting=restricting)
        if isinstance(atom, NoneOpen):
            return not any(case.state == "open" for case in self._cases())
        if isinstance(atom, OpenFinding):
            return self._open_finding(atom)
        if isinstance(atom, Overdue):
            return self._overdue(atom)
        if isinstance(atom, Breach):
            found = [
                case for case in self._cases()
                if case.state == "breach" and case.ruled_at is not None and case.ruled_at >= self.cut
            ]  # fmt: skip
            self.cited += [(cited, case.ruled_at or self.at) for case in found for cited in case.cited]
            return bool(found)
        return None

    def votes(self, *choices: str) -> Iterator[tuple[Item, Vote, int]]:
        """Votes of this round with one of these choices, in fold order, each with the time at which it counts."""
        if len(choices) == 1:
            topic = ballot_topic(self.trigger.id, self.scope, self.round, choices[0])
        else:
            topic = vote_topic(self.trigger.id, self.scope)
        for item, time in self.state.upto(topic, self.at, heard=self.heard):
            body = item.body
            if isinstance(body, Vote) and body.round == self.round and body.choice in choices:
                yield item, body, time

    def _votes(self, atom: Votes) -> bool:
        standing: dict[Party, tuple[Item, int]] = {}
        for item, body, time in (*self.late_votes(), *self.votes("pause")):
            if self.at < body.expires_at and self.terms.among(item.party, atom.of):
                standing[item.party] = (item, time)
        found = distinct_voices(item for item, _ in standing.values())
        if len(found) >= atom.at_least:
            self.cited += [(standing[party][0].id, standing[party][1]) for party in found]
            return True
        return False

    def late_votes(self) -> Iterator[tuple[Item, Vote, int]]:
        """Votes to pause that name the round before and that its lift did not answer: witnessed from the cut on, or heard.

        However late: whoever cast one while the lift settled knew of no later round.
        """
        if self.round == 0:
            return
        topic = ballot_topic(self.trigger.id, self.scope, self.round - 1, "pause")
        for item, time in self.state.upto(topic, self.at, heard=self.heard):
            if isinstance(item.body, Vote) and time >= self.cut:
                yield item, item.body, time

    def _cases(self) -> Iterator[Case]:
        for case in cases_at(self.state, self.terms, self.at, heard=self.heard):
            if self.scope in {"all", case.about}:
                yield case

    def _open_finding(self, atom: OpenFinding) -> bool:
        found = [
            case for case in self._cases()
            if case.state == "open" and case.since >= self.cut and self.terms.among(case.finding.party, atom.by)
        ]  # fmt: skip
        if len(found) < atom.at_least:
            return False
        self.cited += [(case.finding.id, case.since) for case in found]
        return True

    def _overdue(self, atom: Overdue) -> bool:
        """Is it, since the cut? A lift asks how it is now, whatever earlier lifts answered."""
        duty = self.terms.duty(atom.duty)
        if duty is None:
            return False
        late = []
        for party in bound_by(self.terms, duty, self.members):
            if self.scope not in {"all", party}:
                continue
            standing = duty_standing(self.state, self.terms, self.members, duty, party, self.at, heard=self.heard)
            last = standing.last or standing.since
            if last is not None and (self.lifting or last >= self.cut):
                late.append(standing)
                self.moments.append(last)
                if duty.on_request is not None:
                    self.cited += [(request, last) for request in standing.cited]
        self.marks += [f"{each.duty} of {each.party}, {each.asks}" for each in late]
        return bool(late)

    def _subjects(self) -> list[Party]:
        """The parties a trigger looks at: its own, or every bound developer."""
        if self.scope != "all":
            return [Party(self.scope)]
        return sorted(p for p in self.members.bound if "developer" in self.terms.parties[p].roles)

    def subjects(self, indicator: Indicator) -> list[Party | None]:
        """Of whom the indicator is measured: the world, or each party that the trigger looks at."""
        return [None] if indicator.about == "world" else [*self._subjects()]

    def _compare(self, atom: Compare, *, restricting: bool) -> Truth:
        combine = kleene_any if restricting else kleene_all
        values: list[Truth] = []
        indicator = self.terms.indicators.get(atom.what)
        if atom.what in LINEAGE:
            silent = indicator is not None and indicator.unknown == "silent"
            values += [self._lineage(atom, party, silent=silent, restricting=restricting) for party in self._subjects()]
        if indicator is not None and indicator.supplied_by:
            values += [
                self._measured(indicator, atom, subject, restricting=restricting)
                for subject in self.subjects(indicator)
            ]
        return combine(values) if values else not restricting

    def _lineage(self, atom: Compare, party: Party, *, silent: bool, restricting: bool) -> Truth:
        value, cited, last = self.ancestry.greatest(atom.what, party, self.cut)  # type: ignore[arg-type]
        answer = atom.of(value)
        if answer is None and silent and not self.lifting:
            return not restricting
        if answer is not False:
            self.cited += [(statement, min(last, self.at)) for statement in cited]
            self.marks.append(f"{atom.what} of {party} is {value}")
        return answer

    def _measured(self, indicator: Indicator, atom: Compare, subject: Party | None, *, restricting: bool) -> Truth:
        """One indicator of one subject.

        0. Where nobody may supply it of the subject, who has developed nothing, it is not asked.
        1. Per supplier the latest settled measurement after the cut, and every later one.
        2. The answer that restricts wins; unknown as the terms say.
        3. Overdue, counted from the last measurement, the start of the round, of membership and of force.
        """
        combine = kleene_any if restricting else kleene_all
        said: list[tuple[Item, int]] = []
        last = -1
        suppliers = self.terms.suppliers(indicator, subject)
        if not suppliers and subject is not None and not self._develops(subject):  # 0
            return not restricting
        for author in suppliers:  # 1
            spoken, settled = self.said(indicator, subject, author)
            said += spoken
            last = max(last, settled)
        values: list[Truth] = []
        for item, time in said:
            body = item.body
            if isinstance(body, Measurement):
                answer = atom.of(Interval(body.low, body.high))
                if answer is None and indicator.unknown == "silent" and not self.lifting:
                    answer = not restricting
                if answer is not (not restricting):
                    self.cited.append((item.id, time))
                values.append(answer)
        if not values and indicator.every_s is None and self.round == 0 and indicator.unknown == "holds":
            self.marks.append(f"{indicator.name} was never measured")
            values.append(None)
        if not values and self.lifting:
            values.append(None)
        answer = combine(values) if values else not restricting  # 2
        due = self.due_at(indicator, subject, last)
        if due is not None and self.at > due and indicator.overdue == "holds":  # 3
            self.marks.append(f"{indicator.name}{f' of {subject}' if subject else ''} is overdue")
            self.moments.append(due + 1)
            answer = combine([answer, None])
        return answer

    def _develops(self, party: Party) -> bool:
        """Has it declared a run or stated a version by now?"""
        began = self.state.developing_since().get(party)
        return began is not None and (self.heard or began <= self.at)

    def said(self, indicator: Indicator, subject: Party | None, author: Party) -> tuple[list[tuple[Item, int]], int]:
        """What a supplier says after the cut, the latest settled word and later ones, and the time of the latest settled; -1."""
        settle_s = self.terms.mirrors.settle_s
        spoken: list[tuple[Item, int]] = []
        topic = measured_topic(indicator.name, subject or "", author)
        for item, time in self.state.latest(topic, self.at, heard=self.heard):
            if isinstance(item.body, Measurement) and item.body.unit == indicator.unit:
                if time >= self.cut:
                    spoken.append((item, time))
                if item.time is not None and item.time + settle_s <= self.at:
                    return spoken, time
        return spoken, -1

    def due_at(self, indicator: Indicator, subject: Party | None, last: int) -> int | None:
        """The last instant at which a measurement is not overdue yet; it must have settled by then."""
        if indicator.every_s is None:
            return None
        member = None if subject is None else self.members.members.get(subject)
        base = max(last, self.started, self.members.in_force_since or 0, member.since if member else 0)
        return base + indicator.every_s + self.terms.mirrors.settle_s

    def next_due(self) -> Iterator[int]:
        """The first overdue instants of this trigger's indicators and duties if nobody says anything again."""
        for atom in atoms(self.trigger.when):
            duty = self.terms.duty(atom.duty) if isinstance(atom, Overdue) else None
            if duty is not None:
                yield from duty_instants(self.terms, self.members, duty)
            indicator = self.terms.indicators.get(atom.what) if isinstance(atom, Compare) else None
            for subject in () if indicator is None else self.subjects(indicator):
                due = None if indicator is None else self.due_at(indicator, subject, -1)
                if due is not None:
                    yield due + 1
