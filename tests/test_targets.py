"""Queries of every kind on the embedded engine, through a session, against values worked out in Python."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import qql
from qql.errors import QQLError
from qql.result import Hit
from qql.session.session import Session

Row = dict[str, Any]
COUNT = 30
SIZE = 4
RNG = random.Random(7)


def _vector() -> list[float]:
    return [round(RNG.uniform(-1, 1), 3) for _ in range(SIZE)]


def _row(number: int) -> Row:
    """A point's payload; some fields are missing, null, empty or lists."""
    row: Row = {
        "n": number,
        "price": round(RNG.uniform(0, 100), 2),
        "word": RNG.choice(["red", "green", "blue"]),
        "flag": number % 3 == 0,
        "tags": RNG.sample(["a", "b", "c", "d"], RNG.randint(0, 3)),
        "at": f"2024-{1 + number % 12:02}-{1 + number % 28:02}T00:00:00Z",
        "place": {"lat": round(RNG.uniform(48, 53), 3), "lon": round(RNG.uniform(9, 14), 3)},
        "parts": [{"size": RNG.randint(1, 4), "kind": RNG.choice("xyz")} for _ in range(RNG.randint(0, 3))],
        "owner": 100 + number % 4,
    }
    if number % 5 == 0:
        del row["price"]
    if number % 7 == 0:
        row["word"] = None
    return row


VECTORS = {number: _vector() for number in range(1, COUNT + 1)}
ROWS = {number: _row(number) for number in VECTORS}
ASKED = [0.9, -0.3, 0.4, 0.2]
TEXTS = {
    1: "Emergency care for acute chest pain",
    2: "Urgent treatment of burns in children",
    3: "Planning an annual visit to the doctor",
    4: "Chest pain and shortness of breath",
    5: "Care of the elderly at home",
    6: "Pain, pain and more pain",
}


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with qql.connect() as session:
        session.run(
            "CREATE COLLECTION docs (v VECTOR(4, DOT), w VECTOR(4, DOT));"
            "CREATE COLLECTION owners (v VECTOR(4, DOT));"
            "CREATE COLLECTION notes"
            " (meaning VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');"
        )
        rows = [
            {"id": i, "vector": {"v": VECTORS[i]} | ({"w": VECTORS[i]} if i % 2 else {}), **ROWS[i]}
            for i in VECTORS
        ]
        session.run("UPSERT INTO docs VALUES :rows", {"rows": rows})
        owners = [
            {"id": 100 + i, "vector": {"v": VECTORS[i + 1]}, "name": f"owner {i}", "age": 30 + i}
            for i in range(4)
        ]
        session.run("UPSERT INTO owners VALUES :rows", {"rows": owners})
        session.run(
            "UPSERT INTO notes VALUES :rows", {"rows": [{"id": i, "text": t} for i, t in TEXTS.items()]}
        )
        session.run(
            "CREATE INDEX ON docs FOR n TYPE integer;"
            "CREATE INDEX ON docs FOR at TYPE datetime;"
            "CREATE INDEX ON notes FOR text TYPE text WITH (scoring = true)"
        )
        yield session


def hits(db: Session, text: str, params: Any = None) -> list[Hit]:
    return db.execute(text, params).hits


def ids(db: Session, text: str, params: Any = None) -> list[Any]:
    return [hit.id for hit in hits(db, text, params)]


