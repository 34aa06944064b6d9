"""One command on any repository gives one honest page: real git, real files, whatever state it is in."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.app.measuring.report import Asked, make_report, store_report
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.cli import main
from detente.measure.report.anchors import ROWS_ON_PAGE
from tests.repositories import Built
from tests.shared_data import shared
from tests.unit.measure.test_report_page import Numbers

AT = Instant(1_790_000_000)
VECTORS = Path(__file__).resolve().parents[2] / "vectors"
RUN = "format: detente-compute/1\nrun: x\nstages:\n  - {kind: training, tokens: 1e9, model: {parameters: 1e6}}\n"


def _make(path: Path, **asked):
    return make_report(Asked(path=path, **asked), taken_at=AT, say=lambda _step: None)


def _empty(path: Path) -> Path:
    Built(path)
    return path


def _single(path: Path) -> Path:
    Built(path).commit("first", {"a.txt": "one\n"})
    return path


def _plain(path: Path) -> Path:
    built = Built(path)
    for number in range(5):
        built.commit(f"change {number}", {"notes.txt": "line\n" * (number + 1)})
    return path


def _shallow(path: Path) -> Path:
    source = _plain(path.with_name("source"))
    subprocess.run(["git", "clone", "-q", "--depth", "2", source.as_uri(), str(path)], check=True, capture_output=True)
    return path


def _bare(path: Path) -> Path:
    source = _plain(path.with_name("source"))
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(path)], check=True, capture_output=True)
    return path


def _hostile(path: Path) -> Path:
    built = Built(path)
    built.commit("<script>alert(1)</script>", {"</td><script>x": "1\n", "a\u202eb.py": "2\n", "train.py": "LR = 1\n"})
    return path


@pytest.mark.parametrize(
    "made", [_empty, _single, _plain, _shallow, _bare, _hostile], ids=lambda made: made.__name__[1:]
)
def test_any_repository_has_an_honest_page(tmp_path, made):
    """No crash: what cannot be measured is on the page with the reason, and nothing is refused for being small."""
    found = _make(made(tmp_path / "place"))
    assert "What this page cannot show" in found.html
    assert found.refused == []
    assert {name for name, _ in found.absent} | {result.measure for result in found.results} >= {
        "lineage",
        "horizon",
        "compute",
    }
    assert "<script" not in found.html


def test_statements_of_no_version_in_a_tree_are_no_lineage_that_was_refused(tmp_path):
    """A repository that keeps approvals, as test data or as copies of a log's entries, has no loop: not measured, and how it would be."""
    place = tmp_path / "place"
    envelope = (VECTORS / "statement" / "an-approval" / "envelope.json").read_text("utf-8")
    Built(place).commit("first", {"cases/approval.json": envelope, "cases/journal.json": '{"entries": []}'})
    found = _make(place)
    assert found.refused == []
    assert "--loop RUN" in dict(found.absent)["lineage"]


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    """A01: there is nothing that the page could be about."""
    with pytest.raises(Refused) as refused:
        _make(tmp_path)
    assert refused.value.rule == "A01"


def test_a_form_that_does_not_exist_is_refused(tmp_path):
    """R01, before anything is read."""
    with pytest.raises(Refused) as refused:
        _make(_single(tmp_path / "place"), form="everything")
    assert refused.value.rule == "R01"


def test_a_measure_that_refuses_is_shown_and_the_rest_go_on(tmp_path):
    """One broken input costs its own measure only."""
    (tmp_path / "good.yaml").write_text(RUN, "utf-8")
    (tmp_path / "runs.jsonl").write_text("no json\n", "utf-8")
    found = _make(_single(tmp_path / "place"), compute=(tmp_path / "good.yaml",), runs=(tmp_path / "runs.jsonl",))
    assert [name for name, _ in found.refused] == ["horizon"]
    assert "Time horizon was refused" in found.html
    assert "compute" in {result.measure for result in found.results}


