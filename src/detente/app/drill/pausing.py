"""The drill's pause: one developer bypasses its hold point, another is cut off, a third takes a guard off; all must stop."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from decimal import Decimal
from typing import Any

from detente.app.drill.jobs import checkpoint_with, checkpoints_of, find_run, place_of, start_guarded, start_unguarded
from detente.app.drill.plan import PlannedJob
from detente.app.drill.scene import Scene, halt_of, pauses_of
from detente.app.drill.working import bypass_job
from detente.base.digest import Digest, sha256_hex
from detente.base.identity import Party
from detente.statement.envelope import parse_envelope
from detente.statement.halted import Halted
from detente.statement.progress import Progress
from detente.statement.statement import parse_statement

TRIGGER_WITHIN_S = 60.0


async def cross_the_line(scene: Scene) -> None:
    """Cut one developer off, take one guard off, and let a third bypass its hold point until the trigger latches."""
    plan = scene.plan
    await _take_guard_off(scene)
    cut = scene.network.cut(f"{plan.isolated}>") + scene.network.cut(f">{plan.isolated}")
    cut_at = time.monotonic()
    for job in plan.jobs_of(plan.isolated):
        scene.mark(job.lane, "cut off from the network")
    scene.record.turn(plan.isolated, "cut", at_s=scene.now(), text=f"{cut} links cut")
    scene.turn(f"{plan.isolated} is cut off from the network; its jobs train on under permits that still live")
    scene.watches = [
        (job, asyncio.create_task(_watch_lapse(scene, job, cut_at))) for job in plan.jobs_of(plan.isolated)
    ]
    loop = bypass_job(scene)
    start_guarded(scene, loop, bypass=True)
    scene.record.turn(loop.lane, "training", at_s=scene.now(), text="files its versions and asks nobody")
    scene.turn(f"{plan.bypasser} starts its loop past the hold point: versions are filed, nobody is asked")

    async def latched() -> bool:
        find_run(scene, loop)
        return any(pause["trigger"] == "unattended" for pause in pauses_of(await scene.status("auth-1")))

    await scene.until("the depth trigger latches", latched, within_s=TRIGGER_WITHIN_S)
    scene.record.facts["paused_at"] = time.monotonic()
    pause = next(p for p in pauses_of(await scene.status("auth-1")) if p["trigger"] == "unattended")
    scene.check(
        "pause",
        "three successive versions that no human approved cross the trigger, and all are paused",
        pause["scope"] == "all" and set(plan.developers) <= set(pause["parties"]),
        "; ".join(reason["text"] for reason in pause["why"])[:200],
        needed=True,
    )
    scene.turn("the depth trigger latches: a pause for all")


async def all_halt(scene: Scene) -> None:
    """Every guarded job stops with a checkpoint whose digest is the one that its ``halted`` names."""
    honest = [job for job in scene.plan.jobs if _hears_of_it(scene, job)]
    paused_at = float(scene.record.facts["paused_at"])
    waiting = dict.fromkeys(job.name for job in honest)
    deadline = time.monotonic() + scene.coalition.terms.pause.halt_within_s + scene.patience(5)
    while waiting and time.monotonic() < deadline:
        status = await scene.status("auth-1")
        for job in honest:
            if job.name in waiting and halt_of(status, scene.runs[job.name]) in {"declared", "confirmed"}:
                del waiting[job.name]
                scene.record.took("pause latched → `halted` at an authority", max(0.0, time.monotonic() - paused_at))
                scene.record.turn(job.lane, "halted", at_s=scene.now(), text="saved, stopped, `halted` filed")
        await asyncio.sleep(0.05)
    for job in honest:
        if job.name in waiting:
            scene.check("pause", f"{job.name} halts", ok=False, detail=scene.jobs[job.name].tail(200))
            continue
        await _check_halted(scene, job, "pause")
    scene.turn(f"{len(honest) - len(waiting)} guarded jobs have halted with verified checkpoints")
    if scene.plan.cheat.way != "cloned_guard":
        await _tell_the_lie(scene)


async def _check_halted(scene: Scene, job: PlannedJob, stage: str) -> None:
    """The checkpoint that the job's ``halted`` names is a file of the job with that digest."""
    halted = await _halted(scene, job)
    found = checkpoint_with(place_of(scene, job), halted.checkpoint)
    scene.check(
        stage,
        f"{job.name} halted with a checkpoint that verifies",
        found is not None,
        f"step {halted.step}, sha256 {halted.checkpoint[:12]}…, {'no such file' if found is None else found.name}",
    )


async def _watch_lapse(scene: Scene, job: PlannedJob, cut_at: float) -> float | None:
    """When the job stopped, in seconds after the cut; ``None`` if it did not within life, deadline and a little."""
    terms = scene.coalition.terms
    limit_s = terms.permits.calm_s + terms.pause.halt_within_s + scene.patience(2)
    while (after_s := time.monotonic() - cut_at) < limit_s:
        if _says_stopped(scene, job):
            scene.record.turn(job.lane, "halted", at_s=scene.now(), text="its permit lapsed; nobody told it")
            scene.record.took(f"cut off → stopped by lapse (a permit lives {terms.permits.calm_s} s)", after_s)
            return after_s
        await asyncio.sleep(0.1)
    return None


