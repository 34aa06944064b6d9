"""Archives of evolving programs and agents: OpenEvolve, DGM, HGM, ShinkaEvolve, in their true formats."""

import gzip
import json
from decimal import Decimal
from typing import ClassVar

import pytest

from detente.adapters.loop_database import open_database
from detente.adapters.loop_files import FolderFiles
from detente.base.errors import Refused
from detente.measure.loops import dgm, openevolve, shinka
from detente.measure.loops.approvals import NOBODY
from detente.measure.loops.kinds import kind_of
from detente.measure.loops.measuring import judge, measure_loops
from detente.measure.loops.source import HeldFiles, Source
from detente.measure.loops.weaving import weave
from tests.shared_data import shared


def _source(files, **more):
    return Source(
        "run",
        HeldFiles({name: data if isinstance(data, bytes) else data.encode() for name, data in files.items()}),
        **more,
    )


def _values(*loops, approvals=NOBODY):
    result = measure_loops(judge(weave(loops), approvals), subject="run", approvals="test")
    return {each.name: (each.low, each.high) for each in result.indicators}, result


def _edges(loop):
    return {(parent, version.id) for version in loop.versions for parent in (*version.parents, *version.perhaps)}


# OpenEvolve


def _program(version, parent, generation, score=0.5, code="x", **metadata):
    return json.dumps(
        {
            "id": version,
            "code": code + version,
            "parent_id": parent,
            "generation": generation,
            "timestamp": 1_750_000_000.5 + generation,
            "metrics": {"combined_score": score},
            "metadata": metadata,
        }
    )


def _checkpoint(number, *programs, best=None):
    folder = f"checkpoints/checkpoint_{number}"
    files = {f"{folder}/programs/{json.loads(text)['id']}.json": text for text in programs}
    return {**files, f"{folder}/metadata.json": json.dumps({"best_program_id": best, "last_iteration": number})}


def test_a_real_checkpoint_of_the_older_schema_comes_out_as_recorded():
    """Two programs, one edge, generations 0 and 1, scores 0 and 1, and the best as the checkpoint names it."""
    source = Source("arc", FolderFiles(shared("loops/openevolve/arc_evaluation_task_0")))
    assert kind_of(source).name == "openevolve"
    loop = openevolve.import_loop(source)
    first, second = loop.versions
    assert _edges(loop) == {("90c2a0c2-e3bd-4aa4-9bdc-1ab1b9326f97", "ce48590c-4448-45b9-83f4-9e0a85424033")}
    assert [(each.generation, each.score) for each in (first, second)] == [(0, 0), (1, 1)]
    assert loop.best == second.id


def test_every_real_summary_of_a_best_program_is_read():
    """Ten summaries: id, generation, score and a parent that nobody recorded, so that no depth has an upper end."""
    paths = sorted(shared("loops/openevolve/best_program_info").glob("*.json"))
    assert len(paths) == 10
    for path in paths:
        said = json.loads(path.read_text("utf-8"))
        loop = openevolve.import_loop(Source(path.name, HeldFiles({"best_program_info.json": path.read_bytes()})))
        [version] = loop.versions
        assert (version.id, version.generation) == (said["id"], said["generation"])
        assert version.parents == ((said["parent_id"],) if said.get("parent_id") else ())
        values, _ = _values(loop)
        assert values["lineage.ai_proposed_depth"][1] is None


def test_parents_that_one_checkpoint_lacks_are_found_in_the_others():
    """The last checkpoint has an orphan; the union over all has none."""
    a, b, c = _program("a", None, 0), _program("b", "a", 1), _program("c", "b", 2)
    alone = openevolve.import_loop(_source(_checkpoint(20, c)))
    whole = openevolve.import_loop(_source({**_checkpoint(10, a, b), **_checkpoint(20, c, best="c")}))
    assert set(weave([alone]).missing.values()) == {"b"}
    assert not weave([whole]).missing
    values, _ = _values(whole)
    assert values["lineage.ai_proposed_depth.in_record"] == (0, 2)


