"""Rows of UPSERT, COPY and SET VECTOR: which keys are vectors, which are payload, what is said of them."""

from __future__ import annotations

import datetime
import decimal
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.errors import QQLError

MULTI = "VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)"
MAKE = f"CREATE COLLECTION c (v VECTOR(3, DOT), w SPARSE, m {MULTI})"
SPARSE = {"indices": [1, 7], "values": [0.5, 2.0]}


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.execute(MAKE)
        yield session


def stored(db: qql.Session, identity: int = 1) -> tuple[Any, Any]:
    """The vectors and the payload of a point, as the engine has them."""
    (hit,) = db.execute(f"SELECT * FROM c WHERE id = {identity} WITH VECTOR").hits
    return hit.vector, hit.payload


def fault(call: Any) -> QQLError:
    with pytest.raises(QQLError) as caught:
        call()
    return caught.value


def upsert(db: qql.Session, *rows: dict[str, Any]) -> list[tuple[str, str]]:
    """Codes and messages of the warnings."""
    result = db.execute("UPSERT INTO c VALUES :rows", {"rows": list(rows)})
    return [(one.code, one.message) for one in result.warnings]


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------ vectors by their names


@pytest.mark.parametrize(
    ("row", "vectors"),
    [
        ("{id: 1, v: [1, 2, 3]}", {"v": [1, 2, 3]}),
        ("{'id': 1, 'v': [1, 2.5, -3]}", {"v": [1, 2.5, -3]}),
        ("{id: 1, w: {indices: [1, 7], values: [0.5, 2]}}", {"w": SPARSE}),
        ("{id: 1, m: [[1, 2], [3, 4]]}", {"m": [[1, 2], [3, 4]]}),
        ("{id: 1, m: {data: [1, 2, 3, 4], dim: 2}}", {"m": [[1, 2], [3, 4]]}),
        ("{id: 1, vector: {v: [1, 2, 3]}, m: [[1, 2]]}", {"v": [1, 2, 3], "m": [[1, 2]]}),
    ],
)
def test_a_key_named_like_a_vector_is_that_vector(db: qql.Session, row: str, vectors: Any) -> None:
    db.execute(f"UPSERT INTO c VALUES {row}")
    assert stored(db) == (vectors, {})
    with qql.connect() as other:
        other.run(f"{MAKE}; UPSERT INTO c VALUES {row};")  # known from the script alone
        assert stored(other) == (vectors, {})


@pytest.mark.parametrize("value", ["a text", 5, 2.5, True, None, ["a", "b"], [True], {"a": 1}, [{"a": 1}]])
@pytest.mark.parametrize("key", ["v", "w", "m"])
def test_any_other_value_stays_payload(db: qql.Session, key: str, value: Any) -> None:
    upsert(db, {"id": 1, key: value})
    assert stored(db) == ({}, {key: value})


def test_a_list_is_nothing_like_a_sparse_vector(db: qql.Session) -> None:
    upsert(db, {"id": 1, "w": [1, 2, 3]})
    assert stored(db) == ({}, {"w": [1, 2, 3]})


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("v", [1, 2], "3 dimensions; this one has 2"),
        ("v", [1, 2, 3, 4], "this one has 4"),
        ("v", [], "at least one number"),
        ("v", [1, "x", 3], "not 'x'"),
        ("v", [1, None, 3], "not null"),
        ("v", [[1, 2, 3]], "this one is multi"),
        ("v", SPARSE, "this one is sparse"),
        ("w", {"indices": [1], "values": [1, 2]}, "1 index and 2 values"),
        ("w", {"indices": [1, 1], "values": [1, 2]}, "stands twice"),
        ("w", {"indices": [-1], "values": [1]}, "whole numbers"),
        ("w", {"indices": [1]}, "{indices: […], values: […]}"),
        ("m", [[1, 2], [3]], "differ in length"),
        ("m", [[1, 2, 3]], "2 dimensions; this one has 3"),
        ("v", {"text": "rain", "model": "m"}, "to be made by a model"),
    ],
)
def test_almost_a_vector_is_an_error_that_says_both_readings(
    db: qql.Session, key: str, value: Any, why: str
) -> None:
    error = fault(lambda: upsert(db, {"id": 1}, {"id": 2, key: value}))
    assert error.message.startswith("row 2: ") and f"`{key}`" in error.message and why in error.message
    assert f"vector: {{{key}: …}}" in str(error.hint) and f"payload: {{{key}: …" in str(error.hint)
    assert db.execute("COUNT FROM c").rows == [{"count": 0}]


