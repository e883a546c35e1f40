"""A suggestion, and how its text is written: in the case and the quotes that are being typed."""

from __future__ import annotations

from qql.late import late_pattern
from qql.records import NamedTuple

__all__ = ["MOST", "Suggestion", "cased", "quoted_name", "quoted_text"]

MOST = 200
"""Suggestions that are given at most."""
_PLAIN = late_pattern(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\[\])?(?:\.[A-Za-z_$][A-Za-z0-9_$]*(?:\[\])?)*")


class Suggestion(NamedTuple):
    """What may stand at the cursor.

    ``text`` goes in the place of what is between ``start`` and the cursor. ``shown`` is how a list shows it,
    ``kind`` says what it is (keyword, collection, vector, field, …), ``about`` describes it in some words.
    """

    text: str
    start: int
    kind: str
    about: str = ""
    shown: str = ""


def cased(keyword: str, typed: str, before: str) -> str:
    """A keyword in the case of what is typed; where nothing is, in that of the statement's first word."""
    model = typed if any(map(str.isalpha, typed)) else before
    return keyword.lower() if model.islower() else keyword


def quoted_name(name: str, quote: str = "") -> str:
    """A name as it is written: plain where it can be, else in backticks or quotes.

    Behind a ``quote`` that is typed already, its rest with the quote that ends it.
    """
    if quote:
        return _escaped(name, quote) + quote
    if _PLAIN.fullmatch(name):
        return name
    return f"`{name}`" if "`" not in name else quoted_text(name)


def quoted_text(text: str, quote: str = "") -> str:
    """A text as it is written, in single quotes; behind a ``quote`` that is typed, the rest of it."""
    if quote:
        return _escaped(text, quote) + quote
    return "'" + _escaped(text, "'") + "'"


def _escaped(text: str, quote: str) -> str:
    if quote == "`":
        return text
    if quote == "'":
        text = text.replace("\\", "\\\\").replace("'", "''")
    elif quote == '"':
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