async def lapse_of_the_isolated(scene: Scene) -> None:
    """The developer that was cut off heard nothing, and stopped all the same when its permits lapsed."""
    life_s = scene.coalition.terms.permits.calm_s
    for job, watch in scene.watches:
        after_s = await watch
        scene.check(
            "lapse",
            f"{job.name}, cut off from everybody, stopped when its permit lapsed",
            after_s is not None,
            "it went on" if after_s is None else f"{after_s:.1f} s after the cut; a permit lives {life_s} s",
        )
    scene.turn(f"{scene.plan.isolated} heard nothing and stopped by lapse")


async def reconnect(scene: Scene) -> None:
    """The network is mended: what the isolated guards had to say waited in their outboxes, and arrives."""
    plan = scene.plan
    scene.network.mend(f"{plan.isolated}>")
    scene.network.mend(f">{plan.isolated}")
    scene.record.turn(plan.isolated, "up", at_s=scene.now(), text="reconnected")

    async def delivered() -> bool:
        status = await scene.status("auth-1")
        states = [halt_of(status, run) for job in plan.jobs_of(plan.isolated) if (run := find_run(scene, job))]
        return all(state in {"declared", "confirmed"} for state in states)

    arrived = await scene.until("the isolated halts arrive", delivered, within_s=30.0, needed=False)
    scene.check("lapse", "once reconnected, its halts arrive from the outbox", arrived)
    for job in plan.jobs_of(plan.isolated) if arrived else ():
        await _check_halted(scene, job, "lapse")


async def _halted(scene: Scene, job: PlannedJob) -> Halted:
    """The last ``halted`` of a job's run, as an authority's node holds it."""
    status = await scene.status("auth-1")
    cited = next(halt["cited"] for halt in status["halts"] if halt["run"] == scene.runs[job.name])
    bodies = []
    for cite in cited:
        body = parse_statement(parse_envelope(await scene.clients[Party("auth-1")].find_statement(Digest(cite)))).body
        if isinstance(body, Halted):
            bodies.append(body)
            scene.record.facts.setdefault("halted_ids", {})[job.name] = cite
    return bodies[-1]


def _hears_of_it(scene: Scene, job: PlannedJob) -> bool:
    """Is the job guarded, and can its guard be reached?"""
    cheat = scene.plan.cheat
    unguarded = job.name == cheat.job and cheat.way != "cloned_guard"
    return job.party != scene.plan.isolated and not unguarded


def _says_stopped(scene: Scene, job: PlannedJob) -> bool:
    """Has the job saved and stopped, by what its own files and output say?"""
    running = scene.jobs[job.name]
    if job.kind == "loop":
        return not running.alive
    said = running.tail(20_000)
    return "saved step" in said or "halted (" in said or not running.alive


async def _take_guard_off(scene: Scene) -> None:
    """The cheating developer kills one guard (its job dies with it) and trains on without, or clones the job."""
    cheat, job = scene.plan.cheat, cheat_job(scene)
    guard, place = scene.jobs[job.name], place_of(scene, job)
    if cheat.way == "cloned_guard":
        clone = scene.folder / "elsewhere" / job.name
        shutil.copytree(place, clone)
        start_unguarded(scene, job, clone, name=f"clone of {job.name}")
        lane = f"{cheat.party} clone"
        scene.record.lane(lane, "job")
        scene.record.turn(lane, "unguarded", at_s=scene.now(), text="a copy that was never declared")
        return

    async def saved() -> bool:
        return len(checkpoints_of(place)) >= 2

    await scene.until(f"{job.name} has saved twice", saved, within_s=30.0)
    await _file_progress(scene, job, int(checkpoints_of(place)[-1].stem.rpartition("-")[2]))
    guard.signal(signal.SIGKILL)
    await asyncio.to_thread(guard.wait, scene.patience(10))
    start_unguarded(scene, job, place, name=f"unguarded {job.name}")
    scene.record.turn(job.lane, "unguarded", at_s=scene.now(), text="guard killed; trains on with nobody's leave")
    scene.turn(f"{cheat.party} takes the guard off {job.lane} and trains on")


async def _file_progress(scene: Scene, job: PlannedJob, step: int) -> None:
    body = Progress(run=scene.runs[job.name], step=step, flop=Decimal(step), weights=sha256_hex(b"progress"))
    await scene.speak(job.party, "progress", body, witnessed=False)


async def _tell_the_lie(scene: Scene) -> None:
    """What the cheating developer files once the pause is on, by its way of hiding."""
    cheat, job = scene.plan.cheat, cheat_job(scene)
    if cheat.way == "no_halted":
        return
    real = checkpoints_of(place_of(scene, job))
    chosen = real[0] if cheat.way == "old_checkpoint" else real[-1]
    body = Halted(
        run=scene.runs[job.name],
        step=int(chosen.stem.rpartition("-")[2]),
        checkpoint=sha256_hex(chosen.read_bytes()),
        flop=Decimal(100),
        epoch=1,
        why="pause",
    )
    receipt = await scene.speak(job.party, "halted", body)
    scene.record.facts.setdefault("halted_ids", {})[job.name] = receipt.statement
    scene.mark(job.lane, f"files a `halted` that is not true ({cheat.way})")


def cheat_job(scene: Scene) -> PlannedJob:
    """The job whose guard is taken off."""
    return next(job for job in scene.plan.jobs if job.name == scene.plan.cheat.job)


def halted_id(scene: Scene, job: PlannedJob) -> str | None:
    """The statement id of a job's ``halted``, once it is known."""
    known: dict[str, Any] = scene.record.facts.get("halted_ids", {})
    found = known.get(job.name)
    return None if found is None else str(found)
