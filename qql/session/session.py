"""A session: the one place where compiler, models and engine meet."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

from qql import nodes
from qql.analysis.explain import explain_compiled, explain_dict
from qql.backends.base import Backend, Progress
from qql.compiler.bind import Params
from qql.compiler.copy_mapping import copy_fields
from qql.compiler.emit_filters import scalar_value
from qql.compiler.plan import Context
from qql.compiler.rows import TEXT_FIELDS, make_point, missing_texts
from qql.compiler.script import Compiled, Stages, apply, compile_script, make_context
from qql.errors import (
    Diagnostic,
    QQLCompileError,
    QQLConnectionError,
    QQLError,
    QQLExecutionError,
    QQLPlanError,
    QQLSyntaxError,
    Source,
    Span,
    did_you_mean,
)
from qql.models.embed_request import embed_request
from qql.models.embedders import Embedders
from qql.models.rerank_hits import rerank
from qql.models.rerankers import Rerankers
from qql.rest.request import Request, collection_path
from qql.result import Result, StageShare
from qql.schema import Schema
from qql.session.answers import many, message_of, name_of, result_of, written
from qql.session.dump import dump_collection
from qql.session.files import read_executed
from qql.session.introspection import Telling, told_as
from qql.session.row_files import BadRow, Row, Rows, batches, read_rows
from qql.syntax.printer import show

if TYPE_CHECKING:
    from qql.advice import CollectionFacts
    from qql.analysis import Analysis

__all__ = ["Session", "connect"]

_BATCH = 256
_LOOK_AFTER = 256
"""Rows after which the engine is asked again whether it wants to build indexes: to answer, it flushes."""
_SERVER = re.compile(r"(?:https?|grpcs?)://", re.I)
_NO_DIRECTORY = re.compile(r"\w{2,}://|[\w.-]+:[0-9]+$")
_SHOWN_BAD_ROWS = 20
_BELIEVED = 30.0
"""Seconds for which a collection is taken to be as it was last seen: a server has other clients too."""


def connect(
    target: Any = ":memory:",
    *,
    api_key: str | None = None,
    timeout: float | None = None,
    grpc: bool = False,
    cloud_inference: bool = False,
    collection: str | None = None,
    stages: Stages | None = None,
    models: Mapping[str, str] | None = None,
    embedders: Mapping[str, Any] | None = None,
    embed_url: str | None = None,
    embed_key: str | None = None,
    rerankers: Mapping[str, Any] | None = None,
    rerank_model: str | None = None,
    rerank_url: str | None = None,
    rerank_key: str | None = None,
    on_progress: Progress | None = None,
    advice: bool = True,
) -> Session:
    """Open a session.

    ``target`` is a directory (the embedded engine; made where it is missing), ``":memory:"`` (the same,
    thrown away at the end), ``http(s)://host:port`` or ``grpc(s)://host:port`` (a server), or an existing
    ``qdrant_client.QdrantClient``. ``api_key``, ``timeout`` (seconds), ``grpc`` and ``cloud_inference``
    are for servers. ``embedders`` adds models of your own: name → function (list of texts → vectors), and
    ``rerankers`` such for RERANK: name → function (query, list of texts → scores); ``rerank_model`` is the
    model of a RERANK that names none. ``advice`` puts what could be better about a statement among the
    warnings of its result, each advice once.

    Raises `QQLConnectionError` where nothing can be opened and for an option that the target has no use for,
    `QQLSyntaxError` for a bad stage.
    """
    context = replace(make_context(collection, stages, models), reranker=rerank_model)
    second = Rerankers(rerankers, url=rerank_url, api_key=rerank_key)
    known = Embedders(embedders, url=embed_url, api_key=embed_key)
    options = {"api_key": api_key or None, "timeout": timeout}
    options |= {"grpc": grpc or None, "cloud_inference": cloud_inference or None}
    backend = _backend(target, {name: value for name, value in options.items() if value is not None})
    shown = str(target) if isinstance(target, (str, os.PathLike)) else type(target).__name__
    return Session(backend, context, known, second, target=shown, on_progress=on_progress, advice=advice)


def _backend(target: Any, options: Mapping[str, Any]) -> Backend:
    if hasattr(target, "call") and hasattr(target, "infers"):
        _refuse_idle(options, (), "a backend has its own settings")
        return target  # type: ignore[no-any-return]
    if isinstance(target, str) and _SERVER.match(target):
        from qql.backends.client import ClientBackend

        return ClientBackend.connect(target, **options)
    if not isinstance(target, (str, os.PathLike)):
        from qql.backends.client import ClientBackend

        _refuse_idle(options, ("cloud_inference",), "a QdrantClient has its own settings")
        return ClientBackend(target, **options)
    if isinstance(target, str) and _NO_DIRECTORY.match(target):
        hint = "a server's address begins with http://, https://, grpc:// or grpcs://"
        raise QQLConnectionError(Diagnostic("invalid-url", f"{target} is no address of a server", hint=hint))
    # A timeout is kept in any case: nothing is waited for.
    _refuse_idle(options, ("timeout",), "the embedded engine is no server")
    from qql.backends.edge import EdgeBackend

    return EdgeBackend(None if target == ":memory:" else target)


def _refuse_idle(options: Mapping[str, Any], known: tuple[str, ...], why: str) -> None:
    for name in options:
        if name not in known:
            hint = f"{name} goes with the address of a server, http://host:6333"
            raise QQLConnectionError(Diagnostic("idle-option", f"{name} has no use here: {why}", hint=hint))


class _Seen(NamedTuple):
    """A collection as it was last seen: when, the engine's answer, and the schema in it."""

    at: float
    info: dict[str, Any]
    schema: Schema


