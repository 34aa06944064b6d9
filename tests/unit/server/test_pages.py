"""The pages of one node, without a socket: what they show, what they never obey, what a browser may do with them."""

import re
from pathlib import Path

import httpx
import pytest

from detente.app.viewing.sight import Lookout
from detente.base.errors import Refused
from detente.server.pages import routes
from tests.browser.scene import TERMS, Scene, digest
from tests.unit.server.test_http import SOLO, asked

HTML = {"accept": "text/html"}


def looked(tmp_path: Path, work, *, pause: bool = False):
    """Run ``work(http, scene)`` against the node of the scene."""

    async def in_scene(http, node, coalition):
        scene = Scene(node, coalition)
        await scene.begin()
        if pause:
            await scene.pause()
        return await work(http, scene)

    return asked(tmp_path, in_scene, text=TERMS, key_s=1_000, address_s=1_000)


def test_the_overview_shows_who_stopped_with_proof_and_who_only_says_so(tmp_path: Path):
    """Confirmed needs an auditor's finding; the worst of a party's runs is its word."""

    async def work(http, scene):
        value = (await http.get("/v1/overview")).json()
        page = (await http.get("/", headers=HTML)).text
        return value, page, scene.named

    value, page, named = looked(tmp_path, work, pause=True)
    parties = {each["party"]: each for each in value["parties"]}
    assert parties["dev-a"]["runs"] == {"confirmed": 1, "declared": 0, "running": 1, "overdue": 0}
    assert parties["dev-a"]["halted"] == "running"
    assert parties["dev-b"]["halted"] == "declared"
    assert parties["aud-1"]["halted"] is None
    assert "says it stopped" in page
    assert value["latched"][0]["lift"]["missing"] == "1 more auditor and 2 more authority"
    assert f"/findings/{named['finding']}" in page


def test_an_indicator_stands_beside_its_trigger_with_its_interval(tmp_path: Path):
    """Low and high of what is known, the bound, whether it is so, and the statement it rests on."""

    async def work(http, _scene):
        return (await http.get("/v1/overview")).json()

    value = looked(tmp_path, work)
    row = next(
        each for each in value["indicators"] if each["indicator"] == "training-compute" and each["about"] == "dev-a"
    )
    assert (row["low"], row["high"], row["bound"], row["answer"]) == ("4e25", "9e25", "1e26", "false")
    assert value["entries"][row["cites"][0]]["says"] == "measures training-compute at [4e25, 9e25] FLOP"


def test_nothing_measured_is_unknown_and_said_first(tmp_path: Path):
    """An indicator without any measurement cannot be told: no bound is met by silence."""

    async def work(http, _node, coalition):
        from detente.statement.accession import Accession

        for party in ("dev-a", "dev-b"):
            said = coalition.say(party, "accession", Accession(coalition.accord, ()), use="root")
            assert (await http.post("/v1/statements?wait=logged", content=said)).is_success
        return (await http.get("/v1/overview")).json()["indicators"]

    rows = asked(tmp_path, work, text=TERMS)
    assert {row["answer"] for row in rows if row["indicator"] == "training-compute"} == {"unknown"}
    assert [row["answer"] for row in rows] == sorted(
        (row["answer"] for row in rows), key=["true", "unknown", "false"].index
    )


def test_a_browser_may_do_next_to_nothing_with_a_page(tmp_path: Path):
    """The policy names every source; no inline script or style stands in any page."""

    async def work(http, _scene):
        return await http.get("/", headers=HTML), await http.get("/v1/overview")

    page, value = looked(tmp_path, work)
    policy = page.headers["content-security-policy"]
    for directive in (
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "script-src 'self'",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    for name in (
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
    ):
        assert name in page.headers
    assert "sandbox" in value.headers["content-security-policy"]
    assert not re.search(r"<style|<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:", page.text)


def test_assets_are_the_nodes_own_and_kept_for_ever(tmp_path: Path):
    """Their path names their content; what no page names is refused."""

    async def work(http, _node, _coalition):
        page = (await http.get("/", headers=HTML)).text
        for path in set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)):
            answer = await http.get(path)
            assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
        return (await http.get("/assets/..%2Frouting.py")).status_code, (await http.get("/assets/x.css")).json()["rule"]

    assert asked(tmp_path, work) == (404, "N17")


def test_a_person_gets_a_refusal_as_a_page_and_a_program_as_json(tmp_path: Path):
    """The same number, kind and status either way."""

    async def work(http, _node, _coalition):
        return (
            await http.get("/nothing", headers=HTML),
            await http.get("/nothing"),
            await http.get("/v1/nothing", headers=HTML),
        )

    page, plain, api = asked(tmp_path, work)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "N17" in page.text
    assert plain.json()["rule"] == api.json()["rule"] == "N17"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"origin": "https://elsewhere.example"}, True),
        ({"origin": "null"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://node"}, False),
        ({}, False),
    ],
)
def test_another_sites_page_changes_nothing(tmp_path: Path, headers: dict[str, str], *, refused: bool):
    """N62 before a byte of the body is read; the log does not move. Programs send neither header."""

    async def work(http: httpx.AsyncClient, node, coalition):
        answer = await http.post("/v1/statements?wait=logged", content=coalition.vote("aud-1"), headers=headers)
        assert node.sequencer.log.size == (0 if refused else 1)
        return answer

    answer = asked(tmp_path, work)
    assert (answer.status_code, answer.json().get("rule")) == ((403, "N62") if refused else (200, None))


def test_without_the_extra_the_node_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """N60 at `/`; the interface for programs answers as ever."""
    monkeypatch.setattr(routes, "MISSING", "jinja2")

    async def work(http, _node, _coalition):
        return await http.get("/", headers=HTML), await http.get("/v1/overview")

    page, value = asked(tmp_path, work, text=SOLO)
    assert (page.status_code, page.json()["rule"]) == (404, "N60")
    assert "detente[pages]" in page.json()["todo"]
    assert value.json()["phase"]["now"] == "before"


def test_a_view_of_what_counts_for_nothing_is_refused(tmp_path: Path):
    """N61 for a statement that nobody filed, and for one of another kind."""

    async def work(_http, scene):
        sight = Lookout(scene.node).look()
        for statement in (digest("nothing"), scene.named["plain"]):
            with pytest.raises(Refused) as refused:
                sight.find(statement, "run")
            assert (refused.value.rule, refused.value.kind) == ("N61", "not-found")

    looked(tmp_path, work)
