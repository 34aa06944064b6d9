"""What is decided, and why."""

from decimal import Decimal

import pytest

from detente.base.digest import sha256_hex
from detente.base.identity import Party
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.change import ProposedBy
from detente.statement.finding import Finding
from detente.statement.proposal import Proposal
from detente.statement.ruling import Ruling
from detente.testing import World
from detente.testing.coalition import TERMS

WITH_TEETH = (
    TERMS
    + """\
consequences:
  - when: {{ruling: breach}}
    then: [{{cloud: refuse_compute}}, {{buyer: refuse_deployment}}, publish]
adjudication: {{challenge_within: 1 h, rule_within: 5 d, votes: {{adjudicator: 2}}}}
"""
)
EXTRA = {"cloud": ("provider",), "buyer": ("relying_party",)}


def world_with(terms=TERMS, extra=None, **options):
    world = World(2, terms=terms, extra=extra, **options)
    world.enter_force()
    return world


def decided(world, **intent):
    intent = {"activity": "training", "party": Party("dev-0")} | intent
    return decide(world.witnessed_state(), Intent(**intent), world.at)


def settled_run(world, **options):
    run = world.declare_run("dev-0", **options)
    world.settle()
    return run


def test_a_declared_run_is_allowed_with_the_calm_life():
    """Nothing stands in the way: full rate, calm life, nothing that holds."""
    world = world_with()
    decision = decided(world, run=settled_run(world))
    assert (decision.allowed, decision.rate, decision.life_s, decision.held_by) == (True, 1, 3_600, ())


def test_a_denial_has_rate_and_life_zero_and_says_why():
    """And cites the run that it is about."""
    world = world_with()
    run = settled_run(world, flop="1e25")
    decision = decided(world, run=run)
    assert (decision.allowed, decision.rate, decision.life_s) == (False, 0, 0)
    assert decision.held_by == ("too-large",)
    assert decision.reasons


def test_a_party_that_the_terms_do_not_name_is_denied():
    """Nobody agreed to anything with it."""
    world = world_with()
    decision = decided(world, party=Party("dev-x"), run=sha256_hex(b"run"))
    assert decision.held_by == ("party",)


def test_before_force_the_phase_policy_answers():
    """Free before, by these terms, and the reason says that the accord is not in force."""
    world = World(2)
    world.sync()
    decision = decided(world, run=sha256_hex(b"run"))
    assert decision.allowed
    assert decision.reasons


def test_refused_before_force_where_the_terms_say_so():
    """The other policy."""
    world = World(2, terms=TERMS.replace("before: {{training: free", "before: {{training: refuse"))
    world.sync()
    decision = decided(world, run=sha256_hex(b"run"))
    assert not decision.allowed
    assert decision.held_by == ("phase-before",)


def test_a_run_that_is_heard_but_not_witnessed_is_held():
    """Otherwise a permit could rest on a declaration that no auditor can find."""
    world = world_with()
    run = world.declare_run("dev-0")
    world.sync(only=["aud-0"])
    node = world.mirrors[Party("aud-0")]
    decision = decide(node.state, Intent(activity="training", party=Party("dev-0"), run=run), world.at)
    assert decision.held_by == ("declaration",)


def test_more_flop_than_declared_counts():
    """The larger of the two amounts meets the limit."""
    world = world_with()
    run = settled_run(world)
    assert decided(world, run=run, flop=Decimal("1e23")).allowed
    assert decided(world, run=run, flop=Decimal("1e25")).held_by == ("too-large",)


def proposal(world, kind="model"):
    body = Proposal(
        change=sha256_hex(b"change"),
        parent=None,
        proposed_by=ProposedBy(kind, None),
        touches=("architecture",),
        asked_flop=Decimal("1e18"),
        summary="two layers more",
    )
    said = world.submit("dev-0", "proposal", body)
    world.settle()
    return said


def test_a_change_proposed_by_a_model_waits_at_its_hold_point():
    """No human has decided; a human's own change passes."""
    world = world_with()
    run = settled_run(world)
    assert "self-modification" in decided(world, run=run, proposal=proposal(world)).held_by
    assert decided(world, run=run, proposal=proposal(world, "human")).allowed


def test_a_proposal_that_has_lapsed_is_named_as_such():
    """Whoever waits learns that no decision will come, in a word that no clause can have as its id."""
    world = world_with(TERMS.replace("    need: {{humans", "    decide_within: 1 h\n    need: {{humans"))
    run, change = settled_run(world), proposal(world)
    assert decided(world, run=run, proposal=change).held_by == ("self-modification",)
    world.pass_time(3_600)
    decision = decided(world, run=run, proposal=change)
    assert decision.held_by == ("lapsed proposal", "self-modification")
    assert "lapsed at" in decision.reasons[0].text


def test_an_unseen_proposal_holds():
    """What is unknown holds."""
    world = world_with()
    assert not decided(world, run=settled_run(world), proposal=sha256_hex(b"never seen")).allowed


