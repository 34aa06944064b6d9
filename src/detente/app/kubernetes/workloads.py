"""What in Kubernetes starts work: the resources that are held, and whether one request would start or enlarge any.

Decides, from a request alone, whether there is something to ask about. Leaves out leave (``leave``) and how running work is
suspended (``suspending``). ``spec/kubernetes.md`` §3.

- Nothing is started by what is suspended, gated or of no replicas, by a change that leaves the specification as it was, by one that
  only lowers a count, by a deletion, or by a dry run. Everything else is asked about, also what is not in the table.
- Each pod is asked about by itself, whoever makes it: a Job that was admitted yesterday makes pods today.

>>> from detente.app.kubernetes.reviewing import Review
>>> job = {"spec": {"suspend": True}}
>>> review = Review(uid="1", resource="jobs.batch", operation="CREATE", namespace="a", name="b", user="c", new=job, old={}, dry_run=False)
>>> starts_nothing(review)
'it is suspended'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from detente.app.kubernetes.reviewing import Object, Review

SUSPEND: Final = ("spec", "suspend")
REPLICAS: Final = ("spec", "replicas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource that is held. ``switch``: the member that suspends it (true) or scales it (0); empty: it has none.

    ``version``: of the interface that running work is suspended through; ``below``: subresources that are held, too.
    """

    group: str
    plural: str
    kind: str
    version: str
    switch: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """``plural.group``.

        >>> HELD[1].named
        'jobs.batch'
        """
        return f"{self.plural}.{self.group}".rstrip(".")


HELD: Final = (
    Resource(group="", plural="pods", kind="Pod", version="v1", below=("exec", "ephemeralcontainers")),
    Resource(group="batch", plural="jobs", kind="Job", version="v1", switch=SUSPEND),
    Resource(group="batch", plural="cronjobs", kind="CronJob", version="v1", switch=SUSPEND),
    Resource(group="apps", plural="deployments", kind="Deployment", version="v1", switch=REPLICAS, below=("scale",)),
    Resource(group="apps", plural="statefulsets", kind="StatefulSet", version="v1", switch=REPLICAS, below=("scale",)),
    Resource(group="apps", plural="replicasets", kind="ReplicaSet", version="v1", switch=REPLICAS, below=("scale",)),
    Resource(group="jobset.x-k8s.io", plural="jobsets", kind="JobSet", version="v1alpha2", switch=SUSPEND),
    Resource(group="ray.io", plural="rayjobs", kind="RayJob", version="v1", switch=SUSPEND),
    Resource(group="ray.io", plural="rayclusters", kind="RayCluster", version="v1", switch=SUSPEND),
    Resource(
        group="kubeflow.org",
        plural="pytorchjobs",
        kind="PyTorchJob",
        version="v1",
        switch=("spec", "runPolicy", "suspend"),
    ),
    Resource(group="trainer.kubeflow.org", plural="trainjobs", kind="TrainJob", version="v1alpha1", switch=SUSPEND),
)
"""Sources of the members: the references of ``batch/v1``, ``apps/v1``, ``autoscaling/v1``, JobSet, KubeRay and Kubeflow."""

_BY_NAME: Final = {each.named: each for each in HELD}
_COUNTS: Final = ("replicas", "parallelism")


def starts_nothing(review: Review) -> str:
    """Why this request starts no work; empty where it may."""
    if review.operation == "DELETE":
        return "a deletion starts nothing"
    if review.dry_run:
        return "a dry run starts nothing"
    if review.operation == "CONNECT":
        return ""
    if why := idle(review.resource, review.new):
        return why
    if review.operation == "UPDATE" and "spec" in review.old and "spec" in review.new:
        return _no_more(review.old["spec"], review.new["spec"])
    return ""


def idle(resource: str, value: Object) -> str:
    """Why an object as it stands runs nothing; empty where it may."""
    plural, _, below = resource.partition("/")
    if below == "scale":
        return "it is scaled to nothing" if _is_none(member(value, REPLICAS)) else ""
    if below:
        return ""
    if plural == "pods":
        # The scheduler leaves such a pod alone until its gates are gone, which is a change of its specification.
        gates = member(value, ("spec", "schedulingGates"))
        return "it is not to be scheduled yet" if isinstance(gates, list) and gates and not _placed(value) else ""
    held = _BY_NAME.get(plural)
    if held is None or not held.switch:
        return ""
    state = member(value, held.switch)
    if held.switch == REPLICAS:
        return "it is scaled to nothing" if _is_none(state) else ""
    return "it is suspended" if state is True else ""


def member(value: Any, path: tuple[str, ...]) -> Any:
    """The member at ``path``, or ``None``."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _placed(value: Object) -> bool:
    """A pod that names its node is started there by the node itself, whatever its gates say."""
    return bool(member(value, ("spec", "nodeName")))


def _is_none(count: Any) -> bool:
    return type(count) is int and count == 0


def _no_more(old: Any, new: Any) -> str:
    if old == new:
        return "its specification stays as it was"
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ""
    rest = [{name: each for name, each in value.items() if name not in _COUNTS} for value in (old, new)]
    counts = [(old.get(name), new.get(name)) for name in _COUNTS if old.get(name) != new.get(name)]
    fewer = all(type(was) is int and type(now) is int and 0 <= now <= was for was, now in counts)
    return "it only becomes smaller" if rest[0] == rest[1] and fewer else ""
