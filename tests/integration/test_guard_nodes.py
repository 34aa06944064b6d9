"""Guards as people run them: the real command, real nodes, real jobs."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from detente.adapters.process import read_process
from detente.testing.coalition import TERMS, Coalition
from detente.testing.loopback import COMMAND, Loopback
from tests.integration.guard_bench import train

QUICK = TERMS.replace("calm: 1 h, alert: 10 min", "calm: 4 s, alert: 3 s").replace(
    "halt_within: 15 min", "halt_within: 5 s"
)
ONE_VOTE = QUICK.replace("at_least: 2}}}}\n    then: pause", "at_least: 1}}}}\n    then: pause").replace(
    "lift: {{votes: {{auditor: 1, authority: 1}}}}", "lift: {{votes: {{auditor: 1}}}}"
)


@contextlib.contextmanager
def detente(*arguments: str, cwd: Path, home: Path | None = None, **more) -> Iterator[subprocess.Popen]:
    """The command as a process, which a failing test does not leave behind and does not wait for."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    environment.pop("DETENTE_HOME", None)
    if home is not None:
        environment["DETENTE_HOME"] = str(home)
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def run(*arguments: str, cwd: Path, expect: int = 0, within_s: float = 40) -> tuple[str, str]:
    with detente(*arguments, cwd=cwd) as process:
        out, error = process.communicate(timeout=within_s)
    assert process.returncode == expect, f"exit {process.returncode}: {error}{out}"
    return out, error


