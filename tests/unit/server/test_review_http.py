"""Reviewers' notes over HTTP: kept from anybody, bounded; shown and erased for their reviewer alone."""

import json
from pathlib import Path

from detente.app.review_notes import ERASE, READ, review_leave
from detente.base.identity import Party
from detente.statement.signing import SoftwareSigner
from tests.unit.server.test_http import asked

NOTE = {
    "reason": "reads well",
    "reading": {"open_s": 60, "active_s": 30, "files": 1, "files_shown": 1, "changed_lines": 9},
}
JSON = {"content-type": "application/json"}
STRANGER = SoftwareSigner(b"s" * 32)
DEV = Party("dev-a")


async def refused(answer, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["rule"]


def test_a_note_is_kept_under_a_digest_and_read_back_by_no_interface(tmp_path: Path):
    """201 with the digest; it is no blob and no statement."""

    async def work(http, node, coalition):
        answer = await http.post("/v1/notes", content=json.dumps(NOTE), headers=JSON)
        assert answer.status_code == 201
        digest = answer.json()["note"]
        kept = node.review_notes.find(digest)
        assert kept.reason == "reads well"
        assert kept.reading.active_s == 30
        for path in (f"/v1/blobs/{digest}", f"/v1/statements/{digest}"):
            assert (await http.get(path)).status_code == 404
        assert (await http.get(f"/v1/notes/{digest}")).status_code == 405
        assert [path.parent.name for path in coalition.home("dev-a").rglob(digest)] == ["erasable"]

    asked(tmp_path, work)


def test_what_is_no_note_is_refused_and_nothing_is_kept(tmp_path: Path):
    """Z05 another kind of body, Z07 an empty note, N10 one too large, B11 no JSON."""

    async def work(http, _node, coalition):
        post = http.post
        assert (
            await refused(
                await post("/v1/notes", content=json.dumps(NOTE), headers={"content-type": "text/plain"}), 400
            )
            == "Z05"
        )
        assert await refused(await post("/v1/notes", content=json.dumps(NOTE)), 400) == "Z05"
        assert await refused(await post("/v1/notes", content="{}", headers=JSON), 400) == "Z07"
        assert await refused(await post("/v1/notes", content="[" * 20_000, headers=JSON), 413) == "N10"
        assert await refused(await post("/v1/notes", content="{", headers=JSON), 400) == "B11"
        assert not (coalition.home("dev-a") / "erasable").exists()

    asked(tmp_path, work)


def test_figures_are_shown_to_their_reviewer_alone(tmp_path: Path):
    """Z08 unsigned or signed for somebody else, Z10 at another time, Z09 with a key that is no reviewer's; no answer says more."""

    async def work(http, node, _coalition):
        now = node.clock.now()

        def leave(reviewer: str = "reviewer-1", *, late_s: int = 0) -> dict[str, str]:
            signed = review_leave(READ, DEV, reviewer, node=DEV, at=now + late_s, signer=STRANGER)
            return {"detente-signed": signed}

        path = "/v1/reviewers/dev-a/reviewer-1"
        assert await refused(await http.get(path), 403) == "Z08"
        assert await refused(await http.get(path, headers={"detente-signed": "ed25519:00 x y"}), 403) == "Z08"
        assert await refused(await http.get(path, headers=leave("reviewer-2")), 403) == "Z08"
        assert await refused(await http.get(path, headers=leave(late_s=301)), 409) == "Z10"
        assert await refused(await http.get(path, headers=leave(late_s=-301)), 409) == "Z10"
        assert await refused(await http.get(path, headers=leave()), 403) == "Z09"
        assert await refused(await http.get("/v1/reviewers/Dev/reviewer-1"), 400) == "B06"

    asked(tmp_path, work)


def test_a_note_is_erased_by_its_reviewer_alone(tmp_path: Path):
    """Z08, Z09: the note stays."""

    async def work(http, node, _coalition):
        digest = (await http.post("/v1/notes", content=json.dumps(NOTE), headers=JSON)).json()["note"]
        at = node.clock.now()
        path = f"/v1/notes/{digest}?organisation=dev-a&reviewer=reviewer-1"
        reading = review_leave(READ, DEV, "reviewer-1", node=DEV, at=at, signer=STRANGER)
        erasing = review_leave(ERASE, DEV, "reviewer-1", node=DEV, at=at, signer=STRANGER, note=digest)
        assert await refused(await http.delete(path), 403) == "Z08"
        assert await refused(await http.delete(path, headers={"detente-signed": reading}), 403) == "Z08"
        assert await refused(await http.delete(path, headers={"detente-signed": erasing}), 403) == "Z09"
        assert node.review_notes.find(digest) is not None

    asked(tmp_path, work)
