"""Results for other programs: a script, a run of TREC, a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qql.errors import QQLExecutionError, fail
from qql.rest.types import Json, JsonObject
from qql.result import Hit, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["parquet_of", "run_lines", "script_lines"]

_POINTS_PER_UPSERT = 100


def _hits_of_queries(result: Result) -> list[tuple[int, list[Hit]]] | None:
    """The hits of each query by its number from 1, for a BATCH has several; None where it is no query."""
    if result.kind == "hits":
        return [(1, result.hits)]
    if result.kind != "rows" or not result.rows or not {"query", "id"} <= result.rows[0].keys():
        return None
    found: dict[int, list[Hit]] = {}
    for row in result.rows:
        hit = Hit(row["id"], row.get("score"), row.get("payload"), row.get("vector"))
        found.setdefault(row["query"], []).append(hit)
    return [*found.items()]


# ------------------------------------------------------------------------------------ a script


def script_lines(result: Result, json: Callable[[object], str]) -> Iterator[str]:
    """UPSERT statements that make the points of hits again; rows, messages and texts are comments.

    So a script comes out whatever the statements were. Of points that came without payload or vectors, a
    comment says that those are missing.
    """
    if (queries := _hits_of_queries(result)) is not None:
        yield from _upserts(result, [hit for _, hits in queries for hit in hits])
    elif result.kind == "rows":
        yield from (f"-- {json(row)}" for row in result.rows)
    else:
        yield from (f"-- {line}".rstrip() for line in result.message.splitlines())


def _upserts(result: Result, hits: list[Hit]) -> Iterator[str]:
    from qql.convert import from_request
    from qql.rest.request import collection_path

    collection = next((one.collection for one in result.requests if one.collection), None)
    if collection is None:
        _refuse("qql", "it is not known of which collection the points are")
    lacking = [
        f"-- without {what}: {clause} in the statement brings them along"
        for what, clause, found in (
            ("payloads", "WITH PAYLOAD", any(hit.payload is not None for hit in hits)),
            ("vectors", "WITH VECTOR", any(hit.vector is not None for hit in hits)),
        )
        if not found
    ]
    if not hits:
        yield f"-- no points of {collection!r}"
        return
    yield from lacking
    points = [*{_key(hit): hit for hit in reversed(hits)}.values()][::-1]
    for at in range(0, len(points), _POINTS_PER_UPSERT):
        body: JsonObject = {"points": [_point(hit) for hit in points[at : at + _POINTS_PER_UPSERT]]}
        path = f"{collection_path(collection, 'points')}?wait=true"
        request = {"method": "PUT", "path": path, "body": body}
        yield from_request(request).rstrip("\n")


def _key(hit: Hit) -> tuple[type, Json]:
    return type(hit.id), hit.id


def _point(hit: Hit) -> JsonObject:
    return {
        "id": hit.id,
        "vector": {} if hit.vector is None else hit.vector,
        **({"payload": hit.payload} if hit.payload else {}),
    }


# ------------------------------------------------------------------------------------ a run


def run_lines(result: Result, number: int) -> Iterator[str]:
    """A line for each hit: ``query Q0 id rank score qql``; ``number`` is that of the query.

    Those of a BATCH are ``3-1``, ``3-2``. Where scores do not fall, as there are none or they are distances,
    ``-rank`` stands in their place. Raises `QQLExecutionError` ``wrong-format`` for what is no ranking.
    """
    from qql.evaluation.files.runs import Scored
    from qql.evaluation.files.runs import run_lines as lines_of_rankings

    queries = _hits_of_queries(result)
    if queries is None:
        _refuse("trec", "it is no ranking of points")
    several = result.kind == "rows"
    return lines_of_rankings(
        {
            f"{number}-{query}" if several else str(number): [Scored(str(hit.id), hit.score) for hit in hits]
            for query, hits in queries
        }
    )


# ------------------------------------------------------------------------------------ Parquet


def parquet_of(result: Result) -> bytes:
    """A Parquet file with a row for each hit or row; its columns are those of `Result.to_arrow`.

    Raises `QQLExecutionError`: ``missing-library``; ``wrong-format`` for a text.
    """
    if result.kind not in ("hits", "rows"):
        _refuse("parquet", "a text has no columns")
    from qql.frames.arrow import parquet_bytes

    return parquet_bytes(result)


def _refuse(format: str, why: str, hint: str = "--format json writes every result") -> NoReturn:
    message = f"the format {format} cannot hold this result: {why}"
    fail("wrong-format", message, hint=hint, error=QQLExecutionError)
