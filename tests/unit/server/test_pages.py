"""The pages of one node, without a socket: what they show, what they never obey, what a browser may do with them."""

import re
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from detente.adapters.client import origin_hash
from detente.app.viewing.sight import Lookout
from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.log.proof import parse_proof, verify_logged
from detente.server.pages import routes
from detente.statement.change import ProposedBy
from detente.statement.proposal import Proposal
from detente.statement.version import Version
from tests.pages_scene import TERMS, Scene, digest
from tests.unit.server.test_http import SOLO, asked

HTML = {"accept": "text/html"}


def looked(tmp_path: Path, work, *, pause: bool = False, times: str = ""):
    """Run ``work(http, scene)`` against the node of the scene; ``times`` are members of its hold point."""

    async def in_scene(http, node, coalition):
        scene = Scene(node, coalition)
        await scene.begin()
        if pause:
            await scene.pause()
        return await work(http, scene)

    text = TERMS.replace("    need: {humans", f"    {times}\n    need: {{humans") if times else TERMS
    return asked(tmp_path, in_scene, text=text, key_s=1_000, address_s=1_000)


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
        ({"sec-fetch-site": "same-origin", "origin": "https://before-tls.example"}, False),
        ({"origin": "https://node"}, False),
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


def test_a_queue_says_what_each_lacks_and_how_long_it_waits(tmp_path: Path):
    """The same list that a terminal shows, and on the page the words of the proposal, escaped."""

    async def work(http, scene):
        return (await http.get("/v1/proposals")).json(), (await http.get("/proposals", headers=HTML)).text, scene.named

    value, page, named = looked(tmp_path, work)
    assert {each["proposal"] for each in value["proposals"]} == {
        named[name] for name in ("plain", "hostile", "words", "absent")
    }
    plain = next(each for each in value["proposals"] if each["proposal"] == named["plain"])
    assert plain["standing"]["reasons"][0]["text"] == "self-modification lacks 1 more human approval"
    assert plain["waiting_s"] >= 0
    assert "&lt;b&gt;change&lt;/b&gt;" in page
    assert "<b>change" not in page


def test_a_proposal_shows_the_chain_the_depths_and_the_decisions(tmp_path: Path):
    """Everything that a decision needs, in the value and so on the page."""

    async def work(http, scene):
        path = scene.named["plain"]
        return (await http.get(f"/v1/proposals/{path}")).json(), (
            await http.get(f"/proposals/{path}", headers=HTML)
        ).text

    value, page = looked(tmp_path, work)
    assert [row["score"] for row in value["line"]] == ["0.61", "0.63", "0.628", "0.66", "0.71"]
    assert value["depths"]["ai_proposed_depth"] == {"low": 0, "high": 4}
    assert [(each["reviewer"], each["decision"], each["counts"], each["label"]) for each in value["decisions"]] == [
        ("r-1", "approve", True, "software key")
    ]
    assert value["holds"][0]["lacks"] == "1 more human approval"
    assert value["holds"][0]["given"] == [{"organisation": "aud-1", "reviewer": "r-1"}]
    assert value["change"]["kind"] == "diff"
    assert page.index("eval/score.py") < page.index("train/loop.py") < page.index("README.md")
    assert "detente hold decide" in page


class Peer:
    """The node of somebody who proposes: gives the same bytes whatever is asked for."""

    def __init__(self, data: bytes):
        self.data, self.asked = data, 0

    async def find_blob(self, _digest, **_bounds) -> bytes:
        self.asked += 1
        return self.data

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("proposed", "given", "kind"),
    [(b"raise the rate to 2", b"raise the rate to 2", "text"), (b"raise it to 3", b"something else", "absent")],
)
def test_a_change_that_is_not_here_is_asked_of_whoever_proposed_it(
    tmp_path: Path, proposed: bytes, given: bytes, kind: str
):
    """A reviewer elsewhere reads it; what does not hash to the digest is not shown; however many look, a peer is asked once."""

    async def work(http, scene):
        peer = scene.node.peers[Party("dev-b")] = Peer(given)
        body = Proposal(
            sha256_hex(proposed), None, ProposedBy("model", None), ("training",), Decimal(1), "faster", None
        )
        filed = await scene.say("dev-b", "proposal", body)
        kinds = [(await http.get(f"/v1/proposals/{filed}/change")).json()["kind"] for _ in range(3)]
        return kinds, peer.asked

    assert looked(tmp_path, work) == ([kind] * 3, 1)


