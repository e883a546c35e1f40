"""One HTTP exchange by the async client's own machinery, in a flow: as `exchange`, and with its own end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from qdrant_client.http.api_client import AsyncApiClient
from qdrant_client.http.exceptions import ResponseHandlingException

from .deadlines import Deadline, current_deadline
from .exchange import MAX_ANSWER, AnswerTooLarge, unpacked

__all__ = ["AwaitedClient"]

_AT_ONCE = 64
"""Requests that are under way together. The others wait here: in the library's pool, each of them would look
at each connection whenever one ends, and two hundred tasks took three times the work."""


class AwaitedClient(AsyncApiClient):
    """Sends through another client (its headers, TLS, limits and middleware); a large answer is refused."""

    def __init__(self, http: AsyncApiClient) -> None:
        # Nothing is made anew: all is that of the other.
        self.host: Any = http.host
        self._async_client = http._async_client
        # That which it has then.
        self.middleware: Callable[[Any, Any], Any] = lambda request, send: http.middleware(request, send)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def send_inner(self, request: httpx.Request) -> httpx.Response:
        """The response with all of its body.

        Raises `ResponseHandlingException` about whatever happened, as the client does.
        """
        deadline = current_deadline() or Deadline(None)
        try:
            try:
                async with asyncio.timeout(deadline.left()) as end, self._turns:
                    return await self._whole(request, deadline, end)
            except TimeoutError as exc:
                raise httpx.ReadTimeout("the time is over") from exc
        except Exception as exc:
            raise ResponseHandlingException(exc) from exc

    async def _whole(
        self, request: httpx.Request, deadline: Deadline, end: asyncio.Timeout
    ) -> httpx.Response:
        response = await self._async_client.send(request, stream=True)
        parts, size = [], 0
        try:
            async for part in response.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER:
                    raise AnswerTooLarge
                deadline.arrived(len(part))
                if (left := deadline.left()) is not None:
                    end.reschedule(asyncio.get_running_loop().time() + left)
        finally:
            await response.aclose()
        return unpacked(response, b"".join(parts), request)
