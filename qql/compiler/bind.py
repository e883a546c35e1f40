"""Parameters: values are put into the tree, never into text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from qql import nodes
from qql.compiler.bound_conditions import inserted
from qql.compiler.bound_rows import BoundRows, are_short_floats
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, fail, shown
from qql.late import cast
from qql.nodes import is_uuid
from qql.nodes.holes import Hole, NeedsValue
from qql.records import fields, replace
from qql.rest.types import Body, Json, JsonObject
from qql.syntax.clauses import check_depth
from qql.syntax.lexer import MAX_NESTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["PLAIN", "Binder", "Params", "bind", "json_of", "resolved", "stable_uuid"]

Params = Body | Sequence["Any"] | None
"""Values for ``:name`` (a mapping) or for ``?`` (a sequence, in the order of the text)."""

PLAIN: set[type] = {int, float, str, bool, type(None)}
"""The types of values that are JSON as they are."""


def stable_uuid(text: str) -> str:
    """The UUIDv5 (RFC 9562 § 5.5) of a text in the URL namespace: what ``UUID('text')`` means."""
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def bind(
    statement: nodes.Statement, wanted: Sequence[nodes.Param], params: Params, *, whole: bool = True
) -> nodes.Statement:
    """The statement with a value in the place of each parameter.

    ``wanted`` are the statement's parameters in the order of the text. With ``whole``, a value that no
    parameter takes is an error too. Raises `QQLPlanError`.
    """
    if isinstance(params, (str, bytes)) or not (params is None or isinstance(params, Iterable)):
        kind = "one string" if isinstance(params, (str, bytes)) else f"a {type(params).__name__}"
        raise TypeError(f"params is a mapping or a sequence of values, not {kind}")
    if params is None and not wanted:
        return statement
    values = _values(wanted, params, whole)
    if not wanted:
        return statement
    bound = Binder(values).node(statement)
    if bound is _GONE:  # a condition given on its own
        _nothing_left(statement.span)
    return cast(nodes.Statement, bound)


def _values(wanted: Sequence[nodes.Param], params: Params, whole: bool) -> dict[str | int, Json]:
    named = bool(wanted) and isinstance(wanted[0].key, str)
    if isinstance(params, Mapping):
        values: dict[str | int, Json] = dict(params.items())
        if wanted and not named:
            fail("wrong-parameters", "`?` takes a list of values, not names", wanted[0].span)
    else:
        values = dict(enumerate(() if params is None else params))
        if named and values:
            fail("wrong-parameters", f"`:{wanted[0].key}` takes its value by name", wanted[0].span)
    used = {p.key for p in wanted}
    for param in wanted:
        if param.key not in values and _inside(values, param.key):
            used.add(str(param.key).split(".", 1)[0])
        elif param.key not in values:
            shown = f":{param.key}" if named else f"? (number {cast(int, param.key) + 1})"
            known = [str(key) for key in values]
            message = f"no value for the parameter {shown}"
            how = "values are given by params=, by --param k=v, or by \\set in the prompt"
            fail("missing-parameter", message, param.span, did_you_mean(str(param.key), known) or how)
    extra = [key for key in values if key not in used]
    if extra and whole:
        span = wanted[0].span if wanted else None
        shown = ", ".join(f":{k}" if isinstance(k, str) else f"number {k + 1}" for k in extra[:5])
        known = [str(p.key) for p in wanted]
        hint = did_you_mean(str(extra[0]), known)
        fail("unknown-parameter", f"a value is given for {shown}, which nothing uses", span, hint)
    return values


def _inside(values: dict[str | int, Json], key: str | int) -> bool:
    """Whether `:place.lat` is found inside the value of `:place`; it is then put beside it."""
    first, *path = str(key).split(".")
    found: Json = values.get(first)
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            return False
        found = found[step]
    if path:
        values[key] = found
    return bool(path)


def resolved(value: Json, span: Span | None, level: int = 0) -> Json:
    """A bound value as JSON data: each ``UUID('text')`` in it is its UUIDv5.

    Raises `QQLPlanError` for what is no JSON: options in parentheses, a condition.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, Hole):
        raise NeedsValue(value.key)
    if isinstance(value, nodes.Uuid):
        text = resolved(value.text.value, value.span)
        if not isinstance(text, str):
            fail("wrong-parameter", "UUID(…) takes a text", value.span)
        return stable_uuid(text)
    if isinstance(value, (tuple, nodes.Node)):
        what = "options in parentheses stand" if isinstance(value, tuple) else "a condition stands"
        fail("bad-option", f"{what} where a value is expected", span, "an object is written {key: value}")
    if isinstance(value, (list, dict)) and level >= MAX_NESTING:
        _too_deep(span)
    if isinstance(value, list) and not {*map(type, value)} <= PLAIN:
        return [resolved(item, span, level + 1) for item in value]
    if isinstance(value, dict):
        return {key: resolved(item, span, level + 1) for key, item in value.items()}
    return value


