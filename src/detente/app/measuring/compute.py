"""Measure the compute of a run from its declaration, a Hugging Face ``config.json``, or what a counter wrote.

Decides which file is what, and follows the files that one names. Leaves out the formulas (``measure.compute``). A file of YAML 1.2 or JSON
is a declaration; one with a ``model_type`` is a configuration, and what the run did with it comes as options. Refusals Q07, Q09, Q10.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from detente.accord.document import Node, read_document
from detente.app.measuring.published_rules import published_rules
from detente.base.digest import sha256_hex
from detente.base.errors import Misuse, Refused, shown
from detente.base.quantity import show_decimal
from detente.measure.compute.declaration import FORMAT, parse_run
from detente.measure.compute.estimate import measure_compute
from detente.measure.indicator import Result

FILE_MAX: Final = 2**20
"""A declaration has tens of lines, the longest config.json of a published model some hundred."""
CHAIN_MAX: Final = 32
"""Files that name one another: longer than any chain of fine-tunes seen."""


def measure_run(path: Path, options: Mapping[str, str] | None = None) -> Result:
    """The compute of the run that ``path`` declares; raises ``Refused`` Q01 to Q10, T01 to T05, ``Misuse``.

    ``options`` are members of the only stage (``tokens``, ``context``, ``dtype``, ``recompute``), where ``path`` is a
    ``config.json``, and of device time (``device``, ``devices``, ``hours``, ``utilisation``).
    """
    return _measure(path, dict(options or {}), ())


def _measure(path: Path, options: dict[str, str], above: tuple[Path, ...]) -> Result:
    data = _read(path)
    inputs = {path.name: f"sha256:{sha256_hex(data)}"}
    tree = _declared(data) if not _is_config(data) else _from_config(_config(data, path), options)
    if options and not _is_config(data):
        raise Misuse(f"{path.name} declares the run itself: write {', '.join(sorted(options))} into it")
    _fill_configs(tree, path.parent, inputs)
    _fill_ancestors(tree, path, inputs, above)
    return measure_compute(parse_run(tree), published_rules(), subject=path.name, inputs=inputs)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except OSError as error:
        raise Refused(
            "Q07", "not-found", got=f"{path.name}: {error.strerror}", expected="a file that can be read"
        ) from None
    if len(data) > FILE_MAX:
        raise Refused(
            "Q09", "oversized", got=f"{path.name} of more than {FILE_MAX} bytes", expected=f"at most {FILE_MAX}"
        )
    return data


def _is_config(data: bytes) -> bool:
    return data.lstrip()[:1] == b"{" and b'"model_type"' in data and b'"format"' not in data


def _config(data: bytes, path: Path) -> dict[str, Any]:
    """A foreign ``config.json``: floats in it are ignored, since no formula takes one."""
    try:
        value = json.loads(data.decode("utf-8"), parse_float=str, parse_constant=str)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Refused("Q01", "malformed", got=f"{path.name}: {shown(str(error))}", expected="JSON") from None
    if not isinstance(value, dict):
        raise Refused("Q01", "malformed", got=f"{path.name}: {shown(value)}", expected="an object")
    return value


def _declared(data: bytes) -> dict[str, Any]:
    tree = _plain(read_document(data.replace(b"\t", b"  ") if data.lstrip()[:1] == b"{" else data))
    if not isinstance(tree, dict):
        raise Refused("Q01", "malformed", got=shown(tree), expected=f"a mapping with format: {FORMAT}")
    return tree


def _plain(node: Node) -> Any:
    if node.kind == "mapping":
        return {name: _plain(each) for name, each in node.entries.items()}
    if node.kind == "list":
        return [_plain(each) for each in node.items]
    return node.text


def _from_config(config: dict[str, Any], options: dict[str, str]) -> dict[str, Any]:
    """The declaration that a ``config.json`` and the options amount to."""
    if "tokens" not in options:
        raise Misuse(
            "a config.json says what the model is, not what was done: give --tokens, or declare the run in YAML"
        )
    stage = {"kind": "training", "model": {"config": config}}
    for name in ("tokens", "context", "dtype", "recompute"):
        if name in options:
            stage[name] = options[name]
    tree: dict[str, Any] = {"format": FORMAT, "run": str(config.get("model_type")), "stages": [stage]}
    if "device" in options:
        spent: dict[str, Any] = {n: options[n] for n in ("device", "devices", "hours", "dtype") if n in options}
        if "utilisation" in options:
            spent["utilisation"] = (
                options["utilisation"].split(",") if "," in options["utilisation"] else options["utilisation"]
            )
        tree["hardware"] = [spent]
    elif {"devices", "hours", "utilisation"} & options.keys():
        raise Misuse("--devices, --hours and --utilisation belong to a --device")
    return tree


def _fill_configs(tree: Any, folder: Path, inputs: dict[str, str]) -> None:
    """Replace each ``config: FILE`` by what the file says."""
    if isinstance(tree, dict):
        if isinstance(tree.get("config"), str):
            path = folder / tree["config"]
            data = _read(path)
            inputs[tree["config"]] = f"sha256:{sha256_hex(data)}"
            tree["config"] = _config(data, path)
            return
        for each in tree.values():
            _fill_configs(each, folder, inputs)
    elif isinstance(tree, list):
        for each in tree:
            _fill_configs(each, folder, inputs)


def _fill_ancestors(tree: dict[str, Any], path: Path, inputs: dict[str, str], above: tuple[Path, ...]) -> None:
    """Replace each ancestor's ``run: FILE`` by the cumulative FLOP of that run; circles are refused."""
    lineage = tree.get("lineage")
    chain = (*above, path.resolve())
    for name, each in lineage.items() if isinstance(lineage, dict) else ():
        if not isinstance(each, dict) or not isinstance(each.get("run"), str):
            continue
        other = path.parent / each.pop("run")
        if other.resolve() in chain or len(chain) > CHAIN_MAX:
            raise Refused(
                "Q10",
                "inconsistent",
                got=f"lineage.{name}: {other.name} descends from itself",
                expected=f"runs that came before, at most {CHAIN_MAX} in a chain",
            )
        result = _measure(other, {}, chain)
        inputs.update(result.inputs)
        value = next(i.interval for i in result.indicators if i.name == "compute.cumulative_flop")
        each["flop"] = (
            "unknown"
            if value.low is None or value.high is None
            else [show_decimal(value.low), show_decimal(value.high)]
        )
