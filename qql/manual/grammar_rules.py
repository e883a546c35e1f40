"""The rules of ``grammar/qql.lark`` as data, for synopses and tests.

The grammar is read as text, so neither Lark nor its tables are needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

from qql.late import late_pattern
from qql.records import dataclass
from qql.syntax.lalr import grammar_text

__all__ = ["RulePart", "aliases", "alternatives", "keywords", "rules"]

Kind = Literal["literal", "symbol", "sequence", "choice", "optional", "repeat"]


@dataclass(frozen=True, slots=True)
class RulePart:
    """A piece of a rule.

    ``text`` is a literal's text, a symbol's name, or the sign (``*``, ``+``) of a repetition. The ``parts``
    of a choice are its alternatives, each a sequence, with ``alias`` for what such an alternative makes. An
    optional part and a repetition have one part.
    """

    kind: Kind
    text: str = ""
    parts: tuple[RulePart, ...] = ()
    alias: str = ""


_RULE = late_pattern(r"^[?]?([a-z_]\w*):((?:.|\n[ ]+)*)", re.M)
_KEYWORD = late_pattern(r'^([A-Z_]+): "([^"]+)"', re.M)
_TOKEN = late_pattern(r'"([^"]*)"|(->\s*\w+)|([A-Za-z_]\w*)|([()\[\]|?*+])')
_Tokens = Iterator[tuple[str, str, str, str]]
"""Matches of `_TOKEN`: a literal, an alias with its arrow, a symbol or a sign, the others being empty."""


@cache
def rules() -> dict[str, RulePart]:
    """The rules of the grammar by name, each one a choice of its alternatives."""
    text = re.sub(r"(?m)\s//.*$|^//.*$", "", grammar_text())
    return {name: _parse_choice(iter(_TOKEN.findall(body))) for name, body in _RULE.findall(text)}


@cache
def aliases() -> dict[str, tuple[RulePart, ...]]:
    """The alternatives that make something else than their rule does, by what they make."""
    found: dict[str, tuple[RulePart, ...]] = {}
    for rule in rules().values():
        for one in rule.parts:
            if one.alias:
                found[one.alias] = (*found.get(one.alias, ()), one)
    return found


@cache
def keywords() -> dict[str, str]:
    """The words of the terminals that are one word, by the terminal's name."""
    return dict(_KEYWORD.findall(grammar_text()))


def alternatives(rule: str) -> list[str]:
    """The rules, or the aliases, that a rule chooses from; rules with a `?` are looked through."""
    found: list[str] = []
    for one in rules()[rule].parts:
        if one.alias:
            found.append(one.alias)
        elif len(one.parts) == 1 and one.parts[0].kind == "symbol" and one.parts[0].text in rules():
            found.append(one.parts[0].text)
    return found


def _parse_choice(tokens: _Tokens) -> RulePart:
    """The alternatives up to the bracket that closes them, or to the end."""
    found: list[RulePart] = []
    row: list[RulePart] = []
    alias = ""
    for literal, arrow, symbol, sign in tokens:
        if literal:
            row.append(RulePart("literal", literal))
        elif arrow:
            alias = arrow.removeprefix("->").strip()
        elif symbol:
            row.append(RulePart("symbol", symbol))
        elif sign in "([":
            inside = _parse_choice(tokens)
            row.append(RulePart("optional", parts=(inside,)) if sign == "[" else inside)
        elif sign in "?*+":
            row.append(RulePart("optional" if sign == "?" else "repeat", sign, (row.pop(),)))
        else:
            found.append(RulePart("sequence", parts=tuple(row), alias=alias))
            row, alias = [], ""
            if sign != "|":
                return RulePart("choice", parts=tuple(found))
    found.append(RulePart("sequence", parts=tuple(row), alias=alias))
    return RulePart("choice", parts=tuple(found))
