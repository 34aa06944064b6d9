"""The drill tries to get round the pause: permits that must be refused, a lying mirror, a silent issuer, too few votes."""

from __future__ import annotations

import asyncio
import signal
import time
from decimal import Decimal

from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app.drill.network import LOOPBACK
from detente.app.drill.opening import start_node
from detente.app.drill.permit_attacks import attacks_on, fetch_permit, refusal_of
from detente.app.drill.plan import PlannedJob
from detente.app.drill.scene import Scene, StoryEnded, pauses_of
from detente.app.guarding import Denied
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.guard.intent import Intent
from detente.guard.permit import VerifiedPermit
from detente.guard.trust import trust_of
from detente.statement.vote import Vote

LIAR: Party = Party("aud-2")
SILENT: Party = Party("auth-2")


async def ask_permit(scene: Scene, job: PlannedJob, *, activity: str = "training") -> VerifiedPermit | Denied:
    """Ask the issuers as the job's guard would, by the same two rounds."""
    seat, terms = scene.coalition.seats[job.party], scene.coalition.terms
    channel = HttpChannel(
        f"http://{LOOPBACK}:{seat.port}",
        {party: f"http://{LOOPBACK}:{scene.coalition.seats[party].port}" for party in scene.plan.mirrors},
    )
    intent = (
        Intent(activity="deployment", party=job.party, version=Digest("d" * 64))
        if activity == "deployment"
        else Intent(activity="training", party=job.party, run=scene.runs[job.name], flop=Decimal("1e13"))
    )
    try:
        return await fetch_permit(
            intent=intent,
            trust=trust_of(scene.coalition.accord, terms),
            terms=terms.digest,
            signer=scene.guard_signer(job.name),
            channel=channel,
        )
    finally:
        await channel.close()


def probe(scene: Scene) -> PlannedJob:
    """The job in whose guard's name permits are tried: an honest one that hears everything."""
    return scene.plan.jobs_of(scene.plan.bypasser)[0]


async def take_genuine_permit(scene: Scene) -> VerifiedPermit:
    """A genuine permit, taken in calm, that the attacks of later start from."""
    permit = await ask_permit(scene, probe(scene))
    if isinstance(permit, Denied):
        scene.check("permits", "in calm a permit is given", ok=False, detail=str(permit.held_by))
        raise StoryEnded("no permit in calm")
    scene.check(
        "permits", "in calm three of four issuers sign one permit", len(permit.issuers) == 3, ", ".join(permit.issuers)
    )
    return permit


async def refuse_permits(scene: Scene, genuine: VerifiedPermit) -> None:
    """Each attack on a permit is refused by the rule that is there for it; an honest asking is denied with reasons."""
    job = probe(scene)
    others = [each for each in scene.plan.jobs_of(job.party) if each is not job]
    attacks = attacks_on(
        genuine,
        trust=trust_of(scene.coalition.accord, scene.coalition.terms),
        other_guard=scene.guard_signer(others[0].name).public_key,
        other_run=scene.runs[others[0].name],
    )
    for attack in attacks:
        refused = refusal_of(attack)
        if refused is not None:
            scene.refused(attack.name, "a guard", refused)
        scene.check(
            "permits",
            f"{attack.name} is refused",
            refused is not None and refused.rule == attack.rule,
            "it was believed" if refused is None else f"{refused.rule} {refused.kind}",
        )
    answer = await ask_permit(scene, job)
    denied = isinstance(answer, Denied)
    scene.check("permits", "an honest asking under the pause is denied", denied)
    if isinstance(answer, Denied):
        scene.denied(
            "to train under the pause",
            f"{len(answer.deniers)} issuers",
            answer.held_by,
            [reason.as_json() for reason in answer.reasons],
        )
    scene.turn(f"{len(attacks)} forged, replayed, copied, expired, wrong-scope and stale permits are refused")


