"""Numbers of vectors as they were written: 0.1, and not 0.10000000149011612.

Engines keep vectors in 32 bits and hand them out in 64. Of all decimals that name the same 32-bit float the
shortest is given, so that a vector that is written again is the same bit by bit. Servers do so over REST.
"""

from __future__ import annotations

from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["shortest_by_digits", "shortest_floats", "shortest_vector", "with_short_vectors"]


def shortest_floats(values: Sequence[float]) -> list[float]:
    """The numbers, each as the float of the shortest decimal that names the same 32-bit float.

    What is no 32-bit float, or not finite, stays as it is.
    """
    try:
        import numpy
    except ModuleNotFoundError:  # qdrant-client brings it, and a service may do without
        return shortest_by_digits(values)
    import orjson

    exact = numpy.asarray(values, dtype=numpy.float64)
    with numpy.errstate(over="ignore"):
        narrow = exact.astype(numpy.float32)
    if not numpy.array_equal(narrow, exact):
        return list(values)
    short: list[float] = orjson.loads(orjson.dumps(narrow, option=orjson.OPT_SERIALIZE_NUMPY))
    if numpy.array_equal(numpy.asarray(short, dtype=numpy.float32), narrow):
        return short
    return list(values)


_LEAST_NORMAL = 2.0**-126  # of 32-bit floats


def shortest_by_digits(values: Sequence[float]) -> list[float]:
    """The same as `shortest_floats` in plain Python, number by number.

    Six digits are enough, or seven, and nine for any; of the tiniest numbers, which have fewer bits, even one
    may do.
    """
    import struct

    packed = struct.Struct("<f")

    def narrow(value: float) -> float | None:
        try:
            found: float = packed.unpack(packed.pack(value))[0]
        except OverflowError:
            return None
        return found

    out = []
    for value in values:
        if narrow(value) != value:  # nor is a NaN
            return list(values)
        enough = (6, 7, 8, 9) if abs(value) >= _LEAST_NORMAL else range(1, 10)
        tried = (float(f"{value:.{digits}g}") for digits in enough)
        out.append(next(short for short in tried if narrow(short) == value))
    return out


def shortest_vector(value: Json) -> Json:
    """A vector, a multivector, a sparse vector, or named ones of them, with short numbers."""
    if isinstance(value, dict):
        if value.keys() == {"indices", "values"} and isinstance(value["indices"], list):
            return {"indices": value["indices"], "values": shortest_floats(value["values"])}
        return {name: shortest_vector(item) for name, item in value.items()}
    if isinstance(value, list) and value:
        return (
            [shortest_vector(row) for row in value] if isinstance(value[0], list) else shortest_floats(value)
        )
    return value


def with_short_vectors(answer: Json) -> Json:
    """The answer to a read: points, a page of them, groups, several of these; vectors made short."""
    if isinstance(answer, list):
        return [with_short_vectors(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    out = {key: with_short_vectors(one) if key in _HOLDS_POINTS else one for key, one in answer.items()}
    if "id" in out and out.get("vector") is not None:
        out["vector"] = shortest_vector(out["vector"])
    return out


_HOLDS_POINTS = ("points", "groups", "hits", "lookup")
