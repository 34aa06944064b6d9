"""Any play of a coalition keeps the world's invariants: votes, liars, cuts, crashes, forks, garbage, in any order."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from detente.testing import World

PARTIES = ("dev-0", "aud-0", "auth-0", "aud-1", "auth-1")
MIRRORS = PARTIES[1:]
CHOICES = ("pause", "lift", "retract")


class Play(RuleBasedStateMachine):
    """The world checks itself: each permit against the witnessed state, each cosignature against the store."""

    @initialize(seed=st.integers(0, 50))
    def begin(self, seed):
        self.world = World(seed, developers=1)
        self.world.enter_force()
        self.intent = self.world.intent("dev-0", self.world.declare_run("dev-0"))
        self.world.settle()
        self.guard = self.world.guard("dev-0")
        self.liar = None
        self.round = 0

    @rule(party=st.sampled_from(PARTIES), choice=st.sampled_from(CHOICES), number=st.integers(0, 1))
    def vote(self, party, choice, number):
        self.world.vote(party, choice, number=number)

    @rule(only=st.sets(st.sampled_from(MIRRORS), min_size=1))
    def sync(self, only):
        self.world.sync(only=sorted(only))

    @rule(seconds=st.sampled_from((1, 30, 61, 400, 4_000)))
    def wait(self, seconds):
        self.world.pass_time(seconds)

    @rule()
    def ask(self):
        self.world.permit(self.guard, self.intent)

    @precondition(lambda self: self.liar is None)
    @rule(
        party=st.sampled_from(MIRRORS),
        habit=st.sampled_from(("no-store", "withhold", "stale", "signs-anything", "silent", "false-time")),
    )
    def one_lies(self, party, habit):
        self.liar = party
        self.world.lie(party, habit, false_time_s=-5_000)

    @rule(party=st.sampled_from(PARTIES))
    def cut(self, party):
        self.world.cut(party)

    @rule()
    def heal(self):
        self.world.heal()

    @rule(loss=st.sampled_from((0.0, 0.3)), delay_s=st.sampled_from((0, 20)))
    def weather(self, loss, delay_s):
        self.world.loss, self.world.delay_s = loss, delay_s

    @rule(party=st.sampled_from(MIRRORS), nth=st.integers(1, 4), how=st.sampled_from(("lost", "done")))
    def bad_disk(self, party, nth, how):
        self.world.mirrors[party].disk.fail(nth, how=how)

    @rule(party=st.sampled_from(PARTIES))
    def crash(self, party):
        self.world.crash(party)

    @rule(party=st.sampled_from(PARTIES))
    def garbage(self, party):
        self.world.append(party, b"nobody can read this")

    @rule(party=st.sampled_from(MIRRORS), fooled=st.sampled_from(MIRRORS))
    def two_stories(self, party, fooled):
        log = self.world.logs[party]
        if len(log.branches) == 1:
            branch = log.fork(len(log.branches[0].entries))
            self.world.vote(party, "lift", branch=branch)
            log.shows = {fooled: branch}

    @rule()
    def reboot(self):
        self.guard.reboot()
        self.guard.boot_s = 1.0

    @invariant()
    def holds(self):
        if hasattr(self, "world"):
            self.world.invariants()


TestPlay = Play.TestCase
TestPlay.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
