"""What EXPLAIN ANALYZE says of a server that works on other lists than its stages give alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from qql.analysis import Analysis, analyse
from qql.compiler.script import compile_script
from qql.errors import QQLExecutionError, QQLPlanError, Source
from qql.rest.request import Request
from qql.session.connect import connect
from qql.session.session import Session

ROWS = [{"id": n, "vector": {"v": [1.0, n / 10]}} for n in range(1, 41)]
MMR = "QUERY MMR [1, 0] DIVERSITY 0.9 CANDIDATES 12 USING v LIMIT 4"
NESTED = "QUERY FUSION RRF PREFETCH (QUERY [1, 0] USING v LIMIT 9, QUERY [0, 1] USING v LIMIT 9) LIMIT 9"
INFO = {"config": {"params": {"shard_number": 2, "sharding_method": "custom"}}}
CLUSTER = {
    "local_shards": [{"shard_id": 1, "shard_key": "eu"}, {"shard_id": 2, "shard_key": "eu"}],
    "remote_shards": [{"shard_id": at, "shard_key": "us"} for at in (3, 3, 4, 5)],
}


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with connect(":memory:") as made:
        made.run("CREATE COLLECTION c (v VECTOR(2, COSINE));")
        made.execute("UPSERT INTO c VALUES :rows", {"rows": ROWS})
        yield made


def otherwise(db: Session, text: str, answers: dict[str, Any], *, remote: bool = True) -> Analysis:
    """The analysis where the first score of the query is another, with what the server says of itself."""
    (one,) = compile_script(Source(text), None, db.context)
    assert one.plan is not None

    asked: list[Request] = []

    def call(request: Request) -> Any:
        if request.method == "GET":
            if request.path not in answers:
                raise QQLExecutionError.make("not-found", "no such thing")
            return answers[request.path]
        body = {key: value for key, value in (request.body or {}).items() if key != "shard_key"}
        searches = [
            {key: value for key, value in one.items() if key != "shard_key"} for one in body["searches"]
        ]
        found = db.backend.call(Request(request.method, request.path, {}, {"searches": searches}))
        if not asked:  # the query itself, and not the stages that are asked once more
            found[0]["points"][0]["score"] += 0.25
        asked.append(request)
        return found

    return analyse(one.plan, one.requests[0], call, runs=0, remote=remote)


def verdict(found: Analysis) -> str:
    assert found.stages[0].verdict is not None
    return found.stages[0].verdict.text


def test_mmr_below_a_fusion_keeps_its_limit_on_the_embedded_engine(db: Session) -> None:
    best = list(db.execute("QUERY [1, 0] FROM c USING v LIMIT 4").ids)
    assert list(db.execute(f"QUERY FUSION RRF FROM c PREFETCH ({MMR}) LIMIT 40").ids) == best
    more = "QUERY MMR [1, 0] CANDIDATES 3 USING v LIMIT 9"
    assert list(db.execute(f"QUERY FUSION RRF FROM c PREFETCH ({more}) LIMIT 40").ids) == best[:3]


def test_mmr_on_a_server_that_differs_is_not_recomposable(db: Session) -> None:
    text = f"QUERY FUSION RRF FROM c PREFETCH ({MMR}) LIMIT 9"
    answers = {"/collections/c": {"config": {"params": {"shard_number": 1}}}}
    said = verdict(otherwise(db, text, answers))
    assert said.startswith(
        "not recomposable, because below another stage, a server gives other points for an MMR"
    )
    assert verdict(otherwise(db, text, answers, remote=False)).endswith("no reason is known")


@pytest.mark.parametrize(
    ("shard", "answers", "count"),
    [
        ("", {"/collections/c": {"config": {"params": {"shard_number": 3}}}}, 3),
        ("", {"/collections/c": INFO, "/collections/c/cluster": CLUSTER}, 5),
        (" SHARD 'eu'", {"/collections/c": INFO, "/collections/c/cluster": CLUSTER}, 2),
        (" SHARD ('us')", {"/collections/c": INFO, "/collections/c/cluster": CLUSTER}, 3),
        ("", {"/collections/c": INFO}, 2),
    ],
)
def test_the_shards_that_fuse_for_themselves_are_counted(
    db: Session, shard: str, answers: dict[str, Any], count: int
) -> None:
    found = otherwise(db, f"QUERY FUSION RRF FROM c PREFETCH ({NESTED}){shard} LIMIT 9", answers)
    assert verdict(found).startswith(f"not recomposable, because each of the {count} shards fuses")


@pytest.mark.parametrize(
    "text",
    [
        "QUERY ORDER BY year FROM c SCORE THRESHOLD 0.5",
        "WITH a AS (QUERY ORDER BY year) QUERY FUSION RRF FROM c PREFETCH (a SCORE THRESHOLD 0.5)",
    ],
)
def test_order_by_with_a_threshold_is_refused_with_what_to_write(db: Session, text: str) -> None:
    with pytest.raises(QQLPlanError) as caught:
        db.execute(text)
    assert caught.value.code == "misplaced-clause"
    assert "WHERE year >= 0.5" in str(caught.value.diagnostic.hint)
