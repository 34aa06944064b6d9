"""What somebody asks leave for.

Decides how an intent is spelled and which combinations make sense. Leaves out whether it is allowed (``decide``)
and whether the run, version or proposal it names exists (also ``decide``, which has the state).

Rules (``spec/guard.md`` §1): G01 to G03.

* An intent names one activity and the party that acts.
* ``training`` and ``self_improvement`` name the run; ``deployment`` names the version.
* ``compute`` is asked by a provider on behalf of the party whose job it is.

>>> intent = parse_intent({"activity": "compute", "party": "cloud", "on_behalf_of": "dev-a", "run": None,
...     "proposal": None, "version": None, "facility": None, "flop": "1e21"})
>>> intent.on_behalf_of, intent.as_json()["flop"]
('dev-a', '1e21')
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, parse_party
from detente.base.quantity import ZERO, parse_decimal, show_decimal

Activity = Literal["training", "self_improvement", "compute", "deployment"]
ACTIVITIES: tuple[Activity, ...] = get_args(Activity)

_FACILITY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126})\Z", re.ASCII)
_MEMBERS = frozenset({"activity", "party", "run", "proposal", "version", "facility", "flop", "on_behalf_of"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One act, before it is done. ``run`` is the statement id of the ``run``; ``flop`` the planned total of it."""

    activity: Activity
    party: Party
    run: Digest | None = None
    proposal: Digest | None = None
    version: Digest | None = None
    facility: str | None = None
    flop: Decimal | None = None
    on_behalf_of: Party | None = None

    def __post_init__(self) -> None:
        missing = _missing(self)
        if missing:
            raise Refused(
                "G02",
                "malformed",
                got=f"an intent of {self.activity} without {missing}",
                expected=f"{self.activity} to name its {missing}",
            )
        if self.flop is not None and self.flop < ZERO:
            raise Refused("G03", "malformed", got=f"flop {self.flop}", expected="flop ≥ 0")

    def as_json(self) -> dict[str, str | None]:
        """Every member, absent ones as null, so that one intent has one spelling."""
        return {
            "activity": self.activity,
            "party": self.party,
            "run": self.run,
            "proposal": self.proposal,
            "version": self.version,
            "facility": self.facility,
            "flop": None if self.flop is None else show_decimal(self.flop),
            "on_behalf_of": self.on_behalf_of,
        }


def parse_intent(value: object) -> Intent:
    """Read an intent from a parsed JSON value; raises ``Refused`` G01 to G03, or B01, B04, B06 for its parts."""
    if not isinstance(value, Mapping) or set(value) != _MEMBERS:
        raise Refused("G01", "malformed", got=shown(value), expected="an object with " + ", ".join(sorted(_MEMBERS)))
    fields: Mapping[str, Any] = value
    activity = fields["activity"]
    if not isinstance(activity, str) or activity not in ACTIVITIES:
        raise Refused("G01", "malformed", got=f"activity {shown(activity)}", expected="one of " + ", ".join(ACTIVITIES))
    facility = fields["facility"]
    if facility is not None and not (isinstance(facility, str) and _FACILITY.match(facility)):
        raise Refused(
            "G01", "malformed", got=f"facility {shown(facility)}", expected="a name of at most 127 characters"
        )
    return Intent(
        activity=activity,
        party=parse_party(fields["party"]),
        run=_digest(fields["run"]),
        proposal=_digest(fields["proposal"]),
        version=_digest(fields["version"]),
        facility=facility,
        flop=None if fields["flop"] is None else parse_decimal(fields["flop"]),
        on_behalf_of=None if fields["on_behalf_of"] is None else parse_party(fields["on_behalf_of"]),
    )


def _digest(value: object) -> Digest | None:
    return None if value is None else parse_digest(value)


def _missing(intent: Intent) -> str:
    if intent.activity in {"training", "self_improvement"} and intent.run is None:
        return "run"
    if intent.activity == "deployment" and intent.version is None:
        return "version"
    if intent.activity == "compute" and intent.on_behalf_of is None:
        return "on_behalf_of"
    return ""
