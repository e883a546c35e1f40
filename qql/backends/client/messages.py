"""Words of others in what QQL says: kept short, on one line, without secrets, and said once."""

from __future__ import annotations

import re
from functools import reduce
from threading import Lock

from qql.errors import LibraryError
from qql.late import late_pattern
from qql.records import dataclass, field
from qql.rest.types import Body

__all__ = [
    "MAX_TEXT",
    "Notes",
    "Secrets",
    "excerpt",
    "is_secret_header",
    "one_line",
    "text_of",
]

MAX_EXCERPT = 200  # characters of an unexpected answer that a message shows
MAX_TEXT = 4000  # characters of a server's own message that are shown


def one_line(text: str, width: int) -> str:
    """One line of printable characters, cut at ``width``."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * width]).split())
    return line if len(line) <= width and len(text) <= 2 * width else f"{line[:width]}…"


def excerpt(text: str) -> str:
    """The beginning of a text that might be anything."""
    return one_line(text, MAX_EXCERPT)


def text_of(exc: object) -> str:
    """What an exception or a warning says; the name of its type where it says nothing."""
    return one_line(str(exc), MAX_TEXT) or type(exc).__name__


_SECRET = late_pattern(r"key|token|auth|secret|cookie", re.I)
_SHORTEST_SECRET = 4  # what is shorter protects nothing, and would blot out parts of words


def is_secret_header(name: str) -> bool:
    """Whether a header of this name carries a key, a token or the like."""
    return _SECRET.search(name) is not None


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys and tokens that nothing shown may hold, the longest first: one might be part of another."""

    words: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, options: Body) -> Secrets:
        """The API key (``api_key``), and the values of ``headers`` that carry something of the kind."""
        headers = options.get("headers") or {}
        values = [options.get("api_key"), *(headers[name] for name in headers if is_secret_header(name))]
        words = {word for value in values if value for word in (value, *value.split())}
        return cls(tuple(sorted((w for w in words if len(w) >= _SHORTEST_SECRET), key=len, reverse=True)))

    def scrub(self, text: str) -> str:
        """The text with ``***`` in place of each secret."""
        return reduce(lambda scrubbed, secret: scrubbed.replace(secret, "***"), self.words, text)

    def safe_cause(self, exc: BaseException | None) -> LibraryError | None:
        """The cause to chain in place of what a library raised."""
        if exc is None:
            return None
        raised = getattr(exc, "source", exc)  # qdrant-client wraps what httpx raises
        return LibraryError(self.scrub(f"{type(raised).__name__}: {text_of(raised)}"))


class Notes:
    """What a session is told beside the results: each sentence once, none with a secret in it."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._known: set[str] = set()
        self._waiting: list[str] = []
        self._lock = Lock()

    def add(self, sentence: str) -> None:
        """Keep a sentence for the next `take`, unless it was kept before."""
        sentence = self._secrets.scrub(sentence)
        with self._lock:
            if sentence not in self._known:
                self._known.add(sentence)
                self._waiting.append(sentence)

    def take(self) -> list[str]:
        """The sentences since the last call of this."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken
