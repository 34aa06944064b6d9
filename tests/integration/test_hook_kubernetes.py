"""The webhook over TLS with a real home behind it, called by a *constructed* API server: no cluster was at hand."""

import base64
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from detente.app.kubernetes.manifests import make_tls
from tests.integration.asking_rig import WITHIN_S, detente, pause, served, solo
from tests.integration.kubernetes_rig import Liar, gate, http, lift, until_admitted
from tests.kubernetes_caller import pod, request, review, workload

SLOW_S = 25.0
"""A deadline that a busy machine keeps; the API server's own may be 30 s."""


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


def test_what_starts_is_admitted_until_a_pause_and_again_after_its_lift(home, tmp_path):
    """A user reads why; what is suspended is created during the pause, and does not start."""
    job = workload("Job", "batch/v1", template={"spec": {}})
    suspended = workload("Job", "batch/v1", template={"spec": {}}, suspend=True)
    with served(home), gate(home, tmp_path / "gate", within_s=SLOW_S) as caller:
        assert caller.admit(request("jobs.batch", job)).allowed
        assert caller.admit(request("pods", pod())).allowed
        pause(home)
        for asked in (
            request("jobs.batch", job),
            request("pods", pod()),
            request("pods/exec", {"kind": "PodExecOptions", "command": ["sh"]}, operation="CONNECT", name="p"),
            request(
                "jobs.batch",
                {**suspended, "spec": {**suspended["spec"], "suspend": False}},
                old=suspended,
                operation="UPDATE",
            ),
        ):
            verdict = caller.admit(asked)
            assert (verdict.allowed, verdict.asked) == (False, True)
            assert "call: 1 vote of safety" in verdict.reason
            assert "detente status --why" in verdict.reason
        assert caller.admit(request("jobs.batch", suspended)).allowed
        assert caller.admit(request("jobs.batch", suspended, old=job, operation="UPDATE")).allowed
        lift(home)
        assert caller.admit(request("pods", pod())).allowed


def test_a_frozen_node_is_a_refusal_within_the_deadline(home, tmp_path):
    """The gate answers itself, before the caller gives up; when the node is back it admits."""
    with served(home) as node, gate(home, tmp_path / "gate", within_s=3.0) as caller:
        until_admitted(caller)
        before = len(caller.sent)
        node.send_signal(signal.SIGSTOP)
        try:
            verdict = caller.admit(request("pods", pod()))
        finally:
            node.send_signal(signal.SIGCONT)
        assert not verdict.allowed
        assert "no answer within" in verdict.reason or "K24" in verdict.reason, verdict.reason
        assert len(caller.sent) == before + 1, "the gate itself has answered, with the request's uid"
        until_admitted(caller)


def test_a_gate_that_hangs_crashes_or_is_gone_admits_nothing(home, tmp_path):
    """The caller's own deadline and `failurePolicy: Fail` decide then."""
    with gate(home, tmp_path / "gate", within_s=1.0) as caller:
        os.kill(caller.process.pid, signal.SIGSTOP)
        verdict = caller.admit(request("pods", pod()))
        assert (verdict.allowed, "Timeout" in verdict.reason) == (False, True)
        os.kill(caller.process.pid, signal.SIGKILL)
        caller.process.wait(WITHIN_S)
        assert "failed calling webhook" in caller.admit(request("pods", pod())).reason
        assert caller.sent == []


def test_a_home_that_does_not_read_admits_nothing(home, tmp_path):
    """The gate lives on, and refuses each request with what is wrong."""
    with gate(home, tmp_path / "gate") as caller:
        (home / "config.toml").rename(home / "away")
        verdict = caller.admit(request("pods", pod()))
    assert (verdict.allowed, verdict.asked, len(caller.sent)) == (False, True, 1)


def test_the_body_is_bounded_and_only_the_named_authority_is_believed(home, tmp_path):
    """400 for garbage, 413 for too much, 404 and 405 elsewhere; a caller with another `caBundle` gets no answer at all."""
    with gate(home, tmp_path / "gate") as caller:
        assert caller.call(b"{").status_code == 400
        assert caller.call(b" " * ((8 << 20) + 1)).status_code == 413
        assert caller.call(json.dumps(review(request("pods", pod()))).encode()).status_code == 200
        other = base64.b64encode(make_tls(days=2).authority).decode()
        stranger = type(caller)(caller.port, replace(caller.choices, ca_bundle=other))
        verdict = stranger.admit(request("pods", pod()))
        assert (verdict.allowed, "certificate" in verdict.reason.lower()) == (False, True)


def said(**response) -> bytes:
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        http("500 No", b""),
        http("302 Found", b""),
        http("200 OK", b"no json"),
        http("200 OK", b"{}"),
        http("200 OK", said(uid="another", allowed=True)),
        http("200 OK", said(uid="u", allowed="true")),
        b"garbage\r\n\r\n",
        b"",
    ],
    ids=["500", "302", "no-json", "empty", "uid", "text", "garbage", "nothing"],
)
def test_the_caller_takes_nothing_but_an_echoed_yes(answer, tmp_path, home):
    """What stands in the gate's place and answers anything else admits nothing: `Fail`."""
    from detente.app.kubernetes.manifests import Choices
    from tests.kubernetes_caller import Caller

    liar = Liar(tmp_path, answer)
    try:
        caller = Caller(liar.port, Choices(image="i", ca_bundle=liar.bundle))
        verdict = caller.by_webhook({**request("pods", pod()), "uid": "u"})
    finally:
        liar.close()
    assert (verdict.allowed, verdict.asked) == (False, True)


def test_the_gate_does_not_start_with_a_key_or_a_policy_that_does_not_read(home, tmp_path):
    """Exit 2 for the certificate, K23 for the policy: an installation that is wrong says so at once."""
    tls = make_tls(days=2)
    for name, data in (("tls.crt", tls.certificate), ("tls.key", tls.key), ("bad", b"no")):
        (tmp_path / name).write_bytes(data)
    serve = ("hook", "kubernetes", "serve", "--port", "0", "--cert", str(tmp_path / "tls.crt"))
    done = detente(*serve, "--key", str(tmp_path / "bad"), home=home)
    assert (done.returncode, b"cannot use the certificate" in done.stderr) == (2, True)
    done = detente(*serve, "--key", str(tmp_path / "tls.key"), "--policy", str(tmp_path / "bad"), home=home)
    assert (done.returncode, b"K23" in done.stderr) == (10, True)


def test_the_manifests_are_written_by_one_command(tmp_path):
    """Four files; with an authority of one's own no key is made."""
    words = ["hook", "kubernetes", "manifests", "--image", "i", "--json"]

    def written(*more: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "detente", *words, *more], capture_output=True, timeout=WITHIN_S, check=True
        )
        return sorted(path.rpartition("/")[2] for path in json.loads(done.stdout)["written"])

    assert written("--out", str(tmp_path / "a")) == ["gate.yaml", "hold.yaml", "switch.yaml", "tls.yaml"]
    (tmp_path / "ca.pem").write_bytes(make_tls(days=2).authority)
    assert written("--out", str(tmp_path / "b"), "--ca", str(tmp_path / "ca.pem")) == [
        "gate.yaml",
        "hold.yaml",
        "switch.yaml",
    ]
