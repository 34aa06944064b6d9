"""Plots stand alone, are links, and are the same bytes every time."""

import re
import xml.etree.ElementTree as ET

import pytest

from detente.adapters import plots
from detente.adapters.plots import Caption, draw_band, draw_intervals, draw_lines, draw_parts, draw_points
from detente.measure.indicator import Series

pytest.importorskip("matplotlib", reason="matplotlib is not installed: the extra `measure`")

CAPTION = Caption(name="x", title="A title & more", source="owner/name at abc", n="n = 3 commits")
BAND = Series(
    "share", "AI share of lines", "share", (("2025-01", 0.1, 0.9), ("2025-02", 0.2, None), ("2025-03", 0.3, 0.8))
)
HALVES = Series("h", "Share", "share", (("2025H1", 0.1, 1.0), ("2025H2", 0.2, 0.9)))
PARTS = [
    Series(f"p{n}", f"agent {n}", "count", (("2025-01", n, n), ("2025-02", 2 * n, 2 * n)), stack="agents")
    for n in range(1, 12)
]
POINTS = [
    Series(
        "horizon.50",
        "50 % horizon",
        "minutes",
        (("2024-01-02", 1.0, 4.0), ("2025-03-04", 60.0, None), ("2025-04-01", None, None)),
    ),
    Series("horizon.trend", "trend", "minutes", (("2024-01-02", 2.0, 2.0), ("2025-03-04", 60.0, 60.0))),
]


def _link(series, point):
    return f"#s-{series}-{point}"


DRAWN = [
    ("band", lambda: draw_band(BAND, CAPTION, _link)),
    ("halves", lambda: draw_band(HALVES, CAPTION, _link)),
    ("parts", lambda: draw_parts(PARTS, CAPTION, _link)),
    ("points", lambda: draw_points(POINTS, CAPTION, _link)),
    ("lines", lambda: draw_lines([BAND, HALVES], CAPTION, _link)),
    (
        "intervals",
        lambda: draw_intervals([("one", 0.1, 0.9, "n = 4"), ("two", 0.2, 0.2, "n = 5")], CAPTION, "share", _link),
    ),
]


def _texts(svg):
    return [
        text
        for text in (
            ("".join(each.itertext())).strip()
            for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314  # our own
        )
        if text
    ]


@pytest.mark.parametrize(("name", "draw"), DRAWN, ids=[name for name, _ in DRAWN])
def test_a_plot_stands_alone(name, draw):
    """Title, unit, source and n are in it as text."""
    texts = " ".join(_texts(draw()))
    for part in ("A title & more", "owner/name at abc", "n = 3 commits"):
        assert part in texts
    assert any(unit in texts for unit in ("per cent", "count", "logarithmic"))


@pytest.mark.parametrize(("name", "draw"), DRAWN, ids=[name for name, _ in DRAWN])
def test_the_same_series_gives_the_same_bytes(name, draw):
    """No date, no random identifier."""
    assert draw() == draw()


@pytest.mark.parametrize(("name", "draw"), DRAWN, ids=[name for name, _ in DRAWN])
def test_a_plot_fetches_nothing_and_names_nothing_twice_on_a_page(name, draw):
    """Identifiers carry the plot's name; addresses are links, never pictures or styles."""
    svg = draw().decode()
    assert all(mark.startswith("x-") for mark in re.findall(r'\bid="([^"]+)"', svg))
    assert "<image" not in svg
    assert "<script" not in svg
    assert "@import" not in svg


def test_points_lead_to_their_rows():
    """Both ends of each point."""
    svg = draw_band(BAND, CAPTION, _link).decode()
    assert set(re.findall(r'href="(#s-[^"]+)"', svg)) == {"#s-share-0", "#s-share-1", "#s-share-2"}
    assert "#s-horizon.50-1" in draw_points(POINTS, CAPTION, _link).decode()


def test_ends_of_an_interval_are_named_in_words():
    """Colour alone tells nothing."""
    assert {"at least", "at most"} <= set(_texts(draw_band(BAND, CAPTION, _link)))


def test_each_of_several_subjects_is_named_beside_its_own_mark():
    """Lines have a legend, intervals a row each; n stands beside."""
    assert {"share", "h"} <= set(_texts(draw_lines([BAND, HALVES], CAPTION, _link)))
    drawn = draw_intervals([("one", 0.1, 0.9, "n = 4")], CAPTION, "share", _link)
    assert {"one", "n = 4"} <= set(_texts(drawn))
    assert b"#s-one-0" in drawn


def test_more_parts_than_can_be_told_apart_become_one():
    """The smallest, and the plot says how many."""
    texts = _texts(draw_parts(PARTS, CAPTION, _link))
    assert "4 others" in texts
    assert "agent 11" in texts
    assert "agent 1" not in texts


def test_without_matplotlib_nothing_is_drawn(monkeypatch):
    """The page then says how to get plots."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not plots.can_draw()
