"""The embedded engine: Qdrant's own, in this process, with its data in a directory."""

from __future__ import annotations

from .backend import EdgeBackend

__all__ = ["EdgeBackend"]
