"""Journals, archives, model cards, stores and our own statements: parents as far as each records them, and no further."""

import json
import sqlite3
from decimal import Decimal

import pytest

from detente.adapters.loop_database import open_database
from detente.base.errors import Refused
from detente.measure.loops import adas, journal, mlflow, model_cards, sica, statements
from detente.measure.loops.approvals import NOBODY
from detente.measure.loops.kinds import kind_of
from detente.measure.loops.measuring import judge, measure_loops
from detente.measure.loops.record import Loop, LoopVersion
from detente.measure.loops.source import HeldFiles, Source
from detente.measure.loops.weaving import weave
from detente.statement.approval import Approval
from detente.statement.change import ProposedBy
from detente.statement.proposal import Proposal
from detente.statement.version import Version


def _source(files, **more):
    held = {name: data if isinstance(data, bytes) else data.encode() for name, data in files.items()}
    return Source("run", HeldFiles(held), **more)


def _values(*loops, approvals=NOBODY):
    result = measure_loops(judge(weave(loops), approvals), subject="run", approvals="test")
    return {each.name: (each.low, each.high) for each in result.indicators}, result


def _edges(loop):
    return {(parent, version.id) for version in loop.versions for parent in (*version.parents, *version.perhaps)}


# SICA


def _agent(number, *singles, **files):
    mean = sum(singles) / len(singles)
    rows = "".join(
        json.dumps({"problem_id": f"p{n}", "score": score, "tokens_used": 1}) + "\n" for n, score in enumerate(singles)
    )
    return {
        f"agent_{number}/agent_code/agent.py": "x",
        f"agent_{number}/benchmarks/gsm8k/perf.json": json.dumps({"avg_score": mean}),
        f"agent_{number}/benchmarks/gsm8k/results.jsonl": rows,
    }


def test_parents_are_recomputed_by_the_loops_own_rule():
    """Agent 3 comes from 2, the newest within the bound of 1, the best, which proposed it; agent 2 comes from 1."""
    files = {**_agent(0, 0, 0, 0, 0, 0), **_agent(1, 1, 1, 1, 0), **_agent(2, 1, 0, 1, 0), **_agent(3, 0, 0, 0, 1)}
    source = _source(files)
    assert kind_of(source).name == "sica"
    loop = sica.import_loop(source)
    assert _edges(loop) == {("agent_0", "agent_1"), ("agent_1", "agent_2"), ("agent_2", "agent_3")}
    assert {each.id: each.proposed_by for each in loop.versions} == {
        "agent_0": None,
        "agent_1": "agent_0",
        "agent_2": "agent_1",
        "agent_3": "agent_1",
    }
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 3)


def test_an_agent_that_fell_below_the_bound_is_no_parent():
    """The newest agent did badly: the next one is made from the best again."""
    best = [1, 1, 1, 1, 1, 1, 1, 0]
    loop = sica.import_loop(_source({**_agent(0, *best), **_agent(1, 0, 0, 0, 0), **_agent(2, 1, 1)}))
    assert ("agent_0", "agent_2") in _edges(loop)
    assert ("agent_1", "agent_2") not in _edges(loop)


def test_without_scores_every_earlier_agent_may_be_the_parent():
    """Evidence that is missing lowers no upper end."""
    files = {**_agent(0, 1, 0), **_agent(1, 1, 0), **_agent(2, 1, 1)}
    whole, _ = _values(sica.import_loop(_source(files)))
    without = {name: data for name, data in files.items() if not name.startswith("agent_1/benchmarks")}
    values, _ = _values(sica.import_loop(_source(without)))
    assert values["lineage.ai_proposed_depth.in_record"][1] >= whole["lineage.ai_proposed_depth.in_record"][1] == 2


def test_a_cut_result_file_refuses_the_run():
    """Half a record is not skipped: the parents would be others."""
    files = {**_agent(0, 1, 0), **_agent(1, 1, 0)}
    files["agent_1/benchmarks/gsm8k/results.jsonl"] += '{"problem_id": "p9", "sco'
    with pytest.raises(Refused) as refused:
        sica.import_loop(_source(files))
    assert refused.value.rule == "I03"


# AIDE and AI-Scientist-v2


def _node(name, step, value, *, buggy=False, maximize=False):
    metric = {"value": value, "maximize": maximize}
    return {
        "id": name,
        "step": step,
        "code": "x",
        "plan": "y",
        "metric": metric,
        "is_buggy": buggy,
        "ctime": 1.75e9 + step,
    }


def _journal(*nodes, **parents):
    return json.dumps({"nodes": nodes, "node2parent": parents, "__version": "2"})


