"""The inequalities of contracts §2, and who can stop permits, entry, amendment and approval by silence.

Terms that break an inequality cannot be read at all (T11); here they are shown with their numbers. ``spec/check.md`` §3.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.checking.claim import Claim
from detente.accord.quorum import missing
from detente.accord.terms import Terms


def check_quorums(terms: Terms) -> Iterator[Claim]:
    """Mirrors and issuers, then every other quorum with one party silent."""
    mirrors = terms.mirrors
    n, f, q, m = len(mirrors.parties), mirrors.may_fail, mirrors.witness, mirrors.issue
    if mirrors.self_witnessed:
        yield Claim(
            "quorum",
            "mirrors",
            "listed",
            "one party witnesses itself: order and honesty to itself, and no proof for others",
        )
    else:
        yield Claim(
            "quorum", "mirrors", "holds", f"what is witnessed binds every permit: q + m > n + f, {q} + {m} > {n} + {f}"
        )
        yield Claim("quorum", "mirrors", "holds", f"no two heads are both witnessed: 2q − n > f, {2 * q} − {n} > {f}")
        yield Claim(
            "quorum", "mirrors", "holds", f"{f} silent mirrors stop neither witness nor permit: {q}, {m} ≤ {n - f}"
        )
        yield Claim("quorum", "mirrors", "holds", f"{f} lying issuers sign no permit: {m} > {f}")
        yield own_logs(n, f, q)
    yield from _silence(terms)
    for limit in terms.limits:
        if limit.need is not None and limit.need.approval_of:
            names = ", ".join(limit.need.approval_of)
            yield Claim(
                "blocks-permit",
                "limits",
                "on purpose",
                f"{limit.id}: each of {names} can keep a run from starting, being named",
            )
    yield from _certifiers(terms)


def own_logs(n: int, f: int, q: int) -> Claim:
    """Is what a mirror files in its own log witnessed, where its own cosignature does not count?

    >>> own_logs(5, 1, 3).verdict, own_logs(4, 1, 3).verdict
    ('holds', 'listed')
    """
    if q < n - f:
        text = f"a mirror's own log is witnessed by the others, {f} of them silent: {q} ≤ {n - 1 - f}"
        return Claim("own-log", "mirrors", "holds", text)
    if q > n - 1:
        when = f"is never witnessed: {q} > {n - 1}"
    else:
        when = f"is not witnessed while {f} other{'s are' if f > 1 else ' is'} silent: {q} > {n - 1 - f}"
    text = f"what a mirror files in its own log {when}; any other log takes it"
    return Claim("own-log", "mirrors", "listed", text)


def _certifiers(terms: Terms) -> Iterator[Claim]:
    """Who can keep whom from passing a checkpoint, by a word or by silence."""
    for checkpoint in terms.checkpoints:
        need = checkpoint.need
        able = [party for party in terms.parties if terms.among(party, need.by)]
        own = any("developer" in terms.parties[party].roles for party in able)  # Nobody certifies what is their own.
        spare = len(able) - own - need.count
        named = all(name in terms.parties for name in need.by)
        silent = "the silence of any one stops it too" if spare < 1 else f"{spare} of them may be silent"
        text = f"{checkpoint.id}: each of {', '.join(able)} can withhold a certification; {silent}"
        yield Claim("blocks-permit", "checkpoints", "on purpose" if named else "listed", text)


def _silence(terms: Terms) -> Iterator[Claim]:
    for section, quorum in (
        ("amendment", terms.amendment),
        *((("renewal", terms.renewal.votes),) if terms.renewal is not None else ()),
        *((("adjudication", terms.adjudication.votes),) if terms.adjudication is not None else ()),
    ):
        blocking = [p for p in terms.parties if missing(quorum, set(terms.parties) - {p}, terms.parties)]
        if blocking:
            text = (
                f"without {blocking[0]} nothing is decided"
                if len(blocking) == 1
                else f"each of {', '.join(blocking)} can block it"
            )
            yield Claim("blocks-quorum", section, "listed", f"{quorum.spelled()}: {text}")
        else:
            yield Claim("blocks-quorum", section, "holds", f"{quorum.spelled()}: no single party can block it")
