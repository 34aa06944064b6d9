"""Every rule of the published rule table is in some shipped text, or listed there with the reason why not; numbers decide exactly."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from detente.accord.comparison import compare_facts
from detente.accord.conditions import Compare, Votes, atoms
from detente.accord.facts import Fact, Facts, Given, RunGiven, VotesGiven
from detente.accord.span import AfterEntry
from detente.accord.terms import Terms, parse_terms
from detente.accord.tree_reading import RUN
from detente.accord.vocabulary import Clause, Vocabulary, clauses_of
from detente.app.comparing import library
from detente.base.instant import Instant
from detente.base.quantity import H100E_FLOP_S, exactly
from tests.shared_data import shared

ACCORDS: dict[str, Terms] = {path.name.removesuffix(".yaml"): parse_terms(path.read_bytes(), template=True) for path in library()}
DAY_S = 86_400
UNITS = {
    # unit of the table: unit of the terms, and how many of it make one
    "weeks": ("d", 7), "years": ("d", 365), "day": ("d", 1), "days": ("d", 1), "hours": ("h", 1),
    "operations": ("FLOP", 1), "watts drawn": ("W", 1), "per year": ("inspections", 1), "certificate": ("chips", 1),
}  # fmt: skip
STATES_A_BREACH = {"deadline", "requirement", "limit"}
"""Of these kinds the table says what must be so, and a clause what must not; of the others both say what is over the line."""
COMPARATORS = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "==": lambda value, bound: value == bound,
}
NO_COMPARISON = {
    "miri-iv.2a": "the items of a report: what a declaration holds",
    "miri-iv.2b-approval": "two signatures of two named parties",
    "miri-iv.2e": "stopped until lifted",
    "miri-ii.15": "a unit",
    "miri-iv.3": "an exemption: no clause is met below it",
    "miri-v.7": "a certificate is there, or not",
}
"""Numeric rules that are no line which a quantity crosses; each has a test of its own below."""


def table() -> dict[str, dict]:
    return {rule["id"]: rule for rule in json.loads(shared("rules/rules.json").read_text("utf-8"))["rules"]}


def expressed() -> dict[str, list[tuple[str, str]]]:
    """Rule → accord and clause."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, terms in ACCORDS.items():
        for clause, notes in terms.sources.clauses.items():
            for note in notes:
                for rule in note.rules:
                    found.setdefault(rule, []).append((name, clause))
    return found


def test_every_rule_is_expressed_or_said_not_to_be_with_the_reason():
    """Each of the table's ids once or more, and no id that the table lacks; never both."""
    why = {rule: each.why for terms in ACCORDS.values() for each in terms.sources.not_expressed for rule in each.rules}
    ids = set(table())
    known = {rule for rule in (*expressed(), *why) if not rule.removeprefix("r").isdigit()}
    assert known == ids
    assert ids & set(expressed()) & set(why) == set()
    assert all(len(why[rule]) > 20 for rule in ids & set(why))


def test_the_wording_of_a_rule_is_what_the_table_says_was_read():
    """Primary stays primary and secondary secondary; nothing gains certainty on the way."""
    rules = table()
    for name, terms in ACCORDS.items():
        for notes in terms.sources.clauses.values():
            for note in notes:
                for rule in set(note.rules) & set(rules):
                    assert note.wording == rules[rule]["wording_status"], (name, rule)
                    assert not note.url or note.url == rules[rule]["source_url"], (name, rule)


def test_a_rule_without_a_number_yields_none():
    """A clause of a qualitative or unpublished threshold compares nothing."""
    for rule in table().values():
        if rule["comparator"] in {"qualitative", "none_published"}:
            for name, clause in expressed().get(rule["id"], ()):
                assert [atom for atom in atoms(clause_of(name, clause).when) if isinstance(atom, Compare)] == []


def clause_of(name: str, clause: str) -> Clause:
    return next(each for each in clauses_of(ACCORDS[name]) if each.id == clause)


