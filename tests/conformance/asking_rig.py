"""What the askers' scenarios play in: a home, its real node, a proxy before the node that can do wrong, and a host to be driven.

The home's configuration names the proxy's port, so that every question goes through it. The proxy holds the issuer's own key: what it
changes it can sign as the issuer would.
"""

import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import shutil
import subprocess
import sysconfig
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, Self, TypeVar

from detente.accord.terms import parse_terms
from detente.app.config import Config, load_config, store_config
from detente.app.door import open_door
from detente.app.holding import made_proposal, made_version
from detente.app.pausing import cast_vote
from detente.base.digest import Digest
from detente.guard.issue import Signed, encode_reply, parse_reply
from detente.guard.permit import parse_ask, parse_offer, seal_offer, sign_permit_body
from detente.guard.trust import trust_of
from detente.statement.kinds import Kind
from detente.statement.statement import Body
from detente.statement.vote import VoteChoice
from tests.integration.asking_rig import approve, served, solo, waiting
from tests.integration.node_rig import free_ports

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 240
"""How long one act may take before the test gives up: what a loaded machine needs."""
ALL_ACTIVITIES = ("activities: [training, self_improvement]", "activities: [training, self_improvement, deployment]")
NOTHING_WAITS = ("change.proposer: model", "change.proposer: human")
"""Terms under which what a model proposes needs leave, and no approval."""
LATER = "played by `make conformance` (DETENTE_CONFORMANCE=1)"
QUOTE, SIGN = "/v1/permits/heads", "/v1/permits"
WRONG_ANSWERS = ("flipped", "edited", "replayed", "expired", "epoch")
"""What becomes of an issuer's answer: a bit changed on its way; another text, an old one, one of another epoch under the issuer's own
signature; one that comes when its life is over."""
ODD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: application/json\r\n\r\n\x00garbage\xff\xfe]]"


