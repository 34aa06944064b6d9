"""The adapters that the suite holds to one standard, and the scenarios that it puts them through.

An adapter says how its job is started and what it claims. The suite finds out: no adapter's row says more than was seen.
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

JOBS = Path(__file__).parent / "jobs"

SCENARIOS = {
    "step": "paused at a random step",
    "save": "paused in the middle of a save",
    "evaluation": "paused in an evaluation",
    "data": "paused while it waits for data",
    "twice": "paused twice within an epoch",
    "epoch": "paused at an epoch's end",
    "killed": "kill -9 in the middle of a save",
    "deaf": "hangs and ignores signals",
    "queue": "queued during a pause",
    "permits": "a permit replayed, edited, expired, of another epoch",
    "partition": "no issuer can be reached",
    "clock": "the wall clock jumps by a day, forth and back",
    "observe": "observed, not enforced",
}


@dataclass(frozen=True)
class Adapter:
    """``name`` in the table, ``command`` without its options, ``needs`` to be installed, ``claim`` about a resume.

    ``slack``: how many boundaries later than where the job stood the stop may come: ranks may agree on the next one.
    """

    name: str
    command: tuple[str, ...]
    needs: str
    page: str
    claim: str = "exact"
    slack: int = 0

    @property
    def absent(self) -> str:
        """Why this adapter cannot run here; empty where it can."""
        return "" if importlib.util.find_spec(self.needs) else f"{self.needs} is not installed"


_PYTHON = sys.executable
_TORCHRUN = (
    _PYTHON,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--local-addr",
    "127.0.0.1",
    "--nproc-per-node",
    "2",
)
ADAPTERS = (
    Adapter("plain Python, NumPy", (_PYTHON, str(JOBS / "numpy_loop.py")), "numpy", "guard-a-training-job.md"),
    Adapter("PyTorch", (_PYTHON, str(JOBS / "torch_loop.py")), "torch", "guard-pytorch.md"),
    Adapter(
        "torchrun, DDP, 2 ranks",
        (*_TORCHRUN, str(JOBS / "torch_loop.py"), "--ranks"),
        "torch",
        "guard-torchrun.md",
        slack=1,
    ),
)
