"""How fast a node shows its pages. ``python bench/pages_bench.py``; ``--browser`` also opens a long change in Chromium.

Overview: 200 parties, 10,000 runs and 1,000,000 entries, in calm and under a pause of everybody. The node is a real one in a home; its
evidence is fed with verified statements, and making those is not counted. 980,000 of the entries are progress reports, 2,000 different ones
that repeat at their places: no page reads them, but every state is made of them. Counted, in processor time of one thread: from asking for the page to its
last byte, the state folded and judged anew included where something arrived or a second passed.

Change: a diff of 20,000 lines, taken apart and rendered for the first time, and kept. With ``--browser``: from the navigation to the last line in view,
the whole page laid out as far as it is seen, over loopback; needs Chromium, chromedriver and Selenium.

Targets: the overview at most 150 ms; a change of 20,000 lines scrollable within 1 s.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from timing import machine, spread

from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.reason import Place
from detente.adapters.keys import store_key
from detente.app.config import Config, store_config
from detente.app.node import Node, open_node
from detente.app.viewing.changes import read_change
from detente.app.viewing.overview import view_overview
from detente.app.viewing.sight import Lookout
from detente.base.digest import Digest, sha256_hex
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.server.pages.colouring import _shown
from detente.server.pages.rendering import render_page
from detente.statement.accession import Accession
from detente.statement.change import ProposedBy
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.keys import prove_possession
from detente.statement.measurement import About, Measurement
from detente.statement.progress import Progress
from detente.statement.run import Run
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, VerifiedStatement, make_payload, verify_envelope
from detente.statement.version import Version
from detente.statement.vote import Vote

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.pages_scene import long_diff

PARTIES, DEVELOPERS = 200, 150
RUNS = 10_000
ENTRIES = 1_000_000
PROGRESS = 2_000
ROUNDS = 9
LINES = 20_000


def terms() -> str:
    """200 parties: developers, and auditors and authorities by turns."""
    roles = (
        ["developer, mirror"]
        + ["developer"] * (DEVELOPERS - 1)
        + [("auditor, adjudicator", "authority, adjudicator")[n % 2] for n in range(PARTIES - DEVELOPERS)]
    )
    parties = "\n".join(f"  p-{number}: {{country: US, roles: [{role}]}}" for number, role in enumerate(roles))
    return f"""\
accord: bench
version: 1
parties:
{parties}
mirrors: self
entry_into_force: {{when: {{acceded: {{role: developer, at_least: 3}}}}}}
indicators:
  training-compute: {{supplied_by: auditor, every: 700 d, about: party, unit: FLOP}}
limits:
  - {{id: report-first, on: run.start, when: {{more_than: [run.cumulative_flop, 1e24 FLOP]}}, need: [declaration, approval_of: [p-150]]}}
triggers:
  - {{id: call, when: {{votes: {{of: [auditor, authority], at_least: 1}}}}, then: pause, scope: all}}
  - {{id: too-much, when: {{at_least: [training-compute, 1e26 FLOP]}}, then: slowdown, scope: party}}
  - {{id: too-deep, when: {{at_least: [ai_proposed_depth, 8]}}, then: pause, scope: party}}
