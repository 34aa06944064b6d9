"""A decision asked of a state that has answered before is the one that a state which never answered gives, at every instant."""

import random
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.accord.fold import fold
from detente.accord.lasting import KEPT_MAX, kept_answer
from detente.accord.status import run_standing
from detente.base.instant import show_instant
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.audit import Audit
from detente.statement.commitment import Committed
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from tests.accord_play import BODY, DAY, SETTLE, T0, Play, founding

FEW = settings(max_examples=20, deadline=None, derandomize=True)
CHECKPOINTS = """\
checkpoints:
  - id: large
    on: run.start
    when: {more_than: [run.planned_flop, 5e22 FLOP]}
    need: {certifications: [honest], by: [auditor], count: 1}
  - id: rewrites
    on: version.train
    when: {change.touches: [architecture]}
    need: {certifications: [honest], by: [auditor], count: 1}
"""
INDICATED = """\
  - id: spreads
    on: run.start
    when: {at_least: [spread, 3 x]}
    need: {certifications: [honest], by: [auditor], count: 1}
  - id: released
    on: version.deploy
    when: {at_least: [spread, 2 x]}
    need: {certifications: [honest], by: [auditor], count: 1}
"""
OWN = (
    BODY.replace("triggers:\n", CHECKPOINTS + "triggers:\n")
    .replace("challenge_within: 72 h, rule_within: 5 d", "challenge_within: 100 s, rule_within: 200 s")
    .replace("  - id: report-first\n", "  - id: report-first\n    from: {after_entry: 300 s}\n    until: {after_entry: 1 d}\n")
    .replace("  - id: too-large\n", "  - id: too-large\n    while: call\n")
    .replace("  - id: self-modification\n", f"  - id: self-modification\n    until: {show_instant(T0 + 900)}\n")
)  # fmt: skip
TEXTS = {"own": founding(OWN), "indicated": founding(OWN.replace(CHECKPOINTS, CHECKPOINTS + INDICATED))}

DEVELOPERS = ("dev-a", "dev-b")
AUDITORS = ("aud-1", "aud-2")
FLOP = ("1e20", "2e22", "6e22", "2e24", "hidden")
EDGES = {T0 + edge for edge in (SETTLE, 300, SETTLE + 300, 900, DAY, DAY + SETTLE)}

times = st.one_of(st.integers(100, 1_200).map(lambda offset: T0 + offset), st.none())
which = st.integers(0, 3)
acts = st.one_of(
    st.tuples(st.just("run"), st.sampled_from(DEVELOPERS), times, which, st.sampled_from(FLOP)),
    st.tuples(st.just("run"), st.sampled_from(DEVELOPERS), times, which, st.sampled_from(FLOP)),
    st.tuples(st.just("version"), st.sampled_from(DEVELOPERS), times, which, st.sampled_from(("1e20", "2e22", "2e24"))),
    st.tuples(st.just("propose"), st.sampled_from(DEVELOPERS), times, which, st.sampled_from(("training", "architecture"))),
    st.tuples(st.just("review"), st.sampled_from(AUDITORS), times, which, st.sampled_from(("approve", "approve", "reject"))),
    st.tuples(st.just("approve"), st.sampled_from(("auth-1", "auth-2")), times, which, st.sampled_from(("approve", "reject"))),
    st.tuples(st.just("bound"), st.sampled_from(AUDITORS), times, which, st.sampled_from(("confirmed", "confirmed", "refuted"))),
    st.tuples(st.just("halt"), st.sampled_from(DEVELOPERS), times, which, st.sampled_from(("1e22", "3e22", "2e24"))),
    st.tuples(st.just("audit"), st.sampled_from(AUDITORS), times, which, st.sampled_from(("pass", "pass", "fail"))),
    st.tuples(st.just("dispute"), st.sampled_from(AUDITORS), times, which, st.just("confirmed")),
    st.tuples(st.just("vote"), st.sampled_from(("aud-1", "auth-1", "auth-2")), times, which, st.sampled_from(("pause", "lift"))),
    st.tuples(st.just("measure"), st.sampled_from(DEVELOPERS), times, which, st.sampled_from((1, 2, 3, 6))),
    st.tuples(st.just("withdraw"), st.sampled_from(DEVELOPERS), times, which, st.none()),
)  # fmt: skip


