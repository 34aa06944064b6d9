"""A reason from `hold decide` to `hold erase`: shown to its reviewer, erased for good, and the log verifies as before."""

import asyncio
import json
from pathlib import Path

import pytest

from detente.adapters.keys import make_key
from detente.app.door import open_door
from detente.app.holding import made_proposal, signed_approval
from detente.app.init import make_solo
from detente.app.reviewing import enrol_reviewer
from detente.base.errors import Refused
from detente.measure.review.note import Reading, ReviewNote, encode_note

SAFETY = "safety-team"
REASON = "the evaluation is unchanged, and I ran it"
READ = Reading(open_s=600, active_s=300, files=2, files_shown=2, changed_lines=40)


async def decided(home: Path):
    """A home with one proposal, decided on with a note; the door, the key and the note's digest."""
    door = await open_door(home)
    body = made_proposal(b"wider", touches=["architecture"], summary="wider", proposed_by=("model", "a" * 64))
    proposal, envelope = door.speaker().state("proposal", body)
    await door.submit(envelope)
    key = door.config.signer("reviewer", SAFETY)
    note = await door.keep_note(encode_note(ReviewNote(REASON, READ)))
    _, envelope = signed_approval(
        proposal, "approve", reviewer="reviewer-1", reviewer_key=key, speaker=door.speaker(SAFETY), same_host=True,
        significant="yes", note=note,
    )  # fmt: skip
    await door.submit(envelope)
    return door, key, note


def files_with(home: Path, text: str) -> list[str]:
    return [path.name for path in home.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_the_log_has_the_digest_and_erasing_removes_the_rest(tmp_path: Path):
    """The reason stands in one file of the home and in no log; erased, it stands nowhere, and figures call it unknown."""

    async def work():
        await make_solo(tmp_path)
        door, key, note = await decided(tmp_path)
        assert files_with(tmp_path, REASON) == [note]
        said = await door.review(SAFETY, "reviewer-1", key)
        assert said["decisions"][0]["kept"] == json.loads(encode_note(ReviewNote(REASON, READ)))
        assert said["figures"]["attention"]["all_files_shown"]["yes"] == 1
        before = await door.status()
        await door.erase_note(note, SAFETY, "reviewer-1", key)
        assert files_with(tmp_path, REASON) == []
        after = await door.review(SAFETY, "reviewer-1", key)
        assert (after["decisions"][0]["note"], after["decisions"][0]["kept"]) == (note, None)
        assert after["figures"]["attention"]["all_files_shown"] == {
            "yes": 0, "unknown": 1, "of": 1, "low": "0.000000", "high": "1.000000",
        }  # fmt: skip
        now = await door.status()
        assert (now["notes"], now["accord"]) == (before["notes"], before["accord"])

    asyncio.run(work())


def test_a_colleague_of_the_same_organisation_sees_and_erases_nothing(tmp_path: Path):
    """Z09: figures are shown to their reviewer alone, and a note is erased by whose decision names it."""

    async def work():
        await make_solo(tmp_path)
        door, key, note = await decided(tmp_path)
        other = make_key(tmp_path / "other.key")
        await enrol_reviewer(door, party=SAFETY, reviewer="reviewer-2", key_path=tmp_path / "other.key", revoke=False)
        for reviewer, signer in (("reviewer-1", other), ("reviewer-2", key)):
            with pytest.raises(Refused) as refused:
                await door.review(SAFETY, reviewer, signer)
            assert refused.value.rule == "Z09"
        with pytest.raises(Refused) as refused:
            await door.erase_note(note, SAFETY, "reviewer-2", other)
        assert refused.value.rule == "Z09"
        assert files_with(tmp_path, REASON) == [note]
        assert (await door.review(SAFETY, "reviewer-2", other))["decisions"] == []

    asyncio.run(work())
