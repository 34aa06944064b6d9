"""From a browser's passkey to the end of waiting: registered on the page, enrolled by root keys, asserted over one decision.

The authenticator is the virtual one of the WebDriver standard; the terms name its model as a test device, and it is called so wherever it
appears. What a page could be made to do wrong is tried too: the change behind the decision swapped, nobody verified, nobody enrolled.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from detente.app.registering import read_registration
from detente.statement.keys import KeyRotation
from tests.integration.browser.driving import Browser, Served, needs_browser, served
from tests.pages_scene import TERMS

pytestmark = needs_browser
AAGUID = "01020304-0506-0708-0102-030405060708"
"""Of Chromium's virtual authenticator: what `test_devices` of the terms names."""
PASSKEYS = TERMS.replace("device: software", "device: passkey").replace("humans: 2", "humans: 1").replace(
    "hold_points:", f"authenticators: {{test_devices: ['{AAGUID}']}}\nhold_points:"
)  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory):
    """A node of the auditor whose reviewer decides, under terms that ask for a passkey."""
    with served(tmp_path_factory.mktemp("node"), terms=PASSKEYS, party="aud-1") as found:
        found.do(found.scene.begin(reviewers=False))
        yield found


@pytest.fixture
def browser(tmp_path: Path):
    """A browser of its own for each test, with an authenticator that verifies its user."""
    found = Browser(tmp_path / "profile")
    found.driver.add_virtual_authenticator(authenticator())
    yield found
    found.close()


def authenticator(*, verified: bool = True) -> VirtualAuthenticatorOptions:
    options = VirtualAuthenticatorOptions()
    options.has_user_verification = True
    options.is_user_verified = verified
    return options


def said(browser: Browser, kind: str) -> str:
    """What the form says once it is done."""
    WebDriverWait(browser.driver, 30).until(
        lambda driver: (
            "said " in driver.find_element(By.CSS_SELECTOR, f"form[data-passkey={kind}] .said").get_attribute("class")
        )
    )
    return browser.driver.find_element(By.CSS_SELECTOR, f"form[data-passkey={kind}] .said").text


def register(browser: Browser, node: Served, reviewer: str) -> bytes:
    """Register on the page; the registration file."""
    browser.open(node.url + "/enrol")
    Select(browser.driver.find_element(By.ID, "organisation")).select_by_value("aud-1")
    field = browser.driver.find_element(By.ID, "reviewer")
    field.clear()
    field.send_keys(reviewer)
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=enrol] button").click()
    assert "The passkey was made" in said(browser, "enrol")
    assert browser.driver.find_element(By.ID, "command").text.startswith("detente hold enrol --as aud-1 --passkey ")
    return browser.driver.find_element(By.ID, "registration").text.encode()


def enrol(node: Served, file: bytes) -> None:
    """The root keys enrol the passkey of a registration file."""
    ring = next(each for each in node.scene.node.status().keyrings if each.party == "aud-1")
    credential = read_registration(file).credential(same_host=False)
    body = KeyRotation(ring.sequence + 1, ring.last, (), (), credentials=(credential,))
    node.do(node.scene.say("aud-1", "keys", body, use="root"))


def decide(browser: Browser, node: Served, proposal: str, decision: str, reason: str = "") -> str:
    """Decide on the page with the passkey; what the page says then."""
    browser.open(f"{node.url}/proposals/{node.scene.named[proposal]}")
    browser.driver.find_element(By.CSS_SELECTOR, f"input[name=decision][value={decision}]").click()
    browser.driver.find_element(By.CSS_SELECTOR, "input[name=significant][value=yes]").click()
    if reason:
        browser.driver.find_element(By.ID, "reason").send_keys(reason)
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=decide] button").click()
    return said(browser, "decide")


def waits(node: Served, proposal: str) -> bool:
    return node.scene.named[proposal] in {waiting for waiting, _, _ in node.scene.node.proposals()}


