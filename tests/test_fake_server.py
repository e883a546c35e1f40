"""The fake server behaves as servers were measured to: each side, each version, limits, shards, breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from fake_server import FakeServer
from fake_server.messages_in import READERS
from fake_server.messages_out import WRITERS
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

MakeServer = Callable[..., FakeServer]
TRANSPORTS = pytest.mark.parametrize("over_grpc", [False, True], ids=["rest", "grpc"])
DENSE = {"v": models.VectorParams(size=2, distance=models.Distance.DOT)}
SLICE = models.Filter(must=[models.SliceCondition(slice=models.Slice(total=100, index=99))])


@contextmanager
def client_of(server: FakeServer, over_grpc: bool = False, **options: Any) -> Iterator[QdrantClient]:
    """The library itself, with nothing of QQL's between the test and the server."""
    port = {"prefer_grpc": over_grpc, "grpc_port": server.grpc_port}
    client = QdrantClient(url=server.url, check_compatibility=False, **port, **options)
    try:
        yield client
    finally:
        client.close()


def ten_points(client: QdrantClient, **options: Any) -> None:
    client.create_collection("c", vectors_config=DENSE, **options)
    client.upsert("c", points(range(10)))


def points(ids: Any) -> list[models.PointStruct]:
    return [models.PointStruct(id=n, vector={"v": [1.0, n]}, payload={"n": n}) for n in ids]


def text_of(error: Any) -> str:
    """The server's own words, whichever way they came."""
    if isinstance(error, grpc.RpcError):
        return str(error.details())
    return str(json.loads(error.content)["status"]["error"])


@contextmanager
def refused(text: str) -> Iterator[None]:
    with pytest.raises((UnexpectedResponse, grpc.RpcError)) as info:
        yield
    assert text in text_of(info.value)


# --- versions -----------------------------------------------------------------------------------------------


@TRANSPORTS
@pytest.mark.parametrize("version", ["1.12.0", "1.20.3"])
def test_a_server_announces_the_version_it_was_given(
    fake_server: MakeServer, version: str, over_grpc: bool
) -> None:
    with client_of(fake_server(version), over_grpc) as client:
        assert client.info().version == version


def test_a_younger_condition_is_dropped_over_grpc_and_refused_over_rest(fake_server: MakeServer) -> None:
    server = fake_server("1.18.3")
    with client_of(server) as client:
        ten_points(client)
        with refused("Format error in JSON body"):
            client.delete("c", models.FilterSelector(filter=SLICE))
        assert client.count("c").count == 10
    with client_of(server, over_grpc=True) as client:
        client.delete("c", models.FilterSelector(filter=SLICE))
        assert client.count("c").count == 0  # no condition was left, and success is reported


def test_one_younger_condition_of_several_leaves_the_others(fake_server: MakeServer) -> None:
    both = [models.FieldCondition(key="n", range=models.Range(gte=8)), *SLICE.must]
    with client_of(fake_server("1.18.3"), over_grpc=True) as client:
        ten_points(client)
        client.delete("c", models.FilterSelector(filter=models.Filter(must=both)))
        assert client.count("c").count == 8


@TRANSPORTS
def test_a_version_that_knows_a_condition_heeds_it(fake_server: MakeServer, over_grpc: bool) -> None:
    with client_of(fake_server("1.19.0"), over_grpc) as client:
        ten_points(client)
        client.delete("c", models.FilterSelector(filter=SLICE))
        assert client.count("c").count > 0


@TRANSPORTS
def test_a_younger_option_is_passed_over(fake_server: MakeServer, over_grpc: bool) -> None:
    index = models.KeywordIndexParams(type="keyword", prefix=True)
    server = fake_server("1.18.3")
    with client_of(server, over_grpc) as client:
        ten_points(client)
        client.create_payload_index("c", "word", index)
        assert client.get_collection("c").payload_schema["word"].params is None
        server.engine.version = "1.20.0"  # upgraded under the client's hands
        client.create_payload_index("c", "other", index)
        assert client.get_collection("c").payload_schema["other"].params.prefix


@TRANSPORTS
def test_an_upsert_is_guarded_by_its_mode_only_where_the_version_knows_modes(
    fake_server: MakeServer, over_grpc: bool
) -> None:
    for version, kept in (("1.16.0", False), ("1.17.0", True)):
        with client_of(fake_server(version), over_grpc) as client:
            ten_points(client)
            new = models.PointStruct(id=1, vector={"v": [0, 0]}, payload={"n": "new"})
            client.upsert("c", [new], update_mode=models.UpdateMode.INSERT_ONLY)
            assert (client.retrieve("c", [1])[0].payload == {"n": 1}) is kept


