"""A coalition in its good and bad days: one behaviour each, over the real steps."""

from decimal import Decimal

import pytest

from detente.base.errors import Refused
from detente.guard.decide import decide
from detente.guard.issue import IssuerState, close_hour, merkle_root_of_permits
from detente.guard.permit import parse_offer
from detente.statement.measurement import Measurement
from detente.testing import World

LIES = ["no-store", "withhold", "stale", "signs-anything", "silent"]


def begun(seed=1, **options):
    """A world in force with a declared run, a guard and its intent."""
    world = World(seed, **options)
    world.enter_force()
    run = world.declare_run("dev-0")
    world.settle()
    return world, world.guard("dev-0"), world.intent("dev-0", run)


def test_a_declared_run_of_a_bound_party_gets_a_permit():
    """Calm: full rate, the calm life, signed by m distinct issuers."""
    world, guard, intent = begun()
    permit = world.permit(guard, intent)
    assert permit is not None, guard.last_denial
    assert (permit.permit.rate, permit.permit.life_s, len(permit.issuers)) == (1, 3_600, 3)
    assert guard.may_run()
    world.invariants()


def test_a_pause_by_two_votes_denies_and_cites_them():
    """Any restricting vote binds on receipt."""
    world, guard, intent = begun()
    votes = world.vote_pause()
    world.sync()
    assert world.permit(guard, intent) is None
    held_by, reasons = guard.last_denial
    assert "call" in held_by
    assert {cite for reason in reasons for cite in reason.cites} >= set(votes)


def test_a_lift_by_the_quorum_permits_again_only_after_settling():
    """What permits waits: right after the lift is witnessed the answer is still no."""
    world, guard, intent = begun()
    world.vote_pause()
    world.settle()
    world.lift()
    world.sync()
    assert world.permit(guard, intent) is None
    world.pass_time(world.coalition.settle_s + 1)
    assert world.permit(guard, intent) is not None, guard.last_denial


def test_too_few_votes_lift_nothing():
    """One auditor alone is no quorum across groups."""
    world, guard, intent = begun()
    world.vote_pause()
    world.settle()
    world.lift(world.coalition.mirrors[0])
    world.settle()
    assert world.permit(guard, intent) is None


def test_an_undeclared_run_is_held():
    """What is unknown holds."""
    world, guard, intent = begun()
    undeclared = world.intent("dev-0", world.coalition.accord)
    assert world.permit(guard, undeclared) is None
    assert "declaration" in guard.last_denial[0]
    assert world.permit(guard, intent) is not None


def test_a_run_over_a_limit_is_refused():
    """1e25 FLOP where the terms refuse above 1e24; so does asking for more than was declared."""
    world, guard, intent = begun()
    large = world.intent("dev-0", world.declare_run("dev-0", name="large", flop="1e25"))
    world.settle()
    assert world.permit(guard, large) is None
    assert "too-large" in guard.last_denial[0]
    more = world.intent("dev-0", intent.run, flop=Decimal("1e25"))
    assert world.permit(guard, more) is None


def test_another_partys_run_and_another_activity_are_refused():
    """A run is leave for who declared it and for what it was declared as."""
    world, guard, intent = begun()
    theirs = world.declare_run("dev-1", name="theirs")
    world.settle()
    assert world.permit(guard, world.intent("dev-0", theirs)) is None
    assert world.permit(guard, world.intent("dev-0", intent.run, activity="self_improvement")) is None


def test_only_an_enrolled_reviewer_of_another_party_lets_a_successor_pass():
    """Neither a made-up reviewer with an auditor's statement key around it, nor the developer's own, passes a hold point."""
    world, guard, intent = begun()
    proposal = world.propose("dev-0")
    held = world.intent("dev-0", intent.run, proposal=proposal)
    world.approve("aud-0", proposal, reviewer="made-up", key=world.coalition.signer("aud-0", "statement"))
    world.approve("aud-0", proposal, key=world.coalition.signer("aud-0", "statement"))
    world.approve("dev-0", proposal)
    world.settle()
    assert world.permit(guard, held) is None
    world.approve("aud-0", proposal, to="dev-0")
    world.settle()
    assert world.permit(guard, held) is not None, guard.last_denial
    world.invariants()