async def _shown(http, path: str):
    return (await http.get(f"/v1{path}")).json(), (await http.get(path, headers=HTML)).text


def test_a_proposal_shows_by_when_and_to_whom_it_was_escalated(tmp_path: Path):
    """In the queue and on its page, with when an approval ends; the page says that it lets nobody more approve."""

    async def work(http, scene):
        await scene.approve("plain", "r-2", "escalate")
        return await _shown(http, f"/proposals/{scene.named['plain']}"), await _shown(http, "/proposals")

    times = "approved_for: 7 d\n    decide_within: 14 d\n    escalation: {to: [auth-1], after: 1 d, within: 2 d}"
    (one, page), (queue, listed) = looked(tmp_path, work, times=times)
    [found] = one["times"]["escalated"]
    assert (found["to"], found["by"], found["state"]) == (["auth-1"], ["aud-1/r-2"], "open")
    assert one["holds"][0]["times"]["approve_by"] == one["times"]["approve_by"] is not None
    assert "an approval of auth-1, to whom it was escalated" in one["holds"][0]["lacks"]
    assert {each["decision"]: each["until"] is None for each in one["decisions"]} == {
        "approve": False,
        "escalate": True,
    }
    assert "To be approved by" in page
    assert "lets nothing pass" in page
    row = next(each for each in queue["proposals"] if each["proposal"] == one["proposal"])
    assert row["times"] == one["times"]
    assert "escalated" in listed


def test_an_answer_that_is_overdue_is_owed_on_the_overview(tmp_path: Path):
    """Like a halt or a duty: whose it is, on what, since when it was due, with the proposal as its entry."""

    async def work(http, scene):
        return (await http.get("/v1/overview")).json(), (await http.get("/", headers=HTML)).text, scene.named["plain"]

    times = "escalation: {to: [auth-1], after: 0 s, within: 0 s}"
    value, page, proposal = looked(tmp_path, work, times=times)
    owed = [each for each in value["overdue"] if each["what"] == "answer"]
    assert {each["party"] for each in owed} == {"auth-1"}
    assert proposal in {each["cites"][0] for each in owed}
    assert "an answer of auth-1 on a proposal that was escalated" in page


def test_what_lapsed_is_listed_apart_and_counted_as_waiting_nowhere(tmp_path: Path):
    """It waits for nobody; its page says that it must be proposed anew."""

    async def work(http, scene):
        return (
            await _shown(http, "/proposals"),
            (await http.get("/v1/overview")).json(),
            await _shown(http, f"/proposals/{scene.named['plain']}"),
        )

    (queue, listed), overview, (one, page) = looked(tmp_path, work, times="decide_within: 0 s")
    assert queue["proposals"] == []
    assert one["proposal"] in {each["proposal"] for each in queue["lapsed"]}
    assert overview["proposals"] == {"waiting": 0, "first": None}
    assert one["times"]["lapsed_at"] is not None
    for text in (listed, page):
        assert "proposed anew" in text


def test_a_successor_stands_beside_its_parent(tmp_path: Path):
    """Once a version came of the proposal, its score is shown with that of the version it changed."""

    async def work(http, scene):
        body = Version(
            digest("successor"), (digest("weights 4"),), ProposedBy("model", digest("weights 4")), ("training", "evaluation"),
            None, proposal=scene.named["plain"], score=Decimal("0.74"),
        )  # fmt: skip
        await scene.say("dev-a", "version", body)
        return (await http.get(f"/v1/proposals/{scene.named['plain']}")).json()["effect"]

    effect = looked(tmp_path, work)
    assert (effect["parent"]["score"], [each["score"] for each in effect["successors"]]) == ("0.71", ["0.74"])


def test_a_hostile_change_is_shown_and_not_obeyed(tmp_path: Path):
    """Markup is text; controls, direction marks and what cannot be seen show as their codes, in names and in lines."""

    async def work(http, scene):
        return (await http.get(f"/proposals/{scene.named['hostile']}", headers=HTML)).text

    page = looked(tmp_path, work)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert not set("\u202e\u2066\u2069\u200b\u3164\x1b") & set(page)
    for code in ("\\u202e", "\\x1b", "\\u200b", "\\u3164", "\\u2066"):
        assert f">{code}</span>" in page


