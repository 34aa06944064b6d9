"""Nodes together, HTTP inside one process: two stories, permits over missing heads, the hour's permits, the witness."""

import asyncio
import secrets
import shutil
import sqlite3
from pathlib import Path

import pytest

from detente.adapters.clock import SystemClock
from detente.app import pushing
from detente.app.logbook import check_open
from detente.app.node import open_node
from detente.app.recovering import recover_home
from detente.base.digest import Digest
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import parse_decimal
from detente.guard.asking import Asking, compose, finished, hear_offer, hear_reply
from detente.guard.intent import Intent
from detente.guard.issue import Missing, merkle_root_of_permits, parse_reply
from detente.guard.permit import PermitRequest, seal_ask, seal_request, verify_permit
from detente.guard.trust import trust_of
from detente.log.equivocation import parse_equivocation, verify_equivocation
from detente.log.witness import AddCheckpoint, encode_add_checkpoint
from detente.statement.accession import Accession
from detente.statement.envelope import parse_envelope
from detente.statement.run import Run
from detente.statement.statement import parse_statement
from tests import node_coalition as rig
from tests.integration.node_rig import until

MIRRORS = rig.MIRRORS
ALL = ("dev-a", "dev-b", *MIRRORS)


class Clock:
    """A wall clock that a test can put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0

    def now(self) -> Instant:
        return Instant(SystemClock().now() + self.ahead_s)


async def accede(coalition, router, *parties):
    """Bring the accord into force."""
    for party in parties:
        client = rig.http_of(coalition, party, router)
        await client.submit(coalition.say(party, "accession", Accession(coalition.accord, ()), use="root"))
        await client.close()


async def declare(coalition, router, party="dev-a"):
    """A run of this party; returns its id."""
    body = Run("run-1", "training", parse_decimal("1e20"), (), ())
    client = rig.http_of(coalition, party, router)
    receipt = await client.submit(coalition.say(party, "run", body))
    await client.close()
    return receipt.statement


def test_a_log_that_tells_two_stories_is_found_out_and_closed(tmp_path: Path):
    """Contracts §2: two inconsistent heads are a portable proof; the log keeps what had a quorum and gets nothing more."""
    coalition = rig.found(tmp_path)
    home = coalition.home("dev-a")

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *MIRRORS, router=router) as mirrors:
            async with rig.opened(coalition, "dev-a", router=router) as nodes:
                first = await nodes["dev-a"].submit(coalition.vote("aud-1"))
                assert first.witnessed
            shutil.copytree(home, tmp_path / "copy")
            # One story reaches two mirrors; then the home is put back, and another story is told to everybody.
            router.cut = {coalition.ports[Party(party)] for party in ("auth-1", "auth-2")}
            async with rig.opened(coalition, "dev-a", router=router) as nodes:
                nodes["dev-a"].voice.cleared.set()  # a liar does not ask
                await nodes["dev-a"].submit(coalition.vote("aud-1"), witnessed=False)
                log = nodes["dev-a"].sequencer.log
                await until(lambda: {"aud-1", "aud-2"} <= log.stored.parties)
                told_first = log.stored.body
            shutil.rmtree(home)
            shutil.copytree(tmp_path / "copy", home)
            router.cut = set()
            async with rig.opened(coalition, "dev-a", router=router) as nodes:
                nodes["dev-a"].voice.cleared.set()
                nodes["dev-a"].sequencer.ahead = None
                await nodes["dev-a"].sequencer.append(nodes["dev-a"].feed.check(coalition.vote("aud-1")))
                nodes["dev-a"].voice.pusher.wake()
                await until(lambda: all(node.book.find("dev-a.example/log").closed for node in mirrors.values()))
            log = mirrors["auth-1"].book.find("dev-a.example/log")
            with pytest.raises(Refused) as refused:
                check_open(log)
            assert refused.value.rule == "N20"
            proof = await flushed(mirrors["auth-1"], log)
            first_head, second_head = verify_equivocation(parse_equivocation(proof[0]))
            assert first_head.root != second_head.root
            # Two mirrors are no quorum, unless another hears of the first story from them before the second is told.
            assert log.witnessed.size == 1 or log.witnessed.body == told_first
            client = rig.http_of(coalition, "auth-1", router)
            answer = await client.add_checkpoint(
                encode_add_checkpoint(AddCheckpoint(2, (), log.latest.body + b"\n" + log.latest.own))
            )
            await client.close()
            assert answer.body.startswith(b"N20")
        kept = list((coalition.home("auth-1") / "equivocations").iterdir())
        assert [path.read_bytes() for path in kept] == [proof[0]]

    asyncio.run(work())


async def flushed(node, log):
    """The proofs of a log once they are written."""
    await node.book.flush()
    return node.store.proofs(log.origin)


async def offers(coalition, router, asking, sealed):
    """Round 1 with every issuer."""
    for party in MIRRORS:
        client = rig.http_of(coalition, party, router)
        asking = hear_offer(asking, Party(party), await client.quote(sealed))
        await client.close()
    return asking


def request_of(coalition, run):
    """A permit request of dev-a's guard, sealed."""
    signer = coalition.keys[Party("dev-a")]["guard"]
    return seal_request(
        PermitRequest(
            accord=coalition.accord,
            terms=coalition.terms.digest,
            party=Party("dev-a"),
            guard=signer.public_key,
            nonce=secrets.token_hex(16),
            intent=Intent(activity="training", party=Party("dev-a"), run=run),
        ),
        signer,
    )


