"""Real self-improvement programs for tests: where they are, a scripted model that answers over loopback, and a program that runs."""

import contextlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.asking_rig import WITHIN_S, detente

PROGRAMS = "DETENTE_LOOP_PROGRAMS"
LOOK_S = 0.2
AUTORESEARCH_POLICY = '[git]\nevaluators = ["prepare.py"]\nback = ["refs/heads/autoresearch/*"]\n'
"""What a clone of autoresearch says is held in it: what scores the loop is evaluation, and its branches may go back."""


def program(name: str) -> Path:
    """A working tree of the program, as its authors publish it; skips where there is none."""
    folder = os.environ.get(PROGRAMS)
    if not folder:
        pytest.skip(
            f"{PROGRAMS} is not set: the folder with working trees of autoresearch, openevolve, dgm, ShinkaEvolve"
        )
    found = Path(folder) / name
    if not found.is_dir():
        pytest.skip(f"{found} is not here: get the program's working tree")
    return found


@dataclass
class Model:
    """A model behind an OpenAI-compatible address. ``answer`` makes a reply of how often it was asked and what it was told."""

    answer: Callable[[int, str], str]
    address: str = ""
    asked: list[str] = field(default_factory=list)


def next_level(number: int, told: str) -> str:
    """The level that was shown last becomes the number of the question."""
    return level_to(str(number), told)


def level_to(new: str, told: str) -> str:
    """A change as the programs read one: of the level that was shown last."""
    level = re.findall(r"LEVEL = (.+)", told)[-1]
    edit = f"<<<<<<< SEARCH\nLEVEL = {level}\n=======\nLEVEL = {new}\n>>>>>>> REPLACE"
    return f"<NAME>\nlevel\n</NAME>\n<DESCRIPTION>\nnext\n</DESCRIPTION>\n<DIFF>\n{edit}\n</DIFF>\n"


@contextlib.contextmanager
def scripted(answer: Callable[[int, str], str] = next_level) -> Iterator[Model]:
    """The model, served on loopback until the block ends."""
    model = Model(answer)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = "\n".join(str(each.get("content")) for each in told["messages"])
            model.asked.append(text)
            said = model.answer(len(model.asked), text)
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            body = json.dumps(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [choice],
                    "usage": usage,
                }
            ).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    model.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Running:
    """A program under its adapter, in a session of its own."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.popen = popen
        self._log = log

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def await_said(self, text: str) -> None:
        """Return once it has said so; fails with everything that it said."""
        self.await_true(lambda: text in self.said(), text)

    def await_true(self, holds: Callable[[], bool], what: str) -> None:
        """Return once it is so; fails where the program ends, or time does."""
        until = time.monotonic() + WITHIN_S
        while not holds():
            ended = self.popen.poll() is not None
            assert time.monotonic() < until, f"{what}: not within {WITHIN_S} s\n{self.said()}"
            assert not ended or holds(), f"{what}: the program ended\n{self.said()}"
            time.sleep(LOOK_S)

    def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self.popen.wait(WITHIN_S)


@contextlib.contextmanager
def running(
    name: str, *command: str, home: Path, cwd: Path, options: Sequence[str] = (), **environment: str
) -> Iterator[Running]:  # fmt: skip
    """``detente hook loop NAME -- COMMAND``, ended with all its processes when the block is left. ``options`` are the hook's own."""
    log = cwd / "said.log"
    words = [sys.executable, "-m", "detente", "hook", "loop", name, *options, "--home", str(home), "--", *command]
    with log.open("ab") as out:
        popen = subprocess.Popen(
            words,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "OPENAI_API_KEY": "none", **environment},
        )
    try:
        yield Running(popen, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, 9)
        popen.wait(WITHIN_S)


def await_proposal(run: Running, *, other_than: str = "") -> str:
    """The id of the change that waits, as the program's watcher is told it."""
    found: list[str] = []

    def told() -> bool:
        found[:] = re.findall(r"  proposal  ([0-9a-f]{64})\n", run.said())[-1:]
        return bool(found) and found[0] != other_than

    run.await_true(told, "a proposal")
    return found[0]


def lift(home: Path) -> None:
    """The safety side lets everything go on."""
    done = detente("lift", home=home)
    assert done.returncode == 0, done.stderr.decode()
