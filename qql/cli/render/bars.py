"""Bars beside numbers: scores, and the counts of FACET."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qql.cli.render.cells import Column
from qql.result import Result

__all__ = ["BAR", "give_bars"]

BAR = 8
"""Cells of the longest bar."""
_SCORES = ("score", "first_stage_score", "second_stage_score")
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def give_bars(columns: Sequence[Column], result: Result, ascii_only: bool) -> None:
    """Give bars to the columns that have some, by the largest number of the column.

    They are not in its cells yet: that is for who knows whether there is room (`Column.show_bars`).
    """
    for column in columns:
        if column.name == "score" if result.kind == "hits" else _is_counted(column, result):
            column.bars = _bars(column.values, ascii_only)


def _is_counted(column: Column, result: Result) -> bool:
    if column.name == "count":
        return any(request.path.endswith("/facet") for request in result.requests)
    return column.name in _SCORES


def _bars(values: Sequence[object], ascii_only: bool) -> list[str]:
    """A bar for each number, all of one width; none where they would tell nothing."""
    numbers = [
        float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0 for value in values
    ]
    largest = max(map(abs, numbers), default=0.0)
    if len(numbers) < 2 or not largest:
        return []
    return [_bar(abs(number) / largest, ascii_only) for number in numbers]


def _bar(share: float, ascii_only: bool) -> str:
    if ascii_only:
        return ("#" * round(share * BAR)).ljust(BAR)
    whole, part = divmod(round(share * BAR * 8), 8)
    return (_FULL * whole + (_EIGHTHS[part] if part else "")).ljust(BAR)
