"""A run's operations from every method that was given, what came before it, and what the rules compare: one ``Result``.

Decides how methods combine. Numbered as ``spec/measure-compute.md`` §5.

1. From configuration: from ``6·N·D`` of the stages (attention left out) to everything executed with attention in full.
2. From counters: at least what was counted; they see no kernel that they do not know. A counter with an upper end gives both.
3. From device time: between the utilisations that were declared.
4. The result runs from the least lower end to the greatest upper end of the methods that give both. One that gives a single
   end takes the other from nobody: device time without a declared utilisation is a ceiling, and counts where nothing else gives one.
   What a counter saw is certain: it raises the lower end. A lower end above the upper one makes that unknown.
5. Methods whose intervals do not meet are an alarm: one of the declarations is wrong, or work is missing from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.base.digest import sha256_hex
from detente.base.quantity import ZERO, Interval, add_exactly, show_decimal
from detente.lineage.graph import Graph, VersionNode
from detente.measure.compute.declaration import Run
from detente.measure.compute.hardware import operations
from detente.measure.compute.rules import Judged, Rule, judge, ratio
from detente.measure.compute.stages import Count, Stage, count
from detente.measure.indicator import EvidenceClass, Indicator, Ledger, Remark, Result
from detente.measure.report.wording import show_interval
from detente.statement.change import ProposedBy

_LABELS: Final = {"configuration": "from configuration", "counters": "from counters", "hardware": "from device time"}
_CLASSES: Final[Mapping[str, EvidenceClass]] = {
    "configuration": "declared",
    "counters": "metered",
    "hardware": "declared",
}
_METHODS: Final = {
    "configuration": "6ND of each stage, to all operations executed with attention in full and recomputation",
    "counters": "operators counted while they ran; a lower bound unless the counter gave an upper end",
    "hardware": "devices × hours × 3600 × dense peak × declared utilisation; a ceiling where none is declared",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One method's row: of one stage, counter or device time."""

    method: str
    item: str
    dtype: str
    value: Interval


def measure_compute(
    run: Run, rules: Sequence[Rule] = (), *, subject: str = "", inputs: Mapping[str, str] | None = None
) -> Result:
    """The result for a declared run, compared with ``rules``; ``inputs`` names the files read, with their digests."""
    counts = [(stage, count(stage)) for stage in run.stages]
    rows = [
        *(Estimate(method="configuration", item=s.name, dtype=s.dtype, value=_span(c)) for s, c in counts),
        *(
            Estimate(method="counters", item=c.source, dtype=c.dtype, value=Interval(c.operations, c.most))
            for c in run.counters
        ),
        *(
            Estimate(
                method="hardware", item=f"{h.devices} × {h.device}, {h.hours} h", dtype=h.dtype, value=operations(h)
            )
            for h in run.hardware
        ),
    ]
    by_method = {method: _total(r.value for r in rows if r.method == method) for method in _LABELS}
    given = {method: value for method, value in by_method.items() if value is not None}
    own, remarks = _combined(given)
    cumulative, original = _lineage(run, own)
    judged = judge(rules, own=own, cumulative=cumulative, original=original, original_systemic=run.original_systemic)
    classes: EvidenceClass = "metered" if set(given) == {"counters"} else "declared"
    indicators = [
        _flop("compute.flop", "FLOP of this run", own, classes, "union of the methods below", len(rows), "methods"),
        *(
            _flop(f"compute.flop.{m}", f"… {_LABELS[m]}", v, _CLASSES[m], _METHODS[m], _n(rows, m), "methods")
            for m, v in given.items()
        ),
        *_by_dtype(rows),
        _flop(
            "compute.cumulative_flop",
            "FLOP with all it came from",
            cumulative,
            "declared",
            "own FLOP and that of every ancestor: spec/lineage.md §2",
            1 + len(run.lineage),
            "lineage" if run.lineage else "methods",
        ),
    ]
    if original is not None:
        indicators.append(
            Indicator(
                name="compute.modification_ratio",
                label="this run ÷ what it started from",
                low=ratio(own, original).low,
                high=ratio(own, original).high,
                unit="ratio",
                method="own FLOP over the cumulative FLOP of the parents, rounded outwards",
                evidence_class="declared",
                n=len(run.parents),
                ledger="lineage",
            )
        )
    ledgers = [_methods_ledger(rows), *_formula_ledger(counts), *_lineage_ledger(run), _rules_ledger(judged)]
    return Result(
        "compute",
        subject=subject or run.name,
        indicators=tuple(indicators),
        remarks=(*remarks, *_open_ends(run), *map(_rule_remark, judged)),
        ledgers=tuple(ledgers),
        inputs=dict(inputs or {}),
        parameters={"attention": "half and within windows, to full", "multiply-add": "2 operations"},
    )


