"""Nested state as strict JSON and raw arrays, and back: what ``state_dict`` returns, without pickle.

Decides which values can be kept, and their form (``spec/exact-resume.md`` §3). Leaves out files (``hooks.workload.container``).
A tree is a flat list of nodes, the root first; a node names its children by their places, which come after its own, and
each node is the child of one. So a hostile file has no cycle, no depth beyond ``DEPTH_MAX`` and no bomb.

Rules: V01 (a tree that is none), V02 (a value that has no form here: a function, a set, an object, a sparse tensor, a
shard of one).

>>> nodes, arrays = flatten({"lr": 0.1, "steps": (3, None)})
>>> nodes[0], nodes[1]
(['dict', ['lr', 1], ['steps', 2]], ['float', '0x1.999999999999ap-4'])
>>> rebuild(nodes, arrays)
{'lr': 0.1, 'steps': (3, None)}
>>> flatten({"hook": print})
Traceback (most recent call last):
...
detente.base.errors.Refused: V02 wrong-type: got a builtin_function_or_method at hook; expected plain values, dense tensors and arrays
"""

from __future__ import annotations

import math
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from detente.base.errors import Refused, shown
from detente.hooks.workload.container import Array

DEPTH_MAX = 64
"""Deepest state seen is 7, of nested optimisers."""
INT_MAX_DIGITS = 4_000
"""A generator's state has 40 digits; Python itself stops at 4,300."""
_DTYPES = frozenset(
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128 "
    "float8_e4m3fn float8_e5m2".split()
)
_MAPPINGS = (dict, OrderedDict, defaultdict)


def flatten(value: object, *, prefix: str = "state") -> tuple[list[Any], dict[str, Array]]:
    """The nodes of ``value`` and its arrays by name; names begin with ``prefix``. Raises ``Refused`` V02.

    Arrays are views where memory allows it: write them before the next step changes them.
    """
    writer = _Writer(prefix)
    writer.add(value, "", 0)
    return writer.nodes, writer.arrays


class _Writer:
    def __init__(self, prefix: str) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, Array] = {}
        self._prefix = prefix

    def add(self, value: object, path: str, depth: int) -> int:
        if depth > DEPTH_MAX:
            raise Refused("V02", "wrong-type", got=f"state nested more than {DEPTH_MAX} deep", expected="less")
        at = len(self.nodes)
        self.nodes.append(None)  # Its place: children come after it.
        self.nodes[at] = self._node(value, path, depth + 1)
        return at

    def _node(self, value: object, path: str, depth: int) -> list[Any]:
        kind = type(value)
        if value is None:
            return ["none"]
        if isinstance(value, bool):
            return ["bool", value]
        if kind is int:
            return ["int", str(value)]
        if isinstance(value, float):
            return ["float", float(value).hex()]
        if kind is str:
            return ["str", value]
        if isinstance(value, bytes):
            return ["bytes", self._keep(np.frombuffer(value, dtype=np.uint8))]
        if isinstance(value, list) and kind is list:
            return ["list", *(self.add(each, f"{path}[{i}]", depth) for i, each in enumerate(value))]
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return ["tuple", *(self.add(each, f"{path}[{i}]", depth) for i, each in enumerate(value))]
        if isinstance(value, dict) and (kind in _MAPPINGS or kind is Counter):
            pairs = [[_key(key, path), self.add(each, f"{path}.{key}", depth)] for key, each in value.items()]
            return ["counter" if kind is Counter else "dict", *pairs]
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            raw = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            return ["array", self._keep(raw.reshape(-1).view(np.uint8)), raw.dtype.str, list(value.shape)]
        return self._tensor(value, path)

    def _tensor(self, value: object, path: str) -> list[Any]:
        torch = sys.modules.get("torch")  # A tensor cannot have come without it.
        if torch is None or type(value) not in (torch.Tensor, torch.nn.Parameter):
            raise _refused(f"a {type(value).__name__}", path)
        tensor: Any = value
        dtype = str(tensor.dtype).removeprefix("torch.")
        if tensor.layout != torch.strided or tensor.is_quantized or dtype not in _DTYPES:
            raise _refused(f"a tensor of layout {tensor.layout}, type {tensor.dtype}", path)
        flat = tensor.detach().to("cpu").contiguous().reshape(-1)
        raw = flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, dtype=np.uint8)
        return ["tensor", self._keep(raw), dtype, list(tensor.shape)]

    def _keep(self, raw: Array) -> str:
        name = f"{self._prefix}.{len(self.arrays):06d}"
        self.arrays[name] = raw
        return name


