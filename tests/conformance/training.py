"""What is put below a guard and trains: how each job is started, what it claims, and what it is put through."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.table import Family, rows

JOBS = Path(__file__).parent / "jobs"


@dataclass(frozen=True)
class Adapter:
    """``name`` in the table, ``command`` without its options, ``needs`` to be installed, ``claim`` about a resume.

    ``key`` names the record, ``page`` is the guide, ``packages`` are those whose versions it says. ``compiles``: is there a compiler to be
    paused in. ``slack``: how many boundaries later than where the job stood the stop may come: ranks may agree on the next one.
    """

    key: str
    name: str
    command: tuple[str, ...]
    needs: str
    page: str
    claim: str = "exact"
    compiles: bool = True
    slack: int = 0
    packages: tuple[str, ...] = ("numpy",)

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
    Adapter(
        "numpy",
        "plain Python, NumPy",
        (_PYTHON, str(JOBS / "numpy_loop.py")),
        "numpy",
        "guard-a-training-job.md",
        compiles=False,
    ),
    Adapter(
        "torch",
        "PyTorch",
        (_PYTHON, str(JOBS / "torch_loop.py")),
        "torch",
        "guard-pytorch.md",
        packages=("torch", "numpy"),
    ),
    Adapter(
        "transformers",
        "Hugging Face Trainer",
        (_PYTHON, str(JOBS / "trainer_loop.py")),
        "transformers",
        "guard-hf-trainer.md",
        packages=("transformers", "accelerate", "torch"),
    ),
    Adapter(
        "transformers-accumulate",
        "Hugging Face Trainer, gradients of 4 batches",
        (_PYTHON, str(JOBS / "trainer_loop.py"), "--accumulate", "4"),
        "transformers",
        "guard-hf-trainer.md",
        packages=("transformers", "accelerate", "torch"),
    ),
    Adapter(
        "accelerate",
        "Accelerate, gradients of 2 batches",
        (_PYTHON, str(JOBS / "accelerate_loop.py"), "--accumulate", "2"),
        "accelerate",
        "guard-accelerate.md",
        packages=("accelerate", "torch"),
    ),
    Adapter(
        "torch-dcp",
        "torch.distributed.checkpoint, FSDP, 2 ranks",
        (*_TORCHRUN, str(JOBS / "sharded_loop.py"), "--ranks"),
        "torch",
        "guard-torch-dcp.md",
        slack=1,
        packages=("torch", "numpy"),
    ),
    Adapter(
        "torchrun",
        "torchrun, DDP, 2 ranks",
        (*_TORCHRUN, str(JOBS / "torch_loop.py"), "--ranks"),
        "torch",
        "guard-torchrun.md",
        slack=1,
        packages=("torch", "numpy"),
    ),
    Adapter(
        "lightning",
        "Lightning",
        (_PYTHON, str(JOBS / "lightning_loop.py")),
        "lightning",
        "guard-lightning.md",
        packages=("lightning", "torch", "numpy"),
    ),
    Adapter(
        "jax",
        "JAX, Orbax",
        (_PYTHON, str(JOBS / "jax_loop.py")),
        "orbax",
        "guard-jax.md",
        packages=("jax", "orbax-checkpoint", "numpy"),
    ),
)

FAMILY = Family(
    "training",
    "Training",
    """Each adapter's real job below a real guard with four issuers, stopped at the worst moments.

*exact*: after the resume, the weights at the end have the digest of a run that nobody stopped, and the receipt said so before. *ended*: every process was gone by the
deadline of the terms. *held*: no process of the job was ever started. *unmoved*: nothing changed.
""",
    {
        "step": "paused at a random step",
        "save": "paused in the middle of a save",
        "evaluation": "paused in an evaluation",
        "data": "paused while it waits for data",
        "twice": "paused twice within an epoch",
        "epoch": "paused at an epoch's end",
        "compile": "paused while it compiles",
        "killed": "kill -9 in the middle of a save",
        "deaf": "hangs and ignores signals",
        "queue": "queued during a pause",
        "permits": "a permit replayed, edited, expired, of another epoch",
        "partition": "no issuer can be reached",
        "clock": "the wall clock jumps by a day, forth and back",
        "observe": "observed, not enforced",
    },
    rows(*ADAPTERS),
)