def test_a_vector_given_twice_is_an_error(db: qql.Session) -> None:
    for twice in ({"v": [3, 2, 1]}, {"v": None}):
        error = fault(lambda twice=twice: upsert(db, {"id": 1, "vector": twice, "v": [1, 2, 3]}))
        assert error.code == "duplicate-vector"
    upsert(db, {"id": 1, "vector": {"v": [3, 2, 1]}, "v": "no vector"})
    assert stored(db) == ({"v": [3, 2, 1]}, {"v": "no vector"})


def test_a_vector_may_be_called_vector_or_payload() -> None:
    with qql.connect() as db:
        db.execute("CREATE COLLECTION c (vector VECTOR(2, DOT), payload VECTOR(2, DOT))")
        db.execute("UPSERT INTO c VALUES {id: 1, vector: [1, 2], payload: [3, 4], n: 1}")
        assert stored(db) == ({"vector": [1, 2], "payload": [3, 4]}, {"n": 1})
        db.execute("UPDATE c SET VECTOR VALUES {id: 1, vector: [5, 6]}")
        assert stored(db)[0] == {"vector": [5, 6], "payload": [3, 4]}
        db.execute("UPSERT INTO c VALUES {id: 1, payload: {n: 2}}")
        assert stored(db) == ({}, {"n": 2})


def test_an_unnamed_vector_and_a_text_for_another_are_both_kept() -> None:
    with qql.connect() as db:
        db.execute("CREATE COLLECTION c ('' VECTOR(2, DOT), words SPARSE MODEL 'qdrant/bm25')")
        result = db.execute("UPSERT INTO c VALUES {id: 1, vector: [1, 2], text: 'rain'}")
        assert result.warnings == ()
        assert set(stored(db)[0]) == {"", "words"}
        assert db.execute("QUERY 'rain' FROM c USING words").ids == [1]


def test_set_vector_takes_keys_too(db: qql.Session) -> None:
    upsert(db, {"id": 1, "v": [1, 2, 3]}, {"id": 2, "v": [1, 2, 3]})
    rows = "{id: 1, v: [3, 2, 1]}, {id: 2, w: {indices: [1, 7], values: [0.5, 2]}}"
    db.execute(f"UPDATE c SET VECTOR VALUES {rows}")
    assert stored(db, 1)[0] == {"v": [3, 2, 1]}
    assert stored(db, 2)[0] == {"v": [1, 2, 3], "w": SPARSE}
    error = fault(lambda: db.execute("UPDATE c SET VECTOR VALUES {id: 1, v: [1, 2, 3]}, {id: 2, v: [1]}"))
    assert error.message.startswith("row 2: ")
    offline = fault(lambda: qql.compile("UPDATE c SET VECTOR VALUES {id: 1, v: [1, 2, 3]}"))
    assert offline.hint == "a vector is written vector: {v: …}"


@pytest.mark.parametrize("value", [[1, 2, 3], [0.5, 1], SPARSE, [[1, 2], [3, 4]]])
def test_without_a_schema_what_looks_like_a_vector_is_told(value: Any) -> None:
    found = qql.check(f"UPSERT INTO c VALUES {json.dumps({'id': 1, 'x': value})}")
    (warning,) = [one for one in found if one.code == "vector-in-payload"]
    assert "nothing is known" in warning.message
    assert warning.hint == "a vector is written vector: {x: …}, a field for certain payload: {x: …}"


@pytest.mark.parametrize("row", ["x: [1]", "x: ['a', 'b']", "x: 'a'", "payload: {x: [1, 2, 3]}"])
def test_without_a_schema_nothing_else_is_told(row: str) -> None:
    found = qql.check(f"UPSERT INTO c VALUES {{id: 1, {row}}}")
    assert [one.code for one in found] == ["no-schema"]


# ------------------------------------------------------------------------------------ payload: {…}


def test_an_object_called_payload_is_the_payload(db: qql.Session) -> None:
    whole = {"id": "A-1", "vector": 5, "payload": {"a": 1}, "v": [1, 2, 3], "n": 1}
    assert upsert(db, {"id": 1, "w": SPARSE, "payload": whole}) == [
        ("no-vector", "1 row without the vectors `v` and `m` (row 1)")
    ]
    assert stored(db) == ({"w": SPARSE}, whole)


