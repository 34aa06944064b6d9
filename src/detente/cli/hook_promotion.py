"""``detente hook mlflow`` and ``detente hook hf-upload``: the accord's question before a model is promoted or published.

It begins a process of ``hooks``, as ``detente node serve`` begins one of ``server``: the only imports of that room here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from detente.base.errors import Misuse
from detente.cli import home_option, json_option, reports_errors
from detente.cli.wording import counted


@click.command(epilog="Such as: detente hook mlflow --to unix:/run/mlflow.sock --port 5001")
@click.option("--to", "server", required=True, metavar="URL", help="The MLflow server: http://host:port or unix:/path.")
@click.option("--port", default=5001, show_default=True, help="Where clients come in.")
@click.option("--address", default="127.0.0.1", show_default=True, help="The address it listens on.")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="The server's --artifacts-destination, read here: a version is then the digest of its files.",
)
@click.option(
    "--developer", metavar="PARTY", help="Whose versions they are, where the one that promotes is no developer."
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(1, 600),
    default=8.0,
    show_default=True,
    help="Seconds to wait for the answer; then it is 503.",
)
@click.option("--observe", "observing", is_flag=True, help="Record what would be answered; hold nothing.")
@home_option
@json_option
@reports_errors
def mlflow(
    server: str,
    port: int,
    address: str,
    artifacts: Path | None,
    developer: str | None,
    within_s: float,
    home: str | None,
    *,
    observing: bool,
    as_json: bool,
) -> None:
    """Stand in front of an MLflow server and ask before what may promote a model: alias, stage, tag, version.

    Everything that only tracks passes. Runs until SIGTERM. Bind the server itself where only this process reaches it.
    """
    from detente.hooks.mlflow_gate import make_ask, make_observed, run_mlflow
    from detente.hooks.serving import listen_on

    listening = listen_on(address, port)
    at = listening.getsockname()[1]

    def ready() -> None:
        if as_json:
            click.echo(json.dumps({"serving": server, "port": at, "enforced": not observing}))
        else:
            does = "not enforced: observing" if observing else "holding"
            click.echo(f"{does} promotions at http://{address}:{at}, in front of {server}", err=True)

    ask = make_ask(home=home, developer=developer, within_s=within_s, observing=observing)
    observed = make_observed(home=home) if observing else None
    run_mlflow(server, listening, ask, artifacts=artifacts, observed=observed, ready=ready)


@click.command("hf-upload", epilog="Such as: detente hook hf-upload lab/lm ./checkpoint --message 'step 4,000'")
@click.argument("repo", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--repo-type",
    help="What kind of repository it is.",
    type=click.Choice(["model", "dataset", "space"]),
    default="model",
    show_default=True,
)
@click.option("--revision", default="main", show_default=True, help="The branch that is committed to.")
@click.option("--path", "in_repo", default="", metavar="DIR", help="The folder in the repository. [default: its root]")
@click.option("--message", default="upload", show_default=True, help="The commit's message.")
@click.option("--developer", metavar="PARTY", help="Whose version it is, where the one that publishes is no developer.")
@click.option("--within", "within_s", default=20.0, show_default=True, help="Seconds to wait for each answer.")
@click.option("--observe", "observing", is_flag=True, help="Record what would be answered, and publish whatever it is.")
@click.option(
    "--store-token", is_flag=True, help="Keep the write token in the home, read from the terminal or standard input."
)
@click.option("--endpoint", metavar="URL", help="With --store-token: the Hub that it is for. [default: huggingface.co]")
@home_option
@json_option
@reports_errors
def hf_upload(
    repo: str | None,
    folder: Path | None,
    repo_type: str,
    revision: str,
    in_repo: str,
    message: str,
    developer: str | None,
    within_s: float,
    endpoint: str | None,
    home: str | None,
    *,
    store_token: bool,
    observing: bool,
    as_json: bool,
) -> None:
    """Publish FOLDER to REPO of the Hugging Face Hub, if the accord allows to deploy it. Its digest is the version.

    The write token lies in the home, readable by this user alone; whoever may ask for uploads needs to be another user.
    """
    from detente.hooks.huggingface import HUB, Target, held_upload
    from detente.hooks.huggingface import store_token as keep

    if store_token:
        if repo is not None:
            raise Misuse("--store-token keeps a token and uploads nothing: give no REPO")
        token = click.prompt("token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline(2_048)
        path = keep(token, endpoint=endpoint or HUB, home=home)
        click.echo(
            json.dumps({"stored": str(path)}) if as_json else f"stored in {path}, for this user alone", err=not as_json
        )
        return
    if repo is None or folder is None or endpoint is not None:
        raise Misuse("expected REPO and FOLDER; where the token goes is kept with it, by --store-token --endpoint URL")
    target = Target(repo=repo, repo_type=repo_type, revision=revision, path=in_repo.strip("/"), message=message)
    observed = (lambda line: click.echo(f"detente: {line}", err=True)) if observing else None
    done = held_upload(target, folder, home=home, developer=developer, within_s=within_s, observed=observed)
    if as_json:
        said = {"version": done.version, "commit": done.commit, "url": done.url, "files": done.files}
        said["enforced"] = not observing
        click.echo(json.dumps(said))
    else:
        click.echo(f"published {counted(done.files, 'file')}, version {done.version}: {done.url}")
