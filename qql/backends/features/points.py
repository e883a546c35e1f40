"""Features of writing points."""

from __future__ import annotations

from qql.rest.limits import BM25
from qql.rest.types import JsonObject

from .base import (
    DENSE,
    EMBEDS,
    NOT_ITS,
    ONE_COPY,
    ONE_PIECE,
    RED,
    RUNS_ON,
    SPARSE,
    Feature,
    feature,
    write,
)

__all__ = ["POINTS"]

_AT_ONCE = "noted: changes are made at once"

_ROW: JsonObject = {"id": 9, "vector": {"dense": DENSE}, "payload": {"word": "new"}}
_ALL_OPERATIONS = [
    {"upsert": {"points": [_ROW]}},
    {"set_payload": {"payload": {"a": 1}, "points": [9]}},
    {"overwrite_payload": {"payload": {"b": 1, "c": 2}, "points": [9]}},
    {"delete_payload": {"keys": ["b"], "points": [9]}},
    {"update_vectors": {"points": [{"id": 9, "vector": {"sparse": SPARSE}}]}},
    {"delete_vectors": {"vector": ["dense"], "points": [9]}},
    {"clear_payload": {"points": [9]}},
    {"delete": {"points": [9]}},
]

POINTS: tuple[Feature, ...] = (
    feature("write.upsert", "UPSERT INTO docs VALUES {…}", write("PUT", "points", {"points": [_ROW]})),
    feature(
        "write.upsert.columns",
        "(no QQL) points as columns",
        write("PUT", "points", {"batch": {"ids": [9], "vectors": {"dense": [DENSE]}, "payloads": [{}]}}),
    ),
    feature(
        "write.upsert.insert-only",
        "UPSERT … UPDATE MODE insert_only",
        write("PUT", "points", {"points": [_ROW], "update_mode": "insert_only"}),
        since="1.17",
    ),
    feature(
        "write.upsert.update-only",
        "UPSERT … UPDATE MODE update_only",
        write("PUT", "points", {"points": [_ROW], "update_mode": "update_only"}),
        since="1.17",
    ),
    feature(
        "write.upsert.filter",
        "UPSERT … UPDATE FILTER …",
        write("PUT", "points", {"points": [_ROW], "update_filter": {"must": [RED]}}),
        since="1.16",
    ),
    feature(
        "write.upsert.text",
        "UPSERT with a text, embedded by the engine",
        write("PUT", "points", {"points": [{"id": 9, "vector": {"words": {"text": "x", "model": BM25}}}]}),
        since="1.15.2",
        edge=EMBEDS,
        local=EMBEDS,
    ),
    feature(
        "write.payload",
        "UPDATE docs SET PAYLOAD = {…} WHERE …",
        write("POST", "points/payload", {"payload": {"a": 1}, "filter": {"must": [RED]}}),
    ),
    feature(
        "write.payload.key",
        "UPDATE docs SET PAYLOAD = {…} KEY path WHERE …",
        write("POST", "points/payload", {"payload": {"a": 1}, "points": [1], "key": "deep"}),
    ),
    feature(
        "write.payload.overwrite",
        "UPDATE docs SET PAYLOAD = {…} OVERWRITE WHERE …",
        write("PUT", "points/payload", {"payload": {"a": 1}, "points": [1]}),
    ),
    feature(
        "write.payload.delete",
        "DELETE PAYLOAD a FROM docs WHERE …",
        write("POST", "points/payload/delete", {"keys": ["a"], "filter": {"must": [RED]}}),
    ),
    feature(
        "write.payload.clear",
        "CLEAR PAYLOAD FROM docs WHERE …",
        write("POST", "points/payload/clear", {"points": [1]}),
    ),
    feature(
        "write.vectors",
        "UPDATE docs SET VECTOR dense = […] WHERE id = 1",
        write("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"dense": DENSE}}]}),
    ),
    feature(
        "write.vectors.filter",
        "(no QQL) vectors with an update filter",
        write(
            "PUT",
            "points/vectors",
            {"points": [{"id": 1, "vector": {"dense": DENSE}}], "update_filter": {"must": [RED]}},
        ),
        since="1.16",
    ),
    feature(
        "write.vectors.delete",
        "DELETE VECTOR sparse FROM docs WHERE …",
        write("POST", "points/vectors/delete", {"vector": ["sparse"], "filter": {"must": [RED]}}),
    ),
    feature(
        "write.delete",
        "DELETE FROM docs WHERE …",
        write("POST", "points/delete", {"filter": {"must": [RED]}}),
    ),
    feature(
        "write.delete.ids",
        "DELETE FROM docs WHERE id IN (…)",
        write("POST", "points/delete", {"points": [1, 2]}),
    ),
    feature(
        "write.batch",
        "BATCH { UPSERT …; DELETE …; }, in order",
        write("POST", "points/batch", {"operations": _ALL_OPERATIONS}),
    ),
    feature(
        "write.unwaited",
        "… WAIT false",
        write("PUT", "points", {"points": [_ROW]}, wait="false"),
        edge=_AT_ONCE,
        local=_AT_ONCE,
    ),
    feature(
        "write.ordering",
        "(no QQL) ordering = strong",
        write("PUT", "points", {"points": [_ROW]}, ordering="strong"),
        edge=ONE_COPY,
    ),
    feature(
        "write.timeout",
        "… WITH (timeout = 10)",
        write("PUT", "points", {"points": [_ROW]}, timeout=10),
        since="1.17",
        edge=RUNS_ON,
        local=RUNS_ON,
    ),
    feature(
        "write.shard",
        "UPSERT … SHARD 'key'",
        write("PUT", "points", {"points": [_ROW], "shard_key": "eu"}),
        edge=ONE_PIECE,
        local=NOT_ITS,
    ),
)
