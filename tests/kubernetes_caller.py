"""A *constructed* caller of the webhook: what an API server is documented to do, since none is at hand. Nothing here was recorded.

It takes the configuration that the manifests give a cluster and does with it what *Dynamic Admission Control* and the reference of
``admissionregistration.k8s.io/v1`` say: rules, ``matchConditions``, TLS to the name of the service under ``caBundle``,
``timeoutSeconds``, an AdmissionReview v1, a uid that must come back, ``failurePolicy``. Expressions run in ``cel-expr-python`` where it is
installed; an expression that gives no boolean is a failure, and ``Fail`` makes that a refusal.
"""

import base64
import importlib.util
import json
import ssl
import uuid
from dataclasses import dataclass, field

import httpcore
import httpx

from detente.app.kubernetes.manifests import GATE, NAMESPACE, Choices, hold_manifests, switch_manifest

CEL = importlib.util.find_spec("cel_expr_python") is not None
NO_CEL = "cel-expr-python is not installed: pip install cel-expr-python==0.1.3"
NO_SCHEMAS = "kubernetes-validate is not installed: pip install kubernetes-validate==1.37.0"
HOST = f"{GATE}.{NAMESPACE}.svc"


@dataclass(frozen=True)
class Verdict:
    """What the user of the API server would get: ``reason`` where it is refused, ``asked`` if the webhook was called, ``warnings``."""

    allowed: bool
    reason: str = ""
    asked: bool = False
    warnings: tuple[str, ...] = ()


def evaluate(expression: str, **variables) -> bool:
    """A CEL expression that must give a boolean; raises ``ValueError`` for everything else, errors included."""
    from cel_expr_python import cel

    types = dict.fromkeys(variables, cel.Type.DYN)
    value = cel.NewEnv(variables=types).compile(expression).eval(data=variables).value()
    if value is not True and value is not False:
        raise ValueError(f"{expression[:80]}: {value}")
    return value


