"""Condition trees as text: what each place may ask, how it is spelled, and which misspelling has which number."""

from decimal import Decimal
from typing import get_args

import pytest

from detente.accord.conditions import (
    AccededCount,
    AccededCountries,
    AccededParties,
    AccededShare,
    All,
    AnyOf,
    AtLeast,
    Breach,
    Compare,
    NoneOpen,
    Not,
    OpenFinding,
    Overdue,
    Proposer,
    RunActivity,
    Touches,
    Votes,
)
from detente.accord.document import read_document
from detente.accord.tree_reading import Context, read_condition, words_in
from detente.base.errors import Refused

ATOMS = {
    "{at_least: [spread, 5 x]}": Compare("spread", "at_least", Decimal(5), "x"),
    "{more_than: [run.planned_flop, 1e24 FLOP]}": Compare("run.planned_flop", "more_than", Decimal("1e24"), "FLOP"),
    "{votes: {of: [auditor], at_least: 2}}": Votes(("auditor",), 2),
    "{open_finding: {by: [auditor]}}": OpenFinding(("auditor",), 1),
    "{none_open: finding}": NoneOpen(),
    "{ruling: breach}": Breach(),
    "{overdue: register}": Overdue("register"),
    "{acceded: {role: developer, at_least: 2}}": AccededCount("developer", 2),
    "{acceded: {at_least: 2}}": AccededCount("", 2),
    "{acceded: {parties: [dev-a]}}": AccededParties(("dev-a",)),
    "{acceded: {countries: 3}}": AccededCountries(3),
    "{acceded: {share_of: registered_compute, at_least: 60 %}}": AccededShare(Decimal("0.6")),
    "{change.touches: [training, data]}": Touches(("training", "data")),
    "{change.proposer: model}": Proposer("model"),
    "{run.activity: training}": RunActivity("training"),
}
MAY_ASK = {
    "force": (AccededCount, AccededParties, AccededCountries, AccededShare),
    "limit": (Compare, RunActivity),
    "hold": (Touches, Proposer),
    "run_checkpoint": (Compare, RunActivity),
    "change_checkpoint": (Compare, Touches, Proposer),
    "trigger": (Compare, Votes, OpenFinding, Breach, Overdue),
    "lift": (Compare, NoneOpen, Breach, Overdue),
}
"""The table of spec/terms.md §3, by place."""
OF_A_RUN = {"limit", "run_checkpoint"}
OF_AN_INDICATOR = {"run_checkpoint", "change_checkpoint", "trigger", "lift"}


def read(text, context="trigger"):
    return read_condition(read_document(text.encode()), context)


def refused(text, context="trigger"):
    with pytest.raises(Refused) as caught:
        read(text, context)
    return caught.value


@pytest.mark.parametrize("context", get_args(Context))
@pytest.mark.parametrize("text", ATOMS)
def test_each_place_asks_what_the_specification_lets_it_and_nothing_else(text, context):
    """Every atom in every place: read as what it is, or refused as out of scope (T15)."""
    atom = ATOMS[text]
    allowed = isinstance(atom, MAY_ASK[context])
    if isinstance(atom, Compare):
        allowed &= context in (OF_A_RUN if atom.what.startswith("run.") else OF_AN_INDICATOR)
    if allowed:
        assert read(text, context) == atom
    else:
        assert refused(text, context).rule == "T15"


@pytest.mark.parametrize("context", get_args(Context))
def test_the_words_of_a_place_are_those_with_which_it_reads_an_atom(context):
    """What editors offer is what a reader takes."""
    taken = set()
    for text, atom in ATOMS.items():
        word = text[1 : text.index(":")]
        try:
            read(text, context)
        except Refused:
            continue
        taken |= {"at_least", "more_than", "at_most", "less_than"} if isinstance(atom, Compare) else {word}
    assert words_in(context) == taken


def test_trees_are_read_as_they_nest():
    """All, any, not, and so many of; `at_least` with `of` counts, with a list it compares."""
    call, fast = "{votes: {of: [auditor], at_least: 2}}", "{at_least: [spread, 5 x]}"
    votes, compare = ATOMS[call], ATOMS[fast]
    assert read(f"{{all: [{call}, {{not: {fast}}}]}}") == All((votes, Not(compare)))
    assert read(f"{{any: [{call}, {fast}]}}") == AnyOf((votes, compare))
    assert read(f"{{at_least: 2, of: [{call}, {fast}]}}") == AtLeast(2, (votes, compare))


REFUSED = [
    ("[]", "T07"),
    ("call", "T07"),
    ("{}", "T07"),
    ("{overdue: a, ruling: breach}", "T07"),
    ("{at_least: [spread]}", "T07"),
    ("{at_least: [spread, 5 x, 6 x]}", "T07"),
    ("{at_least: [spread, many]}", "T08"),
    ("{at_least: 0, of: [{overdue: a}]}", "T08"),
    ("{at_least: 2, of: [{overdue: a}]}", "T08"),
    ("{votes: {of: [auditor]}}", "T07"),
    ("{votes: {of: [auditor], at_least: 0}}", "T08"),
    ("{votes: {of: [auditor], at_least: 1, by: noon}}", "T06"),
    ("{ruling: cured}", "T08"),
    ("{none_open: run}", "T08"),
    ("{greater: [spread, 5 x]}", "T14"),
    ("{all: []}", "T07"),
]


@pytest.mark.parametrize(("text", "rule"), REFUSED)
def test_what_spells_no_condition_is_refused_by_its_number(text, rule):
    """And it says where: line and column stand at the front of what was got."""
    error = refused(text)
    assert error.rule == rule
    assert error.got.startswith("1:")


@pytest.mark.parametrize(
    "text",
    [
        "{acceded: {}}",
        "{acceded: {role: developer}}",
        "{acceded: {role: developer, countries: 2}}",
        "{acceded: {parties: [dev-a], at_least: 2}}",
        "{acceded: {countries: 2, at_least: 2}}",
        "{acceded: {share_of: registered_compute}}",
    ],
)
def test_acceded_says_one_thing(text):
    """A number of a role, of anybody, of countries, a share, or names: one of them, whole (T07)."""
    assert refused(text, "force").rule == "T07"


def test_an_error_within_a_tree_stands_at_its_own_place():
    """Not at that of the tree."""
    assert refused("{all: [{overdue: a},\n  {any: [{greater: [spread, 5 x]}]}]}").got.startswith("2:10")