def scores_of(found: list[Hit]) -> list[float]:
    assert all(hit.score is not None for hit in found)
    return [hit.score for hit in found if hit.score is not None]


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def mean(vectors: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def ranked(scores: dict[int, float], limit: int) -> list[tuple[int, float]]:
    return sorted(scores.items(), key=lambda item: -item[1])[:limit]


def same(found: list[Hit], expected: list[tuple[int, float]], rel: float = 1e-4) -> None:
    assert [hit.score for hit in found] == pytest.approx([score for _, score in expected], rel=rel, abs=1e-5)
    assert [hit.id for hit in found] == [number for number, _ in expected]


def refused(db: Session, text: str, code: str, *named: str) -> QQLError:
    with pytest.raises(QQLError) as caught:
        db.run(text)
    assert caught.value.code == code, caught.value.render()
    assert all(word in caught.value.message for word in named), caught.value.message
    assert caught.value.hint
    return caught.value


# ------------------------------------------------------------------------------------ targets


def fast_sigmoid(x: float) -> float:
    return x / (1 + abs(x))


def scaled(x: float) -> float:
    return 0.5 * (fast_sigmoid(x) + 1)


def test_recommend_by_the_average(db: Session) -> None:
    wanted, other = mean([VECTORS[1], VECTORS[2]]), mean([VECTORS[3], ASKED])
    query = [2 * a - b for a, b in zip(wanted, other, strict=True)]
    scores = {i: dot(v, query) for i, v in VECTORS.items() if i not in (1, 2, 3)}
    text = f"QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (3, {ASKED}) FROM docs USING v LIMIT 6"
    same(hits(db, text), ranked(scores, 6))
    given = "QUERY RECOMMEND POSITIVE :p NEGATIVE :n FROM docs USING v LIMIT 6"
    same(hits(db, given, {"p": [1, 2], "n": [3, ASKED]}), ranked(scores, 6))
    named = text.replace(" FROM", " STRATEGY average_vector FROM")
    assert ids(db, named) == ids(db, text)
    older = f"RECOMMEND FROM docs POSITIVE IDS (1, 2) NEGATIVE IDS (3, {ASKED}) USING 'v' LIMIT 6"
    assert ids(db, older) == ids(db, text)


def test_recommend_by_the_best_score(db: Session) -> None:
    def score(v: list[float]) -> float:
        near = max(dot(v, VECTORS[1]), dot(v, VECTORS[2]))
        far = dot(v, VECTORS[3])
        return scaled(near) if near > far else -scaled(far)

    scores = {i: score(v) for i, v in VECTORS.items() if i not in (1, 2, 3)}
    same(
        hits(
            db, "QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (3) STRATEGY best_score FROM docs USING v LIMIT 8"
        ),
        ranked(scores, 8),
    )


def test_recommend_by_the_sum_of_scores(db: Session) -> None:
    scores = {
        i: dot(v, VECTORS[1]) + dot(v, VECTORS[2]) - dot(v, VECTORS[3])
        for i, v in VECTORS.items()
        if i not in (1, 2, 3)
    }
    same(
        hits(
            db, "QUERY RECOMMEND POSITIVE (1, 2) NEGATIVE (3) FROM docs USING v STRATEGY 'sum_scores' LIMIT 8"
        ),
        ranked(scores, 8),
    )
    away = {i: -dot(v, VECTORS[3]) for i, v in VECTORS.items() if i != 3}
    text = "QUERY RECOMMEND NEGATIVE (3) STRATEGY sum_scores FROM docs USING v LIMIT 4"
    same(hits(db, text), ranked(away, 4))


def test_recommend_by_points_of_another_collection(db: Session) -> None:
    scores = {i: dot(v, VECTORS[1]) for i, v in VECTORS.items()}
    text = "QUERY RECOMMEND POSITIVE (100) FROM docs USING w LOOKUP FROM owners VECTOR v LIMIT 3"
    same(hits(db, text), ranked({i: s for i, s in scores.items() if i % 2}, 3))


def test_context(db: Session) -> None:
    pairs = [(1, 2), (3, 4)]

    def score(v: list[float]) -> float:
        return sum(fast_sigmoid(min(0.0, dot(v, VECTORS[p]) - dot(v, VECTORS[n]) - 1.2e-7)) for p, n in pairs)

    found = hits(
        db,
        "QUERY CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2, POSITIVE 3 NEGATIVE 4) FROM docs USING v LIMIT 26",
    )
    scores = {i: score(v) for i, v in VECTORS.items() if i not in (1, 2, 3, 4)}
    assert [hit.score for hit in found] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-4)
    assert all(hit.score == pytest.approx(scores[int(hit.id)], abs=1e-4) for hit in found)
    assert {scores[i] < -0.01 for i in scores} == {True, False}
    guide = hits(db, "QUERY CONTEXT PAIRS (1, 2), (3, 4) FROM docs USING v LIMIT 26")
    assert [hit.score for hit in guide] == [hit.score for hit in found]


def test_discover(db: Session) -> None:
    def score(v: list[float]) -> float:
        ranks = [1 if dot(v, VECTORS[p]) > dot(v, VECTORS[n]) else -1 for p, n in ((1, 2), (3, 4))]
        return sum(ranks) + scaled(dot(v, ASKED))

    scores = {i: score(v) for i, v in VECTORS.items() if i not in (1, 2, 3, 4)}
    text = (
        f"QUERY DISCOVER TARGET {ASKED} CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2, (3, 4))"
        " FROM docs USING v LIMIT 9"
    )
    same(hits(db, text), ranked(scores, 9))
    alone = {i: scaled(dot(v, ASKED)) for i, v in VECTORS.items()}
    same(hits(db, f"QUERY DISCOVER TARGET {ASKED} FROM docs USING v LIMIT 5"), ranked(alone, 5))


