"""Real nodes on loopback: a statement is written, witnessed, proven; crashes, restores and damage are survived or named."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from detente.adapters.client import NodeClient, origin_hash
from detente.app.log_checking import check_home, refuse_damage
from detente.app.log_sources import find_logs
from detente.app.log_verifying import export_log, verify_log
from detente.app.node import open_node
from detente.app.recovering import recover_home
from detente.base.errors import Refused, Unavailable
from detente.log.mirror import AddEntries, build_packages, encode_add_entries_header, encode_package
from detente.log.proof import parse_proof, verify_proof
from detente.statement.accession import Accession
from tests.integration import node_rig as rig
from tests.integration.node_rig import until

MIRRORS = rig.MIRRORS


def run(work):
    """Each test has an event loop of its own."""
    return asyncio.run(work)


def test_a_statement_is_witnessed_by_a_quorum_and_its_proof_verifies(tmp_path: Path):
    """Contracts §2, write path: the receipt's proof convinces somebody who has only the terms."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS) as nodes:
            client = rig.client_of(coalition, "dev-a")
            envelope = coalition.say("dev-a", "accession", Accession(coalition.accord, ()), use="root")
            receipt = await client.submit(envelope)
            await client.close()
            assert receipt.witnessed
            about = nodes["dev-a"].coalition.logs["dev-a.example/log"]
            included = verify_proof(
                parse_proof(receipt.proof),
                envelope,
                log_key=about.key,
                mirrors=nodes["dev-a"].coalition.log_cosigners(),
                operator=about.operator,
                quorum=3,
            )
            assert included.witnessed is not None
            assert len(included.witnessed.parties) >= 3
            # Every mirror stored the entry before it cosigned.
            for party in included.witnessed.parties:
                held = nodes[party].book.find("dev-a.example/log")
                assert nodes[party].book.entries(held, 0, 1) == [envelope]

    run(work())


def test_a_statement_sent_twice_keeps_its_place(tmp_path: Path):
    """Copies of a statement merge: the log does not grow."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS) as nodes:
            client = rig.client_of(coalition, "dev-a")
            envelope = coalition.vote("aud-1")
            first = await client.submit(envelope)
            again = await asyncio.gather(*(client.submit(envelope) for _ in range(5)))
            await client.close()
            assert {receipt.place for receipt in again} == {first.place}
            assert nodes["dev-a"].sequencer.log.size == 1

    run(work())


def test_a_party_that_keeps_no_log_copy_follows_the_others(tmp_path: Path):
    """Whoever is no mirror fetches entries by gossip and folds the same state."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, *coalition.ports) as nodes:
            client = rig.client_of(coalition, "aud-1")
            for party in ("dev-a", "dev-b"):
                await client.submit(coalition.say(party, "accession", Accession(coalition.accord, ()), use="root"))
            await client.submit(coalition.vote("aud-1"))
            await client.close()
            await until(lambda: all(node.state().digest == nodes["aud-1"].state().digest for node in nodes.values()))
            assert [pause.trigger for pause in nodes["dev-b"].status().pauses] == ["call"]

    run(work())


def test_a_pause_reaches_a_listener_of_every_issuer(tmp_path: Path):
    """A restricting statement binds on receipt; each issuer pushes one notice of it."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, *coalition.ports) as nodes:
            client = rig.client_of(coalition, "dev-a")
            await client.submit(coalition.say("dev-a", "accession", Accession(coalition.accord, ()), use="root"))
            await until(lambda: all(node.status().phase == "in_force" for node in nodes.values()))
            heard: dict[str, list[bytes]] = {party: [] for party in MIRRORS}

            async def listen(party):
                listening = rig.client_of(coalition, party)
                try:
                    async for event in listening.events():
                        if event.name == "notice":
                            heard[party].append(event.data)
                finally:
                    await listening.close()

            tasks = [asyncio.create_task(listen(party)) for party in MIRRORS]
            await until(lambda: all(len(nodes[party].hub) == 1 for party in MIRRORS))
            await client.submit(coalition.vote("auth-1"))
            await until(lambda: all(heard.values()))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()
            assert all(len(events) == 1 for events in heard.values())

    run(work())


def test_a_log_whose_owner_is_down_is_still_followed_and_cosigned(tmp_path: Path):
    """A mirror that was away fetches from another mirror: the owner need not be there."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", "aud-1", "aud-2", "auth-1") as nodes:
            client = rig.client_of(coalition, "dev-a")
            receipt = await client.submit(coalition.vote("aud-1"))
            await client.close()
            assert receipt.witnessed
            proofs = nodes["dev-a"].sequencer.log.witnessed.parties
            assert proofs == {"aud-1", "aud-2", "auth-1"}
            # The one that stays must have heard of the others' cosignatures: nobody else will tell of them.
            told = nodes["aud-1"].book.find("dev-a.example/log")
            await until(lambda: told.witnessed is not None)
        async with rig.serving(coalition, "aud-1", "auth-2") as nodes:
            log = nodes["auth-2"].book.find("dev-a.example/log")
            await until(lambda: log.witnessed is not None and "auth-2" in log.witnessed.parties)
            assert log.size == 1

    run(work())


