"""Private keys as files that only their owner may read.

Decides how a seed is kept and that a file open to others is not used. Leaves out what a key is for (``app.init``) and
hardware custody: whoever has that writes another ``Signer``. Rules C01 to C03 of ``spec/store.md``.

- A key file is one line: ``detente-key-v1 ed25519 <64 hexadecimal characters of the seed>``. C02.
- It belongs to the user who runs the node, and nobody else may read or write it (0600). C01.
- It is never overwritten: a lost seed is lost. C03.

>>> spell_seed(bytes(32))[:22]
'detente-key-v1 ed25519'
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from detente.base.errors import Refused, Unavailable
from detente.statement.signing import SoftwareSigner

SEED_BYTES = 32
_LINE = re.compile(r"detente-key-v1 ed25519 ([0-9a-f]{64})\n\Z", re.ASCII)
_FILE_MAX = 256


def spell_seed(seed: bytes) -> str:
    """The content of a key file."""
    return f"detente-key-v1 ed25519 {seed.hex()}\n"


def make_key(path: Path) -> SoftwareSigner:
    """Make a new key and its file, durable before it is returned; raises ``Refused`` C03 where one exists."""
    seed = secrets.token_bytes(SEED_BYTES)
    store_key(path, seed)
    return SoftwareSigner(seed)


def store_key(path: Path, seed: bytes) -> None:
    """Write a key file with mode 0600; raises ``Refused`` C03 where one exists, ``Unavailable`` from the disk."""
    store_private(path, spell_seed(seed).encode("ascii"))


def store_private(path: Path, data: bytes) -> None:
    """Write a secret's file with mode 0600; raises ``Refused`` C03 where one exists, ``Unavailable`` from the disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(
            "C03",
            "conflict",
            got=f"a key file at {path}",
            expected="none: a key is never overwritten",
            todo="use the key that is there, or move it away first",
        ) from None
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path, limit: int, *, todo: str = "run `detente init`") -> bytes:
    """At most ``limit`` bytes of a file of ours that nobody else may read or write: C01. Raises ``Unavailable`` when there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A fifo in its place must not hang us.
    except OSError as error:
        raise Unavailable(f"cannot read the key {path}: {error.strerror}; {todo}") from None
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        mode = stat.S_IMODE(about.st_mode)
        if not stat.S_ISREG(about.st_mode) or mode & 0o077 or about.st_uid != os.geteuid():
            raise Refused(
                "C01",
                "weak-key",
                got=f"{path} with mode {mode:04o} of user {about.st_uid}",
                expected=f"a file of user {os.geteuid()} with mode 0600",
                todo=f"chmod 600 {path}, and think about who read it meanwhile",
            )
        return file.read(limit)


def read_key(path: Path) -> SoftwareSigner:
    """The signer of a key file.

    1. It is a file of ours that nobody else may read or write: C01.
    2. It has the one line of a key file: C02.

    Raises ``Unavailable`` when there is none. No message shows what stands in the file.
    """
    data = read_private(path, _FILE_MAX)  # 1
    match = _LINE.match(data.decode("ascii", "replace"))
    if match is None:  # 2
        raise Refused("C02", "malformed", got=f"{path} of {len(data)} bytes", expected="the line of a key file")
    return SoftwareSigner(bytes.fromhex(match[1]))
