"""Requests as commands for curl and as programs for qdrant-client, carried out against a recording server."""

from __future__ import annotations

import ast
import doctest
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from http_recorder import Answer, HttpRecorder, Received, Reply, ok
from pydantic import TypeAdapter
from qdrant_client import models
from qdrant_client.qdrant_remote import QdrantRemote

from qql.errors import QQLConnectionError, QQLError, QQLPlanError
from qql.rest import snippets
from qql.rest.client_calls import CALLS
from qql.rest.float_vectors import with_plain_multivectors
from qql.rest.request import BODY_MODELS, Request, collection_path
from qql.rest.types import Json, JsonObject

GOLDEN = Path(__file__).parent / "golden"
UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
NASTY = 'it\'s "$HOME" `id` $(id) \\ \\n ! %s\n\ttab é 猫 🦀 \x00\x1b[31m\x7f\x85\u2028\u202e {x} [0-9] #?&'


def golden_requests() -> list[object]:
    """All of them; two of three only where slow tests run."""
    named = [
        (f"{path.parent.name}/{path.stem}-{number}", Request(**one))
        for path in sorted(GOLDEN.rglob("*.json"))
        for number, one in enumerate(json.loads(path.read_text(encoding="utf-8"))["requests"])
    ]
    return [
        pytest.param(request, id=name, marks=[pytest.mark.slow] if at % 3 else [])
        for at, (name, request) in enumerate(named)
    ]


def docs(method: str, *rest: str, body: JsonObject | None = None, query: JsonObject | None = None) -> Request:
    return Request(method, collection_path("my docs/é", *rest), query or {}, body)