def test_a_poisoned_entry_is_mirrored_and_has_no_effect(tmp_path: Path):
    """Contracts §2: checked means size and hash only; nobody's submit takes it, and no entry can freeze a log."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS) as nodes:
            node = nodes["dev-a"]
            client = rig.client_of(coalition, "dev-a")
            with pytest.raises(Refused):
                await client.submit(b"not an envelope")
            assert node.sequencer.log.size == 0
            # A hostile owner writes it into its own log all the same.
            log = node.sequencer.log
            async with log.lock:
                await node.book.extend(log, 0, [b"not an envelope"])
                node.sequencer._read_again()
            receipt = await client.submit(coalition.vote("aud-1"))
            await client.close()
            assert receipt.witnessed
            assert receipt.place.index == 1
            held = nodes["auth-2"].book.find(log.origin)
            await until(lambda: held.size == 2)
            assert nodes["auth-2"].book.entries(held, 0, 1) == [b"not an envelope"]
            notes = [note for note in nodes["auth-2"].state().notes if note.rule == "F01"]
            assert [str(note.place) for note in notes] == [f"{log.origin}#0"]

    run(work())


BAD = {
    "oversized": (b'{"payload": "' + b"a" * 70_000 + b'"}', "N10"),
    "duplicate key": (b'{"payload": "", "payload": "", "payloadType": "", "signatures": []}', "B12"),
    "not JSON": (b"\xff\xfe", "B11"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_refused_by_name_and_the_log_stays(tmp_path: Path, name: str):
    """Bodies are bounded before they are parsed, and each refusal has its number."""
    coalition = rig.found(tmp_path)
    body, rule = BAD[name]

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS) as nodes:
            client = rig.client_of(coalition, "dev-a")
            before = nodes["dev-a"].state().digest
            with pytest.raises(Refused) as refused:
                await client.submit(body)
            await client.close()
            assert refused.value.rule == rule
            assert nodes["dev-a"].sequencer.log.size == 0
            assert nodes["dev-a"].state().digest == before

    run(work())


def test_statements_that_may_not_be_said_are_refused_by_name(tmp_path: Path):
    """A wrong signature, an unknown party, a key of another use, other terms, a date ahead: one number each."""
    coalition = rig.found(tmp_path)
    other = rig.found(tmp_path / "other")
    good = coalition.vote("aud-1")
    at = good.index(b'"sig":"') + 10
    flipped = good[:at] + (b"A" if good[at : at + 1] != b"A" else b"B") + good[at + 1 :]
    cases = [
        ("S10", flipped),
        ("S12", coalition_swapped(coalition, other)),
        ("S13", coalition.vote("aud-1", use="guard")),
        ("N30", signed_under(coalition, other)),
        ("N31", coalition.say("aud-1", "accession", Accession(coalition.accord, ()), use="root", terms=7)),
        (
            "N32",
            coalition.say("aud-1", "accession", Accession(coalition.accord, ()), use="root", made_at=4_000_000_000),
        ),
    ]

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS) as nodes:
            client = rig.client_of(coalition, "dev-a")
            for rule, envelope in cases:
                with pytest.raises(Refused) as refused:
                    await client.submit(envelope)
                assert refused.value.rule == rule
            await client.close()
            assert nodes["dev-a"].sequencer.log.size == 0
            assert nodes["dev-a"].status().pauses == ()

    run(work())


def coalition_swapped(coalition, other):
    """A vote in the name of aud-1, signed by somebody else's key."""
    keys, coalition.keys = coalition.keys, other.keys
    try:
        return coalition.vote("aud-1")
    finally:
        coalition.keys = keys


