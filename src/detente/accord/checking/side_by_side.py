"""Several accords that bind one party side by side: where what one of them asks is void, given away or told apart by another.

Decides what can be seen from the texts alone. The stricter answer always holds (``spec/accord.md`` §11), so nothing here can loosen
one of them; what is broken is a promise that one text makes and the other takes away. Leaves each text by itself to ``check``.
``spec/check.md`` §11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

from detente.accord.checking.claim import Claim
from detente.accord.checking.rules import cells_around, holds_in
from detente.accord.confidentiality import READER
from detente.accord.explaining.joint import compare_limits
from detente.accord.terms import INSPECTORS, Terms
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration, show_instant

_STRICTNESS = ("public", "auditor-only", "committed")
_OF_ONE_ACCORD = "proposal."
"""A proposal is made under one accord, so what it keeps is told to nobody under another."""


def check_together(accords: Mapping[str, Terms]) -> tuple[Claim, ...]:
    """Every claim about accords by their names, what is broken first."""
    found = [claim for pair in permutations(accords.items(), 2) for claim in _pair(*pair)]
    found += _together(accords)
    order = {"broken": 0, "not shown": 1, "listed": 2, "holds": 3}
    return tuple(sorted(found, key=lambda claim: order[claim.verdict]))


Named = tuple[str, Terms]


def _shared(one: Terms, other: Terms) -> tuple[Party, ...]:
    return tuple(party for party in one.parties if party in other.parties)


def _pair(one: Named, other: Named) -> Iterator[Claim]:
    """What the first of two asks and the second takes away; what is the same both ways round is said once."""
    yield from _kept(one, other)
    yield from _hats(one, other)
    yield from _approvals(one, other)
    if one[0] < other[0]:
        yield from _same_words(one, other)


def _kept(one: Named, other: Named) -> Iterator[Claim]:
    """A field that one accord keeps and another has spelled out: what a job under both states, it states under each."""
    (name, terms), (beside, others) = one, other
    developers = [party for party in _shared(terms, others) if "developer" in terms.parties[party].roles]
    for field, how in terms.confidential.items():
        there = others.confidential.get(field, "public")
        if not developers or field.startswith(_OF_ONE_ACCORD) or _STRICTNESS.index(there) >= _STRICTNESS.index(how):
            continue
        kind, _, member = field.partition(".")
        trace = (
            f"{developers[0]} states a {kind} under {name}, where its {member} is {how}",
            f"it states the same under {beside}, where the {member} is {there}",
        )
        text = f"{name} keeps {field} {how}, and {beside} has it {there}: whoever is bound by both gives away what {name} keeps"
        yield Claim("kept-apart", "confidential", "broken", text, trace)
    readers = {party for party in others.with_role(READER) if party not in terms.with_role(READER)}
    kept = [field for field, how in terms.confidential.items() if how == "auditor-only" and not field.startswith(_OF_ONE_ACCORD)]  # fmt: skip
    alike = [field for field in kept if others.confidential.get(field) == "auditor-only"]
    if developers and alike and readers:
        text = f"what {name} keeps for its auditors ({', '.join(alike)}) is given to {', '.join(sorted(readers))} too, under {beside}"
        yield Claim("read-by", "confidential", "listed", text)


def _hats(one: Named, other: Named) -> Iterator[Claim]:
    """Who competes under one accord and inspects or judges its competitors under another."""
    (name, terms), (beside, others) = one, other
    for party in _shared(terms, others):
        if "developer" not in terms.parties[party].roles:
            continue
        judges = sorted(others.parties[party].roles & {*INSPECTORS, "adjudicator"})
        rivals = [each for each in others.with_role("developer") if each != party]
        if judges and rivals:
            text = (
                f"{party} develops under {name}, and is {' and '.join(judges)} over {', '.join(rivals)} under {beside}"
            )
            yield Claim("two-hats", "parties", "broken", text)


def _approvals(one: Named, other: Named) -> Iterator[Claim]:
    """An approval that one accord gives and another makes void."""
    (name, terms), (beside, others) = one, other
    asking = [limit for limit in terms.limits if limit.need is not None]
    refusing = [limit for limit in others.limits if limit.refuse and limit.during is None]
    if not asking or not refusing or not _shared(terms, others):
        return
    cells = cells_around([limit.when for limit in (*asking, *refusing)])
    if cells is None:
        text = f"which approvals of {name} are void under {beside}: too many combinations of bounds"
        yield Claim("void-approval", "limits", "not shown", text)
        return
    for limit in asking:
        met = [cell for cell in cells if holds_in(limit.when, cell)]
        for void in refusing:
            if met and void.span.covers(limit.span) and all(holds_in(void.when, cell) for cell in met):
                text = (
                    f"whatever {limit.id} of {name} approves, {void.id} of {beside} refuses to whoever is bound by both"
                )
                yield Claim("void-approval", "limits", "broken", text)
                break


def _same_words(one: Named, other: Named) -> Iterator[Claim]:
    """Names that mean different things."""
    (name, terms), (beside, others) = one, other
    shared = _shared(terms, others)
    if not shared:
        text = f"no party stands in {name} and {beside}: neither binds whom the other binds"
        yield Claim("same-party", "parties", "listed", text)
    for party in shared:
        here, there = terms.parties[party].country, others.parties[party].country
        if here != there:
            text = f"{party} is of {here} under {name} and of {there} under {beside}: one name for two parties?"
            yield Claim("same-party", "parties", "broken", text)
    for indicator in terms.indicators.values():
        same = others.indicators.get(indicator.name)
        if same is not None and indicator.supplied_by and same.supplied_by and indicator.unit != same.unit:
            text = f"{indicator.name} is in {indicator.unit} under {name} and in {same.unit} under {beside}: a report under one is none under the other"
            yield Claim("same-indicator", "indicators", "broken", text)


def _together(accords: Mapping[str, Terms]) -> Iterator[Claim]:
    """What holds for whoever is bound by all."""
    names = ", ".join(accords)
    halt = min(terms.pause.halt_within_s for terms in accords.values())
    calm = min(terms.permits.calm_s for terms in accords.values())
    text = (
        f"a job under {names} runs only with permits of all, the shortest of {show_duration(calm)}, and stops when any pauses it, "
        f"within {show_duration(halt)}"
    )
    yield Claim("stops-within", "permits", "listed", text)
    yield from _ends(accords)
    for row in compare_limits(accords, None).rows:
        if len({said.split()[0] for said in row.each.values()}) > 1:
            each = "; ".join(f"{name}: {said}" for name, said in row.each.items())
            yield Claim("joint-limit", "limits", "listed", f"{row.what}: {row.together} ({each})")


def _ends(accords: Mapping[str, Terms]) -> Iterator[Claim]:
    for name, terms in accords.items():
        left = [each for each, other in accords.items() if terms.expires is not None and _later(other, terms.expires)]
        if left and terms.expires is not None:
            text = f"{name} expires at {show_instant(terms.expires)}; then {', '.join(left)} {'binds' if len(left) == 1 else 'bind'} alone"
            yield Claim("ends-first", "expires", "listed", text)


def _later(terms: Terms, than: Instant) -> bool:
    return terms.expires is None or terms.expires > than
