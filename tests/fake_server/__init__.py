"""A Qdrant server for tests: REST and gRPC on the embedded engine, as any version from 1.12 on.

`FakeServer` is what tests use. Requests go the whole way: through the client, over a socket, in the words of
the transport (`messages_in`, `messages_out`), and are then carried out by `engine`, which both sides share.
"""

from __future__ import annotations

from .server import Call, FakeServer

__all__ = ["Call", "FakeServer"]
