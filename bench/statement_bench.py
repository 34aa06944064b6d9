"""How many statements a second are admitted: parsed and verified. ``python bench/statement_bench.py``.

In a batch, a process for each further core checks signatures: that needs free cores. Threads would not help, since the
verifier holds the interpreter's lock.
"""

import time
from collections.abc import Callable
from decimal import Decimal

from timing import machine

from detente.app.batch_checking import BatchChecking
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.strict_json import parse_json
from detente.statement.envelope import encode_envelope, pae, parse_envelope, sign_payload
from detente.statement.keys import KeyRing, prove_possession
from detente.statement.progress import Progress
from detente.statement.signing import SoftwareSigner, verify_ed25519
from detente.statement.statement import Header, make_payload, parse_statement, verify_envelope
from detente.statement.vote import Vote

STATEMENTS = 2_000
BATCH = 1_000
ROUNDS = 7
PARTY = Party("authority-a")


def _rates(work: Callable[[], object]) -> tuple[float, float, float]:
    """Statements a second: least, median, most of the rounds; one round before them is not counted."""
    work()
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        rates.append(STATEMENTS / (time.perf_counter() - start))
    rates.sort()
    return rates[0], rates[len(rates) // 2], rates[-1]


def _statements(signer: SoftwareSigner) -> list[bytes]:
    """Votes and progress in turn, each with its own nonce."""
    made = []
    for number in range(STATEMENTS):
        header = Header(Digest("a" * 64), 1, PARTY, f"{number:032x}", Instant(1_800_000_000))
        if number % 2:
            payload = make_payload(
                "progress", header, (), Progress(Digest("b" * 64), number, Decimal("1e20"), Digest("c" * 64))
            )
        else:
            vote = Vote("pause", "self-depth", 0, Party("all"), Instant(1_800_086_400))
            payload = make_payload("vote", header, (), vote)
        made.append(encode_envelope(sign_payload(payload, signer)))
    return made


def main() -> None:
    """Print one table."""
    signer, ring = SoftwareSigner(bytes(32)), KeyRing()
    ring.enrol(PARTY, "statement", signer.public_key, prove_possession(PARTY, "statement", signer))
    data = _statements(signer)
    batches = [data[at : at + BATCH] for at in range(0, STATEMENTS, BATCH)]
    signed = [
        (pae(envelope.payload_type, envelope.payload), envelope.signatures[0].sig)
        for envelope in map(parse_envelope, data)
    ]
    payloads = [parse_envelope(entry).payload for entry in data]

    def admit(batch: list[bytes]) -> None:
        for entry in batch:
            verify_envelope(entry, ring)

    def admit_all() -> None:
        admit(data)

    def json_only() -> None:
        for entry, payload in zip(data, payloads, strict=True):
            parse_json(entry, limit=65_535)
            parse_json(payload, limit=65_535)

    def parse() -> None:
        for entry in data:
            parse_statement(parse_envelope(entry))

    def signatures() -> None:
        for message, signature in signed:
            verify_ed25519(signer.public_key, message, signature)

    print(f"{machine()}; {STATEMENTS} statements of about {len(data[0])} bytes, {ROUNDS} rounds; per second")
    print(f"{'':46}{'least':>10}{'median':>10}{'most':>10}")
    batches_of = BatchChecking(ring)
    rows: tuple[tuple[str, Callable[[], object]], ...] = (
        ("strict JSON alone, envelope and payload", json_only),
        ("parse, unverified", parse),
        ("Ed25519 alone, 1 process", signatures),
        ("admit: parse and verify, 1 process", admit_all),
        (f"admit: parse and verify, {BATCH} a batch", lambda: [batches_of.check(batch) for batch in batches]),
    )
    medians = {}
    for name, work in rows:
        least, median, most = _rates(work)
        medians[work] = median
        print(f"{name:46}{least:>10,.0f}{median:>10,.0f}{most:>10,.0f}")
    batches_of.close()
    beyond = 1e6 / medians[parse] - 1e6 / medians[json_only]
    print(
        f"parsing costs {beyond:.1f} µs beyond strict JSON (target ≤ 25); admission target ≥ 10,000 a second, batched"
    )


if __name__ == "__main__":
    main()
