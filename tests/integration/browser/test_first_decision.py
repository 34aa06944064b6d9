"""As a new user would: found a coalition by command, enrol a passkey on a page, and decide whether a self-improvement loop goes on.

Nothing here stands in for anything: four nodes are processes, the loop is the drill's own behind its own guard, and every decision is made in Chromium on the page of
the auditor's node, which the developer's agents cannot write. The authenticator is the WebDriver standard's virtual one, which the terms name
as a test device.
"""

from __future__ import annotations

import itertools
from hashlib import sha256
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.browser.asking import authenticator, decide, post_decision, register
from tests.integration.browser.by_command import WITHIN_S, Founded, eventually, founded
from tests.integration.browser.driving import WIDTHS, Browser, needs_browser

pytestmark = needs_browser
STOPPED = 75
"""sysexits.h, EX_TEMPFAIL: saved and stopped, start me again later."""


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory):
    """One developer and three mirrors, founded by command, each node a process."""
    with founded(tmp_path_factory.mktemp("parties")) as made:
        yield made


@pytest.fixture
def browser(tmp_path: Path):
    found = Browser(tmp_path / "profile")
    found.driver.add_virtual_authenticator(authenticator())
    yield found
    found.close()


def text_of(browser: Browser) -> str:
    return browser.driver.find_element(By.ID, "main").text


def wait_for_text(browser: Browser, words: str) -> None:
    """Without reloading: what the open page comes to say by itself."""
    WebDriverWait(browser.driver, WITHIN_S).until(lambda driver: words in driver.find_element(By.ID, "main").text)


def spelled(files: list[dict]) -> str:
    """The unified diff that these files were read from."""
    signs = {"context": " ", "added": "+", "removed": "-"}
    lines = []
    for each in files:
        lines += each["header"]
        for hunk in each["hunks"]:
            lines += [hunk["head"], *(signs[kind] + text for kind, _, _, text, _ in hunk["lines"])]
    return "".join(f"{line}\n" for line in lines)


def trained(loop, number: int) -> bool:
    """Has the loop trained this generation, whatever it then did with it?"""
    return loop.says(f"generation {number}: kept") or loop.says(f"generation {number}: dropped")


def test_a_loop_waits_for_a_passkey_and_then_goes_on(parties: Founded, browser: Browser, tmp_path: Path):
    """Registered on the page, enrolled by root keys, waiting in the queue, decided by touch: then the guard lets go, and no sooner."""
    page = parties.url("aud-1")
    loop = parties.start_loop("improve", generations=3, steps=20)
    registration = tmp_path / "registration.json"
    registration.write_bytes(register(browser, page, "r-1"))
    assert "in force" in parties.command("aud-1", "hold", "enrol", "--passkey", str(registration), "--other-host")

    browser.open(page + "/proposals")
    wait_for_text(browser, "generation 1:")
    assert "self-modification lacks" in text_of(browser)
    assert loop.says("generation 1: held")
    waiting = parties.ask("aud-1", "/v1/proposals")["proposals"][0]["proposal"]
    change = eventually(
        "the change can be read at the auditor's node, which asks the developer's for it",
        lambda: (found := parties.ask("aud-1", f"/v1/proposals/{waiting}/change"))["kind"] == "diff" and found,
    )
    assert sha256(spelled(change["files"]).encode()).hexdigest() == change["digest"]
    browser.picture("first-queue-1280-light")
    browser.driver.find_element(By.PARTIAL_LINK_TEXT, "generation 1:").click()
    proposal = browser.driver.current_url.rpartition("/")[2]
    shown = text_of(browser)
    assert proposal == waiting
    assert "each by a passkey that its maker attests" in shown
    changed = [text for kind, _, _, text, _ in change["files"][0]["hunks"][0]["lines"] if kind == "added"]
    seen = browser.driver.find_element(By.CSS_SELECTOR, ".change").text
    assert changed
    assert [text for text in changed if text.strip() not in seen] == []

    # On the way: nobody verified, nobody enrolled, an assertion that says itself that nobody was verified.
    asked = {
        "proposal": proposal,
        "decision": "approve",
        "organisation": "aud-1",
        "reviewer": "r-1",
        "significant": "yes",
    }
    browser.driver.set_user_verified(False)
    assert "No passkey was used" in decide(browser, "approve")
    status, refused = post_decision(browser, asked, user_verification="discouraged")
    assert (status, refused["rule"]) == (403, "S36"), refused
    status, refused = post_decision(browser, {**asked, "reviewer": "r-2"})
    assert (status, refused["rule"]) == (403, "N70"), refused
    browser.driver.set_user_verified(True)
    assert not trained(loop, 1), "what was refused let nothing go"
    assert parties.ask("aud-1", f"/v1/proposals/{proposal}")["decisions"] == []

    browser.driver.refresh()
    filed = decide(browser, "approve", reason="a small change, and I read it")
    assert "Filed: approve by r-1 of aud-1, made with: test device" in filed
    eventually("the guard lets go and the successor is trained", lambda: trained(loop, 1))
    eventually("the loop goes on to the next generation and is held again", lambda: loop.says("generation 2: held"))
    made = eventually(
        "the successor's version at the auditor's node",
        lambda: [each for each in parties.ask("aud-1", "/v1/parties/dev-a")["versions"] if each["looked_at"] == "true" and each["proposed_by"]["kind"] == "model"],
    )  # fmt: skip
    assert len(made) == 1
    browser.driver.refresh()
    assert "test device" in text_of(browser)
    assert made[0]["version"][:12] in text_of(browser), "the successor stands beside its parent"
    browser.picture("first-decided-1280-light")
    assert browser.axe() == []

    browser.open(page + "/proposals")
    browser.driver.find_element(By.PARTIAL_LINK_TEXT, "generation 2:").click()
    assert "Filed: approve" in decide(browser, "approve")
    assert loop.popen.wait(WITHIN_S) == 0, loop.said[-2_000:]
    assert trained(loop, 2)


