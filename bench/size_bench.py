"""One fold for everybody: time and memory against size. ``python bench/size_bench.py [--sizes 25,50,100,200] [--plot FILE]``.

So many parties, 500 statements each: accessions, runs, progress, measurements, versions, findings, votes. Cycle after cycle one
developer's measurement latches its trigger, two votes pause everybody, and five votes lift both; every statement stands in a
log and is cosigned by four mirrors, and after every cycle the evidence is folded and asked for its status. Counted: adding
entries and cosignatures, ``fold`` and ``status``. Not counted: making, signing and verifying the statements, since verified
statements come from the keeper.

What the state must be is kept beside it in plain lists, from the script alone, and compared after every cycle: who is paused
by what since when, which round ended when, how far each run has come, who is bound. A difference ends the bench.

Target: 200 parties and 100,000 statements in at most 60 s.
"""

import argparse
import hashlib
import multiprocessing
import os
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from fold_bench import signer
from timing import machine

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.status import status
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.accession import Accession
from detente.statement.change import ProposedBy
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.finding import Finding
from detente.statement.keys import prove_possession
from detente.statement.measurement import Measurement
from detente.statement.progress import Progress
from detente.statement.run import Run
from detente.statement.statement import Header, VerifiedStatement, make_payload, verify_envelope
from detente.statement.version import Version
from detente.statement.vote import Vote

STATEMENTS_EACH = 500
PROGRESS_EACH = 10
SIZES = (25, 50, 100, 200)
T0 = 1_800_000_000
CYCLE_S = 3_600
SETTLE_S = 60
MIRRORS = ("aud-1", "aud-2", "auth-1", "auth-2")
LIFTERS = ("aud-1", "auth-1", "auth-2")
TARGET_S = 60.0

TERMS = """\
accord: size
version: 1
parties:
{parties}
mirrors: {{may_fail: 1, witness: 3, issue: 3, settle: 60 s}}
entry_into_force: {{when: {{acceded: {{role: developer, at_least: {developers}}}}}}}
indicators:
  spread: {{supplied_by: developer, every: 700 d, unit: x}}
triggers:
  - {{id: unattended, when: {{at_least: [ai_proposed_depth, 3]}}, then: pause, scope: party}}
  - {{id: spreading, when: {{at_least: [spread, 5 x]}}, then: pause, scope: party}}
  - {{id: call, when: {{votes: {{of: [auditor, authority], at_least: 2}}}}, then: pause, scope: all}}
pause: {{activities: [training], halt_within: 15 min}}
lift: {{votes: {{auditor: 1, authority: 2}}, when: {{none_open: finding}}}}
permits: {{life: {{calm: 6 h, alert: 10 min}}}}
"""


def founding(developers: list[str]) -> bytes:
    roles = {
        "aud-1": "auditor, mirror, adjudicator",
        "aud-2": "auditor, mirror",
        "auth-1": "authority, mirror, adjudicator",
        "auth-2": "authority, mirror, adjudicator",
        **dict.fromkeys(developers, "developer"),
    }
    lines = "\n".join(f"  {party}: {{country: US, roles: [{held}]}}" for party, held in roles.items())
    keys = {}
    for name in roles:
        party = Party(name)
        uses: list[tuple[Any, str | None]] = [("root", None), ("statement", None), ("log", f"{name}.example/log")]
        if name in MIRRORS:
            uses += [("mirror", f"{name}.example/mirror"), ("permit", None)]
        keys[party] = tuple(
            ProvenKey(use, signer(party, use).public_key, prove_possession(party, use, signer(party, use)), label)
            for use, label in uses
        )
    text = TERMS.format(parties=lines, developers=len(developers))
    return (text + spell_keys(dict.fromkeys(keys, 1), keys)).encode()


@dataclass
class Expected:
    """What must be so, written down by the script as it goes."""

    bound: set[str] = field(default_factory=set)
    progress: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    paused: dict[tuple[str, str], int] = field(default_factory=dict)
    ended: list[tuple[str, str, int, int, int]] = field(default_factory=list)
    rounds: dict[tuple[str, str], int] = field(default_factory=dict)

    def latch(self, trigger: str, scope: str, at: int) -> None:
        self.paused[trigger, scope] = at

    def lift(self, trigger: str, scope: str, at: int) -> None:
        number = self.round(trigger, scope)
        self.ended.append((trigger, scope, number, self.paused.pop((trigger, scope)), at))
        self.rounds[trigger, scope] = number + 1

    def round(self, trigger: str, scope: str) -> int:
        return self.rounds.get((trigger, scope), 0)


