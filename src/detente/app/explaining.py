"""Explain terms, a scenario of them after a step, or what binds by the evidence of a home.

Decides where the state comes from: none at all, a table that is played, or a store that is opened. Leaves what binds and what
would end it to ``accord.explaining``. Normative: ``spec/accord.md`` §10 and §11.

- A served home's store is read from a copy: an explanation takes seconds of a processor, which a node that issues permits has
  not to spare, and no stranger may ask for.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from detente.accord.act_reading import read_moment
from detente.accord.explaining.constraint import Explanation, Subject
from detente.accord.explaining.explanation import explain_subject
from detente.accord.explaining.joint import Joint, combine_explanations, compare_limits
from detente.accord.explaining.page import write_explanation
from detente.accord.explaining.rules import Rule, rules
from detente.accord.explaining.subject import ACCORD, change_subject, party_subject, run_subject, trigger_subject
from detente.accord.fields import TermsRefused
from detente.accord.fold import AccordState
from detente.accord.scenario import Scenario, Table
from detente.accord.scenario_reading import read_scenarios
from detente.accord.terms import Terms
from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file
from detente.adapters.store import Store
from detente.app.config import Config, find_home, load_config
from detente.app.direct import with_node
from detente.app.drafting import in_file, read_draft, read_text
from detente.app.node import Node
from detente.app.outfit import find_served
from detente.app.staging import Stage
from detente.app.troupe import Troupe
from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused, Unavailable, shown
from detente.base.identity import Party
from detente.base.instant import Instant, parse_instant

SubjectKind = Literal["party", "run", "change", "trigger"]
STEPS_SHOWN, NAME_SHOWN = 12, 60
"""Steps and scenarios that a refusal lists, and how much of a name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """About whom or what; ``kind`` None is the whole accord."""

    kind: SubjectKind | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """After which step of which scenario of a table. ``step`` is its number or a time; empty after the last."""

    file: Path
    scenario: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What was found: explanations, the rules of each accord by its name, and what several say together."""

    explanations: tuple[Explanation, ...] = ()
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    joint: Joint | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "explanations": [each.as_json() for each in self.explanations],
            "rules": {name: [rule.as_json() for rule in told] for name, told in self.rules.items()},
            "together": None if self.joint is None else self.joint.as_json(),
        }


def explain_terms(files: Sequence[Path], asked: Asked) -> Told:
    """What the terms in each file hold ready; of several, what holds where all of them bind the same party.

    Raises ``TermsRefused`` with every error of a file, ``Refused`` E01, E04, ``Misuse``.
    """
    if asked.kind in {"run", "change"}:
        raise Misuse(
            f"terms alone know no {asked.kind}: give a scenario with --scenario, or ask `detente status --why`"
        )
    accords: dict[str, Terms] = {}
    for path in files:
        terms = read_draft(path)
        name = terms.accord if terms.accord not in accords else f"{terms.accord} ({path})"
        accords[name] = terms
    told: dict[str, tuple[Rule, ...]] = {}
    refusals: list[Refused] = []
    for name, terms in accords.items():
        try:
            told[name] = rules(terms, _in_terms(terms, asked))
        except Refused as refused:
            refusals.append(refused)
            told[name] = ()
    if len(refusals) == len(accords):
        raise refusals[0]  # A party or trigger of one accord need not be in the others.
    party = Party(asked.name) if asked.kind == "party" else None
    joint = compare_limits(accords, party) if len(accords) > 1 else None
    return Told((), told, joint)


def explain_scenario(file: Path, moment: Moment, asked: Asked) -> Told:
    """What binds after a step of a scenario, played with keys made on the spot.

    Raises ``TermsRefused``, ``Refused`` E01 to E07.
    """
    shape, text = read_draft(file), read_text(file)
    try:
        table = read_scenarios(read_text(moment.file), shape)
    except TermsRefused as refused:
        raise in_file(moment.file, refused) from None
    scenario = _scenario(table, moment.scenario)
    count, at_s = _step(table, scenario, moment.step)
    stage = Stage(Troupe(text, seed=0, reviewers=table.reviewers()), table.start)
    for step in scenario.steps[:count]:
        stage.perform(step)
    scene = stage.scene(at_s)
    said = {statement: f"{moment.file}: {what}" for statement, what in stage.said.items()}
    return _told(scene.state, scene.at, asked, named=scene.named, said=said)


async def explain_home(home: str | Path | None, asked: Asked) -> Told:
    """What binds now, by everything that the store of a home holds; its node may run meanwhile.

    Raises ``Unavailable`` where there is no store, ``Refused`` E01 to E05, N01, N02.
    """
    config = load_config(find_home(home))
    if not config.store_path.exists():
        raise Unavailable(f"{config.home} holds no store: ask in the home of a node")
    if not await find_served(config):

        async def call(node: Node) -> Told:
            return _told(node.state(), node.status().at, asked)

        return await with_node(config.home, call)
    with _copied(config) as node:
        return _told(node.state(), node.status().at, asked)


def explain_homes(told: Sequence[Told]) -> Told:
    """Several accords over one subject, as several homes hold them: the stricter wins, and it is said."""
    explanations = tuple(each for one in told for each in one.explanations)
    named = [(_unique(each.accord, number, explanations), each) for number, each in enumerate(explanations)]
    merged = {name: told[number].rules[each.accord] for number, (name, each) in enumerate(named)}
    return Told(explanations, merged, combine_explanations(named) if len(named) > 1 else None)


def store_page(path: Path, told: Told) -> None:
    """Write one self-contained page; raises ``Unavailable`` where it cannot be written."""
    page = write_explanation(told.explanations, told.rules, told.joint)
    try:
        store_file(path, page.encode(), mode=0o644)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None


def _unique(name: str, number: int, explanations: Sequence[Explanation]) -> str:
    alike = sum(each.accord == name for each in explanations)
    return name if alike == 1 else f"{name} ({number + 1})"


def _in_terms(terms: Terms, asked: Asked) -> Subject:
    if asked.kind == "party":
        return party_subject(terms, asked.name)
    return trigger_subject(terms, asked.name) if asked.kind == "trigger" else ACCORD


def _told(
    state: AccordState,
    at: Instant,
    asked: Asked,
    *,
    named: Mapping[str, Digest] | None = None,
    said: Mapping[Digest, str] | None = None,
) -> Told:
    terms = state.terms_at(at)
    if asked.kind == "run":
        subject = run_subject(state, asked.name, named or {})
    elif asked.kind == "change":
        subject = change_subject(state, asked.name, named or {})
    else:
        subject = _in_terms(terms, asked)
    explanation = explain_subject(state, at, subject, said=said)
    return Told((explanation,), {terms.accord: rules(terms, subject)})


@contextlib.contextmanager
def _copied(config: Config) -> Iterator[Node]:
    """A node over a copy of the store of a home whose own node is running; it signs nothing and asks nobody."""
    with tempfile.TemporaryDirectory(prefix="detente-") as folder:
        path = Path(folder) / "node.db"
        try:
            with (
                contextlib.closing(sqlite3.connect(f"file:{config.store_path}?mode=ro", uri=True)) as source,
                contextlib.closing(sqlite3.connect(path)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise Unavailable(f"cannot read {config.store_path}: {error}") from None
        node = Node(config, config.read_terms(), clock=SystemClock(), store=Store(path))
        try:
            node.load_logs()
            yield node
        finally:
            node.abandon()


def _scenario(table: Table, name: str) -> Scenario:
    """The scenario of that name, or the only one whose name holds the text; raises ``Refused`` E06."""
    exact = [each for each in table.scenarios if each.name == name]
    found = exact or [each for each in table.scenarios if name in each.name]
    if len(found) == 1:
        return found[0]
    names = "; ".join(each.name[:NAME_SHOWN] for each in (found or table.scenarios)[:STEPS_SHOWN])
    got = f"scenario {shown(name)}, which {len(found)} have" if found else f"scenario {shown(name)}"
    raise Refused("E06", "not-found", got=got, expected=f"one of: {names}", todo="name it with --named")


def _step(table: Table, scenario: Scenario, step: str) -> tuple[int, int]:
    """How many steps are done and the time that is asked about; raises ``Refused`` E07.

    1. Nothing: after the last step. A number: after that step of the scenario, its set-up included, from 1.
    2. A time as in the table, ``+2 h``, or an instant: after every step up to it.
    """
    steps = scenario.steps
    if not step:
        return len(steps), steps[-1].at_s
    if step.isascii() and step.isdecimal() and len(step) <= 6 and 1 <= int(step) <= len(steps):  # 1
        return int(step), steps[int(step) - 1].at_s
    at_s = read_moment(step)  # 2
    if at_s is None:
        with contextlib.suppress(Refused):
            at_s = parse_instant(step) - table.start
    if at_s is None or at_s < 0:
        listed = ", ".join(f"{number} ({each.where})" for number, each in enumerate(steps[:STEPS_SHOWN], 1))
        raise Refused(
            "E07",
            "malformed",
            got=f"step {shown(step)}",
            expected=f"a number from 1 to {len(steps)}, {listed}; or a time like +2 h",
        )
    return sum(each.at_s <= at_s for each in steps), at_s
