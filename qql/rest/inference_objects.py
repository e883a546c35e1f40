"""The inference objects of a request: what stands for a vector until a model has made it; and its vectors.

Qdrant's ``{"text": …, "model": …, "options": …}`` may stand wherever a vector may. They are looked for at
exactly those places (`_SHAPES`), so a payload or filter that looks like one is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from qql.nodes import TARGETS
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Role
from qql.records import NamedTuple
from qql.rest.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Purpose = Literal["query", "document"]
else:
    Purpose = str

__all__ = [
    "Inferred",
    "Path",
    "Place",
    "Purpose",
    "inferred_of",
    "inputs_of_query",
    "is_text",
    "places_at",
    "places_of",
    "with_vectors",
]

Path = tuple["Any", ...]
"""Keys and indices that lead from the body to a place."""


class Inferred(NamedTuple):
    """What a model makes of a request: distinct inputs, and the places that their vectors take.

    ``model`` is None where none is named; ``form`` is text, image or object.
    """

    model: str | None
    form: str
    purpose: Purpose
    distinct: int
    places: int


def inferred_of(request: Request) -> list[Inferred]:
    """One entry for each model, form and purpose, in the order of the request."""
    found: dict[tuple[str | None, str, Purpose], list[str]] = {}
    for place in places_of(request):
        form = "text" if is_text(place.object) else "image" if "image" in place.object else "object"
        given = [place.object[form], place.object.get("options") or {}]
        key = place.object.get("model"), form, place.purpose
        found.setdefault(key, []).append(json.dumps(given, sort_keys=True, default=repr))
    return [Inferred(*key, len(set(inputs)), len(inputs)) for key, inputs in found.items()]


def is_text(found: Mapping[str, Any]) -> bool:
    """Whether an inference object holds a text."""
    return isinstance(found.get("text"), str)


class Place(NamedTuple):
    """An inference object, and where it stands."""

    path: Path
    object: dict[str, Any]
    purpose: Purpose


def places_at(request: Request, known: Iterable[tuple[Path, Purpose]]) -> Iterator[Place]:
    """As `places_of`, of a request of which the places are known."""
    for path, purpose in known:
        found: Any = request.body
        for step in path:
            found = found[step]
        yield Place(path, found, purpose)


_VECTOR = "vector"
"""One vector: a literal, a point id or an inference object."""
_NAMED = "named"
"""The vectors of a point: one vector, or a dict of name → vector."""
_COLUMNS = "columns"
"""The vectors of a batch: a list of vectors, or a dict of name → list of vectors."""
_VECTORS = "vectors"
"""A list of vectors."""

_SHAPES: dict[str, dict[str, str]] = {
    "searches": {"searches": "search"},
    "search": {"query": "query", "prefetch": "search"},
    "query": {"nearest": _VECTOR},
    "pair": {"positive": _VECTOR, "negative": _VECTOR},
    "scored": {"example": _VECTOR},
    "upsert": {"points": "point", "batch": "batch"},
    "point": {"vector": _NAMED},
    "batch": {"vectors": _COLUMNS},
    "operations": {"operations": "operation"},
    "operation": {"upsert": "upsert", "update_vectors": "upsert"},
}
"""Shape of a JSON object → its keys that lead to vectors, and the shape found there (or in each item)."""

_ROLES: dict[Role, str] = {INPUT: _VECTOR, INPUTS: _VECTORS, PAIRS: "pair", SCORED: "scored"}
"""The shape of each role of a target's part that holds inputs."""


def _declare_targets() -> None:
    """Adds the parts of targets that hold inputs, at the places where they say they are sent."""
    for info in TARGETS.values():
        for part in info.parts:
            if part.has_inputs:
                key, _, inner = part.rest.partition(".")
                if inner:
                    _SHAPES["query"][key] = key
                    _SHAPES.setdefault(key, {})[inner] = _ROLES[part.role]
                else:
                    _SHAPES["query"][key] = _ROLES[part.role]


_declare_targets()

_ROUTES: dict[tuple[str, str], tuple[str, Purpose]] = {
    ("POST", "points/query"): ("search", "query"),
    ("POST", "points/query/batch"): ("searches", "query"),
    ("POST", "points/query/groups"): ("search", "query"),
    ("PUT", "points"): ("upsert", "document"),
    ("PUT", "points/vectors"): ("upsert", "document"),
    ("POST", "points/batch"): ("operations", "document"),
}