class Session:
    """Carries out statements on one engine. Not for use by several threads at once.

    ``context`` holds what USE and DEFINE have set; ``target`` is what the session is connected to.
    """

    def __init__(
        self,
        backend: Backend,
        context: Context,
        embedders: Embedders,
        rerankers: Rerankers | None = None,
        *,
        target: str = "",
        on_progress: Progress | None = None,
        advice: bool = True,
    ) -> None:
        self.backend = backend
        self.advice = advice
        self.embedders = embedders
        self.rerankers = rerankers or Rerankers()
        self.target = target
        self.on_progress = on_progress
        self.context = replace(context, schema=self.schema, collections=self.collections)
        self._seen: dict[str, _Seen] = {}
        self._said: set[tuple[str, str]] = set()
        self._unlooked: dict[str, int] = {}

    # -- the public face

    def execute(self, statement: str, params: Params = None, *, name: str = "<string>") -> Result:
        """Carry out exactly one statement.

        The result of EXECUTE is a message; `run` gives those of the file's statements too. Raises
        `QQLCompileError` where it cannot be compiled (``one-statement`` for a script), `QQLExecutionError`
        where the engine refuses it, `QQLConnectionError`.
        """
        source = Source(statement, name)
        compiled = self._compile(source, params)
        own = [one for one in compiled if one.source is source]
        if len(own) != 1:
            message = f"execute takes one statement, not {len(own)}; run takes a script"
            span = own[1].span if len(own) > 1 else Span(0, 0)
            raise QQLPlanError(Diagnostic("one-statement", message, span, source=source))
        for one in compiled[:-1]:  # those of a file, which stand before EXECUTE
            self.carry_out(one)
        return self.carry_out(compiled[-1])

    def run(self, script: str, params: Params = None, *, name: str = "<string>") -> list[Result]:
        """Carry out a script. Nothing is sent where any statement fails to compile.

        Raises as `execute` does; a statement that fails while it runs ends the script.
        """
        return list(self.stream(script, params, name=name))

    def stream(self, script: str, params: Params = None, *, name: str = "<string>") -> Iterator[Result]:
        """As `run`, but each result is given as soon as it is there. The script is compiled at once."""
        compiled = self._compile(Source(script, name), params)
        return (self.carry_out(one) for one in compiled)

    def compile(self, script: str, params: Params = None, *, name: str = "<string>") -> list[Compiled]:
        """The statements of a script, ready for `carry_out`. Raises `QQLCompileError`."""
        return self._compile(Source(script, name), params)

    def analyse(self, compiled: Compiled, *, runs: int = 0, ablate: bool = False) -> Analysis:
        """What each stage of a query does; each is timed ``runs`` times. Raises as `execute` does."""
        return self._telling(compiled).analysis(runs=runs, ablate=ablate)

    def explain(self, text: str, params: Params = None, *, name: str = "<string>") -> str:
        """Plans, requests and advice for a text, by what is known of the collections; nothing is sent."""
        from qql.advice import advised

        done = advised(self._compile(Source(text, name), params), self.schema, self.facts)
        return "\n\n".join(map(explain_compiled, done))

    def collections(self) -> list[str]:
        """The names of the collections, sorted."""
        answer = self.backend.call(Request("GET", "/collections"))
        return sorted(str(one["name"]) for one in answer["collections"])

    def schema(self, collection: str) -> Schema | None:
        """What is known of a collection, at most half a minute old; None where it does not exist."""
        now = time.monotonic()
        found = self._seen.get(collection)
        if found is None or now - found.at >= _BELIEVED:
            self._seen.pop(collection, None)
            try:
                info = self.backend.call(Request("GET", collection_path(collection)))
            except QQLExecutionError as exc:
                if exc.code != "unknown-collection":
                    raise
                return None
            found = self._seen[collection] = _Seen(now, info, Schema.from_info(info))
        return found.schema

    def facts(self, collection: str) -> CollectionFacts | None:
        """What advice goes by beside the schema, of the same age; None where there is no such collection."""
        from qql.advice import facts_from_info

        return None if self.schema(collection) is None else facts_from_info(self._seen[collection].info)

    def close(self) -> None:
        """Release the engine and the models. Closing twice is allowed."""
        try:
            self.embedders.close()
            self.rerankers.close()
        finally:
            self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- statements

    def _compile(self, source: Source, params: Params) -> list[Compiled]:
        """Compiles all of a script. What was known of the collections is not held against it."""
        for believed in (bool(self._seen), False):
            try:
                compiled = compile_script(source, params, self.context, files=read_executed)
                break
            except QQLCompileError as exc:
                if not believed or isinstance(exc, QQLSyntaxError):
                    raise
                self._seen.clear()
        return compiled

    def carry_out(self, compiled: Compiled) -> Result:
        """Carry out one statement that `compile` has given. Raises as `execute` does."""
        started = time.perf_counter()
        try:
            compiled = self._advised(compiled)
            result = self._result(compiled)
        except QQLError as exc:
            self._seen.clear()  # what was known may be what misled
            located = exc.at(compiled.source, compiled.span)
            raise located from exc.__cause__
        notes = tuple(
            Diagnostic("engine-note", note, severity="warning") for note in self.backend.take_notes()
        )
        return replace(
            result,
            statement=compiled.text,
            requests=compiled.requests,
            seconds=time.perf_counter() - started,
            warnings=compiled.warnings + result.warnings + notes + self._advice(compiled),
        )

    def _advised(self, compiled: Compiled) -> Compiled:
        if not self.advice:
            return compiled
        from qql.advice import advised

        try:
            (found,) = advised([compiled], self.schema, self.facts)
        except QQLError:  # whatever is wrong with the engine or the collection, the statement will say it
            return compiled
        return found

    def _advice(self, compiled: Compiled) -> tuple[Diagnostic, ...]:
        """The advice that was not given before; EXPLAIN shows its own."""
        if isinstance(compiled.statement, nodes.Explain):
            return ()
        fresh = [one for one in compiled.advice if (one.code, one.message) not in self._said]
        self._said |= {(one.code, one.message) for one in fresh}
        return tuple(fresh)

    def _result(self, compiled: Compiled) -> Result:
        statement, collection = compiled.statement, compiled.collection
        match statement:
            case nodes.Explain():
                return self._explained(statement, compiled)
            case nodes.Why():
                return self._telling(compiled).why(statement)
            case nodes.Use():
                apply(statement, self.context)
                return message_of(f"using {collection}")
            case nodes.Define():
                apply(statement, self.context)
                return message_of(f"defined {statement.name.text}")
            case nodes.Undefine():
                apply(statement, self.context)
                return message_of(f"undefined {statement.name.text}")
            case nodes.ShowStages():
                ctes = self.context.stages.values()
                rows = [{"stage": str(cte.name.text), "definition": show(cte.stage)} for cte in ctes]
                return Result("rows", rows=rows)
            case nodes.Copy():
                return self._copy(statement, str(collection))
            case nodes.Optimize():
                done = self.backend.optimize(str(collection), self.on_progress)
                return message_of(f"optimized {collection}" if done else f"{collection} is already optimal")
            case nodes.Execute():  # the statements of the file stand before it
                return message_of(f"executed {scalar_value(statement.path)}")
            case nodes.Dump():
                return self._dump(statement, str(collection))
        try:
            self._check(statement, str(collection))
            requests = [self._embedded(request) for request in compiled.requests]
            shares: Mapping[int | str, tuple[StageShare, ...]] = {}
            if isinstance(statement, nodes.Query) and statement.provenance is not None:
                telling = Telling(compiled, requests[0], self.backend, self.rerankers)
                answer, shares = telling.answered()
                answers = [answer]
            else:
                answers = [self.backend.call(request) for request in requests]
            if answers[0] is False and isinstance(statement, nodes.DropCollection):
                # A server says so where there was none.
                message = f"there is no collection `{collection}`"
                raise QQLExecutionError(Diagnostic("unknown-collection", message))
        except QQLExecutionError as exc:
            clause, code, message = _EXCUSED.get(type(statement), ("", "", ""))
            if not getattr(statement, clause, False) or exc.code != code:
                raise
            return message_of(message.format(collection=collection, name=name_of(statement)))
        if isinstance(statement, _CHANGES_SCHEMA):
            self._seen.clear()  # of the collection, and of the aliases that stand for it
        result = result_of(compiled, answers[0])
        plan = compiled.plan
        if plan is not None and plan.second is not None:
            result = rerank(result, plan.second, plan.payload, self.rerankers)
        if shares:
            result = replace(
                result, hits=[replace(hit, stages=shares.get(hit.id, ())) for hit in result.hits]
            )
        count = written(compiled)
        if count:
            result = replace(result, warnings=self._have_written(str(collection), count))
        return replace(result, data=answers[0])

    def _explained(self, statement: nodes.Explain, compiled: Compiled) -> Result:
        if statement.analyze:
            return self._telling(compiled).explained(statement)
        return told_as([explain_compiled(compiled)], explain_dict(compiled), statement)

    def _telling(self, compiled: Compiled) -> Telling:
        return Telling(compiled, self._embedded(compiled.requests[0]), self.backend, self.rerankers)

    def _check(self, statement: nodes.Statement, collection: str) -> None:
        """Raises `QQLExecutionError` for what an engine would take without a word, though it is a mistake."""
        match statement:
            case nodes.CreateIndex(if_not_exists=True) | nodes.DropIndex():
                indexes = self._fresh(collection).indexes
                field, adds = str(statement.name.text), isinstance(statement, nodes.CreateIndex)
                if adds and field in indexes:
                    _refuse("index-exists", f"`{collection}` has an index on `{field}` already")
                if not adds and field not in indexes:
                    hint = did_you_mean(field, indexes) or f"SHOW INDEXES ON {collection} lists them"
                    _refuse("unknown-index", f"`{collection}` has no index on `{field}`", hint)
            case nodes.CreateAlias(replace=False) | nodes.DropAlias() | nodes.RenameAlias():
                self._check_alias(statement)
            case nodes.RestoreSnapshot():
                place = str(scalar_value(statement.snapshot))
                if self.backend.name == "server" and "://" not in place:
                    hint = f"file:///qdrant/snapshots/{collection}/NAME on its own disk, or http(s)://…"
                    _refuse("bad-location", "a server takes the address of a snapshot, not its name", hint)

    def _fresh(self, collection: str) -> Schema:
        self._seen.pop(collection, None)
        return self.schema(collection) or Schema()

    def _check_alias(self, statement: nodes.CreateAlias | nodes.DropAlias | nodes.RenameAlias) -> None:
        answer = self.backend.call(Request("GET", "/aliases"))
        known = {str(one["alias_name"]): str(one["collection_name"]) for one in answer["aliases"]}
        name = str(statement.name.text)
        if not isinstance(statement, nodes.CreateAlias) and name not in known:
            hint = did_you_mean(name, known) or "SHOW ALIASES lists what there is"
            _refuse("unknown-alias", f"there is no alias `{name}`", hint)
        made = statement.to if isinstance(statement, nodes.RenameAlias) else statement.name
        if not isinstance(statement, nodes.DropAlias) and str(made.text) in known:
            hint = "CREATE OR REPLACE ALIAS changes what it stands for"
            meant = known[str(made.text)]
            _refuse("alias-exists", f"there is an alias `{made.text}` already; it stands for `{meant}`", hint)

    def _embedded(self, request: Request) -> Request:
        return embed_request(request, self.embedders, self.backend.infers)

    def _have_written(self, collection: str, rows: int) -> tuple[Diagnostic, ...]:
        self._unlooked[collection] = self._unlooked.get(collection, _LOOK_AFTER) + rows
        return self._settle(collection) if self._unlooked[collection] >= _LOOK_AFTER else ()

    def _settle(self, collection: str) -> tuple[Diagnostic, ...]:
        """Builds indexes after writes, where the engine does not do it by itself; a failure is a warning."""
        self._unlooked[collection] = 0
        try:
            if self.backend.needs_optimize(collection):
                self.backend.optimize(collection, self.on_progress)
        except QQLExecutionError as exc:
            # What was to be written is written, so the statement has not failed.
            return tuple(replace(found, severity="warning") for found in exc.diagnostics)
        return ()

    # -- COPY

    def _copy(self, statement: nodes.Copy, collection: str) -> Result:
        self._seen.pop(collection, None)  # a whole file is worth another look
        copy = _Copy(self, statement, collection)
        if not copy.skip:
            copy.check()  # so that a bad row stops the load before anything is written
        copy.load()
        warnings = copy.warnings() + self._settle(collection)
        message = f"copied {many(copy.written, 'row')} into {collection}"
        if copy.skipped:
            message += f", skipped {copy.skipped:,}"
        return Result("message", message=message, warnings=warnings, data=copy.summary())

    # -- DUMP

    def _dump(self, statement: nodes.Dump, collection: str) -> Result:
        path = str(scalar_value(statement.path))
        done = dump_collection(self.backend.call, collection, path, self.on_progress)
        message = f"dumped {many(done.points, 'point')} of {collection} into {path}"
        warnings = tuple(Diagnostic("not-dumped", note, severity="warning") for note in done.notes)
        return Result(
            "message", message=message, warnings=warnings, data={"points": done.points, "file": path}
        )


