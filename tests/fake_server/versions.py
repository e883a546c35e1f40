"""What a version of Qdrant makes of a request: what it does not know is refused, or dropped without a word."""

from __future__ import annotations

import re
from typing import Any

from qql.rest.request import Request

__all__ = ["as_version_reads_it", "number"]


def number(version: str) -> tuple[int, ...]:
    """``"1.15.2"`` → (1, 15, 2)."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def as_version_reads_it(request: Request, version: str, transport: str) -> Request:
    """The request as that version takes it; raises `Refusal` for what it answers with an error."""
    if transport == "rest":
        _read_untagged(request.body)
    return request


def _read_untagged(part: Any) -> None:
    """A vector of two lists of which the first holds integers alone is read as the two lists of a sparse one.

    Servers try the kinds of vectors one after another, and that of a sparse one comes first. In place.
    """
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("payload", "metadata"):
                continue
            if _reads_as_sparse(value):
                part[key] = {"indices": value[0], "values": value[1]}
            else:
                _read_untagged(value)
    elif isinstance(part, list):
        for index, value in enumerate(part):
            if _reads_as_sparse(value):
                part[index] = {"indices": value[0], "values": value[1]}
            elif isinstance(value, dict | list):
                _read_untagged(value)


def _reads_as_sparse(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(row, list) and row for row in value)
        and all(type(number) is int for number in value[0])
        and all(type(number) in (int, float) for number in value[1])
    )
