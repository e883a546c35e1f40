"""The parameters of a statement: their names in the order of the text, and what their places take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from qql import nodes
from qql.errors import QQLCompileError, Span
from qql.nodes.roles import Choice, Count, Number, Role
from qql.records import NamedTuple, replace

__all__ = ["Parameter", "listing", "parameters_of"]


class Parameter(NamedTuple):
    """A parameter of a text.

    ``name`` is what stands behind the colon; of a ``?``, its number, counted from 0. ``takes`` says what its
    place holds, in words: "a whole number"; of one that stands in several places, what each of them holds.
    ``span`` is where it stands first.
    """

    name: str | int
    takes: str
    span: Span

    def __str__(self) -> str:
        shown = f":{self.name}" if isinstance(self.name, str) else f"? number {self.name + 1}"
        return f"{shown} ({self.takes})"


def parameters_of(
    written: Iterable[nodes.Param], statements: Iterable[nodes.Statement]
) -> tuple[Parameter, ...]:
    """The parameters of some statements, each once. ``written`` are all of them in the order of the text."""
    places: dict[str | int, dict[str, None]] = {}
    found = [place for statement in statements for place in _places(statement)]
    for param, takes in sorted(found, key=lambda place: place[0].span.start):
        places.setdefault(param.key, {}).setdefault(takes)
    first: dict[str | int, nodes.Param] = {}
    for param in written:
        first.setdefault(param.key, param)
    return tuple(
        Parameter(key, "; ".join(places.get(key, (_VALUE,))), param.span) for key, param in first.items()
    )


def listing(exc: QQLCompileError, parameters: Sequence[Parameter]) -> QQLCompileError:
    """An error; what it says of the names of parameters, with a list of those that there are."""
    names = ", ".join(map(str, parameters))
    expected = f"the parameters are {names}" if names else "there are no parameters"
    told = [
        replace(one, hint=_joined(one.hint, expected)) if one.code in _ABOUT_NAMES else one
        for one in exc.diagnostics
    ]
    return type(exc)(*told)


_ABOUT_NAMES = ("missing-parameter", "unknown-parameter", "wrong-parameters")


def _joined(hint: str | None, expected: str) -> str:
    """A guess stays in front of the list; how a command takes values has no meaning here."""
    return f"{hint}; {expected}" if hint and hint.startswith("did you mean") else expected


_VALUE, _TEXT, _COUNT, _NUMBER, _NAME = "a value", "a text", "a whole number", "a number", "a name"
_MODEL, _ID, _SHARD_KEY = "the name of a model", "the id of a point", "a shard key"
_ROWS, _OBJECT, _VECTOR = "a row or a list of rows", "an object", "a vector"
_COMPARED = "a number or a date"

_FIELDS: dict[tuple[type[nodes.Node] | None, str], str] = {
    (nodes.In, "values"): "a list of values",
    (nodes.Match, "value"): _TEXT,
    (nodes.Points, "ids"): "a list of ids",
    (nodes.Point, "id"): _ID,
    (nodes.AnyInput, "value"): "a text, a vector or the id of a point",
    (nodes.Vector, "value"): _VECTOR,
    (nodes.Inference, "object"): "an object",
    (nodes.Image, "image"): _TEXT,
    (nodes.Recommend, "positive"): "a list of ids or vectors",
    (nodes.Recommend, "negative"): "a list of ids or vectors",
    (nodes.FeedbackItem, "score"): _NUMBER,
    (nodes.Between, "low"): _COMPARED,
    (nodes.Between, "high"): _COMPARED,
    (nodes.Slice, "total"): _COUNT,
    (nodes.Slice, "index"): _COUNT,
    (nodes.MinShould, "count"): _COUNT,
    (nodes.Geo, "value"): _OBJECT,
    (nodes.BoundCondition, "value"): "a condition",
    (nodes.Selection, "mode"): "a list of names, or true or false",
    (nodes.OrderBy, "direction"): "'asc' or 'desc'",
    (nodes.GeoDistance, "origin"): "a place {lat: …, lon: …}",
    (nodes.Datetime, "value"): "a date",
    (nodes.Call, "args"): _NUMBER,
    (nodes.Call, "default"): _NUMBER,
    (nodes.Divide, "default"): _NUMBER,
    (nodes.Group, "size"): _COUNT,
    (nodes.Shard, "keys"): _SHARD_KEY,
    (nodes.Shard, "fallback"): _SHARD_KEY,
    (nodes.Rerank, "top"): _COUNT,
    (nodes.UpdatePayload, "value"): _OBJECT,
    (nodes.UpdateVector, "value"): _VECTOR,
    (nodes.Scroll, "after"): "where a page begins (`next` of the page before), or None",
    (nodes.OrderBy, "start"): _COMPARED,
    (nodes.ElseBranch, "hits"): _COUNT,
    (nodes.ElseBranch, "score"): _NUMBER,
    (nodes.Explain, "runs"): _COUNT,
    (nodes.Why, "id"): _ID,
    (nodes.VectorDef, "size"): _COUNT,
    (None, "text"): _TEXT,
    (None, "path"): "a path",
    (None, "model"): _MODEL,
    (None, "dense_model"): _MODEL,
    (None, "sparse_model"): _MODEL,
    (None, "limit"): _COUNT,
    (None, "offset"): _COUNT,
    (None, "batch"): _COUNT,
    (None, "threshold"): _NUMBER,
    (None, "wait"): "true or false",
    (None, "rows"): _ROWS,
    (None, "options"): _OBJECT,
}
"""What the place of a parameter takes, by the class of the node and its field (None: of any class)."""


def _places(statement: nodes.Statement) -> Iterator[tuple[nodes.Param, str]]:
    """Each parameter of a statement with what its place takes. Depth is not limited."""
    todo: list[tuple[object, str, bool]] = [(statement, _VALUE, False)]
    while todo:
        item, takes, optional = todo.pop()
        match item:
            case nodes.Param():
                yield item, f"{takes}, or null" if optional or item.optional else takes
            case nodes.Scalar(value=nodes.Param() | nodes.Uuid() as value):
                todo.append((value, takes, optional))
            case nodes.Node():
                optional = optional or isinstance(item, nodes.Optional)
                todo += ((getattr(item, name), _taken(item, name), optional) for name in item.__match_args__)
            case tuple():
                todo += ((part, takes, optional) for part in item)
            case list():
                todo += ((part, _NUMBER if takes == _VECTOR else _VALUE, optional) for part in item)
            case dict():
                todo += ((part, _VALUE, optional) for part in item.values())


def _taken(node: nodes.Node, name: str) -> str:
    """What the field of a node takes."""
    match node:
        case nodes.Name():
            return _NAME
        case nodes.Compare(op=op) if op not in ("=", "!="):
            return _COMPARED
        case nodes.Match(kind=kind) if nodes.MATCH_OPERATORS[kind].values:
            return "a list of values, or a text" if kind == "any" else "a list of values"
        case nodes.Option(name=option):
            return f"the value of `{option}`"
    declared = _DECLARED.get((type(node), name))
    if declared is not None:
        return declared
    return _FIELDS.get((type(node), name)) or _FIELDS.get((None, name), _VALUE)


def _words_of(role: Role) -> str | None:
    match role:
        case Number(low=low, high=high):
            return f"a number from {low} to {high}" if math.isfinite(low) else _NUMBER
        case Count(low=low, high=high):
            return f"a whole number from {low} to {high}"
        case Choice(words=words):
            return f"one of {', '.join(words)}"
    return None


_DECLARED = {
    (kind, one.field): words
    for kind, info in nodes.TARGETS.items()
    for one in info.parts
    for words in [_words_of(one.role)]
    if words is not None
}
"""The parts of targets that declare numbers and words."""
