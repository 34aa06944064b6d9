"""Kubernetes as its documentation has it: a *constructed* caller and API server around the real gate, its real home and real processes."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from detente.adapters.kubernetes_api import ClusterApi
from detente.app import asking
from detente.app.kubernetes.leave import question_of
from detente.app.kubernetes.manifests import Choices
from detente.app.kubernetes.reviewing import parse_review
from detente.app.kubernetes.suspending import QUEUE_LABEL, SWITCH_PATH, Journal, check_leave, resume, suspend
from detente.base.errors import Refused
from tests.conformance.jobs.chained import STEPS, WAITS_AT, whole
from tests.conformance.scheduling import KUBERNETES
from tests.integration.asking_rig import WITHIN_S, pause, served, solo
from tests.integration.kubernetes_cluster import JOBS, KUEUE, Cluster
from tests.integration.kubernetes_rig import Liar, gate, http, lift, until_admitted
from tests.kubernetes_caller import Caller, Verdict, pod, request, review, workload

pytestmark = pytest.mark.skipif(bool(KUBERNETES.absent), reason=KUBERNETES.absent or "-")
JOB = Path(__file__).parent / "jobs" / "chained.py"
CLOCK = Path(__file__).resolve().parents[1] / "integration" / "clock_jump.c"
DEADLINE_S = 25.0
"""One that a busy machine keeps; the API server's own may be 30 s."""
PATIENCE_S = 600.0
"""What would take seconds on free cores."""
RESEARCH = JOBS.format("research")
QUEUE = 6


@pytest.fixture(scope="module")
def adapter():
    """The one host of this file."""
    return KUBERNETES


@dataclass(frozen=True)
class Home:
    """An organisation's home, and its node as a process."""

    path: Path
    node: subprocess.Popen


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Home]:
    """One for all tests: none leaves it paused, and the pause that is played to its end comes last."""
    path = solo(tmp_path_factory.mktemp("site") / "home")
    with served(path) as node:
        yield Home(path, node)


def begin(cluster: Cluster, folder: Path, name: str, *, count: int = 1, deaf: bool = False, **how) -> Path:
    """A Job whose pods count in a folder of its own."""
    place = folder / name
    place.mkdir()
    words = [sys.executable, str(JOB), str(place), *(["--deaf"] if deaf else [])]
    cluster.settle(PATIENCE_S, lambda: cluster.job(name, words, count=count, **how))
    cluster.settle(PATIENCE_S, lambda: len(list(place.glob("began-*"))) == count)
    return place


def test_leave_that_is_not_for_this_object_or_was_used_or_lapsed_admits_nothing(home, shown):
    """The issuers' answer to one request: for an edited object, twice, with another permit, too late, after a restart."""
    asked, edited = (
        question_of(parse_review(json.dumps(review(request("pods", pod(image=each)))).encode()), ())
        for each in ("train", "other")
    )
    answer = asking.ask(asked, home=home.path, within_s=WITHIN_S)
    assert answer.allowed, answer.why
    allowance = answer.allowance
    found = []
    for act, changed in (
        (edited.act, {}),
        (asked.act, {"permit": allowance.permit.replace(b'"sig":"', b'"sig":"A', 1)}),
        (asked.act, {"sent_at_ms": allowance.sent_at_ms - 3_600_000}),
        (asked.act, {"boot_id": "another"}),
        (asked.act, {}),
        (asked.act, {}),
    ):
        offered = dataclasses.replace(answer, allowance=dataclasses.replace(allowance, **changed))
        try:
            asking.use(offered, act=act, home=home.path)
            found.append("used")
        except Refused as refused:
            found.append(refused.rule)
    assert (found[0], found[2:]) == ("J03", ["J05", "J05", "used", "J02"])
    assert found[1] != "used"
    shown("permits", "refused")


