"""Ways to pass a hold point that asks for confirmation, that a reviewer escalated, that expired or lapsed: each done for real."""

import copy
import itertools
import random

import pytest

from detente.accord.explaining.constraint import Subject
from detente.accord.fold import fold
from detente.testing.authenticator import Maker, Passkey, TerminalKey
from tests.accord_play import BODY, DAY, SETTLE, T0, Play, founding
from tests.ways_out import cast, explained, stands

QUIET = BODY.replace("every: 7 d, ", "")
CONFIRMED = "device: passkey, same_host: refuse, confirmed: yes, by: [auditor, authority]"
NOW = T0 + 2_000
MAKER = Maker()


class Desk:
    """A play in which some reviewers have a passkey, a security key or both."""

    def __init__(self, body, devices):
        self.play = Play(founding(body)).begin()
        self.devices = {}
        last = {}
        for number, (party, reviewer, where) in enumerate(devices):
            name = f"{party} {reviewer} {where}"
            device = Passkey(name, maker=MAKER) if where == "page" else TerminalKey(name)
            sequence, previous = last.get(party, (0, None))
            said = self.play.enrol_device(
                party, device, T0 + 70 + number, reviewer=reviewer, sequence=sequence + 1, previous=previous
            )
            last[party] = (sequence + 1, said)
            self.devices[party, reviewer, where] = device
        self.change = self.play.propose("dev-a", T0 + 100)

    def approve(self, party, reviewer, where, at, play=None):
        device = self.devices.get((party, reviewer, where))
        return (play or self.play).approve(party, self.change, at, reviewer=reviewer, device=device)

    def constraint(self, at=NOW):
        found = explained(self.play, at, Subject("change", self.change)).constraints
        [held] = [each for each in found if each.clause.kind == "hold_point"]
        return held

    def ways(self, at=NOW):
        return [way for way in self.constraint(at).ways if {act.kind for act in way.acts} == {"approval"}]

    def done(self, statements, at):
        """Another play in which these approvals were made, by what their act says or by whatever the reviewer has."""
        other = copy.deepcopy(self.play)
        for act, hand in statements:
            kinds = ("page", "terminal", "software") if act.means == "any" else (act.means,)
            where = next((each for each in kinds if (hand.party, hand.reviewer, each) in self.devices), "software")
            self.approve(hand.party, hand.reviewer, where, at, other)
        return other

    def assert_true_and_least(self, way, at=NOW):
        whole = cast(way, random.Random(1))
        after = self.done(whole, at + 1)
        assert after.rules() == []
        constraint = self.constraint(at)
        assert not stands(after, constraint, way.at), way.text
        assert stands(after, constraint, way.at - 1), way.text
        for size in range(len(whole)):
            for part in itertools.combinations(whole, size):
                assert stands(self.done(part, at + 1), constraint, way.at), way.text


def confirming(humans=1, devices=(("aud-1", "r-1", "page"), ("aud-1", "r-1", "terminal")), **more):
    body = QUIET.replace("humans: 2", f"humans: {humans}").replace("device: software, same_host: refuse", CONFIRMED)
    for old, new in more.items():
        body = body.replace(old, new)
    return Desk(body, devices)


def test_a_reviewer_approves_on_a_page_and_confirms_in_a_terminal():
    """Two statements of one hand: neither alone is enough."""
    desk = confirming()
    [way] = desk.ways()
    assert (
        way.text
        == "1 reviewer approves the proposal on a page, and the same reviewer confirms it in a terminal; then 1 min to settle"
    )
    assert [[str(hand) for hand in act.hands] for act in way.acts] == [["aud-1/r-1"], ["aud-1/r-1"]]
    desk.assert_true_and_least(way)


