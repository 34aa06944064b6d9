"""The names under which terms and facts speak of the same thing, and the subjects they fall under.

Decides that a name means one quantity, in one unit, against one baseline: thresholds whose baselines differ have different names, so
that nothing can compare them. Leaves values to ``facts``. Normative text: ``spec/compare.md`` §3.

- A clause is on a subject if it asks for one of its names, or is listed itself, as ``accord:clause``.

>>> text = b"{subjects: [{id: pace, title: how fast, asks: [speed]}], indicators: {speed: {unit: x, is: pace, baseline: 2024}}}"
>>> read_vocabulary(text).subjects[0].title
'how fast'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from detente.accord.conditions import Atom, Compare, Condition, Proposer, RunActivity, Touches, atoms
from detente.accord.document import Node, read_document
from detente.accord.fields import Fields, TermsRefused, listed, name, text
from detente.accord.span import AfterEntry, Span
from detente.accord.terms import Terms
from detente.accord.tree_reading import LINEAGE, RUN
from detente.base.errors import Refused
from detente.base.instant import Instant


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject: ``asks`` are names of quantities, or clauses as ``accord:clause``."""

    id: str
    title: str
    asks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Word:
    """What a name means: its unit, the quantity in words, and what it is measured against."""

    unit: str
    means: str
    baseline: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Subjects and words."""

    subjects: tuple[Subject, ...] = ()
    words: Mapping[str, Word] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause with a condition that facts can meet, named as in ``sources``, and when it applies."""

    id: str
    when: Condition
    span: Span

    def applies(self, at: Instant) -> bool:
        """Does it apply then, as far as dates tell? What counts from entry into force is taken to have come."""
        begins, ends = self.span.begins, self.span.ends
        if begins is not None and not isinstance(begins, AfterEntry) and at < begins:
            return False
        return ends is None or isinstance(ends, AfterEntry) or at < ends


@dataclass(frozen=True, slots=True)
class Known:
    """What facts may speak of: names with their units, and the clauses of each accord."""

    units: Mapping[str, str]
    clauses: Mapping[str, frozenset[str]]


def read_vocabulary(data: bytes) -> Vocabulary:
    """The vocabulary in these bytes; raises ``TermsRefused`` with every error, T01 to T08."""
    errors: list[Refused] = []
    vocabulary = Vocabulary()
    try:
        fields = Fields(read_document(data), errors)
        subjects = fields.take("subjects", lambda node: _subjects(node, errors), ())
        words = fields.take("indicators", lambda node: _words(node, errors), {})
        fields.done()
        vocabulary = Vocabulary(subjects or (), words or {})
    except Refused as refused:
        errors.append(refused)
    if errors:
        raise TermsRefused.of(errors)
    return vocabulary


def _subjects(node: Node, errors: list[Refused]) -> tuple[Subject, ...]:
    found = []
    for item in listed(lambda item: item, 0, 1_000)(node):
        f = Fields(item, errors)
        found.append(
            Subject(
                f.take("id", name) or "",
                f.take("title", text) or "",
                frozenset(f.take("asks", listed(text, 1, 1_000)) or ()),
            )
        )
        f.done()
    return tuple(found)


def _words(node: Node, errors: list[Refused]) -> dict[str, Word]:
    Fields(node, errors)
    found: dict[str, Word] = {}
    for spelled, entry in node.entries.items():
        f = Fields(entry, errors)
        found[spelled] = Word(f.take("unit", text, "") or "", f.take("is", text) or "", f.take("baseline", text) or "")
        f.done()
    return found


def known(vocabulary: Vocabulary, accords: Iterable[Terms]) -> Known:
    """What facts may speak of, given these terms. The vocabulary's unit counts where both have one."""
    units = dict.fromkeys(RUN, "FLOP") | {what: "FLOP" if what == "cumulative_flop" else "" for what in LINEAGE}
    clauses: dict[str, frozenset[str]] = {}
    for terms in accords:
        units |= {each.name: each.unit for each in terms.indicators.values() if each.supplied_by}
        clauses[terms.accord] = frozenset(
            [*(clause.id for clause in clauses_of(terms)), *(f"duties.{duty.id}" for duty in terms.duties)]
        )
    return Known(units | {spelled: word.unit for spelled, word in vocabulary.words.items()}, clauses)


def clauses_of(terms: Terms) -> Iterator[Clause]:
    """The clauses with a condition that facts can meet."""
    for limit in terms.limits:
        yield Clause(f"limits.{limit.id}", limit.when, limit.span)
    for hold in terms.hold_points:
        yield Clause(f"hold_points.{hold.id}", hold.when, hold.span)
    for checkpoint in terms.checkpoints:
        yield Clause(f"checkpoints.{checkpoint.id}", checkpoint.when, checkpoint.span)
    for trigger in terms.triggers:
        yield Clause(f"triggers.{trigger.id}", trigger.when, trigger.span)


def names_in(condition: Condition) -> Iterator[str]:
    """The names that a condition asks for; votes, findings and rulings have none."""
    for atom in dict.fromkeys(atoms(condition)):
        spelled = name_of(atom)
        if spelled:
            yield spelled


def name_of(atom: Atom) -> str:
    """The name of what an atom asks for, or nothing."""
    if isinstance(atom, Compare):
        return atom.what
    if isinstance(atom, Touches):
        return "change.touches"
    if isinstance(atom, Proposer):
        return "change.proposer"
    return "run.activity" if isinstance(atom, RunActivity) else ""


def subjects_of(vocabulary: Vocabulary, accord: str, clause: Clause) -> tuple[Subject, ...]:
    """The subjects that a clause is on."""
    asked = {*names_in(clause.when), f"{accord}:{clause.id}"}
    return tuple(subject for subject in vocabulary.subjects if not asked.isdisjoint(subject.asks))
