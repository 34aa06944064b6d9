"""``detente hold``: what waits at a hold point, a reviewer's decision on it, and who the reviewers are."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Any

import click

from detente.adapters.keys import read_key
from detente.app.asserting import Decision, by_security_key, by_software, check_enrolled, file_signed
from detente.app.door import Door, open_door
from detente.app.holding import hold_point_notes
from detente.app.pausing import note_on
from detente.app.reviewing import (
    organisation_of,
)
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Misuse
from detente.base.quantity import show_decimal
from detente.cli import home_option, json_option, reports_errors
from detente.cli.enrolling import enrol, key_option, organisation_option, reviewer_option
from detente.cli.hold_times import told_times
from detente.cli.own_review import erase, mine, watch
from detente.cli.screen import screen
from detente.measure.review.note import ReviewNote, encode_note
from detente.statement.approval import APPROVAL_DECISIONS, SIGNIFICANT, ApprovalDecision, Significant
from detente.statement.proposal import Proposal

TERMINAL = ("software key", "security key (ssh)")
"""Labels of what decides in a terminal."""
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
    """List the proposals that wait at a hold point, and those that lapsed there."""
    door, waiting = asyncio.run(_waiting(home))
    if as_json:
        click.echo(json.dumps({"proposals": waiting}))
        return
    if not waiting:
        click.echo("nothing waits at a hold point")
    for each in waiting:
        lacks = "; ".join(str(reason["text"]) for reason in each["standing"]["reasons"])
        click.echo(f"{each['proposal']}  {each['party']}  {each['standing']['outcome']}: {lacks}")
        for line in told_times(each["times"]):
            click.echo(f"  {line}")
    for note in hold_point_notes(door.terms) if waiting else ():
        click.echo(f"hold point {note}", err=True)


@hold.command(epilog="Such as: detente hold show 96043043")
@click.argument("proposal")
@home_option
@json_option
@reports_errors
def show(proposal: str, home: str | None, as_json: bool) -> None:
    """Show what a proposal says, who decided on it with what, and its times. PROPOSAL may be the first characters of its id."""
    said, standing, decisions, times = asyncio.run(_show(proposal, home))
    if as_json:
        click.echo(json.dumps({**said, "standing": standing, "decisions": decisions, "times": times}))
        return
    for name, value in said.items():
        click.echo(f"{name:12} {value}")
    for each in decisions:
        marks = [
            each["label"],
            *(["same host"] if each["same_host"] else []),
            *(["cloned"] if each["cloned"] else []),
        ]
        past = "" if each["counts"] else ", superseded or not settled yet"
        if each["until"] is not None:
            past = f", expired {each['until']}" if each["expired"] else f"{past}, until {each['until']}"
        click.echo(
            f"{'decided':12} {each['reviewer']} of {each['organisation']}: {each['decision']} ({', '.join(marks)}){past}"
        )
    if standing is not None:
        click.echo(f"{'stands':12} {standing['outcome']}")
    for line in told_times(times):
        click.echo(f"{'time':12} {line}")


@hold.command(epilog="Such as: detente hold decide 96043043 --decision approve --significant yes")
@click.argument("proposal")
@click.option("--decision", type=click.Choice(APPROVAL_DECISIONS), required=True, help="What you decided.")
@reviewer_option
@key_option
@click.option("--significant", type=click.Choice(SIGNIFICANT), default="unknown", show_default=True,
              help="Did you really look?")  # fmt: skip
@click.option("--ssh-key", type=click.Path(path_type=Path), metavar="FILE",
              help="Sign with this FIDO security key, by ssh-keygen, instead of a software key.")  # fmt: skip
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
    ssh_key: Path | None,
    reason: str | None,
    other_host: bool,
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Decide on a proposal as a reviewer, with a software key or a security key; the decision is labelled by which.

    A security key asks for PIN and touch after this terminal has shown what it signs. Passkeys decide on the node's pages.
    """
    if ssh_key is not None and key_path is not None:
        raise Misuse("--key is a software key and --ssh-key a security key: one of them decides")
    asked = _Asked(proposal, decision, reviewer, key_path, ssh_key, significant, reason, same_host=not other_host)
    _show_decided(asyncio.run(_decide(asked, party, home)), as_json=as_json)


@hold.command(epilog="Such as: detente hold confirm 96043043 --ssh-key ~/.ssh/id_brake")
@click.argument("proposal")
@reviewer_option
@key_option
@click.option("--ssh-key", type=click.Path(path_type=Path), metavar="FILE",
              help="Sign with this FIDO security key, by ssh-keygen, instead of a software key.")  # fmt: skip
