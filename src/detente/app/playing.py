"""Random play under terms: anybody says anything at any time, and the invariants are checked at every step.

Decides how plays are driven, by a state machine of Hypothesis, and how one that breaks an invariant becomes a table. Leaves
what is drawn to ``drawing``, playing a step to ``staging`` and what must hold to ``invariants``. Normative:
``spec/simulate.md`` §5.

- The same terms, seed and version of Hypothesis give the same plays.
- Hypothesis makes a play that breaks something smaller: fewer steps, of more honest parties, sooner after each other.
- Nothing is kept between calls: no database of examples, no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detente.accord.scenario import Step
from detente.accord.scenario_writing import spell_table
from detente.adapters.files import store_file
from detente.app.drafting import read_draft, read_text
from detente.app.drawing import FAMILIES, Draw, Habit, Latched
from detente.app.invariants import Breach, Name, Tally, Watch
from detente.app.staging import Stage
from detente.app.troupe import Troupe
from detente.base.errors import Misuse, Refused
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine
    from hypothesis.strategies import DataObject

START = Instant(1_798_761_600)
"""2027-01-01, as in the shipped tables."""
TRIES_MAX = 200
"""Smaller plays tried; then what is left is cut down step by step. More made the tables of our planted faults no smaller."""


@dataclass(frozen=True, slots=True)
class BrokenPlay:
    """What a play broke, who had which habit in it, and the small table that breaks the same."""

    breach: Breach
    habits: dict[Party, Habit]
    table: str

    def as_json(self) -> dict[str, Any]:
        return {**self.breach.as_json(), "habits": dict(self.habits), "table": self.table}


@dataclass(slots=True)
class Plays:
    """How many plays there were, what was asked in them, who had which habit how often, and what broke first."""

    played: int = 0
    tally: Tally = field(default_factory=Tally)
    habits: Counter[Habit] = field(default_factory=Counter)
    broken: BrokenPlay | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "played": self.played,
            "asked": self.tally.as_json(),
            "habits": dict(self.habits),
            "broken": None if self.broken is None else self.broken.as_json(),
        }


def save_table(path: Path, table: str) -> None:
    """Write a table; raises ``Refused`` X09 where a file is there."""
    if path.exists():
        raise Refused(
            "X09", "conflict", got=f"{path}, which is there", expected="a file that is not there yet", todo="choose another name"
        )  # fmt: skip
    store_file(path, table.encode(), mode=0o644)


def play_at_random(
    terms: Path, *, plays: int, steps: int, seed: int, told: Callable[[int], None] = lambda _: None
) -> Plays:
    """Play so many plays of so many steps, until one breaks something; ``told`` hears the number of each play.

    Raises ``TermsRefused``, and ``Misuse`` where Hypothesis is not installed.
    """
    try:
        import hypothesis
        import hypothesis.errors
        from hypothesis.stateful import run_state_machine_as_test
    except ImportError:
        raise Misuse("random play needs the library Hypothesis: pip install 'detente[simulate]'") from None
    read_draft(terms)
    troupe = Troupe(read_text(terms), seed=seed, reviewers={})
    record = _Record(told)
    machine = hypothesis.seed(seed)(_machine(troupe, record))
    settings = hypothesis.settings(
        max_examples=plays,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=tuple(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    try:
        run_state_machine_as_test(machine, settings=settings)
    except (_Broken, _Enough):
        pass  # It is noted.
    except hypothesis.errors.Flaky:
        # A play that was given up in its middle looks to Hypothesis like one that draws now more, now less.
        if record.tries <= TRIES_MAX:
            raise
    if record.least is not None:
        breach = record.least.breach
        table = _table(troupe, _least(troupe, record.least.steps, breach), breach)
        record.plays.broken = BrokenPlay(breach, record.least.habits, table)
    return record.plays


class _Broken(Exception):
    """An invariant broke at the last of these steps."""

    def __init__(self, breach: Breach, habits: dict[Party, Habit], steps: Sequence[Step]) -> None:
        super().__init__(breach.text)
        self.breach = breach
        self.habits = habits
        self.steps = tuple(steps)


class _Enough(BaseException):
    """So many smaller plays were tried that another is not worth its time; no error that Hypothesis would make smaller."""


@dataclass(slots=True)
class _Record:
    """What is counted over all plays, until one broke ``only``: from then on Hypothesis makes that one smaller.

    ``least`` is the shortest one that broke it, after ``tries`` smaller ones.
    """

    told: Callable[[int], None]
    plays: Plays = field(default_factory=Plays)
    only: Name | None = None
    least: _Broken | None = None
    tries: int = 0

    def begin(self) -> None:
        """One more play begins."""
        self.tries += self.only is not None
        if self.tries > TRIES_MAX:
            raise _Enough

    def note(self, broken: _Broken, tally: Tally) -> _Broken:
        """Something broke: from now on only that is asked, and the shortest play is kept."""
        if self.only is None:
            self.count(tally, broken.habits)
        self.only = broken.breach.invariant
        if self.least is None or len(broken.steps) <= len(self.least.steps):
            self.least = broken
        return broken

    def count(self, tally: Tally, habits: dict[Party, Habit]) -> None:
        """One more play came to its end."""
        self.plays.played += 1
        self.plays.tally.add(tally)
        self.plays.habits.update(habits.values())
        self.told(self.plays.played)


def _machine(troupe: Troupe, record: _Record) -> type[RuleBasedStateMachine]:
    """The state machine of plays under these terms."""
    from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
    from hypothesis.strategies import data, sampled_from

    class Play(RuleBasedStateMachine):
        """One play: each rule draws a step of one of ``FAMILIES``, does it, and asks the invariants."""

        def __init__(self) -> None:
            super().__init__()
            record.begin()
            self.watch = Watch(Stage(troupe, START), only=record.only)
            self.steps: list[Step] = []
            self.drawn: DataObject | None = None

        def pick(self, options: Sequence[Any], /) -> Any:
            if self.drawn is None:
                raise AssertionError("a rule hands its draws over before it draws")
            return self.drawn.draw(sampled_from(options))

        def perform(self, step: Step | None) -> None:
            if step is None:
                return
            self.steps.append(step)
            breach = self.watch.perform(step)
            if breach is not None:
                raise record.note(_Broken(breach, self.draw.habits, self.steps), self.watch.tally)

        @initialize(drawn=data())
        def begin(self, drawn: DataObject) -> None:
            self.drawn = drawn
            self.draw = Draw(troupe.terms, self.pick, lambda: _latched(self.watch.stage, self.draw.at_s))
            for step in self.draw.opening():
                self.perform(step)

        def teardown(self) -> None:
            if record.only is None:
                record.count(self.watch.tally, self.draw.habits)

    def family(name: str) -> Callable[[Any, DataObject], None]:
        def act(self: Play, drawn: DataObject) -> None:
            self.drawn = drawn
            self.perform(getattr(self.draw, name)())

        act.__name__ = name
        return act

    rules = {name: rule(drawn=data())(family(name)) for name in FAMILIES}
    return type("RandomPlay", (Play,), rules)


def _latched(stage: Stage, at_s: int) -> list[Latched]:
    now = stage.scene(at_s).status
    return [(each.trigger, each.scope) for each in (*now.pauses, *now.slowdowns, *now.measures)]


def _least(troupe: Troupe, steps: Sequence[Step], breach: Breach) -> list[Step]:
    """The steps without those, and without those of several parties, that the breach does not need.

    Hypothesis makes draws simple; which steps are left out it finds less well than whoever knows what a step is.
    """

    def breaks(tried: Sequence[Step]) -> bool:
        watch = Watch(Stage(troupe, START), only=breach.invariant)
        try:
            return any(watch.perform(step) is not None for step in tried)
        except (KeyError, Misuse, Refused):
            return False  # It speaks of what an absent step would have made.

    left = list(steps)
    for number in range(len(left) - 1, -1, -1):
        tried = left[:number] + left[number + 1 :]
        if tried and breaks(tried):
            left = tried
            continue
        for party in left[number].by if len(left[number].by) > 1 else ():
            others = tuple(each for each in left[number].by if each != party)
            tried = [*left[:number], replace(left[number], by=others), *left[number + 1 :]]
            if others and breaks(tried):
                left = tried
    return left


def _table(troupe: Troupe, steps: Sequence[Step], breach: Breach) -> str:
    """The steps as a table, which expects the phase that they end in: what breaks is seen by whoever watches."""
    stage = Stage(troupe, START)
    for step in steps:
        stage.perform(step)
    phase = stage.scene(steps[-1].at_s).status.phase
    end = f"{{at: +{show_duration(steps[-1].at_s)}, expect: {{phase: {phase}}}}}"
    return spell_table(troupe.terms.accord, START, f"broken {breach.invariant}", steps, end)