FILTER = {"must": [{"key": "a", "match": {"value": 1}}, {"is_null": {"payload": None, "key": "b"}}]}
FILTER["must"][1]["is_null"].pop("payload")  # type: ignore[union-attr]
HYBRID = {
    "prefetch": [
        {
            "prefetch": {"query": [0.1, 1e-7, 123456.789], "using": "dense", "limit": 200, "filter": FILTER},
            "query": {"rrf": {"k": 20, "weights": [0.6, 0.4]}},
            "limit": 100,
        },
        {"query": {"indices": [1, 4294967295], "values": [0.5, 1]}, "using": "sparse"},
    ],
    "query": {
        "formula": {
            "sum": ["$score", {"mult": [0.5, {"key": "tag", "match": {"any": ["a", "b"]}}]}, {"neg": "x"}]
        },
        "defaults": {"x": 0.1},
    },
    "params": {"hnsw_ef": 128, "quantization": {"rescore": True}},
    "shard_key": ["a", 1],
}
POINTS = [
    {
        "id": 2**64 - 1,
        "vector": {"d": [0.1, 1], "s": {"indices": [1], "values": [0.5]}},
        "payload": {"a": None},
    },
    {
        "id": UUID,
        "vector": [[0.1, 0.2], [0.3, 0.4]],
        "payload": {NASTY: NASTY, "n": [1, 0.12345678901234567, True, {}], "b": [1, True]},
    },
]
ALL = {"wait": True, "ordering": "strong", "timeout": 60}
READ = {"consistency": "majority", "timeout": "5"}
OPERATIONS = [
    {"upsert": {"points": POINTS}},
    {"delete": {"points": [1]}},
    {"set_payload": {"payload": {"a": 1}, "points": [1], "key": "b"}},
    {"overwrite_payload": {"payload": {"a": None}, "filter": FILTER}},
    {"delete_payload": {"keys": ["a"], "points": [UUID]}},
    {"clear_payload": {"filter": FILTER}},
    {"update_vectors": {"points": [{"id": 1, "vector": {"d": [1, 2]}}]}},
    {"delete_vectors": {"points": [1], "vector": ["d"]}},
]
CREATE = {
    "vectors": {
        "dense": {"size": 384, "distance": "Cosine", "hnsw_config": {"m": 16}, "datatype": "float16"},
        "late": {"size": 8, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
    },
    "sparse_vectors": {"sparse": {"modifier": "idf"}},
    "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99}},
    "optimizers_config": {"max_optimization_threads": "auto"},
    "sharding_method": "custom",
    "metadata": {"qql": {"models": {"dense": "m"}}, "none": None},
}

BODIES = [
    docs("PUT", body=CREATE, query={"timeout": 60}),
    docs("PUT", body={"vectors": {"size": 4, "distance": "Euclid"}}),
    docs("PATCH", body={"params": {"replication_factor": 2}, "vectors": {"": {"on_disk": True}}}),
    docs("PATCH", body={"quantization_config": "Disabled", "hnsw_config": {"m": 0}}),
    Request(
        "POST",
        "/collections/aliases",
        {"timeout": 1},
        {
            "actions": [
                {"create_alias": {"collection_name": "a", "alias_name": "b"}},
                {"rename_alias": {"old_alias_name": "b", "new_alias_name": "c"}},
                {"delete_alias": {"alias_name": "c"}},
            ]
        },
    ),
    docs("PUT", "index", body={"field_name": "a[].b", "field_schema": "keyword"}, query=ALL),
    docs(
        "PUT",
        "index",
        body={"field_name": NASTY, "field_schema": {"type": "integer", "lookup": True, "range": False}},
    ),
    docs("POST", "points", body={"ids": [1, UUID]}, query=READ),
    docs("POST", "points", body={"ids": [], "with_vector": ["a"], "with_payload": {"include": ["b"]}}),
    docs(
        "POST",
        "points/scroll",
        body={"limit": 3, "order_by": {"key": "t", "start_from": "2024-01-01T00:00:00+02:00"}},
        query={"consistency": "2"},
    ),
    docs("POST", "points/scroll", body={"offset": UUID, "filter": FILTER, "with_payload": False}),
    docs("POST", "points/count", body={"exact": False, "filter": {"must_not": FILTER["must"][0]}}),
    docs("POST", "points/count", body={}, query=READ),  # QdrantClient.count has no `consistency`
    docs("POST", "facet", body={"key": "a", "filter": FILTER, "limit": None}, query=READ),
    docs("POST", "points/query", body=HYBRID, query=READ),
    docs("POST", "points/query", body={"query": {"nearest": [0.1, 2], "mmr": {"diversity": 0.5}}}),
    docs("POST", "points/query", body={"query": [0.1, 2], "filter": {}, "with_payload": ["a"]}),
    docs("POST", "points/query", body={"query": {"nearest": {"text": NASTY, "model": "Qdrant/bm25"}}}),
    docs("POST", "points/query", body={"query": {"nearest": [[0.1], [2]]}, "offset": 3}),
    docs("POST", "points/query", body={"query": {"nearest": UUID}, "lookup_from": {"collection": "o"}}),
    docs("POST", "points/query", body={"query": {"order_by": {"key": "a", "direction": "desc"}}}),
    docs(
        "POST",
        "points/query",
        body={
            "query": {"recommend": {"positive": [1, UUID, [0.5]], "strategy": "best_score"}},
            "filter": {"should": [{"key": "a", "match": {"except": ["x", "y"]}}, {"has_id": [1, UUID]}]},
        },
    ),
    docs("POST", "points/query/groups", body={"query": {"nearest": 7}, "group_by": "a"}, query=READ),
    docs("POST", "points/query/groups", body={"group_by": "a", "with_lookup": {"collection": "b"}}),
    docs(
        "POST", "points/query/batch", body={"searches": [HYBRID, {"query": {"nearest": 1}}, {}]}, query=READ
    ),
    docs("PUT", "points", body={"points": POINTS, "shard_key": "a"}, query=ALL),
    docs("PUT", "points", body={"points": [], "update_filter": FILTER, "update_mode": "insert_only"}),
    docs("PUT", "points", body={"batch": {"ids": [1], "vectors": {"d": [[0.1]]}, "payloads": [{"a": None}]}}),
    docs("PUT", "points", body={"points": [{"id": 1, "vector": {"d": {"text": "x", "model": "any/model"}}}]}),
    docs("POST", "points/delete", body={"points": [1, UUID], "shard_key": "a"}, query=ALL),
    docs("POST", "points/delete", body={"filter": FILTER}),
    docs("POST", "points/payload", body={"payload": {"a": None}, "points": [1], "key": "k"}, query=ALL),
    docs("POST", "points/payload", body={"payload": {}, "points": [1], "filter": FILTER}),  # both
    docs("PUT", "points/payload", body={"payload": {"a": {"b": None}}, "filter": FILTER}),
    docs("PUT", "points/payload", body={"payload": {"a": 1}, "points": [1], "key": "k"}),  # no such argument
    docs("POST", "points/payload/delete", body={"keys": ["a"], "points": [1], "shard_key": 3}),
    docs("POST", "points/payload/delete", body={"keys": ["a"]}),  # neither points nor a filter
    docs("POST", "points/payload/clear", body={"filter": FILTER}, query={"ordering": "weak"}),
    docs("PUT", "points/vectors", body={"points": [{"id": 1, "vector": {"d": [1, 2.5]}}]}, query=ALL),
    docs("POST", "points/vectors/delete", body={"points": [1], "vector": ["a", "b"]}),
    docs("POST", "points/vectors/delete", body={"filter": FILTER, "vector": ["a"]}, query={"wait": "false"}),
    docs("POST", "points/batch", body={"operations": OPERATIONS}, query=ALL),
    docs("PUT", "shards", body={"shard_key": "a", "shards_number": 2}, query={"timeout": 5}),
    docs("PUT", "shards", body={"shard_key": 1, "placement": [1, 2]}),
    docs("PUT", "shards", body={"shard_key": 1, "initial_state": "Partial"}),
    docs("POST", "shards/delete", body={"shard_key": "a"}),
    docs("PUT", "vectors", "new", body={"sparse": {"modifier": "idf"}}, query=ALL),
    docs("PUT", "vectors", "a%2Fb", body={"dense": {"size": 4, "distance": "Dot"}}),
    docs("PUT", "snapshots", "recover", body={"location": "file:///x", "priority": "replica"}),
    Request("PUT", "/quotas", {"wait": True}, {"enabled": True}),
    Request("PUT", "/quotas", {}, {"enabled": None}),
]
# Bodies whose models are named here, as `BODY_MODELS` does not name them.
NAMED: list[tuple[Request, Any]] = [
    (docs("POST", "cluster", body={"drop_replica": {"shard_id": 1, "peer_id": 2}}), models.ClusterOperations),
    (docs("POST", "points/search/matrix/pairs", body={"sample": 5, "limit": 2}), models.SearchMatrixRequest),
    (
        docs("POST", "points/search/matrix/offsets", body={"filter": FILTER, "sample": 7}),
        models.SearchMatrixRequest,
    ),
]
BARE = [
    Request("GET", "/"),
    Request("GET", "/aliases"),
    Request("GET", "/cluster"),
    Request("GET", "/quotas"),
    Request("GET", "/snapshots"),
    Request("POST", "/snapshots"),
    Request("DELETE", "/snapshots/a%20b", {"wait": False}),
    Request("GET", "/collections"),
    docs("GET"),
    docs("DELETE", query={"timeout": "3"}),
    docs("GET", "exists"),
    docs("GET", "aliases"),
    docs("GET", "cluster"),
    docs("DELETE", "index", "tags%5B%5D.a"),
    docs("DELETE", "vectors", "old", query={"wait": "true"}),
    docs("GET", "points", "7"),
    docs("GET", "points", UUID, query={"consistency": "all"}),
    docs("GET", "optimizations", query={"with": "queued,completed"}),
    docs("GET", "shards"),
    docs("GET", "snapshots"),
    docs("POST", "snapshots"),
    docs("DELETE", "snapshots", "a%2Fb"),
    docs("POST", "points/query"),  # without the body that it should have
]

DONE = {"operation_id": 1, "status": "completed"}
SNAPSHOT = {"name": "a", "size": 1}
CLUSTER = {
    "status": "enabled",
    "peer_id": 1,
    "peers": {},
    "raft_info": {"term": 1, "commit": 1, "pending_operations": 0, "is_voter": True},
    "consensus_thread_status": {"consensus_thread_status": "stopped"},
    "message_send_failures": {},
}
INFO = {
    "status": "green",
    "optimizer_status": "ok",
    "segments_count": 1,
    "payload_schema": {},
    "config": {
        "params": {},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 1},
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
        "wal_config": {"wal_capacity_mb": 1, "wal_segments_ahead": 0},
    },
}
SUMMARY = ("queued_optimizations", "queued_segments", "queued_points", "idle_segments")
RESULTS: dict[tuple[str, str], object] = {
    ("GET", "/aliases"): {"aliases": []},
    ("GET", "/cluster"): CLUSTER,
    ("GET", "/quotas"): None,
    ("GET", "/snapshots"): [],
    ("POST", "/snapshots"): SNAPSHOT,
    ("GET", "/collections"): {"collections": []},
    ("GET", ""): INFO,
    ("GET", "exists"): {"exists": True},
    ("GET", "aliases"): {"aliases": []},
    ("GET", "cluster"): {
        "peer_id": 1,
        "shard_count": 1,
        "local_shards": [],
        "remote_shards": [],
        "shard_transfers": [],
    },
    ("*", "index*"): DONE,
    ("PUT", "vectors/*"): DONE,
    ("DELETE", "vectors/*"): DONE,
    ("GET", "points/*"): {"id": 1},
    ("POST", "points"): [],
    ("POST", "points/scroll"): {"points": []},
    ("POST", "points/count"): {"count": 1},
    ("POST", "facet"): {"hits": []},
    ("POST", "points/query"): {"points": []},
    ("POST", "points/query/groups"): {"groups": []},
    ("POST", "points/query/batch"): [],
    ("POST", "points/search/matrix/pairs"): {"pairs": []},
    ("POST", "points/search/matrix/offsets"): {
        "offsets_row": [],
        "offsets_col": [],
        "scores": [],
        "ids": [],
    },
    ("POST", "points/batch"): [DONE],
    ("*", "points*"): DONE,
    ("GET", "shards"): {"shard_keys": []},
    ("GET", "optimizations"): {"summary": dict.fromkeys(SUMMARY, 0), "running": []},
    ("GET", "snapshots"): [],
    ("POST", "snapshots"): SNAPSHOT,
}


