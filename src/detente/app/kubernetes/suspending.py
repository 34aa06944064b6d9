"""Suspend what runs in a cluster, and let it go on after a lift: one sequence, kept in a journal, undone in reverse.

Decides the order, what is changed, what counts as still running, and that nothing goes on without leave. Leaves out HTTP
(``adapters.kubernetes_api``) and what a person reads (``cli``). ``spec/kubernetes.md`` §7, K30 to K33.

1. Admission first: the switch of the second gate, seen closed by a dry run; then the queues of Kueue (``HoldAndDrain``) and CronJobs.
2. Then the running: what owns the others is suspended itself; what Kueue manages is drained by its queue.
3. Then it is seen that no pod of them is left. What still is after half of the time is suspended whoever owns it, and its workload
   made inactive. Nothing is evicted: evictions obey disruption budgets. Nothing is deleted.

What was there before is durable before each change, so that a crash in between loses nothing; changes by others since then stay.
Where it cannot be kept, on a full disk, or the journal does not read, what runs is stopped all the same, and the outcome says what was there.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from detente.adapters.files import store_file
from detente.app.asking import Question, ask, use
from detente.app.kubernetes.manifests import CLOSED, NAMESPACE, SWITCH
from detente.app.kubernetes.reviewing import Object
from detente.app.kubernetes.workloads import HELD, REPLICAS, Resource, member
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.strict_json import encode_json, parse_json
from detente.guard.answer import digest_act

JOURNAL: Final = "kubernetes-suspended.json"
JOURNAL_MAX: Final = 16 << 20
SWITCH_PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{SWITCH}"
PROBE_PATH: Final = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
KUEUE: Final = ("/apis/kueue.x-k8s.io/v1beta1", "/apis/kueue.x-k8s.io/v1beta2")
"""The versions of its interface; the first that the cluster has is used."""
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
STOP: Final = "HoldAndDrain"
POLL_S: Final = 0.2
TURN_S: Final = 5.0
"""How long another's change of the journal is waited for, once: it is one small file. A cluster must not run on because of it."""
CLOSE_S: Final = 10.0
"""How long an API server may take to see that the switch was moved."""
_CRONJOBS: Final = next(each for each in HELD if each.kind == "CronJob")
_OWNERS: Final = frozenset({"JobSet", "TrainJob", "PyTorchJob", "RayJob"})
_STAY: Final = frozenset({"DaemonSet", "Node"})
_SERVE: Final = frozenset({"ReplicaSet", "StatefulSet"})


