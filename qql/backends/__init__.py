"""Engines. Each module here is the only importer of its engine's library."""

from __future__ import annotations

from qql.backends.base import Backend, Progress

__all__ = ["Backend", "Progress"]