def result_of(request: Request) -> object:
    """What a server might answer, so that qdrant-client can read it."""
    method, route = request.route
    for (verb, pattern), result in RESULTS.items():
        if fnmatch(method, verb) and fnmatch(route, pattern):
            return result
    return True


def answer_for(request: Request) -> Answer:
    if request.path == "/":
        return Reply({"title": "qdrant", "version": "1.0.0"})
    return ok(result_of(request))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, schema_is_shared: None) -> None:
    """No proxy, and no request beside the one of the program."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.setattr(QdrantRemote, "_check_compatibility", staticmethod(lambda *_: None))


@pytest.fixture(scope="module")
def server() -> Iterator[HttpRecorder]:
    with HttpRecorder() as recorder:
        yield recorder


# --- curl -------------------------------------------------------------------------------------------------

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def run_shell(command: str, server: HttpRecorder, **variables: str) -> Received:
    """What the server received from the one request of a command."""
    server.received.clear()
    server.otherwise = ok(True)
    done = subprocess.run(
        ["sh", "-es"],
        input=command.encode(),
        capture_output=True,
        env={**os.environ, **variables},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (received,) = server.received
    return received


def in_url(request: Request) -> dict[str, str]:
    """The query string's parameters as they travel."""
    given = {key: value for key, value in request.query.items() if value is not None}
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()
    }


