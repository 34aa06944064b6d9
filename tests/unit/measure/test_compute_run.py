"""A declared run becomes one result: methods joined, disagreement said, lineage summed, rules compared."""

from decimal import Decimal

import pytest

from detente.app.measuring.published_rules import published_rules
from detente.base.errors import Refused
from detente.measure.compute.declaration import FORMAT, parse_run
from detente.measure.compute.estimate import measure_compute

STAGE = {
    "kind": "training",
    "tokens": "1e9",
    "context": "16",
    "dtype": "bf16",
    "recompute": "none",
    "model": {"parameters": "1e6", "layers": "2", "width": "8"},
}
LOW, HIGH = 6 * 10**15, 6 * 10**15 + 12 * 2 * 16 * 8 * 10**9
MINIMAL = {"format": FORMAT, "run": "x"}


def _measure(**members):
    return measure_compute(parse_run({**MINIMAL, **members}), published_rules())


def _value(result, name):
    return next(i for i in result.indicators if i.name == name)


def _kinds(result):
    return [remark.kind for remark in result.remarks]


def test_configuration_alone_spans_from_six_nd_to_all_that_ran():
    """The lower end leaves attention out, the upper one counts it in full."""
    flop = _value(_measure(stages=[STAGE]), "compute.flop")
    assert (flop.low, flop.high, flop.evidence_class) == (LOW, HIGH, "declared")


def test_methods_that_agree_are_joined():
    """From the least lower end to the greatest upper one."""
    hardware = {"device": "h100-sxm", "devices": "1", "hours": "0.01", "dtype": "bf16", "utilisation": ["0.1", "0.3"]}
    result = _measure(stages=[STAGE], hardware=[hardware])
    flop = _value(result, "compute.flop")
    assert (flop.low, flop.high) == (Decimal(36) * Decimal("989.5e12") / 10, Decimal(36) * Decimal("989.5e12") * 3 / 10)
    assert "methods-disagree" not in _kinds(result)


def test_methods_that_do_not_meet_are_an_alarm():
    """Ten times the device time that the configuration needs: somebody should ask what it did."""
    hardware = {"device": "h100-sxm", "devices": "1", "hours": "0.1", "dtype": "bf16", "utilisation": ["0.3", "0.5"]}
    result = _measure(stages=[STAGE], hardware=[hardware])
    remark = next(r for r in result.remarks if r.kind == "methods-disagree")
    assert remark.weight == "alarm"
    assert "17.8 times what" in remark.text


def test_a_counter_raises_the_lower_end_only():
    """It saw at least that much, and may have missed some."""
    counters = [{"operations": str(LOW + 7), "dtype": "bf16", "source": "test"}]
    flop = _value(_measure(stages=[STAGE], counters=counters), "compute.flop")
    assert (flop.low, flop.high) == (LOW + 7, HIGH)


def test_more_counted_than_declared_leaves_no_upper_end():
    """The declaration is wrong, so it bounds nothing."""
    counters = [{"operations": str(HIGH + 1), "dtype": "bf16", "source": "test"}]
    result = _measure(stages=[STAGE], counters=counters)
    flop = _value(result, "compute.flop")
    assert (flop.low, flop.high) == (HIGH + 1, None)
    assert "methods-disagree" in _kinds(result)


def test_device_time_without_utilisation_is_only_a_ceiling():
    """It narrows nothing, and alone it gives an upper end and no lower."""
    hardware = [{"device": "a100-sxm", "devices": "8", "hours": "10", "dtype": "bf16"}]
    alone, both = _measure(hardware=hardware), _measure(stages=[STAGE], hardware=hardware)
    assert _value(alone, "compute.flop").low is None
    assert _value(alone, "compute.flop").high == Decimal(8 * 36000) * Decimal("312e12")
    assert (_value(both, "compute.flop").low, _value(both, "compute.flop").high) == (LOW, HIGH)


def test_number_formats_stay_apart():
    """Raw operations per format; nothing is converted."""
    result = _measure(stages=[STAGE, {**STAGE, "dtype": "fp8", "name": "second"}])
    for dtype in ("bf16", "fp8"):
        value = _value(result, f"compute.operations.{dtype}")
        assert (value.low, value.high) == (LOW, HIGH)
    assert _value(result, "compute.flop").high == 2 * HIGH


def test_what_is_not_declared_of_the_shape_leaves_no_upper_end():
    """6·N·D is a lower bound where layers, width or context are missing."""
    result = _measure(stages=[{**STAGE, "model": {"parameters": "1e6"}}])
    assert _value(result, "compute.flop").high is None
    assert "attention-unknown" in _kinds(result)


def test_flop_are_cumulative_over_the_lineage():
    """Own and that of every ancestor; an ancestor's interval widens the sum."""
    result = _measure(
        stages=[STAGE],
        parents=["tuned"],
        lineage={"tuned": {"flop": ["1e15", "2e15"], "parents": ["base"]}, "base": {"flop": "5e18"}},
    )
    cumulative = _value(result, "compute.cumulative_flop")
    assert (cumulative.low, cumulative.high) == (LOW + 10**15 + 5 * 10**18, HIGH + 2 * 10**15 + 5 * 10**18)


