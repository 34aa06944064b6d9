"""Seeded changes from a repository's history to the catch rate: made, committed to, put like any other, decided on, revealed."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from detente.adapters.keys import make_key, read_key
from detente.app.direct import with_node
from detente.app.door import Door, open_door
from detente.app.holding import made_proposal, signed_approval
from detente.app.reviewing import enrol_reviewer
from detente.app.screening import commit_seeds, load_seeds, put_change, reveal_decided, store_seeds
from detente.app.seeding import make_seeds
from detente.base.errors import Misuse
from detente.statement.accession import Accession
from detente.statement.envelope import parse_envelope
from tests import node_coalition as rig

TERMS = (
    rig.TERMS.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}", "mirrors: self")
    + """\
hold_points:
  - {id: next, on: version.train, when: {change.proposer: model},
     need: {humans: 1, device: software, same_host: accept, by: [authority]}}
screening: {by: [auditor], rate: 5 %, decisions: {count: 10, per: 7 d}, window: 365 d}
"""
)
MODEL = ("model", "a" * 64)
FILES = {
    "train.py": "MAX_STEPS = {n}\n\n\ndef train(data, n):\n    train_rows = data[:n]\n    return train_rows\n",
    "evaluate.py": "def evaluate(scores):\n    if not scores:\n        raise ValueError\n    assert max(scores) <= {n}\n    return sum(scores)\n",
    "config.yaml": "train:\n  max_steps: {n}\neval:\n  enabled: true\n",
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A small repository whose commits change training, evaluation and settings."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(1, 9):
        for name, text in FILES.items():
            (folder / name).write_text(text.replace("{n}", str(number * 10)))
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"Train for {number * 10} steps")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One home with the keys of the developer, of whoever seeds and of whoever reviews."""
    coalition = rig.found(tmp_path / "coalition", text=TERMS, ack_s=0.1)
    home = coalition.home("dev-a")
    for party in ("aud-1", "auth-1"):
        shutil.copytree(coalition.home(party) / "keys", home / "keys" / party)

    async def begin() -> None:
        await with_node(
            home, lambda node: node.submit(coalition.say("dev-a", "accession", accession(coalition), use="root"))
        )
        door = await open_door(home)
        await enrol_reviewer(door, party="auth-1", reviewer="r-1", key_path=home / "r-1.key", revoke=False)

    make_key(home / "r-1.key")
    asyncio.run(begin())
    return home


def accession(coalition):
    return Accession(coalition.accord, ())


async def proposed(door: Door, change: bytes, *, store: bool = False):
    body = made_proposal(
        change, touches=["training"], summary="hidden layer from 256 to 384", proposed_by=MODEL, asked_flop="1e8"
    )
    speaker = door.speaker("dev-a")
    if store:
        await door.store_blob(change, speaker.signer)
    made, envelope = speaker.state("proposal", body)
    await door.submit(envelope)
    return made


async def decide(door: Door, proposal, decision: str) -> None:
    _, envelope = signed_approval(
        proposal, decision, reviewer="r-1", reviewer_key=read_key(door.config.home / "r-1.key"),
        speaker=door.speaker("auth-1"), same_host=True, significant="yes",
    )  # fmt: skip
    await door.submit(envelope)


async def committed(door: Door, folder: Path) -> None:
    """Commit, and wait for a later second: what is proposed in the second of the commitment was not committed to before (F31)."""
    await commit_seeds(door, folder, "aud-1")
    second = (await door.status())["at"]
    while (await door.status())["at"] == second:  # noqa: ASYNC110 - a second has no event
        await asyncio.sleep(0.02)


def made(history: Path, folder: Path, count: int = 3) -> list[dict]:
    store_seeds(folder, make_seeds(history, count=count, source=Random(7)))
    return [json.loads(path.read_text()) for path in sorted(folder.glob("put/*.json"))]


def test_a_seed_applies_to_the_tree_that_its_commit_changed(history: Path, tmp_path: Path):
    """By git itself; each of another commit, and none is the commit's own change."""
    seeds = make_seeds(history, count=5, source=Random(3))
    assert len({seed.commit for seed in seeds}) == 5
    assert len({seed.flaw for seed in seeds}) >= 3
    for number, seed in enumerate(seeds):
        work = tmp_path / f"work-{number}"
        git(tmp_path, "clone", "-q", str(history), str(work))
        parent = git(history, "rev-list", "--parents", "-1", seed.commit).split()[1:]
        if parent:
            git(work, "checkout", "-q", parent[0])
        else:
            git(work, "checkout", "-q", "--orphan", "new")
            git(work, "rm", "-rfq", ".")
        patch = tmp_path / f"{number}.patch"
        patch.write_bytes(seed.patch)
        git(work, "apply", "--check", str(patch))
        git(work, "apply", str(patch))
        for path in work.glob("*.py"):
            compile(path.read_text(), str(path), "exec")
        git(work, "add", "-A")
        assert git(work, "write-tree").strip() != git(history, "rev-parse", f"{seed.commit}^{{tree}}").strip()