def signed_under(coalition, other):
    """A vote about another accord, signed by the right key."""
    keys, other.keys = other.keys, coalition.keys
    try:
        return other.vote("aud-1")
    finally:
        other.keys = keys


def test_a_kill_in_the_middle_of_appends_loses_nothing_acknowledged(tmp_path: Path):
    """kill -9 while statements stream in: afterwards every acknowledged one is there, and the store re-hashes."""
    coalition = rig.found(tmp_path)

    async def stream(acknowledged):
        client = rig.client_of(coalition, "dev-a")
        try:
            while True:
                envelope = coalition.vote("aud-1")
                receipt = await client.submit(envelope, witnessed=False)
                acknowledged.append((receipt, envelope))
        except (Unavailable, Refused):
            return
        finally:
            await client.close()

    async def write(process):
        acknowledged = []
        writers = [asyncio.create_task(stream(acknowledged)) for _ in range(4)]
        await until(lambda: len(acknowledged) > 60, within_s=30)
        process.kill()
        await asyncio.gather(*writers)
        return acknowledged

    with rig.processes(coalition, "dev-a", "aud-1", "aud-2", "auth-1") as running:
        acknowledged = run(write(running["dev-a"]))
        check = check_home(coalition.home("dev-a"))
        refuse_damage(check)
        restarted = rig.start_process(coalition, "dev-a")
        try:
            receipt = run(submit_once(coalition, "dev-a"))
            assert receipt.witnessed
        finally:
            restarted.stop()
            restarted.popen.stdout.close()

    node = open_node(coalition.home("dev-a"))
    try:
        log = node.book.find("dev-a.example/log")
        for receipt, envelope in acknowledged:
            assert node.book.entries(log, receipt.place.index, receipt.place.index + 1) == [envelope]
    finally:
        run(node.close())


async def submit_once(coalition, party, envelope=None):
    """One statement by a client of its own."""
    client = rig.client_of(coalition, party)
    try:
        return await client.submit(envelope or coalition.vote("aud-1"))
    finally:
        await client.close()


def back_up(home: Path) -> dict[str, bytes]:
    """The database as an operator would copy it: through SQLite."""
    copy = sqlite3.connect(":memory:")
    source = sqlite3.connect(home / "node.db")
    source.backup(copy)
    source.close()
    data = copy.serialize()
    copy.close()
    return {"node.db": data}


def restore(home: Path, backup: dict[str, bytes]) -> None:
    """Put an old copy in the place of the database."""
    for name in ("node.db", "node.db-wal", "node.db-shm"):
        (home / name).unlink(missing_ok=True)
    for name, data in backup.items():
        (home / name).write_bytes(data)


def test_a_restored_database_is_refused_and_recovered_from_mirrors(tmp_path: Path):
    """C21: the last signed head is kept apart, so an old copy is noticed; `log recover` fetches what is missing."""
    coalition = rig.found(tmp_path)
    home = coalition.home("dev-a")

    async def work():
        async with rig.serving(coalition, *MIRRORS):
            async with rig.serving(coalition, "dev-a"):
                await submit_once(coalition, "dev-a")
            backup = back_up(home)
            async with rig.serving(coalition, "dev-a"):
                newer = [(await submit_once(coalition, "dev-a")).statement for _ in range(3)]
            restore(home, backup)
            with pytest.raises(Refused) as refused:
                open_node(home)
            assert refused.value.rule == "C21"
            recovered = await recover_home(home)
            assert (recovered.fetched, recovered.size) == (3, 4)
            async with rig.serving(coalition, "dev-a") as nodes:
                assert all(nodes["dev-a"].find_statement(statement) for statement in newer)
                receipt = await submit_once(coalition, "dev-a")
                assert receipt.witnessed
                assert receipt.place.index == 4

    run(work())


def test_a_whole_home_restored_signs_nothing_before_mirrors_were_asked(tmp_path: Path):
    """The head file restored as well: only the mirrors know better, and they prove it with our own signature."""
    coalition = rig.found(tmp_path)
    home = coalition.home("dev-a")

    async def work():
        async with rig.serving(coalition, *MIRRORS) as mirrors:
            async with rig.serving(coalition, "dev-a"):
                await submit_once(coalition, "dev-a")
            shutil.copytree(home, tmp_path / "backup")
            async with rig.serving(coalition, "dev-a"):
                await submit_once(coalition, "dev-a")
            shutil.rmtree(home)
            shutil.copytree(tmp_path / "backup", home)
            async with rig.serving(coalition, "dev-a"):
                with pytest.raises(Refused) as refused:
                    await submit_once(coalition, "dev-a")
                assert refused.value.rule == "C21"
            assert mirrors["aud-1"].book.find("dev-a.example/log").size == 2
            recovered = await recover_home(home)
            assert recovered.size == 2
            async with rig.serving(coalition, "dev-a"):
                assert (await submit_once(coalition, "dev-a")).place.index == 2

    run(work())


