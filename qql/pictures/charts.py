"""Scores as a histogram with axes, and times as bars."""

from __future__ import annotations

import math

from qql.pictures.graph import point_key
from qql.pictures.markup import number, tag, text_of
from qql.rest.types import Body

__all__ = ["histogram", "share_bar"]

_WIDTH, _HEIGHT = 260.0, 92.0
_LEFT, _BELOW, _ABOVE = 34.0, 20.0, 8.0


def histogram(stage: Body) -> str:
    """The scores of a stage's candidates in equal steps; those that reach the hits are shown apart.

    The axes have numbers: how many candidates the highest bar has, the lowest and the highest score, and the
    median where there is room. Nothing is drawn for a stage without scores; where all are equal, a sentence.
    """
    scores: Body | None = stage["scores"]
    if scores is None:
        return ""
    low, high = scores["min"], scores["max"]
    if low is None or high is None or not math.isfinite(high - low):
        return tag("p", f"scores from {number(low)} to {number(high)}", class_="qql-small")
    if low == high:
        return tag("p", f"all scores are {number(high)}", class_="qql-small")
    counts: list[int] = scores["histogram"]
    reached = {point_key(one["id"]) for one in stage["in_hits"]}
    among = [0] * len(counts)
    for one in stage["candidates"]:
        if point_key(one["id"]) in reached and one["score"] is not None:
            step = (one["score"] - low) / (high - low) * len(counts)
            among[min(len(counts) - 1, max(0, int(step)))] += 1
    most, inner = max(counts), _WIDTH - _LEFT - 8
    floor, room, step = _HEIGHT - _BELOW, _HEIGHT - _BELOW - _ABOVE, inner / len(counts)
    bars = []
    for at, count in enumerate(counts):
        for some, kind in ((count, "qql-found"), (min(among[at], count), "qql-hits")):
            if some:
                height = max(1.5, some / most * room)
                x, edge = _LEFT + at * step + 0.5, low + (high - low) * at / len(counts)
                tip = f"from {number(edge)}: {count} candidates, {among[at]} of them among the hits"
                rect = tag("title", text_of(tip))
                bars.append(
                    tag("rect", rect, x=x, y=floor - height, width=step - 1, height=height, class_=kind)
                )
    axes = [
        tag("path", d=f"M{_LEFT},{_ABOVE}V{floor}H{_WIDTH - 8}", class_="qql-axis"),
        tag("text", f"{most:,}", x=_LEFT - 4, y=_ABOVE + 8, text_anchor="end", class_="qql-tick"),
        tag("text", "0", x=_LEFT - 4, y=floor, text_anchor="end", class_="qql-tick"),
        tag("text", number(low), x=_LEFT, y=_HEIGHT - 5, class_="qql-tick"),
        tag("text", number(high), x=_WIDTH - 8, y=_HEIGHT - 5, text_anchor="end", class_="qql-tick"),
    ]
    axes += _median(scores["median"], low, high, inner, floor)
    words = (
        f"Scores from {number(low)} to {number(high)}, median {number(scores['median'])}: "
        f"{', '.join(map(str, counts))} candidates"
    )
    return tag(
        "svg",
        tag("title", text_of(words)),
        *bars,
        *axes,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        class_="qql-histogram",
    )


def _median(median: float | None, low: float, high: float, inner: float, floor: float) -> list[str]:
    if median is None:
        return []
    x = _LEFT + (median - low) / (high - low) * inner
    marks = [tag("path", d=f"M{x:.1f},{_ABOVE}V{floor}", class_="qql-median")]
    if _LEFT + 74 < x < _WIDTH - 82:  # beside the numbers at both ends
        words = f"median {number(median)}"
        marks.append(tag("text", words, x=x, y=_HEIGHT - 5, text_anchor="middle", class_="qql-tick"))
    return marks


def share_bar(share: float, kind: str = "qql-found") -> str:
    """A bar of an HTML table: a share from 0 to 1."""
    width = max(0.0, min(1.0, share)) * 100
    return tag("span", tag("span", "", class_=kind, style=f"width:{width:.1f}%"), class_="qql-bar")
