"""The tables: which word in a path or a name means which area. Read them as data; change them with a test.

A phrase is one or more words; it is found where its words stand side by side in the words of a name. Names are cut at
every sign that is not a letter or digit, and where a small letter meets a capital one. Within a table the first row that is
found decides, so ``EMBEDDING_LR`` is optimisation and not architecture.

>>> words_of("GPT.setupOptimizer"), words_of("EMBEDDING_LR")
(('gpt', 'setup', 'optimizer'), ('embedding', 'lr'))
>>> name_rule("EMBEDDING_LR").area, name_rule("WINDOW_PATTERN").area, name_rule("greeting")
('optimisation', 'architecture', None)
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from detente.measure.changes.areas import LABEL_OF, Area, Label

if TYPE_CHECKING:
    from detente.base.digest import Digest

_CUTS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
NAME_CHARACTERS_MAX = 400
"""A longer name is cut before it is read: no rule has a phrase that begins so late."""


@lru_cache(maxsize=8192)
def words_of(name: str) -> tuple[str, ...]:
    """The words of an identifier, key or path part, small."""
    return tuple(word.lower() for word in _CUTS.split(name[:NAME_CHARACTERS_MAX]) if word)


class Rule(NamedTuple):
    """``phrases`` mean ``area``. ``area`` is None for what the taxonomy names and training does not rest on."""

    area: Area | None
    phrases: tuple[str, ...]
    label: Label | None
    found: frozenset[tuple[str, ...]]

    def matches(self, words: tuple[str, ...]) -> bool:
        """Does a phrase stand among the words?"""
        longest = max(map(len, self.found), default=0)
        return any(
            words[start : start + size] in self.found
            for start in range(len(words))
            for size in range(1, min(longest, len(words) - start) + 1)
        )


def _rule(area: Area | None, phrases: str, label: Label | None = None) -> Rule:
    each = tuple(phrase.strip() for phrase in phrases.split(","))
    if label is None and area is not None:
        label = LABEL_OF[area]
    return Rule(area, each, label, frozenset(tuple(phrase.split()) for phrase in each))


NAMES: Final[tuple[Rule, ...]] = (
    _rule(
        "evaluation",
        "eval, evals, evaluate, evaluation, evaluator, evaluators, val, validation, heldout, held out, test set, benchmark, "
        "benchmarks, bpb, accuracy, perplexity, scorer, scorers, scoring, grader, graders, judge, "
        "judges, verifier, verifiers, pass at k",
    ),
    _rule(
        "optimisation",
        "lr, lrs, learning rate, wd, weight decay, warmup, warmdown, cooldown, momentum, beta1, beta2, betas, adam beta1, "
        "adam, adamw, muon, sgd, lion, shampoo, soap, optimizer, optimizers, optimiser, optim, scheduler, schedule, "
        "grad clip, clip grad, max grad norm, batch size, batch tokens, grad accum, gradient accumulation, epochs, "
        "max steps, num steps, train steps, num iterations, ema, adam eps, kl coef, entropy coef, clip range, "
        "hyperparameters, hparams, hyperparams",
    ),
    _rule(
        "data",
        "tokenizer, tokenizers, tokenize, tokenization, bpe, chat template, preprocess, preprocessing, collate, collator, "
        "truncation, packing, pack",
        "pre-processing",
    ),
    _rule(
        "data",
        "data, dataset, datasets, dataloader, data loader, corpus, shard, shards, mixer, mixture, data mix, sampler, "
        "train files, dedup, curation",
    ),
    _rule(
        "architecture",
        "depth, n layer, n layers, num layers, num hidden layers, layer, layers, width, d model, dim, model dim, "
        "hidden size, hidden dim, n embd, head, heads, n head, num heads, head dim, kv heads, num key value heads, window, "
        "window pattern, sliding window, windows, seq len, sequence len, sequence length, max position embeddings, "
        "block size, vocab size, aspect ratio, rope, rotary, attention, attn, mlp, ffn, feed forward, intermediate size, "
        "activation, hidden act, norm, rmsnorm, layernorm, embedding, embeddings, embd, embed, embeds, wte, wpe, lm head, "
        "expert, experts, moe, router, softcap, init weights, init std, initializer range, tie word embeddings, "
        "architectures, block, transformer, gpt, model, forward, backbone, residual, dropout, gate, encoder, decoder",
    ),
    _rule(
        "training",
        "compile, torch compile, kernel, kernels, triton, cuda, flash, fp8, bf16, fp16, dtype, precision, autocast, amp, "
        "vllm, throughput, overlap",
        "pipeline performance",
    ),
    _rule(
        "training",
        "train, training, trainer, pretrain, finetune, sft, dpo, ppo, grpo, kto, orpo, rloo, rlhf, rlvr, loss, losses, "
        "criterion, backward, fsdp, ddp, deepspeed, zero stage, parallel, parallelism, checkpoint, checkpoints, "
        "checkpointing, resume, rollout, rollouts, reward, rewards, advantage, advantages, policy, kl, lora, peft, teacher, "
        "student, distill, distillation, seed",
    ),
)
"""Names of constants, functions, classes, configuration keys and command-line options. First row that matches."""

EVALUATION_PATHS: Final = _rule(
    "evaluation",
    "eval, evals, evaluate, evaluation, evaluations, evaluator, evaluators, benchmark, benchmarks, scorer, "
    "scorers, scoring, grader, graders, grading, judge, judges, metrics, validation, verifier, verifiers, lm eval",
)
CONFIGURED_PATHS: Final = _rule(
    "configuration",
    "config, configs, conf, configuration, configurations, recipe, recipes, hparams, hyperparameters, experiments, sweep, "
    "sweeps, train, training, trainer, pretrain, finetune, sft, dpo, ppo, grpo, rlhf, rlvr, rl, reward, deepspeed, "
    "accelerate, launch, model, models, tokenizer, data, dataset, datasets",
)
"""Counts only for files of settings (``SETTINGS``): a configuration or a launch script of training."""
SETTINGS: Final = frozenset({"yaml", "yml", "toml", "json", "gin", "cfg", "ini", "sh", "slurm", "sbatch"})

PATHS: Final[tuple[Rule, ...]] = (
    _rule(
        "data",
        "tokenizer, tokenizers, tokenization, tokenize, preprocess, preprocessing, collator, collators, transformation, "
        "prepare, chat template, chat templates, chat template utils, packing",
        "pre-processing",
    ),
    _rule(
        "data",
        "data, dataset, datasets, dataloader, dataloaders, data loader, corpus, corpora, mixer, mixture, mixtures, "
        "sampler, curation, dedup, fineweb, cached fineweb",
    ),
    _rule(
        "optimisation",
        "optimizer, optimizers, optimiser, optim, muon, adam, adamw, soap, shampoo, lr, scheduler, schedulers",
    ),
    _rule(
        "training",
        "kernel, kernels, triton, cuda, flash, fused",
        "pipeline performance",
    ),
    _rule(
        "architecture",
        "model, models, modeling, modelling, architecture, architectures, attention, attn, transformer, layer, layers, "
        "moe, experts, rope, rotary, embedding, embeddings, ffn, mlp, backbone, nn, modules",
    ),
    _rule(
        "training",
        "train, training, trainer, trainers, pretrain, pretraining, finetune, finetuning, finetuner, sft, dpo, ppo, grpo, "
        "gkd, kto, orpo, rloo, rlhf, rlvr, rl, reward, rewards, distill, distillation, loss, losses, fsdp, deepspeed, "
        "distributed, parallel, parallelism, pipeline parallel, tensor parallel, checkpoint, checkpointing, rollout, "
        "rollouts, speedrun, ground truth",
    ),
)
"""Folders and file stems, in this order, after what is left out, evaluation and settings."""
CODE: Final = frozenset("py pyi pyx ipynb c cc cpp cxx h hpp cu cuh rs go jl lua java kt scala r swift mojo".split())
"""Endings of code: a file of another ending is data by its place, or nothing; a log in a folder named after an optimiser trains nothing."""

FILES: Final[dict[str, tuple[Area, Label]]] = {
    "config.json": ("architecture", "model structure"),  # Hugging Face: the shape of the model
    "adapter_config.json": ("architecture", "model structure"),
    "generation_config.json": ("configuration", "parameter tuning"),
    "tokenizer.json": ("data", "pre-processing"),
    "tokenizer_config.json": ("data", "pre-processing"),
    "special_tokens_map.json": ("data", "pre-processing"),
    "added_tokens.json": ("data", "pre-processing"),
    "vocab.json": ("data", "pre-processing"),
    "merges.txt": ("data", "pre-processing"),
    "dataset_infos.json": ("data", "input data"),
    "trainer_state.json": ("training", "training infrastructure"),
    "training_args.bin": ("training", "training infrastructure"),
    "ds_config.json": ("configuration", "training infrastructure"),
}
SUFFIXES: Final[dict[str, tuple[Area, Label]]] = {
    "jsonl": ("data", "input data"),
    "parquet": ("data", "input data"),
    "arrow": ("data", "input data"),
    "cu": ("training", "pipeline performance"),
    "cuh": ("training", "pipeline performance"),
    "safetensors": ("architecture", "sharing"),
}

FRAMEWORKS: Final = frozenset(
    {
        "accelerate", "apex", "bitsandbytes", "datasets", "deepspeed", "fla", "flash_attn", "flax", "haiku", "jax", "keras",
        "lightning", "megatron", "mlx", "olmo_core", "open_instruct", "optax", "peft", "pytorch_lightning", "sklearn",
        "tensorflow", "tokenizers", "torch", "torchtitan", "transformers", "trl", "triton", "unsloth", "verl", "vllm",
    }
)  # fmt: skip
"""A Python file that imports one of these is machine-learning code, wherever it lies."""

LEFT_OUT_FOLDERS: Final[dict[str, str]] = {
    "docs": "documentation",
    "doc": "documentation",
    "website": "documentation",
    "assets": "documentation",
    "images": "documentation",
    "test": "tests of the software",
    "tests": "tests of the software",
    "testing": "tests of the software",
    ".github": "automation of the repository",
    ".circleci": "automation of the repository",
    ".gitlab": "automation of the repository",
    ".buildkite": "automation of the repository",
    ".vscode": "settings of an editor",
    ".idea": "settings of an editor",
    "logs": "output data",
    "outputs": "output data",
    "wandb": "output data",
    "node_modules": "vendored code",
    "vendor": "vendored code",
    "third_party": "vendored code",
    "3rdparty": "vendored code",
}
LEFT_OUT_SUFFIXES: Final[dict[str, str]] = {
    **dict.fromkeys(("md", "mdx", "rst", "adoc", "tex", "pdf", "ipynb_checkpoints"), "documentation"),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "svg", "webp", "mp4", "ico"), "documentation"),
    **dict.fromkeys(("log", "out", "err", "tsv"), "output data"),
    **dict.fromkeys(("lock",), "dependencies"),
    **dict.fromkeys(("css", "scss", "html", "htm", "js", "jsx", "ts", "tsx", "vue"), "a page for the web"),
}
LEFT_OUT_FILES: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("license", "licence", "notice", "citation.cff", "codeowners", "readme", "authors"), "documentation"
    ),
    **dict.fromkeys((".gitignore", ".gitattributes", ".gitmodules", ".dockerignore", ".editorconfig"), "housekeeping"),
    **dict.fromkeys(
        (".pre-commit-config.yaml", ".gitlab-ci.yml", "makefile", "justfile"), "automation of the repository"
    ),
    **dict.fromkeys(
        ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "environment.yml", "package.json"),
        "dependencies",
    ),
    **dict.fromkeys(("package-lock.json", "pipfile", ".python-version", "dockerfile"), "dependencies"),
    "conftest.py": "tests of the software",
}


@lru_cache(maxsize=8192)
def name_rule(name: str) -> Rule | None:
    """The first row of ``NAMES`` that is found in a name."""
    words = words_of(name)
    return next((rule for rule in NAMES if rule.matches(words)), None)


def rules_digest() -> Digest:
    """SHA-256 over all tables as they stand here: two results compare only if theirs agree."""
    from detente.base.digest import sha256_hex  # a git hook reads these tables at each move, and needs no digest

    tables = (
        *((rule.area, rule.label, rule.phrases) for rule in (*NAMES, EVALUATION_PATHS, CONFIGURED_PATHS, *PATHS)),
        *(sorted(table.items()) for table in (FILES, SUFFIXES, LEFT_OUT_FOLDERS, LEFT_OUT_SUFFIXES, LEFT_OUT_FILES)),
        *(sorted(words) for words in (SETTINGS, CODE, FRAMEWORKS)),
    )
    return sha256_hex(repr(tables).encode())
