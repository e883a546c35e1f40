"""What Qdrant answers to each route: the shape of its ``result``, and where an answer departs from it.

A proxy, another program or a server of another age answers what it likes. Whatever reads an answer relies on
the shapes declared here (`SHAPES`), which hold no more than what is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from qql.records import dataclass, replace
from qql.rest.request import Request
from qql.rest.types import Json

__all__ = ["SHAPES", "Misfit", "misfit"]

_QUOTED = 120  # characters of the value at fault that a message shows


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place in a ``result`` that is not as the interface says; ``value`` is what stands there."""

    place: str
    what: str
    value: Json

    def below(self, step: str) -> Misfit:
        """The same place, seen from one level above."""
        return replace(self, place=step + self.place)

    def __str__(self) -> str:
        return f"`result{self.place}` {self.what}: {_beginning(self.value)}"


def _beginning(value: Json) -> str:
    """The first characters of a value as JSON, however much there is of it."""
    text = ""
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += part[: _QUOTED + 1]
        if len(text) > _QUOTED:
            return f"{text[:_QUOTED]}…"
    return text


Shape = Callable[[Json], Misfit | None]
"""Looks at a value; None where it is as it should be."""


def misfit(request: Request, result: Json) -> Misfit | None:
    """Where the ``result`` of an answer departs from what the route of the request answers, or None.

    Of a route that is not declared nothing is known.
    """
    route = request.route
    if result is None and "snapshots" in route[1] and str(request.query.get("wait")).lower() == "false":
        return None  # it is still at work
    shape = SHAPES.get(route)
    found = None if shape is None else shape(result)
    if found is None and (key := _ONE_ANSWER_EACH.get(route)):
        asked = len((request.body or {}).get(key) or ())
        if len(result) != asked:
            return Misfit("", f"requires {asked} answers and has {len(result)}", result)
    return found


# ------------------------------------------------------------------------------------ how shapes are made


@dataclass(frozen=True, slots=True)
class _Of:
    """A value of one of these types; true and false are no numbers."""

    types: tuple[type, ...]
    words: str

    def __call__(self, value: Json) -> Misfit | None:
        return None if type(value) in self.types else Misfit("", f"is not {self.words}", value)