def test_the_pages_of_two_mirrors_follow_one_pause(parties: Founded, browser: Browser):
    """Called by command at a third node: both pages say so and call the roll without being reloaded; an entry names the mirrors that vouch for it."""
    loop = parties.start_loop("second", generations=2, steps=20)
    for party in ("aud-1", "auth-2"):
        eventually(
            f"the run at {party}",
            lambda at=party: [
                each for each in parties.ask(at, "/v1/parties/dev-a")["runs"] if each["name"] == "second"
            ],
        )
    eventually("it has trained and its successor is held", lambda: loop.says("generation 1: held"))
    windows = {}
    for party in ("aud-1", "auth-2"):
        browser.driver.switch_to.new_window("window")
        windows[party] = browser.driver.current_window_handle
        browser.open(parties.url(party) + "/pause")
        assert "nothing is paused" in text_of(browser)
    begun = {}
    for party, window in windows.items():
        browser.driver.switch_to.window(window)
        begun[party] = browser.run("return performance.timeOrigin")
    assert "latched" in parties.command("auth-1", "pause", "--reason", "a test")
    assert loop.popen.wait(WITHIN_S) == STOPPED, loop.said[-2_000:]
    for party, window in windows.items():
        browser.driver.switch_to.window(window)
        wait_for_text(browser, "says it stopped")
        assert "pause call, round 0" in text_of(browser)
        assert browser.run("return performance.timeOrigin") == begun[party], "it followed, and was not reloaded"
        assert "0 of 1 auditor" in text_of(browser)
        assert browser.axe() == []
        assert browser.complaints() == []
    halted = parties.ask("aud-1", "/v1/pause")["roll"]
    (entry,) = [each for row in halted if row["name"] == "second" for each in row["cited"]][-1:]
    for width, scheme in itertools.product(WIDTHS, ("light", "dark")):
        browser.open(f"{parties.url('auth-2')}/entries/{entry}", width=width, scheme=scheme)
        browser.picture(f"entry-mirrors-{width}-{scheme}")
        assert browser.overflow() <= 0
        browser.open(f"{parties.url('auth-2')}/pause", width=width, scheme=scheme)
        browser.picture(f"pause-mirrors-{width}-{scheme}")
        assert browser.overflow() <= 0
    browser.open(f"{parties.url('auth-2')}/entries/{entry}")
    shown = text_of(browser)
    assert "so the log cannot show somebody else another one" in shown
    assert sum(f"{mirror} as {mirror}.example/mirror" in shown for mirror in ("aud-1", "auth-1", "auth-2")) >= 2
    assert "its own word" not in shown
    assert browser.axe() == []