def test_a_trace_tells_of_programs_that_no_checkpoint_kept():
    """Edges of evolution_trace.jsonl join those of the checkpoints."""
    trace = json.dumps(
        {"iteration": 2, "parent_id": "b", "child_id": "c", "generation": 2, "child_metrics": {"combined_score": 0.9}}
    )
    programs = _checkpoint(10, _program("a", None, 0), _program("b", "a", 1))
    packed = gzip.compress(trace.encode())
    for file in ({"evolution_trace.jsonl": trace + "\n"}, {"evolution_trace.jsonl.gz": packed}):
        assert _edges(openevolve.import_loop(_source({**programs, **file}))) == {("a", "b"), ("b", "c")}
    for broken in (packed[:-9], b"no gzip"):
        with pytest.raises(Refused) as refused:
            openevolve.import_loop(_source({**programs, "evolution_trace.jsonl.gz": broken}))
        assert refused.value.rule == "I03"


def test_a_program_with_its_parents_text_is_the_same_program_again():
    """A migrant's children are its original's; marked as a migrant with another text it is a version like any other."""
    original = json.loads(_program("a", None, 0))
    copy = {**original, "id": "m", "parent_id": "a", "metadata": {"migrant": True}}
    changed = {**copy, "id": "n", "code": "other"}
    files = _checkpoint(10, json.dumps(original), json.dumps(copy), json.dumps(changed), _program("c", "m", 1))
    loop = openevolve.import_loop(_source(files))
    assert _edges(loop) == {("a", "c"), ("a", "n")}
    assert [(each.what, each.count) for each in loop.exclusions] == [("island copies", 1)]


def test_checkpoints_that_disagree_about_a_parent_keep_both_as_possible():
    """The upper end takes the longer way, the lower end neither, and the disagreement is counted."""
    files = {
        **_checkpoint(10, _program("a", None, 0), _program("b", "a", 1), _program("c", "a", 2)),
        **_checkpoint(20, _program("c", "b", 2)),
    }
    loop = openevolve.import_loop(_source(files))
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (0, 2)
    assert [each.what for each in loop.exclusions] == ["ids told twice"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"id": "a", "parent_id": null', "I03"),
        ('{"parent_id": null}', "I04"),
        ('{"id": 7}', "I04"),
        ('{"id": "b", "parent_id": ["a"]}', "I04"),
        ('{"id": "b", "metrics": 3}', "I04"),
        ("[" * 100_000, "I03"),
        ("", "I03"),
    ],
)
def test_one_broken_program_refuses_the_whole_run(text, rule):
    """An importer that meets something it does not understand says so and imports nothing half-way."""
    files = {**_checkpoint(10, _program("a", None, 0)), "checkpoints/checkpoint_10/programs/z.json": text}
    with pytest.raises(Refused) as refused:
        openevolve.import_loop(_source(files))
    assert refused.value.rule == rule


def test_a_score_that_is_no_number_is_left_out_and_counted():
    """NaN in a checkpoint is what Python wrote, and no score."""
    files = _checkpoint(10, _program("a", None, 0, score=float("nan")), _program("b", "a", 1, score=-3.5))
    loop = openevolve.import_loop(_source(files))
    assert [version.score for version in loop.versions] == [None, Decimal("-3.5")]
    assert [(each.what, each.count) for each in loop.exclusions] == [("scores", 1)]


# DGM and HGM


def _child(run, parent, accuracy, patch="--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-old\n+new\n+more\n"):
    performance = {"accuracy_score": accuracy, "total_resolved_instances": 3, "total_submitted_instances": 10}
    record = {"run_id": run, "parent_commit": parent, "entry": "django__django-1", "overall_performance": performance}
    return {f"{run}/metadata.json": json.dumps(record, indent=4), f"{run}/model_patch.diff": patch}


