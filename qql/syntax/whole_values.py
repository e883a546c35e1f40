"""Arrays and objects that are read at once, without the grammar: JSON, and objects with bare keys.

The grammar says what such values mean. Whatever is out of the ordinary in one (a parameter, a comment, a key
that is there twice, a number that does not fit) is left to it, and so is every error.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from functools import cache

from qql.errors import QQLSyntaxError
from qql.late import late_pattern
from qql.syntax.lexer import LEAST, MAX_NESTING, MOST, Token, string_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    from typing import Any, NoReturn

    from qql.underway import Counter

__all__ = ["ValueReader"]

_Match = Callable[[str, int], "re.Match[str] | None"]
Read = tuple["Any", int]
"""A value, and where it ends."""


class _NotWhole(Exception):
    """The value needs the grammar: it is no JSON, or has a fault to be reported."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise _NotWhole  # a key is there twice
    return out


def _no_constant(_: str) -> NoReturn:
    raise _NotWhole  # NaN and the infinities


@cache
def _decoder() -> json.JSONDecoder:
    import json

    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, strict=False)


_BEGINS_JSON = re.compile(r"""\{\s*+["}]|\[\s*+["\[{\]\-0-9tfn]""").match
_FLOATS = {float}
_INFINITE = (math.inf, -math.inf)
_LARGE = 2.0**63
"""orjson makes a float of an integer from here on."""
_LONG_TEXT = 65_536  # characters of a text for which it is worth to import orjson
_LONG_VALUE = 256  # characters of a value that orjson reads sooner than `json`, with all that is checked then
_KEY = late_pattern(r'"\s*+:')
_PAIR = r"""
    \s*+
    (?: ([A-Za-z_][A-Za-z0-9_]*+) | '([^'\\]*+)' | "([^"\\]*+)" ) \s*+ : \s*+
    (?: '([^'\\]*+)'(?!')
      | (-?[0-9]{1,18}+)(?![A-Za-z_$0-9.])
      | (-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)(?![A-Za-z_$0-9.])
      | "([^"\\]*+)"(?!")
      | ((?i:true|false|null))(?![A-Za-z_$0-9.\[])
      | ([\[{])
      | ((?!'''|\""") (?: '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.)*+" ))
    )
    """
_TEXT, _INTEGER, _NUMBER, _TEXT_2, _WORD, _OPENING, _ESCAPED = range(4, 11)

_TEXTS = (_TEXT, _TEXT_2)
_END = late_pattern(r"\s*+,?\s*+\}")
_WORDS = {"true": True, "false": False, "null": None}
_MOST_BARE = 20  # levels of objects with bare keys that are read at once; deeper ones are rare
_GIVEN_UP = 1000  # characters that a failure counts for, of which nobody knows where it is


@cache
def _pairs() -> tuple[_Match, _Match]:
    """What matches the first pair of an object, and a further one. Compiled where there is one to read."""
    flags = re.VERBOSE | re.DOTALL
    return re.compile(r"\{" + _PAIR, flags).match, re.compile(r"\s*+," + _PAIR, flags).match


def _patience(pos: int) -> int:
    """How many characters may have been read in vain up to a place, so that the work grows with the text."""
    return 4 * pos + 10_000


