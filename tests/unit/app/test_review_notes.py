"""A node's notes: bounded, and gone after a day where no decision names them."""

import asyncio
import os
from pathlib import Path

import pytest

from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.adapters.erasable import Erasable
from detente.app.admission import Rates
from detente.app.review_notes import ReviewNotes
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from tests import node_coalition as rig

NOTE = b'{"reason":"reads well"}'


def notes_of(folder: Path, *, per_s: float = 1e6, burst: float = 1e6) -> ReviewNotes:
    coalition = rig.found(folder / "coalition")
    state = fold(Evidence(coalition.data))
    return ReviewNotes(
        Erasable(folder / "erasable"),
        node=Party("dev-a"),
        rates=Rates(per_s=per_s, burst=burst),
        state=lambda: state,
        now=lambda: Instant(rig.NOW),
    )


def kept(notes: ReviewNotes, address: str = "a"):
    return asyncio.run(notes.keep(NOTE, kind="application/json; charset=utf-8", address=address))


def test_notes_of_one_address_are_limited(tmp_path: Path):
    """Z06: nothing is kept then, and another address is not kept out."""
    notes = notes_of(tmp_path, per_s=0, burst=2)
    kept(notes)
    kept(notes)
    with pytest.raises(Refused) as refused:
        kept(notes)
    assert (refused.value.rule, refused.value.kind) == ("Z06", "rate")
    assert len(list((tmp_path / "erasable").iterdir())) == 2
    kept(notes, "b")


def test_a_note_that_no_decision_came_to_name_goes_after_a_day(tmp_path: Path):
    """Whoever began to decide and left leaves nothing behind; a note of today stays."""
    notes = notes_of(tmp_path)
    old, young = kept(notes), kept(notes)
    os.utime(tmp_path / "erasable" / old, (1_000_000, 1_000_000))
    assert asyncio.run(notes.forget_unused()) == 1
    assert (notes.find(old), notes.find(young) is None) == (None, False)
