"""Capability checkpoints: whoever has the capability goes on only with the certifications that the terms name."""

import hashlib

import pytest

from detente.accord.checking.quorums import check_quorums
from detente.accord.checking.rules import check_rules
from detente.accord.difference import compare_terms
from detente.accord.reading import TermsRefused
from detente.accord.status import change_standing, release_standing, run_standing
from detente.accord.terms import parse_terms
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.audit import Audit
from detente.statement.finding import Finding
from tests.accord_play import BODY, PARTIES, SETTLE, T0, Play, founding
from tests.vectors.write_accord_vectors import CHECKPOINT, SMALL

NOW = T0 + 10_000
CHECKS = """\
checkpoints:
  - id: spreads
    on: run.start
    when: {at_least: [spread, 3 x]}
    need: {certifications: [honest, stops], by: [auditor], count: 1}
  - id: rewrites
    on: version.train
    when: {all: [{change.touches: [architecture]}, {at_least: [spread, 3 x]}]}
    need: {certifications: [honest], by: [aud-1, aud-2], count: 2}
  - id: ships
    on: version.deploy
    when: {more_than: [cumulative_flop, 1e21 FLOP]}
    need: {certifications: [honest], by: [auditor, authority], count: 1}
"""
TERMS = founding(BODY + CHECKS)


def play_with(spread):
    play = Play(TERMS).begin(supply=False)
    play.measure("dev-a", spread, T0)
    play.measure("dev-b", 1, T0)
    return play


def certify(play, party, what, at, *, certifies=("honest", "stops"), outcome="pass"):
    conditions = ("only in a sandbox",) if outcome == "conditional" else ()
    body = Audit(what, "as agreed", (), conditions, outcome, tuple(certifies))
    return play.hear(party, "audit", body) if at is None else play.say(party, "audit", body, at)


def standing(play, run, at=NOW):
    found = run_standing(play.state, run, at)
    return found.outcome, found.held_by


@pytest.mark.parametrize(("spread", "outcome"), [("2.999", "free"), ("3", "held"), ("3.001", "held"), ("1e25", "held")])
def test_the_capability_is_compared_exactly_at_its_bound(spread, outcome):
    """One below, equal, one above, and far beyond."""
    play = play_with(spread)
    assert standing(play, play.run("dev-a", T0 + 100))[0] == outcome


def test_each_certification_must_stand_before_the_run_goes_on():
    """One of two is not enough; what is missing is said by name, and the audits are cited."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    first = certify(play, "aud-1", run, T0 + 200, certifies=("honest",))
    found = run_standing(play.state, run, NOW)
    assert (found.outcome, found.held_by) == ("held", ("spreads",))
    assert "stops" in found.reasons[0].text
    assert "honest" not in found.reasons[0].text
    assert first in found.reasons[0].cites
    certify(play, "aud-2", run, T0 + 300, certifies=("stops",))
    assert standing(play, run) == ("free", ())


def test_a_certification_counts_only_once_it_has_settled():
    """What permits waits: not at its witnessed time, and heard alone never."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    certify(play, "aud-1", run, None)
    assert standing(play, run)[0] == "held"
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    certify(play, "aud-1", run, T0 + 200)
    assert standing(play, run, T0 + 200 + SETTLE - 1)[0] == "held"
    assert standing(play, run, T0 + 200 + SETTLE)[0] == "free"


@pytest.mark.parametrize("outcome", ["fail", "conditional"])
def test_an_auditor_who_changes_their_mind_counts_on_receipt(outcome):
    """A certification that is taken back no longer counts, even where it is only heard."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    certify(play, "aud-1", run, T0 + 200)
    certify(play, "aud-1", run, None, certifies=("stops",), outcome=outcome)
    found = run_standing(play.state, run, NOW)
    assert found.outcome == "held"
    assert "aud-1 withholds it" in found.reasons[0].text


def test_one_who_withholds_holds_whoever_else_certifies():
    """Of several answers the one that restricts wins, until it is taken back."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    certify(play, "aud-1", run, T0 + 200)
    certify(play, "aud-2", run, T0 + 300, outcome="fail")
    assert standing(play, run)[0] == "held"
    certify(play, "aud-2", run, T0 + 400)
    assert standing(play, run)[0] == "free"


