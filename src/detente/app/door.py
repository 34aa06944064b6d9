"""One's own node, however it is to be reached: served over HTTP, or its store opened for the moment of a call.

Decides which of the two. Both answer with the same values, so that a command need not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.accord.explain import explain
from detente.accord.hold_showing import said_on
from detente.accord.oversight import oversight
from detente.accord.status import proposals_waiting
from detente.accord.terms import Terms, parse_terms
from detente.adapters.client import NodeClient, Receipt, blob_leave
from detente.adapters.clock import SystemClock
from detente.adapters.ssh_signing import read_security_key, sign_by_ssh
from detente.app.config import Config, find_home, load_config
from detente.app.direct import whole, with_node
from detente.app.node import Node
from detente.app.outfit import find_served
from detente.app.petition import Speaker
from detente.app.review_notes import ERASE, NAMESPACE, READ, asserted_leave, review_leave, review_message
from detente.app.waiting import times_of, waiting_for
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.identity import Party, parse_party
from detente.statement.assertion import SshAssertion
from detente.statement.envelope import parse_envelope
from detente.statement.signing import Signer
from detente.statement.statement import Statement, parse_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A home's node. ``served`` is its URL, or empty when the store is opened directly."""

    config: Config
    terms: Terms
    served: str

    def voices(self) -> tuple[Party, ...]:
        """The parties whose statement keys lie in this home, its own first."""
        return tuple(p for p in (self.config.party, *self.config.parties) if self.config.has_key("statement", p))

    def speaker(self, party: str | None = None) -> Speaker:
        """Whoever speaks with a statement key of this home: its party, or another one of the same organisation."""
        who = self.config.party if party is None else parse_party(party)
        if not self.config.has_key("statement", who):
            raise Misuse(
                f"this home has no statement key of {who}; it has those of: {', '.join(self.voices()) or 'nobody'}"
            )
        return Speaker(
            accord=self.config.accord,
            terms_version=self.terms.version,
            party=who,
            signer=self.config.signer("statement", who),
            wall=SystemClock().now,
        )

    async def submit(self, envelope: bytes) -> Receipt:
        """File a statement; returns when the node has it durably."""
        return (await self.submit_all([envelope]))[0]

    async def submit_all(self, envelopes: Sequence[bytes]) -> list[Receipt]:
        """File statements side by side, which costs hardly more than one; the first that is refused is raised."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _submitted(node.submit, envelopes))
        client = NodeClient(self.served)
        try:
            return await _submitted(client.submit, envelopes)
        finally:
            await client.close()

    async def store_blob(self, data: bytes, signer: Signer) -> Digest:
        """Keep larger evidence at the node, in the name of a statement key; raises ``Refused`` N18, N19, N33, C10, C31."""
        digest = sha256_hex(data)
        if not self.served:
            leave = blob_leave(digest, signer)
            await with_node(self.config.home, lambda node: node.receive_blob(digest, leave, whole(data)))
            return digest
        client = NodeClient(self.served)
        try:
            return await client.store_blob(data, signer)
        finally:
            await client.close()

    async def status(self, *, why: bool = False) -> dict[str, Any]:
        """The status as JSON; with ``why`` the reasons, most restrictive first."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _status(node, why=why))
        client = NodeClient(self.served)
        try:
            return await client.status(why=why)
        finally:
            await client.close()

    async def proposals(self) -> list[dict[str, Any]]:
        """The proposals that are held at a hold point, with what each lacks and its times: those that wait, then those that lapsed."""
        if not self.served:
            return await with_node(self.config.home, _proposals)
        client = NodeClient(self.served)
        try:
            said = await client.proposals()
        finally:
            await client.close()
        lists = (said.get(name, []) for name in ("proposals", "lapsed"))
        return [each for listed in lists if isinstance(listed, list) for each in listed if isinstance(each, dict)]

    async def times(self, proposal: Digest) -> dict[str, Any]:
        """Until when a proposal is approved, by when it must be, that it lapsed, and to whom it was escalated."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _times(node, proposal))
        client = NodeClient(self.served)
        try:
            said = (await client.proposal(proposal)).get("times", {})
        finally:
            await client.close()
        return said if isinstance(said, dict) else {}

    async def decisions(self, proposal: Digest) -> list[dict[str, Any]]:
        """Every decision on a proposal, the latest last, by what authenticator, and whether it stands."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _decisions(node, proposal))
        client = NodeClient(self.served)
        try:
            said = (await client.proposal(proposal)).get("decisions", [])
        finally:
            await client.close()
        return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []

    async def envelope(self, statement: Digest) -> bytes:
        """A statement's envelope; raises ``Refused`` (not-found)."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _envelope(node, statement))
        client = NodeClient(self.served)
        try:
            return await client.find_statement(statement)
        finally:
            await client.close()

    async def has_blob(self, digest: Digest) -> bool:
        """Does the node give anybody the bytes of this digest?"""
        if not self.served:
            return await with_node(self.config.home, lambda node: _has_blob(node, digest))
        client = NodeClient(self.served)
        try:
            await client.find_blob(digest, most=self.config.limits.blob_bytes)
        except Refused:
            return False
        finally:
            await client.close()
        return True

    async def change(self, change: Digest) -> dict[str, Any]:
        """Who put a change, and what was decided on it."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _change(node, change))
        client = NodeClient(self.served)
        try:
            return await client.change(change)
        finally:
            await client.close()

    async def waiting(self, organisation: str | None = None) -> list[dict[str, Any]]:
        """What waits at a hold point, for one organisation's reviewers or for anybody, the longest first."""
        if not self.served:
            party = None if organisation is None else parse_party(organisation)
            return await with_node(self.config.home, lambda node: _waiting(node, party))
        client = NodeClient(self.served)
        try:
            said = (await client.waiting(organisation)).get("waiting", [])
        finally:
            await client.close()
        return [each for each in said if isinstance(each, dict)]

    async def screening(self) -> dict[str, Any]:
        """What seeded changes have shown so far, of all reviewers together."""
        if not self.served:
            return await with_node(self.config.home, _screening)
        client = NodeClient(self.served)
        try:
            return await client.screening()
        finally:
            await client.close()

    async def keep_note(self, note: bytes) -> Digest:
        """Keep a decision's note in the node's erasable storage; returns its salted digest. Raises ``Refused`` Z01, Z02, Z06, Z07."""
        if not self.served:
            return await with_node(
                self.config.home, lambda node: node.review_notes.keep(note, kind="application/json", address="local")
            )
        client = NodeClient(self.served)
        try:
            return await client.keep_note(note)
        finally:
            await client.close()

    async def review(self, organisation: Party, reviewer: str, hand: Signer | Path) -> dict[str, Any]:
        """A reviewer's own decisions, notes and figures; ``hand`` signs, a path being a security key's. Raises ``Refused`` Z08 to Z10."""
        signed = self._leave(READ, organisation, reviewer, hand)
        if not self.served:
            return await with_node(self.config.home, lambda node: node.review(organisation, reviewer, signed))
        client = NodeClient(self.served)
        try:
            return await client.review(organisation, reviewer, signed)
        finally:
            await client.close()

    async def erase_note(self, note: Digest, organisation: Party, reviewer: str, hand: Signer | Path) -> None:
        """Erase a note of one's own decision; raises ``Refused`` Z03, Z08 to Z10."""
        signed = self._leave(ERASE, organisation, reviewer, hand, note)
        if not self.served:
            await with_node(
                self.config.home, lambda node: node.review_notes.erase(note, organisation, reviewer, signed)
            )
            return
        client = NodeClient(self.served)
        try:
            await client.erase_note(note, organisation, reviewer, signed)
        finally:
            await client.close()

    def _leave(
        self, domain: str, organisation: Party, reviewer: str, hand: Signer | Path, note: Digest | None = None
    ) -> str:
        at = SystemClock().now()
        if not isinstance(hand, Path):
            return review_leave(domain, organisation, reviewer, node=self.config.party, at=at, signer=hand, note=note)
        message = review_message(domain, organisation, reviewer, node=self.config.party, at=at, note=note)
        signature = sign_by_ssh(hand, message, NAMESPACE)
        return asserted_leave(SshAssertion("ssh-sk", read_security_key(hand).key, signature), at)

    async def statement(self, statement: Digest) -> Statement:
        """What a statement says, read from its envelope; raises ``Refused`` (not-found)."""
        if not self.served:
            return await with_node(self.config.home, lambda node: _statement(node, statement))
        client = NodeClient(self.served)
        try:
            return parse_statement(parse_envelope(await client.find_statement(statement)))
        finally:
            await client.close()


