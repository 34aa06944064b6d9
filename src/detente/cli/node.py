"""``detente node``: serve a node, and ask one how it fares.

Decides nothing; see ``server.serving`` and ``app.node``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import click

from detente.adapters.client import NodeClient
from detente.app.config import find_home, load_config
from detente.base.errors import Unavailable
from detente.cli import home_option, json_option, reports_errors
from detente.cli.wording import counted


@click.group()
def node() -> None:
    """Serve a party's node."""


@node.command(epilog="Such as: detente node serve --port 8700")
@click.option("--host", help="Listen here. [default: as in config.toml]")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Listen here; 0 takes any free port. [default: as in config.toml]"
)
@click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")
@home_option
@json_option
@reports_errors
def serve(*, host: str | None, port: int | None, verbose: bool, home: str | None, as_json: bool) -> None:
    """Serve the node of a home until SIGTERM or SIGINT.

    One line on stdout says where, once requests are answered.
    """
    from detente.adapters.listening import listen_socket
    from detente.app.node import open_node
    from detente.server.serving import run_node

    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    folder = find_home(home)
    config = load_config(folder)
    listening = listen_socket(host or config.host, config.port if port is None else port)
    try:
        opened = open_node(folder)
    except BaseException:
        listening.close()
        raise
    address = listening.getsockname()
    url = f"http://{address[0]}:{address[1]}"
    opened.config = replace(opened.config, host=str(address[0]), port=int(address[1]))

    def ready() -> None:
        said = {"serving": url, "party": opened.party, "accord": opened.evidence.accord}
        line = (
            json.dumps(said)
            if as_json
            else f"node of {opened.party} serves {url} (accord {opened.evidence.accord[:12]}…)"
        )
        click.echo(line)

    run_node(opened, listening, ready=ready)


@node.command(epilog="Such as: detente node status")
@home_option
@json_option
@reports_errors
def status(*, home: str | None, as_json: bool) -> None:
    """Ask the node of a home how it fares."""
    said = asyncio.run(_health(load_config(find_home(home)).node_url))
    if as_json:
        click.echo(json.dumps(said))
        return
    log = said.get("log") or {}
    click.echo(f"{said['party']} under accord {said['accord']}, terms version {said['terms']['version']}")
    if said.get("self_witnessed"):
        click.echo("self-witnessed: one party confirms its own log")
    if log:
        state = "closed" if log["closed"] else "signing" if log["signs"] else "not signing"
        click.echo(
            f"own log {log['origin']}: {counted(log['size'], 'entry', 'entries')}, {log['witnessed']} witnessed, {state}"
        )
    for origin, held in said["logs"].items():
        if origin != log.get("origin"):
            click.echo(f"holds {origin}: {counted(held['size'], 'entry', 'entries')}, {held['witnessed']} witnessed")
    for party, answers in said["peers"].items():
        click.echo(f"peer {party}: {'answers' if answers else 'silent'}")


async def _health(url: str) -> dict[str, Any]:
    client = NodeClient(url)
    try:
        return await client.health()
    except Unavailable as error:
        raise Unavailable(
            f"{error}; start it with `detente node serve`, or say in config.toml where it is served: `url`"
        ) from None
    finally:
        await client.close()
