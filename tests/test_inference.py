"""Texts of requests → vectors, at the places where vectors may stand and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from refusals import failure

import qql
from qql.errors import QQLModelError
from qql.models.embed_request import embed_request
from qql.models.embedders import Embedders
from qql.rest.inference_objects import inferred_of
from qql.rest.request import Request, collection_path


class Recorder:
    """Models whose vector of a text is ``[length, purpose]``; every call is written down."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], str, list[str]]] = []
        self._made: dict[str, Any] = {}

    def get(self, model: str, options: Mapping[str, Any] | None = None) -> Any:
        key = f"{model}{sorted((options or {}).items())}"
        outer = self

        class Model:
            kind, size = "dense", None

            def __init__(self) -> None:
                self.model = model

            def embed(self, texts: Sequence[str], purpose: str) -> list[list[float]]:
                outer.calls.append((model, dict(options or {}), purpose, list(texts)))
                return [[float(len(text)), 1.0 if purpose == "query" else 2.0] for text in texts]

        return self._made.setdefault(key, Model())


def request(method: str, route: str, body: dict[str, Any]) -> Request:
    return Request(method, collection_path("docs", route), {"timeout": 3}, body)


def query(body: dict[str, Any], route: str = "points/query") -> Request:
    return request("POST", route, body)


def text(words: str, model: str | None = "m", **more: Any) -> dict[str, Any]:
    return {"text": words, **({"model": model} if model is not None else {}), **more}


def never(_: str) -> bool:
    return False


def embedded(given: Request, models: Any = None, **more: Any) -> Request:
    """`embed_request`, with a check that the request given stays as it was."""
    before = copy.deepcopy(given.body)
    out = embed_request(given, models or Recorder(), more.pop("infers", never), **more)
    assert given.body == before
    assert (out.method, out.path, out.query) == (given.method, given.path, given.query)
    return out


def fails(code: str, call: Callable[[], Any]) -> QQLModelError:
    return failure(QQLModelError, code, call)


A, BB, CCC = [1.0, 1.0], [2.0, 1.0], [3.0, 1.0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (text("a"), A),
        ({"nearest": text("a")}, {"nearest": A}),
        ({"nearest": text("a"), "mmr": {"diversity": 0.5}}, {"nearest": A, "mmr": {"diversity": 0.5}}),
        (
            {"recommend": {"positive": [text("a"), 7, [0.5]], "negative": [text("bb")]}},
            {"recommend": {"positive": [A, 7, [0.5]], "negative": [BB]}},
        ),
        (
            {"discover": {"target": text("a"), "context": [{"positive": text("bb"), "negative": 3}]}},
            {"discover": {"target": A, "context": [{"positive": BB, "negative": 3}]}},
        ),
        (
            {"discover": {"target": 1, "context": {"positive": 2, "negative": text("bb")}}},
            {"discover": {"target": 1, "context": {"positive": 2, "negative": BB}}},
        ),
        (
            {"context": [{"positive": text("a"), "negative": text("bb")}, {"positive": 1, "negative": 2}]},
            {"context": [{"positive": A, "negative": BB}, {"positive": 1, "negative": 2}]},
        ),
        (
            {
                "relevance_feedback": {
                    "target": text("a"),
                    "feedback": [{"example": text("bb"), "score": 1.0}, {"example": 4, "score": 0.5}],
                    "strategy": {"naive": {"a": 1, "b": 1, "c": 1}},
                }
            },
            {
                "relevance_feedback": {
                    "target": A,
                    "feedback": [{"example": BB, "score": 1.0}, {"example": 4, "score": 0.5}],
                    "strategy": {"naive": {"a": 1, "b": 1, "c": 1}},
                }
            },
        ),
    ],
)
@pytest.mark.parametrize("route", ["points/query", "points/query/groups"])
def test_every_form_of_query(given: Any, expected: Any, route: str) -> None:
    out = embedded(query({"query": given, "using": "v", "limit": 3}, route))
    assert out.body == {"query": expected, "using": "v", "limit": 3}


