"""What is known of a collection beyond its vectors: sizes, shards, index options, quantization."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql.compiler.context import SchemaSource
from qql.records import dataclass, replace
from qql.rest.types import Body, JsonObject
from qql.schema import Fields, Schema

__all__ = ["CollectionFacts", "facts_from_info", "facts_of", "with_schema"]


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """What a rule may ask of a collection. None means unknown, and a rule that needs it says nothing.

    ``points`` and ``indexed_vectors`` are counts; ``shards`` counts the shards that one search asks.
    ``indexes`` has the options of each indexed field, ``{"type": "keyword", "is_tenant": True}``, and as
    ``points`` how many it holds, where an engine says so. By the name of a vector (``""`` is the
    unnamed one): ``quantization`` has its configuration as Qdrant writes it (``{"scalar": {…}}``) or None,
    ``modifiers`` that of a sparse vector, ``links`` its HNSW's m.
    ``fields`` is what the payloads of some points hold, which is looked at only where it is worth a request.
    """

    points: int | None = None
    indexed_vectors: int | None = None
    shards: int | None = None
    indexes: Mapping[str, Body] | None = None
    quantization: Mapping[str, Body | None] | None = None
    modifiers: Mapping[str, str | None] | None = None
    links: Mapping[str, int] | None = None
    fields: Fields | None = None


def facts_from_info(info: Body) -> CollectionFacts:
    """From the ``result`` of ``GET /collections/{name}``, or the body that created a collection.

    A server's answer and the embedded engine's have the same form. Of a body, which says nothing of
    points, shards left to the server, or payload indexes, those stay unknown.
    """
    config = info.get("config") or {}
    params = config.get("params") or info
    dense = params.get("vectors") or {}
    if "size" in dense and not isinstance(dense["size"], Mapping):
        dense = {"": dense}
    above = config or info
    common = above.get("quantization_config")
    m = (above.get("hnsw_config") or {}).get("m")
    own = {name: (vector.get("hnsw_config") or {}).get("m") for name, vector in dense.items()}
    links = {name: m if found is None else found for name, found in own.items()}
    fields = info.get("payload_schema")
    return CollectionFacts(
        info.get("points_count"),
        info.get("indexed_vectors_count"),
        params.get("shard_number"),
        None if fields is None else {name: _index_options(described) for name, described in fields.items()},
        {name: vector.get("quantization_config") or common for name, vector in dense.items()},
        {
            name: (sparse or {}).get("modifier")
            for name, sparse in (params.get("sparse_vectors") or {}).items()
        },
        {name: found for name, found in links.items() if found is not None},
    )


def facts_of(schema: SchemaSource) -> Callable[[str], CollectionFacts | None]:
    """What the schemas that a caller gives tell beyond themselves: those that are answers or bodies."""
    bodies = {} if schema is None or callable(schema) else schema
    found = {name: facts_from_info(info) for name, info in bodies.items() if not isinstance(info, Schema)}
    return found.get


def _index_options(described: Body) -> JsonObject:
    options = described.get("params") or {}
    kind = str(described.get("data_type") or options.get("type") or "").lower()
    counted = {"points": described["points"]} if "points" in described else {}
    return {**options, **counted, "type": kind}


def with_schema(facts: CollectionFacts | None, schema: Schema | None) -> CollectionFacts:
    """The facts, and of what they leave open what the schema knows.

    A schema without indexes tells of none only where an engine made it, which counts the points too.
    """
    known = facts or CollectionFacts()
    if schema is None:
        return known
    if known.points is None:
        known = replace(known, points=schema.points)
    if known.indexes is None and (schema.indexes or schema.points is not None):
        known = replace(known, indexes={name: {"type": kind} for name, kind in schema.indexes.items()})
    return known
