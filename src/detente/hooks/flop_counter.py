"""Count the operations of PyTorch while they run, per number format, and refuse the count when something ran that cannot be counted.

Decides which operators do matrix work (those for which ``torch.utils.flop_counter`` has a formula), which do one operation per element,
and which only move data. Any other operator makes the count unusable (Q12): counted as zero it would be a hiding place. In torch
2.13 that is so for the fused attention of a CPU, int8 products, Fourier transforms and every custom kernel. ``spec/measure-compute.md`` §7.

Leaves out what never reaches PyTorch's dispatcher (NumPy, another process): a count is a lower bound, on the machine of whoever
is counted. An operation per element is a lower bound too, and it is counted so that a product written as multiply and sum does not vanish.

::

    with FlopCount() as count:
        train()
    json.dumps(count.counters())  # the member ``counters`` of a declaration
"""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

from detente.base.errors import Refused, Unavailable
from detente.measure.compute.model import attention_flop, dense_flop

MOVES: Final = frozenset(
    """_local_scalar_dense _reshape_alias _to_copy _unsafe_view alias arange as_strided bernoulli bernoulli_ cat chunk clone
    constant_pad_nd contiguous copy copy_ detach detach_ diagonal embedding embedding_dense_backward empty empty_like
    empty_permuted empty_strided expand exponential_ fill fill_ flatten full full_like gather gather_backward index index_put index_put_
    index_select is_pinned is_same_size item lift lift_fresh lift_fresh_copy linspace masked_fill masked_fill_ masked_select
    narrow native_dropout new_empty new_empty_strided new_full new_ones new_zeros nonzero normal_ ones ones_like permute
    pin_memory rand rand_like randint randint_like randn randn_like random_ randperm record_stream repeat reshape resize_ roll
    scalar_tensor scatter scatter_ select select_backward select_scatter set_ slice slice_backward slice_scatter sort
    split split_with_sizes squeeze squeeze_ stack sym_numel sym_size sym_storage_offset sym_stride t take topk transpose tril triu
    unbind unfold uniform_ unsafe_split unsqueeze unsqueeze_ view view_as_complex view_as_real where zero_ zeros zeros_like""".split()
)
"""Operators of ``aten`` that move, make or look up data and multiply nothing."""

PER_ELEMENT: Final = frozenset(
    """_foreach_norm _fused_adam_ _fused_adamw_ _fused_rms_norm _fused_rms_norm_backward _fused_sgd_ _log_softmax
    _log_softmax_backward_data _masked_softmax _safe_softmax _softmax _softmax_backward_data all amax amin any argmax argmin
    binary_cross_entropy binary_cross_entropy_with_logits bincount count_nonzero cumprod cumsum dot index_add index_add_
    linalg_vector_norm logcumsumexp logsumexp max mean median min mse_loss mse_loss_backward native_batch_norm
    native_batch_norm_backward native_dropout_backward native_group_norm native_group_norm_backward native_layer_norm
    native_layer_norm_backward nll_loss_backward nll_loss_forward nll_loss2d_backward nll_loss2d_forward norm prod
    scatter_add scatter_add_ scatter_reduce std sum var var_mean""".split()
)
"""Reductions, norms, losses and fused optimisers of ``aten``: at least one operation per element of their largest tensor."""

_COUNTED_SPACES: Final = frozenset({"c10d", "_c10d_functional"})
_FREE_SPACES: Final = frozenset({"profiler", "prim"})
_TESTED: list[bool] = []


class FlopCount:
    """Counts within a ``with`` block. Raises ``Refused`` Q11 on entry where the self-test fails, ``Unavailable`` without torch."""

    def __init__(self) -> None:
        self.matrix: Counter[str] = Counter()
        """Operations of matrix products, convolutions and attention, by number format."""
        self.per_element: Counter[str] = Counter()
        """At least one operation per element of everything else, by number format."""
        self.uncountable: Counter[str] = Counter()
        """Operators that ran and cannot be counted."""
        self._mode: Any = None

    def __enter__(self) -> Self:
        self_test()
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mode.__exit__(kind, error, trace)

    def _start(self) -> None:
        self._mode = _mode(self)
        self._mode.__enter__()

    def counters(self) -> list[dict[str, str]]:
        """The count as the member ``counters`` of a declaration; raises ``Refused`` Q12 if anything could not be counted."""
        if self.uncountable:
            names = ", ".join(f"{name} ({times} times)" for name, times in self.uncountable.most_common(5))
            raise Refused(
                "Q12",
                "out-of-scope",
                got=f"operators that cannot be counted: {names}",
                expected="operators with a formula, or that do no matrix work",
                todo="choose another kernel (such as SDPBackend.MATH), or declare configuration and device time",
            )
        import torch

        source = f"torch.utils.flop_counter {torch.__version__}"
        totals = self.matrix + self.per_element
        return [{"operations": str(total), "dtype": dtype, "source": source} for dtype, total in sorted(totals.items())]