def test_a_proposal_that_the_run_names_cannot_be_left_out_of_the_intent():
    """The hold point is the run's, whether or not the guard mentions it."""
    world = world_with()
    change = proposal(world)
    from detente.statement.run import Run

    run = world.submit(
        "dev-0",
        "run",
        Run(
            run="successor",
            activity="training",
            planned_flop=Decimal("1e18"),
            parents=(),
            data=(),
            proposal=change,
        ),
    )
    world.settle()
    assert "self-modification" in decided(world, run=run).held_by


def test_after_a_ruling_the_provider_refuses_compute_and_the_buyer_deployment():
    """Before it both serve; after it only that developer is refused, and the ruling is cited."""
    world = world_with(WITH_TEETH, EXTRA)
    runs = {party: world.declare_run(party) for party in ("dev-0", "dev-1")}
    world.settle()
    compute = {"activity": "compute", "party": Party("cloud"), "run": runs["dev-0"]}
    deploy = {"activity": "deployment", "party": Party("buyer"), "version": sha256_hex(b"v1")}
    assert decided(world, **compute, on_behalf_of=Party("dev-0")).allowed
    found = world.submit("aud-0", "finding", Finding(about="dev-0", claim="trains on", result="confirmed", evidence=()))
    world.settle()
    world.pass_time(3_700)
    for judge in ("aud-1", "auth-1"):
        ruling = Ruling(finding=found, against=Party("dev-0"), outcome="breach", remedy="stop")
        world.submit(judge, "ruling", ruling)
    world.settle()
    refused = decided(world, **compute, on_behalf_of=Party("dev-0"))
    assert refused.held_by == ("refuse_compute",)
    assert any(reason.cites for reason in refused.reasons)
    assert decided(world, **compute | {"run": runs["dev-1"]}, on_behalf_of=Party("dev-1")).allowed
    assert "refuse_deployment" in decided(world, **deploy, on_behalf_of=Party("dev-0")).held_by


def test_a_deployer_that_does_not_name_the_developer_is_held():
    """Nobody could say whether a ruling stands against it."""
    world = world_with(WITH_TEETH, EXTRA)
    decision = decided(world, activity="deployment", party=Party("buyer"), version=sha256_hex(b"v1"))
    assert "refuse_deployment" in decision.held_by


def test_compute_for_a_paused_run_is_denied():
    """A provider gives no machine to a run that may not train."""
    world = world_with(WITH_TEETH, EXTRA)
    run = settled_run(world)
    compute = {"activity": "compute", "party": Party("cloud"), "on_behalf_of": Party("dev-0"), "run": run}
    assert decided(world, **compute).allowed
    world.vote_pause()
    world.settle()
    assert "call" in decided(world, **compute).held_by


def test_compute_without_a_run_is_stopped_by_every_pause_of_the_party_it_serves():
    """A provider that leaves the run out learns no less than one that names it (law 1)."""
    world = world_with(WITH_TEETH, EXTRA)
    settled_run(world)
    world.vote_pause()
    world.settle()
    decision = decided(world, activity="compute", party=Party("cloud"), on_behalf_of=Party("dev-0"))
    assert (decision.allowed, "call" in decision.held_by) == (False, True)


def test_compute_without_a_run_is_held_even_in_calm():
    """No limit can be judged on a run that nobody names: the question is held until it names one."""
    world = world_with(WITH_TEETH, EXTRA)
    settled_run(world, flop="1e25")
    decision = decided(world, activity="compute", party=Party("cloud"), on_behalf_of=Party("dev-0"))
    assert (decision.allowed, decision.held_by) == (False, ("declaration",))


def test_compute_for_a_run_over_a_limit_is_denied():
    """The limits of the run bind whoever carries it."""
    world = world_with(WITH_TEETH, EXTRA)
    run = settled_run(world, flop="1e25")
    decision = decided(world, activity="compute", party=Party("cloud"), on_behalf_of=Party("dev-0"), run=run)
    assert decision.held_by == ("too-large",)


def test_a_slowdown_of_training_caps_the_compute_that_carries_it():
    """What may train at a tenth of the rate is not given the whole machine."""
    world = world_with(WITH_TEETH.replace("then: pause\n", "then: slowdown\n"), EXTRA)
    run = settled_run(world)
    world.vote_pause()
    world.settle()
    decision = decided(world, activity="compute", party=Party("cloud"), on_behalf_of=Party("dev-0"), run=run)
    assert (decision.allowed, decision.rate) == (True, Decimal("0.1"))


def test_a_slowdown_caps_the_rate_and_says_so():
    """10 % by these terms, with the alert life."""
    world = world_with(TERMS.replace("then: pause\n", "then: slowdown\n"))
    run = settled_run(world)
    world.vote_pause()
    world.settle()
    decision = decided(world, run=run)
    assert (decision.allowed, decision.rate, decision.life_s) == (True, Decimal("0.1"), 600)
    assert decision.reasons


@pytest.mark.parametrize("activity", ["training", "self_improvement"])
def test_a_pause_denies_every_activity_that_it_names(activity):
    """And cites the votes."""
    world = world_with()
    run = settled_run(world, activity=activity)
    votes = world.vote_pause()
    world.settle()
    decision = decided(world, run=run, activity=activity)
    assert decision.held_by == ("call",)
    assert {cite for reason in decision.reasons for cite in reason.cites} >= set(votes)