def test_a_guard_that_is_not_enrolled_is_refused():
    """P17: an issuer answers only guards in force."""
    world, guard, intent = begun()
    guard.signer = world.coalition.signer("dev-0", "guard", 9)
    assert world.permit(guard, intent) is None
    assert {refused.rule for refused in guard.refused} == {"P17"}


def test_a_guard_asking_for_another_party_is_refused():
    """P10: a party asks for itself."""
    world, guard, _ = begun()
    assert world.permit(guard, world.intent("dev-1", world.coalition.accord)) is None
    assert {refused.rule for refused in guard.refused} == {"P10"}


@pytest.mark.parametrize("habit", LIES)
def test_a_lying_mirror_changes_nothing(habit):
    """With f liars of any habit: permits in calm, none in a pause, permits after the lift."""
    world, guard, intent = begun(seed=3)
    world.lie(world.coalition.mirrors[3], habit)
    calm = world.permit(guard, intent)
    assert calm is not None, (guard.last_denial, guard.barred)
    assert (calm.permit.rate, calm.permit.life_s) == (1, 3_600)
    world.vote_pause()
    world.settle()
    assert world.permit(guard, intent) is None
    world.lift()
    world.settle()
    assert world.permit(guard, intent) is not None, (guard.last_denial, guard.barred)
    world.invariants()


@pytest.mark.parametrize("false_time_s", [-(10**8), 10**8])
def test_false_times_of_one_mirror_move_nothing(false_time_s):
    """The q-th smallest time over distinct parties is an honest mirror's, or between two of them."""
    world = World(5)
    world.lie(world.coalition.mirrors[0], "false-time", false_time_s=false_time_s)
    world.enter_force()
    run = world.declare_run("dev-0")
    world.settle()
    guard, intent = world.guard("dev-0"), world.intent("dev-0", run)
    assert world.permit(guard, intent) is not None, guard.last_denial
    world.vote_pause()
    world.settle()
    world.lift()
    world.sync()
    assert world.permit(guard, intent) is None
    world.pass_time(world.coalition.settle_s + 1)
    assert world.permit(guard, intent) is not None, guard.last_denial


@pytest.mark.parametrize("false_time_s", [-(10**8), 10**8])
def test_a_false_time_of_one_mirror_does_not_postpone_a_pause(false_time_s):
    """What restricts binds on receipt, whatever its time.

    A vote in a mirror's own log has three cosigners left, so a liar's time far ahead becomes its witnessed time.
    """
    world, guard, intent = begun(seed=5)
    world.lie(world.coalition.mirrors[0], "false-time", false_time_s=false_time_s)
    for voter in world.coalition.mirrors[:2]:
        world.vote(voter, "pause")
    world.settle()
    assert world.permit(guard, intent) is None


def test_a_slow_clock_of_an_issuer_does_not_postpone_a_pause():
    """Votes witnessed a minute ahead of its own clock bind it all the same."""
    world, guard, intent = begun()
    for node in world.mirrors.values():
        node.clock_skew_s = -50
    world.mirrors["aud-1"].clock_skew_s = world.mirrors["auth-1"].clock_skew_s = 50
    world.vote_pause()
    world.sync()
    assert world.permit(guard, intent) is None


def test_accessions_without_cosignatures_free_nobody():
    """Law 1: an issuer that was given every entry and no cosignature holds, and cites the accessions."""
    world, _, intent = begun()
    bare = World(1).mirrors["aud-0"]
    for origin, branch in world.mirrors["aud-0"].branches.items():
        bare._fold_in(origin, branch.entries)
    decision = decide(bare.state, intent, world.at)
    assert decision.held_by == ("accession",)
    assert len(decision.reasons[0].cites) == len(world.coalition.parties)


def test_a_first_accession_alone_takes_nothing_away():
    """Before force what the terms leave free stays free: one developer of two does not bring the accord into force."""
    world = World(1)
    world.accede("dev-0")
    world.sync()
    intent = world.intent("dev-0", world.coalition.accord)
    assert decide(world.mirrors["aud-0"].state, intent, world.at).allowed
    world.accede("dev-1")
    world.sync()
    assert decide(world.mirrors["aud-0"].state, intent, world.at).held_by == ("accession",)


