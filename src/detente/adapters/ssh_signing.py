"""Sign with a FIDO security key by way of OpenSSH: ``ssh-keygen -Y sign``.

Decides how the program is started and what it is given. Leaves out what is signed (``statement.approval``) and whether the result
verifies, which the caller checks as everybody will.

The message lies in a folder of its own that only this user reads. The program asks for PIN and touch by itself, on the terminal.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from detente.base.errors import Misuse, Unavailable
from detente.statement.sshsig import SecurityKey, parse_armour, parse_public_key

WAIT_S = 300.0
"""Seconds for a PIN and a touch."""
_TEXT_MAX = 65_536


def read_security_key(path: Path) -> SecurityKey:
    """The public key beside a key's file, or the file itself if it is the public one; raises ``Refused`` S32, B08, B09."""
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    return parse_public_key(_read(public))


def sign_by_ssh(path: Path, message: bytes, namespace: str) -> bytes:
    """The binary SSHSIG of ``message`` by the key at ``path``; raises ``Unavailable``, ``Misuse``, ``Refused`` S32."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise Unavailable("no ssh-keygen on PATH: OpenSSH's client has it")
    key = path.with_suffix("") if path.suffix == ".pub" else path
    with tempfile.TemporaryDirectory(prefix="detente-ssh-") as folder:
        asked = Path(folder) / "message"
        asked.write_bytes(message)
        command = [program, "-Y", "sign", "-f", str(key), "-n", namespace, str(asked)]
        try:
            done = subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=WAIT_S
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"ssh-keygen waited {WAIT_S:.0f} s for the security key at {key}") from None
        if done.returncode:
            why = done.stderr[-_TEXT_MAX:].decode("utf-8", "replace").strip().splitlines()
            raise Misuse(f"ssh-keygen did not sign with {key}: {why[-1] if why else f'exit {done.returncode}'}")
        return parse_armour(_read(asked.with_name("message.sig")))


def _read(path: Path) -> str:
    try:
        with path.open("r", encoding="ascii") as file:
            return file.read(_TEXT_MAX)
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"cannot read {path}: {error}") from None
