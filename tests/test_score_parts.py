"""WHY of one point: its score in a stage as the sum of what its terms, or the pairs of its vectors, give."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from fake_server import FakeServer

from qql.analysis.score_parts import Pair, ScoreParts, Term
from qql.session.connect import connect
from qql.session.session import Session

SEED = 20
WORDS = (
    "heart",
    "care",
    "running",
    "emergency",
    "doctor",
    "river",
    "stone",
    "cloud",
    "tiger",
    "piano",
    "glass",
)
MANY = 100  # more terms than are asked for one by one

CREATE = """
CREATE COLLECTION docs (
  words SPARSE MODEL 'qdrant/bm25' WITH SPARSE (modifier = idf), plain SPARSE WITH SPARSE (modifier = none),
  wide SPARSE WITH SPARSE (modifier = idf),
  cosine VECTOR(3, COSINE) WITH MULTIVECTOR (comparator = max_sim),
  dot VECTOR(3, DOT) WITH MULTIVECTOR (comparator = max_sim),
  euclid VECTOR(3, EUCLID) WITH MULTIVECTOR (comparator = max_sim),
  manhattan VECTOR(3, MANHATTAN) WITH MULTIVECTOR (comparator = max_sim),
  dense VECTOR(3, DOT)
);
CREATE INDEX ON docs FOR body TYPE text WITH (stopwords = 'english', scoring = true);
"""


def rows(rng: random.Random, count: int) -> list[list[float]]:
    return [[rng.uniform(-1, 1) for _ in range(3)] for _ in range(count)]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    rng = random.Random(SEED)
    with connect() as made:
        made.run(CREATE)
        for key in range(1, 41):
            text = " ".join(rng.choices(WORDS, k=rng.randrange(3, 12)))
            indices = sorted(rng.sample(range(12), 6))
            point: dict[str, Any] = {
                "id": key,
                "body": text,
                "words": text,
                "plain": {"indices": indices, "values": [rng.uniform(-2, 2) for _ in indices]},
                "wide": {"indices": list(range(MANY)), "values": [rng.uniform(0.1, 1) for _ in range(MANY)]},
                "dense": rows(rng, 1)[0],
            }
            for name in ("cosine", "dot", "euclid", "manhattan"):
                point[name] = rows(rng, rng.randrange(1, 6))
            made.execute("UPSERT INTO docs VALUES :row", {"row": point})
        yield made


def parts_of(session: Session, key: int, query: str, params: Any = None, stage: int = 0) -> dict[str, Any]:
    found = session.execute(f"WHY {key} {query}", params).data
    assert found["outcome"] == "hit"
    parts: dict[str, Any] = found["standings"][stage]["parts"]
    assert parts["score"] == pytest.approx(found["standings"][stage]["score"], rel=1e-6)
    return parts


@pytest.mark.parametrize("key", [1, 7, 40])
def test_the_terms_of_a_sparse_vector_add_up_to_the_score(session: Session, key: int) -> None:
    query = {"indices": list(range(12)), "values": [0.5 + at / 7 for at in range(12)]}
    parts = parts_of(session, key, "QUERY :v FROM docs USING plain LIMIT 100", {"v": query})
    stored = (
        session.execute("QUERY POINTS (:id) FROM docs WITH VECTOR (plain)", {"id": key})
        .hits[0]
        .vector["plain"]
    )
    own = dict(zip(stored["indices"], stored["values"], strict=True))
    assert {one["index"] for one in parts["parts"]} == set(own)
    for one in parts["parts"]:
        assert one["score"] == pytest.approx((0.5 + one["index"] / 7) * own[one["index"]], rel=1e-5)
        assert one["factor"] == pytest.approx(1, rel=1e-5)
    assert sum(one["score"] for one in parts["parts"]) == pytest.approx(parts["score"], rel=1e-5)
    assert parts["adds_up"] and parts["kind"] == "terms"
    assert set(parts["absent"]) == {f"dimension {at}" for at in range(12) if at not in own}


def test_terms_of_bm25_have_the_idf_that_the_collection_gives_them(session: Session) -> None:
    texts = {hit.id: hit.payload["body"] for hit in session.execute("SCROLL FROM docs LIMIT 100").hits}
    key = next(key for key, text in texts.items() if "heart" in text.split() and "care" in text.split())
    text = "the Hearts, and emergencies: careful care of zebras"
    parts = parts_of(session, int(key), "QUERY :t FROM docs USING words LIMIT 100", {"t": text})
    found = {one["term"]: one for one in parts["parts"]}
    assert {"heart", "care"} <= set(found) <= {"heart", "care", "emerg"}
    for term, one in found.items():
        word = {"emerg": "emergency"}.get(term, term)
        having = sum(word in text.split() for text in texts.values())
        assert one["factor"] == pytest.approx(math.log(1 + (40 - having + 0.5) / (having + 0.5)), rel=1e-4)
    assert sum(one["score"] for one in parts["parts"]) == pytest.approx(parts["score"], rel=1e-5)
    assert "zebra" in parts["absent"] and "the" not in parts["absent"]


def test_what_is_not_asked_for_term_by_term_is_asked_for_together(session: Session) -> None:
    query = {"indices": list(range(MANY)), "values": [1.0] * MANY}
    parts = parts_of(session, 3, "QUERY :v FROM docs USING wide LIMIT 100", {"v": query})
    assert len(parts["parts"]) + parts["more"] == MANY and parts["more"] > 0
    least = min(one["score"] for one in parts["parts"])
    assert 0 < parts["rest"] <= least * parts["more"] * 1.001  # those asked for are the greatest
    assert sum(one["score"] for one in parts["parts"]) + parts["rest"] == pytest.approx(
        parts["score"], rel=1e-5
    )


@pytest.mark.parametrize("using", ["cosine", "dot", "manhattan", "euclid"])
@pytest.mark.parametrize("key", [2, 9, 31])
def test_the_pairs_of_multivectors_add_up_to_the_score(session: Session, using: str, key: int) -> None:
    query = rows(random.Random(key), 4)
    asked = f"QUERY :v FROM docs USING {using} LIMIT 100"
    parts = parts_of(session, key, asked, {"v": query})
    stored = (
        session.execute(f"QUERY POINTS (:id) FROM docs WITH VECTOR ({using})", {"id": key})
        .hits[0]
        .vector[using]
    )
    assert [one["query"] for one in parts["parts"]] == [1, 2, 3, 4]
    scores = [one["score"] for one in parts["parts"]]
    for row, one in zip(query, parts["parts"], strict=True):
        alone = {
            "cosine": lambda a, b: (
                sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
            ),
            "dot": lambda a, b: sum(x * y for x, y in zip(a, b, strict=True)),
            "manhattan": lambda a, b: sum(abs(x - y) for x, y in zip(a, b, strict=True)),
            "euclid": math.dist,
        }[using]
        values = [alone(row, each) for each in stored]
        best = max(values) if using in ("cosine", "dot") else min(values)
        assert one["score"] == pytest.approx(best, rel=1e-4, abs=1e-5)
        assert one["document"] == values.index(best) + 1
    total = math.hypot(*scores) if using == "euclid" else sum(scores)
    assert total == pytest.approx(parts["score"], rel=1e-4) and parts["adds_up"]
    assert parts["squares"] is (using == "euclid")


def test_the_words_of_full_text_search_add_up_to_the_score(session: Session) -> None:
    asked = "QUERY MATCH 'the heart, care running nothing' ON body FROM docs LIMIT 100"
    key = int(session.execute(asked).hits[0].id)
    parts = parts_of(session, key, asked)
    assert {one["term"] for one in parts["parts"]} <= {"heart,", "care", "running"}
    assert sum(one["score"] for one in parts["parts"]) == pytest.approx(parts["score"], rel=1e-5)
    assert {"the", "nothing"} <= set(parts["absent"])


def test_each_stage_of_a_pipeline_has_its_own_parts(session: Session) -> None:
    asked = """WITH lexical AS (QUERY 'heart care' USING words LIMIT 50),
      near AS (QUERY :d USING dense LIMIT 50)
      QUERY :rows FROM docs USING dot PREFETCH (lexical, near) LIMIT 50"""
    params = {"d": [1.0, 0.0, 0.0], "rows": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}
    key = int(session.execute("QUERY 'heart care' FROM docs USING words LIMIT 1").hits[0].id)
    found = session.execute(f"WHY {key} {asked}", params)
    root, lexical, near = found.data["standings"]
    assert root["parts"]["kind"] == "pairs" and root["parts"]["adds_up"]
    assert {one["term"] for one in lexical["parts"]["parts"]} <= {"heart", "care"} and lexical["parts"][
        "adds_up"
    ]
    assert near["parts"] is None  # a dense vector's score is no sum that means anything
    lines = found.message.splitlines()
    at = next(at for at, line in enumerate(lines) if "lexical:" in line)
    assert "IDF" in lines[at + 1] and lines[at + 1].startswith(" " * 6)


def test_a_point_that_is_no_hit_has_the_parts_of_the_score_that_it_would_have(session: Session) -> None:
    last = session.execute("QUERY 'heart care' FROM docs USING words LIMIT 100").hits[-1]
    found = session.execute(f"WHY NOT {last.id} QUERY 'heart care' FROM docs USING words LIMIT 1").data
    assert found["outcome"] != "hit"
    parts = found["standings"][0]["parts"]
    assert parts["total"] == pytest.approx(last.score, rel=1e-4)


def test_why_of_many_points_asks_for_no_parts(session: Session) -> None:
    found = session.execute("WHY WHERE id IN (1, 2, 3) QUERY 'heart care' FROM docs USING words LIMIT 3")
    assert "IDF" not in found.message


def test_parts_that_do_not_add_up_are_said_to_be_so() -> None:
    odd = ScoreParts(2.0, (Term("heart", 1, 1.0, 1.0, 1.0), Term(None, 2, 1.0, 0.5, 0.5)))
    assert not odd.adds_up
    *shown, last = odd.lines()
    assert shown == ["heart        1   = 1 × 1", "dimension 2  0.5 = 1 × 0.5"]
    assert last == "these add up to 1.5, and the score is 2"


def test_a_long_list_is_cut_and_its_rest_is_said() -> None:
    pairs = tuple(Pair(at, at, 1.0) for at in range(1, 21))
    lines = list(ScoreParts(25.0, pairs, more=5, rest=5.0).lines())
    assert len(lines) == 13 and lines[-1] == "and 13 pairs more: 13"


@pytest.mark.parametrize("over", ["rest", "grpc"])
def test_a_server_that_embeds_the_text_itself_is_asked_for_each_token(over: str) -> None:
    with FakeServer() as server, connect(server.url if over == "rest" else server.grpc_url) as remote:
        remote.execute("CREATE COLLECTION c (words SPARSE MODEL 'qdrant/bm25')")
        remote.execute("UPSERT INTO c VALUES {id: 1, body: 'care of hearts'}, {id: 2, body: 'a river'}")
        parts = parts_of(remote, 1, "QUERY 'the heart, caring' FROM c USING words LIMIT 2")
    assert {one["term"] for one in parts["parts"]} == {"heart", "care"} and parts["adds_up"]