def _dgm_run():
    generations = [
        {
            "generation": 0,
            "selfimprove_entries": [["initial", "django__django-1"], ["initial", "solve_empty_patches"]],
            "children": ["20250101_1", "20250101_2"],
            "children_compiled": ["20250101_1"],
            "archive": ["initial", "20250101_1"],
        },
        {
            "generation": 1,
            "selfimprove_entries": [["20250101_1", "django__django-2"]],
            "children": ["20250102_1"],
            "children_compiled": ["20250102_1"],
            "archive": ["initial", "20250101_1", "20250102_1"],
        },
    ]
    outer = "".join(json.dumps(each, indent=2) + "\n" for each in generations)
    first = {"run_id": "initial", "overall_performance": {"accuracy_score": 0.2, "total_resolved_instances": 12}}
    return {
        "dgm_metadata.jsonl": outer,
        "initial/metadata.json": json.dumps(first, indent=4),
        **_child("20250101_1", "initial", 0.3),
        **_child("20250101_2", "initial", 0.0),
        **_child("20250102_1", "20250101_1", 0.4),
    }


def test_the_real_first_agent_has_its_score():
    """Accuracy 0.2, of which 12 of 60 is the source."""
    source = Source("dgm", FolderFiles(shared("loops/dgm")))
    assert kind_of(source).name == "dgm"
    [version] = dgm.import_dgm(source).versions
    assert (version.id, version.score) == ("initial", Decimal("0.2"))


def test_objects_over_many_lines_one_after_another_are_all_read():
    """Two generations, three children, of which one did not compile and left the archive; each proposed by its parent."""
    source = _source(_dgm_run())
    assert kind_of(source).name == "dgm"
    loop = dgm.import_dgm(source)
    assert _edges(loop) == {("initial", "20250101_1"), ("initial", "20250101_2"), ("20250101_1", "20250102_1")}
    assert {version.id for version in loop.versions if version.kept is False} == {"20250101_2"}
    assert loop.attempts == 3
    values, result = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (2, 2)
    assert values["lineage.self_depth.in_record"] == (2, 2)
    assert (values["lineage.score_first"], values["lineage.score_best"]) == (
        (Decimal("0.2"),) * 2,
        (Decimal("0.4"),) * 2,
    )
    classes = {each.name: each.evidence_class for each in result.indicators}
    assert classes["lineage.ai_proposed_depth"] == "declared"  # that nobody approved is only stated
    assert classes["lineage.score_best"] == "recorded"
    assert values["lineage.since_approval.changed_lines.in_record"] == (6, 6)


def test_an_agents_name_is_a_local_time_of_an_unknown_place():
    """Each is known to 26 hours, so that what lies a day apart has no certain order and a week apart has."""
    outer = {
        "generation": 0,
        "selfimprove_entries": [["initial", "x"], ["20250301_120000_000001", "x"]],
        "children": ["20250301_120000_000001", "20250308_120000_000001"],
        "children_compiled": [],
        "archive": ["initial", "20250301_120000_000001", "20250308_120000_000001"],
    }
    loop = dgm.import_dgm(_source({"dgm_metadata.jsonl": json.dumps(outer, indent=2)}))
    by_name = {version.id: version.time for version in loop.versions}
    first, second = by_name["20250301_120000_000001"], by_name["20250308_120000_000001"]
    assert (first.high - first.low, second.low - first.low) == (26 * 3_600, 7 * 86_400)
    values, _ = _values(loop)
    assert values["lineage.since_approval.days.in_record"][0] == Decimal("5.916667")


def test_an_agent_that_differs_in_two_records_may_come_from_either():
    """The child's own record names another parent than the outer loop."""
    files = {**_dgm_run(), **_child("20250102_1", "initial", 0.4)}
    loop = dgm.import_dgm(_source(files))
    assert ("initial", "20250102_1") in _edges(loop)
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 2)


@pytest.mark.parametrize(
    ("outer", "rule"),
    [
        ('{"generation": 0}', "I04"),
        ('{"generation": 0, "selfimprove_entries": [["initial"]], "children": ["a"], "archive": []}', "I04"),
        ('{"generation": 0, "selfimprove_entries": [], "children": [], "archive": []} {"gener', "I03"),
    ],
)
def test_an_outer_record_that_is_not_understood_refuses_the_run(outer, rule):
    """Missing members, an entry that is no pair, a file cut short."""
    with pytest.raises(Refused) as refused:
        dgm.import_dgm(_source({**_dgm_run(), "dgm_metadata.jsonl": outer}))
    assert refused.value.rule == rule