def _combined(given: Mapping[str, Interval]) -> tuple[Interval, list[Remark]]:
    """Steps 4 and 5."""
    counted = given.get("counters")
    sure = counted.low if counted is not None else None
    lows = [v.low for m, v in given.items() if v.low is not None and (m != "counters" or v.high is not None)]
    highs = [v.high for v in given.values() if v.high is not None and v.low is not None]
    caps = [v.high for v in given.values() if v.high is not None and v.low is None]
    low = min(lows) if lows else sure
    if low is not None and sure is not None:
        low = max(low, sure)
    high = max(highs) if highs else min(caps, default=None)
    if high is not None and any(v.low is not None and v.low > high for v in given.values()):
        high = None
    remarks: list[Remark] = []
    named = sorted(given.items())
    for position, (first, one) in enumerate(named):
        for second, other in named[position + 1 :]:
            for below, above, less, more in ((first, second, one, other), (second, first, other, one)):
                if less.high is not None and more.low is not None and less.high < more.low:
                    factor = ", more than" if less.high == 0 else f", {float(more.low / less.high):.3g} times"
                    remarks.append(
                        Remark(
                            "methods-disagree",
                            "alarm",
                            f"{_LABELS[above]} it was {show_interval(Interval(more.low, None), 'FLOP')}{factor} what {_LABELS[below]} is "
                            f"possible ({show_interval(Interval(None, less.high), 'FLOP')}): one is wrong, or work is missing from it",
                            "methods",
                        )
                    )
    return Interval(low, high), remarks


def _lineage(run: Run, own: Interval) -> tuple[Interval, Interval | None]:
    """Cumulative FLOP of the run, and of what it started from (``None`` if from nothing)."""
    graph = Graph()
    ids = {name: sha256_hex(f"compute/{name}".encode()) for name in run.lineage}
    for name, ancestor in run.lineage.items():
        parents = frozenset(ids[parent] for parent in ancestor.parents)
        ends = {ancestor.own_flop.low, ancestor.own_flop.high}
        for flop in ends if ancestor.own_flop.high is not None else {None}:
            graph.add(VersionNode(ids[name], parents, ProposedBy("undeclared"), frozenset(), flop))
    parents_of_run = [ids[parent] for parent in run.parents]
    cumulative = graph.cumulative_flop_from(parents_of_run, own)
    if not parents_of_run:
        return cumulative, None
    return cumulative, graph.cumulative_flop_from(parents_of_run, Interval(ZERO, ZERO))


def _span(counted: Count) -> Interval:
    return Interval(counted.weights, counted.executed_most)


def _total(values: Iterable[Interval]) -> Interval | None:
    found = list(values)
    if not found:
        return None
    lows, highs = [v.low for v in found if v.low is not None], [v.high for v in found if v.high is not None]
    return Interval(
        add_exactly(lows) if len(lows) == len(found) else None,
        add_exactly(highs) if len(highs) == len(found) else None,
    )