class Driver:
    """Makes statements, feeds them, and compares."""

    def __init__(self, parties: int) -> None:
        self.developers = [f"dev-{number}" for number in range(parties - len(MIRRORS))]
        self.terms = founding(self.developers)
        self.evidence = Evidence(self.terms)
        self.expected = Expected()
        self.made = 0
        self.spent_s = 0.0
        self.sizes: dict[str, int] = dict.fromkeys(self.developers, 0)
        self.runs: dict[str, Any] = {}
        self.last: dict[str, str] = {}

    def make(self, party: str, kind: Any, body: Any, at: int, use: str = "statement") -> VerifiedStatement:
        self.made += 1
        header = Header(self.evidence.accord, 1, Party(party), f"{self.made:032x}", Instant(at))
        data = encode_envelope(sign_payload(make_payload(kind, header, (), body), signer(party, use)))
        return verify_envelope(data, self.evidence.keys)

    def feed(self, at: int, said: list[tuple[str, VerifiedStatement]]) -> None:
        """Into logs, and cosigned by everybody at ``at``: counted."""
        began = time.process_time()
        grown = dict.fromkeys(log for log, _ in said)
        for log, verified in said:
            self.evidence.add_verified(Place(f"{log}.example/log", self.sizes[log]), verified)
            self.sizes[log] += 1
        for log in grown:
            for mirror in MIRRORS:
                self.evidence.add_cosignature(f"{log}.example/log", Party(mirror), self.sizes[log], Instant(at))
        self.spent_s += time.process_time() - began

    def check(self, at: int) -> None:
        """Fold, ask, and compare with what the script wrote down. Only folding and asking are counted."""
        began = time.process_time()
        state = fold(self.evidence)
        now = status(state, Instant(at))
        self.spent_s += time.process_time() - began
        expected = self.expected
        found = {
            "bound": {each.party for each in now.bindings if each.bound},
            "progress": state.progress,
            "paused": {(each.trigger, each.scope): each.since for each in now.pauses},
            "ended": sorted((e.trigger, e.scope, e.round, int(e.since), int(e.ended_at)) for e in now.ended),
        }
        wanted = {
            "bound": expected.bound,
            "progress": expected.progress,
            "paused": expected.paused,
            "ended": sorted(expected.ended),
        }
        for name, value in wanted.items():
            if found[name] != value:
                raise SystemExit(f"at {at}, {name}: got {found[name]}, expected {value}")
        covered = {party for each in now.pauses for party in each.parties}
        wanted_covered = set(expected.bound) if ("call", "all") in expected.paused else {s for _, s in expected.paused}
        if covered != wanted_covered:
            raise SystemExit(f"at {at}, paused parties: got {covered}, expected {wanted_covered}")

    def begin(self) -> None:
        """Everybody accedes, a second after each other; each developer declares a run and a version by a human."""
        for number, party in enumerate((*MIRRORS, *self.developers)):
            log = party if party in self.sizes else self.developers[0]
            accession = self.make(party, "accession", Accession(self.evidence.accord, ()), T0, "root")
            self.feed(T0 + number, [(log, accession)])
            self.expected.bound.add(party)
        at = T0 + CYCLE_S // 2
        said = []
        for party in self.developers:
            run = self.make(party, "run", Run("run-1", "training", Decimal("1e20"), (), ()), at)
            self.runs[party] = run.statement.id
            said += [(party, run), (party, self.version(party, at, "human"))]
        self.feed(at, said)
        self.check(at + SETTLE_S + 1)

    def version(self, party: str, at: int, by: Any) -> VerifiedStatement:
        digest = hashlib.sha256(f"{party} {self.made}".encode()).hexdigest()
        parents = (self.last[party],) if party in self.last else ()
        self.last[party] = digest
        proposed = ProposedBy(by, parents[0] if by == "model" and parents else None)
        return self.make(party, "version", Version(digest, parents, proposed, ("training",), Decimal(1)), at)  # type: ignore[arg-type]

    def spread(self, party: str, value: int, at: int) -> tuple[str, VerifiedStatement]:
        body = Measurement("spread", Decimal(value), Decimal(value), "x", "counted", (), Instant(at))
        return party, self.make(party, "measurement", body, at)

    def vote(self, party: str, choice: Any, trigger: str, scope: str, at: int) -> tuple[str, VerifiedStatement]:
        number = self.expected.round(trigger, scope)
        body = Vote(choice, trigger, number, Party(scope), Instant(at + 30 * 86_400))
        return self.developers[0], self.make(party, "vote", body, at)

    def cycle(self, number: int) -> None:
        """Everybody works; one developer's measurement and two votes pause; a finding comes and goes; five votes lift."""
        at = T0 + number * CYCLE_S
        dev = self.developers[number % len(self.developers)]
        work = [self.spread(party, 1 + number % 3, at) for party in self.developers]
        for party in self.developers:
            for step in range(PROGRESS_EACH):
                flop = Decimal(number * PROGRESS_EACH + step + 1)
                progress = Progress(self.runs[party], number * PROGRESS_EACH + step, flop, "a" * 64)
                work.append((party, self.make(party, "progress", progress, at)))
                self.expected.progress[self.runs[party], party] = flop
        self.feed(at, work)
        self.feed(at + 10, [self.spread(dev, 7, at + 10)])
        self.expected.latch("spreading", dev, at + 10)
        self.feed(at + 20, [self.spread(dev, 1, at + 20)])
        self.feed(at + 30, [self.vote(party, "pause", "call", "all", at + 30) for party in ("aud-1", "auth-1")])
        self.expected.latch("call", "all", at + 30)
        for second, result in ((40, "confirmed"), (50, "refuted")):
            finding = Finding(Party(dev), "trains on", result, (), None)  # type: ignore[arg-type]
            self.feed(at + second, [(self.developers[1], self.make("aud-2", "finding", finding, at + second))])
        self.check(at + 55)
        lifted = (("call", "all"), ("spreading", dev))
        votes = [self.vote(p, "lift", trigger, scope, at + 100) for trigger, scope in lifted for p in LIFTERS]
        self.feed(at + 100, votes)
        self.check(at + 100 + SETTLE_S - 1)
        for trigger, scope in lifted:
            self.expected.lift(trigger, scope, at + 100 + SETTLE_S)
        self.check(at + 100 + SETTLE_S)

    def end(self, number: int) -> None:
        """A model proposes three successive versions, and two votes pause everybody: both stand at the end."""
        at = T0 + number * CYCLE_S
        dev = self.developers[2]
        self.feed(at, [(dev, self.version(dev, at, "model")) for _ in range(3)])
        self.expected.latch("unattended", dev, at)
        self.feed(at + 30, [self.vote(party, "pause", "call", "all", at + 30) for party in ("aud-2", "auth-2")])
        self.expected.latch("call", "all", at + 30)
        self.check(at + 31)