@TRANSPORTS
def test_an_unknown_route_has_an_answer_without_words(fake_server: MakeServer, over_grpc: bool) -> None:
    config = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance="Dot"))
    with client_of(fake_server("1.12.0"), over_grpc) as client:
        ten_points(client)
        with pytest.raises((UnexpectedResponse, grpc.RpcError)) as info:
            client.create_vector_name("c", "w", config)
        error = info.value
        said = error.code() if isinstance(error, grpc.RpcError) else (error.status_code, error.content)
        assert said in (grpc.StatusCode.UNIMPLEMENTED, (404, b""))


@TRANSPORTS
def test_bm25_is_computed_by_servers_from_1_15_2_on(fake_server: MakeServer, over_grpc: bool) -> None:
    document = models.Document(text="care of wounds", model="qdrant/bm25")
    sparse = {"s": models.SparseVectorParams(modifier=models.Modifier.IDF)}
    server = fake_server("1.15.1")
    with client_of(server, over_grpc) as client:
        client.create_collection("c", sparse_vectors_config=sparse)
        upsert = models.PointStruct(id=1, vector={"s": document})
        with pytest.raises((UnexpectedResponse, grpc.RpcError)):
            client.upsert("c", [upsert])
        server.engine.version = "1.15.2"
        client.upsert("c", [upsert])
        assert [hit.id for hit in client.query_points("c", query=document, using="s").points] == [1]


@TRANSPORTS
def test_missing_examples_are_refused_since_1_19(fake_server: MakeServer, over_grpc: bool) -> None:
    query = models.RecommendQuery(recommend=models.RecommendInput(positive=[1, 777]))
    server = fake_server("1.18.0")
    with client_of(server, over_grpc) as client:
        ten_points(client)
        assert len(client.query_points("c", query=query, using="v", limit=20).points) == 9
        server.engine.version = "1.19.0"
        with refused("No point with id 777 found"):
            client.query_points("c", query=query, using="v")


# --- what one side does and the other does not --------------------------------------------------------------


def test_two_rows_of_which_the_first_holds_integers_are_a_sparse_vector_over_rest(
    fake_server: MakeServer,
) -> None:
    server = fake_server()
    config = models.VectorParams(
        size=2, distance="Dot", multivector_config=models.MultiVectorConfig(comparator="max_sim")
    )
    with client_of(server) as client:
        client.create_collection("c", vectors_config={"m": config})
    for rows, status in (([[1, 0], [0.5, 0.5]], 400), ([[1.0, 0.0], [0.5, 0.5]], 200), ([[1, 0]] * 3, 200)):
        body = {"points": [{"id": 1, "vector": {"m": rows}}]}
        assert httpx.put(f"{server.url}/collections/c/points", json=body).status_code == status


def test_a_large_body_is_refused_over_rest_alone(fake_server: MakeServer) -> None:
    server = fake_server(body_limit=2000)
    with client_of(server) as client:
        ten_points(client)
        with refused("is larger than allowed (limit: 2000 bytes)."):
            client.upsert("c", points(range(100)))
    with client_of(server, over_grpc=True) as client:
        client.upsert("c", points(range(100)))
        assert client.count("c").count == 100


def test_the_bytes_of_both_sides_are_counted(fake_server: MakeServer) -> None:
    server = fake_server()
    body = b'{"limit": 3}'
    with client_of(server) as client:
        ten_points(client)
    before = server.received
    answer = httpx.post(f"{server.url}/collections/c/points/scroll", content=body)
    assert (server.received - before, server.calls[-1].sent) == (len(body), len(answer.content))
    with client_of(server, over_grpc=True) as client:
        client.count("c")
    (count,) = server.asked("POST points/count")
    assert (count.transport, count.name) == ("grpc", "Points/Count")
    assert 0 < count.received < 20


def test_a_full_quota_has_the_status_of_each_side(fake_server: MakeServer) -> None:
    server = fake_server()
    with client_of(server) as client:
        ten_points(client)
        server.engine.full = True
        with pytest.raises(UnexpectedResponse) as over_rest:
            client.upsert("c", points([1]))
    assert over_rest.value.status_code == 507
    with client_of(server, over_grpc=True) as client, pytest.raises(Exception, match="quota") as info:
        client.upsert("c", points([1]))
    cause: Any = info.value
    assert cause.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@TRANSPORTS
def test_a_key_is_asked_of_every_request(fake_server: MakeServer, over_grpc: bool) -> None:
    server = fake_server(api_key="right")
    with client_of(server, over_grpc, headers={"api-key": "right"}) as client:
        assert client.get_collections().collections == []
    with client_of(server, over_grpc) as client, refused("Must provide an API key"):
        client.get_collections()


# --- limits and shards --------------------------------------------------------------------------------------


