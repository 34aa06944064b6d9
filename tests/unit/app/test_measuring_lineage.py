"""Use case ``measure lineage``: paths in, one result out; what is read stays as it was."""

import base64
import json
import os
import subprocess
from decimal import Decimal

import pytest
from click.testing import CliRunner

from detente.app.measuring.lineage import measure_lineage, read_lineage
from detente.base.errors import Misuse, Refused, Unavailable
from detente.cli import EXIT_CODES, main
from detente.log.merkle import CompactTree, leaf_hash
from detente.log.tiles import bundle_path, bundles_for, encode_bundle
from detente.measure.indicator import measurements
from detente.statement.change import ProposedBy
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.measurement import MEASUREMENT
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload
from detente.statement.version import Version

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"


def _git(folder, *arguments):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "a"), ("EMAIL", "a@b"))
        },
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Two commits on main, then three experiments on a branch; the table is not committed, as the loop wants it."""
    folder = tmp_path / "autoresearch"
    folder.mkdir()
    _git(folder, "init", "-q", "-b", "main")
    (folder / ".gitignore").write_text("results.tsv\n", "utf-8")
    (folder / "train.py").write_text("depth = 8\n", "utf-8")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "base")
    _git(folder, "checkout", "-qb", "autoresearch/mar5")
    rows = [f"{_git(folder, 'rev-parse', '--short=7', 'HEAD')}\t1.0\t44.0\tkeep\tbaseline"]
    for number in range(3):
        (folder / "train.py").write_text(f"depth = {9 + number}\n", "utf-8")
        _git(folder, "commit", "-qam", f"depth {9 + number}")
        rows.append(f"{_git(folder, 'rev-parse', '--short=7', 'HEAD')}\t0.{9 - number}\t44.0\tkeep\tdepth")
        rows.append(f"{_git(folder, 'rev-parse', '--short=7', 'HEAD')}\t1.1\t44.0\tdiscard\twider")
    (folder / "results.tsv").write_text(HEADER + "\n".join(rows) + "\n", "utf-8")
    return folder


def _values(result):
    return {each.name: (each.low, each.high) for each in result.indicators}


def test_a_repository_is_read_by_its_branch_and_its_uncommitted_table(repository):
    """Three experiments in a row, six changed lines, and nothing of the repository is changed."""
    before = sorted((path, path.stat().st_mtime_ns) for path in repository.rglob("*") if path.is_file())
    values = _values(measure_lineage([str(repository)], approvals="none"))
    assert values["lineage.ai_proposed_depth.in_record"] == (3, 3)
    assert values["lineage.ai_proposed_depth"] == (3, None)
    assert values["lineage.since_approval.changed_lines.in_record"] == (6, 6)
    assert values["lineage.attempts"] == (7, 7)
    assert values["lineage.score_best"] == (Decimal("0.7"),) * 2
    assert sorted((path, path.stat().st_mtime_ns) for path in repository.rglob("*") if path.is_file()) == before


def test_a_squashed_branch_lowers_no_upper_end(repository):
    """The three commits become one: the table still lists what it held, and the upper end is open."""
    _git(repository, "reset", "-q", "--soft", "main")
    _git(repository, "commit", "-qm", "all of it")
    values = _values(measure_lineage([str(repository)], approvals="none"))
    assert values["lineage.ai_proposed_depth.in_record"] == (1, None)
    (repository / "results.tsv").unlink()
    values = _values(measure_lineage([str(repository)], approvals="none"))
    assert values["lineage.ai_proposed_depth.in_record"] == (1, None)


def test_hostile_configuration_of_a_repository_is_not_obeyed(repository, tmp_path):
    """A file system monitor, an alias, a pager and a hook of the repository's start nothing."""
    mark = tmp_path / "ran"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n", "utf-8")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "alias.log", "diff.external", "core.sshCommand"):
        _git(repository, "config", key, f"!{script}" if key.startswith("alias") else str(script))
    (repository / ".gitattributes").write_text("*.py diff=evil\n", "utf-8")
    _git(repository, "config", "diff.evil.textconv", str(script))
    _git(repository, "config", "diff.evil.command", str(script))
    assert _values(measure_lineage([str(repository)], approvals="none"))["lineage.ai_proposed_depth.in_record"] == (
        3,
        3,
    )
    assert not mark.exists()


@pytest.mark.parametrize("branch", ["nowhere", "--output=/tmp/x", "autoresearch/mar6"])
def test_a_branch_that_is_not_there_is_refused(repository, branch):
    """I05, also where its name looks like an option."""
    with pytest.raises(Refused) as refused:
        measure_lineage([str(repository)], branch=branch)
    assert refused.value.rule == "I05"


def test_links_are_not_followed_and_are_counted(tmp_path):
    """A link out of the run, and one in a circle: passed over by name."""
    run = tmp_path / "run"
    (run / "checkpoints/checkpoint_1/programs").mkdir(parents=True)
    (run / "checkpoints/checkpoint_1/metadata.json").write_text("{}", "utf-8")
    program = {"id": "a", "code": "x", "parent_id": None, "metrics": {"combined_score": 0.5}}
    (run / "checkpoints/checkpoint_1/programs/a.json").write_text(json.dumps(program), "utf-8")
    (run / "loop").symlink_to(run)
    (run / "checkpoints/checkpoint_1/programs/b.json").symlink_to(tmp_path / "secret.json")
    result = measure_lineage([str(run)])
    assert _values(result)["lineage.versions"] == (1, 1)
    assert [(each.what, each.count) for each in result.exclusions] == [("files", 2)]


