"""Reviewers' notes over HTTP: kept from anybody, bounded; shown and erased for their reviewer alone."""

import base64
import json
from pathlib import Path

from detente.app.review_notes import ERASE, READ, review_leave
from detente.base.identity import Party
from detente.statement.signing import SoftwareSigner
from tests.unit.server.test_decisions_http import NONCE, Browser, begun, question
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


PATH = "/v1/reviewers/dev-a/reviewer-1"
HTML = {"accept": "text/html"}


def leave_of(browser: Browser, options: dict, **said: object) -> dict[str, str]:
    """The header that a page makes of the browser's answer."""
    made = browser.answer(options, **said)
    (key,) = [each["key"] for each in options["passkeys"] if each["id"] == made["credential_id"]]

    def standard(text: str) -> str:
        return base64.b64encode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))).decode()

    value = {"type": "webauthn", "key": key} | {
        name: standard(made[name]) for name in ("authenticator_data", "client_data", "signature")
    }
    return {"detente-signed": f"assertion {options['at']} {base64.b64encode(json.dumps(value).encode()).decode()}"}


async def options_for(http, **more: str) -> dict:
    answer = await http.get("/v1/reviewers/options", params={"organisation": "dev-a", "reviewer": "reviewer-1"} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_passkey_shows_its_reviewer_their_figures_and_erases_a_note(tmp_path: Path):
    """The options of the page are enough for a reviewer who has nothing but a passkey; the page has the same figures."""

    async def work(http, node, coalition):
        browser, proposal = await begun(http, node, coalition)
        note = (await http.post("/v1/notes", content=json.dumps(NOTE), headers=JSON)).json()["note"]
        words = question(proposal, note=note)
        options = (await http.get("/v1/decisions/options", params=words)).json()
        filed = await http.post(
            "/v1/decisions", json=words | {"nonce": options["nonce"], "assertion": browser.answer(options)}
        )
        assert filed.status_code == 200, filed.text
        signed = leave_of(browser, await options_for(http))
        said = (await http.get(PATH, headers=signed)).json()
        assert said["decisions"][0]["kept"]["reason"] == "reads well"
        assert said["outlook"].startswith("10 decisions a week with 5 % of them seeded make about 26 seeded changes")
        page = await http.get("/reviewers/dev-a/reviewer-1", headers=HTML | signed)
        assert "reads well" in page.text
        assert page.headers["cache-control"] == "no-store"
        plain = await http.get("/reviewers/dev-a/reviewer-1", headers=HTML)
        assert (plain.status_code, "reads well" in plain.text) == (200, False)
        erasing = f"/v1/notes/{note}?organisation=dev-a&reviewer=reviewer-1"
        assert await refused(await http.delete(erasing, headers=signed), 403) == "Z08", "leave to read erases nothing"
        assert node.review_notes.find(note) is not None
        answer = await http.delete(erasing, headers=leave_of(browser, await options_for(http, note=note)))
        assert answer.status_code == 200, answer.text
        assert node.review_notes.find(note) is None

    asked(tmp_path, work)


def test_what_asks_for_figures_decides_nothing_and_no_decision_opens_figures(tmp_path: Path):
    """S34 and Z08: two domains, so that one touch is never good for the other."""

    async def work(http, node, coalition):
        browser, proposal = await begun(http, node, coalition)
        words = question(proposal)
        figures = await options_for(http)
        before = node.state().digest
        posted = words | {"nonce": NONCE, "assertion": browser.answer(figures)}
        assert await refused(await http.post("/v1/decisions", json=posted), 409) == "S34"
        assert node.state().digest == before
        deciding = (await http.get("/v1/decisions/options", params=words)).json()
        swapped = leave_of(browser, figures | {"challenge": deciding["challenge"]})
        assert await refused(await http.get(PATH, headers=swapped), 403) == "Z08"
        other = leave_of(browser, figures, origin="http://localhost:1")
        assert await refused(await http.get(PATH, headers=other), 403) == "Z08"
        late = figures | {"at": figures["at"] + 301}
        assert await refused(await http.get(PATH, headers=leave_of(browser, late)), 409) == "Z10"

    asked(tmp_path, work)


def test_a_reviewers_page_tells_a_stranger_nothing_of_whether_there_is_one(tmp_path: Path):
    """The same words for a reviewer and for a name that nobody has; a name that cannot be one is refused."""

    async def work(http, node, coalition):
        await begun(http, node, coalition)
        pages = [
            (await http.get(f"/reviewers/dev-a/{name}", headers=HTML)).text.replace(name, "X")
            for name in ("reviewer-1", "r-unknown")
        ]
        assert pages[0] == pages[1]
        assert (
            await refused(await http.get("/v1/reviewers/options?organisation=dev-a&reviewer=r-unknown"), 403) == "N70"
        )
        assert (await http.get("/reviewers/Dev/reviewer-1", headers=HTML)).status_code == 400
        signed = await http.get("/reviewers/dev-a/reviewer-1", headers=HTML | {"detente-signed": "ed25519:00 x y"})
        assert (signed.status_code, "Z08" in signed.text) == (403, True)

    asked(tmp_path, work)
