"""A hold point, read from terms: what it asks of its reviewers, and its times. Normative: ``spec/terms.md`` §2 (``hold_points``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from detente.accord.authenticators import DEVICES
from detente.accord.document import Node
from detente.accord.fields import Fields, flag, listed, name, one_of, positive
from detente.accord.span_reading import read_duration, read_span
from detente.accord.terms import EscalationTerms, HoldNeed, HoldPoint
from detente.accord.tree_reading import read_condition

Mapping: TypeAlias = Callable[[Callable[[Fields], Any]], Callable[[Node], Any]]
"""Makes a reader of a mapping from what takes its members, so that every error in it is recorded."""


def read_hold(f: Fields, mapping: Mapping) -> HoldPoint:
    """The members of one hold point. What is absent of its times never comes: approvals last, no proposal lapses, nothing is escalated."""
    return HoldPoint(
        f.take("id", name),
        f.take("on", one_of("version.train", "version.deploy")),
        f.take("when", lambda node: read_condition(node, "hold")),
        f.take("need", mapping(_need)),
        f.take("unknown", one_of("holds", "silent"), "holds"),
        read_span(f),
        f.take("approved_for", read_duration, None),
        f.take("decide_within", read_duration, None),
        f.take("escalation", mapping(_escalation), None),
    )


def _need(f: Fields) -> HoldNeed:
    """What is absent is the stricter, but for who approves and how thoroughly."""
    return HoldNeed(
        humans=f.take("humans", positive),
        organisations=f.take("organisations", positive, 1),
        author_excluded=f.take("author_excluded", flag, True),
        device=f.take("device", one_of(*DEVICES), "attested"),
        same_host=f.take("same_host", one_of("accept", "refuse"), "refuse"),
        by=f.take("by", listed(name, 1, 64), ()),
        significant=f.take("significant", flag, False),
        screened=f.take("screened", flag, False),
        confirmed=f.take("confirmed", flag, False),
    )


def _escalation(f: Fields) -> EscalationTerms:
    return EscalationTerms(
        f.take("to", listed(name, 1, 64)), f.take("after", read_duration), f.take("within", read_duration)
    )
