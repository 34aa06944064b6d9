"""``detente log``: verify logs from their files alone, check and mend a store, look inside.

Decides what is printed. Leaves out every check: ``app.log_verifying``, ``app.log_checking``, ``app.recovering``.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from detente.accord.terms import Terms, parse_terms
from detente.app.config import CONFIG_NAME, find_home, load_config
from detente.app.log_sources import find_logs, is_url
from detente.app.log_verifying import VerifiedLog, export_log, show_counts, verify_logs
from detente.base.errors import Misuse, Unavailable
from detente.base.instant import show_instant
from detente.cli import home_option, json_option, reports_errors
from detente.cli.wording import counted

TERMS_OPTION = click.option(
    "--terms",
    type=click.Path(path_type=Path),
    multiple=True,
    help="The founding terms, then amendments. [default: the home's]",
)
ORIGIN_OPTION = click.option("--origin", metavar="ORIGIN", help="Only the log with this origin.")


@click.group()
def log() -> None:
    """Verify a log from its files alone, check a store, recover from mirrors."""


@log.command(epilog="Such as: detente log verify .detente")
@click.argument("target")
@TERMS_OPTION
@ORIGIN_OPTION
@home_option
@json_option
@reports_errors
def verify(*, target: str, terms: tuple[Path, ...], origin: str | None, home: str | None, as_json: bool) -> None:
    """Verify the logs at TARGET: signatures, quorum, every hash, every statement.

    TARGET is a folder of static files, a folder of such folders, a node's home (no node need run), or the URL of a node
    or of one log.
    """
    texts = _texts(terms, target, home)
    with find_logs(target, _chain(texts), origin=origin) as found:
        verified = verify_logs([each.source for each in found], texts[0], amendments=texts[1:])
    if as_json:
        said = [each.as_json() for each in verified]
        click.echo(json.dumps(said[0] if len(said) == 1 else said))
        return
    if not verified:
        click.echo("no log here has a head yet")
    for each in verified:
        show_verified(each)


def show_verified(verified: VerifiedLog) -> None:
    """Three lines for people: head, cosigners, what the entries are; then each entry without effect."""
    witnessed = "itself: no quorum" if verified.self_witnessed else ", ".join(verified.witnesses)
    click.echo(
        f"{verified.origin}: {counted(verified.size, 'entry verifies', 'entries verify')}, root {verified.root[:16]}…"
    )
    click.echo(f"  cosigned by {witnessed}")
    click.echo(f"  {show_counts(verified.kinds)}")
    for index, why in verified.unread:
        click.echo(f"  entry {index} has no effect: {why}")


@log.command(epilog="Such as: detente log fsck")
@home_option
@json_option
@reports_errors
def fsck(*, home: str | None, as_json: bool) -> None:
    """Re-hash everything in a home's store; a node may run meanwhile."""
    from detente.app.log_checking import check_home, refuse_damage

    check = check_home(find_home(home))
    if as_json and not check.damages:
        click.echo(json.dumps(check.as_json()))
    elif not as_json:
        click.echo(
            f"{counted(check.entries, 'entry', 'entries')} of {counted(check.logs, 'log')} and "
            f"{counted(check.heads, 'head')} re-hashed"
        )
        for damage in check.damages:
            click.echo(f"  {damage}")
    refuse_damage(check)


@log.command(epilog="Such as: detente log recover")
@home_option
@json_option
@reports_errors
def recover(*, home: str | None, as_json: bool) -> None:
    """Bring a home back after a restore or damage: fetch what is missing from the mirrors, and verify it.

    The node must not run. Nothing is signed unless enough mirrors answer to be sure that none holds a later head.
    """
    from detente.app.recovering import recover_home

    recovered = asyncio.run(recover_home(find_home(home)))
    if as_json:
        click.echo(json.dumps(recovered.as_json()))
        return
    click.echo(
        f"{recovered.origin}: {counted(recovered.mended, 'entry', 'entries')} mended, {recovered.fetched} fetched"
    )
    click.echo(f"  asked: {', '.join(recovered.asked) or 'nobody holds a head of it'}")
    click.echo(f"  the node signs on from size {recovered.size}, root {recovered.root[:16]}…")


