"""SSHSIG of FIDO security keys: the signatures that ``ssh-keygen -Y sign`` makes in a terminal.

Decides that one was made for exactly this message and namespace, by this key for this application, by a security key that
had its user present and verified. Leaves out whose the key is. Reads also the public keys and the armour that the program
writes.

- ``sk-ssh-ed25519@openssh.com`` and ``sk-ecdsa-sha2-nistp256@openssh.com``; SHA-256 and SHA-512 of the message.
- Every length is exact and nothing follows: one signature has one spelling, but for the two values of s in ECDSA.

Rules S31, S32, S34, S35, S36; ``spec/statement.md`` §8.4. Source: OpenSSH, PROTOCOL.sshsig and PROTOCOL.u2f; RFC 4251 §5.

>>> put(b"abc").hex()
'00000003616263'
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from detente.base.errors import Refused, shown
from detente.base.identity import PublicKey, check_authenticator_key, p256_y, show_key
from detente.statement.assertion import SSHSIG_MAX, SshAssertion
from detente.statement.signing import verify_authenticator
from detente.statement.webauthn import check_person, point_of

ED25519: Final = b"sk-ssh-ed25519@openssh.com"
ECDSA: Final = b"sk-ecdsa-sha2-nistp256@openssh.com"
MAGIC: Final = b"SSHSIG"
_CURVE: Final = b"nistp256"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES: Final = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class SecurityKey:
    """A security key's public key, and the application that it is for: ``ssh:`` unless somebody chose another."""

    key: PublicKey
    application: str


@dataclass(frozen=True, slots=True)
class SecurityKeyData:
    """What the security key itself said: flags, and its counter, 0 where it has none."""

    flags: int
    counter: int


class _Reader:
    """Takes a blob apart from the left; raises ``Refused`` S32 where it ends too early, or too late."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def octets(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            _malformed(f"the end after {len(self._data)} bytes")
        self._at += count
        return found

    def number(self) -> int:
        return int.from_bytes(self.octets(4), "big")

    def string(self) -> bytes:
        return self.octets(self.number())

    def positive(self) -> int:
        """A multiple precision integer in its one spelling."""
        octets = self.string()
        if (
            not octets
            or octets[0] & 0x80
            or len(octets) > 33
            or (octets[0] == 0 and not (octets[1:] or b"\0")[0] & 0x80)
        ):
            _malformed("a number in another spelling")
        return int.from_bytes(octets, "big")

    def done(self) -> None:
        if self._at != len(self._data):
            _malformed(f"{len(self._data) - self._at} bytes that follow")


def put(octets: bytes) -> bytes:
    """A string of the format: its length as four bytes, and itself."""
    return len(octets).to_bytes(4, "big") + octets


def key_blob(key: SecurityKey) -> bytes:
    """The public key as the format has it."""
    name = put(key.application.encode())
    if len(key.key) == 33:
        point = b"\x04" + key.key[1:] + p256_y(key.key).to_bytes(32, "big")
        return put(ECDSA) + put(_CURVE) + put(point) + name
    return put(ED25519) + put(key.key) + name


def parse_key_blob(data: bytes) -> SecurityKey:
    """A security key's public key; raises ``Refused`` S32 for any other, B08 and B09 for a weak one."""
    reader = _Reader(data)
    kind = reader.string()
    if kind == ED25519:
        key = check_authenticator_key(_sized(reader.string(), 32))
    elif kind == ECDSA:
        if reader.string() != _CURVE:
            _malformed("another curve")
        point = _sized(reader.string(), 65)
        if point[0] != 4:
            _malformed("a point in another spelling")
        key = point_of(point[1:33], point[33:])
    else:
        _malformed(f"a key of type {shown(kind)}", f"{ED25519.decode()} or {ECDSA.decode()}")
    application = reader.string()
    reader.done()
    if not application.startswith(b"ssh:") or not application.isascii() or len(application) > 128:
        _malformed(f"the application {shown(application)}", "one that begins with ssh:")
    return SecurityKey(key, application.decode("ascii"))


