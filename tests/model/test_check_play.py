"""The abstract play of the checker against the real fold: the same course of events latches and lifts in both."""

import random
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.accord.checking.play import Play as Abstract
from detente.accord.terms import parse_terms
from tests import accord_play
from tests.accord_play import DAY, NAMES, T0, Play

HOUR = 3_600
TRIGGERS = {"call": "all", "spreading": "dev-a", "fast": "all"}
JUDGES = ("aud-1", "auth-1", "auth-2")
VALUES = re.compile(r"(\S+) measures (\S+) (?:at (\S+)|without saying much)\Z")


class Real:
    """The same moves as signed and witnessed statements, an hour apart."""

    def __init__(self, trigger: str):
        self.trigger, self.scope = trigger, TRIGGERS[trigger]
        self.play = Play().begin()
        self.now = T0 + HOUR
        self.open: dict[str, str] = {}
        for auditor in ("aud-1", "aud-2"):
            self.play.measure(auditor, 61, T0, indicator="doubling", unit="d")
        self.wait()

    def wait(self, seconds: int = HOUR):
        self.now += seconds

    def do(self, label: str):
        party, _, act = label.partition(" ")
        if act in {"votes to pause", "votes to lift", "takes its vote to lift back"}:
            choice = {"votes to pause": "pause", "votes to lift": "lift"}.get(act, "retract")
            self.play.vote(party, choice, self.now, trigger=self.trigger, scope=self.scope)
        elif act == "files a finding":
            self.open[party] = self.play.find(party, "dev-a", self.now)
        elif act == "refutes its own finding":
            self.play.find(party, "dev-a", self.now, result="refuted")
        elif match := VALUES.match(label):
            indicator, unit = match[2], {"doubling": "d", "spread": "x"}[match[2]]
            low, high = (match[3], ...) if match[3] else ("0", Decimal(1000))
            self.play.measure(party, low, self.now, indicator=indicator, unit=unit, high=high)
        elif act.endswith("falls overdue") or label.endswith("falls overdue"):
            self.wait(8 * DAY if "spread" in label else 91 * DAY)
        else:
            author, outcome = re.search(r"finding of (\S+) is (no breach|a breach)", label).groups()
            for judge in JUDGES:
                if judge != author:
                    word = "no_breach" if outcome == "no breach" else "breach"
                    self.play.rule(judge, self.open[author], "dev-a", self.now, outcome=word)
        self.wait()

    def stands(self) -> tuple[bool, bool]:
        """Is it latched, and was it lifted?"""
        status = self.play.at(self.now)
        latched = any(
            pause.trigger == self.trigger and pause.scope == self.scope for pause in (*status.pauses, *status.slowdowns)
        )
        lifted = any(ended.trigger == self.trigger and ended.how == "lift" for ended in status.ended)
        return latched, lifted


@pytest.mark.parametrize("trigger", TRIGGERS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(3, 14))
def test_a_course_of_events_latches_and_lifts_alike(trigger: str, seed: int, length: int):
    """Whatever the abstract play says after each move, the fold of the same statements says too."""
    chance = random.Random(seed)
    terms = parse_terms(accord_play.founding())
    abstract = Abstract(terms, terms.trigger(trigger), "dev-a", apart=NAMES)
    real = Real(trigger)
    state = abstract.first
    told = []
    for _ in range(length):
        moves = dict(abstract.moves(state))
        lift = moves.pop("the lift takes effect", None)
        if lift is not None:
            assert real.stands() == (False, True), told
            return
        assert real.stands() == (state.latched, False), told
        if not moves:
            return
        label = chance.choice(sorted(moves))
        told.append(label)
        state = moves[label]
        real.do(label)
