"""FUSION LINEAR by what a score is among those of its list: the lists first, then one FORMULA.

A request that holds ``{"linear": …}`` (`qql.rest.linear_fusion`) is none of Qdrant's. Here the searches below
it are asked for as a batch, each with all that the stages above it add, and a formula with the figures of
their scores takes its place. A fusion above another one waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from qql.records import replace
from qql.rest.linear_fusion import awaits_lists, read_linear
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.analysis.stage_requests import AloneStages

__all__ = ["with_formulas"]

Call = Callable[[Request], Json]
_Path = tuple[int, ...]


def with_formulas(call: Call, request: Request) -> Request:
    """The request as Qdrant takes it; the same object where it holds nothing else.

    Raises what ``call`` raises for a batch of the searches whose scores are to be known.
    """
    body = request.body
    if body is None or not ("prefetch" in body or "searches" in body) or not awaits_lists(body):
        return request
    collection = request.collection or ""
    path = collection_path(collection, "points", "query", "batch")

    def asked(searches: list[JsonObject]) -> list[list[float]]:
        found = call(Request("POST", path, request.query, {"searches": searches}))
        return [[point["score"] for point in one["points"]] for one in found]

    searches = body.get("searches")
    if searches is None:
        return replace(request, body=_filled(body, collection, asked))
    return replace(request, body={**body, "searches": [_filled(one, collection, asked) for one in searches]})


Asked = Callable[[list[JsonObject]], list[list[float]]]


def _filled(body: Body, collection: str, asked: Asked) -> JsonObject:
    from qql.analysis.stage_requests import AloneStages

    found: JsonObject = dict(body)
    while waiting := [*_lowest(found, ())]:
        alone = AloneStages(collection, found)
        searches = [one for path in waiting for one in _inputs(found, path, alone)]
        lists = iter(asked(searches))
        for path in waiting:
            stage = _at(found, path)
            linear = read_linear(stage["query"])
            assert linear is not None, "`_lowest` gives linear fusions only"
            query = linear.filled([next(lists) for _ in stage["prefetch"]])
            found = _with_query(found, path, query)
    return found


def _lowest(body: Body, path: _Path) -> Iterator[_Path]:
    """The places of the fusions that wait for lists below which no other one does."""
    below = [
        one for at, inner in enumerate(body.get("prefetch") or ()) for one in _lowest(inner, (*path, at))
    ]
    query = body.get("query")
    if below:
        yield from below
    elif isinstance(query, Mapping) and "linear" in query:
        yield path


def _at(body: Body, path: _Path) -> Body:
    for at in path:
        body = body["prefetch"][at]
    return body


def _inputs(body: Body, path: _Path, alone: AloneStages) -> Iterator[JsonObject]:
    """The searches that give what the inputs of a stage give."""
    from qql.analysis.query_body import mmr_of

    above, stage = list(alone.above_all), body
    for at in (*path, None):
        above += [stage["filter"]] if stage.get("filter") else []
        if at is not None:
            stage = stage["prefetch"][at]
    for number, inner in enumerate(stage["prefetch"]):
        found = dict(alone.alone(inner, above, (*path, number)).body)
        if mmr_of(found) is not None and found.get("prefetch"):
            found = _as_a_formula_sees_it(found)
        yield {**found, "with_payload": False, "with_vector": False}


def _as_a_formula_sees_it(body: JsonObject) -> JsonObject:
    """An MMR that chooses among others leaves them, below another stage, the scores that these gave."""
    outer: JsonObject = {key: body.pop(key) for key in ("shard_key", "with_payload") if key in body}
    return {**outer, "prefetch": [body], "query": {"formula": "$score[0]"}, "limit": body["limit"]}


def _with_query(body: Body, path: _Path, query: JsonObject) -> JsonObject:
    """The body with another query at a place; what lies on the way is copied."""
    if not path:
        return {**body, "query": query}
    prefetch = list(body["prefetch"])
    prefetch[path[0]] = _with_query(prefetch[path[0]], path[1:], query)
    return {**body, "prefetch": prefetch}
