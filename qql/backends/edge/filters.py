"""REST filters → the engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qql.errors import QQLExecutionError, did_you_mean

from .checks import boolean, integer, items, mapping, number, point_id, read, refuse, text
from .engine import edge

__all__ = ["MAX_FILTER_DEPTH", "condition", "filter_depth", "has_id", "to_filter"]

MAX_FILTER_DEPTH = 450
"""How deeply conditions may nest. One level of nesting is one Python call."""

_CLAUSES = ("must", "should", "must_not", "min_should")


class _NumpyBool:
    """What the engine's binding takes for a truth value.

    A Python bool is an int to it and would match 1. An object whose type goes by the name of
    ``numpy.bool_`` is asked for its ``__bool__``; numpy itself is not needed.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value


_NumpyBool.__module__, _NumpyBool.__name__ = "numpy", "bool_"


def to_filter(
    body: Any, where: str = "filter", depth: int = 1, exclude: list[int | str] | None = None
) -> Any:
    """The engine's filter for a REST filter; ``exclude`` are ids that must not match.

    Raises `QQLExecutionError` for a condition or key that is not known, naming it.
    """
    if depth > MAX_FILTER_DEPTH:
        raise refuse("filter-too-deep", f"a filter nests deeper than {MAX_FILTER_DEPTH}")
    given = mapping(body, where)
    for key in given:
        if key not in _CLAUSES:
            hint = did_you_mean(str(key), _CLAUSES) or f"one of {', '.join(_CLAUSES)}"
            raise refuse("unknown-condition", f"{where} has no clause `{key}`", hint)
    clauses: dict[str, list[Any]] = {}
    for name in ("must", "should", "must_not"):
        if name in given:
            value = given[name]
            made = []
            for item in value if isinstance(value, list | tuple) else [value]:
                if isinstance(item, Mapping) and not _CLAUSES_SET.isdisjoint(item):
                    made.append(to_filter(item, where, depth + 1))
                else:
                    made.append(condition(item, where, depth))
            clauses[name] = made
    if exclude:
        clauses.setdefault("must_not", []).append(has_id(exclude))
    if "min_should" in given:
        return edge.Filter(**clauses, min_should=_min_should(given["min_should"], where, depth))
    return edge.Filter(**clauses)


_CLAUSES_SET = frozenset(_CLAUSES)


def _min_should(value: Any, where: str, depth: int) -> Any:
    table = {"conditions": items, "min_count": integer()}
    given = read(value, f"{where}.min_should", table, ("conditions", "min_count"))
    made = []
    for item in given["conditions"]:
        made.append(condition(item, where, depth))
    return edge.MinShould(made, given["min_count"])


def has_id(ids: list[int | str]) -> Any:
    """The condition that a point is one of these."""
    return edge.HasIdCondition(set(ids))


def condition(body: Any, where: str = "filter", depth: int = 1) -> Any:
    """The engine's form of one condition, which may be a filter."""
    given = mapping(body, f"a condition of {where}")
    if not _CLAUSES_SET.isdisjoint(given):
        return to_filter(given, where, depth + 1)
    try:
        if "key" in given:
            return _field(given)
        if "nested" in given and len(given) == 1:
            nested = mapping(given["nested"], "nested")
            if nested.keys() != {"key", "filter"}:
                raise refuse(
                    "unknown-condition", f"nested requires `key` and `filter`, not {_listed(nested)}"
                )
            return edge.NestedCondition(
                text(nested["key"], "nested.key"), to_filter(nested["filter"], "nested.filter", depth + 1)
            )
        if len(given) == 1:
            ((kind, value),) = given.items()
            if kind in _POINT_CONDITIONS:
                return _POINT_CONDITIONS[kind](value)
    except (ValueError, TypeError, OverflowError) as exc:
        raise _invalid(given, exc) from exc
    if not given:
        return edge.Filter()
    known = [*_POINT_CONDITIONS, "nested", "key", *_CLAUSES]
    unknown = next((key for key in given if key not in known), None)
    if unknown is None:
        raise refuse("ambiguous-condition", f"one condition cannot hold {_listed(given)} together")
    raise refuse(
        "unknown-condition",
        f"{where} has no condition `{unknown}`",
        did_you_mean(str(unknown), known) or f"one of {', '.join(known)}",
    )


def _invalid(given: Mapping[str, Any], exc: Exception) -> QQLExecutionError:
    first = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    about = f"the condition on `{given['key']}`" if "key" in given else "a condition"
    code = "invalid-field" if "JSON path" in first else "invalid-condition"
    return refuse(code, f"{about}: {first}")


