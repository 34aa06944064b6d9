"""The drill's training jobs: how each is started under its guard, started without one, and run for reference.

Every job works in a folder of its own below its party's facility, with the same options every time: the reference run,
the guarded run, the run that goes on after the lift, and the run of a developer that took the guard off.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from detente.app.drill.plan import PlannedJob, Workload
from detente.app.drill.processes import Running
from detente.app.drill.scene import Scene
from detente.base.digest import Digest, sha256_hex
from detente.statement.envelope import parse_envelope, statement_id

TRAIN_STEPS: dict[Workload, int] = {"numpy": 700, "torch": 500, "torchrun": 300}
TRAIN_LASTS_S = 160
"""About 7 s of one core, drawn out to so long on a quiet machine that no job is done before the pause, which comes after
50 s. What the story waits for, two checkpoints and three generations, is not drawn out, and nothing is once it needs no
more training (``Scene.release``)."""
ENDLESS_STEPS, UNGUARDED_SLOW_MS = 100_000, 40
"""For the job that will train on without a guard: it has to outlast the search for it, and to be busy meanwhile."""
LOOP_STEPS, LOOP_GENERATIONS, LOOP_SLOW_MS = 40, 9, 300
SAVES, SAVES_FAST, GENERATIONS_FAST = 28, 3, {False: 2, True: 4}
"""A loop is quick until its first successor, and where it bypasses its hold point until its third: then the pause comes."""
PLANNED_FLOP = {"train": "1e13", "loop": "1e13"}
_SMALL = ("--report-every", "50")


def place_of(scene: Scene, job: PlannedJob) -> Path:
    """The folder that a job works in, inside its party's facility."""
    place = scene.folder / "facilities" / job.party / job.name.rpartition(".")[2]
    place.mkdir(parents=True, exist_ok=True)
    return place


def start_guarded(scene: Scene, job: PlannedJob, *, bypass: bool = False, again: bool = False) -> Running:
    """Start a job under its guard: ``detente guard --hold`` for a plain one, a guard of its own for a loop."""
    home, place = str(scene.guard_homes[job.name]), place_of(scene, job)
    steps = TRAIN_STEPS[scene.plan.options.workload]
    if job.kind == "train":
        arguments = [
            "detente", "guard", "--home", home, "--run", job.name, "--planned-flop", PLANNED_FLOP["train"], "--hold",
            "--wait", str(scene.patience(20)), "--", *_train_command(scene, job),
            *_drawn_out(scene, TRAIN_LASTS_S * 1_000 / steps, after=SAVES_FAST * (steps // SAVES)),
        ]  # fmt: skip
    else:
        arguments = _loop_arguments(job, guarded=True)
        arguments += _drawn_out(scene, LOOP_SLOW_MS, after=GENERATIONS_FAST[bypass] * LOOP_STEPS)
        arguments += ["--bypass"] if bypass else []
    running = scene.processes.start(
        f"job {job.name}{' again' if again else ''}", arguments, env={"DETENTE_HOME": home}, cwd=place
    )
    scene.jobs[job.name] = running
    return running


def start_unguarded(scene: Scene, job: PlannedJob, place: Path, *, name: str) -> Running:
    """The same training with nobody's leave: what a developer does who took the guard off."""
    command = [*_train_command(scene, job, endless=True)[2:], "--slow-ms", str(UNGUARDED_SLOW_MS)]
    return scene.processes.start(name, command, cwd=place)


def start_reference(scene: Scene, job: PlannedJob) -> Running:
    """The same training, uninterrupted, for the comparison at the end."""
    place = scene.folder / "references" / job.name
    place.mkdir(parents=True, exist_ok=True)
    arguments = _train_command(scene, job)[2:] if job.kind == "train" else _loop_arguments(job, guarded=False)
    return scene.processes.start(f"reference {job.name}", arguments, cwd=place)


def final_of(place: Path) -> dict[str, Any] | None:
    """What a finished job left behind, or ``None`` while it has not finished."""
    try:
        result: dict[str, Any] = json.loads((place / "final.json").read_text())
    except (OSError, ValueError):
        return None
    return result


def reference_place(scene: Scene, job: PlannedJob) -> Path:
    """The folder of a job's reference run."""
    return scene.folder / "references" / job.name


def find_run(scene: Scene, job: PlannedJob) -> Digest | None:
    """The id of the run that the job's guard declared, or ``None`` before it has."""
    try:
        data = (scene.guard_homes[job.name] / "runs" / job.name / "run.json").read_bytes()
    except OSError:
        return None
    scene.runs[job.name] = statement_id(parse_envelope(data))
    return scene.runs[job.name]


def checkpoints_of(place: Path) -> list[Path]:
    """The checkpoints in a job's folder, oldest first; their names carry the step."""
    return sorted(place.glob("**/*.ckpt"))


def checkpoint_with(place: Path, digest: str) -> Path | None:
    """The file below a job's folder whose SHA-256 is ``digest``: how a halt's checkpoint is verified."""
    return next((path for path in checkpoints_of(place) if sha256_hex(path.read_bytes()) == digest), None)


def _drawn_out(scene: Scene, slow_ms: float, *, after: int) -> list[str]:
    slow = f"{slow_ms * scene.plan.strain:.0f}"
    return ["--slow-ms", slow, "--slow-after", str(after), "--slow-until", str(scene.release)]


def _train_command(scene: Scene, job: PlannedJob, *, endless: bool = False) -> list[str]:
    """The command line of a plain training job, to be run from its folder; the first two words start Python."""
    start = [sys.executable, "-m"]
    cheat = scene.plan.cheat
    workload = scene.plan.options.workload
    steps = TRAIN_STEPS[workload]
    endless = endless or (job.name == cheat.job and cheat.way != "cloned_guard")
    common = ["--out", ".", "--run", job.name, "--seed", str(job.seed), *_SMALL]
    common += ["--checkpoint-every", str(steps // SAVES), "--steps", str(ENDLESS_STEPS if endless else steps)]
    if workload == "numpy":
        return [*start, "detente.hooks.workload.bytes_lm", *common]
    if workload == "torch":
        return [*start, "detente.hooks.workload.torch_lm", *common]
    launcher = ["torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m"]
    # Without the two dashes torchrun takes the script's --run for an abbreviation of options of its own.
    return [*start, *launcher, "--", "detente.hooks.workload.torch_lm", "--ddp", *common]


def _loop_arguments(job: PlannedJob, *, guarded: bool) -> list[str]:
    module = "guarded_searcher" if guarded else "searcher"
    return [
        f"detente.hooks.workload.{module}", "--out", ".", "--run", job.name, "--seed", str(job.seed),
        "--steps", str(LOOP_STEPS), "--generations", str(LOOP_GENERATIONS), *_SMALL,
    ]  # fmt: skip