def test_a_permit_is_issued_and_kept_and_its_hour_is_logged(tmp_path: Path):
    """Contracts §4: m signatures over one body; issuers keep it, and log the root of the hour's permits."""
    coalition = rig.found(tmp_path)
    clock = Clock()

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *ALL, router=router, clock=clock) as nodes:
            await accede(coalition, router, "dev-a")
            run = await declare(coalition, router)
            await until(lambda: all(run in node.feed.places for node in nodes.values()))
            intent = Intent(activity="training", party=Party("dev-a"), run=run)
            await until(lambda: all(node.decide(intent).allowed for node in nodes.values()))
            request, sealed = request_of(coalition, run)
            trust = trust_of(coalition.accord, coalition.terms)
            asking = await offers(
                coalition, router, Asking(request=request, sealed=sealed, trust=trust, last_epoch=0), sealed
            )
            asking, ask = compose(asking)
            assert ask is not None, asking.offers
            signer = coalition.keys[Party("dev-a")]["guard"]
            for party in asking.asked:
                client = rig.http_of(coalition, party, router)
                asking = hear_reply(asking, party, parse_reply(await client.sign(seal_ask(ask, signer))))
                await client.close()
            envelope = finished(asking)
            assert envelope is not None, asking.barred
            verified = verify_permit(
                envelope, expected=request, trust=trust, known_heads={}, last_epoch=0, sent_at_s=0.0, now_s=1.0
            )
            assert len(verified.issuers) == 3
            issuer = nodes[verified.issuers[0]]
            hour = clock.now() // 3_600
            body = Digest(__import__("hashlib").sha256(asking.body).hexdigest())
            assert issuer.issuer.hourly_root(hour) == (merkle_root_of_permits([body]), 1)
            assert await issuer.upkeep.log_permits() == 0
            clock.ahead_s += 3_600
            assert await issuer.upkeep.log_permits() == 1
            assert await issuer.upkeep.log_permits() == 0
            log = issuer.sequencer.log
            entry = issuer.book.entries(log, log.size - 1, log.size)[0]
            said = parse_statement(parse_envelope(entry)).body
            assert said.digest == merkle_root_of_permits([body])
            assert (said.span.end, said.source.split(":")[3]) == (1, issuer.party)

    asyncio.run(work())


