"""Several accords over one act: the strictest answer holds, and whose it is, is said."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.accord.reason import Reason
from detente.app.guarding import Leave
from detente.app.jointly import JointLeave, join_leaves
from detente.base.errors import Misuse
from detente.base.identity import Party
from detente.guard.intent import Intent
from detente.guard.joint import Answer, combine, decide_jointly
from tests.accord_play import T0, Play

HOUR = 3_600
ANSWERS = st.lists(
    st.builds(
        lambda allowed, tenths, lasts: (
            Answer("?", True, Decimal(tenths) / 10, lasts)
            if allowed
            else Answer("?", False, Decimal(0), 0, ("x",), (Reason("why"),))
        ),
        st.booleans(),
        st.integers(1, 10),
        st.integers(1, 1_000),
    ),
    min_size=1,
    max_size=5,
).map(lambda found: [Answer(f"a{n}", a.allowed, a.rate, a.lasts, a.held_by, a.reasons) for n, a in enumerate(found)])


@given(ANSWERS)
def test_together_they_allow_what_each_allows_and_no_more(answers: list[Answer]):
    """Allowed if and only if all allow; at no higher a rate and for no longer than any; each is named on one side."""
    joint = combine(answers)
    assert joint.allowed == all(answer.allowed for answer in answers)
    assert all(joint.rate <= answer.rate and joint.lasts <= answer.lasts for answer in answers)
    assert sorted((*joint.refusing, *joint.allowing)) == [answer.accord for answer in answers]
    assert joint.allowed or joint.reasons


@given(ANSWERS, ANSWERS)
def test_another_accord_never_loosens(answers: list[Answer], more: list[Answer]):
    """Whatever a further accord answers, what was refused stays refused, and rate and life do not rise."""
    before, after = combine(answers), combine([*answers, *more])
    assert before.allowed or not after.allowed
    assert after.rate <= before.rate
    assert after.lasts <= before.lasts


def test_nobody_asked_allows_nothing():
    """No answer is no leave."""
    with pytest.raises(Misuse):
        combine([])


def test_the_accord_that_refuses_is_named_and_the_other_would_allow_it():
    """Two real states of two accords over the same developer, and a run that each knows by another id."""
    free, paused = Play().begin(), Play().begin()
    asked = []
    for name, play in (("treaty", paused), ("pact", free)):
        run = play.run("dev-a", T0 + HOUR)
        asked.append((name, play, Intent(activity="training", party=Party("dev-a"), run=run)))
    at = T0 + 3 * HOUR
    before = decide_jointly([(name, play.state, intent) for name, play, intent in asked], at)
    assert (before.allowed, before.rate, before.lasts) == (True, Decimal(1), 6 * HOUR)
    for number, party in enumerate(("aud-1", "auth-1")):
        paused.vote(party, "pause", T0 + 2 * HOUR + number)
    after = decide_jointly([(name, play.state, intent) for name, play, intent in asked], at)
    assert (after.allowed, after.rate, after.lasts) == (False, 0, 0)
    assert (after.refusing, after.allowing, after.held_by) == (("treaty",), ("pact",), ("call",))
    assert [reason.text for reason in after.reasons] == [
        "treaty: call: 2 votes of auditor, authority",
        "pact would allow it",
    ]
    assert after.reasons[0].cites


def given_until(until_s: float, rate: str = "1", epoch: int = 1) -> Leave:
    return Leave(until_s=until_s, rate=Decimal(rate), epoch=epoch)


def test_leave_lasts_until_the_first_of_them_ends_and_at_the_least_rate():
    """The job's epoch is that of the first accord."""
    joint = join_leaves({"a": given_until(50, "1", 7), "b": given_until(40, "0.1", 3)})
    assert (joint.given, joint.until_s, joint.rate, joint.epoch) == (True, 40, Decimal("0.1"), 7)


@pytest.mark.parametrize("why", ["pause", "lapse", "denied"])
def test_one_that_takes_leave_back_stops_the_job_whatever_the_others_say(why: str):
    """And why it ended is why the job stops."""
    joint = join_leaves({"a": given_until(50), "b": Leave(why=why, held_by=("call",))})
    assert (joint.given, joint.why, joint.held_by) == (False, why, ("call",))


def test_the_job_hears_only_what_changes_for_it():
    """A renewal of leave that lasts longer than another's is no news; the end of any is."""
    joint = JointLeave(["a", "b"])
    heard: list[Leave] = []
    joint.tell(heard.append)
    joint.hear("a")(given_until(50))
    assert not any(leave.given for leave in heard)
    heard.clear()
    joint.hear("b")(given_until(60))
    joint.hear("b")(given_until(70))
    joint.hear("b")(Leave(why="pause"))
    assert [(leave.given, leave.why) for leave in heard] == [(True, "none"), (False, "pause")]


def test_two_accords_of_one_name_are_a_mistake_of_ours():
    """Answers are kept by name."""
    with pytest.raises(Misuse):
        JointLeave(["a", "a"])
