"""What would end a constraint: every way is looked for, tried on a supposed state, and kept only if it is true and least.

Decides which ways an explanation tells. Leaves out what an act is (``acts``) and how alternatives combine (``solving``).
Normative text: ``spec/accord.md`` §10.4.

1. Acts are supposed one second after the instant of asking: what is witnessed at the instant itself may be too early.
2. A way is kept only if the constraint is gone at its instant, stood one second before, and stands at that instant with any one
   statement left out. So no part of it would do, and time alone would not.
3. What time brings is found by asking at each instant at which something settles, lapses, expires or takes effect.
4. Nobody else does anything meanwhile: later evidence, a vote taken back or a renewal can undo every way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

from detente.accord.adjudication import Case, cases_at
from detente.accord.change import change_of
from detente.accord.checkpoints import checkpoints_at_work
from detente.accord.conditions import (
    Atom,
    Breach,
    Compare,
    Condition,
    NoneOpen,
    OpenFinding,
    Votes,
    atoms,
    evaluate,
)
from detente.accord.explaining.acts import (
    accession_act,
    amendment_plans,
    bound_act,
    certification_plans,
    closing_plans,
    finding_plans,
    lift_plans,
    pause_plans,
    refuting_plans,
    registration_act,
    report_plans,
    ruling_plans,
    withdrawal_act,
)
from detente.accord.explaining.aloud import joined, lasting, plural, verb
from detente.accord.explaining.binding import Scene, constraints, latched_now, look
from detente.accord.explaining.constraint import Act, Constraint, Hand, How, Plan, Way
from detente.accord.explaining.reviewing import approval_act, review_plans
from detente.accord.explaining.solving import least, plans_for, together
from detente.accord.explaining.supposing import Done, seat, suppose
from detente.accord.fold import AccordState
from detente.accord.holds import holds_at_work
from detente.accord.limits import limits_at_work, run_view
from detente.accord.membership import force_view
from detente.accord.standing import Pause
from detente.accord.status import checkpoint_evidence, stated
from detente.accord.sweep import sweep_of
from detente.accord.terms import Terms
from detente.accord.view import View
from detente.base.digest import Digest, sha256_hex
from detente.base.identity import Party
from detente.base.instant import INSTANT_MAX, Instant, show_instant
from detente.base.quantity import ZERO, exactly, show_decimal
from detente.statement.run import Run

WAYS_MAX = 12
"""Ways told of one constraint."""
TRIES_MAX = 400
"""Supposed states asked for one constraint; at some milliseconds each, a second or two."""
LAPSES_MAX = 8
"""A lapse that evidence already held will put off is looked for so often."""
PARTIES_MAX = 4
"""Accessions that are tried together: 9 parties have 255 sets of at most four."""


@dataclass(slots=True)
class Search:
    """The ways out of one constraint. ``tries`` counts supposed states."""

    scene: Scene
    constraint: Constraint
    tries: int = 0
    more: bool = False

    def ways(self) -> tuple[Way, ...]:
        """Every way that was found to be true and least, by acts first, then by time."""
        found: list[Way] = []
        for plan in least(self.plans()):
            if len(found) >= WAYS_MAX or self.tries >= TRIES_MAX:
                self.more = True
                break
            way = self.tried(plan)
            if way is not None:
                found.append(way)
        timed = self.timed()
        return (*found, timed) if timed is not None else tuple(found)

    # What would be.

    def stands(self, done: Sequence[Done], at: int) -> bool:
        """Does the constraint stand at ``at`` if this is done now?"""
        self.tries += 1
        state = suppose(self.scene.state, done, self.now) if done else self._undisturbed()
        scene = look(state, Instant(at))
        kinds = frozenset({self.constraint.clause.kind})
        return any(each.key == self.constraint.key for each in constraints(scene, self.constraint.about, kinds))

    def _undisturbed(self) -> AccordState:
        """The state in which nobody says anything more: one for all that is asked at this instant."""
        kept: dict[str, AccordState] = self.scene.state.keep.setdefault("undisturbed", {})
        key = str(self.now)
        if key not in kept:
            kept.clear()
            kept[key] = suppose(self.scene.state, (), self.now)
        return kept[key]

    @property
    def now(self) -> Instant:
        return Instant(self.scene.at + 1)  # 1

    def tried(self, plan: Plan) -> Way | None:
        """The plan as a way, if it is one."""
        done = seat(plan)
        if done is None or not done:
            return None
        for at in self._instants(plan):
            if at >= INSTANT_MAX or self.stands(done, at):
                continue
            if at > self.now and not self.stands(done, at - 1):  # 2
                return None
            for out in _each_once(done):
                if not self.stands([one for number, one in enumerate(done) if number != out], at):
                    return None
            return Way(plan, Instant(at), "acts", _told(plan, at, self.now))
        return None

    def _instants(self, plan: Plan) -> list[int]:
        """When a plan may be enough: at once, settled, its notice run, its terms in effect."""
        terms, now = self.scene.terms, self.now
        settled = now + terms.mirrors.settle_s
        instants = {int(now), settled}
        for act in plan:
            if act.kind == "withdrawal" and terms.withdrawal_notice_s is not None:
                instants.add(now + max(terms.withdrawal_notice_s, terms.mirrors.settle_s))
            if act.kind == "terms":
                last = self.scene.state.chain[-1]
                before = last.terms
                instants.add(max(now + before.mirrors.settle_s + before.permits.calm_s, last.since))
        return sorted(instants)

    # What time brings.

    def timed(self) -> Way | None:
        """The first instant at which nothing need be done."""
        before = self.scene.at
        for at in self._moments():
            if at <= before or at >= INSTANT_MAX:
                continue
            if self.tries >= TRIES_MAX:
                self.more = True
                return None
            if not self.stands((), at):
                first = self._first(int(before), at)
                how, text = self._how(first)
                return Way((), Instant(first), how, text)
            before = Instant(at)
        return None

    def _first(self, stood: int, gone: int) -> int:
        """The first instant after ``stood`` at which it is gone, as it is at ``gone``."""
        if self.stands((), gone - 1):
            return gone
        while gone - stood > 1:
            middle = (stood + gone) // 2
            if self.stands((), middle):
                stood = middle
            else:
                gone = middle
        return gone

    def _moments(self) -> Iterator[int]:
        """The instants at which something settles, lapses, expires or takes effect, in order; lapses are followed."""
        state, at, terms = self.scene.state, self.scene.at, self.scene.terms
        moments = {int(link.since) for link in state.chain if link.since > at}
        moments |= {int(item.time) + terms.mirrors.settle_s for item in state.items.values()
                    if item.time is not None and at < item.time + terms.mirrors.settle_s <= at + 2 * terms.mirrors.settle_s}  # fmt: skip
        moments |= {int(each.leaves_at) for each in self.scene.now.bindings if each.leaves_at is not None}
        moments |= {int(rule.ends_at) for rule in self.scene.now.schedule if rule.ends_at is not None}
        moments |= {int(rule.begins_at) for rule in self.scene.now.schedule if rule.begins_at is not None}
        if self.scene.now.expires is not None:
            moments.add(int(self.scene.now.expires))
        pause = self.pause()
        if pause is not None and pause.lift.effective_at is not None:
            moments.add(int(pause.lift.effective_at))
        lapses = iter(self._lapses())
        lapse = next(lapses, None)
        for moment in sorted(moments):
            while lapse is not None and lapse < moment:
                yield lapse
                lapse = next(lapses, None)
            yield moment
        while lapse is not None:
            yield lapse
            lapse = next(lapses, None)

    def _lapses(self) -> Iterator[int]:
        pause, at = self.pause(), self.scene.at
        for _ in range(LAPSES_MAX):
            if pause is None or pause.lapses_at is None or pause.lapses_at <= at:
                return
            at = pause.lapses_at
            yield at
            later = look(self._undisturbed(), at)
            pause = self.pause(later)

    def pause(self, scene: Scene | None = None) -> Pause | None:
        """The latched trigger that the constraint is about."""
        key = self._trigger_key()
        now = (scene or self.scene).now
        return next((pause for pause in latched_now(now) if (pause.trigger, pause.scope) == key), None)

    def _trigger_key(self) -> tuple[str, str] | None:
        """Trigger and scope of what is latched: that of the clause, or the one during which a limit binds."""
        kind, clause, scope = self.constraint.key
        if kind in {"pause", "slowdown", "measure", "trigger"}:
            return clause, scope
        limit = next((each for each in self.scene.terms.limits if kind == "limit" and each.id == clause), None)
        if limit is None or limit.during is None:
            return None
        owners = self._owners()
        found = (
            p
            for p in latched_now(self.scene.now)
            if p.trigger == limit.during and not set(owners).isdisjoint(p.parties)
        )
        return next(((pause.trigger, str(pause.scope)) for pause in found), None)

    def _how(self, at: int) -> tuple[How, str]:
        """What it is that time brings."""
        later = look(self._undisturbed(), Instant(at))
        when = show_instant(Instant(at))
        key = self._trigger_key()
        if later.now.phase == "expired":
            renewed = "" if self.scene.terms.renewal is None else ", unless it is renewed"
            return "expiry", f"at {when}, when the accord expires{renewed}"
        for ended in later.now.ended:
            if (ended.trigger, ended.scope) == key and ended.ended_at == at:
                if ended.how == "lift":
                    return "lift", f"at {when}, when the lift takes effect, unless a voter takes it back"
                if ended.how == "lapse":
                    return "lapse", f"at {when}, by lapse, unless it is renewed or evidence is added"
        if any(link.since == at for link in self.scene.state.chain):
            return "amendment", f"at {when}, when the amended terms take effect"
        if any(each.leaves_at == at for each in self.scene.now.bindings):
            return "expiry", f"at {when}, when the notice of withdrawal has run"
        if any(at in {rule.begins_at, rule.ends_at} for rule in later.now.schedule):
            return "span", f"at {when}, when the time of the rule is over"
        return "settling", f"at {when}, when what was said has settled"

    # What could be done.

    def plans(self) -> Iterator[Plan]:
        """Every plan that the shape of the clause suggests."""
        kind = self.constraint.clause.kind
        yield from _PLANS[kind](self)
        yield from self._amendments()
        if kind in {"limit", "hold_point", "checkpoint", "membership"}:
            for party in self._owners():
                act = withdrawal_act(self.scene.state, party, self.now)
                if act is not None and self.scene.terms.withdrawal_notice_s is not None:
                    yield (act,)

    def _owners(self) -> list[Party]:
        about = self.constraint.about
        if about.kind == "party":
            return [Party(about.id)]
        item = self.scene.state.get(Digest(about.id)) if about.id else None
        if item is not None:
            return [item.party]
        change = change_of(self.scene.state, Digest(about.id)) if about.kind == "change" else None
        return sorted(change.authors) if change is not None else []

    def _view(self) -> View | None:
        key, point = self._trigger_key(), self.scene.point
        return None if point is None or key is None else sweep_of(self.scene.state).view(key, point)

    def _lift(self) -> Iterator[Plan]:
        view, pause = self._view(), self.pause()
        if view is None or pause is None:
            return
        votes = lift_plans(self.scene.state, view, pause.lift.voted, self.now)
        condition = view.terms.lift.when
        met: tuple[Plan, ...] = ((),)
        if condition is not None:
            met = self._for(condition, replace(view, lifting=True), want=True, restricting=False)
        yield from together((votes, met))

    def _latch(self) -> Iterator[Plan]:
        view = self._view()
        if view is not None:
            yield from self._for(view.trigger.when, view, want=True, restricting=True)

    def _for(self, condition: Condition, view: View, *, want: bool, restricting: bool) -> tuple[Plan, ...]:
        def leaf(atom: Atom, wanted: bool) -> tuple[Plan, ...]:
            return self._leaf(atom, view, want=wanted)

        def value(part: Condition, restricts: bool) -> bool | None:
            return evaluate(part, view, restricting=restricts)

        return plans_for(condition, want, value, leaf, restricting=restricting)

    def _leaf(self, atom: Atom, view: View, *, want: bool) -> tuple[Plan, ...]:
        state, terms, at = self.scene.state, self.scene.terms, self.now
        if isinstance(atom, Compare):
            return report_plans(state, view, atom, want=want, at=at)
        if isinstance(atom, Votes):
            return pause_plans(state, view, atom, at) if want else ()
        cases = [
            case for case in cases_at(state, terms, self.scene.at, heard=True) if view.scope in {"all", case.about}
        ]
        if isinstance(atom, NoneOpen) and want:
            return self._closed(case for case in cases if case.state == "open")
        if isinstance(atom, OpenFinding):
            fitting = [case for case in cases if case.state == "open" and case.since >= view.cut
                       and terms.among(case.finding.party, atom.by)]  # fmt: skip
            if not want:
                surplus = len(fitting) - atom.at_least + 1
                return least(plan for some in combinations(fitting, surplus) for plan in self._closed(some))
            about = Party(view.scope) if view.scope != "all" else next(iter(self.scene.now.bound), Party(""))
            return finding_plans(state, terms, atom.by, about, atom.at_least - len(fitting), at)
        if isinstance(atom, Breach):
            if want:
                return least(plan for case in cases if case.state in {"open", "no_breach", "cured"}
                             for plan in ruling_plans(state, terms, case, "breach", at))  # fmt: skip
            return together([self._overturned(case) for case in cases if case.state == "breach"])
        return ()

    def _closed(self, cases: Iterator[Case] | Sequence[Case]) -> tuple[Plan, ...]:
        return together([closing_plans(self.scene.state, self.scene.terms, case, self.now) for case in cases])

    def _overturned(self, case: Case) -> tuple[Plan, ...]:
        state, at = self.scene.state, self.now
        return (*refuting_plans(state, case, at), *ruling_plans(state, self.scene.terms, case, "no_breach", at))

    def _sanction(self) -> Iterator[Plan]:
        for case in cases_at(self.scene.state, self.scene.terms, self.scene.at, heard=True):
            if case.finding.id == self.constraint.scope:
                yield from self._overturned(case)

    def _limit(self) -> Iterator[Plan]:
        yield from self._lift()  # Where it binds only while a trigger is latched.
        scene = self.scene
        state, terms = scene.state, scene.terms
        item = state.get(Digest(self.constraint.scope))
        if item is None or not isinstance(item.body, Run):
            return
        ancestry = sweep_of(state).ancestry_at(scene.at)
        for found in limits_at_work(
            state, terms, item, ancestry, scene.at, in_force_since=scene.now.in_force_since, covered=scene.now.covered
        ):
            if found.limit.id != self.constraint.clause.id:
                continue
            if found.limit.need is not None and not found.limit.refuse:
                acts = [approval_act(state, party, item.id, self.now) for party in found.absent]
                if item.time is None or item.time > scene.at:
                    yield (self._witnessed(item.id),)  # Approvals that were filed already may have waited for it.
                    acts.append(self._witnessed(item.id))
                if acts and all(act.hands for act in acts):
                    yield tuple(acts)
            yield from self._bounds(item.id, found.limit.when)

    def _witnessed(self, about: Digest) -> Act:
        m = self.scene.terms.mirrors
        who = tuple(Hand(party) for party in m.parties)
        does = verb("cosigns", "the entry of a log that declares it")
        return Act("witness", who, m.witness, plural(m.witness, "mirror"), does, about=about)

    def _declared(self) -> Iterator[Plan]:
        yield (self._witnessed(Digest(self.constraint.scope)),)

    def _bounds(self, run: Digest, when: Condition) -> Iterator[Plan]:
        """A finding that an amount that is only committed stays below what the limit allows."""
        state, terms, at = self.scene.state, self.scene.terms, self.scene.at
        item = state.get(run)
        if item is None or not isinstance(item.body, Run) or isinstance(item.body.planned_flop, Decimal):
            return
        ancestry = sweep_of(state).ancestry_at(at)
        parents = ancestry.flop_from(item.body, exactly(ZERO))
        view, _ = run_view(state, terms, item, item.body, ancestry, at, None)
        for atom in atoms(when):
            if not isinstance(atom, Compare) or atom.how not in {"more_than", "at_least"}:
                continue
            base = ZERO if atom.what == "run.planned_flop" else parents.high
            if base is None or atom.what == "run.spent_flop":
                continue
            most = atom.bound - base - (1 if atom.how == "at_least" else 0)
            if most > 0 and most >= view.spent:
                act = bound_act(state, terms, item, f"below {show_decimal(most)} FLOP", self.now)
                if act is not None:
                    yield (act,)

    def _hold(self) -> Iterator[Plan]:
        scene = self.scene
        change = change_of(scene.state, Digest(self.constraint.scope))
        if change is None:
            return
        for on in ("version.train", "version.deploy"):
            for found in holds_at_work(
                scene.state, scene.terms, change, on, scene.at, in_force_since=scene.now.in_force_since
            ):
                if found.hold.id == self.constraint.clause.id:
                    yield from review_plans(scene.state, scene.terms, change, found, self.now)

    def _none(self) -> Iterator[Plan]:
        """Nothing that anybody files undoes a reveal."""
        return iter(())

    def _certified(self) -> Iterator[Plan]:
        scene = self.scene
        items = stated(scene.state, Digest(self.constraint.scope))
        for on in ("run.start", "version.train", "version.deploy"):
            for found in checkpoints_at_work(checkpoint_evidence(scene.state, scene.at), on, items):
                if found.checkpoint.id == self.constraint.clause.id:
                    for missing in (found.itself, found.parents):
                        yield from certification_plans(scene.state, missing or (), self.now)

    def _phase(self) -> Iterator[Plan]:
        """Accessions that bring the accord into force: every smallest set of parties, and compute registered where none is."""
        scene = self.scene
        state, terms = scene.state, scene.terms
        if scene.now.phase != "before":
            return
        bound = set(scene.now.bound)
        outside = [party for party in terms.parties if party not in bound]
        found: list[set[Party]] = []
        for count in range(PARTIES_MAX + 1):
            for some in combinations(outside, count):
                if any(other <= set(some) for other in found):
                    continue
                view = force_view(state, terms, bound | set(some), scene.at)
                known = evaluate(terms.entry_into_force.when, view)
                acts = [accession_act(state, party, self.now) for party in some]
                if known is None:
                    first = next(iter((*some, *sorted(bound))), None)
                    acts.append(None if first is None else registration_act(state, terms, first, self.now))
                if known is not False and acts and all(act is not None for act in acts):
                    found.append(set(some))
                    yield tuple(act for act in acts if act is not None)

    def _joining(self) -> Iterator[Plan]:
        """A party that is not bound accedes; one that is leaves, by the withdrawal that every plan list ends with."""
        if self.constraint.effect != "bound":
            act = accession_act(self.scene.state, Party(self.constraint.scope), self.now)
            if act is not None:
                yield (act,)

    def _amendments(self) -> Iterator[Plan]:
        after = _without(self.scene.state.chain[-1].terms, self.constraint)
        if after is not None:
            text = {
                "phase": "run on" if self.constraint.clause.id == "expired" else "refuse nothing before force",
                "membership": "refuse nothing to who is not bound",
            }.get(self.constraint.clause.kind, f"no longer have `{self.constraint.clause.id}`")
            last = self.scene.state.chain[-1].terms
            yield from amendment_plans(self.scene.state, last, after, text, self.now)


_PLANS: dict[str, Callable[[Search], Iterator[Plan]]] = {
    "pause": Search._lift,
    "slowdown": Search._lift,
    "measure": Search._lift,
    "trigger": Search._latch,
    "limit": Search._limit,
    "hold_point": Search._hold,
    "screening": Search._none,
    "checkpoint": Search._certified,
    "declaration": Search._declared,
    "consequence": Search._sanction,
    "phase": Search._phase,
    "membership": Search._joining,
}


def with_ways(scene: Scene, constraint: Constraint) -> Constraint:
    """The constraint with every way out of it."""
    search = Search(scene, constraint)
    ways = search.ways()
    return replace(constraint, ways=ways, more=search.more)


def _without(terms: Terms, constraint: Constraint) -> Terms | None:
    """The next terms, without the clause; None where an amendment is no way out of it."""
    kind, clause = constraint.clause.kind, constraint.clause.id
    changed: dict[str, object]
    if kind in {"pause", "slowdown", "measure"}:
        changed = {"triggers": tuple(each for each in terms.triggers if each.id != clause)}
    elif kind == "limit":
        changed = {"limits": tuple(each for each in terms.limits if each.id != clause)}
    elif kind == "hold_point":
        changed = {"hold_points": tuple(each for each in terms.hold_points if each.id != clause)}
    elif kind == "checkpoint":
        changed = {"checkpoints": tuple(each for each in terms.checkpoints if each.id != clause)}
    elif kind == "consequence":
        act, _, by = clause.partition(" by ")
        changed = {"consequences": tuple(c for c in terms.consequences if (c.act, c.party or "") != (act, by))}
    elif kind == "phase" and clause == "expired":
        changed = {"expires": None}
    elif kind in {"phase", "membership"} and constraint.effect == "refused":
        force = terms.entry_into_force
        changed = {"entry_into_force": replace(force, before=dict.fromkeys(force.before, "free"))}
    else:
        return None
    digest = Digest(sha256_hex(f"supposed after {terms.digest}".encode()))
    return replace(terms, version=terms.version + 1, digest=digest, **changed)  # type: ignore[arg-type]


def _each_once(done: Sequence[Done]) -> Iterator[int]:
    """One number of each act: statements of one act are alike, whoever files them."""
    seen: list[Act] = []
    for number, (act, _) in enumerate(done):
        if not any(act is each for each in seen):
            seen.append(act)
            yield number


def _told(plan: Plan, at: int, now: int) -> str:
    """A plan in one sentence; what several do alike is said once."""
    said: dict[tuple[str, str], list[Act]] = {}
    for act in plan:
        said.setdefault(act.does, []).append(act)
    parts = [
        f"{joined(act.who for act in acts)} {does[len(acts) > 1 or acts[0].count > 1]}" for does, acts in said.items()
    ]
    wait = at - now
    text = ", and ".join(parts)
    return text if wait <= 0 else f"{text}; then {lasting(wait)} {_waits(plan)}"


def _waits(plan: Plan) -> str:
    kinds = {act.kind for act in plan}
    if "terms" in kinds:
        return "until they take effect"
    return "of notice" if "withdrawal" in kinds else "to settle"
