r"""C2SP log policies: which logs, which witnesses, and which sets of witnesses are enough.

The portable form of a trust decision, for verifiers outside an accord. Inside, the terms' mirrors and quorum
count (``checkpoint``), because a policy knows keys but no parties.

- A line is one of log, witness, group, quorum; octets 0x09, 0x0A, 0x20–0x7E, 0x80–0xFF: L60.
- A public key is listed once among logs and once among witnesses, whatever its name and id: L61.
- A name is defined once, before it is used, and joins one group at most: L62.
- A group has n ≥ 1 members and 1 ≤ k ≤ n: L63. There is one quorum line: L64.
- Keys of type 06 (ML-DSA-44) are carried; their signatures are not verified here, so they never count.
- At most 64 KiB and 256 lines of a kind: L65. Too few witnesses refuse a head: L66.

Source: c2sp.org/tlog-policy at revision 5ba5ee83. Section 8 of ``spec/log.md``.

>>> quorum_met(parse_policy(b"quorum none\n"), set())
True
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from detente.base.errors import Refused, shown
from detente.base.identity import PublicKey
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint
from detente.log.cosignature import collect_cosignatures
from detente.log.head import parse_checkpoint
from detente.log.note import COSIGNATURE, ED25519, ML_DSA, NoteKey, encode_vkey, parse_note, parse_vkey, verify_note

POLICY_MAX = 65_536
LINES_MAX = 256
"""Logs, witnesses or groups: C2SP asks for at least 32 of each."""
NONE = "none"

_OCTETS = re.compile(rb"[\x09\x0a\x20-\x7e\x80-\xff]*\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose heads are accepted; its key's name is its origin."""

    key: NoteKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness and the name it has inside this policy."""

    name: str
    key: NoteKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Witnesses a head when at least ``threshold`` of its members do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Names are Latin-1 views of opaque octets: equal octets, equal names. Groups stand in order of definition."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str


class _Reader:
    """The state of one reading: what is defined so far and what has already joined a group."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[PolicyGroup] = []
        self.quorum: str | None = None
        self.names: set[str] = {NONE}
        self.joined: set[str] = set()

    def read_log(self, words: list[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise _malformed("log <vkey> [<url>]", words)
        key = _vkey(words[0])
        if key.kind not in {ED25519, ML_DSA}:
            raise _malformed("a log key of type 1 or 6", words)
        _check_new(key, [log.key for log in self.logs])
        self.logs.append(PolicyLog(key, *words[1:]))

    def read_witness(self, words: list[str]) -> None:
        if not 2 <= len(words) <= 3:
            raise _malformed("witness <name> <vkey> [<url>]", words)
        key = _vkey(words[1])
        if key.kind not in {COSIGNATURE, ML_DSA}:
            raise _malformed("a witness key of type 4 or 6", words)
        _check_new(key, [witness.key for witness in self.witnesses])
        self.define(words[0])
        self.witnesses.append(PolicyWitness(words[0], key, *words[2:]))

    def read_group(self, words: list[str]) -> None:
        if len(words) < 3:
            raise _malformed("group <name> <k, all or any> <member>…", words)
        name, count, *members = words
        for member in members:
            if member not in self.names or member == NONE or member in self.joined:
                raise _bad_name(member, "a name defined above that is in no other group")
            self.joined.add(member)
        self.define(name)
        spelled = {"any": 1, "all": len(members)}
        threshold = spelled.get(count) or (int(count) if _NUMBER.match(count) else 0)
        if not 1 <= threshold <= len(members):
            raise Refused("L63", "malformed", got=shown(count), expected=f"all, any, or 1 to {len(members)}")
        self.groups.append(PolicyGroup(name, threshold, tuple(members)))

    def read_quorum(self, words: list[str]) -> None:
        if self.quorum is not None or len(words) != 1:
            raise _bad_quorum("another quorum line, or not one name")
        if words[0] not in self.names:
            raise _bad_name(words[0], "a name defined above, or none")
        self.quorum = words[0]

    def define(self, name: str) -> None:
        if name in self.names:
            raise _bad_name(name, "a name that is not defined above")
        self.names.add(name)


def parse_policy(data: bytes) -> Policy:
    """Read a policy file, line by line; raises ``Refused`` L60 to L65 (and L13, L14 for a key)."""
    if len(data) > POLICY_MAX:
        raise _oversized(f"{len(data)} bytes")
    if not _OCTETS.match(data) or (data and not data.endswith(b"\n")):
        raise Refused("L60", "malformed", got=shown(data, 40), expected="lines ended by newline, no control characters")
    reader = _Reader()
    readers = {
        "log": reader.read_log,
        "witness": reader.read_witness,
        "group": reader.read_group,
        "quorum": reader.read_quorum,
    }
    for line in data.decode("latin-1").split("\n"):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        if words[0] not in readers:
            raise _malformed("log, witness, group or quorum", words)
        readers[words[0]](words[1:])
        if max(len(reader.logs), len(reader.witnesses), len(reader.groups)) > LINES_MAX:
            raise _oversized(f"more than {LINES_MAX} of {words[0]}")
    if reader.quorum is None:
        raise _bad_quorum("no quorum line")
    return Policy(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)


def encode_policy(policy: Policy) -> bytes:
    """A policy file that reads back equal; raises the refusals of ``parse_policy`` for one that would not."""
    rows: list[list[str | None]] = [["log", _show_vkey(log.key), log.url] for log in policy.logs]
    rows += [["witness", one.name, _show_vkey(one.key), one.url] for one in policy.witnesses]
    rows += [["group", group.name, str(group.threshold), *group.members] for group in policy.groups]
    rows.append(["quorum", policy.quorum])
    text = "".join(" ".join(word for word in row if word is not None) + "\n" for row in rows)
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        raise Refused("L60", "malformed", got="a name beyond octets", expected="names as octets in Latin-1") from None
    if parse_policy(data) != policy:
        raise Refused("L60", "malformed", got="a word with spaces", expected="words without spaces or tabs")
    return data


def quorum_met(policy: Policy, keys: AbstractSet[PublicKey]) -> bool:
    """Do the witnesses with these public keys together make the quorum?"""
    if policy.quorum == NONE:
        return True
    met = {one.name for one in policy.witnesses if one.key.key in keys}
    for group in policy.groups:  # members stand above their group, so one pass is enough
        if sum(member in met for member in group.members) >= group.threshold:
            met.add(group.name)
    return policy.quorum in met


def verify_policy(note: bytes, policy: Policy) -> SignedCheckpoint:
    """Refuse unless ``note`` is a head of a listed log, cosigned by a quorum of the listed witnesses.

    1. The origin is a listed log's name: L22.
    2. The log's signature verifies: L15, L16.
    3. Every cosignature by a listed witness verifies: L15.
    4. They make the quorum: L66.
    """
    parsed = parse_note(note)
    origin = parse_checkpoint(parsed.text).origin
    keys = [log.key for log in policy.logs if log.key.name == origin]
    if not keys:  # 1
        raise Refused("L22", "out-of-scope", got=f"origin {shown(origin)}", expected="the origin of a listed log")
    # A log that changes its key is listed with both: either signature will do, but a wrong one refuses the note.
    signed = verify_checkpoint(note, verify_note(parsed, keys)[0].key)  # 2
    seen = collect_cosignatures(note, [witness.key for witness in policy.witnesses])  # 3
    if not quorum_met(policy, {PublicKey(one.key.key) for one in seen}):  # 4
        names = ", ".join(sorted({one.mirror_name for one in seen})) or "none"
        raise Refused("L66", "quorum", got=f"cosignatures of {names}", expected=f"the quorum {shown(policy.quorum)}")
    return signed


def _vkey(text: str) -> NoteKey:
    try:
        return parse_vkey(text.encode("latin-1").decode("utf-8"))
    except UnicodeDecodeError:
        raise Refused("L60", "malformed", got=shown(text), expected="a verifier key in UTF-8") from None


def _show_vkey(key: NoteKey) -> str:
    return encode_vkey(key).encode().decode("latin-1")


def _check_new(key: NoteKey, others: list[NoteKey]) -> None:
    if any(key.key == other.key for other in others):
        raise Refused("L61", "duplicate-key", got=f"{shown(key.name)} repeats a public key", expected="each key once")


def _malformed(expected: str, words: list[str]) -> Refused:
    return Refused("L60", "malformed", got=shown(" ".join(words)), expected=expected)


def _bad_name(name: str, expected: str) -> Refused:
    return Refused("L62", "malformed", got=shown(name), expected=expected)


def _bad_quorum(got: str) -> Refused:
    return Refused("L64", "malformed", got=got, expected="exactly one quorum line with one name")


def _oversized(got: str) -> Refused:
    return Refused("L65", "oversized", got=got, expected=f"≤ {POLICY_MAX} bytes, ≤ {LINES_MAX} of each kind of line")
