"""Requests sent through a client of one's own, and their texts embedded before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
from http_recorder import HttpRecorder, ok, refused
from qdrant_client import AsyncQdrantClient, QdrantClient, models

import qql
from qql.backends.client.routes import ROUTES
from qql.models.embedders import Embedders

pytestmark = pytest.mark.usefixtures("no_proxy")

MAKE = [
    "CREATE COLLECTION docs (a VECTOR(2, COSINE))",
    "UPSERT INTO docs VALUES {id: 1, vector: {a: [1.0, 0.0]}, n: 3}, {id: 2, vector: {a: [0.0, 1.0]}, n: 4}",
]
QUERY = "QUERY [1.0, 0.2] FROM docs USING a PREFETCH (QUERY [0.2, 1.0] USING a LIMIT 5) WHERE n > 1 LIMIT 2"


def one(text: str, **options: Any) -> qql.Request:
    [request] = qql.compile(text, **options)
    return request


async def answer(awaited: Awaitable[Any]) -> Any:
    return await awaited


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    made = QdrantClient(":memory:")
    for text in MAKE:
        one(text).send(made)
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        yield recorder


def of_server(server: HttpRecorder, kind: Any = QdrantClient) -> Any:
    return kind(url=server.url, check_compatibility=False)


def test_the_answer_is_what_the_clients_own_method_gives(client: QdrantClient) -> None:
    found = one(QUERY).send(client)
    own = client.query_points(
        "docs",
        [1.0, 0.2],
        using="a",
        prefetch=models.Prefetch(query=[0.2, 1.0], using="a", limit=5),
        query_filter=models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gt=1))]),
        limit=2,
    )
    assert type(found) is type(own)
    assert found == own
    assert one("COUNT FROM docs").send(client).count == 2
    points, after = one("SCROLL FROM docs LIMIT 1").send(client)
    assert ([point.id for point in points], after) == ([1], 2)


def test_an_async_client_is_awaited() -> None:
    async def steps() -> Any:
        client = AsyncQdrantClient(":memory:")
        for text in MAKE:
            await one(text).send(client)
        found = await one(QUERY).send(client)
        await client.close()
        return found

    assert [point.id for point in asyncio.run(steps()).points] == [1, 2]


@pytest.mark.parametrize("kind", [QdrantClient, AsyncQdrantClient])
def test_a_server_receives_what_a_session_sends(server: HttpRecorder, kind: Any) -> None:
    server.answers["POST", "/collections/docs/points/query"] = ok({"points": []})
    request = one(QUERY)
    sent = request.send(of_server(server, kind))
    if kind is AsyncQdrantClient:
        asyncio.run(answer(sent))
    [received] = server.received
    assert (received.method, received.path) == (request.method, request.path)
    assert request.body is not None
    assert request.body.items() <= received.body.items()


def test_every_statement_that_a_method_can_say_has_a_route() -> None:
    assert len(ROUTES) > 35
    for route in ROUTES.values():
        assert callable(getattr(AsyncQdrantClient, route.method, None)), route.method


@pytest.mark.parametrize(
    ("text", "code"),
    [("QUERY [1.0] FROM nope", "unknown-collection"), ("SHOW SNAPSHOTS FROM docs", "unsupported-operation")],
)
def test_what_fails_in_local_mode_is_an_error_of_ours(client: QdrantClient, text: str, code: str) -> None:
    with pytest.raises(qql.QQLError) as caught:
        one(text).send(client)
    assert caught.value.diagnostics[0].code == code


def test_what_local_mode_ignores_is_a_warning(client: QdrantClient) -> None:
    with pytest.warns(UserWarning) as said:
        one("QUERY [1.0, 0.2] FROM docs USING a PARAMS (hnsw_ef = 64)").send(client)
    assert any("`hnsw_ef` has no effect in local mode" in str(warning.message) for warning in said)


@pytest.mark.parametrize("kind", [QdrantClient, AsyncQdrantClient])
def test_a_refusal_is_an_error_of_ours_and_shows_no_key(server: HttpRecorder, kind: Any) -> None:
    server.answers["POST", "/collections/docs/points/count"] = refused(401, "no: s3cret")
    client = kind(url=server.url, headers={"api-key": "s3cret"}, check_compatibility=False)
    with pytest.raises(qql.QQLConnectionError) as caught:
        sent = one("COUNT FROM docs").send(client)
        asyncio.run(answer(sent))
    assert caught.value.diagnostics[0].code == "not-authorised"
    assert "s3cret" not in str(caught.value)


def test_what_no_method_can_say_is_refused(server: HttpRecorder) -> None:
    with pytest.raises(qql.QQLUnsupportedError) as caught:
        one("SHOW QUOTAS").send(of_server(server))
    assert caught.value.diagnostics[0].code == "unsupported-operation"
    assert server.received == []


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(qql.QQLConnectionError) as caught:
        one("COUNT FROM docs").send(object())  # type: ignore[call-overload]
    assert caught.value.diagnostics[0].code == "unsupported-client"


# ------------------------------------------------------------------------------------ texts

HYBRID = "QUERY 'care' FROM docs USING a PREFETCH (QUERY 'care' USING b LIMIT 5) LIMIT 2"


def test_texts_become_vectors_and_the_request_stays_as_it_was() -> None:
    asked: list[list[str]] = []

    def model(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        return [[1.0, 0.5] for _ in texts]

    request = one(HYBRID, models={"a": "mine", "b": "mine"})
    found = qql.embed(request, {"mine": model})
    assert asked == [["care"]]
    assert found.body is not None and request.body is not None
    assert found.body["query"] == {"nearest": [1.0, 0.5]} == found.body["prefetch"][0]["query"]
    assert request.body["query"] == {"nearest": {"text": "care", "model": "mine"}}
    assert qql.embed(found) is found


def test_texts_that_the_server_embeds_stay_texts() -> None:
    request = one(HYBRID, models={"a": "local/hash-8", "b": "Qdrant/BM25"})
    with_embedders = qql.embed(request, Embedders(), infers=["qdrant/bm25"]).body
    assert with_embedders is not None
    assert with_embedders["prefetch"][0]["query"]["nearest"]["text"] == "care"
    assert len(with_embedders["query"]["nearest"]) == 8


def test_one_name_of_a_model_that_the_server_runs_is_not_taken_letter_by_letter() -> None:
    request = one("QUERY 'care' FROM docs USING a", models={"a": "local/hash-8"})
    assert qql.embed(request, infers="local/hash-8") is request


def test_a_text_without_a_model_is_an_error() -> None:
    with pytest.raises(qql.QQLModelError) as caught:
        qql.embed(one("QUERY 'care' FROM docs USING a"))
    assert caught.value.diagnostics[0].code == "no-model"
