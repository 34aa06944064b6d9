"""Decisions by passkey over HTTP: options, the browser's answer, and what is refused before anything is filed."""

import base64
import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from detente.app.registering import (
    Asserted,
    Registration,
    encode_registration,
    read_certificates,
    read_registration,
    web_bytes,
)
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.statement.approval import verify_approval
from detente.statement.change import ProposedBy
from detente.statement.credential import verify_credential
from detente.statement.envelope import encode_envelope, parse_envelope, sign_payload
from detente.statement.keys import KeyRotation
from detente.statement.proposal import Proposal
from detente.statement.statement import Header, make_payload, parse_statement
from detente.testing.authenticator import Maker, Passkey
from tests.unit.server.test_http import asked

DEV, REVIEWER = Party("dev-a"), "reviewer-1"
NONCE = "1" * 32
HOST = "localhost"


def spoken(node, coalition, kind, body, use="statement", nonce=NONCE):
    header = Header(coalition.accord, 1, DEV, nonce, node.clock.now())
    return encode_envelope(sign_payload(make_payload(kind, header, (), body), coalition.keys[DEV][use]))


class Browser(Passkey):
    """A passkey in a browser that a page of the node asks: it knows only what the page's options say."""

    def __init__(self, node, **more):
        super().__init__(origin=node.config.page_origin, **more)

    def asked_for(self, ceremony, challenge, **said):
        """Client data over a challenge as the options spell it."""
        value = {"type": ceremony, "challenge": challenge, "origin": self.origin, "crossOrigin": False} | said
        return json.dumps(value).encode()

    def answer(self, options, **said):
        """The assertion that a page posts."""
        client_data = self.asked_for("webauthn.get", options["challenge"], **said)
        data = self._data(options.get("rp_id") or options["rpId"], 0x05, b"", None)
        signature = self._hand.sign(data + hashlib.sha256(client_data).digest())
        return {
            "credential_id": web_bytes(self.id),
            "authenticator_data": web_bytes(data),
            "client_data": web_bytes(client_data),
            "signature": web_bytes(signature),
        }


async def registered(http, browser, reviewer=REVIEWER):
    """The registration file that a page makes of the browser's two answers."""
    options = (await http.get(f"/v1/credentials/options?organisation={DEV}&reviewer={reviewer}")).json()
    made = options["public_key"]
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["attestation"] == "direct"
    client_data = browser.asked_for("webauthn.create", made["challenge"])
    credential = browser.aaguid + len(browser.id).to_bytes(2, "big") + browser.id
    from detente.testing.authenticator import encode_cbor

    data = browser._data(made["rp"]["id"], 0x45, credential + encode_cbor(browser._hand.cose()), None)
    signed = data + hashlib.sha256(client_data).digest()
    statement = browser.maker.attest(signed) if browser.maker else {}
    attestation = encode_cbor({"fmt": "packed" if statement else "none", "attStmt": statement, "authData": data})
    answer = browser.answer(options["proof"])
    answer.pop("credential_id")
    file = {
        "type": "webauthn", "organisation": DEV, "reviewer": reviewer, "rp_id": options["rp_id"], "origin": options["origin"],
        "credential_id": web_bytes(browser.id), "client_data": web_bytes(client_data), "attestation": web_bytes(attestation),
        "proof": answer,
    }  # fmt: skip
    return read_registration(json.dumps(file).encode())


async def begun(http, node, coalition, **more):
    """A passkey enrolled by the root key, and a proposal that waits."""
    browser = Browser(node, **more)
    credential = (await registered(http, browser)).credential(same_host=False)
    body = KeyRotation(1, None, (), (), (credential,))
    await node.submit(spoken(node, coalition, "keys", body, use="root"))
    proposal = Proposal("b" * 64, None, ProposedBy("model", None), ("training",), Decimal(1), "wider", None)
    filed = await node.submit(spoken(node, coalition, "proposal", proposal))
    return browser, filed.statement


def question(proposal, **other):
    return {
        "proposal": proposal,
        "decision": "approve",
        "organisation": DEV,
        "reviewer": REVIEWER,
        "significant": "yes",
    } | other


def test_a_decision_in_a_browser_is_filed_and_verifies_offline(tmp_path: Path):
    """From options to a statement in the log that anybody verifies from the log's bytes alone."""

    async def work(http, node, coalition):
        browser, proposal = await begun(http, node, coalition)
        words = question(proposal, note="d" * 64)
        options = (await http.get("/v1/decisions/options", params=words)).json()
        assert options["allow"] == [web_bytes(browser.id)]
        assert (options["rp_id"], options["log"]) == (HOST, coalition.terms.keys[DEV].log.name)
        posted = words | {"nonce": options["nonce"], "assertion": browser.answer(options)}
        answer = await http.post("/v1/decisions", json=posted)
        assert answer.status_code == 200, answer.text
        assert answer.json()["label"] == "passkey, device-bound, not attested"
        kept = (await http.get(f"/v1/statements/{answer.json()['statement']}")).json()
        statement = parse_statement(parse_envelope(base64.b64decode(kept["envelope"])))
        [known] = [known for _, known in node.state().book.credentials.at(node.clock.now())]
        offline = verify_credential(known.credential, accord=coalition.accord, party=DEV)
        found = verify_approval(
            statement.body, accord=coalition.accord, nonce=statement.header.nonce, credential=offline
        )
        assert (found.approval.note, found.approval.reviewer) == ("d" * 64, REVIEWER)
        assert node.state().get(answer.json()["statement"]) is not None

    asked(tmp_path, work)


