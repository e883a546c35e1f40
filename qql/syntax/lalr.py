"""Grammar → LALR(1) tables. The only file that knows Lark.

A wheel carries the tables as JSON (`hatch_build.py` makes them), so that nothing is built when a program
starts; a checkout, whose grammar may change at any time, builds them when they are first needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from qql.records import dataclass

__all__ = ["Rule", "Tables", "build", "grammar_text", "load"]

ROOTS = ("start", "stage")
_FILE = "tables.json"


@dataclass(frozen=True, slots=True)
class Rule:
    """One production: what it stands for, how many symbols it takes off the stack, what it makes of them."""

    origin: str
    size: int
    build: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, slots=True)
class Tables:
    """``actions[state][symbol]`` is the next state (an int) or the rule to reduce by.

    ``labels`` are the terminals as messages name them, ``first`` the terminals that a rule can begin with.
    """

    actions: list[dict[str, int | Rule]]
    start: dict[str, int]
    end: dict[str, int]
    keywords: frozenset[str]
    labels: dict[str, str]
    first: dict[str, frozenset[str]]


def grammar_text() -> str:
    """The packaged grammar, or the checkout's where the package is run from one."""
    packaged = files("qql").joinpath("qql.lark")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parent.parent.parent / "grammar" / "qql.lark").read_text(encoding="utf-8")


def load(builder: object) -> Tables:
    """The tables of this package's grammar; the methods of ``builder`` that rules name make their values."""
    text = grammar_text()
    packaged = files("qql").joinpath(_FILE)
    if packaged.is_file():
        data = json.loads(packaged.read_text(encoding="utf-8"))
        if data["grammar"] == _fingerprint(text):
            return _tables(data, builder)
    return _tables(build(text), builder)


def _fingerprint(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _tables(data: dict[str, Any], builder: object) -> Tables:
    rules = [Rule(origin, size, _build(how, builder)) for origin, size, how in data["rules"]]
    # A negative number stands for a rule: -1 for the first.
    actions = [
        {symbol: to if to >= 0 else rules[-1 - to] for symbol, to in row.items()} for row in data["states"]
    ]
    first = {name: frozenset(terminals) for name, terminals in data["first"].items()}
    return Tables(actions, data["start"], data["end"], frozenset(data["keywords"]), data["labels"], first)


def _build(how: dict[str, Any], builder: object) -> Callable[[Sequence[Any]], Any]:
    """The function from the values of a rule's symbols to its own.

    ``take`` are the kept symbols: pairs of an index (-1: the place of an optional part that is missing) and
    whether the value is spliced into this one's. A rule that makes nothing is spliced where it is used.
    """
    take = how["take"]

    def children(values: Sequence[Any]) -> list[Any]:
        kept: list[Any] = []
        for index, spliced in take:
            if index < 0:
                kept.append(None)
            elif spliced and not kept:
                kept = values[index]  # nobody else holds it, and a long chain is not copied at each link
            elif spliced:
                kept += values[index]
            else:
                kept.append(values[index])
        return kept

    if how["make"] is None:
        return children
    make = getattr(builder, how["make"], None)
    if how["single"]:  # a rule with `?` makes nothing of an only child
        if len(take) == 1 and take[0][0] >= 0 and not take[0][1]:
            only = take[0][0]
            return lambda values: values[only]
        if make is None:
            raise LookupError(f"nothing builds the rule {how['make']}")

        def single(values: Sequence[Any]) -> Any:
            kept = children(values)
            return kept[0] if len(kept) == 1 else make(*kept)

        return single
    if make is None:
        raise LookupError(f"nothing builds the rule {how['make']}")
    return lambda values: make(*children(values))


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
    number = {rule: -1 - index for index, rule in enumerate(rules)}
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
    return {
        "grammar": _fingerprint(text),
        "states": [
            {str(symbol): to if action is Shift else number[to] for symbol, (action, to) in row.items()}
            for _, row in sorted(table.states.items())
        ],
        "rules": [_rule(rule) for rule in rules],
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