@click.option("--other-host", is_flag=True, help="This host cannot be written by the party's own agents.")
@organisation_option
@home_option
@json_option
@reports_errors
def confirm(
    proposal: str,
    reviewer: str,
    key_path: Path | None,
    ssh_key: Path | None,
    other_host: bool,
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Say again in a terminal what you approved on a page, after reading what this terminal's own node knows of it.

    Where terms ask for confirmation, an approval counts only with both: a page that shows one change and has another asserted is
    found here.
    """
    if ssh_key is not None and key_path is not None:
        raise Misuse("--key is a software key and --ssh-key a security key: one of them decides")
    asked = _Asked(proposal, "approve", reviewer, key_path, ssh_key, "unknown", None, same_host=not other_host)
    _show_decided(asyncio.run(_confirm(asked, party, home)), as_json=as_json)


def _show_decided(said: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(said))
        return
    click.echo(
        f"{said['reviewer']} of {said['organisation']}: {said['decision']} ({said['authenticator']}); filed {said['statement'][:12]}…"
    )
    if said["without_effect"]:
        click.echo(f"NOT COUNTED: {said['without_effect']}")
    else:
        click.echo(f"it is on record; {said['stands']}")
    if "note" in said:
        click.echo(
            f"your reason is kept as note {said['note'][:12]}…: `detente hold mine` shows it, `detente hold erase` erases it"
        )


async def _confirm(asked: _Asked, party: str | None, home: str | None) -> dict[str, str]:
    """The same word as on the page, with the same claim to have looked."""
    door = await open_door(home)
    proposal, _ = await _find(door, asked.proposal)
    organisation = organisation_of(door, party)
    mine = [
        each
        for each in await door.decisions(proposal)
        if (each["organisation"], each["reviewer"]) == (organisation, asked.reviewer)
    ]
    # What counts is what was approved since the last other word, in whatever order two words of one second stand.
    approved = list(takewhile(lambda each: each["decision"] == "approve", reversed(mine)))
    pages = [each for each in approved if each["label"] not in TERMINAL]
    if not pages or len(pages) < len(approved):
        raise Misuse(
            f"{asked.reviewer} of {organisation} has not approved {proposal[:12]}… on a page alone: there is nothing to confirm"
        )
    page = pages[0]
    said = replace(asked, proposal=proposal, significant=page["significant"], shown=True)
    _show_signed(proposal, await _proposal(door, proposal), said)
    click.echo(f"{'on the page':12} the same, by {page['label']}", err=True)
    if not click.confirm("is this what the page showed you?", err=True):
        raise Misuse("nothing was signed: reject it with `detente hold decide`, and tell whoever runs the page")
    return await _decide(said, organisation, home)


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


async def _show(
    given: str, home: str | None
) -> tuple[dict[str, Any], dict[str, Any] | None, list[dict[str, Any]], dict[str, Any]]:
    door = await open_door(home)
    proposal, standing = await _find(door, given)
    said = said_of(proposal, await _proposal(door, proposal))
    return said, standing, await door.decisions(proposal), await door.times(proposal)


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was said on the command line of ``decide``."""

    proposal: str
    decision: ApprovalDecision
    reviewer: str
    key_path: Path | None
    ssh_key: Path | None
    significant: Significant
    reason: str | None
    same_host: bool
    shown: bool = False


async def _decide(asked: _Asked, party: str | None, home: str | None) -> dict[str, str]:
    door = await open_door(home)
    proposal, _ = await _find(door, asked.proposal)
    body = await _proposal(door, proposal)
    organisation = organisation_of(door, party)
    keyrings = (await door.status())["keys"]
    speaker = door.speaker(organisation)
    if asked.ssh_key is None:
        path = asked.key_path or door.config.key_path("reviewer", organisation)
        if not path.exists():
            raise Misuse(
                f"no reviewer's key at {path}: `detente hold enrol --as {organisation} --reviewer {asked.reviewer}` makes "
                "and enrols one where the root key is, or name the key with --key"
            )
        assertion, label = by_software(read_key(path), speaker.accord), "software key"
    else:
        check_enrolled(asked.ssh_key, keyrings, organisation, asked.reviewer)
        if not asked.shown:
            _show_signed(proposal, body, asked)
        assertion, label = by_security_key(asked.ssh_key, speaker.accord), "security key (ssh)"
    note = None if asked.reason is None else await door.keep_note(encode_note(ReviewNote(asked.reason)))
    log = next((each["log"] for each in keyrings if each["party"] == organisation), None)
    decision = Decision(
        proposal=proposal,
        decision=asked.decision,
        reviewer=asked.reviewer,
        significant=asked.significant,
        same_host=asked.same_host,
        note=note,
        log=log,
    )
    made, envelope = file_signed(decision, speaker, assertion)
    await door.submit(envelope)
    without_effect = note_on(await door.status(), made)
    still = next((each["standing"] for each in await door.proposals() if each["proposal"] == proposal), None)
    lacks = "" if still is None else "; ".join(str(reason["text"]) for reason in still["reasons"])
    return {
        "statement": made,
        "without_effect": without_effect,
        "stands": "nothing waits for it any more" if still is None else f"the proposal is {still['outcome']}: {lacks}",
        "proposal": proposal,
        "decision": asked.decision,
        "reviewer": asked.reviewer,
        "organisation": speaker.party,
        "authenticator": label,
        **({} if note is None else {"note": note}),
    }


def _show_signed(proposal: Digest, body: Proposal, asked: _Asked) -> None:
    """What the security key is about to sign, as this terminal's own node knows it; on stderr, before the touch."""
    for name, value in said_of(proposal, body).items():
        click.echo(f"{name:12} {value}", err=True)
    click.echo(f"{'you decide':12} {asked.decision}, significant: {asked.significant}, as {asked.reviewer}", err=True)
    click.echo("compare the proposal's id with where you read the change, then touch your security key", err=True)


hold.add_command(enrol)
hold.add_command(mine)
hold.add_command(erase)
hold.add_command(screen)
hold.add_command(watch)
