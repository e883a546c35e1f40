"""Points: canonical bodies of requests that read and write them, and the statements that say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.compiler.rest_filters import filter_of, name_of, normal_filter, scalar
from qql.compiler.row_keys import needs_block
from qql.convert.queries import SELECTIONS, VECTORS_TOO, order_by, shard_key, vector
from qql.convert.query_nodes import order_node, payload_of, shard_of, vectors_of
from qql.rest.limits import U64
from qql.rest.shapes import (
    Shape,
    anything,
    boolean,
    each,
    fields,
    given,
    listed,
    named,
    one_of,
    point_id,
    positive,
    refusal,
    text,
    variants,
    whole,
)
from qql.rest.types import Body, Json, JsonObject

__all__ = ["POINT_BODIES", "READS", "WRITES"]

# ------------------------------------------------------------------------------------ canonical form

_SHARD: Mapping[str, Shape] = {"shard_key": shard_key}


def _filtered(table: Mapping[str, Shape], *required: str, also: Mapping[str, str] | None = None) -> Shape:
    """An object with a ``filter``; one that holds for every point is left out."""
    inside = fields({**table, **_SHARD, "filter": normal_filter}, *required, also=also)
    return lambda value, at: {k: item for k, item in inside(value, at).items() if item is not None}


def _reading(defaults: Body, table: Mapping[str, Shape], *required: str) -> Shape:
    """A reading body; ``defaults`` are what Qdrant takes for the keys that are missing."""
    shapes = {**table, **SELECTIONS} if "with_payload" in defaults else table
    inside = _filtered(shapes, *required, also=VECTORS_TOO if "with_vector" in shapes else None)

    def shape(value: Json, at: str) -> JsonObject:
        found = {**defaults, **inside(value, at)}
        return {k: item for k, item in found.items() if (k, item) != ("with_vector", False)}

    return shape


def _retrieve(value: Json, at: str) -> JsonObject:
    shapes = {"ids": each(point_id), **SELECTIONS, **_SHARD}
    found = {"with_payload": True, **fields(shapes, "ids", also=VECTORS_TOO)(value, at)}
    return {k: item for k, item in found.items() if (k, item) != ("with_vector", False)}


def _some_ids(value: Json, at: str) -> list[Json]:
    found: list[Json] = each(point_id)(value, at)
    if not found:
        raise refusal(at, "an empty list of ids has no meaning in QQL")
    return found


def _vectors(value: Json, at: str) -> Json:
    """The vectors of a point: one, or several by name. ``{}`` is none."""
    if isinstance(value, dict) and not _alone(value):
        return named(vector)(value, at)
    return vector(value, at)


def _alone(value: Body) -> bool:
    """Whether an object is one vector, and not vectors by name."""
    kinds = {"text": str, "image": str, "object": object}
    kind = next((kind for kind in kinds if kind in value), None)
    if kind is None:
        return value.keys() == {"indices", "values"}
    return isinstance(value[kind], kinds[kind]) and value.keys() <= {kind, "model", "options"}


_VECTOR_TOO = {"vectors": "vector"}
"""Another name that Qdrant takes where points are written, and where vectors are deleted."""


def _point(value: Json, at: str) -> JsonObject:
    shapes = {"id": point_id, "vector": _vectors, "payload": given}
    found = fields(shapes, "id", also=_VECTOR_TOO)(value, at)
    return {k: item for k, item in {"vector": {}, **found}.items() if (k, item) != ("payload", {})}


_UPSERT: Mapping[str, Shape] = {
    **_SHARD,
    "update_filter": normal_filter,
    "update_mode": one_of("upsert", "insert_only", "update_only"),
}


def _upsert(value: Json, at: str) -> JsonObject:
    """``{"points": […]}``; the columns of ``{"batch": …}`` become points."""
    found = fields({**_UPSERT, "points": each(_point), "batch": _columns})(value, at)
    if len(found.keys() & {"points", "batch"}) != 1:
        raise refusal(at, "either `points` or `batch` is required")
    points = found.pop("batch", None) or found.pop("points", None)
    if not points:
        raise refusal(f"{at}{'.' if at else ''}points", "there are no points")
    return {"points": points, **{k: item for k, item in found.items() if item is not None}}


def _columns(value: Json, at: str) -> list[JsonObject]:
    """``ids``, ``vectors`` (one column, or one for each name) and ``payloads``, as points."""
    shapes = {"ids": _some_ids, "vectors": anything, "payloads": anything}
    found = fields(shapes, "ids", "vectors")(value, at)
    ids, vectors = found["ids"], found["vectors"]
    by_name = isinstance(vectors, dict)
    columns = (
        {f"vectors.{name}": column for name, column in vectors.items()} if by_name else {"vectors": vectors}
    )
    columns["payloads"] = found.get("payloads") or [None] * len(ids)
    for name, column in columns.items():
        if len(listed(column, f"{at}.{name}")) != len(ids):
            raise refusal(f"{at}.{name}", "this column has another length than `ids`")
    rows = []
    for i, identity in enumerate(ids):
        one = {name: column[i] for name, column in vectors.items()} if by_name else vectors[i]
        row = {"id": identity, "vector": one, "payload": columns["payloads"][i]}
        rows.append(_point(row, f"{at}[{i}]"))
    return rows


def _selecting(table: Mapping[str, Shape], *required: str, also: Mapping[str, str] | None = None) -> Shape:
    """A body with ``points`` or a ``filter``; ``points`` are a filter by ids.

    That differs for an id which is not there: as ``points`` it is an error of Qdrant's, as a filter nothing.
    """
    inside = _filtered({**table, "points": _some_ids}, *required, also=also)

    def shape(value: Json, at: str) -> JsonObject:
        found = dict(inside(value, at))
        if len(found.keys() & {"points", "filter"}) != 1:
            hint = "a filter that holds for every point selects none in QQL"
            raise refusal(at, "either `points` or a `filter` is required", hint)
        if "points" in found:
            found["filter"] = {"must": [{"has_id": found.pop("points")}]}
        return found

    return shape


def _delete(value: Json, at: str) -> JsonObject:
    """Ids alone are ``points``, as DELETE sends them: one that is not there is no error in either form."""
    found: JsonObject = _selecting({})(value, at)
    match found["filter"]:
        case {"must": [{"has_id": ids}], **rest} if not rest:
            del found["filter"]
            found["points"] = ids
    return found


def _set_vectors(value: Json, at: str) -> JsonObject:
    row = fields({"id": point_id, "vector": _vectors}, "id", "vector", also=_VECTOR_TOO)
    shapes = {**_SHARD, "points": each(row), "update_filter": normal_filter}
    found = fields(shapes, "points")(value, at)
    return {k: item for k, item in found.items() if item is not None}


def _some_names(value: Json, at: str) -> list[str]:
    found: list[str] = each(text)(value, at)
    if not found:
        raise refusal(at, "an empty list has no meaning in QQL")
    return found


_CLEAR = _selecting({})
_SET_PAYLOAD = _selecting({"payload": given, "key": text}, "payload")
_DELETE_PAYLOAD = _selecting({"keys": _some_names}, "keys")
_DELETE_VECTORS = _selecting({"vector": _some_names}, "vector", also=_VECTOR_TOO)

_OPERATIONS: Mapping[str, tuple[str, str, Shape]] = {
    "upsert": ("PUT", "points", _upsert),
    "delete": ("POST", "points/delete", _delete),
    "set_payload": ("POST", "points/payload", _SET_PAYLOAD),
    "overwrite_payload": ("PUT", "points/payload", _SET_PAYLOAD),
    "delete_payload": ("POST", "points/payload/delete", _DELETE_PAYLOAD),
    "clear_payload": ("POST", "points/payload/clear", _CLEAR),
    "update_vectors": ("PUT", "points/vectors", _set_vectors),
    "delete_vectors": ("POST", "points/vectors/delete", _DELETE_VECTORS),
}
"""What ``POST …/points/batch`` holds: the key of an operation, the route that does it alone, and its body."""
_OPERATION = variants(
    "operation", {key: fields({key: shape}, key) for key, (_, _, shape) in _OPERATIONS.items()}
)


def _operations(value: Json, at: str) -> JsonObject:
    found: JsonObject = fields({"operations": each(_OPERATION)}, "operations")(value, at)
    if not found["operations"]:
        raise refusal("operations", "there are no operations")
    return found


_MATRIX = {("POST", f"points/search/matrix/{form}"): form for form in ("pairs", "offsets")}
POINT_BODIES: Mapping[tuple[str, str], Shape] = {
    ("POST", "points"): _retrieve,
    ("POST", "points/scroll"): _reading(
        {"with_payload": True},
        {"offset": point_id, "limit": positive, "order_by": order_by},
    ),
    ("POST", "points/count"): _reading({}, {"exact": boolean}),
    ("POST", "facet"): _reading({}, {"key": text, "limit": positive, "exact": boolean}, "key"),
    **dict.fromkeys(_MATRIX, _reading({}, {"sample": whole, "limit": positive, "using": text})),
    ("POST", "points/batch"): _operations,
    **{(method, path): shape for method, path, shape in _OPERATIONS.values()},
}
"""By route: the canonical form of a body."""

# ------------------------------------------------------------------------------------ nodes

_Body = Body


def _optional(value: Json) -> nodes.Scalar | None:
    return None if value is None else scalar(value)


def _name(value: str | None) -> nodes.Name | None:
    return None if value is None else name_of(value)


def _where(body: _Body) -> nodes.Condition | None:
    if "points" in body:
        return filter_of({"has_id": body["points"]})
    return filter_of(body.get("filter"))


def _options(body: _Body, *keys: str) -> tuple[nodes.Option, ...]:
    return tuple(nodes.Option(key, body[key]) for key in keys if key in body)


def _shard(body: _Body) -> nodes.Shard | None:
    return shard_of(body.get("shard_key"))


def _get(body: _Body, collection: nodes.Name, options: tuple[nodes.Option, ...]) -> nodes.Statement:
    return nodes.Query(
        target=nodes.Points(tuple(scalar(one) for one in body["ids"])),
        source=collection,
        payload=payload_of(body["with_payload"]),
        vectors=vectors_of(body.get("with_vector")),
        shard=_shard(body),
        params=options,
    )


def _scroll(body: _Body, collection: nodes.Name, options: tuple[nodes.Option, ...]) -> nodes.Statement:
    after = body.get("offset")
    return nodes.Scroll(
        source=collection,
        where=_where(body),
        after=None if after is None else scalar(_before(after)),
        order_by=order_node(body["order_by"]) if "order_by" in body else None,
        params=options,
        payload=payload_of(body["with_payload"]),
        vectors=vectors_of(body.get("with_vector")),
        shard=_shard(body),
        limit=_optional(body.get("limit")),
    )


def _before(found: int | str) -> int | str:
    """The id that AFTER names for an offset, which is the first id of the page. Raises `QQLPlanError`."""
    import uuid

    number = found if isinstance(found, int) else uuid.UUID(found).int
    if found == 0:
        raise refusal(
            "offset", "no id stands before this one", "leave the offset out: it is the first of all ids"
        )
    if number == 0:
        return U64  # UUIDs stand behind all integers
    return found - 1 if isinstance(found, int) else str(uuid.UUID(int=number - 1))


def _count(body: _Body, collection: nodes.Name, options: tuple[nodes.Option, ...]) -> nodes.Statement:
    return nodes.Count(collection, _where(body), _options(body, "exact") + options, _shard(body))


def _facet(body: _Body, collection: nodes.Name, options: tuple[nodes.Option, ...]) -> nodes.Statement:
    return nodes.Facet(
        name_of(body["key"]),
        collection,
        _where(body),
        _options(body, "exact") + options,
        _shard(body),
        _optional(body.get("limit")),
    )


def _matrix(form: str) -> Callable[..., nodes.Statement]:
    def make(body: _Body, collection: nodes.Name, options: tuple[nodes.Option, ...]) -> nodes.Statement:
        own = () if form == "pairs" else (nodes.Option("form", form),)
        using = body.get("using")
        return nodes.Matrix(
            collection,
            None if using is None else nodes.Using(name_of(using)),
            _where(body),
            _options(body, "sample") + own + options,
            _shard(body),
            _optional(body.get("limit")),
        )

    return make


_Wait = nodes.Scalar | None


def _row(point: _Body) -> JsonObject:
    """A row that means this point in any collection, whatever its vectors are called."""
    payload = point.get("payload", {})
    row = {"id": point["id"], **({"vector": point["vector"]} if point["vector"] != {} else {})}
    return {**row, "payload": payload} if needs_block(payload, None) else {**row, **payload}


def _upsert_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    return nodes.Upsert(
        collection,
        tuple(_row(point) for point in body["points"]),
        mode=_name(body.get("update_mode")),
        update_filter=filter_of(body.get("update_filter")),
        shard=_shard(body),
        wait=wait,
    )


def _delete_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    return nodes.Delete(collection, _where(body), _shard(body), wait)


def _set_payload_node(overwrite: bool) -> Callable[[_Body, nodes.Name, _Wait], nodes.Statement]:
    def make(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
        key = _name(body.get("key"))
        return nodes.UpdatePayload(
            collection, body["payload"], key, overwrite, _where(body), _shard(body), wait
        )

    return make


def _delete_payload_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    names = tuple(name_of(key) for key in body["keys"])
    return nodes.DeletePayload(names, collection, _where(body), _shard(body), wait)


def _clear_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    return nodes.ClearPayload(collection, _where(body), _shard(body), wait)


def _set_vectors_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    points = body["points"]
    if len(points) == 1 and "update_filter" not in body:
        return _set_vector_node(points[0], _shard(body), collection, wait)
    return nodes.UpdateVectors(
        collection, tuple(points), filter_of(body.get("update_filter")), _shard(body), wait
    )


def _set_vector_node(
    point: _Body, shard: nodes.Shard | None, collection: nodes.Name, wait: _Wait
) -> nodes.Statement:
    value, name = point["vector"], None
    if isinstance(value, dict) and len(value) == 1 and not value.keys() & {"text", "image", "object"}:
        ((written, value),) = value.items()
        name = name_of(written)
    where = filter_of({"has_id": [point["id"]]})
    return nodes.UpdateVector(collection, value, name, where, shard, wait)


def _delete_vectors_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    names = tuple(name_of(name) for name in body["vector"])
    return nodes.DeleteVector(names, collection, _where(body), _shard(body), wait)


_WRITES: Mapping[str, Callable[[_Body, nodes.Name, _Wait], nodes.Statement]] = {
    "upsert": _upsert_node,
    "delete": _delete_node,
    "set_payload": _set_payload_node(False),
    "overwrite_payload": _set_payload_node(True),
    "delete_payload": _delete_payload_node,
    "clear_payload": _clear_node,
    "update_vectors": _set_vectors_node,
    "delete_vectors": _delete_vectors_node,
}


def _batch_node(body: _Body, collection: nodes.Name, wait: _Wait) -> nodes.Statement:
    statements = []
    for operation in body["operations"]:
        ((kind, inside),) = operation.items()
        statements.append(_WRITES[kind](inside, collection, None))
    return nodes.Batch(tuple(statements), wait)


READS: Mapping[tuple[str, str], Callable[..., nodes.Statement]] = {
    ("POST", "points"): _get,
    ("POST", "points/scroll"): _scroll,
    ("POST", "points/count"): _count,
    ("POST", "facet"): _facet,
    **{route: _matrix(form) for route, form in _MATRIX.items()},
}
WRITES: Mapping[tuple[str, str], Callable[..., nodes.Statement]] = {
    ("POST", "points/batch"): _batch_node,
    **{_OPERATIONS[kind][:2]: make for kind, make in _WRITES.items()},
}
