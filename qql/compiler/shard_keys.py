"""SHARD → ``shard_key``: in which shards a statement looks or writes."""

from __future__ import annotations

from typing import Any

from qql import nodes
from qql.compiler.emit_filters import scalar_value
from qql.errors import Diagnostic, QQLPlanError, shown

__all__ = ["one_key", "shard_key"]

_HINT = "CREATE SHARD KEY makes the shards of a collection with sharding_method = custom"


def one_key(scalar: nodes.Scalar) -> str | int:
    """One shard key, checked: a text or an unsigned 64-bit integer. Raises `QQLPlanError`."""
    value = scalar_value(scalar)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    message = f"a shard key is a text or an unsigned integer, not {shown(value)}"
    raise QQLPlanError(Diagnostic("bad-shard-key", message, scalar.span, _HINT))


def shard_key(shard: nodes.Shard | None) -> Any:
    """``"a"``, ``["a", "b"]`` or ``{"target": "a", "fallback": "b"}``; None without SHARD.

    Raises `QQLPlanError`: no key at all, a key twice, or FALLBACK beside several keys.
    """
    if shard is None:
        return None
    keys = [one_key(key) for key in shard.keys]
    if not keys:
        raise QQLPlanError(Diagnostic("bad-shard-key", "SHARD names no key", shard.span, "SHARD 'key'"))
    twice = next((key for key, given in zip(keys, shard.keys, strict=True) if keys.count(key) > 1), None)
    if twice is not None:
        message = f"the shard key {shown(twice)} stands twice"
        raise QQLPlanError(Diagnostic("bad-shard-key", message, shard.span))
    if shard.fallback is not None:
        if len(keys) > 1:
            message = "FALLBACK goes with one shard key"
            hint = "several keys are searched together: SHARD ('a', 'b')"
            raise QQLPlanError(Diagnostic("bad-shard-key", message, shard.fallback.span, hint))
        return {"target": keys[0], "fallback": one_key(shard.fallback)}
    return keys[0] if len(keys) == 1 else keys
