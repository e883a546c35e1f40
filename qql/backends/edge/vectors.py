"""What vectors a collection has, and whether a value is one of them.

The engine must never see a vector that was not checked here: ragged multivectors and unequal sparse
lengths make it panic, and its write-ahead log then panics at every later load; NaN, infinities and
repeated sparse indices are stored in silence.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from numbers import Real
from operator import countOf

from qql.errors import QQLExecutionError, did_you_mean, many
from qql.records import dataclass, replace
from qql.rest.limits import U32
from qql.rest.types import Json

from .engine import edge
from .readers import Reader, refuse, strings, to_float, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = [
    "VectorSpec",
    "find_vector",
    "query_vector",
    "refuse_inference",
    "stored_vector_checker",
    "vector_names",
]

_NUMBERS = {float, int}
_FLOAT32_MAX = 3.4028235e38  # the shortest decimal that names it, which is a little more
_FLOAT16_MAX = 65504.0
_LONGEST_NORM = 1.8446743e19  # its square is the largest float32; past it the engine normalises to zeros


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """One vector of a collection; ``name`` is ``""`` for the unnamed one, ``size`` is 0 for sparse."""

    collection: str
    name: str
    kind: Literal["dense", "multi", "sparse"]
    size: int = 0
    distance: str = ""
    datatype: str = "float32"

    @property
    def title(self) -> str:
        """How messages call it."""
        named = f"vector `{self.name}`" if self.name else "the unnamed vector"
        return f"{named} of `{self.collection}`"

    @property
    def bytes_each(self) -> float:
        """Bytes of storage of one component."""
        return {"float32": 4, "float16": 2, "uint8": 1, "turbo16": 2, "turbo8": 1, "turbo4": 0.5}.get(
            self.datatype, 4
        )


def find_vector(specs: Mapping[str, VectorSpec], name: str, collection: str) -> VectorSpec:
    """The vector of that name. Raises ``unknown-vector``, which lists those that there are."""
    spec = specs.get(name)
    if spec is not None:
        return spec
    named = [f"`{known}`" if known else "an unnamed one" for known in specs]
    listed = f"the vectors of `{collection}` are {', '.join(named)}"
    if not name:
        raise refuse(
            "unknown-vector", f"`{collection}` has no unnamed vector", f"{listed}: say which, with USING"
        )
    hint = did_you_mean(name, [known for known in specs if known])
    raise refuse(
        "unknown-vector", f"`{collection}` has no vector `{name}`", f"{hint} {listed}" if hint else listed
    )


def vector_names(specs: Mapping[str, VectorSpec], collection: str) -> Reader[list[str]]:
    """A reader of a list of names of vectors that the collection has."""
    return lambda value, where: [find_vector(specs, name, collection).name for name in strings(value, where)]


class _NotPlain(Exception):
    """The fast check did not pass; the slow one decides, and names the culprit."""


_NOT_PLAIN = (_NotPlain, struct.error, OverflowError, TypeError, ValueError, KeyError)


def stored_vector_checker(spec: VectorSpec) -> Callable[[Json, Callable[[], str]], edge.NamedVector]:
    """A function of a vector to be stored and the words for its owner; it gives what the engine takes.

    Each look goes over the components in C: their types; float16's range by `struct`; and where the
    Euclidean norm is below the largest float32, every component is finite and a float32; for cosine its
    square must be one too.
    """
    fast = _FAST[spec.kind](spec)

    def check(value: Json, who: Callable[[], str]) -> edge.NamedVector:
        try:
            return fast(value)
        except _NOT_PLAIN:
            return _SLOW[spec.kind](spec, value, who(), True)

    return check


def query_vector(spec: VectorSpec, value: Json, who: str = "the query") -> edge.NamedVector:
    """A vector to search with. A multivector may be searched with one dense vector, as on the server."""
    if spec.kind == "sparse" and isinstance(value, edge.SparseVector):
        return value
    try:
        return _fast_query(spec)(value)
    except _NOT_PLAIN:
        return _SLOW[spec.kind](spec, value, who, False)


@lru_cache(1024)
def _fast_query(spec: VectorSpec) -> Callable[[Json], edge.NamedVector]:
    # What is searched with is a float32, whatever the stored vectors are.
    return _FAST[spec.kind](replace(spec, datatype="float32"))


# --- the fast way ---------------------------------------------------------------------------------


def _fast_dense(spec: VectorSpec) -> Callable[[Json], list[float]]:
    size = spec.size
    pack = struct.Struct(f"{size}e").pack if spec.datatype == "float16" else None
    longest = _LONGEST_NORM if spec.distance == "cosine" else _FLOAT32_MAX
    hypot = math.hypot
    bytes_only = spec.datatype == "uint8"

    def check(value: Json) -> list[float]:
        if type(value) is not list or len(value) != size or not _are_numbers(value):
            raise _NotPlain
        if pack is not None:
            pack(*value)
        if not hypot(*value) < longest or (bytes_only and not (min(value) >= 0 and max(value) <= 255)):
            raise _NotPlain
        return value

    return check


def _are_numbers(values: list[Json]) -> bool:
    # To count floats takes three quarters of the time of a set of all types.
    return countOf(map(type, values), float) == len(values) or {*map(type, values)} <= _NUMBERS


def _fast_multi(spec: VectorSpec) -> Callable[[Json], list[list[float]]]:
    row = _fast_dense(spec)

    def check(value: Json) -> list[list[float]]:
        if type(value) is not list or not value:
            raise _NotPlain
        for item in value:
            row(item)
        return value

    return check


def _fast_sparse(spec: VectorSpec) -> Callable[[Json], edge.SparseVector]:
    def check(value: Json) -> edge.SparseVector:
        indices, values = value["indices"], value["values"]
        count = len(indices)
        if len(value) != 2 or type(indices) is not list or type(values) is not list:
            raise _NotPlain
        if len(values) != count or len({*indices}) != count:
            raise _NotPlain
        if not {*map(type, indices)} <= {int} or not {*map(type, values)} <= _NUMBERS:
            raise _NotPlain
        struct.pack(f"{count}I{count}f", *indices, *values)
        if not math.hypot(*values) < _FLOAT32_MAX:
            raise _NotPlain
        return edge.SparseVector(indices, values)

    return check


_FAST: dict[str, Callable[[VectorSpec], Callable[[Json], edge.NamedVector]]] = {
    "dense": _fast_dense,
    "multi": _fast_multi,
    "sparse": _fast_sparse,
}


# --- the slow way ---------------------------------------------------------------------------------


def _slow_dense(spec: VectorSpec, value: Json, who: str, stored: bool) -> list[float]:
    if not isinstance(value, list | tuple) or (value and isinstance(value[0], list | tuple)):
        raise _wrong_kind(spec, value, who)
    if len(value) != spec.size:
        raise refuse(
            "wrong-dimension",
            f"{spec.title} has {many(spec.size, 'dimension')}, {who} has {len(value)}",
        )
    largest = (
        {"float16": _FLOAT16_MAX, "uint8": 255.0}.get(spec.datatype, _FLOAT32_MAX) if stored else _FLOAT32_MAX
    )
    smallest = 0.0 if stored and spec.datatype == "uint8" else -largest
    out = [
        _component(spec, item, f"{who}, component {at}", smallest, largest)
        for at, item in enumerate(value, 1)
    ]
    if spec.distance == "cosine" and not math.hypot(*out) < _LONGEST_NORM:
        raise refuse(
            "invalid-vector",
            f"{spec.title}: {who} has components too large to be normalised",
            "a cosine vector requires a length below 1.8e19; scale it down",
        )
    return out


def _slow_multi(spec: VectorSpec, value: Json, who: str, stored: bool) -> list[list[float]]:
    if not isinstance(value, list | tuple):
        raise _wrong_kind(spec, value, who)
    if not value:
        raise refuse("invalid-vector", f"{spec.title}: {who} has a multivector without a row")
    if not isinstance(value[0], list | tuple):
        return [_slow_dense(spec, value, who, stored)]
    for at, row in enumerate(value, 1):
        if not isinstance(row, list | tuple):
            raise _wrong_kind(spec, row, f"{who}, row {at}")
    return [_slow_dense(spec, row, f"{who}, row {at}", stored) for at, row in enumerate(value, 1)]


def _slow_sparse(spec: VectorSpec, value: Json, who: str, stored: bool) -> edge.SparseVector:
    if not isinstance(value, Mapping) or value.keys() != {"indices", "values"}:
        raise _wrong_kind(spec, value, who)
    indices, values = value["indices"], value["values"]
    if not isinstance(indices, list | tuple) or not isinstance(values, list | tuple):
        raise _wrong_kind(spec, value, who)
    if len(indices) != len(values):
        found = f"{many(len(indices), 'index', 'indices')} and {many(len(values), 'value')}"
        raise refuse("invalid-vector", f"{spec.title}: {who} has {found}")
    seen: set[int] = set()
    for at, index in enumerate(indices, 1):
        if type(index) is not int or not 0 <= index <= U32:
            raise refuse(
                "invalid-vector",
                f"{spec.title}: {who}, index {at} is {index!r}, not an integer from 0 to {U32}",
            )
        if index in seen:
            raise refuse("invalid-vector", f"{spec.title}: {who} has index {index} twice")
        seen.add(index)
    out = [
        _component(spec, item, f"{who}, value {at}", -_FLOAT32_MAX, _FLOAT32_MAX)
        for at, item in enumerate(values, 1)
    ]
    return edge.SparseVector(list(indices), out)


_SLOW: dict[str, Callable[[VectorSpec, Json, str, bool], edge.NamedVector]] = {
    "dense": _slow_dense,
    "multi": _slow_multi,
    "sparse": _slow_sparse,
}


def _component(spec: VectorSpec, value: Json, where: str, smallest: float, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise refuse("invalid-vector", f"{spec.title}: {where} is no number but {value!r:.40}")
    out = to_float(value)
    if not math.isfinite(out):
        raise refuse("invalid-vector", f"{spec.title}: {where} is {value!r:.40}, not a finite number")
    if not smallest <= out <= largest:
        raise refuse(
            "invalid-vector",
            f"{spec.title}: {where} is {out:g}; {spec.datatype} holds {smallest:g} to {largest:g}",
        )
    return out


def refuse_inference(value: Json) -> None:
    """Raise for ``{"text": …, "model": …}`` and the like, in place of a vector."""
    if not isinstance(value, Mapping) or "indices" in value:
        return
    kind = next((key for key in ("text", "image", "object") if key in value), None)
    if kind is not None:
        raise unsupported(
            f"turning {kind} into a vector (model {value.get('model')!r})",
            "the vector must be computed before",
        )


def _wrong_kind(spec: VectorSpec, value: Json, who: str) -> QQLExecutionError:
    refuse_inference(value)
    return refuse(
        "wrong-vector-kind",
        f"{spec.title} is {_ARTICLED[spec.kind]}, {who} has {_shape(value)}",
        _SHAPES[spec.kind],
    )


_ARTICLED = {"dense": "dense", "multi": "a multivector", "sparse": "sparse"}
_SHAPES = {
    "dense": "a dense vector is a list of numbers",
    "multi": "a multivector is a list of lists of numbers",
    "sparse": 'a sparse vector is {"indices": […], "values": […]}',
}


def _shape(value: Json) -> str:
    if isinstance(value, list | tuple):
        nested = bool(value) and isinstance(value[0], list | tuple)
        return "a multivector" if nested else "a list of numbers"
    if isinstance(value, Mapping):
        sparse = {"indices", "values"} <= value.keys()
        return "a sparse vector" if sparse else f"an object with {', '.join(map(repr, value)) or 'no keys'}"
    return f"{value!r:.40}"
