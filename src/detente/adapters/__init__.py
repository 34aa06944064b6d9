"""Effects behind small ports: the store, files, keys, HTTP, processes, clocks.

Decides how bytes reach a disk, a network or a process, and what a failure there is called. Leaves out what they mean:
nothing here reads a statement or decides anything about an accord. The room above, ``app``, wires these together.
"""

import sys

# httpx imports its own command, and with it rich and pygments where they are installed: a tenth of a second of the start
# of each of our commands. Without that module it does without it.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
