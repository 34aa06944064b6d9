"""What a cluster is given so that it asks: the gate itself, the webhook's configuration, a second gate in the API server, rights.

Decides the objects, each as a value that is written as YAML or JSON. Leaves out applying them, and the home of the gate, which its
operator puts into the volume. ``spec/kubernetes.md`` §6.

- Everything that holds fails closed: ``failurePolicy: Fail`` twice, ``parameterNotFoundAction: Deny``, a deadline below the caller's.
- Exempt are the gate's own Deployment and pods of its own image, and nothing else: otherwise an outage would lock itself in.
- The gate has no rights in the cluster. What suspends has those that its calls need: none to create work, to evict or to delete.

>>> [each["kind"] for each in manifests(Choices(image="example.org/detente@sha256:0", ca_bundle="LS0t"))][:3]
['Namespace', 'ServiceAccount', 'ServiceAccount']
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from detente.adapters.certificates import Certificate, make_certificate
from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file
from detente.app.kubernetes.leave import ANSWER_S
from detente.app.kubernetes.workloads import HELD, REPLICAS
from detente.base.errors import Unavailable

NAMESPACE: Final = "detente"
GATE: Final = "detente-gate"
SUSPENDER: Final = "detente-suspend"
SWITCH: Final = "detente-admission"
"""The ConfigMap that opens and closes the second gate: ``data.admission`` is ``open``, or it is closed."""
WEBHOOK: Final = "admission.detente-gate.detente.svc"
POLICY: Final = "detente-admission"
TLS_SECRET: Final = "detente-gate-tls"  # noqa: S105 - the name of an object, not what is in it
CLAIM: Final = "detente-home"
PORT: Final = 8443
MARGIN_S: Final = 2
"""How much later than the gate's own deadline the API server gives up."""
TIMEOUT_MAX_S: Final = 30
"""``timeoutSeconds`` is 1 to 30."""
CLOSED: Final = (
    "détente: admission is closed by a pause; `detente status --why` shows what holds it and who can change that"
)

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """``ca_bundle``: PEM in base64. ``namespaces``: only these are held; none: all are. ``observe``: nothing is held, all is recorded."""

    image: str
    ca_bundle: str
    within_s: float = ANSWER_S
    namespaces: tuple[str, ...] = ()
    observe: bool = False


def manifests(choices: Choices) -> list[Manifest]:
    """All objects, in the order in which they are applied: what answers before what asks."""
    switch = [] if choices.observe else [switch_manifest()]
    return [*gate_manifests(choices), *switch, *hold_manifests(choices)]


def make_tls(*, days: int) -> Certificate:
    """A certificate for the names that the API server calls the gate by."""
    names = [f"{GATE}.{NAMESPACE}.svc", f"{GATE}.{NAMESPACE}.svc.cluster.local"]
    return make_certificate(names, now_s=SystemClock().now(), days=days)


def store_manifests(folder: Path, choices: Choices, tls: Certificate | None) -> list[Path]:
    """Write ``gate.yaml``, ``switch.yaml``, ``hold.yaml`` and, with a certificate, ``tls.yaml``, a secret; raises ``Unavailable``.

    To observe there is no switch, and ``observe.yaml`` stands for ``hold.yaml``.
    """
    parts = {"gate.yaml": gate_manifests(choices)}
    if choices.observe:
        parts["observe.yaml"] = hold_manifests(choices)
    else:
        parts |= {"switch.yaml": [switch_manifest()], "hold.yaml": hold_manifests(choices)}
    if tls is not None:
        data = {"tls.crt": tls.certificate, "tls.key": tls.key}
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        parts["tls.yaml"] = [{**_object("v1", "Secret", TLS_SECRET), "type": "kubernetes.io/tls", "data": encoded}]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, objects in parts.items():
            store_file(folder / name, spell(objects), mode=0o600 if name == "tls.yaml" else 0o644)
    except OSError as error:
        raise Unavailable(f"cannot write {folder}: {error.strerror}") from None
    return [folder / name for name in parts]


