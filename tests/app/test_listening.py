"""The address of the pages: had before anything is promised, or refused in one line."""

from __future__ import annotations

import socket

import pytest

from app.listening import bound_socket, url_of
from judge.errors import UsageError


def test_a_free_port_is_told() -> None:
    with bound_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener) == f"http://127.0.0.1:{port}/"
        assert listener.proto == socket.IPPROTO_TCP  # else every answer is 40 ms late


def test_ipv6_has_its_brackets() -> None:
    try:
        listener = bound_socket("::1", 0)
    except UsageError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_a_port_in_use_is_refused() -> None:
    with bound_socket("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127.0.0.1 port {port}: Address already in use"):
            bound_socket("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_a_host_that_is_not_here_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on {host}"):
        bound_socket(host, 0)