def _too_deep(span: Span | None) -> NoReturn:
    fail("too-deep", f"values nest deeper than {MAX_NESTING} levels", span)


_HOLDERS = (nodes.Node, list, dict)  # what can hold a parameter


_GONE = object()
"""What is left of a part that falls away."""
_FALLS_AWAY = "OPTIONAL (:name) falls away where the value is null"
_NOTHING_TO_DO = "where there is nothing to change, send nothing"
_MAY_LACK_WHERE = (nodes.Query, nodes.Ref, nodes.Count, nodes.Facet, nodes.Scroll)
"""Where a condition that falls away leaves none behind. In all other places something has to remain."""
_WRITES = (
    *(nodes.Delete, nodes.DeletePayload, nodes.DeleteVector, nodes.ClearPayload),
    *(nodes.UpdatePayload, nodes.UpdateVector, nodes.UpdateVectors, nodes.Upsert),
)


class Binder:
    """Puts values in the places of parameters. What holds no parameter is given back as it is."""

    def __init__(self, values: dict[str | int, Json]) -> None:
        self.values = values
        self.writes: bool = False
        """Whether the statement at hand changes points: no condition of it falls away then."""
        self.inserted: bool = False
        """Whether a condition was put in: what is around it was not counted with it."""

    def node(self, item: Json) -> Json:
        """The item with its parameters replaced."""
        # Two frames for each level of the tree: trees may be deep, and so may the caller's own stack.
        match item:
            case nodes.Param():
                return self.value(item)
            case nodes.AnyInput(value=nodes.Param() as param):
                return self.target(param)
            case nodes.Match(kind="any", value=nodes.Param() as param) if self.is_text(param):
                text = nodes.Scalar(self.scalar(param), span=param.span)
                return nodes.Match(self.node(item.name), "text_any", text, span=item.span)
            case nodes.BoundCondition(value=param):
                self.inserted = True
                hint = _NOTHING_TO_DO if self.writes else _FALLS_AWAY
                return inserted(self.values[param.key], _shown(param), param.span, _plain, hint)
            case nodes.Optional():
                return self.node(item.condition) if self.stays(item) else _GONE
            case nodes.Selection(mode=nodes.Param() as param):
                return _GONE if self.falls(param) else self.selection(param, item.span)
            case nodes.Scalar(value=nodes.Param() as param) | nodes.Option(value=nodes.Param() as param) if (
                self.falls(param)
            ):
                return _GONE
            case nodes.Node():
                return self.parts(item)
            case list() if any(isinstance(part, _HOLDERS) for part in item):
                return [self.node(part) for part in item]
            case dict():
                return {key: self.node(part) for key, part in item.items()}
        return item

    def parts(self, item: nodes.Node) -> Json:
        """The node with the parameters in it replaced; `_GONE` where what it is made of has fallen away."""
        changed: JsonObject = {}
        outside, self.writes = self.writes, self.writes or isinstance(item, _WRITES)
        for f in fields(item):
            old = getattr(item, f.name)
            if isinstance(old, nodes.Param):
                changed[f.name] = self.field(item, old)
            elif isinstance(old, (nodes.Node, list, dict)):
                new = self.node(old)
                if new is _GONE:
                    if isinstance(item, (nodes.Not, nodes.Nested)):
                        return _GONE
                    self.without(item, f.name, old)
                    changed[f.name] = None
                elif new is not old:
                    changed[f.name] = self.counted(item, new)
            elif isinstance(old, tuple):
                found = []
                for part in old:  # no comprehension, which would be one more frame on the stack
                    found.append(self.node(part))
                if f.name == "rows":
                    changed[f.name] = self.spliced(old, found)
                elif any(new is not part for new, part in zip(found, old, strict=True)):
                    left = tuple(new for new in found if new is not _GONE)
                    if len(left) < 2 and isinstance(item, (nodes.And, nodes.Or)):
                        return left[0] if left else _GONE
                    if not left and isinstance(item, nodes.MinShould):
                        return _GONE
                    changed[f.name] = left
        self.writes = outside
        return replace(item, **changed) if changed else item

    def without(self, item: nodes.Node, name: str, gone: object) -> None:
        """A field loses its value, which has fallen away. Raises `QQLPlanError` where one is needed."""
        if isinstance(gone, nodes.Condition) and not (isinstance(item, _MAY_LACK_WHERE) and name == "where"):
            _nothing_left(gone.span)

    def counted(self, item: nodes.Node, new: Json) -> Json:
        """A field's new value. Raises `QQLSyntaxError` where what was put in makes a filter too deep."""
        if self.inserted and isinstance(new, nodes.Condition) and not isinstance(item, nodes.Condition):
            check_depth(new, "filters")
        return new

    def falls(self, param: nodes.Param) -> bool:
        """Whether what is written with ``OR DEFAULT`` falls away."""
        if param.optional and self.writes:
            self.refuse_in_write("OR DEFAULT", param.span)
        return param.optional and self.values[param.key] is None

    def refuse_in_write(self, words: str, span: Span) -> NoReturn:
        hint = "which points are changed is said in full; COUNT, SCROLL and QUERY may leave some of it open"
        fail("optional-in-write", f"a write takes no {words}: it could change more", span, hint)

    def stays(self, item: nodes.Optional) -> bool:
        """Whether what OPTIONAL holds has values; an OPTIONAL in it decides for its own."""
        if self.writes:
            self.refuse_in_write("OPTIONAL", item.span)
        own = _own_params(item.condition)
        missing = [param for param in own if self.values[param.key] is None]
        if missing and len(missing) < len(own):
            given = next(param for param in own if self.values[param.key] is not None)
            message = f"{_shown(missing[0])} is null and {_shown(given)} is not"
            hint = "what OPTIONAL holds falls away as a whole: write an OPTIONAL (…) for each"
            related = ((given.span, "this one has a value"),)
            fail("half-optional", message, missing[0].span, hint, related)
        return not missing

    def selection(self, param: nodes.Param, span: Span) -> nodes.Selection:
        """What WITH PAYLOAD and WITH VECTOR ask for: names, true or false, or ``{"exclude": names}``."""
        value = self.value(param)
        if isinstance(value, bool):
            return nodes.Selection("all" if value else "none", span=span)
        mode = "include"
        if isinstance(value, dict) and len(value) == 1 and value.keys() <= {"include", "exclude"}:
            ((mode, value),) = value.items()
        if isinstance(value, list) and value and all(isinstance(name, str) and name for name in value):
            return nodes.Selection(mode, tuple(nodes.Name(name, span=span) for name in value), span=span)
        fail("wrong-parameter", f"{_shown(param)} takes a list of names, or true or false", param.span)

    def direction(self, param: nodes.Param) -> str | None:
        value = self.values[param.key]
        if value is None and param.optional:
            return None
        word = value.lower() if isinstance(value, str) else value
        if word not in ("asc", "desc"):
            fail("wrong-parameter", f"{_shown(param)} takes 'asc' or 'desc', not {shown(value)}", param.span)
        return str(word)

    def field(self, item: nodes.Node, param: nodes.Param) -> Json:
        """The value of a parameter that stands for a whole field of a node."""
        match item:
            case nodes.OrderBy():
                return self.direction(param)
            case nodes.Scalar():
                return self.scalar(param)
            case nodes.Name():
                return self.identifier(param)
            case nodes.In() | nodes.Match() | nodes.Points():
                return self.listed(param)
            case nodes.Upsert() | nodes.UpdateVectors():
                return self.rows(param)
            case nodes.Recommend():
                return self.examples(param)
        return self.value(param)

    def is_text(self, param: nodes.Param) -> bool:
        return isinstance(self.values[param.key], str)

    def value(self, param: nodes.Param) -> Json:
        """The value of a parameter as JSON data. Raises `QQLPlanError` that says where in it the fault is."""
        return json_of(self.values[param.key], param.span, _shown(param))

    def target(self, param: nodes.Param) -> nodes.Target:
        """What a parameter is as the target of a query."""
        return _target(self.value(param), param.span)

    def rows(self, param: nodes.Param) -> tuple[Json, ...]:
        rows = self.value(param)
        rows = [rows] if isinstance(rows, dict) else rows
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            fail("wrong-parameter", f"{_shown(param)} takes a list of objects", param.span)
        return BoundRows.of(self.values[param.key], rows)

    def spliced(self, given: tuple[Json, ...], bound: list[Json]) -> tuple[Json, ...]:
        """The rows of VALUES; a parameter among them is one row or a list of rows."""
        out: list[Json] = []
        for old, new in zip(given, bound, strict=True):
            if isinstance(old, nodes.Param):
                out += self.rows(old)
            else:
                out.append(new)
        return tuple(out)

    def examples(self, param: nodes.Param) -> tuple[nodes.Input, ...]:
        """A list of ids and vectors as the examples of RECOMMEND."""
        values = self.value(param)
        if not isinstance(values, list):
            fail("wrong-parameter", f"{_shown(param)} takes a list of ids or vectors", param.span)
        return tuple(
            nodes.Vector(value, span=param.span)
            if isinstance(value, (list, dict))
            else nodes.Point(nodes.Scalar(value, span=param.span), span=param.span)
            for value in values
        )

    def scalar(self, param: nodes.Param) -> Json:
        value = self.value(param)
        if isinstance(value, (list, dict)):
            fail("wrong-parameter", f"{_shown(param)} takes one value, not a list or an object", param.span)
        return value

    def listed(self, param: nodes.Param) -> tuple[nodes.Scalar, ...]:
        values = self.value(param)
        if not isinstance(values, list):
            fail("wrong-parameter", f"{_shown(param)} takes a list", param.span)
        return tuple(nodes.Scalar(value, span=param.span) for value in values)

    def identifier(self, param: nodes.Param) -> str:
        value = self.values[param.key]
        if not isinstance(value, str) or not value or not value.isprintable():
            fail("wrong-parameter", f"IDENTIFIER({_shown(param)}) takes a name", param.span)
        return value


