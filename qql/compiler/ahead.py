"""Texts that are planned before their values are known, so that a call with values only puts them in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from qql import nodes
from qql.compiler.bind import Binder, Params
from qql.compiler.guards import is_dense, is_scalar
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, Script, requests_of
from qql.compiler.templates import Template, template
from qql.errors import Source
from qql.nodes.core import UUID_LENGTHS
from qql.nodes.holes import Hole, NeedsValue, Slot, SlotsMade, SparseSlot, keys_in, never
from qql.records import dataclass, replace
from qql.rest.request import Request
from qql.rest.types import Json
from qql.syntax.parser import Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Ahead", "Planned", "planned"]

Kinds = tuple[str, ...]
_MOST_KINDS = 16
"""Plans of one text, for values of different kinds, at most."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The statements of a text with slots.

    ``template.fill`` makes the requests that `qql.compile` gives for values, all of whose objects are the
    caller's own; it gives None where a value has to go the long way, to be converted or refused.
    """

    statements: tuple[Compiled, ...]
    template: Template


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
        by_place = 0 in keys and len(parsed) == 1  # `?`: a list of values goes with one statement
        self._given_as: tuple[type, ...] = (list, tuple) if by_place else (dict,)
        self._kinded = _kinded_keys(parsed)
        self._one = len(self._kinded) == 1
        self._first = self._kinded[0] if self._kinded else None
        self._plans: dict[Kinds | str, Planned | None] = {}

    def requests(self, params: Any) -> list[Request] | None:
        """The requests of these values, all of whose objects are the caller's own."""
        try:
            plan = self.plan(params)
            return None if plan is None else plan.template.fill(params)
        except KeyError:
            return None

    def filled(self, params: Any) -> tuple[Planned, list[Request]] | None:
        """The plan for these values, and its requests with them."""
        try:
            plan = self.plan(params)
            requests = None if plan is None else plan.template.fill(params)
        except KeyError:
            return None
        return None if plan is None or requests is None else (plan, requests)

    def plan(self, params: Any) -> Planned | None:
        """The plan for values of this kind; its template raises ``KeyError`` where one has another name."""
        if params is None:
            if self._count:
                return None
        elif type(params) not in self._given_as or len(params) != self._count:
            return None
        # Most texts have no more than one parameter that can be a text or a vector.
        kinds = _kind_of(params[self._first]) if self._one else self._kinds(params)
        plan = self._plans.get(kinds)
        if plan is not None or kinds in self._plans:
            return plan
        if len(self._plans) >= _MOST_KINDS:
            return None
        plan = self._plans[kinds] = self._planned(kinds if isinstance(kinds, tuple) else (kinds,))
        return plan

    def _kinds(self, params: Any) -> Kinds:
        return tuple([_kind_of(params[key]) for key in self._kinded])

    def _planned(self, kinds: Kinds) -> Planned | None:
        known = dict(zip(self._kinded, kinds, strict=True))
        try:
            return planned(self._source, self._parsed, self._context, known, self._keys)
        except NeedsValue:
            return None


def planned(
    source: Source,
    parsed: Sequence[Parsed],
    context: Context,
    kinds: Mapping[str | int, str],
    wanted: Collection[str | int],
) -> Planned | None:
    """The statements planned with holes; None where they are at fault.

    ``kinds`` says of parameters what their values are, ``wanted`` are the holes. Raises
    `NeedsValue` where the requests hang on the value of a hole.
    """
    if any(isinstance(nodes.subject(one.statement), nodes.Fallback) for one in parsed):
        return None  # what it waits for, a session looks at
    script = _ScriptWithHoles(_HoleBinder(wanted, kinds), context)
    with SlotsMade() as slots:
        try:
            done = tuple(script.compile_parsed(source, parsed))
            if script.faults or any(one.ignores_missing for one in done):
                return None
            requests = requests_of(done)
        except TypeError:  # a function of Python's own was to look into a hole
            return None
        # What nothing looked at, as the target of a query that fuses: it has to be JSON all the same.
        looked_at = {key for one in slots for key in keys_in(one.key)}
        for key in wanted:
            if key not in looked_at and kinds.get(key) != "null":
                Slot(Hole(key), is_dense(None) if kinds.get(key) == "list" else is_scalar)
    try:
        return Planned(done, template(requests, slots))
    except RecursionError:  # too deep for what makes them; it is compiled each time
        return None