def test_a_journal_gives_drafts_improvements_and_repairs():
    """Two drafts come from the state before the loop; a buggy node has a child that mends it, and is never best."""
    text = _journal(
        _node("a", 0, 0.9),
        _node("b", 1, None, buggy=True),
        _node("c", 2, 0.8),
        _node("d", 3, 0.1, buggy=True),
        c="b",
        d="c",
    )
    source = _source({"logs/run/journal.json": text})
    assert kind_of(source).name == "journal"
    loop = journal.import_loop(source)
    assert _edges(loop) == {("task", "a"), ("task", "b"), ("b", "c"), ("c", "d")}
    assert loop.direction == "lower"
    values, _ = _values(loop)
    assert values["lineage.score_best"] == (Decimal("0.8"),) * 2
    assert values["lineage.ai_proposed_depth.in_record"] == (3, 3)
    assert values["lineage.self_depth.in_record"] == (0, 3)


def test_stages_of_one_run_are_one_tree():
    """The node that a stage ends with begins the next journal: the union has it once, and a metric of several data sets."""
    metric = {
        "value": {
            "metric_names": [
                {"metric_name": "acc", "lower_is_better": False, "data": [{"final_value": 0.5}, {"final_value": 0.7}]}
            ]
        },
        "maximize": None,
    }
    a, b = _node("a", 0, 0.5, maximize=True), {**_node("b", 1, 0, maximize=None), "metric": metric}
    files = {"stage_1/journal.json": _journal(a), "stage_2/journal.json": _journal(a, b, b="a")}
    loop = journal.import_loop(_source(files))
    assert _edges(loop) == {("task", "a"), ("a", "b")}
    assert {each.id: each.score for each in loop.versions}["b"] == Decimal("0.6")
    assert loop.direction == "higher"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"nodes": [], "node2parent": {}, "__version": "3"}', "I04"),
        ('{"nodes": [], "__version": "2"}', "I04"),
        ('{"nodes": [{"step": 1}], "node2parent": {}, "__version": "2"}', "I04"),
        ('{"nodes": [], "node2parent": {"a": 3}, "__version": "2"}', "I04"),
        ('{"nodes": [', "I03"),
    ],
)
def test_a_journal_of_another_form_is_refused(text, rule):
    """A version that nobody here knows may mean something else by the same names."""
    with pytest.raises(Refused) as refused:
        journal.import_loop(_source({"journal.json": text}))
    assert refused.value.rule == rule


# ADAS


def _design(name, generation, median):
    fitness = f"95% Bootstrap Confidence Interval: (10.0%, 20.0%), Median: {median}%"
    return {"name": name, "code": "x", "thought": "y", "fitness": fitness, "generation": generation}


def test_an_archive_without_parents_says_so_and_counts_none_for_certain():
    """Two initial designs and two later ones: at most two in a row, for certain one, and a warning."""
    designs = [
        _design("a", "initial", "5.0"),
        _design("b", "initial", "6.0"),
        _design("c", 1, "9.5"),
        _design("d", 2, "8.0"),
    ]
    source = _source({"x_run_archive.json": json.dumps(designs, indent=4)})
    assert kind_of(source).name == "adas"
    loop = adas.import_loop(source)
    assert [remark.kind for remark in loop.remarks] == ["no-parents"]
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 2)
    assert (values["lineage.score_first"], values["lineage.score_best"]) == ((5, 5), (Decimal("9.5"), Decimal("9.5")))


@pytest.mark.parametrize(
    "text", ["{}", '[{"name": "a"}]', '[{"generation": 1}]', '[{"name": "a", "generation": true}]']
)
def test_an_archive_of_another_form_is_refused(text):
    """No list, no name, no generation."""
    with pytest.raises(Refused) as refused:
        adas.import_loop(_source({"x_run_archive.json": text}))
    assert refused.value.rule == "I04"


# Model cards


def _card(**fields):
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())
    return f"---\n{lines}---\n# A model\n"


def test_cards_adapters_and_merge_recipes_name_parents():
    """A list of bases is a merge, an adapter names its base, a recipe all its models, a quantisation changes no training."""
    files = {
        "org/base/README.md": _card(license="mit"),
        "org/tuned/README.md": _card(base_model="org/base", base_model_relation="finetune"),
        "org/adapter/adapter_config.json": json.dumps({"base_model_name_or_path": "org/tuned"}),
        "org/merged/mergekit_config.yml": "models:\n  - model: org/tuned\n  - model: org/other+org/lora\nmerge_method: ties\nbase_model: org/base\n",
        "models--org--small/snapshots/0a/README.md": _card(base_model=["org/merged"], base_model_relation="quantized"),
    }
    source = _source(files)
    assert kind_of(source).name == "model-cards"
    loop = model_cards.import_loop(source)
    assert _edges(loop) == {
        ("org/base", "org/tuned"),
        ("org/tuned", "org/adapter"),
        ("org/base", "org/merged"),
        ("org/tuned", "org/merged"),
        ("org/other", "org/merged"),
        ("org/merged", "org/small"),
    }
    touched = {each.id: each.touches for each in loop.versions}
    assert touched["org/small"] == {"configuration"}
    values, result = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (None, None)  # org/other was not recorded
    assert "missing-parents" in {remark.kind for remark in result.remarks}
    without = {name: data for name, data in files.items() if "merged" not in name and "small" not in name}
    values, _ = _values(model_cards.import_loop(_source(without)))
    assert values["lineage.ai_proposed_depth.in_record"] == (0, 2)


