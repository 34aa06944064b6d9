"""Print a ``Result`` for people, or as JSON; and file it, where that was asked for.

A measuring command takes ``@sign_option`` and hands its result to ``show_result``, which does the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from detente.base.visible import visible
from detente.cli.wording import counted
from detente.measure.indicator import Result
from detente.measure.report.wording import show_value

if TYPE_CHECKING:  # a node and all that it needs: a command that signs nothing must start without
    from detente.app.measuring.signing import Filed

_SIGN, _HOME, _PARTY = (f"{__name__}.{name}" for name in ("sign", "home", "party"))
NAMED = 3
"""Names of what was left out that stand in its line; ``--json`` has more."""
_MARKS = {"note": "·", "warning": "!", "alarm": "‼"}


def show_result(result: Result, *, as_json: bool, evidence: bool = False) -> None:
    """The result on stdout; exclusions and remarks stand with the numbers, never only in a log.

    With ``evidence`` every ledger is printed below.
    """
    filed = file_if_asked([result])
    if as_json:
        said = result.as_json() if filed is None else {**result.as_json(), "filed": filed.as_json()}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    click.echo(f"{result.measure} of {printable(result.subject)}")
    for name, value in result.inputs.items():
        click.echo(f"  read        {name} {value}")
    width = max((len(indicator.label or indicator.name) for indicator in result.indicators), default=0)
    for indicator in result.indicators:
        n = "" if indicator.n is None else f", n = {indicator.n}"
        click.echo(
            f"  {indicator.label or indicator.name:<{width}}  {show_value(indicator):>24}  [{indicator.evidence_class}{n}]"
        )
    for remark in result.remarks:
        click.echo(f"  {_MARKS[remark.weight]} {remark.weight}: {printable(remark.text)}")
    for exclusion in result.exclusions:
        few = ", ".join(exclusion.examples[:NAMED]) + (" …" if len(exclusion.examples) > NAMED else "")
        named = f" ({printable(few)})" if few else ""
        click.echo(f"  left out: {exclusion.count} {exclusion.what}: {exclusion.why}{named}")
    if evidence:
        for ledger in result.ledgers:
            click.echo(f"\n{ledger.title} ({counted(len(ledger.rows), 'row')}, sha256 {ledger.digest()})")
            click.echo("\t".join(ledger.columns))
            for row in ledger.rows:
                click.echo("\t".join("" if cell is None else printable(str(cell)) for cell in row))
    if filed is not None:
        show_filed(filed)


def sign_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--sign``, ``--home`` and ``--party`` of a measuring command; they arrive at ``file_if_asked``."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        return lambda ctx, _parameter, value: ctx.meta.__setitem__(name, value)

    options = (
        click.option(
            "--sign",
            is_flag=True,
            expose_value=False,
            callback=keep(_SIGN),
            help="File each indicator as a signed statement at the home's node, and keep the rows below it there.",
        ),
        click.option(
            "--home",
            metavar="DIR",
            expose_value=False,
            callback=keep(_HOME),
            help="The node's home, for --sign. [default: $DETENTE_HOME or ./.detente]",
        ),
        click.option(
            "--party",
            metavar="PARTY",
            expose_value=False,
            callback=keep(_PARTY),
            help="Who states it, of those whose keys are in the home. [default: the home's own]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def file_if_asked(results: Sequence[Result]) -> Filed | None:
    """File the results if ``--sign`` was given; what was filed, or ``None``."""
    if not is_to_be_filed():
        return None
    meta = click.get_current_context().meta
    import asyncio

    from detente.app.measuring.signing import file_results

    return asyncio.run(file_results(results, home=meta.get(_HOME), party=meta.get(_PARTY)))


def is_to_be_filed() -> bool:
    """Was ``--sign`` given?"""
    return bool(click.get_current_context().meta.get(_SIGN))


def show_filed(filed: Filed) -> None:
    """What was filed, in a few lines."""
    click.echo(f"  filed by {filed.party}: {len(filed.statements)} statements, {len(filed.stored)} ledgers stored")
    for name, statement in filed.statements:
        click.echo(f"    {statement[:12]}… {name}")
    for name, digest, why in filed.not_stored:
        click.echo(f"    not stored: {name} ({digest[:12]}…): {why}")


def printable(text: str) -> str:
    r"""Text from a repository or a file, fit for a terminal: what steers one is shown as an escape.

    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return visible(text)