def exact(value: object) -> str:
    """JSON as text in which 1, 1.0 and true differ, and the order of keys does not matter."""
    return json.dumps(value, sort_keys=True)


@needs_curl
@pytest.mark.parametrize("request_", [*golden_requests(), *BODIES, *[r for r, _ in NAMED], *BARE])
def test_a_shell_sends_the_request(request_: Request, server: HttpRecorder) -> None:
    got = run_shell(request_.curl(server.url), server)
    assert (got.method, got.path, got.query) == (request_.method, request_.path, in_url(request_))
    assert exact(got.body) == exact(with_plain_multivectors(request_))
    assert got.headers.get("content-type") == (None if request_.body is None else "application/json")


@needs_curl
@pytest.mark.parametrize("text", [NASTY, "'", "''\\''", "\ud800", "@/etc/passwd", "%", "-d", ""])
def test_any_text_passes_the_shell(text: str, server: HttpRecorder) -> None:
    body = {text: [text, {"k": text}]}
    name = "x" if text in ("", "\ud800") else text  # UTF-8 has no place for half a character
    request = Request("POST", collection_path(name, "points/count"), {"timeout": name}, body)
    got = run_shell(request.curl(server.url), server)
    assert got.path == request.path
    assert got.query == {"timeout": name}
    assert got.body == body