def spell(objects: list[Manifest]) -> bytes:
    """YAML, one document each."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4_096
    yaml.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    yaml.dump_all(objects, text)
    return text.getvalue().encode()


def gate_manifests(choices: Choices) -> list[Manifest]:
    """What answers: the gate, its place, and the rights of what suspends, where something is held."""
    suspender = {**_object("v1", "ServiceAccount", SUSPENDER), "automountServiceAccountToken": False}
    return [
        _object("v1", "Namespace", NAMESPACE, namespaced=False),
        {**_object("v1", "ServiceAccount", GATE), "automountServiceAccountToken": False},
        *([] if choices.observe else [suspender, *_rights()]),
        _claim(),
        _service(),
        _deployment(choices),
    ]


def hold_manifests(choices: Choices) -> list[Manifest]:
    """What asks: the second gate, then the webhook; to observe the webhook alone. Applied once the gate is ready."""
    if choices.observe:
        return [_webhook(choices)]
    return [_policy(choices), _binding(choices), _webhook(choices)]


def switch_manifest() -> Manifest:
    """The switch, open: created once and never applied again, which would open it during a pause."""
    return {**_object("v1", "ConfigMap", SWITCH), "data": {"admission": "open"}}


def own_objects(image: str) -> str:
    """The CEL expression that is true of the gate's own Deployment and of pods of its image, in its namespace, alone."""
    spelled = json.dumps(image)
    only = "{0}.containers.all(c, c.image == {1}) && !has({0}.initContainers)"
    pod, template = (only.format(each, spelled) for each in ("object.spec", "object.spec.template.spec"))
    return (
        f"request.namespace == {json.dumps(NAMESPACE)} && ("
        f"(request.resource.group == '' && request.resource.resource == 'pods' && !has(request.subResource) && {pod}) || "
        f"(request.resource.group == 'apps' && request.resource.resource == 'deployments'"
        f" && request.name == {json.dumps(GATE)}"
        f" && (has(request.subResource) ? request.subResource == 'scale' : ({template}))))"
    )


def starts_nothing_expression() -> str:
    """The CEL expression that is true of what starts no work by its own specification: the part of ``workloads`` that CEL can say.

    Each switch is asked of its own resources alone: elsewhere a member of that name may be anything.
    """
    switches: dict[tuple[str, ...], list[str]] = {}
    for each in HELD:
        if each.switch:
            switches.setdefault(each.switch, []).append(each.plural)
    switched = []
    for path, plurals in sorted(switches.items()):
        off = "0" if path == REPLICAS else "true"
        which = f"request.resource.resource in {json.dumps(plurals)}"
        switched.append(f"({which} && {_reaches(path)} && object.{'.'.join(path)} == {off})")
    return (
        f"has(object.spec) && ({' || '.join(switched)} || "
        "(request.operation == 'UPDATE' && has(oldObject.spec) && object.spec == oldObject.spec))"
    )


def open_expression() -> str:
    """True while the switch is open."""
    return "has(params.data) && 'admission' in params.data && params.data['admission'] == 'open'"


def held_rules() -> list[Manifest]:
    """What the API server asks about: all of ``workloads.HELD``, in whatever version."""
    rules: list[Manifest] = []
    for each in HELD:
        rules.append(_rule(each.group, [each.plural], ["CREATE", "UPDATE"]))
        below = [f"{each.plural}/{sub}" for sub in each.below]
        connected = [name for name in below if name.endswith("/exec")]
        updated = [name for name in below if name not in connected]
        rules += [_rule(each.group, connected, ["CONNECT"])] if connected else []
        rules += [_rule(each.group, updated, ["UPDATE"])] if updated else []
    return rules


def _rule(group: str, resources: list[str], operations: list[str]) -> Manifest:
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "resources": resources,
        "operations": operations,
        "scope": "Namespaced",
    }


def _reaches(path: tuple[str, ...]) -> str:
    """That each member on the way to ``path`` is there, after ``spec``."""
    return " && ".join(f"has(object.{'.'.join(path[:depth])})" for depth in range(2, len(path) + 1))


def _object(version: str, kind: str, name: str, *, namespaced: bool = True) -> Manifest:
    metadata: Manifest = {"name": name, "labels": {"app.kubernetes.io/name": "detente"}}
    if namespaced:
        metadata["namespace"] = NAMESPACE
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _selector(choices: Choices) -> Manifest:
    """Namespaces by the label that the API server itself sets to their name; the gate's own with them, where closing is looked at."""
    if not choices.namespaces:
        return {}
    held = sorted({*choices.namespaces, NAMESPACE})
    fits = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": held}
    return {"namespaceSelector": {"matchExpressions": [fits]}}


def _webhook(choices: Choices) -> Manifest:
    value = _object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", GATE, namespaced=False)
    service = {"name": GATE, "namespace": NAMESPACE, "path": "/admission", "port": 443}
    hook = {
        "name": WEBHOOK,
        "clientConfig": {"service": service, "caBundle": choices.ca_bundle},
        "rules": held_rules(),
        "failurePolicy": "Ignore" if choices.observe else "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": timeout_s(choices.within_s),
        "admissionReviewVersions": ["v1"],
        "matchConditions": [{"name": "not-the-gate-itself", "expression": f"!({own_objects(choices.image)})"}],
        **_selector(choices),
    }
    return {**value, "webhooks": [hook]}