def test_a_gate_that_breaks_admits_nothing(home, shown, tmp_path):
    """Its home is gone: it refuses. It hangs, talks nonsense, is killed and not there: the caller's deadline and `Fail` do."""
    with gate(home.path, tmp_path / "gate", within_s=DEADLINE_S) as caller:
        until_admitted(caller)
        away = home.path.with_name("away")
        home.path.rename(away)
        try:
            assert not caller.admit(request("pods", pod())).allowed
        finally:
            away.rename(home.path)
        until_admitted(caller)
        caller.webhook["webhooks"][0]["timeoutSeconds"] = 2
        os.kill(caller.process.pid, signal.SIGSTOP)
        assert "Timeout" in caller.admit(request("pods", pod())).reason
        os.kill(caller.process.pid, signal.SIGKILL)
        caller.process.wait(WITHIN_S)
        assert "failed calling" in caller.admit(request("jobs.batch", workload("Job", "batch/v1"))).reason
    for answer in (b"garbage\r\n\r\n", b"", http("200 OK", b"{}"), http("500 No", b"")):
        liar = Liar(tmp_path, answer)
        try:
            nonsense = Caller(liar.port, Choices(image="i", ca_bundle=liar.bundle))
            assert "failed calling" in nonsense.admit(request("pods", pod())).reason
        finally:
            liar.close()
    shown("broken", "refused")


def test_a_gate_whose_node_is_cut_off_refuses_by_its_own_deadline(home, shown, tmp_path):
    """It answers itself, with the request's uid; when the node is back it admits."""
    with gate(home.path, tmp_path / "gate", within_s=2.0) as caller:
        caller.webhook["webhooks"][0]["timeoutSeconds"] = 30
        until_admitted(caller)
        answers = len(caller.sent)
        home.node.send_signal(signal.SIGSTOP)
        try:
            verdict = caller.admit(request("pods", pod()))
        finally:
            home.node.send_signal(signal.SIGCONT)
        assert (verdict.allowed, len(caller.sent)) == (False, answers + 1), verdict
        until_admitted(caller)
    shown("partition", "refused at its deadline")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build the shim that moves the wall clock")
def test_a_wall_clock_that_jumps_by_a_day_changes_nothing(home, shown, tmp_path):
    """The gate's machine sees the jump: what has leave keeps it, a pause holds, and its lift is believed."""
    shim = tmp_path / "jump.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, CLOCK, "-ldl"], check=True, timeout=60)
    for jump_s in (86_400, -86_400):
        now = tmp_path / f"now{jump_s}"
        moved = {"LD_PRELOAD": str(shim), "JUMP_S": str(jump_s), "JUMP_WHEN": str(now)}
        with gate(home.path, tmp_path / f"gate{jump_s}", within_s=DEADLINE_S, environment=moved) as caller:
            until_admitted(caller)
            now.touch()
            assert moved_s(moved) == pytest.approx(jump_s, abs=3600)
            until_admitted(caller)
            pause(home.path)
            until_refused(caller, "vote of safety")
            lift(home.path)
            until_admitted(caller)
    shown("clock", "unmoved")


def until_refused(caller: Caller, words: str) -> None:
    """Nothing is admitted, and soon it is said why; on a busy machine the first answers may come too late."""
    until_s = time.monotonic() + PATIENCE_S
    while words not in (verdict := caller.admit(request("pods", pod()))).reason:
        assert not verdict.allowed
        assert time.monotonic() < until_s, verdict.reason


def moved_s(environment: dict[str, str]) -> float:
    """How far the clock of a process of this environment is from ours."""
    words = [sys.executable, "-c", "import time; print(time.time())"]
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, check=True, timeout=WITHIN_S)
    return float(done.stdout) - time.time()