def _nothing_left(span: Span) -> NoReturn:
    hint = "keep a condition beside it that always holds good"
    fail("nothing-left", "all of this condition falls away, and one is needed here", span, hint)


def _own_params(condition: nodes.Condition) -> list[nodes.Param]:
    """The parameters of a condition that are not those of an OPTIONAL in it."""
    found: list[nodes.Param] = []
    todo: list[object] = [condition]
    while todo:
        item = todo.pop()
        if isinstance(item, nodes.Param):
            found.append(item)
        elif isinstance(item, nodes.Node) and not isinstance(item, nodes.Optional):
            todo += (getattr(item, name) for name in item.__match_args__)
        elif isinstance(item, (tuple, list)):
            todo += item
        elif isinstance(item, dict):
            todo += item.values()
    return found


def _shown(param: nodes.Param) -> str:
    return f":{param.key}" if isinstance(param.key, str) else "?"


def json_of(given: Json, span: Span, name: str) -> Json:
    """A Python value of this name as JSON data. Raises `QQLPlanError` that says where in it the fault is."""
    try:
        return _plain(given, span)
    except QQLPlanError as exc:
        place = "" if exc.code == "too-deep" else _place(given, span)
        if not place:
            raise
        found = exc.diagnostic
        raise QQLPlanError(replace(found, message=f"{_named(name, place)}: {found.message}")) from None


