"""The commissioning document's statements run as they stand. Skipped where the document is not at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import qql

SEEDS = Path(__file__).parent.parent.parent / "shared" / "seeds"
GUIDE = next(iter(SEEDS.glob("001_*.txt")), None) if SEEDS.is_dir() else None

pytestmark = pytest.mark.skipif(GUIDE is None, reason="the seed documents are not beside this checkout")

DEFINITIONS = """
USE docs;
DEFINE dense AS (QUERY 'search' USING dense LIMIT 100);
DEFINE sparse AS (QUERY 'search' USING sparse LIMIT 100);
"""


def statements() -> list[str]:
    """The document's statements: blocks of lines that begin with WITH or FUSION and hold no <placeholder>."""
    assert GUIDE is not None
    found: list[str] = []
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    block: list[str] = []
    for line in [*lines, ""]:
        prose = not line.strip() or re.match(
            r"(Effect:|Pipeline|Each|Or |Fuse|CTEs|Apply|Nested|The |QQL )", line
        )
        starts = line.strip() == "WITH" or line.startswith("FUSION RRF LIMIT")
        if block and (
            prose or (starts and not line.startswith("FUSION RRF LIMIT")) or block[0].startswith("FUSION")
        ):
            found.append("\n".join(block))
            block = []
        if starts or block:
            block.append(line)
    return [text for text in found if "<name>" not in text]


@pytest.fixture
def session() -> Iterator[qql.Session]:
    with qql.connect() as db:
        for name in ("docs", "incidents", "clinical_docs"):
            db.run(
                f"CREATE COLLECTION {name}"
                " (dense VECTOR MODEL 'local/hash-64', sparse SPARSE MODEL 'qdrant/bm25');"
                f"UPSERT INTO {name} VALUES "
                "{id: 1, text: 'search for emergency care', category: 'tech', priority: 'high'},"
                "{id: 2, text: 'kubernetes deployment', priority: 'critical', status: 'open'},"
                "{id: 3, text: 'emergency neurological assessment', department: 'emergency'}"
            )
        db.run(
            "CREATE COLLECTION pdf_retrieval (original VECTOR(3, COSINE),"
            " mean_pooling_columns VECTOR(3, COSINE), mean_pooling_rows VECTOR(3, COSINE));"
            "UPSERT INTO pdf_retrieval VALUES {id: 1, vector: {original: [1, 2, 3],"
            " mean_pooling_columns: [1, 2, 3], mean_pooling_rows: [3, 2, 1]}}"
        )
        yield db


def test_the_document_has_its_eight_statements() -> None:
    assert len(statements()) == 8


def test_every_statement_runs(session: qql.Session) -> None:
    for text in statements():
        results = session.run(DEFINITIONS + text)
        hits = results[-1]
        assert hits.kind == "hits", text
        (request,) = hits.requests
        assert request.method == "POST"
        assert request.path.endswith("/points/query")
        request.to_models()


def test_the_whole_text_is_one_script(session: qql.Session) -> None:
    """Statement after statement without a semicolon, as the document writes them."""
    script = "\n".join(statements())
    results = session.run(DEFINITIONS + script)
    assert [result.kind for result in results[3:]] == ["hits"] * len(statements())


def test_the_hits_are_what_the_pipeline_means(session: qql.Session) -> None:
    coarse_to_fine = next(text for text in statements() if "neurological" in text)
    assert session.run(coarse_to_fine)[-1].ids == [3]
    incidents = next(text for text in statements() if "FROM incidents" in text)
    hits = session.run(incidents)[-1]
    assert hits.ids[0] == 2
    assert hits.requests[0].body is not None
    assert hits.requests[0].body["query"] == {"rrf": {"k": 30, "weights": [0.5, 0.3, 0.2]}}
