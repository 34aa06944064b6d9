"""Security keys and passkeys by command: the real ``ssh-keygen`` signs with a key of ours, and root keys enrol both."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from detente.app.deciding import Asked, PageAssertion, Posted, decision_options, file_decision
from detente.app.direct import with_node
from detente.app.door import open_door
from detente.app.holding import made_proposal
from detente.app.init import make_solo
from detente.app.registering import Asserted, Registration, encode_registration
from detente.cli import main
from detente.server.asgi import make_app
from detente.statement.approval import approval_binding
from detente.statement.credential import enrolment_binding
from detente.testing.authenticator import Maker, Passkey

SAFETY = "safety-team"
SOURCE = Path(__file__).with_name("sk_provider.c")


@pytest.fixture(scope="session")
def provider(tmp_path_factory) -> Path:
    """The middleware that OpenSSH loads, compiled; skipped with what is missing."""
    for program in ("ssh-keygen", "cc"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on PATH: Debian's openssh-client and gcc have ssh-keygen and cc")
    made = tmp_path_factory.mktemp("provider") / "sk.so"
    done = subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", made, SOURCE, "-lcrypto"],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"OpenSSL's headers are not there (Debian's libssl-dev): {done.stderr[:200]}")
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One organisation with two sides, just made."""
    place = tmp_path / "home"
    asyncio.run(make_solo(place))
    return place