@needs_curl
def test_a_body_beyond_the_limit_of_arguments_is_piped(server: HttpRecorder) -> None:
    body = {"query": [number / 7 for number in range(20_000)], "using": "it's 100 %"}
    request = docs("POST", "points/query", body=body)
    command = request.curl(server.url)
    assert len(command) > 2**17
    assert run_shell(command, server).body == body


@needs_curl
def test_the_key_comes_from_the_environment(server: HttpRecorder) -> None:
    command = docs("GET").curl(f"{server.url}/qdrant/v1/", api_key_variable="MY_KEY")
    got = run_shell(command, server, MY_KEY="a b$c'\"")
    assert got.headers["api-key"] == "a b$c'\""
    assert got.path == "/qdrant/v1/collections/my%20docs%2F%C3%A9"


def test_a_command_is_laid_out_as_people_write_it() -> None:
    body = {
        "prefetch": [{"query": [0.125] * 40, "using": "dense", "limit": 20}],
        "query": {"fusion": "rrf"},
        "filter": {"must": [{"key": "city", "match": {"value": "Łódź"}}]},
    }
    request = Request("POST", "/collections/docs/points/query", {"timeout": 5}, body)
    assert request.curl("https://example.org") == (
        "curl -X POST 'https://example.org:6333/collections/docs/points/query?timeout=5' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -d '{\n"
        '  "prefetch": [\n'
        "    {\n"
        f'      "query": {[0.125] * 40},\n'
        '      "using": "dense",\n'
        '      "limit": 20\n'
        "    }\n"
        "  ],\n"
        '  "query": {"fusion": "rrf"},\n'
        '  "filter": {"must": [{"key": "city", "match": {"value": "Łódź"}}]}\n'
        "}'"
    )


def test_what_moves_a_terminal_is_escaped() -> None:
    command = docs("POST", "points/count", body={NASTY: NASTY}).curl()
    program = docs("PUT", "points", body={"points": [POINTS[1]]}).python()
    assert all(c.isprintable() or c == "\n" for c in command + program)
    assert "猫 🦀" in command
    assert "猫 🦀" in program


# --- qdrant-client ----------------------------------------------------------------------------------------

ADDED: dict[tuple[str, str], JsonObject] = {
    ("POST", "points/query"): {"limit": 10, "with_payload": False, "with_vector": False},
    ("POST", "points/query/groups"): {
        "limit": 10,
        "group_size": 3,
        "with_payload": False,
        "with_vector": False,
    },
    ("POST", "points/scroll"): {"limit": 10, "with_payload": True, "with_vector": False},
    ("POST", "points"): {"with_payload": True, "with_vector": False},
    ("POST", "points/count"): {"exact": True},
    ("POST", "facet"): {"limit": 10, "exact": False},
    ("POST", "points/search/matrix/pairs"): {"limit": 3, "sample": 10},
    ("POST", "points/search/matrix/offsets"): {"limit": 3, "sample": 10},
}
"""What qdrant-client's methods send where a request says nothing: the server's own defaults."""

VARIANTS = {
    "nearest", "recommend", "discover", "context", "order_by", "fusion", "rrf", "formula", "sample", "text",
    "relevance_feedback",
}  # fmt: skip


