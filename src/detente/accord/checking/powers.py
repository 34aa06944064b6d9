"""Who alone can start, prevent, keep up or end a pause.

Decides, for each trigger and each party: can it make others stop by itself; can its silence keep a pause from being
called; can its silence keep a pause from being lifted; can it lift alone; and the same silence for f parties together.
Each answer rests on every state of ``play``. ``spec/check.md`` §3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from detente.accord.checking.claim import Claim, Verdict
from detente.accord.checking.explore import Graph, Moves, can_reach, explore
from detente.accord.checking.play import Play, State, asks_lineage
from detente.accord.conditions import OpenFinding, Votes, atoms
from detente.accord.quorum import missing
from detente.accord.terms import Terms, Trigger
from detente.base.identity import Party
from detente.base.instant import show_duration

STATES_MAX = 60_000
"""States explored for one question; shipped accords need a few thousand. Beyond, the answer is *not shown*."""
STATES_IN_ALL = 500_000
"""States explored for all triggers together; the triggers that are left then are not looked at, and it is said."""


_NOBODY = (
    ("forces-pause", "triggers", "no single party can stop others by itself"),
    ("prevents-pause", "triggers", "no single party's silence keeps a pause from being called"),
    (
        "blocks-lift",
        "lift",
        "no single party's silence, nor that of as many as may fail, keeps a pause from being lifted",
    ),
    ("lifts-alone", "lift", "no single party can lift a pause by itself"),
)


def check_powers(terms: Terms) -> Iterator[Claim]:
    """The claims about every trigger, then those that need no play."""
    found = list(_every_trigger(terms))
    found += _alone_to_lift(terms)
    found += _alone_to_confirm(terms)
    yield from found
    for kind, section, text in _NOBODY:
        if not any(claim.id == kind for claim in found) and all(claim.verdict != "not shown" for claim in found):
            yield Claim(
                kind,
                section,
                "holds",
                text,
                bound=f"each of {len(_different(terms))} kinds of parties, {len(terms.triggers)} triggers",
            )


class _Explorer:
    """Explores, and counts the states of everything that it explored."""

    def __init__(self) -> None:
        self.states = 0

    def explore(self, first: State, moves: Moves[State]) -> Graph[State]:
        graph = explore(first, moves, most=STATES_MAX)
        self.states += len(graph.reached)
        return graph


def _every_trigger(terms: Terms) -> Iterator[Claim]:
    explorer, kinds = _Explorer(), _different(terms)
    for place, trigger in enumerate(terms.triggers):
        if explorer.states >= STATES_IN_ALL:
            rest = len(terms.triggers) - place
            left = f"{rest} triggers from {trigger.id} on let" if rest > 1 else f"{trigger.id} lets"
            text = f"what {left} anybody do alone was not explored"
            yield Claim("unexplored", "triggers", "not shown", text, bound=f"{explorer.states} states, of at most {STATES_IN_ALL}")  # fmt: skip
            return
        yield from _trigger(terms, trigger, kinds, explorer)


def subject_of(terms: Terms) -> Party:
    """The party that a trigger is about: the first developer, else the first party."""
    return (terms.with_role("developer") or tuple(terms.parties))[0]


def _trigger(terms: Terms, trigger: Trigger, kinds: tuple[Party, ...], explorer: _Explorer) -> Iterator[Claim]:
    subject = subject_of(terms)
    play = Play(terms, trigger, subject)
    graph = explorer.explore(play.first, play.moves)
    if play.first.latched:
        yield Claim("starts-latched", "triggers", "broken", f"{trigger.id} is latched from the first instant, whatever anybody measures", bound=_bound(graph))  # fmt: skip
        return
    if not any(state.latched for state in graph.reached):
        yield Claim("dead-trigger", "triggers", "broken" if graph.complete else "not shown", f"{trigger.id} can never latch: nothing that anybody can do meets “{trigger.when.spelled()}”", bound=_bound(graph))  # fmt: skip
        return
    yield from _lift_can_be_reached(terms, trigger, play, graph)
    for party in kinds:
        yield from _one_party(terms, trigger, party, explorer)
    if terms.mirrors.may_fail > 1:
        yield from _some_silent(terms, trigger, explorer)


def _lift_can_be_reached(terms: Terms, trigger: Trigger, play: Play, graph: Graph[State]) -> Iterator[Claim]:
    stuck = _stuck(play, graph)
    text = f"every pause that {trigger.id} starts can be lifted again"
    if stuck is None:
        yield Claim("lift-reachable", "lift", "holds" if graph.complete else "not shown", text, bound=_bound(graph))
    elif asks_lineage(terms.lift.when):
        yield Claim("lift-reachable", "lift", "not shown", f"{text}: the lift asks about the lineage, which the play does not mend", bound=_bound(graph))  # fmt: skip
    else:
        yield Claim("lift-reachable", "lift", "broken", f"a pause that {trigger.id} starts can become one that nothing lifts", (*graph.trace(stuck), "from here nothing that anybody does lifts it"), _bound(graph))  # fmt: skip


def _one_party(terms: Terms, trigger: Trigger, party: Party, explorer: _Explorer) -> Iterator[Claim]:
    play = Play(terms, trigger, subject_of(terms), apart=(party,))
    yield from _forces(trigger, play, party, explorer)
    yield from _prevents(trigger, play, party, explorer)
    graph = explorer.explore(play.first, play.moves)
    yield from _keeps_up(terms, trigger, play, graph, (party,))


def _forces(trigger: Trigger, play: Play, party: Party, explorer: _Explorer) -> Iterator[Claim]:
    """Its own acts alone, while everybody else measures and says nothing that restricts."""
    alone = explorer.explore(play.first, lambda state: play.moves(state, only=party))
    found = next((state for state in alone.reached if state.latched), None)
    if found is None or (trigger.scope == "party" and party == play.subject):
        return
    whom = "everybody" if trigger.scope == "all" else "another party"
    on_purpose = party in trigger.alone_on_purpose
    yield Claim(
        "forces-pause",
        "triggers",
        "on purpose" if on_purpose else "broken",
        f"{party} alone can {_DOES[trigger.then]} {whom} through {trigger.id}{_until(trigger)}",
        alone.trace(found),
        _bound(alone),
    )


_DOES = {"pause": "stop", "slowdown": "slow down", "limits": "limit"}


def _until(trigger: Trigger) -> str:
    """How long what one party starts lasts, where that ends by itself."""
    if trigger.lapse is None:
        return ""
    unless = "" if trigger.lapse.unless is None else f" unless {trigger.lapse.unless.spelled()} confirm it"
    return f", for {show_duration(trigger.lapse.after_s)}{unless}"


def _prevents(trigger: Trigger, play: Play, party: Party, explorer: _Explorer) -> Iterator[Claim]:
    """Everybody else does what they can, and it never latches, though with this party it could."""
    if party == play.subject:
        return  # A trigger about what a party does cannot latch without it.
    others = explorer.explore(play.first, lambda state: play.moves(state, silent=(party,)))
    if others.complete and not any(state.latched for state in others.reached):
        verdict: Verdict = "on purpose" if party in trigger.veto_on_purpose else "broken"
        yield Claim("prevents-pause", "triggers", verdict, f"without {party}, {trigger.id} never starts a pause", (f"{party} stays silent",), _bound(others))  # fmt: skip


def _keeps_up(
    terms: Terms, trigger: Trigger, play: Play, graph: Graph[State], silent: tuple[Party, ...]
) -> Iterator[Claim]:
    stuck = _stuck(play, graph, silent)
    if stuck is None or asks_lineage(terms.lift.when):
        return
    names = " and ".join(silent)
    verdict: Verdict = "on purpose" if set(silent) & set(terms.lift.veto_on_purpose) else "broken"
    yield Claim(
        "blocks-lift",
        "lift",
        verdict,
        f"without {names}, a pause that {trigger.id} starts is not lifted",
        (
            *graph.trace(stuck),
            f"{names} {'fall' if len(silent) > 1 else 'falls'} silent: nothing that the others do lifts it",
        ),
        _bound(graph),
    )


def _some_silent(terms: Terms, trigger: Trigger, explorer: _Explorer) -> Iterator[Claim]:
    """f parties together, of those whose silence alone does not block."""
    alone = {p for p in terms.parties if p in terms.lift.veto_on_purpose}
    for silent in combinations(_many(terms, terms.mirrors.may_fail), terms.mirrors.may_fail):
        if alone & set(silent):
            continue
        play = Play(terms, trigger, subject_of(terms), apart=silent)
        graph = explorer.explore(play.first, play.moves)
        claims = list(_keeps_up(terms, trigger, play, graph, silent))
        if claims:
            yield claims[0]
            return


def _stuck(play: Play, graph: Graph[State], silent: tuple[Party, ...] = ()) -> State | None:
    """A latched state, as near as any, from which no lift can be reached without the silent."""
    good = can_reach(graph.reached, lambda state: play.moves(state, silent=silent), lambda state: state.lifted)
    return next((state for state in graph.reached if state.latched and state not in good), None)


def _alone_to_lift(terms: Terms) -> Iterator[Claim]:
    for party in _different(terms):
        if not missing(terms.lift.votes, (party,), terms.parties):
            verdict: Verdict = "on purpose" if party in terms.lift.alone_on_purpose else "broken"
            yield Claim("lifts-alone", "lift", verdict, f"{party} alone can lift a pause", (f"{party} votes to lift",))


def _alone_to_confirm(terms: Terms) -> Iterator[Claim]:
    """What one party can keep by itself does not lapse: whoever started it must not decide alone that it stays."""
    for trigger in terms.triggers:
        unless = None if trigger.lapse is None else trigger.lapse.unless
        if unless is None:
            continue
        alone = [party for party in _different(terms) if not missing(unless, (party,), terms.parties)]
        for party in alone:
            yield Claim("confirms-alone", "triggers", "broken", f"{party} alone can confirm what {trigger.id} starts, which lapses otherwise", (f"{party} votes to renew",))  # fmt: skip
        if not alone:
            yield Claim("confirms-alone", "triggers", "holds", f"no single party can confirm what {trigger.id} starts: {unless.spelled()}")  # fmt: skip


def _different(terms: Terms) -> tuple[Party, ...]:
    """One party of each kind that the terms tell apart by its roles or name."""
    return _many(terms, 1)


def _many(terms: Terms, count: int) -> tuple[Party, ...]:
    """Up to ``count`` parties of each kind."""
    named = _named(terms)
    kinds: dict[object, list[Party]] = {}
    for party, about in terms.parties.items():
        kinds.setdefault(party if party in named else about.roles, []).append(party)
    return tuple(party for members in kinds.values() for party in members[:count])


def _named(terms: Terms) -> frozenset[str]:
    """Parties that some power names one by one."""
    named: set[str] = {*terms.lift.veto_on_purpose, *terms.lift.alone_on_purpose}
    for trigger in terms.triggers:
        named |= {*trigger.alone_on_purpose, *trigger.veto_on_purpose, *_names_in(trigger)}
    for indicator in terms.indicators.values():
        named |= set(indicator.supplied_by)
    return frozenset(named)


def _names_in(trigger: Trigger) -> set[str]:
    found: set[str] = set()
    for atom in atoms(trigger.when):
        if isinstance(atom, Votes):
            found |= set(atom.of)
        elif isinstance(atom, OpenFinding):
            found |= set(atom.by)
    return found


def _bound(graph: Graph[State]) -> str:
    return f"{len(graph.reached)} states{'' if graph.complete else ', cut off'}"