def test_prefetches_and_batches_of_queries() -> None:
    inner = {"query": {"nearest": text("bb")}, "prefetch": {"query": text("ccc"), "limit": 1}}
    body = {"prefetch": [inner, {"query": {"nearest": [1.0]}}], "query": {"fusion": "rrf"}}
    done = {
        "prefetch": [
            {"query": {"nearest": BB}, "prefetch": {"query": CCC, "limit": 1}},
            {"query": {"nearest": [1.0]}},
        ],
        "query": {"fusion": "rrf"},
    }
    models = Recorder()
    assert embedded(query(body), models).body == done
    assert models.calls == [("m", {}, "query", ["bb", "ccc"])]
    batch = query({"searches": [body, {"query": text("a")}]}, "points/query/batch")
    assert embedded(batch).body == {"searches": [done, {"query": A}]}


def test_points_in_every_form() -> None:
    def doc(n: int) -> list[float]:
        return [float(n), 2.0]

    sparse = {"indices": [1], "values": [1.0]}
    named = {"a": text("x"), "text": text("yy"), "image": [1.0], "object": sparse, "m": [[1.0], [2.0]]}
    points = [
        {"id": 1, "vector": text("x"), "payload": {"n": 1}},
        {"id": 2, "vector": named, "payload": {}},
        {"id": 3, "vector": [1.0, 2.0]},
        {"id": 4},
    ]
    done = [
        {"id": 1, "vector": doc(1), "payload": {"n": 1}},
        {"id": 2, "vector": {**named, "a": doc(1), "text": doc(2)}, "payload": {}},
        {"id": 3, "vector": [1.0, 2.0]},
        {"id": 4},
    ]
    for route in ("points", "points/vectors"):
        assert embedded(request("PUT", route, {"points": points})).body == {"points": done}
    columns = {"ids": [1, 2], "vectors": {"a": [text("x"), [1.0]], "text": [text("yy"), sparse]}}
    out = embedded(request("PUT", "points", {"batch": columns})).body
    assert out == {"batch": {"ids": [1, 2], "vectors": {"a": [doc(1), [1.0]], "text": [doc(2), sparse]}}}
    listed = request("PUT", "points", {"batch": {"ids": [1, 2], "vectors": [text("x"), [1.0]]}})
    assert embedded(listed).body == {"batch": {"ids": [1, 2], "vectors": [doc(1), [1.0]]}}
    operations = [{"upsert": {"points": points}}, {"update_vectors": {"points": points[:1]}}, {"delete": {}}]
    out = embedded(request("POST", "points/batch", {"operations": operations})).body
    assert out == {
        "operations": [{"upsert": {"points": done}}, {"update_vectors": {"points": done[:1]}}, {"delete": {}}]
    }


@pytest.mark.parametrize(
    "given",
    [
        request("PUT", "points", {"points": [{"id": 1, "vector": [1.0], "payload": {"vector": text("x")}}]}),
        query({"query": [1.0], "filter": {"must": [{"key": "nearest", "match": text("x")}]}}),
        query({"query": 5, "params": {"nearest": text("x")}, "with_payload": True}),
        query({"query": {"text": "full text"}, "using": "body"}),
        query({"query": {"text": {"query": "full text", "scoring": {"bm25": {}}}}, "using": "body"}),
        query({"query": {"formula": {"sum": ["$score", text("x")]}}}),
        request("POST", "points/payload", {"payload": text("x"), "points": [1]}),
        request("PUT", "", {"vectors": {"text": {"size": 4, "distance": "Cosine"}}}),
        Request("GET", "/collections/docs"),
        query({}),
    ],
)
def test_nothing_to_do_gives_the_same_object(given: Request) -> None:
    assert embedded(given) is given
    assert inferred_of(given) == []


def test_what_is_not_changed_is_shared() -> None:
    given = query({"query": text("a"), "filter": {"must": []}, "prefetch": [{"query": [1.0]}]})
    out = embedded(given)
    assert given.body is not None
    assert out.body is not None
    assert out.body["filter"] is given.body["filter"]
    assert out.body["prefetch"] is given.body["prefetch"]


def test_a_stage_that_is_one_object_used_twice() -> None:
    stage = {"query": {"nearest": text("a")}, "limit": 5}
    models = Recorder()
    out = embedded(query({"prefetch": [stage, stage], "query": text("a")}), models)
    assert out.body == {"prefetch": [{"query": {"nearest": A}, "limit": 5}] * 2, "query": A}
    assert models.calls == [("m", {}, "query", ["a"])]


