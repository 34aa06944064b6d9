"""What a hold point asks of its reviewers, read from terms. Normative: ``spec/terms.md`` §2 (``need`` of ``hold_points``)."""

from __future__ import annotations

from detente.accord.authenticators import DEVICES
from detente.accord.fields import Fields, flag, listed, name, one_of, positive
from detente.accord.terms import HoldNeed


def read_hold_need(f: Fields) -> HoldNeed:
    """The members of ``need``; what is absent is the stricter, but for who approves and how thoroughly."""
    return HoldNeed(
        humans=f.take("humans", positive),
        organisations=f.take("organisations", positive, 1),
        author_excluded=f.take("author_excluded", flag, True),
        device=f.take("device", one_of(*DEVICES), "attested"),
        same_host=f.take("same_host", one_of("accept", "refuse"), "refuse"),
        by=f.take("by", listed(name, 1, 64), ()),
        significant=f.take("significant", flag, False),
        screened=f.take("screened", flag, False),
        confirmed=f.take("confirmed", flag, False),
    )
