"""Suspending and resuming against a *constructed* API server: documented paths and verbs over real sockets, pods that are processes."""

import fcntl
import json
import sys

import pytest

from detente.adapters.kubernetes_api import ClusterApi
from detente.app.kubernetes import suspending
from detente.app.kubernetes.suspending import JOURNAL, QUEUE_LABEL, SWITCH_PATH, Journal, Step, resume, suspend
from detente.base.errors import Misuse, Refused, Unavailable
from tests.integration.asking_rig import detente, pause, solo
from tests.integration.kubernetes_cluster import JOBS, KUEUE, Cluster, in_order
from tests.integration.small_disks import fill, small_disk

WITHIN_S = 60.0
WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
RESEARCH = JOBS.format("research")


@pytest.fixture
def cluster():
    with Cluster() as made:
        yield made


@pytest.fixture
def api(cluster):
    made = ClusterApi(cluster.url)
    yield made
    made.close()


def stop(api, home, **how):
    return suspend(api, Journal(home), within_s=WITHIN_S, **how)


def test_admission_closes_first_then_queues_then_what_runs(cluster, api, tmp_path):
    """Seen closed by a dry run; what a queue manages and what another owns is left to those; a deaf pod is killed after its grace."""
    cluster.put(f"{KUEUE}/clusterqueues/lab-queue")
    cluster.put("/apis/batch/v1/namespaces/research/cronjobs/nightly")
    cluster.put("/apis/jobset.x-k8s.io/v1alpha2/namespaces/research/jobsets/set")
    cluster.job("alone", WAITS, count=3)
    cluster.job("deaf", DEAF)
    cluster.job("queued", WAITS, labels={QUEUE_LABEL: "lab"})
    cluster.job("owned", WAITS, owners=[{"kind": "JobSet", "name": "set", "controller": True}])
    assert len(cluster.running()) == 6
    outcome = stop(api, tmp_path)
    assert outcome.whole, outcome
    assert cluster.running() == []
    assert in_order(
        cluster.calls,
        SWITCH_PATH,
        f"{KUEUE}/clusterqueues/lab-queue",
        "/apis/batch/v1/namespaces/research/cronjobs/nightly",
        f"{RESEARCH}/alone",
        f"{RESEARCH}/deaf",
        "/apis/jobset.x-k8s.io/v1alpha2/namespaces/research/jobsets/set",
    )
    assert {verb for verb, _ in cluster.calls} == {"GET", "PATCH", "POST"}, "no deletion"
    assert not [path for _, path in cluster.calls if "eviction" in path]


def test_resuming_undoes_in_reverse_and_leaves_what_others_changed(cluster, api, tmp_path):
    """The switch opens before; what was suspended before the pause, or changed since, stays as it is; a second resume has nothing to do."""
    cluster.put(f"{KUEUE}/clusterqueues/lab-queue", stopPolicy="Hold")
    cluster.job("first", WAITS)
    cluster.job("second", WAITS)
    cluster.job("theirs", WAITS, suspend=True)
    assert stop(api, tmp_path).whole
    cluster.patch(f"{RESEARCH}/second", {"spec": {"suspend": False}})
    cluster.calls.clear()
    outcome = resume(api, Journal(tmp_path), within_s=WITHIN_S)
    assert outcome.whole, outcome
    assert in_order(cluster.calls, SWITCH_PATH, f"{RESEARCH}/first", f"{KUEUE}/clusterqueues/lab-queue")
    assert cluster.spec(f"{KUEUE}/clusterqueues/lab-queue") == {"stopPolicy": "Hold"}
    assert "suspend" not in cluster.spec(f"{RESEARCH}/first")
    assert cluster.spec(f"{RESEARCH}/theirs")["suspend"] is True
    assert cluster.running() == ["first-0", "second-0"]
    assert Journal(tmp_path).steps == resume(api, Journal(tmp_path), within_s=1).changed == []


