"""Rows on their way to an engine: read once, looked at once, kept in bounded memory, and exact to the bit."""

from __future__ import annotations

import array
import base64
import json
import math
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc
from qdrant_client.http import models

import qql
from qql.backends.bulk import writer_of
from qql.backends.client.bulk import GrpcPoints, in_parts
from qql.backends.edge import EdgeBackend, vectors
from qql.compiler import vectors as written_vectors
from qql.errors import QQLExecutionError, QQLPlanError
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject
from qql.session.row_files import json_lines

SIZE = 8
CREATE = f"""
    CREATE COLLECTION docs (
        v VECTOR({SIZE}, DOT), m VECTOR({SIZE}, DOT) WITH MULTIVECTOR (comparator = max_sim), s SPARSE
    )
"""


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.execute(CREATE)
        yield session


def floats(seed: int, shape: tuple[int, ...] = (SIZE,)) -> Any:
    return numpy.random.default_rng(seed).standard_normal(shape).astype(numpy.float32)


def row(n: int, **more: Any) -> JsonObject:
    sparse = {"indices": [n, n + 7], "values": [0.5, -1.25]}
    vector = {"v": floats(n).tolist(), "m": floats(n, (2, SIZE)).tolist(), "s": sparse}
    return {"id": n, "vector": vector, "text": f"row: {n}", "n": n, **more}


def write(path: Path, rows: list[JsonObject]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def stored(session: qql.Session, name: str = "docs") -> list[Any]:
    request = {"limit": 1000, "with_payload": True, "with_vector": True}
    points: list[Any] = session.backend.call(
        Request("POST", f"/collections/{name}/points/scroll", {}, dict(request))
    )["points"]
    return points


def never(*_: object) -> Any:
    raise AssertionError("looked at again")


# ------------------------------------------------------------------------------------ once


def test_copy_parses_each_row_once_and_looks_at_each_vector_once(
    db: qql.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": n, "vector": {"v": floats(n).tolist()}, "n": n} for n in range(50)]
    path = write(tmp_path / "rows.jsonl", rows)
    parsed = []
    parse = json_lines.parse_json
    monkeypatch.setattr(json_lines, "parse_json", lambda text: parsed.append(text) or parse(text))
    monkeypatch.setattr(written_vectors, "is_short", never)
    monkeypatch.setattr(vectors, "_are_numbers", never)
    assert db.execute(f"COPY docs FROM '{path}'").data["copied"] == 50
    assert len(parsed) == 50


@pytest.mark.parametrize("wrong", [True, None, "0.5", [0.5], 1e39, 10**25])
@pytest.mark.parametrize("place", [0, SIZE - 1])
def test_what_is_no_number_of_32_bits_is_still_found(
    db: qql.Session, tmp_path: Path, wrong: Any, place: int
) -> None:
    bad = row(3)
    bad["vector"]["v"][place] = wrong
    path = write(tmp_path / "rows.jsonl", [row(1), row(2), bad])
    with pytest.raises(QQLExecutionError, match="line 3") as caught:
        db.execute(f"COPY docs FROM '{path}'")
    assert caught.value.code == "bad-row"
    assert stored(db) == []


def test_integers_in_a_vector_are_numbers(db: qql.Session, tmp_path: Path) -> None:
    numbers = [0, 1, -1, 2, 2**31, 2**40, 0.5, 7]
    path = write(tmp_path / "rows.jsonl", [{"id": 1, "vector": {"v": numbers}}])
    db.execute(f"COPY docs FROM '{path}'")
    found = stored(db)[0]["vector"]["v"]
    assert [numpy.float32(one) for one in found] == [numpy.float32(one) for one in numbers]


def test_vectors_too_long_for_their_distance_are_found_before_anything_is_written(tmp_path: Path) -> None:
    with qql.connect() as session:
        session.execute("CREATE COLLECTION docs VECTOR(2, COSINE)")
        rows = [{"id": 1, "vector": [1.0, 0.0]}, {"id": 2, "vector": [2e19, 0.0]}]
        with pytest.raises(QQLExecutionError, match=r"line 2: .*too large to be normalised"):
            session.execute(f"COPY docs FROM '{write(tmp_path / 'rows.jsonl', rows)}'")
        assert stored(session) == []


# ------------------------------------------------------------------------------------ exact


def test_what_copy_writes_is_what_upsert_writes(db: qql.Session, tmp_path: Path) -> None:
    rows = [row(n) for n in range(20)]
    db.execute(f"COPY docs FROM '{write(tmp_path / 'rows.jsonl', rows)}'")
    copied = stored(db)
    with qql.connect() as other:
        other.execute(CREATE)
        other.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        assert stored(other) == copied


def test_what_is_read_loaded_and_read_again_is_the_same_to_the_bit(tmp_path: Path) -> None:
    odd = [1e-45, 3.4028234663852886e38, -0.0, 0.1, 1 / 3, 16777217.0, 1.1754943508222875e-38, -2.5]
    rows = [{"id": n, "vector": {"v": floats(n).tolist()}, "n": n / 3} for n in range(20)]
    rows.append({"id": 20, "vector": {"v": odd}})
    reads = []
    for number in range(3):
        with qql.connect() as session:
            session.execute(f"CREATE COLLECTION docs (v VECTOR({SIZE}, DOT))")
            path = write(tmp_path / f"{number}.jsonl", rows)
            whole = "MAP (payload = payload)" if number else ""
            session.execute(f"COPY docs FROM '{path}' {whole}")
            rows = stored(session)
        reads.append(json.dumps(rows))
    assert reads[0] == reads[1] == reads[2]
    assert [numpy.float32(one) for one in rows[20]["vector"]["v"]] == [numpy.float32(one) for one in odd]


def test_points_packed_for_a_collection_that_has_changed_are_checked_anew() -> None:
    backend = EdgeBackend(None)
    with qql.connect(backend) as session:
        session.execute("CREATE COLLECTION docs (a VECTOR(2, DOT), b VECTOR(2, DOT))")
        writer = writer_of(backend, "docs")
        assert writer is not None
        points = [writer.encode({"id": 1, "vector": {"a": [1.0, 2.0]}, "payload": {"n": 1}})]
        gone = writer.encode({"id": 2, "vector": {"b": [1.0, 2.0]}})
        session.execute("ALTER COLLECTION docs DROP VECTOR b")
        writer.write("docs", points)
        assert stored(session) == [{"id": 1, "vector": {"a": [1.0, 2.0]}, "payload": {"n": 1}}]
        with pytest.raises(QQLExecutionError, match="no vector `b`"):
            writer.write("docs", [gone])


# ------------------------------------------------------------------------------------ base64


def as_base64(numbers: Any) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def test_vectors_in_base64_are_the_vectors(tmp_path: Path) -> None:
    texts = [as_base64(floats(n)) for n in range(5)]
    ways = {
        "under vector": [{"id": n, "vector": {"v": text}} for n, text in enumerate(texts)],
        "as a key": [{"id": n, "v": text} for n, text in enumerate(texts)],
    }
    with qql.connect() as session:
        session.execute(f"CREATE COLLECTION docs (v VECTOR({SIZE}, DOT))")
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": [{"id": 0, "vector": {"v": floats(0)}}]})
        (wanted,) = stored(session)
        for rows in ways.values():
            for load in (
                lambda rows=rows: session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows}),
                lambda rows=rows: session.execute(f"COPY docs FROM '{write(tmp_path / 'a.jsonl', rows)}'"),
            ):
                session.execute("DELETE FROM docs WHERE id IN (0, 1, 2, 3, 4)")
                load()
                assert stored(session)[0] == wanted
                assert len(stored(session)) == 5


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_column_of_base64_is_the_vector_without_a_name(tmp_path: Path, ending: str) -> None:
    text = as_base64(floats(3))
    path = tmp_path / f"rows.{ending}"
    path.write_text(f"id,vector\n3,{text}\n" if ending == "csv" else json.dumps({"id": 3, "vector": text}))
    with qql.connect() as session:
        session.execute(f"CREATE COLLECTION docs VECTOR({SIZE}, DOT)")
        session.execute(f"COPY docs FROM '{path}'")
        (point,) = stored(session)
        assert [numpy.float32(one) for one in point["vector"]] == floats(3).tolist()