class Course:
    """A play, and what there is to ask about: runs, proposals and versions, each with whose it is."""

    def __init__(self, text: bytes) -> None:
        self.play = Play(text).begin()
        self.runs: list[tuple[str, str]] = []
        self.proposals: list[tuple[str, str]] = []
        self.versions: list[tuple[str, str]] = []
        self.audits: list[str] = []

    def say(self, party, kind, body, at):
        return self.play.hear(party, kind, body) if at is None else self.play.say(party, kind, body, at)

    def do(self, act) -> None:
        kind, party, at, number, what = act
        play, self_at = self.play, T0 + 99 if at is None else at
        if kind == "run":
            parents = [self.versions[number % len(self.versions)][0]] if self.versions and number else []
            proposal = self.proposals[number % len(self.proposals)][0] if self.proposals and number > 1 else None
            flop = Committed("c" * 64) if what == "hidden" else what
            made = play.run(party, self_at, flop=flop, name=f"run-{play.nonce}", parents=parents, proposal=proposal)
            self.runs.append((made, party))
        elif kind == "version":
            parents = [self.versions[number % len(self.versions)][0]] if self.versions and number else []
            name = f"{party} {play.nonce}"
            self.versions.append((play.model(party, name, self_at, parents=parents, flop=what), party))
        elif kind == "propose":
            self.proposals.append((play.propose(party, self_at, touches=(what,), asked="3e22"), party))
        elif kind == "vote":
            play.vote(party, what, at, expires=T0 + 20 * DAY)
        elif kind == "measure":
            play.measure(party, what, self_at)
        elif kind == "withdraw":
            play.withdraw(party, self_at)
        elif kind == "audit":
            subjects = [*self.runs, *self.versions, *self.proposals]
            if subjects:
                subject = subjects[number % len(subjects)][0]
                self.audits.append(self.say(party, "audit", Audit(subject, "all", (), (), what, ("honest",)), at))
        elif kind in {"review", "approve"}:
            asked = self.proposals if kind == "review" or number % 2 else self.runs
            if asked:
                play.approve(party, asked[number % len(asked)][0], at, decision=what, reviewer=f"r-{1 + number % 3}")
        elif self.runs:
            run, owner = self.runs[number % len(self.runs)]
            if kind == "bound":
                play.find(party, owner, at, claim=f"below {('1e22', '3e22')[number % 2]} FLOP", result=what, run=run)
            elif kind == "halt":
                self.say(owner, "halted", Halted(run, 10, "c" * 64, Decimal(what), 1, "pause"), self_at)
            elif kind == "dispute" and self.audits:
                about = Finding(
                    "aud-1", "is untrue", "confirmed", (), None, None, self.audits[number % len(self.audits)]
                )
                self.say(party, "finding", about, at)

    def intents(self) -> list[Intent]:
        asked = []
        for run, party in self.runs:
            asked.append(Intent(activity="training", party=party, run=run))
            asked.append(Intent(activity="training", party=party, run=run, flop=Decimal("1.5e22")))
            asked.append(Intent(activity="compute", party="cloud", on_behalf_of=party, run=run))
        for run, party in self.runs[:1]:
            asked += [Intent(activity="training", party=party, run=run, proposal=one) for one, _ in self.proposals]
        for version, party in self.versions:
            asked.append(Intent(activity="deployment", party=party, version=version))
            asked.append(Intent(activity="deployment", party="buyer", on_behalf_of=party, version=version))
        return asked

    def boundaries(self) -> list[int]:
        """Each instant at which anything counts, settles, falls due, begins or ends; the one before and the one after."""
        state = fold(self.play.evidence)
        instants = EDGES | {wake for wakes in state.wakes.values() for wake in wakes}
        instants |= {item.time + late for item in state.items.values() if item.time for late in (0, SETTLE)}
        return sorted(instant + beside for instant in instants for beside in (-1, 0, 1) if instant < T0 + 30 * DAY)


