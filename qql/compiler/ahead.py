"""Texts that are planned before their values are known, so that a call with values only puts them in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qql import nodes
from qql.compiler.bind import Binder
from qql.compiler.guards import is_dense, is_scalar
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, Script
from qql.compiler.templates import Fill, filler
from qql.errors import Source
from qql.nodes.holes import Hole, NeedsValue, Slot, never, slots_made
from qql.rest.request import Request
from qql.rest.types import Json
from qql.syntax.parser import Parsed

__all__ = ["UUID_LENGTHS", "Ahead", "Planned", "planned", "sent_of"]

Kinds = tuple[str | None, ...]
_MOST_KINDS = 16
"""Plans of one text, for values of different kinds, at most."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The statements of a text with slots.

    ``fill`` makes the requests that `qql.compile` gives for values, all of whose objects are the caller's
    own; it gives None where a value has to go the long way, to be converted or refused.
    """

    statements: tuple[Compiled, ...]
    fill: Fill


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
        self._one = len(self._kinded) == 1
        self._first = self._kinded[0] if self._kinded else None
        self._plans: dict[Kinds | str | None, Planned | None] = {}

    def plan(self, params: Any) -> Planned | None:
        """The plan for values of this kind."""
        if params is None:
            if self._count:
                return None
        elif type(params) is dict:
            if params.keys() != self._keys:
                return None
        elif type(params) not in (list, tuple) or len(params) != self._count or self._many:
            return None
        # Most texts have no more than one parameter that can be a text or a vector.
        kinds = _kind_of(params[self._first]) if self._one else self._kinds(params)
        try:
            return self._plans[kinds]
        except KeyError:
            plan = self._plans[kinds] = self._planned(kinds if isinstance(kinds, tuple) else (kinds,))
            return plan

    def _kinds(self, params: Any) -> Kinds:
        return tuple([_kind_of(params[key]) for key in self._kinded])

    def _planned(self, kinds: Kinds) -> Planned | None:
        if len(self._plans) >= _MOST_KINDS or None in kinds:
            return None
        known = dict(zip(self._kinded, kinds, strict=True))
        try:
            return planned(self._source, self._parsed, self._context, known, self._keys)
        except NeedsValue:
            return None


def planned(
    source: Source,
    parsed: Sequence[Parsed],
    context: Context,
    kinds: Mapping[str | int, str | None],
    wanted: Collection[str | int],
) -> Planned | None:
    """The statements planned with holes; None where they are at fault.

    ``kinds`` says of parameters what their values are, ``wanted`` are the holes. Raises
    `NeedsValue` where the requests hang on the value of a hole.
    """
    script = _ScriptWithHoles(kinds, context)
    with slots_made() as slots:
        try:
            done = tuple(script.compile_parsed(source, parsed))
            if script.faults:
                return None
            requests = [request for one in done for request in sent_of(one)]
        except TypeError:  # a function of Python's own was to look into a hole
            return None
        # What nothing looked at, as the target of a query that fuses: it has to be JSON all the same.
        looked_at = {key for one in slots for key in (one.key if isinstance(one.key, list) else [one.key])}
        for key in wanted:
            if key not in looked_at:
                Slot(Hole(key), is_dense(None) if kinds.get(key) == "list" else is_scalar)
    return Planned(done, filler(requests, slots))


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

UUID_LENGTHS = frozenset({32, 36, 38, 41, 45})


def _kind_of(value: Any) -> str | None:
    """What a value is as the target of a query; None for what goes the long way."""
    kind = type(value)
    if kind is str:
        return "uuid" if len(value) in UUID_LENGTHS and nodes.is_uuid(value) else "text"
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
        return nodes.Vector(Slot(Hole(param.key), never, list), span=param.span)

    def field(self, item: nodes.Node, param: nodes.Param) -> Json:
        if isinstance(item, (nodes.Scalar, nodes.In, nodes.Match, nodes.Points, nodes.Option)):
            return Hole(param.key)
        raise NeedsValue(param.key)
