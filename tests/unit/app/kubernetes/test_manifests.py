"""``app.kubernetes.manifests``: what a cluster is given, against the published schemas and a CEL engine of its authors."""

import base64
import importlib.util
import itertools

import pytest
from cryptography import x509

from detente.app.kubernetes import manifests as made
from detente.app.kubernetes.manifests import Choices, manifests
from detente.app.kubernetes.suspending import PROBE_PATH
from detente.app.kubernetes.workloads import HELD
from tests.kubernetes_caller import CEL, NO_CEL, NO_SCHEMAS, Caller, evaluate, pod, request, workload

IMAGE = "registry.example/detente@sha256:" + "0" * 64
CHOICES = Choices(image=IMAGE, ca_bundle=base64.b64encode(b"pem").decode())
VERSIONS = ("1.30", "1.37")

needs_cel = pytest.mark.skipif(not CEL, reason=NO_CEL)


def kinds(kind: str) -> list[dict]:
    return [each for each in manifests(CHOICES) if each["kind"] == kind]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("namespaces", [(), ("research", "loops")])
@pytest.mark.parametrize("observe", [False, True])
def test_every_object_is_of_its_published_schema(version, namespaces, observe):
    """Strictly: a member that the schema does not have is an error."""
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip(NO_SCHEMAS)
    import kubernetes_validate

    for each in manifests(Choices(image=IMAGE, ca_bundle="LS0t", namespaces=namespaces, observe=observe)):
        kubernetes_validate.validate(each, version, strict=True)


def test_nothing_that_asks_fails_open():
    """Twice `Fail`, `Deny` without the switch, a deadline above the gate's own, no `Ignore` anywhere."""
    (hook,) = kinds("ValidatingWebhookConfiguration")[0]["webhooks"]
    (policy,), (binding,) = kinds("ValidatingAdmissionPolicy"), kinds("ValidatingAdmissionPolicyBinding")
    assert hook["failurePolicy"] == policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"]["paramRef"]["parameterNotFoundAction"] == "Deny"
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert CHOICES.within_s < hook["timeoutSeconds"] <= 30
    assert "Ignore" not in str(manifests(CHOICES))


