"""The drill's end: a lift by quorum, jobs that resume and finish bit-equal, logs that verify with no node running."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from pathlib import Path

from detente.app.drill.jobs import final_of, place_of, reference_place, start_guarded, start_reference
from detente.app.drill.pausing import cheat_job
from detente.app.drill.plan import PlannedJob
from detente.app.drill.processes import Running
from detente.app.drill.scene import Scene, pauses_of
from detente.app.drill.trying import vote_lift

FINISH_WITHIN_S = {"numpy": 60.0, "torch": 90.0, "torchrun": 120.0}
"""From the lift to the last job's end on a quiet machine: two cores are shared by everything that a drill runs."""


async def lift(scene: Scene) -> None:
    """The second authority joins: the quorum across groups is met, the votes settle, the pause ends."""
    began = time.monotonic()
    await vote_lift(scene, "auth-2")

    async def lifted() -> bool:
        return await scene.everywhere(scene.plan.mirrors, lambda status: not pauses_of(status))

    held = await scene.until("the pause is lifted at every mirror", lifted, within_s=30.0, needed=False)
    scene.record.took("last vote → lifted at every mirror", time.monotonic() - began)
    status = await scene.status("auth-1")
    ended = status.get("ended", [])
    missing = "; ".join(f"{pause['trigger']} round {pause['round']}: {pause['lift']}" for pause in pauses_of(status))
    scene.check(
        "lift",
        "one auditor and two authorities together lift the pause",
        held and any(each["how"] == "lift" for each in ended),
        missing or f"{len(ended)} pause ended by a lift",
        needed=True,
    )
    scene.record.facts["lifted_at"] = time.monotonic()
    scene.turn("lifted by one auditor and two authorities")


async def resume_and_finish(scene: Scene, references: dict[str, Running]) -> None:
    """Every guarded job goes on from its checkpoint and ends with the weights of a run that was never interrupted."""
    lifted_at = float(scene.record.facts["lifted_at"])
    jobs = [job for job in scene.plan.jobs if _goes_on(scene, job)]
    scene.release.touch()
    for job in jobs:
        if job.kind == "loop":  # a loop's own guard ended with it; a held job's guard waits and starts it again
            start_guarded(scene, job, again=True)
    waiting, training = {job.name: job for job in jobs}, {job.name: job for job in jobs}
    deadline = time.monotonic() + scene.patience(FINISH_WITHIN_S[scene.plan.options.workload])
    while waiting and time.monotonic() < deadline:
        for name, job in list(training.items()):
            if "resuming at step" in scene.jobs[name].tail(20_000):
                del training[name]
                scene.record.took("lifted → training again", time.monotonic() - lifted_at)
                scene.record.turn(job.lane, "training", at_s=scene.now(), text="resumed from its checkpoint")
        for name, job in list(waiting.items()):
            if final_of(place_of(scene, job)) is not None:
                del waiting[name]
                scene.record.turn(job.lane, "finished", at_s=scene.now(), text="finished")
            elif not scene.jobs[name].alive:
                del waiting[name]  # It ended and left no result: `_compare` says so.
        await asyncio.sleep(0.1)
    await asyncio.gather(*(asyncio.to_thread(running.wait, scene.patience(60)) for running in references.values()))
    for job in jobs:
        _compare(scene, job)
    scene.turn("the jobs have finished, bit-equal to runs that were never interrupted")


def start_references(scene: Scene) -> dict[str, Running]:
    """Start the uninterrupted runs that the end compares with, while the others stand still."""
    return {job.name: start_reference(scene, job) for job in scene.plan.jobs if _goes_on(scene, job)}


def _goes_on(scene: Scene, job: PlannedJob) -> bool:
    """The job of a developer in breach does not come back."""
    return job is not cheat_job(scene) or scene.plan.cheat.way == "cloned_guard"


def _compare(scene: Scene, job: PlannedJob) -> None:
    mine, other = final_of(place_of(scene, job)), final_of(reference_place(scene, job))
    if mine is None or other is None:
        who = scene.jobs[job.name].tail(200) if mine is None else "the reference run did not finish"
        scene.check("resume", f"{job.name} resumed and finished", ok=False, detail=who)
        return
    same = mine["weights_sha256"] == other["weights_sha256"] and mine["exact"] is True
    scene.check(
        "resume",
        f"{job.name} resumed and finished with weights bit-equal to an uninterrupted run",
        same,
        f"sha256 {mine['weights_sha256'][:16]}… {'=' if same else '≠'} {other['weights_sha256'][:16]}…",
    )


VERIFIED = re.compile(r": [0-9,]+ (?:entry verifies|entries verify), root ")
"""What `detente log verify` says of a log that holds; a log of one accession has one entry."""


async def verify_logs(scene: Scene) -> None:
    """Every node is ended; then each log is exported, and verified by the command that anyone would use."""
    for party, node in scene.nodes.items():
        node.signal(15)
        await asyncio.to_thread(node.wait, scene.patience(20))
        scene.record.close(party, at_s=scene.now())
    logs = scene.folder / "logs"
    shutil.copyfile(scene.coalition.seats[scene.plan.developers[0]].home / "terms.yaml", scene.folder / "terms.yaml")
    exports = [
        scene.processes.start(
            f"export {seat.party}",
            ["detente", "log", "export", "--home", str(seat.home), "--origin", seat.origin, str(logs)],
        )
        for seat in scene.coalition.seats.values()
    ]
    for export in exports:
        if await asyncio.to_thread(export.wait, scene.patience(30)):
            scene.check("evidence", f"{export.name} is exported", ok=False, detail=export.tail(200))
    code, said = await _verify(scene, logs)
    verified = [line.strip() for line in said.splitlines() if VERIFIED.search(line)]
    scene.check(
        "evidence",
        f"all {len(scene.coalition.seats)} logs verify with no node running",
        code == 0 and len(verified) == len(scene.coalition.seats),
        "; ".join(line.partition(", root")[0] for line in verified).replace(".drill.example/log", "") or said[-200:],
    )
    first = scene.coalition.seats[scene.plan.developers[0]]
    await _verify_altered(scene, logs / first.origin.partition("/")[0])
    scene.record.facts["verify"] = [f"detente log verify --terms {scene.folder / 'terms.yaml'} {logs}"]
    scene.turn("every log verifies with no node running")


async def _verify(scene: Scene, target: Path) -> tuple[int, str]:
    running = scene.processes.start(
        f"verify {target.name}", ["detente", "log", "verify", "--terms", str(scene.folder / "terms.yaml"), str(target)]
    )
    code = await asyncio.to_thread(running.wait, scene.patience(30))
    return code, running.tail(8_000)


async def _verify_altered(scene: Scene, log: Path) -> None:
    """One byte of one entry is changed in a copy: the same command must refuse it."""
    copy = scene.folder / "altered"
    shutil.copytree(log, copy)
    bundle = next(path for path in sorted(copy.rglob("*")) if path.is_file() and "entries" in path.parts)
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(bytes(data))
    code, said = await _verify(scene, copy)
    scene.check("evidence", "a log with one changed byte does not verify", code not in {0, 2, 3}, said[-160:])