class _Document(str):
    """A text for the JSON decoder, whose errors count the lines before their place; nobody reads that."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        return 0

    def rfind(self, *_: object) -> int:
        return 0


def _counter(text: str) -> Counter | None:
    """What counts the rows of a text that is long enough for somebody to wait for it."""
    if len(text) < _LONG_TEXT:
        return None
    from qql.underway import counter

    return counter("reading rows")


class ValueReader:
    """Reads the arrays and objects of a text, wherever they stand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._document: _Document | None = None
        self._wasted = 0
        self._wasted_long = 0
        self._count = _counter(text)

    def read(self, pos: int, depth: int = 0) -> Read | None:
        """The array or object at pos and where it ends; None where the grammar has to read it.

        ``depth`` is how many of them are open there.
        """
        if self._count is not None and depth == 0:
            self._count(pos / len(self._text))
        # What is given up is read again, from each bracket inside of it. That must not be much.
        if self._wasted > _patience(pos):
            return None
        try:
            if _BEGINS_JSON(self._text, pos):
                return self._read_json(pos)
            if self._text[pos] == "{" and depth < MAX_NESTING - _MOST_BARE:
                return self._read_object(pos, _MOST_BARE)
        except (ValueError, _NotWhole, QQLSyntaxError, RecursionError):
            pass
        return None

    # -- JSON

    def _read_json(self, pos: int) -> Read:
        if self._wasted_long <= _patience(pos) and (len(self._text) >= _LONG_TEXT or "orjson" in sys.modules):
            return self._read_long(pos) or self._read_short(pos)
        return self._read_short(pos)

    def _read_short(self, pos: int) -> Read:
        """By Python's own decoder, which finds the end by itself and lets each object be checked."""
        import json

        text = self._text
        if self._document is None:
            self._document = _Document(text)
        try:
            value, end = _decoder().raw_decode(self._document, pos)
        except json.JSONDecodeError as exc:
            self._wasted += exc.pos - pos
            raise
        except (_NotWhole, RecursionError):
            self._wasted += _GIVEN_UP
            raise
        if type(value) is list and {*map(type, value)} == _FLOATS and math.isfinite(sum(value)):
            return value, end  # a vector, as most are
        if text.find("\\u", pos, end) >= 0:
            json.dumps(value, ensure_ascii=False).encode()  # refuses half of an escaped pair
        if not _numbers_fit(value):
            self._wasted += end - pos
            raise _NotWhole
        brackets = text.count("[", pos, end) + text.count("{", pos, end)
        if brackets > MAX_NESTING and _depth(value) > MAX_NESTING:
            raise _NotWhole
        return value, end

    def _read_long(self, pos: int) -> Read | None:
        """By orjson; None where the value is short, or something needs a closer look."""
        end = self._end_of(pos)
        if end - pos < _LONG_VALUE:
            self._wasted_long += 0 if end > pos else len(self._text) - pos
            return None
        try:
            import orjson
        except ModuleNotFoundError:  # a compiler that stands alone does without
            return None

        text = self._text
        try:
            value = orjson.loads(text[pos:end])
            keys, levels = _keys_and_levels(value)
        except (orjson.JSONDecodeError, _NotWhole):
            self._wasted_long += end - pos
            return None
        # Of two equal keys orjson takes the last. Each has a colon behind it, as nothing else outside texts.
        twice = keys != text.count(":", pos, end) and keys != len(_KEY.findall(text, pos, end))
        if twice or levels > MAX_NESTING:
            self._wasted_long += end - pos
            return None
        return value, end

    def _end_of(self, pos: int) -> int:
        """Where the brackets are closed that open at pos; anywhere from pos on if there are some in texts."""
        text = self._text
        opening, closing = ("{", "}") if text[pos] == "{" else ("[", "]")
        end, still_open = pos, 0
        while True:
            begin, end = end, text.find(closing, end) + 1
            if end == 0:
                return pos
            still_open += text.count(opening, begin, end) - 1
            if still_open == 0:
                return end

    # -- objects with bare keys

    def _read_object(self, pos: int, levels: int) -> Read:
        text = self._text
        out: dict[str, Any] = {}
        count, at = 0, pos
        match, next_pair = _pairs()
        while (found := match(text, at)) is not None:
            match = next_pair
            kind = found.lastindex or 0
            value: Any = found[kind]
            at = found.end()
            if kind == _INTEGER:
                value = int(value)
            elif kind == _OPENING:
                value, at = self._read_inside(at - 1, levels - 1)
            elif kind not in _TEXTS:
                value = _scalar(kind, value)
            key = found[1]
            out[key if key is not None else found[2] or found[3] or ""] = value
            count += 1
        end = _END.match(text, at)
        if end is None or len(out) != count:
            self._wasted += at - pos
            raise _NotWhole
        return out, end.end()

    def _read_inside(self, pos: int, levels: int) -> Read:
        """An array or an object inside an object."""
        if _BEGINS_JSON(self._text, pos):
            return self._read_json(pos)
        if levels == 0 or self._text[pos] == "[":
            raise _NotWhole
        return self._read_object(pos, levels)


def _scalar(kind: int, text: str) -> object:
    """What the text of a value is worth."""
    if kind == _WORD:
        return _WORDS[text.lower()]
    if kind == _ESCAPED:
        return string_value(Token("STRING", text, 0, len(text)))
    number = float(text)
    if text.lstrip("-").isdigit() or number in _INFINITE:
        raise _NotWhole  # it might not fit
    return number


def _keys_and_levels(value: Any) -> tuple[int, int]:
    """How many keys there are in the objects of a value that orjson made, and how deep it nests.

    Raises `_NotWhole` where a number is so large that it may have been an integer.
    """
    keys, levels, todo = 0, 0, [value]
    while todo:
        levels += 1
        inside: list[Any] = []
        for item in todo:
            if isinstance(item, dict):
                keys += len(item)
                inside += item.values()
            elif isinstance(item, list):
                # Vectors are long, so numbers are looked at as a whole.
                if item and not (isinstance(item[0], (float, int)) and _all_small(item)):
                    inside += item
            elif isinstance(item, float) and not -_LARGE < item < _LARGE:
                raise _NotWhole
        todo = inside
    return keys, levels


def _all_small(items: list[Any]) -> bool:
    """Whether a list holds numbers alone, and none as large as an integer that does not fit."""
    try:
        return bool(max(items) < _LARGE and min(items) > -_LARGE)
    except TypeError:  # not numbers alone
        return False


def _numbers_fit(value: Any) -> bool:
    """Whether every number of a JSON value is what `number_value` would have read."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list):
            kinds = {*map(type, item)}
            # Vectors are long, so lists of one kind of number are looked at as a whole.
            fit = (kinds == {float} and math.isfinite(sum(item))) or (
                kinds == {int} and min(item) >= LEAST and max(item) <= MOST
            )
            if not fit:
                todo += item
        elif isinstance(item, int):
            if not LEAST <= item <= MOST:
                return False
        elif item in _INFINITE:
            return False
    return True


def _depth(value: Any) -> int:
    """How deep lists and dicts nest."""
    level, todo = 0, [value]
    while todo:
        level += 1
        inside: list[Any] = []
        for item in todo:
            if isinstance(item, dict):
                inside += [v for v in item.values() if isinstance(v, (dict, list))]
            else:
                inside += [v for v in item if isinstance(v, (dict, list))]
        todo = inside
    return level
