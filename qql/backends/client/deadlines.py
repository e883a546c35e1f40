"""One end to all that a call does over REST: connecting, sending, waiting, reading, and trying again.

An HTTP library's timeouts begin anew with each piece that arrives, so an answer that drips would never be
late. Here every wait of a socket ends where the call has to end.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import httpcore
import httpx

__all__ = ["Deadline", "current_deadline", "keep_deadlines", "monotonic", "within"]

_MIB = 2**20


class Deadline:
    """When a call has to end. ``seconds`` from now; None: never.

    With ``generous``, each MiB that arrives gives a second more: much takes longer than little.
    """

    def __init__(self, seconds: float | None, *, generous: bool = False) -> None:
        self._end = None if seconds is None else monotonic() + seconds
        self._generous = generous

    def left(self) -> float | None:
        """Seconds that are left, not below 0; None: without end."""
        return None if self._end is None else max(self._end - monotonic(), 0)

    def shorter(self, seconds: float | None) -> float | None:
        """A timeout within what is left."""
        left = self.left()
        return seconds if left is None else left if seconds is None else min(seconds, left)

    def arrived(self, size: int) -> None:
        """To be told of the bytes of an answer."""
        if self._generous and self._end is not None:
            self._end += size / _MIB


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def current_deadline() -> Deadline | None:
    """The deadline that is being kept to."""
    return _current.get()


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """All that is sent and read in here, through a client of `keep_deadlines`, ends by the deadline."""
    before = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(before)


def keep_deadlines(client: httpx.Client) -> None:
    """Has the sockets of a client keep to `within`.

    httpx hands no network backend through to httpcore, which takes one: it is put in where httpx keeps it. A
    transport of another kind (a test's) stays as it is.
    """
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if isinstance(backend, httpcore.NetworkBackend) and not isinstance(backend, _Backend):
            pool._network_backend = _Backend(backend)


def _time_for(timeout: float | None, late: type[Exception]) -> float | None:
    """What a wait may take; raises ``late`` where the time is over."""
    deadline = _current.get()
    if deadline is None:
        return timeout
    allowed = deadline.shorter(timeout)
    if allowed is not None and allowed <= 0:
        raise late("the time is over")
    return allowed


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _time_for(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        timeout = _time_for(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, _time_for(timeout, httpcore.ReadTimeout))
        if (deadline := _current.get()) is not None:
            deadline.arrived(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _time_for(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _time_for(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
