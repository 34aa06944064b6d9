"""The acts by which parties change what binds: who could still file what, and how many of them it takes.

Decides who is eligible, from the roles of the terms, the keys in force and what each has said already, and how a quorum of
roles can be filled up. Leaves out whether an act changes anything (``ways``).

Both seats that somebody present could take are tried; who is left to take the other is asked later (``_seats``).

>>> from detente.accord.terms import PartyTerms
>>> parties = {Party("a"): PartyTerms("US", frozenset({"auditor"})), Party("b"): PartyTerms("US", frozenset({"auditor", "authority"}))}
>>> list(fillings(RoleQuorum({"auditor": 1, "authority": 1}), {Party("b")}, parties))
[{'authority': 1}, {'auditor': 1}]
>>> list(fillings(RoleQuorum({"auditor": 1, "authority": 1}), (), parties))
[{'auditor': 1, 'authority': 1}]
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product

from detente.accord.adjudication import Case, latest_words
from detente.accord.checkpoints import Missing
from detente.accord.conditions import Compare, Truth, Votes
from detente.accord.explaining.aloud import joined, role, verb
from detente.accord.explaining.constraint import Act, Hand, Plan
from detente.accord.fold import AccordState
from detente.accord.quorum import missing, seats_filled
from detente.accord.records import Item
from detente.accord.terms import INSPECTORS, PartyTerms, RoleQuorum, Terms
from detente.accord.view import View
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import Interval, show_decimal
from detente.statement.accession import Accession
from detente.statement.audit import Audit
from detente.statement.facility import Facility
from detente.statement.finding import Finding
from detente.statement.kinds import Use
from detente.statement.measurement import About, Measurement
from detente.statement.ruling import Ruling, RulingOutcome
from detente.statement.vote import Vote, VoteChoice
from detente.statement.withdrawal import Withdrawal

VOTE_LIFE_S = 30 * 86_400
"""How long a supposed vote lives: longer than anything needs to settle."""
FILLINGS_MAX = 256
"""Ways to spread what a quorum lacks over its roles: four roles that lack three each have 256."""


def hands(state: AccordState, parties: Iterable[Party], at: int, use: Use = "statement") -> tuple[Hand, ...]:
    """Those of the parties that have enough keys in force to file a statement of that use."""
    found = []
    for party in parties:
        keys = state.keys_in_force(party, use, Instant(at))
        if len(keys) >= (state.book.threshold(party, at) if use == "root" else 1):
            found.append(Hand(party))
    return tuple(found)


def fillings(votes: RoleQuorum, who: Iterable[Party], parties: Mapping[Party, PartyTerms]) -> Iterator[dict[str, int]]:
    """Each way in which so few more parties as possible fill the quorum: how many of each role, besides ``who``.

    Any distinct parties of these roles do: added to those that are seated, they fill the seats that are left.
    """
    present = frozenset(who) & parties.keys()
    lacking = sum(votes.groups.values()) - sum(seats_filled(votes, present, parties).values())
    if not lacking:
        return
    tried = 0
    for counts in product(*(range(min(count, lacking) + 1) for count in votes.groups.values())):
        tried += 1
        if tried > FILLINGS_MAX:
            return
        if sum(counts) != lacking:
            continue
        rest = RoleQuorum({name: votes.groups[name] - n for name, n in zip(votes.groups, counts, strict=True)})
        if not missing(rest, present, parties):
            yield {name: n for name, n in zip(votes.groups, counts, strict=True) if n}


def _seats(
    state: AccordState, terms: Terms, lack: Mapping[str, int], out: Iterable[Party], at: int, use: Use = "statement"
) -> list[tuple[str, int, tuple[Hand, ...]]] | None:
    """Who could take the seats that are lacking; None if too few are left."""
    gone = frozenset(out)
    free = hands(state, (party for party in terms.parties if party not in gone), at, use)
    seats = []
    for name, count in lack.items():
        eligible = tuple(h for h in free if name == "any" or name in terms.parties[h.party].roles)
        seats.append((name, count, eligible))
    if missing(RoleQuorum(dict(lack)), (hand.party for hand in free), terms.parties):
        return None
    return seats


def _more(count: int, name: str, given: Collection[Party]) -> str:
    return f"{count} {'more ' if given else ''}{role(name, count)}"


def lift_plans(state: AccordState, view: View, voted: Iterable[Party], at: int) -> tuple[Plan, ...]:
    """The votes to lift that are missing; one empty plan where none is."""
    terms, given = view.terms, tuple(voted)
    if not missing(terms.lift.votes, given, terms.parties):
        return ((),)
    body = _vote("lift", view, at)
    plans = []
    for lack in fillings(terms.lift.votes, given, terms.parties):
        seats = _seats(state, terms, lack, given, at)
        if seats is not None:
            plans.append(
                tuple(
                    Act(
                        "vote",
                        eligible,
                        count,
                        _more(count, name, given),
                        verb("votes", f"to lift `{view.trigger.id}`, round {view.round}"),
                        body,
                    )
                    for name, count, eligible in seats
                )
            )
    return tuple(plans)


def _vote(choice: VoteChoice, view: View, at: int) -> Vote:
    return Vote(choice, view.trigger.id, view.round, Party(view.scope), Instant(at + VOTE_LIFE_S))


def pause_plans(state: AccordState, view: View, atom: Votes, at: int) -> tuple[Plan, ...]:
    """The votes to pause that are missing to make the atom true."""
    standing = {
        item.party for item, body, _ in (*view.late_votes(), *view.votes("pause"))
        if at < body.expires_at and view.terms.among(item.party, atom.of)
    }  # fmt: skip
    lacking = atom.at_least - len(standing)
    may = (p for p in view.terms.parties if p not in standing and view.terms.among(p, atom.of))
    eligible = hands(state, may, at)
    if lacking <= 0 or len(eligible) < lacking:
        return ()
    of = joined((role(name, 2) for name in atom.of), "or")
    who = f"{lacking} {'more ' if standing else ''}of the {of}"
    does = verb("votes", f"to pause by `{view.trigger.id}`")
    return ((Act("vote", eligible, lacking, who, does, _vote("pause", view, at)),),)


def finding_plans(
    state: AccordState, terms: Terms, by: tuple[str, ...], about: Party, count: int, at: int
) -> tuple[Plan, ...]:
    """``count`` more inspectors confirm an issue."""
    may = (p for p in terms.parties if p != about and terms.among(p, by) and terms.among(p, INSPECTORS))
    eligible = hands(state, may, at)
    if len(eligible) < count:
        return ()
    who = f"{count} of {joined((hand.party for hand in eligible), 'or')}"
    does = verb("files", f"a finding about {about}")
    return ((Act("finding", eligible, count, who, does, Finding(about, "an issue", "confirmed", ())),),)


def closing_plans(state: AccordState, terms: Terms, case: Case, at: int) -> tuple[Plan, ...]:
    """What closes an open case: its author refutes it, or adjudicators rule, either way."""
    return (
        *refuting_plans(state, case, at),
        *ruling_plans(state, terms, case, "no_breach", at),
        *ruling_plans(state, terms, case, "breach", at),
    )


def refuting_plans(state: AccordState, case: Case, at: int) -> tuple[Plan, ...]:
    """The author of a finding takes it back."""
    said, author = case.finding.body, case.finding.party
    who = hands(state, (author,), at)
    if not isinstance(said, Finding) or not who or case.finding.time is None:
        return ()
    body = replace(said, result="refuted", evidence=())
    does = verb("refutes", f"its finding about {case.about}, “{said.claim[:80]}”")
    return ((Act("finding", who, 1, author, does, body),),)


def ruling_plans(state: AccordState, terms: Terms, case: Case, outcome: RulingOutcome, at: int) -> tuple[Plan, ...]:
    """Enough adjudicators rule so on a case; who is accused, and who found it, does not judge."""
    if terms.adjudication is None:
        return ()
    votes = terms.adjudication.votes
    agreed = {party for party, word in latest_words(state, terms, case, at).items() if word == outcome}
    barred = {case.about, case.finding.party} | {
        party for party in terms.parties if "adjudicator" not in terms.parties[party].roles
    }  # fmt: skip
    word = "a breach" if outcome == "breach" else "no breach"
    body = Ruling(case.finding.id, case.about, outcome, "as ruled")
    plans = []
    for lack in fillings(votes, agreed, terms.parties):
        seats = _seats(state, terms, lack, barred | agreed, at)
        if seats is not None:
            plans.append(
                tuple(
                    Act(
                        "ruling",
                        eligible,
                        count,
                        _more(count, name, agreed),
                        verb("rules", f"that the finding of {case.finding.party} about {case.about} is {word}"),
                        body,
                    )
                    for name, count, eligible in seats
                )
            )
    return tuple(plans)


def report_plans(state: AccordState, view: View, atom: Compare, *, want: bool, at: int) -> tuple[Plan, ...]:
    """New measurements that make a comparison come out as wanted: of every supplier whose last one does not, or of any one."""
    terms = view.terms
    indicator = terms.indicators.get(atom.what)
    if indicator is None or not indicator.supplied_by:
        return ()
    rises = atom.how in {"at_least", "more_than"}
    strict = (atom.how in {"more_than", "less_than"}) == want
    up = rises == want
    value = atom.bound if not strict else atom.bound + 1 if up else atom.bound - 1
    sign = {(True, True): "more than", (True, False): "at least", (False, True): "less than", (False, False): "at most"}
    told = f"{sign[up, strict]} {show_decimal(atom.bound)} {atom.unit}".rstrip()
    acts: list[Act] = []
    for subject in view.subjects(indicator):
        suppliers = list(terms.suppliers(indicator, subject))
        wrong = [
            p
            for p in suppliers
            if any(_value(atom, item) is not want for item, _ in view.said(indicator, subject, p)[0])
        ]
        alone: list[tuple[Party, ...]] = [(party,) for party in wrong]
        who = alone or ([tuple(suppliers)] if suppliers else [])
        about = None if subject is None else About(party=subject)
        body = Measurement(atom.what, value, value, indicator.unit, "as supposed", (), Instant(at), about)
        for each in who:
            eligible = hands(state, each, at)
            of = f" of {subject}" if subject is not None and eligible != (Hand(subject),) else ""
            by = joined((hand.party for hand in eligible), "or")
            acts.append(Act("measurement", eligible, 1, by, verb("reports", f"{atom.what}{of} {told}"), body))
    return (tuple(acts),) if acts and all(act.hands for act in acts) else ()


def _value(atom: Compare, item: Item) -> Truth:
    body = item.body
    return atom.of(Interval(body.low, body.high)) if isinstance(body, Measurement) else None


def certification_plans(state: AccordState, lacking: Sequence[Missing], at: int) -> tuple[Plan, ...]:
    """The audits that are missing: whoever withholds a certification gives it, and so many more of those who may."""
    acts: list[Act] = []
    for each in lacking:
        body = Audit(each.subject, "as supposed", (), (), "pass", (each.certification,))
        does = verb("certifies", f"{each.certification} of {each.subject[:12]}…", "certify")
        acts += [Act("audit", hands(state, (party,), at), 1, party, does, body) for party in each.withhold]
        more = each.more - len(each.withhold)
        if more > 0:
            eligible = hands(state, (party for party in each.may if party not in each.withhold), at)
            acts.append(
                Act("audit", eligible, more, f"{more} of {joined((h.party for h in eligible), 'or')}", does, body)
            )
    if not acts or any(len(act.hands) < act.count for act in acts):
        return ()
    return (tuple(acts),)


def bound_act(state: AccordState, terms: Terms, run: Item, claim: str, at: int) -> Act | None:
    """An inspector of another party finds that the run stays below an amount."""
    eligible = hands(state, (p for p in terms.parties if p != run.party and terms.among(p, INSPECTORS)), at)
    if not eligible:
        return None
    by = joined((hand.party for hand in eligible), "or")
    body = Finding(run.party, claim, "confirmed", (), run.id)
    return Act("finding", eligible, 1, by, verb("finds", f"that the run stays {claim}"), body)


def accession_act(state: AccordState, party: Party, at: int) -> Act | None:
    """A party accedes, without conditions."""
    eligible = hands(state, (party,), at, "root")
    if not eligible:
        return None
    return Act("accession", eligible, 1, party, ("accedes", "accede"), Accession(state.accord, ()))


def withdrawal_act(state: AccordState, party: Party, at: int) -> Act | None:
    """A party withdraws."""
    eligible = hands(state, (party,), at, "root")
    does = ("withdraws", "withdraw")
    return Act("withdrawal", eligible, 1, party, does, Withdrawal("as supposed")) if eligible else None


def registration_act(state: AccordState, terms: Terms, party: Party, at: int) -> Act | None:
    """A party registers what it computes with."""
    eligible = hands(state, (party,), at)
    body = Facility("f-1", terms.parties[party].country, 1, Decimal(10**15)) if eligible else None
    does = verb("registers", "its compute")
    return Act("facility", eligible, 1, party, does, body) if body is not None else None


def amendment_plans(state: AccordState, terms: Terms, after: Terms, text: str, at: int) -> tuple[Plan, ...]:
    """The root signatures under terms ``after``."""
    plans = []
    for lack in fillings(terms.amendment, (), terms.parties):
        seats = _seats(state, terms, lack, (), at, "root")
        if seats is not None:
            plans.append(
                tuple(
                    Act(
                        "terms",
                        eligible,
                        count,
                        _more(count, name, ()),
                        verb("signs", f"terms that {text}"),
                        after=after,
                    )
                    for name, count, eligible in seats
                )
            )
    return tuple(plans)
