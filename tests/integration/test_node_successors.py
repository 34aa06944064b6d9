"""A log that told two stories is closed; its party's root keys open a successor, and the party speaks again."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.app.logbook import check_open
from detente.app.own_log import log_key_path
from detente.app.succeeding import file_opening, prepare_successor
from detente.base.errors import Misuse, Refused
from detente.base.identity import Party
from detente.base.quantity import parse_decimal
from detente.cli import main
from detente.statement.accession import Accession
from detente.statement.run import Run
from tests import node_coalition as rig
from tests.integration import node_rig
from tests.integration.node_rig import MIRRORS, until

OLD, NEW = "dev-a.example/log", "dev-a.example/log-2"


async def equivocate(coalition: rig.Coalition, router: rig.Router, mirrors, folder: Path) -> None:
    """dev-a's home is put back after it had signed, and signs another second entry: two stories from size 1 on."""
    home = coalition.home("dev-a")
    async with rig.opened(coalition, "dev-a", router=router) as nodes:
        body = Accession(coalition.accord, ())
        assert (await nodes["dev-a"].submit(coalition.say("dev-a", "accession", body, use="root"))).witnessed
    shutil.copytree(home, folder)
    router.cut = {coalition.ports[Party(party)] for party in ("auth-1", "auth-2")}
    async with rig.opened(coalition, "dev-a", router=router) as nodes:
        nodes["dev-a"].voice.cleared.set()  # a liar does not ask
        await nodes["dev-a"].submit(coalition.vote("aud-1", "retract"), witnessed=False)
        log = nodes["dev-a"].sequencer.log
        await until(lambda: {"aud-1", "aud-2"} <= log.stored.parties)
    shutil.rmtree(home)
    shutil.copytree(folder, home)
    router.cut = set()
    async with rig.opened(coalition, "dev-a", router=router) as nodes:
        nodes["dev-a"].voice.cleared.set()
        nodes["dev-a"].sequencer.ahead = None
        await nodes["dev-a"].sequencer.append(nodes["dev-a"].feed.check(coalition.vote("aud-1", "retract")))
        nodes["dev-a"].voice.pusher.wake()
        everybody = [*mirrors.values(), nodes["dev-a"]]
        await until(lambda: all(node.book.find(OLD).closed for node in everybody))


def test_a_developer_whose_log_closed_opens_a_successor_and_speaks_again(tmp_path: Path):
    """The whole way: two stories, the log closed, root keys open a successor, every mirror follows it, a run is declared.

    The developer's node runs all the while: it writes in the successor without being started again.
    """
    coalition = rig.found(tmp_path)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *MIRRORS, router=router) as mirrors:
            await equivocate(coalition, router, mirrors, tmp_path / "copy")
            opening = await prepare_successor(coalition.home("dev-a"))
            assert (opening.closes, opening.origin) == (OLD, NEW)
            async with rig.opened(coalition, "dev-a", router=router) as nodes:
                node = nodes["dev-a"]
                assert node.sequencer.log.origin == OLD
                with pytest.raises(Refused) as refused:
                    await node.submit(coalition.vote("dev-a", "retract"))
                assert refused.value.rule in {"N20", "C21"}
                receipt = await mirrors["aud-1"].submit(opening.envelope)
                assert receipt.witnessed
                await until(lambda: all(NEW in each.book.logs for each in mirrors.values()))
                with pytest.raises(Refused) as refused:
                    check_open(mirrors["auth-1"].book.find(OLD))
                assert refused.value.rule == "N20"
                await until(lambda: node.sequencer.log.origin == NEW)
                body = Run("run-1", "training", parse_decimal("1e20"), (), ())
                said = await node.submit(coalition.say("dev-a", "run", body))
                assert (said.place.origin, said.place.index, said.witnessed) == (NEW, 0, True)
                await until(lambda: all(m.evidence.witnessed_time(said.statement) for m in mirrors.values()))
                # What had a quorum in the closed log counts on: dev-a's accession.
                assert all(m.status().phase == "in_force" for m in mirrors.values())

    asyncio.run(work())


