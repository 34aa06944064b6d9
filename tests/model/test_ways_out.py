"""Every way out that an explanation tells is done for real, in plays drawn at random: it must be true, and least."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.accord.explaining.constraint import Subject
from detente.statement.commitment import Committed
from tests.accord_play import DAY, T0, Play
from tests.ways_out import assert_true_and_least, explained

HOUR = 3_600
VOTERS = ("aud-1", "aud-2", "auth-1", "auth-2")
JUDGES = ("aud-1", "auth-1", "auth-2")
WAYS_TRIED = 3


class Drawn:
    """A play in which parties did whatever chance told them to."""

    def __init__(self, seed: int, length: int):
        self.chance = random.Random(seed)
        self.play = Play().begin()
        self.now = T0 + HOUR
        self.runs: list[str] = []
        self.proposals: list[str] = []
        self.findings: list[tuple[str, str, str]] = []
        self.versions: list[str] = []
        for auditor in ("aud-1", "aud-2"):
            self.play.measure(auditor, 61, T0 + 60, indicator="doubling", unit="d")
        acts = (
            self.vote,
            self.vote,
            self.vote,
            self.measure,
            self.find,
            self.rule,
            self.run,
            self.propose,
            self.approve,
            self.model,
            self.wait,
        )
        for _ in range(length):
            self.chance.choice(acts)()
            self.now += self.chance.choice((1, 30, 61, HOUR))

    def vote(self):
        trigger = self.chance.choice(("call", "call", "spreading", "unattended"))
        scope = "all" if trigger == "call" else self.chance.choice(("dev-a", "dev-b"))
        choice = self.chance.choice(("pause", "pause", "lift", "lift", "retract"))
        self.play.vote(self.chance.choice(VOTERS), choice, self.now, trigger=trigger, scope=scope)

    def measure(self):
        if self.chance.random() < 0.5:
            self.play.measure(self.chance.choice(("dev-a", "dev-b")), self.chance.choice((1, 5, 9)), self.now)
        else:
            days = self.chance.choice((59, 60, 61))
            self.play.measure(self.chance.choice(("aud-1", "aud-2")), days, self.now, indicator="doubling", unit="d")

    def find(self):
        by, about = self.chance.choice(VOTERS), self.chance.choice(("dev-a", "dev-b"))
        self.findings.append((by, about, self.play.find(by, about, self.now, claim=f"issue {len(self.findings)}")))

    def rule(self):
        if self.findings:
            by, about, finding = self.chance.choice(self.findings)
            judges = [judge for judge in JUDGES if judge != by]
            outcome = self.chance.choice(("breach", "breach", "no_breach"))
            for judge in judges[: self.chance.choice((1, 2))]:
                self.play.rule(judge, finding, about, self.now, outcome=outcome)

    def run(self):
        flop = self.chance.choice(("1e21", "1e23", "1e25", Committed("c" * 64)))
        party = self.chance.choice(("dev-a", "dev-b"))
        self.runs.append(self.play.run(party, self.now, flop=flop, name=f"run-{len(self.runs)}"))

    def propose(self):
        self.proposals.append(self.play.propose(self.chance.choice(("dev-a", "dev-b")), self.now))

    def approve(self):
        if self.proposals + self.runs:
            what = self.chance.choice(self.proposals + self.runs)
            decision = self.chance.choice(("approve", "approve", "reject"))
            reviewer = self.chance.choice(("r-1", "r-2"))
            self.play.approve(self.chance.choice(VOTERS), what, self.now, decision=decision, reviewer=reviewer)

    def model(self):
        parents = self.versions[-1:]
        self.versions.append(self.play.model("dev-a", f"v{len(self.versions)}", self.now, parents=parents))

    def wait(self):
        self.now += self.chance.choice((DAY, 4 * DAY))

    def subjects(self):
        yield from (Subject("party", "dev-a"), Subject("party", "dev-b"))
        yield from (Subject("run", run) for run in self.runs[-2:])
        yield from (Subject("change", proposal) for proposal in self.proposals[-2:])
        yield from (Subject("trigger", trigger) for trigger in ("call", "fast", "spreading", "unattended"))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(2, 14))
def test_each_way_out_ends_what_binds_and_no_part_of_it_does(seed: int, length: int):
    """Done as signed and witnessed statements by whomever it names, a way is enough at its instant and not before."""
    drawn = Drawn(seed, length)
    chance = drawn.chance
    told = [
        (constraint, way)
        for subject in drawn.subjects()
        for constraint in explained(drawn.play, drawn.now, subject).constraints
        for way in constraint.ways
    ]
    for constraint, way in chance.sample(told, min(WAYS_TRIED, len(told))):
        assert_true_and_least(drawn.play, drawn.now, constraint, way, chance)
