"""Columns → points → requests: `Session.upsert`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from qql import nodes
from qql.backends.base import Backend
from qql.backends.bulk import MAX_BODY, PointWriter, cut_by_size, with_words, writer_of
from qql.compiler.bind import json_of
from qql.compiler.emit_points import warn_of_twins
from qql.compiler.plan import Context
from qql.compiler.python_values import NoJson, jsonified
from qql.compiler.row_notes import RowNotes
from qql.compiler.rows import make_point
from qql.compiler.scalars import one_key
from qql.errors import (
    Diagnostic,
    QQLError,
    QQLExecutionError,
    QQLPlanError,
    Span,
    did_you_mean,
    many,
    shown,
)
from qql.records import replace
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject
from qql.result import Result
from qql.schema import Schema
from qql.session.copy_points import is_literal
from qql.session.vector_columns import VectorColumn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


__all__ = ["ColumnUpsert", "Columns"]

_NOWHERE = Span(0, 0)
_EMBEDDED_AT_ONCE = 256
Encoded = bytes | JsonObject


class Columns:
    """The columns of one call, of equal length. Raises `QQLPlanError` for what is no column."""

    def __init__(self, collection: str, *, ids: Any, vectors: Any, payload: Any) -> None:
        if not isinstance(collection, str) or not collection:
            _refuse("wrong-parameter", "the name of the collection is a text")
        self.collection = collection
        self.payload: list[JsonObject] | None = None if payload is None else _objects(payload)
        self.ids: list[Json] = self._ids(ids)
        given = vectors if isinstance(vectors, Mapping) else {} if vectors is None else {"": vectors}
        self.named: bool = isinstance(vectors, Mapping)
        self.vectors: dict[str, VectorColumn] = {
            str(name): VectorColumn(_called(name), one) for name, one in given.items()
        }
        self._check_lengths()

    def _ids(self, ids: Any) -> list[Json]:
        if isinstance(ids, str):
            rows = self.payload or []
            if not any(ids in row for row in rows):
                known = {name: None for row in rows[:1] for name in row}
                hint = did_you_mean(ids, known) or "ids=frame.index takes the index of a table"
                _refuse("missing-id", f"the payload has no column `{ids}`, which `ids` names", hint)
            return [row.pop(ids, None) for row in rows]
        if ids is None:
            hint = "ids=frame.index takes the index of a table, ids='name' one of its columns"
            _refuse("missing-id", "`ids` is None, and points need ids", hint)
        return _listed(ids, "`ids`")

    def _check_lengths(self) -> None:
        lengths = {"`ids`": len(self.ids)} | {one.title: len(one) for one in self.vectors.values()}
        if self.payload is not None:
            lengths["`payload`"] = len(self.payload)
        for name, length in lengths.items():
            if length != len(self.ids):
                message = f"`ids` has {many(len(self.ids), 'value')}, and {name} has {length}"
                _refuse("unequal-columns", message, "each column has one value for each point")

    def rows(self) -> Iterator[tuple[Json, Json, JsonObject, Set[int]]]:
        """The id, the vectors and the payload of each point, and the lists in it (their `id`s) that hold
        nothing but finite numbers of 32 bits."""
        columns = [one.values() for one in self.vectors.values()]
        for at, identity in enumerate(self.ids):
            made = [next(one) for one in columns]
            vector: Json = dict(zip(self.vectors, (value for value, _ in made), strict=True))
            if not self.named and made:
                vector = made[0][0]
            scanned = {id(value) for value, short in made if short}
            yield identity, vector or None, self.payload[at] if self.payload else {}, scanned


def _called(name: Any) -> str:
    return f'vectors["{name}"]' if name else "`vectors`"


def _refuse(code: str, message: str, hint: str | None = None) -> NoReturn:
    raise QQLPlanError(Diagnostic(code, message, hint=hint))


def _listed(values: Any, name: str) -> list[Json]:
    """A column as a list of JSON data. Raises `QQLPlanError`."""
    found = _json(values, name)
    if not isinstance(found, list):
        _refuse("wrong-parameter", f"{name} takes a list, an array or a column, not {shown(found)}")
    return found


def _objects(payload: Any) -> list[JsonObject]:
    """The payloads, each an object of its own."""
    rows = _listed(payload, "`payload`")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            _refuse("wrong-parameter", f"row {number} of `payload` is no object, but {shown(row)}")
    return rows


def _json(values: Any, name: str) -> Json:
    """JSON data of a value. What can be read only once is read here."""
    try:
        return json_of(jsonified(values), _NOWHERE, name)
    except NoJson as exc:
        raise QQLPlanError(Diagnostic("wrong-parameter", f"{name}: {exc}", hint=exc.hint)) from None
    except QQLPlanError as exc:
        raise _without_place(exc) from None


def _without_place(exc: QQLError, before: str = "") -> QQLError:
    """An error of something that has no text, with words ``before`` its message."""
    first, *others = exc.diagnostics
    return type(exc)(replace(first, span=None, message=f"{before}{first.message}"), *others)


# ------------------------------------------------------------------------------------ writing


class ColumnUpsert:
    """One write of columns. ``embed`` puts vectors in the place of a request's texts, ``call`` sends it."""

    def __init__(
        self, columns: Columns, *, wait: bool, batch_size: int | None, shard: str | int | None
    ) -> None:
        if not isinstance(wait, bool):
            _refuse("bad-wait", f"wait is True or False, not {shown(wait)}")
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            _refuse("bad-limit", f"batch_size is a whole number from 1 on, not {shown(batch_size)}")
        self._columns = columns
        self._wait = wait
        self._batch_size = batch_size
        self._shard: Json = None
        if shard is not None:
            try:
                self._shard = one_key(nodes.Scalar(shard))
            except QQLPlanError as exc:
                raise _without_place(exc) from None

    @property
    def collection(self) -> str:
        return self._columns.collection

    def run(
        self,
        backend: Backend,
        context: Context,
        schema: Schema | None,
        embed: Callable[[Request], Request],
    ) -> Result:
        """Checks the points, writes them, and tells how many. Raises as `Session.upsert` does."""
        context = replace(context, warnings=[])
        known = schema.with_models(context.models) if schema is not None else None
        if known is not None:
            self._check_names(known)
        writer = writer_of(backend, self.collection)
        points = self._encoded(self._checked(context, known, writer), writer, embed)
        self._write(points, backend, writer)
        return Result(
            "message",
            message=f"upserted {many(len(points), 'point')} into {self.collection}",
            data={"upserted": len(points)},
            warnings=tuple(replace(one, span=None) for one in context.warnings),
        )

    def _check_names(self, schema: Schema) -> None:
        if self._columns.vectors and not self._columns.named and "" not in schema.vectors:
            first = next(iter(schema.vectors), "name")
            message = f"the vectors of `{self.collection}` have names: {schema.describe_vectors()}"
            _refuse("unknown-vector", message, f'name it: vectors={{"{first}": …}}')
        for name in self._columns.vectors if self._columns.named else ():
            if name not in schema.vectors:
                hint = did_you_mean(name, schema.vectors) or f"its vectors: {schema.describe_vectors()}"
                _refuse("unknown-vector", f"`{self.collection}` has no vector `{name}`", hint)

    def _checked(self, context: Context, schema: Schema | None, writer: PointWriter | None) -> list[Encoded]:
        """All points, those encoded that hold numbers alone. Raises for the first that is none."""
        notes = RowNotes(_NOWHERE, self.collection, schema, is_json=True)
        points: list[Encoded] = []
        ids = []
        for number, (identity, vector, payload, scanned) in enumerate(self._columns.rows(), 1):
            notes.number, notes.scanned = number, scanned
            try:
                point = make_point(
                    identity, vector, payload, schema, self.collection, _NOWHERE, context.warn, notes
                )
                ids.append(point["id"])
                literal = writer is not None and is_literal(point["vector"])
                points.append(writer.encode(point, scanned) if writer and literal else point)
            except (QQLPlanError, QQLExecutionError) as exc:
                raise _without_place(exc, f"row {number}: ") from None
        warn_of_twins(ids, _NOWHERE, context)
        context.warnings += notes.warnings()
        return points

    def _encoded(
        self, points: list[Encoded], writer: PointWriter | None, embed: Callable[[Request], Request]
    ) -> list[Encoded]:
        """The points with vectors in the place of texts."""
        texts = [at for at, point in enumerate(points) if not isinstance(point, bytes)]
        for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
            places = texts[start : start + _EMBEDDED_AT_ONCE]
            made = (embed(self._request([points[at] for at in places])).body or {})["points"]
            for at, point in zip(places, made, strict=True):
                points[at] = point if writer is None else writer.encode(point)
        return points

    def _request(self, points: Sequence[Encoded]) -> Request:
        body: JsonObject = {"points": points}
        if self._shard is not None:
            body["shard_key"] = self._shard
        query = {"wait": "true" if self._wait else "false"}
        return Request("PUT", collection_path(self.collection, "points"), query, body)

    def _write(self, points: list[Encoded], backend: Backend, writer: PointWriter | None) -> None:
        written = 0
        for batch in self._batches(points, cut=backend.name == "server"):
            try:
                if writer is None:
                    backend.call(self._request(batch))
                else:
                    encoded = [one for one in batch if isinstance(one, bytes)]
                    writer.write(self.collection, encoded, self._shard, wait=self._wait)
            except QQLError as exc:
                if not written:
                    raise
                raise with_words(exc, f"written before: {many(written, 'point')}") from exc.__cause__
            written += len(batch)

    def _batches(self, points: list[Encoded], *, cut: bool) -> Iterator[list[Encoded]]:
        """The points of each request; ``cut`` where a request has an end."""
        size = self._batch_size or len(points) or 1
        for start in range(0, len(points), size):
            batch = points[start : start + size]
            sizes = [len(point) if isinstance(point, bytes) else 0 for point in batch]
            yield from (batch[part] for part in cut_by_size(sizes, MAX_BODY)) if cut else (batch,)
