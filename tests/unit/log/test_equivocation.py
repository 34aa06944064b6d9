"""Equivocation: a proof that anyone can check, and none against an honest log."""

import pytest

from detente.base.errors import Refused
from detente.log.equivocation import (
    Equivocation,
    encode_equivocation,
    find_equivocation,
    parse_equivocation,
    verify_equivocation,
)
from tests.unit.log.logbook import LOG_KEY, Logbook, book, seeded

LOGS, FORK = book(20), book(20, salt=b"other ")
LATE_FORK = Logbook([*LOGS.entries[:10], *FORK.entries[10:]])


def test_two_roots_of_one_size_are_a_proof():
    """The two notes alone suffice, in either order."""
    for one, other in ((LOGS, FORK), (FORK, LOGS)):
        found = find_equivocation(one.head(7), other.head(7))
        assert parse_equivocation(encode_equivocation(found)) == found
        assert {head.root for head in verify_equivocation(found)} == {LOGS.tree.root(7), FORK.tree.root(7)}


def test_heads_of_different_sizes_are_proven_with_the_larger_one_s_nodes():
    """For every pair of sizes across the fork, the holder of the larger tree can prove it."""
    for small in range(1, 20):
        for large in range(small + 1, 21):
            found = find_equivocation(LOGS.head(small), LATE_FORK.head(large), nodes=LATE_FORK.tree)
            if small <= 10:
                assert found is None
            else:
                assert parse_equivocation(encode_equivocation(found)) == found
                first, second = verify_equivocation(found)
                assert (first.size, second.size) == (small, large)


def test_without_the_larger_tree_nothing_is_claimed():
    """The smaller tree, a wrong tree or none cannot prove a fork between sizes; nor does another log's head."""
    small, large = LOGS.head(12), LATE_FORK.head(15)
    assert find_equivocation(small, large) is None
    assert find_equivocation(small, large, nodes=LOGS.tree) is None
    other = Logbook(FORK.entries, signer=seeded(9))
    assert find_equivocation(small, other.head(12)) is None
    assert find_equivocation(LOGS.head(0), large, nodes=LATE_FORK.tree) is None


@pytest.mark.parametrize(
    ("rule", "equivocation"),
    [
        ("L71", Equivocation(LOG_KEY, LOGS.note(7), LOGS.note(7))),
        ("L71", Equivocation(LOG_KEY, LOGS.note(7), FORK.note(7), LOGS.tree.root(7))),
        ("L71", Equivocation(LOG_KEY, LOGS.note(7), LOGS.note(9))),
        ("L71", Equivocation(LOG_KEY, LOGS.note(9), FORK.note(7), LOGS.tree.root(7))),
        (
            "L71",
            Equivocation(
                LOG_KEY, LOGS.note(7), LOGS.note(9), LOGS.tree.root(7), tuple(LOGS.tree.consistency_proof(7, 9))
            ),
        ),
        (
            "L05",
            Equivocation(
                LOG_KEY, FORK.note(7), LOGS.note(9), FORK.tree.root(7), tuple(LOGS.tree.consistency_proof(7, 9))
            ),
        ),
        ("L06", Equivocation(LOG_KEY, LOGS.note(0), LOGS.note(9), bytes(32), ())),
        ("L16", Equivocation(LOG_KEY, LOGS.note(7), Logbook(FORK.entries, signer=seeded(9)).note(7))),
    ],
)
def test_what_proves_nothing_is_refused(rule, equivocation):
    """An honest log cannot be accused: heads that fit, a proof that does not lead there, a note of another key."""
    with pytest.raises(Refused) as refused:
        verify_equivocation(equivocation)
    assert refused.value.rule == rule


GOOD = encode_equivocation(find_equivocation(LOGS.head(12), LATE_FORK.head(15), nodes=LATE_FORK.tree))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"x",
        GOOD.replace(b"@v1", b"@v2"),
        GOOD.replace(b"\nfirst ", b"\nfirst 0"),
        GOOD.replace(b"\nprefix ", b"\nprefix A"),
        GOOD.replace(b"\nkey ", b"\nyek "),
        GOOD.replace(b"\nsecond", b"\n\xff"),
        GOOD + bytes(200_000),
    ],
)
def test_what_is_no_such_text_is_refused(data):
    """One spelling, stated lengths, bounded size."""
    with pytest.raises(Refused) as refused:
        parse_equivocation(data)
    assert refused.value.rule == "L70"
    assert verify_equivocation(parse_equivocation(GOOD))
