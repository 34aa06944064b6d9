"""What serves a model under leave that is kept beside it: nginx with the gate and its relay, and LiteLLM's proxy with its callback.

An act is one request. It is done when the model server was asked; what is refused is tried again, as its ``Retry-After`` says, for as long
as the host is patient. Leave is kept and not asked for request by request: so the plays here wait for it to come and to lapse.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Protocol

import httpx

from detente.base.digest import sha256_hex
from tests.conformance.asking_rig import (
    NOTHING_WAITS,
    ODD,
    WITHIN_S,
    WRONG_ANSWERS,
    Act,
    Asker,
    Interpreter,
    Scene,
    jumped,
    timed,
)
from tests.conformance.hosts.commands import HOLDS_RELEASES
from tests.conformance.hosts.promotion import elsewhere
from tests.integration import litellm_rig
from tests.integration.node_rig import free_ports
from tests.integration.serving_rig import Stream, has_nginx, model_server, nginx, printed_config, wait_until

ROUTE = "/v1/chat/completions"
KEYS = litellm_rig.HEADERS
HUNG_S = 3
LIVES = ("life: {calm: 15 min, alert: 1 min}", "life: {calm: 10 s, alert: 10 s}")
"""So that a lapse can be waited for, and a loaded machine renews in time."""
HELD = 503
"""Who holds says so by this. nginx says 500 where the gate was not heard within 0.2 s, as a loaded machine's may not be: held, too, but by nobody's word."""
MODEL = b"the served model\n"
OUTAGES = ("dead", "hang", "garbage")
QUEUED = 10
UNHEARD = "no permit was had yet"
UNAPPROVED = "was not proposed or stated"


class Open(Protocol):
    """What a client has open: how many pieces came, the last of them, how it ended or empty."""

    @property
    def pieces(self) -> int: ...

    @property
    def tail(self) -> bytes: ...

    @property
    def ended(self) -> str | None: ...


class Kept(ABC):
    """One request after another to a model that is served under kept leave. ``asked`` is what its server was asked for.

    A subclass says how a request is sent, how a stream is opened, and how what holds it begins and ends.
    """

    deadline_s = 120.0
    asked: list[str]
    CUT = "streams are cut"

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        self.scene, self.observe = scene, observe
        self.client = scene.enter(httpx.Client(trust_env=False))
        self.patience_s = float(WITHIN_S)
        self.version = str(sha256_hex(MODEL))
        self.plays = {
            "paused": self._paused,
            "queue": self._queue,
            "again": self._again,
            "edited": self._edited,
            "permits": self._permits,
            "partition": self._partition,
            "clock": self._clock,
            "observe": self._observe,
            "crash": self.crash,
            "hang": self.hang,
            "missing": self.missing,
            "garbage": self.garbage,
        }

    @abstractmethod
    def send(self, what: str) -> tuple[int, str]:
        """The status and the reason of one request; 0 where nobody answered."""

    @abstractmethod
    def mark(self, what: str) -> str:
        """What the model server notes of a request."""

    @abstractmethod
    def streams(self) -> list[Open]:
        """What stays open, one of each kind; ``AssertionError`` where it was not let through."""

    @abstractmethod
    def begin(self) -> None:
        """Begin what holds, of ``version`` and with the scene's environment, once what was before has ended."""

    @abstractmethod
    def loud(self) -> bool:
        """Did it say that nothing is enforced?"""

    def act(self, what: str) -> Act:
        what = re.sub(r"\W+", "-", what)
        until_s = time.monotonic() + self.patience_s

        def tried() -> tuple[bool, str]:
            while True:
                before = len(self.asked)
                status, said = self.send(what)
                new = self.asked[before:]
                assert new in ([], [self.mark(what)]), new
                if new:
                    assert status == 200, said
                    return True, said
                if time.monotonic() > until_s:
                    return False, f"{status} {said}"
                time.sleep(0.1)

        return timed(tried)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """A request that is refused is not tried again."""
        patience_s, self.patience_s = self.patience_s, 0.0
        try:
            yield
        finally:
            self.patience_s = patience_s

    def done(self, what: str) -> None:
        """It is done, now or once leave has come."""
        act = self.act(what)
        assert act.done, act.said

    def refused(self, what: str) -> str:
        """It is refused at once, by who holds it."""
        with self.at_once():
            act = self.act(what)
        assert not act.done, act.said
        return act.said

    def reason(self, what: str) -> str:
        """It is refused however often it is tried, until who holds it is heard; what that says."""
        said: list[str] = []

        def heard() -> bool:
            said.append(self.refused(what))
            return said[-1].startswith(f"{HELD} ")

        wait_until(heard, within_s=WITHIN_S)
        return said[-1]

    def answered(self, what: str) -> None:
        """It is done, and nobody who holds says no before."""

        def done() -> bool:
            with self.at_once():
                act = self.act(what)
            assert not act.said.startswith(f"{HELD} "), act.said
            return act.done

        wait_until(done, within_s=WITHIN_S)

    def opened(self) -> list[Open]:
        """Streams that are open, once they are let through."""
        until_s = time.monotonic() + WITHIN_S
        while True:
            try:
                return self.streams()
            except AssertionError:
                if time.monotonic() > until_s:
                    raise

    def until_refused(self) -> str:
        """Wait for leave to end, however many requests that takes; then several in a row are refused."""

        def ended() -> bool:
            time.sleep(0.1)
            status, said = self.send("probe")
            return status == HELD and UNHEARD not in said

        wait_until(ended, within_s=WITHIN_S)
        return [self.reason(f"after-the-end-{number}") for number in range(3)][-1]

    def cut(self, streams: Sequence[Open]) -> None:
        """Each ended with leave, in what no client takes for a whole answer."""
        for each in streams:
            wait_until(lambda each=each: each.ended, within_s=WITHIN_S)
            assert each.ended in {"RemoteProtocolError", "ReadError"}, each.ended

    def _paused(self) -> str:
        next_second()  # Votes of one second have no order.
        self.scene.lift()
        self.done("before")
        streams = self.opened()
        next_second()
        self.scene.pause()
        self.cut(streams)
        signed = len(self.scene.proxy.nonces)
        assert "call" in self.reason("paused")
        assert len(self.scene.proxy.nonces) == signed
        return f"held; open {self.CUT}"

    def _queue(self) -> str:
        for number in range(QUEUED):
            self.refused(f"queued-{number}")
        return "held"

    def _again(self) -> str:
        """Leave is for the version, which people approve; nothing is spent by a request, and each is looked at for itself."""
        assert UNAPPROVED in self.until_refused()
        self.scene.approve_version(MODEL)
        self.done("again")
        self.done("again")
        return "the version stays approved"

    def _edited(self) -> str:
        """Of a version that nobody approved not one request is answered, whatever was approved before."""
        self.scene.approve_version(MODEL)
        self.done("edited")
        self.version = str(sha256_hex(MODEL + b"and more\n"))
        self.begin()
        assert UNAPPROVED in self.until_refused()
        return "held"

    def _permits(self) -> str:
        """A renewal that is not the one asked for is none: leave lapses, and comes again with a genuine answer."""
        proxy = self.scene.proxy
        self.done("genuine")
        for way in WRONG_ANSWERS:
            touched = proxy.touched
            with proxy.being(way):
                self.until_refused()
            assert proxy.touched > touched, way
            self.done(way)
        next_second()
        self.scene.pause()
        self.until_refused()
        touched = proxy.touched
        with proxy.being("lied"):
            self.begin()
            wait_until(lambda: proxy.touched > touched, within_s=WITHIN_S)
            self.until_refused()
        next_second()
        self.scene.lift()
        self.done("lied")
        return "not renewed: held at the lapse"

    def _partition(self) -> str:
        for mode in OUTAGES:
            self.done(mode)
            streams = self.opened()
            with self.scene.proxy.being(mode):
                self.until_refused()
                self.cut(streams)
        self.done("cut off")
        return f"held at the lapse; {self.CUT}"

    def _clock(self) -> str:
        for jump_s in (86_400, -86_400):
            with jumped(self.scene, jump_s):
                self.begin()
                self.done(f"jump {jump_s}")
                next_second()
                self.scene.pause()
                self.until_refused()
                next_second()
                self.scene.lift()
                self.done(f"lifted {jump_s}")
        self.begin()
        return "unmoved"

    def _observe(self) -> str:
        """In a pause, and with no issuer to its lapse, requests are answered and streams go on."""
        scene = self.scene
        self.done("free")
        wait_until(lambda: [line for line in scene.observed() if line.get("event") == "permitted"], within_s=WITHIN_S)
        streams = self.opened()
        scene.pause()
        wait_until(lambda: "would have" in {line.get("event") for line in scene.observed()}, within_s=WITHIN_S)
        self.answered("paused")
        with scene.proxy.being("dead"):
            self.answered("dead")
        for each in streams:
            wait_until(lambda each=each, pieces=each.pieces: each.pieces > pieces + 5, within_s=WITHIN_S)
        assert {line["enforced"] for line in scene.observed()} == {False}
        assert self.loud()
        assert scene.waiting() == []
        return self.unenforced()

    @abstractmethod
    def unenforced(self) -> str:
        """The words of a cell for what was only observed, once what it does with a broken hook was seen."""

    @abstractmethod
    def crash(self) -> str:
        """What holds is killed. Mended, requests are answered."""

    @abstractmethod
    def hang(self) -> str:
        """It stands still."""

    @abstractmethod
    def missing(self) -> str:
        """Its program or its home is gone."""

    @abstractmethod
    def garbage(self) -> str:
        """It talks nonsense, or is told some."""

    def broken(self, way: str) -> contextlib.AbstractContextManager[None]:
        """Each way has a play of its own."""
        raise AssertionError(way)

    @contextlib.contextmanager
    def homeless(self, instead: bytes | None = None) -> Iterator[None]:
        """The home is out of reach, or something else stands in its configuration."""
        config = self.scene.home / "config.toml"
        kept = config.rename(config.with_suffix(".kept"))
        if instead is not None:
            config.write_bytes(instead)
        try:
            yield
        finally:
            kept.rename(config)


