"""A coalition that its parties found by command, as a new user would: `init`, terms, `init --terms`, peers, `node serve`, `accord join`.

One developer and three mirrors, of whom two witness and two permit; the change that a model proposes waits for a human with an authenticator.
The terms name the model of Chromium's virtual authenticator as a test device, and it is called so wherever it appears. Nodes and loops are
processes of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner

from detente.cli import main
from tests.integration import node_rig
from tests.integration.browser.asking import AAGUID

WITHIN_S = 45.0
"""For what takes a second or two on a quiet machine."""
PARTIES = ("dev-a", "aud-1", "auth-1", "auth-2")
TERMS = f"""\
accord: first-loop
version: 1
parties:
  dev-a:  {{country: US, roles: [developer]}}
  aud-1:  {{country: CA, roles: [auditor, mirror, adjudicator]}}
  auth-1: {{country: GB, roles: [authority, mirror, adjudicator]}}
  auth-2: {{country: JP, roles: [authority, mirror, adjudicator]}}
mirrors: {{may_fail: 0, witness: 2, issue: 2, settle: 0 s}}
entry_into_force: {{when: {{acceded: {{role: developer, at_least: 1}}}}}}
authenticators: {{test_devices: ['{AAGUID}']}}
hold_points:
  - id: self-modification
    on: version.train
    when: {{all: [{{change.touches: [training, architecture, evaluation]}}, {{change.proposer: model}}]}}
    need: {{humans: 1, organisations: 1, author_excluded: yes, device: attested, same_host: refuse, by: [auditor]}}
triggers:
  - id: call
    when: {{votes: {{of: [auditor, authority], at_least: 1}}}}
    then: pause
    scope: all
pause: {{activities: [training, self_improvement], halt_within: 15 min}}
lift: {{votes: {{auditor: 1, authority: 1}}}}
permits: {{life: {{calm: 60 s, alert: 20 s}}}}
amendment: {{votes: {{auditor: 1, authority: 1}}}}
"""


def eventually(what: str, condition: Callable[[], Any], *, within_s: float = WITHIN_S) -> Any:
    """Wait for what other processes bring about; its value, or a failure that names it."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)
    return value


@dataclass
class Loop:
    """A guarded self-improvement loop, as the drill runs it: a process, its folder and what it says."""

    popen: subprocess.Popen[bytes]
    folder: Path

    @property
    def said(self) -> str:
        return (self.folder / "loop.log").read_text("utf-8", "replace")

    def says(self, words: str) -> bool:
        """Has it said so? It must not have ended instead."""
        if words in self.said:
            return True
        assert self.popen.poll() is None, self.said[-2_000:]
        return False


@dataclass
class Founded:
    """Homes and ports of the parties, and the loops that were started."""

    folder: Path
    ports: dict[str, int]
    loops: list[Loop] = field(default_factory=list)

    def home(self, party: str) -> Path:
        return self.folder / party

    def url(self, party: str) -> str:
        return f"http://localhost:{self.ports[party]}"

    def ask(self, party: str, path: str) -> Any:
        """The JSON of one party's node."""
        return httpx.get(f"http://127.0.0.1:{self.ports[party]}{path}", timeout=30).raise_for_status().json()

    def command(self, party: str, *arguments: str) -> str:
        """Run a command in a party's home; what it prints."""
        done = CliRunner().invoke(main, [*arguments, "--home", str(self.home(party))])
        assert done.exit_code == 0, done.output
        return done.stdout

    def start_loop(self, run: str, *, generations: int, steps: int) -> Loop:
        """Start the drill's loop behind its own guard, in the developer's home."""
        folder = self.folder / "loops" / run
        folder.mkdir(parents=True)
        with (folder / "loop.log").open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "detente.hooks.workload.guarded_searcher", "--out", ".", "--run", run,
                 "--generations", str(generations), "--steps", str(steps), "--report-every", "10", "--seed", "1"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                env={**os.environ, "DETENTE_HOME": str(self.home("dev-a"))},
            )  # fmt: skip
        self.loops.append(Loop(popen, folder))
        return self.loops[-1]

    def end_loops(self) -> None:
        for loop in self.loops:
            if loop.popen.poll() is None:
                loop.popen.kill()
            loop.popen.wait(30)


@contextlib.contextmanager
def founded(folder: Path) -> Iterator[Founded]:
    """Found the coalition, serve every node, and let everybody join; ends what was started."""
    made = Founded(folder, dict(zip(PARTIES, node_rig.free_ports(len(PARTIES)), strict=True)))
    blocks = []
    for party in PARTIES:
        cards = json.loads(made.command(party, "init", "--party", party, "--json"))
        blocks.append(cards["terms_blocks"][0].removeprefix("keys:\n"))
    terms = folder / "terms.yaml"
    terms.write_text(f"{TERMS}keys:\n{''.join(blocks)}", "utf-8")
    for party in PARTIES:
        port = str(made.ports[party])
        made.command(party, "init", "--party", party, "--terms", str(terms), "--port", port)
        config = made.home(party) / "config.toml"
        peers = "".join(f'{other} = "http://127.0.0.1:{made.ports[other]}"\n' for other in PARTIES if other != party)
        config.write_text(config.read_text("utf-8").replace("[peers]\n", f"[peers]\n{peers}"), "utf-8")
    with node_rig.processes(made, *PARTIES):  # type: ignore[arg-type]
        try:
            for party in PARTIES:
                made.command(party, "accord", "join")
            for party in PARTIES:
                eventually(
                    f"in force at {party}", lambda at=party: made.ask(at, "/v1/overview")["phase"]["now"] == "in_force"
                )
            yield made
        finally:
            made.end_loops()
