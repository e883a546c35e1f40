"""What a text-to-vector model offers, and the check of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

from qql.compiler.model_names import Kind
from qql.errors import many
from qql.late import Protocol, TypedDict
from qql.models import bad_answer
from qql.rest.inference_objects import Purpose
from qql.rest.limits import U32
from qql.rest.types import Body, Json

__all__ = [
    "Embedder",
    "Kind",
    "Purpose",
    "SparseVector",
    "Vector",
    "check_vectors",
    "kind_of",
    "plain_vector",
    "size_of",
]


class SparseVector(TypedDict):
    """The dimensions that are not 0, and the value at each."""

    indices: list[int]
    values: list[float]


Vector = list[float] | list[list[float]] | SparseVector
"""A dense, a multi or a sparse vector."""


class Embedder(Protocol):
    """One model; ``model`` is its name."""

    model: str

    @property
    def kind(self) -> Kind:
        """What its vectors are: ``"dense"``, ``"multi"`` or ``"sparse"``."""

    @property
    def size(self) -> int | None:
        """The number of dimensions; None for sparse models, and where it is not known before use."""

    def embed(self, texts: Sequence[str], purpose: Purpose) -> Sequence[Vector]:
        """One vector for each text, in order, in one batch; ``purpose`` is whether they are queries.

        Raises `QQLModelError` when the model cannot be loaded or does not answer.
        """


def kind_of(vector: Json) -> Kind:
    """The kind that a vector has by its shape."""
    if isinstance(vector, dict):
        return "sparse"
    return "multi" if vector and isinstance(vector[0], list) else "dense"


def size_of(vector: Json, kind: Kind) -> int | None:
    """The dimensions of a dense or multi vector; None for a sparse one."""
    if kind == "sparse":
        return None
    return len(vector[0] if kind == "multi" else vector)


def plain_vector(vector: object) -> Vector:
    """A vector as lists and dicts of Python numbers.

    Takes whatever may stand as a vector in a parameter: arrays, columns, lists and iterators of numbers, and
    sparse vectors as mappings or objects with ``indices`` and ``values``. Raises ``TypeError`` for anything
    else.
    """
    from qql.compiler.python_values import NoJson, plain_value

    try:
        found = plain_value(vector)
    except NoJson as exc:
        raise TypeError(str(exc)) from None
    if isinstance(found, list):
        return found
    if not isinstance(found, dict):
        raise TypeError(f"a {type(vector).__name__} is no vector")
    return {"indices": _listed(found["indices"]), "values": _listed(found["values"])}


def _listed(numbers: Json) -> list[Json]:
    if not isinstance(numbers, list):
        raise TypeError(f"the parts of a sparse vector are lists, not a {type(numbers).__name__}")
    return numbers


def check_vectors(
    vectors: object, *, count: int, model: str, kind: Kind | None = None, size: int | None = None
) -> list[Json]:
    """The answer of a model to ``count`` texts, unchanged, if it is legal.

    Raises `QQLModelError` (``model-answer``) when the number of vectors is wrong, a vector is of another
    kind than ``kind`` or of another number of dimensions than ``size`` (or than the first one), is empty,
    or holds anything but finite numbers; for sparse vectors, when indices are not distinct unsigned 32-bit
    integers or are not as many as the values.
    """
    if not isinstance(vectors, list) or len(vectors) != count:
        found = many(len(vectors), "vector") if isinstance(vectors, Sequence) else "no list of vectors"
        raise bad_answer(model, f"gave {found} for {many(count, 'text')}")
    for vector in vectors:
        if not isinstance(vector, list | dict):
            raise bad_answer(model, f"gave a {type(vector).__name__} in place of a vector")
        found_kind = kind_of(vector)
        if kind not in (None, found_kind):
            raise bad_answer(model, f"gave a {found_kind} vector where a {kind} one was expected")
        kind = found_kind
        _check_numbers(vector, kind, model)
        found_size = size_of(vector, kind)
        if found_size is not None and size not in (None, found_size):
            raise bad_answer(model, f"gave {many(found_size, 'dimension')}, and {size} were expected")
        size = found_size if found_size is not None else size
    return vectors


def _check_numbers(vector: Json, kind: Kind, model: str) -> None:
    try:
        fault = _FAULTS[kind](vector)
    except (TypeError, KeyError, OverflowError) as exc:
        message = f"gave a {kind} vector that holds something other than numbers"
        raise bad_answer(model, message) from exc
    if fault:
        raise bad_answer(model, f"gave a {kind} vector {fault}")


_NOT_FINITE = "with NaN or an infinity in it"


def _dense_fault(vector: list[Json]) -> str | None:
    if not vector:
        return "without dimensions"
    # NaN and infinities survive a sum; a finite sum that overflows is settled number by number.
    if isfinite(sum(vector)) or all(map(isfinite, vector)):
        return None
    return _NOT_FINITE


def _multi_fault(vector: list[list[Json]]) -> str | None:
    if len({len(row) for row in vector}) > 1:
        return "with rows of unequal length"
    return next((fault for fault in map(_dense_fault, vector) if fault), None)


def _sparse_fault(vector: Body) -> str | None:
    indices, values = vector["indices"], vector["values"]
    if len(indices) != len(values):
        return f"with {many(len(indices), 'index', 'indices')} and {many(len(values), 'value')}"
    if not all(type(i) is int and 0 <= i <= U32 for i in indices):
        return "with an index that is not an unsigned 32-bit integer"
    if len(set(indices)) != len(indices):
        return "with an index that comes twice"
    return None if all(map(isfinite, values)) else _NOT_FINITE


_FAULTS: dict[Kind, Callable[[Json], str | None]] = {
    "dense": _dense_fault,
    "multi": _multi_fault,
    "sparse": _sparse_fault,
}
