"""The drill's inspector: an auditor's own process that reads what the jobs at a registered facility really do.

It looks at every process whose working directory lies in the facility, measures the CPU time that each uses over a
window, and files what it saw: a halt *confirmed* where nothing burns, a *finding* where something does. It never asks
the developer. What runs outside every registered facility it cannot see, and that is what it says.

Run as ``python -m detente.app.drill.inspector`` with a JSON task on standard input; the result goes to a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detente.adapters.client import NodeClient
from detente.adapters.clock import SystemClock
from detente.adapters.keys import read_key
from detente.adapters.process import find_places
from detente.app.drill.processes import cpu_seconds
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.identity import parse_party
from detente.base.strict_json import encode_json
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.finding import Finding
from detente.statement.statement import Header, make_payload

BURNING = 0.05
"""Share of one core above which a process is at work. An idle guard uses below 0.01, a training step 0.2 to 1."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One process of a facility: its CPU seconds over the window, and where it works."""

    pid: int
    job: str
    cpu_s: float
    share: float


def read_facility(facility: Path, window_s: float) -> list[Reading]:
    """Every process at work in ``facility`` and how much CPU it used over ``window_s`` seconds.

    ``job`` is the folder below the facility that the process works in.
    """
    before = {pid: used for pid in _pids(facility) if (used := cpu_seconds(pid)) is not None}
    began = time.monotonic()
    time.sleep(window_s)
    took_s = time.monotonic() - began
    readings = []
    for pid, job in sorted(_pids(facility).items()):
        used = cpu_seconds(pid)
        if used is None:
            continue
        spent = used - before.get(pid, 0.0)
        readings.append(Reading(pid, job, round(spent, 3), round(spent / took_s, 4)))
    return readings


def _pids(facility: Path) -> dict[int, str]:
    """The processes whose working directory lies in the facility, with the folder below it."""
    found: dict[int, str] = {}
    root = facility.resolve()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        for about in find_places(int(entry.name)):
            try:
                place = (about / "cwd").resolve(strict=True)
            except OSError:  # it has ended, or is not ours to look at
                continue
            if place.is_relative_to(root) and place != root:
                found[int(entry.name)] = place.relative_to(root).parts[0]
            break
    return found


async def inspect(task: Mapping[str, Any]) -> dict[str, Any]:
    """Read one facility and file one statement for each run of it; returns what was seen and filed."""
    party, about = parse_party(task["party"]), parse_party(task["about"])
    readings = read_facility(Path(task["facility"]), float(task["window_s"]))
    burning = {reading.job for reading in readings if reading.share > BURNING}
    evidence = encode_json(
        {
            "facility": about,
            "window_s": str(task["window_s"]),
            "readings": [{**asdict(r), "cpu_s": str(r.cpu_s), "share": str(r.share)} for r in readings],
        }
    )
    client = NodeClient(task["url"])
    signer = read_key(Path(task["key"]))
    filed = []
    try:
        await client.store_blob(evidence, signer)
        for run in task["runs"]:
            body = _finding(run, about, run["job"] in burning, sha256_hex(evidence))
            if body is None:
                continue
            header = Header(
                accord=parse_digest(task["accord"]),
                terms=int(task["terms"]),
                party=party,
                nonce=secrets.token_hex(16),
                made_at=SystemClock().now(),
            )
            envelope = sign_payload(make_payload("finding", header, (), body), signer)
            receipt = await client.submit(encode_envelope(envelope))
            filed.append({"run": run["run"], "statement": receipt.statement, "confirms": body.confirms is not None})
    finally:
        await client.close()
    return {"readings": [asdict(reading) for reading in readings], "burning": sorted(burning), "filed": filed}


def _finding(run: Mapping[str, Any], about: str, burns: bool, evidence: Digest) -> Finding | None:
    """What to file for one run: a finding against it, a confirmation of its halt, or nothing to say."""
    if burns:
        claim = f"the run {run['name']} went on under a pause: its processes used CPU time while it had to stand still"
    elif run["halted"] is not None:
        claim = f"the run {run['name']} stands still: no process of its facility used CPU time over the window"
    else:
        return None
    return Finding(
        about=parse_party(about),
        claim=claim,
        result="confirmed",
        evidence=(evidence,),
        run=parse_digest(run["run"]),
        confirms=None if burns else parse_digest(run["halted"]),
    )


def main() -> int:
    """Read a task from standard input, inspect, write the result where the task says."""
    task = json.load(sys.stdin)
    result = asyncio.run(inspect(task))
    Path(task["result"]).write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
