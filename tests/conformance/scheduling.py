"""What starts jobs for many: a scheduler under an accord, and what its row has to show."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.table import Family, rows
from tests.integration.slurm_cluster import absent
from tests.kubernetes_caller import CEL, NO_CEL


@dataclass(frozen=True)
class Adapter:
    """``key`` names the record, ``name`` stands in the table, ``page`` is the guide, ``why_absent`` says why it cannot run here."""

    key: str
    name: str
    page: str
    why_absent: Callable[[], str]
    packages: tuple[str, ...] = ()

    @property
    def absent(self) -> str:
        """Why this adapter cannot run here; empty where it can."""
        return self.why_absent()


SLURM = Adapter("slurm", "Slurm, one node", "hold-slurm.md", absent)
KUBERNETES = Adapter(
    "kubernetes",
    "Kubernetes (constructed caller)",
    "hold-kubernetes.md",
    lambda: "" if CEL else NO_CEL,
    ("cel-expr-python",),
)
FREEZER = Adapter("freezer", "a job that is frozen", "freeze-a-job.md", lambda: "")
ADAPTERS = rows(SLURM, KUBERNETES, FREEZER)

FAMILY = Family(
    "scheduling",
    "Scheduling",
    """What starts jobs for many, while the accord pauses and lifts, and a guard that freezes a job that does not answer.

*held*: no process of a job was started. *saved, held*: each checkpoint was verified and its job put back held. *suspended*: every process was stopped, its memory kept.
*refused*: the host was told no, and nothing started. *exact*: after the lift, what the jobs ended with has the digest of a run that nobody stopped. *unmoved*: nothing changed.
""",
    {
        "paused": "asked during a pause",
        "queue": "queue full during a pause",
        "saved": "running jobs at a pause",
        "deaf": "no receipt by the deadline",
        "together": "several ranks",
        "permits": "leave edited, replayed, expired, of another epoch",
        "broken": "the gate crashes, hangs, is garbage, has no interpreter",
        "partition": "no issuer can be reached",
        "clock": "the wall clock jumps by a day, forth and back",
        "lift": "lifted",
        "observe": "observed, not enforced",
    },
    ADAPTERS,
)
