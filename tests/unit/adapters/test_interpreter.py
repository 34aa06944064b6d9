"""Where an installed script lets its interpreter look for packages."""

import sys
from pathlib import Path

import pytest

import detente
from detente.adapters.interpreter import package_folders
from detente.base.errors import Unavailable


def test_packages_are_looked_for_where_an_isolated_python_would(monkeypatch, tmp_path):
    """Where this package lies, and neither the folder that somebody stands in nor what the environment names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "theirs"))
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    found = package_folders()
    assert str(Path(detente.__file__).parents[1]) in found
    assert all(Path(each).is_absolute() for each in found)
    assert not [each for each in found if Path(each).is_relative_to(tmp_path)]


def test_an_interpreter_that_does_not_answer_is_said_so(monkeypatch):
    """Nothing is installed that could not begin."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable, match="/nowhere/python does not say"):
        package_folders()
