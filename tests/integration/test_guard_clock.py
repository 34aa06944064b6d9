"""Wall clocks decide nothing at a guard: not in its code, and not when somebody sets one."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUARDS = (
    "adapters/deadman.py",
    "adapters/events.py",
    "adapters/job.py",
    "adapters/keeper.py",
    "adapters/process.py",
    "adapters/rundir.py",
    "app/direct.py",
    "app/guarding.py",
    "app/observing.py",
    "app/supervising.py",
    "guard/lease.py",
    "guard/notice.py",
    "guard/supervise.py",
    "hooks/agreement.py",
    "hooks/loop.py",
    "hooks/session.py",
)
WALL = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.localtime", "time.gmtime", "_clock.now"}


def wall_clocks_read(text: str) -> list[str]:
    called = (ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return [name for name in called if any(name == wall or name.endswith((f".{wall}", wall)) for wall in WALL)]


@pytest.mark.parametrize("module", GUARDS)
def test_no_module_of_the_guard_reads_a_wall_clock(module: str):
    """What is not read cannot decide. Only `made_at` of statements (app.petition) is dated, and it is a claim."""
    assert wall_clocks_read((ROOT / "src" / "detente" / module).read_text()) == []


def test_the_check_sees_a_wall_clock():
    """A reading that finds nothing anywhere would pass everything."""
    assert wall_clocks_read("import time\nx = time.time()\ny = self._clock.now()") == ["time.time", "self._clock.now"]


STORY = """
import asyncio, json, sys, time
from pathlib import Path
from tests.integration.guard_bench import Bench, train
place, jump = Path(sys.argv[1]), Path(sys.argv[2])
async def main():
    command = train(place / "out", "--slow-ms", "5", steps=5_000)
    async with Bench(place, command, life_s=2, halt_within_s=5) as bench:
        await bench.started()
        before, began = time.time(), time.monotonic()
        jump.touch()
        await asyncio.sleep(1.3)
        moved = (time.time() - before) - (time.monotonic() - began)
        phase, pids = bench.supervision.machine.phase, bench.pids()
        renewed = bench.session.permits_seen
        bench.issuers.silent |= {"iss-0", "iss-1", "iss-2", "iss-3"}
        lapse = bench.session.leave.until_s
        await bench.until(lambda: not bench.session.leave.given)
        late = bench.clock.boottime_s() - lapse
        code = await bench.code
    print(json.dumps({"moved": moved, "phase": phase, "pids": len(pids), "renewed": renewed, "late": late, "code": code}))
asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build the shim that moves the wall clock")
@pytest.mark.parametrize("jump_s", [86_400, -86_400])
def test_a_wall_clock_that_jumps_by_a_day_changes_nothing(tmp_path: Path, jump_s: int):
    """Guard, keeper and job all see the jump; the job runs on, permits are renewed, and the lapse comes when it should."""
    shim = tmp_path / "jump.so"
    source = Path(__file__).with_name("clock_jump.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True, timeout=30)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "JUMP_WHEN": str(tmp_path / "now"),
        "JUMP_S": str(jump_s),
        "PYTHONPATH": str(ROOT),
    }
    told = subprocess.run(
        [sys.executable, "-c", STORY, str(tmp_path), str(tmp_path / "now")],
        env=environment,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    seen = json.loads(told.stdout)
    assert seen["moved"] == pytest.approx(jump_s, abs=5)
    assert (seen["phase"], seen["code"]) == ("running", 75)
    assert seen["pids"] >= 1
    assert seen["renewed"] >= 2
    assert 0 <= seen["late"] < 5
