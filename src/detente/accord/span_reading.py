"""Durations, dates and the time of a rule, read from terms. Normative: ``spec/terms.md`` §2 (``from`` and ``until``).

>>> from detente.accord.document import read_document
>>> read_moment(read_document(b"{after_entry: 10 d}"))
AfterEntry(delay_s=864000)
"""

from __future__ import annotations

from typing import Any

from detente.accord.document import Node
from detente.accord.fields import Fields, text
from detente.accord.span import AfterEntry, Moment, Span
from detente.base.errors import Refused
from detente.base.instant import parse_date, parse_duration, parse_instant


def read_duration(node: Node) -> int:
    """A duration, in seconds."""
    return parse_duration(text(node))


def read_day(node: Node) -> Any:
    """A date, or an instant."""
    value = text(node)
    return parse_instant(value) if "T" in value else parse_date(value)


def read_moment(node: Node) -> Moment:
    """A date or an instant, or ``{after_entry: 10 d}``."""
    if node.kind != "mapping":
        found: Moment = read_day(node)
        return found
    errors: list[Refused] = []
    fields = Fields(node, errors)
    delay_s = fields.take("after_entry", read_duration)
    fields.done()
    if errors:
        raise errors[0]
    return AfterEntry(delay_s)


def read_span(f: Fields) -> Span:
    """``from`` and ``until`` of a rule, each of which may be absent."""
    return Span(f.take("from", read_moment, None), f.take("until", read_moment, None))
