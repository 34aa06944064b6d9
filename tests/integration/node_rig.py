"""A coalition of real nodes for tests: keys, terms, homes; nodes in this process or as processes of their own."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.terms import Terms, parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.keys import make_key
from detente.app.config import Config, load_config, store_config
from detente.app.node import Node, open_node
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.server.serving import listen_socket, serve_node
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

    def vote(self, party: str, choice: str = "pause", *, use: str = "statement", round_: int = 0, trigger: str = "call") -> bytes:
        """A signed vote, in its envelope."""
        body = Vote(choice, trigger, round_, Party("all"), Instant(4_000_000_000))
        return self.say(party, "vote", body, use=use)

    def say(self, party: str, kind: str, body: object, *, use: str = "statement", made_at: int | None = None, terms: int = 1) -> bytes:
        """Any statement, signed by a key of ``party``."""
        at = Instant(int(time.time()) if made_at is None else made_at)
        header = Header(accord=self.accord, terms=terms, party=Party(party), nonce=secrets.token_hex(16), made_at=at)
        return encode_envelope(sign_payload(make_payload(kind, header, (), body), self.keys[Party(party)][use]))


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def found(folder: Path, *, text: str = TERMS, gossip_s: float = 0.2, ack_s: float = 10.0, **limits: int) -> Coalition:
    """Make keys, terms and homes for the six parties of ``TERMS``."""
    from detente.accord.reading import read_terms
    from detente.app.config import Limits

    shape = read_terms(text.encode(), template=True)
    keys: dict[Party, dict[str, SoftwareSigner]] = {}
    proven = {}
    for party in shape.parties:
        uses = ["root", "statement", "guard", "log", "mirror", "witness", "permit"]
        made = {use: make_key(folder / party / "keys" / f"{use}.key") for use in uses}
        keys[party] = made
        names = {use: f"{party}.example/{use}" for use in ("log", "mirror", "witness")}
        proven[party] = tuple(
            ProvenKey(use, made[use].public_key, prove_possession(party, use, made[use]), names.get(use)) for use in uses
        )
    data = (text + spell_keys(dict.fromkeys(proven, 1), proven)).encode()
    terms = parse_terms(data)
    ports = dict(zip(shape.parties, free_ports(len(shape.parties)), strict=True))
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


@contextlib.asynccontextmanager
async def serving(coalition: Coalition, *parties: str) -> AsyncIterator[dict[str, Node]]:
    """Serve these parties' nodes over loopback HTTP, all in this process."""
    nodes: dict[str, Node] = {}
    tasks = []
    stop = asyncio.Event()
    try:
        for party in parties:
            config = load_config(coalition.home(party))
            listening = listen_socket(config.host, config.port)
            node = nodes[party] = open_node(config.home)
            ready = asyncio.Event()
            tasks.append(asyncio.create_task(serve_node(node, listening, ready=ready.set, stop=stop)))
            await asyncio.wait_for(ready.wait(), 10)
        yield nodes
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@dataclass
class NodeProcess:
    """``detente node serve`` as a process of its own."""

    popen: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(10)

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(15)


def start_process(coalition: Coalition, party: str, *, wait: bool = True) -> NodeProcess:
    log = coalition.folder / f"{party}.log"
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", "detente", "node", "serve", "--home", str(coalition.home(party)), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    process = NodeProcess(popen, log)
    if wait:
        wait_ready(process)
    return process


def wait_ready(process: NodeProcess) -> None:
    assert process.popen.stdout is not None
    line = process.popen.stdout.readline()
    assert b"serving" in line, process.log.read_text()[-2000:]


@contextlib.contextmanager
def processes(coalition: Coalition, *parties: str) -> Iterator[dict[str, NodeProcess]]:
    """Start these parties' nodes as processes; end them, whatever happens."""
    running: dict[str, NodeProcess] = {}
    try:
        for party in parties:
            running[party] = start_process(coalition, party, wait=False)
        for process in running.values():
            wait_ready(process)
        yield running
    finally:
        for process in running.values():
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait(10)
            if process.popen.stdout is not None:
                process.popen.stdout.close()


def client_of(coalition: Coalition, party: str) -> NodeClient:
    return NodeClient(f"http://127.0.0.1:{coalition.ports[Party(party)]}")