def drawn(text, script) -> Course:
    course = Course(TEXTS[text])
    for act in sorted(script, key=lambda act: act[2] or 0):
        course.do(act)
    return course


@FEW
@given(
    text=st.sampled_from(sorted(TEXTS)),
    script=st.lists(acts, min_size=3, max_size=14),
    seed=st.integers(0, 2**32),
    forwards=st.booleans(),
)
def test_a_kept_answer_is_the_one_found_anew(text, script, seed, forwards):
    """Whatever was asked before, forwards in time or in any order: ``decide`` on the state that was asked is ``decide`` anew."""
    course = drawn(text, script)
    fresh = fold(course.play.replayed(course.play.log))
    kept, intents, instants = fold(course.play.evidence), course.intents(), course.boundaries()
    instants = random.Random(seed).sample(instants, min(25, len(instants)))
    for at in sorted(instants) if forwards else instants:
        anew = fresh.supposing(())  # the same state, of which nobody has asked anything
        assert [decide(kept, intent, at) for intent in intents] == [decide(anew, intent, at) for intent in intents], at


def test_an_answer_lasts_until_an_approval_has_settled():
    """It is kept over the seconds in which nothing counts anew, and not a second longer."""
    play = Play(TEXTS["own"]).begin()
    run = play.run("dev-a", T0 + 400, flop="2e22")
    for party in ("auth-1", "auth-2"):
        play.approve(party, run, T0 + 500)
    state, settled = play.state, T0 + 500 + SETTLE
    assert run_standing(state, run, T0 + 505).outcome == "held"
    kept = kept_answer(state, ("run.start", run, None), settled - 1)
    assert kept is not None
    assert (kept.since, kept.until) == (T0 + 505, settled)
    assert run_standing(state, run, settled - 1).outcome == "held"
    assert run_standing(state, run, settled).outcome == "free"


def test_an_answer_lasts_until_a_finding_has_settled():
    """What an inspector found bounds a hidden plan once it has settled, and not a second earlier."""
    play = Play(TEXTS["own"]).begin()
    run = play.run("dev-a", T0 + 400, flop=Committed("c" * 64))
    play.find("aud-1", "dev-a", T0 + 500, claim="below 1e21 FLOP", result="confirmed", run=run)
    outcomes = [run_standing(play.state, run, T0 + at).outcome for at in (505, 499 + SETTLE, 500 + SETTLE)]
    assert outcomes == ["held", "held", "free"]


def test_an_answer_lasts_no_longer_than_what_is_in_effect():
    """A limit that is there while a trigger is latched goes with the lift, and the run is asked about anew."""
    play = Play(TEXTS["own"]).begin()
    run = play.run("dev-a", T0 + 400, flop="2e24")
    for party in ("aud-1", "auth-1"):
        play.vote(party, "pause", T0 + 500)
    for party in ("aud-1", "auth-1", "auth-2"):
        play.vote(party, "lift", T0 + 700)
    held_by = [run_standing(play.state, run, T0 + at).held_by for at in (600, 699 + SETTLE, 700 + SETTLE)]
    assert ["too-large" in each for each in held_by] == [True, True, False]


def test_answers_are_kept_for_so_many_questions_and_no_more():
    """Whoever asks of ever other amounts makes nobody's memory grow."""
    play = Play(TEXTS["own"]).begin()
    run = play.run("dev-a", T0 + 400)
    for flop in range(KEPT_MAX + 10):
        run_standing(play.state, run, T0 + 500, flop=Decimal(flop))
    assert len(play.state.keep["answers"]) == KEPT_MAX
