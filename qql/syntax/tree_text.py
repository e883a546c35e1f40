"""Tree → text: the way of what a program composed into the compiler, where everything has a place in a text.

No value becomes syntax on it: the text is read again, and has to give the same tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from qql import nodes
from qql.errors import Diagnostic, QQLCompileError, QQLPlanError, Source, Span, shown
from qql.kept import Kept
from qql.nodes import Node
from qql.nodes.core import tree_of
from qql.syntax.formatter import format_tree
from qql.syntax.parser import LONGEST_KEPT, parse_script, raise_all, unchanging
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["checked", "text_of"]

_NAME = "<tree>"
_HOW = "qql.build makes statements, and qql.parse those of a text"


def text_of(given: object) -> str:
    """The text of a statement, or of several, each on one line.

    Raises `QQLPlanError`: ``malformed-tree`` where a node holds what it cannot hold, ``no-text`` for a tree
    that no text gives, ``parameter-order`` where its ``?`` are counted in another order than its text has
    them; and `QQLSyntaxError` for what is wrong with it in the eyes of the parser.
    """
    trees = _trees(given)
    kept = _KEPT.get(id(trees[0])) if len(trees) == 1 else None
    if kept is not None and kept[0] is trees[0]:
        return kept[1]
    text = _shown(trees)
    source = Source(text, _NAME)
    found, errors = parse_script(source)
    if errors or not _equal([one.statement for one in found], trees):
        _say_why(trees, errors, source)
    if len(trees) == 1 and len(text) <= LONGEST_KEPT and unchanging(trees[0]):
        _KEPT.put(id(trees[0]), (trees[0], text))
    return text


_KEPT: Kept[int, tuple[Node, str]] = Kept(64)
"""Texts of trees that were compiled before, by their identity; the tree is kept with it, and so is that."""


def _trees(given: object) -> list[Any]:
    given = tree_of(given)
    return [*map(tree_of, given)] if isinstance(given, (list, tuple)) else [given]


def _shown(trees: Sequence[Any]) -> str:
    try:
        return "\n".join([f"{show(one)};" for one in trees])
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        # The printer takes it for granted that a tree is one: here it is said what is wrong with it.
        checked(trees)
        raise


def _equal(found: Sequence[nodes.Statement], trees: Sequence[Any]) -> bool:
    """Whether trees are the same; 1, 1.0 and true are told apart by their texts."""
    try:
        return found == trees
    except RecursionError:
        return _difference(found, trees) is None


def _say_why(trees: Sequence[Any], errors: list[QQLCompileError], source: Source) -> NoReturn:
    """Raises the error of a tree that its text does not give."""
    checked(trees)
    raise_all(errors)
    format_tree(trees)  # which knows of the order of parameters
    found, _ = parse_script(source)
    at = _difference([one.statement for one in found], trees) or ""
    place = at.removeprefix("[0]") if len(trees) == 1 else at
    message = f"no text gives this tree: {_owner(trees[0], place)} comes back as something else"
    hint = "qql.format shows the text that comes nearest"
    raise QQLPlanError(Diagnostic("no-text", message, found[0].span if found else None, hint, source=source))


def checked(given: object) -> list[nodes.Statement]:
    """The trees of what was given. Raises `QQLPlanError` (``malformed-tree``) where one is no statement, or
    a node in it holds what it cannot hold.
    """
    trees = _trees(given)
    for one in trees:
        _check_statement(one)
    return trees


def _owner(tree: Node, place: str) -> str:
    return f"{type(tree).__name__}{place}" if place else f"the {type(tree).__name__}"


def _difference(one: Any, other: Any) -> str | None:
    """Where two trees differ first, or None. 1, 1.0 and true are not the same."""
    todo = [(one, other, "")]
    while todo:
        one, other, at = todo.pop()
        if type(one) is not type(other):
            return at
        below: list[tuple[Any, Any, str]] = []
        match one:
            case Node():
                for name in one.__match_args__:
                    below.append((getattr(one, name), getattr(other, name), f"{at}.{name}"))
            case list() | tuple():
                if len(one) != len(other):
                    return at
                below = [(a, b, f"{at}[{k}]") for k, (a, b) in enumerate(zip(one, other, strict=True))]
            case dict():
                if [*one] != [*other]:
                    return at
                below = [(item, other[key], f"{at}[{key!r}]") for key, item in one.items()]
            case float():
                if repr(one) != repr(other):
                    return at
            case _ if one != other:
                return at
        todo += reversed(below)
    return None


# ------------------------------------------------------------------------------------ what nodes hold


def _check_statement(given: object) -> None:
    """Raises `QQLPlanError` for what is no statement, and for a node with something wrong in it."""
    if not isinstance(given, Node) or type(given) not in nodes.STATEMENTS:
        what = "None" if given is None else type(given).__name__
        _malformed(f"{what} is no statement", _HOW)
    for node in nodes.walk(given):
        for name, holds in _fields(type(node)).items():
            value = getattr(node, name)
            if not holds.takes(value):
                kind = type(value).__name__ if isinstance(value, (Node, tuple)) else shown(value)
                _malformed(f"{type(node).__name__}.{name} takes {holds.words}, not {kind}", holds.hint)


def _malformed(message: str, hint: str | None) -> NoReturn:
    raise QQLPlanError(Diagnostic("malformed-tree", message, hint=hint))


class _Holds:
    """What a field may hold, by its annotation."""

    def __init__(self, hint: Any, words: str) -> None:
        self.takes = _taken(hint)
        self.words = "a value of JSON" if words == "Any" else words
        wraps = words.startswith(("Scalar", "Name"))
        self.hint = f"nodes.{words.split()[0]}(…) holds a value and its place; {_HOW}" if wraps else _HOW


@cache
def _fields(cls: type[Node]) -> dict[str, _Holds]:
    """The fields of a class of nodes, with what they hold."""
    import sys
    from typing import Any, get_type_hints

    names = {**vars(nodes), **vars(sys.modules[cls.__module__]), "Any": Any, "Span": Span}
    written = {name: str(text) for name, text in cls.__annotations__.items()}
    hints = get_type_hints(cls, names)
    return {name: _Holds(hints[name], written[name]) for name in cls.__match_args__}


_Takes = Callable[["Any"], bool]


def _taken(hint: Any) -> _Takes:
    """What says whether a value is of the type that an annotation means."""
    from types import UnionType
    from typing import Any, Union, get_args, get_origin

    if hint is Any:
        return _is_value
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        ways = [_taken(part) for part in parts]
        return lambda value: any(way(value) for way in ways)
    if origin is tuple:
        way = _taken(parts[0])
        return lambda value: isinstance(value, tuple) and all(map(way, value))
    if hint is float:
        return lambda value: type(value) is float and math.isfinite(value)
    if hint in (int, bool, str):
        return lambda value: type(value) is hint
    return lambda value: isinstance(value, hint)


_PLAIN = frozenset({str, int, bool, type(None)})


def _is_value(value: object) -> bool:
    """Whether something is JSON data with parameters, options and conditions in it; the nodes themselves are
    looked at by `_check_statement`.
    """
    return all(_is_leaf(one) for one in _leaves(value))


def _leaves(value: object) -> Iterator[object]:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, (list, tuple)):
            todo += item
        elif isinstance(item, dict):
            todo += item.values()
            todo += (object() for key in item if not isinstance(key, str))  # which is no value
        else:
            yield item


def _is_leaf(item: object) -> bool:
    return type(item) in _PLAIN or isinstance(item, Node) or (type(item) is float and math.isfinite(item))