def test_a_passkey_is_registered_enrolled_and_decides(node: Served, browser: Browser):
    """The whole way: nothing counts before the root keys enrolled it; then one touch ends the waiting, labelled as a test device."""
    file = register(browser, node, "r-1")
    browser.picture("enrol-registered-1280-light")
    assert browser.axe() == []
    # A browser recommends to take RS256 too, which is refused on purpose: `spec/statement.md` §8.
    assert [each for each in browser.complaints() if "pubKeyCredParams" not in each] == []
    browser.open(f"{node.url}/proposals/{node.scene.named['plain']}")
    assert "No reviewer has a passkey enrolled" in browser.driver.find_element(By.ID, "main").text
    enrol(node, file)
    assert waits(node, "plain")
    answer = decide(browser, node, "plain", "approve", "the check that goes was a duplicate")
    assert "Filed: approve by r-1 of aud-1, made with: test device" in answer
    assert not waits(node, "plain")
    browser.picture("proposal-decided-1280-light")
    browser.open(f"{node.url}/proposals/{node.scene.named['plain']}")
    assert "test device" in browser.driver.find_element(By.ID, "main").text
    assert browser.axe() == []
    assert browser.complaints() == []
    (item,) = node.scene.node.state().index["approval", node.scene.named["plain"]]
    kept = node.scene.node.review_notes.find(item.body.note)
    assert kept.reason == "the check that goes was a duplicate"
    assert (kept.reading.files, kept.reading.changed_lines) == (3, 6)


def test_a_rejection_keeps_it_waiting(node: Served, browser: Browser):
    """A decision is whatever the reviewer chose: a rejection is filed and nothing passes."""
    enrol(node, register(browser, node, "r-2"))
    browser.open(f"{node.url}/proposals/{node.scene.named['words']}")
    Select(browser.driver.find_element(By.ID, "who")).select_by_visible_text("r-2 of aud-1")
    browser.driver.find_element(By.CSS_SELECTOR, "input[name=decision][value=reject]").click()
    browser.driver.find_element(By.CSS_SELECTOR, "input[name=significant][value=yes]").click()
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=decide] button").click()
    assert "Filed: reject" in said(browser, "decide")
    assert waits(node, "words")


def test_what_is_asserted_for_one_proposal_decides_no_other(node: Served, browser: Browser):
    """A page that shows change A and sends the touch for B: S34, because the challenge binds the proposal."""
    enrol(node, register(browser, node, "r-3"))
    browser.open(f"{node.url}/proposals/{node.scene.named['hostile']}")
    before = node.scene.node.state().digest
    answer = browser.driver.execute_async_script(
        """
        const [shown, swapped, done] = arguments;
        const asked = {proposal: shown, decision: "approve", organisation: "aud-1", reviewer: "r-3", significant: "yes"};
        (async () => {
          const options = await ask(`/v1/decisions/options?${new URLSearchParams(asked)}`);
          const assertion = await asserted(options.public_key);
          const body = JSON.stringify({...asked, proposal: swapped, nonce: options.nonce, assertion});
          const answer = await fetch("/v1/decisions", {method: "POST", headers: {"content-type": "application/json"}, body});
          done(JSON.stringify([answer.status, await answer.json()]));
        })().catch((error) => done(JSON.stringify([0, {rule: String(error)}])));
        """,
        node.scene.named["hostile"],
        node.scene.named["absent"],
    )
    status, value = json.loads(answer)
    assert (status, value["rule"]) == (409, "S34"), value
    assert node.scene.node.state().digest == before
    assert waits(node, "absent")


def test_nobody_decides_without_being_verified(node: Served, browser: Browser):
    """An authenticator that does not verify its user makes no assertion: the page says so, and nothing is filed."""
    enrol(node, register(browser, node, "r-4"))
    browser.driver.set_user_verified(False)
    browser.open(f"{node.url}/proposals/{node.scene.named['hostile']}")
    Select(browser.driver.find_element(By.ID, "who")).select_by_visible_text("r-4 of aud-1")
    browser.driver.find_element(By.CSS_SELECTOR, "input[name=decision][value=approve]").click()
    browser.driver.find_element(By.CSS_SELECTOR, "input[name=significant][value=yes]").click()
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=decide] button").click()
    assert "No passkey was used" in said(browser, "decide")
    assert waits(node, "hostile")
