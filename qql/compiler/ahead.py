"""Texts that are planned before their values are known, so that a call with values only puts them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qql import nodes
from qql.compiler.bind import Binder
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, Script
from qql.compiler.templates import Template, keys_of
from qql.errors import QQLError, Source
from qql.nodes.holes import Hole, NeedsValue, Slot
from qql.rest.request import Request
from qql.rest.types import Json
from qql.syntax.parser import Parsed

__all__ = ["Ahead", "Planned", "planned"]

Kinds = tuple[str | None, ...]
_MOST_KINDS = 16
"""Plans of one text, for values of different kinds, at most."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The statements of a text with slots, and the templates of their requests.

    ``templates`` are those of the requests that `qql.compile` gives, in order.
    """

    statements: tuple[Compiled, ...]
    templates: tuple[Template, ...]

    def filled(self, values: Any) -> list[Request] | None:
        """The requests with these values, all of whose objects are the caller's own."""
        found = []
        for template in self.templates:
            request = template.filled(values)
            if request is None:
                return None
            found.append(request)
        return found


class Ahead:
    """A text that parses, in a context: planned once for each kind of values that it is given.

    What cannot be planned ahead, and values that do not fit as they are, get None: the caller goes the
    long way then, on which all is checked and told.
    """

    def __init__(self, source: Source, parsed: Sequence[Parsed], context: Context) -> None:
        self._source = source
        self._parsed = parsed
        self._context = context
        keys = {param.key: None for one in parsed for param in one.params}
        self._keys = keys.keys()
        self._count = len(keys)
        self._many = len(parsed) > 1
        self._kinded = _kinded_keys(parsed)
        self._plans: dict[Kinds, Planned | None] = {}

    def plan(self, params: Any) -> Planned | None:
        """The plan for values of this kind."""
        kind = type(params)
        if kind is dict:
            if params.keys() != self._keys:
                return None
        elif params is None:
            if self._count:
                return None
        elif kind not in (list, tuple) or len(params) != self._count or self._many:
            return None
        kinds = tuple([_kind_of(params[key]) for key in self._kinded]) if self._kinded else ()
        try:
            return self._plans[kinds]
        except KeyError:
            pass
        plan = None
        if len(self._plans) < _MOST_KINDS and None not in kinds:
            plan = planned(self._source, self._parsed, self._context, dict(zip(self._kinded, kinds, strict=True)))
        self._plans[kinds] = plan
        return plan


def planned(
    source: Source, parsed: Sequence[Parsed], context: Context, kinds: Mapping[str | int, str | None]
) -> Planned | None:
    """The statements planned with holes for their parameters; None where that cannot be done."""
    script = _ScriptWithHoles(kinds, context)
    try:
        if script.compile_parsed(source, parsed, []):
            return None
        requests = [request for one in script.done for request in sent_of(one)]
        arrive: set[str | int] = set().union(*map(keys_of, requests))
        # A value that arrives nowhere would not be checked.
        if any(param.key not in arrive for one in parsed for param in one.params):
            return None
        return Planned(tuple(script.done), tuple(map(Template, requests)))
    except (NeedsValue, QQLError, TypeError):  # TypeError: a function of Python's own was to look into a hole
        return None


def sent_of(compiled: Compiled) -> tuple[Request, ...]:
    """The requests that `qql.compile` gives for a statement."""
    return () if isinstance(compiled.statement, (nodes.Explain, nodes.Why)) else compiled.requests


class _ScriptWithHoles(Script):
    def __init__(self, kinds: Mapping[str | int, str | None], context: Context) -> None:
        super().__init__(None, context, None)
        self.holes = _HoleBinder(kinds)

    def bound(self, parsed: Parsed, single: bool) -> nodes.Statement:
        found: nodes.Statement = self.holes.node(parsed.statement) if parsed.params else parsed.statement
        return found


# ------------------------------------------------------------------------------------ kinds of values

_UUID_LENGTHS = frozenset({32, 36, 38, 41, 45})


def _kind_of(value: Any) -> str | None:
    """What a value is as the target of a query; None for what goes the long way."""
    kind = type(value)
    if kind is str:
        return "uuid" if len(value) in _UUID_LENGTHS and nodes.is_uuid(value) else "text"
    return _KINDS.get(kind)


_KINDS = {int: "number", list: "list"}


def _kinded_keys(parsed: Sequence[Parsed]) -> tuple[str | int, ...]:
    """The parameters that mean something else for values of another kind."""
    found = {
        one.value.key: None
        for statement in parsed
        if statement.params
        for one in nodes.walk(statement.statement)
        if isinstance(one, (nodes.AnyInput, nodes.Match)) and isinstance(one.value, nodes.Param)
    }
    return tuple(found)


class _HoleBinder(Binder):
    """Puts holes in the places of parameters."""

    def __init__(self, kinds: Mapping[str | int, str | None]) -> None:
        super().__init__({})
        self.kinds = kinds

    def value(self, param: nodes.Param) -> Json:
        raise NeedsValue(param.key)

    def is_text(self, param: nodes.Param) -> bool:
        return self.kinds[param.key] in ("text", "uuid")

    def scalar(self, param: nodes.Param) -> Json:
        return Hole(param.key)

    def target(self, param: nodes.Param) -> nodes.Target:
        scalar = nodes.Scalar(Hole(param.key), span=param.span)
        match self.kinds[param.key]:
            case "text":
                return nodes.Text(scalar, span=param.span)
            case "uuid" | "number":
                return nodes.Point(scalar, span=param.span)
        # Whether the list is a dense vector of the right size is seen when it is there.
        return nodes.Vector(Slot(Hole(param.key), lambda _: False, list), span=param.span)

    def field(self, item: nodes.Node, param: nodes.Param) -> Json:
        if isinstance(item, (nodes.Scalar, nodes.In, nodes.Match, nodes.Points, nodes.Option)):
            return Hole(param.key)
        raise NeedsValue(param.key)
