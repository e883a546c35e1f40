"""One HTTP exchange by the client's own machinery, with an answer that is read as it comes and no further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from qdrant_client.http.api_client import ApiClient
from qdrant_client.http.exceptions import ResponseHandlingException

__all__ = ["MAX_ANSWER", "AnswerTooLarge", "BoundedClient", "unpacked"]

MAX_ANSWER = 256 * 2**20
"""Bytes of an answer, unpacked, beyond which it is read no further: few kilobytes may unpack to gigabytes."""


class AnswerTooLarge(Exception):
    """More than `MAX_ANSWER` bytes."""


class BoundedClient(ApiClient):
    """Sends through another client (its headers, TLS, limits and middleware); a large answer is refused."""

    def __init__(self, http: ApiClient) -> None:
        # Nothing is made anew: all is that of the other.
        self.host: Any = http.host
        self._client = http._client
        # That which it has then.
        self.middleware: Callable[[Any, Any], Any] = lambda request, send: http.middleware(request, send)

    def send_inner(self, request: httpx.Request) -> httpx.Response:
        """The response with all of its body.

        Raises `ResponseHandlingException` about whatever happened, as the client does.
        """
        try:
            response = self._client.send(request, stream=True)
            try:
                if _is_bounded(response):
                    response.read()
                    return response
                content = _whole(response)
            finally:
                response.close()
        except Exception as exc:
            raise ResponseHandlingException(exc) from exc
        return unpacked(response, content, request)


def unpacked(response: httpx.Response, content: bytes, request: httpx.Request) -> httpx.Response:
    """The response with a body that was read and unpacked."""
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _UNPACKED]
    return httpx.Response(response.status_code, headers=headers, content=content, request=request)


_UNPACKED = (b"content-encoding", b"content-length", b"transfer-encoding")
"""Headers that speak of the body as it was sent."""


def _is_bounded(response: httpx.Response) -> bool:
    """Whether an answer says its length, to which the library keeps, and is not packed."""
    length = response.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= MAX_ANSWER and "content-encoding" not in response.headers


def _whole(response: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_ANSWER:
            raise AnswerTooLarge
        parts.append(part)
    return b"".join(parts)
