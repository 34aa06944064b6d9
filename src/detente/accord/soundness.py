"""What must hold between the sections of terms, before anybody signs them.

Decides quorum inequalities, references and reachability of quorums that can be seen without exploring states. The
deeper proof (deadlocks, loopholes) is not here. Normative text: ``spec/terms.md`` §4 (T09 to T13, T20 to T30).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from detente.accord.conditions import (
    AccededCount,
    AccededParties,
    Compare,
    Condition,
    OpenFinding,
    Overdue,
    Votes,
    atoms,
)
from detente.accord.confidentiality import READER
from detente.accord.document import Node
from detente.accord.quorum import missing
from detente.accord.span import Span
from detente.accord.terms import INSPECTORS, SUNSET, Checkpoint, HoldPoint, Limit, RoleQuorum, Terms, Trigger
from detente.accord.tree_reading import LINEAGE, RUN
from detente.base.errors import Refused, shown

MIRRORS_MIN, MIRRORS_MAX = 3, 16
"""Contracts §2."""


def check_soundness(terms: Terms, root: Node, *, template: bool) -> list[Refused]:
    """Every breach of a rule between sections; empty when there is none.

    1. Mirrors: 3 to 16 with the role and, outside a template, their keys: T12; the quorum inequalities: T11.
    2. Every party and role named somewhere is there: T09, T10.
    3. Every quorum can be met by the parties: T13.
    4. Every indicator named by a trigger, a checkpoint or the lift is supplied by somebody: T20, in its unit: T21. What is supplied has one: T21.
    5. Ids stand once: T22. Permits live, in alert no longer than in calm: T23.
    6. Every rule that begins or ends has an instant at which it applies: T30.
    7. Enough parties are left to certify what any developer must have certified: T42.
    8. A limit names a trigger, and a trigger that only brings limits into effect has one: T31.
    9. Every duty that is asked about is there: T32; none ends before it is due: T30.
    10. What is kept can be read, or found out, by somebody: T45.
    11. What can be renewed has a sunset, and no trigger has its name: T33.
    12. A hold point that asks for screened reviewers finds a minimum: T50. Somebody else than the developer can seed: T51.
    """
    found: list[Refused] = []

    def at(section: str) -> str:
        node = root.entries.get(section, root)
        return node.where

    found += _mirrors(terms, at("mirrors"), template=template)  # 1
    found += _references(terms, root)  # 2
    for section, quorum in _quorums(terms):  # 3
        lacking = missing(quorum, terms.parties, terms.parties)
        if lacking:
            found.append(
                Refused(
                    "T13",
                    "terms-unsound",
                    got=f"{at(section)} {section} asks for {quorum.spelled()}",
                    expected=f"what the parties can meet; they lack {lacking}",
                )
            )
    found += _indicators(terms, at)  # 4
    rules: tuple[tuple[str, tuple[Limit | HoldPoint | Checkpoint | Trigger, ...]], ...] = (
        ("limits", terms.limits),
        ("hold_points", terms.hold_points),
        ("checkpoints", terms.checkpoints),
        ("triggers", terms.triggers),
    )
    for section, ids in rules:
        found += _once(at(section), [item.id for item in ids])  # 5
        found += _spans(at(section), {item.id: item.span for item in ids})  # 6
    found += _checkpoints(terms, at("checkpoints"))  # 7
    found += _brought(terms, at)  # 8
    found += _duties(terms, at)  # 9
    found += _renewal(terms, at)  # 11
    found += _screening(terms, at)  # 12
    found += _confidential(terms, at("confidential"))  # 10
    if not 0 < terms.permits.alert_s <= terms.permits.calm_s:
        found.append(
            Refused(
                "T23",
                "terms-unsound",
                got=f"{at('permits')} alert {terms.permits.alert_s} s, calm {terms.permits.calm_s} s",
                expected="0 < alert ≤ calm",
            )
        )
    return found


def _mirrors(terms: Terms, where: str, *, template: bool) -> Iterator[Refused]:
    m = terms.mirrors
    n, f, q, issue = len(m.parties), m.may_fail, m.witness, m.issue
    if m.self_witnessed:
        if not template and not any(terms.keys[party].permit is not None for party in m.parties):
            yield Refused(
                "T12",
                "terms-unsound",
                got=f"{where} no log with a permit key",
                expected="a log and a permit key in `keys`",
            )
        return
    if not MIRRORS_MIN <= n <= MIRRORS_MAX or len(set(m.parties)) != n:
        yield Refused(
            "T12",
            "terms-unsound",
            got=f"{where} {n} mirrors",
            expected=f"{MIRRORS_MIN} to {MIRRORS_MAX} distinct ones, or `mirrors: self`",
        )
    for party in m.parties:
        about = terms.parties.get(party)
        if about is None or "mirror" not in about.roles:
            yield Refused("T12", "terms-unsound", got=f"{where} {party} mirrors", expected="a party with that role")
        elif not template and (terms.keys[party].mirror is None or terms.keys[party].permit is None):
            yield Refused(
                "T12", "terms-unsound", got=f"{where} {party} without mirror or permit key", expected="both in `keys`"
            )
    broken = [
        law
        for law, holds in (
            (f"q + m > n + f: {q} + {issue} > {n} + {f}", q + issue > n + f),
            (f"2q − n > f: {2 * q} − {n} > {f}", 2 * q - n > f),
            (f"q ≤ n − f: {q} ≤ {n} − {f}", q <= n - f),
            (f"m ≤ n − f: {issue} ≤ {n} − {f}", issue <= n - f),
        )
        if not holds
    ]
    if broken:
        yield Refused(
            "T11",
            "terms-unsound",
            got=f"{where} {'; '.join(broken)}",
            expected="q + m > n + f, 2q − n > f, and q, m ≤ n − f",
            todo="n = 3f + 1 and q = m = 2f + 1 is the usual choice",
        )


def _screening(terms: Terms, at: Callable[[str], str]) -> Iterator[Refused]:
    rules = terms.screening
    asking = [hold.id for hold in terms.hold_points if hold.need.screened]
    if asking and (rules is None or rules.minimum is None):
        yield Refused(
            "T50",
            "terms-unsound",
            got=f"{at('hold_points')} {', '.join(asking)} asks for screened reviewers",
            expected="`screening` with a `minimum`",
        )
    if rules is None:
        return
    for developer in terms.with_role("developer"):
        if not any(terms.among(party, rules.by) for party in terms.parties if party != developer):
            yield Refused(
                "T51",
                "terms-unsound",
                got=f"{at('screening')} nobody but {developer} seeds its changes",
                expected="another party in `by`: whoever proposes must not know which are seeded",
            )


def _quorums(terms: Terms) -> Iterator[tuple[str, RoleQuorum]]:
    yield "lift", terms.lift.votes
    yield "amendment", terms.amendment
    if terms.renewal is not None:
        yield "renewal", terms.renewal.votes
    if terms.adjudication is not None:
        yield "adjudication", terms.adjudication.votes
    for trigger in terms.triggers:
        if trigger.lapse is not None and trigger.lapse.unless is not None:
            yield "triggers", trigger.lapse.unless


def _conditions(terms: Terms) -> Iterator[tuple[str, Condition]]:
    yield "entry_into_force", terms.entry_into_force.when
    for trigger in terms.triggers:
        yield "triggers", trigger.when
    if terms.lift.when is not None:
        yield "lift", terms.lift.when


def _names(terms: Terms) -> Iterator[tuple[str, Iterable[str], bool]]:
    """Every name in the terms: its section, the names, and whether a role may stand there too."""
    for section, condition in _conditions(terms):
        for atom in atoms(condition):
            if isinstance(atom, Votes):
                yield section, atom.of, True
            elif isinstance(atom, OpenFinding):
                yield section, atom.by, True
            elif isinstance(atom, AccededParties):
                yield section, atom.parties, False
            elif isinstance(atom, AccededCount) and atom.role:
                yield section, (atom.role,), True
    for indicator in terms.indicators.values():
        yield "indicators", indicator.supplied_by, True
    for hold in terms.hold_points:
        yield "hold_points", (*hold.need.by, *(() if hold.escalation is None else hold.escalation.to)), True
    if terms.screening is not None:
        yield "screening", terms.screening.by, True
    if terms.reciprocity is not None:
        yield "reciprocity", terms.reciprocity.of, True
    for duty in terms.duties:
        asking = () if duty.on_request is None else duty.on_request.by
        yield "duties", (*duty.of, *duty.found_by, *asking), True
    for checkpoint in terms.checkpoints:
        yield "checkpoints", checkpoint.need.by, True
    for limit in terms.limits:
        yield "limits", limit.need.approval_of if limit.need else (), False
    yield "lift", (*terms.lift.veto_on_purpose, *terms.lift.alone_on_purpose), False
    for trigger in terms.triggers:
        yield "triggers", (*trigger.veto_on_purpose, *trigger.alone_on_purpose), False
    yield "consequences", (c.party for c in terms.consequences if c.party is not None), False


def _references(terms: Terms, root: Node) -> Iterator[Refused]:
    known_roles = {role for about in terms.parties.values() for role in about.roles}

    for section, wanted, roles_too in _names(terms):
        for wanted_name in wanted:
            if wanted_name not in terms.parties and not (roles_too and wanted_name in known_roles):
                where = root.entries.get(section, root).where
                expected = "a party, or a role that some party has" if roles_too else "a party of `parties`"
                yield Refused("T09", "unknown-party", got=f"{where} {shown(wanted_name)}", expected=expected)
    if terms.reciprocity is not None and terms.adjudication is None:
        where = root.entries["reciprocity"].where
        yield Refused(
            "T13", "terms-unsound", got=f"{where} reciprocity without adjudication", expected="`adjudication`"
        )
    if terms.consequences and terms.adjudication is None:
        where = root.entries["consequences"].where
        yield Refused(
            "T13", "terms-unsound", got=f"{where} consequences without adjudication", expected="`adjudication`"
        )


def _asking(terms: Terms) -> Iterator[tuple[str, str, Condition]]:
    """Whatever compares indicators: its section, its name, its condition."""
    for trigger in terms.triggers:
        yield "triggers", trigger.id, trigger.when
    for checkpoint in terms.checkpoints:
        yield "checkpoints", checkpoint.id, checkpoint.when
    if terms.lift.when is not None:
        yield "lift", "the lift", terms.lift.when


def _indicators(terms: Terms, at: Callable[[str], str]) -> Iterator[Refused]:
    for supplied in terms.indicators.values():
        if supplied.supplied_by and not supplied.unit:
            yield Refused(
                "T21",
                "terms-unsound",
                got=f"{at('indicators')} {supplied.name} without a unit",
                expected="the unit in which it is measured: no measurement is without one",
                todo="say `unit:` beside the indicator",
            )
    for section, asking, when in _asking(terms):
        where = at(section)
        for atom in atoms(when):
            if not isinstance(atom, Compare) or atom.what in RUN:
                continue
            indicator = terms.indicators.get(atom.what)
            if atom.what in LINEAGE:
                unit = "FLOP" if atom.what == "cumulative_flop" else ""
            elif indicator is None or not indicator.supplied_by:
                yield Refused(
                    "T20",
                    "terms-unsound",
                    got=f"{where} {atom.what} in {asking}",
                    expected="an indicator that somebody supplies, or " + ", ".join(LINEAGE),
                )
                continue
            else:
                unit = indicator.unit
            if unit != atom.unit:
                yield Refused(
                    "T21",
                    "terms-unsound",
                    got=f"{where} {atom.what} in {atom.unit!r}",
                    expected=f"its unit {unit!r}",
                    todo="say `unit:` beside the indicator",
                )


def _spans(where: str, spans: Mapping[str, Span]) -> Iterator[Refused]:
    for item, span in spans.items():
        if span.is_empty():
            yield Refused("T30", "terms-unsound", got=f"{where} {item} {span.spelled()}", expected="until after from")


def _checkpoints(terms: Terms, where: str) -> Iterator[Refused]:
    authors = terms.with_role("developer") or ("",)
    fewest: dict[tuple[str, ...], tuple[int, str]] = {}
    for checkpoint in terms.checkpoints:
        need = checkpoint.need
        yield from _once(where, [f"{checkpoint.id} {certification}" for certification in need.certifications])
        if need.by not in fewest:
            able = {party for party in terms.parties if terms.among(party, need.by)}
            fewest[need.by] = min(
                ((len(able) - (author in able), author) for author in authors), key=lambda each: each[0]
            )
        left, author = fewest[need.by]
        if left < need.count:
            yield Refused(
                "T42",
                "terms-unsound",
                got=f"{where} {checkpoint.id} asks for {need.count} of {', '.join(need.by)}",
                expected=f"at most the {left} who may certify what is {author or 'anybody'}'s: nobody certifies their own",
            )


def _duties(terms: Terms, at: Callable[[str], str]) -> Iterator[Refused]:
    where = at("duties")
    known = ", ".join([duty.id for duty in terms.duties[:10]] + ["…"] * (len(terms.duties) > 10)) or "there is none"
    yield from _once(where, [duty.id for duty in terms.duties])
    yield from _spans(where, {duty.id: Span(duty.by, duty.until) for duty in terms.duties})
    for section, condition in _conditions(terms):
        for atom in atoms(condition):
            if isinstance(atom, Overdue) and terms.duty(atom.duty) is None:
                yield Refused(
                    "T32",
                    "terms-unsound",
                    got=f"{at(section)} {shown(atom.duty)}",
                    expected=f"a duty: {known}",
                )


def _renewal(terms: Terms, at: Callable[[str], str]) -> Iterator[Refused]:
    if terms.renewal is None:
        return
    if terms.expires is None:
        yield Refused("T33", "terms-unsound", got=f"{at('renewal')} renewal without a sunset", expected="`expires`")
    if terms.trigger(SUNSET) is not None:
        got = f"{at('triggers')} a trigger {SUNSET!r} beside `renewal`"
        yield Refused("T33", "terms-unsound", got=got, expected="another id: votes to renew the accord name that")
    if terms.renewal.length_s == 0:
        yield Refused("T33", "terms-unsound", got=f"{at('renewal')} for 0 s", expected="a time to renew for")


def _brought(terms: Terms, at: Callable[[str], str]) -> Iterator[Refused]:
    """The limits that a trigger brings into effect."""
    for limit in terms.limits:
        if limit.during is not None and terms.trigger(limit.during) is None:
            got = f"{at('limits')} {limit.id} while {shown(limit.during)}"
            yield Refused("T31", "terms-unsound", got=got, expected="the id of a trigger")
    named = {limit.during for limit in terms.limits}
    for trigger in terms.triggers:
        if trigger.then == "limits" and trigger.id not in named:
            got = f"{at('triggers')} {trigger.id} brings no limit into effect"
            yield Refused("T31", "terms-unsound", got=got, expected=f"a limit with `while: {trigger.id}`")


def _confidential(terms: Terms, where: str) -> Iterator[Refused]:
    for name, kept in terms.confidential.items():
        able = {"auditor-only": (READER,), "committed": INSPECTORS}.get(kept)
        if able is not None and not any(terms.among(party, able) for party in terms.parties):
            yield Refused(
                "T45",
                "terms-unsound",
                got=f"{where} {name}: {kept}, and no {' or '.join(able)}",
                expected="a party that may look: what nobody can check restricts nobody",
            )


def _once(where: str, ids: list[str]) -> Iterator[Refused]:
    for item in sorted(item for item, count in Counter(ids).items() if count > 1):
        yield Refused("T22", "duplicate-key", got=f"{where} two with the id {item!r}", expected="each id once")
