"""Keys and founding terms of a coalition, both from a seed: the same seed gives the same bytes.

Decides names, keys and the text of the terms. Leaves out everything that happens afterwards (``world``).

>>> coalition = Coalition(seed=1, developers=1, mirrors=3, f=0)
>>> sorted(coalition.parties), coalition.q, coalition.m
(['aud-0', 'aud-1', 'auth-0', 'dev-0'], 3, 3)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse
from detente.base.identity import Party, show_key
from detente.log.cosignature import cosigner_key
from detente.log.note import ED25519, NoteKey
from detente.statement.keys import prove_possession
from detente.statement.kinds import Use
from detente.statement.signing import SoftwareSigner

REVIEWER = "reviewer-1"
"""The pseudonym of every party's one reviewer, whose key the terms enrol."""
COUNTRIES = ("US", "GB", "CN", "CA", "JP", "DE", "FR", "IN", "BR", "KR", "SG", "CH", "NO", "ZA", "AU", "NL")

TERMS = """\
accord: testing-world
version: 1
parties:
{parties}
keys:
{keys}
mirrors: {{may_fail: {f}, witness: {q}, issue: {m}, settle: {settle_s} s}}
entry_into_force:
  when: {{acceded: {{role: developer, at_least: {developers}}}}}
  before: {{training: free, self_improvement: free}}
  after_expiry: {{training: free, self_improvement: free}}
limits:
  - id: too-large
    on: run.start
    when: {{more_than: [run.cumulative_flop, 1e24 FLOP]}}
    then: refuse
hold_points:
  - id: self-modification
    on: version.train
    when:
      all:
        - change.touches: [training, architecture, evaluation]
        - change.proposer: model
    need: {{humans: 1, organisations: 1, author_excluded: yes, device: software, same_host: accept}}
triggers:
  - id: call
    when: {{votes: {{of: [auditor, authority], at_least: 2}}}}
    then: pause
    scope: all
pause: {{activities: [training, self_improvement], halt_within: 15 min}}
lift: {{votes: {{auditor: 1, authority: 1}}}}
slowdown: {{rate: 10 %}}
permits: {{life: {{calm: 1 h, alert: 10 min}}}}
amendment: {{votes: {{auditor: 1, authority: 1}}}}
"""


class Coalition:
    """``developers`` developers and ``mirrors`` mirrors, the mirrors half auditors, half authorities.

    q and m default to the largest that n − f allows. ``terms`` replaces the text; its fields are those of ``TERMS``.
    """

    def __init__(
        self,
        *,
        seed: int,
        developers: int = 2,
        mirrors: int = 4,
        f: int = 1,
        q: int | None = None,
        m: int | None = None,
        guards: int = 1,
        settle_s: int = 60,
        terms: str = TERMS,
        extra: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        if not 1 <= developers <= 8 or not 1 <= mirrors <= 16:
            raise Misuse("1 to 8 developers and 1 to 16 mirrors")
        self.seed = seed
        self.f, self.q, self.m = f, mirrors - f if q is None else q, mirrors - f if m is None else m
        self.settle_s = settle_s
        self.guards = guards
        self.developers = tuple(Party(f"dev-{index}") for index in range(developers))
        self.mirrors = tuple(
            Party(f"aud-{index // 2}" if index % 2 == 0 else f"auth-{index // 2}") for index in range(mirrors)
        )
        self.roles: dict[Party, tuple[str, ...]] = dict.fromkeys(self.developers, ("developer",))
        for party in self.mirrors:
            role = "auditor" if party.startswith("aud") else "authority"
            self.roles[party] = (role, "mirror", "adjudicator")
        for name, roles in (extra or {}).items():
            self.roles[Party(name)] = roles
        self.parties = tuple(self.roles)
        self.founding = terms.format(
            parties=self._parties_text(),
            keys=self._keys_text(),
            f=self.f,
            q=self.q,
            m=self.m,
            settle_s=settle_s,
            developers=developers,
        ).encode()
        self.accord: Digest = sha256_hex(self.founding)

    def signer(self, party: Party, use: Use, index: int = 0) -> SoftwareSigner:
        """The key of a party for a use; only guards have more than one."""
        return SoftwareSigner(hashlib.sha256(f"{self.seed} {party} {use} {index}".encode()).digest())

    def origin(self, party: Party) -> str:
        """The origin of a party's log."""
        return f"{party}.example/log"

    def mirror_name(self, party: Party) -> str:
        """The name under which a mirror cosigns."""
        return f"{party}.example/mirror"

    def log_keys(self) -> dict[str, NoteKey]:
        """The key of each log by its origin."""
        return {
            self.origin(party): NoteKey(self.origin(party), ED25519, self.signer(party, "log").public_key)
            for party in self.parties
        }

    def mirror_keys(self) -> dict[NoteKey, Party]:
        """The cosigner keys, and whose they are."""
        return {
            cosigner_key(self.mirror_name(party), self.signer(party, "mirror").public_key): party
            for party in self.mirrors
        }

    def _parties_text(self) -> str:
        return "\n".join(
            f"  {party}: {{country: {COUNTRIES[index % 16]}, roles: [{', '.join(roles)}]}}"
            for index, (party, roles) in enumerate(self.roles.items())
        )

    def _keys_text(self) -> str:
        lines: list[str] = []
        for party in self.parties:
            lines += [
                f"  {party}:",
                f"    root: {{threshold: 1, keys: [{self._key(party, 'root')}]}}",
                f"    statement: [{self._key(party, 'statement')}]",
                f"    log: {self._key(party, 'log', 'origin', self.origin(party))}",
            ]
            if party in self.mirrors:
                lines.append(f"    mirror: {self._key(party, 'mirror', 'name', self.mirror_name(party))}")
                lines.append(f"    permit: {self._key(party, 'permit')}")
            else:
                guards = ", ".join(self._key(party, "guard", index=index) for index in range(self.guards))
                lines.append(f"    guard: [{guards}]")
            lines.append(f"    reviewer: [{self._key(party, 'reviewer', 'name', REVIEWER)}]")
        return "\n".join(lines)

    def _key(self, party: Party, use: Use, label: str = "", name: str = "", *, index: int = 0) -> str:
        signer = self.signer(party, use, index)
        proof = base64.b64encode(prove_possession(party, use, signer, name or None)).decode()
        named = f"{label}: {name}, " if label else ""
        return f'{{{named}key: "{show_key(signer.public_key)}", proof: "{proof}"}}'
