"""What a move of a ref is compared with, before anything is asked."""

import pytest

from detente.app.ref_moves.policy import Policy
from detente.base.errors import Refused
from detente.hooks.git import Move, _held_moves

A, B, C, NOTHING = "a" * 40, "b" * 40, "c" * 40, "0" * 40
MAIN = "refs/heads/main"


def moves(*lines, seen, policy=None):
    return list(_held_moves(None, list(lines), seen, seen, policy or Policy(), MAIN))


def test_a_held_ref_that_is_made_to_stand_for_another_is_held():
    """J10: what it would name then could change without any move of it."""
    with pytest.raises(Refused) as refused:
        moves((A, "ref:refs/heads/proposed/x", MAIN), seen={MAIN: A})
    assert (refused.value.rule, refused.value.kind) == ("J10", "held")


def test_a_move_starts_where_the_hook_saw_the_ref_last():
    """Not where git says that it stands: what went past the hook is asked for too."""
    assert moves((A, B, MAIN), seen={MAIN: A}) == [Move(MAIN, A, B)]
    assert moves((C, B, MAIN), seen={MAIN: A}) == [Move(MAIN, A, B, past=C)]
    assert moves((NOTHING, B, MAIN), seen={MAIN: A}) == [Move(MAIN, A, B)], "git does not always say from where"


def test_refs_that_wait_and_refs_of_others_are_not_looked_at():
    """HEAD, remote-tracking refs and the place where proposals lie."""
    free = [(A, B, ref) for ref in ("HEAD", "refs/remotes/origin/main", "refs/heads/proposed/x", "refs/tags/v1")]
    assert moves(*free, seen={MAIN: A}) == []


def test_what_never_was_and_is_not_made_is_no_move():
    """Git tells of deletions of refs that nobody has seen."""
    assert moves((NOTHING, NOTHING, MAIN), seen={}) == []
