"""Open a successor of one's log: ``detente log succeed``.

Decides what the ``keys`` statement says, who signs it and where it is filed. Leaves out whether it counts
(``accord.successors``) and what closed the log (``logbook``). ``spec/log.md`` §10.

1. Own the home: C04. No node runs.
2. The log is closed here: it told two stories. ``although_open`` is for a log whose key was lost or stolen.
3. A key for the successor, kept in a file of its own; made once, so that asking again changes nothing.
4. The statement enrols it under an origin that no log had, revokes the old log's key, and follows the party's last ``keys``.
   The root keys given sign it. Where the threshold takes more, the others sign the same statement (``sign_also``): copies
   merge.
5. It is filed in the log of another party, whichever takes it: the closed one takes nothing.

Once it is witnessed, every node reads and mirrors the successor; once it has settled, this one writes there (``voice``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.adapters.client import NodeClient
from detente.adapters.files import store_file
from detente.adapters.keys import make_key, read_key
from detente.app.config import Config, load_config
from detente.app.node import Node, open_node
from detente.app.own_log import log_key_path
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Misuse, Refused, Unavailable
from detente.base.identity import Party, PublicKey
from detente.statement.envelope import add_signatures, encode_envelope, parse_envelope, sign_payload, statement_id
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A statement that opens a successor: by whom it was taken, or nobody yet."""

    statement: Digest
    envelope: bytes
    closes: str
    origin: str
    taken_by: Party | None = None
    witnessed: bool = False

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "statement": self.statement,
            "closes": self.closes,
            "origin": self.origin,
            "taken_by": self.taken_by,
            "witnessed": self.witnessed,
        }


async def prepare_successor(
    home: Path, *, roots: Sequence[Path] = (), origin: str | None = None, although_open: bool = False
) -> Opening:
    """Steps 1 to 4; raises ``Refused`` C04, N27, C01, C02, N01, N02, ``Misuse``, ``Unavailable``."""
    config = load_config(home)
    signers = [read_key(path) for path in roots or (config.key_path("root"),)]
    node = open_node(home)  # 1
    try:
        return _prepare(node, config, signers, origin, although_open=although_open)
    finally:
        await node.close()


def _prepare(
    node: Node, config: Config, signers: Sequence[SoftwareSigner], origin: str | None, *, although_open: bool
) -> Opening:
    own = node.coalition.own_log(node.party)
    if own is None:
        raise Refused(
            "N27", "unknown-role", got=f"{node.party}, which keeps no log", expected="a party with a log in the terms"
        )
    if not although_open and not node.book.find(own.origin).closed:  # 2
        raise Misuse(f"{own.origin} is not closed: it told one story as far as this home knows; see --although-open")
    count = sum(log.operator == node.party for log in node.coalition.logs.values())
    name = origin or f"{own.origin}-{count + 1}"
    path = log_key_path(config, name, successor=True)
    key = read_key(path) if path.exists() else make_key(path)  # 3
    sequence, previous = _last_keys(node)
    body = KeyRotation(
        sequence + 1,
        previous,
        (Enrolment("log", key.public_key, prove_possession(node.party, "log", key), name),),
        (PublicKey(own.key.key),),
    )
    header = Header(
        accord=node.evidence.accord,
        terms=node.coalition.terms.version,
        party=node.party,
        nonce=secrets.token_hex(16),
        made_at=node.clock.now(),
    )
    payload = make_payload("keys", header, (), body)
    return _opening(encode_envelope(sign_payload(payload, *signers)), own.origin, name)  # 4


def sign_also(envelope: bytes, roots: Sequence[Path]) -> bytes:
    """The same statement with the signatures of these root keys too; raises ``Refused`` S…, C01, C02."""
    return encode_envelope(add_signatures(parse_envelope(envelope), *(read_key(path) for path in roots)))


async def file_opening(home: Path, opening: Opening) -> Opening:
    """Step 5: the first of the peers that takes it; raises ``Unavailable`` with what each said."""
    said: list[str] = []
    for party, url in load_config(home).peers.items():
        client = NodeClient(url)
        try:
            receipt = await client.submit(opening.envelope)
        except (DetenteError, OSError) as error:
            said.append(f"{party}: {error}")
            continue
        finally:
            await client.close()
        return Opening(
            statement=opening.statement,
            envelope=opening.envelope,
            closes=opening.closes,
            origin=opening.origin,
            taken_by=party,
            witnessed=receipt.witnessed,
        )
    raise Unavailable(f"no peer takes the statement: {'; '.join(said) or 'config.toml names none'}")


def keep_opening(path: Path, opening: Opening) -> None:
    """Write the envelope to a file, for the holders of further root keys."""
    store_file(path, opening.envelope, mode=0o644)


def read_opening(envelope: bytes) -> Opening:
    """What an envelope that ``prepare_successor`` made says; raises ``Refused`` S…, ``Misuse`` for another statement."""
    from detente.statement.statement import parse_statement

    body = parse_statement(parse_envelope(envelope)).body
    name = next((e.name for e in body.enrol if e.use == "log"), None) if isinstance(body, KeyRotation) else None
    if name is None:
        raise Misuse("the file is not a statement that opens a log")
    return _opening(envelope, "", name)


def _opening(envelope: bytes, closes: str, origin: str) -> Opening:
    return Opening(statement=statement_id(parse_envelope(envelope)), envelope=envelope, closes=closes, origin=origin)


def _last_keys(node: Node) -> tuple[int, Digest | None]:
    """Sequence and id of the party's last ``keys`` that count; 0 and None before the first."""
    state = node.state()
    silent = {note.statement for note in state.notes if note.rule != "F22"}  # Such keys change keys, and open no log.
    found = [
        (item.body.sequence, item.id)
        for item in state.items.values()
        if isinstance(item.body, KeyRotation) and item.party == node.party and item.time is not None
        if item.id not in silent
    ]
    return max(found, default=(0, None))
