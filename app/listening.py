"""The socket on which the pages are served, bound before anything is promised."""

from __future__ import annotations

import socket

from judge.errors import UsageError


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket of that address; port 0 takes a free one.

    Raises:
        UsageError: when the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol: asyncio sends at once (TCP_NODELAY) only where the socket names it, and
        # an answer of two parts would wait 40 ms for the browser to acknowledge the first.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another one (--port)"
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL under which a browser reaches the socket."""
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
