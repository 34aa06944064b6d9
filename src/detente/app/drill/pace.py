"""How slow this machine is now, and what a drill draws out because of it.

Decides one number, the *strain*: how many times as long as on a quiet machine of two cores things take here, for so
many jobs. Lives of permits, the deadline of a halt, how long jobs last and how patiently the story waits all grow with
it, so that what fails in a drill is the mechanism and never the machine. Leaves out who does what with it.

The probe is what a drill does most at its beginning: start processes that import a node. It measures wall time, so
that a machine that others keep busy counts as slow, and takes about a second.

>>> strain_of(probe_s=0.5 * PROBE_QUIET_S, jobs=6), strain_of(probe_s=3 * PROBE_QUIET_S, jobs=6)
(1.0, 3.0)
>>> strain_of(probe_s=PROBE_QUIET_S, jobs=18), strain_of(probe_s=1e9, jobs=6)
(3.0, 4.0)
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

PROBES = 2
"""As many as the cores that a drill expects: one core less, and they take twice as long."""
PROBE_QUIET_S = 1.3
"""Wall seconds of two probes at once on a quiet machine: each takes 1.1 s of processor time (AMD EPYC, Python 3.11)."""
JOBS_QUIET = 6
STRAIN_MOST = 4.0
"""Beyond it a drill would last half an hour; a machine that slow should say so by failing."""
BUSY = 1.5
"""From this strain on the probe is repeated: a burst of somebody else's work is no measure of the machine."""
PATIENCE = 3.0
"""How many times longer than expected the story waits before it calls something failed: waiting costs nothing when it
comes about, and only what never does is waited for in full."""


def measure_strain(jobs: int) -> float:
    """The strain of this machine for so many jobs, from 1 (quiet) to 4."""
    probes = [_probe_s()]
    if strain_of(probe_s=probes[0], jobs=jobs) >= BUSY:
        probes += [_probe_s(), _probe_s()]
    return strain_of(probe_s=median(probes), jobs=jobs)


def _probe_s() -> float:
    began = time.monotonic()
    command = [sys.executable, "-c", "import detente.app.node, detente.cli.node"]
    for probe in [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(PROBES)]:
        probe.wait()
    return time.monotonic() - began


def strain_of(*, probe_s: float, jobs: int) -> float:
    """From the seconds that the probes took, and how many jobs share the machine."""
    return round(min(STRAIN_MOST, max(1.0, probe_s / PROBE_QUIET_S) * max(1.0, jobs / JOBS_QUIET)), 1)