def test_one_call_for_each_model_purpose_and_options() -> None:
    models = Recorder()
    stages = [
        {"query": {"nearest": text(words, model, **more)}}
        for words, model, more in [
            ("a", "m", {}),
            ("bb", "n", {}),
            ("ccc", "m", {}),
            ("a", "m", {"options": {}}),
            ("a", "m", {"options": {"k": 1}}),
            ("a", "n", {}),
        ]
    ]
    given = query({"prefetch": stages, "query": text("a")})
    embedded(given, models)
    assert models.calls == [
        ("m", {}, "query", ["a", "ccc"]),
        ("n", {}, "query", ["bb", "a"]),
        ("m", {"k": 1}, "query", ["a"]),
    ]


def test_distinct_inputs_and_their_places_are_counted() -> None:
    stages = [{"query": {"nearest": text(w, m)}} for w, m in [("a", "m"), ("b", "m"), ("a", "n"), ("a", "m")]]
    given = query({"prefetch": stages, "query": {"nearest": text("x", None)}})
    assert inferred_of(given) == [
        ("m", "text", "query", 2, 3),
        ("n", "text", "query", 1, 1),
        (None, "text", "query", 1, 1),
    ]
    upsert = request("PUT", "points", {"points": [{"id": i, "vector": text("same")} for i in range(9)]})
    assert inferred_of(upsert) == [("m", "text", "document", 1, 9)]
    picture = {"query": {"nearest": {"image": "u", "model": "clip"}}}
    assert inferred_of(query(picture)) == [("clip", "image", "query", 1, 1)]


def test_what_the_engine_infers_stays() -> None:
    objects = {
        "positive": [text("a", "cloud"), {"image": "http://x/y.png", "model": "cloud"}],
        "negative": [{"object": {"k": 1}, "model": "cloud"}],
    }
    given = query({"query": {"recommend": objects}})
    assert embedded(given, infers=lambda model: model == "cloud") is given
    mixed = query(
        {"prefetch": [{"query": text("a", "cloud")}, {"query": text("a")}], "query": {"fusion": "rrf"}}
    )
    out = embedded(mixed, infers=lambda model: model == "cloud")
    assert out.body is not None
    assert out.body["prefetch"] == [{"query": text("a", "cloud")}, {"query": A}]


def test_a_default_model() -> None:
    given = query({"query": {"nearest": text("a", None)}})
    models = Recorder()
    assert embedded(given, models, default_model="d").body == {"query": {"nearest": A}}
    assert models.calls[0][0] == "d"
    # An engine that infers it needs its name.
    out = embedded(given, default_model="d", infers=lambda model: model == "d")
    assert out.body == {"query": {"nearest": text("a", "d")}}


@pytest.mark.parametrize("model", [None, ""])
def test_a_text_without_a_model(model: str | None) -> None:
    error = fails("no-model", lambda: embedded(query({"query": {"nearest": text("hello " * 20, model)}})))
    assert "hello hello" in error.message
    assert len(error.message) < 120
    for way in ("MODEL '…' after the text", "CREATE COLLECTION", "--model"):
        assert way in (error.hint or "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"image": "http://x/y.png", "model": "clip"}, "an image has to be turned"),
        ({"object": {"a": 1}, "model": "any"}, "an object has to be turned"),
        ({"image": "http://x/y.png"}, "no model given"),
    ],
)
def test_images_and_objects_are_the_engines(given: dict[str, Any], words: str) -> None:
    error = fails("no-model", lambda: embedded(query({"query": {"nearest": given}})))
    assert words in error.message
    assert given.get("model", "") in error.message
    upsert = request("PUT", "points", {"points": [{"id": 1, "vector": {"a": given}}]})
    fails("no-model", lambda: embedded(upsert))


@pytest.mark.parametrize("bad", [{"model": 5}, {"options": ["k"]}])
def test_malformed_inference_objects(bad: dict[str, Any]) -> None:
    fails("no-model", lambda: embedded(query({"query": {"nearest": {**text("a"), **bad}}})))