def by_client(request: Request, program: str) -> tuple[dict[str, str], Json]:
    """The query string and body that qdrant-client makes of a request, all of its liberties taken."""
    query, body = in_url(request), normal(request.body)
    if "client.http." in program:
        return query, body
    writes = request.method != "GET" and request.route[1].startswith(("points", "index", "vectors"))
    if "snapshots" in request.path and request.method != "GET":
        query.setdefault("wait", "true")
    elif writes and request.route not in ADDED and "query" not in request.route[1]:
        query.setdefault("wait", "false")
    if body is not None:
        body = ADDED.get(request.route, {}) | body
        for search in body.get("searches", [body]):
            target = search.get("query")
            if target is not None and not (isinstance(target, dict) and VARIANTS & target.keys()):
                search["query"] = {"nearest": target}
    return query, body


def normal(value: Json, key: str = "") -> Json:
    """Without nulls outside of a user's data, whole numbers as such, dates as Python writes them."""
    if isinstance(value, dict):
        kept = key in ("payload", "payloads", "metadata")
        return {k: normal(v, key if kept else k) for k, v in value.items() if kept or v is not None}
    if isinstance(value, list):
        return [normal(item, key) for item in value]
    if key in ("gt", "gte", "lt", "lte", "start_from") and isinstance(value, str):
        return datetime.fromisoformat(value).isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def run_python(program: str, request: Request, server: HttpRecorder) -> Received:
    """What the server received from the one request of a program."""
    server.received.clear()
    server.otherwise = answer_for(request)
    names: dict[str, Any] = {}
    exec(compile(program, "program", "exec"), names)
    names["client"].close()
    (received,) = server.received
    return received


def assert_sent(request: Request, program: str, server: HttpRecorder) -> None:
    got = run_python(program, request, server)
    query, body = by_client(request, program)
    assert (got.method, got.path, got.query) == (request.method, request.path, query)
    assert exact(normal(got.body)) == exact(body)


@pytest.mark.parametrize("request_", golden_requests())
def test_a_program_sends_what_was_compiled(request_: Request, server: HttpRecorder) -> None:
    if request_.route == ("GET", "memory"):  # which the client does not know
        with pytest.raises(QQLPlanError, match="no-client-model"):
            request_.python(server.url)
        return
    try:
        request_.to_models()
    except QQLPlanError as exc:
        with pytest.raises(QQLPlanError, match=exc.code):
            request_.python(server.url)
    else:
        assert_sent(request_, request_.python(server.url), server)


@pytest.mark.parametrize("request_", [*BODIES, *BARE], ids=lambda r: "-".join(r.route))
def test_a_program_sends_every_kind_of_request(request_: Request, server: HttpRecorder) -> None:
    assert_sent(request_, request_.python(server.url), server)


@pytest.mark.parametrize(("request_", "model"), NAMED, ids=lambda r: getattr(r, "path", ""))
def test_a_program_sends_what_has_a_model(request_: Request, model: Any, server: HttpRecorder) -> None:
    body = TypeAdapter(model).validate_python(request_.body)
    method, path, query = request_.method, request_.path, request_.query
    program = snippets.python(method, path, query, request_.body, body, url=server.url, api_key_variable=None)
    assert_sent(request_, program, server)


def test_every_route_is_among_them() -> None:
    tried = [r.route for r in BODIES] + [r.route for r, _ in NAMED] + [r.route for r in BARE]
    for method, route in BODY_MODELS:
        assert any(method == verb and fnmatch(one, route) for verb, one in tried), (method, route)
    made = {snippets._find_call(r.method, r.path)[0].low for r in [*BODIES, *BARE, *(r for r, _ in NAMED)]}
    assert made == {call.low for call in CALLS.values()}


def test_only_what_the_client_cannot_say_goes_below_it() -> None:
    below = {
        (*request.route, snippets._find_call(request.method, request.path)[0].low)
        for request in [*BODIES, *BARE]
        if "client.http." in request.python()
    }
    assert below == {
        ("GET", "/quotas", "quotas_api.get_quotas"),
        ("PUT", "/quotas", "quotas_api.update_quotas"),
        ("GET", "points/7", "points_api.get_point"),
        ("GET", f"points/{UUID}", "points_api.get_point"),
        ("POST", "points/count", "points_api.count_points"),
        ("POST", "points/query", "search_api.query_points"),
        ("POST", "points/payload", "points_api.set_payload"),
        ("PUT", "points/payload", "points_api.overwrite_payload"),
        ("POST", "points/payload/delete", "points_api.delete_payload"),
        ("PUT", "shards", "distributed_api.create_shard_key"),
    }
    ordinary = docs("POST", "points/count", body={"exact": False, "filter": FILTER}).python()
    assert "client.count(" in ordinary