def test_what_base64_holds_is_checked(tmp_path: Path) -> None:
    numbers = floats(1)
    numbers[2] = math.nan
    path = write(tmp_path / "rows.jsonl", [{"id": 1, "vector": {"v": as_base64(numbers)}}])
    with qql.connect() as session:
        session.execute(f"CREATE COLLECTION docs (v VECTOR({SIZE}, DOT))")
        with pytest.raises(QQLExecutionError, match="does not fit a 32-bit float"):
            session.execute(f"COPY docs FROM '{path}'")


def test_a_text_of_the_same_length_is_embedded_where_the_vector_has_a_model(tmp_path: Path) -> None:
    text = as_base64(floats(1))
    schema = "CREATE COLLECTION docs (v VECTOR(8, DOT) MODEL 'm');"
    requests = qql.compile(f"{schema} UPSERT INTO docs VALUES {{id: 1, vector: {{v: '{text}'}}}}")
    assert (requests[-1].body or {})["points"][0]["vector"] == {"v": {"text": text, "model": "m"}}


# ------------------------------------------------------------------------------------ memory


@pytest.mark.slow
def test_the_memory_of_copy_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write(
            tmp_path / f"{count}.jsonl", [{"id": n, "vector": floats(n).tolist()} for n in range(count)]
        )
        with qql.connect() as session:
            session.execute(f"CREATE COLLECTION docs VECTOR({SIZE}, DOT)")
            tracemalloc.start()
            try:
                session.execute(f"COPY docs FROM '{path}' BATCH 64")
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(2400)  # what is imported, compiled and kept the first time
    # 1,800 rows more would be two megabytes; what is garbage for a while is a tenth of one.
    assert peak(2400) < 1.3 * peak(600) + 100_000


