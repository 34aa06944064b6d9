"""``detente hold mine``, ``erase`` and ``watch``: what is recorded about a reviewer, how it goes away, and what waits for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from detente.adapters.keys import read_key
from detente.app.door import Door, open_door
from detente.app.reviewing import REVIEWER, organisation_of
from detente.app.watching import News, watch_queue
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Misuse
from detente.base.identity import Party, parse_party
from detente.cli import home_option, json_option, reports_errors
from detente.cli.hold_times import told_times
from detente.statement.signing import Signer

WHOLE_DIGEST = 64
_reviewer = click.option("--reviewer", default=REVIEWER, show_default=True, metavar="NAME", help="Your pseudonym.")
_key = click.option("--key", "key_path", type=click.Path(path_type=Path), help="Your key. [default: keys/reviewer.key]")
_ssh = click.option(
    "--ssh-key", type=click.Path(path_type=Path), metavar="FILE", help="Ask with this FIDO security key instead."
)
_as = click.option(
    "--as", "party", metavar="PARTY", help="Your organisation. [default: the one with a reviewer's key here]"
)


@click.command(epilog="Such as: detente hold mine")
@_reviewer
@_key
@_ssh
@_as
@home_option
@json_option
@reports_errors
def mine(
    reviewer: str, key_path: Path | None, ssh_key: Path | None, party: str | None, home: str | None, as_json: bool
) -> None:
    """Show a reviewer what is recorded about them, and what it shows. Your key signs the question: nobody else is answered."""
    said = asyncio.run(_mine(reviewer, ssh_key or key_path, party, home, ssh=ssh_key is not None))
    if as_json:
        click.echo(json.dumps(said))
        return
    decisions = said["decisions"]
    click.echo(
        f"{said['reviewer']} of {said['organisation']}: {len(decisions)} decision{'s' if len(decisions) != 1 else ''}"
    )
    for each in decisions:
        click.echo(f"{each['witnessed_at']}  {each['decision']:8}  {each['proposal'][:12]}…  {_kept(each)}")
    for line in said["figures"]["says"] if decisions else ():
        click.echo(f"  {line}")
    click.echo(f"  {said['outlook']}")
    for line in said["recorded"]:
        click.echo(f"recorded {line}", err=True)


@click.command(epilog="Such as: detente hold erase 489583c7")
@click.argument("note")
@_reviewer
@_key
@_ssh
@_as
@home_option
@json_option
@reports_errors
def erase(
    note: str,
    reviewer: str,
    key_path: Path | None,
    ssh_key: Path | None,
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Erase the note of one of your decisions for good. NOTE may be the first characters of its digest, as `hold mine` shows it."""
    digest = asyncio.run(_erase(note, reviewer, ssh_key or key_path, party, home, ssh=ssh_key is not None))
    if as_json:
        click.echo(json.dumps({"erased": digest}))
    else:
        click.echo(
            f"erased {digest[:12]}…: reason and reading figures are gone; the decision stands, and the log verifies as before"
        )


@click.command(epilog="Such as: detente hold watch --for safety-team")
@click.option("--for", "organisation", metavar="PARTY", help="Only what its reviewers can still decide on.")
@click.option("--once", is_flag=True, help="Tell what waits now, and end.")
@home_option
@json_option
@reports_errors
def watch(organisation: str | None, once: bool, home: str | None, as_json: bool) -> None:
    """Tell what waits at a hold point, as it comes and goes, until interrupted. With --json, one object a line."""
    asyncio.run(_watch(organisation, home, once=once, as_json=as_json))


def _show_news(news: News, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(news.as_json()))
    elif news.what == "trouble":
        click.echo(f"detente: {news.text}; trying again", err=True)
    else:
        each = news.waiting
        since = "" if each["since"] is None else f", since {each['since']}"
        click.echo(
            f"{news.what:13}  {each['proposal'][:12]}…  {each['party']}  {', '.join(each['hold_points'])}{since}"
            f"{''.join(f'; {line}' for line in told_times(each))}"
        )


def _kept(decision: dict[str, Any]) -> str:
    if decision["note"] is None:
        return "no note"
    kept, name = decision["kept"], f"note {decision['note'][:12]}…"
    if kept is None:
        return f"{name} erased, or kept elsewhere"
    reading = kept.get("reading")
    seen = (
        ""
        if reading is None
        else f" open {reading['open_s']} s, active {reading['active_s']} s, {reading['files_shown']} of {reading['files']} files shown,"
        f" {reading['changed_lines']} lines"
    )
    return f"{name}{seen}{'' if kept.get('reason') is None else ': ' + kept['reason'].splitlines()[0]}"


async def _self(
    reviewer: str, key_path: Path | None, party: str | None, home: str | None, *, ssh: bool
) -> tuple[Door, Party, Signer | Path]:
    door = await open_door(home)
    organisation = organisation_of(door, party)
    if ssh and key_path is not None:
        return door, organisation, key_path
    path = key_path or door.config.key_path("reviewer", organisation)
    if not path.exists():
        raise Misuse(f"no reviewer's key at {path}: figures are shown to their reviewer, {reviewer}, who signs with it")
    return door, organisation, read_key(path)


async def _mine(
    reviewer: str, key_path: Path | None, party: str | None, home: str | None, *, ssh: bool
) -> dict[str, Any]:
    door, organisation, signer = await _self(reviewer, key_path, party, home, ssh=ssh)
    return await door.review(organisation, reviewer, signer)


async def _erase(
    given: str, reviewer: str, key_path: Path | None, party: str | None, home: str | None, *, ssh: bool
) -> Digest:
    door, organisation, signer = await _self(reviewer, key_path, party, home, ssh=ssh)
    if len(given) == WHOLE_DIGEST:
        note = parse_digest(given)
    else:
        said = await door.review(organisation, reviewer, signer)
        named = {each["note"] for each in said["decisions"] if each["note"] and each["note"].startswith(given)}
        if len(named) != 1:
            raise Misuse(
                f"{given} is the beginning of {len(named)} notes of your decisions: `detente hold mine` lists them"
            )
        note = parse_digest(named.pop())
    await door.erase_note(note, organisation, reviewer, signer)
    return note


async def _watch(organisation: str | None, home: str | None, *, once: bool, as_json: bool) -> None:
    door = await open_door(home)
    party = None if organisation is None else parse_party(organisation)
    if once:
        for each in await door.waiting(party):
            _show_news(News("waits", each), as_json=as_json)
        return
    async for news in watch_queue(door, party):
        _show_news(news, as_json=as_json)
