"""Keep what each scenario showed, and write it where ``DETENTE_CONFORMANCE`` says: the record behind the page."""

import json
import os
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from tests.conformance.adapters import Adapter

_CELLS: dict[str, dict[str, str]] = {}


@pytest.fixture
def shown(adapter: Adapter, request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Note what a scenario showed of this adapter."""
    return lambda scenario, text: _CELLS.setdefault(adapter.name, {}).__setitem__(scenario, text)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run in which anything failed writes nothing."""
    place = os.environ.get("DETENTE_CONFORMANCE")
    if not place or exitstatus:
        return
    versions = {"Python": platform.python_version()}
    for name in ("numpy", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    record = {"versions": versions, "cells": _CELLS}
    Path(place).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
