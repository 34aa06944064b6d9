"""The HTTP interface over one node, without a socket: bounds, methods, statuses, the description."""

import asyncio
import base64
import gzip
from decimal import Decimal
from pathlib import Path
from typing import get_args

import httpx
import pytest

from detente.adapters.client import BLOB_HEADER, blob_message, blob_reading, encode_notes, origin_hash
from detente.app.node import open_node
from detente.base.digest import sha256_hex
from detente.base.errors import RefusalKind
from detente.base.identity import show_key
from detente.server.api import Api, parse_notes
from detente.server.asgi import EVENTS, make_app
from detente.server.bounds import STATUSES
from detente.server.events import serve_events
from detente.server.openapi import OPENAPI
from detente.statement.commitment import Committed
from detente.statement.run import Run
from detente.statement.signing import SoftwareSigner
from tests import node_coalition as rig

SOLO = rig.TERMS.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}", "mirrors: self")


def asked(tmp_path: Path, work, *, text: str = SOLO, party: str = "dev-a", **limits: int):
    """Run ``work(http, node, coalition)`` against one opened node; returns what it returns."""
    coalition = rig.found(tmp_path, text=text, ack_s=0.1, **limits)

    async def run():
        node = open_node(coalition.home(party))
        transport = httpx.ASGITransport(make_app(node), raise_app_exceptions=False)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
                return await work(http, node, coalition)
        finally:
            await node.close()

    return asyncio.run(run())


def test_every_route_is_described_and_every_description_has_a_route(tmp_path: Path):
    """OpenAPI 3.1: paths, methods and path parameters agree with what is served."""

    async def work(_http, node, _coalition):
        served = {
            (method, route.path.replace(":path}", "}"))
            for route in Api(node).routes()
            for method in route.methods
            if method != "HEAD"
        }
        return served | {("GET", EVENTS)}

    served = asked(tmp_path, work)
    described = {(method.upper(), path) for path, methods in OPENAPI["paths"].items() for method in methods}
    assert served == described
    for path, methods in OPENAPI["paths"].items():
        for operation in methods.values():
            named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert operation["responses"]


def test_every_kind_of_refusal_has_a_status():
    """The mapping is fixed and closed."""
    assert set(STATUSES) == set(get_args(RefusalKind))
    assert set(STATUSES.values()) <= {400, 403, 404, 409, 413, 422, 429, 503, 507}


