"""Who learns what the terms keep for auditors or behind a commitment: above all no competitor. ``spec/check.md`` §9.

A competitor is another developer. What is proved is about the roles that the terms give: bytes go to auditors and to whoever
stated them, statements with their digests to everybody. Nothing here sees what an auditor tells others.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.checking.claim import Claim
from detente.accord.confidentiality import READER
from detente.accord.terms import INSPECTORS, Terms


def check_disclosure(terms: Terms) -> Iterator[Claim]:
    """For each field that is kept: whether a competitor learns it, and how; then what everybody sees all the same."""
    kept = {name: how for name, how in terms.confidential.items() if how != "public"}
    for name, how in kept.items():
        yield from _evidence(terms, name) if how == "auditor-only" else _amount(terms, name)
    if "proposal.change" in kept:
        yield from _reviewers(terms)
    if any(how == "auditor-only" for how in kept.values()):
        yield _listed("digests are public: whoever holds the same bytes recognises them, and a node's operator sees what is stored there")  # fmt: skip
        watching = [p for p in terms.mirrors.parties if "developer" in terms.parties[p].roles]
        if watching and not terms.mirrors.self_witnessed:
            yield _listed(
                f"{', '.join(watching)} develops and mirrors: it stores every statement of the others, with digests, and no bytes"
            )


def _evidence(terms: Terms, name: str) -> Iterator[Claim]:
    developers, readers = terms.with_role("developer"), terms.with_role(READER)
    both = [party for party in readers if party in developers and len(developers) > 1]
    for party in both:
        owner = next(other for other in developers if other != party)
        kind, _, member = name.partition(".")
        yield Claim(
            "competitor-learns",
            "confidential",
            "broken",
            f"{party}, a developer, learns {name} of {owner}",
            (
                f"{owner} states a {kind} with the digest of its {member}, and stores the bytes",
                f"{party} asks for them as the {READER} that it is too, and is given them",
            ),
        )
    if not both:
        text = f"no developer learns {name} of another: its bytes go to {', '.join(readers)} and to whoever stated it"
        yield Claim("competitor-learns", "confidential", "holds", text)


def _amount(terms: Terms, name: str) -> Iterator[Claim]:
    """A commitment says nothing by itself; a limit on it needs an inspector, who is shown the value."""
    for owner in terms.with_role("developer"):
        others = [party for party in terms.parties if party != owner and terms.among(party, INSPECTORS)]
        outside = [party for party in others if "developer" not in terms.parties[party].roles]
        if outside:
            continue
        if not others:
            text = f"nobody but {owner} could find a bound of its {name}: it stays unknown, and unknown holds"
            yield Claim("unfulfillable", "confidential", "broken", text)
        else:
            text = f"{others[0]}, a developer, learns {name} of {owner}"
            trace = (
                f"{owner} commits to {name}",
                f"a limit asks for a bound, which only {' or '.join(others)} may find: it is shown the value",
            )
            yield Claim("competitor-learns", "confidential", "broken", text, trace)
        return
    inspectors = [party for party in terms.parties if terms.among(party, INSPECTORS)]
    text = f"no developer need learn {name} of another: one of {', '.join(inspectors)} is shown it to find a bound"
    yield Claim("competitor-learns", "confidential", "holds", text)


def _reviewers(terms: Terms) -> Iterator[Claim]:
    """A hold point whose reviewers are not given what they are to approve."""
    for hold in terms.hold_points:
        able = [party for party in terms.parties if not hold.need.by or terms.among(party, hold.need.by)]
        blind = [party for party in able if READER not in terms.parties[party].roles]
        if len(able) - len(blind) < hold.need.organisations:
            text = f"{hold.id} asks for reviewers of {hold.need.organisations} organisations, and proposal.change is given to auditors alone"
            trace = ("a developer proposes a change", f"{', '.join(blind)} are to approve what no node gives them")
            yield Claim("unfulfillable", "confidential", "broken", text, trace)
        elif blind:
            yield _listed(f"{hold.id}: reviewers of {', '.join(blind)} are not given proposal.change by any node")


def _listed(text: str) -> Claim:
    return Claim("public-all-the-same", "confidential", "listed", text)