def test_an_issuer_fetches_a_head_that_another_named(tmp_path: Path):
    """Two rounds: who lacks what another named fetches it before it signs, and reads the vote below."""
    coalition = rig.found(tmp_path, gossip_s=3_600.0)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *ALL, router=router) as nodes:
            await accede(coalition, router, "dev-a")
            run = await declare(coalition, router)
            await until(lambda: all(run in node.feed.places for node in nodes.values()))
            intent = Intent(activity="training", party=Party("dev-a"), run=run)
            await until(lambda: all(node.decide(intent).allowed for node in nodes.values()))
            # auth-2 hears nothing from now on; aud-2's log grows without it.
            router.cut = {coalition.ports[Party("auth-2")]}
            await nodes["aud-2"].submit(coalition.vote("aud-1", "renew"), witnessed=False)
            behind = nodes["auth-2"].book.find("aud-2.example/log")
            assert behind.size == 0
            request, sealed = request_of(coalition, run)
            trust = trust_of(coalition.accord, coalition.terms)
            asking = Asking(request=request, sealed=sealed, trust=trust, last_epoch=0)
            for party in MIRRORS:
                asking = hear_offer(asking, Party(party), await nodes[party].quote(sealed))
            asking, ask = compose(asking)
            assert any(each.signed.head.origin == "aud-2.example/log" for each in ask.heads)
            signer = coalition.keys[Party("dev-a")]["guard"]
            reply = parse_reply(await nodes["auth-2"].sign(seal_ask(ask, signer)))
            assert not isinstance(reply, Missing)
            assert behind.size == nodes["aud-2"].sequencer.log.size

    asyncio.run(work())


def test_a_witness_is_another_cosigner(tmp_path: Path):
    """C2SP tlog-witness under a key of its own; its heads are served to monitors."""
    coalition = rig.found(tmp_path)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, "dev-a", *MIRRORS, router=router) as nodes:
            await nodes["dev-a"].submit(coalition.vote("aud-1"))
            head = nodes["dev-a"].sequencer.log.stored
            client = rig.http_of(coalition, "dev-b", router)
            body = encode_add_checkpoint(AddCheckpoint(0, (), head.body + b"\n" + head.own))
            await client.close()
            client = rig.http_of(coalition, "aud-1", router)
            answer = await client.add_checkpoint(body, witness=True)
            again = await client.add_checkpoint(body, witness=True)
            await client.close()
            assert answer.status == 200
            assert b"aud-1.example/witness" in answer.body
            assert (again.status, again.body) == (409, b"1\n")
            log = nodes["aud-1"].book.find("dev-a.example/log")
            assert nodes["aud-1"].witness.checkpoint(log).startswith(head.body)

    asyncio.run(work())


def test_recovery_needs_enough_mirrors(tmp_path: Path):
    """Nothing is signed on the word of too few: an honest mirror of any earlier quorum must be among them."""
    coalition = rig.found(tmp_path)
    from detente.app import recovering

    async def work():
        with pytest.raises(Unavailable, match="0 mirrors answered"):
            await recover_home(coalition.home("dev-a"))

    tries, recovering.TRIES = recovering.TRIES, 1
    wait, recovering.TRY_S = recovering.TRY_S, 0.0
    try:
        asyncio.run(work())
    finally:
        recovering.TRIES, recovering.TRY_S = tries, wait
    assert not (coalition.home("dev-a") / "head").exists()


SOLO = rig.TERMS.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}", "mirrors: self")


def solo_home(tmp_path: Path, votes: int) -> tuple[rig.Coalition, Path]:
    """A self-witnessed home with some entries."""
    coalition = rig.found(tmp_path, text=SOLO)

    async def work():
        node = open_node(coalition.home("dev-a"))
        await node.submit_all([coalition.vote("aud-1") for _ in range(votes)])
        await node.close()

    asyncio.run(work())
    return coalition, coalition.home("dev-a")


def changed(home: Path, statement: str) -> None:
    """Change the database behind the node's back."""
    database = sqlite3.connect(home / "node.db")
    database.execute(statement)
    database.commit()
    database.close()


def test_a_self_witnessed_copy_that_is_behind_cannot_be_brought_back(tmp_path: Path):
    """C27: nobody else holds it, and the message says so."""
    _, home = solo_home(tmp_path, 3)
    changed(home, "DELETE FROM entries WHERE id & 1099511627775 = 2")
    changed(home, "UPDATE logs SET size = 2 WHERE id = 1")
    before = (home / "head").read_bytes()
    with pytest.raises(Refused) as refused:
        asyncio.run(recover_home(home))
    assert refused.value.rule == "C27"
    assert (home / "head").read_bytes() == before


def test_entries_that_contradict_the_signed_head_stay_refused(tmp_path: Path):
    """C26: a log that signed two stories is not mended; root keys open a successor."""
    _, home = solo_home(tmp_path, 1)
    coalition, _ = solo_home(tmp_path / "other", 0)
    from detente.log.merkle import leaf_hash

    forged = coalition.vote("aud-1")
    database = sqlite3.connect(home / "node.db")
    database.execute("UPDATE entries SET data = ?, leaf = ?", (forged, leaf_hash(forged)))
    database.commit()
    database.close()
    before = (home / "head").read_bytes()
    with pytest.raises(Refused) as refused:
        asyncio.run(recover_home(home))
    assert refused.value.rule == "C26"
    assert (home / "head").read_bytes() == before