def test_what_a_finding_contests_does_not_count_until_it_is_ruled_no_breach():
    """An open finding about the audit takes it out on receipt; a ruling of no breach, settled, gives it back."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    audit = certify(play, "aud-1", run, T0 + 200)
    finding = play.say("aud-2", "finding", Finding("aud-1", "never ran it", "confirmed", (), audit=audit), T0 + 300)
    found = run_standing(play.state, run, NOW)
    assert found.outcome == "held"
    assert "a finding is against that of aud-1" in found.reasons[0].text
    for judge in ("auth-1", "auth-2"):
        play.rule(judge, finding, "aud-1", T0 + 400, outcome="no_breach")
    assert standing(play, run, T0 + 400 + SETTLE - 1)[0] == "held"
    assert standing(play, run, T0 + 400 + SETTLE)[0] == "free"


def test_a_ruling_of_breach_keeps_a_certification_out():
    """What was found wrong stays wrong."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    audit = certify(play, "aud-1", run, T0 + 200)
    finding = play.say("aud-2", "finding", Finding("aud-1", "never ran it", "confirmed", (), audit=audit), T0 + 300)
    for judge in ("auth-1", "auth-2"):
        play.rule(judge, finding, "aud-1", T0 + 400)
    assert standing(play, run)[0] == "held"


def test_whoever_contested_an_audit_can_take_that_back():
    """Refuted by its author, in the same words about the same audit, and settled."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    audit = certify(play, "aud-1", run, T0 + 200)
    play.say("aud-2", "finding", Finding("aud-1", "never ran it", "confirmed", (), audit=audit), T0 + 300)
    play.say("aud-2", "finding", Finding("aud-1", "never ran it", "refuted", ()), T0 + 400)
    assert standing(play, run)[0] == "held"
    play.say("aud-2", "finding", Finding("aud-1", "never ran it", "refuted", (), audit=audit), T0 + 500)
    assert standing(play, run)[0] == "free"


def test_a_finding_about_an_audit_of_somebody_else_has_no_effect():
    """F08: it names an audit that the party it is about did not make."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    audit = certify(play, "aud-1", run, T0 + 200)
    play.say("auth-2", "finding", Finding("aud-2", "never ran it", "confirmed", (), audit=audit), T0 + 300)
    assert standing(play, run)[0] == "free"
    assert [note.rule for note in play.state.notes] == ["F08"]


def test_everything_a_run_starts_from_may_be_certified_instead_of_the_run():
    """One parent of two is not enough; a run from nothing has nothing else to show."""
    play = play_with(4)
    one = play.model("dev-a", "one", T0 + 80, by="human")
    two = play.model("dev-b", "two", T0 + 81, by="human")
    run = play.run("dev-a", T0 + 100, parents=(one, two))
    certify(play, "aud-1", one, T0 + 200)
    assert standing(play, run)[0] == "held"
    certify(play, "aud-2", two, T0 + 300)
    assert standing(play, run)[0] == "free"
    assert standing(play, play.run("dev-a", T0 + 400, name="run-2"))[0] == "held"


