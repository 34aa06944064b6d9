"""Reading a condition tree, and which atoms may stand where.

Decides the spelling of conditions in terms. Leaves out their value (``conditions``). Normative: ``spec/terms.md`` §3.

>>> from detente.accord.document import read_document
>>> read_condition(read_document(b"{more_than: [run.cumulative_flop, 1e24 FLOP]}"), "limit").spelled()
'run.cumulative_flop > 1e24 FLOP'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from detente.accord.conditions import (
    SIGNS,
    AccededCount,
    AccededCountries,
    AccededParties,
    AccededShare,
    All,
    AnyOf,
    AtLeast,
    Atom,
    Breach,
    Compare,
    Condition,
    NoneOpen,
    Not,
    OpenFinding,
    Overdue,
    Proposer,
    RunActivity,
    Touches,
    Votes,
)
from detente.accord.document import Node
from detente.accord.fields import Fields, listed, located, name, one_of, positive, quantity, share, whole
from detente.base.errors import Refused, shown

Context = Literal["force", "limit", "hold", "run_checkpoint", "change_checkpoint", "trigger", "lift"]
LINEAGE = ("ai_proposed_depth", "self_depth", "cumulative_flop")
"""Indicators that are computed from the lineage; terms need not declare who supplies them."""
RUN = ("run.planned_flop", "run.cumulative_flop", "run.spent_flop")

_ALLOWED: dict[Context, tuple[type, ...]] = {
    "force": (AccededCount, AccededCountries, AccededParties, AccededShare),
    "limit": (Compare, RunActivity),
    "hold": (Touches, Proposer),
    "run_checkpoint": (Compare, RunActivity),
    "change_checkpoint": (Compare, Touches, Proposer),
    "trigger": (Compare, Votes, OpenFinding, Breach, Overdue),
    "lift": (Compare, NoneOpen, Breach, Overdue),
}


def read_condition(node: Node, context: Context) -> Condition:
    """A condition of a place in the terms; raises ``Refused`` T07, T08, T14, T15."""
    if node.kind != "mapping" or not node.entries:
        raise Refused("T07", "wrong-type", got=f"{node.where} {node}", expected="a condition, such as {all: [...]}")
    word = next(iter(node.entries))
    value = node.entries[word]
    if word == "at_least" and "of" in node.entries and len(node.entries) == 2:
        count = positive(value)
        parts = _parts(node.entries["of"], context)
        if count > len(parts):
            raise Refused(
                "T08", "malformed", got=f"{value.where} {count} of {len(parts)}", expected="at most all of them"
            )
        return AtLeast(count, parts)
    if len(node.entries) != 1:
        names = ", ".join(map(repr, node.entries))
        raise Refused("T07", "wrong-type", got=f"{node.where} members {shown(names)}", expected="one condition")
    if word == "all":
        return All(_parts(value, context))
    if word == "any":
        return AnyOf(_parts(value, context))
    if word == "not":
        return Not(read_condition(value, context))
    atom = _atom(word, node, value)
    if not isinstance(atom, _ALLOWED[context]) or (
        isinstance(atom, Compare) and context != "run_checkpoint" and (atom.what in RUN) != (context == "limit")
    ):
        raise Refused(
            "T15",
            "out-of-scope",
            got=f"{node.where} {shown(atom.spelled())}",
            expected=f"what a {context.replace('_', ' ')} may ask",
        )
    return atom


def _parts(node: Node, context: Context) -> tuple[Condition, ...]:
    return listed(lambda item: read_condition(item, context), 1, 1_000)(node)


def _atom(word: str, node: Node, value: Node) -> Atom:
    if word in SIGNS:
        return _compare(word, value)
    reader = _ATOMS.get(word)
    if reader is None:
        raise Refused(
            "T14",
            "unknown-field",
            got=f"{node.where} {shown(word)}",
            expected="all, any, not, at_least, more_than, at_most, less_than, " + ", ".join(sorted(_ATOMS)),
        )
    return reader[1](value)


def _compare(how: str, node: Node) -> Compare:
    if node.kind != "list" or len(node.items) != 2:
        raise Refused("T07", "wrong-type", got=f"{node.where} {node}", expected="[what, quantity]")
    try:
        bound, unit = quantity(node.items[1])
    except Refused as refused:
        raise located(node.items[1], refused) from None
    return Compare(name(node.items[0]), how, bound, unit)  # type: ignore[arg-type]


def _members(node: Node, **readers: tuple[Callable[[Node], Any], Any]) -> dict[str, Any]:
    errors: list[Refused] = []
    fields = Fields(node, errors)
    result = {
        key: fields.take(key, read) if default is ... else fields.take(key, read, default)
        for key, (read, default) in readers.items()
    }
    fields.done()
    if errors:
        raise errors[0]
    return result


def _votes(node: Node) -> Atom:
    value = _members(node, of=(listed(name, 1, 64), ...), at_least=(positive, ...))
    return Votes(value["of"], value["at_least"])


def _open_finding(node: Node) -> Atom:
    value = _members(node, by=(listed(name, 1, 64), ...), at_least=(positive, 1))
    return OpenFinding(value["by"], value["at_least"])


def _acceded(node: Node) -> Atom:
    value = _members(
        node,
        role=(name, None),
        parties=(listed(name, 1, 1_000), None),
        countries=(positive, None),
        share_of=(one_of("registered_compute"), None),
        at_least=(lambda item: item, None),
    )
    least: Node | None = value["at_least"]
    kinds = [key for key in ("role", "parties", "countries", "share_of") if value[key] is not None]
    if len(kinds) > 1 or (least is None) != (kinds in (["parties"], ["countries"])):
        raise Refused(
            "T07",
            "wrong-type",
            got=f"{node.where} acceded with {', '.join(node.entries) or 'nothing'}",
            expected="{role, at_least}, {at_least}, {parties}, {countries} or {share_of, at_least}",
        )
    if least is None:
        return AccededParties(value["parties"]) if value["parties"] else AccededCountries(value["countries"])
    if value["share_of"]:
        return AccededShare(share(least))
    return AccededCount(value["role"] or "", whole(least, 1, 10_000))


def _none_open(node: Node) -> Atom:
    one_of("finding")(node)
    return NoneOpen()


def _ruling(node: Node) -> Atom:
    one_of("breach")(node)
    return Breach()


PART = one_of("training", "architecture", "data", "configuration", "evaluation")
ACTIVITY = one_of("training", "self_improvement")
_ACCEDED = (AccededCount, AccededCountries, AccededParties, AccededShare)
_ATOMS: dict[str, tuple[tuple[type, ...], Callable[[Node], Atom]]] = {
    "votes": ((Votes,), _votes),
    "open_finding": ((OpenFinding,), _open_finding),
    "none_open": ((NoneOpen,), _none_open),
    "ruling": ((Breach,), _ruling),
    "overdue": ((Overdue,), lambda node: Overdue(name(node))),
    "acceded": (_ACCEDED, _acceded),
    "change.touches": ((Touches,), lambda node: Touches(listed(PART, 1, 5)(node))),
    "change.proposer": ((Proposer,), lambda node: Proposer(one_of("model", "human")(node))),
    "run.activity": ((RunActivity,), lambda node: RunActivity(ACTIVITY(node))),
}
"""Each atom by its word: what it may become, and how it is read."""


def words_in(context: Context) -> frozenset[str]:
    """The words with which an atom of this place may begin."""
    allowed = _ALLOWED[context]
    found = {word for word, (kinds, _) in _ATOMS.items() if not set(kinds).isdisjoint(allowed)}
    return frozenset(found | set(SIGNS)) if Compare in allowed else frozenset(found)
