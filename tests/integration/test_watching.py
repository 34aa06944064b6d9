"""`detente hold watch`: what waits now, what comes, what goes; served or not."""

import asyncio
from pathlib import Path

from detente.app.door import open_door
from detente.app.holding import made_proposal, signed_approval
from detente.app.init import make_solo
from detente.app.watching import watch_queue

SAFETY = "safety-team"


async def proposed(door, change: bytes):
    body = made_proposal(change, touches=["architecture"], summary="wider", proposed_by=("model", "a" * 64))
    made, envelope = door.speaker().state("proposal", body)
    await door.submit(envelope)
    return made


def test_what_waits_comes_and_goes(tmp_path: Path):
    """All that waits at first, then each change, for the organisation that can decide; for the author nothing ever."""

    async def work():
        await make_solo(tmp_path)
        door = await open_door(tmp_path)
        first = await proposed(door, b"wider")
        news = watch_queue(door, SAFETY, look_s=0.01)
        told = await anext(news)
        assert (told.what, told.waiting["proposal"]) == ("waits", first)
        second = await proposed(door, b"deeper")
        told = await anext(news)
        assert (told.what, told.waiting["proposal"]) == ("waits", second)
        _, envelope = signed_approval(
            first, "approve", reviewer="reviewer-1", reviewer_key=door.config.signer("reviewer", SAFETY),
            speaker=door.speaker(SAFETY), same_host=True, significant="yes",
        )  # fmt: skip
        await door.submit(envelope)
        told = await anext(news)
        assert (told.what, told.waiting["proposal"]) == ("waits no more", first)
        await news.aclose()
        assert await door.waiting("research-team") == []
        assert [each["proposal"] for each in await door.waiting()] == [second]

    asyncio.run(work())
