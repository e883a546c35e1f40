"""DUMP: a collection as statements that make it again, with its settings and indexes, and its points."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO

from qql import nodes
from qql.backends.base import Backend, Progress, Work
from qql.compiler.options.collection import HNSW, OPTIMIZERS, PARAMS, SPARSE, SPARSE_INDEX, VECTOR, WAL
from qql.compiler.options.table import Settings
from qql.compiler.scalars import scalar_value
from qql.errors import Diagnostic, many
from qql.nodes import Name
from qql.records import dataclass, field
from qql.rest.request import Request, collection_path
from qql.rest.strict_mode import Allowed
from qql.rest.types import Body, Json, JsonObject
from qql.result import Result
from qql.schema import METADATA_KEY, Schema
from qql.session.dump_forms import Dumped, dump_file
from qql.session.dump_headers import DumpHeader
from qql.session.placed_files import file_of_result
from qql.session.shard_keys import ShardKey, is_custom, shard_keys_of
from qql.syntax.printer import show

__all__ = ["DumpResult", "dump_collection", "dumped"]

_POINTS_PER_UPSERT = 100
"""Points of one UPSERT."""

Call = Callable[[Request], Json]
"""A backend's `call`."""


@dataclass(slots=True)
class DumpResult:
    """How many points were written, and what the script does not say, in sentences."""

    points: int = 0
    notes: list[str] = field(default_factory=list)


def dumped(
    statement: nodes.Dump, call: Call, collection: str, progress: Progress | None, backend: Backend
) -> Result:
    """Carries DUMP out; ``call`` asks ``backend``. Raises as `dump_collection` does."""
    one_piece = backend.name in ("edge", "local")
    path = str(scalar_value(statement.path))
    done = dump_collection(
        call, collection, path, progress, overwrite=statement.overwrite, one_piece=one_piece
    )
    message = f"dumped {many(done.points, 'point')} of {collection} into {path}"
    warnings = tuple(Diagnostic("not-dumped", note, severity="warning") for note in done.notes)
    return Result("message", message=message, warnings=warnings, data={"points": done.points, "file": path})


def dump_collection(
    call: Call,
    collection: str,
    path: str,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
    one_piece: bool = False,
) -> DumpResult:
    """Write a collection to a file; the folder must exist. The file's name says in which form, see `form_of`.

    ``one_piece``: the engine has no shards. Of a server the number is written, as a cluster chooses one
    where none is said.

    Raises `QQLExecutionError` (``file-unwritable``; ``file-exists`` where a file is there and is not to be
    overwritten), and whatever ``call`` raises.
    """
    done = DumpResult()
    again = f"DUMP {_identifier(collection)} TO {show(path)} OVERWRITE"
    with file_of_result(path, overwrite=overwrite, again=again) as file:
        _write_dump(_in_one_piece(call) if one_piece else call, collection, path, file, done, progress)
    return done


_CHOSEN_BY_CLUSTERS = ("shard_number", "replication_factor", "write_consistency_factor")
"""Settings that are written in any case: where they are not said, a cluster's own configuration decides."""


def _in_one_piece(call: Call) -> Call:
    """Calls whose descriptions of collections tell no number of shards and replicas."""

    def without_shards(request: Request) -> Json:
        found = call(request)
        if request.route == ("GET", ""):
            params = {**found["config"]["params"], **dict.fromkeys(_CHOSEN_BY_CLUSTERS)}
            found = {**found, "config": {**found["config"], "params": params}}
        return found

    return without_shards


def _write_dump(
    call: Call, collection: str, path: str, raw: IO[bytes], done: DumpResult, progress: Progress | None
) -> None:
    info = call(Request("GET", collection_path(collection)))
    keys = shard_keys_of(call, collection) if is_custom(info) else []
    header = DumpHeader(
        collection,
        _statements_before(collection, info, keys, done),
        # The last, so that a name that is in use on another server keeps no point from being loaded.
        "".join(
            f"CREATE ALIAS {_identifier(alias)} FOR {_identifier(collection)};\n"
            for alias in _aliases(call, collection)
        ),
        has_shard_keys=is_custom(info),
    )
    most = min(_POINTS_PER_UPSERT, Allowed.by_settings(info).points or _POINTS_PER_UPSERT)
    dumped = Dumped(_identifier(collection), Schema.from_info(info).vectors, header, most)
    shards: list[int | str | None] = [one.key for one in keys]
    if not is_custom(info):
        shards = [None]
    with dump_file(raw, path, dumped) as file:
        for shard_key in shards:
            for points in _scroll_pages(call, collection, shard_key):
                file.write(points, shard_key)
                done.points += len(points)
                if progress is not None:
                    progress(Work(f"dumping {collection}", "points"), done.points, info.get("points_count"))
        file.finish()


