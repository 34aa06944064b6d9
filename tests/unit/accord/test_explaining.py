"""What binds whom, since when and on what, and the ways out: said as the terms say, and each way done for real."""

import random
from decimal import Decimal

import pytest

from detente.accord.explaining.constraint import Subject
from detente.accord.explaining.subject import change_subject, party_subject, run_subject, trigger_subject
from detente.accord.terms import parse_terms
from detente.base.errors import Refused
from detente.statement.audit import Audit
from detente.statement.commitment import Committed
from detente.statement.run import Run
from tests.accord_play import BODY, DAY, SETTLE, T0, Play, founding
from tests.ways_out import assert_true_and_least, explained

HOUR = 3_600
ACCORD = Subject("accord")


def the(explanation, kind: str):
    """The one constraint of a kind."""
    found = [each for each in explanation.constraints if each.clause.kind == kind]
    assert len(found) == 1, [each.clause for each in explanation.constraints]
    return found[0]


def assert_ways(play: Play, at: int, constraint, *, body: str = BODY, said: bytes = b""):
    """Every way that is told is true and least."""
    assert constraint.ways
    for way in constraint.ways:
        assert_true_and_least(play, at, constraint, way, random.Random(1), body=body, said=said)


def test_a_pause_says_that_one_more_authority_is_needed_and_when_it_lapses():
    """Who has voted counts; what is missing is told by role and number, with who could do it."""
    play = Play().begin()
    play.measure("dev-a", 1, T0 + 60), play.measure("dev-b", 1, T0 + 60)
    votes = [play.vote(party, "pause", T0 + HOUR + n) for n, party in enumerate(("aud-1", "auth-1"))]
    for party in ("aud-1", "auth-2"):
        play.vote(party, "lift", T0 + 2 * HOUR)
    constraint = the(explained(play, T0 + 3 * HOUR, Subject("party", "dev-a")), "pause")
    assert (constraint.effect, constraint.since, constraint.reason.cites) == ("paused", T0 + HOUR + 1, tuple(votes))
    first, last = constraint.ways[0], constraint.ways[-1]
    assert first.text == "1 more authority votes to lift `call`, round 0; then 1 min to settle"
    assert [str(hand) for hand in first.acts[0].hands] == ["auth-1"]
    assert first.at == T0 + 3 * HOUR + 1 + SETTLE
    assert (last.how, last.at) == ("lapse", T0 + HOUR + 1 + 180 * DAY)
    assert_ways(play, T0 + 3 * HOUR, constraint)


def test_an_open_finding_is_closed_in_each_way_that_closes_it():
    """Refuted by its author, or ruled upon either way by adjudicators who are neither accused nor its author."""
    play = Play().begin()
    for n, party in enumerate(("aud-1", "auth-1")):
        play.vote(party, "pause", T0 + HOUR + n)
    play.find("aud-1", "dev-b", T0 + 2 * HOUR)
    for party in ("aud-2", "auth-1", "auth-2"):
        play.vote(party, "lift", T0 + 3 * HOUR)
    constraint = the(explained(play, T0 + 4 * HOUR, Subject("trigger", "call")), "pause")
    told = [way.text for way in constraint.ways]
    assert told[0].startswith("aud-1 refutes its finding about dev-b")
    assert "2 adjudicators rule that the finding of aud-1 about dev-b is no breach; then 1 min to settle" in told
    assert "2 adjudicators rule that the finding of aud-1 about dev-b is a breach" in told
    judges = next(way.acts[0].hands for way in constraint.ways if "is a breach" in way.text)
    assert [str(hand) for hand in judges] == ["auth-1", "auth-2"]
    assert_ways(play, T0 + 4 * HOUR, constraint)


def test_a_run_is_told_each_limit_with_what_it_lacks():
    """Held for one approval that is absent, refused by the other limit whoever approves."""
    play = Play().begin()
    run = play.run("dev-a", T0 + HOUR, flop="1e25")
    play.approve("auth-1", run, T0 + 2 * HOUR)
    found = explained(play, T0 + 3 * HOUR, Subject("run", run))
    assert [(each.effect, each.clause.id, each.since) for each in found.constraints] == [
        ("refused", "too-large", T0 + HOUR),
        ("held", "report-first", T0 + HOUR),
    ]
    held = found.constraints[1]
    assert held.ways[0].text == "auth-2 approves the run; then 1 min to settle"
    assert all(way.acts[0].kind in {"terms", "withdrawal"} for way in found.constraints[0].ways)
    for constraint in found.constraints:
        assert_ways(play, T0 + 3 * HOUR, constraint)


