"""A *constructed* API server with the controllers that suspending counts on: documented paths and verbs, real sockets, pods that are processes.

Nothing here was recorded. It keeps objects by their path, lists them in pages, takes merge patches, and does what the documentation says
of ``Job.spec.suspend`` (active pods get SIGTERM, and SIGKILL after their grace period; they are made anew when it is lifted), of a Kueue
queue's ``stopPolicy`` and of a workload's ``active``. Creations and updates go through a *constructed* admission first, if there is one.
"""

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

from detente.app.kubernetes.manifests import CLOSED, POLICY, switch_manifest
from detente.app.kubernetes.suspending import QUEUE_LABEL, SWITCH_PATH
from tests.kubernetes_caller import request

JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PAGE = 2
KUEUE = "/apis/kueue.x-k8s.io/v1beta1"
RESOURCES = {
    "/api/v1": ("pods", "configmaps"),
    "/apis/batch/v1": ("jobs", "cronjobs"),
    "/apis/apps/v1": ("deployments", "statefulsets", "replicasets"),
    "/apis/jobset.x-k8s.io/v1alpha2": ("jobsets",),
}
GRACE_S = 1.0


def merged(value, change):
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(change, dict):
        return change
    value = dict(value) if isinstance(value, dict) else {}
    for name, member in change.items():
        if member is None:
            value.pop(name, None)
        else:
            value[name] = merged(value.get(name), member)
    return value


