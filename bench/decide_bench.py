"""How fast an issuer decides: ``decide`` under the largest shipped accord. ``python bench/decide_bench.py``.

The shipped terms with the most bytes are put in force by a stage: everybody accedes, each developer declares eight runs, states a
version of each and puts a change to humans. Then intents of every run, change and version are decided. Counted: ``decide`` alone,
in processor time, in turn over all intents: at one instant, as an issuer is asked within a second; with every 50th decision a
second later; and the first decision after new evidence, which folds and sweeps. The largest terms pause by no votes, so the same
is done under ``coordinated-pause.yaml`` after votes to pause.

Target: at least 20,000 decisions a second.
"""

import time
from decimal import Decimal
from pathlib import Path

from timing import machine, spread

from detente.accord import acts
from detente.accord.fold import AccordState, fold
from detente.accord.scenario import Step
from detente.accord.terms import parse_terms
from detente.accord.voters import list_callers
from detente.app.playing import START
from detente.app.staging import Stage
from detente.app.troupe import Troupe
from detente.base.instant import Instant
from detente.guard.decide import decide
from detente.guard.intent import Intent

ACCORDS = Path(__file__).parent.parent / "accords"
RUNS_EACH = 8
DECISIONS = 5_000
ROUNDS = 7
FRESH = 50
EACH_S = 50
PAUSING = ACCORDS / "coordinated-pause.yaml"
HOUR = 3_600


def largest() -> Path:
    """The shipped terms with the most bytes."""
    found = [path for path in ACCORDS.glob("*.yaml") if path.with_suffix(".scenarios.yaml").exists()]
    return max(found, key=lambda path: path.stat().st_size)


def play(path: Path) -> tuple[Stage, list[Intent]]:
    """A stage in force, and what may be asked of it."""
    troupe = Troupe(path.read_bytes(), seed=1, reviewers={})
    stage = Stage(troupe, START)
    terms = troupe.terms
    stage.perform(Step("bench", 0, tuple(terms.parties), acts.Accede()))
    developers = terms.with_role("developer") or tuple(terms.parties)[:1]
    stage.perform(Step("bench", 0, developers, acts.Register("facility-1", Decimal(10) ** 20)))
    intents = []
    for developer in developers:
        for number in range(RUNS_EACH):
            name = f"{developer}-{number}"
            run = acts.DeclareRun(f"run-{name}", Decimal(10) ** 20, "training", (), None)
            change = acts.Propose(f"change-{name}", None, "model", ("training",), Decimal(1))
            version = acts.StateVersion(f"version-{name}", (), "human", ("training",), Decimal(1), None, None)
            for deed in (run, change, version):
                stage.perform(Step("bench", HOUR, (developer,), deed))
            named = stage.named
            intents += [
                Intent(activity="training", party=developer, run=named[run.name]),
                Intent(activity="training", party=developer, run=named[run.name], proposal=named[change.name]),
                Intent(activity="deployment", party=developer, version=named[version.name]),
            ]
    return stage, intents


def pause(stage: Stage, at_s: int) -> str:
    """Everybody who can votes for the first trigger that votes can latch; its id."""
    terms = stage.troupe.terms
    for trigger in terms.triggers:
        callers = list_callers(terms, trigger.id)
        if callers and trigger.scope == "all":
            stage.perform(Step("bench", at_s, callers, acts.Cast("pause", trigger.id, "all", None, 86_400)))
            return trigger.id
    return ""


def rate(state: AccordState, intents: list[Intent], at: int, each_s: int) -> list[float]:
    """Decisions a second, each round; ``each_s`` decisions at each instant, or all at ``at`` where it is 0."""
    rates = []
    for number in range(ROUNDS):
        first = at + number * DECISIONS
        instants = [Instant(first + (count // each_s if each_s else 0)) for count in range(DECISIONS)]
        began = time.process_time()
        for count, instant in enumerate(instants):
            decide(state, intents[count % len(intents)], instant)
        rates.append(DECISIONS / (time.process_time() - began))
    return rates


def show(what: str, stage: Stage, intents: list[Intent], at_s: int, each_s: int, target: str) -> None:
    """One row of the table."""
    state, at = fold(stage.evidence), Instant(START + at_s)
    allowed = sum(decide(state, intent, at).allowed for intent in intents)
    least, median, most = spread(rate(state, intents, at, each_s))
    print(
        f"| {what} | {allowed} of {len(intents)} | {least:,.0f} | {median:,.0f} | {most:,.0f} | {target} |", flush=True
    )


def main() -> None:
    path = largest()
    parse_terms(path.read_bytes(), template=True)
    stage, intents = play(path)
    print(f"machine: {machine()}")
    print(
        f"{path.name}, {path.stat().st_size:,} bytes; {len(intents)} intents in turn, {ROUNDS} rounds of {DECISIONS:,}"
    )
    print("| what | allowed | least | median | most | target |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    show("decisions a second, in force", stage, intents, 2 * HOUR, 0, "≥ 20,000")
    show(f"the same, {EACH_S} at each second", stage, intents, 2 * HOUR, EACH_S, "")
    pausing, asked = play(PAUSING)
    if not pause(pausing, 3 * HOUR - 60):
        raise SystemExit(f"no votes pause under {PAUSING.name}")
    show(f"after votes to pause, {PAUSING.name}", pausing, asked, 3 * HOUR, 0, "≥ 20,000")
    show(f"the same, {EACH_S} at each second", pausing, asked, 3 * HOUR, EACH_S, "")
    later = []
    developer = intents[0].party
    for number in range(FRESH):
        stage.perform(
            Step(
                "bench",
                4 * HOUR + number,
                (developer,),
                acts.DeclareRun(f"late-{number}", Decimal(1), "training", (), None),
            )
        )
        began = time.process_time()
        decide(fold(stage.evidence), intents[0], Instant(START + 4 * HOUR + number))
        later.append((time.process_time() - began) * 1_000)
    least, median, most = spread(later)
    print(f"| the first after new evidence, ms ({FRESH} times) | | {least:.2f} | {median:.2f} | {most:.2f} | |")


if __name__ == "__main__":
    main()
