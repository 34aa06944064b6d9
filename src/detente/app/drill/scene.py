"""The stage of a drill: every party's processes and clients, the record, and the few ways the story acts on them.

Decides how a party speaks (a signed statement to its own node, over HTTP) and how the story waits: by asking the
nodes, never by trusting that enough time has passed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detente.adapters.client import NodeClient, Receipt
from detente.adapters.clock import SystemClock
from detente.adapters.keys import read_key
from detente.app.drill.coalition import Coalition
from detente.app.drill.network import LOOPBACK, Network
from detente.app.drill.pace import PATIENCE
from detente.app.drill.plan import Plan, PlannedJob
from detente.app.drill.processes import Processes, Running
from detente.app.drill.record import Event, Record, RefusalSeen
from detente.base.digest import Digest
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.kinds import Kind, Use
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Body, Header, make_payload

POLL_S = 0.1
Tell = Callable[[str], None]
"""Called with one line for each turn of the story; the command line prints it."""


class StoryEnded(Exception):
    """A check failed that nothing later makes sense without."""


class Scene:
    """Everything that is running, and what was seen so far."""

    def __init__(
        self, *, plan: Plan, coalition: Coalition, folder: Path, network: Network, record: Record, tell: Tell
    ) -> None:
        self.plan = plan
        self.coalition = coalition
        self.folder = folder
        self.network = network
        self.record = record
        self.processes = Processes(folder / "output")
        self.nodes: dict[Party, Running] = {}
        self.jobs: dict[str, Running] = {}
        self.runs: dict[str, Digest] = {}
        self.guard_homes: dict[str, Path] = {}
        self.links: dict[tuple[Party, Party], int] = {}
        self.watches: list[tuple[PlannedJob, asyncio.Task[float | None]]] = []
        self.clients = {party: NodeClient(f"http://{LOOPBACK}:{seat.port}") for party, seat in coalition.seats.items()}
        self._tell = tell
        self._began = time.monotonic()

    def patience(self, quiet_s: float) -> float:
        """How long to wait for what takes at most ``quiet_s`` seconds on a quiet machine."""
        return quiet_s * PATIENCE * self.plan.strain

    @property
    def release(self) -> Path:
        """Once this file is there, jobs run at their full speed: the story no longer needs them to be at it."""
        return self.folder / "release"

    def now(self) -> float:
        """Seconds since the drill began."""
        return time.monotonic() - self._began

    def tell(self, text: str) -> None:
        """One line for whoever watches."""
        self._tell(f"{self.now():6.1f} s  {text}")

    def turn(self, text: str) -> None:
        """A numbered turn of the story."""
        self.record.events.append(Event(round(self.now(), 3), text, "", major=True))
        self.tell(text)

    def mark(self, lane: str, text: str) -> None:
        """Something small on one lane."""
        self.record.events.append(Event(round(self.now(), 3), text, lane))

    def check(self, stage: str, title: str, ok: object, detail: str = "", *, needed: bool = False) -> bool:
        """Assert one line of the story. ``needed``: nothing later makes sense without it."""
        held = bool(ok)
        self.record.check(stage, title, ok=held, detail=detail, at_s=round(self.now(), 3))
        self.tell(f"{'held  ' if held else 'FAILED'}  {title}{f': {detail}' if detail else ''}")
        if needed and not held:
            raise StoryEnded(title)
        return held

    def refused(self, tried: str, by: str, refusal: Refused) -> None:
        """Write down one refusal in its own words."""
        self.record.refusals.append(RefusalSeen(tried, by, refusal.rule, refusal.kind, str(refusal)))

    def denied(self, tried: str, by: str, held_by: Sequence[str], reasons: Sequence[Mapping[str, Any]]) -> None:
        """Write down one denial: not an error but a decision, so it has reasons instead of a rule."""
        why = "; ".join(str(reason.get("text", "")) for reason in reasons) or "no reason given"
        self.record.refusals.append(RefusalSeen(tried, by, ", ".join(held_by) or "denied", "decision", why))

    # Speaking

    def header(self, party: Party) -> Header:
        """A fresh header of a statement by ``party``."""
        return Header(
            accord=self.coalition.accord,
            terms=self.coalition.terms.version,
            party=party,
            nonce=secrets.token_hex(16),
            made_at=SystemClock().now(),
        )

    async def speak(
        self,
        party: str,
        kind: Kind,
        body: Body,
        *,
        use: Use = "statement",
        through: str | None = None,
        header: Header | None = None,
        witnessed: bool = True,
    ) -> Receipt:
        """``party`` signs a statement and files it with its own node, or ``through`` another party's.

        Any log of the accord carries any party's statement, so nobody whose own log is down is mute.
        """
        seat = self.coalition.seat(party)
        payload = make_payload(kind, header or self.header(seat.party), (), body)
        envelope = encode_envelope(sign_payload(payload, seat.keys[use]))
        began = time.monotonic()
        receipt = await self.clients[Party(through or party)].submit(envelope, witnessed=witnessed)
        if witnessed and receipt.witnessed:
            self.record.took("statement sent → witnessed by a quorum", time.monotonic() - began)
        return receipt

    # Asking

    async def status(self, party: str) -> dict[str, Any]:
        """What one party's node holds to be so."""
        return await self.clients[Party(party)].status(why=True)

    async def decide(self, party: str, intent: Mapping[str, Any]) -> dict[str, Any]:
        """What one party's node would decide; every member that is not given is null."""
        members = ("activity", "party", "run", "proposal", "version", "facility", "flop", "on_behalf_of")
        return await self.clients[Party(party)].decide({name: intent.get(name) for name in members})

    async def until(
        self, what: str, condition: Callable[[], Awaitable[object]], *, within_s: float, needed: bool = True
    ) -> bool:
        """Ask again and again until ``condition`` holds; a node that cannot answer yet is asked again.

        ``within_s``: seconds on a quiet machine; it is waited for with patience.
        """
        within_s = self.patience(within_s)
        deadline = time.monotonic() + within_s
        while True:
            try:
                if await condition():
                    return True
            except (Unavailable, Refused):
                pass
            if time.monotonic() >= deadline:
                if needed:
                    self.check("waiting", what, ok=False, detail=f"not within {within_s:.0f} s", needed=True)
                return False
            await asyncio.sleep(POLL_S)

    async def everywhere(self, parties: Sequence[str], condition: Callable[[dict[str, Any]], object]) -> bool:
        """Does the condition hold in the status of every one of these nodes?"""
        return all([condition(await self.status(party)) for party in parties])

    # The network as each party sees it

    def ports_seen_by(self, party: Party) -> dict[Party, int]:
        """For each other party the port by which ``party`` reaches its node: a link where one is drawn."""
        return {other: self.links.get((party, other), seat.port) for other, seat in self.coalition.seats.items()}

    def guard_signer(self, name: str) -> SoftwareSigner:
        """The key of a job's guard."""
        return read_key(self.guard_homes[name] / "keys" / "guard.key")

    async def close(self) -> None:
        """Close clients, then processes, then the network."""
        for _, watch in self.watches:
            watch.cancel()
        for client in self.clients.values():
            await client.close()
        self.processes.end_all()
        self.network.close()


def pauses_of(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pauses in a status, slowdowns left out."""
    return [pause for pause in status.get("pauses", []) if pause["effect"] == "pause"]


def halt_of(status: Mapping[str, Any], run: str) -> str:
    """How a run stands under the present pauses: running, declared, confirmed, overdue, or nothing said."""
    return next((str(halt["state"]) for halt in status.get("halts", []) if halt["run"] == run), "")
