"""A served model behind nginx and the gate: refused in a pause, open streams cut, and closed however the gate fails."""

import contextlib
import json
import signal
import time

import httpx
import pytest

from tests.integration.asking_rig import detente, pause, solo
from tests.integration.node_rig import free_ports
from tests.integration.serving_rig import (
    SHORT_LIVES,
    STOPS_RELEASES,
    Stream,
    gate,
    has_nginx,
    model_server,
    nginx,
    printed_config,
    wait_for_leave,
    wait_until,
)

needs_nginx = pytest.mark.skipif(not has_nginx(), reason="no nginx: apt-get install nginx-light")


def lift(home):
    done = detente("lift", "--as", "safety-team", home=home)
    assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def rig(tmp_path, home, *more):
    """A model, the gate, nginx: yields the gate, nginx's URL, and what the model was asked."""
    (port,) = free_ports(1)
    with (
        model_server() as (model_port, asked),
        gate(home, model_port, *more) as made,
        nginx(tmp_path / "nginx", printed_config(made.port, made.relay, port), port) as url,
    ):
        yield made, url, asked


@needs_nginx
def test_a_pause_refuses_new_requests_and_cuts_what_is_open(tmp_path):
    """Allowed; in the pause 503 with the reason and the stream ends in an error; after the lift allowed again."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    with rig(tmp_path, home) as (made, url, asked):
        wait_for_leave(made)
        assert httpx.get(f"{url}/v1/models").text == "answered"
        assert httpx.post(f"{url}/v1/completions", content=b"x" * 5_000).status_code == 200
        stream = Stream(f"{url}/stream")
        pause(home)
        wait_until(lambda: stream.ended)
        assert stream.ended in {"RemoteProtocolError", "ReadError"}
        before = list(asked)
        refused = httpx.post(f"{url}/v1/completions", content=b"x" * 5_000)
        assert refused.status_code == 503
        assert "vote" in refused.headers["x-detente-reason"]
        assert refused.json()["error"]["code"] == "detente_held"
        assert httpx.get(f"http://127.0.0.1:{made.relay}/v1/models").status_code == 503
        assert asked == before
        lift(home)
        wait_for_leave(made)
        assert httpx.get(f"{url}/v1/models").text == "answered"


@needs_nginx
def test_a_gate_that_hangs_or_is_gone_is_closed(tmp_path):
    """Stopped: nginx answers 500 and the open stream stands still. Killed: 500, and the stream ends in an error."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    with rig(tmp_path, home) as (made, url, asked):
        wait_for_leave(made)
        stream = Stream(f"{url}/stream")
        made.process.send_signal(signal.SIGSTOP)
        before, began = list(asked), time.monotonic()
        assert httpx.get(f"{url}/v1/models", timeout=60).status_code == 500
        assert time.monotonic() - began < 10  # nginx waits for 0.2 s; the rest is this machine's.
        assert asked == before
        made.process.kill()
        wait_until(lambda: stream.ended)
        assert stream.ended in {"RemoteProtocolError", "ReadError"}
        assert httpx.get(f"{url}/v1/models", timeout=60).status_code == 500
        assert asked == before


@needs_nginx
def test_leave_lapses_by_itself_where_nobody_renews_it(tmp_path):
    """The home is out of reach: within the permit's life everything is refused and cut."""
    home = solo(tmp_path / "home", STOPS_RELEASES, SHORT_LIVES)
    with rig(tmp_path, home) as (made, url, _asked):
        wait_for_leave(made)
        stream = Stream(f"{url}/stream")
        (home / "config.toml").rename(home / "config.gone")
        (home / "node.db").rename(home / "node.gone")
        wait_until(lambda: stream.ended)
        wait_for_leave(made, held=False)
        assert httpx.get(f"{url}/v1/models").status_code == 503


def test_nobody_who_answers_is_no_leave(tmp_path):
    """Without a home the gate runs and refuses, and its relay passes nothing on."""
    with model_server() as (model_port, asked), gate(tmp_path / "nowhere", model_port) as made:
        wait_for_leave(made, held=False)
        wait_until(
            lambda: b"init" in httpx.get(f"http://127.0.0.1:{made.port}/leave").headers["x-detente-reason"].encode()
        )
        answered = httpx.post(f"http://127.0.0.1:{made.relay}/v1/models", content=b"y" * 200_000)
        assert (answered.status_code, answered.json()["error"]["type"]) == (503, "service_unavailable")
        assert asked == []


def test_observing_refuses_nothing_and_keeps_a_record(tmp_path):
    """In a pause the stream goes on and requests are answered; what would have been done is a line, marked as not enforced."""
    home = solo(tmp_path / "home", STOPS_RELEASES)
    with model_server() as (model_port, _asked), gate(home, model_port, "--observe") as made:
        stream = Stream(f"http://127.0.0.1:{made.relay}/stream")
        record = home / "observe.jsonl"
        wait_until(lambda: record.exists() and "permitted" in record.read_text())
        pause(home)
        wait_until(lambda: "would have" in record.read_text())
        pieces = stream.pieces
        wait_until(lambda: stream.pieces > pieces + 5)
        assert httpx.get(f"http://127.0.0.1:{made.port}/leave").status_code == 204
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert [line["enforced"] for line in lines] == [False] * len(lines)
        assert any("open streams" in line.get("what", "") for line in lines)
