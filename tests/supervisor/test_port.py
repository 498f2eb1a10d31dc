"""The public port, held for the workers."""

import socket

import pytest

from commonroom.errors import ConfigError
from commonroom.supervisor.port import reserved


def _listener(port: int, *, shared: bool) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    listener.listen()
    return listener


def test_workers_share_a_held_port_and_nobody_else_gets_it() -> None:
    with reserved("127.0.0.1", 0) as port:
        with pytest.raises(OSError, match="in use"):
            _listener(port, shared=False)
        with _listener(port, shared=True), _listener(port, shared=True):
            pass
    _listener(port, shared=False).close()


def test_the_holder_takes_no_connections() -> None:
    with reserved("127.0.0.1", 0) as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with _listener(port, shared=True) as worker:
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
            for client in clients:
                worker.accept()[0].close()
                client.close()


@pytest.mark.parametrize("shared", [True, False])
def test_a_port_on_which_another_server_listens_is_refused(shared: bool) -> None:
    with _listener(0, shared=shared) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: address already in use"), reserved("127.0.0.1", port):
            pass


def test_a_port_may_be_shared_on_purpose() -> None:
    with _listener(0, shared=True) as other, reserved("127.0.0.1", other.getsockname()[1], alone=False):
        pass


@pytest.mark.parametrize("host", ["192.0.2.1", "nohost.invalid"])
def test_an_address_that_is_not_ours_is_told(host: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen on {host}:0: [a-z]"), reserved(host, 0):
        pass


def test_ipv6_is_held_like_ipv4() -> None:
    with reserved("::1", 0) as port, reserved("127.0.0.1", port):
        pass
