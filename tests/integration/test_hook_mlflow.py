"""MLflow's own server and client with the gate between: promotions held in a pause, tracking untouched, no other spelling passes."""

import json
import re
import subprocess

import httpx
import pytest

from detente.adapters.listing import digest_folder
from detente.hooks import mlflow_routes
from tests.integration.asking_rig import detente, pause, solo
from tests.integration.mlflow_rig import PYTHON, Client, mlflow_gate, mlflow_server, needs_mlflow
from tests.integration.serving_rig import STOPS_RELEASES

pytestmark = needs_mlflow
PROMOTIONS = ("alias", "stage", "tag", "model-tag", "untag", "unalias", "rename")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("mlflow") / "server") as made:
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return solo(tmp_path_factory.mktemp("home") / "home", STOPS_RELEASES)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    made = Client(tmp_path_factory.mktemp("client") / "folder")
    yield made
    made.close()


def test_promotions_are_held_in_a_pause_and_pass_after_it(server, home, client):
    """Alias, stage and tag: allowed, then denied with MLflow's own error and nothing moved, then allowed again; tracking goes on."""
    with mlflow_gate(home, server.url) as url:
        said = client(url, "log", "register", "tag", "read")
        assert [each["ok"] for each in said.values()] == [True] * 4
        before = said["read"]["result"]
        assert before["tags"] == {"approved": "yes"}
        pause(home)
        said = client(url, *PROMOTIONS, "log", "read")
        assert {name: said[name]["ok"] for name in PROMOTIONS} == dict.fromkeys(PROMOTIONS, False) | {"unalias": False}
        assert {said[name]["code"] for name in ("alias", "stage", "tag", "model-tag", "rename")} == {
            "PERMISSION_DENIED"
        }
        assert "J30 held: got POST registered-models/alias of 'lm', version '1'" in said["alias"]["message"]
        assert said["log"]["ok"]
        assert said["read"]["result"] == before
        every_spelling_is_held(url, server.url)
        assert client(server.url, "read")["read"]["result"] == before
        done = detente("lift", "--as", "safety-team", home=home)
        assert done.returncode == 0, done.stderr.decode()
        said = client(url, "alias", "stage", "untag", "model-tag", "read", "unalias", "rename")
        assert [each["ok"] for each in said.values()] == [True] * 7, said
        found = said["read"]["result"]
        assert (found["aliases"], found["stage"], found["model_tags"]) == (
            {"champion": "1"},
            "Production",
            {"champion": "1"},
        )


def every_spelling_is_held(url, behind):
    """Whatever else reaches the same handler, or might: nothing of it answers 200."""
    alias = {"name": "lm", "alias": "champion", "version": "1"}
    for path in (
        "/api/2.0/mlflow/registered-models/alias",
        "/ajax-api/2.0/mlflow/registered-models/alias",
        "/api/2.0/mlflow/registered-models/alias/",
        "//api/2.0/mlflow/registered-models/alias",
        "/api//2.0/mlflow/registered-models/alias",
        "/api/2.0/mlflow/registered-models/%61lias",
        "/api/2.0/mlflow/registered-models%2Falias",
        "/api/2.0/mlflow/registered-models/%2561lias",
        "/api/2.0/mlflow/runs/../registered-models/alias",
        "/api/2.0/mlflow-artifacts/mpu/create/../../../mlflow/registered-models/alias",
        "/api/2.0/mlflow-artifacts/mpu/create/%2e%2e/%2e%2e/%2e%2e/mlflow/registered-models/alias",
        "/API/2.0/mlflow/registered-models/alias",
        "/api/3.0/mlflow/registered-models/alias",
    ):
        target = httpx.URL(url).copy_with(raw_path=path.encode())
        for method in ("POST", "PUT", "PATCH"):
            assert httpx.request(method, target, json=alias).status_code in {400, 403, 503}, (method, path)
    post = f"{url}/api/2.0/mlflow/registered-models/alias"
    twice = b'{"name": "lm", "alias": "champion", "version": "2", "version": "1"}'
    assert httpx.post(post, content=twice).json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert httpx.post(post, content=json.dumps(json.dumps(alias))).status_code == 400
    assert httpx.post(post, content=json.dumps(alias).encode("utf-16")).status_code == 400
    assert httpx.post(post, json=alias, params={"version": "1"}).status_code == 400
    assert httpx.post(post, content=b" " * (mlflow_routes.BODY_MAX + 1)).status_code == 413
    assert httpx.post(post, json={**alias, "name": "nobody"}).status_code == 404
    assert httpx.post(post, json=alias, headers={"content-encoding": "identity"}).status_code == 400
    mutation = {"query": 'mutation { testMutation(inputString: "x") { output } }'}
    assert httpx.post(f"{behind}/graphql", json=mutation).status_code == 200
    for method in ("POST", "GET"):
        assert httpx.request(method, f"{url}/graphql", json=mutation).status_code == 403
    assert (
        httpx.post(f"{url}/graphql", json={"query": 'query { test(inputString: "x") { output } }'}).status_code == 200
    )
    assert httpx.get(f"{url}/api/2.0/mlflow/registered-models/search").status_code == 200


