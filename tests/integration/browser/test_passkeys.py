"""From a browser's passkey to the end of waiting: registered on the page, enrolled by root keys, asserted over one decision.

The authenticator is the virtual one of the WebDriver standard; the terms name its model as a test device, and it is called so wherever it
appears. What a page could be made to do wrong is tried too: the change behind the decision swapped, nobody verified, nobody enrolled.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from detente.app.registering import read_registration
from detente.statement.keys import KeyRotation
from tests.integration.browser.asking import AAGUID, authenticator, decide, post_decision, register, said
from tests.integration.browser.driving import WIDTHS, Browser, Served, needs_browser, served
from tests.pages_scene import TERMS

pytestmark = needs_browser
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


def enrol(node: Served, file: bytes) -> None:
    """The root keys enrol the passkey of a registration file."""
    ring = next(each for each in node.scene.node.status().keyrings if each.party == "aud-1")
    credential = read_registration(file).credential(same_host=False)
    body = KeyRotation(ring.sequence + 1, ring.last, (), (), credentials=(credential,))
    node.do(node.scene.say("aud-1", "keys", body, use="root"))


def opened(browser: Browser, node: Served, proposal: str) -> None:
    browser.open(f"{node.url}/proposals/{node.scene.named[proposal]}")


def waits(node: Served, proposal: str) -> bool:
    return node.scene.named[proposal] in {waiting for waiting, _, _ in node.scene.node.proposals()}


def test_a_passkey_is_registered_enrolled_and_decides(node: Served, browser: Browser):
    """The whole way: nothing counts before the root keys enrolled it; then one touch ends the waiting, labelled as a test device."""
    file = register(browser, node.url, "r-1")
    browser.picture("enrol-registered-1280-light")
    assert browser.axe() == []
    # A browser recommends to take RS256 too, which is refused on purpose: `spec/statement.md` §8.
    assert [each for each in browser.complaints() if "pubKeyCredParams" not in each] == []
    browser.open(f"{node.url}/proposals/{node.scene.named['plain']}")
    assert "No reviewer has a passkey enrolled" in browser.driver.find_element(By.ID, "main").text
    enrol(node, file)
    assert waits(node, "plain")
    opened(browser, node, "plain")
    answer = decide(browser, "approve", reason="the check that goes was a duplicate")
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
    enrol(node, register(browser, node.url, "r-2"))
    opened(browser, node, "words")
    assert "Filed: reject" in decide(browser, "reject", who="r-2 of aud-1")
    assert waits(node, "words")


def test_what_is_asserted_for_one_proposal_decides_no_other(node: Served, browser: Browser):
    """A page that shows change A and sends the touch for B: S34, because the challenge binds the proposal."""
    enrol(node, register(browser, node.url, "r-3"))
    opened(browser, node, "hostile")
    before = node.scene.node.state().digest
    asked = {
        "proposal": node.scene.named["hostile"],
        "decision": "approve",
        "organisation": "aud-1",
        "reviewer": "r-3",
        "significant": "yes",
    }
    status, value = post_decision(browser, asked, proposal=node.scene.named["absent"])
    assert (status, value["rule"]) == (409, "S34"), value
    assert node.scene.node.state().digest == before
    assert waits(node, "absent")


def test_nobody_decides_without_being_verified(node: Served, browser: Browser):
    """An authenticator that does not verify its user makes no assertion: the page says so, and nothing is filed."""
    enrol(node, register(browser, node.url, "r-4"))
    browser.driver.set_user_verified(False)
    opened(browser, node, "hostile")
    assert "No passkey was used" in decide(browser, "approve", who="r-4 of aud-1")
    assert waits(node, "hostile")


def test_a_reviewer_sees_their_own_figures_and_erases_a_note(node: Served, browser: Browser):
    """One touch shows them to whoever decided, with how little they show; another erases a note; a reload takes everything away."""
    enrol(node, register(browser, node.url, "r-5"))
    opened(browser, node, "hostile")
    assert "Filed: reject" in decide(browser, "reject", who="r-5 of aud-1", reason="it hides its direction")
    (note,) = [
        item.body.note
        for item in node.scene.node.state().index["approval", node.scene.named["hostile"]]
        if item.body.reviewer == "r-5"
    ]
    browser.open(f"{node.url}/reviewers/aud-1/r-5")
    before = browser.driver.find_element(By.ID, "main").text
    assert "it hides its direction" not in before
    assert "26 seeded changes in 52 weeks" in before
    button = browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=figures] button")
    button.send_keys(Keys.ENTER)
    WebDriverWait(browser.driver, 30).until(
        lambda driver: "it hides its direction" in driver.find_element(By.ID, "main").text
    )
    text = browser.driver.find_element(By.ID, "main").text
    assert "Seeded changes caught" in text
    assert "0 % to 100 %" in text, "nothing is known of a catch rate without seeds"
    assert "26 seeded changes in 52 weeks" in text
    assert "1 decision." in text
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            browser.show(width=width, scheme=scheme)
            browser.picture(f"reviewer-figures-{width}-{scheme}")
            assert browser.axe() == []
            assert browser.overflow() <= 0
    erasing = browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=erase] button")
    erasing.send_keys(Keys.ENTER)
    assert "Erased for good" in said(browser, "erase")
    assert node.scene.node.review_notes.find(note) is None
    assert browser.complaints() == []
    browser.driver.refresh()
    assert "Seeded changes caught" not in browser.driver.find_element(By.ID, "main").text


def test_nobody_else_sees_a_reviewers_figures(node: Served, browser: Browser):
    """Another reviewer's passkey does not answer, an unverified one neither, and of a name that nobody has nothing is told."""
    enrol(node, register(browser, node.url, "r-6"))
    browser.driver.remove_all_credentials()  # from here on the authenticator is somebody else's
    enrol(node, register(browser, node.url, "r-7"))
    for reviewer, answer in (("r-6", "No passkey was used"), ("nobody", "N70")):
        browser.open(f"{node.url}/reviewers/aud-1/{reviewer}")
        browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=figures] button").click()
        assert answer in said(browser, "figures")
        assert "What they show" not in browser.driver.find_element(By.ID, "main").text
    browser.driver.set_user_verified(False)
    browser.open(f"{node.url}/reviewers/aud-1/r-7")
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=figures] button").click()
    assert "No passkey was used" in said(browser, "figures")
    assert "What they show" not in browser.driver.find_element(By.ID, "main").text