def test_a_program_is_laid_out_as_people_write_it() -> None:
    text = "QUERY (SELECT TEXT 'x' MODEL 'm' AS a)"  # only the shape of the request below matters
    assert text
    body = {
        "prefetch": [
            {"query": {"nearest": {"text": 'it\'s "x"', "model": "a/b"}}, "using": "dense", "limit": 20},
            {"query": {"indices": list(range(30)), "values": [0.5] * 30}, "using": "sparse", "limit": 20},
        ],
        "query": {"fusion": "rrf"},
        "filter": {"must_not": [{"key": "city", "match": {"except": ["Łódź"]}}]},
        "limit": 3,
    }
    request = Request("POST", "/collections/docs/points/query", {}, body)
    assert request.python("http://localhost", api_key_variable="KEY") == (
        f"""\
import os

from qdrant_client import QdrantClient, models

client = QdrantClient(
    url="http://localhost:6333",
    api_key=os.environ["KEY"],
    cloud_inference=True,
)

client.query_points(
    collection_name="docs",
    prefetch=[
        models.Prefetch(
            query=models.NearestQuery(
                nearest=models.Document(text='it\\'s "x"', model="a/b"),
            ),
            using="dense",
            limit=20,
        ),
        models.Prefetch(
            query=models.SparseVector(
                indices={list(range(30))},
                values={[0.5] * 30},
            ),
            using="sparse",
            limit=20,
        ),
    ],
    query=models.FusionQuery(fusion=models.Fusion.RRF),
    query_filter=models.Filter(
        must_not=[
            models.FieldCondition(
                key="city",
                match=models.MatchExcept(**{{"except": ["Łódź"]}}),
            ),
        ],
    ),
    limit=3,
    with_payload=False,
)
"""
    )


def test_a_whole_query_is_said_without_its_wrapping() -> None:
    request = docs("POST", "points/query", body={"query": {"nearest": [1, 0.1]}, "with_payload": True})
    (call,) = [line for line in request.python().splitlines() if line.startswith("client.")]
    assert call == 'client.query_points(collection_name="my docs/é", query=[1, 0.1], with_payload=True)'


def test_only_what_is_used_is_imported() -> None:
    assert "import QdrantClient\n" in docs("GET").python()
    assert "import QdrantClient, models\n" in docs("POST", "points/delete", body={"points": [1]}).python()


def test_texts_stay_texts_for_the_server() -> None:
    wanted = {"nearest": {"text": "x", "model": "sentence/model"}}
    for request in (
        docs("POST", "points/query", body={"query": wanted}),
        docs("POST", "points/query/batch", body={"searches": [{"prefetch": {"query": wanted}}]}),
        docs("PUT", "points", body={"points": [{"id": 1, "vector": wanted["nearest"]}]}),
    ):
        assert "cloud_inference=True" in request.python()
    assert "cloud_inference" not in docs("POST", "points/query", body=HYBRID).python()


def test_deep_bodies_stay_within_what_python_parses(server: HttpRecorder) -> None:
    condition: JsonObject = {"key": "a", "match": {"value": 1}}
    for _ in range(110):
        condition = {"must": [condition]}
    payload: JsonObject = {"a": 1}
    for _ in range(95):
        payload = {"a": [payload]}
    prefetch: JsonObject = {"query": [0.5]}
    for _ in range(63):
        prefetch = {"prefetch": [prefetch], "query": {"fusion": "rrf"}}
    for request in (
        docs("POST", "points/count", body={"filter": condition}),
        docs("POST", "points/payload", body={"payload": payload, "points": [1]}),
        docs("POST", "points/query", body=prefetch),
    ):
        program = request.python(server.url)
        ast.parse(program)
        assert "part_1 = " in program
        assert_sent(request, program, server)