def _refuse(code: str, message: str, hint: str | None = None) -> NoReturn:
    raise QQLExecutionError(Diagnostic(code, message, hint=hint))


_CHANGES_SCHEMA = (
    *(nodes.CreateCollection, nodes.AlterCollection, nodes.DropCollection),
    *(nodes.AddVector, nodes.DropVector, nodes.CreateIndex, nodes.DropIndex),
    *(nodes.CreateAlias, nodes.DropAlias, nodes.RenameAlias, nodes.RestoreSnapshot),
)
_EXCUSED: Mapping[type[nodes.Node], tuple[str, str, str]] = {
    nodes.CreateCollection: ("if_not_exists", "collection-exists", "{collection} exists already"),
    nodes.DropCollection: ("if_exists", "unknown-collection", "{collection} does not exist"),
    nodes.CreateIndex: ("if_not_exists", "index-exists", "{name} of {collection} is indexed already"),
    nodes.DropIndex: ("if_exists", "unknown-index", "{name} of {collection} has no index"),
    nodes.CreateAlias: ("if_not_exists", "alias-exists", "the alias {name} exists already"),
    nodes.DropAlias: ("if_exists", "unknown-alias", "the alias {name} does not exist"),
    nodes.DropSnapshot: ("if_exists", "unknown-snapshot", "{collection} has no snapshot {name}"),
}
"""The clause IF [NOT] EXISTS, the code that it forgives, and what is said then."""

