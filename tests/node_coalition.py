"""A coalition of nodes for tests, without sockets: keys, terms, homes, and HTTP inside the process."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.reading import read_terms
from detente.accord.terms import Terms, parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.keys import make_key
from detente.app.config import Config, Limits, store_config
from detente.app.node import Node, open_node
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.server.asgi import make_app
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.keys import prove_possession
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload
from detente.statement.vote import Vote

MIRRORS = ("aud-1", "aud-2", "auth-1", "auth-2")
TERMS = """\
accord: test
version: 1
parties:
  dev-a: {country: US, roles: [developer]}
  dev-b: {country: GB, roles: [developer]}
  aud-1: {country: CA, roles: [auditor, mirror, adjudicator]}
  aud-2: {country: JP, roles: [auditor, mirror]}
  auth-1: {country: US, roles: [authority, mirror, adjudicator]}
  auth-2: {country: CN, roles: [authority, mirror, adjudicator]}
mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}
entry_into_force: {when: {acceded: {role: developer, at_least: 1}}}
triggers:
  - id: call
    when: {votes: {of: [auditor, authority], at_least: 1}}
    then: pause
    scope: all
pause: {activities: [training, self_improvement], halt_within: 5 s, longest: 180 d}
lift: {votes: {auditor: 1, authority: 2}, veto_on_purpose: [auth-1, auth-2]}
slowdown: {rate: 10 %, of: registered_compute}
permits: {life: {calm: 60 s, alert: 10 s}}
withdrawal: {notice: 30 d, from_pause: never}
"""
NOW = 1_800_000_000


@dataclass
class Coalition:
    """Everybody's keys and home, below one folder."""

    folder: Path
    terms: Terms
    data: bytes
    keys: dict[Party, dict[str, SoftwareSigner]]
    ports: dict[Party, int] = field(default_factory=dict)

    @property
    def accord(self) -> Digest:
        return self.terms.digest

    def home(self, party: str) -> Path:
        return self.folder / party

    def vote(
        self, party: str, choice: str = "pause", *, use: str = "statement", round_: int = 0, trigger: str = "call"
    ) -> bytes:
        """A signed vote, in its envelope."""
        body = Vote(choice, trigger, round_, Party("all"), Instant(4_000_000_000))
        return self.say(party, "vote", body, use=use)

    def say(
        self, party: str, kind: str, body: object, *, use: str = "statement", made_at: int | None = None, terms: int = 1
    ) -> bytes:
        """Any statement, signed by a key of ``party``."""
        at = Instant(int(time.time()) if made_at is None else made_at)
        header = Header(accord=self.accord, terms=terms, party=Party(party), nonce=secrets.token_hex(16), made_at=at)
        return encode_envelope(sign_payload(make_payload(kind, header, (), body), self.keys[Party(party)][use]))


def found(
    folder: Path,
    *,
    text: str = TERMS,
    gossip_s: float = 0.2,
    ack_s: float = 10.0,
    ports: dict[Party, int] | None = None,
    **limits: int,
) -> Coalition:
    """Make keys, terms and homes for the parties of ``text``. Without ``ports`` nobody can listen there."""
    shape = read_terms(text.encode(), template=True)
    keys: dict[Party, dict[str, SoftwareSigner]] = {}
    proven = {}
    for party in shape.parties:
        uses = ["root", "statement", "guard", "log", "mirror", "witness", "permit"]
        made = {use: make_key(folder / party / "keys" / f"{use}.key") for use in uses}
        keys[party] = made
        names = {use: f"{party}.example/{use}" for use in ("log", "mirror", "witness")}
        proven[party] = tuple(
            ProvenKey(use, made[use].public_key, prove_possession(party, use, made[use]), names.get(use))
            for use in uses
        )
    data = (text + spell_keys(dict.fromkeys(proven, 1), proven)).encode()
    terms = parse_terms(data)
    ports = ports or {party: 60_000 + number for number, party in enumerate(shape.parties)}
    for party in shape.parties:
        (folder / party / "terms.yaml").write_bytes(data)
        peers = {other: f"http://127.0.0.1:{port}" for other, port in ports.items() if other != party}
        store_config(
            Config(
                home=folder / party,
                party=party,
                accord=terms.digest,
                port=ports[party],
                peers=peers,
                gossip_s=gossip_s,
                ack_s=ack_s,
                limits=Limits(**limits),
            )
        )
    return Coalition(folder, terms, data, keys, ports)


class Router(httpx.AsyncBaseTransport):
    """HTTP between nodes of one process. ``cut`` holds ports that nobody reaches."""

    def __init__(self) -> None:
        self.nodes: dict[int, httpx.ASGITransport] = {}
        self.cut: set[int] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or 0
        if port in self.cut or port not in self.nodes:
            raise httpx.ConnectError("nobody listens there", request=request)
        return await self.nodes[port].handle_async_request(request)


@contextlib.asynccontextmanager
async def opened(
    coalition: Coalition, *parties: str, router: Router | None = None, **more: object
) -> AsyncIterator[dict[str, Node]]:
    """These parties' nodes, started, reaching one another by ``router``. ``more`` goes to ``open_node``."""
    router = router or Router()
    nodes: dict[str, Node] = {}
    try:
        for party in parties:
            nodes[party] = open_node(coalition.home(party), transport=router, **more)
            router.nodes[coalition.ports[Party(party)]] = httpx.ASGITransport(
                make_app(nodes[party]), raise_app_exceptions=False
            )
        for node in nodes.values():
            await node.start()
        yield nodes
    finally:
        for party, node in nodes.items():
            router.nodes.pop(coalition.ports[Party(party)], None)
            await node.close()


def http_of(coalition: Coalition, party: str, router: Router) -> NodeClient:
    """A client of one node by the router."""
    return NodeClient(f"http://127.0.0.1:{coalition.ports[Party(party)]}", transport=router)


def permit_messages(coalition: Coalition, party: str = "dev-a") -> tuple[bytes, bytes]:
    """A sealed permit request of a guard, and a round-2 message that carries no body at all."""
    from detente.guard.intent import Intent
    from detente.guard.permit import PermitAsk, PermitRequest, seal_ask, seal_request

    signer = coalition.keys[Party(party)]["guard"]
    _, sealed = seal_request(
        PermitRequest(
            accord=coalition.accord,
            terms=coalition.terms.digest,
            party=Party(party),
            guard=signer.public_key,
            nonce=secrets.token_hex(16),
            intent=Intent(activity="training", party=Party(party), run=Digest("a" * 64)),
        ),
        signer,
    )
    return sealed, seal_ask(PermitAsk(request=sealed, body=b"{}", heads=()), signer)
