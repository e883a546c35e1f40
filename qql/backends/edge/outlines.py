"""Queries that differ in their vectors alone are read once: outlines, and what was read for one.

Most of the time that a query takes beside the engine's goes into its reading, and a program asks the same
with another vector each time.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator

from qql.kept import Kept
from qql.records import dataclass, field
from qql.rest.types import Body, Json, JsonObject

from .engine import edge
from .readers import Values
from .vectors import VectorSpec, query_vector

__all__ = ["Outlines", "ReadStage"]

_LONGEST, _MOST = 4096, 128
"""Bytes of an outline that is kept, and how many are."""
_SEARCHES_WITH = frozenset(
    ("nearest", "recommend", "discover", "context", "relevance_feedback", "indices", "values", "mmr")
)
"""Keys of a query that holds vectors, or points whose vectors are looked up."""


@dataclass(slots=True)
class ReadStage:
    """A stage as it was read: the engine's arguments but for its prefetches, which are ``below``.

    Where it searches with one vector, ``spec`` is whose, and ``using`` its name as the stage says it.
    """

    arguments: Values
    using: str | None = None
    spec: VectorSpec | None = None
    below: list[ReadStage] = field(default_factory=list)

    def made(self) -> Values:
        """The engine's arguments."""
        if not self.below:
            return self.arguments
        return self.arguments | {"prefetches": [edge.Prefetch(**one.made()) for one in self.below]}

    def forget_vectors(self) -> None:
        """Let go of the vectors that it was read with, which may be large."""
        if self.spec is not None:
            del self.arguments["query"]
        for one in self.below:
            one.forget_vectors()

    def made_with(self, vectors: Iterator[Json]) -> Values:
        """The same with other vectors, which stand in the order of `_Outline`; each is checked."""
        arguments = self.arguments
        if self.below:
            prefetches = [edge.Prefetch(**one.made_with(vectors)) for one in self.below]
            arguments = {**arguments, "prefetches": prefetches}
        if self.spec is not None:
            vector = query_vector(self.spec, next(vectors))
            arguments = {**arguments, "query": edge.Query.Nearest(vector, self.using)}
        return arguments


class Outlines:
    """What was read for the outlines of one collection's queries."""

    def __init__(self) -> None:
        self._kept: Kept[bytes, ReadStage] = Kept(_MOST)

    def outline_of(self, body: Json) -> tuple[bytes | None, list[Json]]:
        """A query without its vectors, and these, those of prefetches first.

        None where it has no outline: it names points, or searches with more than one vector in a stage.
        """
        vectors: list[Json] = []
        try:
            # Takes JSON's own types alone, and tells 1 from true; of the second version, as later ones
            # write equal values in several ways.
            outline = marshal.dumps(_bare(body, vectors), 2)
        except (_NoOutline, ValueError, RecursionError):
            return None, []
        return (outline if len(outline) <= _LONGEST else None), vectors

    def find(self, outline: bytes | None) -> ReadStage | None:
        """What was read for an outline."""
        return None if outline is None else self._kept.get(outline)

    def keep(self, outline: bytes | None, read: ReadStage) -> None:
        """Keep what was read, which is not `made` any more."""
        if outline is not None:
            read.forget_vectors()
            self._kept.put(outline, read)


class _NoOutline(Exception):
    """Not only a vector would have to be put in."""


def _bare(stage: Json, vectors: list[Json]) -> JsonObject:
    """A stage with true in the place of each vector."""
    if type(stage) is not dict or "lookup_from" in stage:
        raise _NoOutline
    out: JsonObject = {**stage}
    below = stage.get("prefetch")
    if below is not None:
        out["prefetch"] = [_bare(one, vectors) for one in (below if type(below) is list else (below,))]
    query = stage.get("query")
    if query is None:
        return out
    if type(query) is not dict:
        raise _NoOutline
    if not _SEARCHES_WITH.isdisjoint(query):
        out["query"] = {"nearest": _vector(query, vectors)}
    return out


def _vector(query: Body, vectors: list[Json]) -> bool:
    value = query.get("nearest")
    if len(query) != 1 or not (type(value) is list or (type(value) is dict and "indices" in value)):
        raise _NoOutline
    vectors.append(value)
    return True