@pytest.mark.parametrize("value", ["x", 5, None, [1], [{"a": 1}]])
def test_payload_that_is_no_object_is_a_field(db: qql.Session, value: Any) -> None:
    upsert(db, {"id": 1, "payload": value, "n": 1})
    assert stored(db)[1] == {"payload": value, "n": 1}


@pytest.mark.parametrize("beside", [{"n": 1}, {"v": "a text"}, {"vectors": 1}])
def test_other_fields_beside_the_payload_are_an_error(db: qql.Session, beside: Any) -> None:
    error = fault(lambda: upsert(db, {"id": 1, "payload": {"a": 1}, **beside}))
    assert error.code == "mixed-payload" and f"`{next(iter(beside))}`" in error.message


def test_texts_in_the_payload_are_embedded() -> None:
    with qql.connect() as db:
        db.execute("CREATE COLLECTION c (words SPARSE MODEL 'qdrant/bm25')")
        db.execute("UPSERT INTO c VALUES {id: 1, payload: {text: 'rain', id: 5}}")
        assert db.execute("QUERY 'rain' FROM c USING words").ids == [1]


def test_a_payload_that_needs_no_block_is_told_with_the_other_reading(db: qql.Session) -> None:
    full = {"vector": {"v": [1, 2, 3], "w": None, "m": None}}
    ((code, message),) = upsert(db, *({"id": n, **full, "payload": {"n": n}} for n in range(50)))
    assert code == "nested-payload" and "not for a field" in message
    (warning,) = db.execute("UPSERT INTO c VALUES :r", {"r": {"id": 1, **full, "payload": {"a": 1}}}).warnings
    assert "payload: {payload: {…}}" in str(warning.hint)
    for reason in ("id", "vector", "payload", "v", "Vector", "embedding"):
        assert upsert(db, {"id": 1, **full, "payload": {reason: {"a": 1}}}) == []


def test_equal_content_has_one_id_however_it_is_written(db: qql.Session) -> None:
    for row in (
        "{n: 1, vector: {v: [1, 2, 3]}}",
        "{n: 1, v: [1, 2, 3]}",
        "{payload: {n: 1}, v: [1, 2, 3]}",
    ):
        db.execute(f"INSERT INTO c VALUES {row}")
    assert db.execute("COUNT FROM c").rows == [{"count": 1}]


# ------------------------------------------------------------------------------------ rows without a vector


def test_rows_without_a_vector_are_counted_by_what_they_lack(db: qql.Session) -> None:
    have = {"w": SPARSE, "m": [[1, 2]]}
    rows = [{"id": n, **have, **({} if n % 3 else {"v": [1, 2, 3]})} for n in range(300)]
    assert upsert(db, *rows, {"id": 300}) == [
        ("no-vector", "200 rows without the vector `v` (the first in row 2)"),
        ("no-vector", "1 row without the vectors `v`, `m` and `w` (row 301)"),
    ]


def test_a_vector_that_is_null_is_left_out_on_purpose(db: qql.Session) -> None:
    assert upsert(db, {"id": 1, "v": [1, 2, 3], "vector": {"w": None, "m": None}}) == []
    assert stored(db) == ({"v": [1, 2, 3]}, {})


@pytest.mark.parametrize("key", ["vectors", "embedding", "Embeddings"])
def test_a_field_that_may_be_the_missing_vector_is_named(db: qql.Session, key: str) -> None:
    (warning,) = db.execute("UPSERT INTO c VALUES :rows", {"rows": {"id": 1, key: [1, 2, 3]}}).warnings
    assert warning.code == "no-vector" and f"`{key}`" in str(warning.hint)


def test_many_kinds_of_rows_make_few_warnings() -> None:
    names = [f"v{n}" for n in range(10)]
    with qql.connect() as db:
        db.execute(f"CREATE COLLECTION c ({', '.join(f'{name} VECTOR(1, DOT)' for name in names)})")
        rows = [{"id": n, **{name: [1.0] for at, name in enumerate(names) if n >> at & 1}} for n in range(64)]
        found = upsert(db, *rows)
    assert len(found) == 6
    assert found[-1] == ("no-vector", "59 rows without other vectors of `c`")


