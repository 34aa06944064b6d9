"""Turn the sums into a result: shares as intervals, series, what was left out, what a reader should notice.

Decides which numbers are given and in which words. ``spec/measure-authorship.md`` §5 to §7.

1. ``[AI / total, (AI + unknown) / total]``, over added lines that count and over commits; never one number for a range.
2. The evidence class is that of the weakest evidence by which any commit was counted as AI.
3. How much marks miss is measured against a ledger where there is one, and how much the ledger misses against marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from detente.measure.authorship.disappearance import AUTHOR_MIN, Z_AUTHOR, Fall, find_falls
from detente.measure.authorship.left_out_paths import REASONS
from detente.measure.authorship.sums import COLUMNS, Part, Sums
from detente.measure.indicator import (
    EvidenceClass,
    Exclusion,
    Indicator,
    Ledger,
    Remark,
    Result,
    Series,
    share,
    weakest,
)

AGENTS_MAX: Final = 12
"""Agents that get an indicator of their own, by commits; the ledger ``agents`` holds all."""
_LINES = "AI / total to (AI + unknown) / total, over added lines of non-merge commits; a mark credits its commit"


def measure_shares(
    sums: Sums,
    *,
    subject: str,
    inputs: Mapping[str, str],
    parameters: Mapping[str, str],
    left_out: tuple[Exclusion, ...] = (),
    remarks: tuple[Remark, ...] = (),
) -> Result:
    """The result for one history. ``left_out`` is what the reader of the repository could not use (notes, records), ``remarks``
    what is to be said of the repository itself.
    """
    return Result(
        "authorship",
        subject=subject,
        indicators=tuple(_indicators(sums)),
        remarks=(*remarks, *_remarks(sums)),
        exclusions=(*_exclusions(sums), *left_out),
        ledgers=tuple(_ledgers(sums)),
        series=tuple(_series(sums)),
        inputs=inputs,
        parameters=parameters,
    )


def _indicators(sums: Sums) -> Iterator[Indicator]:
    total = sums.total
    evidence = weakest(list(sums.classes))
    yield Indicator(
        name="authorship.ai_line_share",
        label="AI share of added lines",
        low=share(total.ai_lines, total.lines),
        high=share(total.ai_lines_high, total.lines),
        unit="share",
        method=_LINES,
        evidence_class=evidence,
        n=total.lines,
        ledger="commits",
    )
    yield _of_commits(
        sums,
        "authorship.ai_commit_share",
        "AI share of commits",
        total.authored,
        evidence,
        "AI is an author by mark or ledger",
    )
    yield _of_commits(
        sums,
        "authorship.ai_involved_commit_share",
        "… with suggestions and help",
        total.involved,
        evidence,
        "any AI mark, or a ledger names AI",
    )
    yield Indicator(
        name="authorship.marked_commits",
        label="AI-marked commits",
        low=Decimal(total.marked),
        high=Decimal(total.marked),
        unit="count",
        method="commits with a mark that claims authorship, a session, oversight of one, a suggestion or help",
        evidence_class="trailer" if total.marked else "none",
        n=total.commits,
        ledger="commits",
    )
    for name, agent in sorted(sums.agents.items(), key=lambda item: (-item[1].commits, item[0]))[:AGENTS_MAX]:
        yield Indicator(
            name=f"authorship.marked_commits.{name}",
            label=f"  {name if name != 'any' else 'agent not named'}",
            low=Decimal(agent.commits),
            high=Decimal(agent.commits),
            unit="count",
            method="commits that carry a mark of this agent; a commit may carry marks of several",
            evidence_class="trailer",
            n=total.commits,
            ledger="agents",
        )
    yield from _against_the_ledger(sums)


def _of_commits(sums: Sums, name: str, label: str, part: int, evidence: EvidenceClass, what: str) -> Indicator:
    total = sums.total
    return Indicator(
        name=name,
        label=label,
        low=share(part, total.commits),
        high=share(total.commits - total.human_commits, total.commits),
        unit="share",
        method=f"AI / total to (AI + unknown) / total, over non-merge commits; AI: {what}",
        evidence_class=evidence,
        n=total.commits,
        ledger="commits",
    )


def _against_the_ledger(sums: Sums) -> Iterator[Indicator]:
    named = sums.ledger_says["ai"]
    if not named:
        return
    total = sums.total
    rows = (
        ("line_attested_share", "lines attested to AI by a ledger", total.attested_lines, total.lines, "attested AI lines / added lines"),
        ("marks_found_of_ledger_commits", "marks find of the ledger's AI commits", sums.marked_under["ai"], named,
         "AI-marked / commits whose ledger names AI"),
        ("marks_found_of_ledger_lines", "marks find of the ledger's AI lines", sums.attested_in_marked, total.attested_lines,
         "attested AI lines in AI-marked commits / attested AI lines"),
        ("ledger_found_of_marked_commits", "the ledger finds of marked commits", sums.marked_under["ai"], total.marked,
         "commits whose ledger names AI / AI-marked commits"),
    )  # fmt: skip
    for name, label, part, whole, method in rows:
        known = share(part, whole)
        first = name == "line_attested_share"
        yield Indicator(
            name=f"authorship.{name}",
            label=label,
            low=known,
            high=share(total.lines - total.human_lines, whole) if first else known,
            unit="share",
            method=method,
            evidence_class="line-attested" if first else "trailer",
            n=whole,
            ledger="commits",
        )


def _remarks(sums: Sums) -> Iterator[Remark]:
    total = sums.total
    falls = find_falls({half: (part.commits, part.marked) for half, part in sums.halves.items()})
    for fall in falls:
        yield Remark("mark-disappearance", "alarm", _fall_text("AI-marked commits", fall), "half_years")
    authors = _fallen_authors(sums)
    if authors:
        named = "author" if len(authors) == 1 else "authors"
        yield Remark(
            "mark-disappearance-authors",
            "alarm",
            f"{len(authors)} {named} who had marked their commits went on committing, with marks on at most half as large a share",
            "fallen_authors",
        )
    for fall in find_falls({half: (n, marked) for half, (n, marked) in sums.under_ledger.items()}):
        text = _fall_text("of the commits in which the ledger names AI, those that carry a mark", fall)
        yield Remark("mark-disappearance-under-ledger", "alarm", text, "half_years")
    if total.commits and not total.involved:
        yield Remark(
            "no-evidence",
            "warning",
            "no commit carries a mark and no ledger names AI: that shows nothing about who wrote it",
        )
    elif total.involved:
        yield Remark(
            "lower-bound",
            "note",
            "marks can be switched off and stripped on merging: the lower end is what is known, not an estimate",
        )
    misses = sums.ledger_says["ai"] - sums.marked_under["ai"]
    if misses:
        yield Remark(
            "marks-miss",
            "warning",
            f"marks miss {misses} of the {sums.ledger_says['ai']} commits in which the ledger names AI",
            "commits",
        )
    weak = sum(sums.weak.values())
    if weak:
        listed = ", ".join(
            f"{name} {count}" for name, count in sorted(sums.weak.items(), key=lambda item: (-item[1], item[0]))[:4]
        )
        yield Remark(
            "weak-marks",
            "note",
            f"{weak} marks that do not count alone stand in otherwise unmarked commits: {listed}",
            "commits",
        )


def _fall_text(what: str, fall: Fall) -> str:
    before, after = fall.marked_before / fall.commits_before, fall.marked_after / fall.commits_after
    return (
        f"{what} fell from {before:.0%} in {fall.before} ({fall.marked_before} of {fall.commits_before}) to {after:.0%} in {fall.after} "
        f"({fall.marked_after} of {fall.commits_after}): marks switched off or stripped, or less AI; commits cannot tell which"
    )


def _fallen_authors(sums: Sums) -> list[tuple[str, Fall]]:
    found = []
    for author, halves in sorted(sums.authors.items()):
        if any(marked for _, marked in halves.values()):
            periods = {half: (commits, marked) for half, (commits, marked) in halves.items()}
            found += [(author, fall) for fall in find_falls(periods, enough=AUTHOR_MIN, z=Z_AUTHOR)[-1:]]
    return found


def _exclusions(sums: Sums) -> Iterator[Exclusion]:
    if sums.merges:
        why = "their lines are counted in the commits that they merge"
        yield Exclusion("merge commits", why, sums.merges, _named(sums, "merge"))
    for reason, (files, lines) in sorted(sums.out.items()):
        what = f"files ({lines} added lines)" if lines else "files"
        yield Exclusion(what, REASONS[reason], files, _named(sums, reason))
    if sums.undated:
        why = "no readable date: counted, but in no half-year"
        yield Exclusion("commits", why, sums.undated, _named(sums, "undated"))
    for word, why in (
        ("test", "their ledger names only tools for trying the ledger out: no evidence"),
        ("unresolved", "their ledger names ids that nothing in it explains: unknown"),
        ("unreadable", "their ledger entry is malformed: unknown"),
    ):
        if sums.ledger_says[word]:
            yield Exclusion("commits", why, sums.ledger_says[word], _named(sums, word))
    if sums.stray_lines:
        yield Exclusion("attested lines", "in files that the commit does not change", sums.stray_lines)


def _named(sums: Sums, reason: str) -> tuple[str, ...]:
    return tuple(f"commit {one}" for one in sums.out_examples.get(reason, ()))


def _ledgers(sums: Sums) -> Iterator[Ledger]:
    if sums.has_rows:
        yield Ledger("commits", "Commits, newest first", COLUMNS, tuple(sums.rows))
    columns = (
        "half_year",
        "commits",
        "ai_marked",
        "ai_authored",
        "lines",
        "ai_lines_low",
        "ai_lines_high",
        "ledger_ai",
        "of_them_marked",
    )
    rows = (
        (half, part.commits, part.marked, part.authored, part.lines, part.ai_lines, part.ai_lines_high,
         *sums.under_ledger.get(half, (0, 0)))
        for half, part in sorted(sums.halves.items())
    )  # fmt: skip
    yield Ledger("half_years", "By half-year of the commit's date", columns, tuple(rows))
    agents = sorted(set(sums.agents) | set(sums.ledger_agents), key=lambda name: (-_commits_of(sums, name), name))
    yield Ledger(
        "agents",
        "By agent: commits by mark, lines by ledger",
        ("agent", "commits", "authored", "suggestion", "assisted", "ledger_lines"),
        tuple((name, *_agent_row(sums, name)) for name in agents),
    )
    areas = sorted(sums.areas.items(), key=lambda item: (-item[1][0], item[0]))
    yield Ledger(
        "areas",
        "By top folder",
        ("area", "lines", "ai_lines_low", "ai_lines_high"),
        tuple((area, lines, ai, lines - human) for area, (lines, ai, human) in areas),
    )
    fallen = _fallen_authors(sums)
    if fallen:
        names = ("author", "before", "commits_before", "marked_before", "after", "commits_after", "marked_after")
        rows_of = tuple(
            (author, f.before, f.commits_before, f.marked_before, f.after, f.commits_after, f.marked_after)
            for author, f in fallen
        )
        yield Ledger("fallen_authors", "Authors, by pseudonym, whose marks disappeared", names, rows_of)


def _commits_of(sums: Sums, name: str) -> int:
    return sums.agents[name].commits if name in sums.agents else 0


def _agent_row(sums: Sums, name: str) -> tuple[int, ...]:
    agent = sums.agents.get(name)
    marked = (agent.commits, agent.authored, agent.suggestion, agent.assisted) if agent else (0, 0, 0, 0)
    return (*marked, sums.ledger_agents[name])


def _series(sums: Sums) -> Iterator[Series]:
    halves: list[tuple[str, Part]] = sorted(sums.halves.items())
    lines = tuple((half, _ratio(p.ai_lines, p.lines), _ratio(p.ai_lines_high, p.lines)) for half, p in halves)
    yield Series("authorship.ai_line_share", "AI share of added lines, by half-year", "share", lines)
    commits = tuple(
        (half, _ratio(p.authored, p.commits), _ratio(p.commits - p.human_commits, p.commits)) for half, p in halves
    )
    yield Series("authorship.ai_commit_share", "AI share of commits, by half-year", "share", commits)
    marked = tuple((half, _ratio(p.marked, p.commits), _ratio(p.marked, p.commits)) for half, p in halves)
    yield Series("authorship.marked_commit_share", "AI-marked share of commits, by half-year", "share", marked)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