def test_order_by(db: Session) -> None:
    assert ids(db, "QUERY ORDER BY n FROM docs LIMIT 4") == [1, 2, 3, 4]
    assert ids(db, "QUERY ORDER BY n DESC FROM docs LIMIT 3 OFFSET 1") == [29, 28, 27]
    assert ids(db, "QUERY ORDER BY n ASC START FROM 7 FROM docs WHERE flag = true LIMIT 3") == [9, 12, 15]
    found = ids(db, "QUERY ORDER BY at START FROM '2024-03-01' FROM docs LIMIT 30")
    late = sorted((i for i in ROWS if ROWS[i]["at"] >= "2024-03-01"), key=lambda i: ROWS[i]["at"])
    assert [ROWS[i]["at"] for i in found] == [ROWS[i]["at"] for i in late]
    assert sorted(found) == sorted(late)
    refused(db, "QUERY ORDER BY price FROM docs", "index-required", "price")


def test_sample(db: Session) -> None:
    for text in ("QUERY SAMPLE RANDOM FROM docs WHERE n <= 3", "QUERY SAMPLE FROM docs WHERE n <= 3 LIMIT 9"):
        assert sorted(ids(db, text)) == [1, 2, 3]
    assert len({tuple(ids(db, "QUERY SAMPLE FROM docs LIMIT 5")) for _ in range(20)}) > 1


def test_points_and_a_point(db: Session) -> None:
    assert sorted(ids(db, "QUERY POINTS (3, 9, 77) FROM docs")) == [3, 9]
    assert ids(db, "SELECT * FROM docs WHERE id = 9") == [9]
    scores = {i: dot(v, VECTORS[5]) for i, v in VECTORS.items() if i != 5}
    for text in ("QUERY POINT 5 FROM docs USING v LIMIT 3", "QUERY 5 FROM docs USING v LIMIT 3"):
        same(hits(db, text), ranked(scores, 3))


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7, 1.0])
def test_maximal_marginal_relevance(db: Session, diversity: float) -> None:
    near = [i for i, _ in ranked({i: dot(v, ASKED) for i, v in VECTORS.items()}, 12)]
    chosen = [near[0]]
    while len(chosen) < 5:
        left = [i for i in near if i not in chosen]

        def worth(i: int) -> float:
            alike = max(dot(VECTORS[i], VECTORS[j]) for j in chosen)
            return (1 - diversity) * dot(VECTORS[i], ASKED) - diversity * alike

        chosen.append(max(left, key=worth))
    text = f"QUERY MMR {ASKED} DIVERSITY {diversity} CANDIDATES 12 FROM docs USING v LIMIT 5"
    assert ids(db, text) == chosen
    guide = f"QUERY {ASKED} FROM docs USING v LIMIT 5 WITH (mmr_diversity = {diversity}, mmr_candidates = 12)"
    assert ids(db, guide) == chosen


def test_relevance_feedback(db: Session) -> None:
    feedback = {2: 0.9, 5: 0.4, 8: 0.1}
    given = ", ".join(f"(POINT {i}, {score})" for i, score in feedback.items())
    text = (
        f"QUERY RELEVANCE FEEDBACK TARGET {ASKED} FEEDBACK ({given})"
        " STRATEGY NAIVE (a = {}, b = {}, c = {}) FROM docs USING v LIMIT 6"
    )
    plain = {i: dot(v, ASKED) for i, v in VECTORS.items() if i not in feedback}
    same(hits(db, text.format(1, 0, 0)), ranked(plain, 6))
    same(hits(db, text.format(2, 1, 0)), ranked({i: 2 * score for i, score in plain.items()}, 6))
    towards = {i: dot(v, VECTORS[2]) - dot(v, VECTORS[8]) for i, v in VECTORS.items() if i not in feedback}
    found = ids(db, text.format(0, 0, 1))
    assert sum(towards[i] for i in found) > sum(towards.values()) / len(towards) * len(found)
    assert found != ids(db, text.format(1, 0, 0))


# ------------------------------------------------------------------------------------ hybrid, rescoring


def fused(*rankings: list[int], k: int = 2, weights: Sequence[float] = (1, 1)) -> dict[int, float]:
    """Qdrant's reciprocal rank fusion: ``1 / (k - 1 + rank / weight)``, the first rank being 1."""
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, number in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0) + 1 / (k - 1 + rank / weight)
    return scores


@pytest.mark.parametrize(
    "text",
    [
        "QUERY HYBRID 'chest pain' DENSE meaning SPARSE words FROM notes LIMIT 4",
        "QUERY 'chest pain' FROM notes USING HYBRID DENSE VECTOR 'meaning' SPARSE VECTOR 'words' LIMIT 4",
        "QUERY 'chest pain' FROM notes USING HYBRID LIMIT 4",
        "SEARCH notes SIMILAR TO 'chest pain' LIMIT 4 USING HYBRID FUSION 'rrf'",
    ],
)
def test_hybrid(db: Session, text: str) -> None:
    dense = ids(db, "QUERY 'chest pain' FROM notes USING meaning LIMIT 40")
    sparse = ids(db, "QUERY 'chest pain' FROM notes USING words LIMIT 40")
    assert dense != sparse
    expected = sorted(fused(dense, sparse).values(), reverse=True)[:4]
    assert [hit.score for hit in hits(db, text)] == pytest.approx(expected)


