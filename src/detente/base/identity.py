"""Names of parties and public keys, with the gate a key passes before it is enrolled.

Everything signs with Ed25519. Authenticators of people may hold P-256 keys instead, since most of them know nothing else.

Verifiers disagree about small-order and non-canonical keys, so a rogue key could sign "anything" and two
honest parties could count different tallies. The gate refuses such keys once, at enrolment; proof of
possession is checked beside it in ``statement.keys``.

Source: RFC 8032 §5.1; the rules are B06 to B09 of ``spec/base.md``.

>>> parse_party("dev-a")
'dev-a'
"""

from __future__ import annotations

import re
from typing import NewType

from detente.base.errors import Refused, shown

Party = NewType("Party", str)
PublicKey = NewType("PublicKey", bytes)
"""32 bytes: an Ed25519 public key. 33 bytes: a point of P-256, compressed (SEC 1 §2.3.3)."""

_PARTY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII)
_KEY_TEXT = re.compile(r"ed25519:([0-9a-f]{64})\Z", re.ASCII)
_P256_TEXT = re.compile(r"p256:(0[23][0-9a-f]{64})\Z", re.ASCII)

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = (-121665 * pow(121666, _P - 2, _P)) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)

_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
"""FIPS 186-5 and SP 800-186 §3.2.1.3: y² = x³ − 3x + b over this prime, of prime order."""

_Point = tuple[int, int, int, int]
_IDENTITY: _Point = (0, 1, 1, 0)


def parse_party(text: object) -> Party:
    """1 to 63 of a-z, 0-9 and inner hyphens; raises ``Refused`` B06."""
    if not isinstance(text, str) or not _PARTY.match(text):
        raise Refused("B06", "malformed", got=shown(text), expected="a party name: a-z, 0-9, inner hyphens, ≤ 63")
    return Party(text)


def parse_key(text: object) -> PublicKey:
    """``ed25519:`` and 64 hexadecimal characters; spelling only, not the gate; raises ``Refused`` B07."""
    if isinstance(text, str) and (match := _KEY_TEXT.match(text)):
        return PublicKey(bytes.fromhex(match[1]))
    raise Refused("B07", "malformed", got=shown(text), expected="ed25519: and 64 lower-case hexadecimal characters")


def parse_authenticator_key(text: object) -> PublicKey:
    """As ``parse_key``, or ``p256:`` and 66 hexadecimal characters; spelling only, not the gate; raises ``Refused`` B07."""
    if isinstance(text, str) and (match := _P256_TEXT.match(text)):
        return PublicKey(bytes.fromhex(match[1]))
    return parse_key(text)


def show_key(key: PublicKey) -> str:
    """The spelling that ``parse_key`` or ``parse_authenticator_key`` reads."""
    return f"{'p256' if len(key) == 33 else 'ed25519'}:{key.hex()}"


def check_authenticator_key(key: PublicKey) -> PublicKey:
    """The gate for what an authenticator holds. Ed25519 as ``check_key_strength``; P-256: a point of the curve, B08."""
    if len(key) != 33:
        return check_key_strength(key)
    p256_y(key)
    return key


def p256_y(key: PublicKey) -> int:
    """The other coordinate of a compressed point of P-256; raises ``Refused`` B08 where there is none."""
    x = int.from_bytes(key[1:], "big")
    square = (x * x * x - 3 * x + _P256_B) % _P256
    y = pow(square, (_P256 + 1) // 4, _P256)
    if len(key) != 33 or key[0] not in {2, 3} or x >= _P256 or y * y % _P256 != square or y == 0:
        raise Refused("B08", "weak-key", got=key.hex(), expected="a canonical point of P-256")
    return y if y & 1 == key[0] & 1 else _P256 - y


def check_key_strength(key: PublicKey) -> PublicKey:
    """The enrolment gate; about 2 ms. Returns the key or raises ``Refused``.

    1. The y coordinate is below p (canonical encoding) and no sign bit stands on x = 0: B08.
    2. It names a point of the curve: B08.
    3. The point lies in the subgroup of prime order and is not the identity: B09.
    """
    if len(key) != 32:
        raise Refused("B08", "weak-key", got=f"{len(key)} bytes", expected="32 bytes")
    encoded = int.from_bytes(key, "little")
    sign, y = encoded >> 255, encoded & ((1 << 255) - 1)
    if y >= _P:  # 1
        raise Refused("B08", "weak-key", got=key.hex(), expected="a canonical encoding (y < p)")
    x = _recover_x(y, sign)
    if x is None:  # 1, 2
        raise Refused("B08", "weak-key", got=key.hex(), expected="a canonical point of the curve")
    point: _Point = (x, y, 1, x * y % _P)
    if _is_identity(point) or not _is_identity(_multiply(_L, point)):  # 3
        raise Refused("B09", "weak-key", got=key.hex(), expected="a point of prime order")
    return key


def _recover_x(y: int, sign: int) -> int | None:
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * _SQRT_M1 % _P
    if (x * x - x2) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    result = _IDENTITY
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _is_identity(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0
