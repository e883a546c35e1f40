"""One regular expression for all texts of a shape: it tells them from others, and cuts their literals.

To look for literals in a text takes ten times as long as to find what stands between them where it was
before. What a pattern matches is the text that it was made of, with other literals of the same kinds in the
places of holes: the parser reads the same of it, so that the plan is the same. It matches fewer texts than
are of the shape: strings in which quotes are doubled, numbers of many digits and the like are for others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence

from qql.compiler.guards import PASSED_BY, is_any_text
from qql.compiler.templates import Template
from qql.rest.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Read", "list_of", "reader"]

Read = Callable[[str], "list[Request] | None"]
"""Makes the requests of a text of its shape; None for all other texts, and where a value does not fit."""

_LONGEST = 4096
"""Characters of a pattern, at most: it takes eight bytes for each."""

_HEX = "[0-9a-fA-F]"
# 18 digits fit 64 bits in any case, and two of an exponent a double.
_NUMBER = r"[0-9]{1,18}+(?:\.[0-9]{1,40}+)?+(?:[eE][+-]?[0-9]{1,2}+)?+"
_HOLES = {
    "'": r"'(?![0-9a-fA-F{uU][0-9a-fA-F:rRnNuUiIdD-]{30})([^'\\]++)'",  # and no UUID
    "u": f"'({_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}})'",
    "0": f"({_NUMBER})",
    "-": f"(-{_NUMBER})",
    "[": r"(\[\s*+-?[0-9][^\]]*+\])",  # what is no list of numbers is found when that is read
}
"""What may stand in a hole, by the kind of its literal. A string has at least one character."""


def reader(
    shape: Sequence[str], literals: Sequence[str], fixed: Collection[int], template: Template
) -> Read | None:
    """What reads texts of a shape: the kinds of literals, and what stands between them. ``fixed`` are the
    numbers of those that are no holes.

    None for a shape whose pattern would be long, or has two literals that touch: they could be read as one.
    """
    kinds, *between = shape
    if not all(between[1:-1]):
        return None
    parts = [re.escape(between[0])]
    for number, (literal, after) in enumerate(zip(literals, between[1:], strict=True)):
        parts += [f"({re.escape(literal)})" if number in fixed else _HOLES[kinds[number]], re.escape(after)]
    pattern = "".join(parts)
    if len(pattern) > _LONGEST:
        return None
    match = re.compile(pattern).fullmatch
    holes = [number for number in range(len(literals)) if number not in fixed]
    numbers = tuple([number for number in holes if kinds[number] == "0"])
    others = tuple([(number, _VALUES[kinds[number]]) for number in holes if kinds[number] in _VALUES])
    guards = tuple(
        [(key, fits) for key, fits in template.guards if kinds[key] not in PASSED_BY.get(fits, "")]
    )
    lists, make = template.lists, template.make

    def read(text: str) -> list[Request] | None:
        found = match(text)
        if found is None or not (text.isascii() or is_any_text(text)):
            return None
        values: list[Any] = [*found.groups()]
        for place in numbers:
            literal = values[place]
            values[place] = int(literal) if literal.isdigit() else float(literal)
        for place, value_of in others:
            try:
                values[place] = value_of(values[place])
            except ValueError:
                return None
        for key, fits in guards:
            if not fits(values[key]):
                return None
        for keys, fits in lists:
            if not fits([values[key] for key in keys]):
                return None
        return make(values)

    return read


def _negative(literal: str) -> int | float:
    return int(literal) if literal[1:].isdigit() else float(literal)


_decoded = json.JSONDecoder().raw_decode  # without a look for white space around it
_LONG_LIST = 1024  # characters of a list for which it is worth to import orjson


def list_of(literal: str) -> list[Any]:
    """The list of numbers that a literal is. Raises `ValueError` for what is no JSON, or holds texts."""
    found: list[Any]
    if '"' in literal:
        raise ValueError(literal)
    if len(literal) >= _LONG_LIST:
        import orjson

        found = orjson.loads(literal)
        if literal.count(".") == len(found):  # of integers that are too long it would make floats
            return found
    found, _ = _decoded(literal)
    return found


_VALUES: dict[str, Callable[[str], Any]] = {"-": _negative, "[": list_of}
