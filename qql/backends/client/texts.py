"""Words of others in messages: one line of printable characters, not too long."""

from __future__ import annotations

__all__ = ["EXCERPT", "TEXT", "clean", "excerpt", "text_of"]

EXCERPT = 200  # characters of an unexpected answer that a message shows
TEXT = 4000  # characters of a server's own message that are shown


def clean(text: str, width: int) -> str:
    """One line of printable characters, cut at ``width``."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * width]).split())
    return line if len(line) <= width and len(text) <= 2 * width else f"{line[:width]}…"


def excerpt(text: str) -> str:
    return clean(text, EXCERPT)


def text_of(exc: object) -> str:
    """What an exception or a warning says; the name of its type where it says nothing."""
    return clean(str(exc), TEXT) or type(exc).__name__