@pytest.mark.parametrize(("name", "said"), [("words", "no unified diff"), ("absent", "does not hold the bytes")])
def test_what_is_no_diff_is_said_to_be_none(tmp_path: Path, name: str, said: str):
    """A text stands as it is; bytes that are not here are named by their digest."""

    async def work(http, scene):
        path = scene.named[name]
        return (await http.get(f"/proposals/{path}", headers=HTML)).text, (
            await http.get(f"/v1/proposals/{path}/change")
        ).json()

    page, value = looked(tmp_path, work)
    assert said in page
    assert value["kind"] == ("text" if name == "words" else "absent")


def test_a_change_that_the_terms_keep_is_shown_to_nobody(tmp_path: Path):
    """`proposal.change: auditor-only`: neither its lines nor its length reach a page."""

    async def in_scene(http, node, coalition):
        scene = Scene(node, coalition)
        await scene.begin()
        path = scene.named["plain"]
        return (await http.get(f"/proposals/{path}", headers=HTML)).text, (
            await http.get(f"/v1/proposals/{path}/change")
        ).json()

    kept = TERMS + "confidential: {proposal.change: auditor-only}\n"
    page, value = asked(tmp_path, in_scene, text=kept, key_s=1_000, address_s=1_000)
    assert "scaled.backward" not in page
    assert (value["kind"], value["bytes"], value["text"]) == ("kept", None, None)


@pytest.mark.parametrize("path", ["0" * 64, "zz", "{run-a}"])
def test_a_proposal_that_there_is_not_is_a_page_that_says_so(tmp_path: Path, path: str):
    """B01 for no digest, N61 for another kind of statement."""

    async def work(http, scene):
        name = path.format(**scene.named)
        return await http.get(f"/proposals/{name}", headers=HTML), await http.get(f"/v1/proposals/{name}")

    page, value = looked(tmp_path, work)
    assert page.status_code == value.status_code == (400 if path == "zz" else 404)
    assert value.json()["rule"] == ("B01" if path == "zz" else "N61")
    assert f"<b>{value.json()['rule']}</b>" in page.text


EVERY_PAGE = (
    "/", "/proposals", "/proposals/{plain}", "/proposals/{hostile}", "/proposals/{words}", "/proposals/{absent}", "/parties/dev-a",
    "/parties/dev-b", "/parties/aud-1", "/runs/{run-a}", "/runs/{run-b}", "/versions/{latest}", "/versions/{first}", "/findings/{finding}",
    "/entries", "/entries/{plain}", "/entries/{log}/0", "/accord", "/pause",
)  # fmt: skip


def places(scene: Scene) -> dict[str, str]:
    """What paths are filled with."""
    own = {"latest": digest("weights 4"), "first": digest("weights 0"), "log": origin_hash("dev-a.example/log")}
    return {**scene.named, **own}


@pytest.mark.parametrize("pause", [False, True])
def test_every_page_renders_its_value_and_every_link_leads_somewhere(tmp_path: Path, *, pause: bool):
    """In calm and under a pause: a page for each value, with one first heading, and no link within the node that is not answered."""

    async def work(http, scene):
        seen: set[str] = set()
        for path in EVERY_PAGE:
            place = path.format(**places(scene))
            value = await http.get("/v1/overview" if place == "/" else f"/v1{place}")
            page = await http.get(place, headers=HTML)
            assert (value.status_code, page.status_code) == (200, 200), place
            assert page.text.count("<h1") == 1
            assert value.json()["accord"]["name"] == "coalition-under-test"
            seen |= set(re.findall(r'href="(/[^"#]*)"', page.text))
        for link in sorted(seen):
            assert (await http.get(link.replace("&amp;", "&"), headers=HTML)).status_code == 200, link
        return len(seen)

    assert looked(tmp_path, work, pause=pause) > 60


@pytest.mark.parametrize(("pause", "first"), [(False, "free"), (True, "paused")])
def test_a_run_under_a_pause_is_not_called_free(tmp_path: Path, *, pause: bool, first: str):
    """What limits alone say of it must not look like leave to run."""

    async def work(http, scene):
        return (await http.get(f"/runs/{scene.named['run-a']}", headers=HTML)).text

    lead = re.search(r'<p class="lead">(.*?)</p>', looked(tmp_path, work, pause=pause), re.DOTALL)
    words = re.findall(r'<span class="word[^>]*>(.*?)</span>', lead[1])
    assert words[0] == first
    assert pause is ("free" not in words)