def test_made_up_rows_of_lint_miss_nothing() -> None:
    script = f"{MAKE};\nUPSERT INTO c VALUES"
    assert qql.lint(f"{script} :rows;") == []
    assert [one.code for one in qql.lint(f"{script} {{id: 1}};")] == ["no-vector"]


# ------------------------------------------------------------------------------------ COPY


def copied(db: qql.Session, path: Path, rest: str = "") -> list[tuple[str, str]]:
    result = db.execute(f"COPY c FROM '{path}' {rest}")
    return [(one.code, one.message) for one in result.warnings]


@pytest.mark.parametrize(
    ("row", "rest"),
    [
        ({"id": 1, "n": 1, "v": [1, 2, 3]}, ""),
        ({"id": 1, "n": 1, "embedding": [1, 2, 3]}, "MAP (v = embedding)"),
        ({"id": 1, "n": 1, "vector": [1, 2, 3]}, "MAP (v = vector)"),
        ({"id": 1, "n": 1, "embedding": [1, 2, 3]}, "MAP (payload = (n), v = embedding)"),
        ({"id": 1, "n": 1, "v": [1, 2, 3]}, "MAP (payload = (n))"),
        ({"id": 1, "p": {"n": 1}, "v": [1, 2, 3]}, "MAP (payload = p)"),
        ({"id": 1, "payload": {"n": 1}, "vector": {"v": [1, 2, 3]}}, ""),
        ({"id": 1, "payload": {"n": 1}, "v": [1, 2, 3]}, ""),
        ({"id": 1, "payload": {"n": 1}, "e": [1, 2, 3]}, "MAP (payload = payload, v = e)"),
    ],
)
def test_a_column_named_like_a_vector_is_that_vector(
    db: qql.Session, tmp_path: Path, row: Any, rest: str
) -> None:
    copied(db, lines(tmp_path / "a.jsonl", row), rest)
    assert stored(db) == ({"v": [1, 2, 3]}, {"n": 1})


def test_what_map_takes_for_the_payload_is_payload(db: qql.Session, tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"id": 1, "v": [1, 2, 3], "payload": {"v": [4, 5, 6], "payload": {}}})
    copied(db, path, "MAP (payload = payload)")
    assert stored(db) == ({"v": [1, 2, 3]}, {"v": [4, 5, 6], "payload": {}})
    copied(db, path, "MAP (payload = (v))")
    assert stored(db) == ({}, {"v": [1, 2, 3]})


def test_a_column_that_is_neither_vector_nor_payload_is_told(db: qql.Session, tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"id": 1, "v": "a text", "w": SPARSE, "n": 1})
    codes = [code for code, message in copied(db, path, "MAP (payload = (n))") if "column of" in message]
    assert codes == ["columns-left-out"]
    assert stored(db) == ({"w": SPARSE}, {"n": 1})
    error = fault(lambda: copied(db, lines(path, {"id": 1, "v": [1, 2], "n": 1}), "MAP (payload = (n))"))
    assert "vector: {v: …}" in str(error.hint)
    path = tmp_path / "a.csv"
    path.write_text('id,v,n\n1,"[1, 2, 3]",5\n', encoding="utf-8")
    copied(db, path, "MAP (payload = (n))")
    assert stored(db) == ({"v": [1, 2, 3]}, {"n": 5})


