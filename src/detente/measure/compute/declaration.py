"""How a run is declared: a tree of texts, checked member by member.

Decides what a declaration may say; the form is described in ``spec/measure-compute.md`` §5, with an example. Leaves out reading files:
``config`` of a model is already the content of a ``config.json`` when it comes here, and every number still a text, so that none was
ever a float. Refusals: Q01 (not the form), Q02 (an unknown member), Q03 (a value), Q04 (a member missing).

>>> run = parse_run({"format": "detente-compute/1", "run": "x", "stages": [
...     {"kind": "training", "tokens": "1e9", "model": {"parameters": "1e6"}}]})
>>> run.stages[0].tokens
Decimal('1E+9')
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from detente.base.errors import Refused, shown
from detente.base.quantity import ZERO, Interval, exactly, parse_decimal
from detente.measure.compute.families import WIDTH_MAX, read_config
from detente.measure.compute.hardware import DeviceTime
from detente.measure.compute.model import Layers, Model
from detente.measure.compute.stages import RECOMPUTE, STAGE_KINDS, Recompute, Stage, StageKind

FORMAT: Final = "detente-compute/1"
LIST_MAX: Final = 1000
"""Stages, counters, device times, ancestors: real declarations have a handful; the bound stops a bomb."""
TEXT_MAX: Final = 200
QUANTITY_MAX: Final = Decimal("1e40")
"""Above any count of tokens, weights or operations; keeps every product within what is exact."""

_SECOND_MODELS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "training": (),
    "adapter": (),
    "reinforcement": (
        ("rollout", "rollout_tokens", ""),
        ("reference", "reference_tokens", ""),
        ("reward", "reward_tokens", "reward_model"),
    ),
    "distillation": (("teacher", "teacher_tokens", "teacher"),),
    "synthetic": (),
}
"""Passes without training, by kind of stage: what for, the member with their tokens, the member with their model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Operations that an instrument counted. ``most`` is ``None`` for a counter that can only have missed some."""

    operations: Decimal
    most: Decimal | None
    dtype: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A model that the run started from, directly or not: its own FLOP (``[0, not known]`` if undeclared) and parents."""

    own_flop: Interval
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A declared run."""

    name: str
    stages: tuple[Stage, ...]
    counters: tuple[Counter, ...]
    hardware: tuple[DeviceTime, ...]
    parents: tuple[str, ...]
    lineage: Mapping[str, Ancestor]
    original_systemic: bool | None


def parse_run(tree: Any) -> Run:
    """A run from a tree of mappings, lists and texts; raises ``Refused`` Q01 to Q06.

    1. A mapping of this format, with no member that it does not have: Q01, Q02.
    2. Every quantity an exact decimal, not negative and at most 1e40: Q03.
    3. At least one way to know anything: stages, counters or hardware: Q04.
    4. Every parent described under ``lineage``: Q04.
    """
    top = _Members(tree, "")
    if top.text("format") != FORMAT:  # 1
        raise Refused("Q01", "malformed", got=f"format {shown(top.text('format'))}", expected=FORMAT)
    model = top.maybe("model")
    base = None if model is None else _model(model, "model")
    run = Run(
        name=top.text("run"),
        stages=tuple(_stage(each, base) for each in top.listed("stages")),
        counters=tuple(_counter(each) for each in top.listed("counters")),
        hardware=tuple(_device_time(each) for each in top.listed("hardware")),
        parents=top.names("parents"),
        lineage={name: _ancestor(each) for name, each in top.mapped("lineage")},
        original_systemic=top.truth("original_systemic"),
    )
    top.finish()
    if not (run.stages or run.counters or run.hardware):  # 3
        raise _missing("a run without stages, counters and hardware", "at least one of them")
    _check_lineage(run)
    return run


def _check_lineage(run: Run) -> None:
    wanted = {"parents": run.parents, **{f"lineage.{name}.parents": each.parents for name, each in run.lineage.items()}}
    for where, names in wanted.items():  # 4
        for name in names:
            if name not in run.lineage:
                raise _missing(f"{where}: {shown(name)}", "a model described under lineage")


def _stage(members: _Members, base: Model | None) -> Stage:
    kind: StageKind = members.choice("kind", STAGE_KINDS)
    own = members.maybe("model")
    model = _model(own, members.at("model")) if own is not None else base
    if model is None:
        raise _missing(f"{members.path} without a model", "model, here or for the whole run")
    context = members.whole("context", default=0) or None
    others = {}
    for purpose, tokens_name, model_name in _SECOND_MODELS[kind]:
        tokens = members.quantity(tokens_name)
        described = members.maybe(model_name) if model_name else None
        if model_name and described is None and tokens:
            raise _missing(members.at(model_name), f"the model that reads {tokens_name}, or {tokens_name}: 0")
        other = model if described is None else _model(described, members.at(model_name))
        others[purpose] = (other, tokens, context)
    recompute: Recompute = members.choice("recompute", RECOMPUTE, default="undeclared")
    stage = Stage(
        kind=kind,
        model=model,
        tokens=members.quantity("tokens"),
        context=context,
        dtype=members.text("dtype", default="undeclared"),
        recompute=recompute,
        trainable=members.quantity("trainable_parameters") if kind == "adapter" else ZERO,
        others=others,
        name=members.text("name", default=kind),
    )
    members.finish()
    return stage


def _model(tree: Any, path: str) -> Model:
    members = _Members(tree, path)
    config = members.maybe("config")
    if config is not None:
        name = members.text("name", default="")
        members.finish()
        if not isinstance(config, Mapping):
            raise _wrong(f"{path}.config", config, "the members of a config.json")
        return read_config(config, name=name)
    layers = members.whole("layers", default=0)
    width = members.whole("width", default=0)
    if bool(layers) != bool(width):
        raise _missing(f"{path}: only one of layers and width", "both, or neither")
    window = members.whole("window", default=0) or None
    shape = (Layers(count=layers, score_width=width, value_width=width, window=window),) if layers else None
    model = Model(
        matrix_parameters=members.quantity("parameters"), attention=shape, name=members.text("name", default="")
    )
    members.finish()
    return model


def _counter(members: _Members) -> Counter:
    counter = Counter(
        operations=members.quantity("operations"),
        most=members.quantity("operations_most") if members.maybe("operations_most", keep=True) is not None else None,
        dtype=members.text("dtype", default="undeclared"),
        source=members.text("source"),
    )
    members.finish()
    if counter.most is not None and counter.most < counter.operations:
        raise _wrong(members.at("operations_most"), str(counter.most), f"at least operations, {counter.operations}")
    return counter


def _device_time(members: _Members) -> DeviceTime:
    use = members.interval("utilisation", default=Interval(ZERO, Decimal(1)))
    if use.high is None or use.high > 1:
        raise _wrong(members.at("utilisation"), str(use), "from 0 to 1")
    peak = members.quantity("peak_flop_s") if members.maybe("peak_flop_s", keep=True) is not None else None
    spent = DeviceTime(
        device=members.text("device"),
        devices=members.whole("devices"),
        hours=members.quantity("hours"),
        dtype=members.text("dtype", default="undeclared"),
        least=use.low or ZERO,
        most=use.high,
        peak_flop_s=peak,
    )
    members.finish()
    return spent


def _ancestor(members: _Members) -> Ancestor:
    ancestor = Ancestor(
        own_flop=members.interval("flop", default=Interval(ZERO, None)), parents=members.names("parents")
    )
    members.finish()
    return ancestor


class _Members:
    """A mapping whose members are taken one by one; ``finish`` refuses what was not asked for."""

    def __init__(self, tree: Any, path: str) -> None:
        if not isinstance(tree, Mapping):
            raise Refused("Q01", "malformed", got=f"{path or 'the file'}: {shown(tree)}", expected="a mapping")
        self._tree = tree
        self._left = set(tree)
        self.path = path

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def finish(self) -> None:
        if self._left:
            name = min(map(str, self._left))
            raise Refused("Q02", "unknown-field", got=self.at(shown(name)), expected="a member of the format")

    def maybe(self, name: str, *, keep: bool = False) -> Any:
        if not keep:
            self._left.discard(name)
        return self._tree.get(name)

    def text(self, name: str, *, default: str | None = None) -> str:
        value = self.maybe(name)
        if value is None:
            if default is None:
                raise _missing(self.at(name), "a text")
            return default
        if not isinstance(value, str) or not value or len(value) > TEXT_MAX or not value.isprintable():
            raise _wrong(self.at(name), value, f"a text of at most {TEXT_MAX} printable characters")
        return value

    def choice(self, name: str, words: tuple[Any, ...], *, default: str | None = None) -> Any:
        value = self.text(name, default=default)
        if value not in words:
            raise _wrong(self.at(name), value, f"one of {', '.join(words)}")
        return value

    def quantity(self, name: str) -> Decimal:
        value = self.maybe(name)
        if value is None:
            raise _missing(self.at(name), "a decimal; 0 says that there was none")
        return _quantity(self.at(name), value)

    def whole(self, name: str, *, default: int | None = None) -> int:
        if self._tree.get(name) is None and default is not None:
            self._left.discard(name)
            return default
        value = self.quantity(name)
        if value != value.to_integral_value() or not 0 <= value <= WIDTH_MAX:
            raise _wrong(self.at(name), str(value), f"a whole number up to {WIDTH_MAX}")
        return int(value)

    def interval(self, name: str, *, default: Interval) -> Interval:
        value = self.maybe(name)
        if value is None or value == "unknown":
            return default
        if not isinstance(value, list):
            return exactly(_quantity(self.at(name), value))
        if len(value) != 2:
            raise _wrong(self.at(name), value, "a decimal, or a list of two: least and most")
        low, high = (_quantity(self.at(name), each) for each in value)
        if low > high:
            raise _wrong(self.at(name), f"{low} to {high}", "the least first")
        return Interval(low, high)

    def truth(self, name: str) -> bool | None:
        value = self.maybe(name)
        if value is None:
            return None
        if value not in {"true", "false"}:
            raise _wrong(self.at(name), value, "true or false")
        return bool(value == "true")

    def listed(self, name: str) -> Iterator[_Members]:
        for position, each in enumerate(_sized(self.at(name), self.maybe(name), list)):
            yield _Members(each, f"{self.at(name)}[{position}]")

    def mapped(self, name: str) -> Iterator[tuple[str, _Members]]:
        entries = _sized(self.at(name), self.maybe(name), dict)
        for key in entries:
            yield str(key), _Members(entries[key], f"{self.at(name)}.{shown(key)}")

    def names(self, name: str) -> tuple[str, ...]:
        names = _sized(self.at(name), self.maybe(name), list)
        if any(not isinstance(each, str) for each in names) or len(set(names)) != len(names):
            raise _wrong(self.at(name), names, "names, each once")
        return tuple(names)


def _sized(path: str, value: Any, kind: type[list[Any] | dict[str, Any]]) -> Any:
    if value is None:
        return kind()
    if not isinstance(value, kind) or len(value) > LIST_MAX:
        raise _wrong(path, value, f"a {'list' if kind is list else 'mapping'} of at most {LIST_MAX}")
    return value


def _quantity(path: str, value: Any) -> Decimal:  # 2
    try:
        number = parse_decimal(value)
    except Refused:
        raise _wrong(path, value, "a decimal such as 1e12 or 0.45") from None
    if not 0 <= number <= QUANTITY_MAX:
        raise _wrong(path, value, f"from 0 to {QUANTITY_MAX:.0e}")
    return number


def _wrong(path: str, value: Any, expected: str) -> Refused:
    return Refused("Q03", "wrong-type", got=f"{path}: {shown(value)}", expected=expected)


def _missing(got: str, expected: str) -> Refused:
    return Refused("Q04", "malformed", got=got, expected=expected, todo="what is not known must not read as none")
