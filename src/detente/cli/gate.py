"""``detente gate``: may this version be deployed? For a pipeline, by exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from detente.app.gating import about_of, ask_deployment, rule_of, sarif, version_of
from detente.app.observed_asking import spoken
from detente.base.digest import Digest
from detente.base.errors import Unavailable
from detente.cli import EXIT_CODES, UNAVAILABLE, home_option, json_option, package_version, reports_errors
from detente.guard.answer import Answer

DENIED = 1
"""The accord forbids it. A hold exits with ``EXIT_CODES["held"]``, no answer with ``UNAVAILABLE``, as everywhere."""
_CODES = {"detente/denied": DENIED, "detente/held": EXIT_CODES["held"], "detente/unanswered": UNAVAILABLE}
_SAID = {"detente/denied": "denied", "detente/held": "held", "detente/unanswered": "no answer, so held"}


@click.command(epilog="Such as: detente gate model.safetensors --sarif gate.sarif")
@click.argument("version")
@click.option("--developer", metavar="PARTY", help="Whose version it is, where the one that deploys is no developer.")
@click.option("--sarif", "sarif_path", metavar="FILE", type=click.Path(path_type=Path), help="Write SARIF 2.1.0, too.")
@click.option("--within", "within_s", default=20.0, show_default=True, help="Seconds to wait for the answer.")
@click.option(
    "--observe", "observing", is_flag=True, help="Record what would be answered, and exit with 0: hold nothing."
)
@home_option
@json_option
@reports_errors
def gate(
    *,
    version: str,
    developer: str | None,
    sarif_path: Path | None,
    within_s: float,
    observing: bool,
    home: str | None,
    as_json: bool,
) -> None:
    """Ask whether VERSION may be deployed. VERSION is its digest, or a file or folder whose digest is meant.

    Exits with 0 if it is allowed, 1 if the accord denies it, 36 if a decision is missing, 3 if nobody answers. With --observe it exits
    with 0 whatever is answered, says so on stderr, and appends the answer to observe.jsonl in the home.
    """
    if sarif_path is not None:
        _without(sarif_path)
    digest = version_of(version)
    answer = ask_deployment(digest, developer=developer, home=home, within_s=within_s, observing=observing)
    code = 0 if answer.allowed or observing else _CODES[rule_of(answer)]
    if sarif_path is not None:
        log = sarif(answer, digest, release=package_version(), observing=observing)
        try:
            sarif_path.write_text(json.dumps(log, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise Unavailable(f"cannot write {sarif_path}: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps({**answer.as_json(), "version": digest, "enforced": not observing, "exit": code}))
    if observing:
        click.echo(f"detente: {spoken(answer, about_of(digest))}", err=True)
    elif not as_json:
        _tell(answer, digest)
    sys.exit(code)


def _without(path: Path) -> None:
    """What an earlier run said there is not to be taken for the word of one that comes to none."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None


def _tell(answer: Answer, version: Digest) -> None:
    if answer.allowed:
        click.echo(f"allowed: version {version}")
        return
    click.echo(f"{_SAID[rule_of(answer)]}: version {version}", err=True)
    for reason in answer.reasons or answer.held_by:
        click.echo(f"  {reason}", err=True)
    click.echo("  `detente status --why` shows what holds it and who can change that", err=True)
