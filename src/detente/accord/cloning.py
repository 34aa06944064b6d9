"""Cloned authenticators: one counter that stands in two assertions.

Decides from when on a credential's approvals count no more, because two devices have its key. Leaves out what else makes an
approval count (``holds``, ``limits``). Normative text: ``spec/accord.md`` §7.2 rule 4.

- An authenticator with a counter never gives one value twice. So two assertions of one credential with the same counter, other
  than 0, over different bindings are by two devices, whatever the order in which they were made or filed: the state knows no other.
- Approvals from the earlier of the two on do not count; which of the devices is the reviewer's nobody can tell. Refusals do, so that
  the rule only ever restricts. The reviewer needs another credential; what the old one approved before stays.
- The second counts on receipt, as everything that restricts does.
"""

from __future__ import annotations

from collections import defaultdict

from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.accord.topics import asserted_topic
from detente.base.digest import Digest
from detente.base.identity import PublicKey
from detente.statement.approval import Approval, approval_binding
from detente.statement.assertion import counter_of

Pair = tuple[Item, Item]


def is_cloned(state: AccordState, item: Item, at: int, *, heard: bool) -> bool:
    """Was the authenticator of this approval in two places, and the approval no earlier than the first sign of it?"""
    body = item.body
    if not isinstance(body, Approval) or body.assertion is None or body.assertion.type == "software":
        return False
    since = cloned_from(state, body.assertion.key, at, heard=heard)
    return since is not None and (item.time is None or item.time >= since)


def cloned_from(state: AccordState, key: PublicKey, at: int, *, heard: bool) -> int | None:
    """From when on approvals by that key do not count as seen at ``at``; None: they do."""
    kept: dict[PublicKey, tuple[Pair, ...]] = state.keep.setdefault("clones", {})
    if key not in kept:
        kept[key] = _pairs(state, key)
    found = [
        at if first.time is None or first.time > at else first.time
        for first, second in kept[key]
        if heard or (second.time is not None and second.time <= at)
    ]
    return min(found, default=None)


def _pairs(state: AccordState, key: PublicKey) -> tuple[Pair, ...]:
    """For each counter that was used twice, its first two uses, in fold order."""
    uses: dict[int, dict[bytes, Item]] = defaultdict(dict)
    for item in state.index.get(asserted_topic(key), ()):
        if isinstance(item.body, Approval):
            binding = approval_binding(item.body, accord=Digest(state.accord), nonce=item.nonce)
            uses[counter_of(item.body.assertion)].setdefault(binding, item)
    pairs = []
    for bindings in uses.values():
        if len(bindings) > 1:
            first, second, *_ = sorted(bindings.values(), key=lambda item: item.order)
            pairs.append((first, second))
    return tuple(pairs)
