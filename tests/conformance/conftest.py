"""Keep what each scenario showed, and write the records of adapters that went through all of them.

``DETENTE_CONFORMANCE=1`` asks for the records; an adapter of which anything failed keeps the record that it had.
"""

import os
import platform
from collections.abc import Callable
from importlib import metadata

import pytest

from tests.conformance.families import FAMILIES
from tests.conformance.table import write_record

_CELLS: dict[str, dict[str, str]] = {}
_VERSIONS: dict[str, dict[str, str]] = {}
_FAILED: set[str] = set()


def versions_of(*packages: str) -> dict[str, str]:
    """The versions of what is installed of these, after Python's own."""
    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@pytest.fixture
def shown(adapter) -> Callable[..., None]:
    """Note what a scenario showed of this adapter: ``shown(scenario, words)``; ``versions`` besides those of its packages."""

    def note(scenario: str, words: str, **versions: str) -> None:
        _CELLS.setdefault(adapter.key, {})[scenario] = words
        _VERSIONS[adapter.key] = (
            versions_of(*getattr(adapter, "packages", ()))
            | dict(getattr(adapter, "versions", {}))
            | _VERSIONS.get(adapter.key, {})
            | versions
        )

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    adapter = getattr(item, "funcargs", {}).get("adapter")
    if report.failed and adapter is not None:
        _FAILED.add(adapter.key)
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """The records of adapters of which this run showed something and nothing failed."""
    if hasattr(session.config, "workeroutput"):  # one of several processes: whoever started it has them all
        session.config.workeroutput["shown"] = [_CELLS, _VERSIONS, sorted(_FAILED)]
        return
    if not os.environ.get("DETENTE_CONFORMANCE"):
        return
    for family in FAMILIES:
        for row in family.adapters:
            cells = _CELLS.get(row.key, {})
            if cells and row.key not in _FAILED:
                write_record(family, row.key, _VERSIONS[row.key], cells)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """A process of ``pytest -n`` has ended: what it saw counts here. Where one has died nobody knows what failed."""
    if error or "shown" not in getattr(node, "workeroutput", {}):
        _FAILED.update(row.key for family in FAMILIES for row in family.adapters)
        return
    cells, versions, failed = node.workeroutput["shown"]
    for key, shown in cells.items():
        _CELLS.setdefault(key, {}).update(shown)
        _VERSIONS[key] = _VERSIONS.get(key, {}) | versions[key]
    _FAILED.update(failed)
