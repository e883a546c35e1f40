"""Local mode: what it must not be given, what it takes and ignores, and what it has to be told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from qql.compiler.options.query import SEARCH_PARAMS
from qql.errors import QQLError, QQLUnsupportedError, fail
from qql.nodes.declare import YES
from qql.records import replace
from qql.rest.named_points import without_named_points
from qql.rest.request import Request
from qql.rest.types import Body

from .bodies import objects
from .faults import SERVER

__all__ = [
    "ignored_settings",
    "leaving_out_named_points",
    "recorded_warnings",
    "require_no_shard_keys",
    "require_no_snapshots",
]

_NOTED_ANYWAY = ("Local mode performs exact", "Payload indexes have no effect")
_EXACT = "every search is exact"
_STORED = "how data is stored cannot be chosen"
_ONE_COPY = "there is one copy of the data, in one piece"
_IGNORED = {
    "hnsw_config": _EXACT,
    "quantization_config": "vectors are kept as they are",
    "optimizers_config": "there are no segments to optimize",
    "wal_config": "there is no write-ahead log",
    "strict_mode_config": "its limits are not enforced",
    "on_disk_payload": _STORED,
    "payload": _STORED,
    "payload_memory": _STORED,
    "id_tracker": _STORED,
    "on_disk": _STORED,
    "memory": _STORED,
    "datatype": "vectors are kept as float32",
    "index": "sparse vectors have no index",
    "shard_number": _ONE_COPY,
    "replication_factor": _ONE_COPY,
    "write_consistency_factor": _ONE_COPY,
    "read_fan_out_factor": _ONE_COPY,
    "read_fan_out_delay_ms": _ONE_COPY,
    "field_schema": "payload indexes are not used, other than text indexes with `scoring`",
    **{
        one.name: one.support.local.removeprefix("noted: ")
        for one in SEARCH_PARAMS.values()
        if one.support.local != YES
    },
}
_SEARCHES = frozenset({"points/query", "points/query/batch", "points/query/groups"})


def require_no_shard_keys(body: Body) -> None:
    """Raises `QQLUnsupportedError` (``unsupported-key``) for a body that chooses by shard keys."""
    if any(part.get("shard_key") is not None for _, part, _ in objects(body)):
        raise _no_shards(", so `shard_key` selects nothing")


def require_no_snapshots(pattern: tuple[str, str]) -> None:
    """Raises `QQLUnsupportedError` (``unsupported-operation``): local mode would give an empty list."""
    if "snapshots" in pattern[1]:
        fail("unsupported-operation", "local mode has no snapshots", hint=SERVER, error=QQLUnsupportedError)


def leaving_out_named_points(request: Request) -> Request:
    """A sound request of queries, as a server carries it out: local mode leaves a point that a stage names
    out of that stage and those below it only.
    """
    body, name = request.body, request.collection
    if body is None or name is None or request.route[1] not in _SEARCHES:
        return request
    if "searches" not in body:
        return replace(request, body=without_named_points(body, name))
    searches = [without_named_points(one, name) for one in body["searches"]]
    return replace(request, body={**body, "searches": searches})


def _no_shards(consequence: str = "") -> QQLError:
    return QQLUnsupportedError.make("unsupported-key", f"local mode has no shards{consequence}", hint=SERVER)


@contextmanager
def recorded_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """The warnings of local mode, without those that `ignored_settings` gives in its own words."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for known in _NOTED_ANYWAY:
            warnings.filterwarnings("ignore", message=known)
        yield said


def ignored_settings(pattern: tuple[str, str], body: Body, query: Body) -> Iterator[str]:
    """Sentences about what local mode takes without acting on it.

    Raises `QQLUnsupportedError` (``unsupported-key``) for a collection that is divided by shard keys.
    """
    for key in _ignored_keys(pattern, body):
        yield f"`{key}` has no effect in local mode: {_IGNORED[key]}"
    if query.get("timeout") is not None:
        yield "`timeout` has no effect in local mode: a statement runs until it is done"
    if str(query.get("wait")).lower() == "false":
        yield "`wait = false` has no effect in local mode: changes are made at once"


def _ignored_keys(pattern: tuple[str, str], body: Body) -> Iterator[str]:
    if pattern in (("PUT", ""), ("PATCH", "")):
        if body.get("sharding_method") == "custom":
            raise _no_shards()
        yield from _ignored_in(*_settings_of(body))
    elif pattern == ("PUT", "vectors/*"):
        yield from _ignored_in(*body.values())
    elif pattern == ("PUT", "index"):
        schema = body.get("field_schema")
        if not (isinstance(schema, dict) and schema.get("scoring")):
            yield "field_schema"
    elif pattern[1] in _SEARCHES:
        for in_vector, part, _ in objects(body):
            params = None if in_vector else part.get("params")
            if isinstance(params, dict):
                yield from _ignored_in(params)


def _settings_of(body: Body) -> Iterator[Body]:
    yield body
    yield body.get("params") or {}
    vectors = body.get("vectors") or {}
    yield from [vectors] if "size" in vectors else vectors.values()
    yield from (body.get("sparse_vectors") or {}).values()


def _ignored_in(*parts: Body) -> Iterator[str]:
    for part in parts:
        yield from (key for key, value in part.items() if value not in (None, False) and key in _IGNORED)
