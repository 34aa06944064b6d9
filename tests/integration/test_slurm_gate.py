"""The gate in front of a real Slurm: nothing starts without leave, whoever asks and whatever breaks."""

import os
import time
from pathlib import Path

import pytest

from tests.integration.slurm_cluster import absent
from tests.integration.slurm_rig import Site

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "-")
SLEEP = "touch {place}/started-$SLURM_JOB_ID; sleep 600"


@pytest.fixture
def place(open_site) -> Site:
    """The site with leave; what a test changed in the gate is put back, and its jobs are gone."""
    kept = {name: (open_site.gate / name).read_bytes() for name in ("leave", "prolog", "gate.json")}
    lua = open_site.folder / "job_submit.lua"
    kept_lua = lua.read_bytes()
    yield open_site
    for name, data in kept.items():
        path = open_site.gate / name
        new = path.with_name(f".{name}.back")
        new.write_bytes(data)
        new.chmod(0o755 if name == "prolog" else 0o644)
        new.replace(path)
    lua.write_bytes(kept_lua)
    open_site.clear()


def replaced(place: Site, name: str, data: bytes) -> None:
    new = place.gate / f".{name}.new"
    new.write_bytes(data)
    new.chmod(0o755)
    new.replace(place.gate / name)


def refused(place: Site) -> str:
    """What a user, here root, is told when nothing is admitted."""
    done = place.cluster.run("sbatch", "-c1", input="#!/bin/bash\nsleep 600\n", cwd=place.folder)
    assert done.returncode != 0, done.stdout
    return done.stderr


def not_started(place: Site, number: str) -> None:
    """Slurm tried, was refused, and put the job back: no task ran, and the node is not taken out of service."""
    place.cluster.until(lambda: "prolog exit status" in place.cluster.logs(), "the launch was refused")
    place.cluster.until_state(number, "PENDING")
    assert not (place.folder / f"started-{number}").exists()
    assert place.cluster.said("sinfo", "-h", "-o", "%T").strip() == "idle"


def test_a_job_starts_while_there_is_leave(place):
    """Both gates let it through; the epoch of its leave is remembered, and it has a control directory of its own."""
    job = place.cluster.submit(SLEEP.format(place=place.folder))
    place.cluster.until((place.folder / f"started-{job}").exists, "the job started")
    assert int((place.gate / "seen" / "epoch").read_text()) >= 1
    assert (place.gate / "jobs" / job).stat().st_mode & 0o777 == 0o700


def test_a_closed_cluster_refuses_with_the_reason(place):
    """U01, root too; a queued job cannot be changed or released either, but may be held."""
    job = place.cluster.submit(SLEEP.format(place=place.folder), "--hold")
    (place.gate / "closed").write_text("an evaluation failed\n")
    assert "U01 paused: an evaluation failed" in refused(place)
    for change in (("release", job), ("update", f"JobId={job}", "TimeLimit=5")):
        done = place.cluster.run("scontrol", *change)
        assert done.returncode != 0, change
    assert place.cluster.run("scontrol", "hold", job).returncode == 0
    assert place.cluster.state(job) == "PENDING"


LEAVES = {
    "absent": (None, "U02"),
    "empty": (b"", "U02"),
    "garbage": (bytes(range(256)), "U03"),
    "another format": (b"detente-posted-leave 9\n", "U03"),
    "none": (b"detente-posted-leave 1\nnone a pause is latched\n", "U04"),
    "huge": (b"detente-posted-leave 1\n" * 10_000, "U02"),
}


@pytest.mark.parametrize("name", LEAVES)
def test_what_is_no_leave_refuses_at_both_gates(place, name):
    """The plugin refuses with a number; the program that stands at the launch ends with 1."""
    data, rule = LEAVES[name]
    if data is None:
        (place.gate / "leave").unlink()
    else:
        replaced(place, "leave", data)
    assert f"detente: job refused: {rule}" in refused(place)
    assert place.cluster.run(str(place.gate / "prolog")).returncode == 1


def test_a_leave_that_lapsed_or_is_of_another_boot_refuses(place):
    """U05, by a clock that nobody sets."""
    text = place.leave()
    asked = next(line for line in text.splitlines() if line.startswith("asked "))
    for old, new in ((asked, "asked 1"), (text.splitlines()[1], "boot " + "0" * 36)):
        replaced(place, "leave", text.replace(old, new).encode())
        assert "U05 expired" in refused(place)
        assert "U05 expired" in place.cluster.run(str(place.gate / "prolog")).stderr


