"""How much one run counts: less where a task has many runs, and where a family has many tasks.

Weight of a run of an agent = 1 / (that agent's runs on the task · √(tasks of the family that the agent ran)), then
divided by the sum over the agent's runs. Source: METR's ``invsqrt_task_weight``. ``spec/measure-horizon.md`` §2.
"""

from __future__ import annotations

import numpy as np

from detente.measure.horizon.runs import Floats, Outcomes


def run_weights(outcomes: Outcomes) -> Floats:
    """(A, T) the weight of each run in a cell, 0 where the agent has none; an agent's runs sum to 1."""
    ran = outcomes.runs > 0
    families = len(outcomes.families)
    in_family = np.zeros((len(ran), families))
    for agent, tasks in enumerate(ran):
        in_family[agent] = np.bincount(outcomes.family_of, weights=tasks, minlength=families)
    weights = np.zeros(ran.shape)
    np.divide(1.0, outcomes.runs * np.sqrt(in_family[:, outcomes.family_of]), out=weights, where=ran)
    sums: Floats = (weights * outcomes.runs).sum(axis=1, keepdims=True)
    np.divide(weights, sums, out=weights, where=sums > 0)
    return weights
