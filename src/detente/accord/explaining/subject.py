"""Whom or what an explanation is about: a name that people type becomes a subject, or is refused with what there is.

Decides which names lead to what. Leaves out what binds it. Refusals: ``spec/accord.md`` §10.3.

- A run is named by its statement id, the beginning of it (8 characters or more), or its name if one run alone has it.
- A change is a proposal, by its statement id, or a version, by its digest or statement id; beginnings as above.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detente.accord.explaining.constraint import Subject
from detente.accord.fold import AccordState
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.version import Version

BEGINNING_MIN = 8
"""Characters of a digest: 32 bits tell some thousands of statements apart, and two that agree are refused."""
NAMED_MAX = 12
"""How many names a refusal lists."""
ACCORD = Subject("accord")


def party_subject(terms: Terms, name: str) -> Subject:
    """A party of the terms; raises ``Refused`` E01."""
    if name not in terms.parties:
        raise Refused("E01", "unknown-party", got=f"party {shown(name)}", expected=_one_of(terms.parties))
    return Subject("party", name, name)


def trigger_subject(terms: Terms, name: str) -> Subject:
    """A trigger of the terms; raises ``Refused`` E04."""
    if terms.trigger(name) is None:
        known = _one_of(trigger.id for trigger in terms.triggers)
        raise Refused("E04", "not-found", got=f"trigger {shown(name)}", expected=known)
    return Subject("trigger", name, name)


def run_subject(state: AccordState, name: str, named: Mapping[str, Digest]) -> Subject:
    """A declared run; ``named`` are names that a scenario gives. Raises ``Refused`` E02, E05."""
    runs = {item.id: item.body.run for item in state.index.get(("run",), ()) if isinstance(item.body, Run)}
    if named.get(name) in runs:
        return Subject("run", named[name], name)
    found = {run for run, label in runs.items() if label == name} or _beginning(name, runs)
    if not found:
        raise Refused("E02", "not-found", got=f"run {shown(name)}", expected=_one_of(runs.values()))
    only = _only("run", name, found)
    return Subject("run", only, runs[only])


def change_subject(state: AccordState, name: str, named: Mapping[str, Digest]) -> Subject:
    """A proposal or a version; raises ``Refused`` E03, E05."""
    known: dict[str, Digest] = {}
    for item in (*state.index.get(("proposal",), ()), *state.index.get(("version",), ())):
        if isinstance(item.body, Proposal):
            known[item.id] = item.id
        elif isinstance(item.body, Version):
            known[item.id] = known[item.body.version] = item.body.version
    if named.get(name) in known:
        return Subject("change", known[named[name]], name)
    found = {known[each] for each in _beginning(name, known)}
    if not found:
        names = [each for each, digest in named.items() if digest in known]
        expected = _one_of(names or [each[:16] for each in known.values()])
        raise Refused("E03", "not-found", got=f"change {shown(name)}", expected=expected)
    only = _only("change", name, found)
    return Subject("change", only, f"{only[:12]}…")


def _beginning(name: str, known: Iterable[str]) -> set[Digest]:
    if len(name) < BEGINNING_MIN:
        return set()
    return {Digest(each) for each in known if each.startswith(name.removesuffix("…").lower())}


def _only(what: str, name: str, found: set[Digest]) -> Digest:
    if len(found) > 1:
        some = ", ".join(sorted(each[:16] for each in found)[:NAMED_MAX])
        raise Refused(
            "E05", "conflict", got=f"{what} {shown(name)}, which {len(found)} have", expected=f"one of {some}"
        )
    return next(iter(found))


def _one_of(known: Iterable[str]) -> str:
    names = list(dict.fromkeys(known))
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return f"one of {', '.join(names[:NAMED_MAX])}{more}" if names else "one that was declared; none was yet"
