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
    people = (commit.author, commit.committer)
    message = commit.message
    folded = message.casefold()
    named = _named(folded)
    lines = trailers(message) if named or "co-authored-by" in folded else ()
    coauthors = [
        person for key, value in lines if key.casefold() == "co-authored-by" if (person := parse_person(value))
    ]
    found = [*_addresses(people, coauthors), *_names(commit, coauthors)]
    if named:
        found += _trailers(lines)
    if "claude code](https://" in folded:
        found += (
            _as(mark) for mark in _OF["line"] if any(mark.pattern.casefold() in line for line in folded.splitlines())
        )
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


def _named(folded: str) -> bool:
    """May one of the keys of the table stand in this message? Cheap, since most messages hold none."""
    return any(key in folded for key in _OF_KEY)


def _as(mark: Mark) -> Match:
    return Match(mark, mark.agent, mark.claims)


def _addresses(people: Iterable[Identity], coauthors: Iterable[Identity]) -> Iterator[Match]:
    for table, several in ((_OF_PERSON, people), (_OF_COAUTHOR, coauthors)):
        for person in several:
            email = person.email.casefold()
            for mark in table.get(email, ()):
                if mark.name is None or mark.name.match(person.name):
                    suggested = mark.agent == "copilot" and person.name.casefold().startswith(AUTOFIX_NAME)
                    yield Match(mark, mark.agent, "suggestion" if suggested else mark.claims)
            if "[bot]" in email:
                login = _NOREPLY.match(email)
                for mark in _OF_LOGIN.get(login[1] if login else email, ()):
                    yield _as(mark)


def _names(commit: Commit, coauthors: Iterable[Identity]) -> Iterator[Match]:
    author, committer = commit.author.name.casefold(), commit.committer.name.casefold()
    for name in (author, committer, *(person.name.casefold() for person in coauthors)):
        for mark in _OF_NAME.get(name, ()):
            yield _as(mark)
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
