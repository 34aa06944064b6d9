"""Which area a path or a name means."""

import pytest

from detente.base.errors import Refused
from detente.measure.changes.paths import check_evaluators, path_verdict
from detente.measure.changes.rules import name_rule, words_of


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("train.py", "training"),
        ("train_gpt.py", "training"),
        ("open_instruct/grpo_fast.py", "training"),
        ("trl/trainer/dpo_trainer.py", "training"),
        ("prepare.py", "data"),
        ("src/data/loader.py", "data"),
        ("data_mixes/tulu.jsonl", "data"),
        ("nanochat/tokenizer.py", "data"),
        ("model/attention.py", "architecture"),
        ("olmo_core/nn/layer.py", "architecture"),
        ("checkpoints/base/config.json", "architecture"),
        ("optim/muon.py", "optimisation"),
        ("triton_kernels.py", "training"),
        ("records/OptimizationLeaderboard/simple_train_gpt.py", "training"),
        ("configs/train_configs/sft/olmo.yaml", "configuration"),
        ("scripts/train/olmo3/run.sh", "configuration"),
        ("eval/run.py", "evaluation"),
        ("src/lm_eval/tasks.py", "evaluation"),
        ("configs/eval/mmlu.yaml", "evaluation"),
        ("trl/rewards/accuracy_rewards.py", "training"),
    ],
)
def test_a_path_tells_an_area(path: str, area: str):
    """Folders and stems are read word by word; settings need an ending of settings; evaluation comes before training."""
    assert path_verdict(path).area == area


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("README.md", "documentation"),
        ("docs/train.py", "documentation"),
        ("tests/test_trainer.py", "tests of the software"),
        ("trainer/test_loop.py", "tests of the software"),
        (".github/workflows/train.yml", "automation of the repository"),
        ("uv.lock", "dependencies"),
        ("requirements-dev.txt", "dependencies"),
        ("records/run/a.log", "output data"),
        ("results.tsv", "output data"),
    ],
)
def test_a_path_is_left_out_for_a_reason(path: str, reason: str):
    """Documentation, tests of the software, automation, dependencies and output train nothing."""
    verdict = path_verdict(path)
    assert (verdict.area, verdict.left_out) == (None, reason)


@pytest.mark.parametrize(
    "path",
    [
        "records/muon/run.txt",
        "src/server.py",
        "util/strings.py",
        "a",
        ".env",
        "strain.py",
        "evaluable/x.py",
        "datum.py",
    ],
)
def test_a_word_inside_another_word_means_nothing(path: str):
    """``strain`` is not ``train``."""
    assert path_verdict(path) == path_verdict("nothing/known.py")


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("DEPTH", "architecture"),
        ("ASPECT_RATIO", "architecture"),
        ("WINDOW_PATTERN", "architecture"),
        ("GPTConfig.n_layer", "architecture"),
        ("GPT.init_weights", "architecture"),
        ("model.hidden_size", "architecture"),
        ("EMBEDDING_LR", "optimisation"),
        ("FINAL_LR_FRAC", "optimisation"),
        ("WARMDOWN_RATIO", "optimisation"),
        ("TOTAL_BATCH_SIZE", "optimisation"),
        ("GPT.setup_optimizer", "optimisation"),
        ("get_muon_momentum", "optimisation"),
        ("optimizer.weightDecay", "optimisation"),
        ("evaluate_bpb", "evaluation"),
        ("EVAL_TOKENS", "evaluation"),
        ("make_dataloader", "data"),
        ("dataset_mixer[].weight", "data"),
        ("compute_loss", "training"),
    ],
)
def test_a_name_tells_an_area(name: str, area: str):
    """The first row that is found decides: what tunes comes before what is tuned."""
    rule = name_rule(name)
    assert rule is not None
    assert rule.area == area


@pytest.mark.parametrize("name", ["main", "parse_args", "slayer", "Lrp", "timestamp", ""])
def test_an_unknown_name_tells_nothing(name: str):
    """A phrase is found word by word, never inside a word."""
    assert name_rule(name) is None


def test_words_are_cut_at_capitals_and_signs():
    """Identifiers of every convention give the same words."""
    assert words_of("maxGradNorm") == words_of("max_grad_norm") == words_of("MAX-GRAD-NORM") == ("max", "grad", "norm")


@pytest.mark.parametrize("patterns", [("",), ("/etc/passwd",), ("a\0b",), ("x" * 513,), ("a",) * 65])
def test_a_pattern_that_names_no_path_of_a_repository_is_refused(patterns: tuple[str, ...]):
    """D01: an evaluator that can never match would look as if none had been touched."""
    with pytest.raises(Refused) as refusal:
        check_evaluators(patterns)
    assert refusal.value.rule == "D01"


def test_a_named_evaluator_comes_before_everything_else():
    """What the caller names is evaluation even where documentation or data would lie."""
    for path in ("prepare.py", "docs/judge.py", "README.md"):
        verdict = path_verdict(path, (path,))
        assert (verdict.area, verdict.declared, verdict.left_out) == ("evaluation", True, None)
