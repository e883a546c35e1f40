"""Vectors that are added to a collection and dropped from it; settings that are altered."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import CONFIG, Engine, Oracle, points, python, same_ranking, sparse, vector

SMALL: dict[str, Any] = {"vectors": {"dense": {"size": 2, "distance": "Dot"}}}
DENSE: dict[str, Any] = {"dense": {"size": 3, "distance": "Cosine"}}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    made("PUT", "", SMALL)
    made.upsert(*({"id": n, "vector": {"dense": [n, 1]}} for n in range(1, 6)))
    yield made
    made.close()


def vectors_of(engine: Engine, identity: int) -> Any:
    (found,) = engine("POST", "points", {"ids": [identity], "with_vector": True})
    return found["vector"]


@pytest.mark.parametrize(
    ("body", "value", "wrong"),
    [
        (DENSE, [3, 0, 4], [1, 2]),
        (
            {"dense": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
            [[1, 2], [3, 4]],
            [[1]],
        ),
        ({"dense": {"size": 3, "distance": "Dot", "datatype": "uint8"}}, [1, 2, 255], [1, 2, 256]),
        ({"sparse": {}}, {"indices": [1, 7], "values": [1, 2]}, [1.0]),
        ({"sparse": {"modifier": "idf", "datatype": "float16"}}, {"indices": [1], "values": [1]}, [1.0]),
    ],
    ids=str,
)
def test_a_vector_is_added(
    engine: Engine, tmp_path: Path, body: dict[str, Any], value: Any, wrong: Any
) -> None:
    answer = engine("PUT", "vectors/new", body, wait="true")
    assert answer["status"] == "completed"
    assert engine.query(query=value, using="new") == []
    assert vectors_of(engine, 1).keys() == {"dense"}
    assert engine.matching({"must": [{"has_vector": "new"}]}) == []
    engine("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"new": value}}]})
    engine.upsert({"id": 9, "vector": {"dense": [1, 1], "new": value}})
    assert set(engine.ids(query=value, using="new")) == {1, 9}
    assert engine.refused("PUT", "points", {"points": [{"id": 10, "vector": {"new": wrong}}]})
    shown = engine("GET")["config"]
    engine.close()
    engine = Engine(tmp_path)
    assert engine("GET")["config"] == shown
    assert set(engine.ids(query=value, using="new")) == {1, 9}
    assert vectors_of(engine, 1).keys() == {"dense", "new"}
    assert engine.ids(query=[0, 1], using="dense", limit=1)
    assert engine.matching({"must": [{"has_vector": "new"}]}) == [1, 9]
    engine.close()


def test_an_added_vector_is_shown_in_rests_words(engine: Engine) -> None:
    engine("PUT", "vectors/own", DENSE)
    engine("PUT", "vectors/words", {"sparse": {"modifier": "idf", "datatype": "uint8"}})
    params = engine("GET")["config"]["params"]
    assert params["vectors"] == SMALL["vectors"] | {"own": DENSE["dense"]}
    assert params["sparse_vectors"] == {"words": {"modifier": "idf", "index": {"datatype": "uint8"}}}


def test_the_same_vector_again_changes_nothing_and_another_is_refused(engine: Engine) -> None:
    engine("PUT", "vectors/own", DENSE)
    engine("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"own": [1, 0, 0]}}]})
    engine("PUT", "vectors/own", DENSE)
    assert engine.ids(query=[1, 0, 0], using="own") == [1]
    for name, body in (
        ("own", {"dense": {"size": 4, "distance": "Cosine"}}),
        ("own", {"dense": {"size": 3, "distance": "Dot"}}),
        ("own", {"dense": {"size": 3, "distance": "Cosine", "datatype": "float16"}}),
        ("own", {"sparse": {}}),
        ("dense", {"sparse": {}}),
    ):
        assert engine.refused("PUT", f"vectors/{name}", body).code == "vector-exists"
    assert engine.ids(query=[1, 0, 0], using="own") == [1]


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("v", {}, "invalid-request"),
        ("v", {**DENSE, "sparse": {}}, "invalid-request"),
        ("v", {"dense": {"size": 3}}, "missing-option"),
        ("v", {"dense": {"size": 0, "distance": "Dot"}}, "invalid-request"),
        ("v", {"dense": {"size": 3, "distance": "Dot", "on_disk": True}}, "unknown-option"),
        ("v", {"sparse": {"index": {}}}, "unknown-option"),
        ("v", {"multi": {}}, "unknown-option"),
        ("a%2Fb", DENSE, "invalid-vector-name"),
    ],
    ids=str,
)
def test_a_vector_that_cannot_be_added(engine: Engine, name: str, body: dict[str, Any], code: str) -> None:
    before = engine("GET")
    error = engine.refused("PUT", f"vectors/{name}", body)
    assert error.code == code
    assert engine("GET") == before
    if code == "unknown-option" and "multi" not in body:
        assert "ALTER COLLECTION" in (error.hint or "")


def test_an_unnamed_vector_gets_company(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine("PUT", "", {"vectors": {"size": 2, "distance": "Dot"}})
    engine.upsert({"id": 1, "vector": [1, 2]})
    engine("PUT", "vectors/own", DENSE)
    engine.upsert({"id": 2, "vector": {"": [1, 2], "own": [1, 2, 3]}}, {"id": 3, "vector": [5, 5]})
    engine.close()
    engine = Engine(tmp_path)
    assert engine.ids(query=[1, 1], limit=1) == [3]
    assert engine.ids(query=[1, 1, 1], using="own") == [2]
    assert engine("GET")["config"]["params"]["vectors"] == {
        "": {"size": 2, "distance": "Dot"},
        "own": DENSE["dense"],
    }
    engine.close()


def test_a_vector_is_dropped(engine: Engine, tmp_path: Path) -> None:
    engine("PUT", "vectors/own", DENSE)
    engine("PUT", "points/vectors", {"points": [{"id": 1, "vector": {"own": [1, 0, 0]}}]})
    assert engine("DELETE", "vectors/own", wait="true")["status"] == "completed"
    for _ in range(2):
        assert vectors_of(engine, 1).keys() == {"dense"}
        assert (
            engine.refused("POST", "points/query", {"query": [1, 0, 0], "using": "own"}).code
            == "unknown-vector"
        )
        assert engine.refused("DELETE", "vectors/own").code == "unknown-vector"
        assert engine("GET")["config"]["params"]["vectors"] == SMALL["vectors"]
        assert engine.matching({}) == [1, 2, 3, 4, 5]
        engine.close()
        engine = Engine(tmp_path)
    engine("PUT", "vectors/own", {"dense": {"size": 5, "distance": "Dot"}})
    assert engine.query(query=[1] * 5, using="own") == []
    engine("PUT", "points/vectors", {"points": [{"id": 2, "vector": {"own": [1] * 5}}]})
    assert engine.ids(query=[1] * 5, using="own") == [2]
    engine.close()


def test_the_last_vector_stays(engine: Engine) -> None:
    assert engine.refused("DELETE", "vectors/dense").code == "no-vectors"
    assert engine.ids(query=[1, 1], using="dense", limit=1)
    engine("PUT", "vectors/words", {"sparse": {}})
    engine("DELETE", "vectors/dense")
    assert engine("GET")["config"]["params"]["sparse_vectors"] == {"words": {}}
    assert engine.refused("DELETE", "vectors/words").code == "no-vectors"


@pytest.mark.parametrize(
    "optimized", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["loose", "optimized"]
)
def test_added_vectors_rank_as_in_local_mode(tmp_path: Path, optimized: bool) -> None:
    """Added to a collection with data, before and after its indexes were built; a third one is dropped."""
    rng = random.Random(3)
    rows = points(250)
    config = CONFIG | {"optimizers_config": {"indexing_threshold": 1}}
    engine, oracle = Engine(tmp_path), Oracle()
    engine("PUT", "", config)
    engine.upsert(*rows)
    if optimized:
        assert engine.backend.optimize("docs")
    oracle.create("docs", CONFIG, rows)
    bodies = {
        "late": {"dense": {"size": 4, "distance": "Euclid"}},
        "terms": {"sparse": {"modifier": "idf"}},
    }
    for name, body in bodies.items():
        engine("PUT", f"vectors/{name}", body)
        kind = (
            oracle.models.DenseVectorNameConfig if "dense" in body else oracle.models.SparseVectorNameConfig
        )
        oracle.client.create_vector_name("docs", name, kind.model_validate(body))
    engine("DELETE", "vectors/far")
    oracle.client.delete_vector_name("docs", "far")
    given = [{"id": row["id"], "vector": {"late": vector(rng, 4), "terms": sparse(rng)}} for row in rows[::2]]
    engine("PUT", "points/vectors", {"points": given})
    oracle.client.update_vectors("docs", [oracle.models.PointVectors.model_validate(one) for one in given])
    if optimized:
        assert engine.backend.optimize("docs")
    for asked in (
        {"query": vector(rng, 4), "using": "late"},
        {"query": sparse(rng), "using": "terms"},
        {"query": vector(rng), "using": "dense"},
    ):
        found = engine.query(**asked, limit=20, params={"exact": True})
        same_ranking([(one["id"], one["score"]) for one in found], oracle.query("docs", **asked, limit=20))
    assert engine.matching({"must": [{"has_vector": "late"}]}) == [row["id"] for row in rows[::2]]
    engine.close()
    oracle.close()


DIES = """
import os, signal, sys
from qql.backends.edge import EdgeBackend, collection
from qql.rest.request import Request
home, when, method, path, body = sys.argv[1:]
backend = EdgeBackend(home)
backend.call(Request("POST", "/collections/docs/points/count", {}, {}))
write = collection.write_json
def dying(*arguments):
    if when == "after":
        write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
