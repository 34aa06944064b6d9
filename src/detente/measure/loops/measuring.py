"""The result of ``detente measure lineage``: depths, what was spent since the last approval, rates, and the evidence.

Decides which numbers are given and how each is called. Leaves out how loops are read (one module each), the graph's own
rules (``lineage``), and pictures (``tree_picture``).

1. Depths are those of ``lineage``, over every version that the loop did not drop, and of the best version.
2. ``in_record`` counts from the first version of each record, as if a human had made it: what the record itself shows.
   The plain depth has no upper end where nobody says who made the first version.
3. No loop records approvals: what is not recorded is not missing, so lower ends are 0 unless somebody states
   ``--approvals``. The remark ``if-unapproved`` says what the lower end is if nobody approved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.base.digest import Digest
from detente.base.quantity import ZERO, Interval, show_decimal
from detente.lineage.depth import DepthInterval, Depths, Measure
from detente.lineage.since import SinceApproval, greatest_since
from detente.measure.indicator import EvidenceClass, Exclusion, Indicator, Ledger, Remark, Result, Series, weakest
from detente.measure.loops.approvals import resolve_approvals
from detente.measure.loops.progress import best_version, progress_of
from detente.measure.loops.record import Loop
from detente.measure.loops.weaving import Woven
from detente.statement.measurement import About

LEDGER: Final = "versions"
CHAIN: Final = "chain"
_DAY_S: Final = Decimal(86_400)
_NOBODY_KNOWS: Final = SinceApproval(Interval(ZERO, None), Interval(ZERO, None), Interval(ZERO, None))
_AI: Final = (
    "longest chain of successive versions, each proposed by any model, changing training, architecture or evaluation, "
    "with no significant human approval between; spec/lineage.md §3"
)
_SELF: Final = "the same with every proposer an ancestor of, or the same as, what it changed; spec/lineage.md §3"
_SINCE: Final = "spec/lineage.md §4, greatest over the ends of all chains"


@dataclass(frozen=True, slots=True)
class Judged:
    """A woven graph with what is known of approvals, and the depths that follow; ``stated`` if somebody said some."""

    woven: Woven
    approved: Mapping[Digest, bool | None]
    depths: Depths
    in_record: Depths
    kept: tuple[Digest, ...]
    stated: bool = False

    def chain(self) -> tuple[Digest, ...]:
        """The chain that attains the AI-proposed depth, as far as the record shows it; oldest first."""
        return self.in_record.greatest("ai_proposed", self.kept).chain


def judge(woven: Woven, approvals: Mapping[str, bool | None]) -> Judged:
    """Join the graph with what somebody says about approvals; raises ``Refused`` I07."""
    stated = {digest: version.approved for digest, version in woven.versions.items() if version.approved is not None}
    approved = {**stated, **resolve_approvals(approvals, woven.named())}
    return Judged(
        woven,
        approved,
        Depths(woven.graph, significant=approved.get),
        Depths(woven.graph, significant=approved.get, answered=woven.roots),
        tuple(digest for digest in woven.order if woven.versions[digest].kept is not False),
        bool(approvals),
    )


def measure_loops(judged: Judged, *, subject: str, approvals: str) -> Result:
    """The whole result; ``approvals`` says in words where approvals come from."""
    woven = judged.woven
    stated: list[EvidenceClass] = ["declared"] if judged.stated else []
    evidence = weakest([*(loop.evidence for loop in woven.loops), *stated])
    indicators = [*_depths(judged, evidence), *_since(judged, evidence), *_counts(woven, evidence)]
    series: list[Series] = []
    for loop in woven.loops:
        indicators += _rates(woven, loop)
        if (progress := progress_of(woven, loop)) is not None:
            series.append(progress.series)
    return Result(
        "lineage",
        subject=subject,
        indicators=tuple(indicators),
        remarks=tuple(_remarks(judged)),
        exclusions=tuple(_exclusions(woven)),
        ledgers=(_ledger(judged), _chain_ledger(judged)),
        series=tuple(series),
        inputs={name: digest for loop in woven.loops for name, digest in loop.inputs.items()},
        parameters={
            "approvals": approvals,
            **{f"loop {number}": f"{loop.kind}: {loop.name}" for number, loop in enumerate(woven.loops, 1)},
            **{f"rules of {loop.kind}": "; ".join(loop.rules) for loop in woven.loops if loop.rules},
        },
    )


def _depths(judged: Judged, evidence: EvidenceClass) -> Iterator[Indicator]:
    measures: tuple[tuple[Measure, str, str], ...] = (
        ("ai_proposed", "AI-proposed depth", _AI),
        ("self", "self depth", _SELF),
    )
    best = {digest for loop in judged.woven.loops if (digest := best_version(judged.woven, loop)) is not None}
    for measure, label, method in measures:
        name = f"lineage.{measure}_depth"
        yield _depth(name, label, method, judged.depths.greatest(measure, judged.kept), evidence, len(judged.kept))
        counted = f"{method}; counted from the first version of each record"
        found = judged.in_record.greatest(measure, judged.kept)
        yield _depth(f"{name}.in_record", f"{label}, in the record", counted, found, evidence, len(judged.kept))
        if best:
            found = judged.in_record.greatest(measure, sorted(best))
            about = About(version=min(best)) if len(best) == 1 else None
            yield _depth(
                f"{name}.best", f"{label} of the best, in the record", counted, found, evidence, len(best), about
            )


def _depth(
    name: str,
    label: str,
    method: str,
    depth: DepthInterval,
    evidence: EvidenceClass,
    n: int | None,
    about: About | None = None,
) -> Indicator:
    high = None if depth.high is None or not n else Decimal(depth.high)  # no version proves nothing
    return Indicator(
        name=name,
        low=_at_least(Decimal(depth.low), high),
        high=high,
        unit="versions",
        method=method,
        evidence_class=evidence,
        label=label,
        n=n,
        ledger=CHAIN if name.endswith(".in_record") else LEDGER,
        about=about,
    )


def _since(judged: Judged, evidence: EvidenceClass) -> Iterator[Indicator]:
    graph = judged.woven.graph
    for suffix, words, depths in (("", "", judged.depths), (".in_record", ", in the record", judged.in_record)):
        found = greatest_since(graph, depths, judged.kept) if judged.kept else _NOBODY_KNOWS
        rows = (
            ("days", "time", _days(found.time_s), "days"),
            ("flop", "FLOP", found.flop, "FLOP"),
            ("changed_lines", "changed lines", found.changed_lines, "lines"),
        )
        for key, label, value, unit in rows:
            yield Indicator(
                name=f"lineage.since_approval.{key}{suffix}",
                low=_at_least(value.low, value.high),
                high=value.high,
                unit=unit,
                method=_SINCE if not suffix else f"{_SINCE}; counted from the first version of each record",
                evidence_class=evidence,
                label=f"{label} since the last significant approval{words}",
                n=len(judged.kept),
                ledger=LEDGER,
            )


def _at_least(low: Decimal | None, high: Decimal | None) -> Decimal | None:
    """At least nothing and nobody knows how much at most: not known, and not a number that looks like one."""
    return None if high is None and low == 0 else low


def _days(seconds: Interval) -> Interval:
    def days(value: Decimal | None) -> Decimal | None:
        return None if value is None else (value / _DAY_S).quantize(Decimal("0.000001"))

    return Interval(days(seconds.low), days(seconds.high))


def _counts(woven: Woven, evidence: EvidenceClass) -> Iterator[Indicator]:
    attempts = [loop.attempts for loop in woven.loops if loop.attempts is not None]
    kept = sum(version.kept is True for version in woven.versions.values())
    unsure = sum(version.kept is None for version in woven.versions.values())
    rows = [
        ("versions", "versions recorded", len(woven.versions), len(woven.versions)),
        ("kept", "versions kept, the first included", kept, kept + unsure),
    ]
    if attempts:
        rows.append(("attempts", "experiments listed", sum(attempts), sum(attempts)))
    for key, label, low, high in rows:
        yield Indicator(
            name=f"lineage.{key}",
            low=Decimal(low),
            high=Decimal(high),
            unit="count",
            method="counted in the record",
            evidence_class=evidence,
            label=label,
            ledger=LEDGER,
        )


def _rates(woven: Woven, loop: Loop) -> Iterator[Indicator]:
    progress = progress_of(woven, loop)
    if progress is None:
        return
    flop = woven.graph.cumulative_flop(progress.best_version)
    per_version, per_day = progress.per_version, progress.per_day
    rows: list[tuple[str, str, Decimal | None, Decimal | None, str]] = [
        ("score_first", f"first {loop.score_name}", progress.first, progress.first, loop.score_name),
        ("score_best", f"best {loop.score_name}", progress.best, progress.best, loop.score_name),
    ]
    if per_version is not None:
        rows.append(("gain_per_version", "improvement per version", per_version, per_version, "per version"))
    if per_day is not None:
        rows.append(("gain_per_day", "improvement per day", per_day.low, per_day.high, "per day"))
    rows.append(("cumulative_flop", "cumulative FLOP of the best", _at_least(flop.low, flop.high), flop.high, "FLOP"))
    for key, label, low, high, unit in rows:
        yield Indicator(
            name=f"lineage.{key}",
            low=low,
            high=high,
            unit=unit[:64],
            method=f"{loop.kind}: scores as recorded, {loop.direction} is better; spec/measure-lineage.md §4",
            evidence_class="recorded",
            label=label if len(woven.loops) == 1 else f"{loop.name}: {label}",
            n=progress.scored,
            ledger=LEDGER,
        )


def _remarks(judged: Judged) -> Iterator[Remark]:
    woven = judged.woven
    for loop in woven.loops:
        yield from loop.remarks
    unsaid = sum(judged.approved.get(digest) is None for digest in judged.kept)
    if unsaid:
        nobody = Depths(woven.graph, significant=lambda each: bool(judged.approved.get(each)), answered=woven.roots)
        measures: tuple[Measure, ...] = ("ai_proposed", "self")
        deepest = {measure: nobody.greatest(measure, judged.kept).low for measure in measures}
        text = (
            f"nobody says whether a human approved {unsaid} of {len(judged.kept)} versions; if nobody did, the AI-proposed "
            f"depth in the record is at least {deepest['ai_proposed']} and the self depth at least {deepest['self']} "
            "(--approvals none states it)"
        )
        yield Remark("if-unapproved", "note", text, LEDGER)
    if woven.missing:
        some = ", ".join(sorted(woven.missing.values())[:3])
        text = f"{len(woven.missing)} parents are named and not recorded ({some}): upper ends below them are unknown"
        yield Remark("missing-parents", "warning", text, LEDGER)
    if woven.circles:
        text = f"{len(woven.circles)} versions are their own ancestors: their upper ends are unknown"
        yield Remark("circle", "alarm", text, LEDGER)
    undeclared = sum(not version.touches for digest, version in woven.versions.items() if digest not in woven.roots)
    if undeclared:
        text = (
            f"{undeclared} versions do not say whether they touch training, architecture or evaluation: upper ends count "
            "them, lower ends do not (--touches states it)"
        )
        yield Remark("touches-undeclared", "note", text, LEDGER)


def _exclusions(woven: Woven) -> Iterator[Exclusion]:
    for loop in woven.loops:
        yield from loop.exclusions
    if woven.told_twice:
        yield Exclusion(
            "claims", "about a version already told; merged, and widened where they differ", woven.told_twice
        )


def _ledger(judged: Judged) -> Ledger:
    woven = judged.woven
    columns = (
        "version",
        "loop",
        "id",
        "parents",
        "proposed by",
        "touches",
        "generation",
        "status",
        "kept",
        "score",
        "approved",
        "steps at most",
        "AI-proposed depth, in the record",
        "self depth, in the record",
        "time from",
        "time to",
        "changed lines",
    )
    rows = []
    for digest in woven.order:
        version = woven.versions[digest]
        rows.append(
            (
                digest,
                woven.loop_of[digest].kind,
                version.id,
                " ".join(parent[:12] for parent in woven.parents[digest]),
                version.proposer if version.proposed_by is None else f"model {version.proposed_by}",
                " ".join(sorted(version.touches)),
                version.generation,
                version.status,
                version.kept,
                None if version.score is None else show_decimal(version.score),
                judged.approved.get(digest),
                version.steps,
                _interval(*judged.in_record.ends("ai_proposed", digest)),
                _interval(*judged.in_record.ends("self", digest)),
                _second(version.time.low),
                _second(version.time.high),
                version.changed_lines,
            )
        )
    return Ledger(LEDGER, "Versions, parents first", columns, tuple(rows))


def _interval(low: int, high: int | None) -> str:
    return str(DepthInterval(low, high, ()))


def _second(value: Decimal | None) -> str | None:
    return None if value is None else show_decimal(value)


def _chain_ledger(judged: Judged) -> Ledger:
    woven = judged.woven
    rows: Sequence[tuple[str, str, str, str]] = [
        (digest, woven.loop_of[digest].kind, woven.versions[digest].id, woven.versions[digest].status)
        for digest in judged.chain()
        if digest in woven.versions
    ]
    title = "The longest chain of the AI-proposed depth, as far as the record shows it, oldest first"
    return Ledger(CHAIN, title, ("version", "loop", "id", "status"), tuple(rows))
