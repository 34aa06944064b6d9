"""What a guard needs before it can ask: home, keys, terms, the issuers it trusts, and a way to reach them.

Decides whether a home is reached through a node that is being served or by opening its store, and what a run's
declaration says. Leaves out making a home (``app.init``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from detente.accord.terms import Terms, parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app.config import Config, find_home, load_config
from detente.app.direct import DirectChannel
from detente.app.guarding import Channel, GuardSession, Leave
from detente.app.petition import Speaker
from detente.base.digest import parse_digest
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.identity import Party
from detente.base.quantity import parse_decimal
from detente.base.visible import visible
from detente.guard.trust import IssuerTrust, trust_of
from detente.statement.run import Run

PROBE_S = 1.0
ASK_AGAIN_S = 0.3
"""A run that was just declared is not yet known to every issuer: ask again soon, at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """One party's guard on this machine. ``served`` is the URL of its node, or empty when the store is opened directly."""

    config: Config
    terms: Terms
    trust: IssuerTrust
    speaker: Speaker
    clock: SystemClock
    served: str

    @property
    def home(self) -> Path:
        return self.config.home

    @property
    def party(self) -> Party:
        return self.speaker.party

    def channel(self) -> Channel:
        """A way to the issuers, for the loop that is running."""
        if not self.served:
            return DirectChannel(self.config)
        urls = {**self.config.peers, self.config.party: self.served}
        return HttpChannel(self.served, {party: urls[party] for party in self.terms.mirrors.parties if party in urls})


async def open_outfit(home: str | Path | None = None, *, party: Party | None = None) -> Outfit:
    """Read the home; raises ``Unavailable`` where there is none, ``Refused`` N01, N02, C01, C02.

    1. The configuration and the founding terms, whose digest is the accord that was pinned.
    2. The guard's key.
    3. A node of this accord that is being served, else, where the terms are self-witnessed, the store itself.
    """
    config = load_config(find_home(home))  # 1
    terms = parse_terms(config.read_terms())
    clock = SystemClock()
    who = party or config.party
    speaker = Speaker(
        accord=config.accord,
        terms_version=terms.version,
        party=who,
        signer=config.signer("guard", who),  # 2
        wall=clock.now,
    )
    served = await find_served(config)  # 3
    if not served and not terms.mirrors.self_witnessed:
        raise Unavailable(
            f"no node of this accord answers at {config.node_url}; start it with `detente node serve`, "
            "or correct `url` in config.toml"
        )
    return Outfit(
        config=config,
        terms=terms,
        trust=trust_of(config.accord, terms),
        speaker=speaker,
        clock=clock,
        served=served,
    )


async def find_served(config: Config) -> str:
    """The URL of this home's node if one of this accord answers there, else the empty string."""
    client = NodeClient(config.node_url, answer_s=PROBE_S)
    try:
        said = await client.health()
    except (Unavailable, Refused):
        return ""
    finally:
        await client.close()
    return client.url if said.get("accord") == config.accord and said.get("party") == config.party else ""


def declared_run(
    name: str,
    *,
    activity: Literal["training", "self_improvement"],
    plan: str | Decimal | None,
    parents: Iterable[str] = (),
    proposal: str | None = None,
    observe: bool = False,
) -> Run:
    """What the declaration of a run says; raises ``Misuse`` without a plan, unless it is only observed."""
    if plan is None and not observe:
        raise Misuse("say how many FLOP the run plans, such as planned_flop 1e18: limits are checked against it")
    return Run(
        run=name,
        activity=activity,
        planned_flop=planned_flop(plan),
        parents=tuple(parse_digest(parent) for parent in parents),
        data=(),
        proposal=None if proposal is None else parse_digest(proposal),
    )


def planned_flop(plan: str | Decimal | None) -> Decimal:
    """The plan as a decimal; 0 where there is none, which only observing allows."""
    return plan if isinstance(plan, Decimal) else parse_decimal(plan or "0")


async def first_leave(
    session: GuardSession, *, wait_s: float, patient: bool, say: Callable[[str], None] = lambda _line: None
) -> Leave:
    """The first leave. Raises ``Refused`` G43 with what holds it, ``Unavailable`` when nobody answered in ``wait_s``.

    ``patient`` waits without end for a denial to pass. A run that the issuers do not know yet is waited for.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    told: tuple[str, ...] = ()
    while not (leave := session.leave).given:
        if leave.held_by and leave.held_by != told and leave.held_by not in {("declaration",), ("no answer",)}:
            told = leave.held_by
            if not patient:
                raise denied(leave)
            say(f"waiting: {shown_reasons(leave)}")
        if not told and loop.time() > deadline:
            if leave.held_by == ("declaration",):
                raise denied(leave)
            raise Unavailable(f"no permit within {wait_s:.0f} s: {shown_reasons(leave) or 'no issuer answered'}")
        try:
            async with asyncio.timeout(ASK_AGAIN_S):
                await session.wait_change()
        except TimeoutError:
            if not told:
                session.ask_now()
    return leave


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed, else asyncio's own (``None``, as ``asyncio.Runner`` takes it)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def denied(leave: Leave) -> Refused:
    """G43: no permit, and why."""
    return Refused(
        "G43",
        "held",
        got=f"no permit: {shown_reasons(leave)}",
        expected="a permit of the issuers that the terms name",
        todo="`detente status --why` shows what holds it and who can change that",
    )


def shown_reasons(leave: Leave) -> str:
    """Why there is no leave, in one line; what issuers say with its marks shown, since it is another party's text."""
    said = "; ".join(dict.fromkeys(reason.text for reason in leave.reasons))
    return visible(said or ", ".join(leave.held_by))
