"""A Qdrant server (REST or gRPC), or qdrant-client's local mode."""

from __future__ import annotations

from .backend import ClientBackend

__all__ = ["ClientBackend"]