def bound_of(rule: dict) -> tuple[Fraction, str]:
    """The threshold in the unit of terms, exactly."""
    text = rule.get("threshold_exact", rule["threshold"])
    number, _, divisor = text.partition("/")
    unit, factor = UNITS.get(rule["unit"], (rule["unit"], 1))
    return Fraction(Decimal(number)) / Fraction(divisor or 1) * factor, unit


def outcome(name: str, clause: Clause, values: dict[str, Decimal]) -> str:
    """How the clause comes out by these values, everybody whom it asks having voted for it."""
    run = tuple((what, exactly(value)) for what, value in values.items() if what in RUN)
    units = {atom.what: atom.unit for atom in atoms(clause.when) if isinstance(atom, Compare)}
    gives = [Given(what, exactly(value), units[what]) for what, value in values.items() if what not in RUN]
    gives += [RunGiven("a-run", run, "training")] if run else []
    gives += [VotesGiven(name, clause.id, atom.at_least) for atom in atoms(clause.when) if isinstance(atom, Votes)]
    fact = Fact("1:1", Instant(2_000_000_000), "tried", "this test", "P", gives=tuple(gives))
    facts = Facts("tried", None, (fact,))
    (compared,) = compare_facts(facts, (ACCORDS[name],), Vocabulary())
    return next(each.state for each in compared.outcomes if each.clause == clause.id)


def satisfying(atom: Compare) -> Decimal:
    return atom.bound + (1 if atom.how in {"at_least", "more_than"} else -1)


def lines() -> list[str]:
    """Rules of the table that are a line, for the names of tests; empty where the table is absent."""
    try:
        return [
            rule["id"] for rule in table().values()
            if rule["comparator"] in COMPARATORS and rule["id"] in expressed() and rule["id"] not in NO_COMPARISON
        ]  # fmt: skip
    except pytest.skip.Exception:
        return ["the table, which is not here"]


@pytest.mark.parametrize("rule_id", lines())
def test_a_line_decides_just_below_at_and_just_above_as_the_rule_says(rule_id: str):
    """In the clause's own unit and by its own comparator, or as a duty, a span or a notice with that very number."""
    rule = table()[rule_id]
    bound, unit = bound_of(rule)
    tried = 0
    for name, clause_id in expressed()[rule_id]:
        if clause_id.split(".")[0] in {"duties", "withdrawal", "indicators"}:
            assert bound in {Fraction(each) for each in numbers_of(name, clause_id, unit)}, (name, clause_id)
            tried += 1
            continue
        clause = clause_of(name, clause_id)
        compared = [atom for atom in atoms(clause.when) if isinstance(atom, Compare)]
        # A third is no decimal: three times the quantity is compared with three times the bound.
        factor = 1 if bound.denominator in {1, 5} else 3
        zero = rule_id == "eu-modifier-share"  # three times the part less the whole, against nothing
        asked = [atom for atom in compared if zero or (Fraction(atom.bound) == bound * factor and atom.unit == unit)]
        assert asked, (name, clause_id)
        step = Fraction(1) if bound >= 10 else Fraction(1, 10**6)
        for value in (bound - step, bound, bound + step):
            if value < 0:
                continue  # no quantity of the table can be
            meets = COMPARATORS[rule["comparator"]](value, bound)
            expected = meets != (rule["kind"] in STATES_A_BREACH)
            shown = exact(value * factor - (1 if zero else 0))
            values = {atom.what: satisfying(atom) for atom in compared} | {atom.what: shown for atom in asked}
            assert outcome(name, clause, values) == ("triggered" if expected else "held"), (name, clause_id, value)
            tried += 1
    assert tried


def exact(value: Fraction) -> Decimal:
    """The decimal that it is: three times a third is no fraction any more."""
    shown = Decimal(value.numerator) / Decimal(value.denominator)
    assert Fraction(shown) == value
    return shown


