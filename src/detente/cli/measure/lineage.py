"""``detente measure lineage``: how far a self-improving loop went without a human who really looked."""

from __future__ import annotations

import json
from typing import cast

import click

from detente.app.measuring.lineage import read_lineage, write_text
from detente.cli import json_option, reports_errors
from detente.cli.measure.showing import show_result, sign_option
from detente.cli.measure.waiting import Progress
from detente.measure.loops.kinds import NAMES
from detente.measure.loops.prov import prov_document
from detente.measure.loops.tree_picture import draw_tree
from detente.statement.change import TOUCHES, Touch


@click.command(epilog="Such as: detente measure lineage openevolve_output --picture tree.svg")
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option("--as", "kind", type=click.Choice(NAMES), help="What the record is of. [default: recognised]")
@click.option("--branch", metavar="REF", help="The branch of a repository. [default: every autoresearch/<tag>]")
@click.option(
    "--approvals",
    metavar="FILE|none",
    help="A table of versions that a human approved significantly, or none to state that nobody approved any.",
)
@click.option(
    "--touches",
    type=click.Choice(TOUCHES),
    multiple=True,
    help="State what the changes touch, where the loop does not say.",
)
@click.option("--picture", type=click.Path(dir_okay=False), metavar="FILE", help="Write the tree as SVG.")
@click.option("--prov", type=click.Path(dir_okay=False), metavar="FILE", help="Write the graph as PROV-JSON.")
@click.option("--evidence", is_flag=True, help="Print every version below the numbers.")
@sign_option
@json_option
@reports_errors
def lineage(
    runs: tuple[str, ...],
    kind: str | None,
    branch: str | None,
    approvals: str | None,
    touches: tuple[str, ...],
    picture: str | None,
    prov: str | None,
    evidence: bool,
    as_json: bool,
) -> None:
    """Measure depths, rates and what was spent since the last approval, from the records of self-improving loops.

    RUN is a folder, a file or a database that a loop left, or a git repository with its branch. Several make one graph.
    """
    found = read_lineage(
        runs,
        kind=kind,
        branch=branch,
        approvals=approvals,
        touches=cast("tuple[Touch, ...]", touches),
        progress=Progress("reading"),
    )
    if picture is not None:
        write_text(picture, draw_tree(found.judged, title=f"Lineage of {found.result.subject}"))
        click.echo(f"wrote {picture}", err=True)
    if prov is not None:
        write_text(prov, json.dumps(prov_document(found.judged), ensure_ascii=False, indent=1) + "\n")
        click.echo(f"wrote {prov}", err=True)
    show_result(found.result, as_json=as_json, evidence=evidence)
