"""Whatever stands in a file, measuring ends in a result or in an error of ours that says what is wrong.

Every result can be printed as JSON and signed as statements.
"""

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from detente.app.measuring.acceleration import measure_acceleration
from detente.app.measuring.horizon import measure_horizon
from detente.base.errors import DetenteError
from detente.base.instant import Instant
from detente.measure.acceleration.verdict import Demand
from detente.measure.horizon.estimate import Settings
from detente.measure.indicator import measurements
from detente.statement.measurement import MEASUREMENT

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 0.5, -1, math.nan, math.inf, 1e308, 10**400, 8, "8", "", "2024-01-01", "a\x1b[2J", "human"]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
MEMBERS = ("run_id", "alias", "task_id", "task_family", "human_minutes", "score", "score_binarized", "release_date")
RUN = st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, VALUES))
GOOD = st.builds(
    lambda n, task, score: {
        "run_id": n,
        "alias": "a",
        "task_id": f"t{task}",
        "task_family": "f",
        "human_minutes": 2.0**task,
        "score": score,
    },
    st.integers(0, 50),
    st.integers(0, 4),
    st.sampled_from([0, 1, 0.5]),
)
HORIZON = st.fixed_dictionaries({}, optional=dict.fromkeys(("estimate", "ci_low", "ci_high"), VALUES))
MODEL = st.fixed_dictionaries(
    {
        "metrics": st.one_of(
            VALUES, st.dictionaries(st.sampled_from(["p50_horizon_length", "p80_horizon_length", "x"]), HORIZON)
        )
    },
    optional={"release_date": VALUES},
)
RESULTS = st.fixed_dictionaries(
    {"results": st.one_of(VALUES, st.dictionaries(st.text(min_size=1, max_size=5), MODEL, max_size=4))},
    optional={
        "benchmark_name": VALUES,
        "doubling_time_in_days": VALUES,
        "measure": st.just("horizon"),
        "ledgers": VALUES,
    },
)


def survives(name, data):
    """Both measures of one file; anything but a result or an error of ours fails the test."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        for measure in (
            lambda: measure_horizon([path], Settings(draws=100, quantiles=(0.5,))),
            lambda: measure_acceleration([f"x={path}"], Demand(draws=100)),
        ):
            try:
                result = measure()
            except DetenteError:
                continue
            json.dumps(result.as_json(), allow_nan=False)
            for body in measurements(result, taken_at=Instant(1)):
                MEASUREMENT.decode(MEASUREMENT.encode(body))


@given(st.lists(st.one_of(RUN, GOOD), max_size=12))
def test_any_records_end_in_a_result_or_a_refusal(records):
    """Also what JSON can hold and nobody would write; every number that comes out is a number."""
    survives("x.jsonl", "".join(json.dumps(record) + "\n" for record in records).encode("utf-8", "replace"))


@given(RESULTS)
def test_any_published_results_end_in_a_result_or_a_refusal(results):
    """A member of any type in any place."""
    survives("x.json", json.dumps(results).encode("utf-8", "replace"))


@given(st.sampled_from(["x.csv", "x.yaml", "x.json", "x.jsonl"]), st.binary(max_size=80))
def test_any_bytes_end_in_a_result_or_a_refusal(name, data):
    """Under any name that is read."""
    survives(name, data)


@given(
    st.lists(
        st.lists(
            st.sampled_from(["2024-01-01", "1", "-1", "nan", "", "date", "value", "low", '"', "\x00"]), max_size=4
        ),
        max_size=6,
    )
)
def test_any_table_ends_in_a_result_or_a_refusal(rows):
    """Cells of all kinds under headers of all kinds."""
    header = "date,value,low,name\n" if len(rows) % 2 else ""
    survives("x.csv", (header + "\n".join(",".join(row) for row in rows)).encode())
