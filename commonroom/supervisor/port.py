"""The public port, held for the workers while they come and go."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from commonroom.errors import ConfigError

__all__ = ["reserved"]


@contextmanager
def reserved(host: str, port: int, *, alone: bool = True) -> Iterator[int]:
    """Keep the port bound, without listening: workers share it (SO_REUSEPORT, socket(7)), nobody else takes it.

    A socket that does not listen gets no connections, so none is lost here.

    Args:
        port: 0 picks a free one.
        alone: refuse a port on which another server listens, even one that would share it:
            its users would reach us by chance, and ours it.

    Yields: the port.

    Raises:
        ConfigError: the address is taken, or not ours.
    """
    try:
        with _bound(host, port, shared=not alone) as probe:
            port = probe.getsockname()[1]
        held = _bound(host, port, shared=True)
    except OSError as error:  # getaddrinfo's has a text of its own
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ConfigError(f"cannot listen on {host}:{port}: {(reason or str(error)).lower()}") from None
    with held:
        yield port


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bound to the first address of `host` the way asyncio binds its listeners."""
    family, kind, protocol, _, address = _first_address(host, port)
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _first_address(host: str, port: int) -> tuple[Any, ...]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
