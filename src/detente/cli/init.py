"""``detente init``: make a home with its keys.

Decides nothing; see ``app.init``.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from detente.app.config import find_home
from detente.app.init import Made, make_party, make_solo
from detente.base.errors import Misuse
from detente.base.identity import parse_party
from detente.cli import home_option, json_option, reports_errors


@click.command(epilog="Such as: detente init --party dev-a --domain dev-a.example")
@click.option("--solo", is_flag=True, help="One organisation on one machine, self-witnessed: ready to use at once.")
@click.option("--deployments", is_flag=True, help="With --solo: a pause stops releases and what is served, too.")
@click.option("--party", metavar="NAME", help="Make the keys of this party of an accord.")
@click.option("--terms", type=click.Path(path_type=Path), help="The founding terms, once they name this party's keys.")
@click.option(
    "--domain", metavar="DOMAIN", help="Domain in the names of log, mirror and witness. [default: NAME.example]"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the node will listen.")
@click.option(
    "--port", default=8700, show_default=True, type=click.IntRange(0, 65_535), help="Where the node will listen."
)
@home_option
@json_option
@reports_errors
def init(
    *,
    solo: bool,
    deployments: bool,
    party: str | None,
    terms: Path | None,
    domain: str | None,
    host: str,
    port: int,
    home: str | None,
    as_json: bool,
) -> None:
    """Make a home: keys, and a card for the terms.

    First `detente init --party NAME`: it prints the public keys with their proofs. Once the terms name them, the same
    command with --terms FILE. Or `detente init --solo`, which needs nobody else.
    """
    folder = find_home(home)
    if solo == (party is not None):
        raise Misuse("say either --solo or --party NAME")
    if deployments and not solo:
        raise Misuse("--deployments fills the terms of --solo; other terms say under `pause` what a pause stops")
    if solo:
        made = asyncio.run(make_solo(folder, deployments=deployments, host=host, port=port))
    else:
        data = None if terms is None else _read(terms)
        made = make_party(folder, parse_party(party), domain=domain, terms=data, host=host, port=port)
    _show(made, as_json=as_json, solo=solo)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None


def _show(made: Made, *, as_json: bool, solo: bool) -> None:
    cards = [card.as_json() for card in made.cards]
    if as_json:
        said = {
            "home": str(made.home),
            "accord": made.accord,
            "terms": None if made.terms is None else str(made.terms),
            "cards": cards,
            "terms_blocks": [card.terms_block for card in made.cards],
            "advice": list(made.advice),
        }
        click.echo(json.dumps(said, indent=2))
        return
    click.echo(f"home: {made.home}", err=True)
    if made.accord is not None:
        compare = "" if solo else " (compare it with the others by telephone)"
        click.echo(f"accord: {made.accord}{compare}", err=True)
        if not solo:
            click.echo("name the others' nodes in config.toml, start yours, then `detente accord join`", err=True)
    else:
        click.echo("give this card to whoever writes the terms; it goes into their `keys` section:", err=True)
        click.echo(made.cards[0].terms_block)
    for advice in made.advice:
        click.echo(advice, err=True)
    if solo:
        click.echo(
            "one party witnesses itself here: this shows order and honesty to you, and proves nothing to others",
            err=True,
        )
