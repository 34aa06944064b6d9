"""A reviewer's figures: what recorded times bear out and rule out, and that what is not known counts for nothing."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from detente.measure.review.agreement import agreement_of, pairs_of
from detente.measure.review.attention import measure_attention, measure_each
from detente.measure.review.catch import Caught, count_caught, show_outlook
from detente.measure.review.decision import Decided
from detente.measure.review.figures import figures_of
from detente.measure.review.note import Reading

ME, YOU, THIRD = ("safety-team", "reviewer-1"), ("aud-1", "reviewer-1"), ("aud-2", "reviewer-9")
T = 1_800_000_000


def read(open_s: int, active_s: int, lines: int = 100, files: int = 3, shown: int = 3) -> Reading:
    return Reading(open_s=open_s, active_s=active_s, files=files, files_shown=shown, changed_lines=lines)


def said(
    number: int, decision: str = "approve", *, by=ME, at_s: int = T, proposal: str | None = None, **more
) -> Decided:
    name = f"{number:02d}-{by[0]}"
    return Decided(
        statement=name, proposal=proposal or f"p{number}", reviewer=by, decision=decision, at_s=at_s, **more
    )  # fmt: skip


def test_only_what_the_whole_time_open_is_too_short_for_is_surely_too_fast():
    """100 lines at 500 an hour take 720 s: open for 720 s is possible, 719 s is not; activity is a softer word."""
    decisions = [
        said(1, reading=read(720, 10)),
        said(2, reading=read(719, 10), at_s=T + 10_000),
        said(3, reading=None, at_s=T + 20_000),
    ]
    found = measure_attention(decisions)
    assert (found.surely_faster[500].yes, found.surely_faster[500].unknown, found.surely_faster[500].of_all) == (
        1,
        1,
        3,
    )
    assert found.active_faster[500].yes == 2
    assert found.surely_faster[200].yes == 2


def test_files_that_were_not_shown_are_seen():
    """All of them, or not; unknown where nothing was recorded."""
    found = measure_attention([said(1, reading=read(9, 9)), said(2, reading=read(9, 9, shown=2)), said(3)]).all_shown
    assert (found.yes, found.unknown, found.of_all) == (1, 1, 3)


def test_two_proposals_open_at_once_overlap_and_more_activity_than_time_is_told():
    """600 s and 600 s of activity within 700 s cannot be one person's; 300 s each can."""
    busy = [said(1, reading=read(600, 600), at_s=T), said(2, reading=read(600, 600), at_s=T + 100)]
    calm = [said(3, reading=read(600, 300), at_s=T + 9_000), said(4, reading=read(600, 300), at_s=T + 9_100)]
    alone = [said(5, reading=read(600, 600), at_s=T + 90_000)]
    found = measure_attention([*busy, *calm, *alone])
    assert (found.overlapping.yes, found.overlapping.of_all) == (4, 5)
    assert found.impossible == (("01-safety-team", "02-safety-team"),)


def test_one_that_begins_when_the_other_ends_does_not_overlap():
    """Open times touch, and do not overlap; another reviewer's do not count."""
    decisions = [
        said(1, reading=read(100, 100), at_s=T),
        said(2, reading=read(100, 100), at_s=T + 100),
        said(3, by=YOU, reading=read(100, 100), at_s=T + 50),
    ]
    assert measure_attention(decisions).overlapping.yes == 0


def test_load_is_the_most_in_one_day_of_utc():
    """The day with most decisions, and the most recorded lines in a day."""
    day = 86_400
    start = T - T % day
    decisions = [said(n, reading=read(60, 60, lines=10), at_s=start + n) for n in range(3)]
    decisions.append(said(9, reading=read(60, 60, lines=500), at_s=start + day))
    found = measure_attention(decisions)
    assert (found.most_a_day, found.most_lines_a_day, found.busiest_day) == (3, 500, "2027-01-15")


def test_agreement_is_of_first_words_of_two_who_are_not_the_author():
    """A second thought, an author's word and a seeded change make no pair."""
    decisions = [
        said(1, "approve", proposal="p"),
        said(2, "reject", proposal="p", by=YOU, at_s=T + 1),
        said(3, "reject", proposal="p", at_s=T + 2),
        said(4, "approve", proposal="q"),
        said(5, "approve", proposal="q", by=YOU, of_author=True),
        said(6, "approve", proposal="r", seed=True),
        said(7, "reject", proposal="r", by=YOU, seed=True),
    ]
    [pair] = pairs_of(decisions)
    assert (pair.first, pair.second) == ("approve", "reject")
    assert agreement_of([pair]).raw == (0, 1)


