"""What one token costs in one pass forward, and in training.

Decides the two terms that dominate a transformer: weights and attention. Leaves out element-wise work, norms and the
embedding look-up, which multiply nothing. A multiply-add is two operations. ``spec/measure-compute.md`` §1.

1. Weights: 2·N per token forward, 4·N backward, N being the weights that the token meets (of a mixture of experts: its
   router, its shared and its chosen experts). Training: ``6·N·D`` (Kaplan et al. 2020, arXiv 2001.08361, §2.1).
2. Attention: scores and values, each 2·T·d per token and layer; forward 4·L·T·d, training ``12·L·T·d·D`` with every position
   counted. Half where causal work is skipped, and no more than the window where there is one.

>>> small = Model(matrix_parameters=Decimal(1000), attention=(Layers(count=2, score_width=8, value_width=8),))
>>> small.forward(tokens=Decimal(10), context=4)
Pass(weights=Decimal('20000'), attention_least=Decimal('1280'), attention_full=Decimal('2560'))
>>> int(dense_flop(Decimal("174600000000"), Decimal("300e9")) + attention_flop(96, 2048, 12288, Decimal("300e9")))
322977308774400000000000
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.base.quantity import EXACT, ZERO, add_exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """``count`` attention layers alike: widths summed over heads; ``window`` tokens back at most, or ``None`` for all."""

    count: int
    score_width: int
    value_width: int
    window: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Operations of a pass. ``attention_least`` skips causal work and keeps to windows; ``attention_full`` does neither.

    Both are ``None`` where the shape of the attention is not known.
    """

    weights: Decimal
    attention_least: Decimal | None
    attention_full: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """``matrix_parameters`` a token is multiplied by (N); ``total_parameters`` are stored; ``None`` where not known."""

    matrix_parameters: Decimal
    attention: tuple[Layers, ...] | None = None
    total_parameters: Decimal | None = None
    name: str = ""

    def forward(self, *, tokens: Decimal, context: int | None) -> Pass:
        """One pass forward over ``tokens``, in sequences of ``context`` tokens."""
        weights = _product(2, self.matrix_parameters, tokens)
        if self.attention is None or (context is None and self.attention):
            return Pass(weights=weights, attention_least=None, attention_full=None)
        span = context or 0
        least, full = ZERO, ZERO
        for layers in self.attention:
            width = layers.count * (layers.score_width + layers.value_width)
            seen = span if layers.window is None else min(span, layers.window)
            least = EXACT.add(least, _product(width, seen, tokens))
            full = EXACT.add(full, _product(2, width, span, tokens))
        return Pass(weights=weights, attention_least=least, attention_full=full)


def dense_flop(parameters: Decimal, tokens: Decimal) -> Decimal:
    """``6·N·D``, exactly.

    >>> dense_flop(Decimal("7e9"), Decimal("2e12")) == Decimal("84e21")
    True
    """
    return _product(6, parameters, tokens)


def attention_flop(layers: int, context: int, width: int, tokens: Decimal) -> Decimal:
    """``12·L·T·d·D``, exactly: training, every position counted.

    >>> attention_flop(2, 16, 8, Decimal(100))
    Decimal('307200')
    """
    return _product(12, layers, context, width, tokens)


def times(factor: int, value: Decimal | None) -> Decimal | None:
    """``factor · value``, or not known."""
    return None if value is None else _product(factor, value)


def plus(*values: Decimal | None) -> Decimal | None:
    """The exact sum, or not known as soon as one part is not."""
    known = [value for value in values if value is not None]
    return None if len(known) != len(values) else add_exactly(known)


def _product(*factors: Decimal | int) -> Decimal:
    result = Decimal(1)
    for factor in factors:
        result = EXACT.multiply(result, Decimal(factor))
    return result