def test_what_hides_behind_a_label_or_an_owner_is_suspended_all_the_same(cluster, api, tmp_path):
    """A queue that is none and an owner that is none drain nothing: after half of the time the job itself is suspended."""
    cluster.put(f"{KUEUE}/clusterqueues/lab-queue")
    cluster.put(f"{KUEUE}/namespaces/research/workloads/w", active=True)
    cluster.objects[f"{KUEUE}/namespaces/research/workloads/w"]["status"] = {"admission": {"clusterQueue": "lab-queue"}}
    cluster.job("labelled", WAITS, labels={QUEUE_LABEL: "nowhere"})
    cluster.job("orphan", WAITS, owners=[{"kind": "JobSet", "name": "gone", "controller": True}])
    outcome = suspend(api, Journal(tmp_path), within_s=8.0)
    assert (cluster.running(), outcome.left) == ([], [])
    assert cluster.spec(f"{KUEUE}/namespaces/research/workloads/w")["active"] is False


def test_a_bare_pod_is_named_and_never_deleted(cluster, api, tmp_path):
    """Nothing suspends it: K31 for the caller; system pods and what serves do not count."""
    for name, kind in (("bare", None), ("agent", "DaemonSet"), ("static", "Node"), ("web", "ReplicaSet")):
        cluster.job(name, WAITS)
        pod = cluster.objects[f"/api/v1/namespaces/research/pods/{name}-0"]
        pod["metadata"]["ownerReferences"] = [{"kind": kind, "name": "x", "controller": True}] if kind else []
        del cluster.objects[f"{RESEARCH}/{name}"]
    assert suspend(api, Journal(tmp_path), within_s=1.0).left == ["research/bare-0"]
    assert suspend(api, Journal(tmp_path), within_s=1.0, serving=True).left == ["research/bare-0", "research/web-0"]
    assert len(cluster.running()) == 4


def test_only_the_named_namespaces_are_suspended(cluster, api, tmp_path):
    """Then their LocalQueues stop, and not the cluster's."""
    cluster.put(f"{KUEUE}/clusterqueues/lab-queue")
    cluster.put(f"{KUEUE}/namespaces/research/localqueues/team")
    cluster.job("here", WAITS)
    cluster.job("there", WAITS, namespace="other")
    assert stop(api, tmp_path, namespaces=("research",)).whole
    assert cluster.running() == ["there-0"]
    assert cluster.spec(f"{KUEUE}/clusterqueues/lab-queue") == {}
    assert cluster.spec(f"{KUEUE}/namespaces/research/localqueues/team") == {"stopPolicy": "HoldAndDrain"}


def test_a_refused_change_does_not_keep_the_rest_from_stopping(cluster, api, tmp_path):
    """One job may not be changed: all others are suspended, and what runs on is said."""
    for name in ("a", "b", "c"):
        cluster.job(name, WAITS)
    cluster.refuse = {f"{RESEARCH}/b"}
    outcome = suspend(api, Journal(tmp_path), within_s=4.0)
    assert cluster.running() == ["b-0"]
    assert (outcome.left, outcome.whole) == (["research/b-0"], False)
    assert "403" in outcome.troubles[0]


def test_serving_is_scaled_down_only_when_asked(cluster, api, tmp_path):
    """And back to what it was; the gate's own Deployment is left alone."""
    web, own = (f"/apis/apps/v1/namespaces/{each}/deployments/d" for each in ("research", "detente"))
    cluster.put(web, replicas=3)
    cluster.put(own, replicas=1)
    assert stop(api, tmp_path).whole
    assert cluster.spec(web)["replicas"] == 3
    assert stop(api, tmp_path, serving=True).whole
    assert (cluster.spec(web)["replicas"], cluster.spec(own)["replicas"]) == (0, 1)
    assert resume(api, Journal(tmp_path), within_s=WITHIN_S).whole
    assert cluster.spec(web)["replicas"] == 3


