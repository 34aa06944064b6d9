"""Streams while there is leave: every piece looked at, silence too; without LiteLLM there is no callback."""

import asyncio
import importlib

import pytest

from detente.base.errors import Misuse, Unavailable
from detente.hooks import litellm
from detente.hooks.litellm import held, make_callback, while_held
from detente.hooks.under_way import Ended


class Leave:
    def __init__(self, pieces=10**9):
        self.left = pieces
        self.why = "call: 1 vote of safety"

    @property
    def holds(self):
        return self.left > 0

    def refusal(self):
        return "" if self.holds else self.why


class Source:
    """A stream of numbers; ``silent_after`` it sends nothing more, without end."""

    def __init__(self, count, *, silent_after=None, leave=None):
        self.count, self.silent_after, self.leave = count, silent_after, leave
        self.closed = False

    async def __aiter__(self):
        try:
            for number in range(self.count):
                if number == self.silent_after:
                    self.leave.left = 0
                    await asyncio.Event().wait()
                yield number
        finally:
            self.closed = True


def read(source, leave, take=lambda _: None):
    """What came; ``leave.why`` after it where it was ended."""

    async def run():
        found = []
        try:
            async for piece in while_held(source, leave):
                found.append(piece)
                take(piece)
        except Ended as ended:
            found.append(ended.message)
        return found

    return asyncio.run(run())


def test_a_stream_with_leave_is_whole():
    """Nothing is added, dropped or reordered, and its source is closed."""
    source = Source(50)
    assert read(source, Leave()) == list(range(50))
    assert source.closed


def test_no_piece_follows_the_end_of_leave():
    """The one that had been passed is the last."""
    leave, source = Leave(), Source(50)

    def end(piece):
        if piece == 4:
            leave.left = 0

    assert read(source, leave, end) == [0, 1, 2, 3, 4, leave.why]
    assert source.closed


def test_a_silent_stream_ends_with_leave():
    """A model that thinks for minutes is not waited for."""
    leave = Leave()
    source = Source(50, silent_after=3, leave=leave)
    assert read(source, leave) == [0, 1, 2, leave.why]
    assert source.closed


def test_leave_that_comes_back_in_between_leaves_no_hole():
    """A stream that lost it is ended, whatever is so a moment later: no piece is missing from what goes on."""

    class Flickering(Leave):
        looked = 0

        @property
        def holds(self):
            self.looked += 1
            return self.looked != 9

    leave, source = Flickering(), Source(50)
    found = read(source, leave)
    assert found[-1] == leave.why
    assert found[:-1] == list(range(len(found) - 1))


def test_an_error_of_the_stream_is_its_own():
    """It passes as it was."""

    async def broken():
        yield 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        read(broken(), Leave())


def test_without_litellm_there_is_no_callback(monkeypatch):
    """Unavailable, with what to install."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(litellm.importlib, "import_module", missing)
    with pytest.raises(Unavailable, match="pip install"):
        make_callback(Leave())


def test_the_callback_defines_its_hooks_itself_and_refuses_with_503(monkeypatch):
    """LiteLLM looks at the class's own members, so an inherited hook would never be called."""

    class Refusing(Exception):
        def __init__(self, status_code, detail, headers):
            self.status_code, self.detail, self.headers = status_code, detail, headers

    class Logger:
        """What LiteLLM's own does where nothing is overridden."""

    found = {"litellm.integrations.custom_logger": {"CustomLogger": Logger}, "fastapi": {"HTTPException": Refusing}}
    real = importlib.import_module
    monkeypatch.setattr(
        litellm.importlib,
        "import_module",
        lambda name: type(name, (), found[name]) if name in found else real(name),
    )
    noted = []
    monkeypatch.setattr(litellm, "note", lambda: noted.append(True))
    callback = make_callback(Leave(0))
    hooks = {"async_pre_call_hook", "async_pre_call_deployment_hook", "async_post_call_streaming_iterator_hook"}
    assert hooks <= set(vars(type(callback)))
    assert callback.enforces_request_content is True
    with pytest.raises(Refusing) as refused:
        asyncio.run(callback.async_pre_call_hook(None, None, {}, "completion"))
    assert (refused.value.status_code, refused.value.detail["error"]) == (503, "call: 1 vote of safety")
    assert noted == [], "a refusal is LiteLLM's to write, in the form of its client"
    for call_type in (None, "acompletion", "acreate_batch", "aretrieve_batch"):
        with pytest.raises(Refusing) as refused:
            asyncio.run(callback.async_pre_call_deployment_hook({}, call_type))
        assert (refused.value.status_code, refused.value.detail["error"]) == (503, "call: 1 vote of safety")
    asyncio.run(callback.async_pre_call_hook(None, None, {}, "acancel_batch"))
    asyncio.run(callback.async_pre_call_deployment_hook({}, "acancel_batch"))
    assert noted == [], "what ends something is not ended"
    asyncio.run(make_callback(Leave()).async_pre_call_deployment_hook({}, "acompletion"))
    asyncio.run(make_callback(Leave()).async_pre_call_hook(None, None, {}, "completion"))
    assert noted == [True]


def test_what_is_no_version_is_served_by_no_callback():
    """Misuse, where the proxy reads its configuration: it does not start."""
    with pytest.raises(Misuse):
        held("v1.2")