def test_cells_named_like_a_vector_are_json(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    cells = '1,"[1, 2, 3]",\n2,[draft] a text,\n3,,"{""indices"": [1, 7], ""values"": [0.5, 2]}"\n'
    path.write_text(f"id,v,w\n{cells}", encoding="utf-8")
    copied(db, path)
    assert stored(db, 1) == ({"v": [1, 2, 3]}, {})
    assert stored(db, 2) == ({}, {"v": "[draft] a text"})
    assert stored(db, 3) == ({"w": SPARSE}, {})
    for cell in ("[0.1 0.2 0.3]", '"[1, 2, nan]"', "\"{'indices': [1], 'values': [1]}\"", '"[1, 2]"'):
        path.write_text(f"id,v\n1,{cell}\n", encoding="utf-8")
        error = fault(lambda: copied(db, path))
        assert error.code == "bad-row" and "line 2: `v` is named like a vector" in error.message


def test_lines_without_a_vector_are_counted(db: qql.Session, tmp_path: Path) -> None:
    rows = [{"id": n, "v": [1, 2, 3]} if n % 2 else {"id": n, "embedding": [1, 2, 3]} for n in range(10)]
    path = lines(tmp_path / "a.jsonl", *rows)
    for rest in ("", "ON ERROR SKIP"):
        assert copied(db, path, rest) == [
            ("no-vector", "5 rows without the vectors `v`, `m` and `w` (the first in line 1)"),
            ("no-vector", "5 rows without the vectors `m` and `w` (the first in line 2)"),
        ]
    (first, _) = db.execute(f"COPY c FROM '{path}'").warnings
    assert "MAP (v = embedding)" in str(first.hint)


@pytest.mark.parametrize(
    ("row", "rest", "hint"),
    [
        ({"id": 1, "v": [1, 2, 3]}, "MAP (vector = v)", "leave `vector = v` out of MAP"),
        ({"id": 1, "e": [1, 2, 3]}, "MAP (vector = e)", "MAP (v = e)"),
        ({"id": 1, "e": [[1, 2]]}, "MAP (vector = e)", "MAP (m = e)"),
        ({"id": 1, "vector": SPARSE}, "", "MAP (w = vector)"),
    ],
)
def test_one_vector_for_a_collection_of_several_says_what_to_write(
    db: qql.Session, tmp_path: Path, row: Any, rest: str, hint: str
) -> None:
    error = fault(lambda: copied(db, lines(tmp_path / "a.jsonl", row), rest))
    assert "have names" in error.message and hint in str(error.hint)


def test_a_copied_payload_is_told_once_and_map_says_it(db: qql.Session, tmp_path: Path) -> None:
    full = {"vector": {"v": [1, 2, 3], "w": None, "m": None}}
    path = lines(tmp_path / "a.jsonl", *({"id": n, **full, "payload": {"n": n}} for n in range(40)))
    ((code, _),) = copied(db, path)
    assert code == "nested-payload" and stored(db)[1] == {"n": 1}
    assert copied(db, path, "MAP (payload = payload)") == []


# ------------------------------------------------------------------------------------ there and back

_VALUES = st.one_of(
    st.integers(-5, 5),
    st.text("ab", max_size=2),
    st.none(),
    st.lists(st.sampled_from([0.5, -1.25, 3.0]), max_size=4),
    st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), max_size=2),
    st.lists(st.sampled_from(["a", 1, None]), max_size=3),
    st.just(SPARSE),
    st.sampled_from([{}, {"a": 1}, {"text": "x"}, {"text": "x", "model": "m"}]),
)
_KEYS = st.sampled_from(
    ["id", "vector", "vectors", "Vector", "payload", "v", "w", "m", "n", "text", "embedding"]
)
_PAYLOADS = st.dictionaries(_KEYS, _VALUES, max_size=4)
_CONFIG = {
    "vectors": {
        "v": {"size": 3, "distance": "Dot"},
        "m": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
    },
    "sparse_vectors": {"w": {}},
}


@settings(max_examples=examples(150), deadline=None)
@given(payloads=st.lists(_PAYLOADS, min_size=1, max_size=3))
def test_a_converted_request_means_the_same_whatever_the_vectors_are_called(payloads: list[Any]) -> None:
    points = [{"id": n, "vector": {"v": [1.0, 2.0, 3.0]}, "payload": one} for n, one in enumerate(payloads)]
    request = {"method": "PUT", "path": "/collections/c/points", "body": {"points": points}}
    text = qql.from_request(request)
    for schema in (None, _CONFIG):
        (made,) = qql.compile(text, schema=schema) if schema else qql.compile(text)
        assert made.body is not None
        found = [one.get("payload", {}) for one in made.body["points"]]
        assert found == payloads
        assert [one["vector"] for one in made.body["points"]] == [{"v": [1.0, 2.0, 3.0]}] * len(points)


