"""A coalition of real node processes on this machine: ``detente node serve`` for every party, over loopback.

Decides homes, ports and the life of the processes. Leaves out what parties say (the caller states it) and everything
simulated (``world``). For integration tests and benches: it opens sockets and takes a second to come up.

The keys are those of a ``Coalition``, from its seed, and of no use for anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from detente.adapters.client import NodeClient, Receipt
from detente.adapters.clock import SystemClock
from detente.adapters.keys import store_key
from detente.app.config import Config, Limits, store_config
from detente.base.errors import DetenteError, Unavailable
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.accession import Accession
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.kinds import Kind, Use
from detente.statement.statement import Body, Header, make_payload
from detente.statement.vote import Vote, VoteChoice
from detente.testing.coalition import Coalition

COMMAND = "from detente.cli import main; main()"
"""What the script `detente` does, without needing it on PATH."""
START_MAX_S = 30.0
STOP_MAX_S = 8.0
ROTATION_PAUSE_S = 1.1
"""Two rotations witnessed in one second fold by their ids, and the second may come first: then it has no effect."""
ENROLLED_AT_ONCE = 32
"""Keys in one rotation, ``spec/statement.md``."""


class Loopback:
    """Every party's node, served. Use as ``with Loopback(folder, coalition) as nodes``."""

    def __init__(self, folder: Path, coalition: Coalition, *, limits: Limits | None = None) -> None:
        self.coalition = coalition
        self.folder = folder
        self.limits = limits or Limits(address_s=100_000, key_s=10_000, guard_s=1_000, clients=4_000)
        self.ports: Mapping[Party, int] = dict(zip(coalition.parties, _free_ports(len(coalition.parties)), strict=True))
        self.processes: dict[Party, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for party in self.coalition.parties:
            self.prepare(party)
        try:
            for party in self.coalition.parties:
                self.start(party)
            asyncio.run(self._await_all())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def prepare(self, party: Party) -> None:
        """Make one party's home: its keys, the terms, its peers."""
        home = self.home(party)
        uses: list[Use] = ["statement", "log"]
        uses += ["mirror", "permit"] if party in self.coalition.mirrors else ["guard"]
        for use in uses:
            store_key(home / "keys" / f"{use}.key", self._seed(party, use))
        self._configure(home, party)

    def home(self, party: Party) -> Path:
        return self.folder / str(party)

    def url(self, party: Party) -> str:
        return f"http://127.0.0.1:{self.ports[party]}"

    def guard_home(self, party: Party, index: int) -> Path:
        """A home for the ``index``-th guard of a party: its own key, its party's node, no other key."""
        home = self.folder / "guards" / f"{party}-{index}"
        if not home.exists():
            store_key(home / "keys" / "guard.key", self._seed(party, "guard", index))
            self._configure(home, party)
        return home

    def start(self, party: Party) -> None:
        """Start one node; ``_await_all`` or a client's own patience waits for it."""
        log = (self.folder / f"{party}.log").open("ab")
        with log:
            self.processes[party] = subprocess.Popen(
                [sys.executable, "-c", COMMAND, "node", "serve", "--home", str(self.home(party))],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, party: Party, number: int) -> None:
        """Signal a node, SIGSTOP and SIGKILL included."""
        self.processes[party].send_signal(number)

    def stop(self) -> None:
        """End every node."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        deadline = time.monotonic() + STOP_MAX_S
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def now(self) -> Instant:
        """The wall clock of this machine."""
        return SystemClock().now()

    def signed(self, party: Party, kind: Kind, body: Body, *, use: Use = "statement") -> bytes:
        """A statement in a party's name, as an envelope."""
        coalition = self.coalition
        header = Header(accord=coalition.accord, terms=1, party=party, nonce=secrets.token_hex(16), made_at=self.now())
        return encode_envelope(sign_payload(make_payload(kind, header, (), body), coalition.signer(party, use)))

    async def submit(
        self,
        party: Party,
        kind: Kind,
        body: Body,
        *,
        use: Use = "statement",
        at: Party | None = None,
        witnessed: bool = True,
    ) -> Receipt:
        """Sign a statement in a party's name and file it at its node, or at that of ``at``."""
        envelope = self.signed(party, kind, body, use=use)
        client = NodeClient(self.url(at or party))
        try:
            return await client.submit(envelope, witnessed=witnessed)
        finally:
            await client.close()

    async def accede(self, *, within_s: float = 30.0) -> None:
        """Every developer accedes; returns when the first mirror sees the accord in force."""
        for party in self.coalition.developers:
            body = Accession(terms_digest=self.coalition.accord, conditions=())
            await self.submit(party, "accession", body, use="root")
        await self.until(self.coalition.mirrors[0], lambda said: said["phase"]["now"] == "in_force", within_s=within_s)

    async def enrol_guards(self, party: Party, count: int) -> None:
        """Enrol the guard keys from the second to the ``count``-th of a party, 32 at a time, as terms and rotations allow."""
        previous = None
        indices = range(1, count)
        for sequence, start in enumerate(range(0, len(indices), ENROLLED_AT_ONCE), start=1):
            enrol = []
            for index in indices[start : start + ENROLLED_AT_ONCE]:
                signer = self.coalition.signer(party, "guard", index)
                enrol.append(Enrolment("guard", signer.public_key, prove_possession(party, "guard", signer)))
            body = KeyRotation(sequence=sequence, previous=previous, enrol=tuple(enrol), revoke=())
            previous = (await self.submit(party, "keys", body, use="root")).statement
            await asyncio.sleep(ROTATION_PAUSE_S)
        await asyncio.sleep(self.coalition.settle_s + 1)

    async def vote(
        self,
        party: Party,
        choice: VoteChoice,
        trigger: str,
        round_: int,
        *,
        at: Party | None = None,
        witnessed: bool = True,
    ) -> Receipt:
        """One vote, for a day; ``witnessed`` waits for a quorum, else for the node's own disk only."""
        body = Vote(choice, trigger, round_, Party("all"), Instant(self.now() + 86_400))
        return await self.submit(party, "vote", body, at=at, witnessed=witnessed)

    async def until(self, party: Party, holds: Callable[[dict[str, Any]], bool], *, within_s: float = 30.0) -> None:
        """Wait until ``holds(status)`` at a party's node."""
        client = NodeClient(self.url(party))
        deadline = time.monotonic() + within_s
        try:
            while True:
                with contextlib.suppress(Unavailable):
                    if holds(await client.status()):
                        return
                if time.monotonic() > deadline:
                    raise Unavailable(f"{party}'s status did not come about within {within_s:.0f} s")
                await asyncio.sleep(0.05)
        finally:
            await client.close()

    async def _await_all(self) -> None:
        deadline = time.monotonic() + START_MAX_S
        for party in self.coalition.parties:
            client = NodeClient(self.url(party))
            try:
                while True:
                    with contextlib.suppress(DetenteError):
                        await client.health()
                        break
                    if self.processes[party].poll() is not None or time.monotonic() > deadline:
                        said = (self.folder / f"{party}.log").read_text("utf-8", "replace")[-2_000:]
                        raise Unavailable(f"the node of {party} did not come up: {said}")
                    await asyncio.sleep(0.05)
            finally:
                await client.close()

    def _configure(self, home: Path, party: Party) -> None:
        (home / "terms.yaml").write_bytes(self.coalition.founding)
        store_config(
            Config(
                home=home,
                party=party,
                accord=self.coalition.accord,
                port=self.ports[party],
                peers={other: self.url(other) for other in self.coalition.parties if other != party},
                limits=self.limits,
            )
        )

    def _seed(self, party: Party, use: Use, index: int = 0) -> bytes:
        return hashlib.sha256(f"{self.coalition.seed} {party} {use} {index}".encode()).digest()


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; all are held at once, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
