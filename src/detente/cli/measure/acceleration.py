"""``detente measure acceleration``: is progress faster than its own past?"""

from __future__ import annotations

from datetime import datetime

import click

from detente.cli import json_option, reports_errors
from detente.cli.measure.showing import show_result, sign_option
from detente.cli.measure.waiting import need_numpy


@click.command(epilog="Such as: detente measure acceleration ours=horizons.json theirs=index.csv")
@click.argument("series", nargs=-1, required=True)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="The series begin here.")
@click.option("--share", type=float, default=0.95, show_default=True, help="Of the draws must agree.")
@click.option("--draws", type=int, default=1_000, show_default=True, help="From the points' own intervals.")
@click.option("--seed", type=int, default=42, show_default=True, help="Decides every draw.")
@click.option("--evidence", is_flag=True, help="Print the rows below the numbers.")
@sign_option
@json_option
@reports_errors
def acceleration(
    *,
    series: tuple[str, ...],
    since: datetime | None,
    share: float,
    draws: int,
    seed: int,
    evidence: bool,
    as_json: bool,
) -> None:
    """Say whether dated SERIES show acceleration, or that it is not shown and why.

    Each of SERIES is FILE or NAME=FILE, where NAME says what measured it: METR's published results, a result of
    `detente measure horizon --json`, or a CSV of date, value (or level), low and high. Declared only if two independent
    sources agree.
    """
    need_numpy()
    from detente.app.measuring.acceleration import measure_acceleration
    from detente.measure.acceleration.verdict import Demand

    demand = Demand(since=None if since is None else since.date(), share=share, draws=draws, seed=seed)
    show_result(measure_acceleration(series, demand), as_json=as_json, evidence=evidence)
