"""What Chromium and its virtual authenticator really make, taken by the node: enrolled, asserted, verified from the log alone.

The pages are not tested here: a script asks the interface as a page would. So what a browser puts into client data, authenticator
data and attestation is what we read, and not only what our own imitation makes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from detente.accord.authenticators import show_aaguid
from detente.app.registering import read_registration
from detente.statement.approval import verify_approval
from detente.statement.change import ProposedBy
from detente.statement.credential import verify_credential
from detente.statement.envelope import encode_envelope, parse_envelope, sign_payload
from detente.statement.keys import KeyRotation
from detente.statement.proposal import Proposal
from detente.statement.statement import Header, make_payload, parse_statement
from tests.integration.browser.driving import Browser, needs_browser, served
from tests.node_coalition import TERMS

pytestmark = needs_browser
SELF = TERMS.replace("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 0 s}", "mirrors: self")
VIRTUAL = "01020304-0506-0708-0102-030405060708"
"""The model that Chromium's virtual authenticator says it is."""

LIBRARY = """
const b64 = data => btoa(String.fromCharCode(...new Uint8Array(data))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const raw = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0));
const ask = async path => (await fetch(path)).json();
const got = made => ({authenticator_data: b64(made.response.authenticatorData), client_data: b64(made.response.clientDataJSON),
  signature: b64(made.response.signature)});
const done = arguments[arguments.length - 1];
"""
REGISTER = (
    LIBRARY
    + """
(async () => {
  const options = await ask(`/v1/credentials/options?organisation=dev-a&reviewer=reviewer-1`);
  const asked = options.public_key;
  const made = await navigator.credentials.create({publicKey: {...asked, challenge: raw(asked.challenge),
    user: {...asked.user, id: raw(asked.user.id)}, excludeCredentials: []}});
  const proof = await navigator.credentials.get({publicKey: {...options.proof, challenge: raw(options.proof.challenge),
    allowCredentials: [{type: 'public-key', id: made.rawId}]}});
  return {type: options.type, organisation: options.organisation, reviewer: options.reviewer, rp_id: options.rp_id,
    origin: options.origin, credential_id: b64(made.rawId), client_data: b64(made.response.clientDataJSON),
    attestation: b64(made.response.attestationObject), proof: got(proof)};
})().then(value => done(JSON.stringify(value)), error => done(JSON.stringify({error: String(error)})));
"""
)
DECIDE = (
    LIBRARY
    + """
(async () => {
  const [words, posted, how] = [arguments[0], arguments[1], arguments[2]];
  const options = await ask(`/v1/decisions/options?${new URLSearchParams(words)}`);
  const made = await navigator.credentials.get({publicKey: {challenge: raw(options.challenge), rpId: options.rp_id,
    allowCredentials: options.allow.map(id => ({type: 'public-key', id: raw(id)})), userVerification: how}});
  const answer = await fetch('/v1/decisions', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({...words, ...posted, nonce: options.nonce, assertion: {credential_id: b64(made.rawId), ...got(made)}})});
  return answer.json();
})().then(value => done(JSON.stringify(value)), error => done(JSON.stringify({error: String(error)})));
"""
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A served node whose pages are where it is served, under terms that name the virtual authenticator as a test device."""
    terms = SELF + f"authenticators: {{test_devices: [{VIRTUAL}]}}\n"
    with served(tmp_path_factory.mktemp("node"), terms=terms) as found:
        node = found.scene.node
        node.config = replace(node.config, origin=found.url)
        yield found


@pytest.fixture
def browser(tmp_path):
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


def plugged(browser: Browser, *, verified: bool = True) -> None:
    options = VirtualAuthenticatorOptions()
    options.protocol, options.transport = "ctap2", "usb"
    options.has_user_verification = True
    options.is_user_verified = verified
    browser.driver.add_virtual_authenticator(options)


def said(place, kind, body, use="statement", nonce="1" * 32):
    node, coalition = place.scene.node, place.scene.coalition
    header = Header(coalition.accord, 1, "dev-a", nonce, node.clock.now())
    envelope = encode_envelope(sign_payload(make_payload(kind, header, (), body), coalition.keys["dev-a"][use]))
    return place.do(node.submit(envelope)).statement


def test_chromium_registers_and_decides_and_anybody_verifies_it(place, browser):
    """From ``navigator.credentials`` to a statement in the log; what Chromium did not sign for is refused by number."""
    node, coalition = place.scene.node, place.scene.coalition
    plugged(browser)
    browser.open(f"{place.url}/")
    registered = read_registration(browser.driver.execute_async_script(REGISTER).encode())
    credential = registered.credential(same_host=False)
    known = verify_credential(credential, accord=coalition.accord, party="dev-a")
    assert (show_aaguid(known.aaguid), known.synced) == (VIRTUAL, False)
    said(place, "keys", KeyRotation(1, None, (), (), (credential,)), use="root")
    proposal = said(
        place, "proposal", Proposal("b" * 64, None, ProposedBy("model", None), ("training",), Decimal(1), "x")
    )
    words = {
        "proposal": proposal,
        "decision": "approve",
        "organisation": "dev-a",
        "reviewer": "reviewer-1",
        "significant": "yes",
    }

    answer = json.loads(browser.driver.execute_async_script(DECIDE, words, {}, "required"))
    assert answer.get("label") == "test device", answer
    filed = parse_statement(parse_envelope(node.find_statement(answer["statement"]).envelope))
    assert verify_approval(filed.body, accord=coalition.accord, nonce=filed.header.nonce, credential=known)
    assert node.state().get(answer["statement"]) is not None

    swapped = json.loads(browser.driver.execute_async_script(DECIDE, words, {"decision": "reject"}, "required"))
    assert swapped["rule"] == "S34"


def test_chromium_without_user_verification_decides_nothing(place, browser):
    """S36: a page that asks for less than the node does gets an assertion that nobody takes."""
    plugged(browser)
    browser.open(f"{place.url}/")
    registered = read_registration(browser.driver.execute_async_script(REGISTER).encode())
    state = place.scene.node.state()
    sequence, last = state.book.last("dev-a")
    credential = registered.credential(same_host=False)
    said(place, "keys", KeyRotation(sequence + 1, last, (), (), (credential,)), use="root", nonce="3" * 32)
    body = Proposal("c" * 64, None, ProposedBy("model", None), ("training",), Decimal(1), "y")
    words = {"proposal": said(place, "proposal", body), "decision": "approve", "organisation": "dev-a",
             "reviewer": "reviewer-1", "significant": "yes"}  # fmt: skip
    answer = json.loads(browser.driver.execute_async_script(DECIDE, words, {}, "discouraged"))
    assert answer.get("rule") == "S36", answer


def test_another_name_for_the_same_machine_is_another_page(place, browser):
    """By its address the page is none of the relying party: the browser itself refuses, before the node would (S35)."""
    plugged(browser)
    browser.open(f"{place.url.replace('localhost', '127.0.0.1')}/")
    assert "error" in json.loads(browser.driver.execute_async_script(REGISTER))