def timeout_s(within_s: float) -> int:
    """What the API server is told to wait.

    >>> timeout_s(8.0)
    10
    """
    return min(TIMEOUT_MAX_S, int(within_s) + MARGIN_S)


def _policy(choices: Choices) -> Manifest:
    value = _object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", POLICY, namespaced=False)
    spec = {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": held_rules(), "matchPolicy": "Equivalent", **_selector(choices)},
        "matchConditions": [{"name": "not-the-gate-itself", "expression": f"!({own_objects(choices.image)})"}],
        "validations": [
            {
                "expression": f"({open_expression()}) || ({starts_nothing_expression()})",
                "message": CLOSED,
                "reason": "Forbidden",
            }
        ],
    }
    return {**value, "spec": spec}


def _binding(choices: Choices) -> Manifest:
    value = _object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", POLICY, namespaced=False)
    spec: Manifest = {
        "policyName": POLICY,
        "validationActions": ["Deny"],
        "paramRef": {"name": SWITCH, "namespace": NAMESPACE, "parameterNotFoundAction": "Deny"},
    }
    if selector := _selector(choices):
        spec["matchResources"] = selector
    return {**value, "spec": spec}


def _rights() -> list[Manifest]:
    """What suspending reads and changes, and a dry run in the gate's own namespace that sees whether admission is closed."""
    api = "rbac.authorization.k8s.io/v1"
    everywhere = [
        {"apiGroups": [each.group], "resources": [each.plural], "verbs": ["get", "list", "patch"]}
        for each in HELD
        if each.switch and each.plural != "replicasets"
    ]
    everywhere += [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {
            "apiGroups": ["kueue.x-k8s.io"],
            "resources": ["clusterqueues", "localqueues", "workloads"],
            "verbs": ["get", "list", "patch"],
        },
    ]
    here = [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [SWITCH], "verbs": ["get", "patch"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
    ]
    subject = {"kind": "ServiceAccount", "name": SUSPENDER, "namespace": NAMESPACE}
    group = "rbac.authorization.k8s.io"
    return [
        {**_object(api, "ClusterRole", SUSPENDER, namespaced=False), "rules": everywhere},
        {
            **_object(api, "ClusterRoleBinding", SUSPENDER, namespaced=False),
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": SUSPENDER},
            "subjects": [subject],
        },
        {**_object(api, "Role", SUSPENDER), "rules": here},
        {
            **_object(api, "RoleBinding", SUSPENDER),
            "roleRef": {"apiGroup": group, "kind": "Role", "name": SUSPENDER},
            "subjects": [subject],
        },
    ]


def _claim() -> Manifest:
    """The volume of the gate's home; its operator puts the home into it."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {**_object("v1", "PersistentVolumeClaim", CLAIM), "spec": spec}


def _service() -> Manifest:
    ports = [{"name": "https", "port": 443, "targetPort": PORT, "protocol": "TCP"}]
    return {**_object("v1", "Service", GATE), "spec": {"selector": {"app": GATE}, "ports": ports}}


def _deployment(choices: Choices) -> Manifest:
    words = ["detente", "hook", "kubernetes", "serve", "--home", "/srv/detente", "--host", "0.0.0.0"]  # noqa: S104 - in its pod
    words += [
        "--port",
        str(PORT),
        "--cert",
        "/tls/tls.crt",
        "--key",
        "/tls/tls.key",
        "--within",
        f"{choices.within_s:g}",
        *(["--observe"] if choices.observe else []),
    ]
    probe = {"httpGet": {"path": "/healthz", "port": PORT, "scheme": "HTTPS"}, "periodSeconds": 5}
    container = {
        "name": "gate",
        "image": choices.image,
        "command": words,
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": "/srv/detente"},
            {"name": "tls", "mountPath": "/tls", "readOnly": True},
        ],
    }
    pod = {
        "serviceAccountName": GATE,
        "automountServiceAccountToken": False,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": CLAIM}},
            {"name": "tls", "secret": {"secretName": TLS_SECRET}},
        ],
    }
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # two gates of one home take turns anyway, and most volumes have one writer
        "selector": {"matchLabels": {"app": GATE}},
        "template": {"metadata": {"labels": {"app": GATE}}, "spec": pod},
    }
    return {**_object("apps/v1", "Deployment", GATE), "spec": spec}
