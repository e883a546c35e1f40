"""The pipelines that `qql diff`, `eval`, `bench` and `tune` measure, and the queries that they run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qql.backends.base import Progress
from qql.cli.access import require_consent
from qql.cli.commands.connection import MEMORY, open_session, target_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.scripts import params_of
from qql.cli.render import ProgressBar, Renderer
from qql.cli.usage import UsageError, read_script
from qql.errors import QQLError, QQLExecutionError, Source, did_you_mean
from qql.evaluation.files import Query, read_queries
from qql.evaluation.pipelines import Pipeline
from qql.records import dataclass, field, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import JsonObject
from qql.session.script_files import ScriptText

if TYPE_CHECKING:
    from qql.compiler.plan import QueryPlan
    from qql.session.session import Session
    from qql.session.stamp import Stamp

__all__ = [
    "Call",
    "as_usage",
    "calls_of",
    "constants_of",
    "limit_of",
    "load_queries",
    "locate_error",
    "open_measured_session",
    "pipeline_names",
    "pipelines_of",
    "require",
    "stamp_of",
]


def require(args: Arguments, *names: str) -> None:
    """Raises `UsageError` where an option or the pipelines are missing."""
    if not args.get("files"):
        raise UsageError.make("usage", "this command requires a pipeline: a file with one QUERY")
    for name in names:
        if name not in args:
            raise UsageError.make("usage", f"this command requires {args.flag(name)}")


@contextlib.contextmanager
def as_usage() -> Iterator[None]:
    """Turns the error of an argument, or of a file of figures that it names, into a `UsageError`."""
    try:
        yield
    except QQLExecutionError as exc:
        raise UsageError(*exc.diagnostics) from exc


def pipeline_names(files: Sequence[str]) -> dict[str, str]:
    """Names to show for files, each with its file: what a file is called, its whole path where two agree."""
    stems = ["stdin" if file == "-" else Path(file.removesuffix(".gz")).stem or file for file in files]
    names = [file if stems.count(stem) > 1 else stem for file, stem in zip(files, stems, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise UsageError.make("usage", f"{name} is named twice")
    return dict(zip(names, files, strict=True))


def constants_of(args: Arguments) -> JsonObject:
    """The parameters of ``--param``, which are the same for every query."""
    values = params_of(args)
    if isinstance(values, list):
        raise UsageError.make("usage", "a pipeline's parameters have names", hint="--param NAME=VALUE")
    return values


@contextlib.contextmanager
def open_measured_session(args: Arguments, console: Renderer) -> Iterator[tuple[Session, Progress]]:
    """A session on the database that is measured, after ``--setup``, and what is called with progress."""
    target = target_of(args)
    if target == MEMORY and "setup" not in args:
        hint = "--db DIR or --url URL names one; --setup FILE is a script that fills one in memory"
        raise UsageError.make("usage", "there is no database to measure", hint=hint)
    bars = ProgressBar(sys.stderr, color=console.err_color)
    shown = args.get("progress", sys.stderr.isatty())
    session = open_session(args, target, bars if shown else None, advice=False)
    try:
        if "setup" in args:
            script = Pipeline(session, read_script(args["setup"]), args["setup"])
            params = script.taken(constants_of(args))
            text = ScriptText(Source(script.text, script.name))
            require_consent(session, text, params or None, args.get("profile"), yes="yes" in args)
            for result in session.stream(script.text, params or None, name=script.name):
                console.warn(result.warnings)
            bars.clear()
        yield session, bars if shown else _no_progress
    finally:
        bars.clear()
        session.close()


def _no_progress(what: str, done: int, total: int | None) -> None:
    """Shows no progress."""


def pipelines_of(
    args: Arguments, session: Session, files: Mapping[str, str], varied: Sequence[str] = ()
) -> dict[str, Pipeline]:
    """The pipelines by their names; ``varied`` are parameters whose values come from a grid.

    Raises `QQLCompileError` for a script that is no pipeline, and `UsageError` for ``?`` and for a
    ``--param`` that neither a pipeline nor ``--setup`` has.
    """
    pipelines = {
        name: Pipeline(session, read_script(file), "<stdin>" if file == "-" else file)
        for name, file in files.items()
    }
    constants = constants_of(args)
    used = set(varied)
    for pipeline in pipelines.values():
        pipeline.check()
        if any(isinstance(key, int) for key in pipeline.parameters):
            hint = "write :query for the text of a query, and :name for the field `name` of its row"
            raise UsageError.make(
                "wrong-parameters", f"a parameter of {pipeline.name} is `?`, which has no name", hint=hint
            )
        used |= pipeline.taken(constants).keys()
    if "setup" in args:
        used |= Pipeline(session, read_script(args["setup"])).taken(constants).keys()
    for name in constants:
        if name not in used:
            known = [str(key) for pipeline in pipelines.values() for key in pipeline.parameters]
            raise UsageError.make(
                "unknown-parameter", f"nothing has the parameter :{name}", hint=did_you_mean(name, known)
            )
    return pipelines


def limit_of(plan: QueryPlan) -> int:
    """How many hits a query gives at most; a second stage has the last word."""
    return (plan.second.top if plan.second is not None else None) or plan.root.limit or DEFAULT_LIMIT


def stamp_of(pipelines: Mapping[str, Pipeline], calls: Mapping[str, Sequence[Call]]) -> Stamp:
    """What the figures of pipelines of one session depend on beside them."""
    compiled = []
    for name, pipeline in pipelines.items():
        with contextlib.suppress(QQLError):  # a fault of a query is told when it runs
            compiled.append(pipeline.compiled(calls[name][0].params))
    return next(iter(pipelines.values())).session.stamp(*compiled)


# ------------------------------------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pipeline: the query, whose id is empty where there is no file, and its parameters."""

    query: Query
    params: JsonObject = field(hash=False)


