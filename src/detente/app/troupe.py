"""Who plays: everybody's keys, from a seed, and the founding terms that enrol them.

Decides which keys each party has and who keeps a log. Leaves what they say to ``staging`` and how logs are witnessed to
``witnessing``. Normative: ``spec/simulate.md`` §4.

- Every key comes from the seed and is kept nowhere.
- Keys that stand in the terms are replaced, so that the digest of the terms is another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from detente.accord.act_reading import REVIEWER
from detente.accord.document import read_document
from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.terms import Terms, parse_terms
from detente.base.errors import Misuse
from detente.base.identity import Party
from detente.statement.keys import prove_possession
from detente.statement.kinds import Use
from detente.statement.signing import SoftwareSigner


class Troupe:
    """Everybody's keys, from a seed, and the founding terms that enrol them."""

    def __init__(self, text: bytes, *, seed: int, reviewers: Mapping[Party, Sequence[str]]) -> None:
        """``text`` are terms with keys or without; keys that stand in it are replaced by made ones."""
        self.seed = seed
        self._signers: dict[tuple[Party, Use, str], SoftwareSigner] = {}
        shape = parse_terms(text, template=True)
        self.operators = _operators(shape)
        keys = {
            party: self._keys(shape, party, (REVIEWER, *(n for n in reviewers.get(party, ()) if n != REVIEWER)))
            for party in shape.parties
        }
        bare = _without_keys(text)
        section = spell_keys(dict.fromkeys(keys, 1), keys)
        self.founding = bare.rstrip(b"\n") + b"\n\n" + section.encode()
        self.terms = parse_terms(self.founding)

    def signer(self, party: Party, use: Use, name: str = "") -> SoftwareSigner:
        """The key of a party for a use; each reviewer has one."""
        made = self._signers.get((party, use, name))
        if made is None:
            made = SoftwareSigner(hashlib.sha256(f"{self.seed} {party} {use} {name}".encode()).digest())
            self._signers[party, use, name] = made
        return made

    def _keys(self, shape: Terms, party: Party, reviewers: Sequence[str]) -> tuple[ProvenKey, ...]:
        asked: list[tuple[Use, str | None]] = [("root", None), ("statement", None), ("guard", None)]
        if party in self.operators:
            asked.append(("log", origin_of(party)))
        if party in (self.operators if shape.mirrors.self_witnessed else shape.mirrors.parties):
            asked += [("mirror", f"{party}.example/mirror"), ("permit", None)]
        asked += [("reviewer", name) for name in reviewers]
        proven = []
        for use, name in asked:
            signer = self.signer(party, use, name or "" if use == "reviewer" else "")
            proven.append(ProvenKey(use, signer.public_key, prove_possession(party, use, signer, name), name))
        return tuple(proven)


def origin_of(party: Party) -> str:
    """The origin of a party's log on a stage."""
    return f"{party}.example/log"


def _operators(shape: Terms) -> tuple[Party, ...]:
    """Who keeps a log: everybody, and under self-witnessed terms the one that develops."""
    if not shape.mirrors.self_witnessed:
        return tuple(shape.parties)
    return tuple(sorted(shape.parties, key=lambda party: ("developer" not in shape.parties[party].roles, party)))[:1]


def _without_keys(text: bytes) -> bytes:
    """The terms without their ``keys`` section, line by line."""
    places = read_document(text).keys
    if "keys" not in places:
        return text
    first = places["keys"][0]
    following = sorted(line for line, _ in places.values() if line > first)
    if any(line == first for name, (line, _) in places.items() if name != "keys"):
        raise Misuse("terms whose keys stand on one line with other members cannot be given other keys")
    lines = text.splitlines(keepends=True)
    end = following[0] - 1 if following else len(lines)
    return b"".join(lines[: first - 1] + lines[end:])
