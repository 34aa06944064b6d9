"""Is a change AI-made, and on what evidence? The marks themselves are ``measure.authorship``'s.

1. A commit is marked if a mark claims authorship, a session or counted interventions, or if a line ledger attests AI lines in it.
   A suggestion that somebody accepted, declared help and a branch's name do not suffice, as in ``measure.authorship``.
2. A pull request is marked if a commit in it is, or if the account that opened it is a coding agent's.
3. An absent mark says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from detente.measure.authorship.marks import AUTHORSHIP
from detente.measure.authorship.matching import match_marks, plain_commit
from detente.measure.history import Commit, Identity
from detente.measure.indicator import STRENGTH, EvidenceClass
from detente.measure.oversight.pulls import Account, Pull

AGENT_ACCOUNTS: Final[Mapping[str, str]] = {"copilot": "copilot"}
"""Accounts that GitHub calls bots and whose name does not end in ``[bot]``: the coding agent opens pull requests as ``Copilot``."""


@dataclass(frozen=True, slots=True)
class Marked:
    """That a change is AI-made: the strongest evidence of it, and the agents named."""

    evidence_class: EvidenceClass
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attested:
    """What a line ledger says of one commit: the agents that wrote lines of it, and addresses of people who ran them."""

    agents: tuple[str, ...]
    operators: frozenset[str] = frozenset()


def mark_of(commit: Commit, attested: Attested | None = None) -> Marked | None:
    r"""The commit's mark, or ``None`` where nothing says that AI made it.

    >>> mark_of(plain_commit(message="Fix\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"))
    Marked(evidence_class='trailer', agents=('claude',))
    """
    found = [(match.mark.evidence_class, match.agent) for match in match_marks(commit) if match.claims in AUTHORSHIP]
    if attested is not None and attested.agents:
        found += [("line-attested", agent) for agent in attested.agents]
    return _strongest(found)


def mark_of_pull(pull: Pull, of_commits: Iterable[Marked | None]) -> Marked | None:
    """The mark of a pull request, from the marks of its commits and the account that opened it."""
    found = [(marked.evidence_class, agent) for marked in of_commits if marked for agent in marked.agents or ("",)]
    for pushed in pull.commits or ():
        mark = mark_of(plain_commit(author=pushed.author, committer=pushed.committer, message=pushed.message))
        found += [(mark.evidence_class, agent) for agent in mark.agents] if mark else []
    if pull.author is not None and (agent := agent_account(pull.author)):
        found.append(("recorded", agent))
    return _strongest(found)


def agent_account(account: Account) -> str | None:
    """The coding agent whose account this is."""
    if not account.is_bot:
        return None
    return AGENT_ACCOUNTS.get(account.id) or _agent_of(Identity(account.id, f"{account.id}@users.noreply.github.com"))


def is_machine(identity: Identity) -> bool:
    """Is this an agent's own identity, or a bot's by its name?"""
    return identity.name.casefold().endswith("[bot]") or "[bot]@" in identity.email or _agent_of(identity) is not None


@lru_cache(maxsize=4096)
def _agent_of(identity: Identity) -> str | None:
    line = f"x\n\nCo-authored-by: {identity.name} <{identity.email}>\n"
    for commit in (plain_commit(author=identity), plain_commit(message=line)):
        for match in match_marks(commit):
            if match.claims in AUTHORSHIP:
                return match.agent
    return None


def _strongest(found: list[tuple[EvidenceClass, str]]) -> Marked | None:
    if not found:
        return None
    best = min((evidence for evidence, _ in found), key=STRENGTH.index)
    return Marked(best, tuple(sorted({agent for _, agent in found if agent})))