def test_a_limit_binds_since_an_approval_was_taken_back():
    """Since is the beginning of the last unbroken stretch, not the declaration."""
    play = Play().begin()
    run = play.run("dev-a", T0 + HOUR, flop="1e23")
    for party in ("auth-1", "auth-2"):
        play.approve(party, run, T0 + 2 * HOUR)
    assert explained(play, T0 + 3 * HOUR, Subject("run", run)).constraints == ()
    play.approve("auth-1", run, T0 + 4 * HOUR, decision="reject")
    assert the(explained(play, T0 + 5 * HOUR, Subject("run", run)), "limit").since == T0 + 4 * HOUR


def test_an_amount_that_is_only_committed_is_unknown_and_a_finding_ends_that():
    """Kleene's unknown is shown as such; an inspector of another party can make it known."""
    play = Play().begin()
    run = play.run("dev-a", T0 + HOUR, flop=Committed("c" * 64))
    found = explained(play, T0 + 2 * HOUR, Subject("run", run))
    assert {each.verdict for each in found.constraints} == {None}
    refused = next(each for each in found.constraints if each.effect == "refused")
    assert "finds that the run stays below 1e24 FLOP" in refused.ways[0].text
    for constraint in found.constraints:
        assert_ways(play, T0 + 2 * HOUR, constraint)


def test_a_run_that_was_only_heard_of_waits_for_its_cosignatures():
    """So many mirrors cosign the entry; one fewer does not do."""
    play = Play().begin()
    said = play.sign("dev-a", "run", Run("heard", "training", Decimal("1e23"), (), ()))
    run = play.evidence.receive(said).statement.id
    for number, party in enumerate(("auth-1", "auth-2")):
        play.approve(party, run, T0 + HOUR + number)
    at = T0 + HOUR + 120
    found = explained(play, at, Subject("run", run)).constraints
    assert [(each.clause.kind, each.effect, each.witnessed) for each in found] == [
        ("declaration", "held", False),
        ("limit", "held", False),
    ]
    for constraint in found:
        assert constraint.ways[0].text.startswith("3 mirrors cosign the entry of a log that declares it")
        assert_ways(play, at, constraint, said=said)


def test_a_hold_point_lacks_so_many_reviewers_of_whoever_is_not_the_author():
    """Any two reviewers of others; one that approved counts already."""
    play = Play().begin()
    proposal = play.propose("dev-a", T0 + HOUR)
    constraint = the(explained(play, T0 + 2 * HOUR, Subject("change", proposal)), "hold_point")
    act = constraint.ways[0].acts[0]
    assert (act.count, len(act.hands)) == (2, 3 * 7)
    assert not any(hand.party == "dev-a" for hand in act.hands)
    assert_ways(play, T0 + 2 * HOUR, constraint)
    play.approve("aud-1", proposal, T0 + 2 * HOUR)
    later = the(explained(play, T0 + 3 * HOUR, Subject("change", proposal)), "hold_point")
    assert later.ways[0].text == "1 more reviewer approves the proposal; then 1 min to settle"
    assert_ways(play, T0 + 3 * HOUR, later)


def test_reviewers_of_several_organisations_are_each_of_another():
    """Where the terms ask for organisations, the acts say so."""
    body = BODY.replace("organisations: 1", "organisations: 2")
    play = Play(founding(body)).begin()
    proposal = play.propose("dev-a", T0 + HOUR)
    constraint = the(explained(play, T0 + 2 * HOUR, Subject("change", proposal)), "hold_point")
    assert constraint.ways[0].text == "2 reviewers, each of another, approve the proposal; then 1 min to settle"
    assert_ways(play, T0 + 2 * HOUR, constraint, body=body)


def test_what_is_being_settled_is_told_as_a_matter_of_time():
    """No act is needed; the instant is exact."""
    play = Play().begin()
    run = play.run("dev-a", T0 + HOUR, flop="1e23")
    for party in ("auth-1", "auth-2"):
        play.approve(party, run, T0 + 2 * HOUR)
    constraint = the(explained(play, T0 + 2 * HOUR + 10, Subject("run", run)), "limit")
    assert [(way.how, way.at) for way in constraint.ways if not way.acts] == [("settling", T0 + 2 * HOUR + SETTLE)]
    assert_ways(play, T0 + 2 * HOUR + 10, constraint)