def test_a_crash_between_two_changes_loses_nothing(cluster, api, tmp_path):
    """What was there first is kept before each change; suspending again keeps that word and not its own."""
    cluster.job("a", WAITS, suspend=False)
    cluster.job("b", WAITS)

    def dies(line: str) -> None:
        if "/a:" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop(api, tmp_path, report=dies)
    assert stop(api, tmp_path).whole
    assert resume(api, Journal(tmp_path), within_s=WITHIN_S).whole
    assert cluster.spec(f"{RESEARCH}/a")["suspend"] is False
    assert cluster.running() == ["a-0", "b-0"]


def test_a_cluster_that_does_not_answer_is_no_stop(cluster, api, tmp_path):
    """Garbage, then nobody: nothing is said to have ended."""
    cluster.down = True
    outcome = suspend(api, Journal(tmp_path), within_s=0.1)
    assert (outcome.closed, outcome.whole, len(outcome.left)) == (False, False, 1)
    nobody = ClusterApi("http://127.0.0.1:9")
    assert suspend(nobody, Journal(tmp_path), within_s=0.1).left[0].startswith("unknown")
    nobody.close()


def test_a_switch_that_is_missing_is_said(cluster, api, tmp_path):
    """K32 in its words; what runs is suspended all the same."""
    del cluster.objects[SWITCH_PATH]
    cluster.job("a", WAITS)
    outcome = stop(api, tmp_path)
    assert "K32" in outcome.troubles[0]
    assert cluster.running() == []


def test_an_account_that_may_create_nothing_has_not_seen_admission_closed(cluster, api, tmp_path, monkeypatch):
    """Whatever else refuses the dry run: only the policy's own refusal shows that the policy stands."""
    monkeypatch.setattr(suspending, "CLOSE_S", 0.0)
    cluster.creates = 'jobs.batch is forbidden: User "ada" cannot create resource "jobs" in the namespace "detente"'
    outcome = stop(api, tmp_path)
    assert (outcome.closed, outcome.whole) == (False, False)
    assert "ada" in " ".join(outcome.troubles)


def test_a_token_goes_nowhere_in_the_clear_and_odd_answers_are_refused(cluster, tmp_path):
    """Misuse for http beyond loopback; K34 for a reply that is no list; an unreadable token is no request."""
    with pytest.raises(Misuse):
        ClusterApi("http://cluster.example:80")
    cluster.objects["/api/v1/pods"] = {"items": "none"}
    api = ClusterApi(cluster.url, token=tmp_path / "none")
    with pytest.raises(Unavailable):
        api.list("/api/v1/pods")
    (tmp_path / "none").write_text("secret")
    with pytest.raises(Refused) as refused:
        api.list("/api/v1/pods")
    api.close()
    assert refused.value.rule == "K34"


def test_a_journal_that_does_not_read_does_not_keep_a_cluster_running(cluster, api, tmp_path):
    """It is set aside, byte for byte, and said; what this pause changes is kept anew, and comes back."""
    (tmp_path / JOURNAL).write_text("{}x")
    cluster.job("a", WAITS)
    outcome = suspend(api, Journal(tmp_path, aside=True), within_s=WITHIN_S)
    assert (cluster.running(), outcome.closed, outcome.whole) == ([], True, False)
    [aside] = tmp_path.glob("*.unread-*")
    assert aside.read_text() == "{}x"
    assert f"K33 corrupt: got {JOURNAL}" in outcome.troubles[0]
    assert aside.name in outcome.troubles[0]
    assert resume(api, Journal(tmp_path), within_s=WITHIN_S).whole
    assert cluster.running() == ["a-0"]


def test_a_disk_without_room_does_not_keep_a_cluster_running(cluster, api, tmp_path):
    """What no journal keeps is changed all the same, and what was there before stands in the outcome, which is not whole."""
    cluster.job("a", WAITS, suspend=False)
    with small_disk(tmp_path / "disk", 64) as disk:
        fill(disk)
        outcome = suspend(api, Journal(disk), within_s=WITHIN_S)
    assert (cluster.running(), outcome.closed, outcome.whole) == ([], True, False)
    [said] = [each for each in outcome.troubles if each.startswith(f"{RESEARCH}/a")]
    assert "spec.suspend was false, which no journal keeps: C10 full" in said


