"""The examples: those that run by themselves are run, the others compile to what qdrant-client would send."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_recorder import HttpRecorder, ok

import qql

EXAMPLES = Path(__file__).parent.parent / "examples"
VECTOR = [0.25, 0.5, 0.125]
TOKENS = [[0.5, 0.25], [0.125, 0.5]]
SPARSE = {"indices": [3, 9], "values": [0.5, 1.5]}


def compiled(name: str, params: dict[str, Any] | None = None) -> list[qql.Request]:
    return qql.compile((EXAMPLES / name).read_text(encoding="utf-8"), params)


@pytest.fixture
def sent() -> Iterator[Callable[..., tuple[str, str, Any]]]:
    """What qdrant-client sends for a call of it: method, path and body."""
    from qdrant_client import QdrantClient

    with HttpRecorder() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = QdrantClient(server.url, check_compatibility=False)

        def record(call: Callable[[Any], Any], answer: Any = None) -> tuple[str, str, Any]:
            server.otherwise = ok({"points": []} if answer is None else answer)
            call(client)
            return server.last.method, server.last.path, server.last.body

        yield record
        client.close()


def same(request: qql.Request, method: str, path: str, body: Any) -> None:
    """Equal, apart from fields that qdrant-client sends as null or with their default."""
    assert (request.method, request.path) == (method, path)
    assert normal(request.body) == normal(body)


def normal(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"nearest"} and isinstance(value["nearest"], (list, dict)):
            return normal(value["nearest"])  # a bare vector is short for this
        return {k: normal(v) for k, v in value.items() if v is not None and (k, v) != ("with_vector", False)}
    return [normal(item) for item in value] if isinstance(value, list) else value


def test_two_stage(sent: Any) -> None:
    from qdrant_client import models

    expected = sent(
        lambda client: client.query_points(
            "photos",
            prefetch=[models.Prefetch(query=VECTOR, using="fast", limit=1000)],
            query=VECTOR,
            using="full",
            limit=10,
        )
    )
    (request,) = compiled("two-stage.qql", {"vector": VECTOR})
    same(request, *expected)


def test_three_stage(sent: Any) -> None:
    from qdrant_client import models

    wide = models.Prefetch(query=VECTOR, using="fast", limit=1000)
    closer = models.Prefetch(prefetch=[wide], query=VECTOR, using="full", limit=100)
    expected = sent(
        lambda client: client.query_points(
            "photos", prefetch=[closer], query=TOKENS, using="colbert", limit=10
        )
    )
    (request,) = compiled("three-stage.qql", {"vector": VECTOR, "tokens": TOKENS})
    same(request, *expected)


def test_hybrid(sent: Any) -> None:
    from qdrant_client import models

    dense = models.Prefetch(query=VECTOR, using="dense", limit=100)
    sparse = models.Prefetch(query=models.SparseVector(**SPARSE), using="sparse", limit=100)
    expected = sent(
        lambda client: client.query_points(
            "articles",
            prefetch=[dense, sparse],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            limit=10,
        )
    )
    (request,) = compiled("hybrid.qql", {"dense": VECTOR, "sparse": SPARSE})
    same(request, *expected)


def test_oversampling(sent: Any) -> None:
    from qdrant_client import models

    shown = 10
    expected = sent(
        lambda client: client.query_points(
            "photos",
            prefetch=[models.Prefetch(query=VECTOR, using="fast", limit=shown * 100)],
            query=VECTOR,
            using="full",
            limit=shown * 10,
        )
    )
    (request,) = compiled("oversampling.qql", {"vector": VECTOR})
    same(request, *expected)


def test_multi_vector_collection(sent: Any) -> None:
    from qdrant_client import models

    def create(client: Any) -> None:
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        client.create_collection(
            "photos",
            vectors_config={
                "full": models.VectorParams(size=1536, distance=models.Distance.COSINE),
                "fast": models.VectorParams(
                    size=1536,
                    distance=models.Distance.COSINE,
                    quantization_config=models.ScalarQuantization(scalar=scalar),
                ),
                "colbert": models.VectorParams(
                    size=128,
                    distance=models.Distance.COSINE,
                    multivector_config=models.MultiVectorConfig(
                        comparator=models.MultiVectorComparator.MAX_SIM
                    ),
                ),
            },
        )

    (request,) = compiled("multi-vector-collection.qql")
    same(request, *sent(create, True))


def test_quantization(sent: Any) -> None:
    from qdrant_client import models

    def create(name: str, config: Any) -> Callable[[Any], Any]:
        params = models.VectorParams(size=1536, distance=models.Distance.COSINE, quantization_config=config)
        return lambda client: client.create_collection(name, vectors_config={"fast": params})

    harder = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.95, always_ram=True)
    )
    bits = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    requests = compiled("quantization.qql")
    same(requests[0], *sent(create("harder", harder), True))
    same(requests[1], *sent(create("bits", bits), True))


def test_first_steps_runs() -> None:
    with qql.connect() as db:
        results = db.run((EXAMPLES / "first-steps.qql").read_text(encoding="utf-8"))
    hits = results[-1].hits
    assert hits[0].id == 1
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_the_pipelines_run_on_the_collection_of_the_examples() -> None:
    """The four pipelines work on real data of the shape that they are written for."""
    small = (EXAMPLES / "multi-vector-collection.qql").read_text(encoding="utf-8")
    small = small.replace("1536", "3").replace("128", "2")
    rows = [
        {"id": n, "vector": {"full": [1.0, n, 0.5], "fast": [1.0, n, 0.5], "colbert": [[1.0, n], [n, 1.0]]}}
        for n in range(1, 40)
    ]
    with qql.connect() as db:
        db.run(small)
        db.execute("UPSERT INTO photos VALUES :rows", {"rows": rows})
        for name, params in (
            ("two-stage.qql", {"vector": VECTOR}),
            ("three-stage.qql", {"vector": VECTOR, "tokens": TOKENS}),
            ("oversampling.qql", {"vector": VECTOR}),
        ):
            (result,) = db.run((EXAMPLES / name).read_text(encoding="utf-8"), params)
            assert result.ids[0] == (2 if name != "three-stage.qql" else result.ids[0])
            assert len(result) == (39 if name == "oversampling.qql" else 10)


@pytest.mark.slow
def test_the_standard_library_is_indexed_and_searched(tmp_path: Path) -> None:
    """The demo on a part of its data, so that the suite stays quick."""
    docs = tmp_path / "all.jsonl"
    subprocess.run([sys.executable, EXAMPLES / "stdlib_docs.py", docs], check=True, capture_output=True)
    lines = docs.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 3000
    wanted = ("shutil", "os", "pathlib", "tempfile")
    part = [line for line in lines if json.loads(line)["module"].split(".")[0] in wanted]
    docs.write_text("\n".join(part), encoding="utf-8")
    script = (EXAMPLES / "stdlib.qql").read_text(encoding="utf-8")
    with qql.connect(tmp_path / "db") as db:
        results = db.run(script, {"docs": str(docs)})
    assert results[-3].rows == [{"count": len(part)}]
    assert "fuse by RRF" in results[-2].message
    found = [hit.payload["name"] for hit in results[-1].hits if hit.payload]
    assert found[0] == "shutil.rmtree"
    assert "os.rmdir" in found[:5]
    assert any(name.endswith("Path.rmdir") for name in found[:5])  # its module differs by version
