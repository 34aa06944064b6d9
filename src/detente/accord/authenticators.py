"""What a reviewer's authenticator is worth under the terms, and by which words it is called wherever it appears.

Decides the label of an approval and whether its authenticator is of the kind that a hold point asks for. Leaves out that its
assertion verifies (``statement.approval``) and that it is enrolled (``credentials``). Normative: ``spec/terms.md`` §2.4.

- ``software`` takes any. ``passkey`` takes a passkey or an ssh security key, which verified its user; without attestation nobody
  can tell either from a program. ``attested`` takes a passkey that cannot be copied and whose maker, up to a root that the
  terms list, says what it is; or a test device that the terms name.
- A test device is called so wherever it appears: its model is its own word.

>>> device_at_least("attested", "passkey"), device_at_least("software", "passkey")
(True, False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.accord.document import Node
from detente.accord.fields import Fields, listed, text
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused, shown
from detente.statement.credential import VerifiedCredential

Device = Literal["software", "passkey", "attested"]
DEVICES: Final[tuple[Device, ...]] = get_args(Device)
"""From the weakest on."""
Label = Literal[
    "software key", "security key (ssh)", "passkey, synced", "passkey, device-bound, not attested", "passkey, attested",
    "test device",
]  # fmt: skip
LISTED_MAX: Final = 64
_AAGUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.ASCII)
NO_MODEL: Final = "00000000-0000-0000-0000-000000000000"
"""What an authenticator says that does not want to name its model."""


@dataclass(frozen=True, slots=True)
class Authenticators:
    """Whose word on an authenticator is believed: SHA-256 of makers' root certificates, and models used for tests."""

    attestation_roots: tuple[Digest, ...] = ()
    test_devices: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.attestation_roots or self.test_devices)


def read_authenticators(node: Node, errors: list[Refused]) -> Authenticators:
    """The member ``authenticators`` of terms; errors are added."""
    fields = Fields(node, errors)
    roots = fields.take("attestation_roots", listed(lambda item: parse_digest(text(item)), 1, LISTED_MAX), ())
    devices = fields.take("test_devices", listed(_aaguid, 1, LISTED_MAX), ())
    fields.done()
    return Authenticators(tuple(sorted(set(roots or ()))), tuple(sorted(set(devices or ()))))


def _aaguid(node: Node) -> str:
    value = text(node)
    if not _AAGUID.match(value) or value == NO_MODEL:
        raise Refused(
            "T08",
            "malformed",
            got=f"{node.where} {shown(value)}",
            expected="the AAGUID of a model, in lower case with hyphens; not zeros, which every model may say",
        )
    return value


def show_aaguid(aaguid: bytes) -> str:
    """The spelling that terms use.

    >>> show_aaguid(bytes(15) + bytes((1,)))
    '00000000-0000-0000-0000-000000000001'
    """
    digits = aaguid.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def label_of(known: VerifiedCredential | None, authenticators: Authenticators) -> Label:
    """What to call the authenticator of a credential; without one it is a software key."""
    if known is None:
        return "software key"
    if known.aaguid is None:
        return "security key (ssh)"
    if show_aaguid(known.aaguid) in authenticators.test_devices:
        return "test device"
    if known.synced:
        return "passkey, synced"
    attested = not set(known.roots).isdisjoint(authenticators.attestation_roots)
    return "passkey, attested" if attested else "passkey, device-bound, not attested"


def device_of(known: VerifiedCredential | None, authenticators: Authenticators) -> Device:
    """The strongest that the authenticator passes for."""
    label = label_of(known, authenticators)
    if known is None:
        return "software"
    attested = label == "passkey, attested" or (label == "test device" and not known.synced)
    return "attested" if attested else "passkey"


def device_at_least(device: Device, asked: Device) -> bool:
    """Is the one at least as strong as the other?"""
    return DEVICES.index(device) >= DEVICES.index(asked)