@pytest.mark.parametrize("depth", [64, 3000])
def test_deep_nesting(depth: int) -> None:
    body: dict[str, Any] = {"query": text("a")}
    for _ in range(depth):
        body = {"prefetch": [body], "query": {"fusion": "rrf"}}
    # Not compared or copied whole: that would recurse.
    out = embed_request(query(body), Recorder(), never).body
    for _ in range(depth):
        assert out is not None
        out = out["prefetch"][0]
    assert out == {"query": A}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "0 vectors for 1 text"),
        ([[1.0], [2.0]], "2 vectors for 1 text"),
        (None, "no list of vectors"),
        ([[1.0, float("inf")]], "infinity"),
        ([{"indices": [1], "values": [1.0]}], "a sparse vector where a dense one"),
        ([[[1.0, 2.0]]], "a multi vector where a dense one"),
        ([[1.0]], "1 dimension, and 2"),
    ],
)
def test_answers_of_an_embedder_are_checked(answer: Any, words: str) -> None:
    class Model:
        model, kind, size = "m", "dense", 2

        def embed(self, texts: Any, purpose: Any) -> Any:
            return answer

    class Models:
        def get(self, model: str, options: Any = None) -> Any:
            return Model()

    assert words in fails("model-answer", lambda: embedded(query({"query": text("a")}), Models())).message


def test_whatever_an_embedder_raises_is_an_error_of_ours() -> None:
    class Model:
        kind, size = "dense", None

        def embed(self, texts: Any, purpose: Any) -> Any:
            raise RuntimeError("out of memory")

    class Models:
        def get(self, model: str, options: Any = None) -> Any:
            return Model()

    error = fails("model-failed", lambda: embedded(query({"query": text("a", "big")}), Models()))
    assert "`big` failed: RuntimeError: out of memory" in error.message
    assert isinstance(error.__cause__, RuntimeError)


def test_real_models_in_one_request() -> None:
    given = query(
        {
            "prefetch": [
                {"query": {"nearest": text("red fox", "local/hash-8")}, "using": "dense"},
                {
                    "query": {"nearest": text("red fox", "Qdrant/bm25", options={"language": "english"})},
                    "using": "sparse",
                },
            ],
            "query": {"fusion": "rrf"},
        }
    )
    models = Embedders()
    out = embedded(given, models).body
    assert out is not None
    dense, sparse = (stage["query"]["nearest"] for stage in out["prefetch"])
    assert dense == models.get("local/hash-8").embed(["red fox"], "query")[0]
    assert sparse == models.get("qdrant/bm25").embed(["red fox"], "query")[0]


def test_replaced_bodies_are_legal_for_qdrant_client() -> None:
    given = query({"query": {"nearest": text("red", "qdrant/bm25")}, "using": "s"})
    embedded(given, Embedders()).to_models()
    upsert = request("PUT", "points", {"points": [{"id": 1, "vector": {"s": text("red", "qdrant/bm25")}}]})
    embedded(upsert, Embedders()).to_models()


def test_many_texts_are_told_of_and_become_the_same_vectors_in_the_same_places() -> None:
    points = [{"id": n, "vector": text("a" * (n % 300 + 1)), "payload": {}} for n in range(1000)]
    given, told = request("PUT", "points", {"points": points}), list[tuple[str, int, int]]()
    assert embedded(given, told=lambda *one: told.append(one)) == embedded(given)
    assert told == [("m", 256, 300), ("m", 300, 300)]


def test_a_session_tells_how_many_texts_are_embedded() -> None:
    told: list[tuple[str, str, int, int | None]] = []

    def progress(what: str, done: int, total: int | None) -> None:
        told.append((what, getattr(what, "unit", ""), done, total))

    rows = [{"id": n, "text": f"word{n}"} for n in range(300)]
    with qql.connect(on_progress=progress) as db:
        db.run("CREATE COLLECTION c (v SPARSE MODEL 'qdrant/bm25')")
        db.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
    found = [one for one in told if one[0] == "embedding with qdrant/bm25"]
    assert [one[1:] for one in found] == [("texts", 256, 300), ("texts", 300, 300)]
