"""Debian's Chromium over a served node: what every browser test opens pages with.

The node runs in a thread with an event loop of its own, under `http://localhost`, which browsers take for a secure place and accept as the
domain of a passkey. The browser starts with an empty profile and talks to nobody else.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from detente.adapters.client import origin_hash
from detente.adapters.listening import listen_socket
from detente.app.node import open_node
from detente.base.identity import Party
from detente.server.serving import serve_node
from tests.integration import node_rig
from tests.pages_scene import TERMS, Scene, digest
from tests.repo.tree import ROOT

T = TypeVar("T")
ASKED = "DETENTE_BROWSER"
"""Set by `make browser-test`: then what is missing is an error and not a reason to skip."""
AXE = "DETENTE_AXE"
"""Where the make target put axe."""
SHOTS = ROOT / "browser-test"
WIDTHS = (360, 768, 1280)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
needs_browser = pytest.mark.skipif(
    ASKED not in os.environ, reason="asked for by `make browser-test`, which needs Chromium"
)


@dataclass
class Served:
    """A scene on a served node; ``do`` runs something in the node's own event loop."""

    scene: Scene
    url: str
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def paths(self) -> dict[str, str]:
        """Every kind of page by a name for its pictures."""
        named = self.scene.named
        return {
            "overview": "/",
            "proposals": "/proposals",
            "proposal": f"/proposals/{named['plain']}",
            "proposal-hostile": f"/proposals/{named['hostile']}",
            "proposal-text": f"/proposals/{named['words']}",
            "party": "/parties/dev-a",
            "run": f"/runs/{named['run-a']}",
            "version": f"/versions/{digest('weights 1')}",
            "finding": f"/findings/{named['finding']}",
            "logs": "/entries",
            "entry": f"/entries/{origin_hash('dev-a.example/log')}/9",
            "accord": "/accord",
            "pause": "/pause",
            "enrol": "/enrol",
            "reviewer": "/reviewers/aud-1/r-1",
            "refusal": "/nothing",
        }


@contextlib.contextmanager
def served(folder: Path, *, terms: str = TERMS, party: str = "dev-a") -> Iterator[Served]:
    """Serve one node of a new coalition in a thread."""
    coalition = node_rig.found(folder, text=terms, ack_s=0.1, address_s=100_000, key_s=1_000)
    port = coalition.ports[Party(party)]
    loop = asyncio.new_event_loop()
    ready, found = threading.Event(), []
    stop = asyncio.Event()

    async def run() -> None:
        node = open_node(coalition.home(party))
        found.append(Scene(node, coalition))
        await serve_node(node, listen_socket("127.0.0.1", port), ready=ready.set, stop=stop)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield Served(found[0], f"http://localhost:{port}", loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


class Browser:
    """One headless Chromium."""

    def __init__(self, profile: Path) -> None:
        binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
        missing = [name for name, path in (("chromium", binary), ("chromedriver", driver)) if path is None]
        assert not missing, (
            f"got no {' and no '.join(missing)}; expected both: apt-get install chromium chromium-driver"
        )
        options = Options()
        options.binary_location = binary
        for word in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-background-networking",
            "disable-dev-shm-usage",
            "hide-scrollbars",
        ):
            options.add_argument(f"--{word}")
        options.add_argument(f"--user-data-dir={profile}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_script_timeout(60)

    def open(self, url: str, *, width: int = 1280, scheme: str = "light") -> None:
        """Load a page at a width, in a theme."""
        self.show(width=width, scheme=scheme)
        self.complaints()
        self.driver.get(url)

    def show(self, *, width: int = 1280, scheme: str = "light") -> None:
        """Give the window a width and a theme; the page in it stays."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)

    def cdp(self, command: str, **arguments: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        """A script's value."""
        return self.driver.execute_script(script, *arguments)

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.run("return document.documentElement.scrollWidth - window.innerWidth"))

    def picture(self, name: str) -> Path:
        """A picture of the whole page, kept for people."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6_000), "scale": 1}
        data = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(data))
        return path

    def axe(self) -> list[str]:
        """What axe finds, one line each. It runs beside the page's own scripts, whose policy stays as it is."""
        self.cdp("Runtime.evaluate", expression=Path(os.environ[AXE]).read_text("utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[1]; axe.run({runOnly: arguments[0]}).then(r => done(JSON.stringify(r.violations)))",
            RULES,
        )
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in json.loads(found)]

    def complaints(self) -> list[str]:
        """What the console was told since the last time, policy violations among it."""
        return [
            f"{each['level']} {each['message']}"
            for each in self.driver.get_log("browser")
            if each["level"] in {"SEVERE", "WARNING"}
        ]

    def close(self) -> None:
        self.driver.quit()