def test_whoever_opened_after_the_first_word_was_known_may_have_followed_it():
    """So may whoever left no record of when they opened it."""
    decisions = [
        said(1, proposal="p", reading=read(60, 60)),
        said(2, proposal="p", by=YOU, at_s=T + 30, reading=read(40, 40)),
        said(3, proposal="q"),
        said(4, proposal="q", by=YOU, at_s=T + 30, reading=read(20, 20)),
        said(5, proposal="r"),
        said(6, proposal="r", by=YOU, at_s=T + 30),
    ]
    assert [pair.after for pair in pairs_of(decisions)] == [False, True, True]


def test_everybody_who_always_approves_agrees_and_that_shows_nothing_beyond_chance():
    """Alpha is not determined; raw agreement is 1 with an honest interval."""
    decisions = [said(n, proposal=f"p{n}", by=by) for n in range(5) for by in (ME, YOU)]
    found = agreement_of(pairs_of(decisions))
    assert found.raw == (5, 5)
    assert found.raw_between == (Decimal("0.4781"), Decimal("1.0000"))
    assert found.alpha is None
    assert any("every decision was the same" in line for line in figures_of(decisions, ME).says())


def test_agreement_of_one_reviewer_is_with_others():
    """Two others who agree between themselves say nothing about a third."""
    decisions = [said(1, proposal="p", by=YOU), said(2, proposal="p", by=THIRD), said(3, proposal="q")]
    assert pairs_of(decisions, ME) == []
    assert len(pairs_of(decisions, YOU)) == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_alpha_lies_within_its_interval(words):
    """And is at most 1; perfect agreement over two values is 1."""
    decisions = [
        said(n, "approve" if word else "reject", proposal=f"p{n}", by=by)
        for n, pair in enumerate(words)
        for by, word in zip((ME, YOU), pair, strict=True)
    ]
    found = agreement_of(pairs_of(decisions))
    if found.alpha is not None and found.alpha_between is not None:
        assert found.alpha_between[0] <= found.alpha <= found.alpha_between[1] <= 1
        if all(a == b for a, b in words):
            assert found.alpha == 1


def test_the_first_word_on_a_seed_counts_and_anything_but_approving_catches_it():
    """A second look does not mend a miss; asking for changes is a catch."""
    decisions = [
        said(1, "approve", proposal="a", seed=True),
        said(2, "reject", proposal="a", seed=True, at_s=T + 5),
        said(3, "changes", proposal="b", seed=True),
        said(4, "approve", proposal="c"),
    ]
    assert count_caught(decisions) == Caught(1, 2)


def test_a_year_of_few_decisions_says_how_little_it_shows():
    """Ten decisions a week at 5 %: 26 seeds; even all caught leaves 13 % of misses possible, and 95 % takes years."""
    said = show_outlook(10, Decimal("0.05"), 52)
    assert "about 26 seeded changes" in said
    assert "could still be 86.7 %" in said
    assert "144 weeks" in said
    assert "shows nothing" in show_outlook(1, Decimal("0.01"), 52)
    assert "nothing is known" in Caught(0, 0).spelled()


def test_erasing_a_note_makes_its_figures_unknown_and_nothing_else():
    """The decision still counts; the interval widens by one."""
    before = figures_of([said(1, reading=read(10, 10)), said(2, at_s=T + 999, reading=read(9_000, 800))], ME)
    after = figures_of([said(1), said(2, at_s=T + 999, reading=read(9_000, 800))], ME)
    assert before.attention.decisions == after.attention.decisions == 2
    assert (before.attention.surely_faster[500].yes, after.attention.surely_faster[500].yes) == (1, 0)
    assert after.attention.surely_faster[500].unknown == 1


def test_each_decision_has_its_own_figures():
    """Speed over both times, what was not shown, and what stood open beside it; none where nothing was recorded."""
    decisions = [
        said(1, reading=read(3_600, 360, lines=150), at_s=T),
        said(2, reading=read(600, 600, shown=2), at_s=T + 60),
        said(3, at_s=T + 70),
    ]
    found = measure_each(decisions)
    assert found.keys() == {"01-safety-team", "02-safety-team"}
    first = found["01-safety-team"]
    assert (first.over_open, first.over_active, first.all_shown) == (Decimal("150.0"), Decimal("1500.0"), True)
    assert first.faster == {500: (False, True), 200: (False, True)}
    assert first.beside == ("02-safety-team",)
    assert not found["02-safety-team"].all_shown
    assert measure_each([said(4, reading=read(0, 0))])["04-safety-team"].over_open is None