def _named(name: str, place: str) -> str:
    """A place inside of what has a name: ``row 4 of :rows, `price` ``, or ``:v[2]``."""
    row = re.fullmatch(r"\[(\d+)\]\.(.+)", place, re.DOTALL)
    if row:
        return f"row {int(row[1]) + 1} of {name}, `{row[2]}`"
    return f"{name}{place}"


def _target(value: Json, span: Span) -> nodes.Target:
    """What a bound value is as the target of a query."""
    scalar = nodes.Scalar(value if not isinstance(value, (list, dict)) else None, span=span)
    if isinstance(value, (list, dict)):
        return nodes.Vector(value, span=span)
    if isinstance(value, int) and not isinstance(value, bool):
        return nodes.Point(scalar, span=span)
    if isinstance(value, str):
        return nodes.Point(scalar, span=span) if is_uuid(value) else nodes.Text(scalar, span=span)
    fail("wrong-parameter", "a query's target is a text, a vector or the id of a point", span)


def _plain(value: Json, span: Span, level: int = 0) -> Json:
    """A Python value as JSON data (`jsonified`). Raises `QQLPlanError`."""
    kind = type(value)
    if kind is list and _is_vector(value):
        return value.copy()  # the request's own
    if kind is str and value.isascii():
        return value
    if kind is dict and level < MAX_NESTING:
        return {_key(key, span): _plain(item, span, level + 1) for key, item in value.items()}
    return _converted(value, span, level)


