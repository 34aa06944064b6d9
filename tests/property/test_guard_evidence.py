"""Whatever arrives late, and whatever a guard is shown: it only tightens, and it ends."""

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detente.guard.decide import decide
from detente.statement.finding import Finding
from detente.testing import World

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
VOTERS = ("aud-0", "auth-0", "aud-1", "auth-1", "dev-0")
ACTS = st.lists(
    st.tuples(st.sampled_from(("pause", "lift", "retract", "finding", "accede", "run")), st.sampled_from(VOTERS)),
    max_size=5,
)


def do(world, act, party):
    """One statement that restricts or permits."""
    if act == "finding":
        about = {"about": "dev-0", "claim": "trains on", "result": "confirmed", "evidence": ()}
        world.submit(party, "finding", Finding(**about))
    elif act == "accede":
        world.accede(party)
    elif act == "run":
        world.declare_run("dev-0", name=f"again-{party}")
    else:
        world.vote(party, act)


def begun():
    world = World(11)
    world.enter_force()
    run = world.declare_run("dev-0")
    world.settle()
    return world, world.intent("dev-0", run)


def tightness(decision):
    return (decision.allowed, decision.rate, decision.life_s)


@FEW
@given(early=ACTS, late=ACTS)
def test_late_evidence_never_loosens_a_decision_about_the_present(early, late):
    """What restricts binds at once, what permits waits until it has settled: no statement witnessed from now on turns
    a no of now into a yes, nor raises a rate or a life.
    """
    world, intent = begun()
    for act in early:
        do(world, *act)
    world.settle()
    node = world.mirrors["aud-0"]
    at = world.at
    before = decide(node.state, intent, at)
    for act in late:
        do(world, *act)
    world.sync()
    after = decide(node.state, intent, at)
    assert all(new <= old for new, old in zip(tightness(after), tightness(before), strict=True))


@FEW
@given(acts=ACTS, drop=st.sampled_from(("cosignatures", "last entries")))
def test_ignoring_evidence_of_a_restriction_is_noticed_and_ignoring_cosignatures_never_permits(acts, drop):
    """Law 1. A mirror without any cosignature permits nothing that one with all of them refuses."""
    world, intent = begun()
    for act in acts:
        do(world, *act)
    world.settle()
    whole = world.mirrors["aud-0"]
    bare = World(11).mirrors["aud-0"]
    for origin, branch in whole.branches.items():
        bare._fold_in(origin, branch.entries)
    if drop == "last entries":
        bare.hear_cosignatures(whole.cosignatures())
    with_all, with_less = decide(whole.state, intent, world.at), decide(bare.state, intent, world.at)
    if drop == "cosignatures":
        assert tightness(with_less) <= tightness(with_all) or not with_less.allowed
    else:
        assert tightness(with_less) == tightness(with_all)


@FEW
@given(
    first=st.integers(0, 3_000),
    wait=st.integers(0, 4_000),
    prefix=st.integers(0, 2),
    renew=st.booleans(),
)
def test_a_guard_shown_any_stale_prefix_stops_within_the_permits_life(first, wait, prefix, renew):
    """Eclipsed, it hears recorded answers only: every one is refused by its nonce, and the lease runs out."""
    world, intent = begun()
    guard = world.guard("dev-0")
    world.pass_time(first)
    request, _ = guard.request(intent)
    permit = world.permit(guard, intent)
    sent = guard.boot_s
    recorded = permit.envelope
    world.vote_pause(*world.coalition.mirrors[:prefix]) if prefix else None
    world.sync()
    world.pass_time(wait)
    if renew:
        assert guard.hold(recorded, request, guard.boot_s) is None
        assert guard.refused[-1].rule == "P11"
    assert guard.may_run() == (guard.boot_s - sent < permit.permit.life_s)
    assert permit.permit.rate == Decimal(1)
    world.invariants()
