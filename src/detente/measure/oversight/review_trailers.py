"""What a commit's own text says about review: trailers, the way through the forge's web pages, counts of interventions.

All of it is written by whoever made the commit, so it is a claim and decides nothing by itself. Who may count:

* ``Reviewed-by``, ``Approved-by``: a review. ``Acked-by``: consent without a full review (Linux kernel,
  ``Documentation/process/submitting-patches.rst``), counted apart. ``Tested-by``, ``Signed-off-by``: no review.
* Only a person other than author, committer and co-authors, by name and address, and neither an agent nor a bot.
* Committer ``noreply@github.com`` and a subject that ends in ``(#n)``: went through the forge's web pages. That proves no review; its
  absence proves only that no pull request is visible, since a rebase merge looks alike.
* ``Claude-Steers``, ``Claude-Permission-Prompts``, ``Claude-Escapes``: how often a person intervened while the agent worked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from detente.measure.history import Commit, Identity, parse_person, trailers

REVIEW_KEYS: Final = frozenset({"reviewed-by", "approved-by"})
ACK_KEYS: Final = frozenset({"acked-by"})
INTERVENTION_KEYS: Final = ("claude-steers", "claude-permission-prompts", "claude-escapes")
INTERVENTIONS_MAX: Final = 1_000_000
WEB_COMMITTER: Final = "noreply@github.com"
_PULL = re.compile(r"\(#(\d{1,9})\)\s*\Z")
_COUNT = re.compile(r"\d{1,7}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Said:
    """What one commit says. ``interventions`` has one count for each of ``INTERVENTION_KEYS`` that is there."""

    reviewed: bool = False
    acked: bool = False
    through_web: bool = False
    pull: int | None = None
    interventions: tuple[tuple[str, int], ...] = ()
    agent_reviewed: bool = False
    agent_signed_off: bool = False


def read_said(commit: Commit, is_machine: Callable[[Identity], bool]) -> Said:
    """What the commit's text says; ``is_machine`` tells agents and bots by their identity."""
    lines = [(key.lower(), value) for key, value in trailers(commit.message)]
    makers = {commit.author, commit.committer, commit.author_known_as, commit.committer_known_as}
    makers |= {person for key, value in lines if key == "co-authored-by" and (person := parse_person(value))}
    reviewed = acked = agent_reviewed = agent_signed_off = False
    for key, value in lines:
        if key not in REVIEW_KEYS | ACK_KEYS | {"signed-off-by"}:
            continue
        person = parse_person(value) or Identity(value.strip(), "")
        machine = is_machine(person) or person.name.endswith("[bot]")
        agent_signed_off = agent_signed_off or (machine and key == "signed-off-by")
        agent_reviewed = agent_reviewed or (machine and key != "signed-off-by")
        if machine or _is_one_of(person, makers):
            continue
        reviewed = reviewed or key in REVIEW_KEYS
        acked = acked or key in ACK_KEYS
    number = _PULL.search(commit.subject)
    return Said(
        reviewed,
        acked,
        commit.committer.email.lower() == WEB_COMMITTER and number is not None,
        int(number[1]) if number else None,
        tuple((key, int(value)) for key, value in lines if key in INTERVENTION_KEYS and _COUNT.match(value)),
        agent_reviewed,
        agent_signed_off,
    )


def _is_one_of(person: Identity, makers: set[Identity]) -> bool:
    """The same address or the same name: one person has several addresses, rarely several names."""
    names = {maker.name.casefold() for maker in makers if maker.name}
    addresses = {maker.email.lower() for maker in makers if maker.email}
    return person.name.casefold() in names or person.email.lower() in addresses
