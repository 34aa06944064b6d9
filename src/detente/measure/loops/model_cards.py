"""Hugging Face model repositories: what a model card, an adapter or a merge recipe says that a model came from.

Decides which models there are and their parents. Leaves out whatever a card says in prose. Source: the Hub's model card
metadata (``base_model``, ``base_model_relation``), PEFT's ``adapter_config.json``, mergekit's configuration.

1. A model is a folder with ``README.md``, ``adapter_config.json`` or a mergekit configuration; its id is ``owner/name`` as the folders
   say (also ``models--owner--name``), else the folder's name.
2. Parents are all that card, adapter and recipe name. A base that is not among the folders is a parent that nobody
   recorded: no upper end. Most models are like that.
3. ``quantized`` changes no training; ``finetune``, ``adapter`` and ``merge`` do; without a relation nothing is declared.
4. No card says who proposed a model, and none has a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from detente.base.errors import Refused, shown
from detente.measure.indicator import Remark
from detente.measure.loops.foreign_json import maybe, parse_foreign
from detente.measure.loops.record import NOTHING_TOUCHED, Loop, LoopVersion, Tally
from detente.measure.loops.source import Source
from detente.statement.change import Touch

KIND: Final = "model-cards"
CARD_MAX: Final = 1_048_576
"""Bytes of front matter: some cards carry thousands of evaluation results."""
_RECIPES: Final = ("mergekit_config.yml", "mergekit_config.yaml")
_CARD: Final = "README.md"
_ADAPTER: Final = "adapter_config.json"
_RELATIONS: Final[Mapping[str, frozenset[Touch]]] = {
    "finetune": frozenset({"training"}),
    "adapter": frozenset({"training"}),
    "merge": frozenset({"training"}),
    "quantized": frozenset({"configuration"}),
}


@dataclass(slots=True)
class _Model:
    bases: list[str] = field(default_factory=list)
    relation: str = ""


def recognise(source: Source) -> bool:
    """An adapter, a merge recipe, or a card whose front matter names a base."""
    if _called(source, _ADAPTER, *_RECIPES):
        return True
    cards = [name for name in _called(source, _CARD) if name.count("/") <= 3][:100]
    return any(b"base_model:" in _front(source.files.read(name)) for name in cards)


def import_loop(source: Source) -> Loop:
    """The models of a folder; raises ``Refused`` I02, I03, I05."""
    tally = Tally()
    models: dict[str, _Model] = {}
    for name in _called(source, _CARD, _ADAPTER, *_RECIPES):
        folder, _, file = name.rpartition("/")
        model = models.setdefault(_model_id(folder, source.name), _Model())
        if file == _CARD:
            _take_card(model, source, name, tally)
        elif file == _ADAPTER:
            base = maybe(parse_foreign(source.files.read(name), name), "base_model_name_or_path", str, name)
            model.bases += [base] if base else []
            model.relation = model.relation or "adapter"
        elif file in _RECIPES:
            model.bases += _recipe(read_yaml(source.files.read(name), name), name)
            model.relation = model.relation or "merge"
    if not models:
        raise Refused(
            "I05", "not-found", got="no model", expected="README.md, adapter_config.json, mergekit_config.yml"
        )
    versions = tuple(_version(name, model, tally) for name, model in sorted(models.items()))
    without = sum(not version.parents for version in versions)
    remarks: tuple[Remark, ...] = ()
    if without:
        remarks = (Remark("no-base", "note", f"{without} of {len(versions)} models name no base"),)
    return Loop(
        kind=KIND,
        name=source.name,
        versions=versions,
        direction=None,
        score_name="",
        evidence="declared",
        rules=("a model came from every base that its card, adapter or merge recipe names",),
        remarks=remarks,
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _called(source: Source, *files: str) -> list[str]:
    """The files of exactly these names, in whatever folder."""
    return [name for name in source.matching(*(f"*{each}" for each in files)) if name.rpartition("/")[2] in files]


def _model_id(folder: str, fallback: str) -> str:
    """The Hub's name of a folder.

    >>> _model_id("models--org--name/snapshots/abc", "x"), _model_id("org/name", "x"), _model_id("", "name")
    ('org/name', 'org/name', 'name')
    """
    for part in folder.split("/"):
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/", 1)
    return folder or fallback


def _front(data: bytes) -> bytes:
    """The YAML between the first two lines of three dashes."""
    text = data[: CARD_MAX + 4].replace(b"\r\n", b"\n")
    if not text.startswith(b"---\n"):
        return b""
    head, found, _ = text[4:].partition(b"\n---")
    return head if found else b""


def _take_card(model: _Model, source: Source, name: str, tally: Tally) -> None:
    data = source.files.read(name)
    front = _front(data)
    if not front and data.startswith(b"---"):
        tally.leave_out("cards", "front matter that does not end within 1 MiB", name)
    said = read_yaml(front, name) if front.strip() else {}
    if not isinstance(said, Mapping):
        tally.leave_out("cards", "front matter that is no mapping", name)
        return
    base = said.get("base_model")
    bases = base if isinstance(base, list) else [base] if base else []
    model.bases += [each for each in bases if isinstance(each, str)]
    if odd := [each for each in bases if not isinstance(each, str)]:
        tally.leave_out("bases", "no text", f"{name}: {shown(odd[0], limit=30)}", count=len(odd))
    relation = said.get("base_model_relation")
    if isinstance(relation, str):
        model.relation = relation


def _version(name: str, model: _Model, tally: Tally) -> LoopVersion:
    bases = sorted(set(model.bases))
    if name in bases:
        tally.leave_out("bases", "the model itself", name)
        bases.remove(name)
    relation = model.relation or ("merge" if len(bases) > 1 else "")
    if relation and relation not in _RELATIONS:
        tally.leave_out("relations", "none that the Hub knows: what it touches is undeclared", f"{name}: {relation}")
    return LoopVersion(
        id=name,
        parents=tuple(bases),
        proposer="undeclared",
        touches=_RELATIONS.get(relation, NOTHING_TOUCHED),
        status=relation,
    )


def read_yaml(data: bytes, name: str) -> Any:
    """One YAML document; raises ``Refused`` I02, I03."""
    if len(data) > CARD_MAX:
        raise Refused(
            "I02", "oversized", got=f"{len(data)} bytes of YAML in {shown(name)}", expected=f"at most {CARD_MAX}"
        )
    yaml = YAML(typ="safe", pure=True)
    try:
        return yaml.load(data.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        line = str(error).strip().split("\n")[0]
        raise Refused(
            "I03",
            "malformed",
            got=f"{shown(name)}: {shown(line, limit=60)}",
            expected="YAML",
            todo="nothing of this folder was read",
        ) from None


def _recipe(value: Any, name: str) -> Sequence[str]:
    if not isinstance(value, Mapping):
        raise Refused(
            "I04", "wrong-type", got=f"{name}: {shown(value, limit=40)}", expected="a configuration of mergekit"
        )
    return list(_models_in(value))


def _models_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Every model that a merge recipe names, in ``models``, ``slices`` or ``base_model``."""
    if depth > 8:
        return
    if isinstance(value, Mapping):
        for key in ("model", "base_model"):
            named = value.get(key)
            if isinstance(named, Mapping):
                named = named.get("model") if isinstance(named.get("model"), str) else named.get("path")
            if isinstance(named, str):
                yield named.partition("+")[0]  # model+lora
        for key in ("models", "slices", "sources"):
            yield from _models_in(value.get(key), depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _models_in(each, depth + 1)