class Cluster(Protocol):
    """What a cluster is to this module; ``adapters.kubernetes_api`` is one."""

    def list(self, path: str) -> list[Object] | None: ...

    def get(self, path: str) -> Object | None: ...

    def patch(self, path: str, change: Object) -> bool: ...

    def refusal(self, path: str, value: Object) -> str: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One change: the object, the member, what was there (``None``: nothing), what is there since."""

    path: str
    place: tuple[str, ...]
    before: Any
    after: Any


@dataclass(slots=True)
class Outcome:
    """``changed`` in their order, ``left``: pods that still run, ``troubles`` in words; ``closed``: admission was seen refusing."""

    changed: list[Step] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def whole(self) -> bool:
        return self.closed and not self.left and not self.troubles

    def as_json(self) -> Object:
        return {
            "changed": [{"path": each.path, "before": each.before, "after": each.after} for each in self.changed],
            "left": self.left,
            "troubles": self.troubles,
            "admission_closed": self.closed,
        }


class Journal:
    """The steps that were taken and not undone, in the home; raises ``Refused`` K33 where they do not read back.

    ``aside``: to suspend, which must not wait for that. A file that does not read gets another name, and ``trouble`` says which.
    """

    def __init__(self, home: Path, *, aside: bool = False) -> None:
        self._path = home / JOURNAL
        self._lock = home / f"{JOURNAL}.lock"
        self._patience_s = TURN_S
        self.steps: list[Step] = []
        self.trouble = ""
        try:
            if self._path.exists():
                self.steps = _read_steps(self._path)
        except Refused as refused:
            if not aside:
                raise
            places = (home / f"{JOURNAL}.unread-{number}" for number in itertools.count(1))
            kept = next(place for place in places if not place.exists())
            with contextlib.suppress(OSError):
                self._path.rename(kept)
            self.trouble = f"{refused}; it is kept as {kept.name}, and what it names is not resumed by itself"

    def add(self, step: Step) -> None:
        """Keep a step durably before it is taken. The first word on what was there before stands."""
        with self._latest() as steps:
            if all((each.path, each.place) != (step.path, step.place) for each in steps):
                steps.append(step)

    def drop(self, step: Step) -> None:
        with self._latest() as steps:
            if step in steps:
                steps.remove(step)

    def reload(self) -> list[Step]:
        """The steps as they are now: others suspend and resume as well. Raises ``Refused`` K33."""
        self.steps = _read_steps(self._path) if self._path.exists() else []
        return self.steps

    @contextlib.contextmanager
    def _latest(self) -> Iterator[list[Step]]:
        """What stands there now, to be changed and stored, while nobody else does; raises ``Unavailable``."""
        try:
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"cannot open {self._lock}: {error.strerror}") from None
        try:
            if not _until(self._patience_s, lambda: _taken(handle)):
                self._patience_s = 0.0
                raise Unavailable(f"another process does not let go of {self._lock}")
            steps = list(self.reload())
            yield steps
            if steps != self.steps:
                self.steps = steps
                value = [{"path": e.path, "place": list(e.place), "before": e.before, "after": e.after} for e in steps]
                store_file(self._path, encode_json(value))
        finally:
            os.close(handle)


def suspend(
    cluster: Cluster,
    journal: Journal,
    *,
    namespaces: tuple[str, ...] = (),
    serving: bool = False,
    within_s: float,
    report: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Suspend everything that runs (in ``namespaces``, else everywhere); with ``serving`` what has replicas, too.

    It goes on past whatever fails and says so in the outcome: a pause that stops half is better than none.
    """
    outcome = Outcome(troubles=[journal.trouble] if journal.trouble else [])
    doer = _Doer(cluster, journal, outcome, report)
    with doer.noting():  # 1
        doer.change(SWITCH_PATH, ("data", "admission"), "closed")
    doer.see_closed()
    queued = doer.stop_queues(namespaces)
    doer.stop(_CRONJOBS, namespaces, passing=lambda _each: False)
    running = [each for each in HELD if each.switch and each.kind not in {"CronJob", "ReplicaSet"}]
    running = [each for each in running if serving or each.switch != REPLICAS]
    for resource in running:  # 2
        doer.stop(resource, namespaces, passing=lambda each: _owned(each) or (queued and _queued(each)))
    report("waiting for pods to end")
    if not _until(within_s / 2, lambda: doer.nothing_left(namespaces, serving=serving)):  # 3
        for resource in running:
            doer.stop(resource, namespaces, passing=lambda _each: False)
        doer.deactivate(namespaces)
        _until(within_s / 2, lambda: doer.nothing_left(namespaces, serving=serving))
    return outcome


def resume(
    cluster: Cluster, journal: Journal, *, within_s: float, report: Callable[[str], None] = lambda _line: None
) -> Outcome:
    """Undo the journal, the last first, so that what ran has its place before what waited. Leave is the caller's: ``check_leave``.

    The switch is opened before, although it was closed first: it stands before the pods of what goes on. The webhook asks for each.
    """
    outcome = Outcome(closed=True)
    doer = _Doer(cluster, journal, outcome, report)
    switch = [step for step in journal.steps if step.path == SWITCH_PATH]
    for step in switch:
        doer.undo(step, within_s)
    stays = any(step in journal.steps for step in switch)
    for step in reversed([step for step in journal.steps if step not in switch]):
        if not stays and any(each.path == SWITCH_PATH for each in journal.reload()):
            outcome.troubles.append("suspended again meanwhile: nothing more is resumed")
            break
        doer.undo(step, within_s)
    return outcome


def check_leave(home: Path, *, within_s: float) -> None:
    """That the accord gives leave to train now; raises ``Refused`` K30."""
    act = digest_act("kubernetes", {"resume": str(home)})
    question = Question(activity="training", act=act, run="kubernetes-training")
    answer = ask(question, home=home, within_s=within_s)
    if not answer.allowed:
        raise Refused(
            "K30",
            "held",
            got=f"{answer.verdict}: {answer.why}",
            expected="leave of the accord before anything goes on",
            todo="`detente status --why` shows what holds it and who can change that",
        )
    use(answer, act=act, home=home)


