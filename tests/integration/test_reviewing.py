"""Reviewers of a home: enrolled by the root key, refused by name until then."""

import asyncio
from pathlib import Path

import pytest

from detente.adapters.keys import make_key
from detente.app.door import open_door
from detente.app.holding import made_proposal, signed_approval
from detente.app.init import make_solo
from detente.app.reviewing import enrol_reviewer, organisation_of
from detente.base.errors import Misuse, Refused

SAFETY = "safety-team"


async def proposed(home):
    door = await open_door(home)
    body = made_proposal(b"wider", touches=["architecture"], summary="wider", proposed_by=("model", "a" * 64))
    made, envelope = door.speaker().state("proposal", body)
    await door.submit(envelope)
    return door, made


async def decided(door, proposal, key, *, reviewer="reviewer-1", party=SAFETY):
    _, envelope = signed_approval(
        proposal, "approve", reviewer=reviewer, reviewer_key=key, speaker=door.speaker(party), same_host=True,
        significant="yes",
    )  # fmt: skip
    await door.submit(envelope)


async def waits(door, proposal):
    return proposal in {each["proposal"] for each in await door.proposals()}


def test_init_solo_enrols_the_safety_sides_reviewer(tmp_path: Path):
    """Who just made a home can decide: the reviewer's key stands in the terms, for safety alone."""

    async def work():
        await make_solo(tmp_path)
        door, proposal = await proposed(tmp_path)
        assert organisation_of(door, None) == SAFETY
        assert not door.config.has_key("reviewer", door.config.party)
        assert await waits(door, proposal)
        await decided(door, proposal, door.config.signer("reviewer", SAFETY))
        assert not await waits(door, proposal)

    asyncio.run(work())


def test_a_key_that_nobody_enrolled_is_refused_with_what_to_do(tmp_path: Path):
    """N45: the decision is refused by name, nothing of it is stored, and the command that mends it is named."""

    async def work():
        await make_solo(tmp_path)
        door, proposal = await proposed(tmp_path)
        before = (await door.status())["notes"]
        stranger = make_key(tmp_path / "stranger.key")
        for reviewer in ("reviewer-1", "reviewer-2"):
            with pytest.raises(Refused) as refused:
                await decided(door, proposal, stranger, reviewer=reviewer)
            assert refused.value.rule == "N45"
            assert f"detente hold enrol --as {SAFETY} --reviewer {reviewer}" in refused.value.todo
        assert await waits(door, proposal)
        assert (await door.status())["notes"] == before

    asyncio.run(work())


def test_a_second_reviewer_is_enrolled_and_revoked_by_the_root_key(tmp_path: Path):
    """One keys statement after the other, each naming the last: in force at once where the log witnesses itself."""

    async def work():
        await make_solo(tmp_path)
        door, proposal = await proposed(tmp_path)
        path = tmp_path / "second.key"
        done = await enrol_reviewer(door, party=SAFETY, reviewer="reviewer-2", key_path=path, revoke=False)
        assert (done.witnessed, done.revoked) == (True, False)
        await asyncio.sleep(1.1)  # Witnessed time counts whole seconds: what is said in the same one is judged with it.
        gone = await enrol_reviewer(door, party=SAFETY, reviewer="reviewer-1", key_path=None, revoke=True)
        assert gone.revoked
        await asyncio.sleep(1.1)
        with pytest.raises(Refused) as refused:
            await decided(door, proposal, door.config.signer("reviewer", SAFETY))
        assert refused.value.rule == "N45"
        from detente.adapters.keys import read_key

        await decided(door, proposal, read_key(path), reviewer="reviewer-2")
        assert not await waits(door, proposal)

    asyncio.run(work())


def test_what_cannot_be_enrolled_is_said_before_anything_is_signed(tmp_path: Path):
    """A key with another name, a reviewer that is not there, a party without its root key here."""

    async def work():
        await make_solo(tmp_path)
        door = await open_door(tmp_path)
        for words in (
            {"party": SAFETY, "reviewer": "reviewer-2", "key_path": None, "revoke": False},
            {"party": SAFETY, "reviewer": "nobody", "key_path": None, "revoke": True},
            {"party": "elsewhere", "reviewer": "reviewer-1", "key_path": None, "revoke": False},
        ):
            with pytest.raises(Misuse):
                await enrol_reviewer(door, **words)
        assert next(each for each in (await door.status())["keys"] if each["party"] == SAFETY)["sequence"] == 0

    asyncio.run(work())
