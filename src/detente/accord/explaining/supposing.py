"""What would be so if some acts were done: a state with statements that nobody has signed.

Decides how an act becomes statements in a supposed state, and which hands do it. Leaves out whether an act is worth
supposing (``acts``) and what follows (``status``). A supposed state is asked and thrown away; it is never evidence.

- Each act is done at one instant, witnessed then, by keys that are in force.
- An amendment counts when the root signatures that were supposed meet the rule of the terms in force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from detente.accord.authenticators import DEVICES, device_of
from detente.accord.chain import Link
from detente.accord.explaining.constraint import Act, Hand, Means, Plan
from detente.accord.fold import AccordState
from detente.accord.quorum import missing
from detente.accord.reason import Place
from detente.accord.records import Item, class_of, named
from detente.accord.sweep import sweep_of
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.statement.approval import Approval
from detente.statement.assertion import Assertion, SoftwareAssertion, SshAssertion, WebauthnAssertion
from detente.statement.credential import VerifiedCredential
from detente.statement.kinds import Use
from detente.statement.statement import SignerOf

KINDS: Final[Mapping[Means, tuple[str, ...]]] = {
    "any": ("webauthn", "ssh-sk"),
    "page": ("webauthn",),
    "terminal": ("ssh-sk",),
}
"""By what authenticators an approval is made on a page or in a terminal; in a terminal a software key does, too."""
Done = tuple[Act, Hand]
"""One statement of an act, and who files it."""


def seat(plan: Plan) -> tuple[Done, ...] | None:
    """Somebody for every statement of a plan, none twice for statements of one kind; None if there are too few.

    >>> from detente.accord.explaining.constraint import Act, Hand
    >>> a, b = Hand(Party("a")), Hand(Party("b"))
    >>> [hand.party for _, hand in seat((Act("vote", (a, b), 1, "one", ("votes", "vote")), Act("vote", (a,), 1, "two", ("votes", "vote"))))]
    ['b', 'a']
    """
    wanted = [act for act in plan for _ in range(act.count)]
    chosen: list[Hand] = []

    def fits(act: Act, hand: Hand) -> bool:
        others = [(wanted[number], other) for number, other in enumerate(chosen)]
        return all(
            other != hand and not (act.apart and each is act and other.party == hand.party)
            for each, other in others
            if each.is_like(act)
        )

    def able(number: int) -> Sequence[Hand]:
        act = wanted[number]
        return (chosen[number - act.count],) if act.again else act.hands

    def place(number: int) -> bool:
        if number == len(wanted):
            return True
        for hand in able(number):
            if fits(wanted[number], hand):
                chosen.append(hand)
                if place(number + 1):
                    return True
                chosen.pop()
        return False

    return tuple(zip(wanted, chosen, strict=True)) if place(0) else None


def suppose(state: AccordState, done: Sequence[Done], when: Instant) -> AccordState:
    """The state if these statements were witnessed at ``when``. The given state stays as it is, its sweep too."""
    items = [item for number, (act, hand) in enumerate(done) for item in _items(state, act, hand, when, number)]
    witnessed = {act.about: act.count for act, _ in done if act.kind == "witness" and act.about is not None}
    for about, count in witnessed.items():
        if sum(act.about == about for act, _ in done) >= count:
            items += _witnessed(state, about, when)
    other = state.supposing(items, _link(state, done, when))
    other.keep["sweep"] = sweep_of(state).fork(other, when)
    return other


def _items(state: AccordState, act: Act, hand: Hand, when: Instant, number: int) -> Iterator[Item]:
    body = act.said_by(hand)
    if act.kind == "witness" or body is None:
        return
    use: Use = "root" if act.kind in {"accession", "withdrawal"} else "statement"
    if isinstance(body, Approval):
        body = replace(body, assertion=_assertion(state, hand, when, act.means))
    signers = frozenset(SignerOf(hand.party, key, use) for key in state.keys_in_force(hand.party, use, when))
    name = hashlib.sha256(f"supposed {number} {act.kind} {hand} {when}".encode()).hexdigest()
    restricting = class_of(body, act.kind) == "restricting"
    place = Place(f"supposed.example/{hand.party}", number)
    version = state.terms_at(when).version
    yield Item(Digest(name), act.kind, hand.party, body, name[:32], restricting, when, place, version, signers,
               ((when, signers),))  # fmt: skip


def _assertion(state: AccordState, hand: Hand, when: Instant, means: Means) -> Assertion:
    """By the strongest authenticator of its kind that the reviewer has, one for another host first; nobody signs here."""
    believed = state.terms_at(when).authenticators
    credentials = [
        known
        for known in state.book.hands(hand.party, hand.reviewer, when)
        if isinstance(known, VerifiedCredential) and known.credential.type in KINDS[means]
    ]
    credentials.sort(key=lambda known: (known.credential.same_host, -DEVICES.index(device_of(known, believed))))
    if not credentials:
        keys = dict(state.book.reviewers(when).get(hand.party, ()))
        return SoftwareAssertion("software", keys.get(hand.reviewer, PublicKey(b"")), b"")
    best = credentials[0].credential
    if best.type == "webauthn":
        return WebauthnAssertion("webauthn", best.key, b"", b"", b"")
    return SshAssertion("ssh-sk", best.key, b"")


def _witnessed(state: AccordState, about: Digest, when: Instant) -> Iterator[Item]:
    """A statement as witnessed at ``when``, and those that waited for it because they name it."""
    heard = state.get(about)
    if heard is None:
        return
    yield replace(heard, time=when)
    for item in state.items.values():
        if item.time is None and item.copies and about in named(item.body):
            yield replace(item, time=max(when, min(time for time, _ in item.copies)))


def _link(state: AccordState, done: Sequence[Done], when: Instant) -> Link | None:
    """The amendment, if enough of its signers are supposed."""
    signers: list[Party] = [hand.party for act, hand in done if act.kind == "terms"]
    after = next((act.after for act, _ in done if act.after is not None), None)
    before = state.chain[-1]
    if after is None or missing(before.terms.amendment, signers, before.terms.parties):
        return None
    settled = when + before.terms.mirrors.settle_s
    return Link(after, settled, max(settled + before.terms.permits.calm_s, before.since), None)
