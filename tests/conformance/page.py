"""Write ``docs/reference/conformance.md`` from the suite's records: ``make conformance``."""

from pathlib import Path

from tests.conformance.families import FAMILIES
from tests.conformance.table import Family, read_record

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"
HEAD = """# What each adapter was seen to do

One suite, `tests/conformance`, drives each adapter's real host and writes down what it saw; nobody types a cell. `make conformance` runs what is installed and writes this page.
"""
TAIL = """
## What the suite does not show

More than one machine, GPUs, training for longer than seconds. A job that answers its guard only between steps is stopped by the
deadline if a step does not end; a guard that its machine's owner has removed stops nothing.
"""


def rendered() -> str:
    """The page of the records; ``FileNotFoundError`` or ``KeyError`` where one is missing."""
    return HEAD + "".join(_section(family) for family in FAMILIES) + TAIL


def _section(family: Family) -> str:
    records = {row.key: read_record(row.key) for row in family.adapters}
    lines = ["| | " + " | ".join(family.scenarios.values()) + " |", "| --- |" + " --- |" * len(family.scenarios)]
    for row in family.adapters:
        cells = [records[row.key]["cells"][scenario] for scenario in family.scenarios]
        lines.append(f"| [{row.name}](../guides/{row.page}) | " + " | ".join(cells) + " |")
    seen = [
        f"{row.name} with " + ", ".join(f"{name} {version}" for name, version in records[row.key]["versions"].items())
        for row in family.adapters
    ]
    return f"\n## {family.title}\n\n{family.text}\n" + "\n".join(lines) + f"\n\nSeen: {'; '.join(seen)}.\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), "utf-8")
