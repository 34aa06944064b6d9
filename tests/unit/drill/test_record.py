"""The drill's record keeps what happened and never calls an empty drill passed."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from detente.app.drill.lifting import VERIFIED
from detente.app.drill.record import Event, Record, RefusalSeen
from detente.app.drill.report import write_report
from detente.app.drill.timeline import draw_timeline, major_events
from detente.app.log_verifying import VerifiedLog
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.cli.log import show_verified


@pytest.fixture
def record() -> Record:
    record = Record(options={"seed": 7})
    record.lane("dev-a train", "job")
    record.lane("aud-1", "node")
    record.turn("dev-a train", "training", at_s=1.0)
    record.turn("dev-a train", "halted", at_s=5.0)
    record.turn("aud-1", "up", at_s=0.0)
    record.events += [Event(5.0, "pause for all", "", major=True), Event(2.0, "entry into force", "", major=True)]
    record.close_all(at_s=9.0)
    return record


def test_a_drill_without_checks_has_not_passed() -> None:
    """Asserting nothing proves nothing."""
    assert Record(options={}).passed is False


def test_one_failed_check_fails_the_drill(record: Record) -> None:
    """A drill passes only when every line held."""
    record.check("a", "first", ok=True, detail="", at_s=1)
    assert record.passed is True
    record.check("a", "second", ok=False, detail="", at_s=2)
    assert record.passed is False
    assert "FAILED: 1 of 2 checks held" in write_report(record)


def test_a_new_condition_ends_the_one_before(record: Record) -> None:
    """Spans of one lane follow one another without gap or overlap."""
    spans = [(s.kind, s.start_s, s.end_s) for s in record.spans if s.lane == "dev-a train"]
    assert spans == [("training", 1.0, 5.0), ("halted", 5.0, 9.0)]


def test_the_turns_are_numbered_in_time_order(record: Record) -> None:
    """The numbers in the picture follow time, not the order of telling."""
    assert [event.title for event in major_events(record)] == ["entry into force", "pause for all"]


def test_the_timeline_is_well_formed_and_shows_every_lane(record: Record) -> None:
    """Every lane is named in the picture, and every span is one bar."""
    root = ET.fromstring(draw_timeline(record))  # noqa: S314  # our own output
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{space}text")]
    assert {"dev-a train", "aud-1"} <= set(texts)
    bars = list(root.findall(f"{space}rect"))
    assert len(bars) == len(record.spans)


def test_text_from_outside_cannot_become_markup(record: Record) -> None:
    """A party's words are shown, never run."""
    hostile = "<script>alert(1)</script>"
    record.refusals.append(RefusalSeen(hostile, hostile, "P01", "bad-signature", hostile))
    record.not_exercised.append((hostile, hostile))
    record.notes.append((hostile, hostile))
    record.check(hostile, hostile, ok=True, detail=hostile, at_s=1)
    page = write_report(record)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 8


def test_the_page_opens_with_what_was_not_exercised(record: Record) -> None:
    """A drill that hides its own limits teaches the wrong lesson."""
    record.not_exercised.append(("Graphics processors", "this machine has none"))
    page = write_report(record)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[0] == "Not exercised here"


def test_the_result_carries_every_latency_with_its_spread(record: Record) -> None:
    """A figure without count and spread is not a figure."""
    record.took("pause to halted", 0.2)
    record.took("pause to halted", 0.4)
    assert record.as_json()["latencies"]["pause to halted"] == {
        "n": 2,
        "min_s": 0.2,
        "median_s": pytest.approx(0.3),
        "max_s": 0.4,
    }


@pytest.mark.parametrize("size", [1, 2, 1_234])
def test_a_log_of_any_size_that_verifies_is_counted(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The drill reads what `detente log verify` prints: one entry verifies, more entries verify."""
    log = VerifiedLog(
        origin="a/log",
        operator=Party("a"),
        size=size,
        root=Digest("0" * 64),
        witnesses=(),
        self_witnessed=True,
        kinds={"accession": size},
        unread=(),
    )
    show_verified(log)
    assert sum(bool(VERIFIED.search(line)) for line in capsys.readouterr().out.splitlines()) == 1
