"""A replay as one picture: every date and text in it, each state by a sign and a number, and what was counted."""

import re

import pytest

from detente.accord.replay import Replay
from detente.adapters import replay_picture
from detente.adapters.replay_picture import draw_replay
from detente.base.errors import Misuse
from tests.unit.accord.test_replay import played

pytest.importorskip("matplotlib", reason="matplotlib is not installed: the extra `measure`")


def texts(replay):
    """Everything that is written in it, in the order of drawing."""
    days = [day for day in replay.days if day.label or day is replay.days[-1]]
    [axes] = replay_picture._figure(days, replay, "the source").axes
    return [text.get_text() for text in axes.texts]


def test_a_picture_stands_alone():
    """Title, until when facts are known, every sign explained, the source."""
    said = " ".join(texts(played()))
    for part in (
        "One year of facts",
        "known to 2026-10-06",
        "■ n  triggered",
        "○ n  held",
        "? n·m  unknown",
        "the source",
    ):
        assert part in said


def test_rows_are_the_dates_with_a_label_and_the_last():
    """Each with its date; a date of which nothing is labelled is left out, unless it is the last."""
    replay = played()
    dates = [text for text in texts(replay) if re.fullmatch(r"\d{4}-\d\d-\d\d", text)]
    assert dates == ["2026-06-01", "2026-08-01"]
    assert len(replay.days) == 3
    assert "one; two" in texts(replay)


def test_each_cell_says_how_many_clauses_come_out_so():
    """By sign and number, the unknown with how many of them nobody owes; a state without a clause has no sign."""
    replay = played()
    last = replay.days[-1].compared[0]
    expected = {
        f"{sign}{last.count(state)}" + (f"·{last.nobody_owes}" if state == "unknown" and last.nobody_owes else "")
        for state, sign, _ in replay_picture.SIGNS
        if last.count(state)
    }
    row = texts(replay)[texts(replay).index("2026-08-01") :]
    cells = {text for text in row if re.fullmatch(r"[■○?]\d+(·\d+)?", text)}
    assert cells == expected
    assert len(cells) > 1


def test_a_text_that_does_not_apply_yet_has_a_dash():
    """No number stands for nothing."""
    replay = played()
    days = tuple(
        type(day)(day.at, day.facts, tuple(type(each)(each.accord, (), each.silent) for each in day.compared))
        for day in replay.days
    )
    assert texts(Replay(replay.facts, days, replay.asked)).count("–") == 2


def test_the_totals_are_those_of_the_last_date():
    """How many clauses can be told and how many cannot, and what no clause asks for."""
    replay = played()
    last = replay.days[-1].compared
    known = sum(each.count("triggered") + each.count("held") for each in last)
    said = " ".join(texts(replay))
    assert (
        f"of {known + replay.unknown} clauses in effect {known} can be told from what is public and {replay.unknown} cannot"
        in said
    )
    assert f"asked for by no clause of any of these texts: {', '.join(replay.unasked)}." in said


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_picture_is_of_the_kind_that_its_name_says(tmp_path, ending, begins):
    """And may be read by others."""
    path = tmp_path / f"year.{ending}"
    draw_replay(path, played(), source="s")
    assert path.read_bytes().startswith(begins)
    assert path.stat().st_mode & 0o777 == 0o644


def test_without_matplotlib_nothing_is_written(tmp_path, monkeypatch):
    """What to install is said."""
    monkeypatch.setattr(replay_picture, "can_draw", lambda: False)
    with pytest.raises(Misuse, match="pip install"):
        draw_replay(tmp_path / "year.svg", played(), source="s")
    assert list(tmp_path.iterdir()) == []
