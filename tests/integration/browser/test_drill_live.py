"""A drill that shows itself: `detente drill --browser` as a process, its page in Chromium while nodes start and parties accede.

It is the real drill. It is interrupted once it has shown what is asked here: the whole of it takes minutes, and `make drill` runs it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.browser.driving import WIDTHS, Browser, needs_browser

pytestmark = needs_browser
WITHIN_S = 120.0
"""For what takes some 15 s on a quiet machine: nine nodes start and everybody accedes."""


@pytest.fixture
def browser(tmp_path: Path):
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


@pytest.fixture
def drill(tmp_path: Path):
    """The command as a process, and the address that it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    with (tmp_path / "result.out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "detente", "drill", "--browser", "--out", str(tmp_path / "drill")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    assert process.stderr is not None
    told = process.stderr.readline()
    try:
        assert told.startswith("live at http://localhost:"), told
        yield process, told.split()[-1], tmp_path / "drill"
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)


def test_a_drill_is_followed_while_it_runs_and_to_its_end(drill, browser: Browser):
    """The story, the roll-call and the bars come without reloading; each party's own page is one step away; the end is shown too."""
    process, address, folder = drill
    browser.open(address)
    begun = browser.run("return performance.timeOrigin")

    def says(words: str) -> None:
        WebDriverWait(browser.driver, WITHIN_S).until(lambda driver: words in driver.find_element(By.ID, "main").text)
        assert process.poll() is None, "it ended"

    says("9 nodes serve, each a process with its own keys and log")
    link = browser.driver.find_element(By.PARTIAL_LINK_TEXT, "its pages").get_attribute("href")
    assert "coordinated-pause" in httpx.get(link, headers={"accept": "text/html"}).text
    says("the accord is in force at every node")
    assert "Not exercised here" in browser.driver.find_element(By.ID, "main").text
    assert browser.run("return document.querySelectorAll('#timeline svg rect title').length") >= 9, (
        "a bar for each node"
    )
    assert browser.run("return performance.timeOrigin") == begun, "it followed, and was not reloaded"
    plain = httpx.get(address).text
    assert "Reload this page" in plain
    assert "the accord is in force at every node" in plain
    assert "unsafe" not in httpx.get(address).headers["content-security-policy"]
    for width in WIDTHS:
        browser.show(width=width)
        browser.picture(f"drill-live-{width}-light")
        assert browser.overflow() <= 0
    assert browser.axe() == []
    process.send_signal(signal.SIGTERM)
    WebDriverWait(browser.driver, WITHIN_S).until(
        lambda driver: "it was interrupted" in driver.find_element(By.ID, "main").text
    )
    assert process.wait(WITHIN_S) == 1
    result = json.loads((folder / "result.json").read_text("utf-8"))
    assert (result["passed"], result["checks"][-1]["detail"]) == (False, "it was interrupted")
    for width in WIDTHS:
        browser.open((folder / "report.html").as_uri(), width=width)
        browser.picture(f"drill-report-{width}-light")
        assert browser.overflow() <= 0
        assert browser.axe() == []
