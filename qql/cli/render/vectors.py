"""Vectors as people look at them: how many numbers, how long, and how they begin."""

from __future__ import annotations

import math

from qql.cli.render.terminal import json_text
from qql.late import cast

__all__ = ["vector_text"]

_SHORT = 4  # numbers that are shown as they are
_BEGINNING = 2  # numbers of a longer one


def vector_text(value: object, *, ascii_only: bool = False) -> str:
    """``f32[384] ‖1.00‖ [0.01, -0.2, …]``; ``f32[32×128] [[0.1, …], …]``; ``sparse[17] ‖2.31‖ {4: 0.5, …}``.

    Of several vectors, each behind its name. Short ones are JSON.
    """
    text = _text_of(value)
    return text.replace("‖", "||").replace("×", "x").replace("…", "...") if ascii_only else text


def _text_of(value: object) -> str:
    if isinstance(value, dict):
        if value.keys() == {"indices", "values"} and (numbers := _numbers(value["values"])):
            return _sparse_text(value, value["indices"], numbers)
        return ", ".join(f"{name} {_text_of(one)}" for name, one in sorted(value.items()))
    if numbers := _numbers(value):
        return json_text(value) if len(numbers) <= _SHORT else _dense_text(numbers)
    if isinstance(value, list) and (first := _numbers(value[0] if value else None)):
        size = f"{len(value)}×{len(first)}"
        whole = len(value) * len(first) <= _SHORT
        return json_text(value) if whole else f"f32[{size}] [[{_short(first[0])}, …], …]"
    return json_text(value)


def _numbers(value: object) -> list[float]:
    """A list of numbers as it is, no numbers for anything else."""
    numbers = isinstance(value, list) and all(isinstance(one, (int, float)) for one in value)
    return cast("list[float]", value) if numbers else []


def _dense_text(numbers: list[float]) -> str:
    beginning = ", ".join(map(_short, numbers[:_BEGINNING]))
    return f"f32[{len(numbers)}] {_length_of(numbers)} [{beginning}, …]"


def _sparse_text(value: object, indices: list[int], numbers: list[float]) -> str:
    if len(numbers) <= _SHORT:
        return json_text(value)
    first = [*zip(indices, numbers, strict=False)][:_BEGINNING]
    beginning = ", ".join(f"{index}: {_short(number)}" for index, number in first)
    return f"sparse[{len(numbers)}] {_length_of(numbers)} {{{beginning}, …}}"


def _length_of(numbers: list[float]) -> str:
    """Its Euclidean length."""
    return f"‖{math.hypot(*numbers):.2f}‖"


def _short(number: float) -> str:
    return f"{number:.3g}"
