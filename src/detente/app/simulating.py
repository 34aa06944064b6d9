"""Play scenario tables under terms, on the fold and status that every party runs, and judge what they expect.

Decides which files are played and what a result holds. Leaves reading a table to ``accord.scenario_reading``, playing it to
``staging`` and judging to ``accord.scenario_checking``. Normative: ``spec/simulate.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.accord.fields import TermsRefused
from detente.accord.scenario import Scenario, Step, Table
from detente.accord.scenario_checking import Judged, judge
from detente.accord.scenario_reading import read_scenarios
from detente.app.drafting import in_file, read_draft, read_text
from detente.app.invariants import Breach, Watch
from detente.app.staging import Stage
from detente.app.troupe import Troupe
from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario as it went. ``said`` tells each statement that a reason may cite: by whom, what, and where in the table."""

    file: Path
    scenario: Scenario
    judged: tuple[Judged, ...]
    said: dict[Digest, str]
    breach: Breach | None = None

    @property
    def passed(self) -> bool:
        """Was everything met, and no invariant broken?"""
        return self.breach is None and all(each.met for each in self.judged)

    def as_json(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "where": self.scenario.where,
            "name": self.scenario.name,
            "passed": self.passed,
            "expectations": [each.as_json() for each in self.judged],
            "broken": None if self.breach is None else self.breach.as_json(),
            "said": self.said,
        }


def simulate(terms: Path, files: Sequence[Path], *, seed: int = 0, watch: bool = False) -> Iterator[Played]:
    """Play every scenario of every table under the terms; keys are made from the seed and kept nowhere.

    With ``watch`` the invariants of random play are checked at every step too.

    Raises ``TermsRefused`` with every error of a file, before anything is played.
    """
    shape = read_draft(terms)
    text = read_text(terms)
    tables: list[tuple[Path, Table]] = []
    for path in files:
        try:
            tables.append((path, read_scenarios(read_text(path), shape)))
        except TermsRefused as refused:
            raise in_file(path, refused) from None
    for path, table in tables:
        troupe = Troupe(text, seed=seed, reviewers=table.reviewers())
        for scenario in table.scenarios:
            yield _play(path, table, scenario, troupe, watch=watch)


def _play(path: Path, table: Table, scenario: Scenario, troupe: Troupe, *, watch: bool) -> Played:
    stage = Stage(troupe, table.start)
    watching = Watch(stage) if watch else None
    breach: Breach | None = None
    judged: list[Judged] = []
    for step in scenario.steps:
        found = _perform(path, stage, watching, step)
        breach = breach or found
        judged += [judge(expectation, stage.scene(step.at_s)) for expectation in step.expected]
    return Played(path, scenario, tuple(judged), stage.said, breach)


def _perform(path: Path, stage: Stage, watching: Watch | None, step: Step) -> Breach | None:
    """Do the act; what no statement can say is refused with its place: X08."""
    try:
        if watching is not None:
            return watching.perform(step)
        stage.perform(step)
    except Refused as refused:
        raise Refused(
            "X08", "malformed", got=f"{path}:{step.where} {refused.got}", expected=refused.expected, todo=refused.todo
        ) from None
    except Misuse as misuse:
        raise Refused(
            "X08", "malformed", got=f"{path}:{step.where} {misuse}", expected="an act that can be done"
        ) from None
    return None
