"""Parameters: values are put into the tree, never into text."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from typing import Any, cast

from qql import nodes
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean

__all__ = ["Params", "bind", "is_uuid", "stable_uuid"]

Params = Mapping[str, Any] | Sequence[Any] | None
"""Values for ``:name`` (a mapping) or for ``?`` (a sequence, in the order of the text)."""

_UUID = re.compile(
    r"(?:urn:uuid:)?(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32})", re.ASCII
)


def is_uuid(text: str) -> bool:
    """Whether Qdrant reads the text as a UUID: hyphenated, simple, or with ``urn:uuid:``."""
    return _UUID.fullmatch(text) is not None


def stable_uuid(text: str) -> str:
    """The UUIDv5 (RFC 9562 § 5.5) of a text in the URL namespace: what ``UUID('text')`` means."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def bind(
    statement: nodes.Statement, wanted: Sequence[nodes.Param], params: Params, *, whole: bool = True
) -> nodes.Statement:
    """The statement with a value in the place of each parameter.

    ``wanted`` are the statement's parameters in the order of the text. With ``whole``, a value that no
    parameter takes is an error too. Raises `QQLPlanError`.
    """
    if isinstance(params, (str, bytes)):
        raise TypeError("params is a mapping or a sequence of values, not one string")
    values = _values(wanted, params, whole)
    if not wanted:
        return statement
    return cast(nodes.Statement, _Binder(values).node(statement))


def _values(wanted: Sequence[nodes.Param], params: Params, whole: bool) -> dict[str | int, Any]:
    named = bool(wanted) and isinstance(wanted[0].key, str)
    if isinstance(params, Mapping):
        values: dict[str | int, Any] = dict(params.items())
        if wanted and not named:
            _fail("wrong-parameters", "`?` takes a list of values, not names", wanted[0].span)
    else:
        values = dict(enumerate(params or ()))
        if named and values:
            _fail("wrong-parameters", f"`:{wanted[0].key}` takes its value by name", wanted[0].span)
    for param in wanted:
        if param.key not in values:
            shown = f":{param.key}" if named else f"? (number {cast(int, param.key) + 1})"
            known = [str(key) for key in values]
            message = f"no value for the parameter {shown}"
            how = "values are given by params=, by --param k=v, or by \\set in the prompt"
            _fail("missing-parameter", message, param.span, did_you_mean(str(param.key), known) or how)
    extra = [key for key in values if key not in {p.key for p in wanted}]
    if extra and whole:
        span = wanted[0].span if wanted else None
        shown = ", ".join(f":{k}" if isinstance(k, str) else f"number {k + 1}" for k in extra[:5])
        known = [str(p.key) for p in wanted]
        hint = did_you_mean(str(extra[0]), known)
        _fail("unknown-parameter", f"a value is given for {shown}, which nothing uses", span, hint)
    return values


def _fail(code: str, message: str, span: Span | None, hint: str | None = None) -> None:
    raise QQLPlanError(Diagnostic(code, message, span, hint))


class _Binder:
    def __init__(self, values: dict[str | int, Any]) -> None:
        self.values = values

    def node(self, item: Any) -> Any:
        """The item with its parameters replaced; the same object where it has none."""
        match item:
            case nodes.Param():
                return _plain(self.values[item.key], item.span)
            case nodes.Scalar(value=nodes.Param() as param):
                return nodes.Scalar(self.scalar(param), span=item.span)
            case nodes.Name(text=nodes.Param() as param):
                return nodes.Name(self.identifier(param), span=item.span)
            case nodes.AnyInput(value=nodes.Param() as param):
                return _target(_plain(self.values[param.key], param.span), param.span)
            case nodes.In(values=nodes.Param() as param):
                return replace(item, name=self.node(item.name), values=self.listed(param))
            case nodes.Match(value=nodes.Param() as param):
                return replace(item, name=self.node(item.name), value=self.listed(param))
            case nodes.Points(ids=nodes.Param() as param):
                return replace(item, ids=self.listed(param))
            case nodes.Upsert(rows=nodes.Param() as param):
                rows = _plain(self.values[param.key], param.span)
                if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                    _fail("wrong-parameter", f"{_shown(param)} takes a list of objects", param.span)
                return replace(item, collection=self.node(item.collection), rows=tuple(rows))
            case nodes.Node():
                return self.inner(item)
            case tuple():
                return tuple(self.node(part) for part in item)
            case list():
                return [self.node(part) for part in item]
            case dict():
                return {key: self.node(part) for key, part in item.items()}
        return item

    def inner(self, item: nodes.Node) -> nodes.Node:
        changed = {}
        for f in fields(item):
            old = getattr(item, f.name)
            if isinstance(old, (nodes.Node, tuple, list, dict)):
                new = self.node(old)
                if new is not old:
                    changed[f.name] = new
        return replace(item, **changed) if changed else item

    def scalar(self, param: nodes.Param) -> Any:
        value = _plain(self.values[param.key], param.span)
        if isinstance(value, (list, dict)):
            _fail("wrong-parameter", f"{_shown(param)} takes one value, not a list or an object", param.span)
        return value

    def listed(self, param: nodes.Param) -> tuple[nodes.Scalar, ...]:
        values = _plain(self.values[param.key], param.span)
        if not isinstance(values, list):
            _fail("wrong-parameter", f"{_shown(param)} takes a list", param.span)
        return tuple(nodes.Scalar(value, span=param.span) for value in values)

    def identifier(self, param: nodes.Param) -> str:
        value = self.values[param.key]
        if not isinstance(value, str) or not value or not value.isprintable():
            _fail("wrong-parameter", f"IDENTIFIER({_shown(param)}) takes a name", param.span)
        return cast(str, value)


def _shown(param: nodes.Param) -> str:
    return f":{param.key}" if isinstance(param.key, str) else "?"


def _target(value: Any, span: Span) -> nodes.Target:
    """What a bound value is as the target of a query."""
    scalar = nodes.Scalar(value if not isinstance(value, (list, dict)) else None, span=span)
    if isinstance(value, (list, dict)):
        return nodes.Vector(value, span=span)
    if isinstance(value, int) and not isinstance(value, bool):
        return nodes.Point(scalar, span=span)
    if isinstance(value, str):
        return nodes.Point(scalar, span=span) if is_uuid(value) else nodes.Text(scalar, span=span)
    _fail("wrong-parameter", "a query's target is a text, a vector or the id of a point", span)
    raise AssertionError


def _plain(value: Any, span: Span) -> Any:
    """A Python value as JSON data: arrays by their ``tolist``, dates in ISO 8601, UUIDs as text."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            _fail("wrong-parameter", "the keys of an object are strings", span)
        return {key: _plain(item, span) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy arrays and scalars, array.array
        return value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, span) for item in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    _fail("wrong-parameter", f"a value of the type {type(value).__name__} cannot be bound", span)
    raise AssertionError
