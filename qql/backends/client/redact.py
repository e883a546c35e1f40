"""Keys and tokens: what no message, note or traceback may show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

__all__ = ["Secrets"]

_SECRET = re.compile(r"key|token|auth|secret|cookie", re.I)
_SHORTEST_SECRET = 4  # what is shorter protects nothing, and would blot out parts of words


@dataclass(frozen=True, slots=True)
class Secrets:
    """The words that must not be shown, the longest first: one might hold another."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Secrets:
        """The API key (``api_key``), and the values of ``headers`` that carry something of the kind."""
        headers = options.get("headers") or {}
        values = [options.get("api_key"), *(value for name, value in headers.items() if _SECRET.search(name))]
        words = {word for value in values if value for word in (value, *value.split())}
        return cls(tuple(sorted((w for w in words if len(w) >= _SHORTEST_SECRET), key=len, reverse=True)))

    def scrub(self, text: str) -> str:
        """The text with ``***`` in place of each secret."""
        return reduce(lambda t, secret: t.replace(secret, "***"), self.words, text)

    def harmless(self, exc: BaseException | None) -> BaseException | None:
        """The cause to chain, or None where a traceback would show a secret."""
        seen = exc
        while seen is not None:
            shown = f"{seen!s} {seen!r}"
            if any(secret in shown for secret in self.words):
                return None
            seen = seen.__cause__ or seen.__context__
        return exc