def test_hybrid_with_conditions_and_options(db: Session) -> None:
    dense = ids(db, "QUERY 'chest pain' FROM notes USING meaning WHERE id != 4 LIMIT 70")
    sparse = ids(db, "QUERY 'chest pain' FROM notes USING words WHERE id != 4 LIMIT 70")
    scores = fused(dense, sparse, k=9)
    text = "QUERY HYBRID 'chest pain' FROM notes WHERE id != 4 PARAMS (rrf_k = 9) LIMIT 3 OFFSET 1"
    found = hits(db, text)
    assert [hit.score for hit in found] == pytest.approx(sorted(scores.values(), reverse=True)[1:4])
    assert 4 not in [hit.id for hit in found]
    assert hits(db, text.replace("PARAMS (rrf_k = 9)", "FUSION DBSF"))[0].score != found[0].score


def test_weights_of_stages(db: Session) -> None:
    first = ids(db, f"QUERY {ASKED} FROM docs USING v LIMIT 5")
    second = ids(db, "QUERY [0, 1, 0, 0] FROM docs USING v LIMIT 5")
    expected = ranked(fused(first, second, k=3, weights=(3, 1)), 4)
    text = (
        f"WITH a AS (QUERY {ASKED} USING v LIMIT 5), b AS (QUERY [0, 1, 0, 0] USING v LIMIT 5) "
        "QUERY FUSION RRF FROM docs PREFETCH (a, b) PARAMS (rrf_k = 3, rrf_weights = {b: 1, a: 3}) LIMIT 4"
    )
    assert [hit.score for hit in hits(db, text)] == pytest.approx([score for _, score in expected], rel=1e-4)


def test_stages_that_are_rescored(db: Session) -> None:
    candidates = ids(db, "QUERY [0, 1, 0, 0] FROM docs USING v LIMIT 7")
    scores = {i: dot(VECTORS[i], ASKED) for i in candidates}
    for head in ("QUERY", "QUERY RERANK VECTOR"):
        text = f"{head} {ASKED} FROM docs USING v PREFETCH (QUERY [0, 1, 0, 0] USING v LIMIT 7) LIMIT 5"
        same(hits(db, text), ranked(scores, 5))


def test_boost_takes_more_than_it_gives(db: Session) -> None:
    near = ranked({i: dot(v, ASKED) for i, v in VECTORS.items()}, 20)
    expected = ranked({i: score + ROWS[i]["n"] for i, score in near}, 2)
    for tail in ("BOOST $score + n", "BOOST (score + n)", "FORMULA n + $score"):
        same(hits(db, f"QUERY {ASKED} FROM docs USING v {tail} LIMIT 2"), expected)
    same(
        hits(db, f"QUERY {ASKED} FROM docs USING v WHERE n < 9 BOOST $score + n LIMIT 3 OFFSET 1"),
        ranked({i: dot(VECTORS[i], ASKED) + i for i in range(1, 9)}, 4)[1:],
    )
    defaults = f"QUERY {ASKED} FROM docs USING v BOOST price DEFAULTS (price = 1000) LIMIT 3"
    assert {hit.score for hit in hits(db, defaults)} == {1000.0}


def test_full_text(db: Session) -> None:
    found = hits(db, "QUERY MATCH 'chest pain' ON text FROM notes")
    assert {hit.id for hit in found} == {1, 4, 6}
    assert {found[0].id, found[1].id} == {1, 4}
    assert scores_of(found) == sorted(scores_of(found), reverse=True)
    assert ids(db, "QUERY MATCH 'pain' ON text (k = 3, b = 0) FROM notes")[0] == 6
    heavy = scores_of(hits(db, "QUERY MATCH 'pain' ON text (k = 3, b = 0) FROM notes"))
    light = scores_of(hits(db, "QUERY MATCH 'pain' ON text (k = 0.01, b = 0) FROM notes"))
    assert heavy[0] / heavy[1] > 1.5 > 1.1 > light[0] / light[1]
    assert ids(db, "QUERY MATCH 'pain' ON text FROM notes WHERE id != 6 LIMIT 9") in ([1, 4], [4, 1])
    refused(db, "QUERY MATCH 'pain' ON title FROM notes", "index-required", "title")


# ------------------------------------------------------------------------------------ groups, batches


def grouped(scores: dict[int, float], field: str, size: int) -> dict[Any, list[int]]:
    groups: dict[Any, list[int]] = {}
    for number, _ in ranked(scores, len(scores)):
        group = groups.setdefault(ROWS[number][field], [])
        if len(group) < size:
            group.append(number)
    return groups


def test_groups(db: Session) -> None:
    scores = {i: dot(v, ASKED) for i, v in VECTORS.items()}
    for size, written in ((2, "SIZE 2"), (3, ""), (2, "GROUP_SIZE 2")):
        found = hits(db, f"QUERY {ASKED} FROM docs USING v GROUP BY owner {written} LIMIT 3")
        expected = list(grouped(scores, "owner", size).items())[:3]
        assert [hit.id for hit in found] == [number for _, group in expected for number in group]
        assert [hit.group for hit in found] == [name for name, group in expected for _ in group]
        assert [hit.score for hit in found] == pytest.approx(
            [scores[number] for _, group in expected for number in group], rel=1e-4
        )


def test_groups_behind_an_offset(db: Session) -> None:
    scores = {i: dot(v, ASKED) for i, v in VECTORS.items()}
    expected = list(grouped(scores, "owner", 1).items())
    found = hits(db, f"QUERY {ASKED} FROM docs USING v GROUP BY owner SIZE 1 LIMIT 2 OFFSET 1")
    assert [(hit.group, hit.id) for hit in found] == [(name, group[0]) for name, group in expected[1:3]]


def test_groups_look_a_point_up(db: Session) -> None:
    text = f"QUERY {ASKED} FROM docs USING v GROUP BY owner SIZE 1 LOOKUP FROM owners{{}} LIMIT 4"
    for written, payload in (
        ("", {"name", "age"}),
        (" WITH PAYLOAD (name)", {"name"}),
        (" WITH PAYLOAD EXCLUDE (name)", {"age"}),
    ):
        found = hits(db, text.format(written))
        assert len(found) == 4
        for hit in found:
            assert hit.lookup is not None
            assert hit.lookup["id"] == hit.group
            assert set(hit.lookup["payload"]) == payload
    seen = hits(db, text.format(" WITH PAYLOAD false WITH VECTOR true"))
    assert all(hit.lookup and "vector" in hit.lookup and not hit.lookup.get("payload") for hit in seen)
    older = hits(db, f"QUERY {ASKED} FROM docs USING v GROUP BY owner GROUP_SIZE 1 WITH LOOKUP FROM owners")
    assert all(hit.lookup and hit.lookup["id"] == hit.group for hit in older)


def test_a_batch_of_queries(db: Session) -> None:
    one, two = f"QUERY {ASKED} FROM docs USING v LIMIT 2", "QUERY ORDER BY n FROM docs LIMIT 3"
    result = db.execute(f"BATCH {{ {one}; {two}; }}")
    assert len(result.requests) == 1
    assert [(row["query"], row["id"]) for row in result.rows] == [
        *((1, number) for number in ids(db, one)),
        *((2, number) for number in ids(db, two)),
    ]


# ------------------------------------------------------------------------------------ formulas


def haversine(lat: float, lon: float, place: dict[str, float]) -> float:
    a, b = math.radians(lat), math.radians(place["lat"])
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(place["lon"] - lon) / 2) ** 2
    )
    return 2 * 6371008.8 * math.asin(math.sqrt(half))


def seconds(date: str) -> float:
    return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()


