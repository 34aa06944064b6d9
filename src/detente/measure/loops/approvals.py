r"""What somebody says about human approvals of a run's versions: a small table, because no loop records any.

Decides how the table is read. Leaves out whether an approval was *significant*: that is what its author states.

A table has a header and the columns ``version`` and ``significant`` (yes, no, unknown), with tabs or commas between. A version is
a digest, an id of the loop, a beginning of one of at least seven characters that fits one version, or ``*`` for all
versions that no other row names.

>>> parse_approvals(b"version,significant\nbea057b,yes\n*,no\n", "approvals.csv")
{'bea057b': True, '*': False}
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Final

from detente.base.digest import Digest
from detente.base.errors import Refused, shown

NOBODY: Final[Mapping[str, bool | None]] = {"*": False}
"""What ``--approvals none`` states: no version was approved."""
APPROVALS_MAX: Final = 1_048_576
_ANSWERS: Final[Mapping[str, bool | None]] = {"yes": True, "no": False, "unknown": None}


def parse_approvals(data: bytes, name: str) -> dict[str, bool | None]:
    """Read a table; raises ``Refused`` I06 where it is none, or says two things of one version."""
    if len(data) > APPROVALS_MAX:
        raise _refused(f"{len(data)} bytes in {shown(name)}", f"at most {APPROVALS_MAX}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(f"{shown(name)} is not UTF-8", "UTF-8") from None
    header = text.split("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in header else ",")
    if not {"version", "significant"} <= set(reader.fieldnames or ()):
        raise _refused(f"{shown(name)} begins with {shown(header)}", "the columns version and significant")
    approvals: dict[str, bool | None] = {}
    for row in reader:
        version, answer = (row["version"] or "").strip(), (row["significant"] or "").strip().lower()
        if not version or answer not in _ANSWERS:
            raise _refused(f"{shown(version)}: {shown(answer)}", "a version, and yes, no or unknown")
        if approvals.setdefault(version, _ANSWERS[answer]) != _ANSWERS[answer]:
            raise _refused(f"two answers for {shown(version)}", "one")
    return approvals


def resolve_approvals(
    approvals: Mapping[str, bool | None], versions: Iterable[tuple[str, Digest]]
) -> dict[Digest, bool | None]:
    """Digest → what is said of it; raises ``Refused`` I07 where a row names no version, or more than one."""
    pairs = list(versions)
    found: dict[Digest, bool | None] = {}
    for named, answer in approvals.items():
        if named == "*":
            continue
        fitting = {digest for version, digest in pairs if named in {version, digest}}
        if not fitting and len(named) >= 7:
            fitting = {digest for version, digest in pairs if version.startswith(named) or digest.startswith(named)}
        if len(fitting) != 1:
            raise Refused(
                "I07",
                "not-found",
                got=f"{shown(named)}, which fits {len(fitting)} versions",
                expected="the id or digest of one version",
                todo="an approval of something else is no approval; --evidence lists the ids",
            )
        found[fitting.pop()] = answer
    if "*" in approvals:
        for _, digest in pairs:
            found.setdefault(digest, approvals["*"])
    return found


def _refused(got: str, expected: str) -> Refused:
    return Refused("I06", "malformed", got=got, expected=expected, todo="no approval was read")
