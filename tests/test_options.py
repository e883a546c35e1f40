"""Options: Qdrant's own list of them is ours, and ALTER says each, also where it says what is so anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

import qql
from qql.compiler.options import collection as tables
from qql.compiler.options import query as queries
from qql.compiler.options.index import INDEX_TYPES
from qql.compiler.options.table import Setting

# ------------------------------------------------------------------------------------ Qdrant's list

_BLOCKS = {"hnsw_config", "quantization_config", "multivector_config"}
_OWN_BLOCKS = {"hnsw", "optimizers", "quantization", "strict_mode", "metadata"}

QDRANTS: dict[str, tuple[set[str], type[Any], set[str]]] = {
    "HNSW": ({*tables.HNSW}, models.HnswConfigDiff, set()),
    "OPTIMIZERS": ({*tables.OPTIMIZERS}, models.OptimizersConfigDiff, set()),
    "WAL": ({*tables.WAL}, models.WalConfigDiff, set()),
    "STRICT_MODE": ({*tables.STRICT_MODE}, models.StrictModeConfig, set()),
    "VECTOR": ({*tables.VECTOR}, models.VectorParams, {"size", "distance", *_BLOCKS}),
    "changes of a vector": ({"on_disk", "memory"}, models.VectorParamsDiff, _BLOCKS),
    "SPARSE": ({*tables.SPARSE} - {*tables.SPARSE_INDEX}, models.SparseVectorParams, {"index"}),
    "INDEX": ({*tables.SPARSE_INDEX}, models.SparseIndexParams, set()),
    "scalar": ({*tables.QUANTIZATION["scalar"]}, models.ScalarQuantizationConfig, {"type"}),
    "product": ({*tables.QUANTIZATION["product"]}, models.ProductQuantizationConfig, set()),
    "binary": ({*tables.QUANTIZATION["binary"]}, models.BinaryQuantizationConfig, set()),
    "turbo": ({*tables.QUANTIZATION["turbo"]}, models.TurboQuantQuantizationConfig, set()),
    "search": ({*queries.SEARCH_PARAMS}, models.SearchParams, set()),
    "quota": ({*queries.QUOTA_OPTIONS}, models.QuotaConfig, set()),
    "shard key": ({*queries.SHARD_KEY_OPTIONS}, models.CreateShardingKey, {"shard_key"}),
    **{
        f"index {kind}": ({*table}, getattr(models, f"{kind.title()}IndexParams"), {"type"})
        for kind, table in INDEX_TYPES.items()
    },
}
"""What ours is called, what is in it, Qdrant's model of that, and what of it is written in another way."""


@pytest.mark.parametrize("what", QDRANTS)
def test_every_option_of_qdrant_is_one_of_ours_and_the_other_way_round(what: str) -> None:
    ours, model, otherwise = QDRANTS[what]
    assert ours == set(model.model_fields) - otherwise


def test_what_create_and_alter_take_beside_vectors_is_what_qdrant_takes() -> None:
    for params, blocks, model in (
        ({*tables.PARAMS} - {"shard_keys"}, {*_OWN_BLOCKS, "wal"}, models.CreateCollection),
        ({*tables.LATER_PARAMS}, _OWN_BLOCKS, models.UpdateCollection),
    ):
        named = {name.removesuffix("_memory") for name in params}
        if model is models.CreateCollection:
            named -= {"read_fan_out_factor", "read_fan_out_delay_ms"}  # QQL sends them in a PATCH behind it
            theirs = set(model.model_fields)
        else:
            theirs = {*model.model_fields, *models.CollectionParamsDiff.model_fields} - {"params"}
        ours = named | {name if name == "metadata" else f"{name}_config" for name in blocks}
        assert ours == theirs - {"vectors", "sparse_vectors"}


# ------------------------------------------------------------------------------------ what ALTER says

_TRIED = (True, False, 0, 1, 4, 16, 100, 0.6, "cold", "auto", "none", "x16", "default", "float32")


def values_of(setting: Setting) -> Iterator[Any]:
    """Values that an option takes, its default among them, as they go into a request."""
    for value in (setting.default, *_TRIED):
        try:
            made = setting.check(value)
        except (ValueError, qql.QQLPlanError):
            continue
        if value is not None and made == value and isinstance(made, bool) == isinstance(value, bool):
            yield made