class Proxy:
    """Loopback HTTP before a node. ``mode``: ``pass``; ``dead``, ``hang``, ``garbage``; or one of ``WRONG_ANSWERS`` and ``lied``.

    ``lied``: the first answer says allow, whatever the issuer said. ``touched`` counts answers that were changed or held back, ``seen``
    are the paths asked for, ``nonces`` those of each permit that was signed, ``before`` is called with each path.
    """

    def __init__(self, config: Config, port: int) -> None:
        self._node = config.port
        self._issuer = config.signer("permit")
        self._trust = trust_of(config.accord, parse_terms(config.read_terms()))
        self.port = port
        self.mode = "pass"
        self.touched = 0
        self.seen: list[str] = []
        self.nonces: list[str] = []
        self.before: Callable[[str], None] = lambda _path: None
        self._old_reply = b""
        self._released = threading.Event()
        self._server: _Listening | None = None
        self._listen()

    def become(self, mode: str) -> None:
        """Change what it does; ``dead`` gives up the port, everything else takes it again."""
        self.mode = mode
        self._released.set()
        self._released = threading.Event()
        if mode == "dead":
            self._stop()
        elif self._server is None:
            self._listen()

    @contextlib.contextmanager
    def being(self, mode: str) -> Iterator[None]:
        """``mode`` for a while."""
        self.become(mode)
        try:
            yield
        finally:
            self.become("pass")

    def close(self) -> None:
        self.become("dead")

    def handle(self, request: "_Handler", body: bytes) -> None:
        """One request, as the mode has it."""
        self.seen.append(request.path)
        self.before(request.path)
        if self.mode in {"dead", "hang"}:
            self.touched += 1
            if self.mode == "hang":
                self._released.wait(WITHIN_S)
            request.close_connection = True
        elif self.mode == "garbage":
            self.touched += 1
            request.wfile.write(ODD)
            request.close_connection = True
        else:
            self._forward(request, body)

    def _forward(self, request: "_Handler", body: bytes) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self._node, timeout=WITHIN_S)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            upstream.request(request.command, request.path, body=body, headers=headers)
            answer = upstream.getresponse()
            if "event-stream" in answer.getheader("content-type", ""):
                _pump(request, answer)
                return
            data = answer.read()
            if answer.status == 200 and request.path in {QUOTE, SIGN}:
                data = self._answer(request.path, body, data)
            request.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    request.send_header(name, value)
            request.send_header("content-length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            request.close_connection = True
        finally:
            upstream.close()

    def _answer(self, path: str, asked: bytes, genuine: bytes) -> bytes:
        if path == QUOTE:
            return self._offer(genuine)
        if "signed" not in json.loads(genuine):
            return genuine
        _, ask, permit = parse_ask(asked)
        self.nonces.append(permit.nonce)
        match self.mode:
            case "flipped":
                reply = parse_reply(genuine)
                assert isinstance(reply, Signed)
                changed = encode_reply(Signed(_flipped(reply.envelope)))
            case "edited":
                life = f'"life_s":{permit.life_s}'.encode()
                changed = self._signed(ask.body.replace(life, b'"life_s":9999999'))
            case "epoch":
                epoch = f'"epoch":{permit.epoch}'.encode()
                changed = self._signed(ask.body.replace(epoch, f'"epoch":{permit.epoch + 7}'.encode()))
            case "replayed":
                changed = self._old_reply
            case "expired":
                time.sleep(permit.life_s + 0.2)
                self.touched += 1
                return genuine
            case _:
                self._old_reply = genuine
                return genuine
        assert changed not in {b"", genuine}
        self.touched += 1
        return changed

    def _offer(self, genuine: bytes) -> bytes:
        offer = parse_offer(genuine, self._trust)
        if self.mode == "expired":
            return seal_offer(dataclasses.replace(offer, life_s=min(offer.life_s, 1)), self._issuer)
        if self.mode == "lied" and not offer.allowed:
            self.touched += 1
            allowing = dataclasses.replace(
                offer, allowed=True, rate=Decimal(1), life_s=60, held_by=(), reasons=()
            )  # fmt: skip
            return seal_offer(allowing, self._issuer)
        return genuine

    def _signed(self, body: bytes) -> bytes:
        return encode_reply(Signed(sign_permit_body(body, self._issuer)))

    def _listen(self) -> None:
        self._server = _Listening(("127.0.0.1", self.port), _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive", "host"}


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listening

    def _any(self) -> None:
        self.server.proxy.handle(self, self.rfile.read(int(self.headers.get("content-length") or 0)))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _any  # noqa: N815 - the names that the base class looks for

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


def _pump(request: _Handler, answer: http.client.HTTPResponse) -> None:
    request.send_response(answer.status)
    request.send_header("content-type", answer.getheader("content-type", ""))
    request.send_header("connection", "close")
    request.end_headers()
    request.close_connection = True
    while data := answer.read1(65_536):
        request.wfile.write(data)
        request.wfile.flush()


def _flipped(envelope: bytes) -> bytes:
    """One bit of the signature's bytes changed, in the same spelling."""
    value = json.loads(envelope)
    old = value["signatures"][0]["sig"]
    new = ("B" if old[0] == "A" else "A") + old[1:]
    return envelope.replace(old.encode(), new.encode())


@dataclass(frozen=True)
class Act:
    """One act that a host was asked for. ``done`` is what became of it in the world, ``said`` what the host was told."""

    done: bool
    said: str
    took_s: float


class Scene:
    """A home with its node and the proxy before it. ``replaced``: what its terms say in place of the shipped ones."""

    def __init__(self, place: Path, *replaced: tuple[str, str]) -> None:
        self.place = place
        self.home = solo(place / "brake", ALL_ACTIVITIES, *replaced)
        (front,) = free_ports(1)
        config = load_config(self.home)
        store_config(dataclasses.replace(config, url=f"http://127.0.0.1:{front}"))
        self.proxy = Proxy(config, front)
        self.environment: dict[str, str] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(self.proxy.close)
        self._stack.enter_context(served(self.home))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def cleanup(self, call: Callable[[], object]) -> None:
        """Called at the end, the last one first."""
        self._stack.callback(call)

    def enter(self, manager: contextlib.AbstractContextManager[T]) -> T:
        """What it gives; left at the end."""
        return self._stack.enter_context(manager)

    def pause(self) -> None:
        """The safety side stops everything."""
        self._vote("pause")

    def lift(self) -> None:
        """The safety side lifts its pause."""
        self._vote("lift")

    def _vote(self, choice: VoteChoice) -> None:
        async def cast() -> None:
            door = await open_door(self.home)
            assert door.served
            await cast_vote(door, choice, trigger="call", party="safety-team", scope=None, expires_s=86_400, reason="")

        asyncio.run(cast())

    def waiting(self) -> list[str]:
        """The proposals that wait."""
        return [each["proposal"] for each in waiting(self.home)]

    def approve_all(self) -> None:
        """A reviewer approves each thing that waits; there must be one."""
        found = self.waiting()
        assert found
        for proposal in found:
            approve(self.home, proposal)

    def approve_version(self, artefact: bytes) -> None:
        """A model proposes the version, a person approves that, and its developer states it."""
        by, touches = ("model", "m-1"), ("training",)

        async def filed(kind: Kind, body: Body) -> Digest:
            door = await open_door(self.home)
            made, envelope = door.speaker().state(kind, body)
            await door.submit(envelope)
            return made

        made = made_proposal(artefact, touches=touches, summary="a version", proposed_by=by)
        proposal = asyncio.run(filed("proposal", made))
        approve(self.home, proposal)
        version = made_version(artefact, touches=touches, proposed_by=by, proposal=proposal)
        asyncio.run(filed("version", version))

    def observed(self) -> list[dict]:
        """The lines of the record of what was observed."""
        path = self.home / "observe.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run(
        self,
        command: Sequence[str | Path],
        *,
        given: bytes = b"",
        cwd: Path | None = None,
        within_s: float = WITHIN_S,
        apart: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """A process with the scene's environment; both pipes together, unless ``apart``."""
        return subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            timeout=within_s,
            check=False,
            cwd=cwd or self.place,
            env={**os.environ, **self.environment},
        )


BREAKS: Mapping[str, str] = {
    "crash": "kill -9 $$",
    "hang": "exec sleep 600",
    "garbage": "head -c 4096 /dev/urandom; echo; echo let-through allow 0; exit 0",
}


class Interpreter:
    """A Python of its own with this package in it, which can be taken away, replaced and put back.

    ``of`` is another one that has what a host needs, and this package: it is begun in this one's name.
    """

    def __init__(self, place: Path, *, of: str = "") -> None:
        if of:
            self.path = place / "bin" / "python"
            self.path.parent.mkdir(parents=True)
            self.path.write_text(f'#!/bin/sh\nexec "{of}" "$@"\n')
            self.path.chmod(0o755)
            self._kept = self.path.with_name("kept")
            return
        venv.create(place, with_pip=False)
        self.path = place / "bin" / "python"
        found = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)})
        ours = [sysconfig.get_path("purelib"), str(ROOT / "src")]
        (Path(found) / "ours.pth").write_text("\n".join(ours) + "\n")
        self._kept = self.path.with_name("kept")

    @contextlib.contextmanager
    def broken(self, way: str) -> Iterator[None]:
        """``crash``, ``hang``, ``garbage``, or ``missing``: what starts in its place."""
        self.path.rename(self._kept)
        try:
            if way != "missing":
                self.path.write_text(f"#!/bin/sh\n{BREAKS[way]}\n")
                self.path.chmod(0o755)
            yield
        finally:
            self.path.unlink(missing_ok=True)
            self._kept.rename(self.path)


