"""The numbers of vectors as JSON that Qdrant cannot misread.

Over REST, `[[1, 0], [0.5, 0.5]]` is a sparse vector to a server, with the indices 1 and 0: of the forms that
a vector may have, it tries that one before a multivector, and takes a list of two for an object of two keys.
With decimals, `[[1.0, 0.0], …]`, it is a multivector.
"""

from __future__ import annotations

from typing import Any

from qql.rest.inference_objects import with_vectors
from qql.rest.request import Request
from qql.rest.types import JsonObject

__all__ = ["with_float_vectors", "with_plain_multivectors"]

_SHORT = 32
"""Longer rows come from models, as decimals, and are looked at by their ends: to look at all of their numbers
takes as long as to write them."""
_NUMBERS = {int, float}


def with_float_vectors(request: Request) -> JsonObject | None:
    """The body of a request with decimals in its vectors; the body itself where that changes nothing."""
    return with_vectors(request, _floats)


def with_plain_multivectors(request: Request) -> JsonObject | None:
    """The same, of those multivectors only that would be misread."""
    return with_vectors(request, _of_two_rows)


def _floats(vector: list[Any]) -> list[Any]:
    if len(vector) > _SHORT and type(vector[0]) is type(vector[-1]) is float:
        return vector
    if not vector or not isinstance(vector[0], list):
        return _all_floats(vector)
    if len(vector) == len(("indices", "values")):
        return _of_two_rows(vector)
    return _changed_rows(vector, [_floats(row) for row in vector])


def _of_two_rows(vector: list[Any]) -> list[Any]:
    if len(vector) != len(("indices", "values")) or not all(isinstance(row, list) for row in vector):
        return vector
    return _changed_rows(vector, [_all_floats(row) for row in vector])


def _changed_rows(vector: list[Any], rows: list[Any]) -> list[Any]:
    return rows if any(new is not old for new, old in zip(rows, vector, strict=True)) else vector


def _all_floats(row: list[Any]) -> list[Any]:
    """The row as floats; what is no number, or too large for one, is left for the server to refuse."""
    kinds = set(map(type, row))
    if int not in kinds or not kinds <= _NUMBERS:
        return row
    try:
        return list(map(float, row))
    except OverflowError:
        return row