def test_a_software_key_in_a_terminal_confirms_what_a_passkey_approved():
    """Whoever has a passkey and any key of their own is told; who has no passkey is not."""
    desk = confirming(devices=(("aud-1", "r-1", "page"), ("auth-1", "r-2", "page")))
    [way] = desk.ways()
    assert sorted(str(hand) for hand in way.acts[0].hands) == ["aud-1/r-1", "auth-1/r-2"]
    desk.assert_true_and_least(way)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("page", "1 reviewer who approved on a page confirms the proposal in a terminal; then 1 min to settle"),
        ("terminal", "1 reviewer who approved in a terminal approves the proposal on a page; then 1 min to settle"),
    ],
)
def test_who_has_done_one_of_the_two_does_the_other(where, told):
    """And of them nothing else is asked; others do both."""
    devices = [(party, "r-1", place) for party in ("aud-1", "aud-2") for place in ("page", "terminal")]
    desk = confirming(devices=devices)
    desk.approve("aud-1", "r-1", where, T0 + 200)
    ways = desk.ways()
    assert [way.text for way in ways] == [
        told,
        "1 reviewer approves the proposal on a page, and the same reviewer confirms it in a terminal; then 1 min to settle",
    ]
    assert [str(hand) for hand in ways[0].acts[0].hands] == ["aud-1/r-1"]
    assert [str(hand) for hand in ways[1].acts[0].hands] == ["aud-2/r-1"]
    for way in ways:
        desk.assert_true_and_least(way)


def test_two_who_are_needed_and_one_half_done():
    """Every mixture that is enough is told, and each is true and least."""
    devices = [(party, "r-1", place) for party in ("aud-1", "aud-2", "auth-1") for place in ("page", "terminal")]
    desk = confirming(humans=2, devices=devices)
    desk.approve("aud-1", "r-1", "page", T0 + 200)
    ways = desk.ways()
    assert len(ways) == 2
    for way in ways:
        desk.assert_true_and_least(way)


def test_where_nobody_has_a_passkey_there_is_no_way():
    """A key in a terminal alone cannot confirm itself."""
    assert confirming(devices=(("aud-1", "r-1", "terminal"),)).ways() == []


ESCALATION = (
    "    escalation: {to: [authority], after: 2 d, within: 3 d}\n    approved_for: 7 d\n    decide_within: 14 d\n"
)
ESCALATING = QUIET.replace("    need: {humans: 2, ", f"{ESCALATION}    need: {{humans: 2, by: [auditor], ")


def test_what_was_escalated_needs_one_of_whom_it_went_to_besides():
    """Both are told in one way, and neither alone is enough."""
    desk = Desk(ESCALATING, ())
    desk.approve("aud-1", "r-1", "software", T0 + 200)
    desk.play.approve("aud-2", desk.change, T0 + 300, decision="escalate")
    [way] = desk.ways()
    assert way.text == "1 more reviewer and 1 reviewer of auth-1 or auth-2 approve the proposal; then 1 min to settle"
    assert {hand.party for hand in way.acts[1].hands} == {"auth-1", "auth-2"}
    desk.assert_true_and_least(way)


def test_what_expired_is_approved_again_by_whoever_may():
    """Those whose approvals expired among them; and it is held since the first of them did."""
    desk = Desk(ESCALATING, ())
    for number, reviewer in enumerate(("r-1", "r-2")):
        desk.approve("aud-1", reviewer, "software", T0 + 200 + number)
    late = T0 + 8 * DAY
    constraint = desk.constraint(late)
    assert constraint.since == T0 + 200 + 7 * DAY
    [way] = desk.ways(late)
    assert "aud-1/r-1" in {str(hand) for hand in way.acts[0].hands}
    desk.assert_true_and_least(way, late)


def test_what_lapsed_is_approved_by_nobody():
    """No approval is told as a way; it is held since then for that reason."""
    desk = Desk(ESCALATING, ())
    late = T0 + 20 * DAY
    assert desk.ways(late) == []
    assert "lapsed" in desk.constraint(late).reason.text
    assert fold(desk.play.evidence) is desk.play.state
    assert desk.constraint(T0 + 100 + SETTLE).since == T0 + 100
