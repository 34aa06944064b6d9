"""What one text of terms changes in another, and to whose advantage."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from detente.accord.difference import compare_terms
from detente.accord.terms import Terms, parse_terms

TEXT = (Path(__file__).parents[3] / "accords" / "coordinated-pause.yaml").read_text("utf-8").partition("\nsources:")[
    0
] + "\n"


def read(text: str) -> Terms:
    return parse_terms(text.encode(), template=True)


def edited(*edits: tuple[str, str]) -> Terms:
    text = TEXT
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    return read(text)


EDITS = [
    ("run.cumulative_flop, 1e24 FLOP", "run.cumulative_flop, 1e25 FLOP",
     [("loosens", "too-large: raises the bound of run.cumulative_flop from 1e24 to 1e25 FLOP")]),
    ("more_than: [run.cumulative_flop, 1e24", "at_least: [run.cumulative_flop, 1e24",
     [("tightens", "too-large: now counts run.cumulative_flop at exactly the bound")]),
    ("    then: refuse", "    need: [declaration]",
     [("loosens", "too-large: can be approved instead of being refused")]),
    ("approval_of: [auth-1, auth-2]", "approval_of: [auth-1]",
     [("loosens", "report-first: no longer needs the approval of auth-2")]),
    ("votes: {auditor: 1, authority: 2}", "votes: {auditor: 1, authority: 1}",
     [("loosens", "lowers the votes of authority to lift from 2 to 1")]),
    ("humans: 2", "humans: 3", [("tightens", "raises the humans self-modification needs from 2 to 3")]),
    ("same_host: refuse", "same_host: accept",
     [("loosens", "changes a page on the party's own host, in self-modification, from refuse to accept")]),
    ("at_least: [ai_proposed_depth, 3]", "at_least: [ai_proposed_depth, 5]",
     [("loosens", "unattended: raises the bound of ai_proposed_depth from 3 to 5")]),
    ("at_most: [doubling_days, 60 d]", "at_most: [doubling_days, 90 d]",
     [("tightens", "acceleration: raises the bound of doubling_days from 60 to 90 d")]),
    ("then: slowdown", "then: pause", [("tightens", "changes what acceleration starts from slowdown to pause")]),
    ("halt_within: 15 min", "halt_within: 1 h", [("loosens", "raises the time to halt from 15 min to 1 h")]),
    ("longest: 180 d", "longest: 90 d", [("loosens", "lowers the longest pause from 180 d to 90 d")]),
    ("rate: 10 %", "rate: 20 %", [("loosens", "raises the rate of a slowdown from 10 % to 20 %")]),
    ("calm: 6 h", "calm: 3 h", [("tightens", "lowers the life of a permit in calm from 6 h to 3 h")]),
    ("acceded: {countries: 2}", "acceded: {countries: 3}",
     [("loosens", "to enter into force: raises the number of countries that must accede from 2 to 3")]),
    ("share_of: registered_compute, at_least: 80 %", "share_of: registered_compute, at_least: 70 %",
     [("tightens", "to enter into force: lowers the share of registered compute that must accede from 80 % to 70 %")]),
    ("  when: {none_open: finding}\n", "", [("loosens", "lifting no longer asks for “no finding is open”")]),
    ("{buyer: refuse_deployment}, ", "", [("loosens", "a breach no longer leads to buyer refuse_deployment")]),
    ("expires: 2029-06-01", "expires: 2028-06-01", [("loosens", "lowers the sunset from 2029-06-01 to 2028-06-01")]),
    ("notice: 365 d", "notice: 30 d", [("loosens", "lowers the notice of a withdrawal from 365 d to 30 d")]),
    ("withdrawal: {notice: 365 d, from_pause: never}\n", "", [("tightens", "lets nobody withdraw before the sunset")]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), EDITS, ids=[each[1] or each[0] for each in EDITS])
def test_an_edit_is_told_by_its_meaning_and_its_effect(old: str, new: str, expected: list[tuple[str, str]]):
    """One edit gives its own sentence and no other."""
    changes = compare_terms(read(TEXT), edited((old, new)))
    assert [(change.effect, change.text) for change in changes] == expected


@pytest.mark.parametrize(("old", "new", "expected"), EDITS, ids=[each[1] or each[0] for each in EDITS])
def test_the_way_back_has_the_opposite_effect(old: str, new: str, expected: list[tuple[str, str]]):
    """Whoever tightens can be undone only by loosening."""
    opposite = {"tightens": "loosens", "loosens": "tightens", "changes": "changes"}
    there, back = edited((old, new)), read(TEXT)
    assert [change.effect for change in compare_terms(there, back)] == [opposite[effect] for effect, _ in expected]


def test_removing_a_lifter_is_said_with_how_many_there_were():
    """Whoever can vote to lift is counted over all roles that may."""
    changes = compare_terms(
        read(TEXT),
        edited(
            ("aud-2:  {country: JP, roles: [auditor, mirror]}", "aud-2:  {country: JP, roles: [mirror]}"),
        ),
    )
    assert [(change.effect, change.text) for change in changes] == [
        ("changes", "takes the role auditor from aud-2"),
        ("tightens", "removes aud-2, one of 4 who can vote to lift"),
    ]


def test_comments_order_and_spelling_are_no_difference():
    """A file that means the same differs in nothing, though its digest does."""
    same = edited(("# A model accord", "# Another comment"), ("15 min\n", "900 s\n"), ("1e24 FLOP", "1000e21 FLOP"))
    assert same.digest != read(TEXT).digest
    assert compare_terms(read(TEXT), same) == ()


def test_dropping_an_item_with_an_id_loosens_and_adding_it_tightens():
    """Limits, hold points and triggers restrict by being there."""
    cut = TEXT[TEXT.index("  - id: unattended") : TEXT.index("  - id: acceleration")]
    without = read(TEXT.replace(cut, ""))
    assert [(c.effect, c.text) for c in compare_terms(read(TEXT), without)] == [("loosens", "removes unattended")]
    assert [(c.effect, c.text) for c in compare_terms(without, read(TEXT))] == [
        ("tightens", "adds unattended: when ai_proposed_depth ≥ 3")
    ]


def test_a_part_more_in_all_and_in_any_work_in_opposite_directions():
    """One more thing asked for makes a trigger harder to meet; one more alternative makes it easier."""
    more = edited(("    then: slowdown", "        - open_finding: {by: [auditor]}\n    then: slowdown"))
    assert [(c.effect, c.text) for c in compare_terms(read(TEXT), more)] == [
        ("loosens", "acceleration: also asks for “1 open finding by auditor”")
    ]


@pytest.mark.parametrize(
    "name",
    [field.name for field in fields(Terms) if field.name not in {"digest", "keys"} and not field.name.startswith("_")],
)
def test_no_member_of_the_terms_is_forgotten(name: str):
    """Whatever member differs, something is said: a new member without a sentence here fails."""
    terms = read(TEXT)
    solo = parse_terms((Path(__file__).parents[3] / "accords" / "solo.yaml").read_bytes(), template=True)
    other = replace(terms, **{name: getattr(solo, name)})
    if getattr(other, name) != getattr(terms, name):
        assert compare_terms(terms, other)