def test_a_consequence_ends_when_the_finding_is_refuted_or_ruled_otherwise():
    """And when the terms have it no longer."""
    play = Play().begin()
    finding = play.find("aud-2", "dev-a", T0 + HOUR)
    for party in ("auth-1", "auth-2"):
        play.rule(party, finding, "dev-a", T0 + 2 * HOUR)
    at = T0 + 4 * DAY
    found = [
        each for each in explained(play, at, Subject("party", "dev-a")).constraints if each.clause.kind == "consequence"
    ]
    assert {each.clause.id for each in found} == {"refuse_compute by cloud", "refuse_deployment by buyer", "publish"}
    for constraint in found[:2]:
        told = [way.text for way in constraint.ways]
        assert told[0].startswith("aud-2 refutes its finding about dev-a")
        assert any("is no breach; then 1 min to settle" in text for text in told)
        assert_ways(play, at, constraint)


def test_before_force_the_smallest_sets_of_accessions_are_told():
    """Where the phase refuses, whoever accedes brings it into force, and an amendment may end it too."""
    body = BODY.replace("  after_expiry:", "  before: {training: refuse}\n  after_expiry:")
    play = Play(founding(body))
    play.accede("dev-a")
    constraint = the(explained(play, T0 + HOUR, ACCORD), "phase")
    assert (constraint.effect, constraint.verdict, constraint.activities) == ("refused", False, ("training",))
    assert constraint.ways[0].text == "dev-b accedes; then 1 min to settle"
    way = constraint.ways[0]
    assert_true_and_least(play, T0 + HOUR, constraint, way, random.Random(1), body=body)


def test_who_is_bound_leaves_by_notice_and_no_sooner():
    """The withdrawal and its notice, where nothing else would hold the party then."""
    body = BODY.replace(
        "  spread: {supplied_by: developer, every: 7 d, unit: x}", "  spread: {supplied_by: developer, unit: x}"
    )
    play = Play(founding(body)).begin()
    at = T0 + HOUR
    constraint = the(explained(play, at, Subject("party", "dev-a")), "membership")
    assert constraint.ways[0].text == "dev-a withdraws; then 365 d of notice"
    assert_ways(play, at, constraint, body=body)


