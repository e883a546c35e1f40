"""COPY: a row of a file → the point that is written."""

from __future__ import annotations

from collections.abc import Collection, Set

from qql import nodes
from qql.compiler.row_keys import by_name, is_named, read_keys
from qql.compiler.row_notes import RowNotes
from qql.compiler.rows import Warn, check_vectors, content_uuid, make_point
from qql.compiler.scalars import scalar_value
from qql.compiler.vectors import comparable, vector_kind
from qql.errors import fail, shown
from qql.rest.types import Json, JsonObject
from qql.schema import Schema
from qql.session.row_files import Row
from qql.session.row_files.json_lines import parse_json
from qql.session.row_files.row import RowError, abbreviated

__all__ = ["CopiedPoints", "is_literal"]

_WHOLE = ("id", "vector", "payload", "shard_key")
"""Targets of MAP that are parts of a point, or say where it goes."""
_OF_VECTORS = frozenset("0123456789+-.eE,; \t\r\n()[]{}")


def is_literal(vector: Json) -> bool:
    """Whether a point's vectors are numbers: no text, image or object is left for a model."""
    if isinstance(vector, list):
        return True
    if "indices" in vector and isinstance(vector["indices"], list):
        return True
    return all(
        isinstance(one, list) or (isinstance(one, dict) and "indices" in one) for one in vector.values()
    )


class CopiedPoints:
    """Makes the points of one COPY, and notes what is to be said of the rows.

    A column, or a target of MAP, that is named like a vector of the collection is that vector where its
    value is one (`qql.compiler.row_keys`). What ``MAP (payload = …)`` takes is payload for certain.
    """

    def __init__(self, statement: nodes.Copy, collection: str, schema: Schema | None) -> None:
        self.left_out: dict[str, None] = {}
        self.notes: RowNotes = RowNotes(statement.span, collection, schema, copies=True)
        self._collection = collection
        self._schema = schema
        self._span = statement.span
        targets = {str(one.target.text): one for one in statement.map}
        self._candidates = targets.keys() - set(_WHOLE) if "payload" in targets else None
        source = targets["vector"].source if "vector" in targets else None
        self._vector_column = str(source.text) if isinstance(source, nodes.Name) else "vector"
        if isinstance(source, nodes.VectorFile):
            self._vector_column = f"NPY({shown(scalar_value(source.path), 200)})"

    def point(
        self,
        row: Row,
        warn: Warn,
        *,
        cells: bool,
        is_json: bool = False,
        scanned: Set[int] = frozenset(),
    ) -> JsonObject:
        """The point of a row; with ``cells`` vectors are texts of JSON. Raises `QQLPlanError`.

        ``is_json`` says that the row was read as JSON, whose integers have 64 bits. ``scanned`` are lists
        (their `id`s) in it that hold nothing but numbers of 32 bits.
        """
        self.notes.number = row.line
        self.notes.scanned = scanned
        self.notes.is_json = is_json
        fields = self._parsed(row.payload, self._candidates) if cells else row.payload
        vector = by_name(row.vector, self._schema)
        self._check_named(vector)
        if row.beside:
            vector = self._with_beside(row.beside, vector, cells=cells)
        payload, vector, own = read_keys(
            fields,
            vector,
            self._schema,
            self._collection,
            self._span,
            self.notes,
            candidates=self._candidates,
        )
        identity: Json = row.id
        if row.made and (own or row.beside or payload is not row.payload):
            identity = content_uuid(payload, vector)
        return make_point(
            identity, vector, payload, self._schema, self._collection, self._span, warn, self.notes, own=own
        )

    def _with_beside(self, columns: JsonObject, vector: Json, *, cells: bool) -> Json:
        """The vectors of a row with those that stand in columns which MAP does not take for the payload."""
        columns = self._parsed(columns, columns) if cells else columns
        rest, vector, own = read_keys(
            columns, vector, self._schema, self._collection, self._span, self.notes, candidates=columns
        )
        found = {name: columns[name] for name in own}
        check_vectors(found, self._schema, self._collection, self._span, own, self.notes.scanned)
        self.left_out.update(dict.fromkeys(rest))
        return vector

    def _parsed(self, fields: JsonObject, candidates: Collection[str] | None) -> JsonObject:
        """The fields of a row of CSV, those named like a vector read as JSON where they are such."""
        names: Collection[str] = self._schema.vectors if self._schema is not None else ()
        found = {
            name: self._cell(name, fields[name])
            for name in (*names, "payload")
            if name in fields and (candidates is None or name in candidates)
        }
        return {**fields, **found} if found else fields

    def _cell(self, name: str, cell: Json) -> Json:
        if not isinstance(cell, str) or cell[:1] not in "[{(":
            return cell
        try:
            return parse_json(cell)
        except RowError as exc:
            if name == "payload" or not _resembles(cell):
                return cell
            message = f"`{name}` is named like a vector, and {abbreviated(cell)} is almost one: {exc}"
            hint = f"a vector in a cell is JSON: [0.1, 0.2]; MAP (payload = ({name}, …)) makes it payload"
            fail("malformed-vector", message, self._span, hint)

    def _check_named(self, vector: Json) -> None:
        """Raises `QQLPlanError` for one vector where the collection has several by names."""
        schema = self._schema
        if vector is None or is_named(vector) or schema is None or not schema.vectors or "" in schema.vectors:
            return
        column = self._vector_column
        kind = vector_kind(vector)
        fits = [
            one.name
            for one in schema.vectors.values()
            if comparable(kind, one.kind) and (kind != "dense" or one.size == len(vector))
        ]
        if column in schema.vectors:
            hint = f"leave `vector = {column}` out of MAP: a column named like a vector is that vector"
        else:
            hint = f"MAP ({(fits or list(schema.vectors))[0]} = {column}) says which it is"
        message = f"the vectors of `{self._collection}` have names: {schema.describe_vectors()}"
        fail("unknown-vector", message, self._span, hint)


def _resembles(cell: str) -> bool:
    """Whether a cell that is no JSON looks like a vector: as numpy prints one, or a sparse one in Python."""
    if cell[1:20].lstrip(" '\"").startswith("indices"):
        return True
    return set(cell.replace("nan", "").replace("inf", "")) <= _OF_VECTORS and any(map(str.isdigit, cell))
