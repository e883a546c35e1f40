"""Requests → statements: routes, URLs, and the proof that what comes out means what went in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

from qql import nodes
from qql.compiler.emit_queries import emit_query, emit_statement
from qql.compiler.plan import Context
from qql.compiler.planner import plan_query
from qql.compiler.rest_filters import name_of, scalar
from qql.convert.definitions import (
    COLLECTION_BODIES,
    alter,
    change_aliases,
    create,
    create_index,
    options_of,
    vector_def,
)
from qql.convert.older import OLDER, modern
from qql.convert.points import POINT_BODIES, READS, WRITES
from qql.convert.queries import normal_groups, normal_query
from qql.convert.query_nodes import query_of
from qql.convert.routes import READING, Route, no_statement, url_parameters
from qql.errors import QQLCompileError
from qql.rest.request import Request
from qql.rest.shapes import Shape, below, each, fields, refusal
from qql.rest.types import Body, Json, JsonObject

__all__ = ["check", "compare", "difference", "normal_form", "to_tree", "tree_of"]

# ------------------------------------------------------------------------------------ canonical form


def _searches(value: Json, at: str) -> JsonObject:
    found: JsonObject = fields({"searches": each(normal_query)}, "searches")(value, at)
    if not found["searches"]:
        raise refusal("searches", "there are no queries")
    return found


_BODIES: Mapping[Route, Shape] = {
    **POINT_BODIES,
    **COLLECTION_BODIES,
    ("POST", "points/query"): normal_query,
    ("POST", "points/query/groups"): normal_groups,
    ("POST", "points/query/batch"): _searches,
}
_BODILESS: frozenset[Route] = frozenset(
    {
        ("GET", "/collections"),
        ("GET", ""),
        ("GET", "exists"),
        ("DELETE", ""),
        ("DELETE", "index/*"),
        ("DELETE", "vectors/*"),
        ("GET", "/aliases"),
        ("GET", "aliases"),
        ("GET", "snapshots"),
        ("POST", "snapshots"),
        ("DELETE", "snapshots/*"),
        ("GET", "shards"),
        ("GET", "/quotas"),
        ("GET", "optimizations"),
        ("GET", "memory"),
    }
)
_FULL_WITHOUT: frozenset[Route] = frozenset({("POST", "points/scroll"), ("POST", "points/count")})
"""Routes whose bodies may be `{}`, and are that where a console sends none."""


def normal_form(request: Request) -> Request:
    """The request in the one form that all requests of its meaning have.

    What Qdrant does for a missing key stands there, shorthands are written out, lists stand for single
    objects, filters are flat, and rows stand for columns; keys that are null or say what Qdrant does anyway
    are gone. Two requests with the same normal form do the same, but for ids that are not there, which as
    ``points`` are errors of some writes. Raises `QQLPlanError` (``cannot-convert``) for what QQL has no word
    for, named by its place.
    """
    request = modern(request)
    route = request.route
    if route not in _BODIES and route not in _BODILESS:
        raise no_statement(request, (*_BODIES, *_BODILESS, *OLDER))
    body: JsonObject | None = None
    if route in _BODIES:
        if request.body is None and route not in _FULL_WITHOUT:
            raise refusal("", f"{request.method} {request.path} requires one")
        body = _BODIES[route](request.body or {}, "")
    elif request.body:
        raise refusal("", f"{request.method} {request.path} takes none")
    return Request(request.method, request.path.rstrip("/") or "/", url_parameters(request), body)


# ------------------------------------------------------------------------------------ nodes


def to_tree(request: Request) -> nodes.Statement:
    """The statement whose request this is. ``normal_form`` says what counts as the same.

    Raises `QQLPlanError` (``cannot-convert``) for what QQL cannot say; the message names its place.
    """
    wanted = normal_form(request)
    tree = tree_of(wanted)
    check(tree, wanted)
    return tree


def tree_of(request: Request) -> nodes.Statement:
    """The statement of a request in normal form."""
    route = request.route
    collection = name_of(request.collection or "")
    body = request.body or {}
    options = options_of({key: value for key, value in request.query.items() if key in READING})
    wait = _wait(route, request.query.get("wait"))
    if route in READS:
        return READS[route](body, collection, options)
    if route in WRITES:
        return WRITES[route](body, collection, wait)
    if route[1] in ("points/query", "points/query/groups"):
        return query_of(body, str(collection.text), options)
    if route[1] == "points/query/batch":
        queries = tuple(query_of(one, str(collection.text)) for one in body["searches"])
        return nodes.Batch(queries, params=options)
    name = unquote(request.path.rpartition("/")[2])
    return _STATEMENTS[route](_Given(body, collection, name, wait))


def _wait(route: Route, value: str | None) -> nodes.Scalar | None:
    """WAIT; None where the statement waits by itself, or where the URL leaves it to Qdrant."""
    if route == ("PUT", "/quotas"):
        return None if value is None else scalar(value == "true")
    return scalar(False) if value == "false" else None


class _Given:
    """What a statement is made of: a body, the names in the path, and whether it waits."""

    def __init__(self, body: Body, collection: nodes.Name, last: str, wait: nodes.Scalar | None) -> None:
        self.body = body
        self.collection = collection
        self.name = name_of(last)
        self.wait = wait


def _add_vector(given: _Given) -> nodes.Statement:
    ((kind, found),) = given.body.items()
    return nodes.AddVector(given.collection, vector_def(str(given.name.text), kind, found))


def _create_shard_key(given: _Given) -> nodes.Statement:
    options = {key: value for key, value in given.body.items() if key != "shard_key"}
    return nodes.CreateShardKey(scalar(given.body["shard_key"]), given.collection, options_of(options))


def _restore(given: _Given) -> nodes.Statement:
    options = {key: value for key, value in given.body.items() if key != "location"}
    return nodes.RestoreSnapshot(scalar(given.body["location"]), given.collection, options_of(options))


_STATEMENTS: Mapping[Route, Callable[[_Given], nodes.Statement]] = {
    ("GET", "/collections"): lambda given: nodes.ShowCollections(),
    ("GET", ""): lambda given: nodes.ShowCollection(given.collection),
    ("GET", "exists"): lambda given: nodes.ExistsCollection(given.collection),
    ("PUT", ""): lambda given: create(given.body, given.collection),
    ("PATCH", ""): lambda given: alter(given.body, given.collection),
    ("DELETE", ""): lambda given: nodes.DropCollection(given.collection),
    ("PUT", "index"): lambda given: create_index(given.body, given.collection, given.wait),
    ("DELETE", "index/*"): lambda given: nodes.DropIndex(given.collection, given.name, given.wait),
    ("PUT", "vectors/*"): _add_vector,
    ("DELETE", "vectors/*"): lambda given: nodes.DropVector(given.collection, given.name),
    ("POST", "/collections/aliases"): lambda given: change_aliases(given.body),
    ("GET", "/aliases"): lambda given: nodes.ShowAliases(),
    ("GET", "aliases"): lambda given: nodes.ShowAliases(given.collection),
    ("GET", "snapshots"): lambda given: nodes.ShowSnapshots(given.collection),
    ("POST", "snapshots"): lambda given: nodes.CreateSnapshot(given.collection),
    ("DELETE", "snapshots/*"): lambda given: nodes.DropSnapshot(
        scalar(str(given.name.text)), given.collection
    ),
    ("PUT", "snapshots/recover"): _restore,
    ("GET", "shards"): lambda given: nodes.ShowShardKeys(given.collection),
    ("PUT", "shards"): _create_shard_key,
    ("POST", "shards/delete"): lambda given: nodes.DropShardKey(
        scalar(given.body["shard_key"]), given.collection
    ),
    ("GET", "optimizations"): lambda given: nodes.ShowOptimizations(given.collection),
    ("GET", "memory"): lambda given: nodes.ShowMemory(given.collection),
    ("GET", "/quotas"): lambda given: nodes.ShowQuotas(),
    ("PUT", "/quotas"): lambda given: nodes.SetQuota(options_of(given.body), given.wait),
}


# ------------------------------------------------------------------------------------ proof


def check(tree: nodes.Statement, wanted: Request) -> None:
    """Raises `QQLPlanError` where the statement's request is not the one that is wanted.

    So nothing is lost in silence: what QQL's own rules refusal, or would change, is named here.
    """
    try:
        if isinstance(tree, nodes.Query):
            made = emit_query(plan_query(tree, Context()))
        else:
            (made,) = emit_statement(tree, Context())
    except QQLCompileError as exc:
        raise refusal("QQL cannot say this", exc.message, exc.hint) from exc
    compare(made, wanted)


def compare(made: Request, wanted: Request) -> None:
    """Raises `QQLPlanError` with the place where two requests differ; ``wanted`` is in normal form."""
    made = normal_form(made)
    if (made.method, unquote(made.path)) != (wanted.method, unquote(wanted.path)):
        raise refusal("the path", f"QQL would send {made.method} {made.path}")
    place = difference(made.body, wanted.body)
    if place is None:
        place = difference(dict(made.query), dict(wanted.query), "URL")
    if place is not None:
        raise refusal(place, "QQL cannot say this")


def difference(one: Json, other: Json, at: str = "") -> str | None:
    """The first place where two values of JSON differ; None where they are equal. True is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*other, *one]):
            if key not in one or key not in other:
                return below(at, key)
            if found := difference(one[key], other[key], below(at, key)):
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return at or "the body"
        places = (difference(a, b, f"{at}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True)))
        return next((place for place in places if place), None)
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    return None if same else at or "the body"
