"""The drill's coalition on disk: keys, founding terms, and a home for every node.

Every key is made here, in software, for this drill alone, and the report says so. The terms are ordinary terms:
``detente node serve`` reads them as it would read any.
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
from detente.app.reviewing import REVIEWER
from detente.base.digest import Digest, sha256_hex
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
DEPTH_LIMIT = 3


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
    """The founding terms without their keys, in the words of any other accord."""
    developers = len(plan.developers)
    calm_s, alert_s, halt_within_s = (
        math.ceil(seconds * plan.strain) for seconds in (LIFE_CALM_S, LIFE_ALERT_S, HALT_WITHIN_S)
    )
    parties = "\n".join(
        f"  {member.name}: {{country: {member.country}, roles: [{', '.join(member.roles)}]}}" for member in plan.parties
    )
    return f"""\
# The founding terms of a drill. Lives and deadlines are seconds, so that a person can watch them pass.
accord: drill
version: 1
parties:
{parties}
mirrors: {{may_fail: 1, witness: 3, issue: 3, settle: {SETTLE_S} s}}

entry_into_force:
  when:
    all:
      - acceded: {{role: developer, at_least: {developers}}}
      - acceded: {{countries: 3}}
  before: {{training: refuse, self_improvement: refuse}}

limits:
  - id: too-large
    on: run.start
    when: {{more_than: [run.cumulative_flop, {FLOP_LIMIT} FLOP]}}
    then: refuse

hold_points:
  - id: self-modification
    on: version.train
    when:
      all:
        - change.touches: [training, architecture, evaluation]
        - change.proposer: model
    need: {{humans: 1, organisations: 1, author_excluded: yes, device: software, same_host: refuse, by: [auditor]}}

triggers:
  - id: unattended        # the number is this drill's choice: no source sets one
    when: {{at_least: [ai_proposed_depth, {DEPTH_LIMIT}]}}
    then: pause
    scope: all
    unknown: holds      # what was not shown to be approved by a human counts as not approved
  - id: call
    when: {{votes: {{of: [auditor, authority], at_least: 2}}}}
    then: pause
    scope: all

pause:
  activities: [training, self_improvement]
  halt_within: {halt_within_s} s
lift:
  votes: {{auditor: 1, authority: 2}}
  when: {{none_open: finding}}
  veto_on_purpose: [auth-1, auth-2]
permits: {{life: {{calm: {calm_s} s, alert: {alert_s} s}}}}
consequences:
  - when: {{ruling: breach}}
    then: [{{cloud: refuse_compute}}, {{buyer: refuse_deployment}}]
adjudication: {{challenge_within: {CHALLENGE_S} s, rule_within: 5 d, votes: {{adjudicator: 2}}}}
withdrawal: {{notice: 365 d, from_pause: never}}
"""
