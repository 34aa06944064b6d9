"""What nginx is told, and the configuration that goes with it."""

import asyncio
import json
import re

import pytest

from detente.base.errors import Misuse
from detente.hooks.relay import refusal_body
from detente.hooks.serving import HEADER, make_gate, nginx_config, parse_upstream, reason_header


class Leave:
    def __init__(self, why=""):
        self.why = why
        self.holds = not why

    def refusal(self):
        return self.why


def asked(leave, path="/leave", kind="http"):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(make_gate(leave)({"type": kind, "path": path, "method": "GET", "headers": []}, None, send))
    return sent


def test_leave_is_204_and_none_is_403_with_the_reason():
    """Nothing but these two, so that nginx never has to guess."""
    assert asked(Leave())[0]["status"] == 204
    start = asked(Leave("call: 1 vote"))[0]
    assert (start["status"], dict(start["headers"])[HEADER]) == (403, b"call: 1 vote")
    assert dict(start["headers"])[b"cache-control"] == b"no-store"


def test_another_path_is_no_leave():
    """A misspelled path must not read as an answer: 404 makes nginx answer 500."""
    assert asked(Leave(), "/")[0]["status"] == 404
    assert asked(Leave(), kind="websocket") == []


@pytest.mark.parametrize("why", ["a\r\nset-cookie: x", "“naïve”", "", "x" * 5_000, "\x00\x1b[31m"])
def test_a_reason_is_one_short_line_of_ascii(why):
    """Reasons quote what others wrote; a header must stay one."""
    header = reason_header(why)
    assert 0 < len(header) <= 200
    assert re.fullmatch(rb"[ -~]+", header)


def test_the_configuration_covers_the_whole_server_and_is_off_only_for_the_question_itself():
    """``auth_request`` stands at the server; the model is reached through the relay alone; every wait for the gate is bounded."""
    text = nginx_config(gate="127.0.0.1:1", relay="127.0.0.1:2", listen="127.0.0.1:3", within_ms=150)
    server = text[text.index("server {") : text.index("location /")]
    assert "auth_request /_detente;" in server
    off = [block for block in text.split("location ") if "auth_request off;" in block]
    assert [block.split(" {")[0] for block in off] == ["= /_detente", "@detente_held"]
    assert "internal;" in off[0]
    assert "satisfy" not in text
    assert re.findall(r"proxy_pass (\S+);", text) == ["http://detente_relay", "http://detente_gate/leave"]
    assert re.findall(r"proxy_(?:connect|send|read)_timeout (\S+);", text) == ["150ms"] * 3
    assert json.loads(re.search(r"return 503 '(.*)';", text)[1])["error"]["code"] == "detente_held"


def test_a_refusal_quotes_its_reason_as_json():
    """Whatever stands in it."""
    assert json.loads(refusal_body('a "quote"\n'))["error"]["message"] == 'a "quote"\n'


@pytest.mark.parametrize("given", ["", "8000", "host:", "host:0", "host:65536", "host:٣"])
def test_what_is_no_place_of_a_model_is_a_misuse(given):
    """Nothing is guessed."""
    with pytest.raises(Misuse):
        parse_upstream(given)
