"""Vectors are shown, dumped and given as the decimals that they were written as."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient

import qql
from qql.backends.short_floats import shortest_floats, shortest_vector
from qql.session.session import Session

WIDE = st.floats(width=32, allow_nan=False, allow_infinity=False)
CREATE = """
CREATE COLLECTION c (
  plain VECTOR(3, EUCLID), turned VECTOR(3, COSINE), words SPARSE,
  many VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)
);
UPSERT INTO c VALUES {id: 1, vector: {
  plain: [0.1, -0.7, 16777216.5], turned: [0.1, 0.2, 0.3],
  words: {indices: [1, 5], values: [0.1, 2.3]}, many: [[0.1, 0.2], [0.3, 0.4]]
}};
"""
READS = (
    "SCROLL FROM c WITH VECTOR",
    "QUERY [0, 0, 0] FROM c USING plain WITH VECTOR LIMIT 1",
    "QUERY 1 FROM c USING plain WITH VECTOR LIMIT 1",
    "QUERY [0.1, 0.2, 0.3] FROM c USING turned WITH VECTOR LIMIT 1",
)


def bits(value: float) -> bytes:
    return struct.pack("<f", value)


@pytest.fixture(params=["edge", "local"])
def db(request: pytest.FixtureRequest) -> Session:
    session = qql.connect(":memory:" if request.param == "edge" else QdrantClient(":memory:"))
    session.run(CREATE)
    request.addfinalizer(session.close)
    return session


@given(st.lists(WIDE, max_size=20))
def test_short_numbers_are_the_same_in_32_bits_and_never_longer(values: list[float]) -> None:
    short = shortest_floats(values)
    assert [bits(value) for value in short] == [bits(value) for value in values]
    assert all(len(repr(one)) <= len(repr(value)) + 1 for one, value in zip(short, values, strict=True))


def test_what_is_no_32_bit_float_stays() -> None:
    assert shortest_floats([0.1, 1e300]) == [0.1, 1e300]
    assert math.isnan(shortest_floats([math.nan])[0])
    assert shortest_floats([math.inf]) == [math.inf]
    assert shortest_vector([]) == []


def test_a_vector_that_is_called_values_is_no_sparse_one() -> None:
    long = struct.unpack("<f", bits(0.1))[0]
    assert shortest_vector({"values": [long], "indices": {"indices": [1], "values": [long]}}) == {
        "values": [0.1],
        "indices": {"indices": [1], "values": [0.1]},
    }


@pytest.mark.parametrize("statement", READS)
def test_every_read_gives_the_numbers_that_were_written(db: Session, statement: str) -> None:
    found = db.run(statement)[0].hits
    for hit in found:
        assert isinstance(hit.vector, dict)
        assert hit.vector["plain"] == [0.1, -0.7, 16777216.0]
        assert hit.vector["words"] == {"indices": [1, 5], "values": [0.1, 2.3]}
        assert hit.vector["many"] == [[0.1, 0.2], [0.3, 0.4]]
        assert all(len(repr(value)) <= 12 for value in hit.vector["turned"])
    assert found or "QUERY 1" in statement


def test_groups_have_short_vectors_too(db: Session) -> None:
    db.run("UPDATE c SET PAYLOAD = {kind: 'x'} WHERE id = 1; ")
    text = "QUERY [0, 0, 0] FROM c USING plain GROUP BY kind WITH VECTOR (words) LIMIT 1"
    [hit] = db.run(text)[0].hits
    assert hit.vector == {"words": {"indices": [1, 5], "values": [0.1, 2.3]}}


def test_a_dump_is_short_and_brings_the_same_bits_back(tmp_path: Path) -> None:
    path = tmp_path / "c.qql"
    with qql.connect(tmp_path / "db") as one:
        one.run(CREATE)
        before = one.run("SCROLL FROM c WITH VECTOR")[0].hits[0].vector
        one.run("DUMP c TO :path", {"path": str(path)})
    assert "0.10000000149" not in path.read_text()
    with qql.connect(tmp_path / "other") as other:
        other.run(path.read_text())
        after = other.run("SCROLL FROM c WITH VECTOR")[0].hits[0].vector
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    for name in ("plain", "turned"):
        assert [bits(value) for value in before[name]] == [bits(value) for value in after[name]]
    assert before["words"] == after["words"]