def test_nobody_who_answers_is_503_and_nothing_moves(server, client, tmp_path):
    """No home: promotions get MLflow's own form of an error that may pass, reads and tracking go on."""
    with mlflow_gate(tmp_path / "nowhere", server.url) as url:
        answer = httpx.post(f"{url}/api/2.0/mlflow/registered-models/create", json={"name": "unasked"})
        assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert client(url, "log")["log"]["ok"]
    answer = httpx.get(f"{server.url}/api/2.0/mlflow/registered-models/get", params={"name": "unasked"})
    assert answer.status_code == 404


def test_a_version_is_the_digest_of_its_files_where_they_can_be_read(server, home, client):
    """With --artifacts: approval is for the bytes, so the same files have one digest here, at a gate and for an upload."""
    with mlflow_gate(home, server.url, "--artifacts", str(server.artifacts)) as url:
        run = client(url, "log") and (client.folder / "run").read_text()
        found = httpx.get(f"{url}/api/2.0/mlflow/runs/get", params={"run_id": run}).json()["run"]["info"]
        folder = next(server.artifacts.rglob(f"{run}/artifacts/model"))
        said = {"name": "bytes", "source": f"{found['artifact_uri']}/model", "run_id": run}
        assert httpx.post(f"{url}/api/2.0/mlflow/registered-models/create", json={"name": "bytes"}).status_code == 200
        assert httpx.post(f"{url}/api/2.0/mlflow/model-versions/create", json=said).status_code == 200
        pause(home)
        alias = {"name": "bytes", "alias": "champion", "version": "1"}
        message = httpx.post(f"{url}/api/2.0/mlflow/registered-models/alias", json=alias).json()["message"]
        assert digest_folder(folder) in message
        done = detente("lift", "--as", "safety-team", home=home)
        assert done.returncode == 0, done.stderr.decode()


ROUTES = """
import inspect, json, sys
from mlflow.server import app
for rule in app.url_map.iter_rules():
    view = inspect.unwrap(app.view_functions[rule.endpoint])
    try:
        source = inspect.getsource(view)
    except (OSError, TypeError):
        source = ""
    print(json.dumps({"path": rule.rule, "methods": sorted(rule.methods), "source": source}))
"""


def test_no_write_of_the_real_route_table_passes_that_reaches_the_registry(tmp_path):
    """Read from the package itself: a write that passes unasked has a handler without the registry's store; every registry write is held."""
    done = subprocess.run([PYTHON, "-c", ROUTES], capture_output=True, check=True, timeout=240, cwd=tmp_path)
    routes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    assert len(routes) > 200
    passed, registry = set(), set()
    for route in routes:
        path = re.sub(r"<(?:path:)?\w+>", "x", route["path"])
        for method in {*route["methods"]} - mlflow_routes.READS:
            if "_get_model_registry_store" in route["source"]:
                registry.add((method, path))
            if not mlflow_routes.held(method, path, b'{"query": "mutation x"}'):
                passed.add((method, path))
    reads = {
        ("POST", f"/{kind}/2.0/mlflow/registered-models/get-latest-versions") for kind in ("api", "ajax-api")
    }  # fmt: skip
    assert len(registry) > 20
    assert passed & registry == reads
    assert len(passed) > 60
