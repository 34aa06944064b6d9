"""Read an export of pull requests: one JSON file, JSON Lines, a folder or a zip file, whole or not at all.

Decides what is read, within which bounds, and which file belongs to which pull request. Leaves out what the fields mean:
``measure.oversight.bundle`` and ``.github``. Rules O01, O02, O06, O08 and O09 of ``spec/measure-oversight.md``.

* A folder or zip file in the shapes of GitHub holds ``pulls/N.json`` or ``pulls/N/pull.json``, and ``pulls/N/reviews.json``,
  ``commits.json``, ``comments.json``, ``files.json``, at any depth. Anything else in it is counted and not read.
* Nothing of a zip file is written to disk, names in it are only compared, and what it really holds is counted, not what it says.
* Links and special files are not followed.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any, Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, Unavailable, shown
from detente.measure.oversight.bundle import SCHEMA, parse_bundle
from detente.measure.oversight.github import pages, parse_github
from detente.measure.oversight.pulls import Export

FILE_BYTES_MAX: Final = 64 << 20
"""One file, or one line of JSON Lines: a pull request with 10,000 long comments has about 40 MiB."""
TOTAL_BYTES_MAX: Final = 4 << 30
"""A hundred thousand pull requests of 40 KiB."""
ENTRIES_MAX: Final = 600_000
"""Files of a folder or zip file: five for each of a hundred thousand pull requests, and room."""
LISTS: Final = ("reviews", "commits", "comments", "files")
_PULL = re.compile(r"(?:\A|/)pulls/(\d{1,9})(?:\.json|/pull\.json)\Z")
_LIST = re.compile(r"(?:\A|/)pulls/(\d{1,9})/(reviews|commits|comments|files)\.json\Z")


@dataclass(frozen=True, slots=True)
class ReadExport:
    """The export, the digest of what was read, and how many other files lay beside it."""

    export: Export
    digest: str
    unread: int
    unread_examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """One file of a folder or zip file: its name with slashes, and how to read it."""

    name: str
    read: Callable[[], bytes]


def read_export(path: Path, *, complete: bool = False) -> ReadExport:
    """The pull requests at ``path``. ``complete`` says that none merged in the range is missing; our own form says so itself.

    Refusals: O01 over a bound, O02 not JSON, a name twice or a damaged zip file, O03 to O08 about content. ``Unavailable`` if
    the disk does not give it.
    """
    try:
        if path.is_dir():
            return _from_files(_folder(path), complete=complete)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _from_files(_zip(archive), complete=complete)
        return _from_one(path, complete=complete)
    except FileNotFoundError as error:
        raise Unavailable(f"no export at {shown(str(path))}") from error
    except OSError as error:
        raise Unavailable(f"cannot read {shown(str(path))}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise Refused(
            "O02", "malformed", got=f"a zip file that cannot be read: {shown(str(error))}", expected="a plain zip file"
        ) from error


def _from_one(path: Path, *, complete: bool) -> ReadExport:
    """One JSON value, or one a line."""
    with path.open("rb") as stream:
        head = stream.read(FILE_BYTES_MAX + 1)
        if len(head) <= FILE_BYTES_MAX:
            try:
                return ReadExport(_parsed([_json(head, "the file")], complete=complete), sha256_hex(head), 0)
            except Refused as refusal:
                if refusal.rule != "O02" or b"\n" not in head.strip():
                    raise
        stream.seek(0)
        digests = []
        total = 0

        def lines() -> Iterator[Any]:
            nonlocal total
            number = 0
            while line := stream.readline(FILE_BYTES_MAX + 1):
                number += 1
                total += len(line)
                _bound(len(line), FILE_BYTES_MAX, f"line {number}")
                _bound(total, TOTAL_BYTES_MAX, "the file")
                digests.append(sha256_hex(line))
                if line.strip():
                    yield _json(line, f"line {number}")

        export = _parsed(lines(), complete=complete)
    return ReadExport(export, sha256_hex("\n".join(digests).encode()), 0)


def _parsed(values: Iterator[Any] | list[Any], *, complete: bool) -> Export:
    """In which form? Our own says so in its first value; GitHub's records are a list, or one a line."""
    waiting = iter(values)
    first = next(waiting, None)
    if isinstance(first, Mapping) and "schema" in first:
        return _some(parse_bundle([first, *waiting] if isinstance(values, list) else _chained(first, waiting)))
    if isinstance(first, list):
        return _some(parse_github(map(_paged, first), complete=complete))
    if isinstance(first, Mapping) and "pull" in first:
        return _some(parse_github(map(_paged, _chained(first, waiting)), complete=complete))
    raise Refused(
        "O02",
        "malformed",
        got=f"a JSON value that begins {shown(json.dumps(first), 60)}",
        expected=f'an object with "schema": "{SCHEMA}", or records with "pull"',
        todo="see the page on measuring oversight for both forms",
    )


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _paged(record: Any) -> Any:
    if not isinstance(record, Mapping):
        return record
    return {key: pages(value, key) if key in LISTS and value is not None else value for key, value in record.items()}