@settings(max_examples=examples(5), deadline=None)
@given(payloads=st.lists(_PAYLOADS, min_size=8, max_size=16))
def test_a_dump_brings_every_payload_back(payloads: list[Any], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("dump") / "c.qql"
    with qql.connect() as db, qql.connect() as other:
        db.execute(MAKE)
        for n, payload in enumerate(payloads):
            db.execute("UPSERT INTO c VALUES {id: :n, payload: :p}", {"n": n, "p": payload})
        db.execute(f"DUMP c '{path}'")
        results = other.run(path.read_text(encoding="utf-8"))
        assert [one.message for result in results for one in result.warnings] == []
        for n, payload in enumerate(payloads):
            assert stored(other, n) == stored(db, n) == ({}, payload)


def test_payload_fields_called_like_parts_of_a_point_are_converted_in_batches_too() -> None:
    point = {"id": 1, "vector": [0.1, 0.2], "payload": {"id": "A-1", "name": "n"}}
    body = {"operations": [{"upsert": {"points": [point]}}]}
    request = {"method": "POST", "path": "/collections/docs/points/batch", "body": body}
    (made,) = qql.compile(qql.from_request(request))
    assert made.body == body
    columns = {"ids": [1], "vectors": [[0.1, 0.2]], "payloads": [{"id": "A-1", "name": "n"}]}
    request = {"method": "PUT", "path": "/collections/docs/points", "body": {"batch": columns}}
    assert "payload: {id: 'A-1', name: 'n'}" in qql.from_request(request)


# ------------------------------------------------------------------------------------ Python values


class NaT(datetime.datetime):
    """pandas' NaT: a datetime that differs from itself."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.datetime.__hash__

    def isoformat(self, *args: Any, **rest: Any) -> str:
        return "NaT"


NA = type("NAType", (), {"__module__": "pandas._libs.missing"})()


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (NaT(2024, 1, 1), None),
        (NA, None),
        (np.datetime64("NaT"), None),
        (np.datetime64("NaT", "ns"), None),
        (np.datetime64("2024-05-01"), "2024-05-01"),
        (np.datetime64("2024-05-01T10:00:00", "ns"), "2024-05-01T10:00:00"),
        (np.datetime64("2024-05-01T10:00:00.000000001"), "2024-05-01T10:00:00.000000001"),
        (np.datetime64("2024-05"), "2024-05-01"),
        (np.array(["2024-05-01", "NaT"], dtype="datetime64[ns]"), ["2024-05-01T00:00:00", None]),
        (np.array("2024-05-01", dtype="datetime64[D]"), "2024-05-01"),
        (np.float32(0.5), 0.5),
        (np.int64(5), 5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f4")]), [{"a": 1, "b": 0.5}]),
        ({3, 1, 2}, [1, 2, 3]),
        ({"b", 1}, [1, "b"]),
    ],
)
def test_python_values_arrive(value: Any, arrives: Any) -> None:
    (request,) = qql.compile("UPSERT INTO c VALUES {id: 1, x: :x}", {"x": value})
    assert request.body is not None
    found = request.body["points"][0]["payload"]["x"]
    assert (found, type(found)) == (arrives, type(arrives))
    where = {"method": "PUT", "path": "/collections/c/points"}
    point = {"id": 1, "vector": {}, "payload": {"x": value}}
    (again,) = qql.compile(qql.from_request({**where, "body": {"points": [point]}}))
    assert again.body is not None and again.body["points"][0]["payload"]["x"] == arrives


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), np.float64("inf"), np.datetime64("12024-05-01"), np.timedelta64(3, "D")),
        *(np.array([1], dtype="timedelta64[ns]"), datetime.timedelta(3)),
        *(
            decimal.Decimal("0.1234567890123456789"),
            b"x",
            np.bytes_(b"x"),
            np.longdouble(1),
            np.complex64(1),
            2**64,
            object(),
        ),
        *([1.0, float("nan")], {1: 2}, itertools.count()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_bad_value_of_many_rows_names_row_and_key(value: Any) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "price": 1.5} for n in range(3000)]
    rows[1777]["price"] = value
    error = fault(lambda: qql.compile("UPSERT INTO c VALUES :rows", {"rows": rows}))
    assert error.message.startswith("row 1778 of :rows, `price")


def test_the_place_inside_of_a_parameter_is_named() -> None:
    rows = [{"id": 1}, {"id": 2, "a": {"b": [1, {"c": float("nan")}]}}]
    assert "row 2 of ?, `a.b[1].c`:" in fault(lambda: qql.compile("UPSERT INTO c VALUES ?", [rows])).message
    error = fault(lambda: qql.compile("QUERY :v FROM c", {"v": [0.5, float("nan")]}))
    assert error.message.startswith(":v[1]: NaN")


def test_arrays_are_vectors(db: qql.Session) -> None:
    upsert(db, {"id": 1, "v": np.array([1, 2, 3], dtype="float32"), "m": np.ones((2, 2))})
    assert stored(db) == ({"v": [1, 2, 3], "m": [[1, 1], [1, 1]]}, {})
