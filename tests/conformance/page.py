"""Write ``docs/reference/conformance.md`` from the suite's record: ``make conformance``."""

import json
from pathlib import Path

from tests.conformance.adapters import ADAPTERS, SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("record.json")
PAGE = ROOT / "docs" / "reference" / "conformance.md"
HEAD = """# What each adapter was seen to do

One suite, `tests/conformance`, starts each adapter's real job below a real guard with four issuers, and stops it at the worst moments. The table is what it saw;
`make conformance` runs it and writes this page.

*exact*: after the resume, the weights at the end have the digest of a run that nobody stopped, and the receipt said so before. *ended*: every process was gone by the
deadline of the terms. *held*: no process of the job was ever started. *unmoved*: nothing changed.

"""
TAIL = """
What the suite does not show: more than one machine, GPUs, training for longer than seconds. A job that answers its guard only between steps is stopped by the
deadline if a step does not end; a guard that its machine's owner has removed stops nothing.
"""


def rendered(record: dict) -> str:
    """The page of a record; ``KeyError`` where a cell is missing."""
    lines = ["| | " + " | ".join(f"[{each.name}](../guides/{each.page})" for each in ADAPTERS) + " |"]
    lines.append("| --- |" + " --- |" * len(ADAPTERS))
    cells = record["cells"]
    lines += [
        f"| {heading} | " + " | ".join(cells[each.name][scenario] for each in ADAPTERS) + " |"
        for scenario, heading in SCENARIOS.items()
    ]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return HEAD + "\n".join(lines) + f"\n\nSeen with {versions}.\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(rendered(json.loads(RECORD.read_text("utf-8"))), "utf-8")