def test_more_liars_than_f_are_seen_by_the_world():
    """The play's own check is alive: three issuers that sign anything do break the property, and it says so."""
    world, guard, intent = begun(f=1)
    world.vote_pause()
    world.settle()
    for mirror in world.coalition.mirrors[1:]:
        world.lie(mirror, "signs-anything")
    world.coalition.f = 3
    with pytest.raises(AssertionError, match="against a witnessed state"):
        world.permit(guard, intent)


def test_a_split_view_cannot_hide_a_vote():
    """A log that shows one mirror a story without the vote: every signer reads both stories, and the vote binds."""
    world, guard, intent = begun(seed=4)
    voter, other, _, fooled = world.coalition.mirrors
    log = world.logs[voter]
    branch = log.fork(log.branches[0].tree.size)
    world.vote(voter, "pause")
    world.submit(voter, "measurement", measurement(), branch=branch)
    world.submit(voter, "measurement", measurement(), branch=branch)
    log.shows = {fooled: branch}
    world.vote(other, "pause")
    world.sync()
    world.cut(other)
    assert world.permit(guard, intent) is None
    world.heal()
    assert world.mirrors[fooled].state is not None
    assert world.permit(guard, intent) is None
    world.invariants()


def measurement():
    return Measurement(
        indicator="loss", low=None, high=None, unit="nat", method="none", evidence=(), taken_at=1_800_000_000
    )


def test_a_guard_that_is_cut_off_stops_within_the_permits_life():
    """A partition is not leave: the lease lapses, at the second that it says."""
    world, guard, intent = begun()
    permit = world.permit(guard, intent)
    world.cut("dev-0")
    world.pass_time(permit.permit.life_s - 1)
    assert guard.may_run()
    assert world.permit(guard, intent) is None
    world.pass_time(1)
    assert not guard.may_run()


def test_a_reboot_ends_the_lease():
    """Whatever the clock since boot says afterwards."""
    world, guard, intent = begun()
    world.permit(guard, intent)
    guard.reboot()
    assert not guard.may_run()


def test_notices_of_f_plus_one_issuers_stop_a_guard_at_once_and_a_new_permit_lets_it_go_on():
    """A push only makes a pause faster; after the lift the offers supersede what was said."""
    world, guard, intent = begun()
    world.permit(guard, intent)
    votes = world.vote_pause()
    world.sync()
    for party in world.coalition.mirrors[:2]:
        assert guard.may_run()
        notice = world.mirrors[party].notice(
            scope="all", activities=("training",), cause="two votes to pause", cites=votes
        )
        guard.hear(notice, intent)
    assert not guard.may_run()
    world.pass_time(1)  # at one instant what restricts folds after what permits
    world.lift()
    world.settle()
    assert world.permit(guard, intent) is not None, guard.last_denial
    assert guard.may_run()


def test_a_vote_shown_late_still_binds_at_once():
    """Restricting evidence binds on receipt, whatever its time: here only one honest issuer has it at first."""
    world, guard, intent = begun()
    assert world.permit(guard, intent) is not None
    world.vote_pause()
    world.sync(only=world.coalition.mirrors[:1])
    world.cut(world.coalition.mirrors[1])
    assert world.permit(guard, intent) is None


def test_lost_writes_lose_nothing_and_double_nothing():
    """Each write fails twice: lost, and done but reported lost; the world comes to the same state."""
    calm, _, _ = begun(seed=6)
    for how in ("lost", "done"):
        world = World(6)
        for nth in (1, 2, 3, 5, 8, 13):
            for node in world.mirrors.values():
                node.disk.fail(nth, how=how)
            for disk in world.disks.values():
                disk.fail(nth, how=how)
        world.enter_force()
        run = world.declare_run("dev-0")
        world.settle()
        assert world.crashes > 0
        world.invariants()
        guard = world.guard("dev-0")
        assert world.permit(guard, world.intent("dev-0", run)) is not None, guard.last_denial
        stored = {node.party: [signed.head for signed in node.heads()] for node in world.mirrors.values()}
        assert stored == {node.party: [signed.head for signed in node.heads()] for node in calm.mirrors.values()}