def test_rows_beyond_the_page_are_stored_under_their_digest(tmp_path):
    """``sha256sum`` of the file is the digest that the page shows."""
    lines = ["format: detente-compute/1", "run: x", "stages:"]
    lines += [
        f"  - {{kind: training, name: s{n}, tokens: 1e9, model: {{parameters: 1e6}}}}" for n in range(ROWS_ON_PAGE + 1)
    ]
    (tmp_path / "run.yaml").write_text("\n".join(lines), "utf-8")
    found = _make(_single(tmp_path / "place"), compute=(tmp_path / "run.yaml",))
    store_report(found, tmp_path / "out")
    stored = (tmp_path / "out" / "evidence" / "compute-methods.jsonl").read_bytes()
    assert hashlib.sha256(stored).hexdigest() in found.html
    assert stored.count(b"\n") == ROWS_ON_PAGE + 2


def test_a_token_in_a_remote_address_never_reaches_the_page(tmp_path):
    """Only owner and name are taken from it."""
    path = _single(tmp_path / "place")
    Built.git(_at(path), "remote", "add", "origin", "https://user:s3cret@github.com/owner/name.git")
    found = _make(path)
    assert found.subject == "owner/name"
    assert "s3cret" not in found.html


def _at(path: Path) -> Built:
    built = Built.__new__(Built)
    built.path = path
    return built


def test_the_command_writes_the_page_and_says_where(tmp_path):
    """For people; and as JSON with every ledger."""
    path = _plain(tmp_path / "place")
    told = CliRunner().invoke(main, ["measure", "report", str(path), "--out", str(tmp_path / "out"), "--for", "sb53"])
    assert told.exit_code == 0, told.output
    assert f"page: {tmp_path / 'out' / 'report.html'}" in told.output
    assert "§ 22757.12 (a)(10)" in (tmp_path / "out" / "report.html").read_text("utf-8")
    said = CliRunner().invoke(main, ["measure", "report", str(path), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(said.stdout)["subject"] == "place"


def test_the_same_repository_gives_the_same_page(tmp_path):
    """Plots included, byte for byte."""
    pytest.importorskip("matplotlib")
    path = _plain(tmp_path / "place")
    metr = shared("metr/benchmark_results_1_1.yaml")
    pages = [_make(path, runs=(metr,)).html for _ in range(2)]
    assert pages[0] == pages[1]
    assert "<svg" in pages[0]


def test_without_matplotlib_the_page_has_its_tables(tmp_path, monkeypatch):
    """And says how to get the plots."""
    monkeypatch.setattr("detente.adapters.plots.can_draw", lambda: False)
    found = _make(_single(tmp_path / "place"), runs=(shared("metr/benchmark_results_1_1.yaml"),))
    assert "<svg" not in found.html
    assert "pip install &#x27;detente[measure]&#x27;" in found.html
    assert "the points (" in found.html


def test_the_tree_of_a_loop_is_on_the_page(tmp_path):
    """With its depths, below the measure of its own; the loop's record lies outside the repository."""
    rows = [
        "commit\tval_bpb\tmemory_gb\tstatus\tdescription",
        "aaaaaaa\t1.0\t40\tkeep\tbaseline",
        "bbbbbbb\t0.9\t40\tkeep\twider",
    ]
    (tmp_path / "results.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    found = _make(_single(tmp_path / "place"), loops=(str(tmp_path / "results.tsv"),))
    assert [result.measure for result in found.results if result.measure == "lineage"] == ["lineage"]
    section = found.html[found.html.index('<h2 id="m-lineage"') :]
    assert "<svg" in section[: section.index("</section>")]
    assert "AI-proposed depth, in the record" in section


def test_every_number_of_a_measured_page_can_be_clicked_or_is_explained(tmp_path):
    """What the page's own test demands holds for all that real measures write, counts of what was left out above all."""
    built = Built(tmp_path / "all")
    built.commit("one", {"train.py": "LR = 1\n", "uv.lock": "x\n" * 9, "vendor/a.py": "a = 1\n", "logo.png": b"\0\1"})
    built.commit("two", {"train.py": "LR = 2\n", "README.md": "text\n"})
    run = tmp_path / "run.yaml"
    run.write_text(RUN)
    page = store_report(_make(tmp_path / "all", compute=(run,)), tmp_path / "out").read_text("utf-8")
    assert Numbers(page).bare == []
    assert "They are in these commits" in page
