"""The times of a proposal at hold points, in words for a terminal.

>>> told_times({"approve_by": "2027-01-15T00:00:00Z", "escalated": []})
['to be approved by 2027-01-15T00:00:00Z']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_WHY = {"silence": ", since nobody decided", "decision": " by a reviewer's decision"}


def told_times(times: Mapping[str, Any]) -> list[str]:
    """Until when it is approved, by when it must be, that it lapsed, to whom it was escalated: one line for each that is so."""
    return list(_told(times))


def _told(times: Mapping[str, Any]) -> Iterator[str]:
    if times.get("lapsed_at"):
        yield f"lapsed {times['lapsed_at']}: it must be proposed anew"
    if times.get("approve_by"):
        yield f"to be approved by {times['approve_by']}"
    if times.get("approved_until"):
        yield f"approved until {times['approved_until']}, if nobody says more"
    for each in times.get("escalated") or ():
        by = f" by {', '.join(each['by'])}" if each.get("by") else _WHY[each["why"]]
        answer = {
            "answered": "answered",
            "open": f"to be answered by {each['due']}",
            "overdue": f"overdue: to be answered by {each['due']}",
        }[each["state"]]
        yield f"escalated to {', '.join(each['to']) or 'nobody'} since {each['since']}{by}; {answer}"