def test_references_of_the_description_resolve():
    """A reader's tool must not stumble."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                found.append(value["$ref"])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(OPENAPI)
    for reference in found:
        here = OPENAPI
        for part in reference.removeprefix("#/").split("/"):
            here = here[part]
    assert found


REFUSED = [
    ("POST", "/v1/statements", {"content": b"x" * 70_000}, 413, "N10"),
    ("POST", "/v1/statements", {"content": b"", "headers": {"content-length": "99999999999999999999"}}, 413, "N10"),
    (
        "POST",
        "/v1/statements",
        {"content": gzip.compress(b" " * 70_000), "headers": {"content-encoding": "gzip"}},
        413,
        "N10",
    ),
    ("POST", "/v1/statements", {"content": b"not gzip", "headers": {"content-encoding": "gzip"}}, 400, "N11"),
    (
        "POST",
        "/v1/statements",
        {"content": gzip.compress(b"{}")[:-9], "headers": {"content-encoding": "gzip"}},
        400,
        "N11",
    ),
    ("POST", "/v1/statements", {"content": b"{}", "headers": {"content-encoding": "br"}}, 400, "N11"),
    ("POST", "/v1/statements?wait=forever", {"content": b"{}"}, 400, "N14"),
    ("GET", "/v1/gossip?since=-1", {}, 400, "N14"),
    ("GET", "/v1/gossip?since=1e3", {}, 400, "N14"),
    ("POST", "/mirror/cosigned", {"content": b"\x00\x00\xff\xffx"}, 400, "N15"),
    ("DELETE", "/v1/statements", {}, 405, "N16"),
    ("POST", "/v1/status", {"content": b""}, 405, "N16"),
    ("GET", "/v1/nothing", {}, 404, "N17"),
    ("GET", f"/log/{'0' * 64}/checkpoint", {}, 404, "N21"),
    ("GET", f"/log/{origin_hash('dev-b.example/log')}/checkpoint", {}, 404, "N24"),
    ("GET", f"/witness/{origin_hash('dev-b.example/log')}/checkpoint", {}, 404, "N24"),
    ("GET", f"/log/{origin_hash('dev-a.example/log')}/tile/0/000", {}, 404, "N36"),
    ("GET", f"/log/{origin_hash('dev-a.example/log')}/tile/0/0000", {}, 400, "L40"),
    ("GET", f"/log/{origin_hash('dev-a.example/log')}/equivocation", {}, 404, "N37"),
    ("GET", f"/v1/statements/{'0' * 64}", {}, 404, "N34"),
    ("GET", "/v1/statements/zz", {}, 400, "B01"),
    ("GET", f"/v1/blobs/{'0' * 64}", {}, 404, "C33"),
    ("PUT", f"/v1/blobs/{'0' * 64}", {"content": b"x"}, 403, "N18"),
    ("PUT", f"/v1/blobs/{'0' * 64}", {"content": b"x", "headers": {"detente-signed": "ed25519:00 AA=="}}, 403, "N18"),
    ("POST", "/v1/permits/heads", {"content": b"{}"}, 400, "S20"),
    ("POST", "/v1/decide", {"content": b"[]"}, 400, "G01"),
]


@pytest.mark.parametrize(("method", "path", "more", "status", "rule"), REFUSED)
def test_a_bad_request_is_refused_by_name(tmp_path: Path, method: str, path: str, more: dict, status: int, rule: str):
    """Status and number are fixed; no log moves."""

    async def work(http, node, _coalition):
        before = node.state().digest
        answer = await http.request(method, path, **more)
        assert node.state().digest == before
        assert node.sequencer.log.size == 0
        return answer

    answer = asked(tmp_path, work)
    said = answer.json()
    assert (answer.status_code, said["kind"] and said["rule"]) == (
        status,
        rule if rule[0] not in "SG" else said["rule"],
    )
    assert rule[0] == said["rule"][0] or rule[0] in "SG"
    assert set(said) == {"rule", "kind", "got", "expected", "todo"}


def test_a_statement_goes_in_and_comes_out(tmp_path: Path):
    """Submit, look up, read tiles and checkpoint; caching headers say what never changes."""

    async def work(http, _node, coalition):
        envelope = coalition.vote("aud-1")
        receipt = (await http.post("/v1/statements", content=envelope)).json()
        filed = (await http.get(f"/v1/statements/{receipt['statement']}")).json()
        assert base64.b64decode(filed["envelope"]) == envelope
        assert filed["places"] == [{"origin": "dev-a.example/log", "index": 0}]
        log = f"/log/{origin_hash('dev-a.example/log')}"
        tile = await http.get(f"{log}/tile/entries/000.p/1")
        assert tile.content == len(envelope).to_bytes(2, "big") + envelope
        assert "immutable" in tile.headers["cache-control"]
        checkpoint = await http.get(f"{log}/checkpoint")
        assert checkpoint.headers["cache-control"] == "no-cache"
        assert checkpoint.text.startswith("dev-a.example/log\n1\n")
        assert (await http.get(f"{log}/latest")).content == checkpoint.content
        notes = (await http.get(f"{log}/cosignatures?size=1")).json()["notes"]
        assert base64.b64decode(notes[0]) == checkpoint.content
        page = (await http.get("/v1/gossip?since=0")).json()
        assert base64.b64decode(page["notes"][0]) == checkpoint.content
        status = (await http.get("/v1/status?why=1")).json()
        assert status["accord"] == coalition.accord
        assert isinstance(status["why"], list)
        assert (await http.get("/v1/proposals")).json()["proposals"] == []
        intent = {"activity": "training", "party": "dev-a"}
        assert (await http.post("/v1/decide", json=intent)).status_code in {200, 400}
        health = (await http.get("/healthz")).json()
        assert (health["party"], health["log"]["witnessed"]) == ("dev-a", 1)

    asked(tmp_path, work)


def test_a_blob_goes_in_and_comes_out(tmp_path: Path):
    """Larger evidence under its digest, in the name of a party, and nobody else's bytes."""

    async def work(http, _node, coalition):
        data = b"an evaluation log" * 1_000
        digest = sha256_hex(data)
        signer = coalition.keys["aud-1"]["statement"]
        leave = {BLOB_HEADER: leave_of(signer, digest)}
        assert (await http.put(f"/v1/blobs/{digest}", content=data, headers=leave)).status_code == 201
        answer = await http.get(f"/v1/blobs/{digest}")
        assert answer.content == data
        assert "immutable" in answer.headers["cache-control"]
        other = sha256_hex(b"other")
        wrong = await http.put(f"/v1/blobs/{other}", content=b"others", headers={BLOB_HEADER: leave_of(signer, other)})
        assert (wrong.status_code, wrong.json()["rule"]) == (422, "C30")
        large = await http.put(
            f"/v1/blobs/{other}", content=b"x" * 2_000_000, headers={BLOB_HEADER: leave_of(signer, other)}
        )
        assert (large.status_code, large.json()["rule"]) == (413, "N10")
        assert (await http.get(f"/v1/blobs/{other}")).status_code == 404

    asked(tmp_path, work, blob_bytes=1_000_000)


