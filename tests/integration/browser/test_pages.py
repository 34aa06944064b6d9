"""Every page in a real browser: axe, keyboard, themes and widths, no script, hostile changes, live updates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.browser.driving import WIDTHS, Browser, Served, needs_browser, served
from tests.pages_scene import digest, long_diff

pytestmark = needs_browser
LASTING = re.compile(r"\b\d+ (?:s|min)\b|As of .*")
"""What differs from one second to the next."""
NARROWEST = 320
"""CSS pixels: what 1280 become at 400 % (WCAG 1.4.10)."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory):
    """A node in the middle of a pause."""
    with served(tmp_path_factory.mktemp("node")) as found:
        found.do(found.scene.begin())
        found.do(found.scene.pause())
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(node: Served, browser: Browser, scheme: str):
    """WCAG 2.2 AA and good practice, in both themes, at three widths; nothing is wider than the window, and the console is silent."""
    found = []
    for name, path in node.paths().items():
        for width in WIDTHS:
            browser.open(node.url + path, width=width, scheme=scheme)
            browser.picture(f"{name}-{width}-{scheme}")
            found += [f"{name} at {width}: {each}" for each in browser.axe()]
            if browser.overflow() > 0:
                found.append(f"{name} at {width}: {browser.overflow()} px too wide")
            found += [
                f"{name} at {width}: {each}"
                for each in browser.complaints()
                if not (name == "refusal" and "404" in each)
            ]
    assert not found, "\n" + "\n".join(found)


def test_pages_reflow_at_four_hundred_percent(node: Served, browser: Browser):
    """No page scrolls sideways at 320 CSS pixels; a wide picture scrolls in its own frame."""
    found = []
    for name, path in node.paths().items():
        browser.open(node.url + path, width=NARROWEST)
        if browser.overflow() > 0:
            found.append(name)
    assert not found


def test_the_keyboard_reaches_everything_and_shows_where_it_is(node: Served, browser: Browser):
    """The first stop skips to the content; every link, fold and frame that scrolls is a stop, and each has a visible outline."""
    for path in ("/", f"/proposals/{node.scene.named['plain']}", "/reviewers/aud-1/r-1"):
        browser.open(node.url + path)
        body = browser.driver.find_element(By.TAG_NAME, "body")
        expected = browser.run(
            "return [...document.querySelectorAll('a[href], summary, button, input, select, textarea, [tabindex=\"0\"]')]"
            ".filter(e => e.checkVisibility()).length"
        )
        body.send_keys(Keys.TAB)
        assert browser.run("return document.activeElement.className") == "skip"
        assert browser.run("return document.activeElement.getBoundingClientRect().left") >= 0
        stops, unseen = 1, []
        for _ in range(expected + 5):
            browser.driver.switch_to.active_element.send_keys(Keys.TAB)
            told = browser.run(
                "const e = document.activeElement; if (e === document.body) return null;"
                "return [e.outerHTML.slice(0, 80), getComputedStyle(e).outlineStyle]"
            )
            if told is None:
                break
            stops += 1
            if told[1] == "none":
                unseen.append(told[0])
        assert not unseen
        assert stops == expected, path


def test_the_skip_link_leads_past_the_navigation(node: Served, browser: Browser):
    """Enter on the first stop: the next one lies in the content."""
    browser.open(node.url + "/")
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.run("return document.getElementById('main').contains(document.activeElement)")


def test_a_fold_opens_by_keyboard(node: Served, browser: Browser):
    """A file of a change is folded and unfolded without a mouse."""
    browser.open(f"{node.url}/proposals/{node.scene.named['plain']}")
    summary = browser.driver.find_element(By.CSS_SELECTOR, "details.file > summary")
    before = browser.run("return document.querySelector('details.file').open")
    summary.send_keys(Keys.ENTER)
    assert browser.run("return document.querySelector('details.file').open") != before


def test_every_page_says_the_same_without_scripts(node: Served, browser: Browser):
    """What a page says in words does not depend on JavaScript, but for the form that asks a passkey."""
    for path in node.paths().values():
        texts = []
        for disabled in (False, True):
            browser.cdp("Emulation.setScriptExecutionDisabled", value=disabled)
            try:
                browser.open(node.url + path)
                main = browser.driver.find_element(By.ID, "main").text
                for each in browser.driver.find_elements(By.CSS_SELECTOR, "form[data-passkey], noscript"):
                    main = main.replace(f"{each.text}\n", "") if each.text else main
            finally:
                browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
            texts.append(LASTING.sub("", main))
        assert texts[0] == texts[1], path


