"""A suite of tasks and runs of our own: agents whose curves are known, drawn by a seed."""

import numpy as np

from detente.measure.horizon.runs import Run


def make_runs(horizons: dict[str, float], *, slope: float = -0.6, seed: int = 0, tasks: int = 48, runs: int = 6):
    """Runs of agents with these true 50 % horizons in minutes, on tasks from 1 to 1,024 minutes in twelve families."""
    generator = np.random.default_rng(seed)
    lengths = 2 ** np.linspace(0, 10, tasks)
    made = []
    for agent, horizon in horizons.items():
        for task, minutes in enumerate(lengths):
            chance = 1 / (1 + np.exp(-slope * (np.log2(minutes) - np.log2(horizon))))
            for attempt in range(runs):
                score = float(generator.random() < chance)
                name = f"f{task % 12}/t{task:02d}"
                made.append(Run(f"{agent}-{task}-{attempt}", agent, name, f"f{task % 12}", float(minutes), score))
    return made


def records_of(runs):
    """The runs as records of a file."""
    return [
        {
            "run_id": run.run_id,
            "alias": run.alias,
            "task_id": run.task,
            "task_family": run.family,
            "human_minutes": run.minutes,
            "score": run.score,
        }
        for run in runs
    ]
