"""Mark disappearance: the share of marked commits falls while work goes on. May be marks switched off; may be less AI.

Decides when a fall is too large for chance and large enough to matter. Leaves out why it happened: commits cannot tell. Rule of
``spec/measure-authorship.md`` §6, for a repository and for each author alike:

1. A period counts if it has enough commits: ``REPOSITORY_MIN`` or ``AUTHOR_MIN``.
2. The later period is compared with the earlier one that had the largest share.
3. It is a fall if the later share is at most half of the earlier, and the Wilson score intervals of the two do not meet.

Source of the interval: E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).

>>> (fall,) = find_falls({"2026H1": (100, 52), "2026H2": (50, 9)}, enough=20)
>>> fall.before, fall.after, fall.marked_after
('2026H1', '2026H2', 9)
>>> find_falls({"2026H1": (100, 15), "2026H2": (100, 14)}, enough=20)
()
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

REPOSITORY_MIN: Final = 20
"""Commits of a half-year below which its share says too little: at 20 the interval around 50 % is 30 % to 70 %."""
AUTHOR_MIN: Final = 10
Z_REPOSITORY: Final = 1.96
"""Two 95 % intervals that do not meet: by chance alone about once in 180 comparisons."""
Z_AUTHOR: Final = 2.576
"""99 % for authors, since a repository has many: by chance alone about once in 3,700."""


class Fall(NamedTuple):
    """The periods, and of each the commits and the marked ones."""

    before: str
    after: str
    commits_before: int
    marked_before: int
    commits_after: int
    marked_after: int


def find_falls(
    periods: Mapping[str, tuple[int, int]], *, enough: int = REPOSITORY_MIN, z: float = Z_REPOSITORY
) -> tuple[Fall, ...]:
    """Every period whose share fell; ``periods`` maps a label that sorts by time to (commits, marked)."""
    falls = []
    peak = ""
    for label in sorted(periods):
        commits, marked = periods[label]
        if commits < enough:
            continue
        if peak:
            before, marked_before = periods[peak]
            halved = 2 * marked * before <= marked_before * commits
            apart = wilson(marked, commits, z)[1] < wilson(marked_before, before, z)[0]
            if halved and apart:
                falls.append(Fall(peak, label, before, marked_before, commits, marked))
        if not peak or marked * periods[peak][0] > periods[peak][1] * commits:
            peak = label
    return tuple(falls)


def wilson(part: int, whole: int, z: float = Z_REPOSITORY) -> tuple[float, float]:
    """The score interval of a share.

    >>> [round(end, 4) for end in wilson(0, 20)]
    [0.0, 0.1611]
    """
    if whole == 0:
        return 0.0, 1.0
    share = part / whole
    centre = share + z * z / (2 * whole)
    spread = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    scale = 1 + z * z / whole
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
