"""`read_executed` has moved to `qql.session.files`."""

from __future__ import annotations

from qql.session.files import read_executed

__all__ = ["read_executed"]
