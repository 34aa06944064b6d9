"""How soon a decision at a hold point reaches the guard that waits: from the reviewer's statement to the permit, with real nodes.

    python bench/decision_bench.py [--rounds 30] [--issuers 4]

Each round files a proposal, lets a guard wait for it for a while over HTTP, and files one approval. Two clocks start: when
the approval is sent, and when its node has said that a quorum has witnessed it, which is when it begins to count (these terms
let nothing settle; settling time comes on top, in whole seconds). Target, from the second: median at most 200 ms.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

import uvloop
from timing import machine

from detente.accord.terms import parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app.holding import await_decision, made_proposal, signed_approval
from detente.app.petition import Speaker
from detente.base.digest import Digest
from detente.base.quantity import parse_decimal
from detente.guard.intent import Intent
from detente.guard.trust import trust_of
from detente.statement.run import Run
from detente.testing.coalition import REVIEWER, Coalition
from detente.testing.loopback import Loopback

MEDIAN_MS = 200
FLOP = parse_decimal("1e18")


async def decided(nodes: Loopback, run: Digest, number: int, pause_s: float) -> tuple[float, float]:
    """One proposal from filing to permit: seconds from sending the approval, and from its being witnessed."""
    coalition = nodes.coalition
    developer, reviewing = coalition.developers[0], coalition.mirrors[0]
    terms = parse_terms(coalition.founding)
    body = made_proposal(
        b"change %d" % number, touches=["architecture"], summary="wider", proposed_by=("model", "m1"), run=run
    )
    proposal = (await nodes.submit(developer, "proposal", body)).statement
    channel = HttpChannel(nodes.url(developer), {party: nodes.url(party) for party in coalition.mirrors})
    ended: list[float] = []

    async def wait() -> None:
        await await_decision(
            intent=Intent(activity="self_improvement", party=developer, run=run, proposal=proposal, flop=FLOP),
            terms=terms.digest,
            trust=trust_of(coalition.accord, terms),
            signer=coalition.signer(developer, "guard"),
            channel=channel,
            clock=SystemClock(),
            timeout_s=None,
        )
        ended.append(time.monotonic())

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(pause_s)
    assert not waiting.done(), "a guard went on before anybody decided"
    _, envelope = signed_approval(
        proposal,
        "approve",
        reviewer=REVIEWER,
        reviewer_key=coalition.signer(reviewing, "reviewer"),
        speaker=Speaker(
            accord=coalition.accord,
            terms_version=1,
            party=reviewing,
            signer=coalition.signer(reviewing, "statement"),
            wall=SystemClock().now,
        ),
        same_host=False,
        significant="yes",
    )
    client = NodeClient(nodes.url(reviewing))
    await client.health()
    sent = time.monotonic()
    await client.submit(envelope)
    witnessed = time.monotonic()
    await waiting
    await asyncio.gather(client.close(), channel.close())
    return ended[0] - sent, ended[0] - witnessed


async def measure(nodes: Loopback, rounds: int) -> list[tuple[float, float]]:
    await nodes.accede()
    run = Run(run="loop", activity="self_improvement", planned_flop=FLOP, parents=(), data=())
    declared = (await nodes.submit(nodes.coalition.developers[0], "run", run)).statement
    chance = random.Random(1)
    return [await decided(nodes, declared, number, 1.0 + 2.0 * chance.random()) for number in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--issuers", type=int, nargs="*", default=[4])
    given = parser.parse_args()
    print(f"{machine()}; milliseconds")
    print(f"{'':20}{'':20}{'median':>9}{'p90':>9}{'most':>9}")
    for issuers in given.issuers:
        coalition = Coalition(seed=1, developers=1, mirrors=issuers, f=(issuers - 1) // 3, settle_s=0)
        with tempfile.TemporaryDirectory() as place, Loopback(Path(place) / "nodes", coalition) as nodes:
            found = uvloop.run(measure(nodes, given.rounds))
        for which, label in ((0, "from sending"), (1, "from the quorum")):
            ms = sorted(1_000 * each[which] for each in found)
            median = statistics.median(ms)
            met = "met" if median <= MEDIAN_MS else "MISSED"
            print(
                f"{issuers:>3} issuers          {label:20}{median:9.1f}{ms[int(len(ms) * 0.9)]:9.1f}{ms[-1]:9.1f}   {met}"
            )
    print(f"target from the quorum: median {MEDIAN_MS} ms")


if __name__ == "__main__":
    main()
