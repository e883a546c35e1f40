"""What the prompt says to somebody who has not been here before."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["greeting", "is_first_start"]


def greeting() -> list[str]:
    """Five lines of at most 79 characters: the sample collection, and what to try on it."""
    return [
        r"New here? \demo makes a sample collection of thirty short texts. Then try",
        "  QUERY 'help in an emergency' FROM demo USING dense LIMIT 3;",
        "  QUERY HYBRID 'how birds cross the sea' FROM demo WHERE year >= 2021;",
        "  FACET topic FROM demo;",
        r"\h QUERY explains a statement; what is typed ends with ; and Enter.",
    ]


def is_first_start(history: Path | None) -> bool:
    """Whether the prompt has never kept anything in its ``history``; False where it keeps none."""
    try:
        return history is not None and not history.exists()
    except OSError:
        return False
