"""Hugging Face configurations give the number of weights that is published for their models."""

import pytest

from detente.base.errors import Refused
from detente.measure.compute.families import FAMILIES, read_config

_SEVEN = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
PUBLISHED = [
    ("gpt2", 124_439_808, {"n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}),
    (
        "gpt_neox",  # pythia-160m
        162_322_944,
        {
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "vocab_size": 50304,
            "tie_word_embeddings": False,
        },
    ),
    ("llama", 6_738_415_616, {**_SEVEN, "intermediate_size": 11008, "vocab_size": 32000}),  # Llama-2-7b
    (
        "llama",  # Meta-Llama-3-8B
        8_030_261_248,
        {**_SEVEN, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256},
    ),
    (
        "mistral",  # Mistral-7B-v0.1
        7_241_732_096,
        {**_SEVEN, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "sliding_window": 4096},
    ),
    (
        "qwen2",  # Qwen2.5-7B
        7_615_616_512,
        {
            "hidden_size": 3584,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "intermediate_size": 18944,
            "vocab_size": 152064,
        },
    ),
    (
        "qwen3",  # Qwen3-8B
        8_190_735_360,
        {
            **_SEVEN,
            "num_hidden_layers": 36,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 12288,
            "vocab_size": 151936,
        },
    ),
    ("olmo2", 7_298_617_344, {**_SEVEN, "intermediate_size": 11008, "vocab_size": 100352}),  # OLMo-2-1124-7B
    (
        "mixtral",  # Mixtral-8x7B-v0.1
        46_702_792_704,
        {
            **_SEVEN,
            "num_key_value_heads": 8,
            "intermediate_size": 14336,
            "vocab_size": 32000,
            "num_local_experts": 8,
            "num_experts_per_tok": 2,
        },
    ),
    (
        "qwen3_moe",  # Qwen3-30B-A3B
        30_532_122_624,
        {
            "hidden_size": 2048,
            "num_hidden_layers": 48,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
            "head_dim": 128,
            "intermediate_size": 6144,
            "moe_intermediate_size": 768,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "vocab_size": 151936,
        },
    ),
    (
        "olmoe",  # OLMoE-1B-7B-0924
        6_919_161_856,
        {
            "hidden_size": 2048,
            "num_hidden_layers": 16,
            "num_attention_heads": 16,
            "intermediate_size": 1024,
            "num_experts": 64,
            "num_experts_per_tok": 8,
            "vocab_size": 50304,
        },
    ),
    (
        "deepseek_v3",
        671_026_419_200,
        {
            "hidden_size": 7168,
            "num_hidden_layers": 61,
            "num_attention_heads": 128,
            "intermediate_size": 18432,
            "moe_intermediate_size": 2048,
            "n_routed_experts": 256,
            "num_experts_per_tok": 8,
            "n_shared_experts": 1,
            "first_k_dense_replace": 3,
            "vocab_size": 129280,
            "q_lora_rank": 1536,
            "kv_lora_rank": 512,
            "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128,
            "v_head_dim": 128,
        },
    ),
]


@pytest.mark.parametrize(("family", "weights", "config"), PUBLISHED, ids=[f"{f}-{w}" for f, w, _ in PUBLISHED])
def test_the_published_number_of_weights_comes_out(family, weights, config):
    """To the last weight, norms and biases included."""
    assert int(read_config({"model_type": family, **config}).total_parameters) == weights


def test_every_family_is_checked_against_a_published_model():
    """A family without a model to check it by is a guess."""
    assert {family for family, _, _ in PUBLISHED} == set(FAMILIES)


def test_a_mixture_counts_the_experts_that_a_token_meets():
    """Mixtral: 12.9 billion of 46.7 active with the embedding (its paper, arXiv 2401.04088); without it 12.75."""
    config = next(c for f, _, c in PUBLISHED if f == "mixtral")
    assert int(read_config({"model_type": "mixtral", **config}).matrix_parameters) == 12_748_587_008


def test_another_family_is_refused_not_guessed():
    """Q05, with what to do instead."""
    with pytest.raises(Refused) as refused:
        read_config({"model_type": "mamba2", "hidden_size": 8})
    assert (refused.value.rule, refused.value.kind) == ("Q05", "out-of-scope")
    assert "parameters" in refused.value.todo


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_attention_heads": 33},
        {"num_key_value_heads": 5},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": 10**9},
        {"vocab_size": "many"},
        {"vocab_size": True},
        {"tie_word_embeddings": "no"},
    ],
)
def test_numbers_that_contradict_each_other_are_refused(wrong):
    """Q06."""
    config = {"model_type": "llama", **_SEVEN, "intermediate_size": 11008, "vocab_size": 32000, **wrong}
    with pytest.raises(Refused) as refused:
        read_config(config)
    assert refused.value.rule == "Q06"


def test_more_experts_chosen_than_there_are_is_refused():
    """Q06 for experts."""
    config = next(c for f, _, c in PUBLISHED if f == "mixtral")
    with pytest.raises(Refused) as refused:
        read_config({"model_type": "mixtral", **config, "num_experts_per_tok": 9})
    assert refused.value.rule == "Q06"


def test_windows_of_some_layers_are_kept():
    """``layer_types`` says which layers look back only so far."""
    model = read_config(
        {
            "model_type": "qwen3",
            "hidden_size": 8,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "intermediate_size": 8,
            "vocab_size": 5,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        }
    )
    assert [(layers.count, layers.window) for layers in model.attention] == [(2, 4), (1, None)]
