"""An engine that keeps what it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from qql.backends.recording import RecordingBackend
from qql.errors import QQLExecutionError
from qql.rest.request import Request, collection_path


class Inner:
    """The least engine there can be."""

    name = "edge"
    closed = 0

    def infers(self, model: str) -> bool:
        return model == "known"

    def call(self, request: Request) -> Any:
        if request.method == "DELETE":
            raise QQLExecutionError.make("engine-error", "no")
        return {"from": request.path}

    def optimize(self, collection: str, progress: Any = None, timeout: Any = None) -> bool:
        return collection == "docs"

    def needs_optimize(self, collection: str) -> bool:
        return collection == "docs"

    def take_notes(self) -> list[str]:
        return ["a note"]

    def close(self) -> None:
        self.closed += 1


QUERY = Request("POST", collection_path("docs", "points", "query"), body={"query": [0.1]})
LIST = Request("GET", "/collections")


def test_requests_are_kept_in_order_with_their_answers() -> None:
    backend = RecordingBackend()
    assert backend.name == "recording"
    assert backend.call(LIST) == {"collections": []}
    assert backend.call(QUERY) == {"points": []}
    assert backend.requests == [LIST, QUERY]
    assert backend.exchanges == [(LIST, {"collections": []}), (QUERY, {"points": []})]
    backend.clear()
    assert backend.requests == backend.exchanges == []


@pytest.mark.parametrize(
    ("method", "rest", "body", "answer"),
    [
        ("PUT", [], {}, True),
        ("DELETE", [], None, True),
        ("GET", ["exists"], None, {"exists": False}),
        ("GET", ["aliases"], None, {"aliases": []}),
        ("GET", ["snapshots"], None, []),
        ("DELETE", ["snapshots", "a.snapshot"], None, True),
        ("PUT", ["snapshots", "recover"], {"location": "a.snapshot"}, True),
        ("POST", ["snapshots"], {}, {"name": "", "creation_time": None, "size": 0, "checksum": None}),
        ("PUT", ["vectors", "a%2Fb"], {}, {"operation_id": 0, "status": "completed"}),
        ("DELETE", ["vectors", "points"], None, {"operation_id": 0, "status": "completed"}),
        ("PUT", ["index"], {}, {"operation_id": 0, "status": "completed"}),
        ("DELETE", ["index", "a%5B%5D.b"], None, {"operation_id": 0, "status": "completed"}),
        ("PUT", ["points"], {}, {"operation_id": 0, "status": "completed"}),
        ("POST", ["points"], {}, []),
        ("POST", ["points", "scroll"], {}, {"points": [], "next_page_offset": None}),
        ("POST", ["points", "count"], {}, {"count": 0}),
        ("POST", ["facet"], {}, {"hits": []}),
        ("POST", ["points", "query", "groups"], {}, {"groups": []}),
        ("POST", ["points", "query", "batch"], {"searches": [{}, {}]}, [{"points": []}, {"points": []}]),
        ("POST", ["points", "batch"], {"operations": [{}]}, [{"operation_id": 0, "status": "completed"}]),
    ],
)
def test_an_empty_engine_answers_in_the_shape_of_the_route(
    method: str, rest: list[str], body: Any, answer: Any
) -> None:
    assert RecordingBackend().call(Request(method, collection_path("docs", *rest), body=body)) == answer


@pytest.mark.parametrize(
    ("method", "path", "route", "collection"),
    [
        ("POST", "/collections/aliases", "/collections/aliases", None),
        ("PUT", "/collections/aliases", "", "aliases"),
        ("GET", "/collections/aliases/aliases", "aliases", "aliases"),
        ("GET", "/collections", "/collections", None),
        ("GET", "/collections/a%2Fb", "", "a/b"),
        ("DELETE", "/collections/docs/index/a%5B%5D.b", "index/*", "docs"),
        ("PUT", "/collections/docs/index", "index", "docs"),
        ("PUT", "/collections/docs/vectors/points", "vectors/*", "docs"),
        ("PUT", "/collections/docs/points/vectors", "points/vectors", "docs"),
        ("POST", "/collections/docs/points/vectors/delete", "points/vectors/delete", "docs"),
        ("DELETE", "/collections/docs/snapshots/recover", "snapshots/*", "docs"),
        ("PUT", "/collections/docs/snapshots/recover", "snapshots/recover", "docs"),
        ("DELETE", "/snapshots/x", "/snapshots/*", None),
        ("GET", "/", "/", None),
    ],
)
def test_routes_hold_no_names(method: str, path: str, route: str, collection: str | None) -> None:
    request = Request(method, path)
    assert request.route == (method, route)
    assert request.collection == collection


def test_aliases_are_answered() -> None:
    backend = RecordingBackend()
    assert backend.call(Request("POST", "/collections/aliases", {}, {"actions": []})) is True
    assert backend.call(Request("GET", "/aliases")) == {"aliases": []}
    assert backend.call(Request("GET", "/quotas"))["config"] == {"enabled": False}


def test_an_answer_is_the_callers_own() -> None:
    backend = RecordingBackend(answers={("GET", "/collections"): {"collections": [{"name": "a"}]}})
    backend.call(LIST)["collections"].clear()
    backend.call(QUERY)["points"].append(1)
    assert backend.call(LIST) == {"collections": [{"name": "a"}]}
    assert backend.call(QUERY) == {"points": []}
    info = backend.call(Request("GET", collection_path("docs")))
    info["config"]["params"]["vectors"]["x"] = 1
    assert backend.call(Request("GET", collection_path("docs")))["config"]["params"]["vectors"] == {}


def test_an_answer_can_be_computed_or_an_error() -> None:
    backend = RecordingBackend(answers=lambda request: {"asked": request.route})
    assert backend.call(QUERY) == {"asked": ("POST", "points/query")}
    refusal = QQLExecutionError.make("unknown-collection", "collection `docs` does not exist")
    backend = RecordingBackend(answers={("POST", "points/query"): refusal})
    with pytest.raises(QQLExecutionError, match="does not exist"):
        backend.call(QUERY)
    assert backend.requests == [QUERY]
    assert backend.exchanges == []


def test_requests_are_passed_on_to_an_inner_engine() -> None:
    inner = Inner()
    backend = RecordingBackend(inner, answers={("GET", "/collections"): {"collections": []}})
    assert backend.call(QUERY) == {"from": "/collections/docs/points/query"}
    assert backend.call(LIST) == {"collections": []}
    with pytest.raises(QQLExecutionError):
        backend.call(Request("DELETE", collection_path("docs")))
    assert [r.method for r in backend.requests] == ["POST", "GET", "DELETE"]
    assert [r.method for r, _ in backend.exchanges] == ["POST", "GET"]
    assert backend.optimize("docs") and not backend.optimize("other")
    assert backend.needs_optimize("docs") and not backend.needs_optimize("other")
    assert backend.take_notes() == ["a note"]
    backend.close()
    assert inner.closed == 1


def test_who_infers() -> None:
    assert RecordingBackend().infers("anything")
    assert not RecordingBackend(infers=False).infers("anything")
    assert [RecordingBackend(infers=lambda m: m == "a").infers(m) for m in "ab"] == [True, False]
    assert [RecordingBackend(Inner()).infers(m) for m in ("known", "other")] == [True, False]
    assert RecordingBackend(Inner(), infers=True).infers("other")


def test_without_an_inner_engine_there_is_nothing_to_optimize_or_close() -> None:
    backend = RecordingBackend()
    assert backend.optimize("docs") is backend.needs_optimize("docs") is False
    assert backend.take_notes() == []
    backend.close()
    backend.close()