def test_two_that_suspend_at_once_keep_what_both_have_changed(cluster, tmp_path):
    """Each operator stops a namespace of their own: what was there before is lost for neither, and comes back."""
    first, second = Journal(tmp_path), Journal(tmp_path)
    steps = [Step(JOBS.format(name), ("spec", "suspend"), before=False, after=True) for name in ("a", "b", "c")]
    first.add(steps[0])
    second.add(steps[1])
    first.add(steps[2])
    assert Journal(tmp_path).steps == steps
    second.drop(steps[1])
    assert Journal(tmp_path).steps == [steps[0], steps[2]]


def test_a_process_that_does_not_let_go_of_the_journal_is_waited_for_once(tmp_path, monkeypatch):
    """Not once for each object: what runs must not run on because of it."""
    asked = []
    monkeypatch.setattr(suspending, "_until", lambda within_s, done: asked.append(within_s) or done())
    journal = Journal(tmp_path)
    with (tmp_path / f"{JOURNAL}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for name in ("a", "b", "c"):
            with pytest.raises(Unavailable, match="does not let go"):
                journal.add(Step(JOBS.format(name), ("spec", "suspend"), before=False, after=True))
    assert asked == [suspending.TURN_S, 0.0, 0.0]


def test_a_resuming_ends_where_somebody_suspends_meanwhile(cluster, api, tmp_path):
    """The switch is closed again: nothing more is undone, and what is left stays in the journal."""
    for name in ("a", "b"):
        cluster.job(name, WAITS)
    assert stop(api, tmp_path).whole

    def report(line: str) -> None:
        if line.startswith(f"{RESEARCH}/b"):
            Journal(tmp_path).add(Step(SWITCH_PATH, ("data", "admission"), "open", "closed"))

    outcome = resume(api, Journal(tmp_path), within_s=WITHIN_S, report=report)
    assert not outcome.whole
    assert "suspended again" in outcome.troubles[0]
    assert [step.path.rsplit("/", 1)[1] for step in Journal(tmp_path).steps] == ["a", SWITCH_PATH.rsplit("/", 1)[1]]


def test_a_journal_that_does_not_read_lets_nothing_go_on(cluster, tmp_path):
    """K33: what was there before is not known."""
    (tmp_path / JOURNAL).write_text("{}x")
    with pytest.raises(Refused) as refused:
        Journal(tmp_path)
    assert (refused.value.rule, cluster.calls) == ("K33", [])


def test_by_command_nothing_resumes_without_leave(cluster, tmp_path):
    """K30 while paused, with nothing changed; after the lift it goes on. A pod that is left is exit code K31's."""
    home = solo(tmp_path / "home")
    cluster.job("a", WAITS)
    pause(home)
    done = detente("hook", "kubernetes", "suspend", "--server", cluster.url, "--json", home=home)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["left"] == []
    cluster.calls.clear()
    done = detente("hook", "kubernetes", "resume", "--server", cluster.url, home=home)
    assert (done.returncode, b"K30" in done.stderr, cluster.calls) == (36, True, [])
    done = detente("lift", "--trigger", "call", "--as", "safety-team", home=home)
    assert done.returncode == 0, done.stderr.decode()
    done = detente("hook", "kubernetes", "resume", "--server", cluster.url, home=home)
    assert done.returncode == 0, done.stderr.decode()
    assert cluster.running() == ["a-0"]
    pod = cluster.objects["/api/v1/namespaces/research/pods/a-0"]
    del pod["metadata"]["ownerReferences"], cluster.objects[f"{RESEARCH}/a"]
    done = detente("hook", "kubernetes", "suspend", "--server", cluster.url, "--within", "1", home=home)
    assert (done.returncode, b"K31" in done.stderr) == (29, True), done