collection.write_json = dying
import json
backend.call(Request(method, path, {}, json.loads(body)))
print("lived")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_kill_while_vectors_change_loses_no_point(tmp_path: Path, method: str, when: str) -> None:
    engine = Engine(tmp_path)
    engine("PUT", "", SMALL | {"sparse_vectors": {"words": {}}})
    engine("PUT", "vectors/own", DENSE)
    for n in range(1, 6):
        engine.upsert({"id": n, "vector": {"dense": [n, 1], "own": [n, 1, 1]}})
    if method == "PUT":
        engine("DELETE", "vectors/own")
    engine.close()
    there = (method == "PUT") == (when == "after")
    child = python(DIES, str(tmp_path), when, method, "/collections/docs/vectors/own", json.dumps(DENSE))
    out, errors = child.communicate(timeout=60)
    assert (child.returncode, out) == (-signal.SIGKILL, ""), errors
    engine = Engine(tmp_path)
    assert engine.matching({}) == [1, 2, 3, 4, 5]
    assert engine.ids(query=[1, 0], using="dense", limit=1) == [5]
    assert ("own" in engine("GET")["config"]["params"]["vectors"]) == there
    assert ("own" in vectors_of(engine, 1)) == (there and method == "DELETE")
    engine("PUT", "vectors/own", DENSE)  # another size would be refused if the engine still had it
    if not there:
        engine("DELETE", "vectors/own")
        engine("PUT", "vectors/own", {"dense": {"size": 7, "distance": "Dot"}})
        engine.upsert({"id": 7, "vector": {"dense": [1, 1], "own": [1] * 7}})
        assert engine.ids(query=[1] * 7, using="own") == [7]
    engine.close()


