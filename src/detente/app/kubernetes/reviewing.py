"""AdmissionReview v1: one request of an API server read strictly, and its answer written.

Decides what a well-formed request is. Leaves out what it asks for (``workloads``, ``leave``). ``spec/kubernetes.md`` §2, K20 and K21.

Source of the format: Kubernetes, *Dynamic Admission Control* and the reference of ``admission.k8s.io/v1`` (``AdmissionReview``,
``AdmissionRequest``, ``AdmissionResponse``), as documented for 1.25 to 1.37. Members that are not read here are the API server's own.

>>> parse_review(b'{"kind": "AdmissionReview", "kind": "Pod"}')
Traceback (most recent call last):
...
detente.base.errors.Refused: K20 malformed: got two members named 'kind'; expected an AdmissionReview of admission.k8s.io/v1
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from detente.base.errors import Refused, shown
from detente.base.strict_json import parse_foreign_json

REVIEW_MAX: Final = 8 << 20
"""Bytes: an API server takes objects of 3 MiB at most, and sends the new and the old one."""
API_VERSION: Final = "admission.k8s.io/v1"
OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")
NAME_MAX: Final = 253
"""Characters of a name in Kubernetes (RFC 1123 subdomains)."""
MESSAGE_MAX: Final = 2_000
WARNING_MAX: Final = 256
"""Characters of a warning that an API server passes on whole (Kubernetes, *Dynamic Admission Control*)."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One request. ``resource`` as ``plural.group`` (``pods``, ``jobs.batch``), with its subresource after a slash.

    ``new`` and ``old`` are the objects, empty where there is none; ``dry_run``: nothing will be stored.
    """

    uid: str
    resource: str
    operation: str
    namespace: str
    name: str
    user: str
    new: Object
    old: Object
    dry_run: bool


def parse_review(data: bytes) -> Review:
    """Read a request; raises ``Refused`` K20, K21.

    1. Bounded, and JSON in which each name stands once: K21, K20.
    2. Of this version, with a request that has a uid to echo.
    3. Its resource, operation, names and objects are of their types; the objects that the operation needs are there.
    """
    if len(data) > REVIEW_MAX:  # 1
        raise Refused("K21", "oversized", got=f"over {REVIEW_MAX} bytes", expected="an AdmissionReview below that")
    try:
        value = parse_foreign_json(data, limit=REVIEW_MAX)
    except Refused as refused:
        raise _malformed(refused.got) from None
    if not isinstance(value, dict) or (value.get("apiVersion"), value.get("kind")) != (API_VERSION, "AdmissionReview"):
        got = shown(value) if not isinstance(value, dict) else shown(f"{value.get('apiVersion')} {value.get('kind')}")
        raise _malformed(got)
    request = value.get("request")  # 2
    if not isinstance(request, dict):
        raise _malformed("no request")
    uid = _text(request, "uid", most=100)
    operation = _text(request, "operation")  # 3
    if operation not in OPERATIONS:
        raise _malformed(f"operation {shown(operation)}")
    new, old = _object(request, "object"), _object(request, "oldObject")
    if operation in {"CREATE", "UPDATE", "CONNECT"} and not new:
        raise _malformed(f"{operation} without an object")
    user = request.get("userInfo", {})
    if not isinstance(user, dict):
        raise _malformed("userInfo that is no object")
    dry_run = request.get("dryRun", False)
    if type(dry_run) is not bool:
        raise _malformed(f"dryRun {shown(dry_run)}")
    return Review(
        uid=uid,
        resource=_resource(request),
        operation=operation,
        namespace=_text(request, "namespace", empty=True),
        name=_text(request, "name", empty=True) or _own_name(new),
        user=_text(user, "username", most=1_000, empty=True),
        new=new,
        old=old,
        dry_run=dry_run,
    )


def encode_reply(uid: str, *, allowed: bool, message: str = "", warning: str = "") -> bytes:
    """The answer that an API server expects; ``message`` is what its user reads where it is not allowed, ``warning`` in any case.

    >>> json.loads(encode_reply("1", allowed=False, message="paused"))["response"]["status"]["code"]
    403
    """
    response: Object = {"uid": uid, "allowed": allowed}
    if not allowed:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": message[:MESSAGE_MAX]}
    if warning:
        response["warnings"] = [warning[:WARNING_MAX]]
    value = {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}
    return json.dumps(value).encode()


def _resource(request: Object) -> str:
    named = request.get("resource")
    if not isinstance(named, dict):
        raise _malformed("no resource")
    group, plural = _text(named, "group", empty=True), _text(named, "resource")
    below = _text(request, "subResource", empty=True)
    return f"{plural}.{group}".rstrip(".") + (f"/{below}" if below else "")


def _own_name(new: Object) -> str:
    """The name that an object says it has, or the beginning of one that the API server makes: a creation's request may have none."""
    metadata = new.get("metadata")
    said = (metadata.get("name") or metadata.get("generateName")) if isinstance(metadata, dict) else None
    return said if isinstance(said, str) and len(said) <= NAME_MAX else ""


def _object(request: Object, member: str) -> Object:
    value = request.get(member)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(f"{member} that is {shown(value)}")
    return value


def _text(value: Object, member: str, *, most: int = NAME_MAX, empty: bool = False) -> str:
    text = value.get(member, "" if empty else None)
    if not isinstance(text, str) or len(text) > most or not (text or empty):
        raise _malformed(f"{member} {shown(text)}")
    return text


def _malformed(got: str) -> Refused:
    return Refused("K20", "malformed", got=got[:300], expected=f"an AdmissionReview of {API_VERSION}")
