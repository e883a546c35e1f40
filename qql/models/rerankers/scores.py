"""Scores of whatever make → floats, and the check that they are legal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from math import isfinite
from numbers import Real
from typing import Any

from qql.errors import QQLError, QQLModelError

__all__ = ["checked"]


def checked(scores: Any, *, count: int, model: str) -> list[float]:
    """The answer of a model to ``count`` texts as floats.

    Takes lists, tuples, iterators and numpy arrays of numbers. Raises `QQLModelError` (``model-answer``)
    for anything else, another number of scores, and scores that are NaN, infinite or no numbers (``true``
    is none).
    """
    listed = scores.tolist() if hasattr(scores, "tolist") else scores
    if isinstance(listed, str | bytes | Mapping | Set) or not isinstance(listed, Iterable):
        raise _bad(model, f"gave a {type(scores).__name__} in place of a list of scores")
    found = list(listed)
    if len(found) != count:
        raise _bad(model, f"gave {len(found)} scores for {count} texts")
    return [_number(score, model) for score in found]


def _number(score: Any, model: str) -> float:
    plain = score.tolist() if hasattr(score, "tolist") else score
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise _bad(model, f"gave a {type(score).__name__} in place of a score")
    try:
        number = float(plain)
    except OverflowError as exc:
        raise _bad(model, "gave a score that is too large") from exc
    if not isfinite(number):
        raise _bad(model, f"gave the score {number}, which orders nothing")
    return number


def _bad(model: str, what: str) -> QQLError:
    return QQLModelError.make("model-answer", f"model `{model}` {what}")