def test_a_gate_that_observes_admits_everything_and_records_what_would_have_been(home, shown, tmp_path):
    """With leave, in a pause, without its home, frozen and killed: what asks is admitted; the record says what would have been."""
    with gate(home.path, tmp_path / "gate", "--observe", within_s=DEADLINE_S) as caller:
        assert caller.admit(request("pods", pod())) == Verdict(allowed=True, asked=True)
        pause(home.path)
        try:
            verdict = caller.admit(request("jobs.batch", workload("Job", "batch/v1")))
        finally:
            lift(home.path)
        assert verdict.allowed
        assert "not enforced: would have denied CREATE jobs.batch" in verdict.warnings[0]
        away = home.path.with_name("away")
        home.path.rename(away)
        try:
            assert caller.admit(request("pods", pod())).allowed
        finally:
            away.rename(home.path)
        caller.webhook["webhooks"][0]["timeoutSeconds"] = 2
        os.kill(caller.process.pid, signal.SIGSTOP)
        assert caller.admit(request("pods", pod())).allowed
        os.kill(caller.process.pid, signal.SIGKILL)
        caller.process.wait(WITHIN_S)
        assert caller.admit(request("pods", pod())).allowed
    lines = [json.loads(line) for line in (home.path / "observe.jsonl").read_text().splitlines()]
    assert [(line["enforced"], line["verdict"]) for line in lines[:2]] == [(False, "allow"), (False, "deny")]
    assert {line["enforced"] for line in lines} == {False}
    shown("observe", "unmoved")


def test_a_paused_cluster_starts_nothing_suspends_what_runs_and_goes_on_exactly(home, shown, tmp_path):
    """One pause from its vote to its lift: what asks, what waits, what saves, what does not, what belongs together."""
    with (
        gate(home.path, tmp_path / "gate", within_s=DEADLINE_S) as caller,
        Cluster(admit=caller.admit, grace_s=5.0) as cluster,
    ):
        caller.switch = cluster.objects[SWITCH_PATH]
        until_admitted(caller)
        cluster.put(f"{KUEUE}/clusterqueues/lab")
        saving = begin(cluster, tmp_path, "saving")
        deaf = begin(cluster, tmp_path, "deaf", deaf=True)
        begin(cluster, tmp_path, "ranks", count=3, deaf=True)
        begin(cluster, tmp_path, "queued", labels={QUEUE_LABEL: "lab"})
        assert len(cluster.running()) == 6
        pause(home.path)
        until_refused(caller, "vote of safety")
        starts = len(cluster.starts)
        assert [cluster.job(f"new-{number}", ["true"]) for number in range(3)] == [False] * 3
        shown("paused", "refused")
        for number in range(QUEUE):
            assert cluster.job(f"waits-{number}", ["true"], suspend=True)
        api = ClusterApi(cluster.url)
        outcome = suspend(api, Journal(home.path), within_s=PATIENCE_S)
        assert outcome.whole, outcome
        done = [step.path.rsplit("/", 1)[1] for step in outcome.changed]
        assert cluster.running() == []
        assert [cluster.processes[f"ranks-{rank}"].returncode for rank in range(3)] == [-signal.SIGKILL] * 3
        assert cluster.calls.count(("PATCH", f"{RESEARCH}/ranks")) == 1
        shown("together", "every pod, by one change")
        assert 0 < json.loads((saving / "kept.json").read_text())[0] <= WAITS_AT
        shown("saved", "saved at SIGTERM, held")
        assert not (deaf / "kept.json").exists()
        assert cluster.processes["deaf-0"].returncode == -signal.SIGKILL
        shown("deaf", "killed after its grace")
        for name in ("saving", *(f"waits-{number}" for number in range(QUEUE))):
            assert cluster.patch(f"{RESEARCH}/{name}", {"spec": {"suspend": False}})[0] == 403
        assert (len(cluster.starts), cluster.running()) == (starts, [])
        shown("queue", "held")
        with pytest.raises(Refused) as without:
            check_leave(home.path, within_s=WITHIN_S)
        assert without.value.rule == "K30"
        lift(home.path)
        until_admitted(Caller(caller.port, caller.choices))
        check_leave(home.path, within_s=WITHIN_S)
        cluster.calls.clear()
        assert resume(api, Journal(home.path), within_s=PATIENCE_S).whole
        api.close()
        undone = [path.rsplit("/", 1)[1] for verb, path in cluster.calls if verb == "PATCH"]
        assert sorted(done[1:]) == ["deaf", "lab", "ranks", "saving"]
        assert undone == ["detente-admission", *reversed(done[1:])]
        (saving / "go").touch()
        cluster.settle(PATIENCE_S, lambda: json.loads((saving / "kept.json").read_text())[0] == STEPS)
        assert json.loads((saving / "kept.json").read_text()) == whole()
        shown("lift", "exact, in reverse")