def test_an_entry_is_proved_anew_and_told_in_words(tmp_path: Path):
    """From its bytes to a signed head, hash by hash; a stranger can repeat it from the text of the proof."""

    async def work(http, scene):
        place = f"/entries/{origin_hash('dev-a.example/log')}/3"
        value = (await http.get(f"/v1{place}")).json()
        (data,) = scene.node.book.entries(scene.node.book.find("dev-a.example/log"), 3, 4)
        return (
            value,
            (await http.get(place, headers=HTML)).text,
            data,
            scene.node.book.find("dev-a.example/log").about.key,
        )

    value, page, data, key = looked(tmp_path, work)
    included = verify_logged(parse_proof(value["proof"]["text"].encode()), data, log_key=key)
    assert included.checkpoint.root.hex() == value["proof"]["head"]["root"]
    assert value["leaf"] in page
    assert "its own word" in page, "the terms are self-witnessed, and the page must not say that others vouch"
    assert value["counts"]


def test_an_entry_beyond_the_log_and_a_log_that_there_is_not_are_refused(tmp_path: Path):
    """N36, N21, N14, N34: as the rest of the interface says it."""

    async def work(http, _scene):
        log = origin_hash("dev-a.example/log")
        paths = (f"{log}/999", f"{'0' * 64}/0", f"{log}/x", "0" * 64)
        return [(await http.get(f"/v1/entries/{path}")).json()["rule"] for path in paths]

    assert looked(tmp_path, work) == ["N36", "N21", "N14", "N34"]


def test_a_log_is_read_page_by_page(tmp_path: Path):
    """The newest first, and a way to what is older."""

    async def work(http, _scene):
        log = origin_hash("dev-a.example/log")
        whole = (await http.get(f"/v1/entries?log={log}")).json()["log"]
        older = (await http.get(f"/v1/entries?log={log}&before=5")).json()["log"]
        return whole, older

    whole, older = looked(tmp_path, work)
    assert [each["index"] for each in whole["shown"]] == list(range(whole["size"]))[::-1]
    assert [each["index"] for each in older["shown"]] == [4, 3, 2, 1, 0]


def test_a_roll_call_names_who_has_not_stopped_first(tmp_path: Path):
    """Running before declared before confirmed; the lift seat by seat; the command that votes."""

    async def work(http, _scene):
        return (await http.get("/v1/pause")).json(), (await http.get("/pause", headers=HTML)).text

    value, page = looked(tmp_path, work, pause=True)
    assert [each["state"] for each in value["roll"]] == ["running", "declared", "confirmed"]
    assert value["latched"][0]["seats"] == [
        {"role": "auditor", "filled": 0, "of": 1},
        {"role": "authority", "filled": 0, "of": 2},
    ]
    assert "detente lift --trigger call" in page
    assert [each["command"] for each in value["ways"]] == ["detente pause --trigger call", None, None]


def test_a_version_shows_its_line_and_its_depths(tmp_path: Path):
    """Every generation up to the first, with the picture's frames in words in the table."""

    async def work(http, _scene):
        return (await http.get(f"/v1/versions/{digest('weights 1')}")).json()

    value = looked(tmp_path, work)
    assert [(each["version"], each["generation"]) for each in value["tree"]][:2] == [
        (digest("weights 0"), -1),
        (digest("weights 1"), 0),
    ]
    assert {each["version"] for each in value["children"]} == {digest("weights 2"), digest("other")}
    assert value["ai_proposed_depth"] == {"low": 0, "high": 1}
    assert value["cumulative_flop"] == {"low": "2e21", "high": "2e21"}


@pytest.mark.parametrize(
    "piece",
    ["%00", "..%2f..", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%E2%80%AE", "0" * 64, "f" * 63, "-1", "9" * 40, "%FF"],
)
def test_whatever_stands_in_a_path_is_answered_by_name(tmp_path: Path, piece: str):
    """No path makes a mistake of the node (5xx), and what was asked for never becomes markup."""

    async def work(http, _scene):
        log = origin_hash("dev-a.example/log")
        paths = [
            f"{kind}/{piece}" for kind in ("/parties", "/runs", "/versions", "/findings", "/proposals", "/entries")
        ]
        paths += [
            f"/entries/{piece}/0",
            f"/entries/{log}/{piece}",
            f"/entries?log={piece}",
            f"/entries?log={log}&before={piece}",
        ]
        for path in paths:
            page, value = await http.get(path, headers=HTML), await http.get(f"/v1{path}")
            assert {page.status_code, value.status_code} <= {200, 400, 403, 404}, path
            assert "<script>alert" not in page.text
            assert "\u202e" not in page.text
            assert value.headers["content-type"] == "application/json"

    looked(tmp_path, work)
