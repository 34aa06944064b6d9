"""Texts of amendments, what is heard, blobs: what one key can make a node do, and what it cannot."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from detente.accord.terms import parse_terms
from detente.adapters.client import BLOB_HEADER
from detente.app import amendments as amending
from detente.app import hearing, upkeep
from detente.app.following import RemoteLog
from detente.app.log_checking import check_home, refuse_damage
from detente.app.node import Node, open_node
from detente.base.digest import sha256_hex
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.server.asgi import make_app
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.statement import Header, make_payload
from detente.statement.terms import TermsLink
from detente.statement.vote import Vote
from tests import node_coalition as rig
from tests.integration.node_rig import until
from tests.unit.server.test_http import leave_of

SOLO = rig.TERMS.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}", "mirrors: self")
OTHERS = ("aud-1", "aud-2", "auth-1", "auth-2", "dev-b")


def text_of(coalition: rig.Coalition, bulk: int = 0) -> bytes:
    """Terms of version 2, with many triggers that are never true: half a second of a processor for each thousand."""
    triggers = "".join(
        f"  - id: bulk-{n}\n    when: {{votes: {{of: [auditor], at_least: 2}}}}\n    then: pause\n    scope: all\n"
        for n in range(bulk)
    )
    text = coalition.data.decode().replace("version: 1\n", "version: 2\n", 1)
    return text.replace("pause: {activities", f"{triggers}pause: {{activities", 1).encode()


def amendment(coalition: rig.Coalition, text: bytes, *signers: str) -> bytes:
    """A ``terms`` statement of dev-a, signed by these parties' root keys."""
    header = Header(
        accord=coalition.accord, terms=1, party=Party("dev-a"), nonce="0" * 32, made_at=rig.Instant(int(time.time()))
    )
    link = TermsLink(version=2, digest=sha256_hex(text), previous=coalition.accord, reason="a test")
    keys = [coalition.keys[Party(party)]["root"] for party in ("dev-a", *signers)]
    return encode_envelope(sign_payload(make_payload("terms", header, (), link), *keys))


def on_node(tmp_path: Path, work, *, text: str = SOLO, **more):
    """Run ``work(node, coalition)`` against one started node."""
    coalition = rig.found(tmp_path, text=text, ack_s=0.1, **more)

    async def run():
        async with rig.opened(coalition, "dev-a") as nodes:
            await work(nodes["dev-a"], coalition)

    asyncio.run(run())