def test_a_leave_that_was_moved_to_a_later_instant_is_refused_at_launch(place):
    """The plugin sees six good lines; the issuers signed another instant: P11. So an edited file starts nothing."""
    text = place.leave()
    asked = next(line for line in text.splitlines() if line.startswith("asked "))
    later = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1_000) - 5
    replaced(place, "leave", text.replace(asked, f"asked {later}").encode())
    job = place.cluster.submit(SLEEP.format(place=place.folder))
    not_started(place, job)
    assert "P11 replayed" in place.cluster.run(str(place.gate / "prolog")).stderr


BROKEN = {
    "crashes": b"#!/bin/sh\nexit 3\n",
    "its interpreter is missing": b"#!/no/such/python\n",
    "is garbage": bytes(range(1, 200)),
    "says yes and fails": b"#!/bin/sh\necho yes\nexit 1\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_program_at_the_launch_that_breaks_starts_nothing(place, name):
    """Whatever does not end with 0 puts the job back."""
    (place.cluster.folder / "slurmctld.log").write_text("")
    replaced(place, "prolog", BROKEN[name])
    not_started(place, place.cluster.submit(SLEEP.format(place=place.folder)))


def test_a_gate_whose_python_is_gone_or_hangs_refuses_by_its_script(place):
    """The installed script turns every end of the program, by a signal too, into an exit with 1."""
    script = (place.gate / "prolog").read_text()
    line = next(line for line in script.splitlines() if "hooks.slurm.prolog" in line)
    python = next(word for word in line.split() if "python" in word)
    for program, limit in (("/no/such/python", "60"), ("sleep 60 #", "0.5"), ("sh -c 'kill -9 $$' #", "60")):
        text = script.replace(python, program).replace("-k 1 60", f"-k 1 {limit}")
        replaced(place, "prolog", text.encode())
        assert place.cluster.run(str(place.gate / "prolog")).returncode == 1, program


def test_a_plugin_that_was_broken_or_taken_away_goes_on_refusing(place):
    """Slurm goes on with the one that it read before; `detente slurm status` finds what is not as it was."""
    lua = place.folder / "job_submit.lua"
    (place.gate / "closed").write_text("paused\n")
    for break_it in (lambda: lua.write_text("syntax error ("), lua.unlink):
        break_it()
        os.utime(place.folder)
        assert "U01" in refused(place)
    said = place.detente("slurm", "status")
    assert f"FINDING {lua} is gone" in said.stdout
    assert said.returncode != 0


def test_a_plugin_that_raises_an_error_refuses(place):
    """Slurm takes an error for consent: so none leaves the shipped plugin, even if Slurm's own tables are not what they were."""
    lua = place.folder / "job_submit.lua"
    text = lua.read_text()
    assert "local function reason()\n" in text
    lua.write_text(
        text.replace("local function reason()\n", "local function reason()\n  local nothing = nil; nothing()\n")
    )
    assert "U03 malformed: the gate failed" in refused(place)


def test_the_gate_is_as_it_was_installed(place):
    """No finding on a fresh site; the installed program that cannot be run is one."""
    assert place.json("slurm", "status")["findings"] == []
    (place.gate / "prolog").chmod(0o644)
    found = place.detente("slurm", "status")
    assert "prolog is not executable" in found.stdout


def test_a_gate_is_not_put_over_another_plugin(place, tmp_path):
    """U11: a site that has a plugin of its own keeps it."""
    (tmp_path / "job_submit.lua").write_text("-- the site's own\n")
    said = place.detente(
        "slurm", "install", "--conf-dir", str(tmp_path), "--slurm-user", "root", "--run", "other", home=True
    )
    assert "U11 conflict" in said.stderr
    assert Path(tmp_path / "job_submit.lua").read_text() == "-- the site's own\n"


def test_leave_for_another_run_is_not_posted_here(place):
    """U10: a home that would ask for another standing run than the gate expects ends at once."""
    said = place.detente("slurm", "watch", "--run", "another", home=True)
    assert "U10 conflict" in said.stderr
    assert "\npermit " in place.leave()