@log.command(epilog="Such as: detente log succeed --root /media/key/root.key")
@click.option("--origin", metavar="ORIGIN", help="The successor's origin. [default: the old one with a number]")
@click.option(
    "--root",
    "roots",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A root key's file; several for a threshold. [default: keys/root.key]",
)
@click.option("--although-open", is_flag=True, help="Close a log that told one story: its key was lost or stolen.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the statement here instead of filing it.")
@click.option(
    "--sign", "add_to", type=click.Path(path_type=Path), help="Sign this statement of --out too, and file it."
)
@home_option
@json_option
@reports_errors
def succeed(
    *,
    origin: str | None,
    roots: tuple[Path, ...],
    although_open: bool,
    out: Path | None,
    add_to: Path | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Open a successor of this party's log, which is closed: root keys sign, a peer's log carries the statement.

    The node must not run meanwhile. Start it again: once the statement has settled, it writes in the successor.
    """
    from detente.app import succeeding

    place = find_home(home)
    if add_to is not None:
        if not roots:
            raise Misuse("say which root keys sign too: --root FILE")
        opening = succeeding.read_opening(succeeding.sign_also(_read(add_to), roots))
    else:
        opening = asyncio.run(
            succeeding.prepare_successor(place, roots=roots, origin=origin, although_open=although_open)
        )
    if out is not None:
        succeeding.keep_opening(out, opening)
    else:
        opening = asyncio.run(succeeding.file_opening(place, opening))
    if as_json:
        click.echo(json.dumps(opening.as_json()))
        return
    click.echo(f"keys {opening.statement}: {opening.origin} follows {opening.closes or 'the log that it closes'}")
    if out is not None:
        click.echo(
            f"  written to {out}, not filed: the others sign it with `detente log succeed --sign {out} --root FILE`"
        )
    else:
        click.echo(f"  in the log of {opening.taken_by}, {'witnessed' if opening.witnessed else 'not witnessed yet'}")
        click.echo(
            "  start the node: it writes in the successor once the threshold is met and the statement has settled"
        )


@log.command(epilog="Such as: detente log contradiction proof.txt")
@click.argument("proof", type=click.Path(path_type=Path))
@TERMS_OPTION
@home_option
@json_option
@reports_errors
def contradiction(*, proof: Path, terms: tuple[Path, ...], home: str | None, as_json: bool) -> None:
    """Verify the PROOF that a log contradicted itself, from the file alone: two heads under its key that cannot both be.

    Nodes serve it at /log/<log>/equivocation and keep it below <home>/equivocations.
    """
    from detente.app.log_verifying import verify_contradiction

    found = verify_contradiction(_read(proof), _texts(terms, str(find_home(home)), home))
    if as_json:
        click.echo(json.dumps(found.as_json()))
        return
    click.echo(f"{found.origin} of {found.operator} contradicted itself")
    for size, root in found.heads:
        click.echo(f"  it signed a head of {counted(size, 'entry', 'entries')} with root {root}")


@log.command(epilog="Such as: detente log export static")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--from", "target", help="Export from this home or URL. [default: the home]")
@TERMS_OPTION
@ORIGIN_OPTION
@home_option
@json_option
@reports_errors
def export(
    *, folder: Path, target: str | None, terms: tuple[Path, ...], origin: str | None, home: str | None, as_json: bool
) -> None:
    """Write logs to FOLDER as static C2SP files, a folder for each, named by its origin's first part."""
    place = target or str(find_home(home))
    texts = _texts(terms, place, home)
    written: dict[str, int] = {}
    with find_logs(place, _chain(texts), origin=origin) as found:
        for each in found:
            written[each.name] = export_log(each.source, folder / _folder_name(each.name))
    if as_json:
        click.echo(json.dumps(written))
    for name, size in written.items():
        if not as_json:
            click.echo(f"{folder / _folder_name(name)}: {counted(size, 'entry', 'entries')} of {name}")


@log.command(epilog="Such as: detente log show --last 5")
@ORIGIN_OPTION
@click.option(
    "--last", type=click.IntRange(1, 100_000), default=20, show_default=True, help="So many of the newest entries."
)
@home_option
@json_option
@reports_errors
def show(*, origin: str | None, last: int, home: str | None, as_json: bool) -> None:
    """List the newest entries of a home's logs: place, kind, party, claimed date, statement id."""
    from detente.app.log_showing import show_entries

    for entry in show_entries(find_home(home), origin=origin, last=last):
        if as_json:
            click.echo(json.dumps(entry.as_json()))
        else:
            made = show_instant(entry.made_at) if entry.made_at is not None else "-"
            click.echo(f"{entry.place}  {entry.kind}  {entry.party or '-'}  {made}  {entry.statement or entry.why}")


def _folder_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in ".-" else "-" for char in name.removesuffix("/log")) or "log"


def _texts(terms: tuple[Path, ...], target: str, home: str | None) -> tuple[bytes, ...]:
    """The terms given, else those of the home that is the target, else those of the home."""
    if terms:
        return tuple(_read(path) for path in terms)
    folder = Path(target)
    if is_url(target) or not (folder / CONFIG_NAME).is_file():
        folder = find_home(home)
    if not (folder / CONFIG_NAME).is_file():
        raise Misuse("say which terms the log belongs to: --terms FILE")
    return (load_config(folder).read_terms(),)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None


def _chain(texts: tuple[bytes, ...]) -> tuple[Terms, ...]:
    return tuple(parse_terms(text) for text in texts)
