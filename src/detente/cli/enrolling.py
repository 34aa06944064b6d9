"""``detente hold enrol``: who decides, and with what: software keys, passkeys and security keys, by an organisation's root keys."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import click

from detente.adapters.files import store_file
from detente.app.asserting import security_key_credential
from detente.app.config import find_home, load_config
from detente.app.door import Door, open_door
from detente.app.registering import read_certificates, read_registration
from detente.app.reviewing import (
    REVIEWER,
    Change,
    Draft,
    Enrolled,
    draft_enrolment,
    enrol_change,
    organisation_of,
    read_draft,
    sign_draft,
    submit_draft,
)
from detente.base.errors import Misuse, Unavailable
from detente.base.identity import Party, parse_party, show_key
from detente.cli import home_option, json_option, reports_errors

reviewer_option = click.option(
    "--reviewer", default=REVIEWER, show_default=True, metavar="NAME", help="A pseudonym; logs carry no other name."
)
key_option = click.option(
    "--key", "key_path", type=click.Path(path_type=Path), help="The reviewer's key. [default: keys/reviewer.key]"
)
organisation_option = click.option(
    "--as", "party", metavar="PARTY", help="The reviewer's organisation. [default: the one with a reviewer's key here]"
)


FILE = click.Path(path_type=Path)


@click.command(epilog="Such as: detente hold enrol --as safety-team --reviewer reviewer-2 --key second.key")
@reviewer_option
@key_option
@click.option(
    "--passkey", type=FILE, help="Enrol the passkey of this registration file, which the node's page /enrol makes."
)
@click.option(
    "--chain", type=FILE, help="Certificates that the passkey's attestation leaves out, PEM or DER, the root last."
)
@click.option(
    "--ssh", type=FILE, metavar="KEY.pub", help="Enrol this FIDO security key, which signs its enrolment by ssh-keygen."
)
@click.option(
    "--other-host", is_flag=True, help="The page's host, or this one, cannot be written by a guarded party's agents."
)
@click.option(
    "--revoke", is_flag=True, help="Take the reviewer's keys, passkeys and security keys out of force instead."
)
@click.option(
    "--only",
    default="",
    metavar="KEY",
    help="With --revoke: only keys that begin so, as `detente status --json` spells them.",
)
@click.option("--draft", type=FILE, help="Write the statement here, signed by --root, instead of filing it.")
@click.option(
    "--sign", type=FILE, help="Show what this draft says and add the signature of --root to it; needs no node."
)
@click.option("--submit", type=FILE, help="File this draft once enough root keys have signed it.")
@click.option(
    "--root", "roots", type=FILE, multiple=True, help="A root key's file; may be repeated. [default: keys/root.key]"
)
@organisation_option
@home_option
@json_option
@reports_errors
def enrol(
    *,
    reviewer: str,
    key_path: Path | None,
    passkey: Path | None,
    chain: Path | None,
    ssh: Path | None,
    other_host: bool,
    revoke: bool,
    only: str,
    draft: Path | None,
    sign: Path | None,
    submit: Path | None,
    roots: tuple[Path, ...],
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Let the organisation's root keys enrol what a reviewer decides with: a passkey, a security key, or a software key,
    which is made if it is not there.

    Until its organisation has enrolled it, a reviewer's key decides nothing. Where the terms ask for several root keys,
    --draft FILE, --sign FILE and --submit FILE collect their signatures.
    """
    if sum((passkey is not None, ssh is not None, key_path is not None, revoke)) > 1 or (only and not revoke):
        raise Misuse("--passkey, --ssh, --key and --revoke are four things: one at a time; --only goes with --revoke")
    asked = _Asked(reviewer, key_path, passkey, chain, ssh, only, revoke=revoke, same_host=not other_host)
    if sum(each is not None for each in (draft, sign, submit)) > 1:
        raise Misuse("--draft, --sign and --submit are three steps: one at a time")
    if sign is not None:
        _sign(
            sign,
            roots or (load_config(find_home(home)).key_path("root", None if party is None else parse_party(party)),),
            as_json=as_json,
        )
    elif draft is not None:
        made = asyncio.run(_draft(asked, party, home, roots))
        store_file(draft, made.envelope, mode=0o644)
        _show_draft(made, as_json=as_json)
        if not as_json:
            click.echo(f"written to {draft}, not filed: `detente hold enrol --sign {draft} --root FILE`, then --submit")
    elif submit is not None:
        _show_enrolled(*asyncio.run(_submit(read_draft(_read(submit)), home)), as_json=as_json)
    elif roots:
        raise Misuse("--root signs a draft: say --draft FILE or --sign FILE")
    else:
        _show_enrolled(asyncio.run(_enrol(asked, party, home)), "", as_json=as_json)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None


