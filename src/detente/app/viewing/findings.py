"""One finding: what was found, how it stands, who disputed it, who ruled, and what follows.

Decides what of a case is shown. Leaves how it stands to ``accord.adjudication``, by way of the status.
"""

from __future__ import annotations

from detente.app.viewing.overview import heading
from detente.app.viewing.sight import Sight, Value, when
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.statement.challenge import Challenge
from detente.statement.finding import Finding
from detente.statement.ruling import Ruling


def view_finding(sight: Sight, finding: Digest) -> Value:
    """One finding; raises ``Refused`` N61."""
    item = sight.find(finding, "finding")
    body = item.body
    if not isinstance(body, Finding):
        raise Refused("N61", "not-found", got=f"{finding}", expected="the statement id of a finding")
    case = next((each for each in sight.now.findings if each.finding == finding), None)
    rules = sight.terms.adjudication
    value: Value = {
        **heading(sight),
        "statement": finding,
        "by": item.party,
        "about": body.about,
        "claim": body.claim,
        "result": body.result,
        "evidence": list(body.evidence),
        "about_run": None if body.run is None else {"run": body.run},
        "confirms": None if body.confirms is None else {"statement": body.confirms},
        "audit": None if body.audit is None else {"statement": body.audit},
        "witnessed_at": when(item.time),
        "case": None if case is None else case.as_json(),
        "adjudication": None
        if rules is None
        else {
            "challenge_within_s": rules.challenge_within_s,
            "rule_within_s": rules.rule_within_s,
            "votes": dict(rules.votes.groups),
            "unruled": rules.unruled,
        },
        "challenges": [
            {"statement": each.id, "by": each.party, "grounds": each.body.grounds, "at": when(time)}
            for each, time in sight.state.upto(("challenge", finding), sight.at, heard=True)
            if isinstance(each.body, Challenge)
        ],
        "rulings": [
            {
                "statement": each.id,
                "by": each.party,
                "outcome": each.body.outcome,
                "remedy": each.body.remedy,
                "at": when(time),
            }
            for each, time in sight.state.upto(("ruling", finding), sight.at, heard=True)
            if isinstance(each.body, Ruling)
        ],
        "consequences": [each.as_json() for each in sight.now.sanctions if each.finding == finding],
    }
    return sight.with_entries(value)