def test_long_vectors_stay_on_one_line_and_keep_their_digits(server: HttpRecorder) -> None:
    vector = [number / 7 for number in range(50_000)]
    request = docs("PUT", "points", body={"points": [{"id": 1, "vector": {"d": vector}}]})
    program = request.python(server.url)
    assert len(program.splitlines()) < 20
    assert run_python(program, request, server).body == request.body


# --- refusals ---------------------------------------------------------------------------------------------


def deep() -> JsonObject:
    body: JsonObject = {}
    for _ in range(100_000):
        body = {"a": body}
    return body


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (docs("POST", "points/query", body={"query": {"nearest": {"text": "x"}}}), "no-model"),
        (docs("GET", "nothing"), "no-client-model"),
        (docs("GET", "snapshots", "a"), "no-client-model"),  # a file, which qdrant-client does not read
        (docs("PUT", "nothing", body={}), "no-client-model"),
        (docs("POST", "points/count", body={"newer": 1}), "no-client-model"),
        (docs("POST", "points/count", body={}, query={"newer": 1}), "no-client-model"),
        (docs("POST", "points/count", body={}, query={"timeout": "soon"}), "invalid-value"),
        (docs("POST", "points/count", body={}, query={"consistency": "most"}), "invalid-value"),
        (docs("PUT", "points", body={"points": []}, query={"wait": "maybe"}), "invalid-value"),
        (docs("DELETE", "index", ".."), "invalid-name"),
    ],
)
def test_what_a_program_cannot_say_is_refused(request_: Request, code: str) -> None:
    with pytest.raises(QQLPlanError) as info:
        request_.python()
    assert info.value.code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": [0.1, float("nan")]}, "invalid-value"),
        ({"query": {"nearest": 1}, "score_threshold": float("inf")}, "invalid-value"),
    ],
)
def test_what_json_cannot_say_is_refused(body: JsonObject, code: str) -> None:
    for write in (
        docs("POST", "points/query", body=body).curl,
        docs("POST", "points/query", body=body).python,
    ):
        with pytest.raises(QQLPlanError) as info:
            write()
        assert info.value.code == code


@pytest.mark.parametrize(
    ("body", "code"), [({"a": {1: 2}}, "invalid-value"), ({"a": {2}}, "invalid-value"), (deep(), "too-deep")]
)
def test_payloads_that_are_no_json_are_refused(body: JsonObject, code: str) -> None:
    request = docs("POST", "points/payload", body={"payload": body, "points": [1]})
    for write in (request.curl, request.python):
        with pytest.raises(QQLPlanError) as info:
            write()
        assert info.value.code == code


@pytest.mark.parametrize(
    "url",
    ["localhost:6333", "grpc://h", "http://", "http://u:p@h", "http://h?x", "http://h:x", "http://a b'"],
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    for write in (docs("GET").curl, docs("GET").python):
        with pytest.raises(QQLConnectionError) as info:
            write(url)
        assert info.value.code == "invalid-url"
        assert "u:p" not in str(info.value)


def test_names_are_held_to_what_they_name() -> None:
    for write in (docs("GET").curl, docs("GET").python):
        with pytest.raises(QQLError, match="letters") as info:
            write(api_key_variable='X"; rm')
        assert info.value.code == "invalid-name"
    with pytest.raises(QQLPlanError, match="cannot be names"):
        Request("DELETE", "/collections/..").curl()
    with pytest.raises(QQLPlanError, match="surrogates not allowed"):
        docs("GET", query={"timeout": "\ud800"}).curl()


# --- the house --------------------------------------------------------------------------------------------


def test_the_examples_are_true() -> None:
    found = doctest.DocTestFinder().find(Request, "Request", globs={"Request": Request})
    examples = [test for test in found if test.examples]
    assert {test.name for test in examples} >= {"Request.curl", "Request.python"}
    for test in examples:
        assert doctest.DocTestRunner().run(test).failed == 0


def test_a_command_needs_no_library_of_qdrants() -> None:
    statement = (
        "import sys; from qql.rest.request import Request; Request('GET', '/collections').curl();"
        "print({'qdrant_client', 'pydantic', 'httpx'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