def test_a_link_to_a_file_within_the_run_is_that_file(tmp_path):
    """As a model cache has them: cards are links to blobs beside them."""
    for name, base in (("base", None), ("tuned", "org/base")):
        folder = tmp_path / f"hub/models--org--{name}"
        (folder / "snapshots/0a").mkdir(parents=True)
        (folder / "blobs").mkdir()
        front = "license: mit" if base is None else f"base_model: {base}\nbase_model_relation: finetune"
        (folder / "blobs/1f").write_text(f"---\n{front}\n---\n", "utf-8")
        (folder / "snapshots/0a/README.md").symlink_to("../../blobs/1f")
    found = read_lineage([str(tmp_path / "hub")])
    assert {version.id: version.parents for version in found.woven.versions.values()} == {
        "org/base": (),
        "org/tuned": ("org/base",),
    }
    assert found.result.exclusions == ()


def test_what_is_not_there_and_what_is_nothing_known_are_told_apart(tmp_path):
    """The world is wrong, the evidence is wrong, the caller is wrong."""
    with pytest.raises(Unavailable):
        measure_lineage([str(tmp_path / "nowhere")])
    with pytest.raises(Refused) as refused:
        measure_lineage([str(tmp_path)])
    assert refused.value.rule == "I01"
    with pytest.raises(Misuse):
        measure_lineage([])
    with pytest.raises(Misuse):
        measure_lineage([str(tmp_path)], branch="main")
    with pytest.raises(Misuse):
        measure_lineage([str(tmp_path)], kind="alphaevolve")


A, B = "a" * 64, "b" * 64
TRAINING = ("training",)


def _envelopes():
    signer = SoftwareSigner(bytes(32))
    bodies = [
        Version(A, (), ProposedBy("human"), TRAINING, Decimal(10), changed_lines=3),
        Version(B, (A,), ProposedBy("model", A), TRAINING, Decimal(5), changed_lines=7),
    ]
    for number, body in enumerate(bodies):
        header = Header("c" * 64, 1, "lab-a", f"{number:032x}", 1_800_000_000)
        yield encode_envelope(sign_payload(make_payload("version", header, (), body), signer))


def test_statements_in_files_and_in_a_log_say_the_same(tmp_path):
    """Envelopes as files, and the static files of a log with an entry that is none: the same depths."""
    files, log = tmp_path / "files", tmp_path / "log"
    files.mkdir()
    entries = [*_envelopes(), b"no statement at all"]
    for number, entry in enumerate(entries[:2]):
        (files / f"{number}.json").write_bytes(entry)
    tree = CompactTree()
    tree.extend(map(leaf_hash, entries))
    for bundle in bundles_for(len(entries)):
        path = log / bundle_path(bundle)
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_bundle(entries))
    line = base64.b64encode(bytes(4 + 64)).decode()
    root = base64.b64encode(tree.root()).decode()
    (log / "checkpoint").write_text(
        f"lab-a.example/log\n{len(entries)}\n{root}\n\n\N{EM DASH} lab-a.example/log {line}\n", "utf-8"
    )
    by_files, by_log = (measure_lineage([str(path)], approvals="none") for path in (files, log))
    for result in (by_files, by_log):
        values = _values(result)
        assert values["lineage.ai_proposed_depth"] == values["lineage.self_depth"] == (1, 1)
        assert values["lineage.since_approval.flop"] == (5, 5)
    assert [(each.what, each.count) for each in by_log.exclusions] == [("entries", 1)]


def test_several_runs_are_one_graph(repository, tmp_path):
    """The branch, and a table of another run: both stand in one result, each with its own scores."""
    other = tmp_path / "other.tsv"
    other.write_text(HEADER + "aaaaaaa\t1.0\t1\tkeep\tbaseline\nbbbbbbb\t0.5\t1\tkeep\tx\n", "utf-8")
    found = read_lineage([str(repository), str(other)], approvals="none")
    assert len(found.woven.loops) == 2
    assert [each.label for each in found.result.indicators if each.name == "lineage.score_best"] == [
        "autoresearch@autoresearch/mar5: best val_bpb",
        "other.tsv: best val_bpb",
    ]
    assert _values(found.result)["lineage.ai_proposed_depth.in_record"] == (3, 3)


def test_the_command_prints_the_result_and_writes_picture_and_graph(repository, tmp_path):
    """JSON on stdout, files where asked, what was written on stderr."""
    svg, prov = tmp_path / "tree.svg", tmp_path / "graph.json"
    done = CliRunner().invoke(
        main, ["measure", "lineage", str(repository), "--json", "--picture", str(svg), "--prov", str(prov)]
    )
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["measure"] == "lineage"
    assert {each["name"] for each in said["ledgers"]} == {"versions", "chain"}
    assert svg.read_text("utf-8").startswith("<svg")
    assert len(json.loads(prov.read_text("utf-8"))["wasDerivedFrom"]) == 6
    assert done.stderr.count("wrote") == 2


def test_the_command_says_by_number_what_it_refuses(tmp_path):
    """A refusal has its kind's exit code and stands on stderr."""
    done = CliRunner().invoke(main, ["measure", "lineage", str(tmp_path)])
    assert done.exit_code == EXIT_CODES["wrong-type"]
    assert "I01" in done.stderr


def test_every_indicator_can_be_a_statement(repository):
    """Names, units and numbers fit the fields of a ``measurement``, and the best version is what it is about."""
    result = measure_lineage([str(repository)], approvals="none")
    bodies = measurements(result, taken_at=1_800_000_000)
    assert len(bodies) == len(result.indicators)
    for body in bodies:
        assert MEASUREMENT.decode(json.loads(json.dumps(MEASUREMENT.encode(body)))) == body
    assert any(body.about is not None and body.about.version is not None for body in bodies)