def _sign(path: Path, roots: tuple[Path, ...], *, as_json: bool) -> None:
    signed = sign_draft(read_draft(_read(path)), roots)
    store_file(path, signed.envelope, mode=0o644)
    _show_draft(signed, as_json=as_json)


def _show_draft(draft: Draft, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(draft.as_json()))
        return
    keys = ", ".join(show_key(key) for key in draft.keys)
    click.echo(f"{draft.party} {'revokes' if draft.revokes else f'enrols {draft.reviewer} with'} {keys}")
    if draft.credential is not None:
        where = draft.credential.origin or draft.credential.rp_id
        host = "agents can write its host" if draft.credential.same_host else "agents cannot write its host"
        click.echo(f"{draft.credential.type} at {where}; {host}, say the root keys")
    count = len(draft.signed)
    click.echo(f"signed by {count} key{'s' if count != 1 else ''}: {', '.join(show_key(key) for key in draft.signed)}")


def _show_enrolled(done: Enrolled, without_effect: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**done.as_json(), "without_effect": without_effect}))
        return
    word = "revoked" if done.revoked else "enrolled"
    when = ("from now on" if done.revoked else "in force") if done.witnessed else "once that is witnessed"
    if without_effect:
        click.echo(f"NOT COUNTED: {without_effect}; filed {done.statement[:12]}…")
    else:
        click.echo(f"{done.reviewer} of {done.party}: {word}, {when}; filed {done.statement[:12]}…")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was said on the command line about the change."""

    reviewer: str
    key_path: Path | None
    passkey: Path | None
    chain: Path | None
    ssh: Path | None
    only: str
    revoke: bool
    same_host: bool


def _change(asked: _Asked, door: Door, party: str | None) -> tuple[Party, Change]:
    """The organisation and the change; a registration file names both organisation and reviewer, and must agree."""
    organisation = organisation_of(door, party)
    reviewer, credential = asked.reviewer, None
    if asked.passkey is not None:
        said = read_registration(_read(asked.passkey))
        if party is not None and said.organisation != organisation:
            raise Misuse(f"{asked.passkey} was registered for {said.organisation}, not {organisation}")
        organisation, reviewer = said.organisation, said.reviewer
        chain = () if asked.chain is None else read_certificates(_read(asked.chain))
        credential = said.credential(same_host=asked.same_host, chain=chain)
    elif asked.ssh is not None:
        credential = security_key_credential(
            asked.ssh, door.config.accord, organisation, reviewer, same_host=asked.same_host
        )
    return organisation, Change(reviewer, asked.key_path, credential, asked.revoke, asked.only)


async def _enrol(asked: _Asked, party: str | None, home: str | None) -> Enrolled:
    door = await open_door(home)
    organisation, change = _change(asked, door, party)
    return await enrol_change(door, party=organisation, change=change)


async def _draft(asked: _Asked, party: str | None, home: str | None, roots: tuple[Path, ...]) -> Draft:
    door = await open_door(home)
    organisation, change = _change(asked, door, party)
    return await draft_enrolment(door, party=organisation, change=change, roots=roots)


async def _submit(draft: Draft, home: str | None) -> tuple[Enrolled, str]:
    return await submit_draft(await open_door(home), draft)
