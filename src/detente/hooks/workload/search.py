"""A self-improvement loop: the best model so far proposes its successor, which is trained, scored, kept or dropped.

Decides the order propose → train → keep or drop, what a generation's record says, and what the loop's whole state is.
Leaves out whether a proposal may be trained: a caller puts its hold point between ``propose`` and ``train``.

A successor starts from what its parent learnt (the part of every tensor that both have). When it changes the
evaluation split, its parent is scored again on the new split: two losses on different bytes do not compare.

>>> corpus = Corpus(bytes(range(97, 117)) * 400)
>>> search = Search(Recipe(shape=Shape(context=4, embedding=4, hidden=8, depth=1), batch=8, steps=3), corpus, seed=1)
>>> founder = search.propose()
>>> record = search.keep_or_drop(search.train(founder))
>>> record.kept, record.parents
(True, ())
>>> search.propose().proposer == record.version
True
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Any

import numpy as np

from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import Misuse, Refused, shown
from detente.base.strict_json import encode_json
from detente.hooks.workload.container import Array, weights_digest
from detente.hooks.workload.corpus import Corpus
from detente.hooks.workload.engine import Trainer, environment, evaluate, random_as_json, random_from_json
from detente.hooks.workload.model import Floats, Model, Shape, copy_overlap, first_weights, views
from detente.hooks.workload.policy import mutate, sample_bytes
from detente.hooks.workload.recipe import Aspect, Recipe, difference, parse_recipe, touched

KIND = "searcher"
RECIPE_FILE = "training/recipe.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A successor that somebody wants to train. ``proposer`` is the version that proposed it, none for the founder."""

    number: int
    recipe: Recipe
    previous: Recipe | None = None
    parent: Digest | None = None
    proposer: Digest | None = None
    sampled: bytes = b""
    sampling_flop: int = 0

    @property
    def digest(self) -> Digest:
        """SHA-256 of ``as_json``: what an approval must name."""
        return sha256_hex(encode_json(self.as_json()))

    @property
    def touches(self) -> tuple[Aspect, ...]:
        """Which aspects the change touches; the founder touches all, since it sets them."""
        if self.previous is None:
            return ("architecture", "evaluation", "training")
        return touched(self.previous, self.recipe)

    @property
    def changes(self) -> list[str]:
        """One line for each changed setting, for a person to read."""
        return ["founder"] if self.previous is None else difference(self.previous, self.recipe)

    @property
    def planned_flop(self) -> int:
        """FLOP of training it, without evaluations."""
        return self.recipe.steps * self.recipe.shape.training_flop(self.recipe.batch)

    def as_diff(self) -> bytes:
        """Everything that the digest covers as one unified diff, from the previous recipe to the new one: for a person to read."""
        after = self.as_json()
        before = after | {"recipe": after.pop("previous")}
        old, new = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (before, after))
        lines = unified_diff(old, new, f"a/{RECIPE_FILE}", f"b/{RECIPE_FILE}", lineterm="", n=len(old))
        return "".join(f"{line}\n" for line in lines).encode()

    def as_json(self) -> dict[str, Any]:
        """Everything that the digest covers."""
        return {
            "number": self.number,
            "recipe": self.recipe.as_json(),
            "previous": None if self.previous is None else self.previous.as_json(),
            "parent": self.parent,
            "proposer": self.proposer,
            "sampled": self.sampled.hex(),
            "sampling_flop": str(self.sampling_flop),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The record of one successor. ``score`` and ``parent_score`` in nats per held-out byte, lower is better."""

    number: int
    proposal: Digest
    version: Digest
    parents: tuple[Digest, ...]
    proposer: Digest | None
    touches: tuple[Aspect, ...]
    changes: tuple[str, ...]
    own_flop: int
    score: float
    parent_score: float | None
    kept: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """One line of ``generations.jsonl``."""
        return {
            "number": self.number,
            "proposal": self.proposal,
            "version": self.version,
            "parents": list(self.parents),
            "proposer": {"name": "developer" if self.proposer is None else "searcher", "version": self.proposer},
            "touches": list(self.touches),
            "changes": list(self.changes),
            "own_flop": str(self.own_flop),
            "score": f"{self.score:.6f}",
            "parent_score": None if self.parent_score is None else f"{self.parent_score:.6f}",
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Version:
    """A trained model: its recipe, its weights and the digest of both."""

    recipe: Recipe
    weights: Floats

    @property
    def digest(self) -> Digest:
        """SHA-256 over the digests of weights and recipe."""
        return sha256_hex(f"{weights_digest({'weights': self.weights})} {self.recipe.digest}".encode())


class Search:
    """The loop's state. All of it goes into ``save_state``, at any step boundary."""

    def __init__(self, founder: Recipe, corpus: Corpus, *, seed: int) -> None:
        self.founder = founder
        self.corpus = corpus
        self.seed = seed
        self.draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0x5EA])))
        self.best: Version | None = None
        self.records: list[dict[str, Any]] = []
        self.number = 0
        self.steps_done = 0
        self.why_not_exact = ""
        self._flop = 0
        self._pending: Proposal | None = None
        self._trainer: Trainer | None = None

    @property
    def flop(self) -> int:
        """FLOP of everything so far, dropped successors, samples and evaluations included."""
        sampling = 0 if self._pending is None else self._pending.sampling_flop
        return self._flop + sampling + (0 if self._trainer is None else self._trainer.flop)

    def propose(self) -> Proposal:
        """The next successor, as the best model so far samples it; the same one until it was kept, dropped, refused."""
        if self._pending is None:
            if self.best is None:
                self._pending = Proposal(number=self.number, recipe=replace(self.founder, seed=self.seed))
            else:
                model = Model(self.best.recipe.shape, self.best.weights)
                sampled, flop = sample_bytes(model, self.best.recipe, self.draw)
                self._pending = Proposal(
                    number=self.number,
                    recipe=mutate(self.best.recipe, sampled=sampled, seed=self.seed + self.number),
                    previous=self.best.recipe,
                    parent=self.best.digest,
                    proposer=self.best.digest,
                    sampled=sampled,
                    sampling_flop=flop,
                )
        return self._pending

    def train(self, proposal: Proposal, *, on_step: Callable[[int], None] = lambda _step: None) -> Generation:
        """Train ``proposal`` to its end and score it; ``kept`` is still open.

        ``on_step`` is called after each step with the number of steps since the search began. If it raises, the state
        stands at that step's boundary: save it, or call again to go on. Raises ``Refused`` W20 for a proposal that is
        not the pending one.
        """
        self._expect(proposal)
        if self._trainer is None:
            self._trainer = Trainer(proposal.recipe, self.corpus, weights=self._first_weights(proposal.recipe))
        trainer = self._trainer
        while not trainer.finished:
            trainer.step()
            self.steps_done += 1
            on_step(self.steps_done)
        score, flop = evaluate(trainer.model, proposal.recipe, self.corpus)
        parent_score = None
        if self.best is not None:
            # The parent reads its own window, but is scored on the bytes that its successor is scored on.
            judged = replace(self.best.recipe, evaluation=proposal.recipe.evaluation)
            parent_score, more = evaluate(Model(judged.shape, self.best.weights), judged, self.corpus)
            flop += more
        return Generation(
            number=proposal.number,
            proposal=proposal.digest,
            version=Version(proposal.recipe, trainer.model.flat).digest,
            parents=() if proposal.parent is None else (proposal.parent,),
            proposer=proposal.proposer,
            touches=proposal.touches,
            changes=tuple(proposal.changes),
            own_flop=proposal.sampling_flop + trainer.flop + flop,
            score=score,
            parent_score=parent_score,
        )

    def keep_or_drop(self, generation: Generation) -> Generation:
        """Keep the successor if it scores better than its parent; returns the record with ``kept`` decided."""
        if self._pending is None or self._trainer is None or generation.proposal != self._pending.digest:
            raise Misuse("keep_or_drop needs the generation that train returned last")
        kept = generation.parent_score is None or generation.score < generation.parent_score
        if kept:
            self.best = Version(self._pending.recipe, self._trainer.model.flat.copy())
        decided = replace(generation, kept=kept)
        self._close(decided.as_json(), generation.own_flop)
        return decided

    def refuse(self, proposal: Proposal) -> None:
        """A reviewer said no: the proposal is recorded, never trained further, and the next one is sampled."""
        self._expect(proposal)
        spent = self.flop - self._flop
        record = {**proposal.as_json(), "proposal": proposal.digest, "refused": True, "own_flop": str(spent)}
        self._close(record, spent)

    def save_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Meta data and arrays for a checkpoint, from which ``load_state`` goes on bit-exactly."""
        arrays: dict[str, Array] = {}
        trainer: dict[str, Any] | None = None
        if self.best is not None:
            arrays["weights.best"] = self.best.weights
        if self._trainer is not None:
            trainer, inner = self._trainer.snapshot()
            arrays["weights.successor"] = inner.pop("weights")
            arrays |= {f"trainer.{name}": array for name, array in inner.items()}
        meta = {
            "kind": KIND,
            "founder": self.founder.as_json(),
            "corpus": self.corpus.digest,
            "seed": self.seed,
            "random": random_as_json(self.draw),
            "best": None if self.best is None else self.best.recipe.as_json(),
            "records": self.records,
            "number": self.number,
            "steps_done": self.steps_done,
            "flop": str(self._flop),
            "pending": None if self._pending is None else self._pending.as_json(),
            "trainer": trainer,
            "environment": environment(),
            "why_not_exact": self.why_not_exact,
        }
        return meta, arrays

    @classmethod
    def load_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, Array], *, corpus: Corpus) -> Search:
        """The search that ``save_state`` described; raises ``Refused`` W16 when it does not fit."""
        if meta.get("kind") != KIND or meta.get("corpus") != corpus.digest:
            raise Refused(
                "W16",
                "conflict",
                got=f"kind {shown(meta.get('kind'))} on corpus {shown(meta.get('corpus'))}",
                expected=f"kind {KIND} on corpus {corpus.digest}",
            )
        try:
            search = cls(parse_recipe(meta["founder"]), corpus, seed=int(meta["seed"]))
            search.draw = random_from_json(meta["random"])
            if meta["best"] is not None:
                search.best = Version(parse_recipe(meta["best"]), arrays["weights.best"].copy())
            search.records = list(meta["records"])
            search.number, search.steps_done = int(meta["number"]), int(meta["steps_done"])
            search._flop, search.why_not_exact = int(meta["flop"]), str(meta["why_not_exact"])
            if meta["pending"] is not None:
                search._pending = _proposal(meta["pending"])
            if meta["trainer"] is not None:
                inner = {name.removeprefix("trainer."): array for name, array in arrays.items()}
                inner["weights"] = arrays["weights.successor"]
                search._trainer = Trainer.restore(meta["trainer"], inner, corpus=corpus)
            if not search.why_not_exact and meta["environment"] != environment():
                search.why_not_exact = f"resumed at step {search.steps_done} under another environment"
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(
                "W16", "conflict", got=f"a search that does not fit: {error}", expected="all state of a search"
            ) from None
        return search

    def _first_weights(self, recipe: Recipe) -> Floats:
        draw = np.random.Generator(np.random.PCG64(recipe.seed))
        flat = first_weights(recipe.shape, draw)
        if self.best is not None:
            parent = self.best.recipe.shape
            copy_overlap(
                views(self.best.weights, parent),
                _matching_ends(views(flat, recipe.shape), recipe.shape, parent),
                context=(parent.context, recipe.shape.context),
            )
        return flat

    def _expect(self, proposal: Proposal) -> None:
        if self._pending is None or proposal.digest != self._pending.digest:
            raise Refused(
                "W20",
                "out-of-scope",
                got=f"proposal {proposal.digest}",
                expected="none" if self._pending is None else f"the pending proposal {self._pending.digest}",
                todo="call propose and have its proposal approved",
            )

    def _close(self, record: dict[str, Any], flop: int) -> None:
        self.records.append(record)
        self._flop += flop
        self._pending, self._trainer = None, None
        self.number += 1


def _matching_ends(tensors: dict[str, Floats], new: Shape, old: Shape) -> dict[str, Floats]:
    """Name the new model's output layer as the old one's, so that depth may change and the output is still copied."""
    if new.depth == old.depth:
        return tensors
    output = {name: tensors.pop(name) for name in (f"layer{new.depth}.matrix", f"layer{new.depth}.bias")}
    tensors.pop(f"layer{old.depth}.matrix", None)
    tensors.pop(f"layer{old.depth}.bias", None)
    return tensors | {name.replace(str(new.depth), str(old.depth)): tensor for name, tensor in output.items()}


def _proposal(value: Mapping[str, Any]) -> Proposal:
    return Proposal(
        number=int(value["number"]),
        recipe=parse_recipe(value["recipe"]),
        previous=None if value["previous"] is None else parse_recipe(value["previous"]),
        parent=None if value["parent"] is None else parse_digest(value["parent"]),
        proposer=None if value["proposer"] is None else parse_digest(value["proposer"]),
        sampled=bytes.fromhex(value["sampled"]),
        sampling_flop=int(value["sampling_flop"]),
    )
