"""The webhook against a *constructed* caller, for every input: without leave nothing that runs is admitted, whatever is sent."""

import asyncio
import json
from unittest import mock

import httpx
from hypothesis import given
from hypothesis import strategies as st

from detente.app.kubernetes import leave
from detente.app.kubernetes.leave import Admission
from detente.app.kubernetes.workloads import HELD
from detente.guard.answer import Allowance, Answer
from detente.hooks.kubernetes import make_app
from tests.kubernetes_caller import request, review, workload

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
resources = st.sampled_from(
    [name for each in HELD for name in (each.named, *(f"{each.named}/{below}" for below in each.below))]
)
operations = st.sampled_from(["CREATE", "UPDATE", "CONNECT"])
running = st.dictionaries(
    st.text(max_size=10).filter(lambda name: name not in {"suspend", "replicas", "runPolicy", "schedulingGates"}),
    values,
    max_size=4,
)


def no_leave(question, **_how):
    return Answer(verdict="hold", act=question.act, reasons=("nobody answers",))


def full_leave(question, **_how):
    allowance = Allowance(act=question.act, salt="0" * 32, permit=b"", boot_id="", sent_at_ms=0)
    return Answer(verdict="allow", act=question.act, answered=True, allowance=allowance)


def sent(body: bytes, answer, headers=None) -> tuple[int, dict]:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(Admission(home="/nonexistent", within_s=5.0)))
        async with httpx.AsyncClient(transport=transport, base_url="https://gate") as http:
            return await http.post("/admission", content=body, headers=headers or {})

    with mock.patch.object(leave, "ask", answer), mock.patch.object(leave, "use"):
        reply = asyncio.run(send())
    return reply.status_code, reply.json()


def is_allowed(status: int, value: dict, uid: str) -> bool:
    """As an API server reads it: only a 200 of this kind, with this uid, and ``true``."""
    response = value.get("response", {})
    return (
        status == 200
        and value.get("kind") == "AdmissionReview"
        and response.get("uid") == uid
        and response["allowed"] is True
    )


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_review_is_answered_with_an_error_and_admits_nothing(body):
    """Never 200, never a crash: 400 with a number, which `Fail` makes a refusal."""
    status, value = sent(body, full_leave)
    assert status in {400, 413}
    assert value["rule"] in {"K20", "K21"}


@given(resources, operations, running, running)
def test_without_leave_nothing_that_could_run_is_admitted(resource, operation, spec, old):
    """Whatever else the object says; an update counts where its specification changed."""
    new = workload("Any", "v1", **{f"x{name}": value for name, value in spec.items()}, one=1)
    asked = request(resource, new, old=workload("Any", "v1", **old, one=2), operation=operation)
    status, value = sent(json.dumps(review(asked)).encode(), no_leave)
    assert status == 200
    assert value["response"]["uid"] == asked["uid"]
    assert not is_allowed(status, value, asked["uid"])


@given(st.sampled_from(["uid", "operation", "object", "resource", "namespace", "name", "userInfo", "dryRun"]), values)
def test_a_member_of_any_other_type_admits_nothing_without_leave(member, value):
    """Whatever stands there, the caller gets a refusal or an error."""
    asked = {**request("pods", workload("Pod", "v1", containers=[])), member: value}
    if asked["dryRun"] is True:
        return
    status, found = sent(json.dumps(review(asked)).encode(), no_leave)
    uid = asked["uid"] if isinstance(asked["uid"], str) else ""
    assert not is_allowed(status, found, uid)


@given(resources, operations, running, st.text(min_size=1, max_size=36).filter(lambda text: text.isprintable()))
def test_with_leave_the_uid_of_the_request_comes_back(resource, operation, spec, uid):
    """An API server believes no answer with another one."""
    asked = {**request(resource, workload("Any", "v1", **spec), operation=operation), "uid": uid}
    status, value = sent(json.dumps(review(asked)).encode(), full_leave)
    assert is_allowed(status, value, uid)


@given(st.integers(1, 400))
def test_a_body_that_is_cut_off_admits_nothing(cut):
    """No prefix of a review is one."""
    body = json.dumps(review(request("pods", workload("Pod", "v1", containers=[])))).encode()
    status, value = sent(body[:-cut], full_leave)
    assert (status, value["rule"]) == (400, "K20")
