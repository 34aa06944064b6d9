"""What the hook of one repository saw: every move that git says was made, kept in the guard's home.

Decides where a ref was last seen. Leaves out who writes it: the installed script, a line for each move, once git has made it.

::

    <home>/git/<id>/installed.json   what was installed where (``installing``)
                    /moves           "<old> <new> <ref>" as git told it, a line each; the last of a ref is where it stands

A line that a crash cut short is not one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from detente.base.errors import Refused, Unavailable, shown

LET_THROUGH: Final = "let-through"
"""What the hook's process says where nothing is held; an exit code alone could be any program's."""
OBSERVE: Final = "observe"
"""The word in an installed script that makes its hook hold nothing."""
MOVES_MAX: Final = 64 << 20
"""Half a million moves; installing again keeps the last of each ref."""
LINES_MAX: Final = 100_000
_ID: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_LINE: Final = re.compile(r"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (\S.*)\Z")


def repository_folder(home: Path, common_dir: Path) -> Path:
    """The folder of one repository in a home; named after where it lies."""
    from detente.base.digest import sha256_hex

    return home / "git" / sha256_hex(str(common_dir.resolve()).encode("utf-8", "surrogateescape"))[:16]


class Journal:
    """The file of one repository."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "moves"

    def last_seen(self) -> dict[str, str]:
        """Ref → the commit that it was last moved to, empty where it was deleted; raises ``Refused`` J13, ``Unavailable``."""
        return {ref: "" if is_nothing(new) else new for new, ref in self._moves()}

    def last_stood(self) -> dict[str, str]:
        """Ref → the last commit that it was moved to, though it went away since; raises as ``last_seen`` does."""
        return {ref: new for new, ref in self._moves() if not is_nothing(new)}

    def seen_at(self, ref: str, commit: str) -> bool:
        """Was the ref moved to this commit before, as far as this file goes back? Raises as ``last_seen`` does."""
        return any(each == (commit, ref) for each in self._moves())

    def _moves(self) -> Iterator[tuple[str, str]]:
        """(new, ref) of each move, the first one first."""
        try:
            with self.path.open("rb") as file:
                data = file.read(MOVES_MAX + 1)
        except FileNotFoundError:
            raise Refused(
                "J13",
                "inconsistent",
                got=f"no record of moves at {self.path}",
                expected="the one that installing made",
                todo="`detente hook git install` again, once you know why it went",
            ) from None
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from None
        if len(data) > MOVES_MAX:
            raise Unavailable(f"{self.path} is over {MOVES_MAX >> 20} MiB: run `detente hook git install` again")
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            match = _LINE.match(line)
            if match:
                yield match[2], match[3]

    def store(self, seen: dict[str, str], id_length: int, *, stood: dict[str, str]) -> None:
        """Write anew: where each ref stands, and where each that went away stood last."""
        from detente.adapters.files import store_file  # heavy, and no move of a ref needs it

        nothing = "0" * id_length
        gone = {ref: commit for ref, commit in sorted(stood.items()) if not seen.get(ref)}
        lines = "".join(f"{nothing} {commit} {ref}\n" for ref, commit in gone.items())
        lines += "".join(f"{nothing} {commit or nothing} {ref}\n" for ref, commit in sorted(seen.items()))
        store_file(self.path, lines.encode("utf-8", "surrogateescape"))


def is_nothing(name: str) -> bool:
    """Git's id for nothing: only zeros."""
    return not name.strip("0")


def parse_moves(data: bytes) -> list[tuple[str, str, str]]:
    """What git writes to a hook: (old, new, ref) of each line; raises ``Refused`` J14.

    Later versions of git write ``ref:<name>`` in place of an id where a symbolic ref is moved.
    """
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) > LINES_MAX:
        raise _unread(f"{len(lines)} lines")
    moves = []
    for line in lines:
        parts = line.split(" ", 2)
        if len(parts) != 3 or not parts[2] or not all(_ID.match(one) or one.startswith("ref:") for one in parts[:2]):
            raise _unread(shown(line))
        moves.append((parts[0], parts[1], parts[2]))
    return moves


def _unread(got: str) -> Refused:
    return Refused("J14", "malformed", got=got, expected="lines of an old id, a new id and a ref, as git writes them")
