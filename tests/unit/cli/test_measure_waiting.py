"""What a measure needs first, and progress that disturbs nobody."""

import importlib.util

import pytest

from detente.base.errors import Misuse
from detente.cli.measure import waiting
from detente.cli.measure.waiting import Progress, need_numpy


class Terminal:
    """Standard error as a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_without_numpy_the_command_says_what_to_install(monkeypatch):
    """Not a traceback."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Misuse, match=r"pip install 'detente\[measure\]'"):
        need_numpy()


def test_progress_is_for_terminals_alone(capsys):
    """A pipe or a log gets nothing."""
    progress = Progress("drawing")
    progress(1, 4)
    progress(4, 4)
    assert capsys.readouterr() == ("", "")


def test_progress_waits_a_second_and_clears_its_line(monkeypatch):
    """Short work says nothing; long work leaves nothing behind."""
    clock, terminal = [0.0], Terminal()
    monkeypatch.setattr(waiting.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(waiting.sys, "stderr", terminal)
    progress = Progress("drawing")
    progress(1, 4)
    assert not terminal.text
    clock[0] = 1.5
    progress(2, 4)
    progress(4, 4)
    assert "drawing: 50 %" in terminal.text
    assert terminal.text.endswith("\r\x1b[K")