# --- ALTER ----------------------------------------------------------------------------------------


def segments(home: Path) -> list[dict[str, Any]]:
    """What the engine says of each segment of ``docs``."""
    found = home.glob("collections/docs/segments/*/segment.json")
    return [json.loads(path.read_text())["config"] for path in found]


@pytest.mark.parametrize("where", ["collection", "vector"])
def test_quantization_is_switched_off(tmp_path: Path, where: str) -> None:
    engine = Engine(tmp_path)
    method = {"scalar": {"type": "int8"}}
    config: dict[str, Any] = {
        "vectors": {"dense": {"size": 8, "distance": "Dot"}, "other": {"size": 2, "distance": "Dot"}},
        "optimizers_config": {"indexing_threshold": 1},
    }
    (config if where == "collection" else config["vectors"]["dense"])["quantization_config"] = method
    engine("PUT", "", config)
    rng = random.Random(1)
    rows = [{"id": n, "vector": {"dense": vector(rng, 8), "other": [n, 1]}} for n in range(200)]
    engine.upsert(*rows)
    engine.backend.optimize("docs")
    assert any(one["vector_data"]["dense"]["quantization_config"] for one in segments(tmp_path))
    off: dict[str, Any] = {"quantization_config": "Disabled"}
    engine("PATCH", "", off if where == "collection" else {"vectors": {"dense": off}})
    assert engine("GET")["status"] == "grey"
    engine.close()
    engine = Engine(tmp_path)
    shown = engine("GET")["config"]
    assert not shown["quantization_config"]
    assert "quantization_config" not in shown["params"]["vectors"]["dense"]
    assert engine.backend.optimize("docs")
    engine.close()
    assert not any(one["vector_data"]["dense"]["quantization_config"] for one in segments(tmp_path))
    engine = Engine(tmp_path)
    asked = vector(rng, 8)
    best = max(rows, key=lambda row: sum(a * b for a, b in zip(asked, row["vector"]["dense"], strict=True)))
    assert engine.ids(query=asked, using="dense", limit=1) == [best["id"]]
    engine("PATCH", "", {"quantization_config": {"binary": {}}})
    assert engine("GET")["config"]["quantization_config"] == {"binary": {}}
    engine.close()


