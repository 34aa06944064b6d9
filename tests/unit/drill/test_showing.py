"""A drill's pictures: copies that nobody changes, told to who waits, and drawn without a script."""

from __future__ import annotations

import re

import pytest

from detente.app.drill.live_page import MEANS, write_live
from detente.app.drill.record import Event, Record, RefusalSeen
from detente.app.drill.showing import Showing
from detente.app.drill.timeline import draw_swatch

PATHS = {"css": "/report.css", "script": "/page.js", "icon": "/icon.svg", "events": "/events"}


@pytest.fixture
def record() -> Record:
    record = Record(options={"seed": 7})
    record.lane("dev-a train", "job")
    record.lane("aud-1", "node")
    record.turn("aud-1", "up", at_s=0.0)
    record.events.append(Event(0.5, "2 nodes serve", "", major=True))
    return record


def test_a_picture_does_not_change_when_the_drill_goes_on(record: Record):
    """What is open in the record ends in the picture, and goes on in the record."""
    showing = Showing()
    showing.take(record, at_s=3.0, nodes={})
    before = showing.newest
    record.turn("dev-a train", "training", at_s=4.0)
    record.check("a", "first", ok=True, detail="", at_s=4.0)
    assert [(span.lane, span.end_s) for span in before.record.spans] == [("aud-1", 3.0)]
    assert (before.record.checks, dict(before.now)) == ([], {"aud-1": "up"})
    assert record.spans == []
    assert record.turning("aud-1") == "up"


def test_who_waits_is_told_and_the_last_picture_knows_its_audience(record: Record):
    """Each picture once, in order; who has left is told no more."""
    showing, told = Showing(), []
    with showing.listening(lambda: told.append(showing.newest.number)):
        showing.take(record, at_s=1.0, nodes={})
        showing.take(record, at_s=2.0, nodes={}, over=True)
        assert showing.audience == 1
    showing.take(record, at_s=3.0, nodes={}, over=True)
    assert told == [1, 2]
    assert (showing.watched, showing.audience) == (0, 0)


def test_the_page_says_who_does_what_and_where_their_pages_are(record: Record):
    """Words for every condition, links only while a node answers, nothing to follow once it is over."""
    showing = Showing()
    showing.take(record, at_s=3.0, nodes={"aud-1": "http://localhost:1/"})
    page = write_live(showing.newest, **PATHS)
    assert "<b>aud-1</b> answers" in page
    assert "<b>dev-a train</b> has not begun" in page
    assert 'href="http://localhost:1/"' in page
    assert 'data-live="/events"' in page
    assert "0 of 0 checks held so far" in page
    showing.take(record, at_s=4.0, nodes={}, over=True)
    page = write_live(showing.newest, **PATHS)
    assert "data-live" not in page
    assert "localhost" not in page
    assert "FAILED" in page, "a drill that checked nothing has not passed"


def test_a_live_page_obeys_nothing_that_it_shows(record: Record):
    """No inline script or style; words from outside are text."""
    hostile = '"><script>alert(1)</script>'
    record.lane(hostile, "job")
    record.refusals.append(RefusalSeen(hostile, hostile, "P01", "bad-signature", hostile))
    record.events.append(Event(1.0, hostile, "", major=True))
    showing = Showing()
    showing.take(record, at_s=3.0, nodes={hostile: hostile})
    page = write_live(showing.newest, **PATHS)
    assert "<script>" not in page
    assert not re.search(r"<style|\son\w+=|\sstyle=|javascript:", page)


def test_every_condition_has_its_words_and_its_swatch():
    """What a bar can be in, a reader is told."""
    assert all(draw_swatch(kind).startswith("<svg") for kind in MEANS)
