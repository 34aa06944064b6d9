"""MLflow's own client, run by a Python that has MLflow: reads lines ``URI STEP``, answers each with one line of JSON.

Steps: ``log`` makes a run with an artifact and metrics, ``register``, ``alias``, ``unalias``, ``stage``, ``tag``, ``untag``,
``model-tag``, ``rename``, ``read``.
"""

import json
import os
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"

import mlflow  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

answers, sys.stdout = sys.stdout, sys.stderr
client = mlflow.MlflowClient("http://127.0.0.1:9")


def log():
    (experiment,) = client.search_experiments(max_results=1)
    run = client.create_run(experiment.experiment_id)
    client.log_metric(run.info.run_id, "loss", 0.5)
    client.log_param(run.info.run_id, "depth", 8)
    client.set_tag(run.info.run_id, "note", "tracked")
    Path("weights").write_bytes(b"weights" * 200_000)
    client.log_artifact(run.info.run_id, "weights", "model")
    client.set_terminated(run.info.run_id)
    Path("run").write_text(run.info.run_id)
    return client.get_run(run.info.run_id).data.metrics["loss"]


def register():
    run = client.get_run(Path("run").read_text())
    client.create_registered_model("lm")
    return client.create_model_version("lm", f"{run.info.artifact_uri}/model", run.info.run_id).version


def read():
    found = client.get_registered_model("lm")
    version = client.get_model_version("lm", "1")
    return {
        "aliases": dict(found.aliases),
        "stage": version.current_stage,
        "tags": dict(version.tags),
        "model_tags": dict(found.tags),
        "found": len(client.search_model_versions("name = 'lm'")),
    }


DO = {
    "log": log,
    "register": register,
    "alias": lambda: client.set_registered_model_alias("lm", "champion", "1"),
    "unalias": lambda: client.delete_registered_model_alias("lm", "champion"),
    "stage": lambda: client.transition_model_version_stage("lm", "1", "Production") and None,
    "tag": lambda: client.set_model_version_tag("lm", "1", "approved", "yes"),
    "untag": lambda: client.delete_model_version_tag("lm", "1", "approved"),
    "model-tag": lambda: client.set_registered_model_tag("lm", "champion", "1"),
    "rename": lambda: client.rename_registered_model("lm", "other") and None,
    "read": read,
}
for line in sys.stdin:
    uri, step = line.split()
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri, uri)
    try:
        said = {"step": step, "ok": True, "result": DO[step]()}
    except MlflowException as error:
        said = {"step": step, "ok": False, "code": error.error_code, "message": str(error)}
    print(json.dumps(said), file=answers, flush=True)
