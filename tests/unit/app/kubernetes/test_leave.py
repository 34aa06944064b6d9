"""``app.kubernetes.leave``: which activity a request is, what is asked for it, and what its user is told."""

import asyncio
import json
import threading

import pytest

from detente.app.kubernetes import leave
from detente.app.kubernetes.leave import Admission, parse_policy, question_of
from detente.app.kubernetes.reviewing import parse_review
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.guard.answer import Allowance, Answer
from tests.kubernetes_caller import pod, request, review, workload

VERSION = "a" * 64


def read(asked: dict):
    return parse_review(json.dumps(review(asked)).encode())


def rule_of(call, *arguments) -> str:
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value.rule


def noted(value: dict, **notes) -> dict:
    value["metadata"]["annotations"] = {name.replace("__", "/").replace("_", "-"): text for name, text in notes.items()}
    return value


def test_what_no_rule_names_is_training():
    """No policy, or one for other namespaces: nothing is left out by silence."""
    policy = parse_policy(b'[[rule]]\nnamespaces = ["serving-*"]\nresources = ["*.apps"]\nactivity = "deployment"\n')
    for given in ((), policy):
        question = question_of(read(request("pods", pod())), given)
        assert (question.activity, question.run, question.planned_flop) == ("training", "kubernetes-training", "0")


def test_the_first_rule_that_fits_decides():
    """By namespace and resource, subresources included."""
    policy = parse_policy(
        b'[[rule]]\nname = "no shells"\nresources = ["pods/exec"]\nrefuse = true\n'
        b'[[rule]]\nnamespaces = ["loops"]\nactivity = "self_improvement"\n'
    )
    assert question_of(read(request("pods", pod(namespace="loops"))), policy).run == "kubernetes-self-improvement"
    shell = read(request("pods/exec", {"kind": "PodExecOptions"}, operation="CONNECT"))
    assert rule_of(question_of, shell, policy) == "K22"


def test_a_deployment_names_its_version():
    """K25 without one, or with something else; the pod template's annotation counts where the object has none."""
    policy = parse_policy(b'[[rule]]\nactivity = "deployment"\n')
    web = workload("Deployment", "apps/v1", template={"metadata": {"annotations": {"detente/version": VERSION}}})
    assert question_of(read(request("deployments.apps", web)), policy).version == VERSION
    bad = noted(workload("Deployment", "apps/v1"), detente__version="v1.2")
    for other in (bad, workload("Deployment", "apps/v1")):
        assert rule_of(question_of, read(request("deployments.apps", other)), policy) == "K25"


