"""Who owes what a trigger asks for, and what happens when nobody supplies it. ``spec/check.md`` §5."""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.checking.claim import Claim
from detente.accord.conditions import Atom, Compare, OpenFinding, Overdue, Proposer, RunActivity, Touches, Votes, atoms
from detente.accord.terms import Checkpoint, Indicator, Terms, Trigger
from detente.accord.tree_reading import LINEAGE, RUN
from detente.base.instant import show_duration


def check_inputs(terms: Terms) -> Iterator[Claim]:
    """For each trigger and checkpoint, and each thing it asks for: somebody owes it, in time, or the claim is broken."""
    for trigger in terms.triggers:
        for atom in dict.fromkeys(atoms(trigger.when)):
            if isinstance(atom, Compare):
                indicator = terms.indicators.get(atom.what)
                if indicator is not None and indicator.supplied_by:
                    yield _owed(trigger, indicator)
                elif atom.what in LINEAGE:
                    text = f"{trigger.id}: {atom.what} is computed from what developers state; what is missing widens it upwards"
                    yield Claim("input-owed", "indicators", "holds", text)
            elif isinstance(atom, Overdue):
                yield from _duty(terms, trigger, atom.duty)
            elif isinstance(atom, OpenFinding):
                text = f"{trigger.id}: nobody is obliged to inspect; a finding comes when {', '.join(atom.by)} file one"
                yield Claim("input-owed", "triggers", "listed", text)
    for checkpoint in terms.checkpoints:
        for atom in dict.fromkeys(atoms(checkpoint.when)):
            indicator = terms.indicators.get(atom.what) if isinstance(atom, Compare) else None
            if indicator is not None and indicator.supplied_by:
                yield _owed(checkpoint, indicator)


def who_owes(terms: Terms, atom: Atom) -> tuple[bool, str]:
    """Does somebody have to supply what the atom asks for, and in which words?

    A measurement is owed where terms say ``every``; a run, a change and its lineage by whoever asks leave for them; a vote, a
    finding and a ruling by nobody: they are powers.
    """
    if isinstance(atom, Compare):
        indicator = terms.indicators.get(atom.what)
        if atom.what in RUN:
            return True, "whoever trains declares it before the start"
        if indicator is not None and indicator.supplied_by:
            who = ", ".join(indicator.supplied_by)
            if indicator.every_s is None:
                return False, f"{who} may supply it; nobody owes it"
            return (
                True,
                f"{who} owe{'s' if len(indicator.supplied_by) == 1 else ''} it every {show_duration(indicator.every_s)}",
            )
        if any(hold.on == "version.train" for hold in terms.hold_points):
            return True, "computed from the versions that developers state to pass a hold point"
        return False, "computed from versions, which nobody has to state"
    if isinstance(atom, Overdue):
        return _who_shows(terms, atom.duty)
    if isinstance(atom, RunActivity):
        return True, "whoever trains declares it before the start"
    if isinstance(atom, Touches | Proposer):
        return True, "whoever changes a model or agent states it, to pass the hold point"
    if isinstance(atom, Votes):
        return False, f"whether {', '.join(atom.of)} would say so is not known, and nobody owes an answer"
    return False, f"whether {atom.spelled()} is not known, and nobody owes an inspection or a ruling"


def _duty(terms: Terms, trigger: Trigger, named: str) -> Iterator[Claim]:
    duty = terms.duty(named)
    if duty is None:
        return
    if not duty.found_by:
        yield Claim(
            "input-owed", "duties", "holds", f"{trigger.id}: {', '.join(duty.of)} owe {named}; overdue, it counts"
        )
        return
    rules = duty.on_request
    if rules is not None:
        who, most = " and ".join(rules.by), "" if rules.most is None else f", who share {rules.most.spelled()}"
        text = (
            f"{trigger.id}: nobody is obliged to ask for {named}, which {who} may{most}; "
            f"until {', '.join(duty.found_by)} find that it was done, what was asked is not"
        )
        yield Claim("input-owed", "duties", "listed", text)
        return
    text = (
        f"{trigger.id}: nobody is obliged to find that {named} is done; until {', '.join(duty.found_by)} do, it is not"
    )
    yield Claim("input-owed", "duties", "listed", text)


def _who_shows(terms: Terms, duty_id: str) -> tuple[bool, str]:
    duty = next((each for each in terms.duties if each.id == duty_id), None)
    if duty is None:
        return False, "nobody has that duty"
    if duty.found_by:
        return False, f"{', '.join(duty.found_by)} may find that it is done; nobody owes it"
    return True, f"{', '.join(duty.of)} must register by then"


def _owed(trigger: Trigger | Checkpoint, indicator: Indicator) -> Claim:
    who = ", ".join(indicator.supplied_by)
    if indicator.every_s is None:
        what = "holds until the first measurement and " if indicator.unknown == "holds" else ""
        text = f"{trigger.id}: {who} may supply {indicator.name} and never need to again: it {what}can grow old without limit"
        return Claim(
            "input-owed", "indicators", "broken", text, (f"{who} measure {indicator.name} once, and never again",)
        )
    every = show_duration(indicator.every_s)
    if indicator.overdue == "silent":
        text = f"{trigger.id}: {who} owe {indicator.name} every {every}, and their silence is taken for good news"
        return Claim("input-owed", "indicators", "listed", text)
    return Claim(
        "input-owed",
        "indicators",
        "holds",
        f"{trigger.id}: {who} owe {indicator.name} every {every}; overdue, it holds",
    )
