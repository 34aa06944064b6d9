"""Measure acceleration from files of dated series.

Decides which reader serves which file. Leaves the verdict to ``measure.acceleration``. ``spec/measure-acceleration.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detente.adapters.run_files import file_digest, file_form, read_file, read_json, read_table, read_yaml
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.measure.acceleration.indicators import measure_tracks
from detente.measure.acceleration.tracks import Track, measured_track, parse_track, published_track
from detente.measure.acceleration.verdict import Demand
from detente.measure.horizon.published import parse_results
from detente.measure.indicator import Result


def measure_acceleration(series: Sequence[str | Path], demand: Demand | None = None) -> Result:
    """What the series declare together. Each is ``FILE`` or ``NAME=FILE``, where NAME says what measured it.

    Raises ``Refused`` H01, H02, H04, H07, H08, H10; ``Misuse``; ``Unavailable``.
    """
    if not series:
        raise Misuse("got no series; expected at least one file, and two independent ones for a declaration")
    inputs: dict[str, str] = {}
    tracks = [_read(each, inputs) for each in series]
    evidence = tuple(Digest(value) for value in dict.fromkeys(inputs.values()))
    return measure_tracks(tracks, demand or Demand(), inputs=inputs, evidence=evidence)


def _read(series: str | Path, inputs: dict[str, str]) -> Track:
    source, path = _named(series)
    form, data = file_form(path), read_file(path)
    inputs[path.name if path.name not in inputs else str(path)] = file_digest(data)
    name = source or path.stem
    if form == "table":
        return parse_track(read_table(data, path.name, needed=("date",)), name=name, source=source)
    if form not in {"yaml", "json"}:
        raise Misuse(
            f"got {path.name}; expected a CSV, published results, or a result of detente measure horizon --json"
        )
    document: Any = read_yaml(data, path.name) if form == "yaml" else read_json(data, path.name)
    if isinstance(document, dict) and document.get("measure") == "horizon":
        return measured_track(document, name=name, source=source)
    return published_track(parse_results(document, place=path.name), name=name)


def _named(series: str | Path) -> tuple[str | None, Path]:
    text = str(series)
    name, mark, rest = text.partition("=")
    if isinstance(series, Path) or not mark or Path(text).exists():
        return None, Path(text)
    if not name.strip() or not name.isprintable() or len(name) > 80:
        raise Misuse("got no name before '='; expected NAME=FILE with a name of 1 to 80 characters")
    return name.strip(), Path(rest)