def _record(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """An object with these keys; an optional one may be null too, and others may be there."""
    others = optional or {}
    # Answers have thousands of hits, and nearly all of them are as they should be: types are looked at here.
    plain = [(key, shape.types) for key, shape in required.items() if isinstance(shape, _Of)]
    plain += [(key, (*shape.types, type(None))) for key, shape in others.items() if isinstance(shape, _Of)]
    only_plain = len(plain) == len(required) + len(others)
    keys = [key for key, _ in plain]
    known: set[tuple[type, ...]] = set()  # the types of what was found to be as it should be

    def look(value: Json) -> Misfit | None:
        if type(value) is not dict:
            return Misfit("", "is not an object", value)
        get = value.get
        if only_plain:
            found_types = (*map(type, map(get, keys)),)
            if found_types in known:
                return None
            if all(one in types for one, (_, types) in zip(found_types, plain, strict=True)):
                known.add(found_types)
                return None
        for key, shape in required.items():
            if key not in value:
                return Misfit(f".{key}", "is missing", value)
            if (found := shape(value[key])) is not None:
                return found.below(f".{key}")
        for key, shape in others.items():
            one = get(key)
            if one is not None and (found := shape(one)) is not None:
                return found.below(f".{key}")
        return None

    return look


def _list(item: Shape) -> Shape:
    def look(value: Json) -> Misfit | None:
        if type(value) is not list:
            return Misfit("", "is not a list", value)
        for at, one in enumerate(value):
            if (found := item(one)) is not None:
                return found.below(f"[{at}]")
        return None

    return look


def _mapping(item: Shape) -> Shape:
    """An object whose values have one shape; null stands for an object without settings."""

    def look(value: Json) -> Misfit | None:
        if type(value) is not dict:
            return Misfit("", "is not an object", value)
        for key, one in value.items():
            if one is not None and (found := item(one)) is not None:
                return found.below(f".{key}")
        return None

    return look


# ------------------------------------------------------------------------------------ what they are made of

_TEXT = _Of((str,), "a text")
_WHOLE = _Of((int,), "a whole number")
_NUMBER = _Of((int, float), "a number")
_YES_OR_NO = _Of((bool,), "true or false")
_OBJECT = _Of((dict,), "an object")
_ID = _Of((int, str), "a point id")
_SCALAR = _Of((int, str, bool, float), "a text or a number")
_VECTOR = _Of((list, dict), "a vector")

_OF_POINTS = {"payload": _OBJECT, "vector": _VECTOR}
_POINT = _record({"id": _ID}, _OF_POINTS)
_HIT = _record({"id": _ID, "score": _NUMBER}, _OF_POINTS)
_HITS = _record({"points": _list(_HIT)})
_GROUP = _record({"id": _SCALAR, "hits": _list(_HIT)}, {"lookup": _POINT})
_SNAPSHOT = _record({"name": _TEXT}, {"creation_time": _TEXT, "size": _WHOLE, "checksum": _TEXT})
_ALIASES = _record({"aliases": _list(_record({"alias_name": _TEXT, "collection_name": _TEXT}))})

_TAKEN = ("completed", "acknowledged", "wait_timeout")


def _status(value: Json) -> Misfit | None:
    return None if value in _TAKEN else Misfit("", "says of no change that it was taken", value)


_UPDATED = _record({"status": _status})

_ONE_VECTOR = _record(
    {"size": _WHOLE, "distance": _TEXT},
    {"hnsw_config": _OBJECT, "quantization_config": _OBJECT, "multivector_config": _OBJECT},
)


def _vectors(value: Json) -> Misfit | None:
    """One unnamed vector, or vectors by name."""
    single = type(value) is dict and "size" in value and type(value["size"]) is not dict
    return (_ONE_VECTOR if single else _mapping(_ONE_VECTOR))(value)


_COLLECTION = _record(
    {
        "config": _record(
            {
                "params": _record(
                    {},
                    {
                        "vectors": _vectors,
                        "sparse_vectors": _mapping(_OBJECT),
                        "shard_number": _WHOLE,
                        "replication_factor": _WHOLE,
                        "sharding_method": _TEXT,
                    },
                )
            },
            dict.fromkeys(
                (
                    *("hnsw_config", "optimizer_config", "wal_config", "quantization_config"),
                    *("strict_mode_config", "metadata"),
                ),
                _OBJECT,
            ),
        )
    },
    {
        "payload_schema": _mapping(_record({}, {"data_type": _TEXT, "params": _OBJECT, "points": _WHOLE})),
        "points_count": _WHOLE,
        "indexed_vectors_count": _WHOLE,
        "status": _SCALAR,
    },
)


_SHARD_KEYS = _record({"shard_keys": _list(_record({"key": _ID}))})


def _shard_keys(value: Json) -> Misfit | None:
    """Null, or nothing, for a collection that is not divided by keys."""
    return None if value in (None, {}) or value == {"shard_keys": None} else _SHARD_KEYS(value)


_OFFSETS = _record(
    {
        "offsets_row": _list(_WHOLE),
        "offsets_col": _list(_WHOLE),
        "scores": _list(_NUMBER),
        "ids": _list(_ID),
    }
)


def _offsets(value: Json) -> Misfit | None:
    if (found := _OFFSETS(value)) is not None:
        return found
    rows, columns, last = value["offsets_row"], value["offsets_col"], len(value["ids"]) - 1
    if not len(rows) == len(columns) == len(value["scores"]):
        return Misfit("", "has lists of different lengths", value)
    if any(not 0 <= at <= last for at in (*rows, *columns)):
        return Misfit("", "counts further than its ids", value)
    return None


_SEGMENTS = _list(_record({}, {"points_count": _WHOLE}))
_OPTIMIZED = _record({}, {"segments": _SEGMENTS, "progress": _OBJECT})
_OPTIMIZATIONS = _record(
    {},
    {"running": _list(_OPTIMIZED), "queued": _list(_OPTIMIZED), "completed": _list(_OPTIMIZED)}
    | {"idle_segments": _SEGMENTS},
)
_PARTS = _list(_OBJECT)
_MEMORY = _record(
    {}, {"total": _OBJECT, "vectors": _PARTS, "sparse_vectors": _PARTS, "payload_index": _PARTS}
)


# ------------------------------------------------------------------------------------ by route

SHAPES: Mapping[tuple[str, str], Shape] = {
    ("GET", "/collections"): _record({"collections": _list(_record({"name": _TEXT}))}),
    ("GET", "/aliases"): _ALIASES,
    ("GET", "/cluster"): _OBJECT,
    ("GET", "/quotas"): _record({}, {"config": _OBJECT}),
    ("PUT", "/quotas"): _YES_OR_NO,
    ("GET", "optimizations"): _OPTIMIZATIONS,
    ("GET", "memory"): _MEMORY,
    ("GET", "/snapshots"): _list(_SNAPSHOT),
    ("POST", "/snapshots"): _SNAPSHOT,
    ("DELETE", "/snapshots/*"): _YES_OR_NO,
    ("POST", "/collections/aliases"): _YES_OR_NO,
    ("GET", ""): _COLLECTION,
    ("PUT", ""): _YES_OR_NO,
    ("PATCH", ""): _YES_OR_NO,
    ("DELETE", ""): _YES_OR_NO,
    ("GET", "exists"): _record({"exists": _YES_OR_NO}),
    ("GET", "aliases"): _ALIASES,
    ("GET", "cluster"): _OBJECT,
    ("POST", "cluster"): _YES_OR_NO,
    ("PUT", "index"): _UPDATED,
    ("DELETE", "index/*"): _UPDATED,
    ("PUT", "vectors/*"): _UPDATED,
    ("DELETE", "vectors/*"): _UPDATED,
    ("POST", "points"): _list(_POINT),
    ("POST", "points/scroll"): _record({"points": _list(_POINT)}, {"next_page_offset": _ID}),
    ("POST", "points/count"): _record({"count": _WHOLE}),
    ("POST", "facet"): _record({"hits": _list(_record({"value": _SCALAR, "count": _WHOLE}))}),
    ("POST", "points/query"): _HITS,
    ("POST", "points/query/batch"): _list(_HITS),
    ("POST", "points/query/groups"): _record({"groups": _list(_GROUP)}),
    ("POST", "points/search/matrix/pairs"): _record(
        {"pairs": _list(_record({"a": _ID, "b": _ID, "score": _NUMBER}))}
    ),
    ("POST", "points/search/matrix/offsets"): _offsets,
    ("PUT", "points"): _UPDATED,
    ("POST", "points/delete"): _UPDATED,
    ("POST", "points/payload"): _UPDATED,
    ("PUT", "points/payload"): _UPDATED,
    ("POST", "points/payload/delete"): _UPDATED,
    ("POST", "points/payload/clear"): _UPDATED,
    ("PUT", "points/vectors"): _UPDATED,
    ("POST", "points/vectors/delete"): _UPDATED,
    ("POST", "points/batch"): _list(_UPDATED),
    ("GET", "shards"): _shard_keys,
    ("PUT", "shards"): _YES_OR_NO,
    ("POST", "shards/delete"): _YES_OR_NO,
    ("GET", "snapshots"): _list(_SNAPSHOT),
    ("POST", "snapshots"): _SNAPSHOT,
    ("PUT", "snapshots/recover"): _YES_OR_NO,
    ("DELETE", "snapshots/*"): _YES_OR_NO,
}
"""By `Request.route`."""

_ONE_ANSWER_EACH = {("POST", "points/query/batch"): "searches", ("POST", "points/batch"): "operations"}
"""Routes that answer a list, and the key of the body whose items have an answer each."""