def load_queries(args: Arguments) -> list[Query]:
    """The queries of ``--queries``, at most ``--limit-queries`` of them."""
    with as_usage():
        return read_queries(args["queries"])[: args.get("limit_queries")]


def calls_of(
    args: Arguments, pipeline: Pipeline, queries: Sequence[Query], varied: Sequence[str] = ()
) -> list[Call]:
    """A call for each query; values of parameters are fields of the query's row, or from ``--param``.

    Raises `UsageError`: ``missing-parameter``, ``wrong-parameters`` (a value is given by both; or nothing
    depends on the query).
    """
    constants = constants_of(args)
    fields = {name for query in queries for name in query.params}
    sources = _sources_of_parameters(pipeline, {*fields, *constants, *varied})
    calls = []
    for query in queries:
        for key, name in sources.items():
            if name not in varied:
                _check_parameter(args, pipeline, query, key, name, constants)
        values = {**query.params, **constants}
        calls.append(Call(query, {name: values[name] for name in sources.values() if name in values}))
    if calls and not fields.intersection(sources.values()):
        hint = "write :query where the text of the query belongs"
        raise UsageError.make(
            "wrong-parameters", f"{pipeline.name} asks the same whatever the query is", hint=hint
        )
    return calls


def _sources_of_parameters(pipeline: Pipeline, known: Collection[str]) -> dict[str, str]:
    """Parameter → the name its value has: `:place.lat` may be found inside `place`."""
    keys = map(str, pipeline.parameters)
    return {key: key if key in known else key.partition(".")[0] for key in keys}


def _check_parameter(
    args: Arguments, pipeline: Pipeline, query: Query, key: str, name: str, constants: JsonObject
) -> None:
    """Raises `UsageError` unless the value of a parameter comes from the query or from ``--param``."""
    place = f"{args['queries']}:{query.line}"
    if name in constants and name in query.params:
        message = f"{place}: the query {query.id!r} has a field `{name}`, and so has --param"
        raise UsageError.make("wrong-parameters", message, hint="rename one, or leave one out")
    if name not in constants and name not in query.params:
        message = f"{place}: the query {query.id!r} has no `{name}`, and {pipeline.name} has :{key}"
        hint = did_you_mean(name, query.params) or f"its fields are {', '.join(query.params)}"
        raise UsageError.make("missing-parameter", message, hint=hint)


def locate_error(error: QQLError, pipeline: str, call: Call, args: Arguments) -> QQLError:
    """The error with the query that it befell."""
    if not call.query.line:
        return error
    where = f"{pipeline}, query {call.query.id!r} ({args['queries']}:{call.query.line})"
    first, *more = error.diagnostics
    return type(error)(replace(first, message=f"{where}: {first.message}"), *more)
