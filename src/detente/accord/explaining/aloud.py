"""Conditions, needs and quorums in words that can be read aloud to people who never saw the file.

Decides the words. Leaves out what is so. ``conditions`` spells the same trees for those who know the file.

>>> from decimal import Decimal
>>> say(All((Compare("run.cumulative_flop", "more_than", Decimal("1e24"), "FLOP"), Not(NoneOpen()))))
'the run and everything it builds on take more than 1e24 FLOP, and not (no finding is open)'
>>> quorum(RoleQuorum({"auditor": 1, "authority": 2}))
'1 auditor and 2 authorities'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from detente.accord.conditions import (
    AccededCount,
    AccededCountries,
    AccededParties,
    AccededShare,
    All,
    AnyOf,
    AtLeast,
    Breach,
    Compare,
    Condition,
    NoneOpen,
    Not,
    OpenFinding,
    Proposer,
    RunActivity,
    Touches,
    Votes,
)
from detente.accord.terms import CertificationNeed, HoldNeed, HoldPoint, Need, RoleQuorum
from detente.base.instant import show_duration
from detente.base.quantity import show_decimal

_ROLES: Final = {
    "developer": ("developer", "developers"),
    "auditor": ("auditor", "auditors"),
    "authority": ("authority", "authorities"),
    "adjudicator": ("adjudicator", "adjudicators"),
    "mirror": ("mirror", "mirrors"),
    "provider": ("provider of compute", "providers of compute"),
    "relying_party": ("relying party", "relying parties"),
    "witness": ("witness", "witnesses"),
    "research": ("research party", "research parties"),
    "safety": ("safety party", "safety parties"),
    "any": ("party", "parties"),
}
_SIGNS: Final = {
    "at_least": "at least",
    "more_than": "more than",
    "at_most": "at most",
    "less_than": "less than",
}
_FIGURES: Final = {
    "run.cumulative_flop": "the run and everything it builds on take {}",
    "run.planned_flop": "the run plans {}",
    "run.spent_flop": "the run has spent {}",
    "ai_proposed_depth": "{} versions in a row were proposed by a model, with no significant approval by a person between",
    "self_depth": "{} versions in a row were proposed by the model itself, with no significant approval by a person between",
    "cumulative_flop": "a version and everything it was built on took {}",
}


def role(name: str, count: int = 1) -> str:
    """A role, of one or of several.

    >>> role("authority"), role("authority", 2), role("safety"), role("dev-a")
    ('authority', 'authorities', 'safety party', 'dev-a')
    """
    return _ROLES.get(name, (name, name))[count != 1]


def quorum(votes: RoleQuorum) -> str:
    """So many of each role."""
    return joined(f"{count} {role(name, count)}" for name, count in votes.groups.items())


def joined(parts: Iterable[str], word: str = "and") -> str:
    """Parts as a list that can be read aloud.

    >>> joined(["a", "b", "c"], "or"), joined(["a"]), joined([])
    ('a, b or c', 'a', '')
    """
    given = list(parts)
    return f" {word} ".join((", ".join(given[:-1]), given[-1])) if len(given) > 1 else "".join(given)


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def lasting(seconds: int) -> str:
    """A duration in its two largest units.

    >>> lasting(21_660), lasting(31_536_000), lasting(61), lasting(0)
    ('6 h 1 min', '365 d', '1 min 1 s', '0 s')
    """
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def verb(one: str, rest: str, many: str = "") -> tuple[str, str]:
    """A verb for one and for several, with what follows it.

    >>> verb("votes", "to lift call")
    ('votes to lift call', 'vote to lift call')
    """
    return f"{one} {rest}", f"{many or one.removesuffix('s')} {rest}"


def _of(names: Iterable[str]) -> str:
    return joined((role(name, 2) for name in names), "or")


def say(condition: Condition) -> str:
    """A condition as a clause that can follow "if"."""
    if isinstance(condition, All):
        return ", and ".join(say(part) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return ", or ".join(say(part) for part in condition.parts)
    if isinstance(condition, AtLeast):
        return f"at least {condition.count} of these hold: {'; '.join(say(part) for part in condition.parts)}"
    if isinstance(condition, Not):
        return f"not ({say(condition.part)})"
    return _atom(condition)


def _atom(atom: Condition) -> str:
    if isinstance(atom, Compare):
        figure = _FIGURES.get(atom.what)
        amount = f"{_SIGNS[atom.how]} {show_decimal(atom.bound)} {atom.unit}".rstrip()
        return figure.format(amount) if figure else f"{atom.what} is {amount}"
    if isinstance(atom, Votes):
        return f"{atom.at_least} of the {_of(atom.of)} {'votes' if atom.at_least == 1 else 'vote'} to pause"
    if isinstance(atom, OpenFinding):
        found = "1 finding" if atom.at_least == 1 else f"{atom.at_least} findings"
        return f"{found} of the {_of(atom.by)} {'is' if atom.at_least == 1 else 'are'} open"
    if isinstance(atom, AccededCount):
        has = "has" if atom.at_least == 1 else "have"
        return f"{atom.at_least} {role(atom.role or 'any', atom.at_least)} {has} acceded"
    if isinstance(atom, AccededParties):
        return f"{joined(atom.parties)} {'has' if len(atom.parties) == 1 else 'have'} acceded"
    if isinstance(atom, AccededCountries):
        return f"parties of {plural(atom.at_least, 'country', 'countries')} have acceded"
    if isinstance(atom, AccededShare):
        return f"those who acceded hold {show_decimal(atom.at_least * 100)} % of registered compute"
    if isinstance(atom, Touches):
        return f"the change touches {joined(atom.parts, 'or')}"
    if isinstance(atom, Proposer):
        return f"a {atom.kind} proposed the change"
    if isinstance(atom, RunActivity):
        return f"the run is {atom.activity.replace('_', '-')}"
    if isinstance(atom, NoneOpen | Breach):
        return atom.spelled()
    return getattr(atom, "spelled", lambda: str(atom))()


def need(asked: Need) -> str:
    """What a limit asks for."""
    parts = ["a witnessed declaration"] if asked.declaration else []
    if asked.approval_of:
        parts.append(f"the approval of {joined(asked.approval_of)}")
    return joined(parts) or "nothing"


def certified(asked: CertificationNeed) -> str:
    """What a capability checkpoint asks for."""
    kind = "the certification" if len(asked.certifications) == 1 else "each of the certifications"
    return f"{kind} {joined(asked.certifications)} by {asked.count} of the {_of(asked.by)}"


WITH = {"passkey": "each by a passkey or security key", "attested": "each by a passkey that its maker attests"}


def hold_need(asked: HoldNeed) -> str:
    """What a hold point asks for."""
    text = plural(asked.humans, "human")
    if asked.organisations > 1:
        text += f" of {asked.organisations} organisations"
    if asked.by:
        text += f", reviewers of {_of(asked.by)}"
    marks = ["never the author"] if asked.author_excluded else []
    if asked.significant:
        marks.append("who really looked")
    if asked.device != "software":
        marks.append(WITH[asked.device])
    if asked.screened:
        marks.append("who catch as many seeded changes as `screening` asks")
    if asked.confirmed:
        marks.append("each on a page and again in a terminal")
    if asked.same_host == "refuse":
        marks.append("on a host that the author's agents cannot write")
    return text + "".join(f", {mark}" for mark in marks)


def hold_asks(hold: HoldPoint) -> str:
    """What a hold point asks for, with how long that lasts, by when, and to whom it is escalated."""
    text = hold_need(hold.need)
    if hold.approved_for_s is not None:
        text += f"; each approval counts for {show_duration(hold.approved_for_s)}"
    if hold.decide_within_s is not None:
        text += f"; what is not approved within {show_duration(hold.decide_within_s)} lapses"
    if hold.escalation is not None:
        to, after, within = hold.escalation.to, hold.escalation.after_s, hold.escalation.within_s
        text += (
            f"; undecided for {show_duration(after)}, or when a reviewer asks, it is escalated to {_of(to)}, who answer within"
            f" {show_duration(within)}, and whom a reviewer asked must approve it too"
        )
    return text


def may_be_unknown(condition: Condition) -> bool:
    """Can the condition be neither true nor false? Votes and findings are there or not; what is measured or declared need not be."""
    if isinstance(condition, All | AnyOf | AtLeast):
        return any(may_be_unknown(part) for part in condition.parts)
    if isinstance(condition, Not):
        return may_be_unknown(condition.part)
    return isinstance(condition, Compare | Touches | Proposer | AccededShare)
