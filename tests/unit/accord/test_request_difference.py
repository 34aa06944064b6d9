"""What changed between two duties that are due on request, and whether more is asked of whom they bind."""

from dataclasses import replace

import pytest

from detente.accord.request_difference import compare_requests
from detente.accord.terms import AtMost, Duty, OnRequest
from detente.base.instant import Instant

HOUR, DAY = 3_600, 86_400
PERIODIC = Duty("inspection", ("developer",), Instant(1_798_761_600), None, ("auditor",))
ASKED = OnRequest(("auditor",), DAY, AtMost(20, DAY))


def told(before, after):
    duties = [PERIODIC if each is None else replace(PERIODIC, by=None, on_request=each) for each in (before, after)]
    return list(compare_requests("inspection", *duties))


@pytest.mark.parametrize(
    ("change", "text", "tighter"),
    [
        ({"within_s": HOUR}, "lowers the time for inspection from 1 d to 1 h", True),
        ({"within_s": 2 * DAY}, "raises the time for inspection from 1 d to 2 d", False),
        ({"by": ("auditor", "authority")}, "changes who may ask for inspection from auditor to auditor, authority", True),
        ({"by": ("authority",)}, "changes who may ask for inspection from auditor to authority", None),
        ({"most": None}, "lets inspection be asked for without limit, which was at most {}", True),
        ({"most": AtMost(40, DAY)}, "changes how often inspection may be asked for from {} to {}", True),
        ({"most": AtMost(20, HOUR)}, "changes how often inspection may be asked for from {} to {}", True),
        ({"most": AtMost(10, DAY)}, "changes how often inspection may be asked for from {} to {}", False),
        ({"most": AtMost(10, HOUR)}, "changes how often inspection may be asked for from {} to {}", None),
    ],
)  # fmt: skip
def test_each_difference_is_a_sentence_and_says_whether_it_tightens(change, text, tighter):
    """And the way back says the opposite, where either can be told."""
    new = replace(ASKED, **change)
    spelled = [each.spelled() for each in (ASKED.most, new.most) if each is not None]
    assert told(ASKED, new) == [(text.format(*spelled), tighter)]
    [(_, back)] = told(new, ASKED)
    assert back is (None if tighter is None else not tighter)
    assert told(new, new) == []


def test_a_duty_that_is_due_otherwise_is_told_whole():
    """Between a date and on request nothing can be told."""
    [(text, tighter)] = told(None, ASKED)
    assert text == f"makes inspection due {ASKED.spelled()}, instead of by 2027-01-01"
    assert tighter is None
    assert told(None, None) == []


def test_several_differences_are_several_sentences():
    """Who, how soon, how often, in this order."""
    new = OnRequest(("auditor", "authority"), HOUR, None)
    assert [tighter for _, tighter in told(ASKED, new)] == [True, True, True]
