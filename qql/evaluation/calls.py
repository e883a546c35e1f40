"""The calls of a pipeline: for each query, what its parameters are; and where an error of one belongs."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from qql.errors import QQLError, did_you_mean
from qql.evaluation.faults import InputError, argument
from qql.evaluation.files import Query
from qql.evaluation.pipelines import Pipeline
from qql.records import dataclass, field, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import Body, JsonObject

if TYPE_CHECKING:
    from qql.compiler.plan import QueryPlan
    from qql.session.stamp import Stamp

__all__ = [
    "Call",
    "calls_of",
    "check_pipelines",
    "constant_call",
    "first_plan",
    "limit_of",
    "locate_error",
    "stamp_of",
]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pipeline: the query, whose id is empty where there is none, and its parameters."""

    query: Query
    params: JsonObject = field(hash=False)


def check_pipelines(pipelines: Sequence[Pipeline], params: Body, varied: Collection[str] = ()) -> None:
    """See whether each is one query with named parameters, and whether each of ``params`` has a use.

    ``varied`` are names that have a use elsewhere. Raises `QQLCompileError` for a script that is no pipeline,
    and `InputError`: ``wrong-parameters`` (``?``), ``unknown-parameter``.
    """
    used = {*varied}
    for pipeline in pipelines:
        pipeline.check()
        if any(isinstance(key, int) for key in pipeline.parameters):
            hint = "write :query for the text of a query, and :name for the field `name` of its row"
            message = f"a parameter of {pipeline.name} is `?`, which has no name"
            raise InputError.make("wrong-parameters", message, hint=hint)
        used |= pipeline.taken(params).keys()
    for name in params:
        if name not in used:
            known = [str(key) for pipeline in pipelines for key in pipeline.parameters]
            message = f"nothing has the parameter :{name}"
            raise InputError.make("unknown-parameter", message, hint=did_you_mean(name, known))


def calls_of(
    pipeline: Pipeline, queries: Sequence[Query], params: Body, varied: Collection[str] = ()
) -> list[Call]:
    """A call for each query; the values of parameters are fields of its row, or from ``params``.

    ``varied`` are parameters that get their values later. Raises `InputError`: ``missing-parameter``,
    ``wrong-parameters`` (a value is given by both; or nothing depends on the query).
    """
    fields = {name for query in queries for name in query.params}
    sources = _sources_of_parameters(pipeline, {*fields, *params, *varied})
    calls = []
    for query in queries:
        for key, name in sources.items():
            if name not in varied:
                _check_parameter(pipeline, query, key, name, params)
        values = {**query.params, **params}
        calls.append(Call(query, {name: values[name] for name in sources.values() if name in values}))
    if calls and not fields.intersection(sources.values()):
        message = f"{pipeline.name} asks the same whatever the query is"
        hint = "write :query where the text of the query belongs"
        raise InputError.make("wrong-parameters", message, hint=hint)
    return calls


def constant_call(pipeline: Pipeline, params: Body) -> Call:
    """The call of a pipeline that is asked the same each time. Raises `InputError` ``missing-parameter``."""
    values = pipeline.taken(params)
    for key in map(str, pipeline.parameters):
        if key not in values and key.partition(".")[0] not in values:
            hint = f"{argument('queries')}, or {argument('params', {key: '…'})}, gives it a value"
            raise InputError.make("missing-parameter", f"{pipeline.name} has :{key}", hint=hint)
    return Call(Query("", {}), values)


def _sources_of_parameters(pipeline: Pipeline, known: Collection[str]) -> dict[str, str]:
    """Parameter → the name its value has: `:place.lat` may be found inside `place`."""
    keys = map(str, pipeline.parameters)
    return {key: key if key in known else key.partition(".")[0] for key in keys}


def _check_parameter(pipeline: Pipeline, query: Query, key: str, name: str, params: Body) -> None:
    """Raises `InputError` unless the value of a parameter comes from the query or from the constants."""
    place = f"{query.place}: " if query.place else ""
    if name in params and name in query.params:
        message = f"{place}the query {query.id!r} has a field `{name}`, and so has {argument('params')}"
        raise InputError.make("wrong-parameters", message, hint="rename one, or leave one out")
    if name not in params and name not in query.params:
        message = f"{place}the query {query.id!r} has no `{name}`, and {pipeline.name} has :{key}"
        hint = did_you_mean(name, query.params) or f"its fields are {', '.join(query.params)}"
        raise InputError.make("missing-parameter", message, hint=hint)


def locate_error(error: QQLError, pipeline: str, call: Call) -> QQLError:
    """The error with the query that it befell."""
    if not call.query.id:
        return error
    place = f" ({call.query.place})" if call.query.place else ""
    first, *more = error.diagnostics
    where = f"{pipeline}, query {call.query.id!r}{place}"
    return type(error)(replace(first, message=f"{where}: {first.message}"), *more)


def limit_of(plan: QueryPlan) -> int:
    """How many hits a query gives at most; a second stage has the last word."""
    return (plan.second.top if plan.second is not None else None) or plan.root.limit or DEFAULT_LIMIT


def first_plan(pipeline: Pipeline, calls: Sequence[Call]) -> QueryPlan | None:
    """The plan of the first query that has one; of QUERY … ELSE …, that of its first query.

    Faults of others are reported when they run.
    """
    for call in calls:
        with contextlib.suppress(QQLError):
            found = pipeline.whole(call.params)
            return (found.branches or (found,))[0].plan
    return None


def stamp_of(pipelines: Mapping[str, Pipeline], calls: Mapping[str, Sequence[Call]]) -> Stamp:
    """What the figures of pipelines of one session depend on beside them."""
    compiled = []
    for name, pipeline in pipelines.items():
        with contextlib.suppress(QQLError):  # a fault of a query is told when it runs
            compiled.append(pipeline.whole(calls[name][0].params))
    return next(iter(pipelines.values())).session.stamp(*compiled)