def test_damage_above_every_signed_head_is_not_guessed(tmp_path: Path):
    """C28: without a head nobody can say what the bytes were."""
    _, home = solo_home(tmp_path, 2)
    changed(home, "DELETE FROM heads")
    changed(home, "UPDATE entries SET data = zeroblob(3) WHERE id & 1099511627775 = 1")
    with pytest.raises(Refused) as refused:
        asyncio.run(recover_home(home))
    assert refused.value.rule == "C28"


def test_a_lost_head_file_is_written_anew(tmp_path: Path):
    """C07 and C22 end here: recovery writes the mark from what the entries and the mirrors say."""
    _, home = solo_home(tmp_path, 2)
    (home / "head").write_bytes(b"\xff" * 8_192)
    with pytest.raises(Refused) as refused:
        open_node(home)
    assert refused.value.rule == "C07"
    assert asyncio.run(recover_home(home)).size == 2
    node = open_node(home)
    assert node.sequencer.log.stored.size == 2
    asyncio.run(node.close())


def test_a_mirror_state_that_nobody_wrote_is_refused(tmp_path: Path):
    """C24, and the log is not cosigned on its strength."""
    coalition = rig.found(tmp_path)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, "dev-a", *MIRRORS, router=router) as nodes:
            await nodes["dev-a"].submit(coalition.vote("aud-1"))
        changed(coalition.home("aud-1"), "UPDATE mirrors SET state = CAST('{}' AS BLOB)")
        async with rig.opened(coalition, "aud-1", router=router) as nodes:
            log = nodes["aud-1"].book.find("dev-a.example/log")
            with pytest.raises(Refused) as refused:
                nodes["aud-1"].mirror._state(log)
            assert refused.value.rule == "C24"

    asyncio.run(work())


def test_a_flood_of_waiting_statements_is_refused(tmp_path: Path):
    """N22: the node says so instead of growing."""
    coalition = rig.found(tmp_path, text=SOLO)

    async def work():
        node = open_node(coalition.home("dev-a"))
        try:
            checked = node.feed.check(coalition.vote("aud-1"))
            node.sequencer._queue = [None] * 16_384
            with pytest.raises(Refused) as refused:
                await node.sequencer.append(checked)
            assert refused.value.rule == "N22"
            node.sequencer._queue = []
            assert node.sequencer.log.size == 0
        finally:
            await node.close()

    asyncio.run(work())


def test_a_url_without_a_file_of_a_log_says_so(tmp_path: Path):
    """N39 and N38 come from reading logs elsewhere; a home gives the first for what it does not hold."""
    from detente.adapters.store import Store
    from detente.app.coalition import coalition_of
    from detente.app.log_sources import StoreSource

    coalition, home = solo_home(tmp_path, 1)
    store = Store(home / "node.db", read_only=True)
    source = StoreSource(store, store.logs()[0], coalition_of((coalition.terms,)))
    with pytest.raises(Refused) as refused:
        source.read("tile/entries/001")
    assert refused.value.rule == "N39"
    store.close()


def test_a_pause_binds_every_issuer_before_mirrors_are_fetched(tmp_path: Path, monkeypatch):
    """While guards are told to stop, mirrors wait (here: for ever); issuers were told of the votes themselves."""
    coalition = rig.found(tmp_path)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *ALL, router=router) as nodes:
            await accede(coalition, router, "dev-a", "dev-b")
            for node in nodes.values():
                node.hub.subscribe(only=frozenset({"notice"}))  # A guard that listens.
            await nodes["aud-1"].submit(coalition.vote("aud-1"))
            monkeypatch.setattr(pushing, "QUIET_S", 3_600.0)
            vote = await nodes["aud-1"].submit(coalition.vote("aud-2"), witnessed=False)
            for party in MIRRORS:
                await until(nodes[party].notices.holding)
            assert not any(vote.statement in nodes[party].feed.places for party in MIRRORS if party != "aud-1")
            assert not vote.witnessed

    asyncio.run(work())