def _listed(given: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}`" for key in given) or "nothing"


# --- conditions on the whole point ----------------------------------------------------------------


def _payload_field(value: Any) -> str:
    return str(read(value, "the condition", {"key": text}, ("key",))["key"])


def _slice(value: Any) -> Any:
    table = {"total": integer(1, 2**32 - 1), "index": integer(0, 2**32 - 1)}
    given = read(value, "slice", table, ("total", "index"))
    return edge.SliceCondition(given["total"], given["index"])


_POINT_CONDITIONS: dict[str, Any] = {
    "is_empty": lambda value: edge.IsEmptyCondition(_payload_field(value)),
    "is_null": lambda value: edge.IsNullCondition(_payload_field(value)),
    "has_id": lambda value: has_id([point_id(item, "has_id") for item in items(value, "has_id")]),
    "has_vector": lambda value: edge.HasVectorCondition(text(value, "has_vector")),
    "slice": _slice,
}


# --- conditions on a field ------------------------------------------------------------------------


def _field(given: Mapping[str, Any]) -> Any:
    """``{"key": …, test: …}``. The server would take two tests in one object as OR, or drop one of them."""
    tests = {key: value for key, value in given.items() if key != "key"}
    key = text(given["key"], "the key of a condition")
    if len(tests) != 1:
        what = _listed(tests) if tests else "no test"
        raise refuse("ambiguous-condition", f"a condition on `{key}` requires exactly one test, not {what}")
    ((name, value),) = tests.items()
    if name not in _TESTS:
        raise refuse(
            "unknown-condition",
            f"a condition on `{key}` has no test `{name}`",
            did_you_mean(name, _TESTS) or f"one of {', '.join(_TESTS)}",
        )
    return edge.FieldCondition(key, **{name: _TESTS[name](value, f"`{key}` {name}")})


def _match(value: Any, where: str) -> Any:
    given = mapping(value, where)
    if len(given) != 1 or next(iter(given)) not in _MATCHES:
        raise refuse(
            "unknown-condition",
            f"{where} requires exactly one of {', '.join(_MATCHES)}, not {_listed(given)}",
        )
    ((kind, wanted),) = given.items()
    return _MATCHES[kind](wanted, f"{where}.{kind}")


def _match_value(value: Any, where: str) -> Any:
    if isinstance(value, bool):
        return edge.MatchValue(_NumpyBool(value))
    if isinstance(value, str):
        return edge.MatchValue(value)
    if isinstance(value, float):
        raise refuse(
            "invalid-condition",
            f"{where}: {value} cannot be matched for equality",
            "write >= and <= for decimals",
        )
    return edge.MatchValue(integer(-(2**63))(value, where))


def _values(value: Any, where: str) -> list[Any]:
    wanted = items(value, where)
    if all(isinstance(item, str) for item in wanted):
        return wanted
    if any(isinstance(item, bool | float | str) for item in wanted):
        raise refuse(
            "invalid-condition",
            f"{where} requires integers only or strings only, not {wanted!r:.60}",
            "write one condition for each of the others, joined by OR",
        )
    return [integer(-(2**63))(item, where) for item in wanted]


_MATCHES: dict[str, Any] = {
    "value": _match_value,
    "text": lambda value, where: edge.MatchText(text(value, where)),
    "text_any": lambda value, where: edge.MatchTextAny(text(value, where)),
    "phrase": lambda value, where: edge.MatchPhrase(text(value, where)),
    "prefix": lambda value, where: edge.MatchPrefix(text(value, where)),
    "substring": lambda value, where: edge.MatchSubstring(text(value, where)),
    "any": lambda value, where: edge.MatchAny(_values(value, where)),
    "except": lambda value, where: edge.MatchExcept(_values(value, where)),
}

_BOUNDS = ("lt", "gt", "lte", "gte")


def _range(value: Any, where: str) -> Any:
    given = mapping(value, where)
    dates = [bound for bound in given.values() if isinstance(bound, str)]
    if dates and len(dates) == len(given):
        return edge.RangeDateTime(**read(given, where, dict.fromkeys(_BOUNDS, text)))
    return edge.RangeFloat(**read(given, where, dict.fromkeys(_BOUNDS, number)))


def _geo_point(value: Any, where: str) -> Any:
    given = read(value, where, {"lon": number, "lat": number}, ("lon", "lat"))
    return edge.GeoPoint(given["lon"], given["lat"])


def _bounding_box(value: Any, where: str) -> Any:
    table = {"top_left": _geo_point, "bottom_right": _geo_point}
    given = read(value, where, table, ("top_left", "bottom_right"))
    return edge.GeoBoundingBox(given["top_left"], given["bottom_right"])


def _radius(value: Any, where: str) -> Any:
    given = read(value, where, {"center": _geo_point, "radius": number}, ("center", "radius"))
    if given["radius"] < 0:
        raise refuse("invalid-condition", f"{where}.radius must not be negative, and is {given['radius']:g}")
    return edge.GeoRadius(given["center"], given["radius"])


def _line(value: Any, where: str) -> list[Any]:
    given = read(value, where, {"points": items}, ("points",))
    return [_geo_point(point, where) for point in given["points"]]


def _polygon(value: Any, where: str) -> Any:
    table = {"exterior": _line, "interiors": lambda v, w: [_line(line, w) for line in items(v, w)]}
    given = read(value, where, table, ("exterior",))
    return edge.GeoPolygon(given["exterior"], given.get("interiors"))


def _count(value: Any, where: str) -> Any:
    return edge.ValuesCount(**read(value, where, dict.fromkeys(_BOUNDS, integer())))


_TESTS: dict[str, Any] = {
    "match": _match,
    "range": _range,
    "geo_bounding_box": _bounding_box,
    "geo_radius": _radius,
    "geo_polygon": _polygon,
    "values_count": _count,
    "is_empty": boolean,
    "is_null": boolean,
}


def filter_depth(body: Any) -> int:
    """How deeply a REST filter nests, counted without recursion; a flat one has depth 1."""
    deepest, stack = 0, [(body, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, Mapping):
            inner = depth + 1 if not _CLAUSES_SET.isdisjoint(value) else depth
            deepest = max(deepest, inner - 1)
            stack += [(item, inner) for item in value.values()]
        elif isinstance(value, list | tuple):
            stack += [(item, depth) for item in value]
    return deepest
