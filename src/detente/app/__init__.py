"""Use cases, one per module: run a node, guard a job, run a drill.

The only room that signs and appends. Decides in which order effects happen; leaves out how they happen (``adapters``)
and what is so (the pure rooms below).
"""

import detente.adapters as _first  # noqa: F401 - before anything here imports httpx