def test_a_successor_without_its_key_here_is_left_alone(tmp_path: Path):
    """A home that lacks the successor's key goes on with what it has, and signs nothing in the other's name."""
    coalition = rig.found(tmp_path)

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *MIRRORS, router=router) as mirrors:
            opening = await prepare_successor(coalition.home("dev-a"), although_open=True)
            config = node_rig.load_config(coalition.home("dev-a"))
            log_key_path(config, NEW, successor=True).rename(tmp_path / "elsewhere.key")
            async with rig.opened(coalition, "dev-a", router=router) as nodes:
                node = nodes["dev-a"]
                assert (await mirrors["aud-1"].submit(opening.envelope)).witnessed
                await until(lambda: NEW in node.book.logs)
                node.consider()
                assert node.sequencer.log.origin == OLD
                (tmp_path / "elsewhere.key").rename(log_key_path(config, NEW, successor=True))
                await until(lambda: node.sequencer.log.origin == NEW)

    asyncio.run(work())


def test_a_log_that_told_one_story_is_not_closed_by_accident(tmp_path: Path):
    """A successor of an open log must be asked for by name; the key of it is not made before."""
    coalition = rig.found(tmp_path)
    with pytest.raises(Misuse):
        asyncio.run(prepare_successor(coalition.home("dev-a")))
    config = node_rig.load_config(coalition.home("dev-a"))
    assert not log_key_path(config, NEW, successor=True).exists()
    opening = asyncio.run(prepare_successor(coalition.home("dev-a"), although_open=True))
    assert opening.origin == NEW


def test_a_successor_is_opened_by_commands_and_verifies_offline(tmp_path: Path):
    """``log succeed`` files the statement at a peer; ``log contradiction`` and ``log verify`` need no node."""
    coalition = node_rig.found(tmp_path)
    run = CliRunner().invoke
    home = coalition.home("dev-a")

    async def work():
        router = rig.Router()
        async with rig.opened(coalition, *MIRRORS, router=router) as mirrors:
            await equivocate(coalition, router, mirrors, tmp_path / "copy")
        async with node_rig.serving(coalition, *MIRRORS) as mirrors:
            opening = await prepare_successor(home)
            opened = await file_opening(home, opening)
            assert (opened.taken_by in MIRRORS, opened.witnessed) == (True, True)
            async with node_rig.serving(coalition, "dev-a") as nodes:
                await until(lambda: nodes["dev-a"].sequencer.log.origin == NEW)
                body = Run("run-1", "training", parse_decimal("1e20"), (), ())
                assert (await nodes["dev-a"].submit(coalition.say("dev-a", "run", body))).witnessed
                await until(lambda: all(m.book.logs[NEW].witnessed for m in mirrors.values()))

    asyncio.run(work())
    (proof,) = (coalition.home("auth-1") / "equivocations").iterdir()
    said = run(main, ["log", "contradiction", str(proof), "--home", str(home), "--json"])
    assert (said.exit_code, json.loads(said.output)["origin"]) == (0, OLD)
    changed = tmp_path / "changed.txt"
    changed.write_bytes(proof.read_bytes().replace(b"first", b"First", 1))
    assert run(main, ["log", "contradiction", str(changed), "--home", str(home)]).exit_code != 0
    out = tmp_path / "logs"
    assert run(main, ["log", "export", str(out), "--home", str(coalition.home("aud-1"))]).exit_code == 0
    verified = run(main, ["log", "verify", str(out), "--home", str(home), "--json"])
    assert verified.exit_code == 0, verified.output
    assert {each["origin"]: each["operator"] for each in json.loads(verified.output)}[NEW] == "dev-a"
    found = run(main, ["log", "fsck", "--home", str(coalition.home("aud-1")), "--json"])
    assert found.exit_code == 0, found.output
