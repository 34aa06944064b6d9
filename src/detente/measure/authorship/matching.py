r"""Which marks a commit carries.

Decides by whole addresses, whole names and line starts, never by words inside them: "Juan", "Aucamp", an employee's address
and prose about a tool are no marks. Leaves to ``facts`` what follows from a mark. Rules of ``spec/measure-authorship.md`` §2:

1. Case does not matter. An address must be the whole address, since numbers of GitHub accounts are shared.
2. A co-author is a line ``Co-authored-by: Name <address>`` anywhere below the subject; a trailer likewise.
3. Identities are those that were written, not those that a mailmap makes of them.

>>> commit = plain_commit(message="Fix\n\nCo-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>\n")
>>> [(match.mark.id, match.agent, match.claims) for match in match_marks(commit)]
[('claude-coauthor', 'claude', 'authored')]
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from detente.measure.authorship.marks import AGENT_WORDS, AUTOFIX_NAME, MARKS, Claims, Mark, Where
from detente.measure.history import Commit, Identity, parse_person, trailers

_NOREPLY = re.compile(r"(?:\d+\+)?([^@]+)@users\.noreply\.github\.com\Z")


class Match(NamedTuple):
    """A mark that a commit carries; ``value`` is a trailer's text, for counts such as ``Claude-Steers``."""

    mark: Mark
    agent: str
    claims: Claims
    value: str = ""


def match_marks(commit: Commit, *, branch: str = "") -> tuple[Match, ...]:
    """Every mark of the commit, each once, in the order of the table; ``branch`` where a forge or a ref tells it."""
    message = commit.message
    folded = message.casefold()
    lines = trailers(message) if _may_hold_trailers(folded) else ()
    coauthors = [one for key, value in lines if key.casefold() == "co-authored-by" if (one := parse_person(value))]
    author, committer = commit.author, commit.committer
    found = _of_identity(author, _OF_PERSON)
    if committer != author:
        found += _of_identity(committer, _OF_PERSON)
    for coauthor in coauthors:
        found += _of_identity(coauthor, _OF_COAUTHOR)
    found += _suffixes(author.name.casefold(), committer.name.casefold())
    if lines:
        found += _trailers(lines)
    if "claude code](https://" in folded:
        found += (
            _as(mark) for mark in _OF["line"] if any(mark.pattern.casefold() in one for one in folded.splitlines())
        )
    if folded.startswith(_SUBJECTS):
        found += (_as(mark) for mark in _OF["subject-prefix"] if folded.startswith(mark.pattern))
    if branch:
        found += (_as(mark) for mark in _OF["branch"] if branch.casefold().startswith(mark.pattern))
    if not found:
        return ()
    unique = {match.mark.id: match for match in reversed(found)}
    return tuple(sorted(unique.values(), key=lambda match: _ORDER[match.mark.id]))


def plain_commit(
    *, author: Identity | None = None, committer: Identity | None = None, message: str = "change\n"
) -> Commit:
    """A commit that carries no mark beyond what is passed: for examples and tests of the table."""
    one = author or Identity("Ada", "ada@example.org")
    two = committer or one
    return Commit("0" * 40, (), one, two, one, two, None, None, message)


def agent_in(text: str) -> str:
    """The agent that a free text names, or ``any``.

    >>> agent_in("Opus 4.6 via Claude Code"), agent_in("Google Antigravity with Gemini"), agent_in("a colleague")
    ('claude', 'gemini', 'any')
    """
    folded = text.casefold()
    places = [(at, agent) for word, agent in AGENT_WORDS if (at := folded.find(word)) >= 0]
    return min(places)[1] if places else "any"


def _by_place() -> dict[Where, list[Mark]]:
    places: dict[Where, list[Mark]] = defaultdict(list)
    for mark in MARKS.values():
        places[mark.where].append(mark)
    return places


def _by_pattern(*places: Where) -> dict[str, list[Mark]]:
    table: dict[str, list[Mark]] = defaultdict(list)
    for mark in MARKS.values():
        if mark.where in places:
            table[mark.pattern.casefold()].append(mark)
    return dict(table)


_OF = _by_place()
_ORDER: Final = {name: place for place, name in enumerate(MARKS)}
_OF_PERSON = _by_pattern("person-email", "any-email")
_OF_COAUTHOR = _by_pattern("coauthor-email", "any-email")
_OF_LOGIN = _by_pattern("any-login")
_OF_NAME = _by_pattern("any-name")
_OF_KEY = _by_pattern("trailer")


_WORDS = ("co-authored-by", *_OF_KEY)
_SUBJECTS = tuple(mark.pattern for mark in _OF["subject-prefix"])


def _may_hold_trailers(folded: str) -> bool:
    """May a key of the table stand in this message? Most hold none, and looking is cheaper than cutting them into lines."""
    for word in _WORDS:  # a plain loop: this runs for every commit of a history  # noqa: SIM110
        if word in folded:
            return True
    return False


def _as(mark: Mark) -> Match:
    return Match(mark, mark.agent, mark.claims)


def _of_identity(person: Identity, of_address: dict[str, list[Mark]]) -> list[Match]:
    """Marks of an address and of a whole name."""
    email, name = person.email.casefold(), person.name.casefold()
    found = [_as(mark) for mark in _OF_NAME.get(name, ())]
    for mark in of_address.get(email, ()):
        if mark.name is None or mark.name.match(person.name):
            suggested = mark.agent == "copilot" and name.startswith(AUTOFIX_NAME)
            found.append(Match(mark, mark.agent, "suggestion" if suggested else mark.claims))
    if "[bot]" in email:
        login = _NOREPLY.match(email)
        found += (_as(mark) for mark in _OF_LOGIN.get(login[1] if login else email, ()))
    return found


def _suffixes(author: str, committer: str) -> Iterator[Match]:
    for mark in _OF["author-suffix"]:
        if author.endswith(mark.pattern):
            yield _as(mark)
    for mark in _OF["committer-suffix"]:
        if committer.endswith(mark.pattern) and not author.endswith(mark.pattern):
            yield _as(mark)


def _trailers(lines: Iterable[tuple[str, str]]) -> Iterator[Match]:
    for key, value in lines:
        for mark in _OF_KEY.get(key.casefold(), ()):
            if mark.value is None or mark.value.casefold() == value.casefold():
                yield Match(mark, agent_in(value) if mark.agent == "any" else mark.agent, mark.claims, value)
