"""Commitments to seeded changes: opened by salt and change alone, under one accord."""

import pytest

from detente.base.errors import Refused
from detente.statement.screening import Reveal, commit_change, is_opened_by

ACCORD, CHANGE, SALT = "a" * 64, "b" * 64, bytes(range(32))
REVEAL = Reveal("c" * 64, CHANGE, "d" * 64, SALT, "hook-removed")


def test_a_commitment_is_opened_by_its_salt_and_change_under_its_accord():
    """Whichever else is committed to beside it."""
    commits = ("e" * 64, commit_change(accord=ACCORD, salt=SALT, change=CHANGE))
    assert is_opened_by(commits, REVEAL, accord=ACCORD)
    assert not is_opened_by(commits, REVEAL, accord="f" * 64)
    assert not is_opened_by(commits[:1], REVEAL, accord=ACCORD)


def test_another_salt_gives_another_commitment():
    """So that nobody can tell from a commitment whether a proposal that waits is one."""
    assert commit_change(accord=ACCORD, salt=bytes(32), change=CHANGE) != commit_change(
        accord=ACCORD, salt=SALT, change=CHANGE
    )


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_of_another_size_is_refused(size):
    """S42: a short one can be guessed."""
    with pytest.raises(Refused) as refused:
        commit_change(accord=ACCORD, salt=bytes(size), change=CHANGE)
    assert refused.value.rule == "S42"
