"""``detente hook kubernetes``: the gate that a cluster asks, the objects that make it ask, and a pause of what runs in it.

``serve`` begins a process of ``hooks``, as ``detente node serve`` begins one of ``server``: the only import of that room here.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detente.app.config import find_home, load_config
from detente.base.errors import Misuse, Unavailable
from detente.cli import home_option, json_option, reports_errors, show_error
from detente.cli.wording import counted

if TYPE_CHECKING:
    from detente.adapters.kubernetes_api import ClusterApi
    from detente.app.kubernetes.suspending import Outcome


@click.group()
def kubernetes() -> None:
    """Hold what a Kubernetes cluster starts, and suspend what runs in it."""


@kubernetes.command(epilog="Such as: detente hook kubernetes serve --cert tls.crt --key tls.key --port 8443")
@click.option("--cert", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The certificate, PEM.")
@click.option("--key", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Its private key, PEM.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen here.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8443, show_default=True, help="Listen here; 0: any.")
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What is which activity. [default: kubernetes-policy.toml in the home; without one everything is training]",
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(1, 28),
    default=8.0,
    show_default=True,
    help="Seconds to wait for the answer; then it is a refusal. Below timeoutSeconds of the configuration.",
)
@click.option("--observe", is_flag=True, help="Admit everything: record what would be answered, and warn the user.")
@home_option
@json_option
@reports_errors
def serve(
    cert: Path,
    key: Path,
    host: str,
    port: int,
    policy: Path | None,
    within_s: float,
    home: str | None,
    *,
    observe: bool,
    as_json: bool,
) -> None:
    """Serve the validating webhook until SIGTERM or SIGINT. One line on stdout says where."""
    from detente.adapters.listening import listen_socket
    from detente.hooks.kubernetes import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for noisy in ("httpx", "httpcore", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    folder = find_home(home)
    load_config(folder)
    listening = listen_socket(host, port)
    address = listening.getsockname()
    url = f"https://{address[0]}:{address[1]}/admission"
    said = json.dumps({"serving": url}) if as_json else f"the gate answers at {url}"
    if observe:
        click.echo(
            "not enforced: everything is admitted, and observe.jsonl in the home says what would have been", err=True
        )
    serve(
        home=folder,
        policy=policy,
        cert=cert,
        key=key,
        listening=listening,
        within_s=within_s,
        observe=observe,
        ready=lambda: click.echo(said),
    )


@kubernetes.command(
    epilog="Such as: detente hook kubernetes manifests --image registry.example/detente@sha256:… --out k8s"
)
@click.option("--image", required=True, metavar="IMAGE", help="The image that has `detente`; best by its digest.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default="detente-kubernetes",
    show_default=True,
    help="Write here.",
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own authority's certificate. [default: one is made, and the gate's certificate with it]",
)
@click.option(
    "--namespace",
    "namespaces",
    metavar="NAME",
    multiple=True,
    help="Hold only this namespace; may be repeated. [default: all]",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="How long a certificate that is made lasts.",
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(1, 28),
    default=8.0,
    show_default=True,
    help="The gate's own deadline, in seconds.",
)
@click.option("--observe", is_flag=True, help="Objects that hold nothing: what would be answered is recorded.")
@json_option
@reports_errors
def manifests(
    image: str,
    out: Path,
    ca: Path | None,
    namespaces: tuple[str, ...],
    days: int,
    within_s: float,
    *,
    observe: bool,
    as_json: bool,
) -> None:
    """Write the objects that make a cluster ask: webhook, policy with its switch, rights, and the gate itself.

    Nothing is applied. `gate.yaml` is what answers, `tls.yaml` its key, `switch.yaml` is created once, `hold.yaml` is what asks: apply
    that one last, once the gate is ready. With --observe `observe.yaml` stands for `hold.yaml`, and there is no switch.
    """
    from detente.app.kubernetes import manifests as made

    tls = None
    if ca is None:
        tls = made.make_tls(days=days)
        authority = tls.authority
    else:
        try:
            authority = ca.read_bytes()
        except OSError as error:
            raise Misuse(f"cannot read {ca}: {error.strerror}") from None
    bundle = base64.b64encode(authority).decode()
    choices = made.Choices(image=image, ca_bundle=bundle, within_s=within_s, namespaces=namespaces, observe=observe)
    paths = made.store_manifests(out, choices, tls)
    if as_json:
        click.echo(json.dumps({"written": [str(path) for path in paths]}))
        return
    for path in paths:
        click.echo(str(path))
    click.echo("apply them in the order of docs/guides/hold-kubernetes.md", err=True)


def _cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--server", metavar="URL", help="The cluster's API. [default: that of the pod that this runs in]"),
        click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="Its authority's certificate."),
        click.option("--token", type=click.Path(path_type=Path), metavar="FILE", help="The account's token."),
        click.option(
            "--within",
            "within_s",
            type=click.FloatRange(1, 86_400),
            default=120.0,
            show_default=True,
            help="Seconds in which it must have come true.",
        ),
    ):
        command = option(command)
    return command


@kubernetes.command(epilog="Such as: detente hook kubernetes suspend --server http://127.0.0.1:8001")
@_cluster_options
@click.option(
    "--namespace",
    "namespaces",
    metavar="NAME",
    multiple=True,
    help="Only this namespace; may be repeated. [default: all]",
)
@click.option("--serving", is_flag=True, help="Scale Deployments and StatefulSets to nothing, too.")
@home_option
@json_option
@reports_errors
def suspend(
    server: str | None,
    ca: Path | None,
    token: Path | None,
    within_s: float,
    namespaces: tuple[str, ...],
    home: str | None,
    *,
    serving: bool,
    as_json: bool,
) -> None:
    """Close admission, suspend what runs, and see that no pod of it is left. Needs no leave.

    Jobs below a guard save when the pause reaches them, which is before; every pod gets SIGTERM and its grace period.
    """
    from detente.app.kubernetes import suspending

    folder = find_home(home)
    load_config(folder)
    cluster = _cluster(server, ca, token)
    try:
        journal = suspending.Journal(folder, aside=True)
        outcome = suspending.suspend(
            cluster, journal, namespaces=namespaces, serving=serving, within_s=within_s, report=_say
        )
    finally:
        cluster.close()
    _tell(outcome, "suspended", as_json=as_json)


@kubernetes.command(epilog="Such as: detente hook kubernetes resume --server http://127.0.0.1:8001")
@_cluster_options
@home_option
@json_option
@reports_errors
def resume(
    server: str | None, ca: Path | None, token: Path | None, within_s: float, home: str | None, *, as_json: bool
) -> None:
    """Undo `suspend`, the last first, if the accord gives leave to train now."""
    from detente.app.kubernetes import suspending

    folder = find_home(home)
    journal = suspending.Journal(folder)
    suspending.check_leave(folder, within_s=min(20.0, within_s))
    cluster = _cluster(server, ca, token)
    try:
        outcome = suspending.resume(cluster, journal, within_s=within_s, report=_say)
    finally:
        cluster.close()
    _tell(outcome, "resumed", as_json=as_json)


def _cluster(server: str | None, ca: Path | None, token: Path | None) -> ClusterApi:
    from detente.adapters.kubernetes_api import ClusterApi, cluster_here

    if server is None:
        if ca is not None or token is not None:
            raise Misuse("--ca and --token are for a cluster that --server names")
        return cluster_here()
    return ClusterApi(server, ca=ca, token=token)


def _tell(outcome: Outcome, word: str, *, as_json: bool) -> None:
    """The outcome on stdout; one that is not whole is an error beside it."""
    from detente.app.kubernetes.suspending import check_whole
    from detente.base.errors import Refused

    if as_json:
        click.echo(json.dumps(outcome.as_json()))
    else:
        click.echo(f"{word}: {counted(len(outcome.changed), 'change')}, {counted(len(outcome.left), 'pod')} left")
    try:
        check_whole(outcome)
    except (Refused, Unavailable) as error:
        sys.exit(show_error(error, as_json=False))


def _say(line: str) -> None:
    click.echo(f"detente: {line}", err=True)