class _Backend(httpcore.SyncBackend):
    """Resolves the name of the service to where the gate listens in the test."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect_tcp(self, host, port, **how):
        assert (host, port) == (HOST, 443), "a cluster calls the service"
        return super().connect_tcp("127.0.0.1", self.port, **how)


@dataclass
class Caller:
    """An API server with this configuration, whose service is at ``port`` of this machine."""

    port: int
    choices: Choices
    switch: dict | None = field(default_factory=switch_manifest)
    sent: list = field(default_factory=list)

    def __post_init__(self) -> None:
        *second, self.webhook = hold_manifests(self.choices)
        self.policy, self.binding = second or (None, None)

    def admit(self, request: dict) -> Verdict:
        """Both gates, as configured: the policy in the API server, then the webhook."""
        refused = self.by_policy(request)
        return refused if refused is not None else self.by_webhook(request)

    def by_policy(self, request: dict) -> Verdict | None:
        """The ValidatingAdmissionPolicy; ``None`` where it lets the request through, or cannot be run here."""
        if self.policy is None:
            return None
        spec = self.policy["spec"]
        if not CEL or not matches(spec["matchConstraints"]["resourceRules"], request):
            return None
        try:
            if not all(self._holds(each["expression"], request) for each in spec["matchConditions"]):
                return None
            if self.switch is None:
                assert self.binding["spec"]["paramRef"]["parameterNotFoundAction"] == "Deny"
                return Verdict(allowed=False, reason="no params")
            for each in spec["validations"]:
                if not self._holds(each["expression"], request, params=self.switch):
                    return Verdict(allowed=False, reason=each["message"])
        except Exception as error:  # noqa: BLE001 - whatever an engine makes of it
            assert spec["failurePolicy"] == "Fail"
            return Verdict(allowed=False, reason=f"failed: {error}")
        return None

    def by_webhook(self, request: dict) -> Verdict:
        """The ValidatingWebhookConfiguration."""
        (hook,) = self.webhook["webhooks"]
        if not matches(hook["rules"], request):
            return Verdict(allowed=True)
        try:
            if CEL and not all(self._holds(each["expression"], request) for each in hook["matchConditions"]):
                return Verdict(allowed=True)
            reply = self.call(json.dumps(review(request)).encode())
            if reply.status_code != 200:
                raise ValueError(f"status {reply.status_code}")
            return self._verdict(reply.json(), request)
        except Exception as error:  # noqa: BLE001 - a connection, a certificate, a timeout, no JSON, another uid
            return Verdict(hook["failurePolicy"] == "Ignore", f"failed calling webhook: {error!r}", asked=True)

    def call(self, body: bytes) -> httpx.Response:
        """One call over TLS: the name of the service, under the authority of ``caBundle`` and no other."""
        (hook,) = self.webhook["webhooks"]
        trust = ssl.create_default_context(cadata=base64.b64decode(hook["clientConfig"]["caBundle"]).decode())
        transport = httpx.HTTPTransport(verify=trust)
        transport._pool = httpcore.ConnectionPool(ssl_context=trust, network_backend=_Backend(self.port))
        path, wait_s = hook["clientConfig"]["service"]["path"], hook["timeoutSeconds"]
        with httpx.Client(transport=transport, timeout=wait_s) as http:
            return http.post(f"https://{HOST}{path}", content=body, headers={"content-type": "application/json"})

    def _verdict(self, value: dict, request: dict) -> Verdict:
        self.sent.append(value)
        if (value["apiVersion"], value["kind"]) != ("admission.k8s.io/v1", "AdmissionReview"):
            raise ValueError("another kind or version")
        response = value["response"]
        if response["uid"] != request["uid"] or type(response["allowed"]) is not bool:
            raise ValueError("another uid, or no boolean")
        warnings = tuple(response.get("warnings", ()))
        return Verdict(
            response["allowed"], response.get("status", {}).get("message", ""), asked=True, warnings=warnings
        )

    def _holds(self, expression: str, request: dict, **more) -> bool:
        seen = {name: value for name, value in request.items() if name not in {"object", "oldObject"}}
        objects = {name: request.get(name) for name in ("object", "oldObject")}
        return evaluate(expression, request=seen, **objects, **more)


def matches(rules: list[dict], request: dict) -> bool:
    """Does a rule fit: group, resource with its subresource, operation?"""
    resource = request["resource"]
    named = resource["resource"] + (f"/{request['subResource']}" if "subResource" in request else "")
    return any(
        resource["group"] in rule["apiGroups"]
        and named in rule["resources"]
        and request["operation"] in rule["operations"]
        and rule["apiVersions"] == ["*"]
        for rule in rules
    )


def review(request: dict) -> dict:
    """The body that a request travels in."""
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def request(
    resource: str, new: dict | None, *, old: dict | None = None, operation: str = "CREATE", name: str = "", **more
) -> dict:
    """An AdmissionRequest: ``resource`` as ``plural.group/subresource``. What a field's reference calls optional is absent when empty."""
    named, _, below = resource.partition("/")
    plural, _, group = named.partition(".")
    metadata = (new or old or {}).get("metadata", {})
    value = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": group, "version": "v1", "kind": (new or old or {}).get("kind", "")},
        "resource": {"group": group, "version": "v1", "resource": plural},
        "requestKind": {"group": group, "version": "v1", "kind": (new or old or {}).get("kind", "")},
        "requestResource": {"group": group, "version": "v1", "resource": plural},
        "namespace": metadata.get("namespace", "research"),
        "operation": operation,
        "userInfo": {"username": "ada", "groups": ["system:authenticated"]},
        "object": new,
        "oldObject": old,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": f"{operation.capitalize()}Options"},
        **more,
    }
    if below:
        value |= {"subResource": below, "requestSubResource": below}
    if found := name or metadata.get("name"):
        value["name"] = found
    return value


def pod(name: str = "p", *, namespace: str = "research", image: str = "train", **spec) -> dict:
    """A pod with one container."""
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "c", "image": image}], **spec},
    }


def workload(kind: str, version: str, *, name: str = "w", namespace: str = "research", **spec) -> dict:
    """Any object with a specification."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