def test_a_sparse_index_is_altered(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    config = {
        "vectors": {"dense": {"size": 8, "distance": "Dot"}},
        "sparse_vectors": {"words": {"modifier": "idf"}, "other": {}},
        "optimizers_config": {"indexing_threshold": 1},
    }
    engine("PUT", "", config)
    rng = random.Random(1)
    engine.upsert(*({"id": n, "vector": {"dense": vector(rng, 8), "words": sparse(rng)}} for n in range(200)))
    engine.backend.optimize("docs")
    before = engine.query(query=sparse(random.Random(5)), using="words")
    change = {
        "words": {"index": {"on_disk": True, "full_scan_threshold": 77}, "modifier": "idf"},
        "other": {},
    }
    assert engine("PATCH", "", {"sparse_vectors": change}) is True
    assert engine("GET")["status"] == "grey"
    assert engine.backend.optimize("docs")
    kinds = {one["sparse_vector_data"]["words"]["index"]["index_type"] for one in segments(tmp_path)}
    assert "Mmap" in kinds
    same_ranking(
        [(one["id"], one["score"]) for one in engine.query(query=sparse(random.Random(5)), using="words")],
        [(one["id"], one["score"]) for one in before],
    )
    engine.close()
    engine = Engine(tmp_path)
    shown = engine("GET")["config"]["params"]["sparse_vectors"]
    assert shown["words"] == {"modifier": "idf", "index": {"on_disk": True, "full_scan_threshold": 77}}
    engine.close()


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"words": {"modifier": "none"}}, "unsupported", "modifier"),
        ({"plain": {"modifier": "idf"}}, "unsupported", "modifier"),
        ({"plain": {"index": {"datatype": "float16"}}}, "unsupported", "datatype"),
        ({"dense": {}}, "unknown-vector", "dense"),
        ({"none": {"index": {}}}, "unknown-vector", "none"),
        ({"words": {"index": {"m": 3}}}, "unknown-option", "m"),
        ({"words": {"size": 3}}, "unknown-option", "size"),
    ],
    ids=str,
)
def test_what_of_a_sparse_vector_stays(engine: Engine, change: Any, code: str, named: str) -> None:
    engine("PUT", "vectors/words", {"sparse": {"modifier": "idf"}})
    engine("PUT", "vectors/plain", {"sparse": {}})
    before = engine("GET")
    error = engine.refused("PATCH", "", {"metadata": {"a": 1}, "sparse_vectors": change})
    assert error.code == code and named in error.message
    assert engine("GET") == before
    if code == "unsupported":
        assert "drop the vector" in (error.hint or "")