def test_where_namespaces_are_named_the_gates_own_is_held_too():
    """There `suspend` sees that admission is closed, by a dry run."""
    found = manifests(Choices(image=IMAGE, ca_bundle="LS0t", namespaces=("research",)))
    (policy,) = [each for each in found if each["kind"] == "ValidatingAdmissionPolicy"]
    (fits,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert PROBE_PATH.split("/")[5] in fits["values"]


def test_what_observes_fails_open_and_brings_nothing_that_holds():
    """The webhook alone, `Ignore`, and a gate that was told to observe; no policy, no switch, no rights of a suspender."""
    found = manifests(Choices(image=IMAGE, ca_bundle="LS0t", observe=True))
    (webhook,) = [each for each in found if each["kind"] == "ValidatingWebhookConfiguration"]
    assert webhook["webhooks"][0]["failurePolicy"] == "Ignore"
    (gate,) = [each for each in found if each["kind"] == "Deployment"]
    assert gate["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "--observe"
    kinds_found = {each["kind"] for each in found}
    assert not kinds_found & {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ConfigMap",
        "ClusterRole",
    }


def test_all_that_starts_work_is_asked_about_in_every_version():
    """Each resource of the table, what is below it, and pods' shells; deletions are not."""
    (hook,) = kinds("ValidatingWebhookConfiguration")[0]["webhooks"]
    found = {
        f"{resource}.{rule['apiGroups'][0]}".rstrip(".") + f" {operation}"
        for rule in hook["rules"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    for each in HELD:
        assert {f"{each.named} CREATE", f"{each.named} UPDATE"} <= found
    assert {"pods/exec CONNECT", "pods/ephemeralcontainers UPDATE", "deployments/scale.apps UPDATE"} <= found
    assert not [each for each in found if each.endswith("DELETE")]


def test_rights_are_no_more_than_suspending_needs():
    """No creation but in the gate's own namespace, no deletion, no eviction, no secrets, and none for the gate itself."""
    (cluster,), (here,) = kinds("ClusterRole"), kinds("Role")
    verbs = {verb for rule in cluster["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "patch"}
    reached = {name for role in (cluster, here) for rule in role["rules"] for name in rule["resources"]}
    assert not reached & {"secrets", "pods/eviction", "pods/exec", "nodes", "*"}
    assert next(rule for rule in cluster["rules"] if "pods" in rule["resources"])["verbs"] == ["list"]
    subjects = {
        each["name"] for kind in ("RoleBinding", "ClusterRoleBinding") for b in kinds(kind) for each in b["subjects"]
    }
    assert subjects == {made.SUSPENDER}


def test_the_switch_is_in_a_file_of_its_own(tmp_path):
    """Applying the rest again during a pause must not open it; the key is for its owner alone."""
    paths = made.store_manifests(tmp_path / "k8s", CHOICES, made.make_tls(days=2))
    texts = {path.name: path.read_text() for path in paths}
    assert [name for name, text in texts.items() if "kind: ConfigMap\nmetadata" in text] == ["switch.yaml"]
    assert (tmp_path / "k8s" / "tls.yaml").stat().st_mode & 0o077 == 0
    assert "kind: Secret" not in texts["gate.yaml"] + texts["hold.yaml"]


def test_the_certificate_is_the_services_and_its_authority_signs_no_other():
    """The name by which an API server calls; the authority's own key is gone."""
    tls = made.make_tls(days=2)
    leaf, root = (x509.load_pem_x509_certificate(each) for each in (tls.certificate, tls.authority))
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "detente-gate.detente.svc" in names.get_values_for_type(x509.DNSName)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 2


@needs_cel
@pytest.mark.parametrize(
    ("asked", "own"),
    [
        (request("pods", pod(namespace="detente", image=IMAGE)), True),
        (request("pods", pod(namespace="detente", image="train")), False),
        (request("pods", pod(namespace="research", image=IMAGE)), False),
        (request("pods", pod(namespace="detente", image=IMAGE, initContainers=[{"name": "i", "image": "x"}])), False),
        (
            request("pods", pod(namespace="detente", containers=[{"name": n, "image": n} for n in (IMAGE, "train")])),
            False,
        ),
        (
            request("pods/exec", {"kind": "PodExecOptions", "metadata": {"namespace": "detente"}}, operation="CONNECT"),
            False,
        ),
        (
            request(
                "deployments.apps/scale",
                {
                    "kind": "Scale",
                    "metadata": {"name": "detente-gate", "namespace": "detente"},
                    "spec": {"replicas": 1},
                },
                operation="UPDATE",
            ),
            True,
        ),
        (
            request("deployments.apps", workload("Deployment", "apps/v1", name="detente-gate", namespace="research")),
            False,
        ),
        (
            request(
                "deployments.apps",
                workload(
                    "Deployment",
                    "apps/v1",
                    name="detente-gate",
                    namespace="detente",
                    template={"spec": {"containers": [{"name": "gate", "image": "train"}]}},
                ),
            ),
            False,
        ),
    ],
    ids=lambda each: each["resource"]["resource"] if isinstance(each, dict) else str(each),
)
def test_exempt_are_the_gates_own_objects_alone(asked, own):
    """Its image in its namespace, every container of it; a shell in the gate's pod is no pod of the gate's."""
    seen = {name: value for name, value in asked.items() if name not in {"object", "oldObject"}}
    assert evaluate(made.own_objects(IMAGE), request=seen, object=asked["object"], oldObject=asked["oldObject"]) is own


@needs_cel
def test_the_gates_own_deployment_is_exempt_as_the_manifests_write_it():
    """Otherwise a gate that is down could not be put up again."""
    (deployment,) = kinds("Deployment")
    asked = request("deployments.apps", deployment)
    assert Caller(1, CHOICES).by_policy(asked) is None
    assert Caller(1, CHOICES, switch=None).by_policy(asked) is None


@needs_cel
@pytest.mark.parametrize("switch", ["open", "closed", "Open", "", None])
def test_the_second_gate_is_open_by_one_word_alone(switch):
    """No ConfigMap, no data, any other word: closed."""
    value = {**made.switch_manifest(), "data": {"admission": switch}}
    if switch is None:
        value.pop("data")
    refused = Caller(1, CHOICES, switch=value).by_policy(request("pods", pod()))
    assert (refused is None) == (switch == "open")
    assert Caller(1, CHOICES, switch=None).by_policy(request("pods", pod())) is not None


@needs_cel
@pytest.mark.parametrize("held", [each for each in HELD if each.switch], ids=lambda each: each.named)
def test_a_closed_second_gate_lets_suspension_through_and_nothing_that_runs(held):
    """The pause itself must pass; a switch of another resource, or of another type, is none."""
    closed = {**made.switch_manifest(), "data": {"admission": "closed"}}
    caller = Caller(1, CHOICES, switch=closed)
    off, on = (0, 1) if held.switch[-1] == "replicas" else (True, False)

    def spec(place, value) -> dict:
        for name in reversed(place[1:]):
            value = {name: value}
        return value

    suspended, running = (workload(held.kind, "v1", **spec(held.switch, each)) for each in (off, on))
    assert caller.by_policy(request(held.named, suspended, old=running, operation="UPDATE")) is None
    assert caller.by_policy(request(held.named, running, old=suspended, operation="UPDATE")) is not None
    assert caller.by_policy(request(held.named, running, old=running, operation="UPDATE")) is None
    assert caller.by_policy(request(held.named, running)) is not None
    for other in {each.switch for each in HELD if each.switch} - {held.switch}:
        value = 0 if other[-1] == "replicas" else True
        assert caller.by_policy(request(held.named, workload(held.kind, "v1", **spec(other, value)))) is not None


@needs_cel
def test_a_closed_second_gate_refuses_pods_and_shells():
    """Pods of a Job that was admitted before are pods, too."""
    closed = {**made.switch_manifest(), "data": {"admission": "closed"}}
    caller = Caller(1, CHOICES, switch=closed)
    shell = request("pods/exec", {"kind": "PodExecOptions"}, operation="CONNECT", name="p")
    for asked, dry in itertools.product((request("pods", pod()), shell), (False, True)):
        assert "closed by a pause" in caller.by_policy({**asked, "dryRun": dry}).reason
