"""The table of what each adapter was seen to do: its families, and the record of each row.

An adapter says how its host is driven and what it claims. The suite finds out: no adapter's row says more than was seen. A record is a
file of its own, ``record/KEY.json``, so that adapters whose packages do not go together are seen in environments of their own; it is
written when a run of the suite put the adapter through every scenario of its family, and nothing failed. A run of some scenarios only
brings its cells into a record of the same versions: so a new scenario does not need all the others again.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

RECORDS = Path(__file__).with_name("record")


class Row(Protocol):
    """An adapter as the table sees it: ``key`` names its record, ``name`` stands in the table, ``page`` is its guide."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def page(self) -> str: ...


@dataclass(frozen=True)
class Family:
    """Adapters that are put through the same ``scenarios`` (key and heading), and the words that explain the cells."""

    key: str
    title: str
    text: str
    scenarios: Mapping[str, str]
    adapters: Sequence[Row]


def read_record(key: str) -> dict:
    """The record of an adapter: ``family``, ``versions`` and ``cells``; ``FileNotFoundError`` where it never ran through."""
    return json.loads((RECORDS / f"{key}.json").read_text("utf-8"))


def rows(*adapters: Row) -> tuple[Row, ...]:
    """Those that have a record; where this run is asked for records (``DETENTE_CONFORMANCE``), all of them."""
    asked = bool(os.environ.get("DETENTE_CONFORMANCE"))
    return tuple(each for each in adapters if asked or (RECORDS / f"{each.key}.json").exists())


def write_record(family: Family, key: str, versions: Mapping[str, str], cells: Mapping[str, str]) -> bool:
    """Keep what one run saw of an adapter, in the order of the table, where with a record of the same versions it is all of it."""
    try:
        before = read_record(key)
    except FileNotFoundError:
        before = {}
    seen = (before["cells"] if before.get("versions") == dict(versions) else {}) | dict(cells)
    if not set(family.scenarios) <= set(seen):
        return False
    record = {
        "family": family.key,
        "versions": dict(versions),
        "cells": {scenario: seen[scenario] for scenario in family.scenarios},
    }
    RECORDS.mkdir(exist_ok=True)
    (RECORDS / f"{key}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return True