@TRANSPORTS
def test_strict_mode_limits_pages(fake_server: MakeServer, over_grpc: bool) -> None:
    strict = models.StrictModeConfig(enabled=True, max_query_limit=5)
    with client_of(fake_server(), over_grpc) as client:
        ten_points(client, strict_mode_config=strict)
        assert client.get_collection("c").config.strict_mode_config.max_query_limit == 5
        assert len(client.scroll("c", limit=5)[0]) == 5
        for call in (
            lambda: client.scroll("c", limit=6),
            lambda: client.query_points("c", query=[1.0, 0.0], using="v", limit=6),
            lambda: client.query_points_groups("c", "n", query=[1.0, 0.0], using="v", limit=3, group_size=2),
            lambda: client.query_points(
                "c",
                prefetch=models.Prefetch(query=[1.0, 0.0], using="v", limit=6),
                query=[1.0, 0.0],
                using="v",
                limit=1,
            ),
        ):
            with refused('Limit exceeded 6 > 5 for "limit"'):
                call()
        client.update_collection("c", strict_mode_config=models.StrictModeConfig(enabled=False))
        assert len(client.scroll("c", limit=6)[0]) == 6


@TRANSPORTS
def test_a_filter_of_a_strict_collection_needs_an_index(fake_server: MakeServer, over_grpc: bool) -> None:
    strict = models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False)
    chosen = models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=3))])
    with client_of(fake_server(), over_grpc) as client:
        ten_points(client, strict_mode_config=strict)
        with refused('Index required but not found for "n"'):
            client.count("c", count_filter=chosen)
        client.create_payload_index("c", "n", "integer")
        assert client.count("c", count_filter=chosen).count == 1


def test_shard_keys_are_null_where_points_go_by_their_ids(fake_server: MakeServer) -> None:
    server = fake_server(cluster=True)
    with client_of(server) as client:
        ten_points(client)
    assert httpx.get(f"{server.url}/collections/c/shards").json()["result"] == {"shard_keys": None}


@TRANSPORTS
def test_points_of_a_shard_are_found_there_alone(fake_server: MakeServer, over_grpc: bool) -> None:
    with client_of(fake_server(cluster=True), over_grpc) as client:
        client.create_collection("c", vectors_config=DENSE, sharding_method=models.ShardingMethod.CUSTOM)
        client.create_shard_key("c", "eu")
        client.create_shard_key("c", 7)
        client.upsert("c", points([1, 2]), shard_key_selector="eu")
        client.upsert("c", points([3]), shard_key_selector=7)
        assert client.count("c", shard_key_selector="eu").count == 2
        assert client.count("c", shard_key_selector=["eu", 7]).count == client.count("c").count == 3
        with refused("not found"):
            client.count("c", shard_key_selector="us")
        with refused("Shard key not specified"):
            client.upsert("c", points([4]))
        client.delete_shard_key("c", "eu")
        assert [one.id for one in client.scroll("c")[0]] == [3]


def test_one_server_alone_has_no_shard_keys_to_give(fake_server: MakeServer) -> None:
    with client_of(fake_server(), over_grpc=True) as client:
        ten_points(client)
        with pytest.raises(grpc.RpcError) as info:
            client.create_shard_key("c", "eu")
    cause: Any = info.value
    assert cause.code() is grpc.StatusCode.UNIMPLEMENTED


@TRANSPORTS
def test_a_custom_collection_without_keys_breaks_the_connection(
    fake_server: MakeServer, over_grpc: bool
) -> None:
    with client_of(fake_server("1.19.0", cluster=True), over_grpc) as client:
        client.create_collection("c", vectors_config=DENSE, sharding_method=models.ShardingMethod.CUSTOM)
        with pytest.raises((ResponseHandlingException, grpc.RpcError)):
            client.query_points("c", query=[1.0, 0.0], using="v")


# --- its life -----------------------------------------------------------------------------------------------


@TRANSPORTS
def test_a_restart_breaks_connections_and_keeps_ports_and_points(
    fake_server: MakeServer, over_grpc: bool
) -> None:
    server = fake_server()
    with client_of(server, over_grpc) as client:
        ten_points(client)
    ports = server.port, server.grpc_port
    server.stop()
    with client_of(server, over_grpc) as client, pytest.raises((ResponseHandlingException, grpc.RpcError)):
        client.count("c")
    server.restart()
    assert (server.port, server.grpc_port) == ports
    with client_of(server, over_grpc) as client:
        assert client.count("c").count == 10


@TRANSPORTS
def test_a_cut_write_was_carried_out_and_is_not_answered(fake_server: MakeServer, over_grpc: bool) -> None:
    server = fake_server()
    with client_of(server, over_grpc) as client:
        ten_points(client)
        server.cut_after(1)
        client.upsert("c", points([20]))
        for n in (21, 22):
            with pytest.raises((ResponseHandlingException, grpc.RpcError)):
                client.upsert("c", points([n]))
        assert client.count("c").count == 12  # 20 and 21; 22 came to a server that was gone


def test_each_method_that_is_read_is_answered() -> None:
    assert READERS.keys() == WRITERS.keys()
