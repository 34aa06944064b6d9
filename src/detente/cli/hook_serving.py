"""``detente hook serving``: leave for a model that is served, kept beside its server.

It begins a process of ``hooks``, as ``detente node serve`` begins one of ``server``: the only imports of that room here.
"""

from __future__ import annotations

import json

import click

from detente.app.gating import version_of
from detente.app.kept_leave import KeptLeave
from detente.base.errors import Misuse
from detente.cli import home_option, json_option, reports_errors


@click.command(epilog="Such as: detente hook serving model.safetensors --to 127.0.0.1:8000")
@click.argument("version")
@click.option(
    "--to", "upstream", metavar="HOST:PORT", help="The model server, relayed, so that open streams can be cut."
)
@click.option("--port", default=8780, show_default=True, help="Where nginx asks for leave: GET /leave.")
@click.option("--relay-port", default=8781, show_default=True, help="Where what is relayed to the model comes in.")
@click.option("--address", default="127.0.0.1", show_default=True, help="The address of both.")
@click.option("--developer", metavar="PARTY", help="Whose version it is, where the one that serves is no developer.")
@click.option("--nginx", "show", is_flag=True, help="Print the configuration of nginx that goes with it, and end.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, help="Where that nginx is to listen.")
@click.option("--observe", is_flag=True, help="Record what would be refused and cut; refuse nothing.")
@home_option
@json_option
@reports_errors
def serving(
    version: str,
    upstream: str | None,
    port: int,
    relay_port: int,
    address: str,
    developer: str | None,
    listen: str,
    home: str | None,
    *,
    show: bool,
    observe: bool,
    as_json: bool,
) -> None:
    """Keep leave to serve VERSION, answer nginx from it, and cut what is open when it ends.

    VERSION is its digest, or a file or folder whose digest is meant. Runs until SIGTERM.
    """
    from detente.hooks.serving import listen_on, nginx_config, parse_upstream, run_gate

    if show:
        click.echo(nginx_config(gate=f"{address}:{port}", relay=f"{address}:{relay_port}", listen=listen), nl=False)
        return
    kept = KeptLeave(version_of(version), developer=developer, home=home, observe=observe)
    place = None if upstream is None else parse_upstream(upstream)
    if place is not None and place == (address, relay_port):
        raise Misuse("the relay would pass connections to itself; expected the model server at --to")
    gate = listen_on(address, port)
    relay = None if place is None else (listen_on(address, relay_port), *place)
    ports = gate.getsockname()[1], None if relay is None else relay[0].getsockname()[1]

    def ready() -> None:
        if as_json:
            said = {"serving": kept.version, "gate": ports[0], "relay": ports[1], "enforced": not observe}
            click.echo(json.dumps(said))
            return
        where = f"answering nginx at {address}:{ports[0]}"
        where += "" if ports[1] is None else f", relaying {address}:{ports[1]} to {upstream}"
        click.echo(f"{'not enforced: ' if observe else ''}version {kept.version[:16]}: {where}", err=True)

    run_gate(kept, gate=gate, relay=relay, ready=ready)