def self_test() -> None:
    """Check once per process that a small transformer counts as 6·N·D + 12·L·T·d·D, and that blind spots are seen: Q11."""
    if _TESTED:
        return
    torch = _torch()
    from decimal import Decimal

    from torch.nn.attention import SDPBackend, sdpa_kernel

    width, length, layers, batch = 8, 4, 2, 3
    tokens = batch * length
    count = FlopCount()
    count._start()
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            weights = [torch.ones(width, width, requires_grad=True) for _ in range(4 * layers)]
            hidden = torch.ones(batch, 1, length, width, requires_grad=True)
            for layer in range(layers):
                query, key, value, out = weights[4 * layer : 4 * layer + 4]
                hidden = (
                    torch.nn.functional.scaled_dot_product_attention(hidden @ query, hidden @ key, hidden @ value) @ out
                )
            hidden.sum().backward()
        torch.fft.rfft(torch.ones(4))
    finally:
        count._mode.__exit__(None, None, None)
    parameters = Decimal(4 * layers * width * width)
    expected = dense_flop(parameters, Decimal(tokens)) + attention_flop(layers, length, width, Decimal(tokens))
    got = sum(count.matrix.values())
    if got != expected or set(count.uncountable) != {"aten._fft_r2c"}:
        raise Refused(
            "Q11",
            "inconsistent",
            got=f"{got} operations of a small transformer, uncountable: {sorted(count.uncountable)}",
            expected=f"{expected}, and a Fourier transform that cannot be counted",
            todo="this build of torch counts differently: declare configuration and device time instead",
        )
    _TESTED.append(True)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise Unavailable("counting operators needs PyTorch: pip install 'detente[torch]'") from None
    return torch


def _mode(count: FlopCount) -> Any:
    torch = _torch()
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Mode(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:  # torch's own name
            kwargs = kwargs or {}
            packet = func._overloadpacket
            space, _, name = func._schema.name.partition("::")
            if packet in flop_registry:
                out = func(*args, **kwargs)
                count.matrix[_dtype(torch, args)] += flop_registry[packet](*args, **kwargs, out_val=out)
                return out
            if name not in MOVES and name not in PER_ELEMENT and torch.Tag.pointwise not in func.tags:
                with self:
                    out = func.decompose(*args, **kwargs)
                if out is not NotImplemented:
                    return out
            out = func(*args, **kwargs)
            if space in _FREE_SPACES or (space == "aten" and name in MOVES):
                return out
            if space in _COUNTED_SPACES or (
                space == "aten"
                and (name in PER_ELEMENT or name.startswith("_foreach_") or torch.Tag.pointwise in func.tags)
            ):
                count.per_element[_dtype(torch, args)] += _largest(torch, (args, kwargs, out))
            else:
                count.uncountable[f"{space}.{name}"] += 1
            return out

    return Mode()


def _tensors(torch: Any, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(torch, each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(torch, each)


def _dtype(torch: Any, args: Any) -> str:
    first = next(iter(_tensors(torch, args)), None)
    if first is None:
        return "undeclared"
    name = str(first.dtype).removeprefix("torch.")
    return {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float64": "fp64"}.get(name, name)


def _largest(torch: Any, values: Any) -> int:
    """Elements of the largest tensor; of a list of tensors (``_foreach_``) all of them together."""
    sizes = [0]
    for value in values[0] or ():
        if isinstance(value, torch.Tensor):
            sizes.append(value.numel())
        elif isinstance(value, (list, tuple)):
            sizes.append(sum(each.numel() for each in _tensors(torch, value)))
    sizes.extend(each.numel() for each in _tensors(torch, values[1:]))
    return max(sizes)
