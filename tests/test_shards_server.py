"""Servers in cluster mode: shard keys and replicas in a DUMP, quotas that are kept, keys that are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grpc_recorder import served
from qdrant_client import grpc as pb

import qql
from qql.backends.client import ClientBackend
from qql.backends.recording import RecordingBackend
from qql.errors import QQLError, QQLExecutionError, QQLUnsupportedError
from qql.rest.request import Request
from qql.session.dump_headers import script_of_dump
from qql.session.shard_keys import ShardKey, shard_keys_of

CLUSTER = {
    "peer_id": 1,
    "shard_count": 3,
    "local_shards": [
        {"shard_id": 0, "shard_key": "eu", "points_count": 1, "state": "Active"},
        {"shard_id": 2, "shard_key": 5, "points_count": 0, "state": "Active"},
    ],
    "remote_shards": [
        {"shard_id": 0, "shard_key": "eu", "peer_id": 2, "state": "Active"},
        {"shard_id": 1, "shard_key": "eu", "peer_id": 2, "state": "Active"},
        {"shard_id": 1, "shard_key": "eu", "peer_id": 3, "state": "Active"},
        {"shard_id": 2, "shard_key": 5, "peer_id": 3, "state": "Active"},
        {"shard_id": 2, "shard_key": 5, "peer_id": 4, "state": "Active"},
    ],
    "shard_transfers": [],
}
KEYS = {"shard_keys": [{"key": "eu"}, {"key": 5}]}
EMPTY_CLUSTER = {**CLUSTER, "shard_count": 0, "local_shards": [], "remote_shards": []}
TOO_OLD = QQLUnsupportedError.make("unsupported-operation", "the server does not know GET shards")


def described(**params: Any) -> dict[str, Any]:
    own = {"shard_number": 1, "sharding_method": "custom", "replication_factor": 2} | params
    return {
        "config": {"params": {"vectors": {"v": {"size": 2, "distance": "Dot"}}, **own}},
        "payload_schema": {},
        "points_count": 3,
    }


class Cluster(RecordingBackend):
    """A server in cluster mode, whose points lie under their keys."""

    name = "server"

    def __init__(self, **answers: Any) -> None:
        super().__init__(answers=self.answer)
        self.given = {
            "info": described(),
            "shards": KEYS,
            "cluster": CLUSTER,
            "aliases": ["a", "b"],
        } | answers

    def answer(self, request: Request) -> Any:
        match request.route:
            case "GET", "":
                return self.given["info"]
            case "GET", ("shards" | "cluster") as route:
                return self.given[route]
            case "GET", "/collections":
                return {"collections": [{"name": "docs"}]}
            case "GET", "aliases":
                names = self.given["aliases"]
                return {"aliases": [{"alias_name": n, "collection_name": "docs"} for n in names]}
            case "POST", "points/scroll":
                key = (request.body or {}).get("shard_key")
                ids = {"eu": [1, 2], 5: [1], None: [7]}[key]
                points = [{"id": n, "payload": {"of": key}, "vector": {"v": [n, 1]}} for n in ids]
                return {"points": points, "next_page_offset": None}
            case _:
                return True


def dumped(backend: RecordingBackend, folder: Path) -> list[tuple[str, str, Any]]:
    """The requests that a dump makes again."""
    path = folder / "docs.qql"
    result = qql.connect(backend).execute(f"DUMP docs TO '{path}'")
    assert result.warnings == ()
    requests = qql.compile(path.read_text(encoding="utf-8"))
    return [(one.method, one.path.removeprefix("/collections/docs"), one.body) for one in requests]


def test_a_dump_keeps_shards_replicas_keys_and_aliases(tmp_path: Path) -> None:
    made, *rest = dumped(Cluster(info=described(write_consistency_factor=2)), tmp_path)
    assert made[2] == {
        "vectors": {"v": {"size": 2, "distance": "Dot"}},
        "shard_number": 1,
        "sharding_method": "custom",
        "replication_factor": 2,
        "write_consistency_factor": 2,
    }
    assert rest == [
        ("PUT", "/shards", {"shard_key": "eu", "shards_number": 2}),
        ("PUT", "/shards", {"shard_key": 5, "replication_factor": 3}),
        ("PUT", "/points", {"points": [row(1, "eu"), row(2, "eu")], "shard_key": "eu"}),
        ("PUT", "/points", {"points": [row(1, 5)], "shard_key": 5}),
        ("POST", "/collections/aliases", alias("a")),
        ("POST", "/collections/aliases", alias("b")),
    ]


@pytest.mark.parametrize("name", ["docs.jsonl", "docs.parquet"])
def test_rows_of_a_dump_go_back_to_their_shard_keys(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    qql.connect(Cluster()).execute(f"DUMP docs TO '{path}'")
    with path.open("rb") as file:
        (copy,) = [one for one in script_of_dump(str(path), file).splitlines() if one.startswith("COPY")]
    server = Cluster()
    qql.connect(server).run(copy)
    sent = [one.body or {} for one in server.requests if one.route == ("PUT", "points")]
    found = [(body["shard_key"], point) for body in sent for point in body["points"]]
    assert found == [("eu", row(1, "eu")), ("eu", row(2, "eu")), (5, row(1, 5))]


def row(key: int, of: Any) -> dict[str, Any]:
    return {"id": key, "vector": {"v": [key, 1]}, "payload": {"of": of}}


def alias(name: str) -> dict[str, Any]:
    return {"actions": [{"create_alias": {"collection_name": "docs", "alias_name": name}}]}


def test_a_dump_says_one_replica_and_one_shard_outright(tmp_path: Path) -> None:
    """What is not said, a cluster would choose by its own configuration."""
    info = described(shard_number=1, replication_factor=1, write_consistency_factor=1, sharding_method=None)
    made, points, *_ = dumped(Cluster(info=info), tmp_path)
    assert {key: made[2][key] for key in made[2] if key != "vectors"} == {
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
    }
    assert points == ("PUT", "/points", {"points": [row(7, None)]})


@pytest.mark.parametrize("shards", [TOO_OLD, KEYS])
@pytest.mark.parametrize("cluster", [None, [], {"local_shards": None}, TOO_OLD, CLUSTER])
def test_keys_are_found_by_whichever_answer_has_them(tmp_path: Path, shards: Any, cluster: Any) -> None:
    if shards is TOO_OLD and cluster is not CLUSTER:
        with pytest.raises(QQLError):
            dumped(Cluster(shards=shards, cluster=cluster), tmp_path)
        return
    found = dumped(Cluster(shards=shards, cluster=cluster), tmp_path)
    assert [body["shard_key"] for _, path, body in found if path == "/shards"] == ["eu", 5]


def test_a_dump_without_keys_has_no_points(tmp_path: Path) -> None:
    backend = Cluster(shards={"shard_keys": None}, cluster=EMPTY_CLUSTER, aliases=[])
    assert [path for _, path, _ in dumped(backend, tmp_path)] == [""]


# ------------------------------------------------------------------------------------ keys that are missing


@pytest.mark.parametrize(
    "statement",
    [
        "QUERY [1, 0] FROM docs",
        "SCROLL FROM docs",
        "COUNT FROM docs",
        "EXPLAIN ANALYZE QUERY [1, 0] FROM docs",
        "WHY 1 QUERY [1, 0] FROM docs",
        "UPSERT INTO docs VALUES {id: 1, v: [1, 0]}",
        "DELETE FROM docs WHERE id = 1",
        "BATCH { QUERY [1, 0] FROM docs; QUERY [0, 1] FROM docs; }",
    ],
)
@pytest.mark.parametrize("shards", [{"shard_keys": []}, {"shard_keys": None}, None])
def test_points_of_a_collection_without_its_keys_are_not_asked_for(statement: str, shards: Any) -> None:
    backend = Cluster(shards=shards, cluster=EMPTY_CLUSTER)
    with pytest.raises(QQLExecutionError) as caught:
        qql.connect(backend).execute(statement)
    assert caught.value.code == "no-shard-keys"
    assert caught.value.hint == "CREATE SHARD KEY 'a' ON docs"
    assert not any(one.route[1].startswith("points") for one in backend.requests)


@pytest.mark.parametrize(
    "statement", ["CREATE SHARD KEY 'a' ON docs", "SHOW COLLECTION docs", "DROP COLLECTION docs"]
)
def test_other_statements_go_on_without_keys(statement: str) -> None:
    qql.connect(Cluster(shards={"shard_keys": []}, cluster=EMPTY_CLUSTER)).execute(statement)


def test_the_keys_are_looked_at_once_and_only_of_collections_that_have_them() -> None:
    backend = Cluster()
    db = qql.connect(backend)
    for _ in range(3):
        db.execute("UPSERT INTO docs VALUES {id: 1, v: [1, 0]} SHARD 'eu'")
    assert sum(one.route == ("GET", "shards") for one in backend.requests) == 1
    plain = Cluster(info=described(sharding_method="auto"))
    qql.connect(plain).execute("UPSERT INTO docs VALUES {id: 1, v: [1, 0]}")
    assert not any(one.route[1] in ("shards", "cluster") for one in plain.requests)


def test_a_server_that_tells_no_keys_is_asked_itself() -> None:
    backend = Cluster(shards=TOO_OLD, cluster=TOO_OLD)
    qql.connect(backend).execute("UPSERT INTO docs VALUES {id: 1, v: [1, 0]} SHARD 'eu'")
    assert backend.requests[-1].route == ("PUT", "points")


# ------------------------------------------------------------------------------------ quotas


class Quotas(RecordingBackend):
    name = "server"

    def __init__(self, known: Any) -> None:
        super().__init__(answers=lambda request: known if request.method == "GET" else True)


KNOWN = {
    "config": {
        "enabled": True,
        "max_resident_memory_percent": 80,
        "max_disk_usage_percent": 90,
        "release_margin_percent": None,
    },
    "usage": {},
}


def test_a_quota_that_is_ended_leaves_the_others_as_they_are() -> None:
    backend = Quotas(KNOWN)
    said = qql.connect(backend).execute("SET QUOTA (max_disk_usage_percent = null)").message
    assert said == "set the quota; kept enabled = true, max_resident_memory_percent = 80"
    assert backend.requests[-1] == Request(
        "PUT",
        "/quotas",
        {},
        {"enabled": True, "max_resident_memory_percent": 80, "max_disk_usage_percent": None},
    )


def test_a_quota_that_is_set_does_not_switch_the_others_off() -> None:
    backend = Quotas(KNOWN)
    said = qql.connect(backend).execute("SET QUOTA (max_disk_usage_percent = 95) WAIT true").message
    assert said == "set the quota; kept enabled = true, max_resident_memory_percent = 80"
    assert backend.requests[-1].body == {
        "enabled": True,
        "max_resident_memory_percent": 80,
        "max_disk_usage_percent": 95,
    }
    assert backend.requests[-1].query == {"wait": "true"}


def test_nothing_is_kept_where_nothing_was_set() -> None:
    backend = Quotas({"config": {"enabled": False}, "usage": {}})
    assert qql.connect(backend).execute("SET QUOTA (enabled = true)").message == "set the quota"
    assert backend.requests[-1].body == {"enabled": True}


@pytest.mark.parametrize("known", [None, True, [], {"config": None}, {}])
def test_quotas_that_cannot_be_read_are_not_overwritten(known: Any) -> None:
    backend = Quotas(known)
    with pytest.raises(QQLError) as caught:
        qql.connect(backend).execute("SET QUOTA (max_disk_usage_percent = 95)")
    assert caught.value.code == "server-error"
    assert not any(one.method == "PUT" for one in backend.requests)


# ------------------------------------------------------------------------------------ over gRPC


class GrpcCluster(pb.CollectionsServicer):
    """Two keys: one of two shards, one of one."""

    def CollectionClusterInfo(self, request: Any, context: Any) -> Any:
        key, number = pb.ShardKey(keyword="eu"), pb.ShardKey(number=5)
        active = pb.ReplicaState.Active
        return pb.CollectionClusterInfoResponse(
            peer_id=1,
            shard_count=3,
            local_shards=[
                pb.LocalShardInfo(shard_id=0, shard_key=key, points_count=1, state=active),
                pb.LocalShardInfo(shard_id=2, shard_key=number, state=active),
            ],
            remote_shards=[
                pb.RemoteShardInfo(shard_id=1, shard_key=key, peer_id=2, state=active),
                pb.RemoteShardInfo(shard_id=2, shard_key=number, peer_id=2, state=active),
            ],
        )

    def ListShardKeys(self, request: Any, context: Any) -> Any:
        keys = [pb.ShardKey(keyword="eu"), pb.ShardKey(number=5)]
        return pb.ListShardKeysResponse(shard_keys=[pb.ShardKeyDescription(key=key) for key in keys])


@pytest.mark.parametrize("known", [("CollectionClusterInfo", "ListShardKeys"), ("CollectionClusterInfo",)])
def test_shard_keys_are_the_same_over_grpc(known: tuple[str, ...], schema_is_shared: None) -> None:
    only = {name: getattr(GrpcCluster, name) for name in known}
    with served(Collections=type("Known", (pb.CollectionsServicer,), only)()) as url:
        backend = ClientBackend.connect(url, timeout=10)
        found = shard_keys_of(backend.call, "docs")
        backend.close()
    assert found == [ShardKey("eu", 2, 1), ShardKey(5, 1, 2)]
