"""Elements of a page as text: everything that comes from a query or a collection is escaped here."""

from __future__ import annotations

import html
import math
from unicodedata import east_asian_width

__all__ = ["columns_of", "cut", "number", "tag", "text_of"]


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; ``inside`` is markup. ``class_`` is its class, and in names `_` stands for `-`.

    Attributes that are None are left out, numbers have at most two places.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{''.join(inside)}</{name}>" if inside else f"<{name}{said}></{name}>"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return html.escape(str(value))


def text_of(value: object) -> str:
    """A text as markup. What no page may hold, as a NUL or half a surrogate pair, is shown by its number."""
    shown = "".join(
        one
        if one in "\n\t" or (one.isprintable() and not "\ud800" <= one <= "\udfff")
        else f"\\u{ord(one):04x}"
        for one in str(value)
    )
    return html.escape(shown)


def columns_of(text: str) -> int:
    """How wide a text is, in letters: those of Chinese and Japanese are as wide as two."""
    return sum(2 if east_asian_width(one) in "WF" else 1 for one in text)


def cut(text: str, most: int) -> str:
    """A text of at most so many letters' width; where some is left out, it ends with `…`."""
    text = " ".join(text.split())
    if columns_of(text) <= most:
        return text
    width, kept = 1, ""
    for one in text:
        width += columns_of(one)
        if width > most:
            break
        kept += one
    return kept.rstrip() + "…"


def number(value: float | None) -> str:
    """A score or a time in at most four digits: ``0.08772``, ``19.6``, ``1,000``."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"
