"""``detente hold``: what waits at a hold point, a reviewer's decision on it, and who the reviewers are."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from detente.adapters.files import store_file
from detente.adapters.keys import read_key
from detente.app.config import find_home, load_config
from detente.app.door import Door, open_door
from detente.app.holding import hold_point_notes, signed_approval
from detente.app.pausing import note_on
from detente.app.reviewing import (
    REVIEWER,
    Draft,
    Enrolled,
    draft_enrolment,
    enrol_reviewer,
    organisation_of,
    read_draft,
    sign_draft,
    submit_draft,
)
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Misuse, Unavailable
from detente.base.identity import parse_party, show_key
from detente.base.quantity import show_decimal
from detente.cli import home_option, json_option, reports_errors
from detente.cli.own_review import erase, mine
from detente.measure.review.note import ReviewNote, encode_note
from detente.statement.approval import APPROVAL_DECISIONS, SIGNIFICANT, ApprovalDecision, Significant
from detente.statement.proposal import Proposal

reviewer_option = click.option(
    "--reviewer", default=REVIEWER, show_default=True, metavar="NAME", help="A pseudonym; logs carry no other name."
)
key_option = click.option(
    "--key", "key_path", type=click.Path(path_type=Path), help="The reviewer's key. [default: keys/reviewer.key]"
)
organisation_option = click.option(
    "--as", "party", metavar="PARTY", help="The reviewer's organisation. [default: the one with a reviewer's key here]"
)


WHOLE_ID = 64
"""Characters of a proposal's id."""


@click.group()
def hold() -> None:
    """Changes that wait for a human: list, show, decide; and enrol those who decide."""


@hold.command("list", epilog="Such as: detente hold list")
@home_option
@json_option
@reports_errors
def list_(home: str | None, as_json: bool) -> None:
    """List the proposals that wait at a hold point."""
    door, waiting = asyncio.run(_waiting(home))
    if as_json:
        click.echo(json.dumps({"proposals": waiting}))
        return
    if not waiting:
        click.echo("nothing waits at a hold point")
    for each in waiting:
        lacks = "; ".join(str(reason["text"]) for reason in each["standing"]["reasons"])
        click.echo(f"{each['proposal']}  {each['party']}  {each['standing']['outcome']}: {lacks}")
    for note in hold_point_notes(door.terms) if waiting else ():
        click.echo(f"hold point {note}", err=True)


@hold.command(epilog="Such as: detente hold show 96043043")
@click.argument("proposal")
@home_option
@json_option
@reports_errors
def show(proposal: str, home: str | None, as_json: bool) -> None:
    """Show what a proposal says. PROPOSAL may be the first characters of its id."""
    said, standing = asyncio.run(_show(proposal, home))
    if as_json:
        click.echo(json.dumps({**said, "standing": standing}))
        return
    for name, value in said.items():
        click.echo(f"{name:12} {value}")
    if standing is not None:
        click.echo(f"{'stands':12} {standing['outcome']}")


@hold.command(epilog="Such as: detente hold decide 96043043 --decision approve --significant yes")
@click.argument("proposal")
@click.option("--decision", type=click.Choice(APPROVAL_DECISIONS), required=True, help="What you decided.")
@reviewer_option
@key_option
@click.option("--significant", type=click.Choice(SIGNIFICANT), default="unknown", show_default=True,
              help="Did you really look?")  # fmt: skip
