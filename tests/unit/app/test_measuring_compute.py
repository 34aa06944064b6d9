"""Files that declare a run: YAML, JSON, a ``config.json``, and files that name one another."""

import json

import pytest
from click.testing import CliRunner

from detente.app.measuring.compute import CHAIN_MAX, FILE_MAX, measure_run
from detente.base.errors import Misuse, Refused
from detente.cli import main

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 10,
    "rms_norm_eps": 1e-5,
}
N = 2 * (4 * 64 + 3 * 8 * 16) + 80
RUN = """\
format: detente-compute/1
run: example
model: {config: config.json}
stages:
  - {kind: training, tokens: 1e6, context: 4, dtype: bf16, recompute: none}
"""


def _flop(result, name="compute.flop"):
    return next(i.interval for i in result.indicators if i.name == name)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    (tmp_path / "run.yaml").write_text(RUN, "utf-8")
    return tmp_path


def test_a_declaration_reads_the_configuration_beside_it(folder):
    """And both files are named with their digests."""
    result = measure_run(folder / "run.yaml")
    assert _flop(result).low == 6 * N * 10**6
    assert set(result.inputs) == {"run.yaml", "config.json"}


def test_a_configuration_with_options_is_the_same_run(folder):
    """``config.json --tokens 1e6`` needs no declaration."""
    options = {"tokens": "1e6", "context": "4", "dtype": "bf16", "recompute": "none"}
    assert _flop(measure_run(folder / "config.json", options)) == _flop(measure_run(folder / "run.yaml"))


def test_json_is_read_like_yaml(folder):
    """Numbers in JSON stay texts until they are decimals: 0.1 hours is a tenth."""
    tree = {"format": "detente-compute/1", "run": "x", "hardware": [
        {"device": "a100-sxm", "devices": 1, "hours": 0.1, "dtype": "bf16", "utilisation": 1}]}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(tree, indent="\t"), "utf-8")
    assert _flop(measure_run(folder / "run.json")).low == 360 * 312 * 10**12


def test_an_ancestor_may_be_another_declaration(folder):
    """Its cumulative FLOP are the ancestor's."""
    (folder / "tuned.yaml").write_text(RUN + "parents: [base]\nlineage:\n  base: {run: run.yaml}\n", "utf-8")
    base, tuned = measure_run(folder / "run.yaml"), measure_run(folder / "tuned.yaml")
    assert _flop(tuned, "compute.cumulative_flop").low == 2 * _flop(base).low


def test_a_run_that_descends_from_itself_is_refused(folder):
    """Q10, however long the circle."""
    (folder / "a.yaml").write_text(RUN + "parents: [b]\nlineage:\n  b: {run: b.yaml}\n", "utf-8")
    (folder / "b.yaml").write_text(RUN + "parents: [a]\nlineage:\n  a: {run: a.yaml}\n", "utf-8")
    with pytest.raises(Refused) as refused:
        measure_run(folder / "a.yaml")
    assert refused.value.rule == "Q10"


def test_a_chain_without_end_is_refused(folder):
    """Q10 before the stack does."""
    for number in range(CHAIN_MAX + 2):
        (folder / f"{number}.yaml").write_text(
            RUN + f"parents: [p]\nlineage:\n  p: {{run: {number + 1}.yaml}}\n", "utf-8"
        )
    with pytest.raises(Refused) as refused:
        measure_run(folder / "0.yaml")
    assert refused.value.rule == "Q10"


def test_a_file_that_is_not_there_is_refused(folder):
    """Q07, and a folder likewise."""
    for path in (folder / "absent.yaml", folder):
        with pytest.raises(Refused) as refused:
            measure_run(path)
        assert refused.value.rule == "Q07"


def test_a_file_too_large_is_refused(folder):
    """Q09 before it is parsed."""
    (folder / "large.yaml").write_bytes(b"#" * (FILE_MAX + 1))
    with pytest.raises(Refused) as refused:
        measure_run(folder / "large.yaml")
    assert refused.value.rule == "Q09"


@pytest.mark.parametrize("text", ['{"model_type": "llama", ', '{"model_type": "ll\xe9ma"'], ids=["cut", "latin"])
def test_a_broken_configuration_is_refused(folder, text):
    """Q01."""
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Refused) as refused:
        measure_run(folder / "run.yaml")
    assert refused.value.rule == "Q01"


def test_options_beside_a_declaration_are_a_mistake(folder):
    """Two places that say different tokens would be one too many."""
    with pytest.raises(Misuse):
        measure_run(folder / "run.yaml", {"tokens": "1"})


def test_the_command_prints_what_the_rules_say(folder):
    """For people, and the same as JSON."""
    told = CliRunner().invoke(main, ["measure", "compute", str(folder / "run.yaml")])
    assert told.exit_code == 0, told.output
    assert "§ 22757.11(i) (run.cumulative_flop > 1e26 FLOP): not exceeded" in told.output
    said = CliRunner().invoke(main, ["measure", "compute", str(folder / "run.yaml"), "--json"])
    assert (
        json.loads(said.stdout)["indicators"][0]["low"] == str(6 * N) + "e6"
        or int(float(json.loads(said.stdout)["indicators"][0]["low"])) == 6 * N * 10**6
    )
