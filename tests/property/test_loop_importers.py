"""Importers of loops: whatever a record has become, it is refused by number or measured; nothing else happens."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.measure.indicator import Result
from detente.measure.loops.kinds import KINDS, kind_of
from detente.measure.loops.measuring import judge, measure_loops
from detente.measure.loops.prov import prov_document
from detente.measure.loops.source import Commit, HeldFiles, History, Source
from detente.measure.loops.tree_picture import draw_tree
from detente.measure.loops.weaving import weave

PROGRAM = {
    "id": "b",
    "code": "x",
    "parent_id": "a",
    "generation": 1,
    "timestamp": 1.75e9,
    "metrics": {"combined_score": 0.5},
}
NODE = {"id": "n", "step": 1, "metric": {"value": 0.5, "maximize": True}, "is_buggy": False, "ctime": 1.75e9}
OUTER = {
    "generation": 0,
    "selfimprove_entries": [["initial", "x"]],
    "children": ["20250301_120000_000001"],
    "children_compiled": [],
    "archive": ["initial"],
}
RECORDS = {
    "openevolve": {
        "checkpoints/checkpoint_1/metadata.json": {"best_program_id": "b", "last_iteration": 1},
        "checkpoints/checkpoint_1/programs/a.json": {**PROGRAM, "id": "a", "parent_id": None},
        "checkpoints/checkpoint_1/programs/b.json": PROGRAM,
        "evolution_trace.jsonl": {"child_id": "c", "parent_id": "b", "child_metrics": {"m": 1}, "generation": 2},
    },
    "dgm": {
        "dgm_metadata.jsonl": OUTER,
        "initial/metadata.json": {"overall_performance": {"accuracy_score": 0.2}},
        "20250301_120000_000001/metadata.json": {
            "parent_commit": "initial",
            "overall_performance": {"accuracy_score": 0.3},
        },
    },
    "hgm": {
        "hgm_metadata.jsonl": {
            "n_task_evals": 1,
            "nodes": [{"commit_id": "c", "id": 1, "parent_id": 0, "mean_utility": 0.5, "num_evals": 2}],
        }
    },
    "sica": {
        "agent_0/benchmarks/g/perf.json": {"avg_score": 0.5},
        "agent_0/benchmarks/g/results.jsonl": {"problem_id": "p", "score": 1},
        "agent_1/benchmarks/g/perf.json": {"avg_score": 0.6},
    },
    "journal": {"journal.json": {"nodes": [NODE, {**NODE, "id": "m"}], "node2parent": {"m": "n"}, "__version": "2"}},
    "adas": {
        "x_run_archive.json": [
            {"name": "a", "generation": "initial", "fitness": "Median: 5.0%"},
            {"name": "b", "generation": 1},
        ]
    },
    "model-cards": {"org/m/adapter_config.json": {"base_model_name_or_path": "org/b"}},
}
REFUSALS = {"I02", "I03", "I04", "I05"}
TABLE = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\naaaaaaa\t1.0\t1\tkeep\tbaseline\nbbbbbbb\t0.9\t1\tkeep\tx\n"
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "b", "initial", "n", "m"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def _paths(value, path=()):
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(inner, (*path, key))


def _replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def _measure(source, kind):
    """All that a command does with a run: the result, or the number of the refusal."""
    try:
        loop = kind.import_loop(source)
        judged = judge(weave([loop]), {"*": False})
        result = measure_loops(judged, subject="run", approvals="test")
    except Refused as refused:
        return refused.rule
    for indicator in result.indicators:
        assert indicator.interval is not None
    json.dumps(result.as_json(), allow_nan=False).encode()
    json.dumps(prov_document(judged)).encode()
    draw_tree(judged, title="t").encode()
    return result


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(RECORDS)), st.data())
def test_a_changed_member_is_refused_or_measured(name, data):
    """One member of one file becomes anything else: a refusal, or intervals whose ends are the right way round."""
    files = dict(RECORDS[name])
    file = data.draw(st.sampled_from(sorted(files)))
    path = data.draw(st.sampled_from(list(_paths(files[file]))))
    files[file] = _replaced(files[file], path, data.draw(values))
    source = Source(
        "run", HeldFiles({each: json.dumps(text).encode("utf-8", "replace") for each, text in files.items()})
    )
    kind = next(each for each in KINDS if each.name == name)
    found = _measure(source, kind)
    assert isinstance(found, Result) or found in REFUSALS


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(RECORDS)), st.data())
def test_a_file_that_was_cut_or_overwritten_is_refused_or_measured(name, data):
    """Bytes are missing at the end, or others stand in the middle."""
    files = {each: json.dumps(text, indent=2).encode() for each, text in RECORDS[name].items()}
    file = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[file])))
    files[file] = files[file][:at] + data.draw(st.binary(max_size=6))
    found = _measure(Source("run", HeldFiles(files)), next(each for each in KINDS if each.name == name))
    assert isinstance(found, Result) or found in REFUSALS


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_table_of_any_cells_is_refused_or_measured(data):
    """Rows of any cells, in any number, with any line ends; with a branch or without."""
    cell = st.sampled_from(
        ["aaaaaaa", "bbbbbbb", "keep", "discard", "crash", "1.0", "nan", "-1", "1e400", "", "x y", "\r", "é"]
    )
    rows = data.draw(st.lists(st.lists(cell, max_size=7), max_size=8))
    text = TABLE + "\n".join("\t".join(row) for row in rows)
    commits = data.draw(st.lists(st.sampled_from(["a" * 40, "b" * 40, "c" * 40]), max_size=3, unique=True))
    history = None
    if commits:
        parents = data.draw(
            st.lists(st.sampled_from(["a" * 40, "b" * 40, "d" * 40]), min_size=len(commits), max_size=len(commits))
        )
        changed = {"train.py": (1, 1)}
        history = History(
            "autoresearch/x",
            tuple(
                Commit(commit, (parent,), 1_750_000_000, "s", changed)
                for commit, parent in zip(commits, parents, strict=True)
            ),
        )
    source = Source("run", HeldFiles({"results.tsv": text.encode()}), history=history)
    result = _measure(source, kind_of(source))
    assert isinstance(result, Result)
    attempts = next(each for each in result.indicators if each.name == "lineage.attempts")
    lines = [line for line in text.split("\n")[1:] if line.strip()]
    continued = [line for line in lines if "\t" not in line]
    assert attempts.low == len(lines) - len(continued)


class _Rows:
    """A database whose cells are anything that SQLite can hold: it checks no types."""

    def __init__(self, tables):
        self.tables = tables
        self.columns = {name: list(rows[0]) for name, rows in tables.items() if rows}

    def rows(self, table):
        return self.tables[table]


cells = (
    st.none()
    | st.integers(-3, 3)
    | st.floats()
    | st.binary(max_size=3)
    | st.sampled_from(["a", "b", "c", "", "None", "{", "models:/a/1"])
)
names = st.sampled_from(["a", "b", "c"])


def _rows(data, *columns, sound):
    """Up to four rows: sound cells where a column has some, and one cell in ten anything."""
    return [
        {each: data.draw(cells if data.draw(st.integers(0, 9)) == 0 else sound.get(each, cells)) for each in columns}
        for _ in range(data.draw(st.integers(1, 4)))
    ]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_database_of_any_cells_is_refused_or_measured(data):
    """SQLite checks no types: texts where numbers belong, bytes where texts belong, rows that are their own parents."""
    marks = st.sampled_from([None, "{}", '{"_is_island_copy": true}', "_is_island_copy"])
    programs = _rows(
        data,
        *(
            "id",
            "parent_id",
            "generation",
            "combined_score",
            "timestamp",
            "code",
            "code_diff",
            "metadata",
            "correct",
            "island_idx",
        ),
        sound={"id": names, "parent_id": st.none() | names, "generation": st.integers(0, 3), "metadata": marks},
    )
    stored = _rows(data, "key", "value", sound={"key": st.just("best_program_id")})
    runs = _rows(
        data,
        "run_uuid",
        "start_time",
        "lifecycle_stage",
        "status",
        sound={"run_uuid": names, "lifecycle_stage": st.just("active")},
    )
    tags = _rows(
        data,
        "key",
        "value",
        "run_uuid",
        sound={"key": st.just("mlflow.parentRunId"), "value": names, "run_uuid": names},
    )
    versions = _rows(
        data,
        "name",
        "version",
        "creation_time",
        "source",
        "status",
        sound={"name": names, "version": st.integers(1, 3)},
    )
    shinka = _Rows({"programs": programs, "metadata_store": stored})
    tables = {"runs": runs, "tags": tags}
    if data.draw(st.booleans()):
        tables["model_versions"] = versions
    for name, database in (("shinka", shinka), ("mlflow", _Rows(tables))):
        kind = next(each for each in KINDS if each.name == name)
        found = _measure(Source("run", HeldFiles({}), {"x.db": database}), kind)
        assert isinstance(found, Result) or found in REFUSALS
