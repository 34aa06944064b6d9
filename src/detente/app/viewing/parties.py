"""One party, and one run: what binds it, what it did, what it owes, what was found.

Decides what stands on these two pages. Leaves the clauses to ``accord.explaining``, without the ways out: looking for those takes
seconds of a processor, which a node that issues permits does not give to whoever asks. A command in a home gives them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from detente.accord.explaining.binding import constraints, look
from detente.accord.explaining.constraint import EFFECTS, Constraint, Subject
from detente.accord.explaining.subject import party_subject
from detente.accord.oversight import oversight
from detente.accord.records import Item
from detente.accord.status import run_standing
from detente.app.viewing.lineage import version_row
from detente.app.viewing.overview import STATES, halted_word, heading
from detente.app.viewing.sight import Sight, Value, when
from detente.base.digest import Digest
from detente.base.identity import show_key
from detente.base.quantity import show_decimal
from detente.statement.commitment import Committed
from detente.statement.facility import Facility
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.resumed import Resumed
from detente.statement.run import Run
from detente.statement.version import Version

ROWS_MAX: Final = 100
"""Rows of a list, the newest first; how many more there are is said."""


def view_party(sight: Sight, name: str) -> Value:
    """One party; raises ``Refused`` E01."""
    party = party_subject(sight.terms, name)
    about = next(each for each in sight.now.bindings if each.party == name)
    halts = [each for each in sight.now.halts if each.party == name]
    counts: Counter[str] = Counter(each.state for each in halts)
    paused = any(name in pause.parties for pause in sight.now.pauses)
    runs, more_runs = _newest(sight, "run", name)
    versions, more_versions = _newest(sight, "version", name)
    terms = sight.terms.parties[about.party]
    ring = next(each for each in sight.now.keyrings if each.party == name)
    value: Value = {
        **heading(sight),
        "party": name,
        "country": terms.country,
        "roles": sorted(terms.roles),
        "binding": about.as_json(),
        "covered": paused,
        "halted": halted_word(counts) if paused else None,
        "halts": {state: counts[state] for state in STATES},
        "runs": [run_row(sight, item) for item in runs],
        "runs_left_out": more_runs,
        "versions": [version_row(sight, item.body.version) for item in versions if isinstance(item.body, Version)],
        "versions_left_out": more_versions,
        "oversight": next((each.as_json() for each in oversight(sight.state, sight.at) if each.party == name), None),
        "findings": [each.as_json() for each in sight.now.findings if name in {each.about, each.by}],
        "sanctions": [each.as_json() for each in sight.now.sanctions if each.against == name],
        "duties": [each.as_json() for each in sight.now.duties if each.party == name],
        "facilities": list(_facilities(sight, name)),
        "reviewers": ring.as_json()["reviewers"],
        "credentials": ring.as_json()["credentials"],
        "root_keys": [show_key(key) for key in sight.terms.keys[about.party].root.keys],
        "root_threshold": sight.terms.keys[about.party].root.threshold,
        "binds": bound_by(sight, party),
    }
    return sight.with_entries(value)


def bound_by(sight: Sight, subject: Subject) -> list[Value]:
    """The clauses that bind, the strictest first, without the ways out."""
    scene = look(sight.state, sight.at).with_point()
    found = sorted(
        constraints(scene, subject), key=lambda each: (EFFECTS.index(each.effect), each.since or 0, each.key)
    )
    return [_constraint(each) for each in found]


def _constraint(each: Constraint) -> Value:
    value = each.as_json()
    del value["ways_out"], value["more_ways"]
    return value


def view_run(sight: Sight, run: Digest) -> Value:
    """One run: what was declared, how far it says it is, how it stopped, what came of it; raises ``Refused`` N61."""
    item = sight.find(run, "run")
    body = item.body
    assert isinstance(body, Run), "found under its kind"
    halt = next((each for each in sight.now.halts if each.run == run), None)
    value: Value = {
        **heading(sight),
        **run_row(sight, item),
        "facility": body.facility,
        "parents": [version_row(sight, each) for each in body.parents],
        "code": body.code,
        "config": body.config,
        "data": list(body.data),
        "for_proposal": None if body.proposal is None else {"proposal": body.proposal},
        "standing": run_standing(sight.state, run, sight.at).as_json(),
        "halt": None if halt is None else halt.as_json(),
        "history": list(_history(sight, run)),
        "made": list(_made(sight, run)),
        "findings": [
            {"statement": found.id, "by": found.party, "claim": found.body.claim, "result": found.body.result}
            for found, _ in sight.state.upto(("finding",), sight.at, heard=True)
            if isinstance(found.body, Finding) and run == found.body.run
        ],
        "binds": bound_by(sight, Subject("run", run, body.run)),
    }
    return sight.with_entries(value)


def run_row(sight: Sight, item: Item) -> Value:
    """A run as one row."""
    body = item.body
    assert isinstance(body, Run), "found under its kind"
    planned = body.planned_flop
    spent = sight.state.progress.get((item.id, item.party))
    states = sight.keep("halt states", lambda: {each.run: each.state for each in sight.now.halts})
    return {
        "run": item.id,
        "name": body.run,
        "party": item.party,
        "activity": body.activity,
        "planned_flop": None if isinstance(planned, Committed) else show_decimal(planned),
        "committed": isinstance(planned, Committed),
        "spent_flop": None if spent is None else show_decimal(spent),
        "declared_at": when(item.time),
        "state": states.get(item.id),
    }


def _newest(sight: Sight, kind: str, party: str) -> tuple[list[Item], int]:
    items = [item for item in sight.state.index.get((kind,), ()) if item.party == party]
    return items[: -ROWS_MAX - 1 : -1], max(0, len(items) - ROWS_MAX)


def _facilities(sight: Sight, party: str) -> Iterator[Value]:
    for item, _ in sight.state.upto(("facility",), sight.at):
        if isinstance(item.body, Facility) and item.party == party:
            body = item.body
            yield {
                "statement": item.id,
                "facility": body.facility,
                "country": body.country,
                "chips": body.chips,
                "peak_flop_s": show_decimal(body.peak_flop_s),
            }


def _history(sight: Sight, run: Digest) -> Iterator[Value]:
    """Every stop and start of the run, in order."""
    for item, time in sight.state.upto(("halt", run), sight.at, heard=True):
        body = item.body
        if isinstance(body, Halted | Resumed):
            yield {
                "statement": item.id,
                "what": item.kind,
                "why": body.why if isinstance(body, Halted) else "",
                "step": body.step,
                "checkpoint": body.checkpoint,
                "at": when(time),
            }


def _made(sight: Sight, run: Digest) -> Iterable[Value]:
    versions = (item.body for item in sight.state.index.get(("version",), ()))
    named = dict.fromkeys(body.version for body in versions if isinstance(body, Version) and body.run == run)
    return [version_row(sight, each) for each in named]