def test_nobody_certifies_what_is_their_own_or_without_being_named():
    """A developer's own word, an authority's where auditors are asked, and another certification are without effect."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    certify(play, "dev-a", run, T0 + 200)
    certify(play, "cloud", run, T0 + 210)
    certify(play, "aud-1", run, T0 + 220, certifies=("kind",))
    assert standing(play, run)[0] == "held"
    assert sorted(note.rule for note in play.state.notes) == ["F05", "F05", "F11"]


def test_two_of_two_auditors_pass_a_change_and_one_does_not():
    """The count is of distinct parties; the same word twice is one."""
    play = play_with(4)
    parent = play.model("dev-a", "one", T0 + 80, by="human")
    proposal = play.propose("dev-a", T0 + 100, parent=parent, by="human", touches=("architecture",))
    certify(play, "aud-1", parent, T0 + 200, certifies=("honest",))
    certify(play, "aud-1", proposal, T0 + 210, certifies=("honest",))
    found = change_standing(play.state, proposal, NOW)
    assert (found.outcome, found.held_by) == ("held", ("rewrites",))
    certify(play, "aud-2", parent, T0 + 300, certifies=("honest",))
    assert change_standing(play.state, proposal, NOW).outcome == "free"


def test_a_change_that_does_not_say_what_it_touches_is_held():
    """Unknown holds: leaving out what it touches does not lead past the checkpoint."""
    play = play_with(4)
    proposal = play.propose("dev-a", T0 + 100, by="human", touches=())
    assert "rewrites" in change_standing(play.state, proposal, NOW).held_by


def test_a_capability_that_nobody_measured_holds():
    """Unknown and overdue hold by default: silence about the capability certifies nothing."""
    play = Play(TERMS)
    play.accede("dev-a", "dev-b")
    run = play.run("dev-a", T0 + 100)
    late = T0 + 8 * 86_400
    assert standing(play, run, late) == ("held", ("spreads",))


def test_a_release_needs_the_certification_of_the_version_itself():
    """That its parent was certified says nothing about what came of it."""
    play = play_with(1)
    parent = play.model("dev-a", "one", T0 + 80, by="human", flop="2e21")
    child = play.model("dev-a", "two", T0 + 81, parents=(parent,), by="human", flop="1")
    certify(play, "auth-1", parent, T0 + 200, certifies=("honest",))
    assert release_standing(play.state, parent, NOW).outcome == "free"
    assert release_standing(play.state, child, NOW).held_by == ("ships",)
    certify(play, "auth-1", child, T0 + 300, certifies=("honest",))
    assert release_standing(play.state, child, NOW).outcome == "free"


def test_decide_refuses_by_the_name_of_the_checkpoint_with_reason_and_citation():
    """The guard is told which checkpoint, what is lacking, and on which statements that rests."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100)
    decision = decide(play.state, Intent(activity="training", party="dev-a", run=run), NOW)
    assert not decision.allowed
    assert decision.held_by == ("spreads",)
    assert run in decision.reasons[0].cites
    certify(play, "aud-1", run, T0 + 200)
    assert decide(play.state, Intent(activity="training", party="dev-a", run=run), NOW).allowed


def test_a_limit_and_a_checkpoint_are_both_named_and_the_stricter_outcome_wins():
    """What a checkpoint holds does not soften what a limit refuses."""
    play = play_with(4)
    run = play.run("dev-a", T0 + 100, flop="1e25")
    found = run_standing(play.state, run, NOW)
    assert found.outcome == "refused"
    assert set(found.held_by) == {"report-first", "too-large", "spreads"}


def test_later_evidence_of_any_order_gives_the_same_standing():
    """The state is a function of the set."""

    def built(order):
        play = play_with(4)
        run = play.run("dev-a", T0 + 100)
        acts = [("aud-1", T0 + 200, "pass"), ("aud-2", T0 + 300, "fail"), ("aud-1", T0 + 250, "conditional")]
        signed = [
            (at, play.sign(party, "audit", Audit(run, "x", (), ("y",) if o == "conditional" else (), o, ("honest",)), nonce=hashlib.sha256(o.encode()).hexdigest()[:32]))
            for party, at, o in acts
        ]  # fmt: skip
        for number in order:
            at, data = signed[number]
            play.place(data, at, log=("dev-a", "dev-b", "cloud")[number])
        return play.state.digest, run_standing(play.state, run, NOW)

    assert built((0, 1, 2)) == built((2, 1, 0)) == built((1, 0, 2))


WRONG = [
    ("when: {more_than: [run.planned_flop, 1e23 FLOP]}", "when: {more_than: [cumulative_flop, 1e23 h]}", "T21"),
    ("when: {more_than: [run.planned_flop, 1e23 FLOP]}", "when: {at_least: [mood, 3]}", "T20"),
    ("when: {more_than: [run.planned_flop, 1e23 FLOP]}", "when: {change.touches: [training]}", "T15"),
    ("on: run.start", "on: version.train", "T15"),
    ("on: run.start", "on: run.end", "T08"),
    ("by: [auditor]", "by: [auditors]", "T09"),
    ("by: [auditor], ", "", "T07"),
    ("certifications: [honest]", "certifications: []", "T07"),
    ("certifications: [honest]", "certifications: [h\u043enest]", "T08"),
    ("certifications: [honest]", "certifications: [honest, honest]", "T22"),
    ("count: 1", "count: 3", "T42"),
    ("count: 1", "count: 0", "T08"),
    ("count: 1", "colour: red", "T06"),
]