def test_an_epoch_survives_a_crash_at_its_write():
    """Done but reported lost: the issuer signed nothing, and its next epoch still rises."""
    world, guard, intent = begun()
    for how in ("lost", "done"):
        for node in world.mirrors.values():
            node.disk.fail(1, how=how)
        before = guard.last_epoch
        permit = world.permit(guard, intent) or world.permit(guard, intent)
        assert permit is not None
        assert permit.permit.epoch > before
        world.invariants()


def test_a_skewed_clock_of_one_issuer_moves_no_decision():
    """One issuer an hour ahead believes a lift settled early; m − f others do not sign with it."""
    world, guard, intent = begun()
    world.vote_pause()
    world.settle()
    world.lift()
    world.mirrors[world.coalition.mirrors[3]].clock_skew_s = 3_600
    world.sync()
    assert world.permit(guard, intent) is None


def test_a_poisoned_entry_stops_no_log():
    """Nobody can parse it: stored, cosigned, and without effect."""
    world, guard, intent = begun()
    world.append("dev-1", b"\xff not an envelope")
    world.vote_pause()
    world.settle()
    assert world.permit(guard, intent) is None
    assert any(note.place is not None for note in world.mirrors[world.coalition.mirrors[0]].state.notes)


def test_issued_permits_have_one_root():
    """The hourly root depends on which permits were issued, not on their order."""
    world, guard, intent = begun()
    world.permit(guard, intent)
    world.permit(guard, intent)
    issued = next(node.issuer.issued for node in world.mirrors.values() if len(node.issuer.issued) == 2)
    assert merkle_root_of_permits(issued) == merkle_root_of_permits([*reversed(issued), issued[0]])
    assert merkle_root_of_permits(issued) != merkle_root_of_permits(issued[:1])
    after, root = close_hour(IssuerState(issued=issued, notices=3))
    assert (after, root) == (IssuerState(notices=3), merkle_root_of_permits(issued))


def test_an_offer_of_an_issuer_says_what_it_stores():
    """Per log the greatest stored head, with a note that the log signed."""
    world, guard, intent = begun()
    node = world.mirrors[world.coalition.mirrors[0]]
    _, sealed = guard.request(intent)
    offer = parse_offer(node.offer(sealed, world.at), guard.trust)
    assert {signed.head for signed in offer.heads} == {log.head().head for log in world.logs.values()}


def test_a_forged_request_is_refused_by_an_issuer():
    """P05: the request is signed by the guard that it names."""
    world, guard, intent = begun()
    _, sealed = guard.request(intent)
    with pytest.raises(Refused) as caught:
        node = world.mirrors[world.coalition.mirrors[0]]
        node.offer(sealed.replace(guard.signer.public_key.hex().encode(), b"00" * 32), world.at)
    assert caught.value.rule == "P05"


def test_the_same_seed_gives_the_same_bytes():
    """Every key, nonce, delay and loss follows from the seed, so a failure can be played again."""

    def play(seed):
        world = World(seed)
        world.loss, world.delay_s = 0.3, 9
        world.enter_force()
        guard = world.guard("dev-0")
        permit = world.permit(guard, world.intent("dev-0", world.coalition.accord))
        heads = [node.heads() for node in world.mirrors.values()]
        return world.at, heads, permit, [node.state.digest for node in world.mirrors.values()]

    assert play(8) == play(8)
    assert play(8)[1] != play(9)[1]


def test_a_bad_network_delays_and_loses_nothing_for_good():
    """A third of the messages lost, the rest late and overtaken: all honest mirrors hold the same in the end."""
    world = World(12)
    world.loss, world.delay_s = 0.33, 30
    world.enter_force()
    states = {node.state.digest for node in world.mirrors.values()}
    assert len(states) == 1
    assert all(len(node.heads()) == len(world.logs) for node in world.mirrors.values())
    world.invariants()


def test_two_stories_of_one_log_are_kept_as_a_proof():
    """A mirror that is shown the other story refuses it and keeps both signed heads."""
    world = World(4)
    world.enter_force()
    log = world.logs["dev-1"]
    branch = log.fork(0)
    for _ in range(2):
        world.append("dev-1", b"another story", branch=branch)
        world.append("dev-1", b"and longer", branch=branch)
    log.shows = {"aud-0": branch}
    world.sync()
    first, second = world.mirrors["aud-0"].equivocations[0]
    assert first != second
    assert not world.mirrors["aud-1"].equivocations
    world.invariants()
