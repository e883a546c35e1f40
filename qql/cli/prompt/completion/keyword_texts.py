"""What is said of a keyword beside it: the first sentence of its entry in the manual."""

from __future__ import annotations

from functools import cache

from qql.late import late_pattern

__all__ = ["about_keyword", "shortened"]

_LONGEST = 60
_SENTENCE = late_pattern(r"(?<=[.:;]) ")


@cache
def _texts() -> dict[str, str]:
    from qql.manual.entries import ENTRIES

    found: dict[str, str] = {}
    for entry in ENTRIES:
        said = shortened(entry.text)
        short = entry.name.removesuffix(" target").removesuffix(" block")
        for name in (entry.name, short):
            found.setdefault(name.upper(), said)
    return found


def about_keyword(phrase: str) -> str:
    """What the manual says of a keyword, cut to a line; "" where it has no entry of its own."""
    return _texts().get(phrase, "")


def shortened(text: str) -> str:
    """The first sentence of a text, or as much of it as a list has room for."""
    said = _SENTENCE.split(text.replace("`", ""), maxsplit=1)[0].rstrip(".:;")
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1].rsplit(" ", 1)[0] + "…"
