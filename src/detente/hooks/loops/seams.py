"""Where an adapter takes hold of a program: what must be there, and be called as it was read, before the program is started.

Decides that a program which has changed there is not started. Leaves out which seams (the adapters). ``spec/loops.md`` §3, rule J50.

>>> import json
>>> needed("json", "dumps", "obj").__name__
'dumps'
>>> needed("json", "loads", "text")
Traceback (most recent call last):
...
detente.base.errors.Refused: J50 not-found: got json.loads(s, cls, object_hook, parse_float, parse_int, parse_constant, object_pairs_hook, kw); expected one that takes text; this release of the program is not known to the adapter: it is not started
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from detente.base.errors import Refused

UNKNOWN = "this release of the program is not known to the adapter: it is not started"


def needed(module: str, path: str, *parameters: str) -> Any:
    """What ``path`` names in ``module``, if it takes the ``parameters``, in this order, before any others; raises ``Refused`` J50."""
    name = f"{module}.{path}"
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Refused("J50", "not-found", got=f"{name}: {error}", expected="the program's own", todo=UNKNOWN) from None
    if parameters:
        taken = tuple(inspect.signature(found).parameters)
        if taken[: len(parameters)] != parameters:
            raise Refused(
                "J50",
                "not-found",
                got=f"{name}({', '.join(taken)})",
                expected=f"one that takes {', '.join(parameters)}",
                todo=UNKNOWN,
            )
    return found
