"""The table of what engines can do says the truth about the two that are at hand."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from edge_helpers import same_ranking

from qql.backends.base import Backend
from qql.backends.capabilities import FEATURES, YES, Feature
from qql.backends.edge import EdgeBackend
from qql.backends.features.base import DENSE, ROWS, SPARSE
from qql.errors import QQLUnsupportedError
from qql.rest.request import Request, collection_path

DOCS: dict[str, Any] = {
    "vectors": {
        "dense": {"size": 4, "distance": "Cosine"},
        "rows": {"size": 2, "distance": "Cosine", "multivector_config": {"comparator": "max_sim"}},
    },
    "sparse_vectors": {"sparse": {}, "words": {"modifier": "idf"}},
}
INDEXES: dict[str, Any] = {
    "word": {"type": "keyword", "prefix": True},
    "number": "integer",
    "owner": "integer",
    "place": "geo",
    "at": "datetime",
    "text": {"type": "text", "phrase_matching": True, "scoring": True},
}


def row(identity: int) -> dict[str, Any]:
    return {
        "id": identity,
        "vector": {
            "dense": [x + identity / 10 for x in DENSE],
            "rows": [[x + identity / 10 for x in one] for one in ROWS],
            "sparse": {"indices": SPARSE["indices"], "values": [identity + 0.5, 1.0]},
            "words": {"indices": [1, 4, identity], "values": [identity + 0.5, 1.0, 1.0]}
            if identity not in (1, 4)
            else SPARSE,
        },
        "payload": {
            "word": ["red", "green", "blue"][identity % 3],
            "number": identity,
            "owner": identity % 2 + 1,
            "price": identity * 1.5,
            "flag": identity % 2 == 0,
            "tags": ["a", "b"][: identity % 3],
            "nothing": None,
            "at": f"2024-01-0{identity}T00:00:00Z",
            "place": {"lat": 52.0 + identity / 10, "lon": 13.4},
            "parts": [{"size": identity, "kind": "x"}],
            "text": f"the quick brown fox number {identity}",
        },
    }


def prepare(backend: Backend, indexes: dict[str, Any] = INDEXES) -> None:
    users = {"vectors": {"dense": DOCS["vectors"]["dense"]}}
    for name, config in (("docs", DOCS), ("users", users), ("spare", users)):
        backend.call(Request("PUT", collection_path(name), {}, config))
    for field, schema in indexes.items():
        body = {"field_name": field, "field_schema": schema}
        backend.call(Request("PUT", collection_path("docs", "index"), {}, body))
    rows = [row(n) for n in range(1, 7)]
    backend.call(Request("PUT", collection_path("docs", "points"), {}, {"points": rows}))
    known = [{"id": n, "vector": {"dense": DENSE}, "payload": {"name": f"user {n}"}} for n in (1, 2)]
    backend.call(Request("PUT", collection_path("users", "points"), {}, {"points": known}))


def filled(request: Request, snapshot: str) -> Request:
    """The request with a snapshot's name in the place that a probe leaves for it."""
    body = request.body
    if body is not None and body.get("location") == "{snapshot}":
        body = {"location": snapshot}
    return replace(request, path=request.path.replace("{snapshot}", snapshot), body=body)


def carry_out(backend: Backend, feature: Feature) -> Any:
    snapshot = "none"
    if backend.name == "edge" and feature.id.startswith("snapshot."):
        snapshot = backend.call(Request("POST", collection_path("docs", "snapshots")))["name"]
    answer = None
    for request in feature.probe:
        backend.take_notes()
        answer = backend.call(filled(request, snapshot))
    return answer


def says_the_truth(backend: Backend, feature: Feature, claim: str) -> None:
    try:
        carry_out(backend, feature)
    except QQLUnsupportedError as error:
        assert claim != YES and not claim.startswith("noted: "), f"refused: {error}"
        assert error.hint
        return
    notes = " ".join(backend.take_notes())
    if claim.startswith("noted: "):
        assert notes, "nothing is noted"
    else:
        assert claim == YES, f"carried out, the table says: {claim}"
        assert not notes, notes


def test_every_row_has_its_probe() -> None:
    assert [feature.id for feature in FEATURES] == list(dict.fromkeys(feature.id for feature in FEATURES))
    for feature in FEATURES:
        assert feature.probe
        assert re.fullmatch(r"1\.(1\d(\.\d+)?|20)", feature.server)
        assert feature.title and feature.edge and feature.local


