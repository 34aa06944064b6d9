"""Run a drill from its options to its report: cast, stage, story, curtain.

Decides the order of the story and that every process is ended whatever happens. Leaves out each scene (the modules
beside this one) and how progress is shown (``tell``).
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
from importlib.util import find_spec
from pathlib import Path

from detente.app.drill import finding, lifting, opening, pausing, trying, working
from detente.app.drill.chaos import Chaos
from detente.app.drill.coalition import configure, found_coalition
from detente.app.drill.network import Network, free_ports
from detente.app.drill.pace import measure_strain
from detente.app.drill.plan import SAID_OF, WAYS, Options, Plan, make_plan
from detente.app.drill.record import Record
from detente.app.drill.report import write_report
from detente.app.drill.scene import POLL_S, Scene, StoryEnded, Tell
from detente.app.drill.showing import GROW_S, Showing
from detente.base.errors import DetenteError, Misuse
from detente.base.identity import Party

MARK = "detente-drill"
"""A file that says that a folder was made by a drill, and may be made anew."""


def run_drill(options: Options, folder: Path, *, tell: Tell, showing: Showing | None = None) -> Record:
    """Run the whole drill in ``folder`` and write ``report.html`` and ``result.json`` there; returns the record.

    With ``showing``, pictures of it are taken as it goes.

    Raises ``Misuse`` for a folder that holds something else, or a workload whose framework is not installed.
    """
    _check_workload(options)
    _make_folder(folder)
    strain = measure_strain(options.parties * options.jobs)
    plan = make_plan(options, strain=strain)
    record = Record(
        options={
            "seed": options.seed,
            "developers": options.parties,
            "jobs each": options.jobs,
            "workload": options.workload,
            "chaos": "yes" if options.chaos else "no",
        }
    )
    record.facts["machine"] = machine()
    record.facts["strain"] = strain
    _leave_out(plan, record)
    if strain > 1:
        tell(f"this machine is slow or busy: lives, deadlines and jobs last {strain} times as long")
    try:
        asyncio.run(_play(plan, folder.resolve(), record, tell, showing))
    except KeyboardInterrupt:
        record.check("drill", "the story comes to its end", ok=False, detail="it was interrupted", at_s=0.0)
    finally:
        (folder / "report.html").write_text(write_report(record), encoding="utf-8")
        (folder / "result.json").write_text(json.dumps(record.as_json(), indent=1, default=str) + "\n")
        if showing is not None:
            showing.take(record, at_s=float(record.facts.get("wall_s", 0.0)), nodes={}, over=True)
    return record


async def _play(plan: Plan, folder: Path, record: Record, tell: Tell, showing: Showing | None) -> None:
    network = Network(seed=plan.options.seed)
    scene = _set_stage(plan, folder, network, record, tell)
    growing = None if showing is None else asyncio.create_task(_keep_showing(scene, showing))
    try:
        await _story(scene)
    except StoryEnded as ended:
        tell(f"the story ends here: {ended}")
    except (DetenteError, OSError) as error:
        scene.check("drill", "the story comes to its end", ok=False, detail=f"{type(error).__name__}: {error}"[:400])
    finally:
        if growing is not None:
            growing.cancel()
            await asyncio.gather(growing, return_exceptions=True)
        await scene.close()
        record.close_all(at_s=scene.now())
        record.facts["wall_s"] = round(scene.now(), 1)
        for private in ("paused_at", "lifted_at", "halted_ids"):
            record.facts.pop(private, None)


async def _keep_showing(scene: Scene, showing: Showing) -> None:
    """Take a picture whenever something was told, and now and then in between."""
    nodes = {str(party): f"http://localhost:{seat.port}/" for party, seat in scene.coalition.seats.items()}
    told, last_s = -1, 0.0
    while True:
        if scene.record.size != told or scene.now() - last_s >= GROW_S:
            told, last_s = scene.record.size, scene.now()
            showing.take(scene.record, at_s=scene.now(), nodes=nodes)
        await asyncio.sleep(POLL_S)


async def _story(scene: Scene) -> None:
    chaos = Chaos(scene)
    await opening.start_nodes(scene)
    chaos.begin()
    await opening.accede(scene)
    await opening.enrol_guards(scene)
    await opening.refuse_statements(scene)
    await opening.refuse_large_run(scene)
    await working.start_jobs(scene)
    genuine = await trying.take_genuine_permit(scene)
    reviewer = working.Reviewer(scene)
    await working.hold_successor(scene, reviewer)
    await chaos.kill_and_restart()
    await pausing.cross_the_line(scene)
    await reviewer.stop()
    await pausing.all_halt(scene)
    references = lifting.start_references(scene)
    await trying.refuse_permits(scene, genuine)
    await pausing.lapse_of_the_isolated(scene)
    await pausing.reconnect(scene)
    await trying.lying_mirror(scene)
    await trying.silent_issuer(scene)
    await trying.lift_by_too_few(scene)
    await finding.overdue(scene)
    await asyncio.gather(*(asyncio.to_thread(running.wait, scene.patience(60)) for running in references.values()))
    await finding.inspect_facilities(scene)
    await finding.rule_and_refuse(scene)
    await lifting.lift(scene)
    reviewer.look_after()
    await lifting.resume_and_finish(scene, references)
    await reviewer.stop()
    chaos.end()
    await lifting.verify_logs(scene)


def _set_stage(plan: Plan, folder: Path, network: Network, record: Record, tell: Tell) -> Scene:
    """Ports, keys, terms, homes and links; lanes in the order in which the picture shows them."""
    names = [member.name for member in plan.parties]
    linked = [(a, b) for a in names for b in names if a != b and _is_linked(plan, a, b)]
    ports = free_ports(len(names) + len(linked))
    coalition = found_coalition(plan, folder / "homes", dict(zip(names, ports, strict=False)))
    scene = Scene(plan=plan, coalition=coalition, folder=folder, network=network, record=record, tell=tell)
    for (a, b), port in zip(linked, ports[len(names) :], strict=True):
        network.link(f"{a}>{b}", port=port, target=coalition.seats[b].port)
        scene.links[a, b] = port
    for party, seat in coalition.seats.items():
        configure(coalition, seat, scene.ports_seen_by(party))
    for job in plan.jobs:
        record.lane(job.lane, "job")
    for name in names:
        record.lane(name, "node")
    record.facts["accord"] = coalition.accord
    return scene


def _is_linked(plan: Plan, a: Party, b: Party) -> bool:
    """A link is drawn where it may be cut: around developers, and everywhere under chaos."""
    return plan.options.chaos or a in plan.developers or b in plan.developers


def _make_folder(folder: Path) -> None:
    if folder.exists():
        if not (folder / MARK).exists() and any(folder.iterdir()):
            raise Misuse(f"{folder} holds something that no drill made; choose another --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by `detente drill`; the next drill makes it anew.\n")


def _check_workload(options: Options) -> None:
    needed = "numpy" if options.workload == "numpy" else "torch"
    for name in {"numpy", needed}:
        if find_spec(name) is None:
            extra = "drill" if name == "numpy" else "torch"
            raise Misuse(f"the workload {options.workload} needs {name}: pip install 'detente[{extra}]'")


def _leave_out(plan: Plan, record: Record) -> None:
    """What this drill did not exercise, said first in its report."""
    left = [
        ("A human reviewer", "approvals here are made by a software key and labelled so; nobody looked at anything"),
        ("Distance", "every process shares one machine, one clock and loopback; latencies are not those of a network"),
        ("Hardware keys", "every key was made in software for this drill"),
        ("Graphics processors and clusters", "the jobs are small and run on the CPU; no scheduler is involved"),
        ("Hidden hardware", "the inspector sees registered facilities only; nothing here looks for others"),
        ("More faults than f", "one mirror lies or one is silent, never both at once: the terms say f = 1"),
    ]
    if plan.options.workload != "torchrun":
        left.append(("Several ranks", "each job is one process here; `--workload torchrun` runs two ranks"))
    if not plan.options.chaos:
        left.append(("Bad weather", "no node was killed, no message dropped, no clock skewed; `--chaos` does that"))
    missing = "; ".join(f"`--seed {WAYS.index(way)}`: {said}" for way, said in SAID_OF.items() if way != plan.cheat.way)
    left.append(("Other ways of hiding", f"this seed drew a developer that {SAID_OF[plan.cheat.way]}. {missing}"))
    record.not_exercised += left


def machine() -> str:
    """Processor, cores, system and Python, for the head of the report."""
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
