"""Text that a terminal may be shown: nothing in it can drive the terminal, and colours are ours alone."""

from __future__ import annotations

import contextlib
import math
import os
from functools import cache

from qql.late import late_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    from typing import TextIO

__all__ = [
    "can_encode",
    "guarded",
    "is_dumb",
    "json_text",
    "paint",
    "sanitize",
    "size_of_terminal",
    "wants_color",
]

# What JSON may leave raw inside a string, and even a file is better without.
_JSON_UNSAFE = late_pattern("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MOST_BITS = 13_000  # of integers that Python writes, whatever the number of digits is set to
_STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "advice": "1;35",
    "help": "36",
    "faint": "2",
    "bold": "1",
    "found": "1;33",
    "bar": "34",
    "below zero": "31",
}
_OUR_STYLES = late_pattern(r"\x1b\[(?:0|" + "|".join(dict.fromkeys(_STYLES.values())) + ")m")
_USUAL_WIDTH, _USUAL_HEIGHT = 80, 24  # of a terminal that does not say what it is like


def sanitize(text: str, *, newline: str | None = None) -> str:
    """The text with what could drive a terminal or hide in it as a visible escape (``\\x1b``, ``\\u202e``).

    A line end becomes ``\\n`` written out, or ``newline`` where that is given. `qql.visible` says what it is.
    """
    if newline is None:
        return _sanitized(text)
    return newline.join(map(_sanitized, text.replace("\r\n", "\n").split("\n")))


def _sanitized(text: str) -> str:
    if text.isascii() and text.isprintable():  # as most are, and the pattern takes long to compile
        return text
    from qql.visible import visible

    return visible(text)


def guarded(text: str, color: bool) -> str:
    """What is about to be written to a terminal: nothing drives it but our own colours, where there are any.

    Whoever made the text has taken care of that, or its widths were wrong; here is the end of the matter.
    """
    if text.isascii() and text.isprintable():
        return text
    parts = _OUR_STYLES.split(text) if color else [text]
    styles = [*(_OUR_STYLES.findall(text) if color else []), ""]
    return "".join(sanitize(part, newline="\n") + style for part, style in zip(parts, styles, strict=True))


def json_text(
    value: object,
    *,
    ascii_only: bool = False,
    indent: int | None = None,
    on_screen: bool = False,
    nulls: list[float] | None = None,
) -> str:
    """JSON that reads back as the same value: integers in full, floats by ``repr``, text as it is.

    Control and bidi characters are written as ``\\uXXXX``, which is the same string to a JSON reader; with
    ``on_screen`` all that a terminal must not see. JSON has no NaN and no infinity: they become null, and
    are added to ``nulls``. Integers of more digits than Python writes (4,300) become strings.
    """
    try:
        text = _encoder(ascii_only, indent).encode(value)
    except ValueError:
        text = _encoder(ascii_only, indent).encode(_writable(value, [] if nulls is None else nulls))
    if text.isascii() and "\x7f" not in text:
        return text
    if on_screen:
        from qql.visible import json_escape, visible

        return visible(text, json_escape)
    return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@cache
def _encoder(ascii_only: bool, indent: int | None) -> json.JSONEncoder:
    import json

    separators = (",", ":") if indent is None else (",", ": ")
    return json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, indent=indent, separators=separators)


def _writable(value: object, nulls: list[float]) -> object:
    """The value with null, or a text, for each number that cannot be written."""
    match value:
        case dict():
            return {key: _writable(item, nulls) for key, item in value.items()}
        case list() | tuple():
            return [_writable(item, nulls) for item in value]
        case int() if value.bit_length() > _MOST_BITS:
            from decimal import Decimal

            return str(Decimal(value))
        case float() if not math.isfinite(value):
            nulls.append(value)
            return None
    return value


def paint(text: str, style: str, color: bool) -> str:
    """The text in one of our styles (``error``, ``faint``, …), or as it is without colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text else text


def wants_color(file: TextIO) -> bool:
    """Whether to colour what goes to this file: a terminal that is not dumb, and NO_COLOR is not set."""
    return file.isatty() and not os.environ.get("NO_COLOR") and not is_dumb()


def is_dumb() -> bool:
    """Whether the terminal can do no more than write lines."""
    return os.environ.get("TERM") == "dumb"


def size_of_terminal(file: TextIO) -> tuple[int, int]:
    """Columns and lines: what COLUMNS and LINES say, or the terminal behind the file; else 80 and 24."""
    said = [os.environ.get(name, "") for name in ("COLUMNS", "LINES")]
    columns, lines = (int(text) if text.isdecimal() and int(text) < 100_000 else 0 for text in said)
    if not (columns and lines):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be no file at all
            found = os.get_terminal_size(file.fileno())
            columns, lines = columns or found.columns, lines or found.lines
    return columns or _USUAL_WIDTH, lines or _USUAL_HEIGHT


def can_encode(file: TextIO, text: str) -> bool:
    """Whether the file's encoding has all characters of the text."""
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
