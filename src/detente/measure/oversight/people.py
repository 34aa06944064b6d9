"""Who had a hand in a pull request, as accounts of the forge: these cannot approve it independently.

1. The account that opened it, the accounts of its commits' authors, and co-authors. Agents' and bots' identities are nobody's.
2. Whom a line ledger names as having run the agent; where a bot opened the pull request, its assignees.
3. An address leads to an account if it is GitHub's own no-reply form, which holds the name, or if the export ties it to an account in any
   commit. One that leads to none leaves somebody *unresolved*: any reviewer could be that person.
4. A bot that opened a pull request was started by somebody. If nobody is found by 1 and 2, that person is unresolved too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detente.measure.history import Identity, parse_person, trailers
from detente.measure.oversight.marking import is_machine
from detente.measure.oversight.pulls import Export, Pull, PullCommit

_NOREPLY = re.compile(r"(?:\d+\+)?([^@+]+)@users\.noreply\.github\.com\Z")


@dataclass(frozen=True, slots=True)
class People:
    """Accounts, small; ``unresolved`` if somebody is known by an address only, or not at all."""

    accounts: frozenset[str]
    unresolved: bool = False


def tied_accounts(export: Export) -> Mapping[str, str]:
    """Address → account, as far as the export ties them anywhere."""
    return {
        pushed.author.email.lower(): pushed.account.id
        for pull in export.pulls
        for pushed in pull.commits or ()
        if pushed.account is not None and not pushed.account.is_bot and pushed.author.email
    }


def find_people(pull: Pull, tied: Mapping[str, str], operators: frozenset[str] = frozenset()) -> People:
    """Everybody with a hand in the change; ``operators`` are addresses that a ledger names."""
    unresolved = pull.author is None or pull.commits is None or "commits" in pull.partial
    accounts = {pull.author.id} if pull.author is not None and not pull.author.is_bot else set()
    addresses = set(operators)
    for pushed in pull.commits or ():
        if pushed.account is None:
            addresses |= _addresses([pushed.author])
        elif not pushed.account.is_bot:
            accounts.add(pushed.account.id)
        addresses |= _addresses(_coauthors(pushed))
    for address in addresses:
        account = account_of(address, tied)
        if account is None:
            unresolved = True
        else:
            accounts.add(account)
    if pull.author is not None and pull.author.is_bot:
        accounts |= {assignee.id for assignee in pull.assignees if not assignee.is_bot}
    return People(frozenset(accounts), unresolved or not accounts)


def account_of(address: str, tied: Mapping[str, str]) -> str | None:
    """The account an address belongs to.

    >>> account_of("123+ada@users.noreply.github.com", {})
    'ada'
    """
    match = _NOREPLY.match(address.lower())
    return match[1] if match else tied.get(address.lower())


def address_of(person: str) -> str:
    """The address of a person as a ledger writes them; a bare name stands for itself and leads to no account.

    >>> address_of("Ada <Ada@example.org>"), address_of("ada")
    ('ada@example.org', 'ada')
    """
    parsed = parse_person(person)
    return (parsed.email if parsed else person).strip().lower()


def _coauthors(pushed: PullCommit) -> list[Identity]:
    people = (parse_person(value) for key, value in trailers(pushed.message) if key.lower() == "co-authored-by")
    return [person for person in people if person is not None]


def _addresses(people: Iterable[Identity]) -> set[str]:
    return {person.email.lower() for person in people if not is_machine(person)}