YEAR = seconds("2024-01-01")
FORMULAS: dict[str, Callable[[Row, float], float]] = {
    "$score": lambda _, s: s,
    "score * 2": lambda _, s: s * 2,
    "n": lambda r, _: r["n"],
    "n + 2 * $score - 1": lambda r, s: r["n"] + 2 * s - 1,
    "(n + 2) * ($score - 1)": lambda r, s: (r["n"] + 2) * (s - 1),
    "-n": lambda r, _: -r["n"],
    "- (n - 40) - -3": lambda r, _: -(r["n"] - 40) + 3,
    "n / 4": lambda r, _: r["n"] / 4,
    "n / 2 / 4": lambda r, _: r["n"] / 8,
    "1 / (n - 3) [DEFAULT = 9]": lambda r, _: 9 if r["n"] == 3 else 1 / (r["n"] - 3),
    "ABS(n - 15)": lambda r, _: abs(r["n"] - 15),
    "ABS($score)": lambda _, s: abs(s),
    "SQRT(n)": lambda r, _: math.sqrt(r["n"]),
    "POW(n, 2)": lambda r, _: r["n"] ** 2,
    "POWER(2, n / 10)": lambda r, _: 2 ** (r["n"] / 10),
    "EXP(n / 10)": lambda r, _: math.exp(r["n"] / 10),
    "LOG(n)": lambda r, _: math.log10(r["n"]),
    "LOG10(n)": lambda r, _: math.log10(r["n"]),
    "LN(n)": lambda r, _: math.log(r["n"]),
    "ACOSH(n)": lambda r, _: math.acosh(r["n"]),
    "MAX(n, 5, owner - 100)": lambda r, _: max(r["n"], 5, r["owner"] - 100),
    "MIN(n, 5, owner - 100)": lambda r, _: min(r["n"], 5, r["owner"] - 100),
    "SUM(n, 1, $score)": lambda r, s: r["n"] + 1 + s,
    "PRODUCT(n, 2, 3)": lambda r, _: r["n"] * 6,
    "MULT(n, 2)": lambda r, _: r["n"] * 2,
    "NEG(n)": lambda r, _: -r["n"],
    "CASE WHEN flag = true THEN 5 ELSE n END": lambda r, _: 5 if r["flag"] else r["n"],
    "CASE WHEN n > 10 THEN 5 END": lambda r, _: 5 if r["n"] > 10 else 0,
    "CASE WHEN n < 5 THEN 1 WHEN n < 20 THEN 2 ELSE 3 END": lambda r, _: (
        1 if r["n"] < 5 else 2 if r["n"] < 20 else 3
    ),
    "CASE WHEN NOT (flag = true OR n IN (1, 2)) THEN n ELSE -n END": lambda r, _: (
        -r["n"] if r["flag"] or r["n"] in (1, 2) else r["n"]
    ),
    "CASE WHEN id = 4 THEN 1 ELSE CASE WHEN flag = true THEN 2 ELSE 3 END END": lambda r, _: (
        1 if r["n"] == 4 else 2 if r["flag"] else 3
    ),
    "MATCH(owner, 101)": lambda r, _: r["owner"] == 101,
    "MATCH(owner, [101, 102]) + 1": lambda r, _: 1 + (r["owner"] in (101, 102)),
    "MATCH_ANY(word, ('red', 'blue'))": lambda r, _: r["word"] in ("red", "blue"),
    "CONDITION(flag = true AND n > 5) * n": lambda r, _: r["n"] * (r["flag"] and r["n"] > 5),
    "GEO_DISTANCE(52.5, 13.4, place)": lambda r, _: haversine(52.5, 13.4, r["place"]),
    "GEO_DISTANCE({lat: 50, lon: 10}, place)": lambda r, _: haversine(50, 10, r["place"]),
    "DATETIME_KEY(at) / 1000000": lambda r, _: seconds(r["at"]) / 1e6,
    "DATETIME_KEY(at) - DATETIME('2024-01-01')": lambda r, _: seconds(r["at"]) - YEAR,
    "GAUSS_DECAY(n, 10, 5, 0.5)": lambda r, _: math.exp(math.log(0.5) / 25 * (r["n"] - 10) ** 2),
    "EXP_DECAY(n, 10, 5, 0.25)": lambda r, _: math.exp(math.log(0.25) / 5 * abs(r["n"] - 10)),
    "LIN_DECAY(n, 10, 5, 0.5)": lambda r, _: max(0.0, 1 - abs(r["n"] - 10) * 0.5 / 5),
    "LIN_DECAY(x = n, midpoint = 0.2, scale = 40, target = 3)": lambda r, _: max(
        0.0, 1 - abs(r["n"] - 3) * 0.8 / 40
    ),
    "EXP_DECAY(at, target: '2024-06-01', scale: 30d)": lambda r, _: math.exp(
        math.log(0.5) / (30 * 86400) * abs(seconds(r["at"]) - seconds("2024-06-01"))
    ),
    "SQRT(n - 9) [DEFAULT = 0]": lambda r, _: math.sqrt(max(0, r["n"] - 9)),
}


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas(db: Session, text: str) -> None:
    query = f"QUERY FORMULA {text} FROM docs PREFETCH (QUERY {ASKED} USING v LIMIT {COUNT}) LIMIT {COUNT}"
    found = hits(db, query)
    assert len(found) == COUNT
    for hit in found:
        number = int(hit.id)
        expected = float(FORMULAS[text](ROWS[number], dot(VECTORS[number], ASKED)))
        assert hit.score == pytest.approx(expected, rel=2e-3, abs=2e-4), number
    assert scores_of(found) == sorted(scores_of(found), reverse=True)


def test_formulas_of_several_scores(db: Session) -> None:
    text = (
        "QUERY FORMULA '$score[0]' + 10 * '$score[1]' DEFAULTS ('$score[0]' = 0, '$score[1]' = 0) FROM docs"
        f" PREFETCH (QUERY {ASKED} USING v LIMIT 5, QUERY [0, 1, 0, 0] USING v LIMIT 5) LIMIT 10"
    )
    first = dict(ranked({i: dot(v, ASKED) for i, v in VECTORS.items()}, 5))
    second = dict(ranked({i: v[1] for i, v in VECTORS.items()}, 5))
    expected = {i: first.get(i, 0) + 10 * second.get(i, 0) for i in first.keys() | second.keys()}
    same(hits(db, text), ranked(expected, 10))


def test_what_a_formula_lacks(db: Session) -> None:
    prefetch = f"PREFETCH (QUERY {ASKED} USING v LIMIT {COUNT})"
    refused(db, f"QUERY FORMULA price FROM docs {prefetch}", "formula-failed")
    found = hits(db, f"QUERY FORMULA price DEFAULTS (price = -1) FROM docs {prefetch} LIMIT {COUNT}")
    assert {hit.id for hit in found if hit.score == -1} == {i for i in ROWS if i % 5 == 0}


# ------------------------------------------------------------------------------------ filters


def number(row: Row, name: str) -> float:
    """The value, or NaN, which no comparison holds for."""
    value = row.get(name)
    return value if isinstance(value, (int, float)) else math.nan


FILTERS: dict[str, Callable[[Row], bool]] = {
    "word = 'red'": lambda r: r["word"] == "red",
    "word != 'red'": lambda r: r["word"] != "red",
    "n = 4": lambda r: r["n"] == 4,
    "flag = true": lambda r: r["flag"],
    "flag != true": lambda r: not r["flag"],
    "tags = 'a'": lambda r: "a" in r["tags"],
    "tags != 'a'": lambda r: "a" not in r["tags"],
    "price > 50": lambda r: number(r, "price") > 50,
    "price <= 50": lambda r: number(r, "price") <= 50,
    "NOT price <= 50": lambda r: not number(r, "price") <= 50,
    "n BETWEEN 5 AND 9": lambda r: 5 <= r["n"] <= 9,
    "n NOT BETWEEN 5 AND 9": lambda r: not 5 <= r["n"] <= 9,
    "n RANGE (gt = 5, lte = 9)": lambda r: 5 < r["n"] <= 9,
    "at >= '2024-06-01'": lambda r: r["at"] >= "2024-06-01",
    "at BETWEEN '2024-02-01' AND '2024-04-30'": lambda r: "2024-02-01" <= r["at"] <= "2024-04-30",
    "word IN ('red', 'blue')": lambda r: r["word"] in ("red", "blue"),
    "word NOT IN ('red', 'blue')": lambda r: r["word"] not in ("red", "blue"),
    "word MATCH EXCEPT ('red', 'blue')": lambda r: r["word"] == "green",
    "tags MATCH ANY ('a', 'd')": lambda r: bool({"a", "d"} & set(r["tags"])),
    "n IN (3, 5, 77)": lambda r: r["n"] in (3, 5),
    "word IS NULL": lambda r: r["word"] is None,
    "word IS NOT NULL": lambda r: r["word"] is not None,
    "price IS NULL": lambda r: False,
    "price IS EMPTY": lambda r: "price" not in r,
    "tags IS EMPTY": lambda r: not r["tags"],
    "tags IS NOT EMPTY": lambda r: bool(r["tags"]),
    "tags VALUES_COUNT = 2": lambda r: len(r["tags"]) == 2,
    "tags VALUES_COUNT != 2": lambda r: len(r["tags"]) != 2,
    "tags VALUES_COUNT >= 2": lambda r: len(r["tags"]) >= 2,
    "tags VALUES_COUNT BETWEEN 1 AND 2": lambda r: 1 <= len(r["tags"]) <= 2,
    "tags VALUES_COUNT (gt = 0, lt = 2)": lambda r: len(r["tags"]) == 1,
    "place GEO_RADIUS {center: {lat: 50, lon: 11}, radius: 150000}": lambda r: (
        haversine(50, 11, r["place"]) < 150000
    ),
    "place NOT GEO_BBOX {top_left: {lat: 51, lon: 10}, bottom_right: {lat: 49, lon: 13}}": lambda r: (
        not (49 < r["place"]["lat"] < 51 and 10 < r["place"]["lon"] < 13)
    ),
    "place GEO_POLYGON {exterior: [{lat: 48, lon: 9}, {lat: 53, lon: 9}, {lat: 53, lon: 14}]}": lambda r: (
        r["place"]["lat"] - 48 > r["place"]["lon"] - 9
    ),
    "NESTED('parts', size = 2 AND kind = 'x')": lambda r: any(
        part["size"] == 2 and part["kind"] == "x" for part in r["parts"]
    ),
    "NESTED(parts, NOT kind = 'x' OR size > 3)": lambda r: any(
        part["kind"] != "x" or part["size"] > 3 for part in r["parts"]
    ),
    "parts[].size = 2 AND parts[].kind = 'x'": lambda r: (
        any(part["size"] == 2 for part in r["parts"]) and any(part["kind"] == "x" for part in r["parts"])
    ),
    "MIN SHOULD 2 (flag = true, word = 'red', n > 15)": lambda r: (
        (r["flag"]) + (r["word"] == "red") + (r["n"] > 15) >= 2
    ),
    "id = 7": lambda r: r["n"] == 7,
    "id != 7": lambda r: r["n"] != 7,
    "id IN (7, 9, 700)": lambda r: r["n"] in (7, 9),
    "HAS_VECTOR w": lambda r: r["n"] % 2 == 1,
    "NOT HAS_VECTOR('w')": lambda r: r["n"] % 2 == 0,
    "place.lat > 51": lambda r: r["place"]["lat"] > 51,
}