class _ScriptWithHoles(Script):
    def __init__(self, binder: Binder, context: Context) -> None:
        super().__init__(None, context, None)
        self.binder = binder

    def bound(self, parsed: Parsed, params: Params, single: bool) -> nodes.Statement:
        found: nodes.Statement = self.binder.node(parsed.statement) if parsed.params else parsed.statement
        return found


# ------------------------------------------------------------------------------------ kinds of values


def _kind_of(value: Any) -> str:
    """What a value is as the target of a query, and whether it is there."""
    kind = type(value)
    if kind is str:
        return "uuid" if len(value) in UUID_LENGTHS and nodes.is_uuid(value) else "text"
    return _KINDS.get(kind, "other")


_KINDS: dict[type, str] = {int: "number", list: "list", dict: "object", type(None): "null"}


def _kinded_keys(parsed: Sequence[Parsed]) -> tuple[str | int, ...]:
    """The parameters that mean something else for values of another kind, or for none."""
    found: dict[str | int, None] = {}
    for statement in parsed:
        if not statement.params:
            continue
        for one in nodes.walk(statement.statement):
            if isinstance(one, (nodes.AnyInput, nodes.Match)) and isinstance(one.value, nodes.Param):
                found[one.value.key] = None
            elif isinstance(one, nodes.Param) and one.optional:
                found[one.key] = None
            elif isinstance(one, nodes.Optional):
                found |= {below.key: None for below in nodes.walk(one) if isinstance(below, nodes.Param)}
    return tuple(found)


class _HoleBinder(Binder):
    """Puts holes in the places of parameters."""

    def __init__(self, keys: Iterable[str | int], kinds: Mapping[str | int, str]) -> None:
        super().__init__({key: None if kinds.get(key) == "null" else Hole(key) for key in keys})
        self.kinds = kinds

    def value(self, param: nodes.Param) -> Json:
        raise NeedsValue(param.key)

    def parts(self, item: nodes.Node) -> Json:
        match item:
            case nodes.UpdatePayload(value=dict() as payload):
                item = replace(item, value=self.fields(payload))
            case nodes.UpdateVector(value=nodes.Param() as vector):
                item = replace(item, value=self.values[vector.key])
            case nodes.Upsert(rows=tuple() as rows):
                item = replace(item, rows=tuple(map(self.row, rows)))
        return super().parts(item)

    def fields(self, given: dict[str, Json]) -> dict[str, Json]:
        """An object with holes for the fields of it that are parameters."""
        return {
            key: self.values[field.key] if isinstance(field, nodes.Param) else field
            for key, field in given.items()
        }

    def row(self, given: Json) -> Json:
        """A row of VALUES with holes for its fields, and its vectors."""
        if not isinstance(given, dict):
            return given
        row = self.fields(given)
        if isinstance(row.get("vector"), dict):
            row["vector"] = self.fields(row["vector"])
        return row

    def is_text(self, param: nodes.Param) -> bool:
        return self.kinds[param.key] in ("text", "uuid")

    def scalar(self, param: nodes.Param) -> Json:
        found = self.values[param.key]
        if found is None:
            raise NeedsValue(param.key)
        return found

    def target(self, param: nodes.Param) -> nodes.Target:
        match self.kinds[param.key]:
            case "text":
                return nodes.Text(nodes.Scalar(Hole(param.key), span=param.span), span=param.span)
            case "uuid" | "number":
                return nodes.Point(nodes.Scalar(Hole(param.key), span=param.span), span=param.span)
            case "list":  # whether it is a dense vector of the right size is seen when it is there
                return nodes.Vector(Slot(Hole(param.key), never, list), span=param.span)
            case "object":  # as whether it is a sparse vector
                return nodes.Vector(SparseSlot(Hole(param.key), never, _sparse_copy), span=param.span)
        raise NeedsValue(param.key)

    def field(self, item: nodes.Node, param: nodes.Param) -> Json:
        if isinstance(item, (nodes.Scalar, nodes.In, nodes.Match, nodes.Points, nodes.Option)):
            return self.scalar(param)
        raise NeedsValue(param.key)


def _sparse_copy(vector: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {part: numbers.copy() for part, numbers in vector.items()}