@pytest.fixture
def key(provider: Path, tmp_path: Path, monkeypatch) -> Path:
    """A security key as ``ssh-keygen`` makes it."""
    path = tmp_path / "id_sk"
    done = subprocess.run(
        ["ssh-keygen", "-t", "ed25519-sk", "-w", provider, "-O", "verify-required", "-N", "", "-f", path],
        capture_output=True, check=False, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if not path.exists():
        pytest.skip(f"this ssh-keygen takes no middleware of version 10.0 of the interface: {done.stderr[-200:]}")
    monkeypatch.setenv("SSH_SK_PROVIDER", str(provider))
    return path


def hold(home: Path, *words: object, fails: bool = False):
    ran = CliRunner().invoke(main, ["hold", *map(str, words), "--home", str(home), *([] if fails else ["--json"])])
    assert (ran.exit_code != 0) == fails, ran.output
    return ran.output if fails else json.loads(ran.stdout)


def proposed(home: Path) -> str:
    async def work():
        door = await open_door(home)
        body = made_proposal(
            os.urandom(8), touches=["architecture"], summary="wider layers", proposed_by=("model", "a" * 64)
        )
        made, envelope = door.speaker().state("proposal", body)
        await door.submit(envelope)
        return made

    return asyncio.run(work())


def ring(home: Path) -> dict:
    async def work():
        return next(each for each in (await (await open_door(home)).status())["keys"] if each["party"] == SAFETY)

    return asyncio.run(work())


def test_a_security_key_is_enrolled_and_decides_in_a_terminal(home: Path, key: Path):
    """From ``ssh-keygen -t ed25519-sk`` to a hold point that is passed, with the label of what decided."""
    done = hold(home, "enrol", "--ssh", f"{key}.pub", "--as", SAFETY, "--other-host")
    assert done["key"].startswith("ed25519:")
    [enrolled] = ring(home)["credentials"]
    assert (enrolled["label"], enrolled["same_host"], enrolled["rp_id"]) == ("security key (ssh)", False, "ssh:")
    proposal = proposed(home)
    ran = CliRunner().invoke(
        main,
        [
            "hold",
            "decide",
            proposal,
            "--decision",
            "approve",
            "--ssh-key",
            str(key),
            "--other-host",
            "--home",
            str(home),
        ],
    )
    assert ran.exit_code == 0, ran.output
    assert "approve (security key (ssh))" in ran.output
    assert "nothing waits for it any more" in ran.output
    assert proposal in ran.output  # What was signed was shown.
    [decided] = hold(home, "show", proposal)["decisions"]
    assert (decided["label"], decided["same_host"], decided["counts"]) == ("security key (ssh)", False, True)
    ran = CliRunner().invoke(main, ["hold", "show", proposal, "--home", str(home)])
    assert "reviewer-1 of safety-team: approve (security key (ssh))" in ran.output


def test_a_key_that_does_not_verify_its_user_decides_nothing(home: Path, key: Path, monkeypatch):
    """S36 and K02: refused at the terminal, before anything is filed; likewise when it is to be enrolled."""
    hold(home, "enrol", "--ssh", f"{key}.pub", "--as", SAFETY)
    proposal = proposed(home)
    monkeypatch.setenv("SK_FLAGS", "1")
    assert "S36" in hold(home, "decide", proposal, "--decision", "approve", "--ssh-key", key, fails=True)
    assert proposal in {each["proposal"] for each in hold(home, "list")["proposals"]}
    assert "K02" in hold(home, "enrol", "--ssh", f"{key}.pub", "--as", SAFETY, "--reviewer", "reviewer-2", fails=True)


def test_a_security_key_that_nobody_enrolled_is_not_touched(home: Path, key: Path, monkeypatch):
    """The command says what to do before it asks for a touch."""
    monkeypatch.setenv("SSH_SK_PROVIDER", "/nowhere")
    said = hold(home, "decide", proposed(home), "--decision", "approve", "--ssh-key", key, fails=True)
    assert "hold enrol" in said


def registration(home: Path, file: Path, *, reviewer: str = "reviewer-2", maker: Maker | None = None) -> Passkey:
    """The file that a page would make."""
    config = asyncio.run(open_door(home)).config
    browser = Passkey(maker=maker, origin=config.page_origin)
    message = enrolment_binding(config.accord, SAFETY, "webauthn", reviewer, browser.rp_id, browser.origin)
    client_data, attestation = browser.register(message)
    proof = browser.get(message)
    said = Registration(
        "webauthn", SAFETY, reviewer, browser.rp_id, browser.origin, browser.id, client_data, attestation,
        Asserted(proof.authenticator_data, proof.client_data, proof.signature),
    )  # fmt: skip
    file.write_text(json.dumps(encode_registration(said)))
    return browser


def test_a_passkey_is_enrolled_from_its_registration_file_and_revoked_alone(home: Path, tmp_path: Path):
    """The file names organisation and reviewer; a chain makes it attested up to its root; a spare one stays when it goes."""
    maker, file, chain = Maker(), tmp_path / "registration.json", tmp_path / "root.der"
    browser = registration(home, file, maker=maker)
    chain.write_bytes(maker.root)
    draft = tmp_path / "draft.json"
    said = hold(home, "enrol", "--passkey", file, "--chain", chain, "--draft", draft)
    assert (said["reviewer"], said["credential"]["same_host"]) == ("reviewer-2", True)
    assert hold(home, "enrol", "--submit", draft)["reviewer"] == "reviewer-2"
    [enrolled] = ring(home)["credentials"]
    assert (enrolled["reviewer"], enrolled["type"]) == ("reviewer-2", "webauthn")
    assert enrolled["key"].startswith("p256:")
    spare = tmp_path / "spare.key"
    hold(home, "enrol", "--as", SAFETY, "--reviewer", "reviewer-2", "--key", spare)
    assert hold(home, "enrol", "--as", SAFETY, "--reviewer", "reviewer-2", "--revoke", "--only", "p256:")["revoked"]
    assert ring(home)["credentials"] == []
    assert "reviewer-2" in {each["reviewer"] for each in ring(home)["reviewers"]}
    assert browser.key.hex() == enrolled["key"].removeprefix("p256:")


def test_a_registration_for_somebody_else_enrols_nobody(home: Path, tmp_path: Path):
    """K02: whoever edits the file has a proof for another name; and the file's organisation must be the one meant."""
    file = tmp_path / "registration.json"
    registration(home, file)
    assert "registered for" in hold(home, "enrol", "--passkey", file, "--as", "research-team", fails=True)
    value = json.loads(file.read_text())
    file.write_text(json.dumps(value | {"reviewer": "reviewer-3"}))
    assert "K02" in hold(home, "enrol", "--passkey", file, fails=True)
    assert ring(home)["credentials"] == []


def decided_on_page(home: Path, browser: Passkey, proposal: str) -> None:
    """What the page posts after the passkey's touch."""

    async def work(node):
        asked = Asked(proposal, "approve", SAFETY, "reviewer-2", "yes", None)
        nonce = decision_options(node, asked)["nonce"]
        log = node.state().log_of(SAFETY, node.clock.now())
        made = browser.get(approval_binding(asked.approval(log), accord=node.config.accord, nonce=nonce))
        assertion = PageAssertion(browser.id, made.authenticator_data, made.client_data, made.signature)
        await file_decision(node, Posted(proposal, "approve", SAFETY, "reviewer-2", "yes", None, nonce, assertion))

    asyncio.run(with_node(home, work))


def test_what_a_page_approved_is_confirmed_in_a_terminal(home: Path, key: Path, tmp_path: Path):
    """The terminal shows proposal and decision as its node knows them, asks, and signs the same; without a page's there is nothing."""
    file, proposal = tmp_path / "registration.json", proposed(home)
    browser = registration(home, file)
    hold(home, "enrol", "--passkey", file)
    hold(home, "enrol", "--ssh", f"{key}.pub", "--as", SAFETY, "--reviewer", "reviewer-2")
    words = ["confirm", proposal, "--reviewer", "reviewer-2", "--ssh-key", key]
    assert "nothing to confirm" in hold(home, *words, fails=True)
    decided_on_page(home, browser, proposal)
    ran = CliRunner().invoke(main, ["hold", *map(str, words), "--home", str(home)], input="n\n")
    assert (ran.exit_code != 0, "nothing was signed" in ran.output) == (True, True)
    ran = CliRunner().invoke(main, ["hold", *map(str, words), "--home", str(home)], input="y\n")
    assert ran.exit_code == 0, ran.output
    assert "on the page  the same, by passkey, device-bound, not attested" in ran.output
    assert "significant: yes" in ran.output
    assert "reviewer-2 of safety-team: approve (security key (ssh))" in ran.output
    assert "nothing to confirm" in hold(home, *words, fails=True)


def test_a_served_node_tells_the_same_decisions_as_its_store(home: Path, tmp_path: Path):
    """`hold show` and `hold confirm` read one form, whether the node is served or its store is opened."""
    file, proposal = tmp_path / "registration.json", proposed(home)
    browser = registration(home, file)
    hold(home, "enrol", "--passkey", file)
    decided_on_page(home, browser, proposal)

    async def both(node):
        transport = httpx.ASGITransport(make_app(node))
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
            return (await http.get(f"/v1/proposals/{proposal}")).json()["decisions"]

    served = asyncio.run(with_node(home, both))
    assert served == hold(home, "show", proposal)["decisions"]
    assert served[0]["label"] == "passkey, device-bound, not attested"