@pytest.mark.parametrize(("old", "new", "rule"), WRONG, ids=[new or old for old, new, _ in WRONG])
def test_a_checkpoint_that_cannot_be_is_refused_by_number_and_place(old, new, rule):
    """Known members, atoms of its place, suppliers, certifiers; with line and column."""
    text = SMALL + CHECKPOINT
    assert old in text
    with pytest.raises(TermsRefused) as refused:
        parse_terms(text.replace(old, new).encode(), template=True)
    found = [each for each in refused.value.all if each.rule == rule]
    assert found
    assert found[0].got.split(":")[0].isdigit()


EDITS = [
    ("1e23 FLOP", "1e24 FLOP", [("loosens", "large: raises the bound of run.planned_flop from 1e23 to 1e24 FLOP")]),
    ("[honest]", "[honest, stops]", [("tightens", "large: also needs the certification stops")]),
    ("count: 1", "count: 2", [("tightens", "raises the parties that must certify at large from 1 to 2")]),
    ("by: [auditor]", "by: [authority]", [("changes", "changes who may certify at large from auditor to authority")]),
]


@pytest.mark.parametrize(("old", "new", "said"), EDITS, ids=[new for _, new, _ in EDITS])
def test_a_difference_in_a_checkpoint_is_told_with_its_effect(old, new, said):
    """There and back, each in its own sentence."""
    before = SMALL + CHECKPOINT
    at = before.index("checkpoints:")
    after = before[:at] + before[at:].replace(old, new)
    read = [parse_terms(text.encode(), template=True) for text in (before, after)]
    assert [(change.effect, change.text) for change in compare_terms(*read)] == said
    opposite = {"tightens": "loosens", "loosens": "tightens", "changes": "changes"}
    assert [change.effect for change in compare_terms(*reversed(read))] == [opposite[effect] for effect, _ in said]


def test_a_checkpoint_that_is_gone_loosens_and_a_new_one_tightens():
    """Paired by id."""
    with_it, without = (parse_terms(text.encode(), template=True) for text in (SMALL + CHECKPOINT, SMALL))
    assert [(c.effect, c.text) for c in compare_terms(with_it, without)] == [("loosens", "removes large")]
    assert [c.effect for c in compare_terms(without, with_it)] == ["tightens"]


def test_check_says_who_can_withhold_and_objects_to_a_checkpoint_that_nothing_meets():
    """Whose word or silence holds is to be known before signing; a dead rule is broken."""
    terms = parse_terms((BODY + CHECKS + PARTIES).encode(), template=True)
    said = {claim.text for claim in check_quorums(terms) if claim.section == "checkpoints"}
    assert "rewrites: each of aud-1, aud-2 can withhold a certification; the silence of any one stops it too" in said
    assert "spreads: each of aud-1, aud-2 can withhold a certification; 1 of them may be silent" in said
    assert not [claim for claim in check_rules(terms) if claim.section == "checkpoints"]
    dead = CHECKS.replace(
        "when: {at_least: [spread, 3 x]}", "when: {all: [{at_least: [spread, 3 x]}, {less_than: [spread, 2 x]}]}"
    )
    terms = parse_terms((BODY + dead + PARTIES).encode(), template=True)
    assert [c.id for c in check_rules(terms) if c.section == "checkpoints"] == ["dead-rule"]


def test_a_checkpoint_holds_from_its_first_instant_on_and_no_longer_at_its_last():
    """As limits and hold points do: from ≤ t < until, counted from entry into force."""
    spanned = CHECKS.replace(
        "id: spreads\n", "id: spreads\n    from: {after_entry: 1 h}\n    until: {after_entry: 2 h}\n"
    )
    play = Play(founding(BODY + spanned)).begin(supply=False)
    play.measure("dev-a", 4, T0)
    play.measure("dev-b", 1, T0)
    run = play.run("dev-a", T0 + 100)
    hour = T0 + SETTLE + 3_600
    held = [standing(play, run, at)[0] for at in (hour - 1, hour, hour + 3_599, hour + 3_600)]
    assert held == ["free", "held", "held", "free"]
