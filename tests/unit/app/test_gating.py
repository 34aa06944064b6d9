"""A gate's answer as SARIF: no result where it is allowed, one with every reason where it is not."""

import pytest

from detente.app.gating import RULES, rule_of, sarif
from detente.base.digest import Digest
from detente.guard.answer import Allowance, Answer

VERSION, ACT = Digest("a" * 64), Digest("b" * 64)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (Answer(verdict="deny", act=ACT, answered=True, reasons=("paused", "ruled")), "detente/denied"),
        (Answer(verdict="hold", act=ACT, answered=True, held_by=("review",)), "detente/held"),
        (Answer(verdict="hold", act=ACT, reasons=("no node answers",)), "detente/unanswered"),
        (Answer(verdict="allow", act=ACT), "detente/unanswered"),
    ],
)
def test_what_is_not_allowed_is_one_error_that_says_why(answer, rule):
    """Also an answer that says allow and has no permit."""
    log = sarif(answer, VERSION, release="1.0")
    (run,) = log["runs"]
    (result,) = run["results"]
    assert rule_of(answer) == result["ruleId"] == rule
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == rule
    assert (result["level"], result["kind"]) == ("error", "fail")
    assert RULES[rule] in result["message"]["text"]
    assert all(reason in result["message"]["text"] for reason in answer.reasons)
    assert run["invocations"] == [{"executionSuccessful": answer.answered}]


def test_what_is_allowed_has_no_result():
    """A scanner that reads it shows nothing."""
    allowance = Allowance(act=ACT, salt="0" * 32, permit=b"", boot_id="b", sent_at_ms=0)
    answer = Answer(verdict="allow", act=ACT, answered=True, allowance=allowance)
    assert sarif(answer, VERSION, release="1.0")["runs"][0]["results"] == []
