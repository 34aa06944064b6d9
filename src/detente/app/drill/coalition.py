"""The drill's coalition on disk: keys, founding terms, and a home for every node.

Every key is made here, in software, for this drill alone, and the report says so. The terms are those of ``accords/coordinated-pause.yaml`` with a few
changes, which ``changes_for`` lists: ``detente node serve`` reads them as it would read any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.terms import Terms, parse_terms
from detente.adapters.keys import make_key
from detente.app.config import Config, store_config
from detente.app.drill.network import LOOPBACK
from detente.app.drill.plan import Member, Plan
from detente.app.init import shipped_accord
from detente.app.reviewing import REVIEWER
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse
from detente.base.identity import Party
from detente.statement.keys import prove_possession
from detente.statement.kinds import Use
from detente.statement.signing import SoftwareSigner

SETTLE_S = 1
LIFE_CALM_S, LIFE_ALERT_S = 12, 8
"""Short, so that a lapse can be watched; accords in earnest use hours and minutes. Seconds on a quiet machine, as below."""
HALT_WITHIN_S = 6
CHALLENGE_S = 4
FLOP_LIMIT = "1e18"
MODEL = "coordinated-pause.yaml"


@dataclass(frozen=True, slots=True)
class Seat:
    """One party's place in the drill: its home and keys, its node's port, and the port that others reach it by."""

    party: Party
    home: Path
    port: int
    keys: Mapping[Use, SoftwareSigner]
    guard_homes: Mapping[str, Path] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The origin of its log."""
        return f"{self.party}.drill.example/log"


@dataclass(frozen=True, slots=True)
class Coalition:
    """Everybody's seat and what they agreed."""

    accord: Digest
    terms: Terms
    terms_bytes: bytes
    seats: Mapping[Party, Seat]

    def seat(self, party: str) -> Seat:
        """The seat of one party."""
        return self.seats[Party(party)]


def found_coalition(plan: Plan, folder: Path, ports: Mapping[Party, int]) -> Coalition:
    """Make every key, write the terms, and give every node a home below ``folder``."""
    keys: dict[Party, dict[Use, SoftwareSigner]] = {}
    proven: dict[Party, tuple[ProvenKey, ...]] = {}
    for member in plan.parties:
        home = folder / member.name
        made = {use: make_key(home / "keys" / f"{use}.key") for use in _uses(member)}
        keys[member.name] = made
        proven[member.name] = tuple(
            ProvenKey(use, signer.public_key, prove_possession(member.name, use, signer, name), name)
            for use, signer in made.items()
            for name in (_key_name(member, use),)
        )
    text = spell_terms(plan) + spell_keys(dict.fromkeys(proven, 1), proven)
    data = text.encode()
    terms = parse_terms(data)
    accord = sha256_hex(data)
    seats = {}
    for member in plan.parties:
        home = folder / member.name
        (home / "terms.yaml").write_bytes(data)
        seats[member.name] = Seat(member.name, home, ports[member.name], keys[member.name])
    return Coalition(accord, terms, data, seats)


def configure(coalition: Coalition, seat: Seat, peers: Mapping[Party, int], *, home: Path | None = None) -> None:
    """Write the configuration of a node, or of a guard that has a ``home`` of its own, with these ports of its peers."""
    store_config(
        Config(
            home=home or seat.home,
            party=seat.party,
            accord=coalition.accord,
            host=LOOPBACK,
            port=seat.port,
            gossip_s=1.0,
            peers={party: f"http://{LOOPBACK}:{port}" for party, port in peers.items() if party != seat.party},
        )
    )


def _uses(member: Member) -> tuple[Use, ...]:
    uses: list[Use] = ["root", "statement", "log"]
    if "developer" in member.roles:
        uses += ["guard", "reviewer"]
    if "auditor" in member.roles:
        uses.append("reviewer")
    if member.mirrors:
        uses += ["mirror", "permit"]
    return tuple(uses)


def _key_name(member: Member, use: Use) -> str | None:
    names = {
        "log": f"{member.name}.drill.example/log",
        "mirror": f"{member.name}.drill.example/mirror",
        "reviewer": REVIEWER,
    }
    return names.get(use)


def spell_terms(plan: Plan) -> str:
    """The founding terms without their keys: the shipped model accord, changed only where ``changes_for`` says.

    Raises ``Misuse`` where the shipped text no longer has a place that the drill changes.
    """
    text = shipped_accord(MODEL).decode("utf-8")
    # A drill releases nothing, so that no release waits for a certification that nobody is there to give.
    for start, end in (("checkpoints:\n", "\n\n"), ("  checkpoints.release-unattended:\n", "  permits:\n")):
        text = _without(text, start, end)
    for old, new in changes_for(plan):
        if text.count(old) != 1:
            raise Misuse(f"{MODEL} has {text.count(old)} places {old!r}, and the drill changes one")
        text = text.replace(old, new)
    return text


def changes_for(plan: Plan) -> tuple[tuple[str, str], ...]:
    """What a drill changes in the model accord: as many developers as it has, lives and deadlines of seconds, so that a person
    can watch them pass, a smaller limit, so that a small run exceeds it, one reviewer, who is a person, and a pause for all.
    """
    developers = len(plan.developers)
    calm_s, alert_s, halt_within_s = (
        math.ceil(seconds * plan.strain) for seconds in (LIFE_CALM_S, LIFE_ALERT_S, HALT_WITHIN_S)
    )
    more = "".join(
        f"  {member.name}:  {{country: {member.country}, roles: [developer]}}\n"
        for member in plan.parties
        if "developer" in member.roles and member.name not in {"dev-a", "dev-b", "dev-c"}
    )
    return (
        ("  aud-1:  {", f"{more}  aud-1:  {{"),
        ("settle: 60 s", f"settle: {SETTLE_S} s"),
        ("{role: developer, at_least: 3}", f"{{role: developer, at_least: {developers}}}"),
        (
            "  before: {training: free, self_improvement: free}",
            "  before: {training: refuse, self_improvement: refuse}",
        ),
        ("more_than: [run.cumulative_flop, 1e24 FLOP]", f"more_than: [run.cumulative_flop, {FLOP_LIMIT} FLOP]"),
        ("{humans: 2, organisations: 1", "{humans: 1, organisations: 1"),
        ("then: pause\n    scope: party", "then: pause\n    scope: all"),
        ("halt_within: 15 min", f"halt_within: {halt_within_s} s"),
        ("{calm: 6 h, alert: 10 min}", f"{{calm: {calm_s} s, alert: {alert_s} s}}"),
        ("challenge_within: 72 h", f"challenge_within: {CHALLENGE_S} s"),
    )


def _without(text: str, start: str, end: str) -> str:
    """The text without what stands from ``start`` up to the next ``end``."""
    if text.count(f"\n{start}") != 1:
        raise Misuse(f"{MODEL} has {text.count(start)} places {start!r}, and the drill leaves one out")
    head, _, rest = text.partition(f"\n{start}")
    return f"{head}\n{end.lstrip(chr(10))}{rest.partition(end)[2]}"
