"""The tree as a picture and as PROV: everything that matters is in both, whatever its size."""

import json
import random
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from detente.measure.loops.approvals import NOBODY
from detente.measure.loops.measuring import judge
from detente.measure.loops.prov import prov_document
from detente.measure.loops.record import Loop, LoopVersion
from detente.measure.loops.tree_layout import ROWS_MAX, lay_out
from detente.measure.loops.tree_picture import draw_tree
from detente.measure.loops.weaving import weave

SVG = "{http://www.w3.org/2000/svg}"


def _parsed(svg):
    return ET.fromstring(svg)  # noqa: S314  # our own output


def _loop(parents, *, kind="dgm", direction="higher", **changes):
    versions = tuple(
        LoopVersion(
            id=name,
            parents=(parent,) if parent else (),
            proposer="model" if parent else "undeclared",
            touches=frozenset({"training"}),
            score=Decimal(number) / 100,
            kept=changes.get("dropped", frozenset()).isdisjoint({name}),
        )
        for number, (name, parent) in enumerate(parents.items())
    )
    return Loop(kind=kind, name="run", versions=versions, direction=direction, score_name="score", evidence="recorded")


def _grown(number, seed, breadth):
    """A tree of that many versions, each from one of the last ``breadth``."""
    draw = random.Random(seed)
    names = [f"v{each}" for each in range(number)]
    return {name: names[draw.randrange(max(0, at - breadth), at)] if at else None for at, name in enumerate(names)}


@pytest.mark.parametrize(("number", "breadth"), [(1, 1), (40, 5), (3_000, 1), (3_000, 30), (3_000, 3_000)])
def test_every_version_has_one_mark_and_the_rows_stay_readable(number, breadth):
    """Also thousands: nothing is left out, nothing is drawn twice, no two marks lie on each other."""
    judged = judge(weave([_loop(_grown(number, 7, breadth))]), NOBODY)
    woven = judged.woven
    best = woven.digest_of(woven.loops[0], f"v{number - 1}")
    layout = lay_out(woven, best=best, chain=judged.chain(), approved=frozenset())
    drawn = [digest for spot in layout.spots for digest in spot.digests]
    assert sorted(drawn) == sorted(woven.versions)
    assert layout.rows <= ROWS_MAX
    places = [(spot.row, across) for spot in layout.spots for across in range(spot.across, spot.until + 1)]
    assert len(places) == len(set(places))
    ways = {layout.spots[layout.spot_of[digest]].row for digest in layout.way}
    assert len(ways) == 1
    assert all(layout.spots[layout.spot_of[digest]].kind == "version" for digest in (*layout.way, *judged.chain()))


def test_the_picture_says_everything_without_colour():
    """Shapes for status, a star for the best, an A for an approval, words for the chain, a title for each mark."""
    parents = {"first": None, "b": "first", "c": "b", "d": "c", "e": "first"}
    judged = judge(weave([_loop(parents, dropped={"e"})]), {"b": True, "*": False})
    root = _parsed(draw_tree(judged, title='A <run> & "more"'))
    words = [element.text for element in root.iter(f"{SVG}text")]
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert 'A <run> & "more"' in words
    assert "A" in words
    assert "2 in a row" in words
    for legend in (
        "first of the record",
        "kept",
        "dropped",
        "approved by a human",
        "the chain of the AI-proposed depth",
    ):
        assert legend in words
    assert any("larger and lighter is better" in (each or "") for each in words)
    assert sum("AI-proposed depth in the record" in (each or "") for each in titles) == 5


def test_hostile_names_stay_text():
    """An id with markup in it cannot leave its title."""
    judged = judge(weave([_loop({'</title><script>x("&")</script>\x00\x1b[31m': None})]), NOBODY)
    root = _parsed(draw_tree(judged, title="t"))
    assert not list(root.iter(f"{SVG}script"))


def test_a_circle_is_drawn_and_not_followed_for_ever():
    """Versions that are their own ancestors hang from whatever was placed first."""
    judged = judge(weave([_loop({"a": None, "x": "y", "y": "x", "z": "y"})]), NOBODY)
    layout = lay_out(judged.woven, best=None, chain=judged.chain(), approved=frozenset())
    assert len([digest for spot in layout.spots for digest in spot.digests]) == 4
    _parsed(draw_tree(judged, title="t"))


def test_prov_has_every_version_edge_proposer_and_score():
    """Recorded and possible parents are told apart; nobody's name is in it."""
    loop = _loop({"first": None, "b": "first", "c": "b"})
    odd = LoopVersion(id="d", perhaps=("c",), proposed_by="c", touches=frozenset({"training"}), score=Decimal("0.5"))
    judged = judge(weave([Loop(**{**_fields(loop), "versions": (*loop.versions, odd)})]), {"c": True})
    document = json.loads(json.dumps(prov_document(judged)))
    ids = {name: entity["detente:id"] for name, entity in document["entity"].items()}
    assert sorted(ids.values()) == ["b", "c", "d", "first"]
    edges = {
        (ids[each["prov:usedEntity"]], ids[each["prov:generatedEntity"]], each.get("detente:possible", False))
        for each in document["wasDerivedFrom"].values()
    }
    assert edges == {("first", "b", False), ("b", "c", False), ("c", "d", True)}
    assert [ids[each["prov:entity"]] for each in document["detente:approvedBy"].values()] == ["c"]
    proposers = {ids[each["prov:entity"]]: each["prov:agent"] for each in document["detente:proposedBy"].values()}
    assert ids[proposers["d"]] == "c"
    assert proposers["first"] == "detente:undeclared"
    assert len(document["detente:evaluatedBy"]) == 4
    for relation in ("wasGeneratedBy", "wasAttributedTo"):
        assert len(document[relation]) == 4


def _fields(loop):
    return {name: getattr(loop, name) for name in loop.__slots__}