def check_whole(outcome: Outcome) -> None:
    """That the outcome is what was meant; raises ``Refused`` K31 while pods are left, K32 for everything else."""
    if outcome.left:
        raise Refused(
            "K31",
            "inconsistent",
            got=f"{len(outcome.left)} that still run: {', '.join(outcome.left[:10])}",
            expected="no pod of a training job left",
            todo="what nothing owns cannot be suspended: delete it by hand, which loses what it has not saved",
        )
    if outcome.troubles:
        raise Refused("K32", "conflict", got="; ".join(outcome.troubles[:5])[:600], expected="every change made")


class _Doer:
    """Makes changes and notes what failed."""

    def __init__(
        self, cluster: Cluster, journal: Journal, outcome: Outcome, report: Callable[[str], None]
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._journal = journal
        self._outcome = outcome
        self._report = report

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        try:
            yield
        except (DetenteError, OSError) as error:
            if str(error) not in self._outcome.troubles:
                self._outcome.troubles.append(str(error))

    def change(self, path: str, place: tuple[str, ...], after: Any) -> None:
        """Set one member, and keep what it was first."""
        found = self._cluster.get(path)
        if found is None:
            raise Refused("K32", "conflict", got=f"no {path}", expected="the object that the manifests make")
        self.set(path, found, place, after)

    def see_closed(self) -> None:
        """Only the policy's own words show that the policy stands: an account without rights is refused as well."""
        said = ""

        def refused() -> bool:
            nonlocal said
            try:
                said = self._cluster.refusal(PROBE_PATH, _probe())
            except (DetenteError, OSError) as error:
                said = str(error)
            return CLOSED in said

        self._outcome.closed = _until(CLOSE_S, refused)
        if not self._outcome.closed:
            why = f" (a dry run was refused otherwise: {said[:300]})" if said else ""
            self._outcome.troubles.append(f"admission was not seen closed: what is queued may start{why}")

    def set(self, path: str, found: Object, place: tuple[str, ...], after: Any) -> None:
        step = Step(path, place, member(found, place), after)
        if step.before == after:
            return
        try:
            self._journal.add(step)
        except (DetenteError, OSError) as error:
            was = f"{path}: {'.'.join(place)} was {json.dumps(step.before)}"
            self._outcome.troubles.append(f"{was}, which no journal keeps: {error}")
        if self._cluster.patch(path, _nested(place, after)):
            self._outcome.changed.append(step)
            self._report(f"{path}: {place[-1]} {json.dumps(after)}")

    def stop_queues(self, namespaces: tuple[str, ...]) -> bool:
        """Hold and drain Kueue's queues: of the cluster, or of the namespaces; whether there are any."""
        below = [f"namespaces/{each}/localqueues" for each in namespaces] or ["clusterqueues"]
        any_found = False
        for place in [f"{root}/{each}" for root in self._kueue() for each in below]:
            with self.noting():
                for each in self._cluster.list(place) or ():
                    any_found = True
                    with self.noting():
                        self.set(f"{place}/{_name(each)}", each, ("spec", "stopPolicy"), STOP)
        return any_found

    def _kueue(self) -> list[str]:
        """The root of Kueue's interface, if the cluster has one."""
        found: list[str] = []
        with self.noting():
            found = [root for root in KUEUE if self._cluster.list(f"{root}/clusterqueues") is not None]
        return found[:1]

    def stop(
        self, resource: Resource, namespaces: tuple[str, ...], *, passing: Callable[[Object], bool]
    ) -> None:  # fmt: skip
        """Suspend, or scale to nothing, every object of a resource that is not passed over."""
        after = 0 if resource.switch == REPLICAS else True
        for place, each in self._each(_root(resource), resource.plural, namespaces):
            if not passing(each) and not (place.startswith(_OWN) and resource.switch == REPLICAS):
                with self.noting():
                    self.set(place, each, resource.switch, after)

    def deactivate(self, namespaces: tuple[str, ...]) -> None:
        """Make Kueue's workloads inactive, one by one."""
        for root in self._kueue():
            for place, each in self._each(root, "workloads", namespaces):
                with self.noting():
                    if member(each, ("status", "admission")) is not None:
                        self.set(place, each, ("spec", "active"), False)

    def nothing_left(self, namespaces: tuple[str, ...], *, serving: bool) -> bool:
        """Look which pods still run; false also where that cannot be seen."""
        try:
            pods = [each for _, each in self._listed("/api/v1", "pods", namespaces)]
        except (DetenteError, OSError) as error:
            self._outcome.left = [f"unknown: {error}"]
            return False
        self._outcome.left = [f"{_namespace(each)}/{_name(each)}" for each in pods if _works(each, serving=serving)]
        return not self._outcome.left

    def undo(self, step: Step, within_s: float) -> None:
        """Put back what was there, unless somebody has changed it since; a refusal is tried again while there is time."""

        def put_back() -> bool:
            found = self._cluster.get(step.path)
            if found is not None and member(found, step.place) == step.after:
                self._cluster.patch(step.path, _nested(step.place, step.before))
                self._outcome.changed.append(Step(step.path, step.place, step.after, step.before))
                self._report(f"{step.path}: {step.place[-1]} {json.dumps(step.before)}")
            return True

        failed: list[str] = []

        def tried() -> bool:
            try:
                return put_back()
            except DetenteError as error:
                failed[:] = [str(error)]
                return False

        if _until(within_s, tried):
            self._journal.drop(step)
        else:
            self._outcome.troubles += failed

    def _each(self, root: str, plural: str, namespaces: tuple[str, ...]) -> Iterator[tuple[str, Object]]:
        with self.noting():
            yield from self._listed(root, plural, namespaces)

    def _listed(self, root: str, plural: str, namespaces: tuple[str, ...]) -> list[tuple[str, Object]]:
        places = [f"{root}/namespaces/{each}/{plural}" for each in namespaces] or [f"{root}/{plural}"]
        found = [each for place in places for each in self._cluster.list(place) or ()]
        return [(f"{root}/namespaces/{_namespace(each)}/{plural}/{_name(each)}", each) for each in found]


_OWN: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/"


def _root(resource: Resource) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def _probe() -> Object:
    """A job that would run: its dry run is refused while admission is closed."""
    container = {"name": "probe", "image": "detente.invalid/probe"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "detente-probe-", "namespace": NAMESPACE},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _until(within_s: float, done: Callable[[], bool]) -> bool:
    """Look until it is so; at least once."""
    until_s = time.monotonic() + within_s
    while not done():
        if time.monotonic() >= until_s:
            return False
        time.sleep(min(POLL_S, max(0.0, until_s - time.monotonic())))
    return True


def _works(pod: Object, *, serving: bool) -> bool:
    """A pod that has not ended and is no service of a node's; what serves counts only where that is stopped, too."""
    if member(pod, ("status", "phase")) in {"Succeeded", "Failed"} or _namespace(pod) == NAMESPACE:
        return False
    kind = _controller(pod)
    return kind not in _STAY and (serving or kind not in _SERVE)


def _owned(value: Object) -> bool:
    return _controller(value) in _OWNERS


def _queued(value: Object) -> bool:
    labels = member(value, ("metadata", "labels"))
    return isinstance(labels, dict) and QUEUE_LABEL in labels


def _controller(value: Object) -> str:
    owners = member(value, ("metadata", "ownerReferences"))
    for owner in owners if isinstance(owners, list) else ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            return str(owner.get("kind"))
    return ""


def _name(value: Object) -> str:
    return str(member(value, ("metadata", "name")))


def _namespace(value: Object) -> str:
    return str(member(value, ("metadata", "namespace")) or "")


def _nested(place: tuple[str, ...], value: Any) -> Object:
    for name in reversed(place):
        value = {name: value}
    assert isinstance(value, dict), "a place has a name"
    return value


def _read_steps(path: Path) -> list[Step]:
    try:
        value = parse_json(path.read_bytes(), limit=JOURNAL_MAX)
        return [Step(str(e["path"]), tuple(map(str, e["place"])), e["before"], e["after"]) for e in value]
    except (OSError, Refused, KeyError, TypeError) as error:
        raise Refused("K33", "corrupt", got=f"{path.name}: {error}", expected="what this command stored") from None
