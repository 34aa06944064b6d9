"""How fast a change can be read: two bounds from the literature, and whether a time is too short for a size.

Both speak of lines of code under inspection, not of changed lines, and of finding defects, not of deciding: they bound what is
plausible, and prove nothing about one reviewer. Changed lines are added and deleted ones.

- 500 lines an hour, the fast end of the recommendation of SmartBear, "11 Best Practices for Peer Code Review" (less than 300 to 500).
- 200 lines an hour, at or below which reviews were effective: C. F. Kemerer and M. C. Paulk, "The Impact of Design and Code Reviews on
  Software Quality", IEEE Transactions on Software Engineering 35(4), 2009, doi:10.1109/TSE.2009.27.

>>> is_faster(60, 9, 500), is_faster(60, 8, 500)
(True, False)
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

READING_LINES_PER_HOUR: Final = (500, 200)
SOURCES: Final = {
    500: "SmartBear, 11 Best Practices for Peer Code Review",
    200: "Kemerer and Paulk 2009, doi:10.1109/TSE.2009.27",
}


def is_faster(seconds: int, lines: int, lines_per_hour: int) -> bool:
    """Would reading so many lines in so many seconds be faster than this?"""
    return seconds * lines_per_hour < lines * 3_600


def lines_an_hour(seconds: int, lines: int) -> Decimal | None:
    """The speed; None in no time at all."""
    return None if seconds == 0 else (Decimal(lines) * 3_600 / seconds).quantize(Decimal("0.1"))
