"""Read runs, published horizons and dated series from files, each within a bound.

Decides what a file is and whether it is well-formed. Leaves to ``measure`` what its members mean. Nothing in a file is
executed, no reference in it is followed. ``spec/measure-horizon.md`` §8 (H01, H02, H10).

| File | Is |
| --- | --- |
| ``.jsonl`` | runs, one JSON object a line |
| ``.csv`` | a table with a header: of runs, or of a dated series |
| ``.yaml``, ``.yml``, ``.json`` | one document: published results, a result of ``detente measure``, a list of runs, an Inspect log |
| ``.eval`` | an Inspect log (``adapters.inspect_logs``) |
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from detente.accord.document import Node, read_document
from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused, Unavailable, shown

FILE_MAX: Final = 512 * 2**20
"""Forty times METR's runs of 2026."""
LINE_MAX: Final = 2**20
"""One run is a few hundred bytes."""
CELLS_MAX: Final = 200
"""Columns of a table; METR's runs have 18 members."""
SUFFIXES: Final = {
    ".jsonl": "lines",
    ".csv": "table",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".eval": "inspect",
}


def file_form(path: Path) -> str:
    """``lines``, ``table``, ``yaml``, ``json`` or ``inspect``, by the end of the name; raises ``Misuse``."""
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise Misuse(f"got {path.name}; expected a file that ends in {', '.join(SUFFIXES)}")
    return form


def read_file(path: Path) -> bytes:
    """The bytes of a file; raises ``Refused`` H01, or ``Unavailable``."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror or error}") from None
    if len(data) > FILE_MAX:
        raise Refused("H01", "oversized", got=f"{path.name}: more than {FILE_MAX} bytes", expected="at most that many")
    return data


def file_digest(data: bytes) -> Digest:
    """SHA-256 of what was read."""
    return Digest(hashlib.sha256(data).hexdigest())


def read_lines(data: bytes, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, object) of each line of a JSONL file; blank lines are skipped. Raises ``Refused`` H01, H02, H10."""
    for number, line in enumerate(io.BytesIO(data), 1):
        place = f"{name}:{number}"
        if len(line) > LINE_MAX:
            raise Refused("H01", "oversized", got=f"{place}: a line over {LINE_MAX} bytes", expected="one run a line")
        if line.strip():
            yield place, _mapping(read_json(line, place), place)


def read_json(data: bytes, place: str) -> Any:
    """JSON with numbers as they are, NaN included, for the measurer to judge; raises ``Refused`` H02, H10."""
    try:
        return _DECODER.decode(data.decode("utf-8-sig"))
    except RecursionError:
        raise Refused("H02", "malformed", got=f"{place}: nested too deeply", expected="a few levels") from None
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise Refused("H02", "malformed", got=f"{place}: {shown(str(error))}", expected="JSON in UTF-8") from None


def read_yaml(data: bytes, place: str) -> Any:
    """YAML as mappings, lists and texts: nothing is guessed to be a number. Raises ``Refused`` H01, H02, H10."""
    try:
        return _plain(read_document(data))
    except Refused as refusal:  # the reader of terms says why; here it is another file, so it has another number
        got = f"{place}: {refusal.got}"
        if refusal.kind == "oversized":
            raise Refused("H01", "oversized", got=got, expected=refusal.expected) from None
        if refusal.kind == "duplicate-key":
            raise Refused("H10", "duplicate-key", got=got, expected=refusal.expected) from None
        raise Refused("H02", "malformed", got=got, expected=refusal.expected) from None


def read_table(data: bytes, name: str, *, needed: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, row) of a CSV file with a header: an empty cell is ``None``, a number a number, all else text.

    Raises ``Refused`` H02 for a column that is missing or a row of another width, H10 for a column named twice.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("H02", "malformed", got=f"{name}: byte {error.start} is not UTF-8", expected="UTF-8") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise Refused("H02", "malformed", got=f"{name}:{rows.line_num} {error}", expected="CSV") from None
        if row is None:
            break
        place = f"{name}:{rows.line_num}"
        if not row:
            continue
        if header is None:
            header = _header([cell.strip() for cell in row], place, needed)
        elif len(row) != len(header):
            raise Refused(
                "H02", "malformed", got=f"{place}: {len(row)} cells", expected=f"{len(header)}, as the header"
            )
        else:
            yield place, {column: _cell(column, cell) for column, cell in zip(header, row, strict=True)}
    if header is None:
        raise Refused("H02", "malformed", got=f"{name}: no header", expected=", ".join(needed))


def _header(header: list[str], place: str, needed: tuple[str, ...]) -> list[str]:
    if len(header) > CELLS_MAX:
        raise Refused("H01", "oversized", got=f"{place}: {len(header)} columns", expected=f"at most {CELLS_MAX}")
    if len(set(header)) < len(header):
        twice = next(column for column in header if header.count(column) > 1)
        raise Refused("H10", "duplicate-key", got=f"{place}: column {shown(twice)} twice", expected="each name once")
    if missing := [column for column in needed if column not in header]:
        raise Refused("H02", "malformed", got=f"{place}: no column {', '.join(missing)}", expected=", ".join(needed))
    return header


NUMBERS: Final = frozenset({"human_minutes", "score", "score_binarized", "value", "level", "low", "high"})
"""Columns that hold numbers; identifiers that look like numbers stay text."""


def _cell(column: str, cell: str) -> str | float | None:
    text = cell.strip()
    if not text:
        return None
    if column not in NUMBERS:
        return text
    try:
        return float(text)
    except ValueError:
        return text  # the measurer refuses it with its own number


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refused("H02", "malformed", got=f"{place}: {shown(value)}", expected="a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused("H10", "duplicate-key", got=f"two members named {shown(twice)}", expected="each name once")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def _plain(node: Node) -> Any:
    if node.kind == "mapping":
        return {name: _plain(value) for name, value in node.entries.items()}
    return [_plain(item) for item in node.items] if node.kind == "list" else node.text