@pytest.mark.parametrize(
    ("front", "rule"),
    [
        ("base_model: [a", "I03"),
        ("base_model: a\nbase_model: b", "I03"),
        ("a: &x [*x]\nbase_model: a: b", "I03"),
        ("x" * 2_000_000, None),
    ],
)
def test_front_matter_that_is_no_yaml_is_refused(front, rule):
    """Duplicate keys are two answers; what is too long for front matter is none."""
    source = _source({"m/README.md": f"---\n{front}\n---\n", "m/adapter_config.json": "{}"})
    if rule is None:
        loop = model_cards.import_loop(source)
        assert loop.versions[0].parents == ()
        assert [(each.what, each.count) for each in loop.exclusions] == [("cards", 1)]
        return
    with pytest.raises(Refused) as refused:
        model_cards.import_loop(source)
    assert refused.value.rule == rule


# MLflow

RUN, CHILD = "a" * 32, "b" * 32


def _store(path):
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table runs (run_uuid text, name text, status text, start_time bigint, end_time bigint, lifecycle_stage text);"
        "create table tags (key text, value text, run_uuid text);"
        "create table model_versions (name text, version integer, creation_time bigint, source text, run_id text, status text);"
    )
    connection.executemany(
        "insert into runs values (?, 'x', 'FINISHED', 1750000000000, 1750000100000, ?)",
        [(RUN, "active"), (CHILD, "deleted")],
    )
    connection.execute("insert into tags values ('mlflow.parentRunId', ?, ?)", (RUN, CHILD))
    return connection


def test_registered_versions_follow_one_another_perhaps_and_copies_for_certain(tmp_path):
    """The registry records no parent but the source of a copy: the version before is a possible one."""
    connection = _store(tmp_path / "mlflow.db")
    rows = [("m", 1, "runs:/x/model"), ("m", 2, "runs:/y/model"), ("prod", 1, "models:/m/2")]
    connection.executemany("insert into model_versions values (?, ?, 1750000000000, ?, 'x', 'READY')", rows)
    connection.commit()
    connection.close()
    with open_database(tmp_path / "mlflow.db") as tables:
        source = Source("run", HeldFiles({}), {"mlflow.db": tables})
        assert kind_of(source).name == "mlflow"
        loop = mlflow.import_loop(source)
    assert _edges(loop) == {("m/1", "m/2"), ("m/2", "prod/1")}
    assert {each.id: each.parents for each in loop.versions}["prod/1"] == ("m/2",)
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (0, 2)


def test_runs_alone_are_versions_and_a_deleted_one_was_dropped(tmp_path):
    """Nesting is not derivation, and may be: the upper end counts it unless the run was deleted."""
    connection = _store(tmp_path / "mlflow.db")
    connection.commit()
    connection.close()
    with open_database(tmp_path / "mlflow.db") as tables:
        loop = mlflow.import_loop(Source("run", HeldFiles({}), {"mlflow.db": tables}))
    assert _edges(loop) == {(RUN, CHILD)}
    assert {each.id: each.kept for each in loop.versions} == {RUN: True, CHILD: False}


def test_a_file_store_tells_the_same():
    """Runs, tags and registered versions of the folder layout."""
    meta = "run_id: {run}\nlifecycle_stage: active\nstart_time: 1750000000000\nstatus: 3\n"
    files = {
        f"123/{RUN}/meta.yaml": meta.format(run=RUN),
        f"123/{CHILD}/meta.yaml": meta.format(run=CHILD),
        f"123/{CHILD}/tags/mlflow.parentRunId": RUN,
        "123/meta.yaml": "experiment_id: '123'\n",
    }
    source = _source(files)
    assert kind_of(source).name == "mlflow"
    assert _edges(mlflow.import_loop(source)) == {(RUN, CHILD)}
    files["models/m/version-1/meta.yaml"] = "creation_timestamp: 1750000000000\nsource: runs:/x/model\n"
    files["models/m/version-2/meta.yaml"] = "creation_timestamp: 1750000100000\nsource: models:/other/7\n"
    assert _edges(mlflow.import_loop(_source(files))) == {("other/7", "m/2")}
    files["models/m/version-2/meta.yaml"] = "- a list\n"
    with pytest.raises(Refused) as refused:
        mlflow.import_loop(_source(files))
    assert refused.value.rule == "I04"


