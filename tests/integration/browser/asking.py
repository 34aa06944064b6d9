"""What a reviewer does on the pages with a passkey: register, decide, ask for figures. The authenticator is the WebDriver standard's virtual one."""

from __future__ import annotations

import json
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.browser.driving import Browser

AAGUID = "01020304-0506-0708-0102-030405060708"
"""Of Chromium's virtual authenticator: what `test_devices` of the terms names."""


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


def register(browser: Browser, url: str, reviewer: str, organisation: str = "aud-1") -> bytes:
    """Register on the page; the registration file."""
    browser.open(url + "/enrol")
    Select(browser.driver.find_element(By.ID, "organisation")).select_by_value(organisation)
    field = browser.driver.find_element(By.ID, "reviewer")
    field.clear()
    field.send_keys(reviewer)
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=enrol] button").click()
    assert "The passkey was made" in said(browser, "enrol")
    command = browser.driver.find_element(By.ID, "command").text
    assert command.startswith(f"detente hold enrol --as {organisation} --passkey ")
    return browser.driver.find_element(By.ID, "registration").text.encode()


def decide(browser: Browser, decision: str, *, who: str = "", reason: str = "") -> str:
    """Decide with the passkey on the proposal's page that is open; what the page says then."""
    if who:
        Select(browser.driver.find_element(By.ID, "who")).select_by_visible_text(who)
    browser.driver.find_element(By.CSS_SELECTOR, f"input[name=decision][value={decision}]").click()
    browser.driver.find_element(By.CSS_SELECTOR, "input[name=significant][value=yes]").click()
    if reason:
        browser.driver.find_element(By.ID, "reason").send_keys(reason)
    browser.driver.find_element(By.CSS_SELECTOR, "form[data-passkey=decide] button").click()
    return said(browser, "decide")


def post_decision(browser: Browser, asked: dict[str, str], **other: Any) -> tuple[int, dict[str, Any]]:
    """What a page that is up to something could do: ask for one thing, have it asserted, and post another.

    ``other`` replaces what is posted, ``user_verification`` what the authenticator is asked for.
    """
    verification = other.pop("user_verification", "required")
    answer = browser.driver.execute_async_script(
        """
        const [asked, other, userVerification, done] = arguments;
        (async () => {
          const path = `/v1/decisions/options?${new URLSearchParams(asked)}`;
          const told = await fetch(path);
          const options = await told.json();
          if (!told.ok) return done(JSON.stringify([told.status, options]));
          const assertion = await asserted({...options.public_key, userVerification});
          const body = JSON.stringify({...asked, nonce: options.nonce, assertion, ...other});
          const answer = await fetch("/v1/decisions", {method: "POST", headers: {"content-type": "application/json"}, body});
          done(JSON.stringify([answer.status, await answer.json()]));
        })().catch((error) => done(JSON.stringify([0, {rule: String(error)}])));
        """,
        asked,
        other,
        verification,
    )
    status, value = json.loads(answer)
    return status, value
