"""The drill at work: jobs train under their guards, a loop is held for a human, approvals let it go on."""

from __future__ import annotations

import asyncio
import time

from detente.app.drill.jobs import find_run, place_of, start_guarded
from detente.app.drill.plan import PlannedJob
from detente.app.drill.scene import Scene, StoryEnded
from detente.app.reviewing import REVIEWER
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.statement.approval import Approval, sign_approval

REVIEWERS: Party = Party("aud-1")
"""The organisation whose reviewer decides in a drill."""
START_WITHIN_S = 45.0


class Reviewer:
    """A reviewer whom the terms enrol, by a software key that is labelled so: approves what waits once told to look."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._seen: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.approved = 0

    async def decide(self, proposal: Digest, *, organisation: Party = REVIEWERS, through: str | None = None) -> None:
        """Approve one proposal as the organisation's reviewer."""
        scene = self._scene
        header = scene.header(organisation)
        approval = sign_approval(
            Approval(proposal, "approve", REVIEWER, organisation, None, same_host=False, significant="yes"),
            scene.coalition.seat(organisation).keys["reviewer"],
            accord=header.accord,
            nonce=header.nonce,
        )
        await scene.speak(organisation, "approval", approval, header=header, through=through)
        self.approved += 1

    def look_after(self) -> None:
        """From now on approve whatever waits, looking twice a second."""
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep_looking(self) -> None:
        while True:
            try:
                for proposal in await waiting_proposals(self._scene):
                    if proposal not in self._seen:
                        self._seen.add(proposal)
                        # Through a developer's log: its quorum does not need the auditor's own mirror.
                        await self.decide(parse_digest(proposal), through=self._scene.plan.developers[0])
            except (Unavailable, Refused) as error:
                self._scene.tell(f"the reviewer could not decide yet: {error}")
            await asyncio.sleep(0.5)


async def waiting_proposals(scene: Scene, *, node: Party = REVIEWERS) -> list[str]:
    """The proposals that wait at a hold point in the eyes of one node."""
    answer = await scene.clients[node].proposals()
    return [str(each["proposal"]) for each in answer["proposals"]]


async def start_jobs(scene: Scene) -> None:
    """Start every job but the bypasser's loop, and see each train under a permit."""
    began = time.monotonic()
    later = bypass_job(scene)
    jobs = [job for job in scene.plan.jobs if job is not later]
    for job in jobs:
        start_guarded(scene, job)
    waiting = list(jobs)

    async def all_train() -> bool:
        for job in [job for job in waiting if await _is_training(scene, job)]:
            waiting.remove(job)
            scene.record.took("job started → training under a permit", time.monotonic() - began)
            scene.record.turn(job.lane, "training", at_s=scene.now(), text="under a permit of three issuers")
        return not waiting

    if not await scene.until("every job trains", all_train, within_s=START_WITHIN_S, needed=False):
        for job in waiting:
            scene.check("jobs", f"{job.name} trains", ok=False, detail=scene.jobs[job.name].tail(300))
        raise StoryEnded("not every job trains")
    scene.turn(f"{len(jobs)} jobs train, each under a permit of three issuers")


async def _is_training(scene: Scene, job: PlannedJob) -> bool:
    """Has the job declared its run, and does its output show steps or generations?"""
    if find_run(scene, job) is None:
        return False
    running = scene.jobs[job.name]
    if not running.alive:
        scene.check("jobs", f"{job.name} starts", ok=False, detail=running.tail(), needed=True)
    said = running.tail(4_000)
    return "step " in said or "generation " in said


async def hold_successor(scene: Scene, reviewer: Reviewer) -> None:
    """A loop's successor waits until a reviewer has approved it; its own developer's approval changes nothing."""
    job = next(each for each in scene.plan.jobs if each.kind == "loop" and each is not bypass_job(scene))
    began = time.monotonic()

    async def waits() -> bool:
        return bool(await waiting_proposals(scene))

    await scene.until("a successor waits at the hold point", waits, within_s=40.0)
    for loop in (each for each in scene.plan.jobs if each.kind == "loop" and each is not bypass_job(scene)):
        scene.record.turn(loop.lane, "held", at_s=scene.now(), text="a successor waits for a human")
    scene.turn("successors that models proposed wait for a human")
    proposal = (await waiting_proposals(scene))[0]
    await reviewer.decide(parse_digest(proposal), organisation=job.party, through=job.party)
    await asyncio.sleep(scene.coalition.terms.mirrors.settle_s + 1.5)
    still = proposal in await waiting_proposals(scene)
    scene.check("hold point", "the developer's own approval does not pass the hold point", still, "author excluded")
    waited = time.monotonic() - began
    place = place_of(scene, job)
    scene.check(
        "hold point",
        "the successor is not trained while it waits",
        "generation 1: kept" not in scene.jobs[job.name].tail(4_000)
        and "generation 1: dropped" not in scene.jobs[job.name].tail(4_000),
        f"{job.name} stood still for {waited:.1f} s in {place.name}",
    )
    approved_at = time.monotonic()
    reviewer.look_after()

    async def passed() -> bool:
        said = scene.jobs[job.name].tail(8_000)
        return "generation 1: kept" in said or "generation 1: dropped" in said

    await scene.until("the approved successor is trained", passed, within_s=40.0)
    scene.record.took("approval → successor trained", time.monotonic() - approved_at)
    for loop in (each for each in scene.plan.jobs if each.kind == "loop" and each is not bypass_job(scene)):
        scene.record.turn(loop.lane, "training", at_s=scene.now(), text="each successor approved before it trains")
    scene.check(
        "hold point",
        "after a reviewer approved, the successor is trained",
        reviewer.approved > 1,
        "approved with a software key, labelled software in the log",
    )
    scene.turn("a reviewer approves; the successors train")


def bypass_job(scene: Scene) -> PlannedJob:
    """The loop of the developer that will bypass its hold point."""
    return next(job for job in scene.plan.jobs_of(scene.plan.bypasser) if job.kind == "loop")