def wait_for(condition, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    process = read_process(pid)
    return process is not None and process.alive


def drawn_out(go: Path) -> list[str]:
    """Options of a training job that rests after 30 steps until ``go`` is there: it cannot end before its pause."""
    return ["--slow-after", "30", "--slow-ms", "600000", "--slow-until", str(go)]


MARKING = (
    "import os,sys,time,pathlib; p=pathlib.Path(sys.argv[1]); p.joinpath(str(os.getpid())).touch()\n"
    "while True: time.sleep(0.05)"
)


def test_observing_needs_no_set_up_and_changes_nothing_but_the_record(tmp_path: Path):
    """In a stranger's folder: the job's output and exit code are its own; one folder appears; nothing is enforced."""
    script = "import os, sys; print(sorted(k for k in os.environ if k.startswith('DETENTE'))); sys.exit(3)"
    out, said = run("guard", "--observe", "--", sys.executable, "-c", script, cwd=tmp_path, expect=3)
    assert out == "['DETENTE_OBSERVE_DIR']\n"
    assert said.count("not enforced") == 2
    assert "exit 3" in said
    assert [path.name for path in tmp_path.iterdir()] == [".detente"]
    events = [json.loads(line) for line in (tmp_path / ".detente" / "observe.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["started", "ended"]
    out, _ = run("status", "--json", cwd=tmp_path)
    assert "halted" not in [each["state"] for each in json.loads(out)["halts"]]


def no_folder(home: Path) -> None:
    home.write_text("in the way")


def other_terms(home: Path) -> None:
    run("init", "--solo", cwd=home.parent)
    (home / "terms.yaml").write_bytes((home / "terms.yaml").read_bytes() + b"# one more line")


def no_database(home: Path) -> None:
    run("init", "--solo", cwd=home.parent)
    (home / "node.db").write_bytes(b"no database" * 900)


@pytest.mark.parametrize(
    ("spoil", "trouble"), [(no_folder, "cannot write"), (other_terms, "N01"), (no_database, "C11")]
)
def test_observing_that_fails_never_stops_the_command(tmp_path: Path, spoil, trouble):
    """A home that can be neither made nor read is a trouble in the summary; the command runs and its code is its own."""
    spoil(tmp_path / ".detente")
    script = "import sys, time; time.sleep(2); print('ran'); sys.exit(7)"
    out, said = run("guard", "--observe", "--", sys.executable, "-c", script, cwd=tmp_path, expect=7)
    assert out == "ran\n"
    assert any(line.startswith("  trouble") and trouble in line for line in said.splitlines())


def test_observing_says_when_a_pause_would_have_stopped_the_job(tmp_path: Path):
    """The job runs through a real pause, untouched; the summary names the moment and the reason."""
    run("init", "--solo", cwd=tmp_path)
    record, end = tmp_path / ".detente" / "observe.jsonl", tmp_path / "end"
    script = f"import os, time\nwhile not os.path.exists({str(end)!r}): time.sleep(0.02)"
    with detente("guard", "--observe", "--json", "--", sys.executable, "-c", script, cwd=tmp_path) as job:
        wait_for(lambda: record.exists() and '"started"' in record.read_text())
        run("pause", "--as", "safety-team", cwd=tmp_path)
        wait_for(lambda: '"would have"' in record.read_text())
        end.touch()
        out, _ = job.communicate(timeout=90)
    seen = json.loads(out)
    assert (job.returncode, seen["enforced"]) == (0, False)
    assert [each["what"].split(",")[0] for each in seen["would_have"]] == ["asked for a checkpoint and stopped the job"]
    assert seen["would_have"][0]["at_s"] > 0


def test_alone_on_one_machine_a_pause_stops_a_lift_resumes_and_the_weights_are_bit_equal(tmp_path: Path):
    """From `init --solo` on, with no server: three processes share one store, and the job ends as if nobody had come."""
    subprocess.run(train(tmp_path / "reference"), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("init", "--solo", cwd=tmp_path)
    command = train(tmp_path / "out", *drawn_out(tmp_path / "go"))
    with detente("guard", "--run", "lm", "--planned-flop", "1e15", "--hold", "--", *command, cwd=tmp_path) as guard:
        wait_for((tmp_path / "out" / "checkpoints").exists)
        run("pause", "--as", "safety-team", "--reason", "to try it", cwd=tmp_path)
        last = tmp_path / ".detente/runs/lm/last.json"
        wait_for(lambda: last.exists() and '"halted":true' in last.read_text())
        out, _ = run("status", "--why", cwd=tmp_path)
        assert "PAUSED by call" in out
        assert "lm: declared" in out
        (tmp_path / "go").touch()
        run("lift", "--as", "safety-team", cwd=tmp_path)
        _, said = guard.communicate(timeout=90)
    assert guard.returncode == 0, said
    assert "resumed under permit epoch" in said
    finals = [
        json.loads((tmp_path / name / "final.json").read_text())["weights_sha256"] for name in ("reference", "out")
    ]
    assert finals[0] == finals[1]


def test_without_a_permit_nothing_starts_and_the_words_say_what_to_do(tmp_path: Path):
    """Paused, over a limit, without a plan, without a home: each refused before the command runs, each with a next step."""
    mark = tmp_path / "ran"
    command = ["--", "/bin/sh", "-c", f"touch {mark}"]
    _, said = run("guard", "--planned-flop", "1", *command, cwd=tmp_path, expect=3)
    assert "detente init" in said
    run("init", "--solo", cwd=tmp_path)
    _, said = run("guard", *command, cwd=tmp_path, expect=2)
    assert "--planned-flop" in said
    _, said = run("guard", "--planned-flop", "1e26", "--wait", "5", *command, cwd=tmp_path, expect=36)
    assert "G43 held" in said
    run("pause", "--as", "safety-team", cwd=tmp_path)
    _, said = run("guard", "--run", "other", "--planned-flop", "1", *command, cwd=tmp_path, expect=36)
    assert "detente status --why" in said
    assert not mark.exists()


def test_a_guard_to_which_nobody_listens_still_obeys(tmp_path: Path):
    """A closed terminal breaks its stderr: a pause still stops the job, and SIGTERM still ends the guard that holds."""
    run("init", "--solo", cwd=tmp_path)
    command = train(tmp_path / "out", "--slow-ms", "5", steps=20_000)
    with detente("guard", "--run", "lm", "--planned-flop", "1e15", "--hold", "--", *command, cwd=tmp_path) as guard:
        wait_for((tmp_path / "out" / "checkpoints").exists)
        guard.stderr.close()
        run("pause", "--as", "safety-team", cwd=tmp_path)
        last = tmp_path / ".detente/runs/lm/last.json"
        wait_for(lambda: last.exists() and '"halted":true' in last.read_text())
        guard.terminate()
        guard.wait(20)
    assert json.loads(run("status", "--json", cwd=tmp_path)[0])["halts"][0]["state"] == "declared"


def test_a_killed_guard_leaves_no_job_behind_and_its_run_goes_on_later(tmp_path: Path):
    """`kill -9` of the command itself: every process of the job is gone, the run is free to be guarded again."""
    run("init", "--solo", cwd=tmp_path)
    marks = tmp_path / "marks"
    marks.mkdir()
    command = ["/bin/sh", "-c", '"$0" -c "$1" "$2" & "$0" -c "$1" "$2"', sys.executable, MARKING, str(marks)]
    with detente("guard", "--run", "r", "--planned-flop", "1", "--", *command, cwd=tmp_path) as guard:
        wait_for(lambda: len(list(marks.iterdir())) == 2)
        pids = [int(path.name) for path in marks.iterdir()]
        guard.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids), 40)
    run("guard", "--run", "r", "--planned-flop", "1", "--", "/bin/true", cwd=tmp_path)


def test_a_loop_in_a_program_of_its_own_saves_and_ends_with_75(tmp_path: Path):
    """`from detente import guard`: at a pause `save` is called, and `halted` names what it wrote."""
    run("init", "--solo", cwd=tmp_path)
    (tmp_path / "loop.py").write_text(
        "import time\nfrom pathlib import Path\nfrom detente import guard\n"
        "def save():\n    Path('weights.bin').write_bytes(b'weights')\n    return 'weights.bin'\n"
        "with guard('loop', planned_flop='1e12', save=save) as g:\n"
        "    Path('on').touch()\n"
        "    while True:\n        time.sleep(0.01)\n        g.step()\n"
    )
    with subprocess.Popen([sys.executable, "loop.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as loop:
        wait_for((tmp_path / "on").exists)
        run("pause", "--as", "safety-team", cwd=tmp_path)
        _, said = loop.communicate(timeout=90)
    assert loop.returncode == 75, said
    assert (tmp_path / "weights.bin").read_bytes() == b"weights"
    out, _ = run("status", "--json", cwd=tmp_path)
    assert [(halt["name"], halt["state"]) for halt in json.loads(out)["halts"]] == [("loop", "declared")]


def test_a_proposal_waits_until_a_reviewer_has_decided(tmp_path: Path):
    """`g.propose` returns when the approval counts, and not before; the decision is labelled software. What is to be shown lies at the node."""
    run("init", "--solo", cwd=tmp_path)
    (tmp_path / "loop.py").write_text(
        "from detente import guard\n"
        "with guard('loop', activity='self_improvement', planned_flop='1e12') as g:\n"
        "    print('held', flush=True)\n"
        "    g.propose(b'wider', touches=['architecture'], proposed_by=('model', 'm1'), summary='wider layers', shown=True, timeout_s=300)\n"
        "    print('approved', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "loop.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as loop:
        assert loop.stdout.readline() == "held\n"
        waiting: list = []

        def listed() -> bool:
            waiting[:] = json.loads(run("hold", "list", "--json", cwd=tmp_path)[0])["proposals"]
            return bool(waiting)

        wait_for(listed)
        proposal = waiting[0]["proposal"]
        wait_for(lambda: [path.read_bytes() for path in tmp_path.rglob(sha256(b"wider").hexdigest())] == [b"wider"])
        out, _ = run("hold", "show", proposal[:12], cwd=tmp_path)
        assert "wider layers" in out
        decide = [
            "hold",
            "decide",
            proposal[:12],
            "--decision",
            "approve",
            "--reviewer",
            "reviewer-1",
            "--as",
            "safety-team",
        ]
        out, _ = run(*decide, "--significant", "yes", cwd=tmp_path)
        assert "software key" in out
        assert loop.stdout.readline() == "approved\n"
        assert loop.wait(30) == 0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A developer, two auditors and two authorities: five node processes, four issuers, f = 1."""
    coalition = Coalition(seed=3, developers=1, mirrors=4, f=1, guards=3, settle_s=1, terms=ONE_VOTE)
    with Loopback(tmp_path_factory.mktemp("nodes"), coalition) as loopback:
        asyncio.run(loopback.accede())
        yield loopback


def test_a_coalition_pauses_a_job_and_lifts_it(nodes: Loopback, tmp_path: Path):
    """A vote at one node stops a job at another within its notice, and the lift starts it again."""
    home = nodes.guard_home(nodes.coalition.developers[0], 0)
    voter, lifter = nodes.coalition.mirrors[3], nodes.coalition.mirrors[0]
    command = train(tmp_path / "out", *drawn_out(tmp_path / "go"))
    with detente(
        "guard", "--run", "a", "--planned-flop", "1e15", "--hold", "--", *command, cwd=tmp_path, home=home
    ) as guard:
        wait_for((tmp_path / "out" / "checkpoints").exists)
        asyncio.run(nodes.vote(voter, "pause", "call", 0))
        last = home / "runs" / "a" / "last.json"
        wait_for(lambda: last.exists() and '"halted":true' in last.read_text(), 40)
        (tmp_path / "go").touch()
        time.sleep(1.1)  # Within one second the pause has the last word: an earlier lift would answer nothing.
        asyncio.run(nodes.vote(lifter, "lift", "call", 0))
        _, said = guard.communicate(timeout=90)
    assert guard.returncode == 0, said
    assert [word for word in ("permitted", "halted (pause)", "resumed", "halted (finished)") if word not in said] == []


def test_issuers_that_are_frozen_let_the_permit_lapse(nodes: Loopback, tmp_path: Path):
    """SIGSTOP to two of four issuers: nobody says no, nobody says yes, and the job stops by itself."""
    home = nodes.guard_home(nodes.coalition.developers[0], 1)
    frozen = nodes.coalition.mirrors[:2]
    command = train(tmp_path / "out", "--slow-ms", "5", steps=20_000)
    try:
        with detente("guard", "--run", "b", "--planned-flop", "1e15", "--", *command, cwd=tmp_path, home=home) as guard:
            wait_for((tmp_path / "out" / "checkpoints").exists)
            for party in frozen:
                nodes.send(party, signal.SIGSTOP)
            _, said = guard.communicate(timeout=90)
    finally:
        for party in frozen:
            nodes.send(party, signal.SIGCONT)
    assert guard.returncode == 75, said
    assert "halted (lapse)" in said