def numbers_of(name: str, clause: str, unit: str) -> list[int]:
    """The durations of a duty or of withdrawal, in the table's unit."""
    terms = ACCORDS[name]
    if clause == "withdrawal.notice":
        assert terms.withdrawal_notice_s is not None
        months = terms.withdrawal_notice_s // DAY_S
        return [12] if 365 < months <= 366 else [months]
    duty = next(each for each in terms.duties if f"duties.{each.id}" == clause)
    if duty.on_request is not None:
        most = duty.on_request.most
        assert most is not None
        assert most.every_s == 365 * DAY_S
        return [duty.on_request.within_s // 3_600 if unit == "h" else most.number]
    assert unit == "d"
    assert isinstance(duty.by, AfterEntry)
    return [duty.by.delay_s // DAY_S, (duty.every_s or 0) // DAY_S]


def test_appendix_d_asks_of_each_size_what_the_table_says():
    """Clusters larger than that many H100e, by that day."""
    rules = table()
    duties = {each.id: each for each in ACCORDS["miri-2025"].duties}
    for size in (10_000, 1_000, 100, 16):
        duty = duties[f"app-d-{size}"]
        assert str(size) in rules[f"miri-app-d-{size}"]["note"]
        assert duty.register_above == size * H100E_FLOP_S


def test_one_h100_equivalent_is_the_tables_processing_performance():
    """15,840 TPP: FLOP/s at 16 bits, in TFLOP/s, times the bits."""
    assert Decimal(table()["miri-ii.15"]["threshold"]) == H100E_FLOP_S / Decimal("1e12") * 16


def test_exactly_1e22_is_neither_exempt_nor_monitored_and_asks_for_a_ruling():
    """Below: no clause is met. Above: approval of two. At it: the coordinating body's approval, and no guess."""
    assert table()["miri-iv.3"]["threshold"] == table()["miri-ii.10"]["threshold"] == "1e22"
    for step, met in ((-1, set()), (0, {"limits.exactly-1e22"}), (1, {"limits.monitored", "checkpoints.whitelist"})):
        flop = Decimal(10**22 + step)
        found = {
            clause.id for clause in clauses_of(ACCORDS["miri-2025"])
            if clause.id.startswith(("limits.", "checkpoints."))
            and outcome("miri-2025", clause, {"run.planned_flop": flop, "run.spent_flop": Decimal(0)}) == "triggered"
        }  # fmt: skip
        assert found == met
    limits = {limit.id: limit for limit in ACCORDS["miri-2025"].limits}
    assert limits["exactly-1e22"].need is not None
    assert limits["exactly-1e22"].need.approval_of == ("ctb",)


def test_both_named_inspectorates_approve_a_declared_run_and_not_any_two():
    """Two of two, named."""
    assert table()["miri-iv.2b-approval"]["threshold"] == "2"
    for name, clause in expressed()["miri-iv.2b-approval"]:
        need = next(limit for limit in ACCORDS[name].limits if f"limits.{limit.id}" == clause).need
        assert need is not None
        assert need.declaration
        assert set(need.approval_of) == {"us-inspectorate", "prc-inspectorate"}
    assert expressed()["miri-iv.2a"] == expressed()["miri-iv.2b-approval"]


def test_a_pause_order_stands_until_it_is_lifted():
    """It does not lapse, and whom it stops runs nothing."""
    assert table()["miri-iv.2e"]["comparator"] == "stopped_until_lifted"
    terms = ACCORDS["miri-2025"]
    assert terms.pause.longest_s is None
    order = terms.trigger("pause-order")
    assert order is not None
    assert (order.then, order.when) == ("pause", Votes(("ctb",), 1))


def test_one_chip_without_a_certificate_is_one_too_many():
    """Each chip needs its certificate."""
    assert table()["miri-v.7"]["threshold"] == "1"
    clause = clause_of("miri-2025", "triggers.decommission")
    states = [outcome("miri-2025", clause, {"chips_gone_without_certificate": Decimal(n)}) for n in (0, 1)]
    assert states == ["held", "triggered"]


def test_accords_are_read_from_the_folder_beside_the_tests():
    """The texts under test are this repository's."""
    assert {path.parent for path in library()} == {Path(__file__).parents[2] / "accords"}
