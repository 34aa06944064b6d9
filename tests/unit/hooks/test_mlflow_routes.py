"""Which requests to a model registry are asked about: everything that writes, but for a list."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.hooks.mlflow_routes import held, read_promotion, version_digest

ALIAS = "/api/2.0/mlflow/registered-models/alias"
SAID = {"name": "lm", "alias": "champion", "version": "1"}
WRITES = ("POST", "PUT", "PATCH", "DELETE", "post", "get", "BREW")
PROMOTES = [
    ("POST", "registered-models/alias"),
    ("DELETE", "registered-models/alias"),
    ("POST", "model-versions/transition-stage"),
    ("POST", "model-versions/set-tag"),
    ("DELETE", "model-versions/delete-tag"),
    ("POST", "registered-models/set-tag"),
    ("DELETE", "registered-models/delete-tag"),
    ("POST", "model-versions/create"),
    ("POST", "registered-models/create"),
    ("POST", "registered-models/rename"),
    ("PATCH", "model-versions/update"),
    ("DELETE", "model-versions/delete"),
]


@pytest.mark.parametrize(("method", "route"), PROMOTES)
@pytest.mark.parametrize(
    "prefix", ["/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/prefix/api/2.0/mlflow/"]
)
def test_what_promotes_is_asked_about_by_each_path(method, route, prefix):
    """Both interfaces reach one handler; a path of tomorrow, or with a prefix, is not known, so it is asked about."""
    assert held(method, prefix + route)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ALIAS),
        ("POST", "/api/2.0/mlflow/runs/log-metric"),
        ("POST", "/ajax-api/2.0/mlflow/runs/create"),
        ("POST", "/api/2.0/mlflow/experiments/search"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/weights"),
        ("POST", "/api/2.0/mlflow/registered-models/get-latest-versions"),
        ("PATCH", "/api/2.0/mlflow/logged-models/m-1/tags"),
        ("POST", "/v1/traces"),
    ],
)
def test_reads_and_tracking_pass(method, path):
    """What only tracks is not the accord's business here."""
    assert not held(method, path)


@given(st.sampled_from(WRITES), st.text(max_size=80))
def test_a_write_to_a_path_that_is_not_listed_is_asked_about(method, path):
    """Whatever it is called."""
    assert held(method, "/" + path)


@given(
    st.sampled_from(WRITES),
    st.sampled_from(["registered-models", "model-versions", "webhooks", "gateway", "jobs"]),
    st.text(max_size=40),
)
def test_nothing_below_the_registry_passes(method, room, rest):
    """For every rest of a path but the one read that is a POST."""
    path = f"/api/2.0/mlflow/{room}/{rest}"
    assert held(method, path) == (not path.endswith("registered-models/get-latest-versions") or method != "POST")


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow-artifacts/artifacts/../../mlflow/registered-models/alias",
        "/api/2.0/mlflow-artifacts/artifacts//weights",
        "/api/2.0/mlflow-artifacts/artifacts/%2e%2e/x",
        "/api/2.0/mlflow-artifacts/artifacts/a\\..\\b",
        "/api/2.0/mlflow-artifacts/artifacts/a\nb",
        "/api/2.0/mlflow-artifacts/artifacts/.",
    ],
)
def test_a_path_that_a_server_could_read_otherwise_does_not_pass_and_is_refused(path):
    """J31: what is judged must be what the server sees."""
    assert held("PUT", path)
    with pytest.raises(Refused) as refused:
        read_promotion("PUT", path, b"", b"")
    assert (refused.value.rule, refused.value.kind) == ("J31", "malformed")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "lm", "version": "2", "version": "1"}',
        b'["lm"]',
        b'"{}"',
        json.dumps(SAID).encode("utf-16"),
        b'{"name": {"a": 1}}',
        b'{"name": "lm", "version": 1.0}',
        b"{",
        json.dumps({"name": "x" * 2_000}).encode(),
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_refused(body):
    """J31, before anybody is asked."""
    with pytest.raises(Refused) as refused:
        read_promotion("POST", ALIAS, b"", body)
    assert refused.value.rule == "J31"


def test_nothing_may_stand_in_the_query_of_a_write():
    """J31: a server that looks there first would see another version."""
    with pytest.raises(Refused) as refused:
        read_promotion("POST", ALIAS, b"version=2", json.dumps(SAID).encode())
    assert refused.value.rule == "J31"


def test_a_promotion_says_which_version_it_is_about():
    """By name and number, by the alias that goes away, or by where it comes from."""
    made = read_promotion("POST", ALIAS, b"", json.dumps({**SAID, "version": 1}).encode())
    assert (made.name, made.version, made.alias) == ("lm", "1", "")
    gone = read_promotion(
        "DELETE", "/ajax-api/2.0/mlflow/registered-models/alias", b"", b'{"name": "lm", "alias": "champion"}'
    )
    assert (gone.name, gone.version, gone.alias) == ("lm", "", "champion")
    created = read_promotion(
        "POST", "/api/2.0/mlflow/model-versions/create", b"", b'{"name": "lm", "source": "models:/m-1"}'
    )
    assert created.source == "models:/m-1"


def test_the_digest_of_a_version_is_that_of_what_no_route_changes():
    """Stage, tags and description move; the version stays the same; another source is another version."""
    made = read_promotion("POST", ALIAS, b"", json.dumps(SAID).encode())
    about = {"name": "lm", "version": "1", "source": "s3://a", "run_id": "r", "creation_timestamp": "1"}
    digest = version_digest(made, about)
    assert version_digest(made, {**about, "current_stage": "Production"}) == digest
    assert version_digest(made, {**about, "source": "s3://b"}) != digest
    assert version_digest(made, {}) != digest


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_graphql_passes_only_without_a_mutation(method):
    """By any method, in any spelling of JSON; what does not read is asked about."""
    assert not held(method, "/graphql", b'{"query": "query { runs }"}')
    assert not held(method, "/graphql")
    for body in (
        b'{"query": "mutation { x }"}',
        b'{"query": "\\u006dutation { x }"}',
        b'[{"query": "mutation { x }"}]',
        b"{",
        b'{"query": 1}',
    ):
        assert held(method, "/graphql", body)
