"""A session: the one place where compiler, models and engine meet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qql import nodes
from qql.backends.base import Backend, Progress
from qql.bind import Params
from qql.codegen import row_point
from qql.compiler import Compiled, Stages, apply, compile_script, make_context
from qql.embedders import Embedders
from qql.errors import Diagnostic, QQLError, QQLExecutionError, QQLPlanError, Source, Span
from qql.explanation import explain_compiled
from qql.filters import scalar_value
from qql.inference import embed_request
from qql.loader import BadRow, Rows, batches, read_rows
from qql.plan import Context
from qql.printer import show
from qql.request import Request, collection_path
from qql.result import Hit, Result
from qql.schema import Schema

__all__ = ["Session", "connect"]

_BATCH = 256
_SCHEMES = ("http://", "https://", "grpc://", "grpcs://")
_SHOWN_BAD_ROWS = 20


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
    on_progress: Progress | None = None,
) -> Session:
    """Open a session.

    ``target`` is a directory (the embedded engine; made where it is missing), ``":memory:"`` (the same,
    thrown away at the end), ``http(s)://host:port`` or ``grpc(s)://host:port`` (a server), or an existing
    ``qdrant_client.QdrantClient``. ``api_key``, ``timeout`` (seconds), ``grpc`` and ``cloud_inference``
    are for servers. ``embedders`` adds models of your own: name → function (list of texts → vectors).

    Raises `QQLConnectionError` where nothing can be opened, `QQLSyntaxError` for a bad stage.
    """
    context = make_context(collection, stages, models)
    backend = _backend(target, api_key, timeout, grpc, cloud_inference)
    shown = target if isinstance(target, (str, Path)) else type(target).__name__
    known = Embedders(embedders, url=embed_url, api_key=embed_key)
    return Session(backend, context, known, target=str(shown), on_progress=on_progress)


def _backend(
    target: Any, api_key: str | None, timeout: float | None, grpc: bool, cloud_inference: bool
) -> Backend:
    if hasattr(target, "call") and hasattr(target, "infers"):
        return target  # type: ignore[no-any-return]
    if isinstance(target, str) and target.startswith(_SCHEMES):
        from qql.backends.client import ClientBackend

        return ClientBackend.connect(
            target, api_key=api_key, timeout=timeout, grpc=grpc, cloud_inference=cloud_inference
        )
    if not isinstance(target, (str, Path)):
        from qql.backends.client import ClientBackend

        return ClientBackend(target, cloud_inference=cloud_inference)
    from qql.backends.edge import EdgeBackend

    return EdgeBackend(None if str(target) == ":memory:" else str(target))


class Session:
    """Carries out statements on one engine. Not for use by several threads at once.

    ``context`` holds what USE and DEFINE have set; ``target`` is what the session is connected to.
    """

    def __init__(
        self,
        backend: Backend,
        context: Context,
        embedders: Embedders,
        *,
        target: str = "",
        on_progress: Progress | None = None,
    ) -> None:
        self.backend = backend
        self.embedders = embedders
        self.target = target
        self.on_progress = on_progress
        self.context = replace(context, schema=self.schema, collections=self.collections)
        self._schemas: dict[str, Schema | None] = {}

    # -- the public face

    def execute(self, statement: str, params: Params = None, *, name: str = "<string>") -> Result:
        """Carry out exactly one statement.

        Raises `QQLCompileError` where it cannot be compiled (``one-statement`` for a script),
        `QQLExecutionError` where the engine refuses it, `QQLConnectionError`.
        """
        source = Source(statement, name)
        compiled = compile_script(source, params, self.context)
        if len(compiled) != 1:
            message = f"execute takes one statement, not {len(compiled)}; run takes a script"
            span = compiled[1].span if len(compiled) > 1 else Span(0, 0)
            raise QQLPlanError(Diagnostic("one-statement", message, span, source=source))
        return self._carry_out(compiled[0])

    def run(self, script: str, params: Params = None, *, name: str = "<string>") -> list[Result]:
        """Carry out a script. Nothing is sent where any statement fails to compile.

        Raises as `execute` does; a statement that fails while it runs ends the script.
        """
        return list(self.stream(script, params, name=name))

    def stream(self, script: str, params: Params = None, *, name: str = "<string>") -> Iterator[Result]:
        """As `run`, but each result is given as soon as it is there. The script is compiled at once."""
        compiled = compile_script(Source(script, name), params, self.context)
        return (self._carry_out(one) for one in compiled)

    def explain(self, text: str, params: Params = None, *, name: str = "<string>") -> str:
        """The plans and requests of a text, by what is known of the collections. Nothing is carried out."""
        return "\n\n".join(
            explain_compiled(c) for c in compile_script(Source(text, name), params, self.context)
        )

    def collections(self) -> list[str]:
        """The names of the collections, sorted."""
        answer = self.backend.call(Request("GET", "/collections"))
        return sorted(str(one["name"]) for one in answer["collections"])

    def schema(self, collection: str) -> Schema | None:
        """What is known of a collection; None where it does not exist."""
        if collection not in self._schemas:
            try:
                info = self.backend.call(Request("GET", collection_path(collection)))
            except QQLExecutionError as exc:
                if exc.code != "unknown-collection":
                    raise
                return None
            self._schemas[collection] = Schema.from_info(info)
        return self._schemas[collection]

    def close(self) -> None:
        """Release the engine and the models. Closing twice is allowed."""
        self.embedders.close()
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- statements

    def _carry_out(self, compiled: Compiled) -> Result:
        started = time.perf_counter()
        try:
            result = self._result(compiled)
        except QQLError as exc:
            self._schemas.clear()  # what was known may be what misled
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
            warnings=compiled.warnings + result.warnings + notes,
        )

    def _result(self, compiled: Compiled) -> Result:
        statement, collection = compiled.statement, compiled.collection
        match statement:
            case nodes.Explain():
                return Result("text", message=explain_compiled(compiled))
            case nodes.Use():
                apply(statement, self.context)
                return _message(f"using {collection}")
            case nodes.Define():
                apply(statement, self.context)
                return _message(f"defined {statement.name.text}")
            case nodes.Undefine():
                apply(statement, self.context)
                return _message(f"undefined {statement.name.text}")
            case nodes.ShowStages():
                ctes = self.context.stages.values()
                rows = [{"stage": str(cte.name.text), "definition": show(cte.stage)} for cte in ctes]
                return Result("rows", rows=rows)
            case nodes.Copy():
                return self._copy(statement, str(collection))
            case nodes.Optimize():
                done = self.backend.optimize(str(collection), self.on_progress)
                return _message(f"optimized {collection}" if done else f"{collection} is already optimal")
            case nodes.CreateCollection() if statement.if_not_exists and self.schema(str(collection)):
                return _message(f"{collection} exists already")
            case nodes.DropCollection() if statement.if_exists and not self.schema(str(collection)):
                return _message(f"{collection} does not exist")
        (request,) = compiled.requests
        data = self._send(request)
        if isinstance(statement, _CHANGES_SCHEMA):
            self._schemas.pop(str(collection), None)
        result: Result = _RESULTS[type(statement)](statement, str(collection), data)
        if isinstance(statement, nodes.Upsert):
            self._settle(str(collection))
        return replace(result, data=data)

    def _send(self, request: Request) -> Any:
        return self.backend.call(embed_request(request, self.embedders, self.backend.infers))

    def _settle(self, collection: str) -> None:
        """Builds indexes after bulk writes, where the engine does not do it by itself."""
        if self.backend.needs_optimize(collection):
            self.backend.optimize(collection, self.on_progress)

    # -- COPY

    def _copy(self, statement: nodes.Copy, collection: str) -> Result:
        copy = _Copy(self, statement, collection)
        if statement.on_error != "skip":
            copy.check()  # so that a bad row stops the load before anything is written
        copy.load()
        self._settle(collection)
        message = f"copied {copy.written:,} row{'' if copy.written == 1 else 's'} into {collection}"
        if copy.skipped:
            message += f", skipped {copy.skipped:,}"
        return Result("message", message=message, warnings=tuple(copy.warnings), data=copy.summary())


@dataclass(slots=True)
class _Loaded:
    """A row on its way: the point, and the line of the file that it came from."""

    line: int
    point: dict[str, Any]


class _Copy:
    """One COPY: rows read, checked and written in batches."""

    def __init__(self, session: Session, statement: nodes.Copy, collection: str) -> None:
        self.session = session
        self.statement = statement
        self.collection = collection
        self.path = str(scalar_value(statement.path))
        self.size = int(scalar_value(statement.batch)) if statement.batch else _BATCH
        self.skip = statement.on_error == "skip"
        self.schema = session.schema(collection)
        self.written = 0
        self.skipped = 0
        self.warnings: list[Diagnostic] = []

    def reader(self) -> Rows:
        fields: dict[str, str | list[str]] = {}
        id_uuid = False
        for mapping in self.statement.map:
            target, source = str(mapping.target.text), mapping.source
            names = [str(name.text) for name in source] if isinstance(source, tuple) else str(source.text)
            if target in fields:
                message = f"`{target}` is mapped twice"
                raise QQLPlanError(Diagnostic("bad-mapping", message, mapping.span))
            if isinstance(names, list) and target != "payload":
                hint = "a list of fields is given as payload = (title, body)"
                raise QQLPlanError(
                    Diagnostic("bad-mapping", f"`{target}` takes one field", mapping.span, hint)
                )
            if mapping.uuid and target != "id":
                raise QQLPlanError(Diagnostic("bad-mapping", "UUID(…) makes ids only", mapping.span))
            fields[target] = names
            id_uuid = id_uuid or mapping.uuid
        kind = str(self.statement.format.text).lower() if self.statement.format else None
        return read_rows(self.path, format=kind, fields=fields, id_uuid=id_uuid)

    def rows(self, what: str, *, quiet: bool) -> Iterator[_Loaded]:
        """The good rows; a bad one is counted, or raises where errors stop the load."""
        context = replace(self.session.context, warnings=[])
        with self.reader() as reader:
            for number, row in enumerate(reader):
                if number % 512 == 0:
                    self.report(what, reader.bytes_read, reader.total)
                if isinstance(row, BadRow):
                    self.bad(row.line, row.reason, quiet=quiet)
                    continue
                given = {"id": row.id, **row.payload}
                if row.vector is not None:
                    given["vector"] = row.vector
                try:
                    point = row_point(given, self.schema, self.collection, self.statement.span, context)
                except QQLPlanError as exc:
                    self.bad(row.line, exc.message, exc.hint, quiet=quiet)
                    continue
                yield _Loaded(row.line, point)
            self.report(what, reader.total or 0, reader.total)

    def report(self, what: str, done: int, total: int | None) -> None:
        if self.session.on_progress is not None:
            self.session.on_progress(f"{what} {Path(self.path).name}", done, total)

    def bad(self, line: int, reason: str, hint: str | None = None, *, quiet: bool = False) -> None:
        message = f"{self.path}, line {line}: {reason}"
        if not self.skip:
            hint = hint or "ON ERROR SKIP leaves bad rows out and says which"
            raise QQLExecutionError(Diagnostic("bad-row", message, self.statement.path.span, hint))
        if quiet:
            return
        self.skipped += 1
        if len(self.warnings) < _SHOWN_BAD_ROWS:
            self.warnings.append(Diagnostic("bad-row", message, severity="warning"))
        elif len(self.warnings) == _SHOWN_BAD_ROWS:
            message = f"more than {_SHOWN_BAD_ROWS} rows are bad; the rest are counted only"
            self.warnings.append(Diagnostic("bad-row", message, severity="warning"))

    def check(self) -> None:
        for _ in self.rows("checking", quiet=True):
            pass

    def load(self) -> None:
        for batch in batches(self.rows("copying", quiet=False), self.size):
            self.write(batch)

    def write(self, batch: list[_Loaded]) -> None:
        """Writes a batch; where the engine refuses it, the halves, down to the rows at fault."""
        path = collection_path(self.collection, "points")
        body = {"points": [loaded.point for loaded in batch]}
        try:
            self.session._send(Request("PUT", path, {"wait": "true"}, body))
        except QQLExecutionError as exc:
            if not self.skip or exc.code in ("no-model", "unknown-collection", "unknown-model"):
                raise
            if len(batch) == 1:
                self.bad(batch[0].line, exc.message)
                return
            middle = len(batch) // 2
            self.write(batch[:middle])
            self.write(batch[middle:])
        else:
            self.written += len(batch)

    def summary(self) -> dict[str, Any]:
        return {"copied": self.written, "skipped": self.skipped, "file": self.path}


# ------------------------------------------------------------------------------------ results


def _message(text: str) -> Result:
    return Result("message", message=text)


def _hit(point: Mapping[str, Any]) -> Hit:
    return Hit(point["id"], point.get("score"), point.get("payload"), point.get("vector"))


def _hits(statement: Any, collection: str, data: Any) -> Result:
    points = data if isinstance(data, list) else data["points"]
    return Result("hits", hits=[_hit(point) for point in points])


def _upserted(statement: nodes.Upsert, collection: str, data: Any) -> Result:
    count = len(statement.rows) if isinstance(statement.rows, tuple) else 0
    return _message(f"upserted {count:,} point{'' if count == 1 else 's'} into {collection}")


def _counted(statement: Any, collection: str, data: Any) -> Result:
    return Result("rows", rows=[{"count": data["count"]}])


def _listed(statement: Any, collection: str, data: Any) -> Result:
    names = sorted(str(one["name"]) for one in data["collections"])
    return Result("rows", rows=[{"collection": name} for name in names])


def _described(statement: Any, collection: str, data: Any) -> Result:
    """One row a vector and a payload index, as psql's \\d shows columns and indexes."""
    schema = Schema.from_info(data)
    config = data.get("config", {}).get("params", {})
    rows = []
    for vector in schema.vectors.values():
        shape = f"{vector.size} × {vector.distance}" if vector.size else ""
        group = "sparse_vectors" if vector.kind == "sparse" else "vectors"
        params = config.get(group) or {}
        own = params if vector.name == "" and "size" in params else params.get(vector.name) or {}
        rest = {key: value for key, value in own.items() if key not in ("size", "distance") and value}
        details = ", ".join(f"{key} = {show(value)}" for key, value in rest.items())
        rows.append(_row(vector.name or "(unnamed)", vector.kind, shape, vector.model or "", details))
    for name, kind in schema.indexes.items():
        rows.append(_row(name, f"{kind} index", "", "", ""))
    rows.append(_row("(points)", "", str(data.get("points_count", "")), "", str(data.get("status", ""))))
    return Result("rows", rows=rows)


def _row(name: str, kind: str, shape: str, model: str, details: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "shape": shape, "model": model, "details": details}


def _did(text: str) -> Any:
    def result(statement: Any, collection: str, data: Any) -> Result:
        name = getattr(statement, "name", None)
        return _message(text.format(collection=collection, name=name.text if name else ""))

    return result


_CHANGES_SCHEMA = (nodes.CreateCollection, nodes.DropCollection, nodes.CreateIndex, nodes.DropIndex)
_RESULTS: Mapping[type[nodes.Node], Any] = {
    nodes.Query: _hits,
    nodes.Scroll: _hits,
    nodes.Count: _counted,
    nodes.Upsert: _upserted,
    nodes.Delete: _did("deleted points from {collection}"),
    nodes.CreateCollection: _did("created collection {collection}"),
    nodes.DropCollection: _did("dropped collection {collection}"),
    nodes.CreateIndex: _did("indexed {name} of {collection}"),
    nodes.DropIndex: _did("dropped the index on {name} of {collection}"),
    nodes.ShowCollections: _listed,
    nodes.ShowCollection: _described,
}
