"""From a Hugging Face ``config.json`` to the weights that a token meets and the shape of its attention.

Decides which architectures are understood: those of ``FAMILIES``. Any other is refused (Q05), because a guess about where the
weights are is a wrong number that looks like a right one; declare ``parameters`` instead. ``spec/measure-compute.md`` §2.

Norm vectors and biases are counted as stored and, like the embedding look-up, not as multiplied. The output matrix is
multiplied whether or not it is tied to the embedding.

>>> tiny = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2, "n_positions": 16, "vocab_size": 10}
>>> model = read_config(tiny)
>>> model.matrix_parameters, model.total_parameters
(Decimal('1616'), Decimal('1968'))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from detente.base.errors import Refused, shown
from detente.measure.compute.model import Layers, Model

WIDTH_MAX: Final = 10**7
"""Far above any published width, depth or vocabulary; keeps products of hostile numbers small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Where a family keeps its weights. Counts of norms are vectors per layer; ``qk_norm`` is ``head``, ``all`` or empty."""

    gated: bool = True
    qkv_bias: bool = False
    biases: bool = False
    norms: int = 2
    norm_bias: bool = False
    qk_norm: str = ""
    positions: bool = False
    tied: bool = False
    experts: str = ""
    latent: bool = False


_LLAMA: Final = Family()
FAMILIES: Final[Mapping[str, Family]] = {
    "gpt2": Family(gated=False, qkv_bias=True, biases=True, norm_bias=True, positions=True, tied=True),
    "gpt_neox": Family(gated=False, qkv_bias=True, biases=True, norm_bias=True),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": Family(qkv_bias=True),
    "qwen3": Family(qk_norm="head"),
    "olmo2": Family(qk_norm="all"),
    "mixtral": Family(experts="num_local_experts"),
    "qwen3_moe": Family(qk_norm="head", experts="num_experts"),
    "olmoe": Family(qk_norm="all", experts="num_experts"),
    "deepseek_v3": Family(experts="n_routed_experts", latent=True),
}
"""Each checked against the published number of weights of one of its models (tests/unit/measure/test_compute_families.py)."""


def read_config(config: Mapping[str, Any], *, name: str = "") -> Model:
    """The model of a ``config.json``; raises ``Refused`` Q05 (another family), Q06 (numbers that contradict each other)."""
    kind = config.get("model_type")
    family = FAMILIES.get(kind) if isinstance(kind, str) else None
    if family is None:
        raise Refused(
            "Q05",
            "out-of-scope",
            got=f"model_type {shown(kind)}",
            expected=f"one of {', '.join(FAMILIES)}",
            todo="declare parameters, layers, width and context instead",
        )
    reader = _Config(config)
    width = reader.size("hidden_size", "n_embd")
    layers = reader.size("num_hidden_layers", "n_layer")
    vocabulary = reader.size("vocab_size")
    attention = _latent(reader, width) if family.latent else _heads(reader, family, width)
    dense_ff = reader.size("intermediate_size", "n_inner", default=4 * width)
    dense = _feed_forward(family, width, dense_ff)
    if family.experts:
        expert_layers, active, stored = _experts(reader, family, width, layers)
    else:
        expert_layers, active, stored = 0, (0, 0), (0, 0)
    dense_layers = layers - expert_layers
    per_norm = width * (2 if family.norm_bias else 1)
    matrices = layers * attention.matrices + dense_layers * dense[0] + expert_layers * active[0] + vocabulary * width
    total = (
        layers * (attention.matrices + attention.vectors + family.norms * per_norm)
        + dense_layers * sum(dense)
        + expert_layers * sum(stored)
        + vocabulary * width * (1 if reader.flag("tie_word_embeddings", default=family.tied) else 2)
        + (reader.size("n_positions", "max_position_embeddings") * width if family.positions else 0)
        + per_norm
    )
    return Model(
        matrix_parameters=Decimal(matrices),
        attention=_windows(reader, layers, attention),
        total_parameters=Decimal(total),
        name=name,
    )


@dataclass(frozen=True, slots=True)
class _Attention:
    matrices: int
    vectors: int
    score_width: int
    value_width: int


def _heads(reader: _Config, family: Family, width: int) -> _Attention:
    heads = reader.size("num_attention_heads", "n_head")
    shared = reader.size("num_key_value_heads", default=heads)
    if "head_dim" not in reader.given and width % heads:
        raise _contradiction(f"{heads} heads over a width of {width}", "a width that the heads divide, or head_dim")
    each = reader.size("head_dim", default=max(1, width // heads))
    if shared > heads or heads % shared:
        raise _contradiction(f"{shared} key heads for {heads} heads", "key heads that divide the heads")
    queries, keys = heads * each, shared * each
    biased = reader.flag("attention_bias", default=False)
    vectors = queries + 2 * keys if family.qkv_bias or biased else 0
    vectors += width if family.biases or biased else 0
    vectors += {"head": 2 * each, "all": queries + keys, "": 0}[family.qk_norm]
    return _Attention(width * (2 * queries + 2 * keys), vectors, queries, queries)


def _latent(reader: _Config, width: int) -> _Attention:
    """Multi-head latent attention (DeepSeek-V3, arXiv 2412.19437 §2.1.1)."""
    heads = reader.size("num_attention_heads")
    query, key = reader.size("q_lora_rank"), reader.size("kv_lora_rank")
    rope, plain, value = reader.size("qk_rope_head_dim"), reader.size("qk_nope_head_dim"), reader.size("v_head_dim")
    matrices = (
        width * query
        + query * heads * (plain + rope)
        + width * (key + rope)
        + key * heads * (plain + value)
        + heads * value * width
    )
    return _Attention(matrices, query + key, heads * (plain + rope), heads * value)


def _feed_forward(family: Family, width: int, inner: int) -> tuple[int, int]:
    """Weights in matrices and in vectors."""
    return (3 if family.gated else 2) * width * inner, (inner + width if family.biases else 0)


def _experts(reader: _Config, family: Family, width: int, layers: int) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """How many layers have experts, and what a token meets of one and what it stores: matrices and vectors."""
    experts = reader.size(family.experts)
    chosen = reader.size("num_experts_per_tok")
    if chosen > experts:
        raise _contradiction(f"{chosen} of {experts} experts a token", "no more than there are")
    inner = reader.size("moe_intermediate_size", "intermediate_size")
    always = reader.size("n_shared_experts", default=0, least=0)
    first_dense = reader.size("first_k_dense_replace", default=0, least=0)
    if first_dense > layers:
        raise _contradiction(f"{first_dense} dense layers of {layers}", "no more than there are")
    one = _feed_forward(family, width, inner)[0]
    router, correction = width * experts, experts if family.latent else 0
    return (
        layers - first_dense,
        (router + (chosen + always) * one, 0),
        (router + (experts + always) * one, correction),
    )


def _windows(reader: _Config, layers: int, attention: _Attention) -> tuple[Layers, ...]:
    window = reader.size("sliding_window", default=0, least=0) or None
    if reader.given.get("use_sliding_window") is False:
        window = None
    kinds = reader.given.get("layer_types")
    near = layers if window else 0
    if window and isinstance(kinds, list) and len(kinds) == layers:
        near = sum(kind == "sliding_attention" for kind in kinds)
    groups = ((near, window), (layers - near, None))
    return tuple(
        Layers(count=count, score_width=attention.score_width, value_width=attention.value_width, window=span)
        for count, span in groups
        if count
    )


class _Config:
    """Members by any of their names, checked."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def size(self, *names: str, default: int | None = None, least: int = 1) -> int:
        value = next((self.given[name] for name in names if self.given.get(name) is not None), default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= WIDTH_MAX:
            raise _contradiction(f"{names[0]} {shown(value)}", f"a whole number from {least} to {WIDTH_MAX}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.given.get(name, default)
        if not isinstance(value, bool):
            raise _contradiction(f"{name} {shown(value)}", "true or false")
        return value


def _contradiction(got: str, expected: str) -> Refused:
    return Refused("Q06", "inconsistent", got=got, expected=expected, todo="correct config.json or declare parameters")
