"""When notices stop a guard, and that they can do nothing else."""

import dataclasses
import json

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.guard.notice import NOTICE_TYPE, Notice, NoticeBoard, hear_notice, seal_notice, stopping, supersede
from detente.guard.permit import parse_offer
from detente.guard.wire import seal
from tests.unit.guard import messages as m

BOARD = NoticeBoard(trust=m.TRUST, party=m.DEV, activity="training")


def notice(name, *, by=None, **changes):
    said = Notice(
        accord=m.ACCORD, issuer=Party(name), scope="all", activities=("training",), sequence=1, cause="a pause"
    )
    return seal_notice(dataclasses.replace(said, **changes), m.ISSUERS[Party(by or name)])


def hear(*notices):
    board = BOARD
    for data in notices:
        board = hear_notice(board, data)
    return board


def test_f_plus_one_issuers_stop_a_guard_and_f_do_not():
    """One of f + 1 is honest; f liars alone stop nobody."""
    assert not stopping(hear(notice("iss-0")))
    assert len(stopping(hear(notice("iss-0"), notice("iss-1")))) == 2


def test_one_issuer_repeating_itself_counts_once():
    """Distinct issuers are counted."""
    assert not stopping(hear(notice("iss-0"), notice("iss-0", sequence=2), notice("iss-0", sequence=3)))


def test_in_solo_one_notice_is_enough():
    """Where f is 0, f + 1 is 1."""
    alone = dataclasses.replace(m.TRUST.sets[m.TERMS], may_fail=0, needed=1)
    board = dataclasses.replace(BOARD, trust=dataclasses.replace(m.TRUST, sets={m.TERMS: alone}))
    assert stopping(hear_notice(board, notice("iss-0")))


@pytest.mark.parametrize("changes", [{"scope": "dev-b"}, {"activities": ("self_improvement",)}])
def test_a_notice_that_does_not_cover_the_guard_counts_for_nothing(changes):
    """Scope and activity are the guard's, or it goes on."""
    assert not stopping(hear(notice("iss-0", **changes), notice("iss-1", **changes)))


def test_a_pause_of_somebody_else_does_not_make_a_guard_forget_its_own():
    """Issuers number all their notices: a later one that does not cover this guard takes the place of none that does."""
    others = {"scope": "dev-b", "sequence": 2}
    heard = (notice("iss-0"), notice("iss-0", **others), notice("iss-1"), notice("iss-1", **others))
    assert len(stopping(hear(*heard))) == 2


def test_a_notice_of_an_earlier_pause_cannot_be_replayed_after_a_lift():
    """G06: an allowing offer supersedes every notice of its issuer up to the number that it names."""
    board = hear(notice("iss-0"), notice("iss-1"))
    for name in ("iss-0", "iss-1"):
        board = supersede(board, parse_offer(m.offer(name, notices=1), m.TRUST))
    assert not stopping(board)
    with pytest.raises(Refused) as caught:
        hear_notice(board, notice("iss-0"))
    assert caught.value.rule == "G06"
    assert stopping(hear_notice(hear_notice(board, notice("iss-0", sequence=2)), notice("iss-1", sequence=2)))


def test_a_denying_offer_supersedes_nothing():
    """Only leave to go on answers a notice to stop."""
    board = hear(notice("iss-0"), notice("iss-1"))
    denying = parse_offer(m.offer("iss-0", notices=9, allowed=False), m.TRUST)
    assert stopping(supersede(board, denying))


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("G05", notice("iss-0", by="iss-1")),
        ("P08", notice("iss-0", accord=sha256_hex(b"x"))),
        ("G04", notice("iss-0", activities=())),
        ("B06", notice("iss-0", scope="Everyone!")),
        ("P01", notice("iss-0", sequence=0)),
        ("P03", seal(json.dumps({"stop": True}).encode(), NOTICE_TYPE, m.ISSUERS["iss-0"])),
    ],
)
def test_a_wrong_notice_is_refused_and_moves_nothing(rule, data):
    """A notice that nobody signed could stop everybody, so form and signature are checked as for a permit."""
    board = hear(notice("iss-1"))
    with pytest.raises(Refused) as caught:
        hear_notice(board, data)
    assert caught.value.rule == rule
    assert not stopping(board)
    assert board == hear(notice("iss-1"))
