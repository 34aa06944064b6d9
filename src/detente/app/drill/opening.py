"""The drill's opening: nodes start, parties accede, the accord enters into force, a run over a limit is refused."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal

from detente.adapters.keys import make_key
from detente.app.drill.coalition import FLOP_LIMIT, configure
from detente.app.drill.plan import PlannedJob
from detente.app.drill.scene import Scene
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.statement.accession import Accession, BoundCondition
from detente.statement.envelope import encode_envelope, parse_envelope
from detente.statement.facility import Facility
from detente.statement.keys import Enrolment, KeyRotation, prove_possession

START_WITHIN_S = 30.0
FORCE_WITHIN_S = 25.0
SKEW_S = {Party("aud-2"): -3, Party("auth-2"): 3}
"""Under chaos, by how many seconds two wall clocks are ahead; what permits settles within one."""


async def start_nodes(scene: Scene) -> None:
    """Start every party's node as a process of its own and wait until each answers."""
    for party in scene.coalition.seats:
        start_node(scene, party)
    for party in scene.coalition.seats:
        await scene.until(f"the node of {party} answers", scene.clients[party].health, within_s=START_WITHIN_S)
        scene.record.turn(party, "up", at_s=scene.now(), text="node serves")
    scene.turn(f"{len(scene.nodes)} nodes serve, each a process with its own keys and log")


def start_node(scene: Scene, party: Party) -> None:
    """Start, or start again, one party's node."""
    home = str(scene.coalition.seats[party].home)
    serve = ["detente", "node", "serve", "--home", home]
    if scene.plan.options.chaos and party in SKEW_S:
        serve = ["detente.testing.skewed_node", "--home", home, "--offset", str(SKEW_S[party])]
    scene.nodes[party] = scene.processes.start(f"node {party}", serve)


async def accede(scene: Scene) -> None:
    """Every party accedes, one of them on a condition, and the accord enters into force."""
    plan, developers = scene.plan, scene.plan.developers
    before = await scene.status(developers[0])
    scene.check("entry into force", "nothing is in force before anybody accedes", before["phase"]["now"] == "before")
    denied = await scene.decide("aud-1", {"activity": "training", "party": developers[0], "run": "0" * 64})
    scene.check("entry into force", "before force, training is refused as the terms say", not denied["allowed"])
    scene.denied("to train before the accord is in force", "aud-1", denied["held_by"], denied["reasons"])
    began = time.monotonic()
    conditional = developers[-1]
    for member in plan.parties:
        others = tuple(party for party in developers if party != member.name)
        conditions = (BoundCondition(len(others), others),) if member.name == conditional else ()
        await scene.speak(
            member.name, "accession", Accession(scene.coalition.terms.digest, conditions), use="root", witnessed=False
        )
        if member.name in developers:
            facility = Facility(
                facility=f"{member.name}-hall", country=member.country, chips=1, peak_flop_s=Decimal("1e11")
            )
            await scene.speak(member.name, "facility", facility, witnessed=False)
    everybody = list(scene.coalition.seats)
    await scene.until(
        "the accord enters into force in the eyes of every node",
        lambda: scene.everywhere(everybody, lambda status: status["phase"]["now"] == "in_force"),
        within_s=FORCE_WITHIN_S,
    )
    scene.record.took("first accession → in force at every node", time.monotonic() - began)
    status = await scene.status("aud-1")
    bound = {binding["party"] for binding in status["bindings"] if binding["bound"]}
    scene.check(
        "entry into force",
        "the accord is in force and binds every developer",
        set(developers) <= bound,
        f"{conditional} acceded on condition that {len(developers) - 1} others are bound",
        needed=True,
    )
    scene.turn("every party has acceded: the accord is in force at every node")


def give_guard_home(scene: Scene, job: PlannedJob, *, name: str | None = None) -> None:
    """A home for one job's guard: its own key, the terms, and its way to the issuers through the drill's links."""
    seat = scene.coalition.seats[job.party]
    home = scene.folder / "guards" / (name or job.name)
    make_key(home / "keys" / "guard.key")
    (home / "terms.yaml").write_bytes(scene.coalition.terms_bytes)
    configure(scene.coalition, seat, scene.ports_seen_by(job.party), home=home)
    scene.guard_homes[name or job.name] = home


async def enrol_guards(scene: Scene) -> None:
    """Each developer's root keys enrol one guard key for each of its jobs, in one statement."""
    homes: dict[Party, list[str]] = {}
    for job in scene.plan.jobs:
        give_guard_home(scene, job)
        homes.setdefault(job.party, []).append(job.name)
    for party, names in homes.items():
        signers = [scene.guard_signer(name) for name in names]
        enrol = tuple(
            Enrolment("guard", signer.public_key, prove_possession(party, "guard", signer)) for signer in signers
        )
        await scene.speak(party, "keys", KeyRotation(1, None, enrol, ()), use="root")
    await asyncio.sleep(scene.coalition.terms.mirrors.settle_s)  # an enrolment permits, so it settles first


async def refuse_large_run(scene: Scene) -> None:
    """A run over the limit is declared like any other, and its guard refuses to start it."""
    job = scene.plan.jobs[0]
    marker = scene.folder / "too-large-has-run"
    guard = scene.processes.start(
        "guard too-large",
        [
            "detente", "guard", "--home", str(scene.guard_homes[job.name]), "--run", "too-large",
            "--planned-flop", "1.1e18", "--exit", "--",
            "python3", "-c", f"open({str(marker)!r}, 'w').write('it ran')",
        ],
    )  # fmt: skip
    code = await asyncio.to_thread(guard.wait, scene.patience(40))
    said = guard.tail(300)
    scene.check(
        "limits",
        f"a run of 1.1e18 FLOP is refused where the limit is {FLOP_LIMIT}",
        code not in {0, 75} and not marker.exists() and "too-large" in said,
        f"exit code {code}; the command was never started",
    )
    scene.denied(
        f"to start a run of 1.1e18 FLOP where the limit is {FLOP_LIMIT}", "the guard", ["too-large"], [{"text": said}]
    )
    scene.turn("a run over the FLOP limit is refused before it starts")


async def refuse_statements(scene: Scene) -> None:
    """A few statements that no node may take: altered, of a stranger, of a party that may not say this."""
    developer = scene.plan.developers[0]
    good = await scene.speak(
        developer, "facility", Facility(facility="annex", country="US", chips=1, peak_flop_s=Decimal("1e11"))
    )
    envelope = await scene.clients[developer].find_statement(good.statement)
    size = (await scene.clients[developer].health())["log"]["size"]
    signed = parse_envelope(envelope)
    first = signed.signatures[0]
    flipped = replace(first, sig=bytes([first.sig[0] ^ 1]) + first.sig[1:])
    altered = encode_envelope(replace(signed, signatures=(flipped,)))
    tries: list[tuple[str, bytes]] = [
        ("to file a statement with an altered signature", altered),
        ("to file a statement with a member named twice", envelope.replace(b"{", b'{"payloadType":"x",', 1)),
        ("to file a body of 70,000 bytes", envelope + b" " * 70_000),
    ]
    for tried, body in tries:
        try:
            await scene.clients[developer].submit(body, witnessed=False)
        except Refused as refused:
            scene.refused(tried, f"the node of {developer}", refused)
        else:
            scene.check("bad input", tried, ok=False, detail="it was taken")
    after = (await scene.clients[developer].health())["log"]["size"]
    scene.check("bad input", "what was refused left the log as it was", size == after, f"{after} entries")