def _statements_before(collection: str, info: Body, keys: list[ShardKey], done: DumpResult) -> str:
    config = info.get("config") or {}
    name = _identifier(collection)
    made = [f"CREATE COLLECTION {name}{_collection_clauses(config, done)};\n"]
    made += [f"CREATE SHARD KEY {show(key.key)} ON {name}{_key_clause(key, config)};\n" for key in keys]
    for path, index in sorted((info.get("payload_schema") or {}).items()):
        made.append(f"CREATE INDEX ON {name} FOR {_identifier(path)}{_index_clause(index)};\n")
    return "".join(made)


def _identifier(text: str) -> str:
    return show(Name(text))


# ------------------------------------------------------------------------------------ the collection


def _collection_clauses(config: Body, done: DumpResult) -> str:
    params = dict(config.get("params") or {})
    models = _recorded_models(config)
    vectors = params.pop("vectors", None) or {}
    if isinstance(vectors.get("size"), int):
        vectors = {"": vectors}
    sparse = params.pop("sparse_vectors", None) or {}
    defined = [_dense_vector(name, given, models.get(name), done) for name, given in vectors.items()]
    defined += [_sparse_vector(name, given, models.get(name), done) for name, given in sparse.items()]
    metadata = {key: value for key, value in (config.get("metadata") or {}).items() if key != METADATA_KEY}
    for key, option in (("payload", "payload_memory"), ("id_tracker", "id_tracker_memory")):
        given = params.pop(key, None)
        if given and given.get("memory"):
            params[option] = given["memory"]
    blocks = [
        _options_block("HNSW", config.get("hnsw_config"), _defaults(HNSW), done),
        _options_block("OPTIMIZERS", config.get("optimizer_config"), _defaults(OPTIMIZERS), done),
        _options_block("PARAMS", params, _defaults(PARAMS) | dict.fromkeys(_CHOSEN_BY_CLUSTERS), done),
        _options_block("WAL", config.get("wal_config"), _defaults(WAL), done),
        _quantization_block(config.get("quantization_config")),
        _strict_mode_block(config.get("strict_mode_config")),
        _metadata_block(metadata),
    ]
    body = ",\n".join(f"  {one}" for one in defined)
    return f" (\n{body}\n)" + "".join(f"\n{block}" for block in blocks if block)


def _recorded_models(config: Body) -> dict[str, str]:
    ours = (config.get("metadata") or {}).get(METADATA_KEY)
    return dict((ours.get("models") if isinstance(ours, Mapping) else None) or {})


def _dense_vector(name: str, given: Body, model: str | None, done: DumpResult) -> str:
    rest = {key: value for key, value in given.items() if key not in _SHAPE_KEYS}
    blocks = [
        _options_block("HNSW", rest.pop("hnsw_config", None), _defaults(HNSW), done),
        _quantization_block(rest.pop("quantization_config", None)),
        _multivector_block(rest.pop("multivector_config", None)),
        _options_block("VECTOR", rest, _STORAGE, done),
    ]
    shape = f"VECTOR({given['size']}, {str(given['distance']).upper()})"
    return _vector_clause(name, shape, model, blocks)


_SHAPE_KEYS = ("size", "distance")


def _sparse_vector(name: str, given: Body | None, model: str | None, done: DumpResult) -> str:
    given = given or {}
    blocks = [
        # What is not said would be `idf` for some models.
        f"WITH SPARSE (modifier = {given.get('modifier') or 'none'})",
        _options_block("INDEX", given.get("index"), _SPARSE_INDEX, done),
    ]
    return _vector_clause(name, "SPARSE", model, blocks)