async def open_door(home: str | Path | None = None) -> Door:
    """The node of a home; raises ``Unavailable`` where there is none, ``Refused`` N01, N02."""
    config = load_config(find_home(home))
    terms = parse_terms(config.read_terms())
    served = await find_served(config)
    if not served and not config.store_path.exists():
        raise Unavailable(
            f"no node answers at {config.node_url} and {config.home} holds no store; run `detente node serve`"
        )
    return Door(config=config, terms=terms, served=served)


async def _submitted(submit: Callable[[bytes], Awaitable[Receipt]], envelopes: Sequence[bytes]) -> list[Receipt]:
    answers = await asyncio.gather(*map(submit, envelopes), return_exceptions=True)
    for answer in answers:  # all have ended: the node may close
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


async def _status(node: Node, *, why: bool) -> dict[str, Any]:
    status = node.status()
    said = {**status.as_json(), "oversight": [each.as_json() for each in oversight(node.state(), status.at)]}
    return {**said, "why": [reason.as_json() for reason in explain(status)]} if why else said


async def _decisions(node: Node, proposal: Digest) -> list[dict[str, Any]]:
    state, at = node.state(), node.clock.now()
    return [each.as_json() for each in said_on(state, proposal, state.terms_at(at), at)]


async def _times(node: Node, proposal: Digest) -> dict[str, Any]:
    return times_of(node.state(), proposal, node.clock.now())


async def _proposals(node: Node) -> list[dict[str, Any]]:
    state, at = node.state(), node.clock.now()
    found = [
        {"proposal": proposal, "party": party, "standing": standing.as_json(), "times": times_of(state, proposal, at)}
        for proposal, party, standing in proposals_waiting(state, at)
    ]
    return sorted(found, key=lambda each: each["times"]["lapsed_at"] is not None)


async def _statement(node: Node, statement: Digest) -> Statement:
    return parse_statement(parse_envelope(node.find_statement(statement).envelope))


async def _envelope(node: Node, statement: Digest) -> bytes:
    return node.find_statement(statement).envelope


async def _has_blob(node: Node, digest: Digest) -> bool:
    return node.blobs.has(digest)


async def _change(node: Node, change: Digest) -> dict[str, Any]:
    return node.change(change)


async def _screening(node: Node) -> dict[str, Any]:
    return node.screening()


async def _waiting(node: Node, organisation: Party | None) -> list[dict[str, Any]]:
    return [each.as_json() for each in waiting_for(node.state(), node.clock.now(), organisation)]
