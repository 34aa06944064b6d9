"""MLflow: registered model versions and runs, from a file store or a SQLite store.

Decides which versions there were and what may have come from what. Source: the file store's layout
(``<experiment>/<run>/meta.yaml`` and ``tags``, ``models/<name>/version-<n>/meta.yaml``) and the schema of mlflow/mlflow
(``runs``, ``tags``, ``model_versions``).

1. Where models are registered, a version is a model version; ``source`` of the form ``models:/<name>/<n>`` names what it was
   copied from. The registry records no other parent: the version before it of the same name is a possible one.
2. Without a registry a version is a run, and the run of its tag ``mlflow.parentRunId`` a possible parent: nesting is
   not derivation, and may be.
3. Deleted runs were dropped. Nobody records who proposed a run, what it touches, or which metric is the score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from detente.base.errors import Refused, shown
from detente.measure.indicator import Remark
from detente.measure.loops.model_cards import read_yaml
from detente.measure.loops.record import Loop, LoopVersion, Tally, as_decimal, at_second
from detente.measure.loops.source import Source, Tables

KIND: Final = "mlflow"
_PARENT: Final = "mlflow.parentRunId"
_RUN_TABLE: Final = frozenset({"run_uuid", "start_time", "lifecycle_stage"})
_COPY: Final = re.compile(r"models:/(?P<name>.+)/(?P<version>\d+)\Z")
_VERSION_FILE: Final = re.compile(r"(?:.*/)?models/(?P<name>[^/]+)/version-(?P<version>\d+)/meta\.yaml\Z")
_RUN_FILE: Final = re.compile(r"(?P<folder>(?:.*/)?\d+/(?P<run>[0-9a-f]{32}))/meta\.yaml\Z")


def recognise(source: Source) -> bool:
    """A store of runs."""
    if any(_RUN_TABLE <= set(tables.columns.get("runs", ())) for tables in source.databases.values()):
        return True
    return any(_RUN_FILE.match(name) or _VERSION_FILE.match(name) for name in source.matching("*meta.yaml"))


def import_loop(source: Source) -> Loop:
    """The models or runs of a store; raises ``Refused`` I02, I03, I04, I05."""
    tally = Tally()
    registered: list[Mapping[str, Any]] = []
    runs: list[Mapping[str, Any]] = []
    for name, tables in source.databases.items():
        if _RUN_TABLE <= set(tables.columns.get("runs", ())):
            _take_tables(tables, name, registered, runs)
    for name in source.matching("*meta.yaml"):
        _take_file(source, name, registered, runs)
    if not registered and not runs:
        raise Refused("I05", "not-found", got="no run and no model version", expected="a store of MLflow")
    versions = tuple(_model_versions(registered, tally) if registered else _run_versions(runs, tally))
    text = "MLflow records neither who proposed a version, nor what it changed, nor which metric is its score"
    return Loop(
        kind=KIND,
        name=source.name,
        versions=versions,
        direction=None,
        score_name="",
        evidence="recorded",
        rules=("the version before it of the same name, or the run that a run is nested in, is a possible parent",),
        attempts=len(runs) or None,
        remarks=(Remark("no-score", "note", text),),
        exclusions=tally.exclusions(),
        inputs=source.inputs,
    )


def _take_tables(tables: Tables, name: str, registered: list[Mapping[str, Any]], runs: list[Mapping[str, Any]]) -> None:
    parents: dict[Any, Any] = {}
    if "tags" in tables.columns:
        parents = {row.get("run_uuid"): row.get("value") for row in tables.rows("tags") if row.get("key") == _PARENT}
    odd = [value for value in parents.values() if not isinstance(value, str | None)]
    if odd:
        raise _refused(name, _PARENT, odd[0])
    for row in tables.rows("runs"):
        if not isinstance(row["run_uuid"], str):
            raise _refused(name, "run_uuid", row["run_uuid"])
        runs.append({**row, "run_id": row["run_uuid"], "parent": parents.get(row["run_uuid"])})
    if "model_versions" in tables.columns:
        for row in tables.rows("model_versions"):
            if not isinstance(row.get("name"), str) or as_decimal(row.get("version")) is None:
                raise _refused(name, "a model version", row.get("version"))
            registered.append(row)


def _take_file(source: Source, name: str, registered: list[Mapping[str, Any]], runs: list[Mapping[str, Any]]) -> None:
    as_version, as_run = _VERSION_FILE.match(name), _RUN_FILE.match(name)
    if as_version is None and as_run is None:
        return
    meta = read_yaml(source.files.read(name), name)
    if not isinstance(meta, Mapping):
        raise _refused(name, "meta.yaml", meta)
    if as_version is not None:
        created = meta.get("creation_timestamp")
        registered.append(
            {**meta, "name": as_version["name"], "version": int(as_version["version"]), "creation_time": created}
        )
    elif as_run is not None:
        tag = f"{as_run['folder']}/tags/{_PARENT}"
        parent = source.files.read(tag).decode("utf-8", "replace").strip() if tag in source.files.names else None
        runs.append({**meta, "run_id": as_run["run"], "parent": parent})


def _model_versions(registered: list[Mapping[str, Any]], tally: Tally) -> Iterator[LoopVersion]:
    by_name: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for row in registered:
        by_name.setdefault(row["name"], []).append((int(row["version"]), row))
    for name, rows in sorted(by_name.items()):
        rows.sort(key=lambda pair: pair[0])
        for place, (number, row) in enumerate(rows):
            copied = _COPY.match(str(row.get("source") or ""))
            before = () if place == 0 else (f"{name}/{rows[place - 1][0]}",)
            if place and rows[place - 1][0] == number:
                tally.leave_out("repeated ids", "the same version twice; merged", f"{name}/{number}")
                before = ()
            yield LoopVersion(
                id=f"{name}/{number}",
                parents=() if copied is None else (f"{copied['name']}/{copied['version']}",),
                perhaps=before if copied is None else (),
                proposer="undeclared",
                generation=number,
                status=str(row.get("status") or "")[:64],
                time=_milliseconds(row.get("creation_time")),
            )


def _run_versions(runs: list[Mapping[str, Any]], tally: Tally) -> Iterator[LoopVersion]:
    seen: set[str] = set()
    for row in runs:
        version = row["run_id"]
        if version in seen:
            tally.leave_out("repeated ids", "the same run twice; merged", version)
        seen.add(version)
        yield LoopVersion(
            id=version,
            perhaps=(row["parent"],) if row.get("parent") and row["parent"] != version else (),
            proposer="undeclared",
            status=str(row.get("status") or "")[:64],
            kept=row.get("lifecycle_stage") != "deleted",
            time=_milliseconds(row.get("start_time")),
        )


def _milliseconds(value: Any) -> Any:
    number = as_decimal(value)
    return at_second(None if number is None else number / 1000)


def _refused(name: str, what: str, got: Any) -> Refused:
    return Refused(
        "I04",
        "wrong-type",
        got=f"{shown(name)}: {what} {shown(got, limit=40)}",
        expected="what MLflow writes",
        todo="nothing of this store was read",
    )
