"""The page of a running drill, without a socket: what it loads, what a browser may do with it, and that it follows to the end."""

import asyncio

import httpx

from detente.app.drill.record import Event, Record
from detente.app.drill.showing import Showing
from detente.server import drill_page
from detente.server.drill_page import make_drill_app


def shown(showing: Showing, work):
    async def run():
        transport = httpx.ASGITransport(make_drill_app(showing), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://drill") as http:
            return await work(http)

    return asyncio.run(run())


def playing() -> tuple[Showing, Record]:
    record = Record(options={"seed": 0})
    record.lane("aud-1", "node")
    record.turn("aud-1", "up", at_s=0.0)
    record.events.append(Event(0.5, "1 node serves", "", major=True))
    return Showing(), record


def test_everything_that_the_page_loads_is_there_and_nothing_else():
    """Style, script and icon of its own; any other path, and any other method, is refused."""

    async def work(http):
        page = await http.get("/")
        assert "has begun" in page.text
        for path in ("/report.css", drill_page.asset_path("page.js"), drill_page.asset_path("icon.svg")):
            assert path in page.text
            assert (await http.get(path)).status_code == 200
        assert (await http.get("/assets/passkey.js")).status_code == 404
        assert (await http.get("/assets/..%2Frouting.py")).status_code == 404
        assert (await http.post("/", content=b"")).status_code == 405
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "sandbox" in (await http.get("/report.css")).headers["content-security-policy"]

    shown(Showing(), work)


def test_who_follows_is_told_of_every_picture_until_the_last():
    """`moved` while it goes on, `over` once, and the stream ends."""
    showing, record = playing()
    showing.take(record, at_s=1.0, nodes={})
    showing.take(record, at_s=2.0, nodes={}, over=True)

    async def work(http):
        answer = await http.get("/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        return answer.text

    assert shown(showing, work) == ": welcome\n\nevent: over\ndata: 2\n\n"


def test_a_picture_that_was_given_counts_as_seen():
    """So that the end is not lost on whoever watches: the command waits for it."""
    showing, record = playing()
    showing.take(record, at_s=1.0, nodes={})

    async def work(http):
        return (await http.get("/")).text

    assert "1 node serves" in shown(showing, work)
    assert showing.seen == 1
    drill_page._wait_for_last_look(showing)  # nobody was waiting: it comes back at once


def test_no_more_than_a_bounded_number_follow_at_once():
    """One more is told to reload instead."""
    showing, _ = playing()

    async def work(http):
        for _ in range(drill_page.WATCHERS_MAX):
            showing._listeners.append(lambda: None)
        return (await http.get("/events")).status_code

    assert shown(showing, work) == 503
