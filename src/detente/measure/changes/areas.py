"""The words for what a change touches.

An *area* is what the project asks about; a *label* is the ML-specific category of A. Bhatia, E. E. Eghan, M. Grichi,
W. G. Cavanagh, Z. M. Jiang, B. Adams, "Towards a change taxonomy for machine learning pipelines", Empirical Software
Engineering 28, 2023, doi:10.1007/s10664-022-10282-8. Every area has the label of its plainest case; a rule may give another.
"""

from __future__ import annotations

from typing import Final, Literal

Area = Literal["architecture", "optimisation", "training", "data", "configuration", "evaluation"]
Label = Literal[
    "input data",
    "parameter tuning",
    "pre-processing",
    "training infrastructure",
    "model structure",
    "pipeline performance",
    "validation infrastructure",
    "sharing",
    "output data",
]

LABEL_OF: Final[dict[Area, Label]] = {
    "architecture": "model structure",
    "optimisation": "parameter tuning",
    "training": "training infrastructure",
    "data": "input data",
    "configuration": "parameter tuning",
    "evaluation": "validation infrastructure",
}
AREAS: Final[tuple[Area, ...]] = ("architecture", "optimisation", "training", "data", "configuration", "evaluation")
TRAINED: Final[frozenset[Area]] = frozenset(AREAS) - {"evaluation"}
"""The side that is scored; with ``evaluation`` in one change set, a change edits what scores it."""