def changes() -> Iterator[dict[str, Any]]:
    """Bodies of PATCH, each with one option at one of its values."""

    def each(table: Mapping[str, Setting]) -> Iterator[tuple[str, Any]]:
        return ((name, value) for name, setting in table.items() for value in values_of(setting))

    for block, table in (("hnsw", tables.HNSW), ("optimizers", tables.OPTIMIZERS)):
        yield from ({f"{block}_config": {name: value}} for name, value in each(table))
    for name, value in each(tables.LATER_PARAMS):
        key = name.removesuffix("_memory")
        yield {"params": {key: {"memory": value} if key != name else value}}
    for name, value in each({key: tables.VECTOR[key] for key in ("on_disk", "memory")}):
        yield {"vectors": {"dense": {name: value}}}
    for name, value in each(tables.HNSW):
        yield {"vectors": {"dense": {"hnsw_config": {name: value}}}}
    for name, value in each(tables.SPARSE):
        if (name, value) != ("datatype", "default"):  # v1's word for saying nothing
            yield {
                "sparse_vectors": {"words": {name: value} if name == "modifier" else {"index": {name: value}}}
            }
    for kind, table in tables.QUANTIZATION.items():
        needed = {"scalar": {"type": "int8"}, "product": {"compression": "x4"}}.get(kind, {})
        for name, value in each(table):
            yield {"quantization_config": {kind: {**needed, name: value}}}


CHANGES = [pytest.param(body, id=str(body)) for body in changes()]


def test_there_are_changes_to_try() -> None:
    assert len(CHANGES) > 60


@pytest.mark.parametrize("body", CHANGES)
def test_a_patch_comes_back_as_it_was_whatever_is_the_default(body: dict[str, Any]) -> None:
    text = qql.from_request({"method": "PATCH", "path": "/collections/docs", "body": body})
    assert [one.body for one in qql.compile(text)] == [body]


def option_of(body: Any) -> str:
    """``params.payload.memory``: where the option of a change stands."""
    if not isinstance(body, dict):
        return ""
    *_, (key, inside) = body.items()
    return f".{key}{option_of(inside)}"


def test_the_embedded_engine_knows_every_option_and_sets_it_or_says_why_not() -> None:
    one_each = {option_of(body): body for body in changes()}
    refused = {}
    with qql.connect(advice=False) as session:
        session.run("CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE);")
        for option, body in one_each.items():
            try:
                session.backend.call(qql.Request("PATCH", "/collections/docs", {}, body))
            except qql.QQLError as exc:
                refused[option] = exc.code
    assert "unknown-option" not in refused.values(), refused
    assert not refused.keys() & {".params.payload.memory", ".params.id_tracker.memory", ".hnsw_config.m"}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER COLLECTION docs WITH HNSW ()",
        "ALTER COLLECTION docs WITH VECTOR dense (HNSW ())",
        "ALTER COLLECTION docs WITH SPARSE words (INDEX (datatype = default))",
        "ALTER COLLECTION docs WITH PARAMS () WITH OPTIMIZERS ()",
    ],
)
def test_an_alter_without_an_option_is_an_error(statement: str) -> None:
    with pytest.raises(qql.QQLPlanError, match="changes nothing"):
        qql.compile(statement)


# ------------------------------------------------------------------------------------ two of them in full


def test_where_payloads_and_ids_are_kept_can_be_changed_later(tmp_path: Any) -> None:
    with qql.connect(tmp_path) as session:
        session.run(
            "CREATE COLLECTION c (a VECTOR(2, DOT)); UPSERT INTO c VALUES {id: 1, vector: {a: [1, 2]}};"
            "ALTER COLLECTION c WITH PARAMS (payload_memory = 'cached', id_tracker_memory = 'cold');"
        )
    with qql.connect(tmp_path) as session:
        params = session.execute("SHOW COLLECTION c").data["config"]["params"]
        assert (params["payload"], params["id_tracker"]) == ({"memory": "cached"}, {"memory": "cold"})
        assert session.execute("SCROLL FROM c").to_dicts() == [{"id": 1, "payload": {}}]


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_metadata_is_merged_by_its_keys_and_null_removes_one(engine: str) -> None:
    target: Any = ":memory:" if engine == "edge" else QdrantClient(":memory:")
    with qql.connect(target) as session:
        session.run("CREATE COLLECTION c (a VECTOR(2, DOT)) WITH METADATA (x = 1, y = 2, o = {a: 1, b: 2});")

        def altered(options: str) -> Any:
            session.run(f"ALTER COLLECTION c WITH METADATA ({options});")
            return session.execute("SHOW COLLECTION c").data["config"].get("metadata") or {}

        assert altered("y = null") == {"x": 1, "o": {"a": 1, "b": 2}}
        assert altered("o = {b: 3}, absent = null") == {"x": 1, "o": {"b": 3}}
        assert altered("x = null, o = null") == {}


def test_memory_stands_beside_the_older_words_and_both_are_sent_as_they_are() -> None:
    """Servers take both, and say of themselves which one counts."""
    text = "CREATE COLLECTION c (v VECTOR(2, DOT)) WITH HNSW (on_disk = true, memory = cached)"
    (made,) = qql.compile(text)
    assert (made.body or {})["hnsw_config"] == {"on_disk": True, "memory": "cached"}
