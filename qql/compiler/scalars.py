"""Single values of the tree as they go into a request, checked: ids, numbers, texts, dates, shard keys."""

from __future__ import annotations

import math
from collections import Counter

from qql import nodes
from qql.compiler.bind import PLAIN, resolved
from qql.compiler.dates import DATE_HINT, is_date
from qql.compiler.guards import is_bound, is_id, is_number, is_shard_key, is_text, is_whole
from qql.errors import Span, fail, shown
from qql.late import cast
from qql.nodes.holes import Hole, Slot, later
from qql.rest.limits import U32, U64
from qql.rest.types import Json

__all__ = [
    "checked_id",
    "count_limit",
    "number_of",
    "one_key",
    "point_id",
    "range_bound",
    "scalar_value",
    "shard_key",
    "text_of",
    "threshold_of",
    "wait_of",
]


def scalar_value(scalar: nodes.Scalar) -> Json:
    """The value of a bound scalar; ``UUID('text')`` becomes its UUIDv5."""
    value = scalar.value
    return value if type(value) in PLAIN else resolved(value, scalar.span)


def point_id(scalar: nodes.Scalar) -> int | str:
    """A point id, checked: an unsigned 64-bit integer or a UUID. Raises `QQLPlanError`."""
    if isinstance(scalar.value, Hole):
        return later(scalar.value, is_id, int)
    return checked_id(scalar_value(scalar), scalar.span)


def checked_id(value: Json, span: Span) -> int | str:
    """As `point_id`, of a value."""
    if isinstance(value, Hole):
        return later(value, is_id, int)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= U64:
        return value
    if isinstance(value, str) and nodes.is_uuid(value):
        return value
    hint = f"UUID('{value}') makes a stable UUID of a text" if isinstance(value, str) else None
    message = f"{shown(value)} is no point id: ids are unsigned integers or UUIDs"
    fail("invalid-point-id", message, span, hint)


def count_limit(scalar: nodes.Scalar | None, word: str, low: int) -> int | None:
    """The number behind LIMIT, OFFSET or BATCH; None where the clause is missing."""
    if scalar is None:
        return None
    value = scalar.value
    if isinstance(value, Hole):
        return cast(int, value) if isinstance(value, Slot) else later(value, is_whole(low), int)
    value = scalar_value(scalar)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= U32:
        return value
    message = f"{word} takes a whole number from {low} to {U32}, not {shown(value)}"
    fail("bad-limit", message, scalar.span)


def wait_of(scalar: nodes.Scalar | None) -> bool:
    """Whether a write waits until it can be seen. Statements follow one another, so the default is yes."""
    if scalar is None:
        return True
    value = scalar_value(scalar)
    if isinstance(value, bool):
        return value
    fail("bad-wait", f"WAIT takes true or false, not {shown(value)}", scalar.span)


def text_of(scalar: nodes.Scalar, what: str) -> str:
    """A text that is not empty."""
    if isinstance(scalar.value, Hole):
        return later(scalar.value, is_text, str)
    value = scalar_value(scalar)
    if isinstance(value, str) and value:
        return value
    message = f"{what} is a text, not {shown(value)}" if value != "" else f"{what} is empty"
    fail("bad-text", message, scalar.span)


def number_of(scalar: nodes.Scalar | None, what: str, low: float = -math.inf, high: float = math.inf) -> Json:
    """A finite number within bounds; None where the clause is missing."""
    if scalar is None:
        return None
    if isinstance(scalar.value, Hole):
        return later(scalar.value, is_number(low, high), float)
    value = scalar_value(scalar)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
        return value
    between = f" from {low} to {high}" if math.isfinite(low) else ""
    fail("bad-number", f"{what} takes a number{between}, not {shown(value)}", scalar.span)


def threshold_of(scalar: nodes.Scalar | None) -> float | None:
    if scalar is None:
        return None
    if isinstance(scalar.value, Hole):
        return later(scalar.value, is_number(), float)
    value = scalar_value(scalar)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    fail("bad-threshold", f"SCORE THRESHOLD takes a number, not {shown(value)}", scalar.span)


# ------------------------------------------------------------------------------------ dates and ranges


def range_bound(scalar: nodes.Scalar) -> Json:
    """One end of a range: a number or a date. Raises `QQLPlanError` for anything else."""
    if isinstance(scalar.value, Hole):
        return later(scalar.value, is_bound, float)
    value = scalar_value(scalar)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        if is_date(value, scalar.span):
            return value
        hint = f"{DATE_HINT}; texts have no order"
        fail("not-a-date", f"'{value}' is neither a number nor a date", scalar.span, hint)
    fail("bad-range", f"a range takes a number or a date, not {shown(value)}", scalar.span)


# ------------------------------------------------------------------------------------ shard keys

_CREATE_HINT = "CREATE SHARD KEY makes the shards of a collection with sharding_method = custom"


def one_key(scalar: nodes.Scalar) -> str | int:
    """One shard key, checked: a text or an unsigned 64-bit integer. Raises `QQLPlanError`."""
    if isinstance(scalar.value, Hole):
        return later(scalar.value, is_shard_key, str)
    value = scalar_value(scalar)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= U64:
        return value
    message = f"a shard key is a text or an unsigned integer, not {shown(value)}"
    fail("bad-shard-key", message, scalar.span, _CREATE_HINT)


def shard_key(shard: nodes.Shard | None) -> Json:
    """``"a"``, ``["a", "b"]`` or ``{"target": "a", "fallback": "b"}``; None without SHARD.

    Raises `QQLPlanError`: no key at all, a key twice, or FALLBACK beside several keys.
    """
    if shard is None:
        return None
    keys = [one_key(key) for key in shard.keys]
    if not keys:
        fail("bad-shard-key", "SHARD names no key", shard.span, "SHARD 'key'")
    if len(keys) == 1 and shard.fallback is None:
        return keys[0]
    twice = next((key for key, times in Counter(keys).items() if times > 1), None)
    if twice is not None:
        message = f"the shard key {shown(twice)} stands twice"
        fail("bad-shard-key", message, shard.span)
    if shard.fallback is not None:
        if len(keys) > 1:
            message = "FALLBACK goes with one shard key"
            hint = "several keys are searched together: SHARD ('a', 'b')"
            fail("bad-shard-key", message, shard.fallback.span, hint)
        return {"target": keys[0], "fallback": one_key(shard.fallback)}
    return keys