pause: {{activities: [training], halt_within: 15 min}}
lift: {{votes: {{auditor: 1, authority: 2}}}}
permits: {{life: {{calm: 6 h, alert: 10 min}}}}
"""


def signer(party: str, use: str) -> SoftwareSigner:
    return SoftwareSigner(seed(party, use))


def seed(party: str, use: str) -> bytes:
    return hashlib.sha256(f"{party} {use}".encode()).digest()


class Clock:
    """The time of day, as the bench sets it."""

    def __init__(self) -> None:
        self.at = int(time.time())

    def now(self) -> Instant:
        return Instant(self.at)


class Filled:
    """A node whose evidence is filled without its log: every statement at the next place of one log."""

    def __init__(self, home: Path) -> None:
        keys = {}
        for number in range(PARTIES):
            party = Party(f"p-{number}")
            names = {"log": f"{party}.example/log", "mirror": f"{party}.example/mirror"}
            keys[party] = tuple(
                ProvenKey(
                    use, signer(party, use).public_key, prove_possession(party, use, signer(party, use)), names.get(use)
                )
                for use in (("root", "statement", "log", "mirror", "permit") if number == 0 else ("root", "statement"))
            )
        data = (terms() + spell_keys(dict.fromkeys(keys, 1), keys)).encode()
        for use in ("statement", "log", "mirror", "permit"):
            store_key(home / "keys" / f"{use}.key", seed("p-0", use))
        (home / "terms.yaml").write_bytes(data)
        store_config(Config(home=home, party=Party("p-0"), accord=sha256_hex(data)))
        self.clock = Clock()
        self.node: Node = open_node(home, clock=self.clock)
        self.size = self.made = 0
        self.now = self.clock.at

    def verified(self, party: str, kind: str, body: object, use: str = "statement") -> VerifiedStatement:
        self.made += 1
        header = Header(self.node.evidence.accord, 1, Party(party), f"{self.made:032x}", Instant(self.now))
        data = encode_envelope(sign_payload(make_payload(kind, header, (), body), signer(party, use)))
        return verify_envelope(data, self.node.evidence.keys)

    def put(self, *statements: VerifiedStatement) -> None:
        """Add, cosigned now."""
        for each in statements:
            self.node.evidence.add_verified(Place("p-0.example/log", self.size), each)
            self.size += 1
        self.node.evidence.add_cosignature("p-0.example/log", Party("p-0"), self.size, Instant(self.clock.at))

    def fill(self) -> None:
        developers = [f"p-{number}" for number in range(DEVELOPERS)]
        self.put(
            *(
                self.verified(party, "accession", Accession(self.node.evidence.accord, ()), "root")
                for party in developers
            )
        )
        runs = []
        for number in range(RUNS):
            body = Run(f"run-{number}", "training", Decimal("1e22"), (), ())
            runs.append(self.verified(developers[number % DEVELOPERS], "run", body))
        self.put(*runs)
        for number, party in enumerate(developers):
            low = Decimal(10) ** (20 + number % 6)
            body = Measurement(
                "training-compute", low, 3 * low, "FLOP", "metered", (), Instant(self.now), About(Party(party))
            )
            self.put(self.verified(f"p-{DEVELOPERS + 2 * (number % 20)}", "measurement", body))
            version = Digest(hashlib.sha256(party.encode()).hexdigest())
            self.put(
                self.verified(party, "version", Version(version, (), ProposedBy("human"), ("training",), Decimal(1)))
            )
        progress = [
            self.verified(
                developers[n % DEVELOPERS],
                "progress",
                Progress(runs[n % RUNS].statement.id, n, Decimal(n), Digest("a" * 64)),
            )
            for n in range(PROGRESS)
        ]
        while self.size < ENTRIES:
            self.put(*progress[: ENTRIES - self.size])


def timed(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> list[float]:
    """Milliseconds of processor time of each round, after one that does not count."""
    found = []
    for _ in range(ROUNDS + 1):
        before()
        start = time.thread_time()
        work()
        found.append((time.thread_time() - start) * 1_000)
    return found[1:]


def overview(filled: Filled) -> None:
    node = filled.node
    lookout = Lookout(node)

    def page() -> str:
        return render_page("overview.html", view_overview(lookout.look()), "/v1/overview")

    def arrive() -> None:
        number = filled.size
        filled.clock.at += 1
        body = Measurement(
            "training-compute",
            Decimal(1),
            Decimal(number),
            "FLOP",
            "metered",
            (),
            Instant(filled.now),
            About(Party("p-1")),
        )
        filled.put(filled.verified("p-152", "measurement", body))

    def later() -> None:
        filled.clock.at += 10

    for name in ("calm", "paused"):
        if name == "paused":
            filled.put(filled.verified("p-150", "vote", Vote("pause", "call", 0, Party("all"), Instant(4_000_000_000))))
        size = len(page().encode())
        row(f"overview, {name}: after an entry arrived", timed(page, arrive))
        row(f"overview, {name}: nothing new, some seconds later", timed(page, later))
        row(f"overview, {name}: asked again at once", timed(page))
        print(f"  {size:,} bytes of HTML")


def change() -> None:
    data = long_diff(LINES).encode()
    row(f"change of {LINES:,} lines: taken apart", timed(lambda: read_change(data)))
    found = read_change(data)
    row(f"change of {LINES:,} lines: rendered", timed(lambda: _shown(found)))


def row(name: str, values: list[float]) -> None:
    least, middle, most = spread(values)
    print(f"  {name:58} least {least:7.1f}, median {middle:7.1f}, most {most:7.1f} ms")


async def browse(folder: Path) -> None:
    """The same change in Chromium, over loopback, the page's first rendering included."""
    from tests.integration.browser.driving import Browser, served

    with served(folder / "node") as node:
        node.do(node.scene.begin())
        browser = Browser(folder / "profile")
        try:
            found = []
            for number in range(5):
                data = long_diff(LINES).replace("rate", f"rate{number}")
                digest = Digest(hashlib.sha256(data.encode()).hexdigest())
                node.scene.node.blobs.store(data.encode())
                proposal = node.do(node.scene.propose(f"long-{number}", digest, ("training",), "long"))
                browser.open(f"{node.url}/proposals/{proposal}")
                found.append(
                    browser.driver.execute_async_script(
                        "const done = arguments[0]; const rows = document.querySelectorAll('.change tr.a');"
                        "rows[rows.length - 1].scrollIntoView(); requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))"
                    )
                )
            row(f"change of {LINES:,} lines: from navigation to its last line in view", found)
        finally:
            browser.close()


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory(prefix="detente-bench-") as folder:
        change()
        if "--browser" in sys.argv:
            asyncio.run(browse(Path(folder)))
        filled = Filled(Path(folder) / "coalition")
        try:
            filled.fill()
            print(f"  {PARTIES} parties, {RUNS:,} runs, {filled.size:,} entries")
            overview(filled)
        finally:
            filled.node.abandon()


if __name__ == "__main__":
    main()