async def lying_mirror(scene: Scene) -> None:
    """One mirror is replaced by a liar that signs every permit on old heads: nothing changes."""
    seat, node = scene.coalition.seats[LIAR], scene.nodes[LIAR]
    before = {party: len(pauses_of(await scene.status(party))) for party in scene.plan.mirrors if party != LIAR}
    node.signal(signal.SIGTERM)
    await asyncio.to_thread(node.wait, scene.patience(15))
    liar = scene.processes.start(
        f"liar {LIAR}", ["detente.testing.lying_node", "--home", str(seat.home), "--port", str(seat.port)]
    )
    scene.record.turn(LIAR, "lying", at_s=scene.now(), text="signs every permit, offers old heads, denies nothing")
    await scene.until("the liar answers", scene.clients[LIAR].health, within_s=15.0)
    answer = await ask_permit(scene, probe(scene))
    scene.check(
        "liars",
        "with one issuer that signs anything, there is still no permit under the pause",
        isinstance(answer, Denied),
        f"denied by {', '.join(answer.deniers)}" if isinstance(answer, Denied) else "a permit was given",
    )
    after = {party: len(pauses_of(await scene.status(party))) for party in before}
    scene.check("liars", "the honest nodes' state does not move", before == after, f"{after}")
    lie = (scene.folder / "output" / f"liar-{LIAR}.log").read_text()
    scene.check(
        "liars", "the liar really lied", "lied: " in lie, lie.strip().splitlines()[-1][:120] if lie.strip() else ""
    )
    liar.signal(signal.SIGTERM)
    await asyncio.to_thread(liar.wait, scene.patience(10))
    start_node(scene, LIAR)
    await scene.until(f"the node of {LIAR} answers again", scene.clients[LIAR].health, within_s=20.0)
    scene.record.turn(LIAR, "up", at_s=scene.now(), text="honest again")
    scene.turn("a lying mirror changes nothing")


async def silent_issuer(scene: Scene) -> None:
    """One issuer stops answering: what is allowed is still permitted by the other three, what is not is not."""
    node = scene.nodes[SILENT]
    node.signal(signal.SIGSTOP)
    scene.record.turn(SILENT, "silent", at_s=scene.now(), text="stopped; answers nobody")
    try:
        began = time.monotonic()
        allowed = await ask_permit(scene, probe(scene), activity="deployment")
        took = time.monotonic() - began
        scene.check(
            "liars",
            "with one issuer silent, what the pause does not cover is still permitted by the other three",
            isinstance(allowed, VerifiedPermit),
            f"in {took:.2f} s, by {', '.join(allowed.issuers)}"
            if isinstance(allowed, VerifiedPermit)
            else str(allowed),
        )
        denied = await ask_permit(scene, probe(scene))
        scene.check("liars", "with one issuer silent, training is still denied", isinstance(denied, Denied))
    finally:
        node.signal(signal.SIGCONT)
    await scene.until(f"the node of {SILENT} answers again", scene.clients[SILENT].health, within_s=20.0)
    scene.record.turn(SILENT, "up", at_s=scene.now(), text="answers again")
    scene.turn("a silent issuer changes nothing")


async def vote_lift(scene: Scene, party: str) -> None:
    """One party votes to lift the pause, in its own log and, for the quorum, in a developer's as well."""
    status = await scene.status(party)
    for pause in pauses_of(status):
        vote = Vote(
            choice="lift",
            trigger=str(pause["trigger"]),
            round=int(pause["round"]),
            scope=Party(pause["scope"]),
            expires_at=Instant(SystemClock().now() + 600),
        )
        await scene.speak(party, "vote", vote, through=scene.plan.developers[0])


async def lift_by_too_few(scene: Scene) -> None:
    """One auditor and one authority ask for a lift: the terms ask for two authorities."""
    for party in ("aud-1", "auth-1"):
        await vote_lift(scene, party)
    await asyncio.sleep(scene.coalition.terms.mirrors.settle_s + 2.0)
    status = await scene.status("auth-2")
    pauses = pauses_of(status)
    scene.check(
        "lift",
        "a lift by one auditor and one authority is not enough",
        bool(pauses),
        "; ".join(str(pause["lift"]["missing"]) for pause in pauses)[:160],
    )
    answer = await ask_permit(scene, probe(scene))
    scene.check("lift", "after it, there is still no permit", isinstance(answer, Denied))
    if pauses:
        missing = [{"text": f"missing: {pause['lift']['missing']}"} for pause in pauses]
        scene.denied("to lift with one auditor and one authority", "the terms", ["lift"], missing)
    scene.turn("a lift by too few changes nothing")