class Cluster:
    """``admit`` takes an AdmissionRequest and gives a ``Verdict``; ``refuse`` are paths whose changes are not allowed; pods have ``grace_s`` after SIGTERM.

    ``creates``: why nothing may be created, whatever the policy says.
    """

    def __init__(self, *, admit=None, kueue: bool = True, grace_s: float = GRACE_S) -> None:
        self.admit, self.grace_s = admit, grace_s
        self.objects: dict[str, dict] = {SWITCH_PATH: switch_manifest()}
        self.resources = dict(RESOURCES) | ({KUEUE: ("clusterqueues", "localqueues", "workloads")} if kueue else {})
        self.calls: list[tuple[str, str]] = []
        self.refuse: set[str] = set()
        self.creates = ""
        self.down = False
        self.processes: dict[str, subprocess.Popen] = {}
        self.starts: list[str] = []
        self._ending: dict[str, float] = {}
        self._lock = threading.RLock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_about) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # What a user does.

    def create(self, path: str, value: dict) -> bool:
        """As ``kubectl create``: through admission; then the controllers."""
        with self._lock:
            plural = path.rsplit("/", 1)[1]
            group = path.split("/")[2] if path.startswith("/apis/") else ""
            if not self._admitted(request(f"{plural}.{group}".rstrip("."), value)):
                return False
            self.objects[f"{path}/{value['metadata']['name']}"] = value
            self._reconcile()
            return True

    def job(self, name: str, command: list[str], *, count: int = 1, namespace: str = "research", **spec) -> bool:
        """A Job of ``count`` pods, each a process."""
        labels = spec.pop("labels", {})
        owners = spec.pop("owners", [])
        container = {"name": "c", "image": "train", "command": [str(word) for word in command]}
        metadata = {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owners}
        spec |= {"parallelism": count, "template": {"spec": {"containers": [container]}}}
        value = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
        return self.create(JOBS.format(namespace), value)

    def put(self, path: str, **spec) -> None:
        """An object that is there, whatever admission would say."""
        parts = path.split("/")
        namespace = {"namespace": parts[parts.index("namespaces") + 1]} if "namespaces" in parts else {}
        self.objects[path] = {"metadata": {"name": parts[-1], **namespace}, "spec": spec}

    def spec(self, path: str) -> dict:
        return self.objects[path]["spec"]

    def running(self) -> list[str]:
        """The names of pods whose process lives."""
        return sorted(name for name, process in self.processes.items() if process.poll() is None)

    def settle(self, seconds: float, done) -> None:
        """Let the controllers work until it is so."""
        until_s = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until_s, (self.running(), self.calls[-5:])
            with self._lock:
                self._reconcile()
            time.sleep(0.02)

    # What the API server and the controllers do.

    def created(self, asked: dict, value: dict) -> tuple[int, dict]:
        """A creation; the policy's refusal has the form that Kubernetes documents for it."""
        closed = self.objects.get(SWITCH_PATH, {}).get("data") != {"admission": "open"}
        why = CLOSED if closed else ""
        if self.admit is not None:
            verdict = self.admit(asked)
            why = "" if verdict.allowed else verdict.reason
        denied = f"jobs.batch is forbidden: ValidatingAdmissionPolicy '{POLICY}' with binding '{POLICY}' denied request: {why}"
        if message := self.creates or (why and denied):
            return 403, {"kind": "Status", "status": "Failure", "message": message, "code": 403}
        return 201, value

    def _admitted(self, asked: dict) -> bool:
        return self.admit is None or self.admit(asked).allowed

    def _reconcile(self) -> None:
        jobs = {path: value for path, value in self.objects.items() if "/batch/v1/" in path and "/jobs/" in path}
        stopped = any(
            value["spec"].get("stopPolicy") == "HoldAndDrain"
            for path, value in self.objects.items()
            if "queues/" in path
        )
        owners = {v["metadata"]["name"]: v for p, v in self.objects.items() if "/jobsets/" in p}
        for value in jobs.values():
            owner = next((owners[e["name"]] for e in value["metadata"]["ownerReferences"] if e["name"] in owners), None)
            if value["metadata"]["labels"].get(QUEUE_LABEL) == "lab":
                value["spec"]["suspend"] = stopped
            elif owner is not None:
                value["spec"]["suspend"] = owner["spec"].get("suspend", False)
            self._run(value)
        for path in [path for path in self.objects if "/pods/" in path]:
            pod = self.objects[path]
            process = self.processes[pod["metadata"]["name"]]
            if (code := process.poll()) is not None:
                pod["status"]["phase"] = "Failed" if code else "Succeeded"
            elif time.monotonic() > self._ending.get(pod["metadata"]["name"], float("inf")):
                os.killpg(process.pid, signal.SIGKILL)

    def _run(self, job: dict) -> None:
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        for number in range(job["spec"]["parallelism"]):
            place = f"/api/v1/namespaces/{namespace}/pods/{name}-{number}"
            pod = self.objects.get(place)
            if job["spec"].get("suspend"):
                if pod is not None and f"{name}-{number}" not in self._ending:
                    self._ending[f"{name}-{number}"] = time.monotonic() + self.grace_s
                    if self.processes[f"{name}-{number}"].poll() is None:
                        os.killpg(self.processes[f"{name}-{number}"].pid, signal.SIGTERM)
                if pod is not None and self.processes[f"{name}-{number}"].poll() is not None:
                    del self.objects[place]
                    del self._ending[f"{name}-{number}"]
            elif pod is None:
                self._start(job, place, f"{name}-{number}")

    def _start(self, job: dict, place: str, name: str) -> None:
        owner = {"kind": "Job", "name": job["metadata"]["name"], "controller": True}
        spec = job["spec"]["template"]["spec"]
        metadata = {"name": name, "namespace": job["metadata"]["namespace"], "ownerReferences": [owner]}
        pod = {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}
        if self._admitted(request("pods", {each: pod[each] for each in ("kind", "metadata", "spec")})):
            self.processes[name] = subprocess.Popen(spec["containers"][0]["command"], start_new_session=True)
            self.starts.append(name)
            self.objects[place] = pod

    def patch(self, path: str, change: dict) -> tuple[int, dict]:
        """A merge patch, admitted as an update."""
        old = self.objects.get(path)
        if old is None:
            return 404, {"message": "not found"}
        new = merged(old, change)
        parts = path.split("/")
        group = parts[2] if path.startswith("/apis/") else ""
        if path in self.refuse or not (
            parts[-2] in {"configmaps", "clusterqueues", "localqueues", "workloads"}
            or self._admitted(request(f"{parts[-2]}.{group}".rstrip("."), new, old=old, operation="UPDATE"))
        ):
            return 403, {"message": "not allowed"}
        old.clear()
        old.update(new)  # The same object: whoever reads the switch sees it move.
        self._reconcile()
        return 200, old

    def listed(self, path: str, query: dict) -> tuple[int, dict]:
        """A collection, in pages of ``PAGE``."""
        root = next((each for each in self.resources if path.startswith(each + "/")), None)
        parts = path.removeprefix(root or "").split("/")
        if root is None or parts[-1] not in self.resources[root]:
            return 404, {"message": "the server could not find the requested resource"}
        self._reconcile()
        within = f"/namespaces/{parts[2]}/" if "namespaces" in parts else "/"
        named = [
            p for p in sorted(self.objects) if p.startswith(root) and p.split("/")[-2] == parts[-1] and within in p
        ]
        begin = int(query.get("continue", ["0"])[0])
        more = {"continue": str(begin + PAGE)} if begin + PAGE < len(named) else {}
        return 200, {"metadata": more, "items": [self.objects[each] for each in named[begin : begin + PAGE]]}

    def _handler(self):
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                with cluster._lock:
                    cluster.calls.append(("GET", parts.path))
                    if parts.path in cluster.objects:
                        return self._say(200, cluster.objects[parts.path])
                    if parts.path.rsplit("/", 1)[1].endswith("s"):
                        return self._say(*cluster.listed(parts.path, parse_qs(parts.query)))
                    return self._say(404, {"message": "not found"})

            def do_PATCH(self) -> None:
                change = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with cluster._lock:
                    cluster.calls.append(("PATCH", self.path))
                    if self.headers["content-type"] != "application/merge-patch+json":
                        return self._say(415, {"message": "unsupported"})
                    return self._say(*cluster.patch(self.path, change))

            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                value = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with cluster._lock:
                    cluster.calls.append(("POST", parts.path))
                    assert parse_qs(parts.query) == {"dryRun": ["All"]}, "nothing is created"
                    asked = request("jobs.batch", value, dryRun=True)
                    return self._say(*cluster.created(asked, value))

            def _say(self, status: int, value: dict) -> None:
                body = b"<html>" if cluster.down else json.dumps(value).encode()
                self.send_response(502 if cluster.down else status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_about) -> None:
                pass

        return Handler


def in_order(calls: list[tuple[str, str]], *paths: str) -> bool:
    """Were these patched in this order?"""
    patched = [path for verb, path in calls if verb == "PATCH" and path in paths]
    return patched == list(paths)