def test_a_time_shows_the_readers_own_on_hover(node: Served, browser: Browser):
    """UTC is what stands there; the title says the same instant in the reader's zone."""
    browser.cdp("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    try:
        browser.open(node.url + "/")
        title = browser.run("return document.querySelector('time').title")
    finally:
        browser.cdp("Emulation.setTimezoneOverride", timezoneId="")
    assert "GMT+9" in title or "Japan" in title or "JST" in title


def test_a_hostile_change_does_nothing(node: Served, browser: Browser):
    """Nothing of it became an element, no dialog opened, no policy had to stop anything; its marks can be seen."""
    browser.open(f"{node.url}/proposals/{node.scene.named['hostile']}")
    assert browser.run("return document.querySelectorAll('main script, main img, main b b').length") == 0
    marks = browser.run("return [...document.querySelectorAll('.change .mark')].map(e => e.textContent)")
    assert {"\\u202e", "\\x1b", "\\u2066", "\\u2069", "\\u200b", "\\u3164"} <= set(marks)
    assert browser.complaints() == []


def test_a_page_cannot_be_framed(node: Served, browser: Browser, tmp_path: Path):
    """Another page that puts the decision into a frame gets an empty frame (clickjacking)."""
    outer = tmp_path / "outer.html"
    outer.write_text(f'<iframe src="{node.url}/proposals/{node.scene.named["plain"]}"></iframe>', "utf-8")
    browser.open(outer.as_uri())
    browser.driver.switch_to.frame(0)
    try:
        assert browser.driver.find_elements(By.ID, "main") == []
    finally:
        browser.driver.switch_to.default_content()
    assert any(
        "frame-ancestors" in each or "X-Frame-Options" in each or "refused" in each for each in browser.complaints()
    )


def test_what_happens_shows_without_reloading(node: Served, browser: Browser):
    """A lift's vote arrives while the page of the pause is open: the roll-call follows, and a polite region says so."""
    browser.open(node.url + "/pause")
    before = browser.run("return performance.timeOrigin")
    assert "1 of 2 authority" not in browser.driver.find_element(By.ID, "main").text
    node.do(node.scene.lift("auth-1"))
    WebDriverWait(browser.driver, 30).until(
        lambda driver: "1 of 2 authority" in driver.find_element(By.ID, "main").text
    )
    assert browser.run("return performance.timeOrigin") == before
    assert "Updated" in browser.driver.find_element(By.ID, "live").text
    assert browser.complaints() == []


def test_a_page_that_follows_can_be_stopped(node: Served, browser: Browser):
    """What moves by itself can be stopped and started again, by keyboard (WCAG 2.2.2); a page that does not move has no such button."""
    browser.open(node.url + "/pause")
    button = browser.driver.find_element(By.CSS_SELECTOR, "footer button")
    assert button.text == "Stop following"
    button.send_keys(Keys.ENTER)
    assert button.text == "Follow what happens"
    node.do(node.scene.propose("while-stopped", digest("while stopped"), ("training",), "while stopped"))
    button.send_keys(Keys.ENTER)
    assert button.text == "Stop following"
    WebDriverWait(browser.driver, 30).until(lambda driver: "Updated" in driver.find_element(By.ID, "live").text)
    browser.open(node.url + "/accord")
    assert browser.driver.find_elements(By.CSS_SELECTOR, "footer button") == []


def test_a_change_of_twenty_thousand_lines_is_whole_and_scrolls(node: Served, browser: Browser):
    """Every line is in the page, and the last one can be scrolled to; how long that takes is measured in ``bench``."""
    data = long_diff(20_000)
    node.scene.node.blobs.store(data.encode())
    proposal = node.do(node.scene.propose("long", digest(data), ("training",), "twenty thousand lines"))
    browser.open(f"{node.url}/proposals/{proposal}")
    assert browser.run("return document.querySelectorAll('.change tr.a').length") == 20_000
    browser.run("const rows = document.querySelectorAll('.change tr.a'); rows[rows.length - 1].scrollIntoView()")
    assert browser.run(
        "const rows = document.querySelectorAll('.change tr.a'); const box = rows[rows.length - 1].getBoundingClientRect();"
        "return box.top >= 0 && box.bottom <= innerHeight"
    )
