"""The gate of a cluster: one folder on the controller, and whether a job may start by what stands in it.

Decides where each file is and that what cannot be read shuts. Leaves out who writes them (``app.slurm.posting``, ``app.slurm.pausing``).
``spec/slurm.md`` §1 and §3, U01 to U07.

::

    gate.json    whose leave is expected: accord, party, guard key, standing run
    terms.yaml   the founding terms, whose digest is the accord
    leave        the posted leave (guard.posted)
    closed       there while the cluster is paused; its line is what users are told
    paused.json  what the pause has done so far (app.slurm.record)
    .room        bytes that are given back on a full disk, for a pause: closed, paused.json, the requests and their answers
    seen/epoch   the highest epoch that the prolog has accepted; SlurmUser's
    jobs/<id>/   the control directory of a job (spec/receipt.md §2), its user's
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from detente.accord.terms import Terms, parse_terms
from detente.adapters.clock import SystemClock
from detente.adapters.files import store_file, write_with_room
from detente.app.guarding import Clock
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.identity import Party, PublicKey, parse_key, parse_party, show_key
from detente.base.strict_json import encode_json, parse_json
from detente.guard.intent import Intent
from detente.guard.permit import VerifiedPermit
from detente.guard.posted import POSTED_MAX, PostedFor, PostedLeave, parse_posted, verify_posted
from detente.guard.trust import trust_of

FORMAT: Final = "detente/slurm-gate/1"
SMALL_MAX = 16_384
CLOSED_MAX = 4_096
TERMS_MAX = 4 * 2**20
EPOCH_DIGITS = 19
ROOM: Final = ".room"
ROOM_BYTES = 2**20
"""The record of 3,000 jobs, beside the one before it; a request and a receipt take 4,096 bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whose leave a gate expects: the guard of a party, for the standing run of a cluster."""

    accord: Digest
    party: Party
    guard: PublicKey
    run: Digest

    @property
    def intent(self) -> Intent:
        """What is asked for a cluster: to train. Which FLOP is for the jobs' own guards to plan."""
        return Intent(activity="training", party=self.party, run=self.run, flop=Decimal(0))

    def encode(self) -> bytes:
        value = {
            "format": FORMAT,
            "accord": self.accord,
            "party": self.party,
            "guard": show_key(self.guard),
            "run": self.run,
        }
        return encode_json(value) + b"\n"


class Gate:
    """One gate's folder. ``clock`` is the machine's own outside tests."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder = folder
        self._clock = clock or SystemClock()

    @property
    def leave(self) -> Path:
        return self.folder / "leave"

    @property
    def closed(self) -> Path:
        return self.folder / "closed"

    @property
    def room(self) -> Path:
        return self.folder / ROOM

    @property
    def jobs(self) -> Path:
        return self.folder / "jobs"

    @property
    def seen(self) -> Path:
        return self.folder / "seen" / "epoch"

    def shut_by(self, *, keep: bool = False) -> str:
        """Why no job may start now; empty where one may. Whatever fails is a reason. ``keep``: remember the epoch, as SlurmUser."""
        try:
            self.check_open()
            epoch = self.check_leave().permit.epoch
            if keep:
                self.keep_epoch(epoch)
        except DetenteError as error:
            return str(error)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"the gate failed: {error!r}"[:500]
        return ""

    def check_open(self) -> None:
        """Refuses U01 while ``closed`` is there, ``Unavailable`` where that cannot be told."""
        said = _read(self.closed, CLOSED_MAX)
        if said is not None:
            line = said.decode("utf-8", "replace").partition("\n")[0]
            raise Refused(
                "U01",
                "paused",
                got=line,
                expected="a cluster that is not paused",
                todo="`detente slurm status` says where it stands",
            )

    def check_leave(self) -> VerifiedPermit:
        """The permit behind the posted leave, now; refuses U02 to U07 and P01 to P16."""
        leave = self.read_leave()
        return verify_posted(
            leave,
            expected=self.expected(),
            boot_id=self._clock.boot_id(),
            now_s=self._clock.boottime_s(),
            last_epoch=self._last_epoch(),
        )

    def read_leave(self) -> PostedLeave:
        """The leave as it is posted; refuses U02, U03, U04."""
        data = _read(self.leave, POSTED_MAX)
        if data is None:
            raise Refused(
                "U02",
                "not-found",
                got=f"no {self.leave}",
                expected="the leave that is posted there",
                todo="start `detente slurm watch`",
            )
        return parse_posted(data)

    def terms(self) -> Terms:
        """The founding terms; refuses N01 where they are not those of the accord."""
        data = _read(self.folder / "terms.yaml", TERMS_MAX) or b""
        accord = self.standing().accord
        if (got := sha256_hex(data)) != accord:
            raise Refused(
                "U07",
                "corrupt",
                got=f"terms.yaml with digest {got}",
                expected=f"the terms of accord {accord}",
                todo=_AGAIN,
            )
        return parse_terms(data)

    def standing(self) -> Standing:
        """Whose leave is expected; refuses U07 where ``gate.json`` does not say."""
        data = _read(self.folder / "gate.json", SMALL_MAX)
        try:
            value: Any = parse_json(data or b"", limit=SMALL_MAX)
            if value["format"] != FORMAT:
                raise KeyError("format")
            return Standing(
                accord=parse_digest(value["accord"]),
                party=parse_party(value["party"]),
                guard=parse_key(value["guard"]),
                run=parse_digest(value["run"]),
            )
        except (Refused, KeyError, TypeError) as error:
            raise Refused(
                "U07", "corrupt", got=f"{self.folder / 'gate.json'}: {error}", expected=f"a gate, {FORMAT}", todo=_AGAIN
            ) from None

    def expected(self) -> PostedFor:
        """What a posted leave has to be for."""
        standing, terms = self.standing(), self.terms()
        return PostedFor(
            trust=trust_of(standing.accord, terms), terms=terms.digest, guard=standing.guard, intent=standing.intent
        )

    def close(self, why: str) -> None:
        """Admit nothing from now on; durable when it returns, on a full disk too."""
        write_with_room(self.room, lambda: store_file(self.closed, f"{why}\n".encode(), mode=0o644))

    def keep_room(self) -> None:
        """Keep room on the disk for the next pause; raises as ``store_file``."""
        store_file(self.room, bytes(ROOM_BYTES))

    def open(self) -> None:
        """Take ``closed`` away."""
        self.closed.unlink(missing_ok=True)

    def post(self, data: bytes) -> None:
        """Replace the posted leave at once, for readers of every user."""
        _publish(self.leave, data, mode=0o644)

    def keep_epoch(self, epoch: int) -> None:
        """Remember the highest epoch seen; raises ``OSError``: what cannot be remembered is not relied on."""
        if epoch > self._last_epoch():
            _publish(self.seen, f"{epoch}\n".encode(), mode=0o644)

    def _last_epoch(self) -> int:
        data = _read(self.seen, EPOCH_DIGITS + 1)
        if data is None:
            return 0
        text = data.decode("ascii", "replace").strip()
        if not text.isdigit():
            raise Refused("U07", "corrupt", got=f"{self.seen}: {text[:40]!r}", expected="the last epoch", todo=_AGAIN)
        return int(text)


_AGAIN = "run `detente slurm install` again"


def _publish(path: Path, data: bytes, *, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _read(path: Path, most: int) -> bytes | None:
    """The bytes of a file, ``None`` where there certainly is none; raises ``Unavailable``, ``Refused`` U03 for too many."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    if len(data) > most:
        raise Refused("U03", "malformed", got=f"{path.name} of more than {most} bytes", expected="a short file")
    return data
