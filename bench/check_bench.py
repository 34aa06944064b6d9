"""How long it takes to prove or refute the shipped accords: ``accord check`` of each. ``python bench/check_bench.py``.

Counted: every claim, as ``detente accord check`` makes them without ``--doubling``, in processor time, which other work on the
machine does not lengthen; reading the terms beside it. States are those that the claims say they explored, in all. ``--rounds 1``
is a short look.

Target: at most 20 s each.
"""

import argparse
import re
import time
from pathlib import Path

from timing import machine, spread

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.terms import parse_terms

ACCORDS = Path(__file__).parent.parent / "accords"
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    print(f"machine: {machine()}")
    print(f"{rounds} round{'s' if rounds > 1 else ''}, s of processor time")
    print("| accord | reading | claims | broken | states | least | median | most | target |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for path in sorted(ACCORDS.glob("*.scenarios.yaml")):
        file = path.with_name(path.name.replace(".scenarios", ""))
        began = time.process_time()
        terms = parse_terms(file.read_bytes(), template=True)
        read_s = time.process_time() - began
        took = []
        for _ in range(rounds):
            began = time.process_time()
            claims = check_terms(terms, Assumptions(Outages(12, 1_800)))
            took.append(time.process_time() - began)
        least, median, most = spread(took)
        broken = sum(claim.verdict == "broken" for claim in claims)
        states = sum(
            int(found[1].replace(",", "")) for claim in claims if (found := re.search(r"([\d,]+) states?", claim.bound))
        )
        name = file.name.removesuffix(".yaml")
        print(
            f"| {name} | {read_s:.2f} | {len(claims)} | {broken} | {states:,} | {least:.2f} | {median:.2f} | {most:.2f} | ≤ 20 |",
            flush=True,
        )


if __name__ == "__main__":
    main()
