"""What a party of random play says next: acts drawn from what the terms have and what was made before.

Decides habits and which acts they lead to. Leaves who draws to ``playing``, and what becomes of an act to ``staging``.
Normative: ``spec/simulate.md`` §5.

- *honest* parties do what their roles do. *Crashed* ones stop, and perhaps start again. What *late* ones say reaches a log
  later. *Lying* ones also do what they may not: forge, hide and fork their logs, tell things aside, name rounds that are
  over, hand over without logging. *Colluding* ones are liars who speak with one voice.
- Of the mirrors no more than may fail lie about when and what they cosign, and no more are down at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal, Protocol, TypeVar, get_args

from detente.accord import acts
from detente.accord.act_reading import FLAW
from detente.accord.acts import Deed
from detente.accord.conditions import Compare, atoms
from detente.accord.scenario import Step
from detente.accord.terms import INSPECTORS, Terms, Trigger
from detente.accord.voters import list_callers, list_lifters
from detente.base.identity import Party
from detente.statement.audit import AuditOutcome
from detente.statement.change import ProposerKind
from detente.statement.finding import FindingResult
from detente.statement.ruling import RulingOutcome
from detente.statement.vote import VoteChoice

PARTIES_MAX = 8
"""So many speak in one play; everybody accedes, and every mirror witnesses."""
DAY_S = 86_400
Habit = Literal["honest", "crashed", "late", "lying", "colluding"]
HABITS: tuple[Habit, ...] = get_args(Habit)
_HABITS: tuple[Habit, ...] = (*("honest",) * 5, "crashed", "late", "late", "lying", "lying", "colluding", "colluding")
_CLOCKS = (0, -1, -3_600, -20 * DAY_S, 3_600)
FAMILIES = ("call", "lift", "vote", "develop", "inspect", "approve", "measure", "fail", "cheat")
"""The methods of ``Draw`` that give a step: Hypothesis leaves some of them out of a play, so that others meet more often."""
_OUTCOMES: tuple[AuditOutcome, ...] = ("pass", "pass", "conditional", "fail")
_RULINGS: tuple[RulingOutcome, ...] = ("breach", "breach", "no_breach", "cured")
_RESULTS: tuple[FindingResult, ...] = ("confirmed", "confirmed", "inconclusive")
_PROPOSERS: tuple[ProposerKind, ...] = ("model", "model", "model", "human", "undeclared")
T = TypeVar("T")
Latched = tuple[str, Party | Literal["all"]]


class Pick(Protocol):
    """Draws one of several; whoever makes a play smaller draws the first."""

    def __call__(self, options: Sequence[T], /) -> T: ...


class Draw:
    """Draws the steps of one play. Each of the methods gives one step, or None where there is nothing to do."""

    def __init__(self, terms: Terms, pick: Pick, latched: Callable[[], Sequence[Latched]]) -> None:
        """``latched`` gives what is latched now: triggers with their scopes."""
        self.terms = terms
        self.pick = pick
        self.latched = latched
        speakers = [party for party, about in terms.parties.items() if about.roles - {"provider", "relying_party"}]
        self.cast = speakers
        if len(speakers) > PARTIES_MAX:
            first = pick(range(len(speakers)))
            self.cast = [*speakers[first:], *speakers[:first]][:PARTIES_MAX]
        self.habits: dict[Party, Habit] = {party: pick(_HABITS) for party in self.cast}
        mirrors = terms.mirrors
        self.false = [p for p in mirrors.parties if self._lies(p)][: mirrors.may_fail]
        self.developers = terms.with_role("developer") or tuple(terms.parties)[:1]
        self.made: dict[str, list[tuple[str, Party]]] = {kind: [] for kind in get_args(acts.Made)}
        self.halted: list[str] = []
        self.seeded: list[str] = []
        self.down: set[Party] = set()
        self.forked: set[Party] = set()
        settle_s = mirrors.settle_s
        self.gaps = (0, 1, settle_s, settle_s + 1, 600, 3_600, DAY_S, DAY_S, 20 * DAY_S, (terms.pause.longest_s or DAY_S) // 2)  # fmt: skip
        self.at_s = 0
        self.count = 0

    def opening(self) -> list[Step]:
        """Everybody accedes, developers register computers and declare a run each; now and then something is left out."""
        everybody = tuple(self.terms.parties)
        steps = [
            Step("drawn", 0, everybody, acts.Accede()),
            Step("drawn", 0, self.developers, acts.Register("facility-1", Decimal(10) ** 20)),
        ]
        at_s = 2 * self.terms.mirrors.settle_s
        steps += [Step("drawn", at_s, (developer,), self._run(developer)) for developer in self.developers]
        kept = [step for step in steps if self._mostly()]
        self.at_s = at_s
        names = {step.deed.name for step in kept if isinstance(step.deed, acts.DeclareRun)}
        self.made["run"] = [run for run in self.made["run"] if run[0] in names]
        return kept

    def call(self) -> Step | None:
        """Some of those who can call a pause vote for it at once."""
        if not self.terms.triggers:
            return None
        trigger = self.pick(self.terms.triggers)
        return self._together(list_callers(self.terms, trigger.id), "pause", trigger.id, self._scope(trigger))

    def lift(self) -> Step | None:
        """Some of those who can lift a pause vote for it at once."""
        latched = self.latched()
        if not latched:
            return None
        trigger, scope = self.pick(latched)
        return self._together(list_lifters(self.terms), "lift", trigger, scope)

    def _together(
        self, voters: Sequence[Party], choice: VoteChoice, trigger: str, scope: Party | Literal["all"]
    ) -> Step | None:
        able = [party for party in voters if party in self.cast and party not in self.down]
        by = tuple(party for party in able if self.pick((False, True, True)))
        if not by:
            return None
        self.at_s += self.pick(self.gaps)
        return Step("drawn", self.at_s, by, acts.Cast(choice, trigger, scope, None, 30 * DAY_S))

    def _scope(self, trigger: Trigger) -> Party | Literal["all"]:
        return "all" if trigger.scope == "all" else self.pick(self.developers)

    def vote(self) -> Step | None:
        """Anybody votes, with effect or without; whoever colludes votes with the others."""
        party = self._speaker(*self.cast)
        if party is None or not self.terms.triggers:
            return None
        trigger = self.pick(self.terms.triggers)
        stale = self._lies(party) and not self._mostly()
        deed = acts.Cast(
            self.pick(("pause", "lift", "pause", "lift", "retract", "renew")),
            trigger.id,
            self._scope(trigger),
            self.pick((0, 1)) if stale else None,
            self.pick((365 * DAY_S, 30 * DAY_S, 3_600)),
        )
        return self._step(party, deed, together=True)

    def inspect(self) -> Step | None:
        """Somebody files or takes back a finding, confirms a halt, rules, or disputes."""
        inspectors = [party for party in self.cast if self.terms.among(party, tuple(INSPECTORS))]
        judges = self.terms.with_role("adjudicator")
        party = self._speaker(*inspectors, *judges, *self.developers)
        if party is None:
            return None
        may: list[Callable[[Party], Deed | None]] = []
        if self._lies(party) or party in inspectors:
            may += [self._find, self._refute, self._confirm]
            may += [self._audit, self._audit] if self.terms.checkpoints else []
        screening = self.terms.screening
        if screening is not None and (self._lies(party) or self.terms.among(party, screening.by)):
            may += [self._seed, self._seed, self._reveal, self._reveal]
        if self._lies(party) or party in judges:
            may += [self._rule]
        if self._lies(party) or party in self.developers:
            may += [self._dispute]
        return self._step(party, self.pick(may)(party))

    def develop(self) -> Step | None:
        """A developer, or who claims to be one, trains, states a version, proposes, halts, leaves or comes back."""
        party = self._speaker(*self.developers)
        if party is None:
            return None
        may = [self._version, self._run, self._version, self._propose, self._halt, self._spend, self._leave]
        may += [self._register] if self.terms.duties else []
        return self._step(party, self.pick(may)(party))

    def approve(self) -> Step | None:
        """A reviewer decides on a proposal or a run."""
        party, name = self._speaker(*self.cast), self._some("proposal", "run")
        if party is None or name is None:
            return None
        deed = acts.Approve(
            name,
            "reviewer-1",
            self.pick(("approve", "approve", "reject")),
            self.pick(("yes", "no", "unknown")),
            same_host=False,
        )
        return self._step(party, deed)

    def measure(self) -> Step | None:
        """Somebody reports an indicator, at a bound of the terms or one beside it."""
        supplied = [indicator for indicator in self.terms.indicators.values() if indicator.supplied_by]
        if not supplied:
            return None
        indicator = self.pick(supplied)
        party = self._speaker(*(p for p in self.cast if self.terms.among(p, indicator.supplied_by)))
        if party is None:
            return None
        bounds = [
            atom.bound
            for trigger in self.terms.triggers
            for atom in atoms(trigger.when)
            if isinstance(atom, Compare) and atom.what == indicator.name
        ] or [Decimal(1)]
        value = self.pick(bounds) + self.pick((0, 1, -1))
        high = None if self._lies(party) and not self._mostly() else value
        return self._step(party, acts.Measure(indicator.name, value, high, indicator.unit, None))

    def fail(self) -> Step | None:
        """Somebody goes down or comes up again; a mirror's silence is heard."""
        prone = [party for party in self.cast if self.habits[party] in {"crashed", "late"}]
        if not prone:
            return None
        party = self.pick(prone)
        mirrors = self.terms.mirrors
        if party in self.down:
            self.down.remove(party)
            return self._conduct(party, acts.Speak()) if party in mirrors.parties else None
        if party in mirrors.parties and len(self.down & set(mirrors.parties)) >= mirrors.may_fail:
            return None
        self.down.add(party)
        return self._conduct(party, acts.FallSilent()) if party in mirrors.parties else None

    def cheat(self) -> Step | None:
        """A liar hides its log, forks it, says something aside, or as a mirror cosigns anything at whatever time."""
        liars = [party for party in self.cast if self._lies(party)]
        if not liars:
            return None
        party = self.pick(liars)
        fooled = tuple(mirror for mirror in self.terms.mirrors.parties if mirror != party and self.pick((True, False)))
        may: list[Deed] = [acts.Show()]
        if fooled:
            may += [acts.Hide(fooled)]
        if fooled and party not in self.forked:
            may += [acts.Fork(fooled)] * 2
        if party in self.forked and self.developers:
            may += [acts.Find(f"aside-{self.count}", self.developers[0], "trains on", "confirmed", None)] * 3
        if party in self.false:
            may += [acts.Lie(self.pick(_CLOCKS))] * 2
        if self.terms.mirrors.self_witnessed:
            return None  # Nobody else witnesses, so that there is nobody to deceive.
        deed = self.pick(may)
        if isinstance(deed, acts.Fork):
            self.forked.add(party)
        self.count += 1
        return replace(self._conduct(party, deed), aside=isinstance(deed, acts.Find))

    def _conduct(self, party: Party, deed: Deed) -> Step:
        self.at_s += self.pick(self.gaps)
        return Step("drawn", self.at_s, (party,), deed)

    def _step(self, party: Party, deed: Deed | None, *, together: bool = False) -> Step | None:
        if deed is None:
            return None
        self.at_s += self.pick(self.gaps)
        step = Step("drawn", self.at_s, (party,), deed)
        if self.habits[party] == "late":
            return replace(step, heard=True, logged_s=self.at_s + self.pick(self.gaps[1:]))
        if not self._lies(party):
            return step
        if together and self.habits[party] == "colluding":
            return replace(step, by=tuple(p for p in self.cast if self.habits[p] == "colluding"))
        how = self.pick(("plainly", "plainly", "plainly", "heard", "forged", "aside"))
        if how == "heard":
            return replace(step, heard=True)
        others = [each for each in self.cast if each != party]
        if how == "forged" and others:
            return replace(step, by=(self.pick(others),), forged_by=party)
        return replace(step, aside=how == "aside" and party in self.forked)

    def _speaker(self, *parties: Party) -> Party | None:
        """One of these parties, or one that lies, who is up."""
        up = [p for p in self.cast if p not in self.down and (p in parties or self._lies(p))]
        return self.pick(up) if up else None

    def _lies(self, party: Party) -> bool:
        return self.habits.get(party) in {"lying", "colluding"}

    def _mostly(self) -> bool:
        """False one time in eight, and whenever a play is made smaller."""
        return self.pick((False, *(True,) * 7))

    def _name(self, kind: str, party: Party) -> str:
        self.count += 1
        name = f"{kind}-{self.count}"
        self.made[kind].append((name, party))
        return name

    def _some(self, *kinds: str, by: Party | None = None) -> str | None:
        found = [name for kind in kinds for name, party in self.made[kind] if by in {None, party}]
        return self.pick(found) if found else None

    def _find(self, party: Party) -> Deed:
        about = self.pick(self.developers)
        asked = [duty.id for duty in self.terms.duties if duty.on_request is not None]
        if asked and not self._mostly():
            return acts.Find(self._name("finding", party), about, f"asks {self.pick(asked)}", "inconclusive", None)
        found = [duty.id for duty in self.terms.duties if duty.found_by]
        if found and self._mostly():
            return acts.Find(self._name("finding", party), about, f"fulfils {self.pick(found)}", "confirmed", None)
        result = self.pick(_RESULTS)
        if self.made["audit"] and not self._mostly():
            audit, auditor = self.pick(self.made["audit"])
            return acts.Find(self._name("finding", party), auditor, "not as audited", result, None, audit)
        return acts.Find(self._name("finding", party), about, "trains on", result, None)

    def _audit(self, party: Party) -> Deed | None:
        what = self._some("version", "run", "proposal")
        if what is None:
            return None
        need = self.pick(self.terms.checkpoints).need
        return acts.Inspect(self._name("audit", party), what, need.certifications, self.pick(_OUTCOMES))

    def _register(self, _party: Party) -> Deed:
        bounds = [duty.register_above for duty in self.terms.duties if duty.register_above is not None]
        facility = self.pick(("facility-1", "facility-2"))
        return acts.Register(facility, Decimal(10) ** 20, self.pick((None, *bounds)))

    def _seed(self, party: Party) -> Deed:
        """A commitment to one change, which somebody may propose later."""
        name = self._name("seeds", party)
        self.seeded.append(f"put-{name}")
        return acts.Seed(name, (self.seeded[-1],))

    def _reveal(self, party: Party) -> Deed | None:
        """Of one's own seeds or, by whoever lies, of anybody's; of what they put, or of anything."""
        seeds = self._some("seeds", by=None if self._lies(party) else party)
        put = [name for name, _ in self.made["proposal"] if name == f"put-{seeds}"]
        proposal = put[0] if put and self._mostly() else self._some("proposal")
        return None if seeds is None or proposal is None else acts.Reveal(proposal, seeds, FLAW)

    def _refute(self, party: Party) -> Deed | None:
        name = self._some("finding", by=party)
        return None if name is None else acts.Refute(name)

    def _confirm(self, _party: Party) -> Deed | None:
        return acts.Confirm(self.pick(self.halted)) if self.halted else None

    def _rule(self, _party: Party) -> Deed | None:
        name = self._some("finding")
        return None if name is None else acts.Rule(name, self.pick(_RULINGS))

    def _dispute(self, _party: Party) -> Deed | None:
        name = self._some("finding")
        return None if name is None else acts.Dispute(name)

    def _run(self, party: Party) -> Deed:
        parent = self._some("version")
        parents = () if parent is None or self._mostly() else (parent,)
        return acts.DeclareRun(self._name("run", party), Decimal(10) ** 20, "training", parents, None)

    def _spend(self, party: Party) -> Deed | None:
        name = self._some("run", by=party)
        return None if name is None else acts.Spend(name, Decimal(10) ** 19)

    def _version(self, party: Party) -> Deed:
        own = [name for name, author in self.made["version"] if author == party]
        proposal = None if self._mostly() else self._some("proposal")
        by = self.pick(_PROPOSERS)
        name = self._name("version", party)
        return acts.StateVersion(name, tuple(own[-1:]), by, ("training",), Decimal(1), proposal, None)

    def _propose(self, party: Party) -> Deed:
        by = self.pick(_PROPOSERS)
        parent = self._some("version")
        if self.seeded and self._mostly():
            name = self.seeded.pop(0)
            self.made["proposal"].append((name, party))
        else:
            name = self._name("proposal", party)
        return acts.Propose(name, parent, by, ("training",), Decimal(1))

    def _halt(self, party: Party) -> Deed | None:
        name = self._some("run", by=party)
        if name is None:
            return None
        self.halted.append(name)
        return acts.Stop(name, "pause")

    def _leave(self, _party: Party) -> Deed | None:
        return self.pick((None, None, acts.Withdraw(), acts.Accede()))