class Host(Protocol):
    """One adapter's real host in one scene. ``what`` names an act: another name is another act, with other arguments.

    ``deadline_s`` is when whoever waits for the hook gives it up, as its guide says. ``plays``, where it is there, has a driver's own play
    in place of a scenario's usual one: it checks what is so, and returns the words of the cell, or raises. ``questions``, where it is there, is how
    often one act asks; once otherwise.
    """

    deadline_s: float

    def act(self, what: str) -> Act:
        """Have it done, once, to the end."""
        ...

    def broken(self, way: str) -> contextlib.AbstractContextManager[None]:
        """The hook itself broken: ``crash`` (killed, raising), ``hang``, ``missing`` (program or home gone), ``garbage``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asker:
    """An adapter that asks before a single act.

    ``open(scene, observe=False)`` installs it in a scene. ``free`` are terms under which its act needs leave and no approval, ``approving``
    those under which it waits for people. ``needs`` is the module without which it cannot run, ``packages`` are told with their versions.
    ``always``: the scenarios that every run of the tests plays; the others wait for ``DETENTE_CONFORMANCE=1``, since an adapter's take minutes.
    """

    key: str
    name: str
    page: str
    open: Callable[..., Host]
    needs: str = ""
    packages: tuple[str, ...] = ()
    other: Callable[[], tuple[str, Mapping[str, str]]] | None = None
    """Of what is no package here: why it cannot run, or nothing, and the versions of what it runs with."""
    free: tuple[tuple[str, str], ...] = (NOTHING_WAITS,)
    approving: tuple[tuple[str, str], ...] = ()
    always: frozenset[str] = frozenset()

    @property
    def absent(self) -> str:
        """Why it does not run here; empty where it does."""
        if not (self.always or _plays_all()):
            return LATER
        if self.other is not None:
            return self.other()[0]
        return f"{self.needs} is not installed" if self.needs and find_spec(self.needs) is None else ""

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Those of what it runs with that is no package here."""
        return {} if self.other is None else self.other()[1]

    def due(self, scenario: str) -> bool:
        """Is this scenario played in this run of the tests?"""
        return scenario in self.always or _plays_all()


def _plays_all() -> bool:
    return bool(os.environ.get("DETENTE_CONFORMANCE"))


def timed(call: Callable[[], tuple[bool, str]]) -> Act:
    """An act and how long it took."""
    began = time.monotonic()
    done, said = call()
    return Act(done, said, time.monotonic() - began)


@contextlib.contextmanager
def jumped(scene: Scene, jump_s: int) -> Iterator[None]:
    """In the middle of the next asking, as its second round begins, the host's processes come to see another wall clock."""
    shim = scene.place / "jump.so"
    if not shim.exists():
        source = ROOT / "tests" / "integration" / "clock_jump.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True, timeout=60)
    now = scene.place / "jump-now"
    scene.environment |= {"LD_PRELOAD": str(shim), "JUMP_S": str(jump_s), "JUMP_WHEN": str(now)}
    scene.proxy.before = lambda path: now.touch() if path in {QUOTE, SIGN} else None
    try:
        yield
        assert now.exists(), "nobody asked"
    finally:
        now.unlink(missing_ok=True)
        scene.proxy.before = lambda _path: None
        scene.environment = {}


def has_compiler() -> bool:
    """Can the shim that moves a clock be built here?"""
    return shutil.which("cc") is not None