def _some(export: Export) -> Export:
    if not export.pulls:
        raise Refused(
            "O08",
            "not-found",
            got="no pull request",
            expected="at least one",
            todo="name the folder that holds `pulls/`",
        )
    return export


def _from_files(files: Iterator[_File], *, complete: bool) -> ReadExport:
    """The shapes of GitHub, one file each, or our own form under its own name."""
    records: dict[int, dict[str, Any]] = defaultdict(dict)
    digests: list[str] = []
    others: list[str] = []
    unread = total = 0
    for file in files:
        own, listed = _PULL.search(file.name), _LIST.search(file.name)
        match = own or listed
        if match is None:
            unread += 1
            others += [shown(file.name)] if len(others) < 3 else []
            continue
        data = file.read()
        total += len(data)
        _bound(total, TOTAL_BYTES_MAX, "the export")
        digests.append(f"{sha256_hex(data)} {file.name}")
        value = _json(data, file.name)
        record, part = records[int(match[1])], "pull" if own else match[2]
        if part in record:
            raise Refused("O05", "conflict", got=f"{shown(file.name)}, read already", expected="one file for each part")
        record[part] = value if own else pages(value, file.name)
        _check_number(record, int(match[1]), file.name)
    for number, record in records.items():
        if "pull" not in record:
            raise Refused(
                "O06",
                "not-found",
                got=f"{', '.join(sorted(record))} of pull request {number}, without the pull request",
                expected=f"pulls/{number}.json beside them",
                todo="export /pulls/N too",
            )
    export = _some(parse_github((records[number] for number in sorted(records)), complete=complete))
    return ReadExport(export, sha256_hex("\n".join(sorted(digests)).encode()), unread, tuple(others))


def _check_number(record: Mapping[str, Any], number: int, name: str) -> None:
    """A pull request under another's number would lend it its reviews."""
    pull = record.get("pull")
    if isinstance(pull, Mapping) and pull.get("number") != number:
        raise Refused(
            "O05",
            "conflict",
            got=f"pull request {shown(pull.get('number'))} in {shown(name)}",
            expected="the number of the file's name",
        )


def _folder(root: Path) -> Iterator[_File]:
    entries = 0
    for folder, names, files in os.walk(root, followlinks=False):
        names.sort()
        for name in sorted(files):
            entries += 1
            _bound(entries, ENTRIES_MAX, "files in the folder")
            path = Path(folder) / name
            if S_ISREG(path.lstat().st_mode):
                yield _File(path.relative_to(root).as_posix(), _reading(path))


def _reading(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as stream:
            return _bounded(stream, path.name)

    return read


def _zip(archive: zipfile.ZipFile) -> Iterator[_File]:
    entries = archive.infolist()
    _bound(len(entries), ENTRIES_MAX, "files in the zip file")
    for entry in sorted(entries, key=lambda each: each.filename):
        if not entry.is_dir():
            yield _File(entry.filename, _unpacking(archive, entry))


def _unpacking(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(entry) as stream:
            return _bounded(stream, entry.filename)

    return read


def _bounded(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(FILE_BYTES_MAX + 1)
    _bound(len(data), FILE_BYTES_MAX, shown(name))
    return data


def _bound(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise Refused(
            "O01",
            "oversized",
            got=f"{what}: more than {limit}",
            expected=f"at most {limit}",
            todo="export a shorter range, or one file for each pull request",
        )


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_members, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, a number of too many digits
        raise Refused(
            "O02", "malformed", got=f"{shown(name)}: {shown(str(error), 120)}", expected="JSON in UTF-8"
        ) from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("O09", "duplicate-key", got="a member named twice in one object", expected="each name once")
    return members