class Nginx(Kept):
    """nginx with the configuration that the command prints, the gate of an interpreter of its own, and a model server."""

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        super().__init__(scene, observe=observe)
        self.python = Interpreter(scene.place / "python")
        model_port, self.asked = scene.enter(model_server())
        self.model = f"127.0.0.1:{model_port}"
        self.ports = free_ports(2)
        (front,) = free_ports(1)
        self.url = scene.enter(nginx(scene.place / "nginx", printed_config(*self.ports, front), front))
        self.log = scene.place / "gate.log"
        self.gate: subprocess.Popen[bytes] | None = None
        scene.cleanup(self.end)
        self.begin()

    def mark(self, what: str) -> str:
        return f"/{what}"

    def send(self, what: str) -> tuple[int, str]:
        try:
            got = self.client.get(f"{self.url}/{what}", timeout=WITHIN_S)
        except httpx.HTTPError as error:
            return 0, repr(error)
        return got.status_code, got.headers.get("x-detente-reason", got.text[:200])

    def streams(self) -> list[Open]:
        return [Stream(f"{self.url}/stream")]

    def begin(self) -> None:
        gate = self.start()
        wait_until(lambda: gate.poll() is not None or "answering nginx" in self.log.read_text(), within_s=WITHIN_S)
        assert gate.poll() is None, self.log.read_text()

    def start(self) -> subprocess.Popen[bytes]:
        """Its process, whatever becomes of it."""
        self.end()
        command = [self.python.path, "-m", "detente", "hook", "serving", self.version, "--to", self.model]
        command += ["--port", str(self.ports[0]), "--relay-port", str(self.ports[1]), "--home", self.scene.home]
        with self.log.open("wb") as log:
            self.gate = subprocess.Popen(
                [*command, *(["--observe"] if self.observe else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.scene.environment},
            )
        return self.gate

    def end(self) -> None:
        if self.gate is not None:
            self.gate.kill()
            self.gate.wait(WITHIN_S)
            self.gate = None

    def loud(self) -> bool:
        return "not enforced" in self.log.read_text()

    def unenforced(self) -> str:
        self.end()
        self.refused("dead")
        return "unmoved; a dead gate refuses"

    def crash(self) -> str:
        self.done("before")
        streams = self.opened()
        self.end()
        self.refused("crash")
        self.cut(streams)
        with self.python.broken("crash"):
            assert self.start().wait(WITHIN_S) < 0
            self.refused("crashed again")
        return self.mended()

    def hang(self) -> str:
        self.done("before")
        assert self.gate is not None
        self.gate.send_signal(signal.SIGSTOP)
        self.refused("hang")
        with self.python.broken("hang"):
            self.start()
            self.refused("hangs from the start")
        return self.mended()

    def missing(self) -> str:
        with self.python.broken("missing"):
            with contextlib.suppress(FileNotFoundError):
                self.start()
            self.refused("missing")
        with self.homeless():
            self.begin()
            self.refused("homeless")
        return self.mended()

    def garbage(self) -> str:
        with self.python.broken("garbage"):
            self.start().wait(WITHIN_S)
            self.refused("garbage")
        with contextlib.ExitStack() as stack:
            for port in self.ports:
                stack.enter_context(odd_server(port))
            self.refused("garbage of one that listens")
        return self.mended()

    def mended(self) -> str:
        self.begin()
        self.done("mended")
        return "held"


def next_second() -> None:
    """Wait until the wall clock shows another second."""
    now_s = int(time.time())
    wait_until(lambda: int(time.time()) != now_s)


class LiteLlm(Kept):
    """LiteLLM's own proxy with the callback, before a constructed OpenAI server. The callback lives in the proxy's process."""

    CUT = "streams and sockets are cut"

    def __init__(self, scene: Scene, *, observe: bool = False) -> None:
        super().__init__(scene, observe=observe)
        self._begun = count(1)
        self._open = contextlib.ExitStack()
        self.patient_s = WITHIN_S
        self.proxy: litellm_rig.Proxy | None = None
        scene.cleanup(self.end)
        self.begin()

    def mark(self, what: str) -> str:  # noqa: ARG002 - LiteLLM sends what it likes of a request
        return "chat/completions"

    def send(self, what: str) -> tuple[int, str]:
        if self.proxy is None:
            return 0, "it does not run"
        try:
            got = self.client.post(f"{self.proxy.url}{ROUTE}", json=chat(what), headers=KEYS, timeout=self.patient_s)
        except httpx.HTTPError as error:
            return 0, repr(error)
        return got.status_code, got.text[:500]

    def streams(self) -> list[Open]:
        assert self.proxy is not None
        how = {"method": "POST", "json": chat("stream") | {"stream": True}, "headers": KEYS}
        url = self.proxy.url
        made = [Stream(f"{url}{ROUTE}", **how), Stream(f"{url}/raw", **how), litellm_rig.Socket(url, litellm_rig.TALK)]
        wait_until(lambda: made[-1].pieces > 1 or made[-1].ended, within_s=WITHIN_S)
        assert not made[-1].ended
        return made

    def cut(self, streams: Sequence[Open]) -> None:
        told, passed, talk = streams
        super().cut([passed])
        wait_until(lambda: told.ended and talk.ended, within_s=WITHIN_S)
        assert b'"error"' in told.tail, told.tail
        assert b"event: error" in passed.tail, passed.tail
        assert (1013).to_bytes(2, "big") in talk.tail, talk.tail

    def begin(self) -> None:
        self.start()
        assert self.proxy is not None
        assert self.proxy.process.poll() is None, self.proxy.log.read_text()[-3_000:]

    def start(self, callback: str = "detente_gate.gate") -> None:
        """The proxy, once it listens or has ended."""
        self.end()
        made = litellm_rig.litellm_proxy(
            self.scene.place / f"proxy-{next(self._begun)}",
            self.scene.home,
            observe=self.observe,
            callback=callback,
            version=self.version,
            environment=self.scene.environment,
        )
        self.proxy = self._open.enter_context(made)
        self.asked = self.proxy.asked

    def end(self) -> None:
        self._open.close()
        self.proxy = None

    def loud(self) -> bool:
        assert self.proxy is not None
        return "not enforced" in self.proxy.log.read_text()

    def unenforced(self) -> str:
        with self.homeless():
            self.begin()
            self.done("homeless")
        return "unmoved"

    def crash(self) -> str:
        self.done("before")
        assert self.proxy is not None
        self.proxy.process.kill()
        self.refused("crash")
        return self.mended()

    def hang(self) -> str:
        """Nothing is answered while it stands still; what it is asked meanwhile it looks at when it goes on."""
        self.done("before")
        assert self.proxy is not None
        self.patient_s = HUNG_S
        self.proxy.process.send_signal(signal.SIGSTOP)
        try:
            self.refused("hang")
        finally:
            self.proxy.process.send_signal(signal.SIGCONT)
            self.patient_s = WITHIN_S
        return self.mended()

    def missing(self) -> str:
        with self.homeless():
            self.begin()
            assert "J36 held" in self.refused("homeless")
        self.done("found again")
        self.start(callback="detente_gate_gone.gate")
        self.refused("missing")
        return self.mended()

    def garbage(self) -> str:
        with self.homeless(b"\x00\xff garbage ]]"):
            self.begin()
            assert "J36 held" in self.refused("garbage")
        self.done("mended home")
        return "held"

    def mended(self) -> str:
        self.begin()
        self.done("mended")
        return "held"


def chat(what: str) -> dict[str, object]:
    """A request as clients send it."""
    return {"model": "lm", "messages": [{"role": "user", "content": what}], "max_tokens": 5}


class _Odd(BaseHTTPRequestHandler):
    """Answers every request with 200 and garbage, and ends the connection."""

    def do_GET(self) -> None:
        self.wfile.write(ODD)
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


@contextlib.contextmanager
def odd_server(port: int) -> Iterator[None]:
    """Something that listens there and talks nonsense."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Odd)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def nginx_here() -> tuple[str, dict[str, str]]:
    """Why there is none, or its version."""
    if not has_nginx():
        return "nginx is not installed", {}
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    said = subprocess.run([str(program), "-v"], capture_output=True, text=True, check=True).stderr
    return "", {"nginx": said.strip().rpartition("/")[2]}


ADAPTERS = (
    Asker(
        key="nginx",
        name="nginx before a model server",
        page="hold-serving-nginx.md",
        open=Nginx,
        other=nginx_here,
        free=(NOTHING_WAITS, LIVES),
        approving=(HOLDS_RELEASES, LIVES),
    ),
    Asker(
        key="litellm",
        name="LiteLLM's proxy",
        page="hold-litellm.md",
        open=LiteLlm,
        other=lambda: elsewhere(litellm_rig.PYTHON, "DETENTE_LITELLM_PYTHON", "litellm"),
        free=(NOTHING_WAITS, LIVES),
        approving=(HOLDS_RELEASES, LIVES),
    ),
)
