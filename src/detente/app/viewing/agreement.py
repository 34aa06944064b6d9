"""The accord itself: its rules in words, who is who, the chain of its texts, and what each amendment changes.

Decides the order. Leaves the words to ``accord.explaining.rules`` and ``accord.difference``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from detente.accord.difference import compare_terms
from detente.accord.explaining.aloud import quorum
from detente.accord.explaining.rules import rules
from detente.app.viewing.overview import heading
from detente.app.viewing.sight import Sight, Value, when
from detente.statement.terms import TermsLink

SORTS: Final = ("binds", "power", "duty")


def view_accord(sight: Sight) -> Value:
    """The terms in effect, in words, with their chain."""
    return sight.keep("accord", lambda: _accord(sight))


def _accord(sight: Sight) -> Value:
    terms, now = sight.terms, sight.now
    told = rules(terms)
    value: Value = {
        **heading(sight),
        "in_force_since": when(now.in_force_since),
        "review_by": when(now.review_by),
        "renewal": None if now.renewal is None else now.renewal.as_json(),
        "activities": dict(now.activities),
        "parties": [
            {"party": party, "country": about.country, "roles": sorted(about.roles)}
            for party, about in terms.parties.items()
        ],
        "mirrors": {
            "parties": list(terms.mirrors.parties),
            "may_fail": terms.mirrors.may_fail,
            "witness": terms.mirrors.witness,
            "issue": terms.mirrors.issue,
            "settle_s": terms.mirrors.settle_s,
        },
        "permits": {"calm_s": terms.permits.calm_s, "alert_s": terms.permits.alert_s, "now_s": now.life_s},
        "amended_by": quorum(terms.amendment),
        "confidential": dict(terms.confidential),
        "rules": {sort: [rule.as_json() for rule in told if rule.sort == sort] for sort in SORTS},
        "schedule": [each.as_json() for each in now.schedule],
        "chain": list(_chain(sight)),
        "put_forward": list(_put_forward(sight)),
        "text": sight.node.config.read_terms().decode("utf-8", "replace"),
    }
    return sight.with_entries(value)


def _chain(sight: Sight) -> Iterator[Value]:
    """Every text of the chain, the newest first, with what it changed."""
    links = sight.state.chain
    for number in range(len(links) - 1, -1, -1):
        link = links[number]
        changed = compare_terms(links[number - 1].terms, link.terms) if number else ()
        yield {
            "version": link.terms.version,
            "digest": link.terms.digest,
            "since": when(link.since) if number else None,
            "settled": when(link.settled) if number else None,
            "cites": [] if link.statement is None else [link.statement],
            "changes": [each.as_json() for each in changed],
        }


def _put_forward(sight: Sight) -> Iterator[Value]:
    """Texts that somebody put forward and that are no link of the chain: what each would change, if its text is here."""
    linked = {link.terms.digest for link in sight.state.chain}
    for item in sight.state.items.values():
        body = item.body
        if isinstance(body, TermsLink) and body.digest not in linked:
            text = sight.node.evidence.texts.get(body.digest)
            note = sight.state.noted.get(item.id)
            yield {
                "statement": item.id,
                "by": item.party,
                "version": body.version,
                "digest": body.digest,
                "reason": body.reason,
                "why_not": "" if note is None else note.text,
                "changes": None if text is None else [each.as_json() for each in compare_terms(sight.terms, text)],
            }
