"""One page about one repository: every measure that its artefacts and the inputs given allow.

Decides which measures run and what becomes of one that cannot: a refusal or an absence is shown on the page, and the rest go on. Leaves out
what each measures (``app.measuring.*``), how the page reads (``measure.report``) and drawing (``adapters.plots``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from detente.adapters import plots
from detente.adapters.files import disk_error
from detente.adapters.git_history import list_commits, resolve_commit
from detente.adapters.git_running import GitFailed, Repository, ask_refs, open_repository
from detente.base.errors import DetenteError, Refused
from detente.base.instant import Instant, show_instant
from detente.measure.indicator import Result
from detente.measure.report.anchors import Anchors
from detente.measure.report.evidence import overflowing
from detente.measure.report.obligations import FORMS
from detente.measure.report.page import Page, headline, write_page
from detente.measure.report.plan import Plot, plan_plots
from detente.measure.report.wording import show_value

_GITHUB: Final = re.compile(
    r"(?:https://(?:[^@/\s]+@)?github\.com/|git@github\.com:)([\w.-]+)/([\w.-]+?)(?:\.git)?/?\Z", re.ASCII
)
"""An address of GitHub; whatever stands before the @ is a secret and is dropped."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to put on the page. ``runs`` are for horizons, ``progress`` for acceleration, ``compute`` declared runs.

    ``cache`` is where scans are kept; ``None`` keeps none.
    """

    path: Path
    ref: str = "HEAD"
    name: str = ""
    forge: Path | None = None
    loops: tuple[str, ...] = ()
    runs: tuple[Path, ...] = ()
    progress: tuple[str, ...] = ()
    compute: tuple[Path, ...] = ()
    form: str | None = None
    cache: Path | None = None
    command: str = "detente measure report ."


@dataclass(slots=True)
class Report:
    """A page and what it was made from. ``commit`` is empty where there is no history."""

    subject: str
    commit: str
    facts: tuple[str, ...]
    results: list[Result] = field(default_factory=list)
    refused: list[tuple[str, DetenteError]] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)
    trees: dict[int, str] = field(default_factory=dict)
    """Pictures of lineages as SVG, by the identity of their result."""
    html: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "commit": self.commit,
            "results": [result.as_json() for result in self.results],
            "refused": [
                {"measure": name, **(error.as_json() if isinstance(error, Refused) else {"got": str(error)})}
                for name, error in self.refused
            ],
            "absent": [{"measure": name, "why": why} for name, why in self.absent],
        }

    def headlines(self) -> list[tuple[str, str, str]]:
        """Measure, label and value of what stands for each result, for a terminal."""
        chosen = [(result, headline(result)) for result in self.results]
        return [(result.measure, i.label or i.name, show_value(i)) for result, i in chosen if i is not None]


def make_report(asked: Asked, *, taken_at: Instant, say: Say) -> Report:
    """Measure everything that can be measured and write the page.

    Raises ``Refused`` A01 where there is no repository, R01 where the form is not one of ``FORMS``.
    """
    if asked.form is not None and asked.form not in FORMS:
        raise Refused("R01", "not-found", got=f"form {asked.form!r}", expected=f"one of {', '.join(FORMS)}")
    repository = open_repository(asked.path)
    subject, commits_at = _names(repository, asked)
    report = _opened(repository, asked, subject, taken_at)
    for name, run in _measures(asked, report, say):
        say(name)
        try:
            report.results += run()
        except _Absent as absent:
            report.absent.append((name, str(absent)))
        except DetenteError as error:
            report.refused.append((name, error))
    say("page")
    report.html = _page(report, asked, commits_at)
    return report


def store_report(report: Report, folder: Path) -> Path:
    """Write ``report.html``, and the rows that do not fit on it below ``evidence/``; returns the page. Refuses C10."""
    page = folder / "report.html"
    anchors = Anchors(report.results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, ledger in overflowing(tuple(report.results)):
            file = folder / "evidence" / anchors.file(number, ledger.name)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(ledger.encode())
        page.write_text(report.html, "utf-8")
    except OSError as error:
        raise disk_error(error, page) from error
    return page


class _Absent(Exception):  # not an error: there was nothing to measure
    """A measure that has no input here; the message says how it gets one."""


def _measures(asked: Asked, report: Report, say: Say) -> Iterator[tuple[str, Callable[[], list[Result]]]]:
    """The measures in the order in which they run, each as something that gives results, refuses, or is absent."""
    yield "authorship", lambda: _authorship(asked, report, say)
    yield "oversight", lambda: _oversight(asked, report)
    yield "changes", lambda: _changes(asked, report, say)
    yield "lineage", lambda: _lineage(asked, report)
    yield "horizon", lambda: _horizon(asked)
    yield "acceleration", lambda: _acceleration(asked)
    yield "compute", lambda: _compute(asked)


def _authorship(asked: Asked, report: Report, say: Say) -> list[Result]:
    _need_history(report)
    from detente.app.measuring.authorship import Question, measure_authorship

    question = Question(ref=asked.ref, cache=asked.cache)
    found = measure_authorship(asked.path, question, progress=lambda done: say(f"authorship, {done:,} commits"))
    return [replace(found, subject=report.subject)]


def _oversight(asked: Asked, report: Report) -> list[Result]:
    _need_history(report)
    from detente.app.measuring.oversight import measure_oversight

    found = measure_oversight(asked.path, ref=asked.ref, forge=asked.forge)
    return [replace(found, subject=report.subject)]


def _changes(asked: Asked, report: Report, say: Say) -> list[Result]:
    _need_history(report)
    from detente.app.measuring.changes import measure_changes

    found = measure_changes(
        asked.path,
        ref=asked.ref,
        forge=asked.forge,
        cache=asked.cache,
        progress=lambda done: say(f"changes, {done:,} commits"),
    )
    return [replace(found, subject=report.subject)]


def _need_history(report: Report) -> None:
    if not report.commit:
        raise _Absent("there is no commit yet")


def _lineage(asked: Asked, report: Report) -> list[Result]:
    """The loops that were named, one result each, else whatever loop has left its record in the tree."""
    if asked.loops:
        return [_with_tree([path], report) for path in asked.loops]
    try:
        return [_with_tree([str(asked.path)], report)]
    except Refused as refused:
        if refused.rule != "I01":
            raise
        several = "" if "none of a known loop" in refused.got else f" ({refused.got})"
        raise _Absent(f"the tree is not the record of one self-improving loop{several}: --loop RUN") from None


def _with_tree(paths: list[str], report: Report) -> Result:
    """The lineage of a run; its tree is drawn on the page."""
    from detente.app.measuring.lineage import read_lineage
    from detente.measure.loops.tree_picture import draw_tree

    found = read_lineage(paths)
    report.trees[id(found.result)] = draw_tree(found.judged, title=f"Lineage of {found.result.subject}")
    return found.result


def _horizon(asked: Asked) -> list[Result]:
    if not asked.runs:
        raise _Absent("no runs of agents were given: --runs FILE")
    from detente.app.measuring.horizon import measure_horizon

    return [measure_horizon(asked.runs)]


def _acceleration(asked: Asked) -> list[Result]:
    if not asked.progress:
        raise _Absent("no dated series of progress were given, and two are needed: --series NAME=FILE")
    from detente.app.measuring.acceleration import measure_acceleration

    return [measure_acceleration(asked.progress)]


def _compute(asked: Asked) -> list[Result]:
    if not asked.compute:
        raise _Absent("no training run was declared: --compute FILE")
    from detente.app.measuring.compute import measure_run

    return [measure_run(path) for path in asked.compute]


def _names(repository: Repository, asked: Asked) -> tuple[str, str]:
    """What the page calls the repository, and where its commits can be seen, if that is known."""
    try:
        remote = ask_refs(repository, "config", "--get", "remote.origin.url").decode("utf-8", "replace").strip()
    except GitFailed:
        remote = ""
    match = _GITHUB.match(remote)
    folder = repository.path.resolve()
    own = folder.name if folder.name != ".git" else folder.parent.name
    named = asked.name or (f"{match[1]}/{match[2]}" if match else own)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", asked.name, re.ASCII):
        return named, f"https://github.com/{asked.name}/commit/"
    return named, f"https://github.com/{match[1]}/{match[2]}/commit/" if match else ""


def _opened(repository: Repository, asked: Asked, subject: str, taken_at: Instant) -> Report:
    day = f"measured {show_instant(taken_at)[:10]}"
    try:
        commit = resolve_commit(repository, asked.ref)
    except Refused:
        if asked.ref != "HEAD":
            raise
        return Report(subject, "", ("no commit yet", day))
    count = len(list_commits(repository, (commit,)))
    facts = [f"commit {commit[:12]}", f"{count:,} commit{'' if count == 1 else 's'}"]
    facts += ["shallow: older history was not there to read"] if repository.shallow else []
    facts += ["partial: contents may be absent"] if repository.partial else []
    return Report(subject, commit, (*facts, day))


def _page(report: Report, asked: Asked, commits_at: str) -> str:
    anchors = Anchors(report.results)
    page = Page(
        subject=report.subject,
        facts=report.facts,
        results=tuple(report.results),
        refused=tuple((name, str(error)) for name, error in report.refused),
        absent=tuple(report.absent),
        plots=_drawn(report, anchors),
        no_plots=""
        if plots.can_draw()
        else "Plots need matplotlib: pip install 'detente[measure]'. The points stand below.",
        form=None if asked.form is None else FORMS[asked.form],
        command=asked.command,
        commits_at=commits_at,
    )
    return write_page(page, anchors)


def _drawn(report: Report, anchors: Anchors) -> dict[int, tuple[str, ...]]:
    at = f" at {report.commit[:12]}" if report.commit else ""
    drawn = {}
    for number, result in enumerate(report.results):
        source = f"{report.subject}{at}" if result.subject == report.subject else result.subject
        pictures = [
            draw_plot(plan, anchors, number, f"{anchors.keys[number]}-{i}", source)
            for i, plan in enumerate(plan_plots(result) if plots.can_draw() else ())
        ]
        tree = report.trees.get(id(result))
        trees = [] if tree is None else [plots.own_names(tree, f"{anchors.keys[number]}-tree")]
        drawn[number] = (*trees, *(picture.decode("utf-8") for picture in pictures))
    return drawn


def draw_plot(plan: Plot, anchors: Anchors, number: int, name: str, source: str) -> bytes:
    """One plot as SVG, its points leading to their rows on the page."""

    def link(series: str, point: int) -> str:
        return f"#{anchors.point(number, series, point)}"

    caption = plots.Caption(name=name, title=plan.title, source=source, n=plan.n)
    if plan.kind == "band":
        return plots.draw_band(plan.series[0], caption, link)
    if plan.kind == "parts":
        return plots.draw_parts(plan.series, caption, link)
    return plots.draw_points(plan.series, caption, link)


__all__ = ["Asked", "Report", "draw_plot", "make_report", "store_report"]
