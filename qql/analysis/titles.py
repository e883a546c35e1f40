"""What people call a point: its title or name, where its payload has one."""

from __future__ import annotations

from collections.abc import Iterable

from qql.compiler.embed_clauses import TEXT_FIELDS, text_at
from qql.result import Hit

__all__ = ["TITLE_FIELDS", "names_of", "title_of"]

TITLE_FIELDS = ("title", "name", *TEXT_FIELDS)
"""The fields that may say which point this is, the best first."""
_LONGEST_TITLE = 60


def title_of(hit: Hit) -> str:
    """A line that tells people which point this is: its title, its name, or the beginning of its text."""
    payload = hit.payload or {}
    found = (value for name in TITLE_FIELDS if (value := text_at(payload, name)))
    line = " ".join(next(found, "")[: 4 * _LONGEST_TITLE].split())
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1] + "…"


def names_of(hits: Iterable[Hit]) -> dict[int | str, str]:
    """Id → title, of the hits that have one which no other of them has."""
    titles = {hit.id: title_of(hit) for hit in hits}
    every = list(titles.values())
    return {key: title for key, title in titles.items() if title and every.count(title) == 1}