def _key(key: Json, span: Span) -> str:
    if type(key) is str and key.isascii():
        return key
    if isinstance(key, str):
        return _text(key, span)
    fail("wrong-parameter", "the keys of an object are strings", span)


def _converted(value: Json, span: Span, level: int) -> Json:
    """`_plain` for what is not JSON data as it is, or may not be."""
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, span)
        case int() if -(1 << 63) <= value < 1 << 64:
            return int(value)
        case int():
            fail("number-out-of-range", f"{shown(int(value))} does not fit 64 bits", span)
        case float() if math.isfinite(value):
            return float(value)
        case float():
            hint = "a value that is missing is None" if math.isnan(value) else None
            fail("number-out-of-range", "NaN and infinity are no JSON values", span, hint)
    if level > MAX_NESTING or (level == MAX_NESTING and isinstance(value, (Mapping, list, tuple))):
        _too_deep(span)
    if isinstance(value, Mapping):
        return {_key(key, span): _plain(item, span, level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, span, level + 1) for item in value]

    from qql.compiler.python_values import NoJson, jsonified

    try:
        found = jsonified(value)
    except NoJson as exc:
        fail("wrong-parameter", str(exc), span, exc.hint)
    if are_short_floats(value):
        return found
    return _plain(found, span, level + 1)


def _is_vector(items: list[Json]) -> bool:
    """Whether a list holds floats that JSON has, and maybe small integers, so that nothing is to be done."""
    kinds = {*map(type, items)}
    if kinds == {float}:
        return math.isfinite(sum(items))
    whole = kinds <= {int, float} and bool(items)
    return whole and min(items) > -1e15 and max(items) < 1e15 and math.isfinite(sum(items))


def _place(value: Json, span: Span) -> str:
    """The way to the first part of a value that is no JSON: ``[3].price``; empty where it is the value."""
    items = _opened(value)
    parts: list[tuple[str, Json]] = []
    if isinstance(items, Mapping):
        parts = [(f".{key}", item) for key, item in items.items()]
    elif isinstance(items, (list, tuple)):
        parts = [(f"[{at}]", item) for at, item in enumerate(items)]
    for step, item in parts:
        try:
            _plain(item, span)
        except QQLPlanError:
            return step + _place(item, span)
    return ""


def _opened(value: Json) -> Json:
    """A value as its parts can be looked at one by one."""
    if value is None or isinstance(value, (str, int, float, Mapping, list, tuple)):
        return value
    from qql.compiler.python_values import NoJson, jsonified

    try:
        return jsonified(value)
    except NoJson:
        return value


def _text(value: str, span: Span) -> str:
    """The characters of a string, whatever class it has."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            message = f"a text holds U+{ord(value[exc.start]):04X}, which is half of a character"
            raise QQLPlanError(Diagnostic("lone-surrogate", message, span)) from exc
    return str.__str__(value)
