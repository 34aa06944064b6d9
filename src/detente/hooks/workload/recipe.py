"""What a training run is, apart from its weights: architecture, data order, optimiser settings.

Decides how a recipe is spelled and hashed, so that a checkpoint belongs to one recipe and a proposed successor can be
named before it is trained. Numbers that are not whole are spelled as decimals in strings: a digest must not depend
on how somebody prints a float.

>>> recipe = Recipe(steps=10)
>>> parse_recipe(recipe.as_json()) == recipe
True
>>> difference(recipe, replace(recipe, learning_rate=0.001))
['learning_rate: 0.002 → 0.001']
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused, shown
from detente.base.strict_json import encode_json
from detente.hooks.workload.corpus import Evaluation
from detente.hooks.workload.model import Shape

Schedule = Literal["constant", "cosine", "linear"]
Aspect = Literal["architecture", "training", "evaluation"]

_WHOLE = ("context", "embedding", "hidden", "depth", "batch", "warmup", "seed", "steps")
_REAL = ("learning_rate", "weight_decay", "dropout")
_ASPECTS: dict[str, Aspect] = {
    "context": "architecture",
    "embedding": "architecture",
    "hidden": "architecture",
    "depth": "architecture",
    "evaluation": "evaluation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training run. ``warmup`` and ``steps`` in steps, ``batch`` in windows per process."""

    shape: Shape = field(default_factory=Shape)
    batch: int = 256
    learning_rate: float = 0.002
    warmup: int = 20
    schedule: Schedule = "cosine"
    weight_decay: float = 0.01
    dropout: float = 0.02
    evaluation: Evaluation = "tail"
    seed: int = 0
    steps: int = 2_000

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "batch": (1, 65_536),
            "learning_rate": (1e-7, 1),
            "warmup": (0, 1e6),
            "weight_decay": (0, 1),
            "dropout": (0, 0.9),
            "seed": (0, 2**53 - 1),
            "steps": (0, 10_000_000),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise Misuse(f"{name} is {getattr(self, name)}, and must be from {least} to {most}")

    def as_json(self) -> dict[str, Any]:
        """A flat object of whole numbers and strings."""
        shape = self.shape
        return {
            "context": shape.context,
            "embedding": shape.embedding,
            "hidden": shape.hidden,
            "depth": shape.depth,
            "batch": self.batch,
            "learning_rate": repr(self.learning_rate),
            "warmup": self.warmup,
            "schedule": self.schedule,
            "weight_decay": repr(self.weight_decay),
            "dropout": repr(self.dropout),
            "evaluation": self.evaluation,
            "seed": self.seed,
            "steps": self.steps,
        }

    @property
    def digest(self) -> Digest:
        """SHA-256 of the recipe's JSON."""
        return sha256_hex(encode_json(self.as_json()))

    def rate_at(self, step: int) -> float:
        """The learning rate of step ``step`` (from 0): a linear warm-up, then the schedule down to a tenth."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        match self.schedule:
            case "constant":
                return self.learning_rate
            case "linear":
                return self.learning_rate * (1 - 0.9 * done)
            case "cosine":
                return self.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def parse_recipe(value: object) -> Recipe:
    """The recipe that ``Recipe.as_json`` spelled; raises ``Refused`` W15."""
    names = {*_WHOLE, *_REAL, "schedule", "evaluation"}
    expected = f"an object with exactly {', '.join(sorted(names))}"
    if not isinstance(value, dict) or value.keys() != names:
        raise Refused("W15", "malformed", got=shown(value), expected=expected)
    whole = {name: value[name] for name in _WHOLE}
    try:
        real = {name: float(value[name]) for name in _REAL if isinstance(value[name], str) and len(value[name]) < 40}
        if len(real) != len(_REAL) or any(type(number) is not int for number in whole.values()):
            raise ValueError("a number of the wrong spelling")
        if value["schedule"] not in {"constant", "cosine", "linear"}:
            raise ValueError("an unknown schedule")
        if value["evaluation"] not in {"head", "middle", "tail"}:
            raise ValueError("an unknown evaluation split")
        shape = Shape(**{name: whole.pop(name) for name in ("context", "embedding", "hidden", "depth")})
        return Recipe(
            shape=shape,
            batch=whole["batch"],
            learning_rate=real["learning_rate"],
            warmup=whole["warmup"],
            schedule=value["schedule"],
            weight_decay=real["weight_decay"],
            dropout=real["dropout"],
            evaluation=value["evaluation"],
            seed=whole["seed"],
            steps=whole["steps"],
        )
    except (ValueError, Misuse) as error:
        raise Refused("W15", "malformed", got=str(error), expected="whole numbers and decimals within bounds") from None


def difference(old: Recipe, new: Recipe) -> list[str]:
    """One line for each setting that changed, for a person to read."""
    before, after = old.as_json(), new.as_json()
    return [f"{name}: {before[name]} → {after[name]}" for name in before if before[name] != after[name]]


def touched(old: Recipe, new: Recipe) -> tuple[Aspect, ...]:
    """Which of architecture, training and evaluation the change touches; the seed alone touches nothing."""
    before, after = old.as_json(), new.as_json()
    changed = (name for name in before if before[name] != after[name] and name != "seed")
    return tuple(sorted({_ASPECTS.get(name, "training") for name in changed}))


__all__ = ["Aspect", "Recipe", "Schedule", "difference", "parse_recipe", "replace", "touched"]