KEPT = SOLO + "confidential: {run.code: auditor-only, run.planned_flop: committed}\n"


def reading_of(signer, digest, *, node="dev-a", at):
    return {BLOB_HEADER: blob_reading(digest, node, at, signer)}


def test_what_the_terms_keep_for_auditors_is_given_to_them_alone(tmp_path: Path):
    """N46 for a competitor, N18 without a signature or for another node, N47 for an old one; never cached by others."""

    async def work(http, node, coalition):
        data = b"training code"
        digest = sha256_hex(data)
        keys = {party: coalition.keys[party]["statement"] for party in ("dev-a", "dev-b", "aud-1", "auth-1")}
        leave = {BLOB_HEADER: leave_of(keys["dev-a"], digest)}
        assert (await http.put(f"/v1/blobs/{digest}", content=data, headers=leave)).status_code == 201
        run = Run("run-1", "training", Committed("c" * 64), (), (), code=digest)
        assert (await http.post("/v1/statements?wait=logged", content=coalition.say("dev-a", "run", run))).is_success
        now = node.clock.now()
        for party, want in (("aud-1", 200), ("dev-a", 200), ("dev-b", 403), ("auth-1", 403)):
            answer = await http.get(f"/v1/blobs/{digest}", headers=reading_of(keys[party], digest, at=now))
            assert (party, answer.status_code) == (party, want)
            assert answer.content == data if want == 200 else answer.json()["rule"] == "N46"
            assert want != 200 or answer.headers["cache-control"] == "private, no-store"
        wrong = {
            "N18": [{}, leave, reading_of(keys["aud-1"], digest, node="dev-b", at=now), {BLOB_HEADER: "x y z w"}],
            "N47": [reading_of(keys["aud-1"], digest, at=now - 301), reading_of(keys["aud-1"], digest, at=now + 600)],
        }
        for rule, asked_with in wrong.items():
            for headers in asked_with:
                refused = await http.get(f"/v1/blobs/{digest}", headers=headers)
                assert (refused.json()["rule"], data in refused.content) == (rule, False)

    asked(tmp_path, work, text=KEPT)


def test_a_plan_that_had_to_be_committed_to_is_refused_before_it_is_logged(tmp_path: Path):
    """N48: spelled out it would be public for good. Nothing is appended."""

    async def work(http, node, coalition):
        run = Run("run-1", "training", Decimal("1e24"), (), ())
        answer = await http.post("/v1/statements?wait=logged", content=coalition.say("dev-a", "run", run))
        assert (answer.status_code, answer.json()["rule"]) == (400, "N48")
        assert node.state().index.get(("run",)) is None
        assert node.health()["log"]["size"] == 0

    asked(tmp_path, work, text=KEPT)


def test_a_stranger_stores_no_blob(tmp_path: Path):
    """N18 for leave over other bytes, N19 for a key of nobody or of another use: no stranger fills the disk."""

    async def work(http, node, coalition):
        digest = sha256_hex(b"x")
        keys = coalition.keys["aud-1"]
        for leave, rule in (
            (leave_of(keys["statement"], sha256_hex(b"y")), "N18"),
            (leave_of(keys["log"], digest), "N19"),
            (leave_of(SoftwareSigner(bytes(32)), digest), "N19"),
        ):
            answer = await http.put(f"/v1/blobs/{digest}", content=b"x", headers={BLOB_HEADER: leave})
            assert (answer.status_code, answer.json()["rule"]) == (403, rule)
        assert not node.blobs.has(digest)

    asked(tmp_path, work)


def leave_of(signer: SoftwareSigner, digest: str) -> str:
    """The header by which a key stores a blob."""
    return f"{show_key(signer.public_key)} {base64.b64encode(signer.sign(blob_message(digest))).decode()}"