def test_a_plan_is_a_run_of_its_own():
    """The pods of one owner share it; another plan, or another namespace, is another run; what is no number is K25."""

    def run(flop: str, *, namespace: str = "research", name: str = "p") -> str:
        made = noted(pod(name, namespace=namespace), detente__planned_flop=flop)
        made["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "lm", "controller": True}]
        return question_of(read(request("pods", made)), ()).run

    assert run("1e15", name="a") == run("1e15", name="b") != run("1e16")
    assert run("1e15", namespace="other") != run("1e15")
    for flop in ("much", "-1", ""):
        assert rule_of(run, flop) == "K25"
    assert rule_of(question_of, read(request("pods", noted(pod(), detente__planned_flop=7))), ()) == "K25"


def test_what_is_observed_is_admitted_with_a_warning_and_recorded(tmp_path):
    """No home, a rule that refuses, no answer in time: each goes on, and each is a line that says what would have been."""
    policy = parse_policy(b'[[rule]]\nnamespaces = ["no"]\nrefuse = true\n')
    observing = Admission(home=tmp_path, policy=policy, within_s=5.0, observe=True)
    late = Admission(home=tmp_path, within_s=0.05, at_once=0, observe=True)
    replies = [
        json.loads(asyncio.run(admission.answer(json.dumps(review(request("pods", pod(namespace=where)))).encode())))
        for admission, where in ((observing, "research"), (observing, "no"), (late, "research"))
    ]
    assert [each["response"]["allowed"] for each in replies] == [True] * 3
    warnings = [each["response"]["warnings"][0] for each in replies]
    assert all(each.startswith("détente: not enforced: would have held CREATE pods") for each in warnings)
    assert "K24" in warnings[2]
    lines = [json.loads(line) for line in (tmp_path / "observe.jsonl").read_text().splitlines()]
    assert [(line["asker"], line["enforced"], line["would_have"]) for line in lines] == [
        ("kubernetes", False, "held")
    ] * 3


def test_another_object_is_another_act():
    """The answer is bound to what was sent: an edited object needs its own."""
    asked = request("pods", pod())
    other = {**asked, "object": pod(image="other")}
    again, edited = (question_of(read(each), ()).act for each in (asked, other))
    assert question_of(read(asked), ()).act == again != edited


@pytest.mark.parametrize(
    "text",
    [
        "rule = 1",
        "[[rule]]",
        "[[rule]]\nactivity = 'inference'",
        "[[rule]]\nactivity = 'training'\nrefuse = true",
        "[[rule]]\nrefuse = 1",
        "[[rule]]\nrefuse = true\nkinds = ['Pod']",
        "[[rule]]\nrefuse = true\nnamespaces = []",
        "[[rule]]\nrefuse = true\nnamespaces = ['A B']",
        "[[rule]]\nrefuse = true\nresources = [1]",
        "[[rule]]\nrefuse = true\nname = ''",
        "other = 1",
        "not toml",
        "#" * 70_000,
    ],
)
def test_a_policy_that_does_not_read_is_refused(text):
    """K23, whole: no rule of it counts."""
    assert rule_of(parse_policy, text.encode()) == "K23"


def answered(admission: Admission, asked: dict) -> dict:
    reply = asyncio.run(admission.answer(json.dumps(review(asked)).encode()))
    return json.loads(reply)["response"]


@pytest.fixture
def spent(monkeypatch):
    """``ask`` as told, and what ``use`` was given."""
    used = []

    def set_to(answer):
        monkeypatch.setattr(leave, "ask", answer)
        monkeypatch.setattr(leave, "use", lambda answer, *, act, home: used.append(act))
        return used

    return set_to


def allowing(question, *, home, within_s):
    allowance = Allowance(act=question.act, salt="0" * 32, permit=b"", boot_id="", sent_at_ms=0)
    return Answer(verdict="allow", act=question.act, answered=True, allowance=allowance)


def test_an_allowed_request_spends_its_answer(spent, tmp_path):
    """One permit, one admission: the second asks for itself."""
    used = spent(allowing)
    admission = Admission(home=tmp_path)
    for _ in range(2):
        assert answered(admission, request("pods", pod()))["allowed"] is True
    assert len(set(used)) == 2


def test_an_answer_that_cannot_be_spent_admits_nothing(spent, tmp_path, monkeypatch):
    """What ``use`` refuses is refused, by its number."""
    spent(allowing)

    def refusing(_answer, **_how):
        raise Refused("J02", "replayed", got="an answer", expected="one that was not spent")

    monkeypatch.setattr(leave, "use", refusing)
    response = answered(Admission(home=tmp_path), request("pods", pod()))
    assert (response["allowed"], "J02" in response["status"]["message"]) == (False, True)


@pytest.mark.parametrize("verdict", ["hold", "deny"])
def test_whoever_is_refused_reads_why(spent, tmp_path, verdict):
    """K22 with the accord's own reason, and what a person can do."""
    spent(lambda question, **_: Answer(verdict=verdict, act=question.act, reasons=("1 vote of safety",), answered=True))
    response = answered(Admission(home=tmp_path), request("pods", pod("lm-0")))
    assert response["allowed"] is False
    assert "K22" in response["status"]["message"]
    assert "lm-0" in response["status"]["message"]
    assert "1 vote of safety" in response["status"]["message"]


def test_an_error_of_any_kind_admits_nothing(spent, tmp_path):
    """Whatever an asker raises: no permit, no admission."""

    def failing(_question, **_how):
        raise ZeroDivisionError("odd")

    spent(failing)
    assert answered(Admission(home=tmp_path), request("pods", pod()))["allowed"] is False


def test_what_hangs_is_refused_in_time_and_keeps_its_place(spent, tmp_path):
    """K24 at the deadline; while its thread hangs, the next one finds no place and is refused as well."""
    release = threading.Event()

    def hanging(question, **_how):
        release.wait(60)
        return Answer(verdict="hold", act=Digest(question.act))

    spent(hanging)

    async def both() -> list[bytes]:
        admission = Admission(home=tmp_path, within_s=0.1, at_once=1)
        body = json.dumps(review(request("pods", pod()))).encode()
        found = [await admission.answer(body), await admission.answer(body)]
        release.set()
        return found

    for reply in asyncio.run(both()):
        response = json.loads(reply)["response"]
        assert (response["allowed"], "K24" in response["status"]["message"]) == (False, True)


def test_nothing_is_asked_about_what_starts_nothing(spent, tmp_path):
    """A suspended Job, a smaller Deployment: no issuer is bothered."""
    used = spent(lambda *_a, **_k: pytest.fail("asked"))
    assert answered(Admission(home=tmp_path), request("jobs.batch", workload("Job", "batch/v1", suspend=True)))[
        "allowed"
    ]
    assert used == []
