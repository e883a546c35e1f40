"""Text that a terminal may be shown: nothing in it can drive the terminal, and colours are ours alone."""

from __future__ import annotations

import math
import os
import re
from functools import cache

from qql.late import late_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    from typing import TextIO

__all__ = ["can_encode", "json_text", "paint", "sanitize", "wants_color"]

# Controls (C0, DEL, C1), line and paragraph separators, bidi marks, embeddings, overrides and isolates,
# invisible characters whose width terminals do not agree on, tags, and lone surrogates. Joiners (U+200C,
# U+200D) and variation selectors stay: Persian, Hindi and emoji need them.
_UNSAFE = late_pattern(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What JSON may leave raw inside a string, and a terminal must not see.
_JSON_UNSAFE = late_pattern("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MOST_BITS = 13_000  # of integers that Python writes, whatever the number of digits is set to
_STYLES = {"error": "1;31", "warning": "1;33", "advice": "1;35", "help": "36", "faint": "2", "bold": "1"}


def sanitize(text: str, *, newline: str | None = None) -> str:
    """The text with all that could drive a terminal written as a visible escape (``\\x1b``, ``\\u202e``).

    A line end becomes ``\\n`` written out, or ``newline`` where that is given.
    """
    if newline is None:
        return _sanitized(text)
    return newline.join(map(_sanitized, text.replace("\r\n", "\n").split("\n")))


def _sanitized(text: str) -> str:
    # Most texts are plain, and the pattern takes long to compile; no character in it can be printed.
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if code < 0x100:
        return _SHORT_ESCAPES.get(char) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(value: object, *, ascii_only: bool = False, indent: int | None = None) -> str:
    """JSON that reads back as the same value: integers in full, floats by ``repr``, text as it is.

    Control and bidi characters are written as ``\\uXXXX``, which is the same string to a JSON reader. JSON
    has no NaN and no infinity: they become the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``. So do
    integers of more digits than Python writes (4,300).
    """
    try:
        text = _encoder(ascii_only, indent).encode(value)
    except ValueError:
        return json_text(_writable(value), ascii_only=ascii_only, indent=indent)
    if text.isascii() and "\x7f" not in text:
        return text
    return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@cache
def _encoder(ascii_only: bool, indent: int | None) -> json.JSONEncoder:
    import json

    separators = (",", ":") if indent is None else (",", ": ")
    return json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, indent=indent, separators=separators)


def _writable(value: object) -> object:
    """The value with a text for each number that cannot be written."""
    match value:
        case dict():
            return {key: _writable(item) for key, item in value.items()}
        case list() | tuple():
            return [_writable(item) for item in value]
        case int() if value.bit_length() > _MOST_BITS:
            from decimal import Decimal

            return str(Decimal(value))
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value


def paint(text: str, style: str, color: bool) -> str:
    """The text in one of our styles (``error``, ``faint``, …), or as it is without colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text else text


def wants_color(file: TextIO) -> bool:
    """Whether to colour what goes to this file: a terminal that is not dumb, and NO_COLOR is not set."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_encode(file: TextIO, text: str) -> bool:
    """Whether the file's encoding has all characters of the text."""
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