def test_a_damaged_entry_is_found_and_mended(tmp_path: Path):
    """C25: a flipped bit does not go unnoticed; the right bytes come back from a peer, hashed up to the signed head."""
    coalition = rig.found(tmp_path)
    home = coalition.home("dev-a")

    async def work():
        async with rig.serving(coalition, *MIRRORS):
            async with rig.serving(coalition, "dev-a"):
                for _ in range(3):
                    await submit_once(coalition, "dev-a")
            refuse_damage(check_home(home))
            database = sqlite3.connect(home / "node.db")
            database.execute(
                "UPDATE entries SET data = CAST('x' || substr(data, 2) AS BLOB) WHERE (id & 1099511627775) = 1"
            )
            database.commit()
            database.close()
            check = check_home(home)
            assert any(damage.at == 1 for damage in check.damages)
            with pytest.raises(Refused) as refused:
                refuse_damage(check)
            assert refused.value.rule == "C25"
            recovered = await recover_home(home)
            assert recovered.mended == 1
            refuse_damage(check_home(home))

    run(work())


def test_two_nodes_on_one_store_are_refused(tmp_path: Path):
    """C04: the second says so and changes nothing; the first goes on."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS):
            with pytest.raises(Refused) as refused:
                open_node(coalition.home("dev-a"))
            assert refused.value.rule == "C04"
            assert (await submit_once(coalition, "dev-a")).witnessed

    run(work())


def test_logs_verify_from_a_home_a_folder_and_a_url(tmp_path: Path):
    """Offline verification always works: static files, no server, no database."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS):
            for _ in range(3):
                await submit_once(coalition, "dev-a")
            url = f"http://127.0.0.1:{coalition.ports['dev-a']}/log/{origin_hash('dev-a.example/log')}"
            return await asyncio.to_thread(verified_at, url, coalition)

    assert run(work()) == [3]
    assert verified_at(str(coalition.home("aud-1")), coalition) == [3]
    with find_logs(str(coalition.home("dev-a")), (coalition.terms,)) as found:
        assert export_log(found[0].source, tmp_path / "static" / "dev-a") == 3
    assert verified_at(str(tmp_path / "static"), coalition) == [3]
    tile = tmp_path / "static" / "dev-a" / "tile" / "0" / "000.p" / "3"
    tile.write_bytes(bytes([tile.read_bytes()[0] ^ 1]) + tile.read_bytes()[1:])
    with pytest.raises(Refused) as refused:
        verified_at(str(tmp_path / "static"), coalition)
    assert refused.value.kind == "corrupt"


def verified_at(target: str, coalition) -> list[int]:
    """Sizes of the logs that verify there."""
    with find_logs(target, (coalition.terms,)) as found:
        return [verify_log(each.source, coalition.data).size for each in found]


def test_a_mirror_refuses_entries_that_do_not_lead_to_the_head(tmp_path: Path):
    """M17 over HTTP: what does not hash is neither stored nor cosigned."""
    coalition = rig.found(tmp_path)

    async def work():
        async with rig.serving(coalition, "dev-a", *MIRRORS) as nodes:
            await submit_once(coalition, "dev-a")
            log = nodes["dev-a"].sequencer.log
            await until(lambda: all(nodes[party].book.find(log.origin).size == 1 for party in MIRRORS))
            before = nodes["aud-1"].book.find(log.origin).tree.root()
            package = next(build_packages(log.tree, lambda _a, _b: [b"another entry"], 0, 1))
            body = encode_add_entries_header(AddEntries(log.origin, 0, 1)) + encode_package(package)
            client = NodeClient(f"http://127.0.0.1:{coalition.ports['aud-1']}")
            answer = await client.add_entries(body)
            await client.close()
            assert answer.status == 422
            assert answer.body.startswith(b"M17")
            assert nodes["aud-1"].book.find(log.origin).tree.root() == before

    run(work())
