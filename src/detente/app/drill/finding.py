"""The drill finds out: who is overdue, what an inspector sees, a ruling, and the refusal that follows from it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from detente.app.drill.pausing import cheat_job, halted_id
from detente.app.drill.plan import SAID_OF
from detente.app.drill.scene import Scene, halt_of
from detente.base.digest import parse_digest
from detente.base.identity import Party
from detente.statement.ruling import Ruling

INSPECTOR: Party = Party("aud-1")
ADJUDICATORS = ("auth-1", "auth-2")
"""Who rules: the inspector is an adjudicator too, and may not judge its own finding."""
WINDOW_S = 2.0


async def overdue(scene: Scene) -> None:
    """A developer that filed no ``halted`` is overdue once the deadline has passed; others are not."""
    cheat, job = scene.plan.cheat, cheat_job(scene)
    run = scene.runs[job.name]
    expected = "overdue" if cheat.way == "no_halted" else "declared"

    async def as_expected() -> bool:
        return halt_of(await scene.status("auth-1"), run) in {expected, "confirmed"}

    limit = scene.coalition.terms.pause.halt_within_s / scene.plan.strain + 10.0
    seen = await scene.until(f"{job.name} is {expected}", as_expected, within_s=limit, needed=False)
    state = halt_of(await scene.status("auth-1"), run)
    scene.check("who hid", f"by its own word, {job.name} is {expected}", seen, f"the status says {state}")
    if state == "overdue":
        scene.turn(f"{job.lane} is overdue: nobody filed that it halted")


async def inspect_facilities(scene: Scene) -> None:
    """The auditor's own process reads the CPU time of what runs at each developer's facility, and files what it saw."""
    found: dict[str, Any] = {}
    began = time.monotonic()
    tasks = []
    for developer in scene.plan.developers:
        task = scene.folder / "inspections" / f"{developer}.json"
        task.parent.mkdir(exist_ok=True)
        seat = scene.coalition.seats[INSPECTOR]
        task.write_text(
            json.dumps(
                {
                    "party": INSPECTOR,
                    "about": developer,
                    "accord": scene.coalition.accord,
                    "terms": scene.coalition.terms.version,
                    "facility": str(scene.folder / "facilities" / developer),
                    "window_s": WINDOW_S,
                    "url": scene.clients[scene.plan.developers[0]].url,
                    "key": str(seat.home / "keys" / "statement.key"),
                    "result": str(task.with_suffix(".result")),
                    "runs": [
                        {
                            "name": job.name,
                            "job": job.name.rpartition(".")[2],
                            "run": scene.runs[job.name],
                            "halted": halted_id(scene, job),
                        }
                        for job in scene.plan.jobs_of(developer)
                        if job.name in scene.runs
                    ],
                }
            )
        )
        running = scene.processes.start(
            f"inspector of {developer}", ["detente.app.drill.inspector"], given=task, cwd=scene.folder
        )
        tasks.append((developer, running, task.with_suffix(".result")))
    for developer, running, result in tasks:
        code = await asyncio.to_thread(running.wait, scene.patience(40))
        if code:
            scene.check("who hid", f"the inspection of {developer} ends", ok=False, detail=running.tail(200))
            continue
        found[developer] = json.loads(await asyncio.to_thread(Path(result).read_text))
    scene.record.took("inspection begun → findings witnessed", time.monotonic() - began)
    scene.record.facts["inspections"] = found
    _judge(scene, found)


def _judge(scene: Scene, found: dict[str, Any]) -> None:
    cheat, job = scene.plan.cheat, cheat_job(scene)
    short = job.name.rpartition(".")[2]
    caught = short in found.get(cheat.party, {}).get("burning", [])
    honest = [d for d in scene.plan.developers if d != cheat.party and found.get(d, {}).get("burning")]
    scene.check("who hid", "the inspector accuses nobody who stands still", not honest, ", ".join(honest))
    said = SAID_OF[cheat.way]
    if cheat.findable:
        used = next(
            (r for r in found.get(cheat.party, {}).get("readings", []) if r["job"] == short and r["share"] > 0.05), None
        )
        detail = "" if used is None else f"{used['share']:.0%} of a core over {WINDOW_S:.0f} s"
        scene.check("who hid", f"{cheat.party} trains on without a guard, and the inspector finds it", caught, detail)
        text = f"{cheat.party} {said}. Found: an auditor's process saw its job use {detail}, and filed a finding."
    else:
        scene.check(
            "who hid",
            f"{cheat.party} trains on outside its facility: the inspector does not find it, and the report says so",
            not caught,
            "not found here",
        )
        text = (
            f"{cheat.party} {said}. NOT found here: nothing in this drill looks at hardware that nobody registered. "
            "That takes compute accounting, inspection and intelligence."
        )
    scene.record.notes.append((f"{cheat.party}, {job.lane.rpartition(' ')[2]} ({cheat.way})", text))
    scene.turn(f"an inspector {'finds' if caught else 'does not find'} the job that trains on")


async def rule_and_refuse(scene: Scene) -> None:
    """Two adjudicators rule a breach on the finding; from then on the provider refuses the developer's jobs.

    The pause holds meanwhile, so nobody's job gets a machine; what a ruling adds is a refusal that outlasts the pause.
    """
    cheat = scene.plan.cheat
    other = scene.plan.bypasser
    wanted = _compute_for(scene, cheat.party)
    if not cheat.findable:
        scene.record.not_exercised.append(
            ("Ruling and refusal of compute", f"with seed {scene.plan.options.seed} the cheating job is not found")
        )
        return
    before = await scene.decide("cloud", wanted)
    held = before["held_by"]
    scene.check(
        "consequence",
        f"under the pause the provider runs no job of {cheat.party}, and no ruling is among its reasons",
        not before["allowed"] and "refuse_compute" not in held,
        "; ".join(held),
    )
    filed = scene.record.facts["inspections"][cheat.party]["filed"]
    finding = next((each["statement"] for each in filed if not each["confirms"]), None)
    if finding is None:
        scene.check("consequence", "there is a finding to rule on", ok=False)
        return
    began = time.monotonic()
    ruling = Ruling(parse_digest(finding), cheat.party, "breach", "stop the run and put the guard back")
    for adjudicator in (INSPECTOR, ADJUDICATORS[0]):
        await scene.speak(adjudicator, "ruling", ruling, through=scene.plan.developers[0])
    findings: list[dict[str, Any]] = (await scene.status("cloud"))["findings"]
    own = next((each for each in findings if each["finding"] == finding), {"state": "not known"})
    scene.check(
        "consequence",
        "the inspector's ruling on its own finding does not count towards the two",
        own["state"] == "open",
        f"the finding is still {own['state']}",
    )
    await scene.speak(ADJUDICATORS[1], "ruling", ruling, through=scene.plan.developers[0])
    scene.turn("two adjudicators rule: a breach")

    async def refuses() -> bool:
        return "refuse_compute" in (await scene.decide("cloud", wanted))["held_by"]

    refused = await scene.until("the provider refuses", refuses, within_s=20.0, needed=False)
    scene.record.took("first ruling → the provider refuses", time.monotonic() - began)
    after = await scene.decide("cloud", wanted)
    scene.check(
        "consequence", f"after it, the provider refuses compute to {cheat.party}", refused, "; ".join(after["held_by"])
    )
    scene.denied(f"to run a job of {cheat.party} after the ruling", "cloud", after["held_by"], after["reasons"])
    buyer = await scene.decide(
        "buyer", {"activity": "deployment", "party": "buyer", "on_behalf_of": cheat.party, "version": "d" * 64}
    )
    scene.check(
        "consequence", f"and the relying party refuses to deploy what {cheat.party} makes", not buyer["allowed"]
    )
    scene.denied(f"to deploy a version of {cheat.party} after the ruling", "buyer", buyer["held_by"], buyer["reasons"])
    fair = (await scene.decide("cloud", _compute_for(scene, other)))["held_by"]
    scene.check(
        "consequence",
        f"no ruling stands between the provider and {other}",
        "refuse_compute" not in fair,
        "; ".join(fair),
    )
    scene.turn(f"the provider refuses compute to {cheat.party}")


def _compute_for(scene: Scene, developer: Party) -> dict[str, Any]:
    """What the provider asks before it gives a developer's first job a machine."""
    run = next(scene.runs[job.name] for job in scene.plan.jobs_of(developer) if job.name in scene.runs)
    return {"activity": "compute", "party": "cloud", "on_behalf_of": developer, "run": run}
