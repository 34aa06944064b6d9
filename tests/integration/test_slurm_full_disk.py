"""The gate's disk is really full when the cluster is to stop: what was kept aside is enough; where that is gone too, it stops all the same."""

import time
from collections.abc import Iterator

import pytest

from detente.adapters.slurm import Slurm
from detente.app.slurm.gate import ROOM
from detente.app.slurm.keeping import AGAIN_S
from tests.integration.slurm_cluster import absent, folder_for_all
from tests.integration.slurm_rig import Loop, Site, counter, site
from tests.integration.small_disks import BALLAST, fill, small_disk

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "-")


@pytest.fixture(scope="module")
def open_site() -> Iterator[Site]:
    """Its gate is a file system of 4 MiB."""
    with folder_for_all() as folder, small_disk(folder / "gate", 4_096), site(folder=folder) as made:
        yield made


@pytest.fixture
def place(open_site) -> Iterator[Site]:
    """Afterwards there is room again, and the site is without jobs and lifted."""
    yield open_site
    (open_site.gate / BALLAST).unlink(missing_ok=True)
    open_site.clear()


def test_a_full_disk_has_room_for_a_pause(place):
    """`closed`, the record, the request and the receipt are written into what the gate kept aside; the lift keeps it anew."""
    loop, deaf = Loop(place, "full", 23), counter(place)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    fill(place.gate)
    loop.let(23, "pause")
    said = place.json("slurm", "pause")
    assert said["paused"] is True
    assert {job: each["outcome"] for job, each in said["jobs"].items()} == {loop.job: "saved", deaf: "suspended"}
    assert not (place.gate / ROOM).exists()
    (place.gate / BALLAST).unlink()
    place.until_leave()
    loop.let(23, "on")
    assert place.json("slurm", "lift")["resumed"] == [deaf]
    assert (place.gate / ROOM).exists()
    place.cluster.until(lambda: loop.done, "it ends")
    assert loop.starts() == [0, 23]


def test_a_disk_without_any_room_stops_the_cluster_all_the_same(place):
    """Nothing can be written: admission is closed by the reservation, what runs is suspended, and the command does not say that it paused."""
    loop, deaf = Loop(place, "no-room", 23), counter(place)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    (place.gate / ROOM).unlink()
    fill(place.gate)
    refused = place.detente("slurm", "pause")
    assert refused.returncode != 0
    assert "C10 full" in refused.stderr
    assert "suspended 2 that ran, in no record" in refused.stderr
    for job in (loop.job, deaf):
        place.cluster.until_state(job, "SUSPENDED")
    assert Slurm(place.environment).is_reserved()
    assert not (place.gate / "closed").exists()


def test_a_keeper_on_a_full_disk_stops_the_cluster_and_tries_again_in_good_time(place):
    """Whoever keeps a cluster that cannot be closed says so every few seconds, not as fast as it can."""
    deaf = counter(place)
    place.call()
    (place.gate / ROOM).unlink(missing_ok=True)
    fill(place.gate)
    place.start("keep")
    try:
        place.cluster.until_state(deaf, "SUSPENDED")
        place.cluster.until(lambda: "the pause did not end: C10 full" in place.said("keep"), "it says so")
        began = time.monotonic()
        place.cluster.until(lambda: place.said("keep").count("the pause did not end") > 2, "it has tried again twice")
        assert time.monotonic() - began > AGAIN_S
        assert "FINDING" not in place.said("keep")
    finally:
        place.end("keep")
        (place.gate / BALLAST).unlink()
        place.lift_accord()