def parse_public_key(text: str) -> SecurityKey:
    """The line of a ``.pub`` file: type, key in base64, comment. Raises ``Refused`` S32, B08, B09."""
    words = text.split(None, 2)
    if len(text) > 4_096 or len(words) < 2 or words[0].encode() not in {ED25519, ECDSA}:
        _malformed(shown(text), "the public key of a FIDO security key, as `ssh-keygen -t ed25519-sk` writes it")
    return parse_key_blob(_base64(words[1]))


def parse_armour(text: str) -> bytes:
    """The binary form of a signature file; raises ``Refused`` S32."""
    lines = text.strip().splitlines()
    if len(text) > 4 * SSHSIG_MAX or len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        _malformed("no SSH signature", f"lines from {_BEGIN} to {_END}")
    return _base64("".join(lines[1:-1]))


def show_armour(blob: bytes) -> str:
    """The file that ``parse_armour`` reads, in lines of 70 as the program writes them."""
    text = base64.b64encode(blob).decode("ascii")
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def signed_data(message: bytes, namespace: str, algorithm: bytes = b"sha512") -> bytes:
    """What the format signs instead of the message: the namespace and the message's hash."""
    digest = _HASHES[algorithm](message).digest()
    return MAGIC + put(namespace.encode()) + put(b"") + put(algorithm) + put(digest)


def verify_sshsig(assertion: SshAssertion, message: bytes, namespace: str, application: str) -> SecurityKeyData:
    """Refuse unless the signature is over exactly this message in this namespace, by its key for this application.

    1. It is version 1 of the format, exactly: S32. By the key that the assertion names: S31.
    2. Its namespace is the one asked for, its application the one enrolled: S35.
    3. The user was present and verified: S36.
    4. The key signed it: S31. A signature over another message is such a one, since the format carries no message.
    """
    reader = _Reader(assertion.signature)  # 1
    if reader.octets(6) != MAGIC or reader.number() != 1:
        _malformed("another format or version", "SSHSIG version 1")
    key = parse_key_blob(reader.string())
    said, reserved, algorithm, signature = (reader.string() for _ in range(4))
    reader.done()
    if reserved or algorithm not in _HASHES:
        _malformed(f"the hash {shown(algorithm)}", "sha256 or sha512, and nothing reserved")
    if key.key != assertion.key:
        _unsigned(f"a signature by {show_key(key.key)}", show_key(assertion.key))
    if said != namespace.encode() or key.application != application:  # 2
        got = f"namespace {shown(said)}, application {shown(key.application)}"
        raise Refused("S35", "out-of-scope", got=got, expected=f"{namespace}, {application}")
    spelled, flags, counter = _signature(signature, key)
    check_person(flags)  # 3
    signed = hashlib.sha256(application.encode()).digest() + bytes((flags,)) + counter.to_bytes(4, "big")
    signed += hashlib.sha256(signed_data(message, namespace, algorithm)).digest()
    try:
        verify_authenticator(key.key, signed, spelled)  # 4
    except Refused:
        _unsigned(f"a signature that does not verify under {show_key(key.key)}", "one over this, by that key")
    return SecurityKeyData(flags, counter)


def _signature(data: bytes, key: SecurityKey) -> tuple[bytes, int, int]:
    """Signature as ``verify_authenticator`` takes it, flags, counter."""
    reader = _Reader(data)
    if reader.string() != (ECDSA if len(key.key) == 33 else ED25519):
        _malformed("a signature of another type than its key")
    octets = reader.string()
    if len(key.key) == 33:
        numbers = _Reader(octets)
        octets = encode_dss_signature(numbers.positive(), numbers.positive())
        numbers.done()
    flags, counter = reader.octets(1)[0], reader.number()
    reader.done()
    return octets, flags, counter


def _sized(octets: bytes, size: int) -> PublicKey:
    if len(octets) != size:
        _malformed(f"a key of {len(octets)} bytes", f"{size} bytes")
    return PublicKey(octets)


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        _malformed("text that is no base64", "base64")


def _malformed(got: str, expected: str = "the signature of a FIDO security key in the format SSHSIG") -> NoReturn:
    raise Refused("S32", "malformed", got=got, expected=expected)


def _unsigned(got: str, expected: str) -> NoReturn:
    raise Refused("S31", "bad-signature", got=got, expected=expected)
