"""``app.kubernetes.workloads``: which requests start work."""

import json

import pytest

from detente.app.kubernetes.reviewing import parse_review
from detente.app.kubernetes.workloads import HELD, REPLICAS, starts_nothing
from tests.kubernetes_caller import pod, request, review, workload


def why(asked: dict) -> str:
    return starts_nothing(parse_review(json.dumps(review(asked)).encode()))


def with_switch(place: tuple[str, ...], value) -> dict:
    for name in reversed(place[1:]):
        value = {name: value}
    return value


SWITCHED = [each for each in HELD if each.switch]


@pytest.mark.parametrize("held", SWITCHED, ids=lambda each: each.named)
def test_what_is_suspended_starts_nothing_and_what_is_not_may(held):
    """Exactly `true`, or exactly 0: a text, a 1 for a yes, a `false` for a zero are no suspension."""
    off, on = (0, 1) if held.switch == REPLICAS else (True, False)
    assert why(request(held.named, workload(held.kind, "v1", **with_switch(held.switch, off))))
    for other in (on, str(off), None, False if off == 0 else 1):
        assert why(request(held.named, workload(held.kind, "v1", **with_switch(held.switch, other)))) == ""
    assert why(request(held.named, workload(held.kind, "v1"))) == ""


def test_a_switch_of_another_resource_is_none():
    """A PyTorchJob has its `suspend` below `runPolicy`: one beside it, which nothing heeds, hides no work."""
    assert why(request("pytorchjobs.kubeflow.org", workload("PyTorchJob", "kubeflow.org/v1", suspend=True))) == ""
    assert why(request("pods", {**pod(), "spec": {"suspend": True, "replicas": 0}})) == ""


def test_a_pod_that_waits_for_its_gates_starts_nothing_until_they_go():
    """Its gates are removed by an update; a pod that names its node starts whatever its gates say."""
    gates = [{"name": "kueue.x-k8s.io/admission"}]
    gated = pod(schedulingGates=gates)
    assert why(request("pods", gated))
    assert why(request("pods", pod(schedulingGates=[]), old=gated, operation="UPDATE")) == ""
    assert why(request("pods", pod(schedulingGates=gates, nodeName="n1"))) == ""


def test_an_update_that_enlarges_nothing_is_not_asked_about():
    """Labels, finalizers and lower counts; a higher count, a lower one with another image, or a lifted suspension are asked about."""
    job = workload("Job", "batch/v1", parallelism=4, template={"image": "a"})

    def update(**spec) -> str:
        return why(request("jobs.batch", workload("Job", "batch/v1", **spec), old=job, operation="UPDATE"))

    assert update(parallelism=4, template={"image": "a"})
    assert update(parallelism=2, template={"image": "a"})
    assert update(parallelism=5, template={"image": "a"}) == ""
    assert update(parallelism=2, template={"image": "b"}) == ""
    assert update(parallelism=-1, template={"image": "a"}) == ""
    assert update(template={"image": "a"}) == ""
    assert update(parallelism=False, template={"image": "a"}) == ""
    suspended = workload("Job", "batch/v1", suspend=True)
    assert (
        why(request("jobs.batch", workload("Job", "batch/v1", suspend=False), old=suspended, operation="UPDATE")) == ""
    )


def test_scaling_down_is_not_asked_about_and_scaling_up_is():
    """The `scale` of a Deployment has a specification of its own."""

    def scale(now: int, was: int) -> str:
        new, old = ({"kind": "Scale", "spec": {"replicas": count}} for count in (now, was))
        return why(request("deployments.apps/scale", new, old=old, operation="UPDATE"))

    assert scale(1, 2)
    assert scale(0, 0)
    assert scale(3, 2) == ""


def test_deletions_and_dry_runs_start_nothing_and_a_shell_in_a_pod_may():
    """`exec` starts a process whatever the object says, also what claims to be suspended."""
    assert why(request("pods", None, old=pod(), operation="DELETE"))
    assert why(request("pods", pod(), dryRun=True))
    assert (
        why(request("pods/exec", {"kind": "PodExecOptions", "spec": {"schedulingGates": [1]}}, operation="CONNECT"))
        == ""
    )


def test_what_is_in_no_table_is_asked_about():
    """A resource that somebody adds to the configuration, with whatever members."""
    assert why(request("widgets.example.org", workload("Widget", "example.org/v1", suspend=True, replicas=0))) == ""