async def store(node: Node, coalition: rig.Coalition, data: bytes, party: str = "aud-1") -> httpx.Response:
    """PUT a blob in the name of a party."""
    digest = sha256_hex(data)
    leave = {BLOB_HEADER: leave_of(coalition.keys[Party(party)]["statement"], digest)}
    transport = httpx.ASGITransport(make_app(node), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
        return await http.put(f"/v1/blobs/{digest}", content=data, headers=leave)


def test_one_root_key_makes_nobody_read_a_text(tmp_path: Path):
    """Accord §4.1: a text that could not become a link is neither wanted nor read, whoever stored it."""

    async def work(node: Node, coalition: rig.Coalition):
        text = text_of(coalition)
        await node.submit(amendment(coalition, text))
        assert (await store(node, coalition, text)).status_code == 201
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert (node.amendments.wanted, len(node.evidence.texts)) == ({}, 1)

    on_node(tmp_path, work)


def test_a_node_answers_while_it_reads_a_large_text(tmp_path: Path):
    """The text is read beside the event loop: the loop turns all the while."""

    async def work(node: Node, coalition: rig.Coalition):
        text = text_of(coalition, bulk=1_500)
        await node.submit(amendment(coalition, text, *OTHERS))
        assert (await store(node, coalition, text)).status_code == 201
        beats = 0
        while len(node.evidence.texts) == 1:
            await asyncio.sleep(0)
            beats += 1
        # Read on the loop, the text would be there after some five turns; here it gets a turn every 5 ms at the least.
        assert beats > 30
        assert node.evidence.texts[sha256_hex(text)].version == 2

    on_node(tmp_path, work)


def test_texts_of_one_party_are_read_so_many_at_a_time_and_none_is_lost(tmp_path: Path, monkeypatch):
    """What is over the rate waits, and is read when there are tokens again."""
    monkeypatch.setattr(amending, "READ_BURST", 2)
    monkeypatch.setattr(amending, "ASK_AGAIN_S", 0.02)

    async def work(node: Node, coalition: rig.Coalition):
        for number in range(3):
            text = text_of(coalition, bulk=number)
            await node.submit(amendment(coalition, text, *OTHERS))
            assert (await store(node, coalition, text)).status_code == 201
        await until(lambda: len(node.evidence.texts) == 3)
        await asyncio.sleep(0.2)
        assert (len(node.evidence.texts), len(node.amendments.wanted)) == (3, 1)
        node.amendments._rates = amending.Rates(per_s=1, burst=1)
        await until(lambda: len(node.evidence.texts) == 4)

    on_node(tmp_path, work)


def test_a_node_that_opens_knows_the_terms_that_it_holds_before_it_answers(tmp_path: Path):
    """No permit is signed on terms that were replaced: what is held is read at once."""
    coalition = rig.found(tmp_path, text=SOLO, ack_s=0.1)
    text = text_of(coalition)

    async def work():
        async with rig.opened(coalition, "dev-a") as nodes:
            await nodes["dev-a"].submit(amendment(coalition, text, *OTHERS))
            await store(nodes["dev-a"], coalition, text)
            await until(lambda: len(nodes["dev-a"].evidence.texts) == 2)
        node = open_node(coalition.home("dev-a"))
        assert node.evidence.texts[sha256_hex(text)] == parse_terms(text)
        await node.close()

    asyncio.run(work())


class Silent(httpx.AsyncBaseTransport):
    """Peers that take a request and never answer."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002  # never answered
        await asyncio.Event().wait()
        raise AssertionError


def test_peers_that_never_answer_hold_up_nothing_that_time_brings_about(tmp_path: Path, monkeypatch):
    """While a text is asked for, the status is looked at again and again."""
    monkeypatch.setattr(upkeep, "TICK_S", 0.02)
    coalition = rig.found(tmp_path, text=SOLO, ack_s=0.1)

    async def work():
        node = open_node(coalition.home("dev-a"), transport=Silent())
        await node.start()
        await node.submit(amendment(coalition, text_of(coalition), *OTHERS))
        await until(lambda: bool(node.amendments.wanted))
        looked = 0
        consider = node.consider

        def counting() -> None:
            nonlocal looked
            looked += 1
            consider()

        node.consider = counting  # type: ignore[method-assign]
        await until(lambda: looked > 5)
        await node.close()

    asyncio.run(work())


def test_a_text_that_is_wanted_finds_room_without_a_signature_where_none_is_left(tmp_path: Path):
    """C31 and N18 keep evidence out, never the text of an amendment that the parties signed."""

    async def work(node: Node, coalition: rig.Coalition):
        text = text_of(coalition)
        digest = sha256_hex(text)
        transport = httpx.ASGITransport(make_app(node), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
            assert (await http.put(f"/v1/blobs/{digest}", content=text)).json()["rule"] == "N18"
            assert (await store(node, coalition, text)).json()["rule"] == "C31"
            await node.submit(amendment(coalition, text, *OTHERS))
            await until(lambda: bool(node.amendments.wanted))
            assert (await http.put(f"/v1/blobs/{digest}", content=b"else")).json()["rule"] == "C30"
            assert (await http.put(f"/v1/blobs/{digest}", content=text)).status_code == 201
        await until(lambda: len(node.evidence.texts) == 2)

    on_node(tmp_path, work, blobs_bytes=60)


def test_a_party_has_its_share_of_the_room_for_blobs_and_no_more(tmp_path: Path):
    """C31: who fills its share leaves the others theirs, and a restart forgets nothing."""
    coalition = rig.found(tmp_path, text=SOLO, ack_s=0.1, blobs_bytes=600)

    async def work():
        async with rig.opened(coalition, "dev-a") as nodes:
            assert (await store(nodes["dev-a"], coalition, b"a" * 60)).status_code == 201
            assert (await store(nodes["dev-a"], coalition, b"a" * 60)).status_code == 201
        async with rig.opened(coalition, "dev-a") as nodes:
            refused = await store(nodes["dev-a"], coalition, b"b" * 60)
            assert (refused.status_code, refused.json()["rule"]) == (413, "C31")
            assert not nodes["dev-a"].blobs.has(sha256_hex(b"b" * 60))
            assert (await store(nodes["dev-a"], coalition, b"c" * 40)).status_code == 201
            assert (await store(nodes["dev-a"], coalition, b"d" * 60, party="dev-b")).status_code == 201

    asyncio.run(work())


def test_what_is_heard_of_one_party_is_bounded_and_a_log_takes_the_rest(tmp_path: Path, monkeypatch):
    """N40: no party fills a node's memory with what stands in no log; another's pause is still heard."""
    monkeypatch.setattr(hearing, "HEARD_MAX", 6 * 2_000)

    async def work(node: Node, coalition: rig.Coalition):
        with pytest.raises(Refused) as refused:
            for _ in range(20):
                await node.hear(coalition.vote("aud-1"))
        assert refused.value.rule == "N40"
        kept = len(node.feed.heard)
        other = await node.hear(coalition.vote("auth-1"))
        assert other in node.feed.heard
        assert len(node.feed.heard) == len(node.store.heard()) == kept + 1
        receipt = await node.submit(coalition.vote("aud-1"), witnessed=False)
        assert receipt.place.index == 0

    on_node(tmp_path, work)


def test_what_was_heard_and_stands_in_a_log_is_kept_once(tmp_path: Path):
    """The table of what was heard does not grow for ever: a log keeps what it holds."""

    async def work(node: Node, coalition: rig.Coalition):
        vote = coalition.vote("aud-1")
        await node.hear(vote)
        assert node.store.heard() == [vote]
        await node.submit(vote, witnessed=False)
        await node.hearing.forget_placed()
        assert (node.store.heard(), node.feed.heard, node.feed.heard_bytes["aud-1"]) == ([], {}, 0)

    on_node(tmp_path, work)


def test_a_second_story_is_read_whole_whatever_its_rate_and_dates(tmp_path: Path):
    """Permit §3.1: a head counts as read only if everything below it that restricts binds, however much stands before."""

    async def work(node: Node, coalition: rig.Coalition):
        noise = [coalition.vote("aud-1", "retract", round_=n) for n in range(60)]
        body = Vote("pause", "call", 0, Party("all"), rig.Instant(4_000_000_000))
        hidden = coalition.say("aud-1", "vote", body, made_at=3_900_000_000)
        await node.hearing.take_story([b"junk", *noise, hidden])
        assert [pause.trigger for pause in node.status().pauses] or node.status().alert
        assert hidden in node.store.heard()

    on_node(tmp_path, work, key_s=1)


def test_entries_of_a_peer_are_bounded_in_bytes(tmp_path: Path):
    """A second story is held in memory while it is hashed: what is more than the bound is not read."""
    coalition = rig.found(tmp_path, text=SOLO, ack_s=0.1)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, "dev-a", router=router) as nodes:
            for _ in range(4):
                await nodes["dev-a"].submit(coalition.vote("aud-1"), witnessed=False)
            client = rig.http_of(coalition, "dev-a", router)
            remote = RemoteLog(client, "dev-a.example/log")
            assert len(await remote.entries(0, 4, most=100_000)) == 4
            with pytest.raises(Unavailable):
                await remote.entries(0, 4, most=1_000)
            await client.close()

    asyncio.run(work())


FILL = """
import asyncio, resource, sys
from pathlib import Path
from detente.app.node import open_node
from detente.base.errors import Refused, Unavailable

async def fill(home, votes):
    node = open_node(home)
    most = 400_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    taken = 0
    try:
        for vote in votes:
            await node.submit(vote, witnessed=False)
            taken += 1
    except Refused as refused:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await node.submit(votes[taken], witnessed=False)
        print(refused.rule, taken, node.sequencer.log.size, node.sequencer.log.stored.size)
    finally:
        await node.close()

asyncio.run(fill(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes().split(b"\\n")))
"""
"""A node in a process of its own: the kernel refuses every write that makes a file longer than 400,000 bytes."""


def test_a_disk_without_room_refuses_by_name_and_loses_nothing(tmp_path: Path):
    """C10 from the kernel itself (EFBIG): what was acknowledged is there, and the same statement is taken once there is room."""
    coalition = rig.found(tmp_path, text=SOLO, ack_s=0.1, key_s=10_000)
    home = coalition.home("dev-a")
    votes = [coalition.vote("aud-1") for _ in range(400)]
    (tmp_path / "votes").write_bytes(b"\n".join(votes))
    said = subprocess.run(
        [sys.executable, "-c", FILL, str(home), str(tmp_path / "votes")], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    rule, taken, size, signed = said.stdout.split()
    assert (rule, int(size), int(signed)) == ("C10", int(taken) + 1, int(taken) + 1)
    refuse_damage(check_home(home))

    async def look():
        node = open_node(home)
        log = node.sequencer.log
        assert node.book.entries(log, 0, log.size) == votes[: int(size)]
        await node.close()

    asyncio.run(look())
