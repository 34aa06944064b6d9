"""A program of a loop, started under its adapter: in this process, from its own files, as its own interpreter would start it.

Decides what is taken hold of before the program's first line, and what is run then. Leaves out the adapters. ``spec/loops.md`` §3.

- The program is not changed, and not copied: its script or module is run as ``__main__``, with its own arguments, folder and path.
- What cannot be taken hold of is not started (J50). A program that is only observed is started whatever happens, and it is said that it is not
  observed either.
"""

from __future__ import annotations

import importlib
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from detente.base.errors import Misuse, Refused
from detente.hooks.loops.generations import Loop, say
from detente.hooks.loops.seams import UNKNOWN

PROGRAMS: Final = ("openevolve", "shinka", "dgm")


def start(loop: Loop, command: Sequence[str]) -> None:
    """Take hold of the program and run ``command``: a script with its arguments, or ``-m MODULE``. Raises ``Refused`` J50, ``Misuse``.

    What the program raises goes through, and so does its ``SystemExit``.
    """
    if loop.program not in PROGRAMS:
        raise Misuse(f"got the program {loop.program!r}; expected one of {', '.join(PROGRAMS)}")
    run = _prepared(command)
    try:
        _take_hold(loop)
    except Refused as refused:
        if not loop.observe:
            raise
        say(f"detente: {loop.program}: not enforced, and not observed: {refused}\n")
    run()


def _take_hold(loop: Loop) -> None:
    adapter = importlib.import_module(f"detente.hooks.loops.{loop.program}")
    try:
        adapter.install(loop)
    except Refused:
        raise
    except Exception as error:
        raise Refused(
            "J50", "not-found", got=f"{loop.program}: {error!r}", expected="its packages", todo=UNKNOWN
        ) from error


def _prepared(command: Sequence[str]) -> Callable[[], object]:
    """Set path and arguments as an interpreter would, and return what runs the program."""
    words = list(command)
    if words and Path(words[0]).name.startswith("python"):
        raise Misuse(f"got {words[0]!r}; expected the program's script, which this process runs itself")
    if words[:1] == ["-m"]:
        if len(words) < 2:
            raise Misuse("got -m alone; expected a module after it")
        name = words[1]
        sys.path[0] = str(Path.cwd())
        sys.argv[:] = words[1:]
        return lambda: runpy.run_module(name, run_name="__main__", alter_sys=True)
    if not words:
        raise Misuse("got no command; expected the program's script after --")
    script = words[0] if Path(words[0]).is_file() else shutil.which(words[0])
    if script is None:
        raise Misuse(f"got {words[0]!r}, which is no file and no command; expected the program's script")
    sys.path[0] = str(Path(script).resolve().parent)
    sys.argv[:] = [script, *words[1:]]
    return lambda: runpy.run_path(script, run_name="__main__")
