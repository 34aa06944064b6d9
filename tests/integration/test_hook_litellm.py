"""LiteLLM's own proxy in a pause: every route refused before the model, every open stream ended."""

import json
import threading

import httpx
import pytest

from tests.integration.asking_rig import detente, pause, solo
from tests.integration.litellm_rig import CREATE, HEADERS, RESPOND, TALK, THINKS, Socket, litellm_proxy, needs_litellm
from tests.integration.node_rig import free_ports
from tests.integration.serving_rig import SHORT_LIVES, STOPS_RELEASES, has_nginx, nginx, wait_until
from tests.integration.serving_rig import Stream as Streamed

pytestmark = needs_litellm
CHAT = {"model": "lm", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
ROUTES = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/completions": {"model": "lm", "prompt": "hello"},
    "/v1/embeddings": {"model": "lm", "input": "hello"},
    "/v1/messages": CHAT,
    "/v1/responses": {"model": "lm", "input": "hello"},
    "/engines/lm/chat/completions": CHAT,
    "/raw": {"hello": "there"},
}
BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
LINE = b'{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "lm", "messages": []}}'
STORED = {
    "POST /v1/files": {"files": {"file": ("batch.jsonl", LINE)}, "data": {"purpose": "batch"}},
    "GET /v1/files": {},
    "GET /v1/files/file-1": {},
    "GET /v1/files/file-1/content": {},
    "POST /v1/batches": {"json": BATCH},
    "GET /v1/batches": {},
    "GET /v1/batches/batch_1": {},
}
"""What LiteLLM hands on to a provider that keeps files and runs batches."""
CANCEL = "POST /v1/batches/batch_1/cancel"
STREAMS = ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses")


class Stream:
    """An open stream, read in a thread to its end."""

    def __init__(self, url, route, **more):
        self.pieces = b""
        self.ended = False
        self.status = 0
        self._thread = threading.Thread(
            target=self._read, args=(url + route, {**ROUTES[route], "stream": True, **more}), daemon=True
        )
        self._thread.start()

    def _read(self, url, body):
        try:
            with httpx.stream("POST", url, json=body, headers=HEADERS, timeout=120) as response:
                self.status = response.status_code
                for piece in response.iter_raw():
                    self.pieces += piece
        except httpx.HTTPError as error:
            self.pieces += repr(error).encode()
        self.ended = True


def post(proxy, route, **more):
    return httpx.post(proxy.url + route, json={**ROUTES[route], **more}, headers=HEADERS, timeout=120)


def say(proxy, what, **more):
    method, path = what.split()
    return httpx.request(method, proxy.url + path, headers=HEADERS, timeout=120, **more)


def test_a_pause_refuses_every_route_and_ends_every_stream(tmp_path):
    """Allowed before and after; in the pause 503 with the reason, the model not asked, and each stream ends in an error that says so."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    with litellm_proxy(tmp_path / "proxy", home) as proxy:
        assert proxy.process.poll() is None, proxy.log.read_text()[-3_000:]
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 200)
        answered = {route: post(proxy, route).status_code for route in ROUTES}
        assert answered == dict.fromkeys(ROUTES, 200), proxy.log.read_text()[-3_000:]
        streams = {route: Stream(proxy.url, route) for route in STREAMS}
        wait_until(lambda: all(len(each.pieces) > 500 for each in streams.values()))
        assert not any(each.ended for each in streams.values())
        pause(home)
        wait_until(lambda: all(each.ended for each in streams.values()))
        tails = {route: each.pieces[-600:] for route, each in streams.items()}
        assert [route for route, tail in tails.items() if b"1 vote of safety" not in tail] == [], tails
        before = list(proxy.asked)
        refused = {route: post(proxy, route) for route in ROUTES}
        assert {route: each.status_code for route, each in refused.items()} == dict.fromkeys(ROUTES, 503)
        assert "1 vote of safety" in refused["/v1/messages"].text
        assert {route: post(proxy, route, stream=True).status_code for route in STREAMS} == dict.fromkeys(STREAMS, 503)
        assert proxy.asked == before
        done = detente("lift", "--as", "safety-team", home=home)
        assert done.returncode == 0, done.stderr.decode()
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 200)


def test_a_pause_ends_what_litellm_shows_its_callbacks_no_pieces_of(tmp_path):
    """A stream that is passed through, an answer that is awaited, a WebSocket: each ends with the reason; and no WebSocket begins in a pause."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    with litellm_proxy(tmp_path / "proxy", home) as proxy:
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 200)
        passed, talk = Stream(proxy.url, "/raw"), Socket(proxy.url, TALK)
        respond, silent = Socket(proxy.url, RESPOND, CREATE), Socket(proxy.url, RESPOND)
        wait_until(lambda: len(passed.pieces) > 500 and talk.pieces > 5 and respond.pieces > 5 and silent.head)
        asked = len(proxy.asked)
        awaited = Stream(
            proxy.url, "/v1/chat/completions", stream=False, messages=[{"role": "user", "content": THINKS}]
        )
        wait_until(lambda: len(proxy.asked) > asked)
        pause(home)
        wait_until(lambda: all(each.ended for each in (passed, talk, respond, silent, awaited)))
        assert (awaited.status, b"1 vote of safety" in awaited.pieces) == (503, True), awaited.pieces
        assert b"event: error" in passed.pieces[-600:]
        assert b"1 vote of safety" in passed.pieces[-600:]
        assert b"RemoteProtocolError" in passed.pieces[-600:]
        for each in (talk, respond, silent):
            assert (1013).to_bytes(2, "big") + b"call: 1 vote of safety" in each.tail, each.tail
        before = list(proxy.asked)
        for path in (TALK, RESPOND):
            refused = Socket(proxy.url, path, CREATE)
            wait_until(lambda refused=refused: refused.ended)
            assert b" 403 " in refused.head.partition(b"\r\n")[0]
        assert proxy.asked == before
        assert httpx.get(f"{proxy.url}/health/liveliness").status_code == 200


