"""Why a Python value is none of the language's."""

from __future__ import annotations

__all__ = ["NoJson"]


class NoJson(Exception):
    """Why a value is no JSON: the message, and what may be given instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
