"""A reviewer of an auditor approves, as the auditor's own node would be told."""

from detente.adapters.clock import SystemClock
from detente.app.holding import signed_approval
from detente.app.petition import Speaker
from detente.base.digest import Digest
from detente.testing.coalition import REVIEWER, Coalition


def approval_envelope(coalition: Coalition, proposal: Digest) -> bytes:
    """The approval of the first mirror's reviewer, by a software key."""
    auditor = coalition.mirrors[0]
    speaker = Speaker(
        accord=coalition.accord,
        terms_version=1,
        party=auditor,
        signer=coalition.signer(auditor, "statement"),
        wall=SystemClock().now,
    )
    _, envelope = signed_approval(
        proposal,
        "approve",
        reviewer=REVIEWER,
        reviewer_key=coalition.signer(auditor, "reviewer"),
        speaker=speaker,
        same_host=False,
        significant="yes",
    )
    return envelope