def test_in_a_pause_files_and_batches_are_held_and_a_batch_can_be_cancelled(tmp_path):
    """Nothing is sent, asked about or fetched; what ends a batch that runs at its provider goes on. Nor does LiteLLM's own check of its models call one."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    with litellm_proxy(tmp_path / "proxy", home) as proxy:
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 200)
        answered = {what: say(proxy, what, **more).status_code for what, more in STORED.items()}
        assert answered == dict.fromkeys(STORED, 200), proxy.log.read_text()[-3_000:]
        pause(home)
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 503)
        before = list(proxy.asked)
        refused = {what: say(proxy, what, **more) for what, more in STORED.items()}
        assert {what: each.status_code // 100 for what, each in refused.items()} == dict.fromkeys(STORED, 5)
        assert "1 vote of safety" in refused["GET /v1/files/file-1/content"].text
        checked = say(proxy, "GET /health").json()
        assert (checked["healthy_count"], proxy.asked) == (0, before)
        assert say(proxy, CANCEL).json()["status"] == "cancelling"
        assert proxy.asked == [*before, "batches/batch_1/cancel"]


@pytest.mark.skipif(not has_nginx(), reason="no nginx: apt-get install nginx-light")
def test_behind_nginx_a_body_that_was_ended_does_not_read_as_whole(tmp_path):
    """A stream that is passed through ends in an error for nginx's client, whether nginx asks by HTTP/1.0, its old default, or by 1.1."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    places = {port: f"127.0.0.1:{port}" for port in free_ports(2)}
    with litellm_proxy(tmp_path / "proxy", home) as proxy:
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 200)
        servers = "".join(
            f"server {{ listen {place}; proxy_http_version {version}; proxy_set_header Connection ''; "
            f"location / {{ proxy_pass {proxy.url}; proxy_buffering off; }} }}\n"
            for place, version in zip(places.values(), ("1.0", "1.1"), strict=True)
        )
        with nginx(tmp_path / "nginx", servers, max(places)):
            streams = [
                Streamed(f"http://{place}/raw", method="POST", json={"stream": True}, headers=HEADERS)
                for place in places.values()
            ]
            pause(home)
            wait_until(lambda: all(each.ended for each in streams))
            assert [each.ended for each in streams] == ["RemoteProtocolError", "RemoteProtocolError"]
            assert all(b"event: error" in each.tail and b"1 vote of safety" in each.tail for each in streams)


def test_leave_lapses_by_itself_and_nobody_who_answers_is_none(tmp_path):
    """Without a home every route is refused from the start; a home that goes out of reach ends a stream within the permit's life."""
    home = solo(tmp_path / "home", STOPS_RELEASES, SHORT_LIVES)
    with litellm_proxy(tmp_path / "nowhere", tmp_path / "no-home") as proxy:
        assert {post(proxy, route).status_code for route in ROUTES} == {503}
        assert proxy.asked == []
    with litellm_proxy(tmp_path / "proxy", home) as proxy:
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 200)
        stream = Stream(proxy.url, "/v1/chat/completions")
        wait_until(lambda: len(stream.pieces) > 500)
        (home / "config.toml").rename(home / "config.gone")
        (home / "node.db").rename(home / "node.gone")
        wait_until(lambda: stream.ended)
        wait_until(lambda: post(proxy, "/v1/chat/completions").status_code == 503)


def test_observing_refuses_nothing_and_keeps_a_record(tmp_path):
    """In a pause everything is answered; what would have been done is a line, marked as not enforced."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    pause(home)
    with litellm_proxy(tmp_path / "proxy", home, observe=True) as proxy:
        assert post(proxy, "/v1/chat/completions").status_code == 200
        record = home / "observe.jsonl"
        wait_until(lambda: record.exists() and "would have" in record.read_text())
        assert {json.loads(line)["enforced"] for line in record.read_text().splitlines()} == {False}


def test_a_callback_that_does_not_import_starts_no_proxy(tmp_path):
    """LiteLLM ends: a gate that is misspelled, or whose version is none, does not leave an open proxy behind."""
    with litellm_proxy(tmp_path / "proxy", tmp_path / "home", callback="detente_gate_gone.gate") as proxy:
        assert proxy.process.poll() is not None