def matching(db: Session, condition: str) -> list[Any]:
    return sorted(ids(db, f"SCROLL FROM docs WHERE {condition} LIMIT 100"))


@pytest.mark.parametrize("condition", FILTERS)
def test_filters(db: Session, condition: str) -> None:
    expected = [i for i, row in ROWS.items() if FILTERS[condition](row)]
    assert matching(db, condition) == expected
    assert matching(db, f"NOT ({condition})") == [i for i in ROWS if i not in expected]
    found = ids(db, f"QUERY {ASKED} FROM docs USING v WHERE {condition} LIMIT 100")
    assert sorted(found) == expected
    (count,) = db.execute(f"COUNT FROM docs WHERE {condition}").rows
    assert count["count"] == len(expected)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("MIN SHOULD 2 (n = 7, n = 4, n = 7)", [7]),
        ("MIN SHOULD 2 (id = 7, n = 4, id = 7)", [7]),
        ("MIN SHOULD 2 (id IN (4, 5), n = 7, id IN (5, 4))", [4, 5]),
        ("MIN SHOULD 3 (n = 7, n = 4, n = 7, n = 4, n = 7, n = 4, n = 7)", [4, 7]),
        ("MIN SHOULD 4 (n = 7, n = 4, n = 7, n = 4, n = 7, n = 4, n = 7)", [7]),
        ("MIN SHOULD 5 (n = 7, n = 4, n = 7, n = 4, n = 7, n = 4, n = 7)", []),
    ],
)
def test_repeated_conditions_count_as_often_as_they_stand(
    db: Session, condition: str, found: list[int]
) -> None:
    assert matching(db, condition) == found


def test_the_slices_are_the_whole(db: Session) -> None:
    slices = [matching(db, f"SLICE(3, {part})") for part in range(3)]
    assert sorted(number for part in slices for number in part) == sorted(ROWS)
    assert all(slices)


LEAVES = st.sampled_from(sorted(FILTERS)).map(lambda text: (f"({text})", FILTERS[text]))
Condition = tuple[str, Callable[[Row], bool]]


def _all(parts: list[Condition]) -> Condition:
    return f"({' AND '.join(text for text, _ in parts)})", lambda row: all(test(row) for _, test in parts)


def _any(parts: list[Condition]) -> Condition:
    return f"({' OR '.join(text for text, _ in parts)})", lambda row: any(test(row) for _, test in parts)


def _not(part: Condition) -> Condition:
    return f"NOT {part[0]}", lambda row: not part[1](row)


def _most(parts: list[Condition]) -> Condition:
    inner = ", ".join(text for text, _ in parts)
    return f"MIN SHOULD 2 ({inner})", lambda row: sum(bool(test(row)) for _, test in parts) >= 2


CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(_all),
        st.lists(inner, min_size=2, max_size=3).map(_any),
        st.lists(inner, min_size=2, max_size=3).map(_most),
        inner.map(_not),
    ),
    max_leaves=8,
)


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(CONDITIONS, CONDITIONS)
def test_conditions_of_conditions(db: Session, first: Condition, second: Condition) -> None:
    assert matching(db, first[0]) == [i for i, row in ROWS.items() if first[1](row)]
    # A stage's conditions and its reference's are both kept, and so are those of the query above.
    text = (
        f"WITH a AS (QUERY {ASKED} USING v WHERE {first[0]} LIMIT 100) "
        f"QUERY {ASKED} FROM docs USING v WHERE {second[0]} PREFETCH (a WHERE {second[0]}) LIMIT 100"
    )
    both = [i for i, row in ROWS.items() if first[1](row) and second[1](row)]
    assert sorted(ids(db, text)) == both


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"QUERY {ASKED} FROM docs USING v SHARD 'a'", "shard_key"),
        (f"QUERY {ASKED} FROM docs USING v SHARD ('a', 'b')", "shard_key"),
        (f"QUERY {ASKED} FROM docs USING v PARAMS (consistency = majority)", "consistency"),
        ("SCROLL FROM docs SHARD 5", "shard_key"),
        ("COUNT FROM docs SHARD 'a'", "shard_key"),
        ("DELETE FROM docs WHERE id = 999 SHARD 'a'", "shard_key"),
        ("QUERY POINTS (1) FROM docs SHARD 'a'", "shard_key"),
    ],
)
def test_what_one_machine_cannot_do_is_refused_by_name(db: Session, text: str, named: str) -> None:
    refused(db, text, "unsupported", named)