def _key(key: object, path: str) -> str | int:
    if isinstance(key, str) or (type(key) is int and abs(key) < 2**53):
        return key
    raise _refused(f"the key {shown(key)}", path)


def _refused(what: str, path: str) -> Refused:
    return Refused(
        "V02",
        "wrong-type",
        got=f"{what} at {path.lstrip('.') or 'the top'}",
        expected="plain values, dense tensors and arrays",
    )


def rebuild(nodes: object, arrays: Mapping[str, Array]) -> Any:
    """The value that ``flatten`` described; raises ``Refused`` V01."""
    if not isinstance(nodes, list) or not nodes:
        raise _no_tree(nodes)
    reader = _Reader(nodes, arrays)
    try:
        value = reader.value(0, 0)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, OverflowError) as error:
        raise _no_tree(f"{type(error).__name__}: {error}") from None
    if reader.read != len(nodes):
        raise _no_tree(f"{len(nodes) - reader.read} nodes that nothing leads to")
    return value


class _Reader:
    def __init__(self, nodes: list[Any], arrays: Mapping[str, Array]) -> None:
        self._nodes = nodes
        self._arrays = arrays
        self.read = 0

    def value(self, at: int, depth: int) -> Any:
        self.read += 1
        if depth > DEPTH_MAX or self.read > len(self._nodes):
            raise _no_tree(f"node {at} beyond depth or number")
        match self._nodes[at]:
            case ["none"]:
                return None
            case ["bool", bool(truth)]:
                return truth
            case ["int", str(text)] if len(text) <= INT_MAX_DIGITS:
                return int(text)
            case ["float", str(text)] if len(text) <= 40:
                return float.fromhex(text)
            case ["str", str(text)]:
                return text
            case ["bytes", str(name)]:
                return self._arrays[name].tobytes()
            case ["list", *children]:
                return [self._child(child, at, depth) for child in children]
            case ["tuple", *children]:
                return tuple(self._child(child, at, depth) for child in children)
            case ["dict", *pairs]:
                return self._mapping(pairs, at, depth)
            case ["counter", *pairs]:
                return Counter(self._mapping(pairs, at, depth))
            case ["array", str(name), str(dtype), list(shape)]:
                return self._array(name, dtype, shape)
            case ["tensor", str(name), str(dtype), list(shape)]:
                return self._tensor(name, dtype, shape)
            case _:
                raise _no_tree(self._nodes[at])

    def _child(self, child: object, parent: int, depth: int) -> Any:
        if type(child) is not int or not parent < child < len(self._nodes):
            raise _no_tree(f"child {shown(child)} of node {parent}")
        return self.value(child, depth + 1)

    def _mapping(self, pairs: list[Any], at: int, depth: int) -> dict[str | int, Any]:
        found: dict[str | int, Any] = {}
        for key, child in pairs:
            if type(key) not in (str, int) or key in found:
                raise _no_tree(f"key {shown(key)} of node {at}")
            found[key] = self._child(child, at, depth)
        return found

    def _array(self, name: str, dtype: str, shape: list[Any]) -> Any:
        kind = np.dtype(dtype)
        if kind.kind not in "biufc":
            raise _no_tree(f"an array of type {shown(dtype)}")
        return self._arrays[name].view(kind).reshape(_shape(shape))

    def _tensor(self, name: str, dtype: str, shape: list[Any]) -> Any:
        import torch

        if dtype not in _DTYPES:
            raise _no_tree(f"a tensor of type {shown(dtype)}")
        kind, raw = getattr(torch, dtype), self._arrays[name]
        if not math.prod(_shape(shape)):
            return torch.zeros(_shape(shape), dtype=kind)
        return torch.from_numpy(raw).view(kind).reshape(_shape(shape))


def _shape(sides: list[Any]) -> tuple[int, ...]:
    if len(sides) > 32 or not all(type(side) is int and 0 <= side < 2**40 for side in sides):
        raise _no_tree(f"the shape {shown(sides)}")
    return tuple(sides)


def _no_tree(got: object) -> Refused:
    return Refused("V01", "malformed", got=shown(got), expected="a tree of state as spec/exact-resume.md §3 has it")