def places_of(request: Request) -> Iterator[Place]:
    """Every inference object of a request. A loop, not recursion: prefetches nest deeply."""
    if request.route not in _ROUTES:
        return
    root, purpose = _ROUTES[request.route]
    pending: list[tuple[Path, Any, str]] = [((), request.body, root)]
    while pending:
        path, value, shape = pending.pop()
        if isinstance(value, list):
            if shape not in (_VECTOR, _NAMED):
                item = _VECTOR if shape in (_VECTORS, _COLUMNS) else shape
                pending += [((*path, i), value[i], item) for i in reversed(range(len(value)))]
        elif isinstance(value, dict):
            if _is_inference(value, shape):
                yield Place(path, value, purpose)
            elif shape in _OF_NAMES:
                pending += [((*path, key), value[key], inner) for key, inner in _inside(value, shape)]
            elif shape in _SHAPES:
                known = _SHAPES[shape]
                for key in reversed(value):
                    if key in known:
                        pending.append(((*path, key), value[key], known[key]))


_OF_NAMES = (_NAMED, _COLUMNS)


def _inside(value: dict[str, Any], shape: str) -> list[tuple[str, str]]:
    if shape in _OF_NAMES:
        return [(name, _VECTOR if shape == _NAMED else _VECTORS) for name in reversed(value)]
    known = _SHAPES.get(shape, {})
    return [(key, known[key]) for key in reversed(value) if key in known]


def _is_inference(value: dict[str, Any], shape: str) -> bool:
    if shape not in _MAY_BE_INFERENCE:
        return False
    text, other = is_text(value), "image" in value or "object" in value
    if shape == "query":
        # `{"text": "…"}` alone is Qdrant's full-text query there, which no model is asked for.
        return (text or other) and "model" in value
    if shape == _NAMED:
        # A vector may be called `image` or `object`.
        return text or (other and isinstance(value.get("model"), str))
    return shape == _VECTOR and (text or other)


_MAY_BE_INFERENCE = ("query", _NAMED, _VECTOR)


def inputs_of_query(query: Mapping[str, Any]) -> Iterator[Any]:
    """The vectors, texts and points that a query compares with, in the order of the declarations.

    ``query`` is the object behind the key ``query`` of a request's body.
    """
    pending: list[tuple[Any, str]] = [(query, "query")]
    while pending:
        value, shape = pending.pop()
        if shape == _VECTOR:
            yield value
        elif shape == _VECTORS:
            yield from value
        elif isinstance(value, list):
            pending += [(item, shape) for item in reversed(value)]
        elif isinstance(value, Mapping):
            known = _SHAPES[shape]
            pending += [(value[key], known[key]) for key in reversed(known) if value.get(key) is not None]


def with_vectors(request: Request, change: Callable[[list[Any]], list[Any]]) -> dict[str, Any] | None:
    """The body with each dense vector and multivector changed; the body itself where nothing is.

    ``change`` gives its argument itself where it stays as it is.
    """
    body = request.body
    if body is None or request.route not in _ROUTES:
        return body
    try:
        changed: dict[str, Any] = _changed(body, _ROUTES[request.route][0], change)
    except RecursionError:  # deeper than any prefetch that Qdrant takes
        return body
    return changed


def _changed(value: Any, shape: str, change: Callable[[list[Any]], list[Any]]) -> Any:
    if isinstance(value, list):
        if shape in (_VECTOR, _NAMED, "query"):  # of the latter, a vector with no `nearest` around it
            return change(value)
        item = _VECTOR if shape in (_VECTORS, _COLUMNS) else shape
        if shape == "point":  # there may be thousands
            made = [_changed_point(one, change) for one in value]
        else:
            made = [_changed(one, item, change) for one in value]
        return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
    if not isinstance(value, dict) or value.keys() == _SPARSE or _is_inference(value, shape):
        return value
    found = {key: _changed(value[key], inner, change) for key, inner in _inside(value, shape)}
    return value | found if any(new is not value[key] for key, new in found.items()) else value


def _changed_point(point: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    given = point.get("vector") if isinstance(point, dict) else None
    if isinstance(given, list):
        vector: Any = change(given)
        return point if vector is given else {**point, "vector": vector}
    if not isinstance(given, dict) or given.keys() == _SPARSE:
        return point
    found = {
        name: new for name, one in given.items() if type(one) is list and (new := change(one)) is not one
    }
    return {**point, "vector": {**given, **found}} if found else point


_SPARSE = {"indices", "values"}
