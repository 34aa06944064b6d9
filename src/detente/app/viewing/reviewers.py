"""One reviewer's page: for everybody what is recorded of any reviewer; the figures for that reviewer alone.

Decides what stands on the page before and after its reviewer has asserted who they are. Leaves out who that is (``app.review_notes``)
and the figures (``app.reviews``). What a stranger sees does not tell whether there is such a reviewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detente.app.reviews import RECORDED, outlook_of
from detente.app.viewing.overview import heading
from detente.app.viewing.sight import Sight, Value
from detente.base.identity import Party


def view_reviewer(sight: Sight, organisation: Party, reviewer: str, review: Mapping[str, Any] | None = None) -> Value:
    """The page's value; ``review`` is what ``/v1/reviewers/…`` gives to the reviewer, and nothing for anybody else."""
    value: Value = {
        **heading(sight),
        "organisation": organisation,
        "reviewer": reviewer,
        "review": None if review is None else dict(review),
        "outlook": outlook_of(sight.state, sight.at),
        "recorded": list(RECORDED),
    }
    return sight.with_entries(value)
