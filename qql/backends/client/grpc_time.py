"""The time that a call over gRPC has.

Most methods of `QdrantClient` give every call the client's own timeout, so the time is set below them.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import grpc
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.connection import (
    create_generic_async_client_interceptor,
    create_generic_client_interceptor,
)

from .grpc_costs import heard

__all__ = ["keep_time", "seconds_left"]

seconds_left: ContextVar[float | None] = ContextVar("seconds_left", default=None)
"""Seconds that a call has through a client that `keep_time` was told of; None: no end."""


def keep_time(client: QdrantClient | AsyncQdrantClient) -> None:
    """Has each call of a client over gRPC end by `seconds_left`. Its channels are made, not opened."""
    remote: Any = client._client
    remote._init_grpc_channel()
    if isinstance(client, AsyncQdrantClient):
        for channel in remote._grpc_channel_pool:  # which take interceptors when they are made only
            channel._unary_unary_interceptors.append(create_generic_async_client_interceptor(_timed_async))
        return
    timed = create_generic_client_interceptor(_timed)
    remote._grpc_channel_pool = [grpc.intercept_channel(one, timed) for one in remote._grpc_channel_pool]


async def _timed_async(details: Any, requests: Any, *_streams: bool) -> tuple[Any, Any, None]:
    return details._replace(timeout=seconds_left.get()), requests, None


def _timed(details: Any, requests: Any, *_streams: bool) -> tuple[Any, Any, Any]:
    return details._replace(timeout=seconds_left.get()), requests, heard
