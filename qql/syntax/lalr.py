"""Grammar → LALR(1) tables. The only file that knows Lark.

A wheel carries the tables (`hatch_build.py` makes them), so that nothing is built when a program starts. A
checkout, whose grammar may change at any time, builds them when they are first needed, and keeps them in its
``build/``. They are written as `marshal` writes plain lists and strings in its format 4, which every Python
reads since 3.4; what cannot be read is built anew.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Mapping

from qql.late import cast
from qql.syntax.tables import Maker, Tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["PACKED", "build", "grammar_text", "load", "packed"]

ROOTS = ("start", "stage", "lone_condition")
PACKED = "tables.bin"
"""The file of the tables in a wheel."""
_FORMAT = 4
_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - pathlib takes longer than all of this


def grammar_text() -> str:
    """The packaged grammar, or the checkout's where the package is run from one."""
    packaged = _packaged("qql.lark")
    if packaged is not None:
        return packaged.decode()
    with open(_checkout_grammar(), encoding="utf-8") as file:  # noqa: PTH123 - as above
        return file.read()


def _checkout_grammar() -> str:
    return os.path.join(os.path.dirname(_PACKAGE), "grammar", "qql.lark")  # noqa: PTH118, PTH120 - as above


def _packaged(name: str) -> bytes | None:
    """A file of the package, which may lie in an archive; None where there is none."""
    loader: Any = __spec__.loader if __spec__ else None
    try:
        return cast(bytes, loader.get_data(os.path.join(_PACKAGE, name)))  # noqa: PTH118 - as above
    except OSError:
        return None


def load(builder: Maker, noted: Mapping[str, Callable[..., Any]]) -> Tables:
    """The tables of this package's grammar; the methods of ``builder`` that rules name make their values."""
    text = grammar_text()
    data = _unpacked(_packaged(PACKED), text) or _kept(text)
    if data is None:
        data = build(text)
        _keep(data)
    return Tables(data, builder, noted)


def packed(data: dict[str, Any]) -> bytes:
    """Tables as they are kept in a file."""
    return marshal.dumps(data, _FORMAT)


def _unpacked(content: bytes | None, text: str) -> dict[str, Any] | None:
    """The tables in a file; None where they are of another grammar, or not to be read."""
    if content is None:
        return None
    try:
        data = marshal.loads(content)
        return cast("dict[str, Any]", data) if data["grammar"] == text else None
    except (ValueError, EOFError, TypeError, KeyError):
        return None


def _kept_name() -> str:
    return os.path.join(os.path.dirname(_PACKAGE), "build", PACKED)  # noqa: PTH118, PTH120 - as above


def _kept(text: str) -> dict[str, Any] | None:
    """The tables that a checkout built before, from the same grammar by the same version of this module."""
    try:
        with open(_kept_name(), "rb") as file:  # noqa: PTH123 - as above
            data = _unpacked(file.read(), text)
    except OSError:
        return None
    return data if data and data.get("by") == _version() else None


def _version() -> list[int]:
    """Changes with this module."""
    found = os.stat(__file__)  # noqa: PTH116 - as above
    return [found.st_mtime_ns, found.st_size]


def _keep(data: dict[str, Any]) -> None:
    """Keeps tables that a checkout built; nothing where it cannot be written to."""
    from contextlib import suppress
    from pathlib import Path
    from tempfile import NamedTemporaryFile

    if not Path(_checkout_grammar()).is_file():
        return
    target = Path(_kept_name())
    with suppress(OSError):
        target.parent.mkdir(exist_ok=True)
        with NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(packed({**data, "by": _version()}))
        Path(file.name).replace(target)


def build(text: str) -> dict[str, Any]:
    """The tables of a grammar as JSON data. Raises Lark's ``GrammarError`` for a grammar at fault."""
    from qql.missing import needed_for

    with needed_for("a grammar whose tables are not kept"):
        from lark import Lark
        from lark.lexer import Lexer
        from lark.parsers.lalr_analysis import Shift

    class Unused(Lexer):
        """Keeps Lark from building lexers: the terminals are cut by `qql.syntax.lexer`."""

        def __init__(self, conf: Any) -> None: ...

        def lex(self, *_: Any) -> Any:
            raise AssertionError("the text is cut by qql.syntax.lexer")

    lark = Lark(text, parser="lalr", lexer=Unused, start=list(ROOTS), maybe_placeholders=True)
    table = cast("Any", lark.parser).parser._parse_table
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
        "grammar": text,
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
                for rule, (_, _, *how) in zip(rules, map(str.split, described), strict=True)
                for place in (int(one.rstrip("*")) for one in how[2:])
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


def _first(rules: list[Any]) -> dict[str, str]:
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
    return {name: " ".join(sorted(terminals)) for name, terminals in found.items()}


def _rule(rule: Any) -> str:
    """What Lark's tree builder would do with a rule: filtered terminals, spliced rules, placeholders.

    In words: what the rule stands for, how many symbols it takes, what makes its value (``-``: nothing),
    whether an only child is handed on (``?``), and the kept symbols, each as its index (-1: the place of an
    optional part that is missing) with a ``*`` where its value is spliced into this one's.
    """
    name = str(rule.origin.name)
    missing = list(rule.options.empty_indices or ()) or [False] * len(rule.expansion)
    take: list[str] = []
    taken = 0
    for empty in missing:
        if empty:
            take.append("-1")
            continue
        symbol = rule.expansion[taken]
        if not (symbol.is_term and symbol.filter_out):
            spliced = not symbol.is_term and symbol.name.startswith("_")
            take.append(f"{taken}*" if spliced else f"{taken}")
        taken += 1
    make = "-" if name.startswith("_") else str(rule.alias or name)
    single = "?" if rule.options.expand1 and not rule.alias else "-"
    return " ".join([name, f"{len(rule.expansion)}", make, single, *take])
