"""Real training programs that can be paused, resumed bit-exactly, and counted: what the drill stops.

``control`` is the cooperative pause protocol for any plain loop. ``bytes_lm`` trains a small language model in NumPy,
``searcher`` a self-improvement loop over it, ``torch_lm`` the same family in PyTorch, in one process or under
``torchrun``. This room leaves to others whether a job may run at all.

Importing it fixes the linear-algebra libraries to one thread, before NumPy is loaded: with a number of threads that
depends on the machine, sums are split differently and a resume is not bit-equal.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[_name] = "1"