@click.option("--reason", metavar="TEXT", help="Why; kept at your node until you erase it, never in a log.")
@click.option("--other-host", is_flag=True, help="This host cannot be written by the party's own agents.")
@organisation_option
@home_option
@json_option
@reports_errors
def decide(
    proposal: str,
    decision: ApprovalDecision,
    reviewer: str,
    key_path: Path | None,
    significant: Significant,
    reason: str | None,
    other_host: bool,
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Decide on a proposal as a reviewer, with a software key, which is what the decision will be labelled."""
    said = asyncio.run(
        _decide(proposal, decision, reviewer, key_path, significant, reason, party, home, same_host=not other_host)
    )
    if as_json:
        click.echo(json.dumps(said))
        return
    click.echo(
        f"{said['reviewer']} of {said['organisation']}: {said['decision']} (software key); filed {said['statement'][:12]}…"
    )
    if said["without_effect"]:
        click.echo(f"NOT COUNTED: {said['without_effect']}")
    else:
        click.echo(f"it is on record; {said['stands']}")
    if "note" in said:
        click.echo(
            f"your reason is kept as note {said['note'][:12]}…: `detente hold mine` shows it, `detente hold erase` erases it"
        )


FILE = click.Path(path_type=Path)


@hold.command(epilog="Such as: detente hold enrol --as safety-team --reviewer reviewer-2 --key second.key")
@reviewer_option
@key_option
@click.option("--revoke", is_flag=True, help="Take the reviewer's keys out of force instead.")
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
    revoke: bool,
    draft: Path | None,
    sign: Path | None,
    submit: Path | None,
    roots: tuple[Path, ...],
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Let the organisation's root keys enrol a reviewer's key, which is made if it is not there.

    Until its organisation has enrolled it, a reviewer's key decides nothing. Where the terms ask for several root keys,
    --draft FILE, --sign FILE and --submit FILE collect their signatures.
    """
    if sum(each is not None for each in (draft, sign, submit)) > 1:
        raise Misuse("--draft, --sign and --submit are three steps: one at a time")
    if sign is not None:
        _sign(
            sign,
            roots or (load_config(find_home(home)).key_path("root", None if party is None else parse_party(party)),),
            as_json=as_json,
        )
    elif draft is not None:
        made = asyncio.run(_draft(reviewer, key_path, party, home, roots, revoke=revoke))
        store_file(draft, made.envelope, mode=0o644)
        _show_draft(made, as_json=as_json)
        if not as_json:
            click.echo(f"written to {draft}, not filed: `detente hold enrol --sign {draft} --root FILE`, then --submit")
    elif submit is not None:
        _show_enrolled(*asyncio.run(_submit(read_draft(_read(submit)), home)), as_json=as_json)
    elif roots:
        raise Misuse("--root signs a draft: say --draft FILE or --sign FILE")
    else:
        _show_enrolled(asyncio.run(_enrol(reviewer, key_path, party, home, revoke=revoke)), "", as_json=as_json)


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


async def _enrol(
    reviewer: str, key_path: Path | None, party: str | None, home: str | None, *, revoke: bool
) -> Enrolled:  # fmt: skip
    door = await open_door(home)
    organisation = organisation_of(door, party)
    return await enrol_reviewer(door, party=organisation, reviewer=reviewer, key_path=key_path, revoke=revoke)


async def _draft(
    reviewer: str,
    key_path: Path | None,
    party: str | None,
    home: str | None,
    roots: tuple[Path, ...],
    *,
    revoke: bool,
) -> Draft:
    door = await open_door(home)
    organisation = organisation_of(door, party)
    return await draft_enrolment(
        door, party=organisation, reviewer=reviewer, key_path=key_path, revoke=revoke, roots=roots
    )


async def _submit(draft: Draft, home: str | None) -> tuple[Enrolled, str]:
    return await submit_draft(await open_door(home), draft)


async def _waiting(home: str | None) -> tuple[Door, list[dict[str, Any]]]:
    door = await open_door(home)
    return door, await door.proposals()


async def _find(door: Door, given: str) -> tuple[Digest, dict[str, Any] | None]:
    waiting = await door.proposals()
    matches = [each for each in waiting if str(each["proposal"]).startswith(given)]
    if len(matches) == 1:
        return parse_digest(matches[0]["proposal"]), matches[0]["standing"]
    if len(matches) > 1:
        raise Misuse(f"{given} is the beginning of {len(matches)} proposals: give more of it")
    if len(given) < WHOLE_ID:
        raise Misuse(f"no proposal that begins with {given} waits; one that waits no more is named by its whole id")
    return parse_digest(given), None


async def _show(given: str, home: str | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    door = await open_door(home)
    proposal, standing = await _find(door, given)
    return said_of(proposal, await _proposal(door, proposal)), standing


async def _proposal(door: Door, proposal: Digest) -> Proposal:
    statement = await door.statement(proposal)
    if not isinstance(statement.body, Proposal):
        raise Misuse(f"{proposal[:12]}… is a {statement.kind}, not a proposal")
    return statement.body


def said_of(proposal: Digest, body: Proposal) -> dict[str, Any]:
    """A proposal's members as text."""
    said = {
        name: show_decimal(value) if isinstance(value, Decimal) else str(value)
        for name, value in asdict(body).items()
        if value is not None
    }
    by = body.proposed_by
    return {
        "proposal": proposal,
        **said,
        "proposed_by": by.kind if by.id is None else f"{by.kind} {by.id}",
        "touches": ", ".join(body.touches),
    }


async def _decide(
    given: str,
    decision: ApprovalDecision,
    reviewer: str,
    key_path: Path | None,
    significant: Significant,
    reason: str | None,
    party: str | None,
    home: str | None,
    *,
    same_host: bool,
) -> dict[str, str]:
    door = await open_door(home)
    proposal, _ = await _find(door, given)
    await _proposal(door, proposal)
    organisation = organisation_of(door, party)
    path = key_path or door.config.key_path("reviewer", organisation)
    if not path.exists():
        raise Misuse(
            f"no reviewer's key at {path}: `detente hold enrol --as {organisation} --reviewer {reviewer}` makes and "
            "enrols one where the root key is, or name the key with --key"
        )
    signer = read_key(path)
    note = None if reason is None else await door.keep_note(encode_note(ReviewNote(reason)))
    speaker = door.speaker(organisation)
    made, envelope = signed_approval(
        proposal,
        decision,
        reviewer=reviewer,
        reviewer_key=signer,
        speaker=speaker,
        same_host=same_host,
        significant=significant,
        note=note,
    )
    await door.submit(envelope)
    without_effect = note_on(await door.status(), made)
    still = next((each["standing"] for each in await door.proposals() if each["proposal"] == proposal), None)
    lacks = "" if still is None else "; ".join(str(reason["text"]) for reason in still["reasons"])
    return {
        "statement": made,
        "without_effect": without_effect,
        "stands": "nothing waits for it any more" if still is None else f"the proposal is {still['outcome']}: {lacks}",
        "proposal": proposal,
        "decision": decision,
        "reviewer": reviewer,
        "organisation": speaker.party,
        "authenticator": "software",
        **({} if note is None else {"note": note}),
    }


hold.add_command(mine)
hold.add_command(erase)
