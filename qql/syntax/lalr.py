"""Grammar → LALR(1) tables. The only file that knows Lark.

A wheel carries the tables as JSON (`hatch_build.py` makes them), so that nothing is built when a program
starts; a checkout, whose grammar may change at any time, builds them when they are first needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from qql.syntax.tables import Tables

__all__ = ["build", "grammar_text", "load"]

ROOTS = ("start", "stage")
_FILE = "tables.json"


def grammar_text() -> str:
    """The packaged grammar, or the checkout's where the package is run from one."""
    packaged = files("qql").joinpath("qql.lark")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parent.parent.parent / "grammar" / "qql.lark").read_text(encoding="utf-8")


def load(builder: object, noted: Mapping[str, Callable[..., Any]]) -> Tables:
    """The tables of this package's grammar; the methods of ``builder`` that rules name make their values."""
    text = grammar_text()
    packaged = files("qql").joinpath(_FILE)
    if packaged.is_file():
        data = json.loads(packaged.read_text(encoding="utf-8"))
        if data["grammar"] == _fingerprint(text):
            return Tables(data, builder, noted)
    return Tables(build(text), builder, noted)


def _fingerprint(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def build(text: str) -> dict[str, Any]:
    """The tables of a grammar as JSON data. Raises Lark's ``GrammarError`` for a grammar at fault."""
    from lark import Lark
    from lark.lexer import Lexer
    from lark.parsers.lalr_analysis import Shift

    class Unused(Lexer):
        """Keeps Lark from building lexers: the terminals are cut by `qql.syntax.lexer`."""

        def __init__(self, conf: Any) -> None: ...

        def lex(self, *_: Any) -> Any:
            raise AssertionError("the text is cut by qql.syntax.lexer")

    lark = Lark(text, parser="lalr", lexer=Unused, start=list(ROOTS), maybe_placeholders=True)
    table = cast(Any, lark.parser).parser._parse_table
    rules = list(lark.rules)
    number = {rule: index for index, rule in enumerate(rules)}
    symbols = {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "str"}
    words = {name: value for name, value in symbols.items() if value.isidentifier()}
    labels = {name: f"`{value}`" for name, value in symbols.items()} | words
    labels |= {
        "NAME": "a name",
        "STRING": "a string",
        "NUMBER": "a number",
        "PARAM": "a parameter",
        "COMPARISON": "a comparison",
        "$END": "the end of the statement",
    }
    names = sorted({str(symbol) for row in table.states.values() for symbol in row})
    index = {name: number for number, name in enumerate(names)}
    described = [_rule(rule) for rule in rules]
    return {
        "grammar": _fingerprint(text),
        "symbols": names,
        "states": [
            "".join(
                chr(index[str(symbol)]) + chr(2 * to if action is Shift else 2 * number[to] + 1)
                for symbol, (action, to) in row.items()
            )
            for _, row in sorted(table.states.items())
        ],
        "kept": sorted(
            {
                str(rule.expansion[place].name)
                for rule, (_, _, how) in zip(rules, described, strict=True)
                for place, _ in how["take"]
                if place >= 0 and rule.expansion[place].is_term
            }
        ),
        "rules": described,
        "start": dict(table.start_states),
        "end": dict(table.end_states),
        "keywords": sorted(words.values()),
        "labels": labels,
        "first": _first(rules),
    }


def _first(rules: list[Any]) -> dict[str, list[str]]:
    """The terminals that each rule can begin with. (No rule of ours is empty but by its whole absence.)"""
    found: dict[str, set[str]] = {str(rule.origin.name): set() for rule in rules}
    growing = True
    while growing:
        growing = False
        for rule in rules:
            here = found[str(rule.origin.name)]
            size = len(here)
            for symbol in rule.expansion[:1]:
                here |= {str(symbol.name)} if symbol.is_term else found[str(symbol.name)]
            growing = growing or len(here) > size
    return {name: sorted(terminals) for name, terminals in found.items()}


def _rule(rule: Any) -> list[Any]:
    """What Lark's tree builder would do with a rule: filtered terminals, spliced rules, placeholders."""
    name = str(rule.origin.name)
    missing = list(rule.options.empty_indices or ()) or [False] * len(rule.expansion)
    take: list[tuple[int, bool]] = []
    taken = 0
    for empty in missing:
        if empty:
            take.append((-1, False))
            continue
        symbol = rule.expansion[taken]
        if not (symbol.is_term and symbol.filter_out):
            take.append((taken, not symbol.is_term and symbol.name.startswith("_")))
        taken += 1
    make = None if name.startswith("_") else str(rule.alias or name)
    single = bool(rule.options.expand1 and not rule.alias)
    return [name, len(rule.expansion), {"make": make, "single": single, "take": take}]
