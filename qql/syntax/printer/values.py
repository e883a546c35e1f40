"""Values, names and options as text; and the table of what prints each kind of node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from qql import nodes
from qql.errors import Span
from qql.late import late_pattern
from qql.syntax.doc import HARD, LINE, SOFT, Anchor, Doc, Later, cat, group, join, nest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _Printer = TypeVar("_Printer", bound=Callable[..., Doc])

__all__ = [
    "anchored",
    "bracketed",
    "document",
    "key_text",
    "list_doc",
    "name_list",
    "name_text",
    "options_doc",
    "parenthesized",
    "prints",
    "quoted_among",
    "spread",
    "string_text",
    "value_doc",
    "worded",
]


_DOCUMENTS: dict[type, Callable[..., Doc]] = {}
_PLAIN = (nodes.Param, nodes.Scalar, nodes.Uuid)  # which `value_doc` prints


def prints(*kinds: type[nodes.Node]) -> Callable[[_Printer], _Printer]:
    """Says that a function prints the nodes of these kinds."""

    def register(make: _Printer) -> _Printer:
        _DOCUMENTS.update(dict.fromkeys(kinds, make))
        return make

    return register


def document(node: object) -> Doc:
    """The text of a node or a value as a document that can be laid out."""
    make = _DOCUMENTS.get(type(node))
    if make is None and isinstance(node, nodes.Node) and not isinstance(node, _PLAIN):
        make = _imported(type(node))
    return make(node) if make is not None else value_doc(node)


def _imported(kind: type[nodes.Node]) -> Callable[..., Doc] | None:
    """What prints the nodes of a kind, imported when one is printed: most commands print few kinds."""
    for module in ("conditions", "targets", "statements"):  # the last of which imports all others
        __import__(f"{__package__}.{module}")
        if (make := _DOCUMENTS.get(kind)) is not None:
            return make
    return None


def anchored(node: nodes.Node, *parts: Doc) -> Doc:
    """The parts as what was written at the node's place."""
    return Anchor(node.span, cat(*parts))


# ------------------------------------------------------------------------------------ values


def value_doc(value: object) -> Doc:
    """A JSON value with parameters and UUIDs in it, a scalar, or a tuple of options."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return string_text(value)
        case int() | float():
            return repr(value)
        case nodes.Param():
            word = f":{value.key}" if isinstance(value.key, str) else "?"
            return f"{word} OR DEFAULT" if value.optional else word
        case nodes.Scalar():
            return value_doc(value.value)
        case nodes.Uuid():
            return cat("UUID(", value_doc(value.text), ")")
        case list() | dict() | tuple():
            return Later(_container, value)
    return document(value)


def _container(value: Any) -> Doc:
    match value:
        case dict():
            pairs = [cat(f"{key_text(key)}: ", value_doc(item)) for key, item in value.items()]
            return bracketed("{", pairs, "}")
        case tuple():
            return options_doc(value)
    if {*map(type, value)} <= _NUMBERS:  # a vector is one thing, however long
        return f"[{', '.join(map(repr, value))}]"
    return bracketed("[", [value_doc(item) for item in value], "]")


_NUMBERS = {int, float}


def list_doc(values: Sequence[nodes.Scalar] | nodes.Param) -> Doc:
    """The list of IN and its like: scalars in parentheses, or a parameter."""
    if not isinstance(values, tuple):
        return value_doc(values)
    if any(isinstance(one.value, (list, dict)) for one in values):  # the planner has an error for it
        return value_doc([one.value for one in values])
    return bracketed("(", [anchored(one, value_doc(one)) for one in values], ")")


# ------------------------------------------------------------------------------------ texts and names

_BARE = late_pattern(r"[A-Za-z_$][A-Za-z0-9_$]*(\[\])?(\.[A-Za-z_$][A-Za-z0-9_$]*(\[\])?)*", re.ASCII)
_KEY = late_pattern(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_INVISIBLE = late_pattern(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_QUOTED = frozenset(
    (
        *(
            "AND",
            "AS",
            "BY",
            "CASE",
            "COLLECTION",
            "ELSE",
            "END",
            "EXISTS",
            "FOR",
            "FROM",
            "IF",
            "IN",
            "INTO",
        ),
        *("IS", "NOT", "ON", "OR", "SET", "THEN", "TO", "USING", "WHEN", "WHERE", "WITH"),
    )
)
"""Names that are quoted though they need not be: bare, they read as the words of the language."""


def string_text(text: str) -> str:
    """A string in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    if escaped.startswith("'"):
        escaped = "\\" + escaped[1:]  # three quotes in a row would begin another kind of string
    return f"'{_visible(escaped)}'"


def _visible(text: str) -> str:
    """The text with escapes for what cannot be seen, and for what would change how the rest is shown."""
    if text.isprintable():
        return text
    return _INVISIBLE.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


@prints(nodes.Name)
def name_text(name: nodes.Name) -> str:
    """A name, in quotes where it needs them."""
    if isinstance(name.text, nodes.Param):
        return f"IDENTIFIER({value_doc(name.text)})"
    bare = _BARE.fullmatch(name.text) and name.text.upper() not in _QUOTED
    return name.text if bare else string_text(name.text)


def quoted_among(name: nodes.Name, *words: str) -> str:
    """The name, in quotes where it is a word that would begin something else at its place."""
    if isinstance(name.text, str) and name.text.upper() in words:
        return string_text(name.text)
    return name_text(name)


def name_list(names: Iterable[nodes.Name]) -> Doc:
    """Names in parentheses."""
    return bracketed("(", [name_text(name) for name in names], ")")


def key_text(key: str) -> str:
    """The key of an object or the name of an option."""
    if _KEY.fullmatch(key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_visible(escaped)}"'


# ------------------------------------------------------------------------------------ options


@prints(nodes.Option)
def _option(option: nodes.Option) -> Doc:
    word = "WHERE " if isinstance(option.value, nodes.Condition) else ""
    return anchored(option, f"{key_text(option.name)} = {word}", document(option.value))


def options_doc(options: Iterable[nodes.Option]) -> Doc:
    """Options in parentheses."""
    return bracketed("(", [_option(option) for option in options], ")")


# ------------------------------------------------------------------------------------ layout


def bracketed(opening: str, items: Iterable[Doc], closing: str, *, lines: bool = False) -> Doc:
    """Items in brackets, on one line or on one each; with ``lines`` always on one each."""
    inside = list(items)
    if not inside:
        return opening + closing
    edge = HARD if lines else SOFT
    doc = group(opening, nest(edge, join(inside, ",", LINE)), edge, closing)
    match inside:
        case [Anchor(span=first), *_] if isinstance(inside[-1], Anchor):
            return Anchor(Span(first.start, inside[-1].span.end), doc, bracketed=True, bare=True)
    return doc


def parenthesized(doc: Doc) -> Doc:
    """A part in parentheses, on one line or indented between them."""
    return group("(", nest(SOFT, doc), SOFT, ")")


def spread(parts: Iterable[Doc]) -> Doc:
    """The parts on one line, or all but the first on indented lines of their own."""
    return group(nest(join(parts, LINE)))


def worded(word: str, value: object) -> list[Doc]:
    """``WORD value``, or nothing where the value is missing."""
    return [] if value is None else [cat(f"{word} ", document(value))]