def test_hgm_nodes_hang_from_their_parents_numbers_and_an_infinite_mean_is_no_score():
    """The last snapshot has every node; node 0 is the first agent; a failed attempt is no agent."""
    nodes = [
        {"commit_id": "c1", "id": 1, "parent_id": 0, "mean_utility": 0.25, "num_evals": 4},
        {"commit_id": "c2", "id": 2, "parent_id": 1, "mean_utility": float("inf"), "num_evals": 0},
        {"commit_id": "failed", "id": 3, "parent_id": 1, "mean_utility": 0.0, "num_evals": 1},
    ]
    outer = "".join(json.dumps({"n_task_evals": n, "nodes": nodes[:n]}, indent=2) + "\n" for n in (1, 3))
    source = _source({"hgm_metadata.jsonl": outer, "initial/metadata.json": json.dumps({})})
    assert kind_of(source).name == "hgm"
    loop = dgm.import_hgm(source)
    assert _edges(loop) == {("initial", "c1"), ("c1", "c2")}
    assert [version.score for version in loop.versions] == [None, Decimal("0.25"), None]
    assert [(each.what, each.count) for each in loop.exclusions] == [("attempts", 1)]
    values, _ = _values(loop)
    assert values["lineage.self_depth.in_record"] == (2, 2)


# ShinkaEvolve


def _shinka():
    folder = shared("loops/shinka/run_2025-10-04")
    return json.loads((folder / "expected.json").read_text("utf-8")), open_database(folder / "evolution_db.sqlite")


def test_a_real_database_whose_rows_all_lie_in_its_log_comes_out_as_recorded():
    """Edges, generations and scores as expected.json has them; no best; the copy on the other island is no second root."""
    expected, opened = _shinka()
    with opened as tables:
        source = Source("run", HeldFiles({}), {"evolution_db.sqlite": tables})
        assert kind_of(source).name == "shinka"
        loop = shinka.import_loop(source)
    assert _edges(loop) == {(parent, child) for parent, child, _ in expected["edges"]}
    assert {each.id: each.generation for each in loop.versions if each.parents} == {
        child: generation for _, child, generation in expected["edges"]
    }
    assert [each.id for each in loop.versions if not each.parents] == [
        root for root in expected["roots"] if root not in expected["island_copy"]
    ]
    assert loop.best is None
    assert [(each.what, each.examples) for each in loop.exclusions] == [
        ("island copies", tuple(expected["island_copy"]))
    ]
    assert {version.score for version in loop.versions} == {0}
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (0, 1)


def test_reading_a_database_leaves_it_and_its_folder_as_they_were(tmp_path):
    """Opening in place would checkpoint the log away: both are copied first."""
    folder = shared("loops/shinka/run_2025-10-04")
    for name in ("evolution_db.sqlite", "evolution_db.sqlite-wal"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with open_database(tmp_path / "evolution_db.sqlite") as tables:
        assert len(tables.rows("programs")) == 8
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_real_attempts_without_a_database_are_counted_and_prove_nothing():
    """13 attempts, and nothing says what came from what: no depth has an upper end."""
    source = Source("attempts", FolderFiles(shared("loops/shinka/attempts")))
    assert kind_of(source).name == "shinka"
    loop = shinka.import_loop(source)
    assert (loop.attempts, loop.versions) == (13, ())
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (None, None)


def test_a_damaged_database_is_refused(tmp_path):
    """Bytes after the magic that are no database: I03, and nothing read."""
    path = tmp_path / "programs.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\x07" * 8_000)
    with pytest.raises(Refused) as refused, open_database(path):
        pass
    assert refused.value.rule == "I03"


def test_a_table_of_programs_without_parents_is_no_shinka_database():
    """Another schema is refused by the names of what it lacks."""

    class Other:
        columns: ClassVar = {"programs": ["id", "code"]}

    with pytest.raises(Refused) as refused:
        shinka.import_loop(Source("run", HeldFiles({}), {"x.sqlite": Other()}))
    assert refused.value.rule == "I04"
