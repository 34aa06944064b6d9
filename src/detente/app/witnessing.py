"""The logs of a play and who witnesses them: stories, cosignatures, and what each mirror holds.

Decides which mirror cosigns what when, and what everybody holds who follows what is witnessed. Leaves out what the entries
say, and bytes of heads and proofs: those are tried in ``testing.World``. Normative: ``spec/simulate.md`` §4.

- A mirror that speaks cosigns every log whenever one grew, at once; one that fell silent does so again when it speaks.
- Whoever keeps a log may hide it from mirrors, or fork it and tell some mirrors a second story. An honest mirror follows
  the story that it has cosigned further than the fork; one that lies cosigns both, by whatever clock it says it has.
- The story that a quorum has cosigned is the witnessed one. What stands only in the other was heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from detente.accord import acts
from detente.accord.evidence import Evidence, Place
from detente.app.troupe import Troupe, origin_of
from detente.base.errors import Misuse, Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.statement import VerifiedStatement


@dataclass(slots=True)
class Logged:
    """An entry at its place in one story of a log. Read once: later readers get what the first one verified."""

    place: Place
    data: bytes
    story: int = 0
    verified: VerifiedStatement | None = None

    def feed(self, evidence: Evidence) -> None:
        """Give it to somebody's evidence."""
        if self.verified is not None:
            evidence.add_verified(self.place, self.verified)
        else:
            self.verified = evidence.add_entry(self.place, self.data)


@dataclass(slots=True)
class Heard:
    """A statement handed over, in no log. One that cannot be read is thrown away."""

    data: bytes
    verified: VerifiedStatement | None = None

    def feed(self, evidence: Evidence) -> None:
        """Give it to somebody's evidence."""
        try:
            self.verified = evidence.receive(self.verified or self.data)
        except Refused:
            return


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A mirror's cosignature over so many entries of one story of a log."""

    origin: str
    mirror: Party
    size: int
    at: Instant
    story: int = 0

    def feed(self, evidence: Evidence) -> None:
        """Give it to somebody's evidence."""
        evidence.add_cosignature(self.origin, self.mirror, self.size, self.at)


Event = Logged | Heard | Cosigned
"""What happened, as evidence: any of it may reach anybody in any order."""


@dataclass(slots=True)
class Log:
    """One party's log: the sizes of its stories, where they part, and from whom it is hidden.

    ``beyond``: who has cosigned each story further than the fork. ``witnessed`` is the story that everybody follows.
    """

    sizes: list[int] = field(default_factory=lambda: [0, 0])
    forked_at: int | None = None
    misled: tuple[Party, ...] = ()
    hidden: tuple[Party, ...] = ()
    beyond: tuple[set[Party], set[Party]] = field(default_factory=lambda: (set(), set()))
    witnessed: int = 0

    def is_common(self, end: int) -> bool:
        """Do both stories hold the same first ``end`` entries?"""
        return self.forked_at is None or end <= self.forked_at


@dataclass(frozen=True, slots=True)
class Holding:
    """How many entries of which story of a log a mirror holds."""

    story: int = 0
    size: int = 0


