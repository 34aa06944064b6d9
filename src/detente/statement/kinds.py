"""The closed lists of predicate names and of what a key is enrolled for, and which key may sign what.

Source: contracts §1; ``spec/statement.md`` §3 and §5.

>>> may_sign("guard", "halted"), may_sign("guard", "vote"), may_sign("permit", "vote")
(True, False, False)
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Kind = Literal[
    "terms",
    "accession",
    "withdrawal",
    "keys",
    "facility",
    "run",
    "progress",
    "halted",
    "resumed",
    "version",
    "proposal",
    "approval",
    "deployment",
    "measurement",
    "finding",
    "challenge",
    "ruling",
    "audit",
    "vote",
    "commitment",
    "observation",
    "screening",
]
"""The ``<name>`` of ``urn:detente:<name>:v1``."""

Use = Literal["root", "statement", "guard", "log", "mirror", "witness", "permit", "reviewer"]
"""What a key was enrolled for. Only the first three sign statements; a reviewer's signs assertions within approvals."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
USES: Final[tuple[Use, ...]] = get_args(Use)

_MAY_SIGN: Final[dict[Use, frozenset[Kind]]] = {
    "root": frozenset({"terms", "keys", "accession", "withdrawal"}),
    "statement": frozenset(KINDS),
    # A guard sits beside the job it guards: whoever takes the machine takes this key, so it says only what a
    # guard sees.
    "guard": frozenset({"run", "progress", "halted", "resumed", "proposal", "version"}),
    "log": frozenset(),
    "mirror": frozenset(),
    "witness": frozenset(),
    "permit": frozenset(),
    "reviewer": frozenset(),
}


def may_sign(use: Use, kind: Kind) -> bool:
    """May a key enrolled for ``use`` sign a statement of this kind at all? Thresholds come later, in ``accord``."""
    return kind in _MAY_SIGN[use]
