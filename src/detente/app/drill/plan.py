"""What a drill exercises: who takes part, which jobs run, and how the one developer that cheats hides it.

Decides names, countries, roles and the way of hiding, all from the options; effects are elsewhere.

>>> plan = make_plan(Options(seed=2))
>>> [party.name for party in plan.parties]
['dev-a', 'dev-b', 'dev-c', 'aud-1', 'aud-2', 'auth-1', 'auth-2', 'cloud', 'buyer']
>>> plan.cheat.party, plan.cheat.way
('dev-c', 'old_checkpoint')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from detente.base.errors import Misuse
from detente.base.identity import Party

Workload = Literal["numpy", "torch", "torchrun"]
JobKind = Literal["train", "loop"]
Way = Literal["no_halted", "false_halted", "old_checkpoint", "cloned_guard"]
"""How a developer that took the guard off one job hides it.

``no_halted`` says nothing; ``false_halted`` files a halt with a real checkpoint and trains on; ``old_checkpoint`` files
one of long before; ``cloned_guard`` lets the guarded job halt honestly and trains on in a copy that was never declared.
"""

WORKLOADS: tuple[Workload, ...] = get_args(Workload)
WAYS: tuple[Way, ...] = get_args(Way)
SAID_OF: dict[Way, str] = {
    "no_halted": "killed its guard, trained on, and filed nothing",
    "false_halted": "killed its guard, trained on, and filed a `halted` with a real checkpoint",
    "old_checkpoint": "killed its guard, trained on, and filed a `halted` with a checkpoint of long before",
    "cloned_guard": "let the guarded job halt honestly and trained on in a copy outside every registered facility",
}
PARTIES_MAX, JOBS_MAX = 8, 4
"""Developers, and jobs of each: more of either does not fit two cores in the time a person waits."""
_COUNTRIES = ("US", "GB", "CN", "FR", "KR", "AE", "DE", "IN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command's options. ``parties`` developers with ``jobs`` each; the other six parties are always there."""

    seed: int = 0
    parties: int = 3
    jobs: int = 2
    workload: Workload = "numpy"
    chaos: bool = False

    def __post_init__(self) -> None:
        if not 3 <= self.parties <= PARTIES_MAX:
            raise Misuse(f"--parties {self.parties}: a drill has 3 to {PARTIES_MAX} developers")
        if not 2 <= self.jobs <= JOBS_MAX:
            raise Misuse(f"--jobs {self.jobs}: each developer has 2 to {JOBS_MAX} jobs, one of them a loop")
        if self.workload not in WORKLOADS:
            raise Misuse(f"--workload {self.workload}: expected one of {', '.join(WORKLOADS)}")


@dataclass(frozen=True, slots=True)
class Member:
    """One party of the drill."""

    name: Party
    country: str
    roles: tuple[str, ...]

    @property
    def mirrors(self) -> bool:
        """Does it store every log and issue permits?"""
        return "mirror" in self.roles


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One training job: ``name`` is its run, unique in the drill; ``seed`` fixes its weights."""

    party: Party
    name: str
    kind: JobKind
    seed: int

    @property
    def lane(self) -> str:
        """Its lane in the picture."""
        return f"{self.party} {self.name.rpartition('.')[2]}"


@dataclass(frozen=True, slots=True)
class Cheat:
    """Who takes the guard off which job after the pause is called, and how it hides."""

    party: Party
    job: str
    way: Way

    @property
    def findable(self) -> bool:
        """Can an inspector who only reads the CPU time of declared processes find it?"""
        return self.way != "cloned_guard"


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole cast. ``bypasser`` runs its loop past the hold point; ``isolated`` is cut off before the pause.

    ``strain`` draws out every life, deadline and job (``pace``); 1 is a quiet machine.
    """

    options: Options
    parties: tuple[Member, ...]
    jobs: tuple[PlannedJob, ...]
    bypasser: Party
    isolated: Party
    cheat: Cheat
    strain: float = 1.0

    @property
    def developers(self) -> tuple[Party, ...]:
        """The developers, in order."""
        return tuple(member.name for member in self.parties if "developer" in member.roles)

    @property
    def mirrors(self) -> tuple[Party, ...]:
        """The mirrors, who are also the issuers."""
        return tuple(member.name for member in self.parties if member.mirrors)

    def jobs_of(self, party: Party) -> tuple[PlannedJob, ...]:
        """The jobs of one developer."""
        return tuple(job for job in self.jobs if job.party == party)


def make_plan(options: Options, *, strain: float = 1.0) -> Plan:
    """The plan of these options; the same options and strain make the same plan."""
    developers = [Member(Party(f"dev-{'abcdefgh'[i]}"), _COUNTRIES[i], ("developer",)) for i in range(options.parties)]
    others = [
        Member(Party("aud-1"), "CA", ("auditor", "mirror", "adjudicator")),
        Member(Party("aud-2"), "JP", ("auditor", "mirror")),
        Member(Party("auth-1"), "US", ("authority", "mirror", "adjudicator")),
        Member(Party("auth-2"), "CN", ("authority", "mirror", "adjudicator")),
        Member(Party("cloud"), "US", ("provider",)),
        Member(Party("buyer"), "DE", ("relying_party",)),
    ]
    jobs: list[PlannedJob] = []
    for member in developers:
        for number in range(options.jobs):
            kind: JobKind = "loop" if number == options.jobs - 1 else "train"
            short = kind if options.jobs == 2 or kind == "loop" else f"train{number + 1}"
            jobs.append(PlannedJob(member.name, f"{member.name}.{short}", kind, options.seed * 100 + len(jobs)))
    cheater = developers[2].name
    cheat_job = next(job.name for job in jobs if job.party == cheater and job.kind == "train")
    return Plan(
        options=options,
        parties=(*developers, *others),
        jobs=tuple(jobs),
        bypasser=developers[0].name,
        isolated=developers[1].name,
        cheat=Cheat(cheater, cheat_job, WAYS[options.seed % len(WAYS)]),
        strain=strain,
    )
