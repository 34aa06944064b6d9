"""A course of events spelled as a scenario table, which ``scenario_reading`` reads back to the same steps.

Decides how acts are written. Expectations are written by people, so that only acts are spelled here, with one expectation that
whoever writes the table gives. Normative: ``spec/simulate.md`` §2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from detente.accord import acts
from detente.accord.act_reading import EXPIRES_S, FLAW, REVIEWER
from detente.accord.acts import Deed
from detente.accord.scenario import Step
from detente.base.instant import Instant, show_duration, show_instant
from detente.base.quantity import show_decimal
from detente.base.strict_json import encode_json
from detente.statement.accession import AccessionCondition, HaltedCondition

Members = dict[str, Any]


def spell_table(accord: str, start: Instant, name: str, steps: Iterable[Step], end: str) -> str:
    """A table with one scenario; ``end`` is its last step, spelled."""
    lines = [
        f"accord: {accord}",
        f"start: {show_instant(start)}",
        "scenarios:",
        f"  - name: {_flow(name)}",
        "    steps:",
    ]
    lines += [f"      - {spell_step(step)}" for step in steps if step.deed is not None]
    return "\n".join([*lines, f"      - {end}"]) + "\n"


def spell_step(step: Step) -> str:
    """One act as one line.

    >>> from detente.base.identity import Party
    >>> spell_step(Step("1:1", 90, (Party("dev-a"),), acts.Withdraw()))
    '{at: +90 s, by: dev-a, withdraw: {}}'
    """
    if step.deed is None:
        raise ValueError(step.where)
    act, members = _SPELLED[type(step.deed)](step.deed)
    said: Members = {"at": f"+{show_duration(step.at_s)}", "by": _few(step.by), act: members}
    if step.logged_s is not None:
        said["logged"] = f"+{show_duration(step.logged_s)}"
    elif step.heard:
        said["heard"] = "yes"
    if step.aside:
        said["aside"] = "yes"
    said["forged_by"] = step.forged_by
    return _flow(said)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items() if each is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    text = str(value)
    # A text that YAML might take for something else is quoted as in JSON, which YAML reads.
    return text if text and not set(text) & set(":{}[],#'\"&*!|>%@`\n") else encode_json(text).decode()


def _few(names: tuple[str, ...]) -> Any:
    return names[0] if len(names) == 1 else list(names)


def _unit(value: Decimal | None, unit: str) -> str | None:
    return None if value is None else f"{show_decimal(value)} {unit}".rstrip()


def _offset(seconds: int) -> str | None:
    return None if seconds == 0 else f"{'-' if seconds < 0 else '+'}{show_duration(abs(seconds))}"


def _condition(condition: AccessionCondition) -> tuple[str, Members]:
    members: Members = {"at_least": condition.at_least, "of": list(condition.of)}
    if isinstance(condition, HaltedCondition):
        return "halted", {**members, "confirmed": "yes" if condition.confirmed else None}
    return "bound", members


def _vote(deed: acts.Cast) -> Members:
    return {
        deed.choice: deed.trigger,
        "scope": None if deed.scope == "all" else deed.scope,
        "round": deed.round,
        "expires": None if deed.expires_s == EXPIRES_S else show_duration(deed.expires_s),
    }


def _measure(deed: acts.Measure) -> Members:
    low, high = _unit(deed.low, deed.unit), _unit(deed.high, deed.unit)
    ends: Members = {"value": low} if low == high else {"low": low, "high": high}
    return {"indicator": deed.indicator, **ends, "about": deed.about}


def _approve(deed: acts.Approve) -> Members:
    return {
        "what": deed.what,
        "reviewer": None if deed.reviewer == REVIEWER else deed.reviewer,
        "decision": deed.decision,
        "significant": deed.significant,
        "same_host": "yes" if deed.same_host else None,
    }


_SPELLED: Mapping[type[Deed], Callable[[Any], tuple[str, Any]]] = {
    acts.Accede: lambda deed: ("accede", dict(_condition(each) for each in deed.conditions)),
    acts.Withdraw: lambda _: ("withdraw", {}),
    acts.Register: lambda deed: (
        "register",
        {
            "facility": deed.facility,
            "flop_s": _unit(deed.flop_s, "FLOP/s"),
            "complete_above": _unit(deed.complete_above, "FLOP/s"),
        },
    ),
    acts.Cast: lambda deed: ("vote", _vote(deed)),
    acts.Measure: lambda deed: ("measure", _measure(deed)),
    acts.DeclareRun: lambda deed: (
        "run",
        {
            "name": deed.name,
            "flop": _unit(deed.flop, "FLOP"),
            "activity": deed.activity,
            "parents": list(deed.parents),
            "proposal": deed.proposal,
        },
    ),
    acts.Spend: lambda deed: ("spend", {"run": deed.run, "flop": _unit(deed.flop, "FLOP")}),
    acts.StateVersion: lambda deed: (
        "version",
        {
            "name": deed.name,
            "parents": list(deed.parents),
            "proposed_by": deed.by,
            "touches": list(deed.touches),
            "flop": _unit(deed.flop, "FLOP"),
            "proposal": deed.proposal,
            "run": deed.run,
        },
    ),
    acts.Propose: lambda deed: (
        "propose",
        {
            "name": deed.name,
            "parent": deed.parent,
            "proposed_by": deed.by,
            "touches": list(deed.touches),
            "flop": _unit(deed.flop, "FLOP"),
        },
    ),
    acts.Approve: lambda deed: ("approve", _approve(deed)),
    acts.Seed: lambda deed: ("seed", {"name": deed.name, "proposals": list(deed.proposals)}),
    acts.Reveal: lambda deed: (
        "reveal",
        {"proposal": deed.proposal, "seeds": deed.seeds, "flaw": None if deed.flaw == FLAW else deed.flaw},
    ),
    acts.Inspect: lambda deed: (
        "audit",
        {"name": deed.name, "what": deed.what, "certifies": list(deed.certifies), "outcome": deed.outcome},
    ),
    acts.Find: lambda deed: (
        "find",
        {
            "name": deed.name,
            "about": deed.about,
            "claim": deed.claim,
            "result": deed.result,
            "run": deed.run,
            "audit": deed.audit,
        },
    ),
    acts.Refute: lambda deed: ("refute", deed.finding),
    acts.Confirm: lambda deed: ("confirm", deed.run),
    acts.Rule: lambda deed: ("rule", {"finding": deed.finding, "outcome": deed.outcome}),
    acts.Dispute: lambda deed: ("challenge", deed.finding),
    acts.Stop: lambda deed: ("halt", {"run": deed.run, "why": deed.why}),
    acts.FallSilent: lambda _: ("silent", {}),
    acts.Speak: lambda _: ("speak", {}),
    acts.Fork: lambda deed: ("fork", {"to": list(deed.to)}),
    acts.Hide: lambda deed: ("hide", {"from": list(deed.from_)}),
    acts.Show: lambda _: ("show", {}),
    acts.Lie: lambda deed: ("lie", {"clock": _offset(deed.clock_s)}),
}