WRITES = re.compile(r"write|create|alter|index|admin\.drop|alias|snapshot|shard|quota")


@pytest.fixture(scope="module")
def edge() -> Iterator[EdgeBackend]:
    backend = EdgeBackend(None)
    prepare(backend)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def scratch() -> Iterator[EdgeBackend]:
    """A database for what changes something; making a new one each time would take most of the test."""
    backend = EdgeBackend(None)
    prepare(backend)
    yield backend
    backend.close()


def restore(backend: Backend) -> None:
    """What a probe relies on, whatever the one before it changed."""
    names = {one["name"] for one in backend.call(Request("GET", "/collections"))["collections"]}
    if "fresh" in names:
        backend.call(Request("DELETE", collection_path("fresh")))
    if "spare" not in names:
        backend.call(Request("PUT", collection_path("spare"), {}, {"vectors": DOCS["vectors"]}))
    for known in backend.call(Request("GET", "/aliases"))["aliases"]:
        action = {"delete_alias": {"alias_name": known["alias_name"]}}
        backend.call(Request("POST", "/collections/aliases", {}, {"actions": [action]}))
    config = backend.call(Request("GET", collection_path("docs")))["config"]["params"]
    if "more" in config["vectors"] | config["sparse_vectors"]:
        backend.call(Request("DELETE", collection_path("docs", "vectors", "more")))
    backend.call(Request("PUT", collection_path("docs", "vectors", "sparse"), {}, {"sparse": {}}))
    rows = [row(n) for n in range(1, 7)]
    backend.call(Request("PUT", collection_path("docs", "points"), {}, {"points": rows}))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.id)
def test_the_embedded_engine(edge: EdgeBackend, scratch: EdgeBackend, feature: Feature) -> None:
    if not WRITES.match(feature.id):
        says_the_truth(edge, feature, feature.edge)
        return
    restore(scratch)
    says_the_truth(scratch, feature, feature.edge)


@pytest.fixture(scope="module")
def local(schema_is_shared: None) -> Iterator[Backend]:
    with local_mode() as backend:
        yield backend


@contextmanager
def local_mode() -> Iterator[Backend]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qdrant_client import QdrantClient

    from qql.backends.client import ClientBackend

    client = QdrantClient(":memory:")
    backend = ClientBackend(client)
    prepare(backend, {"text": INDEXES["text"]})  # the one kind of index that local mode uses
    assert backend.take_notes() == []
    yield backend
    client.close()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.id)
def test_local_mode(local: Backend, feature: Feature) -> None:
    if not WRITES.match(feature.id):
        says_the_truth(local, feature, feature.local)
        return
    with local_mode() as backend:
        says_the_truth(backend, feature, feature.local)


def done(claim: str) -> bool:
    return claim == YES or claim.startswith("noted: ")


BOTH = [
    feature
    for feature in FEATURES
    if done(feature.edge) and done(feature.local) and not WRITES.match(feature.id)
    if feature.id not in ("target.sample", "admin.list", "admin.show", "read.count.approximate")
]


@pytest.mark.parametrize("feature", BOTH, ids=lambda feature: feature.id)
def test_both_answer_alike(edge: EdgeBackend, local: Backend, feature: Feature) -> None:
    ours, theirs = carry_out(edge, feature), carry_out(local, feature)
    if isinstance(ours, list) and "points" in ours[0]:
        for mine, other in zip(ours, theirs, strict=True):
            same_points(mine, other)
    elif isinstance(ours, dict) and "points" in ours:
        same_points(ours, theirs)
    else:
        assert plain(ours) == plain(theirs)


def same_points(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["points"]
    if "score" in ours["points"][0]:
        same_ranking(scores(ours), scores(theirs), 1e-4)
    else:
        assert [point["id"] for point in ours["points"]] == [point["id"] for point in theirs["points"]]


def scores(answer: Any) -> list[tuple[Any, float]]:
    return [(point["id"], point["score"]) for point in answer["points"]]


def plain(answer: Any) -> Any:
    """An answer without what each engine counts for itself, numbers cut to what float32 keeps."""
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items() if key != "version" and value is not None}
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    return round(answer, 4) if isinstance(answer, float) else answer
