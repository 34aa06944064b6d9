"""Try the gate on a real cluster and write a transcript: ``make k8s-check K8S_CONTEXT=kind-brake K8S_IMAGE=registry.example/detente@sha256:…``.

It applies the manifests, waits until the gate is ready (whoever runs it has put a home into its volume, ``docs/guides/hold-kubernetes.md``),
and tries what the documentation of Kubernetes promises, in a namespace of its own, which it deletes at the end. The gate stays.

Nobody has run it on a cluster so far: what is tested here is that it refuses to begin where it should.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

SPACE = "detente-check"
WAIT_S = 300


class Failed(Exception):
    """A step did not show what it should."""


class Check:
    """Runs steps, and keeps what was typed and what came."""

    def __init__(self, context: str, home: str, settle_s: float) -> None:
        self.context = context
        self.home = home
        self.settle_s = settle_s
        self.lines: list[str] = []

    def kubectl(self, *words: str, given: dict | None = None, fails: str | None = None) -> str:
        """One command; with ``fails`` it must be refused with that text."""
        text = None if given is None else json.dumps(given)
        done = subprocess.run(
            ["kubectl", "--context", self.context, *words],
            input=text,
            text=True,
            capture_output=True,
            timeout=WAIT_S,
            check=False,
        )
        said = (done.stdout + done.stderr).strip()
        self.lines += [f"$ kubectl {' '.join(words)}", *([text] if text else []), said, f"exit {done.returncode}", ""]
        if fails is None and done.returncode:
            raise Failed(said)
        if fails is not None and (done.returncode == 0 or fails not in said):
            raise Failed(f"expected a refusal with {fails!r}, got exit {done.returncode}: {said}")
        return said

    def detente(self, *words: str) -> None:
        """One command of ours, with the home that the gate's is a copy of."""
        command = [sys.executable, "-m", "detente", "hook", "kubernetes", *words]
        environment = {**os.environ, "DETENTE_HOME": self.home}
        done = subprocess.run(command, text=True, capture_output=True, timeout=WAIT_S, env=environment, check=False)
        said = (done.stdout + done.stderr).strip()
        self.lines += [f"$ detente hook kubernetes {' '.join(words)}", said, f"exit {done.returncode}", ""]
        if done.returncode:
            raise Failed(said)

    @contextmanager
    def step(self, title: str):
        """One thing that should be seen."""
        self.lines += [f"# {title}"]
        print(title, "…", end=" ", flush=True)
        try:
            yield
        except Failed as failed:
            self.lines += [f"NOT SEEN: {failed}", ""]
            print("NOT SEEN")
            raise
        self.lines += ["seen", ""]
        print("seen")

    @contextmanager
    def proxy(self):
        """``kubectl proxy`` on a port of its choice."""
        words = ["kubectl", "--context", self.context, "proxy", "--port", "0"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            yield "http://" + process.stdout.readline().rsplit(" ", 1)[-1].strip()
        finally:
            process.terminate()
            process.wait()


def job(name: str, **spec) -> dict:
    """A Job that sleeps."""
    container = {"name": "c", "image": "registry.k8s.io/e2e-test-images/busybox:1.29-4", "command": ["sleep", "600"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"template": template, **spec},
    }


def switch(check: Check, word: str) -> None:
    change = json.dumps({"data": {"admission": word}})
    check.kubectl("-n", "detente", "patch", "configmap", "detente-admission", "--type", "merge", "-p", change)
    time.sleep(check.settle_s)  # An API server sees a changed parameter a moment later.


def run(check: Check, folder: Path, image: str) -> None:
    """All steps; raises ``Failed`` at the first that does not show what it should."""
    with check.step("what the cluster is"):
        check.kubectl("version", "-o", "json")
    with check.step("the gate comes up"):
        check.detente("manifests", "--image", image, "--out", str(folder))
        check.kubectl("apply", "-f", str(folder / "gate.yaml"), "-f", str(folder / "tls.yaml"))
        check.kubectl("-n", "detente", "rollout", "restart", "deployment/detente-gate")
        check.kubectl("-n", "detente", "rollout", "status", "deployment/detente-gate", f"--timeout={WAIT_S - 10}s")
    with check.step("the cluster takes the objects that make it ask"):
        check.kubectl("apply", "-f", str(folder / "switch.yaml"))
        check.kubectl("apply", "-f", str(folder / "hold.yaml"))
        check.kubectl("create", "namespace", SPACE)
        time.sleep(2 * check.settle_s)
    with check.step("with leave a Job starts"):
        check.kubectl("create", "-f", "-", given=job("first"))
        check.kubectl("-n", SPACE, "wait", "--for=condition=Ready", "pod", "-l", "job-name=first", "--timeout=120s")
    with check.step("closed: no Job, no pod, no shell; a suspended Job, and the status of what runs, pass"):
        switch(check, "closed")
        check.kubectl("create", "-f", "-", given=job("second"), fails="closed by a pause")
        check.kubectl("-n", SPACE, "run", "bare", "--image=busybox", fails="closed by a pause")
        check.kubectl("-n", SPACE, "exec", "job/first", "--", "true", fails="closed by a pause")
        check.kubectl("create", "-f", "-", given=job("third", suspend=True))
        check.kubectl("-n", SPACE, "label", "job", "first", "seen=yes")
        switch(check, "open")
    with check.step("a gate that is gone admits nothing, and comes back"):
        check.kubectl("-n", "detente", "scale", "deployment/detente-gate", "--replicas=0")
        check.kubectl("-n", "detente", "wait", "--for=delete", "pod", "-l", "app=detente-gate", "--timeout=120s")
        check.kubectl("create", "-f", "-", given=job("fourth"), fails="failed calling webhook")
        check.kubectl("-n", "detente", "scale", "deployment/detente-gate", "--replicas=1")
        check.kubectl("-n", "detente", "rollout", "status", "deployment/detente-gate", f"--timeout={WAIT_S - 10}s")
    with check.step("what runs is suspended, and goes on"), check.proxy() as url:
        check.detente("suspend", "--server", url, "--namespace", SPACE)
        if check.kubectl("-n", SPACE, "get", "pods", "-o", "name"):
            raise Failed("pods are left")
        check.detente("resume", "--server", url)
        check.kubectl("-n", SPACE, "wait", "--for=condition=Ready", "pod", "-l", "job-name=first", "--timeout=120s")


def context_of(expected: str) -> str:
    """The current context, if it is the one that was named: this changes what every namespace of that cluster may do."""
    if shutil.which("kubectl") is None:
        sys.exit("k8s-check: got no kubectl; expected it on PATH")
    done = subprocess.run(["kubectl", "config", "current-context"], text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"k8s-check: kubectl has no current context: {done.stderr.strip()}")
    found = done.stdout.strip()
    if found != expected:
        sys.exit(
            f"k8s-check: got the context {found!r}; expected K8S_CONTEXT={found} to say that this cluster is meant"
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--context", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--home", default=os.environ.get("DETENTE_HOME", ".detente"))
    parser.add_argument("--settle", type=float, default=5.0)
    parser.add_argument("--transcript", type=Path, default=Path("k8s-transcript.txt"))
    given = parser.parse_args()
    if not given.context or not given.image:
        sys.exit("k8s-check: say K8S_CONTEXT (a cluster that may be disturbed) and K8S_IMAGE (an image with detente)")
    check = Check(context_of(given.context), given.home, given.settle)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(check, Path(folder), given.image)
    except (Failed, subprocess.TimeoutExpired) as error:
        print(f"k8s-check: {error}", file=sys.stderr)
        return 1
    finally:
        subprocess.run(
            ["kubectl", "--context", check.context, "delete", "namespace", SPACE, "--ignore-not-found", "--wait=false"],
            check=False,
        )
        given.transcript.write_text("\n".join(check.lines) + "\n", "utf-8")
        print(f"transcript: {given.transcript}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
