"""``app.kubernetes.reviewing``: what is an AdmissionReview of v1, and what is none."""

import json

import pytest

from detente.app.kubernetes.reviewing import MESSAGE_MAX, REVIEW_MAX, encode_reply, parse_review
from detente.base.errors import Refused
from tests.kubernetes_caller import pod, request, review


def body(**changed) -> bytes:
    return json.dumps(review({**request("pods", pod()), **changed})).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        parse_review(data)
    return refused.value.rule


def test_a_request_is_read_with_its_names_and_objects():
    """Group and subresource are spelled as in a role; what is not read is the API server's own."""
    asked = request(
        "deployments.apps/scale", {"kind": "Scale", "spec": {"replicas": 2}}, operation="UPDATE", name="web"
    )
    found = parse_review(json.dumps(review(asked)).encode())
    assert (found.resource, found.name, found.namespace) == ("deployments.apps/scale", "web", "research")
    assert (found.uid, found.operation, found.user) == (asked["uid"], "UPDATE", "ada")
    assert (found.new, found.old, found.dry_run) == (asked["object"], {}, False)


def test_a_name_that_is_still_to_be_made_is_read_by_its_beginning():
    """A Job's pods come with `generateName` and without a name."""
    made = pod()
    made["metadata"] = {"generateName": "train-", "namespace": "research"}
    assert parse_review(json.dumps(review(request("pods", made))).encode()).name == "train-"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {}}',
        b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}',
        b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "kind": "AdmissionReview"}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": ' + 100 * b"[" + 100 * b"]" + b"}",
        b'{"a": ' + 100_000 * b"[" + b"}",
        b'"\\ud800"',
        body(uid=""),
        body(uid=7),
        body(uid="u" * 101),
        body(operation="PATCH"),
        body(object=None),
        body(object=[]),
        body(oldObject="x"),
        body(resource="pods"),
        body(resource={"group": "", "version": "v1"}),
        body(namespace=1),
        body(name="n" * 254),
        body(userInfo=[]),
        body(dryRun="yes"),
        body(subResource=1),
    ],
    ids=lambda _each: "data",  # their uids are made anew in each process
)
def test_what_is_no_review_is_refused(data):
    """K20: no JSON, another version, no uid, members of another type, an operation without its object."""
    assert refusal(data) == "K20"


def test_a_review_is_bounded_before_it_is_read():
    """K21."""
    assert refusal(b" " * (REVIEW_MAX + 1)) == "K21"


def test_a_reply_echoes_the_uid_and_says_why():
    """What is allowed has no status; a long reason is cut."""
    assert json.loads(encode_reply("u", allowed=True))["response"] == {"uid": "u", "allowed": True}
    response = json.loads(encode_reply("u", allowed=False, message="x" * 3_000))["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u", False, 403)
    assert len(response["status"]["message"]) == MESSAGE_MAX
