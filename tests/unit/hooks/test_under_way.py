"""What is under way in an ASGI application: it ends with leave, in no way that reads as its whole."""

import asyncio
import contextlib

import pytest

from detente.hooks.under_way import CLOSE_REASON_MAX, Ended, EndsWithLeave, note

HTTP = {"type": "http"}
WEBSOCKET = {"type": "websocket"}
EVENTS = [(b"Content-Type", b"text/event-stream; charset=utf-8")]


class Leave:
    def __init__(self, *, given=True, why="call: 1 vote of safety"):
        self.given, self.why = given, why
        self._looked = asyncio.Event()

    @property
    def holds(self):
        self._looked.set()
        return self.given

    async def end(self):
        """It has ended, and that was seen."""
        self.given = False
        for _ in range(2):
            self._looked.clear()
            await self._looked.wait()

    def refusal(self):
        return "" if self.given else self.why


def played(app, scope, leave=None):
    """What the client was sent, and what the server heard."""
    sent = []

    async def receive():
        return {"type": f"{scope['type']}.connect"}

    async def send(message):
        sent.append(message)

    async def run():
        try:
            await EndsWithLeave(app, leave or Leave())(scope, receive, send)
        except Ended as ended:
            return ended.message
        return ""

    heard = asyncio.run(run())
    return sent, heard


def start(headers=()):
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def piece(text=b"a", *, more=True):
    return {"type": "http.response.body", "body": text, "more_body": more}


def streaming(leave, *, headers=(), silent=False):
    """An application that sends two pieces, sees leave end, and goes on without end."""

    async def app(_scope, _receive, send):
        note()
        await send(start(headers))
        await send(piece())
        leave.given = False
        if silent:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(0)
            await send(piece())

    return app


@pytest.mark.parametrize("silent", [False, True])
def test_a_stream_ends_with_leave_and_without_its_end(silent):
    """Whether it sends or is silent; the server hears that it is not whole."""
    leave = Leave()
    sent, heard = played(streaming(leave, silent=silent), HTTP, leave)
    assert heard == leave.why
    assert all(message.get("more_body", True) for message in sent)


def test_a_stream_of_events_says_why():
    """Its last event is an error with the reason."""
    leave = Leave()
    sent, heard = played(streaming(leave, headers=EVENTS), HTTP, leave)
    assert heard
    assert sent[-1]["body"].startswith(b"\n\nevent: error\ndata: {")
    assert leave.why.encode() in sent[-1]["body"]
    assert sent[-1]["more_body"]


@pytest.mark.parametrize("scope", [HTTP, WEBSOCKET])
def test_an_application_that_clings_is_not_heard(scope):
    """It swallows its cancellation, and says more: none of that reaches the client."""
    leave = Leave()
    ends = {"http": piece(b"late", more=False), "websocket": {"type": "websocket.send", "text": "late"}}

    async def app(_scope, _receive, send):
        note()
        await send(start() if scope is HTTP else {"type": "websocket.accept"})
        leave.given = False
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        with contextlib.suppress(Ended):
            await send(ends[scope["type"]])

    sent, _ = played(app, scope, leave)
    assert ends[scope["type"]] not in sent


def test_an_answer_that_has_not_begun_is_refused():
    """Leave ends while the model thinks: 503 with the reason."""
    leave = Leave()

    async def app(_scope, _receive, _send):
        note()
        leave.given = False
        await asyncio.Event().wait()

    sent, heard = played(app, HTTP, leave)
    assert heard == ""
    assert sent[0]["status"] == 503
    assert leave.why.encode() in sent[1]["body"]


def test_a_websocket_is_closed_with_the_reason():
    """1013, and a reason that a close frame can carry."""
    leave = Leave(why="ü" * 400)

    async def app(_scope, _receive, send):
        note(asked=False)
        await send({"type": "websocket.accept"})
        leave.given = False
        await asyncio.Event().wait()

    sent, _ = played(app, WEBSOCKET, leave)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == 1013
    assert len(sent[-1]["reason"].encode()) == CLOSE_REASON_MAX


def test_no_websocket_begins_without_leave():
    """The application never hears of it."""
    heard_of = []

    async def app(scope, _receive, _send):
        heard_of.append(scope)

    sent, _ = played(app, WEBSOCKET, Leave(given=False))
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert heard_of == []


@pytest.mark.parametrize("asked", [False, None])
def test_what_was_not_asked_for_and_what_ends_by_itself_is_left_alone(asked):
    """Health, keys and pages go on; so does what its host ends in the form of its client."""
    leave = Leave()

    async def app(_scope, _receive, send):
        if asked is not None:
            note()
            note(asked=asked)
        await send(start())
        await leave.end()
        await send(piece(more=False))

    sent, heard = played(app, HTTP, leave)
    assert (sent[-1], heard) == (piece(more=False), "")


def test_with_leave_nothing_is_changed():
    """Not a message, and not the application's own error."""
    said = [start(EVENTS), piece(), piece(b"b"), piece(more=False)]

    async def app(_scope, _receive, send):
        note()
        for message in said:
            await send(message)

    assert played(app, HTTP) == (said, "")

    async def broken(_scope, _receive, _send):
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        played(broken, HTTP)


def test_a_request_that_its_server_ends_is_over():
    """The application is ended with it, and its client hears nothing of leave."""
    begun, ended, sent = asyncio.Event(), [], []

    async def app(_scope, _receive, _send):
        note()
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def send(message):
        sent.append(message)

    async def run():
        request = asyncio.ensure_future(EndsWithLeave(app, Leave())(HTTP, None, send))
        await begun.wait()
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request

    asyncio.run(run())
    assert (ended, sent) == ([True], [])


def test_a_whole_answer_stays_what_it_is():
    """What tidies up behind it is not disturbed by the end of leave."""
    leave, tidied = Leave(), []

    async def app(_scope, _receive, send):
        note()
        await send(start())
        await send(piece(more=False))
        await leave.end()
        tidied.append(True)

    _, heard = played(app, HTTP, leave)
    assert (tidied, heard) == ([True], "")


def test_outside_of_a_request_there_is_nothing_to_note():
    """A callback that is called by a job in the background."""
    note()