def test_an_ancestor_not_known_leaves_no_upper_end():
    """A missing number is not zero."""
    result = _measure(stages=[STAGE], parents=["base"], lineage={"base": {"flop": "unknown"}})
    assert _value(result, "compute.cumulative_flop").high is None
    assert {row[0]: row[5] for row in result.ledger("rules").rows} == {
        "eu-gpai-indicative": "cannot be told",
        "eu-gpai-systemic": "cannot be told",
        "ca-sb53-frontier": "cannot be told",
        "eu-modifier-unknown": "not exceeded",
    }


def test_a_circle_in_the_lineage_cannot_lower_anything():
    """Ancestors that claim to come from each other have no upper end."""
    lineage = {"a": {"flop": "1e9", "parents": ["b"]}, "b": {"flop": "1e9", "parents": ["a"]}}
    assert _value(_measure(stages=[STAGE], parents=["a"], lineage=lineage), "compute.cumulative_flop").high is None


@pytest.mark.parametrize(
    ("original", "outcome"),
    [
        (3 * LOW - 1, "exceeded"),
        (3 * LOW, "cannot be told"),
        (3 * HIGH - 1, "cannot be told"),
        (3 * HIGH, "not exceeded"),
    ],
)
def test_the_third_rule_uses_both_ends(original, outcome):
    """Exceeded only if even the least is above, not exceeded only if even the most is not."""
    result = _measure(stages=[STAGE], parents=["base"], lineage={"base": {"flop": str(original)}})
    assert result.ledger("rules").rows[-1][5] == outcome


def test_every_number_leads_to_rows():
    """Each indicator names a ledger of the result that has rows."""
    result = _measure(stages=[STAGE], parents=["base"], lineage={"base": {"flop": "1"}})
    assert all(result.ledger(indicator.ledger).rows for indicator in result.indicators)


WRONG = [
    ("Q01", [], "malformed"),
    ("Q01", {"format": "detente-compute/2", "run": "x", "stages": [STAGE]}, "malformed"),
    ("Q02", {**MINIMAL, "stages": [{**STAGE, "token": "1"}]}, "unknown-field"),
    ("Q02", {**MINIMAL, "stages": [STAGE], "hardwares": []}, "unknown-field"),
    ("Q03", {**MINIMAL, "stages": [{**STAGE, "tokens": "many"}]}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [{**STAGE, "tokens": "-1"}]}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [{**STAGE, "tokens": "nan"}]}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [{**STAGE, "tokens": 1e9}]}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [{**STAGE, "tokens": "1e41"}]}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [{**STAGE, "kind": "dreaming"}]}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": "one"}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [STAGE] * 1001}, "wrong-type"),
    ("Q03", {**MINIMAL, "stages": [STAGE], "lineage": {"a": {"flop": ["2", "1"]}}}, "wrong-type"),
    (
        "Q03",
        {**MINIMAL, "hardware": [{"device": "x", "devices": "1", "hours": "1", "utilisation": "40"}]},
        "wrong-type",
    ),
    ("Q03", {**MINIMAL, "counters": [{"operations": "2", "operations_most": "1", "source": "s"}]}, "wrong-type"),
    ("Q04", MINIMAL, "malformed"),
    ("Q04", {**MINIMAL, "stages": [{**STAGE, "model": None}]}, "malformed"),
    ("Q04", {**MINIMAL, "stages": [{**STAGE, "kind": "reinforcement"}]}, "malformed"),
    ("Q04", {**MINIMAL, "stages": [{**STAGE, "kind": "adapter"}]}, "malformed"),
    ("Q04", {**MINIMAL, "stages": [{**STAGE, "kind": "distillation", "teacher_tokens": "1"}]}, "malformed"),
    ("Q04", {**MINIMAL, "stages": [STAGE], "parents": ["base"]}, "malformed"),
    ("Q04", {**MINIMAL, "stages": [{**STAGE, "model": {"parameters": "1", "layers": "2"}}]}, "malformed"),
]


@pytest.mark.parametrize(("rule", "tree", "kind"), WRONG, ids=range(len(WRONG)))
def test_a_declaration_that_is_not_one_is_refused(rule, tree, kind):
    """By number, and nothing of it is used."""
    with pytest.raises(Refused) as refused:
        parse_run(tree)
    assert (refused.value.rule, refused.value.kind) == (rule, kind)


def test_a_device_without_a_known_peak_is_refused():
    """Q08; with ``peak_flop_s`` declared it is not."""
    spent = {"device": "abacus", "devices": "1", "hours": "1", "dtype": "bf16", "utilisation": "1"}
    with pytest.raises(Refused) as refused:
        _measure(hardware=[spent])
    assert refused.value.rule == "Q08"
    assert _value(_measure(hardware=[{**spent, "peak_flop_s": "2"}]), "compute.flop").low == 7200