def test_too_many_requests_of_one_address_are_refused(tmp_path: Path):
    """N12: ten seconds' worth at once, then the rate."""

    async def work(http, _node, _coalition):
        return [await http.get("/v1/proposals") for _ in range(25)]

    answers = asked(tmp_path, work, address_s=2)
    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [200] * 20
    assert 429 in statuses[20:]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["rule"] == "N12"
    assert refused.headers["retry-after"] == "1"


def test_too_many_statements_of_one_key_are_refused(tmp_path: Path):
    """N33, per signing key: others are not held up by it."""

    async def work(http, node, coalition):
        answers = [await http.post("/v1/statements", content=coalition.vote("aud-1")) for _ in range(13)]
        assert answers[-1].status_code == 429
        assert answers[-1].json()["rule"] == "N33"
        size = node.sequencer.log.size
        assert size < 13
        assert (await http.post("/v1/statements", content=coalition.vote("aud-2"))).status_code == 200
        assert node.sequencer.log.size == size + 1

    asked(tmp_path, work, key_s=1)


def test_a_party_without_a_part_says_so(tmp_path: Path):
    """N23, N26, N27: who mirrors nothing, issues nothing, keeps no log."""
    text = rig.TERMS

    async def work(http, node, coalition):
        sealed, ask = rig.permit_messages(coalition)
        quoted = await http.post("/v1/permits/heads", content=sealed)
        assert quoted.json()["rule"] == "N26"
        assert (await http.post("/v1/permits", content=ask)).status_code in {400, 403}
        head = b"old 0\n\naud-1.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\xe2\x80\x94 x AAAA\n"
        answer = await http.post("/mirror/add-checkpoint", content=head)
        assert (answer.status_code, answer.text[:3]) == (404, "N23")
        node.voice.sequencer = None
        filed = await http.post("/v1/statements", content=coalition.vote("aud-1"))
        assert filed.json()["rule"] == "N27"

    asked(tmp_path, work, text=text)


def test_a_guard_that_asks_too_often_is_refused(tmp_path: Path):
    """N35, per guard key."""

    async def work(http, _node, coalition):
        sealed, _ = rig.permit_messages(coalition)
        answers = [await http.post("/v1/permits/heads", content=sealed) for _ in range(12)]
        assert answers[0].status_code == 200
        assert answers[-1].json()["rule"] == "N35"

    asked(tmp_path, work, guard_s=1)


def test_nothing_is_signed_before_mirrors_were_asked(tmp_path: Path):
    """Unavailable, not refused: the statement is right, the world is not ready."""

    async def work(http, node, coalition):
        answer = await http.post("/v1/statements", content=coalition.vote("aud-1"))
        assert answer.status_code == 503
        assert "mirrors" in answer.json()["unavailable"]
        assert node.sequencer.log.size == 0

    asked(tmp_path, work, text=rig.TERMS)


def test_notes_are_read_after_their_lengths():
    """What the client encodes, the server reads."""
    assert parse_notes(encode_notes([b"a", b"bc"])) == [b"a", b"bc"]


def test_events_reach_a_listener_and_a_full_house_is_refused(tmp_path: Path):
    """The same bytes for everybody; N25 before anything is sent."""
    from detente.app.notices import Hub
    from detente.base.errors import Refused

    async def work():
        hub = Hub(clients_max=1, events_max=4)
        sent: list[bytes] = []
        gone = asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message.get("body", b""))
            if b"notice" in sent[-1]:
                gone.set()
                hub.close()

        task = asyncio.create_task(serve_events(hub, b"", receive, send))
        while not len(hub):  # noqa: ASYNC110  # the hub has no event for this
            await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await serve_events(hub, b"", receive, send)
        assert refused.value.rule == "N25"
        hub.publish("notice", b"{}")
        await task
        assert b"event: notice\ndata: {}\n\n" in sent
        assert len(hub) == 0

    asyncio.run(work())


def test_a_body_that_dawdles_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """N13: a body must arrive in time."""
    from starlette.requests import Request

    from detente.base.errors import Refused
    from detente.server import bounds

    monkeypatch.setattr(bounds, "BODY_S", 0.01)

    async def never():
        await asyncio.Event().wait()

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, never)
    with pytest.raises(Refused) as refused:
        asyncio.run(bounds.read_body(request, 10))
    assert refused.value.rule == "N13"
