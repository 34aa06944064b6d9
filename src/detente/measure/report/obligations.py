"""What reports under three texts ask for, how far artefacts bear on it, and what no artefact can show.

Decides nothing legal: whether a text applies to anybody is not judged, clauses are cited and put in other words. The texts as of November
2026: the Safety and Security chapter of the EU's General-Purpose AI Code of Practice (10 July 2025), California's SB 53 (Stats. 2025
ch. 138), New York's RAISE Act (General Business Law article 44-B, L. 2026 ch. 96, in effect from 1 January 2027).

>>> [form.name for form in FORMS.values()]
['gpai-code', 'sb53', 'raise']
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """``clause`` asks for ``asks``; ``measures`` of this page bear on it; ``cannot`` is what artefacts do not show."""

    clause: str
    asks: str
    measures: tuple[str, ...]
    cannot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A text that asks for reports."""

    name: str
    title: str
    needs: tuple[Need, ...]


GPAI_CODE: Final = Form(
    name="gpai-code",
    title="EU General-Purpose AI Code of Practice, Safety and Security chapter (10 July 2025)",
    needs=(
        Need(
            clause="Appendix 1.4 (2)",
            asks="loss of control, among its sources self-improvement and autonomously creating or improving AI",
            measures=("lineage", "changes", "oversight"),
            cannot="whether people could still direct, change or shut down the model; the Code gives no number to compare with",
        ),
        Need(
            clause="Appendix 1.3.1 (9) to (11)",
            asks="capabilities to evade oversight, to replicate or improve itself, to automate AI research and development",
            measures=("horizon", "acceleration", "authorship"),
            cannot="a capability that was never elicited: what a model did in a repository is a lower bound of what it can do",
        ),
        Need(
            clause="Appendix 3.2",
            asks="elicitation of the state of the art in evaluations, against under-elicitation and deception",
            measures=("horizon",),
            cannot="how hard evaluators tried, and whether the model held back",
        ),
        Need(
            clause="Measures 7.2, 7.5 and 7.6",
            asks="a Model Report, updated at least every six months while the model changes",
            measures=("changes", "lineage"),
            cannot="the reasons why remaining risk is held acceptable, and external evaluators' own findings",
        ),
        Need(
            clause="Appendix 1.3.3 (1)",
            asks="the model's access to tools, other models and computing power",
            measures=("oversight",),
            cannot="permissions in use: they stand in systems of the developer, not in its code",
        ),
        Need(
            clause="Measure 9.3 (2)",
            asks="serious breaches of security, weights taken out included, within five days of knowing",
            measures=(),
            cannot="incidents: they are found by operations and not by history",
        ),
        Need(
            clause="AI Act Art. 51 (2), Art. 52 (1), recital 111",
            asks="cumulative training compute against 1e25 FLOP, synthetic data and fine-tuning included; notice within two weeks",
            measures=("compute",),
            cannot="compute that nobody declared or metered",
        ),
    ),
)
SB53: Final = Form(
    name="sb53",
    title="California SB 53, Transparency in Frontier Artificial Intelligence Act (Stats. 2025 ch. 138)",
    needs=(
        Need(
            clause="§ 22757.12 (a)(10)",
            asks="how risk from internal use is assessed and managed, a model that gets around oversight included",
            measures=("oversight", "changes", "lineage"),
            cannot="use outside version control: experiments, clusters, chats; and attempts that left no trace in a change",
        ),
        Need(
            clause="§ 22757.12 (d)",
            asks="a summary of assessments of catastrophic risk from internal use, every three months or as scheduled",
            measures=("authorship", "oversight", "changes"),
            cannot="the assessment itself; these indicators are facts that it could rest on",
        ),
        Need(
            clause="§ 22757.12 (c)(2)",
            asks="before deployment, summaries of assessments, their results and how far third parties took part",
            measures=("horizon",),
            cannot="who evaluated, on what terms and with which access",
        ),
        Need(
            clause="§ 22757.11 (i)",
            asks="operations above 1e26: the original run and later fine-tuning, reinforcement learning, material modifications",
            measures=("compute",),
            cannot="operations that nobody declared or metered; and revenue, which § 22757.11 (j) asks for",
        ),
        Need(
            clause="§ 22757.11 (d)(3), (d)(4)",
            asks="incidents: loss of control that hurts somebody; deception of the developer to subvert controls",
            measures=(),
            cannot="intent, deception and harm",
        ),
        Need(
            clause="§ 22757.13 (c)",
            asks="critical safety incidents within 15 days, within 24 hours where lives are in danger",
            measures=(),
            cannot="when somebody learnt of an incident",
        ),
    ),
)
RAISE: Final = Form(
    name="raise",
    title="New York RAISE Act, General Business Law article 44-B (L. 2026 ch. 96; in effect from 1 January 2027)",
    needs=(
        Need(
            clause="§ 1421 (1)(i)",
            asks="internal governance that ensures that the framework is carried out",
            measures=("oversight",),
            cannot="whether governance works beyond the changes that are seen here",
        ),
        Need(
            clause="§ 1421 (1)(j)",
            asks="how risk from internal use is assessed and managed, a model that gets around oversight included",
            measures=("oversight", "changes", "lineage"),
            cannot="use outside version control, and attempts that left no trace in a change",
        ),
        Need(
            clause="§ 1422 (2)(a)",
            asks="a summary of assessments of catastrophic risk from internal use, every three months or as agreed",
            measures=("authorship", "oversight", "changes"),
            cannot="the assessment itself; these indicators are facts that it could rest on",
        ),
        Need(
            clause="§ 1422 (3)(a)",
            asks="critical safety incidents within 72 hours",
            measures=(),
            cannot="when somebody learnt of an incident, or had reason to believe in one",
        ),
    ),
)
FORMS: Final[Mapping[str, Form]] = {form.name: form for form in (GPAI_CODE, SB53, RAISE)}
