"""The points that a stage names are in no stage of the query: on the embedded engine and in local mode."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from edge_helpers import same_ranking
from pipelines import create, draw

from qql.analysis import Analysis, analyse, provenance
from qql.compiler.script import compile_script
from qql.errors import Source
from qql.rest.request import Request
from qql.session.connect import connect
from qql.session.session import Session

NEAR = "QUERY [1, 0, 0, 0, 0, 0] USING dot LIMIT 60"
NAMING = {
    "POINT": "QUERY POINT 7 USING dot LIMIT 60",
    "RECOMMEND": "QUERY RECOMMEND POSITIVE (7, 9) NEGATIVE (8) USING dot LIMIT 60",
    "DISCOVER": "QUERY DISCOVER TARGET 7 CONTEXT (POSITIVE POINT 9 NEGATIVE POINT 8) USING dot LIMIT 60",
    "CONTEXT": "QUERY CONTEXT (POSITIVE POINT 7 NEGATIVE POINT 9) USING dot LIMIT 60",
    "RELEVANCE FEEDBACK": "QUERY RELEVANCE FEEDBACK TARGET [1, 0, 0, 0, 0, 0] "
    "FEEDBACK ((POINT 7, 1), (POINT 9, 0.2)) STRATEGY naive (a = 1, b = 1, c = 1) USING dot LIMIT 60",
    "MMR": "QUERY MMR POINT 7 DIVERSITY 0.5 CANDIDATES 60 USING dot LIMIT 60",
}


def _local() -> Session:
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return connect(QdrantClient(":memory:"))


@pytest.fixture(scope="module")
def edge() -> Iterator[Session]:
    with connect(":memory:") as made:
        create(made, ("some", "equals"))
        yield made


@pytest.fixture(scope="module")
def local() -> Iterator[Session]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _local() as made:
            create(made, ("some", "equals"), optimize=False)
            yield made


@pytest.fixture(params=["edge", "local"])
def session(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def ids(session: Session, text: str) -> list[Any]:
    return list(session.execute(text).ids)


@pytest.mark.parametrize("kind", NAMING)
def test_a_point_that_a_stage_names_is_in_none_of_those_beside_it(session: Session, kind: str) -> None:
    assert 7 in ids(session, f"QUERY FUSION RRF FROM some PREFETCH ({NEAR}) LIMIT 60")
    text = f"WITH a AS ({NAMING[kind]}), b AS ({NEAR}) QUERY FUSION RRF FROM some PREFETCH (a, b) LIMIT 60"
    found = ids(session, text)
    assert 7 not in found and found


def test_a_point_that_a_deep_stage_names_is_in_no_stage_above_or_beside_it(session: Session) -> None:
    deep = f"QUERY FUSION DBSF PREFETCH (QUERY POINT 7 USING far LIMIT 60, {NEAR}) LIMIT 60"
    text = f"QUERY FUSION RRF FROM some PREFETCH (({deep}), ({NEAR}), (QUERY WHERE id IN (7, 9))) LIMIT 60"
    found = ids(session, text)
    assert 7 not in found and 9 in found
    alternatives = text.replace(
        "QUERY FUSION RRF FROM some", "QUERY FUSION RRF FROM some WHERE id = 7 OR id = 9"
    )
    assert ids(session, alternatives) == [9]


def test_groups_lack_it_too(session: Session) -> None:
    prefetch = f"PREFETCH ((QUERY POINT 7 USING far LIMIT 60), ({NEAR}))"
    groups = session.execute(f"QUERY FUSION RRF FROM some {prefetch} GROUP BY number SIZE 60 LIMIT 60").data[
        "groups"
    ]
    found = {hit["id"] for group in groups for hit in group["hits"]}
    assert 7 not in found and len(found) > 10


def test_a_point_of_another_collection_is_left_out_nowhere(session: Session) -> None:
    text = (
        f"QUERY FUSION RRF FROM some PREFETCH ((QUERY POINT 7 USING dot LIMIT 60 LOOKUP FROM {{}}), ({NEAR}))"
    )
    assert 7 in ids(session, text.format("equals") + " LIMIT 60")
    assert 7 not in ids(session, text.format("some") + " LIMIT 60")


# ------------------------------------------------------------------------------------ what is told of it

FUSED = (
    f"WITH alike AS (QUERY POINT 7 USING far LIMIT 20), near AS ({NEAR}) "
    "QUERY FUSION RRF FROM some PREFETCH (alike, near)"
)


def looked(session: Session, text: str, **options: Any) -> tuple[Analysis, Request]:
    (one,) = compile_script(Source(text), None, session.context)
    assert one.plan is not None
    return analyse(one.plan, one.requests[0], session.backend.call, runs=0, **options), one.requests[0]


def test_a_stage_that_is_run_alone_lacks_what_others_name(session: Session) -> None:
    found, _ = looked(session, FUSED + " LIMIT 60")
    alike, near = found.stages[1:]
    assert (alike.run.named, near.run.named) == ((7,), ())
    assert 7 not in {one.id for one in near.candidates}
    assert found.stages[0].verdict is not None and found.stages[0].verdict.same
    assert "alike: point 7, which it names, is in no stage of the query" in found.notes
    for hit in provenance(found):
        assert sum(one.contribution or 0 for one in hit.sources()) == pytest.approx(hit.score, abs=1e-5)


def test_without_the_stage_that_names_it_the_point_is_back(session: Session) -> None:
    found, request = looked(session, FUSED + " LIMIT 60", ablate=True)
    without = {one.label: one for one in found.ablation}
    assert 7 in without["alike"].entered and 7 not in {hit.id for hit in without["near"].order}
    assert any(note.startswith("without alike, the points that it alone names") for note in found.notes)
    body = request.body or {}
    rest = Request(request.method, request.path, {}, {**body, "prefetch": body["prefetch"][1:]})
    answer = session.backend.call(rest)["points"]
    assert [(hit.id, hit.score) for hit in without["alike"].order] == [
        (point["id"], pytest.approx(point["score"], abs=1e-6)) for point in answer
    ]


def test_why_not_names_the_stage_that_keeps_a_point_out(edge: Session) -> None:
    told = edge.execute(f"WHY NOT 7 {FUSED} LIMIT 5")
    excluded = "excluded: named by alike; the points that a stage names are in no stage of the query"
    assert [one["text"] for one in told.data["standings"] if one["label"] == "near"] == [excluded]
    assert told.data["standings"][1]["outcome"] == "named" and told.data["ways"]["found"] == []
    failing = edge.execute(f"WHY NOT 7 {FUSED.replace('LIMIT 60)', 'WHERE id != 7 LIMIT 60)')} LIMIT 5")
    assert any("and is named by alike" in one["text"] for one in failing.data["standings"])


# ------------------------------------------------------------------------------------ generated


def test_generated_pipelines_give_the_same_on_both_engines(edge: Session, local: Session) -> None:
    """Those that name points; local mode does MMR, ORDER BY and DBSF in its own way, CONTEXT has ties."""
    rng, compared = random.Random(12), 0
    while compared < 25:
        drawn = draw(rng, "some")
        text = drawn.text
        flat = drawn.root.inputs and all(inner.kind == "leaf" for inner in drawn.root.inputs)
        if not flat or drawn.sampled or drawn.group or "PO" not in text:
            continue
        if any(word in text for word in ("MMR", "ORDER BY", "DBSF", "CONTEXT")):
            continue
        ours, theirs = (
            [(hit.id, hit.score or 0.0) for hit in one.execute(text).hits] for one in (edge, local)
        )
        same_ranking(ours, theirs, 1e-4)
        compared += 1
