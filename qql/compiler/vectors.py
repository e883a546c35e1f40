"""Vectors as they are written: their kind, and whether they are well-formed and fit a known one."""

from __future__ import annotations

from collections.abc import Set

from qql import nodes
from qql.compiler.guards import MOST_F32, is_dense, is_short, is_sparse
from qql.errors import Span, did_you_mean, fail, many, shown
from qql.nodes.holes import NeedsValue, Slot, SparseSlot
from qql.rest.limits import U32
from qql.rest.types import Body, Json
from qql.schema import Schema, VectorInfo

__all__ = ["check_text_field", "check_vector", "comparable", "other_vector", "vector_kind"]


def vector_kind(value: Json) -> str:
    """dense, sparse or multi, by the shape of a literal."""
    if isinstance(value, (dict, SparseSlot)):
        return "sparse"
    return "multi" if isinstance(value, list) and value and isinstance(value[0], list) else "dense"


def comparable(given: str, kind: str) -> bool:
    """Whether a vector of one kind can search one of the other; one vector is a multivector of one row."""
    return given == kind or (given, kind) == ("dense", "multi")


def other_vector(written: str, schema: Schema) -> str:
    """The hint for a name that is none of the vectors: USING takes a vector, MATCH … ON a payload field."""
    if schema.indexes.get(written) == "text":
        return f"`{written}` is a payload field: QUERY MATCH 'words' ON {written} searches its text index"
    return did_you_mean(written, schema.vectors) or f"its vectors: {schema.describe_vectors()}"


def check_text_field(name: nodes.Name, schema: Schema | None, collection: str) -> None:
    """Raises `QQLPlanError` (``wrong-kind``) where MATCH … ON names a vector, and no indexed field."""
    written = str(name.text)
    if schema is not None and written in schema.vectors and written not in schema.indexes:
        message = f"`{written}` is a vector of `{collection}`; MATCH … ON takes a payload field"
        fail("wrong-kind", message, name.span, f"QUERY 'words' … USING {written} searches the vector")


def check_vector(
    value: Json, vector: VectorInfo | None, span: Span, of: str, scanned: Set[int] = frozenset()
) -> None:
    """Checks a vector's form, and its kind and dimension where the vector is known.

    ``scanned`` are lists (their `id`s) that were found to hold nothing but numbers of 32 bits.
    """
    kind = vector_kind(value)
    if isinstance(value, Slot):  # a dense or a sparse one that comes later
        if vector is not None and not comparable(kind, vector.kind):
            raise NeedsValue(value.key)
        value.check(is_sparse if kind == "sparse" else is_dense(vector.size if vector else None))
        return
    if kind == "sparse":
        _check_sparse(value, span, scanned)
    else:
        rows = value if kind == "multi" else [value]
        lengths = {_check_dense(row, span, scanned) for row in rows}
        if len(lengths) > 1:
            message = f"the rows of this multivector differ in length: {', '.join(map(str, sorted(lengths)))}"
            fail("malformed-vector", message, span)
    if vector is None:
        return
    if not comparable(kind, vector.kind):
        message = f"the vector `{vector.name}` {of} is {vector.kind}; this one is {kind}"
        fail("wrong-kind", message, span)
    if vector.size is not None and lengths != {vector.size}:
        message = f"the vector `{vector.name}` {of} has {many(vector.size, 'dimension')}"
        message += f"; this one has {lengths.pop()}"
        fail("wrong-dimension", message, span)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_dense(row: Json, span: Span, scanned: Set[int] = frozenset()) -> int:
    if id(row) in scanned:
        return len(row)
    if not isinstance(row, list):
        fail("malformed-vector", f"a vector is a list of numbers, not {shown(row)}", span)
    if not row:
        fail("malformed-vector", "a vector has at least one number", span)
    if not {*map(type, row)} <= {int, float}:
        wrong = next((value for value in row if not _is_number(value)), None)
        fail("malformed-vector", f"a vector holds numbers, not {shown(wrong)}", span)
    if not is_short(row) and not all(-MOST_F32 <= value <= MOST_F32 for value in row):
        fail("malformed-vector", "a number of this vector does not fit a 32-bit float", span)
    return len(row)


def _check_sparse(value: Body, span: Span, scanned: Set[int]) -> None:
    indices, values = value.get("indices"), value.get("values")
    if set(value) != {"indices", "values"} or not isinstance(indices, list) or not isinstance(values, list):
        fail("malformed-vector", "a sparse vector is written {indices: […], values: […]}", span)
    if len(indices) != len(values):
        message = f"this sparse vector has {many(len(indices), 'index', 'indices')}"
        message += f" and {many(len(values), 'value')}"
        fail("malformed-vector", message, span)
    if not all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i <= U32 for i in indices):
        fail("malformed-vector", f"the indices of a sparse vector are whole numbers from 0 to {U32}", span)
    if len(set(indices)) != len(indices):
        fail("malformed-vector", "an index stands twice in this sparse vector", span)
    if values:
        _check_dense(values, span, scanned)
