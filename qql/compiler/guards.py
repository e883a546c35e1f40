"""Which values go into a request as they are: the quick half of what checks values (`scalars`, `vectors`).

A guard says yes only to what the full check would let through unchanged. To all else it says no, and the
full check converts it or tells what is wrong with it: messages stand there alone.
"""

from __future__ import annotations

import marshal
import math
from collections.abc import Callable
from functools import cache

from qql import nodes
from qql.compiler.dates import reads_as_date
from qql.rest.limits import U32, U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "MOST_F32",
    "PASSED_BY",
    "Guard",
    "field_copy",
    "is_any_text",
    "is_bound",
    "is_dense",
    "is_equal_list",
    "is_field",
    "is_id",
    "is_id_list",
    "is_number",
    "is_plain",
    "is_range",
    "is_scalar",
    "is_shard_key",
    "is_short",
    "is_sparse",
    "is_text",
    "is_whole",
]

Guard = Callable[["Any"], bool]
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1  # signed 64-bit integers, as payloads hold them


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: half of a character cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_text(value: Any) -> bool:
    """A text that is not empty."""
    return type(value) is str and value != "" and (value.isascii() or _is_unicode(value))


def is_any_text(value: Any) -> bool:
    """A text, empty or not."""
    return type(value) is str and (value.isascii() or _is_unicode(value))


def is_plain(value: Any) -> bool:
    """A text, a signed 64-bit integer, or a truth: what a payload's value is compared with by ``=``."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _is_unicode(value)
    return (kind is int and _LEAST <= value <= _MOST) or kind is bool


def is_scalar(value: Any) -> bool:
    """A text, a finite number or a truth."""
    return is_plain(value) or _is_finite(value)


def is_field(value: Any) -> bool:
    """What a field of a payload may be: a text, a finite number, a truth, null, or a list of these."""
    if type(value) is list:
        return all(one is None or is_scalar(one) for one in value)
    return value is None or is_scalar(value)


def field_copy(value: Any) -> Any:
    """The request's own of what `is_field`."""
    return value.copy() if type(value) is list else value


def is_bound(value: Any) -> bool:
    """An end of a range: a finite number or a date."""
    if type(value) is str:
        return value.isascii() and reads_as_date(value)
    return _is_finite(value)


def _is_finite(value: Any) -> bool:
    kind = type(value)
    return (kind is float and math.isfinite(value)) or (kind is int and _LEAST <= value <= _MOST)


def is_range(ends: Any) -> bool:
    """Two finite numbers, the lower one first."""
    return _is_finite(ends[0]) and _is_finite(ends[1]) and ends[0] <= ends[1]


def is_id(value: Any) -> bool:
    """The id of a point."""
    kind = type(value)
    return (kind is int and 0 <= value <= U64) or (kind is str and nodes.is_uuid(value))


def is_shard_key(value: Any) -> bool:
    """A text that is not empty, or an unsigned 64-bit integer."""
    return is_text(value) or (type(value) is int and 0 <= value <= U64)


def is_id_list(values: Any) -> bool:
    """Ids of points, at least one."""
    return type(values) is list and bool(values) and all(map(is_id, values))


def is_equal_list(values: Any) -> bool:
    """What IN takes as one list: texts, or signed 64-bit integers, each once; at least one."""
    if type(values) is not list or not values:
        return False
    kinds = {*map(type, values)}
    if kinds == {int}:
        return min(values) >= _LEAST and max(values) <= _MOST and len({*values}) == len(values)
    return kinds == {str} and all(map(is_plain, values)) and len({*values}) == len(values)


@cache
def is_whole(low: int, high: int = U32) -> Guard:
    """A whole number within bounds."""

    def guard(value: Any) -> bool:
        return type(value) is int and low <= value <= high

    return guard


@cache
def is_number(low: float = -math.inf, high: float = math.inf) -> Guard:
    """A finite number within bounds."""
    if low == -math.inf and high == math.inf:
        return _is_finite

    def guard(value: Any) -> bool:
        return _is_finite(value) and low <= value <= high

    return guard


MOST_F32 = 3.4028235e38
"""The largest finite float32; what is beyond it would become infinite in the engine."""


def is_short(row: list[float]) -> bool:
    """Whether the length of a vector is a float32, so that all of its numbers are. That costs little."""
    try:
        return math.hypot(*row) <= MOST_F32  # of what holds a NaN, this is none, or infinite
    except OverflowError:  # an integer beyond all floats
        return False


_SMALL = bytes(sign | high for sign in (0, 0x80) for high in range(0x47))
"""The highest bytes of the doubles below 2**113 or so: the sign, and the upper half of the exponent."""


def _are_small_floats(values: list[Any]) -> bool:
    """Whether all are floats, and none of them is anywhere near the end of float32, infinite, or NaN.

    For a list of them, marshal writes five bytes, and for each a ``g`` and its eight bytes, the lowest first;
    nothing else begins with a ``g``. These bytes are looked at in less time than the objects.
    """
    try:
        written = marshal.dumps(values, 2)
    except ValueError:  # what no data is
        return False
    return written[5::9] == b"g" * len(values) and not written[13::9].translate(None, _SMALL)


def _are_far_from_ends(values: list[float]) -> bool:
    """Whether none of some numbers is anywhere near the end of float32 or of 64 bits, infinite, or NaN."""
    return min(values) > -1e15 and max(values) < 1e15 and math.isfinite(sum(values))


@cache
def is_dense(size: int | None) -> Guard:
    """A list of numbers that are float32, as many as a known vector has."""

    def guard(value: Any) -> bool:
        if type(value) is not list or not value or (size is not None and len(value) != size):
            return False
        return _are_small_floats(value) or ({*map(type, value)} <= {int, float} and _are_far_from_ends(value))

    return guard


_SPARSE = {"indices", "values"}
_is_row = is_dense(None)


def is_sparse(value: Any) -> bool:
    """A sparse vector: two lists of one length, distinct indices of 32 bits and numbers that are float32."""
    if type(value) is not dict or value.keys() != _SPARSE:
        return False
    indices, values = value["indices"], value["values"]
    if type(indices) is not list or not _is_row(values) or len(indices) != len(values):
        return False
    if {*map(type, indices)} != {int} or len({*indices}) != len(indices):
        return False
    return bool(min(indices) >= 0 and max(indices) <= U32)


PASSED_BY: dict[Guard, str] = {
    is_text: "'u",
    is_any_text: "'u",
    is_plain: "'u",
    is_shard_key: "'u",
    is_scalar: "'u0-",
    is_field: "'u0-",
    is_bound: "0-",
    is_number(): "0-",
    is_id: "u",
}
"""Guards that let pass all literals of some kinds: ``'`` a text of characters, ``u`` a UUID, ``0`` and ``-``
numbers from 0 on and below it, all of them finite and none beyond 64 bits.
"""
