"""Measure well-known public repositories at pinned commits, and write the tables and plots of ``docs/findings``.

    git clone --mirror https://github.com/OWNER/NAME CLONES/OWNER/NAME     # for each that the page lists
    python bench/public_repositories.py CLONES [--horizons published.yaml …]

Everything between the marks in ``docs/findings/public-repositories.md`` is written by this script; the sentences around it are
not. A clone that is not there is left out and said so. No name or address of a person is read into anything that is written.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from detente.adapters.plots import Caption, draw_intervals, draw_lines, draw_points
from detente.adapters.scan_cache import default_cache
from detente.app.measuring.authorship import Question, measure_authorship
from detente.app.measuring.changes import measure_changes
from detente.app.measuring.horizon import measure_horizon
from detente.app.measuring.lineage import measure_lineage
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.measure.horizon.estimate import Settings
from detente.measure.indicator import Result, Series
from detente.measure.report.wording import show_value

PINNED = {
    "allenai/open-instruct": "e6c3044aa6201c8bfa4573c1b03142af599e730d",
    "UKGovernmentBEIS/inspect_ai": "499e6152e7b8fc8cbd8ac5283536572aa6e4ab17",
    "NVIDIA/Megatron-LM": "d98e8a64ddf34856e74b24714e3bedb2f5a39553",
    "allenai/OLMo-core": "fa6c5014c9f6e9ee789da2d9c20d5126fee8df0d",
    "huggingface/trl": "f2cd57710ae345ea6428ae95363267fcf38a3dc8",
    "pytorch/torchtitan": "b5bcd76c66d0acb1a08b176d9639425bc55e0b2a",
    "KellerJordan/modded-nanogpt": "f411b3d346aa52d3504324ca93c230fd84c6c07f",
    "git-ai-project/git-ai": "55a1d728fb968fff90c5050470d6bd5d629967c6",
    "Aider-AI/aider": "5dc9490bb35f9729ef2c95d00a19ccd30c26339c",
    "astral-sh/uv": "26a9dd4b2125bc271b47855e1fa0c49af3365db5",
}
TRAINING = (
    "allenai/open-instruct",
    "NVIDIA/Megatron-LM",
    "allenai/OLMo-core",
    "huggingface/trl",
    "pytorch/torchtitan",
    "KellerJordan/modded-nanogpt",
)
"""Repositories that train models: which of their changes touch training is worth asking."""
SINCE = datetime(2025, 9, 1, tzinfo=UTC)
HALVES = ("2025H1", "2025H2", "2026H1", "2026H2")
LOOP, LOOP_BRANCH = "karpathy/autoresearch", "exp/H100/mar8"
METR = "https://metr.org/time-horizons/"
GIT = shutil.which("git") or "git"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings" / "public-repositories.md"
PLOTS = PAGE.with_suffix("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--horizons", type=Path, nargs="*", default=[], help="METR's published results, not kept here")
    asked = parser.parse_args()
    PLOTS.mkdir(exist_ok=True)
    said: dict[str, str] = {}
    found = {name: clone for name in PINNED if (clone := _clone(asked.clones, name))}
    authors = {name: _authorship(name, clone) for name, clone in found.items()}
    said["commits"] = _pinned(found)
    said["authorship"] = _authorship_table(authors)
    said["disappearance"] = _disappearance(authors)
    said["ledger"] = _ledger(authors)
    _plot_authorship(authors)
    changes = {name: _changes(name, found[name]) for name in TRAINING if name in found}
    said["changes"] = _changes_table(changes)
    _plot_changes(changes)
    if loop := _clone(asked.clones, LOOP):
        said["loop"], said["tables"] = _loop(loop), _tables(loop)
    said["horizons"] = _horizons(asked.horizons)
    _write({name: text for name, text in said.items() if text})


def _clone(clones: Path, name: str) -> Path | None:
    places = (clones / name, clones / name.replace("/", "+") / "repo", clones / f"{name}.git")
    place = next((each for each in places if each.is_dir()), None)
    if place is None:
        print(f"left out: {name}: git clone --mirror https://github.com/{name} {clones / name}", file=sys.stderr)
    return place


def _authorship(name: str, clone: Path) -> Result:
    print(f"authorship of {name}", file=sys.stderr)
    return measure_authorship(clone, Question(ref=PINNED[name], cache=default_cache()))


def _changes(name: str, clone: Path) -> Result:
    print(f"changes of {name}", file=sys.stderr)
    return measure_changes(clone, ref=PINNED[name], since=Instant(int(SINCE.timestamp())))


def _value(result: Result, name: str) -> str:
    return next((show_value(each) for each in result.indicators if each.name == name), "—")


def _n(result: Result, name: str) -> int:
    return next((each.n or 0 for each in result.indicators if each.name == name), 0)


def _pinned(found: dict[str, Path]) -> str:
    rows = []
    for name, clone in found.items():
        commit = PINNED[name]
        day = _git(clone, "log", "-1", "--format=%cs", commit)
        rows.append(f"| {name} | [`{commit[:12]}`](https://github.com/{name}/commit/{commit}) | {day} |")
    return _table("Repository | Commit | Its date", rows)


def _halves(result: Result) -> dict[str, dict[str, object]]:
    ledger = result.ledger("half_years")
    if ledger is None:
        return {}
    return {str(row[0]): dict(zip(ledger.columns, row, strict=True)) for row in ledger.rows}


def _authorship_table(authors: dict[str, Result]) -> str:
    rows = []
    for name, result in authors.items():
        halves = _halves(result)
        cells = [
            f"{100 * int(str(h['ai_marked'])) / int(str(h['commits'])):.0f} % ({h['ai_marked']}/{h['commits']})"
            if (h := halves.get(half)) and h["commits"]
            else "—"
            for half in HALVES
        ]
        rows.append(
            f"| {name} | {_value(result, 'authorship.ai_line_share')} | {_value(result, 'authorship.ai_commit_share')} | "
            f"{_n(result, 'authorship.ai_commit_share'):,} | {' | '.join(cells)} |"
        )
    head = "Repository | AI share of added lines | AI share of commits | Commits | " + " | ".join(
        f"Marked {half}" for half in HALVES
    )
    return _table(head, rows)


def _disappearance(authors: dict[str, Result]) -> str:
    lines = [
        f"- **{name}**: {remark.text}."
        for name, result in authors.items()
        for remark in result.remarks
        if remark.kind.startswith("mark-disappearance")
    ]
    silent = [
        name
        for name, result in authors.items()
        if not any(r.kind.startswith("mark-disappearance") for r in result.remarks)
    ]
    return "\n".join([*lines, f"- None in {', '.join(silent)}."])


def _ledger(authors: dict[str, Result]) -> str:
    rows = [
        f"| {name} | {_n(result, 'authorship.marks_found_of_ledger_commits'):,} | {_value(result, 'authorship.marks_found_of_ledger_commits')} | "
        f"{_value(result, 'authorship.marks_found_of_ledger_lines')} | {_value(result, 'authorship.ledger_found_of_marked_commits')} |"
        for name, result in authors.items()
        if _n(result, "authorship.marks_found_of_ledger_commits")
    ]
    head = "Repository | AI commits in its ledger | of these marked | of their AI lines marked | marked commits that the ledger names"
    return _table(head, rows)


def _changes_table(changes: dict[str, Result]) -> str:
    rows = []
    for name, result in changes.items():
        relevant = next((each for each in result.indicators if each.name == "changes.relevant"), None)
        count = "—" if relevant is None else show_value(relevant)
        rows.append(
            f"| {name} | {count} | {_value(result, 'changes.ai_made')} | {_value(result, 'changes.ai_line_share')} | "
            f"{_value(result, 'changes.ai_made_unreviewed')} |"
        )
    head = "Repository | Relevant changes | AI-made | AI-made, of added lines | AI-made and unreviewed"
    return _table(head, rows)


def _plot_authorship(authors: dict[str, Result]) -> None:
    def series(name: str, result: Result) -> Series:
        halves = _halves(result)
        points = [
            (half, int(str(h["ai_marked"])) / int(str(h["commits"])), None)
            for half, h in sorted(halves.items())
            if half >= "2024H1" and int(str(h["commits"])) >= 20
        ]
        return Series(
            f"{name.partition('/')[2]}",
            "share of commits that carry a mark of an AI agent: a lower bound",
            "share",
            tuple(points),
        )

    shown = [series(name, result) for name, result in authors.items()]
    total = sum(_n(result, "authorship.ai_commit_share") for result in authors.values())
    caption = Caption(
        name="authorship",
        title="AI-marked commits by half-year",
        source=f"{len(authors)} public repositories, commits pinned in docs/findings/public-repositories.md; half-years of 20 commits or more",
        n=f"n = {total:,} commits",
    )
    links = {name.partition("/")[2]: f"https://github.com/{name}/commits/{PINNED[name]}" for name in authors}
    (PLOTS / "marked-commits.svg").write_bytes(draw_lines(shown, caption, lambda name, _point: links[name]))


def _plot_changes(changes: dict[str, Result]) -> None:
    rows = []
    for name, result in changes.items():
        each = next((i for i in result.indicators if i.name == "changes.ai_made"), None)
        if each is not None and each.low is not None and each.high is not None:
            rows.append((name, float(each.low), float(each.high), f"n = {_n_relevant(result):,}"))
    rows.sort(key=lambda row: -row[1])
    caption = Caption(
        name="changes",
        title="AI-made share of changes that touch training, architecture, data or evaluation",
        source=f"since {SINCE:%Y-%m-%d}; from marked (dot) to marked or without any mark (bar); commits pinned in docs/findings/public-repositories.md",
        n=f"n = {sum(_n_relevant(result) for result in changes.values()):,} changes",
    )
    link = {name: f"https://github.com/{name}/commits/{PINNED[name]}" for name in changes}
    (PLOTS / "training-changes.svg").write_bytes(draw_intervals(rows, caption, "share", lambda name, _row: link[name]))


def _n_relevant(result: Result) -> int:
    each = next((i for i in result.indicators if i.name == "changes.relevant"), None)
    return int(each.low or Decimal(0)) if each is not None else 0


def _depths(result: Result) -> list[str]:
    return [_value(result, f"lineage.{depth}_depth.in_record") for depth in ("ai_proposed", "self")]


def _loop(clone: Path) -> str:
    commit = _git(clone, "rev-parse", LOOP_BRANCH)
    rows = []
    for words, approvals in (("as recorded", None), ("stating that nobody approved any", "none")):
        result = measure_lineage([str(clone)], branch=LOOP_BRANCH, approvals=approvals)
        best = [_value(result, f"lineage.{depth}_depth.best") for depth in ("ai_proposed", "self")]
        rows.append(f"| {words} | {_depths(result)[0]} | {best[0]} | {_depths(result)[1]} | {best[1]} |")
    head = f"Branch {LOOP_BRANCH} at `{commit[:12]}` | AI-proposed depth | of the best | Self depth | of the best"
    return _table(head, rows)


def _tables(clone: Path) -> str:
    """Both depths of every distinct table of results on any branch or pull request."""
    blobs: dict[str, str] = {}
    for ref in _git(clone, "for-each-ref", "--format=%(refname)").split():
        for line in _git(clone, "ls-tree", "-r", ref).splitlines():
            about, _, path = line.partition("\t")
            if path.endswith(".tsv"):
                blobs.setdefault(about.split()[2], path)
    highs: list[int] = []
    lows: set[int] = set()
    open_ended, refused, kept = 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for blob in sorted(blobs):
            file = Path(scratch) / f"{blob[:12]}.tsv"
            file.write_bytes(
                subprocess.run(
                    [GIT, "-C", str(clone), "cat-file", "blob", blob], capture_output=True, check=True
                ).stdout
            )
            try:
                result = measure_lineage([str(file)])
            except Refused as error:
                print(f"{file.name} ({blobs[blob]}): {error}", file=sys.stderr)
                refused += 1
                continue
            each = next(i for i in result.indicators if i.name == "lineage.ai_proposed_depth.in_record")
            kept += each.n or 0
            lows.add(int(each.low or 0))
            if each.high is None:
                open_ended += 1
            else:
                highs.append(int(each.high))
    highs.sort()
    middle = f"median {highs[len(highs) // 2]}, largest {highs[-1]}" if highs else "none"
    return (
        f"{len(blobs)} distinct tables, {kept:,} kept versions. AI-proposed depth in the record: lower end {', '.join(map(str, sorted(lows)))}; "
        f"upper end known in {len(highs)} ({middle}), not known in {open_ended}; refused: {refused}."
    )


def _horizons(files: list[Path]) -> str:
    rows = []
    for file in files:
        for words, since in (("all", None), ("from 2023 on", datetime(2023, 1, 1, tzinfo=UTC).date())):
            result = measure_horizon([file], Settings(since=since))
            each = next(i for i in result.indicators if i.name == "horizon.doubling_time")
            rows.append(f"| {file.name} | {words} | {each.n} | {each.label} | {show_value(each)} |")
            if since is None and file == files[-1] and result.series:
                points = [s for s in result.series if s.unit == "minutes"]
                points.sort(key=lambda s: s.name.endswith("trend"))
                caption = Caption(
                    name="horizons",
                    title="Time horizons that METR published, and their trend",
                    source=f"{file.name} of metr.org",
                    n=f"n = {len(points[0].points)} models",
                )
                (PLOTS / f"{file.stem.replace('_', '-')}.svg").write_bytes(
                    draw_points(points, caption, lambda _series, _point: METR)
                )
    return _table("Published results | Models | State-of-the-art points | Estimate | Interval", rows) if rows else ""


def _git(clone: Path, *arguments: str) -> str:
    done = subprocess.run([GIT, "-C", str(clone), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _table(head: str, rows: list[str]) -> str:
    count = head.count("|") + 1
    return "\n".join([f"| {head} |", "|" + " --- |" * count, *rows])


def _write(said: dict[str, str]) -> None:
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    for name, table in said.items():
        mark = re.compile(rf"(<!-- figures: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if mark.search(text):
            text = mark.sub(lambda m, table=table: f"{m[1]}\n{table}\n\n{m[2]}", text)
        else:
            print(f"\n## {name}\n\n{table}")
    if text:
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