def test_too_short_a_history_is_told(history: Path):
    """Nothing is made of fewer commits than seeds."""
    with pytest.raises(Misuse, match="has places for 8 of 9"):
        make_seeds(history, count=9, source=Random(1))


def test_a_seed_is_caught_revealed_and_never_permitted(history: Path, home: Path, tmp_path: Path):
    """Undecided it is not revealed; decided it is, once; it waits no more and counts as caught."""
    folder = tmp_path / "seeds"
    made(history, folder)

    async def work():
        door = await open_door(home)
        like = await proposed(door, b"wider")
        await committed(door, folder)
        assert await commit_seeds(door, folder, "aud-1") == ()
        seed = await put_change(door, folder / "put" / "000.json", party=None, like=like)
        assert {each["proposal"] for each in await door.proposals()} == {like, seed}
        assert (await reveal_decided(door, folder, "aud-1"))[0] == []
        await decide(door, seed, "reject")
        [done], waiting = await reveal_decided(door, folder, "aud-1")
        assert (done.proposal, done.caught, done.decided, waiting) == (seed, 1, 1, 2)
        assert (await reveal_decided(door, folder, "aud-1"))[0] == []
        assert {each["proposal"] for each in await door.proposals()} == {like}
        said = await door.screening()
        assert (said["caught"], said["decided"], said["open"]) == (1, 1, 2)
        assert said["says"][0].startswith("1 of 1 seeded change caught: the true rate lies between 2.5 % and 100 %")
        assert any("26 seeded changes" in line for line in said["says"])
        assert (await door.status())["notes"] == []

    asyncio.run(work())


def test_a_missed_seed_is_held_after_its_reveal_and_shown_to_its_reviewer(history: Path, home: Path, tmp_path: Path):
    """It was approved; the reveal holds it, and the reviewer's own figures count the miss."""
    folder = tmp_path / "seeds"
    made(history, folder)

    async def work():
        door = await open_door(home)
        like = await proposed(door, b"wider")
        await committed(door, folder)
        seed = await put_change(door, folder / "put" / "001.json", party=None, like=like)
        await decide(door, seed, "approve")
        [done], _ = await reveal_decided(door, folder, "aud-1")
        assert (done.caught, done.decided) == (0, 1)
        review = await door.review("auth-1", "r-1", read_key(home / "r-1.key"))
        assert review["figures"]["seeded"]["caught"] == 0
        assert review["decisions"][0]["seeded"] is True
        assert load_seeds(folder)[1].revealed == done.statement

    asyncio.run(work())


@pytest.mark.parametrize("stored", [False, True])
def test_a_seed_that_waits_cannot_be_told_from_another_proposal(
    history: Path, home: Path, tmp_path: Path, stored: bool
):
    """Members, values but for change and summary, signer, nonce's form, size for its summary, date, and whether bytes are stored."""
    folder = tmp_path / "seeds"
    put = made(history, folder)

    async def work():
        door = await open_door(home)
        like = await proposed(door, b"wider", store=stored)
        await committed(door, folder)
        seed = await put_change(door, folder / "put" / "000.json", party=None, like=like)
        other = await proposed(door, b"deeper", store=stored)
        read = {}
        for name, statement in (("seed", seed), ("other", other)):
            envelope = parse_envelope(await door.envelope(statement))
            payload = json.loads(envelope.payload)
            read[name] = (envelope, payload)
            assert await door.has_blob(payload["predicate"]["change"]) is stored
        (one, said), (two, others) = read["seed"], read["other"]
        assert [sig.keyid for sig in one.signatures] == [sig.keyid for sig in two.signatures]
        apart = len(said["predicate"]["summary"].encode()) - len(others["predicate"]["summary"].encode())
        assert len(one.payload) - len(two.payload) == apart
        assert said["predicate"].pop("summary") == put[0]["summary"]
        others["predicate"].pop("summary")
        assert abs(said["predicate"].pop("made_at") - others["predicate"].pop("made_at")) < 600
        for mine in (said, others):
            assert mine["subject"] == [{"digest": {"sha256": mine["predicate"]["change"]}}]
            assert len(mine["predicate"].pop("nonce")) == len(mine["predicate"].pop("change")) // 2
            mine.pop("subject")
        assert said == others
        assert put[0].keys() == {"patch", "summary"}

    asyncio.run(work())


def test_a_home_without_the_key_that_proposed_before_does_not_put_a_seed(history: Path, home: Path, tmp_path: Path):
    """Another key would tell it from the others."""
    folder = tmp_path / "seeds"
    made(history, folder)

    async def work():
        door = await open_door(home)
        like = await proposed(door, b"wider")
        before = len(await door.proposals())
        (home / "keys" / "statement.key").rename(home / "kept.key")
        with pytest.raises(Misuse, match="another key would tell"):
            await put_change(door, folder / "put" / "000.json", party=None, like=like)
        (home / "kept.key").rename(home / "keys" / "statement.key")
        assert len(await door.proposals()) == before

    asyncio.run(work())
