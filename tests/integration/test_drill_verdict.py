"""A drill's verdict and evidence: one failed line fails the command; the logs it leaves verify alone, and not when altered."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.accord.terms import parse_terms
from detente.app.drill import lifting
from detente.app.drill.coalition import Coalition, Seat
from detente.app.drill.network import Network
from detente.app.drill.plan import Options, make_plan
from detente.app.drill.record import Record
from detente.app.drill.scene import Scene
from detente.app.init import make_solo
from detente.base.identity import Party
from detente.cli import main

PARTY = Party("dev-a")


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch):
    """A drill whose story begins with the given checks and ends there."""

    def begin_with(*held: bool) -> None:
        async def story(scene: Scene) -> None:
            for number, ok in enumerate(held):
                scene.check("test", f"line {number}", ok)

        monkeypatch.setattr("detente.app.drill.run._story", story)
        monkeypatch.setattr("detente.app.drill.run.measure_strain", lambda _jobs: 1.0)

    return begin_with


def drill(out: Path) -> tuple[int, str, dict]:
    result = CliRunner().invoke(main, ["drill", "--out", str(out)])
    return result.exit_code, result.stdout, json.loads((out / "result.json").read_text())


def test_one_line_that_does_not_hold_fails_the_command(tmp_path: Path, cut_short):
    """Exit code 1, the line by name on standard output, and `passed` false in the result."""
    cut_short(True, False, True)
    code, said, result = drill(tmp_path / "drill")
    assert code == 1
    assert "FAILED test: line 1" in said
    assert result["passed"] is False
    assert "FAILED: 2 of 3 checks held" in (tmp_path / "drill" / "report.html").read_text()


def test_a_drill_whose_lines_all_hold_passes(tmp_path: Path, cut_short):
    """Exit code 0, and the report opens with what was not exercised."""
    cut_short(True, True)
    code, said, result = drill(tmp_path / "drill")
    assert (code, result["passed"]) == (0, True)
    assert said.startswith("drill passed: 2 of 2 checks held")
    page = (tmp_path / "drill" / "report.html").read_text()
    assert page.index("Not exercised here") < page.index("What happened")


def test_a_drill_that_comes_to_no_check_at_all_fails(tmp_path: Path, cut_short):
    """Nothing asserted is nothing shown."""
    cut_short()
    assert drill(tmp_path / "drill")[0] == 1


def test_a_story_that_breaks_off_fails_and_still_leaves_its_report(tmp_path: Path, monkeypatch, cut_short):
    """A node that never answers ends the story: the reason is a failed line, and no process is left."""
    cut_short()

    async def story(scene: Scene) -> None:
        scene.nodes[PARTY] = scene.processes.start("node", ["detente", "--version"])
        monkeypatch.setattr("detente.app.drill.scene.PATIENCE", 0.01)
        await scene.until("the node answers", scene.clients[PARTY].health, within_s=1.0)

    monkeypatch.setattr("detente.app.drill.run._story", story)
    code, said, result = drill(tmp_path / "drill")
    assert code == 1
    assert "FAILED waiting: the node answers" in said
    assert [check["ok"] for check in result["checks"]] == [False]


class SoloSeat(Seat):
    """The seat of the party that keeps the log of a home of one organisation: witnessed without anybody else."""

    @property
    def origin(self) -> str:
        return "research-team.example/log"


@pytest.fixture
def scene(tmp_path: Path):
    """The end of a drill with one log, whose node has ended."""
    made = asyncio.run(make_solo(tmp_path / "home"))
    data = made.terms.read_bytes()
    seat = SoloSeat(Party("research-team"), tmp_path / "home", 9, {})
    coalition = Coalition(made.accord, parse_terms(data), data, {seat.party: seat})
    plan = replace(make_plan(Options()), bypasser=seat.party)
    (member, *_) = plan.parties
    plan = replace(plan, parties=(replace(member, name=seat.party),))
    network = Network(seed=0)
    scene = Scene(
        plan=plan, coalition=coalition, folder=tmp_path, network=network, record=Record(options={}), tell=lambda _: None
    )
    yield scene
    asyncio.run(scene.close())


def test_the_logs_verify_with_no_node_and_one_changed_byte_is_refused(scene: Scene):
    """The drill's last scene, by the command that anyone would use, on files alone."""
    asyncio.run(lifting.verify_logs(scene))
    held = {check.title: (check.ok, check.detail) for check in scene.record.checks}
    assert held["all 1 logs verify with no node running"][0], held
    assert "2 entries verify" in held["all 1 logs verify with no node running"][1]
    ok, said = held["a log with one changed byte does not verify"]
    assert ok
    assert "corrupt" in said


def test_a_log_that_was_altered_fails_the_scene(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """The check can fail: a byte that changes between export and verification makes the drill fail."""
    real = lifting._verify

    async def altered_first(scene: Scene, target: Path) -> tuple[int, str]:
        if target.name == "logs":
            alter(target)
        return await real(scene, target)

    monkeypatch.setattr(lifting, "_verify", altered_first)
    asyncio.run(lifting.verify_logs(scene))
    held = {check.title: check.ok for check in scene.record.checks}
    assert held["all 1 logs verify with no node running"] is False


def alter(target: Path) -> None:
    bundle = next(path for path in sorted(target.rglob("*")) if path.is_file() and "entries" in path.parts)
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(bytes(data))


def test_a_drill_that_is_ended_ends_its_processes(tmp_path: Path):
    """SIGTERM, as at Ctrl-C: no node stays behind, and the report says that the story was interrupted."""
    out = tmp_path / "drill"
    with subprocess.Popen(
        [sys.executable, "-m", "detente", "drill", "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 100
        while len(list((out / "output").glob("node-*.log"))) < 9:
            assert time.monotonic() < deadline, "the nodes did not start"
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 1
    deadline = time.monotonic() + 20  # One that was just being started may take a moment to end.
    while left := [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(out).encode() in _read(path)]:
        assert time.monotonic() < deadline, [_read(path) for path in left]
        time.sleep(0.1)
    assert json.loads((out / "result.json").read_text())["passed"] is False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
