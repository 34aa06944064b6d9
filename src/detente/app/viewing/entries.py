"""The log explorer: which logs there are, their entries, and one entry with its proof, checked anew each time it is looked at.

Decides what of an entry is shown, and says in words what was checked and what was not. Leaves the checks to ``log``.

- A proof is made and then verified as a stranger would, from the bytes of the entry to a head with a quorum: a page that only
  said that all is well would be worth nothing.
- An entry that nobody can read is shown as what it is, with the reason why it has no effect.
"""

from __future__ import annotations

import json
from typing import Any, Final

from detente.accord.reason import Place
from detente.app.logbook import HeldLog
from detente.app.viewing.overview import heading
from detente.app.viewing.sight import Sight, Value, placed, when
from detente.app.viewing.telling import tell
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party, show_key
from detente.log.merkle import leaf_hash
from detente.log.proof import IncludedEntry, parse_proof, verify_logged, verify_proof
from detente.statement.envelope import parse_envelope
from detente.statement.statement import Statement, parse_statement

PAGE: Final = 50
"""Entries of one page."""
NEWEST: Final = 8
"""Entries of each log where all logs are listed."""


def view_logs(sight: Sight, log: str | None, before: int | None) -> Value:
    """Every log with its newest entries, or one log's entries before an index; raises ``Refused`` N21."""
    book = sight.node.book
    if log is None:
        logs = [_log_row(sight, held, NEWEST, held.size) for _, held in sorted(book.logs.items())]
        return {**heading(sight), "logs": logs, "log": None}
    held = book.find_hashed(log)
    end = held.size if before is None else min(before, held.size)
    return {**heading(sight), "logs": [], "log": _log_row(sight, held, PAGE, end)}


def _log_row(sight: Sight, held: HeldLog, most: int, end: int) -> Value:
    start = max(0, end - most)
    entries = sight.node.book.entries(held, start, end) if end else []
    return {
        **placed(Place(held.origin, end)),
        "operator": held.operator,
        "size": held.size,
        "witnessed": held.witnessed.size if held.witnessed is not None else 0,
        "closed": held.closed,
        "older": start or None,
        "shown": [_row(sight, Place(held.origin, start + number), data) for number, data in enumerate(entries)][::-1],
    }


def _row(sight: Sight, place: Place, data: bytes) -> Value:
    statement = _read(data)
    time = sight.node.evidence.place_time(place)
    row = {**placed(place), "witnessed_at": when(time)}
    if isinstance(statement, Refused):
        return {**row, "kind": None, "party": None, "says": "", "unreadable": str(statement)}
    return {
        **row,
        "kind": statement.kind,
        "party": statement.header.party,
        "says": tell(statement.body),
        "unreadable": "",
    }


def _read(data: bytes) -> Statement | Refused:
    try:
        return parse_statement(parse_envelope(data))
    except Refused as refused:
        return refused


def view_entry(sight: Sight, log: str, index: int) -> Value:
    """One entry of a log with its proof; raises ``Refused`` N21, N36."""
    held = sight.node.book.find_hashed(log)
    place = Place(held.origin, index)
    proof = sight.node.prove(place)
    (data,) = sight.node.book.entries(held, index, index + 1)
    return _entry(sight, place, data, _proved(sight, held, data, proof))


def view_statement(sight: Sight, statement: Digest) -> Value:
    """A statement wherever it stands: at its first place with the proof there, or in no log yet. Raises ``Refused`` N34."""
    filed = sight.node.find_statement(statement)
    if filed.places:
        return view_entry(sight, placed(filed.places[0])["log"], filed.places[0].index)
    return _entry(sight, None, filed.envelope, None)


def _entry(sight: Sight, place: Place | None, data: bytes, proof: Value | None) -> Value:
    statement = _read(data)
    value: Value = {
        **heading(sight),
        **placed(place),
        "bytes": len(data),
        "leaf": leaf_hash(data).hex(),
        "witnessed_at": when(None if place is None else sight.node.evidence.place_time(place)),
        "seen_by": [
            {"mirror": mirror, "at": when(time)}
            for mirror, time in (() if place is None else sight.node.evidence.seen_by(place))
        ],
        "proof": proof,
        "unreadable": "",
        "without_effect": [],
    }
    if isinstance(statement, Refused):
        notes = [note for note in sight.state.notes if note.place == place]
        return {
            **value,
            "statement_id": None,
            "unreadable": str(statement),
            "without_effect": [note.as_json() for note in notes],
            "entries": {},
        }
    header = statement.header
    item = sight.state.items.get(statement.id)
    note = sight.state.noted.get(statement.id)
    value |= {
        "statement_id": statement.id,
        "kind": statement.kind,
        "party": header.party,
        "says": tell(statement.body),
        "made_at": when(header.made_at),
        "terms_version": header.terms,
        "signers": sorted(
            [{"party": signer.party, "key": show_key(signer.key), "use": signer.use} for signer in item.signers]
            if item is not None
            else [],
            key=lambda each: each["key"],
        ),
        "counts": note is None and item is not None,
        "restricts": item.restricting if item is not None else None,
        "counts_from": when(None if item is None else item.counts_from(sight.terms.mirrors.settle_s)),
        "without_effect": [] if note is None else [note.as_json()],
        "payload": json.loads(parse_envelope(data).payload),
        "places": [placed(each) for each in sight.node.feed.places.get(statement.id, ())],
    }
    return {**value, "entries": sight.entries(_named_in(sight, value["payload"], statement.id))}


def _named_in(sight: Sight, payload: Any, own: Digest) -> list[Digest]:
    """The statements that the payload names anywhere, as far as they are here."""
    if isinstance(payload, dict):
        return list(dict.fromkeys(each for part in payload.values() for each in _named_in(sight, part, own)))
    if isinstance(payload, list):
        return list(dict.fromkeys(each for part in payload for each in _named_in(sight, part, own)))
    known = isinstance(payload, str) and payload != own and Digest(payload) in sight.state.items
    return [Digest(payload)] if known else []


def _proved(sight: Sight, held: HeldLog, data: bytes, proof: bytes) -> Value:
    """The proof, and what verifying it anew came to, step by step in words."""
    parsed = parse_proof(proof)
    coalition = sight.node.coalition
    rule = coalition.terms.mirrors
    operator: Party | None = None if rule.self_witnessed else held.operator
    quorum = 1 if rule.self_witnessed else rule.witness
    why = ""
    included: IncludedEntry
    try:
        included = verify_proof(
            parsed, data, log_key=held.about.key, mirrors=coalition.log_cosigners(), operator=operator, quorum=quorum
        )
    except Refused as refused:
        if refused.rule != "L24":
            raise
        why = str(refused)  # The log's own word, and no quorum yet.
        included = verify_logged(parsed, data, log_key=held.about.key)
    head = included.checkpoint
    witnesses = [] if included.witnessed is None else included.witnessed.cosignatures
    return {
        "text": proof.decode("utf-8", "replace"),
        "index": parsed.index,
        "head": {"size": head.size, "root": head.root.hex()},
        "hashes": [each.hex() for each in parsed.hashes],
        "quorum": included.witnessed is not None,
        "asked": quorum,
        "why_not": why,
        "cosigned": [
            {"mirror": coalition.cosigners[one.key], "name": one.mirror_name, "at": when(one.time_s)}
            for one in witnesses
        ],
    }
