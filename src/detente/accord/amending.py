"""Which texts of amendments are worth reading: those that a link of the chain could name.

Decides, without any text, whether a ``terms`` statement could still become a link. Leaves out whether it does
(``chain``), and where texts come from. Normative text: ``spec/accord.md`` §4.

Reading 4 MiB of YAML takes seconds of a processor. So a text is read only when enough parties have asked for it, each by
its root threshold: one key cannot make everybody read. The test is generous where it does not cost: every threshold that
a party ever had, and every root key that it ever enrolled, is tried; ``chain`` is strict.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from detente.accord.fold import AccordState
from detente.accord.quorum import missing
from detente.accord.records import Record
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.terms import TermsLink


def texts_wanted(
    state: AccordState, records: Iterable[Record], held: Container[Digest]
) -> dict[Digest, tuple[Party, ...]]:
    """Digest of each text that could follow one of the chain and is not ``held``; by whom it is asked for.

    1. It is of this accord, and names a text of the chain as the one before, at a lower version.
    2. Parties that meet the amendment rule of the text before it have signed, each with its root threshold.
    """
    links = {link.terms.digest: link.terms for link in state.chain}
    thresholds: dict[Party, int] = {}
    for terms in links.values():
        for party, keys in terms.keys.items():
            thresholds[party] = min(keys.root.threshold, thresholds.get(party, keys.root.threshold))
    wanted: dict[Digest, tuple[Party, ...]] = {}
    for record in records:
        body = record.statement.body
        if not isinstance(body, TermsLink) or body.digest in held or record.statement.header.accord != state.accord:
            continue
        before = links.get(body.previous)
        if before is None or body.version <= before.version:  # 1
            continue
        signers = record.signers
        spoken = tuple(
            party
            for party in before.parties
            if len({signer.key for signer in signers if (signer.party, signer.use) == (party, "root")})
            >= thresholds.get(party, 2**31)
        )
        if not missing(before.amendment, spoken, before.parties):  # 2
            wanted[body.digest] = tuple(sorted({*wanted.get(body.digest, ()), *spoken}))
    return wanted