# ------------------------------------------------------------------------------------ rows of a parameter

FORMS: list[Callable[[Any], Any]] = [
    lambda numbers: numbers,
    lambda numbers: numbers.tolist(),
    lambda numbers: array.array("f", numbers.tobytes()),
    lambda numbers: numbers.astype(numpy.float64),
]


@pytest.mark.parametrize("form", FORMS, ids=["numpy", "list", "array", "float64"])
def test_all_forms_of_a_vector_are_one_request(form: Callable[[Any], Any]) -> None:
    rows = [{"id": n, "vector": {"v": form(floats(n))}, "n": n} for n in range(3)]
    [request] = qql.compile("UPSERT INTO docs VALUES :rows", params={"rows": rows})
    points = [{"id": n, "vector": {"v": floats(n).tolist()}, "payload": {"n": n}} for n in range(3)]
    assert request.body == {"points": points}
    assert all(type(one["vector"]["v"]) is list for one in (request.body or {})["points"])


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", FORMS, ids=["numpy", "list", "array", "float64"])
def test_what_is_not_finite_is_found_in_all_of_them(form: Callable[[Any], Any], wrong: float) -> None:
    numbers = floats(1)
    numbers[5] = wrong
    rows = [{"id": 1, "vector": floats(0)}, {"id": 2, "vector": form(numbers)}]
    with pytest.raises(QQLPlanError, match=r"row 2 of :rows, `vector\[5\]`: NaN and infinity"):
        qql.compile("UPSERT INTO docs VALUES :rows", params={"rows": rows})


def test_arrays_of_floats_are_not_looked_at_number_by_number(
    db: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written_vectors, "is_short", never)
    rows = [{"id": n, "vector": {"v": floats(n)}} for n in range(5)]
    db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
    assert [point["vector"]["v"] for point in stored(db)] == [
        pytest.approx(floats(n).tolist(), rel=1e-6) for n in range(5)
    ]
    with pytest.raises(AssertionError, match="looked at again"):  # a list is
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": [{"id": 1, "vector": {"v": [0.5] * SIZE}}]})


# ------------------------------------------------------------------------------------ over gRPC


def sent(points: list[Any], **more: Any) -> list[Any]:
    """What is sent of an UPSERT over gRPC."""
    requests: list[Request] = []

    def call(request: Request) -> Json:
        requests.append(request)
        return {"status": "completed"}

    query = {"wait": "true"}
    request = Request("PUT", "/collections/docs/points", query, {"points": points, **more})
    in_parts(call, request, measure=False, writer=GrpcPoints(call, lambda model: False))
    [only] = requests
    return list((only.body or {})["points"])


def test_an_upsert_over_grpc_is_the_message_that_qdrant_client_would_make() -> None:
    key = "5c1a9c1e-0f4a-4f8e-9a53-0d1c8a3c5f10"
    points = [
        {"id": 1, "vector": row(1)["vector"], "payload": {"a": [1, 0.5, None, {"b": True}], "t": "ü"}},
        {"id": key, "vector": [1, 2.5], "payload": {}},
        {"id": 2**64 - 1, "vector": {}},
    ]
    messages = [pb.PointStruct.FromString(one) for one in sent(points)]
    wanted = [RestToGrpc.convert_point_struct(models.PointStruct.model_validate(one)) for one in points]
    assert messages == wanted


@pytest.mark.parametrize(
    "odd",
    [
        {"id": -1, "vector": [1.0]},
        {"id": True, "vector": [1.0]},
        {"id": "no uuid", "vector": [1.0]},
        {"id": 1, "vector": [math.nan]},
        {"id": 1, "vector": [True]},
        {"id": 1, "vector": ["1"]},
        {"id": 1, "vector": [10**400]},
        {"id": 1, "vector": {"s": {"indices": None, "values": [1.0]}}},
        {"id": 1, "vector": {"v": {"text": "words", "model": "m"}}},
        {"id": 1, "vector": {"text": "words", "model": "m"}},
        {"id": 1, "vector": [1.0], "payload": {"n": math.nan}},
        {"id": 1, "vector": [1.0], "payload": []},
        {"id": 1, "vector": [1.0], "other": 1},
        {"id": 1},
    ],
)
def test_what_is_not_plain_goes_the_way_that_checks_it(odd: JsonObject) -> None:
    points = [{"id": 7, "vector": [0.5]}, odd]
    found = sent(points)
    assert found[0] is points[0] and found[1] is odd


def test_an_upsert_with_conditions_goes_the_way_that_knows_them() -> None:
    points = [{"id": 7, "vector": [0.5]}, {"id": 8, "vector": [0.5]}]
    assert sent(points, update_mode="insert_only") == points
    assert all(isinstance(one, bytes) for one in sent(points, shard_key="a"))
