"""``detente measure horizon``: how long a task agents do, by human time, and how fast that grows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from detente.cli import json_option, reports_errors
from detente.cli.measure.showing import show_result, sign_option
from detente.cli.measure.waiting import Progress, need_numpy

FILE = click.Path(path_type=Path)
DAY = click.DateTime(["%Y-%m-%d"])


@click.command(epilog="Such as: detente measure horizon runs.jsonl --dates dates.yaml")
@click.argument("runs", nargs=-1, required=True, type=FILE)
@click.option(
    "--dates", type=FILE, help="Release dates of agents: YAML (date: {agent: date}) or CSV alias,release_date."
)
@click.option("--tasks", type=FILE, help="Human lengths of tasks, where the runs have none: CSV task_id,human_minutes.")
@click.option(
    "--regularisation",
    type=float,
    default=1e-5,
    show_default=True,
    help="L2 penalty on the slope (1/C of scikit-learn).",
)
@click.option("--quantile", "quantiles", type=float, multiple=True, help="Chance of success. [default: 0.5 and 0.8]")
@click.option("--draws", type=int, default=1_000, show_default=True, help="Draws of the bootstrap.")
@click.option("--seed", type=int, default=42, show_default=True, help="Decides every draw.")
@click.option("--since", type=DAY, help="The trend begins here.")
@click.option("--ceiling", type=float, help="Minutes above which the suite says nothing. [default: its longest task]")
@click.option("--baseline", default="human", show_default=True, help="The alias of people's runs, which are left out.")
@click.option("--scorer", help="The scorer that counts, in Inspect logs with several.")
@click.option("--evidence", is_flag=True, help="Print the rows below the numbers.")
@sign_option
@json_option
@reports_errors
def horizon(
    *,
    runs: tuple[Path, ...],
    dates: Path | None,
    tasks: Path | None,
    regularisation: float,
    quantiles: tuple[float, ...],
    draws: int,
    seed: int,
    since: datetime | None,
    ceiling: float | None,
    baseline: str,
    scorer: str | None,
    evidence: bool,
    as_json: bool,
) -> None:
    """Measure the time horizons of agents from RUNS, and their doubling time.

    RUNS are files of runs (METR's JSONL, CSV, Inspect logs), or one file of horizons that METR published (YAML or JSON).
    A horizon beyond the longest tasks is given as a lower bound only.
    """
    need_numpy()
    from detente.app.measuring.horizon import measure_horizon
    from detente.measure.horizon.estimate import Settings

    settings = Settings(
        regularisation=regularisation,
        quantiles=tuple(dict.fromkeys(quantiles)) or (0.5, 0.8),
        draws=draws,
        seed=seed,
        since=None if since is None else since.date(),
        ceiling_minutes=ceiling,
        baseline=baseline,
    )
    progress = Progress("drawing")
    result = measure_horizon(runs, settings, dates=dates, tasks=tasks, scorer=scorer, progress=progress)
    show_result(result, as_json=as_json, evidence=evidence)
