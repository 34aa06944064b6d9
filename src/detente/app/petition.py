"""What a guard files in its own name: the run, that it halted, that it went on, versions and proposals.

Decides how such a statement is made, signed and kept until a node has it. Leaves out what it should say (the caller)
and whether it counts (``accord``).

Rules:

* A statement is durable in the run's outbox before anybody tries to deliver it, and leaves it only when a node has
  taken it, or has refused it for good. So a halt during a network failure is filed when the network is back.
* A disk that refuses makes nobody mute: what cannot be kept on it is kept in memory, and sent for as long as the guard
  lives. Only a declaration has to be durable, since it starts something.
* They are delivered in the order of their making: a ``resumed`` never overtakes its ``halted``.
* ``made_at`` is this machine's clock and only a claim; nothing is decided by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from detente.adapters.rundir import RunFolder
from detente.base.digest import Digest
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.envelope import encode_envelope, parse_envelope, sign_payload, statement_id
from detente.statement.kinds import Kind
from detente.statement.run import Run
from detente.statement.signing import Signer
from detente.statement.statement import Body, Header, Statement, make_payload, parse_statement

RETRY_FIRST_S, RETRY_MOST_S = 0.2, 30.0
DECLARATION = "run.json"


class Submit(Protocol):
    """The part of a channel that takes statements."""

    async def submit(self, envelope: bytes) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """In whose name, under which accord and terms version, and with which key."""

    accord: Digest
    terms_version: int
    party: Party
    signer: Signer
    wall: Callable[[], Instant]

    def state(self, kind: Kind, body: Body, *, nonce: str | None = None) -> tuple[Digest, bytes]:
        """Sign one statement, under a nonce of its own unless one is given; returns its id and its envelope."""
        header = Header(
            accord=self.accord,
            terms=self.terms_version,
            party=self.party,
            nonce=nonce or secrets.token_hex(16),
            made_at=self.wall(),
        )
        envelope = sign_payload(make_payload(kind, header, (), body), self.signer)
        return statement_id(envelope), encode_envelope(envelope)


class Petitioner:
    """Files one run's statements through its outbox."""

    def __init__(self, speaker: Speaker, folder: RunFolder, channel: Submit) -> None:
        self._speaker = speaker
        self._folder = folder
        self._channel = channel
        self._delivering = asyncio.Lock()
        self._unkept: list[bytes] = []
        self._prepared: Kind | None = None
        self.trouble = ""
        self.refused: list[tuple[Path, Refused]] = []

    def post(self, kind: Kind, body: Body) -> Digest:
        """Sign and keep; ``deliver`` sends. Returns the statement's id. For a caller without a loop."""
        made, envelope = self._speaker.state(kind, body)
        try:
            self._folder.post(envelope, reserved=kind == self._prepared)
        except (Unavailable, OSError) as error:
            self.trouble = str(error)
            self._unkept.append(envelope)
        return made

    def prepare(self, kind: Kind, body: Body) -> str:
        """Make such a statement for nobody, and a durable place for the next of its kind: when it is due, time is short.

        What is done for the first time, and a new file, would be a third of the time that a loop takes to stop; and the disk
        may be full by then. Returns why no place could be made, or nothing: such a statement is kept in memory.
        """
        self._speaker.state(kind, body)
        self._prepared = kind
        try:
            self._folder.reserve()
        except Unavailable as error:
            return str(error)
        return ""

    async def file(self, kind: Kind, body: Body, *, within_s: float) -> Digest:
        """Sign, keep, and try to deliver for at most ``within_s``; what could not be sent stays in the outbox."""
        made = await asyncio.to_thread(self.post, kind, body)
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(within_s):
                await self.deliver()
        return made

    async def deliver(self) -> None:
        """Send what waits, oldest first; raises ``Unavailable`` at the first that cannot be sent now.

        A statement that the node refuses for good is set aside (``.refused``) and kept, so that it blocks nobody. Whoever would say the same
        again says it anew: with a clock that was a day ahead nothing that was signed then is ever taken.
        """
        async with self._delivering:
            for path, envelope in list(self._folder.posted()):
                try:
                    await self._channel.submit(envelope)
                except Refused as refused:
                    if refused.kind in {"rate", "full", "busy"}:
                        raise Unavailable(str(refused)) from None
                    self.refused.append((path, refused))
                    self._folder.forget(envelope)
                    path.rename(path.with_suffix(".refused"))
                    continue
                path.unlink(missing_ok=True)
            while self._unkept:
                try:
                    await self._channel.submit(self._unkept[0])
                except Refused as refused:
                    if refused.kind in {"rate", "full", "busy"}:
                        raise Unavailable(str(refused)) from None
                    self.trouble = str(refused)
                del self._unkept[0]

    async def keep_delivering(self) -> None:
        """Deliver whatever waits, again and again, until cancelled."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                await self.deliver()
                wait_s = RETRY_FIRST_S
            except (Unavailable, OSError):
                wait_s = min(wait_s * 2, RETRY_MOST_S)
            await asyncio.sleep(wait_s if wait_s > RETRY_FIRST_S else 1.0)

    @property
    def waiting(self) -> int:
        """How many statements no node has taken yet."""
        return sum(1 for _ in self._folder.posted()) + len(self._unkept)

    def declare(self, run: Run) -> tuple[Digest, bool]:
        """The run's id: that of the declaration already made, if it says the same, else of a new one (and true).

        A job that restarts is the same run: its FLOP and its halts belong together.
        """
        kept = self._folder.read(DECLARATION, 65_536)
        if kept is not None:
            said = parse_statement(parse_envelope(kept))
            if _same(said, run, self._speaker):
                return said.id, False
        made, envelope = self._speaker.state("run", run)
        self._folder.post(envelope)
        self._folder.store(DECLARATION, envelope)
        return made, True


def _same(said: Statement, run: Run, speaker: Speaker) -> bool:
    return said.body == run and said.header.accord == speaker.accord and said.header.party == speaker.party
