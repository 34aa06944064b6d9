"""Put a gate in front of a Slurm cluster, and look whether it still stands as it was put.

Decides what stands where and which lines slurm.conf needs. Leaves out what the files do (``hooks.slurm``, ``app.slurm.gate``).
``spec/slurm.md`` §1 and §7, U11. Installing again is the same as once.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from detente.adapters.files import store_file
from detente.adapters.slurm import try_prolog
from detente.app.outfit import Outfit
from detente.app.slurm.gate import Gate, Standing
from detente.app.slurm.record import RecordFile
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.strict_json import encode_json, parse_json
from detente.guard.posted import encode_none

LUA: Final = "job_submit.lua"
MARK: Final = b"-- detente: refuses jobs"
HARD_S: Final = 60
"""After so long a prolog that hangs is ended, and has refused. It takes half a second; on a machine under a load of 40 it took 20."""
_PROLOG: Final = """#!/bin/sh
# detente: the last gate before a job starts. What is not an exit with 0 must leave here as an exit with 1: Slurm takes a
# program that ended by a signal for one that agreed.
{timeout} -k 1 {hard} {python} -I -m detente.hooks.slurm.prolog {folder}
[ "$?" = 0 ] && exit 0
exit 1
"""
_TASK_PROLOG: Final = """#!/bin/sh
# detente: gives each job a control directory of its own, in which it is asked to save (spec/receipt.md of the project).
job={jobs}/"$SLURM_JOB_ID"
mkdir -m 700 "$job" 2>/dev/null
if [ -d "$job" ] && [ -O "$job" ] && [ ! -L "$job" ]; then
  echo "export DETENTE_CONTROL_DIR=$job"
  echo "export DETENTE_RUN=slurm-$SLURM_JOB_ID"
fi
exit 0
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """``lines`` are what slurm.conf needs; the rest says what was put where."""

    folder: str
    lua: str
    run: Digest
    lines: tuple[str, ...]


def install(folder: Path, conf_dir: Path, outfit: Outfit, run: Digest, *, slurm_user: str) -> Installed:
    """Put everything there; refuses U11 where another plugin is, ``Unavailable`` where the disk or a program gives way."""
    timeout = shutil.which("timeout")
    if timeout is None:
        raise Unavailable("timeout (coreutils) is not on PATH: without it a prolog that hangs could not be ended")
    try:
        user = pwd.getpwnam(slurm_user)
    except KeyError:
        raise Unavailable(f"no user {slurm_user!r} here: --slurm-user names SlurmUser of slurm.conf") from None
    folder, lua = folder.absolute(), conf_dir.absolute() / LUA
    if any(char in str(folder) for char in '"\\\n'):
        raise Unavailable(f"got the folder {folder}; expected one without quotes and backslashes")
    if lua.exists() and not lua.read_bytes().startswith(MARK):
        raise Refused(
            "U11",
            "conflict",
            got=f"{lua}, a plugin of somebody else's",
            expected="none, or this one",
            todo="call it from the installed one, or this one from it: both functions return slurm.SUCCESS or an error",
        )
    gate = Gate(folder)
    standing = Standing(
        accord=outfit.config.accord, party=outfit.party, guard=outfit.speaker.signer.public_key, run=run
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        gate.jobs.mkdir(exist_ok=True)
        gate.jobs.chmod(0o1777)
        gate.seen.parent.mkdir(exist_ok=True)
        os.chown(gate.seen.parent, user.pw_uid, user.pw_gid)
        known = (folder / "gate.json").read_bytes() if (folder / "gate.json").exists() else b""
        if known != standing.encode():
            gate.seen.unlink(missing_ok=True)
            gate.post(encode_none("nobody has posted leave yet: start detente slurm watch"))
    except OSError as error:
        raise Unavailable(f"cannot write {folder}: {error.strerror}") from None
    python = shlex.quote(sys.executable)
    scripts = {
        folder / "prolog": _PROLOG.format(
            timeout=timeout, hard=HARD_S, python=python, folder=shlex.quote(str(folder))
        ).encode(),
        folder / "task-prolog": _TASK_PROLOG.format(jobs=shlex.quote(str(gate.jobs))).encode(),
        lua: shipped_lua(folder),
    }
    for path, data in scripts.items():
        store_file(path, data, mode=0o644 if path == lua else 0o755)
    with RecordFile(gate).turn():
        gate.keep_room()
    store_file(folder / "terms.yaml", outfit.config.read_terms(), mode=0o644)
    store_file(folder / "gate.json", standing.encode(), mode=0o644)
    if trouble := try_prolog(folder / "prolog", user.pw_uid, user.pw_gid):
        raise Unavailable(f"{slurm_user} cannot run {folder / 'prolog'}, so nothing would ever start: {trouble}")
    digests = {str(path): sha256_hex(data) for path, data in scripts.items()}
    store_file(folder / "installed.json", encode_json(digests), mode=0o644)
    lines = (
        "JobSubmitPlugins=lua",
        f"PrologSlurmctld={folder / 'prolog'}",
        f"TaskProlog={folder / 'task-prolog'}",
    )
    return Installed(folder=str(folder), lua=str(lua), run=run, lines=lines)


def shipped_lua(folder: Path) -> bytes:
    """The plugin, for the gate in ``folder``."""
    text = (resources.files("detente") / "hooks" / "slurm" / LUA).read_text("utf-8")
    return text.replace("@FOLDER@", str(folder)).encode()


def inspect(folder: Path, conf: str) -> list[str]:
    """What is not as it was installed: the files, and ``conf``, the answer of `scontrol show config`."""
    findings = inspect_files(folder)
    said = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in conf.splitlines())}
    if "lua" not in said.get("JobSubmitPlugins", "").split(","):
        findings.append(
            f"JobSubmitPlugins is {said.get('JobSubmitPlugins', 'not set')}: nobody is refused at submission"
        )
    for name, script in (("PrologSlurmctld", "prolog"), ("TaskProlog", "task-prolog")):
        if said.get(name, "") != str(folder.absolute() / script):
            findings.append(f"{name} is {said.get(name) or 'not set'}, not {folder.absolute() / script}")
    return findings


def inspect_files(folder: Path) -> list[str]:
    """Which installed files are gone, changed or cannot be run. Slurm starts jobs as if a prolog that cannot be run had agreed."""
    try:
        digests = parse_json((folder / "installed.json").read_bytes(), limit=65_536)
        found = [found for path, digest in dict(digests).items() if (found := _changed(Path(path), digest))]
        unnamed = {LUA, "prolog", "task-prolog"} - {Path(path).name for path in digests}
        return found + [f"installed.json does not name {name}" for name in sorted(unnamed)]
    except (DetenteError, OSError, TypeError, ValueError) as error:
        return [f"no gate is installed in {folder}: {error}"]


def _changed(path: Path, digest: str) -> str:
    if not path.is_file():
        return f"{path} is gone"
    if sha256_hex(path.read_bytes()) != digest:
        return f"{path} was changed"
    if path.name != LUA and not path.stat().st_mode & 0o111:
        return f"{path} is not executable"
    return ""
