"""Characters that a terminal would obey, or that nobody would see, written so that they are seen.

They are: controls (C0, DEL, C1); line and paragraph separators; marks, embeddings, overrides and isolates of
bidirectional text; what has no width or no ink (zero-width spaces and joiners, fillers, the empty braille
cell, soft hyphens, variation selectors, tags); lone surrogates; and what is no character at all.

Three of them stay where they do what they are for: joiners between letters of scripts that are written so
(Persian, Hindi) and between emoji, selectors of an emoji's form behind an emoji, those of Mongolian behind
its letters. Private and unassigned characters stay too: a terminal draws something for each.
"""

from __future__ import annotations

from collections.abc import Callable

from qql.late import late_pattern

__all__ = ["escape", "json_escape", "pieces", "visible"]

_HIDDEN = late_pattern(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINERS, _JOINER = "\u200c\u200d", "\u200d"
_FORMS = "\ufe0e\ufe0f"  # of an emoji: as a text, as a picture
_MONGOLIAN_FORMS = "\u180b\u180c\u180d"
_EMOJI = (
    *((0x1F000, 0x1FAFF), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x25A0, 0x27BF), (0x2900, 0x297F)),
    *((0x2B00, 0x2BFF), (0xA9, 0xA9), (0xAE, 0xAE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122)),
    *((0x2139, 0x2139), (0x3030, 0x3030), (0x303D, 0x303D), (0x3297, 0x3299)),
)
_JOINED = ((0x0620, 0x06FF), (0x0710, 0x0DFF), (0x0F00, 0x109F), (0x1780, 0x17B3), (0x1820, 0x18AF))
_MONGOLIAN = ((0x1820, 0x18AF),)


def visible(text: str, escaped: Callable[[str], str] | None = None) -> str:
    """The text with an escape (``\\x1b``, ``\\u202e``) in the place of each such character.

    ``escaped`` gives other ones, for each character.
    """
    if text.isascii() and text.isprintable():
        return text
    write = escaped or escape
    return _HIDDEN.sub(lambda found: found[0] if _stays(text, found.start()) else write(found[0]), text)


def pieces(text: str) -> list[str]:
    """What `visible` makes of each character of a text."""
    hidden = {found.start() for found in _HIDDEN.finditer(text) if not _stays(text, found.start())}
    return [escape(char) if at in hidden else char for at, char in enumerate(text)]


def escape(char: str) -> str:
    """A character as an escape: ``\\n``, ``\\x1b``, ``\\u202e``, ``\\U000e0041``."""
    code = ord(char)
    if code < 0x100:
        return _SHORT_ESCAPES.get(char) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_escape(char: str) -> str:
    """A character as JSON escapes it, which is the same text to who reads it; a line end as it is.

    For JSON that is complete: there a line end stands between values.
    """
    code = ord(char)
    if char == "\n":
        return char
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _stays(text: str, at: int) -> bool:
    """Whether a hidden character does there what it is for."""
    char, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if char in _JOINERS:
        if _among(before, _JOINED) and _among(after, _JOINED):
            return True
        shown = before if before not in _FORMS else text[at - 2 : at - 1]
        return char == _JOINER and _among(shown, _EMOJI) and _among(after, _EMOJI)
    if char in _FORMS:
        return _among(before, _EMOJI) or (after == "\u20e3" and before != "" and before in "#*0123456789")
    return char in _MONGOLIAN_FORMS and _among(before, _MONGOLIAN)


def _among(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return bool(char) and any(low <= ord(char) <= high for low, high in ranges)
