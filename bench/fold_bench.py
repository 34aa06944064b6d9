"""How fast evidence folds: 100,000 verified statements of which 1 % touch triggers. ``python bench/fold_bench.py``.

Counted: ``add_verified`` of every statement, every cosignature, ``fold``, and one ``status``. Not counted: making, signing
and verifying the statements. Then, on top of the full evidence, one more touching statement with the cosignatures that
witness it: until ``fold`` and ``status`` are done again.

Targets: at least 100,000 statements a second; at most 1 ms for one more.
"""

import hashlib
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from timing import machine, spread

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.status import status
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.accession import Accession
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.keys import prove_possession
from detente.statement.measurement import Measurement
from detente.statement.progress import Progress
from detente.statement.run import Run
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Body, Header, VerifiedStatement, make_payload, verify_envelope
from detente.statement.vote import Vote

STATEMENTS = 100_000
TOUCHING_EVERY = 100
CHECKPOINT_EVERY = 200
ROUNDS = 5
EXTRA = 200
T0 = 1_800_000_000
DEVELOPERS = ("dev-a", "dev-b", "dev-c")
MIRRORS = ("aud-1", "aud-2", "auth-1", "auth-2")

TERMS = """\
accord: bench
version: 1
parties:
  dev-a:  {country: US, roles: [developer]}
  dev-b:  {country: GB, roles: [developer]}
  dev-c:  {country: CN, roles: [developer]}
  aud-1:  {country: CA, roles: [auditor, mirror, adjudicator]}
  aud-2:  {country: JP, roles: [auditor, mirror]}
  auth-1: {country: US, roles: [authority, mirror, adjudicator]}
  auth-2: {country: CN, roles: [authority, mirror, adjudicator]}
mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 60 s}
entry_into_force: {when: {acceded: {role: developer, at_least: 3}}}
indicators:
  spread: {supplied_by: developer, every: 700 d, unit: x}
triggers:
  - {id: unattended, when: {at_least: [ai_proposed_depth, 3]}, then: pause, scope: party}
  - {id: spreading, when: {at_least: [spread, 5 x]}, then: pause, scope: party}
  - {id: call, when: {votes: {of: [auditor, authority], at_least: 2}}, then: pause, scope: all}
pause: {activities: [training], halt_within: 15 min}
lift: {votes: {auditor: 1, authority: 2}}
permits: {life: {calm: 6 h, alert: 10 min}}
"""


def signer(party: str, use: Any) -> SoftwareSigner:
    return SoftwareSigner(hashlib.sha256(f"{party} {use}".encode()).digest())


def founding() -> bytes:
    keys = {}
    for name in (*DEVELOPERS, *MIRRORS):
        party = Party(name)
        uses = [("root", None), ("statement", None), ("log", f"{name}.example/log")]
        if name in MIRRORS:
            uses += [("mirror", f"{name}.example/mirror"), ("permit", None)]
        keys[party] = tuple(
            ProvenKey(use, signer(party, use).public_key, prove_possession(party, use, signer(party, use)), label)
            for use, label in uses
        )
    return (TERMS + spell_keys(dict.fromkeys(keys, 1), keys)).encode()


class Maker:
    """Signs statements and has them verified."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.made = 0

    def make(self, party: str, kind: Any, body: Body, use: str = "statement") -> VerifiedStatement:
        self.made += 1
        header = Header(self.evidence.accord, 1, Party(party), f"{self.made:032x}", Instant(T0))
        data = encode_envelope(sign_payload(make_payload(kind, header, (), body), signer(party, use)))
        return verify_envelope(data, self.evidence.keys)

    def touching(self, number: int) -> VerifiedStatement:
        party = DEVELOPERS[number % 3]
        if number % 10 == 0:
            vote = Vote("pause", "call", 0, Party("all"), Instant(T0 + 1_000 + number))
            return self.make(MIRRORS[number // 10 % 4], "vote", vote)
        value = Decimal(1 + number % 3)
        return self.make(party, "measurement", Measurement("spread", value, value, "x", "counted", (), Instant(T0)))


def build(terms: bytes) -> tuple[list[tuple[str, VerifiedStatement]], list[VerifiedStatement]]:
    maker = Maker(Evidence(terms))
    made = [(p, maker.make(p, "accession", Accession(maker.evidence.accord, ()), "root")) for p in DEVELOPERS]
    runs = {p: maker.make(p, "run", Run("run-1", "training", Decimal("1e20"), (), ())) for p in DEVELOPERS}
    made += runs.items()
    for number in range(STATEMENTS - len(made)):
        party = DEVELOPERS[number % 3]
        if number % TOUCHING_EVERY == 0:
            made.append((party, maker.touching(number // TOUCHING_EVERY)))
        else:
            body = Progress(runs[party].statement.id, number, Decimal(number), "a" * 64)
            made.append((party, maker.make(party, "progress", body)))
    return made, [maker.touching(number) for number in range(EXTRA)]


def steps(made: list[tuple[str, VerifiedStatement]]) -> Iterator[tuple[Any, ...]]:
    """The statements in their logs, and four cosignatures over every log at each checkpoint."""
    sizes = dict.fromkeys(DEVELOPERS, 0)
    for number, (party, verified) in enumerate(made):
        yield "entry", Place(f"{party}.example/log", sizes[party]), verified
        sizes[party] += 1
        if (number + 1) % CHECKPOINT_EVERY == 0 or number + 1 == len(made):
            for log in DEVELOPERS:
                for mirror in MIRRORS:
                    yield "cosign", f"{log}.example/log", mirror, sizes[log], T0 + number // CHECKPOINT_EVERY


def main() -> None:
    terms = founding()
    made, extra = build(terms)
    todo = list(steps(made))
    rates, later = [], []
    for _ in range(ROUNDS):
        evidence = Evidence(terms)
        start = time.perf_counter()
        for step in todo:
            if step[0] == "entry":
                evidence.add_verified(step[1], step[2])
            else:
                evidence.add_cosignature(*step[1:])
        state = fold(evidence)
        seen = status(state, Instant(T0 + 100_000))
        rates.append(STATEMENTS / (time.perf_counter() - start))
        assert seen.phase == "in_force"
    size, at = evidence.size("dev-a.example/log"), T0 + 100_001
    for number, verified in enumerate(extra):
        start = time.perf_counter()
        evidence.add_verified(Place("dev-a.example/log", size + number), verified)
        for mirror in MIRRORS:
            evidence.add_cosignature("dev-a.example/log", mirror, size + number + 1, at + number)
        state = fold(evidence)
        status(state, Instant(at + number))
        later.append((time.perf_counter() - start) * 1_000)
    least, median, most = spread(rates)
    print(f"machine: {machine()}")
    print(f"{STATEMENTS} statements, {STATEMENTS // TOUCHING_EVERY} touch triggers, {ROUNDS} rounds")
    print("| what | least | median | most | target |")
    print("| --- | ---: | ---: | ---: | ---: |")
    print(f"| statements folded a second | {least:,.0f} | {median:,.0f} | {most:,.0f} | ≥ 100,000 |")
    least, median, most = spread(later)
    print(f"| one more touching statement, ms ({EXTRA} times) | {least:.3f} | {median:.3f} | {most:.3f} | ≤ 1 |")


if __name__ == "__main__":
    main()
