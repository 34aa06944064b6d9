"""Where this interpreter finds packages when it is begun isolated: for scripts that begin it without ``site``.

Decides what such a script has to name. Leaves out the script. An interpreter without ``site`` (``-S``) starts twice as fast, and finds the
standard library alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from detente.base.errors import Unavailable

ANSWER_S: Final = 60.0
_ASK: Final = "import json, sys; print(json.dumps(sys.path))"


def package_folders() -> list[str]:
    """Its ``sys.path`` as ``python -I`` makes it, and where this package lies: neither the folder that somebody stands in, nor the user's.

    Raises ``Unavailable`` where the interpreter does not say.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _ASK], capture_output=True, check=True, timeout=ANSWER_S, cwd="/"
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Unavailable(f"{sys.executable} does not say where it finds packages: {error}") from error
    own = str(Path(__file__).absolute().parents[2])
    return list(dict.fromkeys([*map(str, found), own]))