def resident_mib() -> float:
    fields = Path("/proc/self/statm").read_text("ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def run(parties: int) -> tuple[int, int, float, float]:
    """Parties, statements, seconds, and MiB that evidence and state added to the process."""
    driver = Driver(parties)
    before = resident_mib()
    driver.begin()
    number = 1
    while driver.made < STATEMENTS_EACH * parties - 5:
        driver.cycle(number)
        number += 1
    driver.end(number)
    return parties, driver.made, driver.spent_s, resident_mib() - before


def plot(rows: list[tuple[int, int, float, float]], file: Path) -> None:
    """One picture of time and of memory against the number of statements, both from nought, so that a straight line is one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.9), layout="constrained")
    for axes, (title, unit, column) in zip(
        figure.subplots(1, 2), (("Processor time", "s", 2), ("Memory of evidence and state", "MiB", 3)), strict=True
    ):
        made, values = [row[1] for row in rows], [row[column] for row in rows]
        axes.plot([0, made[-1]], [0, values[-1]], linestyle=":", color="#8a94a0", label="in proportion to the largest")
        axes.plot(made, values, marker="o", color="#1f5f8b", label="measured")
        for row in rows:
            shown = f"{row[0]} parties, {row[column]:.1f}" if unit == "s" else f"{row[0]} parties, {row[column]:.0f}"
            place: dict[str, Any] = {"xytext": (7, -9), "ha": "left"}
            if row is rows[-1]:
                place = {"xytext": (-9, 3), "ha": "right"}
            axes.annotate(shown, (row[1], row[column]), textcoords="offset points", fontsize=8, **place)
        axes.set(title=f"{title} ({unit})", xlabel="statements", xlim=(0, None), ylim=(0, None))
        axes.xaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", frameon=False, fontsize=8)
    figure.suptitle(f"One fold for everybody, {STATEMENTS_EACH} statements a party: bench/size_bench.py", fontsize=10)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130, metadata={"Software": None})
    print(f"wrote {file}")


def main() -> None:
    asked = argparse.ArgumentParser(description="Time and memory of one fold against size.")
    asked.add_argument("--sizes", default=",".join(map(str, SIZES)), help="parties, with commas between")
    asked.add_argument("--plot", type=Path, help="a file for a picture of both, such as size.png")
    options = asked.parse_args()
    rows = []
    print(f"machine: {machine()}")
    print("| parties | statements | s | s per 1,000 statements | MiB | target |")
    print("| ---: | ---: | ---: | ---: | ---: | --- |")
    for size in map(int, options.sizes.split(",")):
        # A process for each, so that memory is its own.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            row = pool.apply(run, (size,))
        rows.append(row)
        parties, made, spent_s, mib = row
        target = f"≤ {TARGET_S:.0f} s" if size >= 200 else ""
        print(
            f"| {parties} | {made:,} | {spent_s:.2f} | {1_000 * spent_s / made:.3f} | {mib:.0f} | {target} |",
            flush=True,
        )
    if options.plot is not None:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