_OWN_FAULTS = {
    *("invalid-payload", "invalid-point", "invalid-point-id", "invalid-request", "invalid-value"),
    *("invalid-vector", "unknown-vector", "wrong-dimension", "wrong-vector-kind"),
    *("nested-too-deep", "server-refused", "too-large"),
}
"""Codes of refusals that some row of a batch may be the cause of; others would befall every row."""


class _Copy:
    """One COPY: rows read, checked and written in batches."""

    def __init__(self, session: Session, statement: nodes.Copy, collection: str) -> None:
        self.session = session
        self.statement = statement
        self.collection = collection
        self.path = str(scalar_value(statement.path))
        self.size = int(scalar_value(statement.batch)) if statement.batch else _BATCH
        self.skip = statement.on_error == "skip"
        schema = session.schema(collection)
        self.schema = schema.with_models(session.context.models) if schema else None
        self.written = 0
        self.skipped = 0
        self._bad: list[tuple[int, str]] = []
        self._notes: dict[str, Diagnostic] = {}
        self._without_vector = 0

    def check(self) -> None:
        """Reads the whole file and raises for its first bad row."""
        with self.reader() as reader:
            if reader.total is None:
                message = f"{self.path} can be read only once, so its rows cannot be checked first"
                hint = "ON ERROR SKIP loads it while it is read; or put the rows into a file"
                raise QQLExecutionError(Diagnostic("not-a-file", message, self.statement.path.span, hint))
            for number, _ in enumerate(self.rows(reader)):
                if number % 512 == 0:
                    self.report("checking", reader.bytes_read, reader.total)
            self.report("checking", reader.total, reader.total)
        self._without_vector = 0

    def load(self) -> None:
        """Reads the file and writes its good rows."""
        try:
            with self.reader() as reader:
                for batch in batches(self.rows(reader), self.size):
                    self.write(self.embedded([point for _, point in batch]), [line for line, _ in batch])
                    self.report("copying", reader.bytes_read, reader.total)
                self.report("copying", reader.total or reader.bytes_read, reader.total)
        except QQLError as exc:
            if not self.written:
                raise
            first, *more = exc.diagnostics
            message = f"{first.message} (written before: {many(self.written, 'row')})"
            raise type(exc)(replace(first, message=message), *more) from exc.__cause__

    def embedded(self, points: list[dict[str, Any]]) -> Request:
        path = collection_path(self.collection, "points")
        return self.session._embedded(Request("PUT", path, {"wait": "true"}, {"points": points}))

    def write(self, request: Request, lines: list[int]) -> None:
        """Writes the points of these lines; of those refused the halves, down to the rows at fault."""
        try:
            self.session.backend.call(request)
        except QQLExecutionError as exc:
            if exc.code not in _OWN_FAULTS:
                raise
            if len(lines) == 1:
                self.refuse(lines[0], exc.message, exc.hint)
            elif self.skip or exc.code == "too-large":
                points = (request.body or {})["points"]
                for half in (slice(len(lines) // 2), slice(len(lines) // 2, None)):
                    self.write(replace(request, body={"points": points[half]}), lines[half])
            else:
                message = f"{self.path}, lines {lines[0]} to {lines[-1]}: {exc.message}"
                raise type(exc)(replace(exc.diagnostic, message=message)) from exc
        else:
            self.written += len(lines)

    def reader(self) -> Rows:
        fields, id_uuid = copy_fields(self.statement)
        kind = str(self.statement.format.text).lower() if self.statement.format else None
        return read_rows(self.path, format=kind, fields=fields, id_uuid=id_uuid)

    def rows(self, reader: Rows) -> Iterator[tuple[int, dict[str, Any]]]:
        """Lines and points of the good rows; a bad one is counted, or raises where errors stop the load."""
        context = replace(self.session.context, warnings=[])
        for row in reader:
            if isinstance(row, BadRow):
                self.refuse(row.line, row.reason)
                continue
            try:
                point = self.point(row, context)
            except QQLPlanError as exc:
                self.refuse(row.line, exc.message, exc.hint)
                continue
            for note in context.warnings:
                self._notes.setdefault(note.code, note)
            context.warnings.clear()
            yield row.line, point

    def point(self, row: Row, context: Context) -> dict[str, Any]:
        span = self.statement.span
        point = make_point(row.id, row.vector, row.payload, self.schema, self.collection, span, context.warn)
        self._without_vector += bool(missing_texts(row.vector, point["vector"], self.schema))
        return point

    def report(self, what: str, done: int, total: int | None) -> None:
        if self.session.on_progress is not None:
            self.session.on_progress(f"{what} {Path(self.path).name}", done, total)

    def refuse(self, line: int, reason: str, hint: str | None = None) -> None:
        """Counts a bad row, or raises where errors stop the load."""
        message = f"{self.path}, line {line}: {reason}"
        if not self.skip:
            hint = hint or "ON ERROR SKIP leaves bad rows out and says which"
            raise QQLExecutionError(Diagnostic("bad-row", message, self.statement.path.span, hint))
        self.skipped += 1
        if len(self._bad) < _SHOWN_BAD_ROWS:
            self._bad.append((line, message))

    def warnings(self) -> tuple[Diagnostic, ...]:
        """The bad rows in the order of the file, and what else there is to say, once each."""
        said = [Diagnostic("bad-row", message, severity="warning") for _, message in sorted(self._bad)]
        if self.skipped > len(self._bad):
            message = f"{many(self.skipped, 'row')} left out; {len(self._bad)} of them are shown"
            said.append(Diagnostic("bad-row", message, severity="warning"))
        if self._without_vector:
            message = f"{many(self._without_vector, 'row')} without a vector, and without a text for it"
            hint = f"MAP (text = column) names the column; otherwise it is one of {', '.join(TEXT_FIELDS)}"
            said.append(Diagnostic("no-text", message, hint=hint, severity="warning"))
        return (*said, *self._notes.values())

    def summary(self) -> dict[str, Any]:
        return {"copied": self.written, "skipped": self.skipped, "file": self.path}
