"""The drill's links really cut, drop and delay TCP on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from detente.app.drill.network import LOOPBACK, Network, free_ports


@pytest.fixture
def echo() -> Iterator[int]:
    server = socket.create_server((LOOPBACK, 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network(seed=1)
    yield network
    network.close()


def ask(port: int) -> bytes:
    with socket.create_connection((LOOPBACK, port), timeout=5) as client:
        client.sendall(b"hello")
        return client.recv(16)


def test_an_open_link_carries_traffic_both_ways(echo: int, network: Network) -> None:
    """A link is a wire until told otherwise."""
    (port,) = free_ports(1)
    network.link("dev-a>aud-1", port=port, target=echo)
    assert ask(port) == b"hello"


def test_a_cut_kills_what_is_established_and_refuses_what_is_new(echo: int, network: Network) -> None:
    """Cut off means cut off: no connection survives, and mending brings new ones back."""
    (port,) = free_ports(1)
    network.link("dev-a>aud-1", port=port, target=echo)
    with socket.create_connection((LOOPBACK, port), timeout=5) as client:
        client.sendall(b"one")
        assert client.recv(16) == b"one"
        assert network.cut("dev-a>") == 1
        with pytest.raises(ConnectionError):
            for _ in range(200):
                client.sendall(b"two")
                if client.recv(16) == b"":
                    raise ConnectionResetError
    with pytest.raises(ConnectionError):
        if ask(port) == b"":  # closed before it was asked: also no answer
            raise ConnectionResetError
    network.mend("dev-a>")
    assert ask(port) == b"hello"


def test_a_slow_link_delays_and_a_bad_one_drops(echo: int, network: Network) -> None:
    """Weather acts on the named links only."""
    slow, clear = free_ports(2)
    network.link("dev-a>aud-1", port=slow, target=echo)
    network.link("dev-b>aud-1", port=clear, target=echo)
    network.weather("dev-a>", delay_s=(0.1, 0.1), drop=0.0)
    began = time.monotonic()
    assert ask(slow) == b"hello"
    assert time.monotonic() - began >= 0.2
    network.weather("dev-a>", delay_s=(0.0, 0.0), drop=1.0)
    with pytest.raises(ConnectionError):
        if ask(slow) == b"":
            raise ConnectionResetError
    assert ask(clear) == b"hello"
    assert network.dropped == 1
