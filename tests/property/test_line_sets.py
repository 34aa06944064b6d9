"""Ranges of lines behave as the sets that they stand for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from detente.measure.authorship.line_sets import count, intersection, subtract, union

_RANGES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=9
)


def _plain(ranges):
    return {line for first, last in ranges for line in range(first, last + 1)}


@given(_RANGES, _RANGES)
def test_ranges_are_sets(one, other):
    """Union, intersection, difference and size agree with Python's sets, and results are sorted with gaps."""
    left, right = union(one), union(other)
    assert _plain(left) == _plain(one)
    assert count(left) == len(_plain(one))
    assert _plain(intersection(left, right)) == _plain(one) & _plain(other)
    assert _plain(subtract(left, right)) == _plain(one) - _plain(other)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(left))
    for result in (intersection(left, right), subtract(left, right)):
        assert all(before[1] < after[0] for before, after in pairwise(result))
        assert all(first <= last for first, last in result)
