"""Vectors of whatever make → plain data, and the check that they are legal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from qql.errors import QQLError, QQLModelError
from qql.models.embedders.base import Kind, Vector

__all__ = ["checked", "kind_of", "plain"]

_U32 = 2**32


def kind_of(vector: Vector) -> Kind:
    """The kind that a plain vector has by its shape."""
    if isinstance(vector, dict):
        return "sparse"
    return "multi" if vector and isinstance(vector[0], list) else "dense"


def plain(vector: Any) -> Vector:
    """A vector as lists and dicts of Python numbers.

    Takes numpy arrays and scalars, tuples, lists of these, and sparse vectors as mappings or objects
    with ``indices`` and ``values``. Raises ``TypeError`` for anything else.
    """
    if isinstance(vector, Mapping):
        return {"indices": _numbers(vector["indices"]), "values": _numbers(vector["values"])}
    if hasattr(vector, "indices") and hasattr(vector, "values"):
        return {"indices": _numbers(vector.indices), "values": _numbers(vector.values)}
    return _numbers(vector)


def _numbers(values: Any) -> list[Any]:
    if hasattr(values, "tolist"):
        listed = values.tolist()
        if isinstance(listed, list):
            return listed
    if isinstance(values, list | tuple):
        return [_number(value) for value in values]
    raise TypeError(f"a {type(values).__name__} is no vector")


def _number(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return _numbers(value) if isinstance(value, list | tuple) else value


def checked(
    vectors: Any, *, count: int, model: str, kind: Kind | None = None, size: int | None = None
) -> list[Vector]:
    """The answer of a model to ``count`` texts, unchanged, if it is legal.

    Raises `QQLModelError` (``model-answer``) when the number of vectors is wrong, a vector is of another
    kind than ``kind`` or of another number of dimensions than ``size`` (or than the first one), is empty,
    or holds anything but finite numbers; for sparse vectors, when indices are not distinct unsigned 32-bit
    integers or are not as many as the values.
    """
    if not isinstance(vectors, list) or len(vectors) != count:
        found = len(vectors) if isinstance(vectors, Sequence) else "no list of"
        raise _bad(model, f"gave {found} vectors for {count} texts")
    for vector in vectors:
        if not isinstance(vector, list | dict):
            raise _bad(model, f"gave a {type(vector).__name__} in place of a vector")
        found_kind = kind_of(vector)
        if kind not in (None, found_kind):
            raise _bad(model, f"gave a {found_kind} vector where a {kind} one was expected")
        kind = found_kind
        try:
            fault = _FAULTS[found_kind](vector)
        except (TypeError, KeyError, OverflowError) as exc:
            raise _bad(model, f"gave a {found_kind} vector that holds something other than numbers") from exc
        if fault:
            raise _bad(model, f"gave a {found_kind} vector {fault}")
        if found_kind != "sparse":
            found_size = len(vector[0] if found_kind == "multi" else vector)
            if size not in (None, found_size):
                raise _bad(model, f"gave {found_size} dimensions where {size} were expected")
            size = found_size
    return vectors


def _bad(model: str, what: str) -> QQLError:
    return QQLModelError.make("model-answer", f"model `{model}` {what}")


_NOT_FINITE = "with NaN or an infinity in it"


def _dense_fault(vector: list[Any]) -> str | None:
    if not vector:
        return "without dimensions"
    # NaN and infinities survive a sum; a finite sum that overflows is settled number by number.
    if isfinite(sum(vector)) or all(map(isfinite, vector)):
        return None
    return _NOT_FINITE


def _multi_fault(vector: list[list[Any]]) -> str | None:
    if len({len(row) for row in vector}) > 1:
        return "with rows of unequal length"
    return next((fault for fault in map(_dense_fault, vector) if fault), None)


def _sparse_fault(vector: dict[str, Any]) -> str | None:
    indices, values = vector["indices"], vector["values"]
    if len(indices) != len(values):
        return f"with {len(indices)} indices and {len(values)} values"
    if not all(type(i) is int and 0 <= i < _U32 for i in indices):
        return "with an index that is not an unsigned 32-bit integer"
    if len(set(indices)) != len(indices):
        return "with an index that comes twice"
    return None if all(map(isfinite, values)) else _NOT_FINITE


_FAULTS: dict[Kind, Callable[[Any], str | None]] = {
    "dense": _dense_fault,
    "multi": _multi_fault,
    "sparse": _sparse_fault,
}
