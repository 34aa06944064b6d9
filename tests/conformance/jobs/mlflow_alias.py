"""MLflow's own client, told line by line what to do: register a version of one file, or give a version an alias."""

import json
import os
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"

import mlflow  # noqa: E402

answers, sys.stdout = sys.stdout, sys.stderr
NAME = "lm"


def register(client, text):
    """The run that has the file of this text, which is the next version."""
    run = client.create_run("0")
    Path("weights").write_text(text)
    client.log_artifact(run.info.run_id, "weights", "model")
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    client.create_model_version(NAME, f"{run.info.artifact_uri}/model", run.info.run_id)
    return run.info.run_id


for line in sys.stdin:
    asked = json.loads(line)
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(asked["within_s"])
    mlflow.set_tracking_uri(asked["url"])
    made = mlflow.MlflowClient(asked["url"], asked["url"])
    try:
        if "register" in asked:
            said = register(made, asked["register"])
        else:
            said = made.set_registered_model_alias(NAME, asked["alias"], asked["version"])
    except Exception as error:  # noqa: BLE001 - whatever it is, a client was refused
        said = f"{getattr(error, 'error_code', type(error).__name__)}: {error}"
    print(json.dumps(said), file=answers, flush=True)
