"""Operators of PyTorch are counted exactly, or the count is refused. Needs the extra ``torch``."""

from decimal import Decimal

import pytest

from detente.base.errors import Refused
from detente.hooks import flop_counter
from detente.hooks.flop_counter import FlopCount
from detente.measure.compute.declaration import parse_run
from detente.measure.compute.model import attention_flop, dense_flop

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")


def _train(width: int, layers: int, length: int, batch: int) -> int:
    """One step of a transformer without embeddings; returns its weights. Attention by plain products."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    weights = [torch.randn(width, width, requires_grad=True) for _ in range(4 * layers)]
    hidden = torch.randn(batch, 2, length, width // 2, requires_grad=True)
    with sdpa_kernel(SDPBackend.MATH):
        for layer in range(layers):
            flat = hidden.transpose(1, 2).reshape(batch * length, width)
            parts = [
                (flat @ w).view(batch, length, 2, width // 2).transpose(1, 2)
                for w in weights[4 * layer : 4 * layer + 3]
            ]
            mixed = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
            out = mixed.transpose(1, 2).reshape(batch * length, width) @ weights[4 * layer + 3]
            hidden = out.view(batch, length, 2, width // 2).transpose(1, 2)
    hidden.sum().backward()
    return sum(w.numel() for w in weights)


def test_a_training_step_counts_as_the_formula_says():
    """6·N·D + 12·L·T·d·D, exactly, for one step forward and backward."""
    with FlopCount() as count:
        parameters = _train(16, 3, 8, 2)
    tokens = Decimal(16)
    assert sum(count.matrix.values()) == dense_flop(Decimal(parameters), tokens) + attention_flop(3, 8, 16, tokens)


def test_number_formats_are_kept_apart():
    """Operations in one format are not converted into another."""
    with FlopCount() as count:
        torch.ones(2, 3) @ torch.ones(3, 5)
        torch.ones(2, 3, dtype=torch.bfloat16) @ torch.ones(3, 7, dtype=torch.bfloat16)
    assert count.matrix == {"fp32": 2 * 2 * 3 * 5, "bf16": 2 * 2 * 3 * 7}


def test_a_count_can_be_declared():
    """What the counter gives is the member ``counters`` of a declaration, exactly."""
    with FlopCount() as count:
        _train(16, 1, 8, 2)
    run = parse_run({"format": "detente-compute/1", "run": "x", "counters": count.counters()})
    assert run.counters[0].operations == count.matrix["fp32"] + count.per_element["fp32"]


def test_a_product_written_as_multiply_and_sum_does_not_vanish():
    """An evasion: no matrix operator runs, and still at least 2·m·n·k operations are counted."""
    left, right = torch.randn(7, 1, 5), torch.randn(1, 6, 5)
    with FlopCount() as count:
        (left * right).sum(-1)
    assert sum(count.per_element.values()) == 2 * 7 * 6 * 5


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.fft.fft(torch.randn(8)),
        lambda: torch._int_mm(torch.ones(32, 32, dtype=torch.int8), torch.ones(32, 32, dtype=torch.int8)),
        lambda: torch.nn.functional.scaled_dot_product_attention(*[torch.randn(1, 2, 8, 4)] * 3),
        lambda: torch.linalg.inv(torch.eye(4)),
        lambda: torch.nn.LSTM(4, 4)(torch.randn(3, 1, 4)),
    ],
    ids=["fourier", "int8", "fused attention on a CPU", "inverse", "lstm"],
)
def test_work_that_cannot_be_counted_makes_the_count_unusable(work):
    """Counted as zero it would be a hiding place: Q12."""
    with FlopCount() as count, torch.no_grad():
        work()
    with pytest.raises(Refused) as refused:
        count.counters()
    assert refused.value.rule == "Q12"


def test_a_counter_that_miscounts_counts_nothing(monkeypatch):
    """The self-test runs before the first count: Q11."""
    from torch.utils.flop_counter import flop_registry

    monkeypatch.setattr(flop_counter, "_TESTED", [])
    monkeypatch.setitem(flop_registry, torch.ops.aten.mm, lambda *args, **kwargs: 0)
    with pytest.raises(Refused) as refused, FlopCount():
        pytest.fail("the block ran")
    assert refused.value.rule == "Q11"