@pytest.mark.parametrize(
    ("change", "said", "rule"),
    [
        ({"decision": "reject"}, {}, "S34"),
        ({"significant": "no"}, {}, "S34"),
        ({"note": "e" * 64}, {}, "S34"),
        ({"nonce": "2" * 32}, {}, "S34"),
        ({"proposal": "c" * 64}, {}, "N71"),
        ({"reviewer": "reviewer-2"}, {}, "N70"),
        ({"organisation": "dev-b"}, {}, "N70"),
        ({}, {"origin": "https://elsewhere.example"}, "S35"),
        ({}, {"crossOrigin": True}, "S35"),
        ({}, {"type": "webauthn.create"}, "S33"),
        ({"decision": "maybe"}, {}, "S23"),
        ({"session": "1"}, {}, "S20"),
    ],
)
def test_what_was_not_asserted_is_not_filed(tmp_path: Path, change, said, rule):
    """Another word, page or reviewer than the browser signed for is refused by number, and the log does not grow."""

    async def work(http, node, coalition):
        browser, proposal = await begun(http, node, coalition)
        words = question(proposal)
        options = (await http.get("/v1/decisions/options", params=words)).json()
        before = node.sequencer.log.size
        posted = words | {"nonce": options["nonce"], "assertion": browser.answer(options, **said)} | change
        answer = await http.post("/v1/decisions", json=posted)
        assert answer.status_code >= 400
        assert answer.json()["rule"] == rule
        assert node.sequencer.log.size == before

    asked(tmp_path, work)


def test_a_passkey_that_nobody_enrolled_is_asked_for_nothing(tmp_path: Path):
    """N70 before any challenge is given; the way to a passkey is named."""

    async def work(http, node, coalition):
        _, proposal = await begun(http, node, coalition)
        answer = await http.get("/v1/decisions/options", params=question(proposal, reviewer="reviewer-2"))
        assert answer.status_code == 403
        assert answer.json()["rule"] == "N70"
        assert "hold enrol" in answer.json()["todo"]
        stranger = Browser(node, seed="stranger")
        options = (await http.get("/v1/decisions/options", params=question(proposal))).json()
        posted = question(proposal) | {"nonce": options["nonce"], "assertion": stranger.answer(options)}
        assert (await http.post("/v1/decisions", json=posted)).json()["rule"] == "N70"

    asked(tmp_path, work)


def test_a_node_files_for_its_own_organisation_only(tmp_path: Path):
    """N72: without the organisation's statement key the node has nothing to say in its name."""

    async def work(http, node, coalition):
        browser, proposal = await begun(http, node, coalition)
        options = (await http.get("/v1/decisions/options", params=question(proposal))).json()
        posted = question(proposal) | {"nonce": options["nonce"], "assertion": browser.answer(options)}
        node.config.key_path("statement", DEV).unlink()
        assert (await http.post("/v1/decisions", json=posted)).json()["rule"] == "N72"

    asked(tmp_path, work)


def test_options_that_ask_wrongly_are_refused(tmp_path: Path):
    """A missing word, a strange one, a party that is no name: S22, S23, B06, never an error of ours."""

    async def work(http, _node, _coalition):
        for path, rule in (
            ("/v1/decisions/options", "S22"),
            (f"/v1/decisions/options?{'&'.join(f'{k}={v}' for k, v in question('x').items())}", "B01"),
            ("/v1/credentials/options", "B06"),
            ("/v1/credentials/options?organisation=dev-a", "S21"),
        ):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["rule"]) == (400, rule)

    asked(tmp_path, work)


def test_registering_offers_no_passkey_twice(tmp_path: Path):
    """What is enrolled already is excluded, so that an authenticator is enrolled once for one reviewer."""

    async def work(http, node, coalition):
        browser, _ = await begun(http, node, coalition)
        options = (await http.get(f"/v1/credentials/options?organisation={DEV}&reviewer={REVIEWER}")).json()
        assert [each["id"] for each in options["public_key"]["excludeCredentials"]] == [web_bytes(browser.id)]

    asked(tmp_path, work)


def test_a_registration_file_is_read_back_and_nothing_else_is():
    """Both directions agree; another type or a missing proof is refused by number."""
    key = Passkey(maker=Maker())
    made = key.get(b"x")
    said = Registration(
        "webauthn", DEV, REVIEWER, HOST, "http://localhost:8700", key.id, b"{}", b"\xa0",
        Asserted(made.authenticator_data, made.client_data, made.signature),
    )  # fmt: skip
    value = encode_registration(said)
    assert read_registration(json.dumps(value).encode()) == said
    for broken, rule in (
        (value | {"type": "ssh-sk"}, "S23"),
        ({name: each for name, each in value.items() if name != "proof"}, "S22"),
        (value | {"client_data": "?"}, "S23"),
    ):
        with pytest.raises(Refused) as refused:
            read_registration(json.dumps(broken).encode())
        assert refused.value.rule == rule
    with pytest.raises(Refused) as refused:
        replace(said, origin="http://elsewhere.example").credential(same_host=False)
    assert refused.value.rule == "S27"


def test_certificates_are_read_from_pem_and_der():
    """As makers hand them out; S32 for what is neither."""
    root = Maker().root
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(root).decode()}-----END CERTIFICATE-----\n".encode()
    assert read_certificates(root) == read_certificates(pem) == (root,)
    assert read_certificates(pem + pem) == (root, root)
    with pytest.raises(Refused) as refused:
        read_certificates(b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n")
    assert refused.value.rule == "S32"
