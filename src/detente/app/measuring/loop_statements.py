"""Statements of versions out of logs or files, unverified: what was claimed, for ``measure.loops.statements``.

Decides where statements are found: static files of one log or of several in a folder, or envelopes as JSON files. Leaves
out signatures (``log_verifying``) and what the claims amount to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detente.adapters.loop_files import FolderFiles
from detente.app.log_verifying import FolderSource
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.log.head import parse_checkpoint
from detente.log.note import parse_note
from detente.log.tiles import bundle_path, bundles_for, parse_bundle
from detente.statement.envelope import MAX_ENVELOPE_BYTES, parse_envelope
from detente.statement.statement import parse_statement

CHECKPOINT = "checkpoint"
_WANTED = frozenset({"version", "proposal", "approval"})
Claim = tuple[str, Any, Digest]


def is_log(path: Path) -> bool:
    """Static files of a log, or a folder of such folders."""
    return (path / CHECKPOINT).is_file() or any(path.glob(f"*/{CHECKPOINT}"))


def read_logs(path: Path) -> tuple[tuple[Claim, ...], int]:
    """The claims of every log below a folder, each once, and how many entries are no statement; raises ``Refused``."""
    logs = [path] if (path / CHECKPOINT).is_file() else sorted(each.parent for each in path.glob(f"*/{CHECKPOINT}"))
    return _claims(entry for log in logs for entry in _entries(log))


def read_envelopes(files: FolderFiles) -> tuple[tuple[Claim, ...], int]:
    """The claims of the files that look like envelopes; others are not looked at."""
    data = (files.read(name) for name in files.names if name.endswith(".json"))
    return _claims(each for each in data if len(each) <= MAX_ENVELOPE_BYTES and b'"payloadType"' in each)


def _entries(folder: Path) -> Iterator[bytes]:
    source = FolderSource(folder)
    size = parse_checkpoint(parse_note(source.read(CHECKPOINT)).text).size
    for bundle in bundles_for(size):
        yield from parse_bundle(source.read(bundle_path(bundle)), count=bundle.width)


def _claims(entries: Iterator[bytes]) -> tuple[tuple[Claim, ...], int]:
    found: dict[Digest, Claim] = {}
    unread = 0
    for entry in entries:
        try:
            statement = parse_statement(parse_envelope(entry))
        except Refused:
            unread += 1  # stored and without effect, as everywhere
            continue
        if statement.kind in _WANTED:
            found[statement.id] = (statement.kind, statement.body, statement.id)
    return tuple(found[each] for each in sorted(found)), unread