def _vector_clause(name: str, shape: str, model: str | None, blocks: Iterable[str]) -> str:
    parts = [_identifier(name), shape, f"MODEL {show(model)}" if model else "", *blocks]
    return " ".join(part for part in parts if part)


def _defaults(options: Settings) -> JsonObject:
    """Options of a block, and Qdrant's defaults: what is as it would be anyway is not written.

    So the script runs on an engine that has no such setting too.
    """
    return {one.name: one.default for one in options.values()}


_STORAGE = _defaults(VECTOR)
_SPARSE_INDEX = {name: SPARSE[name].default for name in SPARSE_INDEX}
_EMBEDDED_PLACEHOLDERS = {"flush_interval_sec": 0}
"""What the embedded engine reports for settings that it does not have."""


def _options_block(word: str, given: Body | None, known: Body, done: DumpResult) -> str:
    """``WITH HNSW (m = 32)``; nothing where all is as it would be. A key that is not known is noted."""
    options = []
    for key, value in (given or {}).items():
        if key not in known:
            if value not in (None, {}, []):
                done.notes.append(f"{word} has `{key} = {show(value)}`, which the script cannot say")
        elif value is not None and value != known[key] and _EMBEDDED_PLACEHOLDERS.get(key, known) != value:
            options.append(f"{key} = {show(value)}")
    return f"WITH {word} ({', '.join(options)})" if options else ""


def _strict_mode_block(given: Body | None) -> str:
    options = [f"{key} = {show(value)}" for key, value in (given or {}).items() if value not in (None, {})]
    return f"WITH STRICT_MODE ({', '.join(options)})" if options else ""


def _multivector_block(given: Body | None) -> str:
    return f"WITH MULTIVECTOR (comparator = {given.get('comparator', 'max_sim')})" if given else ""


def _quantization_block(given: Body | None) -> str:
    if not given:
        return ""
    ((kind, values),) = given.items()
    options = [f"type = {kind}"]
    options += [f"{k} = {show(v)}" for k, v in values.items() if v is not None and k != "type"]
    return f"WITH QUANTIZATION ({', '.join(options)})"


def _metadata_block(given: Body) -> str:
    return f"WITH METADATA {json.dumps(given, ensure_ascii=False)}" if given else ""


def _index_clause(index: Body) -> str:
    kind = str(index.get("data_type", "keyword"))
    values = {key: value for key, value in (index.get("params") or {}).items() if key != "type"}
    stemmer, stopwords = values.get("stemmer"), values.get("stopwords")
    if isinstance(stopwords, Mapping):
        values["stopwords"] = {key: words for key, words in stopwords.items() if words} or None
    if isinstance(stemmer, Mapping):
        values["stemmer"] = stemmer.get("language", "none")
    options = ", ".join(f"{key} = {show(value)}" for key, value in values.items() if value is not None)
    return f" TYPE {kind}" + (f" WITH ({options})" if options else "")


# ------------------------------------------------------------------------------------ shard keys and aliases


def _key_clause(key: ShardKey, config: Body) -> str:
    """What a key has of its own; where it is as the collection's settings make any key, nothing."""
    params = config.get("params") or {}
    found = {"shards_number": key.shards, "replication_factor": key.replicas}
    usual = {
        "shards_number": params.get("shard_number") or 1,
        "replication_factor": params.get("replication_factor") or 1,
    }
    options = [f"{name} = {value}" for name, value in found.items() if value not in (None, usual[name])]
    return f" WITH ({', '.join(options)})" if options else ""


def _aliases(call: Call, collection: str) -> list[str]:
    answer = call(Request("GET", collection_path(collection, "aliases")))
    return sorted(str(one["alias_name"]) for one in answer["aliases"])


# ------------------------------------------------------------------------------------ the points


def _scroll_pages(call: Call, collection: str, key: int | str | None) -> Iterator[list[Body]]:
    body: JsonObject = {"limit": _POINTS_PER_UPSERT, "with_payload": True, "with_vector": True}
    if key is not None:
        body["shard_key"] = key
    while True:
        page = call(Request("POST", collection_path(collection, "points", "scroll"), {}, dict(body)))
        if page["points"]:
            yield page["points"]
        body["offset"] = page.get("next_page_offset")
        if body["offset"] is None:
            return