# Our own statements

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def test_statements_give_exact_depths_and_an_unjudged_approval_lowers_none():
    """A by a human, B proposed by A, C by B: both depths two; an approval that nobody judged changes nothing."""
    training = ("training",)
    bodies = [
        ("version", Version(A, (), ProposedBy("human"), training, Decimal(10)), "1" * 64),
        (
            "version",
            Version(B, (A,), ProposedBy("model", A), training, Decimal(5), changed_lines=7, proposal="2" * 64),
            "3" * 64,
        ),
        ("version", Version(C, (B,), ProposedBy("model", B), training, Decimal(5), changed_lines=4), "4" * 64),
        ("proposal", Proposal("5" * 64, A, ProposedBy("model", A), training, Decimal(5), "wider"), "2" * 64),
        ("approval", Approval("2" * 64, "approve", "reviewer-1", "lab-a", None, False, "yes"), "6" * 64),
    ]
    source = Source("log", HeldFiles({}), statements=tuple(bodies))
    assert kind_of(source).name == "statements"
    loop = statements.import_loop(source)
    values, result = _values(loop)
    assert values["lineage.ai_proposed_depth"] == values["lineage.self_depth"] == (2, 2)
    assert values["lineage.since_approval.flop"] == (10, 10)
    assert values["lineage.since_approval.changed_lines"] == (11, 11)
    assert "approvals-not-judged" in {remark.kind for remark in result.remarks}
    unsaid, _ = _values(loop, approvals={})
    assert unsaid["lineage.ai_proposed_depth"] == (0, 2)


# Ways to hide, over importers


def _versions(*rows, kind="dgm"):
    versions = tuple(
        LoopVersion(
            id=name,
            parents=parents,
            proposer="undeclared" if by == "?" else "human" if by == "human" else "model",
            proposed_by=by if by not in {"?", "human"} else None,
            touches=frozenset({"training"}),
        )
        for name, parents, by in rows
    )
    return Loop(kind=kind, name="run", versions=versions, direction=None, score_name="", evidence="recorded")


def test_two_models_that_improve_each_other_lower_no_upper_end():
    """Each is proposed by the other's last version: the self depth counts them from the second exchange on."""
    rows = [
        ("a0", (), "human"),
        ("b0", (), "human"),
        ("a1", ("a0",), "b0"),
        ("b1", ("b0",), "a1"),
        ("a2", ("a1",), "b1"),
    ]
    rows += [("b2", ("b1",), "a2"), ("a3", ("a2",), "b2")]
    values, _ = _values(_versions(*rows))
    assert values["lineage.ai_proposed_depth"] == (3, 3)
    assert values["lineage.self_depth"][1] >= 2


def test_a_proposer_left_out_lowers_no_upper_end():
    """The same chain with nobody named as proposer: the lower end falls, the upper end stays."""
    named = _versions(("a", (), "human"), ("b", ("a",), "a"), ("c", ("b",), "b"))
    silent = _versions(("a", (), "human"), ("b", ("a",), "?"), ("c", ("b",), "?"))
    before, _ = _values(named)
    after, _ = _values(silent)
    for key in ("lineage.ai_proposed_depth", "lineage.self_depth"):
        assert before[key] == (2, 2)
        assert after[key] == (0, 2)


def test_versions_that_are_their_own_ancestors_have_no_upper_end_and_an_alarm():
    """A circle of parents, and what comes from it; what does not is measured as before."""
    rows = [("a", (), "human"), ("x", ("y",), "a"), ("y", ("x",), "a"), ("z", ("y",), "a"), ("b", ("a",), "a")]
    values, result = _values(_versions(*rows))
    assert values["lineage.ai_proposed_depth"][1] is None
    [remark] = [each for each in result.remarks if each.kind == "circle"]
    assert (remark.weight, remark.text[:10]) == ("alarm", "2 versions")


def test_runs_that_share_versions_make_one_graph():
    """The same program told by two runs is one version, and a disagreement about its parent widens the answer."""
    one = _versions(("a", (), "human"), ("b", ("a",), "a"), ("c", ("b",), "b"))
    two = _versions(("a", (), "human"), ("c", ("a",), "a"))
    alone, _ = _values(two)
    both, result = _values(one, two)
    assert alone["lineage.ai_proposed_depth"] == (1, 1)
    assert both["lineage.ai_proposed_depth"][1] == 2
    assert [each.count for each in result.exclusions] == [2]