class Logs:
    """Everybody's logs. ``happened`` is all of it; ``evidence`` what everybody holds who follows what is witnessed."""

    def __init__(self, troupe: Troupe) -> None:
        self.founding = troupe.terms
        self.mirrors = troupe.terms.mirrors
        self.evidence = Evidence(troupe.terms)
        self.speaking: dict[Party, bool] = dict.fromkeys(self.mirrors.parties, True)
        self.lies: dict[Party, int] = {}
        self.happened: list[Event] = []
        self.held: dict[Party, dict[Party, Holding]] = {mirror: {} for mirror in self.speaking}
        self.logs: dict[Party, Log] = {party: Log() for party in troupe.operators}
        self.of: dict[str, Party] = {origin_of(party): party for party in troupe.operators}
        self.doubled: list[Party] = []
        """Logs of which two stories are witnessed."""
        self._read: dict[bytes, VerifiedStatement] = {}
        self._cosigned: set[tuple[Party, Party, int, int]] = set()

    def conduct(self, party: Party, deed: acts.Conduct, at: Instant) -> None:
        """Fall silent, speak, lie, fork, hide or show from now on; raises ``Misuse`` for what this party cannot do."""
        if isinstance(deed, acts.Fork | acts.Hide | acts.Show):
            self._keep_log(party, deed)
        elif party not in self.speaking:
            raise Misuse(f"{party} is no mirror of these terms: only a mirror's silence or lie is heard")
        elif isinstance(deed, acts.Lie):
            self.lies[party] = deed.clock_s
        else:
            self.speaking[party] = isinstance(deed, acts.Speak)
        self.cosign(at)

    def _keep_log(self, party: Party, deed: acts.Fork | acts.Hide | acts.Show) -> None:
        log = self.logs.get(party)
        if log is None:
            raise Misuse(f"{party} keeps no log of its own under these terms")
        strangers = [each for each in _named(deed) if each not in self.speaking or each == party]
        if strangers:
            raise Misuse(f"{strangers[0]} does not witness the log of {party}")
        if isinstance(deed, acts.Fork):
            if log.forked_at is not None:
                raise Misuse(f"{party} has forked its log before: a log has two stories at most")
            log.forked_at = log.sizes[1] = log.sizes[0]
            log.misled = deed.to
        else:
            log.hidden = _named(deed)

    def place(self, logs: Sequence[Party], data: bytes, at: Instant) -> None:
        """Append to the first story of these logs; every mirror that speaks cosigns."""
        for log in logs:
            self._append(log, data, 0)
        self.cosign(at)

    def place_aside(self, party: Party, data: bytes, at: Instant) -> None:
        """Append to the second story of the party's own log; raises ``Misuse`` where it has none."""
        if party not in self.logs or self.logs[party].forked_at is None:
            raise Misuse(f"{party} has not forked a log of its own, so that nothing can be said aside")
        self._append(party, data, 1)
        self.cosign(at)

    def hear(self, data: bytes) -> None:
        """Hand a statement over, in no log."""
        heard = Heard(data)
        self.happened.append(heard)
        heard.feed(self.evidence)

    def _append(self, party: Party, data: bytes, story: int) -> None:
        log = self.logs[party]
        entry = Logged(Place(origin_of(party), log.sizes[story]), data, story, self._read.get(data))
        self.happened.append(entry)
        for event in self._followed(entry):
            event.feed(self.evidence)
        if entry.verified is not None:
            self._read[data] = entry.verified
        log.sizes[story] += 1
        if story == 0 and party in self.held:
            self.held[party][party] = Holding(0, log.sizes[0])

    def cosign(self, at: Instant) -> None:
        """Every mirror that speaks cosigns whatever it is shown and has not cosigned."""
        for party, log in self.logs.items():
            for mirror, speaks in self.speaking.items():
                if speaks and mirror not in log.hidden:
                    for story in self._shown(party, log, mirror):
                        self._cosign(party, log, mirror, story, at)

    def _shown(self, party: Party, log: Log, mirror: Party) -> tuple[int, ...]:
        """Which stories of the log the mirror cosigns."""
        if log.forked_at is None or mirror == party:
            return (0,)
        if mirror in self.lies:
            return (0, 1)
        told = 1 if mirror in log.misled else 0
        held = self.held[mirror].get(party, Holding())
        return (told,) if held.story == told or log.is_common(held.size) else ()

    def _cosign(self, party: Party, log: Log, mirror: Party, story: int, at: Instant) -> None:
        size = log.sizes[story]
        if not size or (party, mirror, size, story) in self._cosigned:
            return
        self._cosigned.add((party, mirror, size, story))
        self.held[mirror][party] = Holding(story, size)
        said_at = Instant(max(0, at + self.lies.get(mirror, 0)))
        cosigned = Cosigned(origin_of(party), mirror, size, said_at, story)
        self.happened.append(cosigned)
        if not log.is_common(size) and (mirror != party or self.mirrors.self_witnessed):
            log.beyond[story].add(mirror)
            if story != log.witnessed and len(log.beyond[story]) >= self.mirrors.witness:
                self._follow(party, log, story)
                return
        for event in self._followed(cosigned):
            event.feed(self.evidence)

    def _follow(self, party: Party, log: Log, story: int) -> None:
        """A quorum has cosigned the other story: everybody reads that one, unless the first was witnessed before."""
        if len(log.beyond[log.witnessed]) >= self.mirrors.witness:
            self.doubled.append(party)
            return
        log.witnessed = story
        self.evidence = Evidence(self.founding)
        for event in self.followed():
            event.feed(self.evidence)

    def followed(self) -> Iterator[Event]:
        """Everything as evidence for those who follow what is witnessed: see ``seen``."""
        for event in self.happened:
            yield from self._followed(event)

    def _followed(self, event: Event) -> Iterator[Event]:
        if isinstance(event, Heard):
            yield event
        else:
            yield from self.seen(event, self.logs[self.party_of(event)].witnessed)

    def seen(self, event: Logged | Cosigned, story: int) -> Iterator[Event]:
        """What somebody sees of an event who follows this story of its log: an entry of the other one was heard."""
        log = self.logs[self.party_of(event)]
        end = event.size if isinstance(event, Cosigned) else event.place.index + 1
        if event.story == story or log.is_common(end):
            yield event
        elif isinstance(event, Logged):
            yield Heard(event.data, event.verified)

    def is_within(self, entry: Logged, reach: Mapping[tuple[Party, int], int]) -> bool:
        """Is the entry among so many of its story, by log and story? What both stories hold, either reaches."""
        party, end = self.party_of(entry), entry.place.index + 1
        stories = (0, 1) if self.logs[party].is_common(end) else (entry.story,)
        return any(end <= reach.get((party, story), 0) for story in stories)

    def party_of(self, event: Logged | Cosigned) -> Party:
        """Whose log it is."""
        return self.of[event.origin if isinstance(event, Cosigned) else event.place.origin]


def _named(deed: acts.Fork | acts.Hide | acts.Show) -> tuple[Party, ...]:
    if isinstance(deed, acts.Fork):
        return deed.to
    return deed.from_ if isinstance(deed, acts.Hide) else ()
