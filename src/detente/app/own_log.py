"""Where a party's own log has its key and its head file, for the log of the terms and for each successor.

Decides names of files. Leaves out which log is in force (``coalition``) and what is in the files.

- The log of the terms: ``keys/log.key``, and the head file of the configuration.
- A successor: the same with the start of the SHA-256 of its origin, so that no log ever uses another's file.
"""

from __future__ import annotations

from pathlib import Path

from detente.adapters.keys import read_key
from detente.app.coalition import LogOf
from detente.app.config import Config
from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import PublicKey, show_key
from detente.statement.signing import SoftwareSigner


def log_key_path(config: Config, origin: str, *, successor: bool) -> Path:
    """The file of the key that signs the heads of a log."""
    return config.home / "keys" / (f"log-{_short(origin)}.key" if successor else "log.key")


def log_head_path(config: Config, about: LogOf) -> Path:
    """The file of the last signed head of a log."""
    path = config.head_path
    return path.with_name(f"{path.name}-{_short(about.origin)}") if about.successor else path


def log_signer(config: Config, about: LogOf) -> SoftwareSigner | None:
    """The signer of a log's heads, None where this home has no file of it; raises ``Refused`` N04, C01, C02."""
    path = log_key_path(config, about.origin, successor=about.successor)
    if not path.is_file():
        return None
    signer = read_key(path)
    if signer.public_key != about.key.key:
        raise Refused(
            "N04",
            "unknown-party",
            got=f"{path} with the key {show_key(signer.public_key)}",
            expected=f"the key of {about.origin}, {show_key(PublicKey(about.key.key))}",
            todo="put the right key file there",
        )
    return signer


def _short(origin: str) -> str:
    return sha256_hex(origin.encode())[:16]
