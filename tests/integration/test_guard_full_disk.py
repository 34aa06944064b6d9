"""A disk that is really full when a guarded command halts: `halted` was given its place before, and survives the guard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from detente.adapters.rundir import RunFolder
from detente.app.supervising import NO_CHECKPOINT, load_last
from detente.statement.change import ProposedBy
from detente.statement.envelope import parse_envelope
from detente.statement.statement import parse_statement
from detente.statement.version import Version
from tests.integration.guard_bench import Bench, train
from tests.integration.small_disks import fill, small_disk
from tests.integration.test_guard_supervision import gone, play


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 256) as place:
        yield place


def kept(disk: Path) -> list:
    """What stands in the outbox on the disk, for whoever guards the run next."""
    folder = RunFolder(disk / "home", "run")
    folder.take()
    try:
        return [parse_statement(parse_envelope(envelope)) for _, envelope in folder.posted()]
    finally:
        folder.release()


def test_halted_is_durable_although_the_disk_is_full(disk: Path, tmp_path: Path):
    """No network and no room: the statement and where the run stands are on the disk, and nothing is in memory alone."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "5", "--checkpoint-every", "20", steps=3_000)
        async with Bench(disk, command, halt_within_s=5) as bench:
            await bench.trained(tmp_path / "out")
            pids = bench.pids()
            fill(disk)
            bench.node.reachable = False
            bench.pause()
            assert await bench.code == 75
            assert gone(pids)
            assert bench.petitioner.trouble == ""
            assert not [line for line in bench.said if "cannot keep" in line or "cannot write the request" in line]

    play(scenario())
    [halted] = kept(disk)
    assert (halted.kind, halted.body.why) == ("halted", "pause")
    checkpoint, is_halted = load_last(RunFolder(disk / "home", "run"))
    assert is_halted
    assert checkpoint is not None, "the request and the receipt found room"
    assert checkpoint.sha256 == halted.body.checkpoint


def test_a_job_that_cannot_answer_is_halted_on_the_full_disk_too(disk: Path):
    """It has no checkpoint; a proposal that was filed meanwhile has not taken the place."""

    async def scenario() -> None:
        async with Bench(disk, ["sleep", "60"], halt_within_s=5) as bench:
            await bench.started()
            bench.node.reachable = False
            bench.petitioner.post("version", Version("a" * 64, (), ProposedBy("human", None), (), None))
            fill(disk)
            bench.pause()
            assert await bench.code == 75

    play(scenario())
    assert [each.kind for each in kept(disk)] == ["version", "halted"]
    assert kept(disk)[-1].body.checkpoint == NO_CHECKPOINT


def test_a_disk_that_is_full_before_the_start_is_said_and_the_job_is_guarded_from_memory(disk: Path):
    """Nobody is stopped for want of room, and nothing is promised that is not so."""

    async def scenario() -> None:
        bench = Bench(disk, ["sleep", "60"], halt_within_s=5)
        bench.session._memory = Forgetful()  # The first permit is taken; only the place for `halted` is not to be had.
        fill(disk)
        async with bench:
            await bench.started()
            assert any("no place on the disk" in line for line in bench.said)
            bench.pause()
            assert await bench.code == 75
            await bench.until(lambda: bench.node.kinds == ["halted"])

    play(scenario())


class Forgetful:
    """A guard's memory that needs no disk."""

    def load(self):
        return {}, 0

    def store(self, heads, epoch):
        pass
