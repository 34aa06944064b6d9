"""How fast the log's tree is: proofs a second at 100,000 leaves, appends a second. ``python bench/log_bench.py``."""

import time
from collections.abc import Callable

from timing import machine

from detente.log.merkle import CompactTree, MerkleTree, leaf_hash, verify_inclusion

LEAVES = 100_000
PROOFS = 20_000
ROUNDS = 7


def _rates(work: Callable[[], int]) -> tuple[float, float, float]:
    """Operations a second: least, median, most of the rounds; one round before them is not counted."""
    work()
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = work()
        rates.append(done / (time.perf_counter() - start))
    rates.sort()
    return rates[0], rates[len(rates) // 2], rates[-1]


def main() -> None:
    """Print one table."""
    leaves = [leaf_hash(at.to_bytes(8, "big")) for at in range(LEAVES)]
    tree = MerkleTree()
    tree.extend(leaves)
    root = tree.root()
    indices = [at * 7919 % LEAVES for at in range(PROOFS)]
    proofs = [tree.inclusion_proof(index, LEAVES) for index in indices]

    def prove() -> int:
        for index in indices:
            tree.inclusion_proof(index, LEAVES)
        return PROOFS

    def prove_consistency() -> int:
        for index in indices:
            tree.consistency_proof(index + 1, LEAVES)
        return PROOFS

    def verify() -> int:
        for index, proof in zip(indices, proofs, strict=True):
            verify_inclusion(leaves[index], index, LEAVES, proof, root)
        return PROOFS

    def append() -> int:
        compact = CompactTree()
        for leaf in leaves:
            compact.append(leaf)
        return LEAVES

    def extend() -> int:
        compact = CompactTree()
        for at in range(0, LEAVES, 200):
            compact.extend(leaves[at : at + 200])
        return LEAVES

    def store() -> int:
        stored = MerkleTree()
        for at in range(0, LEAVES, 200):
            stored.extend(leaves[at : at + 200])
        return LEAVES

    print(f"{machine()}; {LEAVES} leaves, {ROUNDS} rounds; per second")
    print(f"{'':34}{'least':>12}{'median':>12}{'most':>12}")
    for name, work in (
        ("inclusion proofs, nodes in memory", prove),
        ("consistency proofs", prove_consistency),
        ("inclusion proofs verified", verify),
        ("CompactTree, one by one", append),
        ("CompactTree, batches of 200", extend),
        ("MerkleTree, batches of 200", store),
    ):
        low, median, high = _rates(work)
        print(f"{name:34}{low:12,.0f}{median:12,.0f}{high:12,.0f}")


if __name__ == "__main__":
    main()
