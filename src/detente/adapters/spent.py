"""What was spent: answers and approvals that are good for one act.

Decides how it is known, across processes and crashes, that something was used. Leaves out what may be spent (``guard.answer``).
Rule J02 of ``spec/asking.md``.

- One file for each, made exclusively: of two processes that spend the same thing one is refused.
- It is durable before ``spend`` returns, so a crash in the act leaves it spent.
- A file that was made and not finished counts as spent; one that this process could not finish is taken away again, since its act does not begin.
- Answers lapse: of those of an earlier boot, or whose time is over, the record is dropped once there are many. Proposals stay.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

from detente.adapters.files import disk_error, sync_folder
from detente.base.errors import Refused, Unavailable
from detente.base.strict_json import encode_json, parse_json

KEPT_MAX: Final = 4_096
"""Records after which those that have lapsed are dropped; reading so many takes a tenth of a second."""
_RECORD_MAX: Final = 4_096


def replayed(key: str, about: str) -> Refused:
    """J02: it was spent before."""
    return Refused(
        "J02",
        "replayed",
        got=f"{key[:16]}… a second time, for {about}",
        expected="each answer, and each approval of one act, to be used once",
        todo="ask again",
    )


class Spent:
    """The record below one home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "spent"

    def has(self, key: str) -> bool:
        """Was it spent?"""
        return (self._folder / key).exists()

    def spend(self, key: str, *, about: str, boot_id: str, until_s: float | None) -> None:
        """Spend it; raises ``Refused`` J02 where that was done before, ``Unavailable`` where it cannot be kept.

        ``until_s`` (CLOCK_BOOTTIME) is when it could not be used any more in any case; None for never.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder / key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise replayed(key, about) from None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise Unavailable(f"got a key of {len(key)} characters; expected a digest") from None
            raise disk_error(error, self._folder) from None
        record = {"about": about[:200], "boot_id": boot_id, "until_s": None if until_s is None else int(until_s) + 1}
        try:
            try:
                os.write(handle, encode_json(record))
                os.fsync(handle)
            finally:
                os.close(handle)
            sync_folder(self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):  # Who raises does nothing with it; where this fails too it stays spent.
                (self._folder / key).unlink()
            raise disk_error(error, self._folder) from None

    def drop_lapsed(self, *, boot_id: str, now_s: float) -> int:
        """Drop the records of what nobody could use any more, if there are many; returns how many went."""
        try:
            paths = list(self._folder.iterdir())
        except OSError:
            return 0
        if len(paths) <= KEPT_MAX:
            return 0
        dropped = 0
        for path in paths:
            with contextlib.suppress(OSError, Refused):
                record = parse_json(path.read_bytes()[: _RECORD_MAX + 1], limit=_RECORD_MAX)
                until_s = record.get("until_s") if isinstance(record, dict) else None
                if type(until_s) is int and (record.get("boot_id") != boot_id or until_s < now_s):
                    path.unlink()
                    dropped += 1
        return dropped