def _by_dtype(rows: list[Estimate]) -> list[Indicator]:
    found: dict[str, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.dtype][row.method].append(row.value)
    indicators = []
    for dtype, methods in sorted(found.items()):
        totals = {method: total for method, values in methods.items() if (total := _total(values)) is not None}
        value, _ = _combined(totals)
        word = "".join(char if char.isalnum() else "-" for char in dtype)[:40]
        indicators.append(
            _flop(
                f"compute.operations.{word}",
                f"raw operations in {dtype}",
                value,
                "declared" if set(totals) != {"counters"} else "metered",
                "union of the methods, this number format alone; never converted",
                sum(map(len, methods.values())),
                "methods",
            )
        )
    return indicators


def _flop(
    name: str, label: str, value: Interval, evidence: EvidenceClass, method: str, n: int, ledger: str
) -> Indicator:
    return Indicator(
        name=name,
        label=label,
        low=value.low,
        high=value.high,
        unit="FLOP",
        method=method,
        evidence_class=evidence,
        n=n,
        ledger=ledger,
    )


def _n(rows: list[Estimate], method: str) -> int:
    return sum(row.method == method for row in rows)


def _open_ends(run: Run) -> list[Remark]:
    remarks = []
    if blind := [s.name for s in run.stages if count(s).executed_most is None]:
        remarks.append(
            Remark(
                "attention-unknown",
                "warning",
                f"no upper end from configuration: layers, width or context are not declared for {', '.join(blind)}",
                "methods",
            )
        )
    if guessed := [s.name for s in run.stages if s.recompute == "undeclared" and s.kind != "synthetic"]:
        remarks.append(
            Remark(
                "recomputation-undeclared",
                "note",
                f"the upper end counts full recomputation, which is not declared for {', '.join(guessed)}",
                "methods",
            )
        )
    if any(h.least == 0 for h in run.hardware):
        remarks.append(
            Remark(
                "utilisation-undeclared",
                "note",
                "utilisation is not declared: device time says only what could at most have been done",
                "methods",
            )
        )
    return remarks


def _rule_remark(judged: Judged) -> Remark:
    rule = judged.rule
    weight = "warning" if judged.outcome != "not exceeded" else "note"
    return Remark(
        rule.name,
        "warning" if weight == "warning" else "note",
        f"{rule.document}, {rule.clause} ({rule.shown}): {judged.outcome}; the text: {rule.says}",
        "rules",
    )


def _methods_ledger(rows: list[Estimate]) -> Ledger:
    return Ledger(
        "methods",
        "Operations by method and item",
        ("item", "method", "dtype", "at least", "at most"),
        tuple((r.item, _LABELS[r.method], r.dtype, _shown(r.value.low), _shown(r.value.high)) for r in rows),
    )


def _formula_ledger(counts: list[tuple[Stage, Count]]) -> list[Ledger]:
    if not counts:
        return []
    rows = tuple(
        (
            stage.name,
            _shown(c.weights),
            _shown(c.model_least),
            _shown(c.model_most),
            _shown(c.executed_least),
            _shown(c.executed_most),
        )
        for stage, c in counts
    )
    columns = ("stage", "6ND", "with attention, least", "6ND + 12LTdD", "executed, least", "executed, most")
    return [Ledger("formulas", "What the formulas give for each stage", columns, rows)]


def _lineage_ledger(run: Run) -> list[Ledger]:
    if not run.lineage:
        return []
    rows = tuple(
        (name, _shown(a.own_flop.low), _shown(a.own_flop.high), ", ".join(a.parents), name in run.parents)
        for name, a in run.lineage.items()
    )
    columns = ("model", "own FLOP, at least", "own FLOP, at most", "parents", "parent of this run")
    return [Ledger("lineage", "What the run came from, as declared", columns, rows)]


def _rules_ledger(judged: tuple[Judged, ...]) -> Ledger:
    rows = tuple((j.rule.name, j.rule.document, j.rule.clause, j.rule.shown, str(j.value), j.outcome) for j in judged)
    columns = ("rule", "document", "clause", "threshold", "compared", "outcome")
    return Ledger("rules", "Rules that compare with this number", columns, rows)


def _shown(value: Decimal | None) -> str | None:
    return None if value is None else show_decimal(value)
