"""Random play under terms: anybody says anything at any time, and the invariants are checked at every step.

Decides which plays are drawn, and how a play that breaks an invariant is cut down to a table. Leaves playing a step to
``staging`` and what must hold to ``invariants``. Normative: ``spec/simulate.md`` §5.

- Each party has a habit: honest, silent, lying (it says what contradicts what it said, hands over without logging, and
  does what it may not do) or late (what it says reaches a log later; as a mirror it falls silent for a while).
- The same terms and seed give the same play.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

from detente.accord.conditions import Compare, atoms
from detente.accord.scenario import (
    Accede,
    Approve,
    Cast,
    Confirm,
    DeclareRun,
    Deed,
    Dispute,
    FallSilent,
    Find,
    Inspect,
    Measure,
    Propose,
    Refute,
    Register,
    Rule,
    Speak,
    StateVersion,
    Step,
    Stop,
    Withdraw,
)
from detente.accord.scenario_writing import spell_table
from detente.accord.terms import INSPECTORS, Terms
from detente.adapters.files import store_file
from detente.app.drafting import read_draft, read_text
from detente.app.invariants import Breach, Name, Tally, Watch
from detente.app.staging import Stage, Troupe
from detente.base.errors import Misuse, Refused
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration

PARTIES_MAX = 8
"""So many speak in one play; everybody accedes, and every mirror witnesses."""
RERUNS_MAX = 500
"""A play of forty steps is cut down in about a hundred."""
START = Instant(1_798_761_600)
"""2027-01-01, as in the shipped tables."""
DAY_S = 86_400
Habit = Literal["honest", "silent", "lying", "late"]


@dataclass(frozen=True, slots=True)
class RandomPlay:
    """One play as it went: what was asked how often, and if it broke something, what, and the least table that does."""

    number: int
    habits: dict[Party, Habit]
    tally: Tally
    breach: Breach | None
    table: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "play": self.number,
            "habits": dict(self.habits),
            "asked": self.tally.as_json(),
            "broken": None if self.breach is None else self.breach.as_json(),
            "table": self.table,
        }


def save_table(path: Path, table: str) -> None:
    """Write a table; raises ``Refused`` X09 where a file is there."""
    if path.exists():
        raise Refused(
            "X09", "conflict", got=f"{path}, which is there", expected="a file that is not there yet", todo="choose another name"
        )  # fmt: skip
    store_file(path, table.encode(), mode=0o644)


def play_at_random(terms: Path, *, plays: int, steps: int, seed: int) -> Iterator[RandomPlay]:
    """Play so many plays of so many steps; raises ``TermsRefused``."""
    read_draft(terms)
    troupe = Troupe(read_text(terms), seed=seed, reviewers={})
    for number in range(plays):
        draw = _Draw(troupe.terms, Random(f"{seed} {number}"))  # noqa: S311 - to be repeated, not to be secret
        drawn = draw.steps(steps)
        breach, taken, tally = _played(troupe, drawn)
        table = None if breach is None else _table(troupe, _least(troupe, drawn[:taken], breach), breach)
        yield RandomPlay(number, draw.habits, tally, breach, table)


def _played(
    troupe: Troupe, steps: Sequence[Step], *, only: Name | None = None
) -> tuple[Breach | None, int, Tally]:  # fmt: skip
    """The first breach, how many steps it took, and what was asked."""
    watch = Watch(Stage(troupe, START), only=only)
    for number, step in enumerate(steps, 1):
        breach = watch.perform(step)
        if breach is not None:
            return breach, number, watch.tally
    return None, len(steps), watch.tally


def _table(troupe: Troupe, steps: Sequence[Step], breach: Breach) -> str:
    """The steps as a table, which expects the phase that they end in: what breaks is seen by whoever watches."""
    stage = Stage(troupe, START)
    for step in steps:
        stage.perform(step)
    phase = stage.scene(steps[-1].at_s).status.phase
    end = f"{{at: +{show_duration(steps[-1].at_s)}, expect: {{phase: {phase}}}}}"
    return spell_table(troupe.terms.accord, START, f"broken {breach.invariant}", steps, end)


def _least(troupe: Troupe, steps: Sequence[Step], breach: Breach) -> Sequence[Step]:
    """The steps without those that the breach does not need: long stretches are tried first, single steps until none goes."""

    def breaks(tried: Sequence[Step]) -> bool:
        try:
            found, _, _ = _played(troupe, tried, only=breach.invariant)
        except (KeyError, Misuse, Refused):
            return False  # It speaks of what an absent step would have made.
        return found is not None

    left, runs, width = list(steps), 0, max(1, len(steps) // 2)
    while runs < RERUNS_MAX:
        shorter = False
        for start in range(len(left) - width, -1, -width):
            tried = left[:start] + left[start + width :]
            runs += 1
            if tried and breaks(tried):
                left, shorter = tried, True
        if width == 1 and not shorter:
            break
        width = max(1, width // 2)
    return left


class _Draw:
    """Draws habits and steps for one play."""

    def __init__(self, terms: Terms, rng: Random) -> None:
        self.terms = terms
        self.rng = rng
        speakers = [p for p, about in terms.parties.items() if about.roles - {"provider", "relying_party"}]
        self.cast = speakers if len(speakers) <= PARTIES_MAX else rng.sample(speakers, PARTIES_MAX)
        self.habits: dict[Party, Habit] = {
            party: rng.choices(("honest", "silent", "lying", "late"), (5, 1, 2, 2))[0] for party in self.cast
        }
        self.silent = [p for p in terms.mirrors.parties if self.habits.get(p) == "silent"][: terms.mirrors.may_fail]
        self.developers = terms.with_role("developer") or tuple(terms.parties)[:1]
        self.made: dict[str, list[tuple[str, Party]]] = {
            "run": [],
            "version": [],
            "proposal": [],
            "finding": [],
            "audit": [],
        }
        self.halted: list[str] = []
        settle_s = terms.mirrors.settle_s
        self.gaps = (
            0,
            1,
            settle_s,
            settle_s + 1,
            600,
            3_600,
            DAY_S,
            DAY_S,
            20 * DAY_S,
            (terms.pause.longest_s or DAY_S) // 2,
        )
        self.count = 0

    def steps(self, number: int) -> list[Step]:
        """Everybody accedes, each developer declares a run, and then whatever comes."""
        everybody = tuple(self.terms.parties)
        steps = [
            Step("drawn", 0, everybody, Accede()),
            Step("drawn", 0, self.developers, Register("facility-1", Decimal(10) ** 20)),
        ]
        at_s = 2 * self.terms.mirrors.settle_s
        steps += [Step("drawn", at_s, (developer,), self._run(developer)) for developer in self.developers]
        steps += [Step("drawn", at_s, (mirror,), FallSilent()) for mirror in self.silent]
        for _ in range(number):
            at_s += self.rng.choice(self.gaps)
            step = self._step(at_s)
            if step is not None:
                steps.append(step)
        return steps

    def _step(self, at_s: int) -> Step | None:
        party = self.rng.choice(self.cast)
        habit = self.habits[party]
        if habit == "silent":
            return None
        deed = self.rng.choice(self._may(party, habit))(party)
        if deed is None:
            return None
        heard = habit == "lying" and self.rng.random() < 0.3
        logged_s = None
        if habit == "late" and not isinstance(deed, FallSilent | Speak):
            heard, logged_s = True, at_s + self.rng.choice(self.gaps[1:])
        return Step("drawn", at_s, (party,), deed, heard, logged_s)

    def _may(self, party: Party, habit: Habit) -> list[Callable[[Party], Deed | None]]:
        """What a party of its roles does; who lies does what it may not do, too."""
        roles = self.terms.parties[party].roles
        acts: list[Callable[[Party], Deed | None]] = [self._vote] * 4
        if habit == "lying" or roles & set(INSPECTORS):
            acts += [self._find, self._refute, self._confirm]
            if self.terms.checkpoints:
                acts += [self._audit, self._audit]
        if habit == "lying" or "adjudicator" in roles:
            acts.append(self._rule)
        if habit == "lying" or party in self.developers:
            acts += [self._run, self._version, self._version, self._version, self._propose, self._halt, self._dispute]
            acts.append(self._withdraw)
            if self.terms.duties:
                acts.append(self._register)
        acts += [self._approve, self._measure]
        if habit == "late" and party in self.terms.mirrors.parties:
            acts += [self._fall_silent, self._speak]
        return acts

    def _name(self, kind: str, party: Party) -> str:
        self.count += 1
        name = f"{kind}-{self.count}"
        self.made[kind].append((name, party))
        return name

    def _some(self, *kinds: str, by: Party | None = None) -> str | None:
        found = [name for kind in kinds for name, party in self.made[kind] if by in {None, party}]
        return self.rng.choice(found) if found else None

    def _vote(self, party: Party) -> Deed | None:
        if not self.terms.triggers:
            return None
        trigger = self.rng.choice(self.terms.triggers)
        round_ = self.rng.choice((0, 1)) if self.habits[party] == "lying" and self.rng.random() < 0.3 else None
        return Cast(
            self.rng.choice(("pause", "pause", "lift", "lift", "retract", "renew")),
            trigger.id,
            "all" if trigger.scope == "all" else self.rng.choice(self.developers),
            round_,
            self.rng.choice((3_600, 30 * DAY_S, 365 * DAY_S)),
        )

    def _register(self, _party: Party) -> Deed:
        bounds = [duty.register_above for duty in self.terms.duties if duty.register_above is not None]
        return Register(f"facility-{self.rng.choice((1, 2))}", Decimal(10) ** 20, self.rng.choice([None, *bounds]))

    def _find(self, party: Party) -> Deed:
        about = self.rng.choice(self.developers)
        found = [duty.id for duty in self.terms.duties if duty.found_by]
        if found and self.rng.random() < 0.5:
            claim = f"fulfils {self.rng.choice(found)}"
            return Find(self._name("finding", party), about, claim, "confirmed", None)
        result: Any = self.rng.choice(("confirmed", "confirmed", "inconclusive"))
        if self.made["audit"] and self.rng.random() < 0.3:
            audit, auditor = self.rng.choice(self.made["audit"])
            return Find(self._name("finding", party), auditor, "not as audited", result, None, audit)
        return Find(self._name("finding", party), about, "trains on", result, None)

    def _audit(self, party: Party) -> Deed | None:
        what = self._some("version", "run", "proposal")
        if what is None:
            return None
        need = self.rng.choice(self.terms.checkpoints).need
        outcome: Any = self.rng.choice(("pass", "pass", "conditional", "fail"))
        return Inspect(self._name("audit", party), what, need.certifications, outcome)

    def _refute(self, party: Party) -> Deed | None:
        name = self._some("finding", by=party)
        return None if name is None else Refute(name)

    def _confirm(self, _party: Party) -> Deed | None:
        return Confirm(self.rng.choice(self.halted)) if self.halted else None

    def _rule(self, _party: Party) -> Deed | None:
        name = self._some("finding")
        outcome: Any = self.rng.choice(("breach", "breach", "no_breach", "cured"))
        return None if name is None else Rule(name, outcome)

    def _dispute(self, _party: Party) -> Deed | None:
        name = self._some("finding")
        return None if name is None else Dispute(name)

    def _run(self, party: Party) -> Deed:
        parent = self._some("version")
        parents = () if parent is None or self.rng.random() < 0.5 else (parent,)
        return DeclareRun(self._name("run", party), Decimal(10) ** 20, "training", parents, None)

    def _version(self, party: Party) -> Deed:
        own = [name for name, author in self.made["version"] if author == party]
        proposal = self._some("proposal") if self.rng.random() < 0.3 else None
        by: Any = self.rng.choices(("model", "human", "undeclared"), (4, 1, 1))[0]
        return StateVersion(
            self._name("version", party), tuple(own[-1:]), by, ("training",), Decimal(1), proposal, None
        )  # fmt: skip

    def _propose(self, party: Party) -> Deed:
        by: Any = self.rng.choice(("model", "human"))
        parent = self._some("version")
        return Propose(self._name("proposal", party), parent, by, ("training",), Decimal(1))

    def _approve(self, _party: Party) -> Deed | None:
        name = self._some("proposal", "run")
        if name is None:
            return None
        decision: Any = self.rng.choice(("approve", "approve", "reject"))
        significant: Any = self.rng.choice(("yes", "no", "unknown"))
        return Approve(name, "reviewer-1", decision, significant, same_host=False)

    def _measure(self, party: Party) -> Deed | None:
        supplied = [i for i in self.terms.indicators.values() if i.supplied_by]
        if self.habits[party] != "lying":
            supplied = [i for i in supplied if self.terms.among(party, i.supplied_by)]
        if not supplied:
            return None
        indicator = self.rng.choice(supplied)
        bounds = [
            atom.bound
            for trigger in self.terms.triggers
            for atom in atoms(trigger.when)
            if isinstance(atom, Compare) and atom.what == indicator.name
        ] or [Decimal(1)]
        value = self.rng.choice(bounds) + self.rng.choice((-1, 0, 1))
        high = None if self.habits[party] == "lying" and self.rng.random() < 0.3 else value
        return Measure(indicator.name, value, high, indicator.unit, None)

    def _halt(self, party: Party) -> Deed | None:
        name = self._some("run", by=party)
        if name is None:
            return None
        self.halted.append(name)
        return Stop(name, "pause")

    def _withdraw(self, _party: Party) -> Deed | None:
        return Withdraw() if self.rng.random() < 0.2 else None

    def _fall_silent(self, _party: Party) -> Deed:
        return FallSilent()

    def _speak(self, _party: Party) -> Deed:
        return Speak()
