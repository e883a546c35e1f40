"""The search matrix, which the engine has not: a sample, and a search from each of its points."""

from __future__ import annotations

from collections.abc import Callable

from qql.rest.limits import U32
from qql.rest.types import Json, JsonObject

from .readers import Fields, integer, mapping, read, text
from .refusals import cluster_only

__all__ = ["Search", "as_offsets", "search_matrix"]

_SAMPLE, _LIMIT = 10, 3
"""What Qdrant takes where a request says nothing."""
_FIELDS: Fields = {
    "filter": mapping,
    "sample": integer(2, U32),
    "limit": integer(1, U32),
    "using": text,
    "shard_key": cluster_only,
}
Search = Callable[[list[JsonObject]], list[JsonObject]]
"""Bodies of queries → the answers to them."""


def search_matrix(body: Json, search: Search) -> JsonObject:
    """The answer of POST …/points/search/matrix/pairs: ``{"pairs": [{"a", "b", "score"}, …]}``.

    Points without the vector are not drawn, and no point is near itself.
    """
    asked = read(body or {}, "the matrix", _FIELDS)
    using = {} if asked.get("using") is None else {"using": asked["using"]}
    wanted = [one for one in (asked.get("filter"), {"has_vector": using.get("using", "")}) if one]
    sample = {
        "query": {"sample": "random"},
        "filter": {"must": wanted},
        "limit": asked.get("sample", _SAMPLE),
    }
    [drawn] = search([sample])
    ids = sorted((one["id"] for one in drawn["points"]), key=lambda one: (isinstance(one, str), one))
    among = {"filter": {"must": [{"has_id": ids}]}, "limit": asked.get("limit", _LIMIT), **using}
    found = search([{"query": one, **among} for one in ids]) if len(ids) > 1 else []
    return {
        "pairs": [
            {"a": one, "b": near["id"], "score": near["score"]}
            for one, answer in zip(ids, found, strict=False)
            for near in answer["points"]
        ]
    }


def as_offsets(answer: JsonObject) -> JsonObject:
    """The same as …/matrix/offsets gives it: rows and columns of a sparse matrix over ``ids``."""
    pairs = answer["pairs"]
    known = {one for pair in pairs for one in (pair["a"], pair["b"])}
    ids = sorted(known, key=lambda one: (isinstance(one, str), one))
    at = {one: place for place, one in enumerate(ids)}
    return {
        "offsets_row": [at[pair["a"]] for pair in pairs],
        "offsets_col": [at[pair["b"]] for pair in pairs],
        "scores": [pair["score"] for pair in pairs],
        "ids": ids,
    }
