"""JSON as documents write it: with comments, `...`, and commas that are missing or too many."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

from qql.late import late_pattern
from qql.records import NamedTuple
from qql.rest.shapes import below
from qql.rest.types import Json, JsonObject

__all__ = ["MAX_DEPTH", "JsonFault", "Read", "fits", "read_json"]

MAX_DEPTH = 400
"""Levels of JSON; what nests deeper, no statement can say."""


class JsonFault(ValueError):
    """What is wrong with a text that should be JSON, and the character where it is."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Read(NamedTuple):
    """A value of JSON, the character behind it, and the places where the text says ``...``."""

    value: Json
    end: int
    left_out: tuple[str, ...] = ()


def fits(value: float) -> bool:
    """Whether a statement can say a number: an integer of 64 bits, or a double that is finite."""
    return -(1 << 63) <= value < 1 << 64 if isinstance(value, int) else math.isfinite(value)


def read_json(text: str, at: int) -> Read:
    """The JSON at a place of a text. Raises `JsonFault`, and `RecursionError` where it nests too deep."""
    try:
        return Read(*_STRICT.raw_decode(text, at))
    except json.JSONDecodeError:
        return _Loose(text).read(at)
    except _BadJson as exc:
        raise JsonFault(str(exc), at) from exc


# ------------------------------------------------------------------------------------ JSON


class _BadJson(ValueError):
    """What Python's JSON reader would take, and JSON does not."""


def _no_number(word: str) -> Json:
    raise _BadJson(f"{word} is no number of JSON")


def _integer(digits: str) -> int:
    if len(digits) < 25 and fits(value := int(digits)):
        return value
    raise _BadJson(f"{digits[:40]} does not fit 64 bits")


def _float(digits: str) -> float:
    if fits(value := float(digits)):
        return value
    raise _BadJson(f"{digits[:40]} is larger than any double")


def _twice(key: str) -> str:
    return f"the key {json.dumps(key)} stands twice in one object"


def _once(pairs: list[tuple[str, Json]]) -> JsonObject:
    found: JsonObject = {}
    for key, value in pairs:
        if key in found:
            raise _BadJson(_twice(key))
        found[key] = value
    return found


_STRICT = json.JSONDecoder(
    parse_constant=_no_number, parse_int=_integer, parse_float=_float, object_pairs_hook=_once
)

# ------------------------------------------------------------------------------------ what is near to it

_SPACE = late_pattern(r"(?:\s+|//[^\n]*|#[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)*")
_ELISION = late_pattern(r"\.\.\.+|…")
_NUMBER = late_pattern(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_WORD = late_pattern(r"[A-Za-z_]\w*", re.ASCII)
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}


class _Loose:
    """A reader that takes comments and `...` for nothing, and needs no commas."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.left_out: list[str] = []

    def read(self, at: int) -> Read:
        value, end = self.value(self.skip(at), "", 0)
        return Read(value, end, tuple(dict.fromkeys(self.left_out)))

    def skip(self, pos: int) -> int:
        found = _SPACE.match(self.text, pos)
        return found.end() if found else pos

    def value(self, pos: int, place: str, level: int) -> tuple[Json, int]:
        if level > MAX_DEPTH:
            raise RecursionError
        match self.text[pos : pos + 1]:
            case "{":
                found: JsonObject = {}
                return found, self.members(pos, "}", place, lambda at: self.member(at, found, place, level))
            case "[":
                items: list[Json] = []
                return items, self.members(pos, "]", place, lambda at: self.item(at, items, place, level))
            case '"':
                return self.string(pos)
        return self.plain(pos)

    def members(self, pos: int, closing: str, place: str, read: Callable[[int], int]) -> int:
        """Reads what stands between two brackets, one by one; gives the character behind the second."""
        start, pos = pos, self.skip(pos + 1)
        while not self.text.startswith(closing, pos):
            if elision := _ELISION.match(self.text, pos):
                self.left_out.append(place or "the body")
                pos = self.skip(elision.end())
            elif pos >= len(self.text):
                raise JsonFault(f"this is no JSON: `{self.text[start]}` is never closed", start)
            else:
                pos = self.skip(read(pos))
            if self.text.startswith(",", pos):
                pos = self.skip(pos + 1)
        return pos + 1

    def member(self, pos: int, found: JsonObject, place: str, level: int) -> int:
        if self.text[pos] != '"':
            raise JsonFault("this is no JSON: a key in double quotes is required", pos)
        key, end = self.string(pos)
        if key in found:
            raise JsonFault(_twice(key), pos)
        end = self.skip(end)
        if not self.text.startswith(":", end):
            raise JsonFault("this is no JSON: a colon is required behind a key", end)
        found[key], end = self.value(self.skip(end + 1), below(place, key), level + 1)
        return end

    def item(self, pos: int, items: list[Json], place: str, level: int) -> int:
        value, end = self.value(pos, f"{place}[{len(items)}]", level + 1)
        items.append(value)
        return end

    def string(self, pos: int) -> tuple[str, int]:
        try:
            value, end = _STRICT.raw_decode(self.text, pos)
        except json.JSONDecodeError as exc:
            raise JsonFault(f"this is no JSON: {exc.msg}", exc.pos) from exc
        return value, end

    def plain(self, pos: int) -> tuple[Json, int]:
        """A number, true, false or null."""
        if (number := _NUMBER.match(self.text, pos)) and not _WORD.match(self.text, number.end()):
            try:
                value = (_float if number[1] or number[2] else _integer)(number[0])
            except _BadJson as exc:
                raise JsonFault(str(exc), pos) from exc
            return value, number.end()
        word = _WORD.match(self.text, pos)
        if word and word[0] in _WORDS:
            return _WORDS[word[0]], word.end()
        if elision := _ELISION.match(self.text, pos):
            raise JsonFault(f"`{elision[0]}` stands for a value that is needed here", pos)
        raise JsonFault("this is no JSON: a value is required", pos)
