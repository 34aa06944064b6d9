"""Measure time horizons from files: runs of agents, or horizons that somebody published.

Decides which reader serves which file and puts together what the runs lack: release dates, human lengths of tasks.
Leaves the numbers to ``measure.horizon``. ``spec/measure-horizon.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from detente.adapters.inspect_logs import read_inspect
from detente.adapters.run_files import file_digest, file_form, read_file, read_json, read_lines, read_table, read_yaml
from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused, shown
from detente.measure.horizon.estimate import Settings
from detente.measure.horizon.indicators import measure_published, measure_runs
from detente.measure.horizon.published import Published, parse_results, read_date
from detente.measure.horizon.runs import collect_runs
from detente.measure.indicator import Result

RUN_COLUMNS = ("run_id", "alias", "task_id", "task_family", "human_minutes")
Records = Iterable[tuple[str, Mapping[str, Any]]]


def measure_horizon(
    paths: Sequence[Path],
    settings: Settings | None = None,
    *,
    dates: Path | None = None,
    tasks: Path | None = None,
    scorer: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Horizons out of ``paths``: any number of files of runs, or one file of published results.

    ``dates`` maps agents to release dates (YAML as METR has it, or CSV ``alias,release_date``), ``tasks`` tasks to human
    lengths (CSV ``task_id,human_minutes`` with or without ``task_family``) where the runs have none. ``scorer`` names
    the scorer of Inspect logs that counts. ``progress`` is told how many fits are done, and of how many. Raises ``Refused`` H01 to H10, ``Misuse``, ``Unavailable``.
    """
    settings = settings or Settings()
    if not paths:
        raise Misuse("got no file; expected runs, or published results")
    inputs: dict[str, str] = {}
    found: list[Published | Records] = [_read(Path(path), inputs, scorer) for path in paths]
    published = [each for each in found if isinstance(each, Published)]
    subject = ", ".join(Path(path).name for path in paths[:3]) + (
        f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    )
    if published:
        if len(found) > 1:
            raise Misuse("got published results and another file; expected one file of results, or files of runs alone")
        evidence = tuple(Digest(value) for value in dict.fromkeys(inputs.values()))
        return measure_published(published[0], settings, subject=subject, inputs=inputs, evidence=evidence)
    released: dict[str, date] = {}
    lengths = {} if tasks is None else _read_tasks(tasks, inputs)
    records = (each for part in found if not isinstance(part, Published) for each in part)
    runs, exclusions = collect_runs(_completed(records, released, lengths))
    if dates is not None:
        released |= _read_dates(dates, inputs)
    return measure_runs(
        runs,
        settings,
        subject=subject,
        dates=released,
        exclusions=exclusions,
        inputs=inputs,
        evidence=tuple(Digest(value) for value in dict.fromkeys(inputs.values())),
        progress=progress,
    )


def _read(path: Path, inputs: dict[str, str], scorer: str | None) -> Published | Records:
    form, data = file_form(path), read_file(path)
    _note(inputs, path, data)
    if form == "lines":
        return read_lines(data, path.name)
    if form == "table":
        return read_table(data, path.name, needed=RUN_COLUMNS)
    if form == "inspect":
        return read_inspect(path, data, scorer=scorer)
    document = read_yaml(data, path.name) if form == "yaml" else read_json(data, path.name)
    if isinstance(document, list):
        return _listed(document, path.name)
    if isinstance(document, dict) and "eval" in document and "status" in document:
        return read_inspect(path, data, scorer=scorer)
    return parse_results(document, place=path.name)


def _listed(document: list[Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, record in enumerate(document):
        if not isinstance(record, dict):
            raise Refused("H02", "malformed", got=f"{name}[{number}]: {shown(record)}", expected="an object")
        yield f"{name}[{number}]", record


def _completed(
    records: Records, released: dict[str, date], lengths: Mapping[str, tuple[float | None, str | None]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each record with the length and family of its task; release dates are put aside on the way."""
    for place, given in records:
        record = {**given, "alias": given.get("alias", given.get("agent"))}
        if (at := record.get("release_date")) is not None and isinstance(record["alias"], str):
            day = read_date(at, place)
            if released.setdefault(record["alias"], day) != day:
                got = f"{place}: {shown(record['alias'])} released on {day}"
                raise Refused("H06", "inconsistent", got=got, expected=f"{released[record['alias']]}, as before")
        known = lengths.get(str(record.get("task_id")))
        if known is not None:
            minutes, family = known
            record["human_minutes"] = (
                record.get("human_minutes") if record.get("human_minutes") is not None else minutes
            )
            record["task_family"] = family or record.get("task_family")
        yield place, record


def _read_tasks(path: Path, inputs: dict[str, str]) -> dict[str, tuple[float | None, str | None]]:
    data = read_file(path)
    _note(inputs, path, data)
    found: dict[str, tuple[float | None, str | None]] = {}
    for place, row in read_table(data, path.name, needed=("task_id", "human_minutes")):
        name = str(row["task_id"])
        if name in found:
            raise Refused("H10", "duplicate-key", got=f"{place}: task {shown(name)} again", expected="each name once")
        found[name] = row["human_minutes"], row.get("task_family")
    return found


def _read_dates(path: Path, inputs: dict[str, str]) -> dict[str, date]:
    data = read_file(path)
    _note(inputs, path, data)
    form = file_form(path)
    if form == "table":
        found: dict[str, date] = {}
        for place, row in read_table(data, path.name, needed=("alias", "release_date")):
            name = str(row["alias"])
            if name in found:
                raise Refused("H10", "duplicate-key", got=f"{place}: {shown(name)} again", expected="each name once")
            found[name] = read_date(row["release_date"], place)
        return found
    document = read_yaml(data, path.name) if form == "yaml" else read_json(data, path.name)
    listed = document.get("date", document) if isinstance(document, dict) else None
    if not isinstance(listed, dict):
        raise Refused("H02", "malformed", got=f"{path.name}: no dates", expected="a mapping of agents to dates")
    return {str(name): read_date(value, f"{path.name}: {shown(name, 40)}") for name, value in listed.items()}


def _note(inputs: dict[str, str], path: Path, data: bytes) -> None:
    name = path.name if path.name not in inputs else str(path)
    inputs[name] = file_digest(data)