def test_a_trigger_that_has_not_latched_says_what_would_set_it_off():
    """So many votes more, or a report."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + HOUR)
    call = the(explained(play, T0 + 2 * HOUR, Subject("trigger", "call")), "trigger")
    assert (call.effect, call.verdict) == ("free", False)
    assert call.ways[0].text == "1 more of the auditors or authorities votes to pause by `call`"
    assert_ways(play, T0 + 2 * HOUR, call)
    fast = the(explained(play, T0 + 2 * HOUR, Subject("trigger", "fast")), "trigger")
    assert fast.ways[0].text == "aud-1 or aud-2 reports doubling at most 60 d"


def test_a_checkpoint_tells_who_may_certify_and_who_withholds():
    """The certification of the run itself; who withheld it has to give it."""
    body = BODY.replace(
        "indicators:\n",
        "checkpoints:\n  - id: cyber\n    on: run.start\n    when: {at_least: [spread, 3 x]}\n"
        "    need: {certifications: [safe], by: [auditor], count: 1}\nindicators:\n",
    )
    play = Play(founding(body)).begin()
    play.measure("dev-a", 4, T0 + 60)
    run = play.run("dev-a", T0 + HOUR)
    constraint = the(explained(play, T0 + 2 * HOUR, Subject("run", run)), "checkpoint")
    assert constraint.ways[0].text.startswith("1 of aud-1 or aud-2 certifies safe of ")
    assert_ways(play, T0 + 2 * HOUR, constraint, body=body)
    play.say("aud-1", "audit", Audit(run, "scope", (), (), "fail", ("safe",)), T0 + 2 * HOUR)
    withheld = the(explained(play, T0 + 3 * HOUR, Subject("run", run)), "checkpoint")
    assert [str(hand) for hand in withheld.ways[0].acts[0].hands] == ["aud-1"]
    assert_ways(play, T0 + 3 * HOUR, withheld, body=body)


def test_a_limit_with_an_end_is_a_matter_of_time():
    """The end of its span is told."""
    ends = T0 + 30 * DAY
    body = BODY.replace("    then: refuse\n", "    then: refuse\n    until: 2027-02-14\n")
    play = Play(founding(body)).begin()
    run = play.run("dev-a", T0 + HOUR, flop="1e25")
    found = explained(play, T0 + 2 * HOUR, Subject("run", run)).constraints
    refused = next(each for each in found if each.effect == "refused")
    timed = [way for way in refused.ways if not way.acts]
    assert [way.how for way in timed] == ["span"]
    assert abs(timed[0].at - ends) < DAY
    assert_ways(play, T0 + 2 * HOUR, refused, body=body)


def test_a_limit_that_binds_during_an_emergency_ends_with_it():
    """Lifting what brought it into effect is a way out of the limit; so is its lapse, unless it is confirmed."""
    spare = "  - {id: spare, when: {more_than: [run.cumulative_flop, 1e30 FLOP]}, then: refuse, while: alarm}\n"
    body = BODY.replace("    then: refuse\n", f"    then: refuse\n    while: alarm\n{spare}").replace(
        "triggers:\n",
        "triggers:\n  - id: alarm\n    when: {votes: {of: [auditor], at_least: 1}}\n    then: limits\n    scope: all\n"
        "    lapses: {after: 14 d, unless: {authority: 2}, again_after: 1 d}\n",
    )
    play = Play(founding(body)).begin()
    run = play.run("dev-a", T0 + HOUR, flop="1e25")
    play.vote("aud-1", "pause", T0 + 2 * HOUR, trigger="alarm", expires=T0 + 3 * HOUR)
    at = T0 + 4 * HOUR
    found = explained(play, at, Subject("run", run)).constraints
    assert {each.clause.kind for each in found} == {"measure", "limit"}
    refused = next(each for each in found if each.effect == "refused")
    assert any(way.text.startswith("1 auditor and 2 authorities vote to lift `alarm`") for way in refused.ways)
    assert [(way.how, way.at) for way in refused.ways if not way.acts] == [("lapse", T0 + 2 * HOUR + 14 * DAY)]
    assert_ways(play, at, refused, body=body)


def test_a_party_is_told_what_binds_its_runs_and_changes_too():
    """One explanation of a party holds its pauses, its runs and its changes, the strictest first."""
    play = Play().begin()
    play.run("dev-a", T0 + HOUR, flop="1e25", name="big")
    play.propose("dev-a", T0 + HOUR)
    play.run("dev-b", T0 + HOUR, flop="1e25", name="theirs")
    found = explained(play, T0 + 2 * HOUR, Subject("party", "dev-a"), ways=False)
    assert [each.effect for each in found.constraints] == ["refused", "held", "held", "bound"]
    assert {each.about.label for each in found.constraints if each.clause.kind == "limit"} == {"big"}
    assert found.outcome == "refused"


def test_of_many_runs_only_the_first_are_searched_and_the_others_say_so():
    """No more work than can be read; whoever asks for one by its name gets its ways."""
    play = Play().begin()
    runs = [play.run("dev-a", T0 + HOUR + n, flop="1e23", name=f"run-{n}") for n in range(14)]
    limits = [
        each for each in explained(play, T0 + 2 * HOUR, Subject("party", "dev-a")).constraints if each.scope in runs
    ]
    assert [bool(each.ways) for each in limits] == [True] * 12 + [False] * 2
    assert all(each.more for each in limits[12:])
    assert the(explained(play, T0 + 2 * HOUR, Subject("run", runs[13])), "limit").ways


def test_explaining_leaves_the_state_as_it_was():
    """The digest and the status are the same before and after, and the sweep goes on from where it stood."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + HOUR), play.vote("auth-1", "pause", T0 + HOUR)
    state = play.state
    before, digest = play.at(T0 + 2 * HOUR), state.digest
    explained(play, T0 + 2 * HOUR, Subject("party", "dev-a"))
    assert play.state is state
    assert (state.digest, play.at(T0 + 2 * HOUR)) == (digest, before)
    assert play.at(T0 + 3 * HOUR).pauses == before.pauses


@pytest.mark.parametrize(
    ("rule", "ask"),
    [
        ("E01", lambda state, terms: party_subject(terms, "dev-z")),
        ("E02", lambda state, terms: run_subject(state, "run-z", {})),
        ("E03", lambda state, terms: change_subject(state, "0" * 12, {})),
        ("E04", lambda state, terms: trigger_subject(terms, "cal")),
        ("E05", lambda state, terms: run_subject(state, "twice", {})),
    ],
)
def test_an_unknown_subject_is_refused_with_what_there_is(rule: str, ask):
    """E01 to E05; a name that two runs have is not one; the state is as it was."""
    play = Play().begin()
    play.run("dev-a", T0 + HOUR, name="twice"), play.run("dev-b", T0 + HOUR, name="twice")
    play.propose("dev-a", T0 + HOUR)
    state = play.state
    digest = state.digest
    with pytest.raises(Refused) as refused:
        ask(state, parse_terms(play.terms))
    assert refused.value.rule == rule
    assert "one of" in refused.value.expected
    assert play.state.digest == digest


def test_a_run_is_named_by_its_name_its_id_or_the_beginning_of_it():
    """Each leads to the same subject."""
    play = Play().begin()
    run = play.run("dev-a", T0 + HOUR, name="big")
    assert {run_subject(play.state, name, {}) for name in ("big", run, run[:8], f"{run[:12]}…")} == {
        Subject("run", run, "big")
    }
